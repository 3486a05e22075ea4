"""The events of the rollout of a fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from ..rollout.events import Event
from ..types import Summary, Target

FleetEventKind: TypeAlias = Literal[
    "fleet_started",
    "wave_started",
    "set_started",
    "set_event",
    "set_done",
    "set_failed",
    "set_paused",
    "stopping",
    "waiting",
    "wave_done",
    "fleet_ended",
]


class _FleetEventFields(NamedTuple):
    kind: FleetEventKind
    message: str
    scale_set: Target | None
    wave: int
    waves: int
    event: Event | None
    done: int
    failed: int
    total: int
    summary: Summary | None
    time: datetime


class FleetEvent(_FleetEventFields):
    """An event of the rollout of a fleet; it prints as one line.

    Attributes:
        kind: `fleet_started`, `wave_started`, `set_started`, `set_event`, `set_done`,
            `set_failed`, `set_paused`, `stopping` (too many sets failed), `waiting`
            (no event for a minute), `wave_done` or `fleet_ended`.
        message: The message for people.
        scale_set: The scale set of the event, or `None`.
        wave: Number of the wave, from 1; 0 before the first wave.
        waves: Number of waves.
        event: The set's own event if the kind is `set_event`, without its instances; else `None`.
        done: Number of sets that are done.
        failed: Number of sets that failed.
        total: Number of sets in the fleet.
        summary: Result counters of all sets together, in the last event; else `None`.
        time: Time of the event (UTC).
    """

    __slots__ = ()

    def __new__(
        cls,
        kind: FleetEventKind,
        message: str,
        scale_set: Target | None = None,
        wave: int = 0,
        waves: int = 0,
        event: Event | None = None,
        done: int = 0,
        failed: int = 0,
        total: int = 0,
        summary: Summary | None = None,
        time: datetime | None = None,
    ) -> FleetEvent:
        """Return an event, by default with the current time."""
        moment = time or datetime.now(UTC)
        return super().__new__(
            cls,
            kind,
            message,
            scale_set,
            wave,
            waves,
            event,
            done,
            failed,
            total,
            summary,
            moment,
        )

    def __str__(self) -> str:
        return f"{self.time.astimezone():%H:%M:%S}  {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a dict for a log, ready for `json.dumps`."""
        fields = self._asdict()
        fields["scale_set"] = self.scale_set and self.scale_set._asdict()
        fields["event"] = self.event and self.event.to_dict()
        fields["summary"] = self.summary and self.summary._asdict()
        fields["time"] = self.time.isoformat(timespec="milliseconds")
        return fields
