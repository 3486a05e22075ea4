"""The event that a rollout emits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from ..instances import properties_of
from ..types import Batch, Instance, Summary

if TYPE_CHECKING:
    from .state import RolloutState

EventKind: TypeAlias = Literal[
    "started",
    "notice",
    "skipped",
    "planned",
    "checked",
    "batch_started",
    "progress",
    "waiting",
    "baking",
    "batch_done",
    "pausing",
    "stopped",
    "rolling_back",
    "rolled_back",
    "finished",
]


_LEFT_OUT = ("instances", "text")
"""Fields that a log and the repr do not need."""


class _EventFields(NamedTuple):
    kind: EventKind
    message: str
    batch: Batch | None
    number: int
    batches: int
    instance_ids: tuple[str, ...]
    latest: int
    total: int
    unhealthy: Mapping[str, str]
    summary: Summary | None
    time: datetime
    capacity: int | None
    instances: tuple[Instance, ...]
    text: str


class Event(_EventFields):
    """Something that happened in a rollout; printing it gives a line.

    Attributes:
        kind: `started`, `notice`, `skipped`, `planned`, `checked`, `batch_started`, `progress`,
            `waiting`, `baking`, `batch_done`, `pausing`, `stopped`, `rolling_back`, `rolled_back`
            or `finished`.
        message: What happened, for people.
        batch: The batch that it happened to, or `None`.
        number: The number of the batch in this run, from 1; 0 without a batch.
        batches: How many batches this run has, as far as known.
        instance_ids: The instances that it is about.
        latest: How many instances of the set have the latest model; in other kinds of runs, how
            many need nothing.
        total: How many instances the set has.
        unhealthy: The instances that are not done, and why: `{instance id: reason}`.
        summary: The result counters, in the last event of the run; else `None`.
        time: When it happened (UTC).
        capacity: With extra capacity, the number of instances at the end; pass it to resume. Else
            `None`.
        instances: The instances as last read, those of the batch in progress as `Updating`; for a
            heat map, and not in the repr.
    """

    __slots__ = ()

    def __new__(
        cls,
        kind: EventKind,
        message: str,
        batch: Batch | None = None,
        number: int = 0,
        batches: int = 0,
        instance_ids: tuple[str, ...] = (),
        latest: int = 0,
        total: int = 0,
        unhealthy: Mapping[str, str] | None = None,
        summary: Summary | None = None,
        time: datetime | None = None,
        capacity: int | None = None,
        instances: tuple[Instance, ...] = (),
        text: str = "",
    ) -> Event:
        """Return an event of this moment, if no time is given."""
        return super().__new__(
            cls,
            kind,
            message,
            batch,
            number,
            batches,
            instance_ids,
            latest,
            total,
            unhealthy or {},
            summary,
            time or datetime.now(UTC),
            capacity,
            instances,
            text or message,
        )

    def __eq__(self, other: object) -> bool:
        """Return whether two events say the same, whatever the instances."""
        return isinstance(other, Event) and self._compared() == other._compared()

    def __ne__(self, other: object) -> bool:
        """Return the opposite: a tuple's own would compare the instances."""
        return not self == other

    def __hash__(self) -> int:
        return hash((self.kind, self.message, self.time))

    def _compared(self) -> tuple[Any, ...]:
        return tuple(value for name, value in self._asdict().items() if name not in _LEFT_OUT)

    def __str__(self) -> str:
        return f"{self.time.astimezone():%H:%M:%S}  {self.message}"

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}" for name, value in self._asdict().items() if name not in _LEFT_OUT
        ]
        return f"Event({', '.join(shown)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the event for a log, ready for `json.dumps`; without the instances."""
        fields = self._asdict()
        for name in _LEFT_OUT:
            del fields[name]
        fields["batch"] = self.batch and self.batch.name
        fields["summary"] = self.summary and self.summary._asdict()
        fields["unhealthy"] = dict(self.unhealthy)
        fields["time"] = self.time.isoformat(timespec="milliseconds")
        return fields


def event(
    state: RolloutState,
    kind: EventKind,
    text: str,
    *,
    of_set: bool = False,
    batch: Batch | None = None,
    instance_ids: Sequence[str] = (),
    unhealthy: Mapping[str, str] | None = None,
    summary: Summary | None = None,
) -> Event:
    """Return an event with what a run knows now.

    Args:
        state: The run.
        kind: What happened.
        text: The same for people.
        of_set: Whether it is about the set as a whole: the message then starts with its name.
        batch: The batch that it happened to, or `None`.
        instance_ids: The instances that it is about; those of the batch, if there are none.
        unhealthy: `{instance id: reason}`.
        summary: The result counters, in the last event.

    Returns:
        The event.
    """
    ids = tuple(instance_ids)
    if not ids and batch:
        ids = batch.instance_ids
    return Event(
        kind=kind,
        message=f"{state.scale_set.vmss_name}: {text}" if of_set else text,
        text=text,
        batch=batch,
        number=len(state.started_batches),
        batches=state.batches,
        instance_ids=ids,
        latest=len(state.current),
        total=len(state.instances),
        unhealthy=unhealthy or {},
        summary=summary,
        capacity=state.capacity,
        instances=_instances_as_known(state),
    )


def _instances_as_known(state: RolloutState) -> tuple[Instance, ...]:
    """Return the instances as last read, those of the batch in flight as `Updating`."""
    if not state.in_flight:
        return state.instances
    return tuple(
        _as_updating(instance) if instance["instanceId"] in state.in_flight else instance
        for instance in state.instances
    )


def _as_updating(instance: Instance) -> Instance:
    properties = {**properties_of(instance), "provisioningState": "Updating"}
    return cast("Instance", {**instance, "properties": properties})
