"""What rollouts tell while they go on: `Event` of one, `FleetEvent` of many.

It stands by itself because `dataclasses` is most of what importing us would cost: this is loaded
when a rollout begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .types import Batch, Instance, Summary, Target


@dataclass(frozen=True)
class Event:
    """Something that happened in a rollout; printing it gives a line.

    Attributes: kind: `started`, `notice`, `skipped`, `planned`, `batch_started`, `progress`,
        `waiting`, `baking`, `batch_done`,
            `pausing`, `stopped`, `rolling_back` or `finished`.
        message: What happened, for people.
        batch: The batch that it happened to, or `None`.
        number: Which batch of this run that is, from 1; 0 when there is none.
        batches: How many batches this run comes to, as far as can be told.
        instance_ids: The instances that it is about.
        latest: How many instances of the set have the latest model.
        total: How many instances the set has.
        unhealthy: Which instances are not yet as they should be, and why: `{instance id: reason}`.
        summary: What the run came to, in the last event of it; else `None`.
        time: When it happened (UTC).
        instances: The instances as last read, those of a batch under way as `Updating`; for a
            picture, and left out of the repr.
    """

    kind: str
    message: str
    batch: Batch | None = None
    number: int = 0
    batches: int = 0
    instance_ids: tuple[str, ...] = ()
    latest: int = 0
    total: int = 0
    unhealthy: Mapping[str, str] = field(default_factory=dict, hash=False)
    summary: Summary | None = None
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    instances: tuple[Instance, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.time.astimezone():%H:%M:%S}  {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """The event for a log, ready for `json.dumps`; without the instances."""
        told = {name: value for name, value in vars(self).items() if name != "instances"}
        told["batch"] = self.batch and self.batch.name
        told["summary"] = self.summary and self.summary._asdict()
        return {
            **told,
            "unhealthy": dict(self.unhealthy),
            "time": self.time.isoformat(timespec="milliseconds"),
        }


@dataclass(frozen=True)
class FleetEvent:
    """Something that happened in the rollout of a fleet; printing it gives a line.

    Attributes: kind: `fleet_started`, `wave_started`, `set_started`, `set_event`, `set_done`,
        `set_failed`, `set_paused`,
            `stopping` (more sets failed than may), `waiting` (nothing was heard for a minute),
            `wave_done` or `fleet_ended`.
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
