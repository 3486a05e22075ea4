"""What a run of a rollout knows: data only, which a fleet sends from process to process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from requests import Response

from .. import _clock, images, rest
from ..instances import id_sort_key
from ..types import Batch, Image, Instance, ScaleSet, Summary, Token
from . import messages
from .options import RolloutOptions

Status: TypeAlias = Literal["new", "running", "paused", "done"]

_MOMENTS = ("started_at", "read_at")
"""Fields with a time of this process's clock, which another process does not share."""
_LOCAL = {"operation": None, "deadline": 0.0, "started": (), "result": None}
"""Fields that are empty between two batches and do not cross to another process."""


class ScaleSetRef(NamedTuple):
    """A scale set, and what signs in to it: the leading arguments of every function."""

    access_token: Token
    subscription_id: str
    resource_group: str
    vmss_name: str

    def __repr__(self) -> str:  # debuggers and crash reports show the values of a frame
        return f"<scale set {self.resource_group}/{self.vmss_name} of {self.subscription_id}>"


class Started(NamedTuple):
    """A request that was accepted: for which instances, and Azure's answer, if there is one."""

    ids: tuple[str, ...]
    response: Response | None


def _one_attempt() -> rest.RequestHooks:
    return rest.RequestHooks(max_attempts=1)


def _now() -> float:
    return _clock.monotonic()


def _now_utc() -> datetime:
    return datetime.now(UTC)


@dataclass(repr=False)
class RolloutState:
    """A run of a rollout or of a rollback.

    Attributes:
        scale_set: The set.
        options: What was asked for.
        hooks: Counts the requests of the run. One attempt each: every pause is made where an event
            can report it.
        is_rollback: Whether the run brings the instances back to an old image.
        status: Where the run stands. `paused` and `done` end it.
        model: The model as first read; a change by another client halts the run.
        instances: The instances as last read.
        current: Those of them that need nothing: on the latest model, if the action is an upgrade.
        requests_per_reading: How many requests that took.
        pages: How many pages of the list of instances there are.
        read_at: When they were read.
        started_at: When the run began.
        previous_image: The image that a failure is rolled back to; empty if there is none.
        restored_image: The image that a rollback has put into the model.
        reason: Why a rollback began.
        batch: The batch being upgraded, or the last one.
        batches: How many batches the run comes to.
        started_batches: The names of the batches that were started.
        in_flight: The instances being upgraded, of which no reading is newer than that.
        accepted: The instances whose upgrade Azure accepted.
        upgraded: The instances that the run upgraded.
        retry_failed: Instances to upgrade although they have the latest model, as they failed.
        skipped: How many instances were left out.
        capacity: How many instances the set is to end with; `None` if the run leaves that alone.
        has_changed_something: Whether anything was written; before that, errors are the caller's.
        operation: Azure's answer to the last write, while it is followed.
        deadline: Until when the batch must be healthy, by the clock of this process.
        problems_since: Since when each problem is known.
        since: Since when an action counts as done, by the instances' own times.
        version: The version of the image that a refresh brings the instances to.
        started: The requests of the batch, with the instances of each, while they are followed.
        result: What the last operation that was followed returned.
    """

    scale_set: ScaleSetRef
    options: RolloutOptions
    hooks: rest.RequestHooks = field(default_factory=_one_attempt)
    is_rollback: bool = False
    status: Status = "new"
    model: ScaleSet | None = None
    instances: tuple[Instance, ...] = ()
    current: frozenset[str] = frozenset()
    requests_per_reading: int = 1
    pages: int = 1
    read_at: float = field(default_factory=_now)
    started_at: float = field(default_factory=_now)
    previous_image: Image = field(default_factory=Image)
    restored_image: Image = field(default_factory=Image)
    reason: str = ""
    batch: Batch | None = None
    batches: int = 0
    started_batches: list[str] = field(default_factory=list)
    in_flight: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    upgraded: list[str] = field(default_factory=list)
    retry_failed: frozenset[str] = frozenset()
    skipped: int = 0
    capacity: int | None = None
    has_changed_something: bool = False
    operation: Response | None = None
    deadline: float = 0.0
    problems_since: dict[tuple[str, str], datetime] = field(default_factory=dict)
    since: datetime = field(default_factory=_now_utc)
    version: str = ""
    started: tuple[Started, ...] = ()
    result: Any = None

    def __post_init__(self) -> None:
        if self.options.action.since is not None:
            self.since = self.options.action.since

    def __repr__(self) -> str:  # a model that the caller gave may hold a password
        return f"<rollout of {self.scale_set!r}: {self.status}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields for another process; a token stays in this one."""
        tokens = (self.scale_set.access_token, *self.options.auxiliary_tokens)
        if any(isinstance(token, str) for token in tokens):
            raise ValueError(messages.PROVIDER_REQUIRED)
        crossing = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.name not in _LOCAL
        }
        for name in _MOMENTS:
            crossing[name] = crossing[name] - _clock.monotonic() + time.time()
        return crossing

    def __setstate__(self, crossing: dict[str, Any]) -> None:
        """Take the fields of another process; what took place there lies before now."""
        for name, value in crossing.items():
            setattr(self, name, value)
        for name in _MOMENTS:
            age = max(0.0, time.time() - crossing[name])
            setattr(self, name, _clock.monotonic() - age)
        for name, value in _LOCAL.items():
            setattr(self, name, value)


class Halt(Exception):
    """Ends a run. `run.advance` makes a `RolloutHalted` of it.

    Attributes:
        reason: What went wrong.
        unhealthy: Which instances, and why: `{instance id: reason}`.
    """

    def __init__(self, reason: str, unhealthy: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unhealthy: dict[str, str] = dict(unhealthy or {})


class Preempted(Halt):
    """Another write ended the operation; it is started again once."""


class ModelChanged(Halt):
    """Another client changed the model: continuing would upgrade to an unexpected one."""


class BatchFailed(Halt):
    """The new image or the upgrade itself failed: what a rollback is for."""


def by_id(state: RolloutState) -> dict[str, Instance]:
    """Return the instances as last read, by their id."""
    return {instance["instanceId"]: instance for instance in state.instances}


def count_current(state: RolloutState) -> int:
    """Return how many instances need nothing."""
    return len(state.current)


def image_of(model: Any) -> Image:
    """Return the image of a model or an instance; empty if it has none."""
    try:
        return images.get_image(model)
    except ValueError:
        return {}


def exact_version_of(instance: Instance) -> str:
    """Return the version of the image that an instance runs; empty if Azure does not report it."""
    return images.exact_version(image_of(instance))


def short_image_name(image: Image, model: ScaleSet) -> str:
    """Return the name of an image without what it has in common with the image of a model.

    Args:
        image: An image, as `get_image` returns it.
        model: The model of the scale set.

    Returns:
        A string: the version, the SKU with the version, the last part of an id, or the whole name.
    """
    name = images.image_name(image)
    current = image_of(model)
    if image.get("kind") == "platform" and current.get("kind") == "platform":
        *kept, sku, version = name.lower().split(":")
        *others, other_sku, _ = images.image_name(current).lower().split(":")
        if kept != others:
            return name
        return version if sku == other_sku else f"{image.get('sku')} {version}"
    folder, _, last = name.rpartition("/")
    current_folder = images.image_name(current).rpartition("/")[0]
    return last if folder and folder.lower() == current_folder.lower() else name


def ids_by_image(instances: Iterable[Instance]) -> dict[str, list[str]]:
    """Return which instances run which image: ids by the image's name, in numeric order.

    Names that differ in case alone are one image.
    """
    names: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for instance in instances:
        name = images.image_name(image_of(instance))
        name = names.setdefault(name.lower(), name)
        found.setdefault(name, []).append(instance["instanceId"])
    return {name: sorted(ids, key=id_sort_key) for name, ids in found.items()}


def with_since(state: RolloutState, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons with the time since when each is known; forget all others."""
    now = datetime.now(UTC)
    known = state.problems_since
    state.problems_since = {problem: known.get(problem, now) for problem in reasons.items()}
    return {
        instance_id: f"{reason} since {since:%Y-%m-%d %H:%M:%S} UTC"
        for (instance_id, reason), since in state.problems_since.items()
    }


def seconds_running(state: RolloutState) -> float:
    """Return for how many seconds the run has been going."""
    return _clock.monotonic() - state.started_at


def summarize(state: RolloutState, unhealthy: Sequence[str] = ()) -> Summary:
    """Return the result counters of the run so far."""
    return Summary(
        upgraded=len(state.upgraded),
        skipped=state.skipped,
        failed=len(unhealthy),
        seconds=round(seconds_running(state), 3),
        requests=state.hooks.requests,
        throttled=state.hooks.throttled,
    )
