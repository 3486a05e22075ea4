"""The event that the rollout of a fleet emits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..rollout.events import Event
from ..types import Summary, Target


@dataclass(frozen=True)
class FleetEvent:
    """Something that happened in the rollout of a fleet; printing it gives a line.

    Attributes:
        kind: `fleet_started`, `wave_started`, `set_started`, `set_event`, `set_done`, `set_failed`,
            `set_paused`, `stopping` (more sets failed than may), `waiting` (nothing was heard for a
            minute), `wave_done` or `fleet_ended`.
        message: What happened, for people.
        scale_set: The scale set that it happened to, or `None`.
        wave: Which wave that is, from 1; 0 when there is none.
        waves: How many waves there are.
        event: The set's own event where the kind is `set_event`, without its instances; else
            `None`.
        done: How many sets are done.
        failed: How many sets failed.
        total: How many sets the fleet has.
        summary: What all sets together came to, in the last event; else `None`.
        time: When it happened (UTC).
    """

    kind: str
    message: str
    scale_set: Target | None = None
    wave: int = 0
    waves: int = 0
    event: Event | None = None
    done: int = 0
    failed: int = 0
    total: int = 0
    summary: Summary | None = None
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def __str__(self) -> str:
        return f"{self.time.astimezone():%H:%M:%S}  {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """The event for a log, ready for `json.dumps`."""
        told = dict(vars(self))
        told["scale_set"] = self.scale_set and self.scale_set._asdict()
        told["event"] = self.event and self.event.to_dict()
        told["summary"] = self.summary and self.summary._asdict()
        return {**told, "time": self.time.isoformat(timespec="milliseconds")}
