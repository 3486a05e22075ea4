"""The event that the rollout of a fleet emits."""

from __future__ import annotations

from datetime import datetime, timezone
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
    """Something that happened in the rollout of a fleet; printing it gives a line.

    Attributes:
        kind: `fleet_started`, `wave_started`, `set_started`, `set_event`, `set_done`,
            `set_failed`, `set_paused`, `stopping` (more sets failed than may), `waiting` (nothing
            was reported for a minute), `wave_done` or `fleet_ended`.
        message: What happened, for people.
        scale_set: The scale set that it happened to, or `None`.
        wave: Which wave that is, from 1; 0 when there is none.
        waves: How many waves there are.
        event: The set's own event if the kind is `set_event`, without its instances; else `None`.
        done: How many sets are done.
        failed: How many sets failed.
        total: How many sets the fleet has.
        summary: What all sets together came to, in the last event; else `None`.
        time: When it happened (UTC).
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
        """Return an event of this moment, if no time is given."""
        moment = time or datetime.now(timezone.utc)
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
        """Return the event for a log, ready for `json.dumps`."""
        fields = self._asdict()
        fields["scale_set"] = self.scale_set and self.scale_set._asdict()
        fields["event"] = self.event and self.event.to_dict()
        fields["summary"] = self.summary and self.summary._asdict()
        fields["time"] = self.time.isoformat(timespec="milliseconds")
        return fields
