"""What a rollout knows of its scale set: how it reads it, waits out what passes, and tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias, TypeVar, cast

from .. import _clock, _retry, images, instances, rest, vmss
from .._text import join_ids, one_line, plural
from ..errors import AzureError, OperationTimeout, RolloutHalted, Throttled
from ..instances import provisioning_state
from ..types import Batch, Image, Instance, ScaleSet, Summary, Token
from .events import Event

T = TypeVar("T")
Events: TypeAlias = Iterator[Event]

_SOONEST, _SLOWEST = 5.0, 30.0
_PER_PAGE = 6.0
"""Seconds between two readings of the instances for each page of them: Azure refills ten such requests a minute."""

_MOMENTS = ("began", "read_at")
_NO_TOKEN = (
    "access_token: a token is not sent to other processes, which could not renew it: give a provider, such as "
    "token_provider() returns"
)
_UNREAD = cast("ScaleSet", {"properties": {}})


class Observer:
    """A scale set as last read. Methods that ask Azure are iterators of events, for a pause may come in between."""

    def __init__(
        self,
        access_token: Token,
        where: tuple[str, str, str],
        patience: float,
        watch: rest.RequestHooks | None = None,
    ) -> None:
        self.where = (access_token, *where)
        self.name = where[2]
        self.patience = patience
        self.watch = watch or rest.RequestHooks(
            max_attempts=1
        )  # every pause is made here, where it can be told
        self.began = _clock.monotonic()
        self.model = _UNREAD
        self.instances: tuple[Instance, ...] = ()
        self.by_id: dict[str, Instance] = {}
        self.batch: Batch | None = None
        self.in_flight: frozenset[str] = (
            frozenset()
        )  # what Azure was told to upgrade since the instances were read
        self.begun: list[str] = []
        self.batches = 0
        self.upgraded: list[str] = []
        self.skipped = 0
        self.unhealthy: dict[str, str] = {}
        self.reason = ""
        self.advice = "Run it again to go on from there"
        self.has_changed_something = False
        self.pages, self.read_at = 1, self.began
        self._since: dict[tuple[str, str], datetime] = {}

    def __getstate__(self) -> dict[str, Any]:
        """For another process: moments by the time of day, as clocks are not shared. A token stays where it is."""
        if isinstance(self.where[0], str):
            raise ValueError(_NO_TOKEN)
        moments = {
            name: getattr(self, name) - _clock.monotonic() + time.time() for name in _MOMENTS
        }
        return {**vars(self), **moments, "by_id": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for (
            name
        ) in _MOMENTS:  # what took place elsewhere did so before now, whatever the clock there says
            setattr(self, name, _clock.monotonic() - max(0.0, time.time() - state[name]))
        self.by_id = {instance["instanceId"]: instance for instance in self.instances}

    # Reading

    @property
    def has_read(self) -> bool:
        """Whether the model was ever read."""
        return self.model != _UNREAD

    def asked(self, ask: Callable[[], T]) -> Generator[Event, None, T]:
        """What a read gives. What may pass is waited out and told, for as long as `patience` allows."""
        limit = _clock.monotonic() + self.patience
        attempt = 0
        while True:
            attempt += 1
            try:
                with rest.request_hooks(self.watch):
                    return ask()
            except (AzureError, *_retry.CONNECTION_ERRORS) as error:
                pause = _retry.delay(min(attempt, 7), getattr(error, "retry_after", None))
                # Nothing was ever read: the names or the network may be wrong, and nobody waits
                # long for that.
                at_once = (
                    not self.has_read
                    and attempt >= _retry.MAX_ATTEMPTS
                    and not isinstance(error, Throttled)
                )
                if at_once or not _retry.is_transient(error) or _clock.monotonic() + pause > limit:
                    raise
                yield from self.waited(f"{one_line(error)}: trying again", pause)

    def waited(self, told: str, seconds: float) -> Events:
        """A pause, told at its beginning and then each minute."""
        while seconds > 0:
            yield self.event("waiting", f"{told} in {seconds:.0f} s", self.batch)
            step = min(seconds, 60.0)
            _clock.sleep(step)
            seconds -= step

    def read_model(self) -> Generator[Event, None, ScaleSet]:
        """The scale set's model."""
        return (yield from self.asked(lambda: vmss.get_vmss(*self.where)))

    def read_instances(self) -> Events:
        """The instances, with their views; in Flexible orchestration Azure lists them, and refuses to add views."""
        mode = str(self.model["properties"].get("orchestrationMode") or "Uniform")
        read = vmss.list_vmss_vms if mode.lower() == "flexible" else vmss.get_instance_views
        before = self.watch.requests
        self.instances = tuple((yield from self.asked(lambda: read(*self.where))))
        self.by_id = {instance["instanceId"]: instance for instance in self.instances}
        self.in_flight = frozenset()
        self.pages, self.read_at = max(1, self.watch.requests - before), _clock.monotonic()

    def calm(self) -> Events:
        """Waits until no instance is being updated, by a rollout that was cut off or by anybody else."""
        limit, looks = _clock.monotonic() + self.patience, 0
        while busy := [
            each["instanceId"] for each in self.instances if provisioning_state(each) == "updating"
        ]:
            told = f"{plural(len(busy), 'instance')} being updated ({join_ids(busy)})"
            if _clock.monotonic() >= limit:
                raise self.halted(
                    f"{told} still after {self.patience:g} s",
                    self.since(dict.fromkeys(busy, "updating")),
                )
            yield self.event("waiting", f"{told}: waiting for that to end", ids=busy)
            _clock.sleep(self.interval(looks))
            looks += 1
            yield from self.read_instances()

    def interval(self, looks: int) -> float:
        """Seconds until the instances are read again: growing, and the longer the more pages there are."""
        return max(min(_SLOWEST, _SOONEST * 1.5 ** min(looks, 9)), self.pages * _PER_PAGE)

    # What is known

    def latest(self) -> int:
        """How many instances have the latest model."""
        return sum(
            1 for instance in self.instances if instance["properties"].get("latestModelApplied")
        )

    def since(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """The reasons with the time since when each is known; what is not among them any more is forgotten."""
        now = datetime.now(timezone.utc)
        self._since = {key: self._since.get(key, now) for key in reasons.items()}
        return {
            each: f"{why} since {self._since[each, why]:%Y-%m-%d %H:%M:%S} UTC"
            for each, why in reasons.items()
        }

    def images_of(self, instances: Iterable[Instance]) -> dict[str, list[str]]:
        """Which instances run which image: ids by the image's name."""
        found: dict[str, list[str]] = {}
        for instance in instances:
            found.setdefault(images.image_name(image_of(instance)), []).append(
                instance["instanceId"]
            )
        return found

    def runs_what(self) -> str:
        """Which instances run which image, for people."""
        found = self.images_of(self.instances)
        if len(found) == 1:
            return f"all {plural(len(self.instances), 'instance')} run {next(iter(found))}"
        return "; ".join(
            f"{plural(len(ids), 'instance')} ({join_ids(sorted(ids, key=instances.id_sort_key))}) on {name}"
            for name, ids in found.items()
        )

    # Telling

    def event(
        self,
        kind: str,
        message: str,
        batch: Batch | None = None,
        ids: Sequence[str] = (),
        unhealthy: Mapping[str, str] | None = None,
        summary: Summary | None = None,
    ) -> Event:
        """An event with what is known now."""
        return Event(
            kind, message, batch, len(self.begun), self.batches, tuple(ids) or (batch.instance_ids if batch else ()),
            self.latest(), len(self.instances), unhealthy or {}, summary, instances=self._as_known(),
        )  # fmt: skip

    def _as_known(self) -> tuple[Instance, ...]:
        """The instances as last read, but for those of which it is known what a reading would say."""
        if not self.in_flight:
            return self.instances
        return tuple(
            cast(
                "Instance",
                {**each, "properties": {**each["properties"], "provisioningState": "Updating"}},
            )
            if each["instanceId"] in self.in_flight
            else each
            for each in self.instances
        )

    def summary(self) -> Summary:
        """What the run came to so far."""
        seconds = round(_clock.monotonic() - self.began, 3)
        counts = (len(self.upgraded), self.skipped, len(self.unhealthy))
        return Summary(*counts, seconds, self.watch.requests, self.watch.throttled)

    def halted(self, why: str, unhealthy: Mapping[str, str] | None = None) -> RolloutHalted:
        """The exception: what went wrong, which instances, what was done, what to do."""
        self.reason, self.unhealthy = why.rstrip(". "), dict(unhealthy or {})
        parts = [self.reason]
        if unhealthy:
            parts[0] += ": " + ", ".join(
                f"instance {each}: {reason}" for each, reason in list(unhealthy.items())[:10]
            )
        if self.instances:
            lag = len(self.instances) - self.latest()
            parts.append(
                f"{len(self.upgraded)} upgraded by this run, {lag} of {len(self.instances)} still to do"
            )
            parts.append(self.advice)
        self.reason = parts[0]
        return RolloutHalted(". ".join(parts) + ".", self.batch, unhealthy, summary=self.summary())

    def halting(self, steps: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """The steps; once something was changed, whatever ends them is a halt that says how far it came."""
        try:
            return (yield from steps)
        except (AzureError, OperationTimeout, *_retry.CONNECTION_ERRORS) as error:
            if not self.has_changed_something:
                raise
            raise self.halted(one_line(error)) from error


def image_of(model: Any) -> Image:
    """The image of a model or an instance; empty where it has none."""
    try:
        return images.get_image(model)
    except ValueError:
        return {}


def what_counts(model: ScaleSet) -> Any:
    """What of a model makes instances lag behind when it changes: the profile and the size, not the capacity."""
    profile = dict(model["properties"].get("virtualMachineProfile") or {})
    profile.pop("timeCreated", None)  # Azure's own, anew with each change
    return profile, (model.get("sku") or {}).get("name")
