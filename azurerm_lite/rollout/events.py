"""The event that a rollout emits.

It stands by itself because `dataclasses` is most of what importing us would cost: this is loaded
when a rollout begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..types import Batch, Instance, Summary


@dataclass(frozen=True)
class Event:
    """Something that happened in a rollout; printing it gives a line.

    Attributes:
        kind: `started`, `notice`, `skipped`, `planned`, `batch_started`, `progress`, `waiting`,
            `baking`, `batch_done`, `pausing`, `stopped`, `rolling_back` or `finished`.
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
