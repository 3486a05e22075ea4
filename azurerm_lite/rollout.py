"""The rollout: plan it, and bring a scale set's instances to its model, one batch at a time, with checks in between.

Azure is the only state. `latestModelApplied` on each instance says what is left, so a rollout that ended early is
resumed by starting it again.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import NamedTuple, TypeAlias

from requests import Response

from . import domains, operations, rest, vmss
from .domains import counted, health, listed, status
from .errors import AzureError, Conflict, OperationFailed, OperationTimeout, RolloutHalted, one_line
from .types import Batch, Domain, Instance, ScaleSet, Token

By: TypeAlias = "str | int"
Only: TypeAlias = "str | int | Iterable[str | int]"

_GROUPINGS = {
    "update_domain": domains.by_update_domain,
    "fault_domain": domains.by_fault_domain,
    "zone": domains.by_zone,
}
# Another write is at work and will end; OperationNotAllowed and PropertyChangeNotAllowed never pass by waiting.
_PASSING_CONFLICTS = frozenset(
    {"Conflict", "AnotherOperationInProgress", "ConflictingConcurrentWriteNotAllowed", "OperationPreempted"}
)
_ENDS_AS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
_LOOK = 5.0
"""Seconds between two looks at something that is waited for and that Azure gives no operation for."""
_INSTEAD = {
    "automatic": "Azure upgrades all of it at once when its model changes. Set upgradePolicy.mode to Manual first.",
    "rolling": "Azure upgrades it by itself when its model changes: watch that with get_rolling_upgrade, or set "
    "upgradePolicy.mode to Manual first.",
}


@dataclass(frozen=True)
class Event:
    """Something that happened in a rollout; printing it gives a line.

    Attributes:
        kind: `started`, `skipped`, `batch_started`, `progress`, `waiting`, `batch_done`, `pausing` or `finished`.
        message: What happened, for people.
        batch: The batch that it happened to, or `None`.
        number: Which batch of this run that is, from 1; 0 when there is none.
        batches: How many batches this run comes to, as far as can be told.
        instance_ids: The instances that it is about.
        latest: How many instances of the set have the latest model.
        total: How many instances the set has.
        time: When it happened (UTC).
        instances: The instances as last read, for a picture; left out of the repr.
    """

    kind: str
    message: str
    batch: Batch | None
    number: int
    batches: int
    instance_ids: tuple[str, ...]
    latest: int
    total: int
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    instances: tuple[Instance, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.time.astimezone():%H:%M:%S}  {self.message}"


def plan_rollout(instances: Iterable[Instance], *, by: By = "update_domain", only: Only | None = None) -> list[Batch]:
    """What `rollout` would upgrade together, in order; nothing is sent.

    Instances that have the latest model, are protected from scale-set actions (unless `only` names them) or are being
    deleted are left out.

    Args:
        instances: All instances of the set with their instance views, as `get_instance_views` returns them.
        by: What makes a batch: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of instances, or a percentage
            of the set such as `"20%"`.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the rollout keeps; `None`
            for all.

    Returns:
        Batches (`name`, `instance_ids`): domains ascending, ids in numeric order. Instances for which Azure gives no
        domain come last, no more at a time than the largest domain has.

    Raises:
        ValueError: `by` is none of these; `only` names what the set does not have; or no instance has such a domain.
    """
    instances = list(instances)
    _check_by(by)
    chosen = _chosen(only)
    _check_chosen(instances, by, chosen)
    return _plan(instances, by, chosen)


def rollout(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    *,
    by: By = "update_domain",
    only: Only | None = None,
    pause: float = 0,
    health_timeout: float = 1800,
    max_unhealthy: int | str = 0,
) -> Iterator[Event]:
    """Bring a scale set's instances to its model, one batch at a time; the for loop over the events is the rollout.

    Nothing is sent before the first `next`; leaving the loop pauses the rollout, calling again resumes it. Never is
    more than one batch under way. A batch is done when its operation succeeded and each of its instances has the
    latest model, is provisioned, is in the power state it had and, where it reports application health, is healthy.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a single token).
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        by: What makes a batch: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of instances, or a percentage
            of the set such as `"20%"`.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the rollout keeps; `None`
            for all.
        pause: Seconds to pause between two batches.
        health_timeout: Seconds within which a batch must be done.
        max_unhealthy: How many instances outside a batch may be unhealthy when it begins: a number, or a percentage
            of the set such as `"20%"`.

    Returns:
        An iterator of events (`kind`, `message`, `batch`, `instance_ids`, counts, `time`); each prints as a line.

    Raises:
        ValueError: An argument cannot be used; nothing was changed.
        NotFound: There is no such scale set.
        RolloutHalted: The set is not in upgrade mode Manual, or something went wrong: what, for which instances, and
            what was done. Calling again goes on from there.
        AzureError: Azure refused before anything was changed.

    Azure: Virtual Machine Scale Sets - Update Instances.
    """
    _check_by(by)
    for argument, value in (("pause", pause), ("health_timeout", health_timeout)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ValueError(f"{argument} must be seconds, 0 or more, not {value!r}")
    where = (subscription_id, resource_group, vmss_name)
    chosen = _chosen(only)
    _share(max_unhealthy, 0, "max_unhealthy")
    return _Rollout(access_token, where, by, chosen, pause, health_timeout, max_unhealthy).run()


class _Before(NamedTuple):
    """How an instance was before its upgrade: its power state, and whether it reported application health."""

    power: str | None
    reported: bool


class _Rollout:
    """One run: what was asked for, and what is known so far. Its methods are the steps, each an iterator of events."""

    def __init__(
        self,
        access_token: Token,
        where: tuple[str, str, str],
        by: By,
        only: frozenset[str | int] | None,
        pause: float,
        health_timeout: float,
        max_unhealthy: int | str,
    ) -> None:
        self._where = (access_token, *where)
        self._name = where[2]
        self._by, self._only = by, only
        self._pause, self._health_timeout, self._max_unhealthy = pause, health_timeout, max_unhealthy
        self._instances: tuple[Instance, ...] = ()
        self._by_id: dict[str, Instance] = {}
        self._batch: Batch | None = None
        self._number = self._batches = 0
        self._upgraded: list[str] = []
        self._began = rest.clock()

    def run(self) -> Generator[Event, None, None]:
        try:
            yield from self._run()
        except (AzureError, OperationTimeout, *rest.BROKEN) as error:
            if not self._number:
                raise
            raise self._halted(one_line(error)) from error

    def _run(self) -> Generator[Event, None, None]:
        model = yield from self._settled()
        profile = model["properties"].get("virtualMachineProfile")
        self._read_instances()
        yield from self._calm()
        batches = plan_rollout(self._instances, by=self._by, only=self._only)
        self._batches = len(batches)
        yield self._started(batches)
        yield from self._skipped()
        while batches:
            self._batch, self._number = batches[0], self._number + 1
            self._batches = max(self._batches, self._number)
            self._check_others(self._batch)
            yield from self._upgrade(self._batch)
            batches = _plan(self._instances, self._by, self._only)
            if batches:
                yield from self._between(batches[0], profile)
                batches = _plan(self._instances, self._by, self._only)
        yield self._finished()

    def _between(self, following: Batch, profile: object) -> Generator[Event, None, None]:
        """The pause between two batches, and a look at what may have changed."""
        if self._pause:
            yield self._event("pausing", f"pausing {self._pause:g} s before {following.name}", following)
            rest.sleep(self._pause)
            self._read_instances()
        model = yield from self._settled()
        if model["properties"].get("virtualMachineProfile") != profile:
            raise self._halted("Somebody changed the scale set's model since this rollout began")
        yield from self._calm()

    def _calm(self) -> Generator[Event, None, None]:
        """Waits until no instance is being updated, by a rollout that was cut off or by anybody else."""
        limit = rest.clock() + self._health_timeout
        while busy := [each["instanceId"] for each in self._instances if _state(each) == "updating"]:
            told = f"{counted(len(busy), 'instance')} being updated ({listed(busy)})"
            if rest.clock() >= limit:
                raise self._halted(f"{told} still after {self._health_timeout:g} s")
            yield self._event("waiting", f"{told}: waiting for that to end", ids=busy)
            rest.sleep(_LOOK)
            self._read_instances()

    def _settled(self) -> Generator[Event, None, ScaleSet]:
        """The scale set, in mode Manual and with no update of its own under way."""
        limit = rest.clock() + self._health_timeout
        while True:
            model = vmss.get_vmss(*self._where)
            mode = str((model["properties"].get("upgradePolicy") or {}).get("mode") or "Manual")
            if mode.lower() in _INSTEAD:
                raise self._halted(f"{self._name} is in upgrade mode {mode}: {_INSTEAD[mode.lower()]}")
            state = str(model["properties"].get("provisioningState") or "Succeeded")
            if state.lower() in ("succeeded", "failed", "canceled"):
                return model
            if rest.clock() >= limit:
                raise self._halted(f"{self._name} is still {state} after {self._health_timeout:g} s")
            yield self._event("waiting", f"{self._name} is {state}: waiting for that to end", self._batch)
            rest.sleep(_LOOK)

    def _check_others(self, batch: Batch) -> None:
        """Halts while too many of the instances outside the batch are unhealthy to take any more out of service."""
        others = [instance for instance in self._instances if instance["instanceId"] not in batch.instance_ids]
        unhealthy = {each["instanceId"]: why for each in others if (why := _unhealthy(each))}
        allowed = _share(self._max_unhealthy, len(self._instances), "max_unhealthy")
        if len(unhealthy) > allowed:
            why = f"{counted(len(unhealthy), 'instance')} outside {batch.name} unhealthy, where {allowed} may be"
            raise self._halted(why, unhealthy)

    def _upgrade(self, batch: Batch) -> Generator[Event, None, None]:
        limit = rest.clock() + self._health_timeout
        before = {
            each["instanceId"]: _Before(status(each, "PowerState"), bool(health(each))) for each in self._instances
        }
        yield self._event(
            "batch_started",
            f"{batch.name}: upgrading {counted(len(batch.instance_ids), 'instance')} ({listed(batch.instance_ids)})",
            batch,
        )
        response = yield from self._posted(batch, limit)
        if response is not None:
            yield from self._followed(batch, response, limit)
        yield from self._proven(batch, before, limit)
        upgraded = [each for each in batch.instance_ids if each in self._by_id]
        gone = len(batch.instance_ids) - len(upgraded)
        self._upgraded += upgraded
        message = f"{batch.name}: done; {self._latest()} of {len(self._instances)} instances have the latest model"
        yield self._event("batch_done", message + (f" ({gone} vanished)" if gone else ""), batch)

    def _posted(self, batch: Batch, limit: float) -> Generator[Event, None, Response | None]:
        """Azure's answer to the upgrade of a batch; `None` when nothing of it is left to upgrade."""
        ids = list(batch.instance_ids)
        while ids:
            try:
                return vmss.manual_upgrade(*self._where, ids)
            except (AzureError, *rest.BROKEN) as error:
                if not _may_pass(error) or rest.clock() >= limit:
                    raise
                refused = _is_refusal_of_ids(error)
                if not refused:
                    yield self._event("waiting", f"{batch.name}: {one_line(error)}: asking again", batch)
                    rest.sleep(_LOOK)
                # One id that vanished makes Azure refuse all. And where the answer was lost, or another operation had
                # to be waited for, what is asked for may be done by now.
                self._read_instances()
                left = [each for each in ids if self._is_due(each)]
                if refused and left == ids:
                    raise
                if refused:
                    gone = listed([each for each in ids if each not in left])
                    yield self._event("progress", f"{batch.name}: without {gone}, gone meanwhile", batch)
                ids = left
        return None

    def _followed(self, batch: Batch, response: Response, limit: float) -> Generator[Event, None, None]:
        """The operation, to its success."""
        looks = operations.polls(self._where[0], response, timeout=max(0.0, limit - rest.clock()))
        try:
            for look in looks:
                trouble = f" ({look.trouble})" if look.trouble else ""
                yield self._event("progress", f"{batch.name}: {look.status}, {look.seconds:.0f} s{trouble}", batch)
        except (OperationFailed, OperationTimeout) as error:
            self._read_instances()
            unhealthy = {each: why for each in batch.instance_ids if (why := self._lack(each, {}))}
            raise self._halted(one_line(error), unhealthy) from error

    def _proven(self, batch: Batch, before: dict[str, _Before], limit: float) -> Generator[Event, None, None]:
        """The instances themselves: an operation that succeeded is no proof."""
        began = rest.clock()
        while True:
            self._read_instances()
            lacking = {each: why for each in batch.instance_ids if (why := self._lack(each, before))}
            if not lacking:
                return
            failed = {each: why for each, why in lacking.items() if why == "provisioning failed"}
            if failed or rest.clock() >= limit:
                seconds = f" after {self._health_timeout:g} s" if not failed else ""
                raise self._halted(f"{batch.name} is not healthy{seconds}", failed or lacking)
            told = ", ".join(f"{each}: {why}" for each, why in list(lacking.items())[:3])
            message = f"{batch.name}: waiting for {counted(len(lacking), 'instance')} ({told})"
            yield self._event("progress", message, batch)
            # Listing instances is dear: seldom, and at least once more at the limit.
            rest.sleep(min(15.0, max(2.0, (rest.clock() - began) / 10), max(0.1, limit - rest.clock())))

    def _lack(self, instance_id: str, before: dict[str, _Before]) -> str | None:
        """What an upgraded instance still lacks; one that vanished lacks nothing."""
        instance = self._by_id.get(instance_id)
        if instance is None:
            return None
        if _state(instance) != "succeeded":
            return f"provisioning {_state(instance)}"
        if not instance["properties"].get("latestModelApplied"):
            return "not on the latest model"
        was, now = before.get(instance_id, _Before(None, False)), status(instance, "PowerState")
        if was.power and now != _ENDS_AS.get(was.power, was.power):
            return f"power state {now or 'unknown'}, was {was.power}"
        if was.reported and not health(instance) and now == "running":
            return "application health not reported yet"  # the extension is set up anew with the new OS
        return _unhealthy(instance)

    def _read_instances(self) -> None:
        self._instances = tuple(vmss.get_instance_views(*self._where))
        self._by_id = {instance["instanceId"]: instance for instance in self._instances}

    def _is_due(self, instance_id: str) -> bool:
        """Whether an instance is there and does not have the latest model."""
        instance = self._by_id.get(instance_id)
        return instance is not None and not instance["properties"].get("latestModelApplied")

    def _latest(self) -> int:
        return sum(1 for instance in self._instances if instance["properties"].get("latestModelApplied"))

    def _event(self, kind: str, message: str, batch: Batch | None = None, ids: Sequence[str] = ()) -> Event:
        about = tuple(ids) or (batch.instance_ids if batch else ())
        return Event(
            kind, message, batch, self._number, self._batches, about, self._latest(), len(self._instances),
            instances=self._instances,
        )  # fmt: skip

    def _started(self, batches: Sequence[Batch]) -> Event:
        to_do = [each for batch in batches for each in batch.instance_ids]
        told = f"{self._name}: {counted(len(self._instances), 'instance')}, {len(to_do)} to upgrade"
        return self._event("started", told + (f" in {counted(len(batches), 'batch')}" if batches else ""), ids=to_do)

    def _skipped(self) -> Iterator[Event]:
        """An event for each reason to leave instances out."""
        reasons: dict[str, list[str]] = {}
        for instance in self._instances:
            why = _skip(instance, self._only) if _is_chosen(instance, self._by, self._only) else None
            if why:
                reasons.setdefault(why, []).append(instance["instanceId"])
        for why, ids in reasons.items():
            ids.sort(key=domains.id_order)
            yield self._event("skipped", f"skipping {counted(len(ids), 'instance')} {why}: {listed(ids)}", ids=ids)

    def _finished(self) -> Event:
        lag = len(self._instances) - self._latest()
        told = f"{self._latest()} of {counted(len(self._instances), 'instance')} have the latest model"
        told += f", {lag} still an older one" if lag else ""
        seconds = rest.clock() - self._began
        return self._event(
            "finished", f"{self._name}: {told}; {len(self._upgraded)} upgraded in {seconds:.0f} s", ids=self._upgraded
        )

    def _halted(self, why: str, unhealthy: dict[str, str] | None = None) -> RolloutHalted:
        """The exception: what went wrong, which instances, what was done, what to do."""
        parts = [why.rstrip(".")]
        if unhealthy:
            parts[0] += ": " + ", ".join(f"instance {each}: {reason}" for each, reason in list(unhealthy.items())[:10])
        if self._instances:
            lag = len(self._instances) - self._latest()
            parts.append(f"{len(self._upgraded)} upgraded by this run, {lag} of {len(self._instances)} still to do")
            parts.append("Run it again to go on from there")
        return RolloutHalted(". ".join(parts) + ".", self._batch, unhealthy)


def _plan(instances: Sequence[Instance], by: By, only: frozenset[str | int] | None) -> list[Batch]:
    due = [each for each in instances if _is_chosen(each, by, only) and not _skip(each, only)]
    if by not in _GROUPINGS:
        return _numbered(due, max(1, _share(by, len(instances), "by")), "batch")
    grouping, label = _GROUPINGS[str(by)], str(by).replace("_", " ")
    groups = grouping(due)
    unknown = set(groups.pop(domains.UNKNOWN, ()))
    known = [Batch(f"{label} {domain}", tuple(ids)) for domain, ids in groups.items()]
    sizes = [len(ids) for domain, ids in grouping(instances).items() if domain != domains.UNKNOWN]
    rest_due = [each for each in due if each["instanceId"] in unknown]
    return known + _numbered(rest_due, max(sizes, default=1), f"no {label}, batch")


def _numbered(instances: Sequence[Instance], size: int, label: str) -> list[Batch]:
    batches = domains.in_batches(instances, size)
    return [Batch(f"{label} {number}", tuple(ids)) for number, ids in enumerate(batches, 1)]


def _domain(instance: Instance, by: By) -> Domain | None:
    grouping = _GROUPINGS.get(str(by), domains.by_update_domain)
    return next(iter(grouping([instance])), None)


def _is_chosen(instance: Instance, by: By, only: frozenset[str | int] | None) -> bool:
    """Whether `only` names the instance: by its id, a string, or by its domain, a whole number."""
    if only is None:
        return True
    domain = _domain(instance, by)
    return instance["instanceId"] in only or any(isinstance(each, int) and str(each) == str(domain) for each in only)


def _skip(instance: Instance, only: frozenset[str | int] | None) -> str | None:
    """Why an instance is left out, if it is."""
    properties = instance["properties"]
    if properties.get("latestModelApplied"):
        return "on the latest model"
    if _state(instance) == "deleting":
        return "being deleted"
    protected = (properties.get("protectionPolicy") or {}).get("protectFromScaleSetActions")
    if protected and instance["instanceId"] not in (only or ()):
        return "protected from scale-set actions"
    return None


def _state(instance: Instance) -> str:
    """The provisioning state of an instance, in lower case."""
    return str(instance["properties"].get("provisioningState") or "unknown").lower()


def _may_pass(error: Exception) -> bool:
    """Whether asking again may help: no answer, another write at work, or an id that Azure no longer knows."""
    if not isinstance(error, AzureError):
        return True
    return _is_refusal_of_ids(error) or (isinstance(error, Conflict) and error.code in _PASSING_CONFLICTS)


def _is_refusal_of_ids(error: Exception) -> bool:
    return isinstance(error, AzureError) and error.code == "InvalidParameter"


def _unhealthy(instance: Instance) -> str | None:
    """Why an instance is unhealthy, if it is. One that is switched off cannot report health, and need not."""
    if _state(instance) == "failed":
        return "provisioning failed"
    reported = health(instance)
    if reported and reported != "healthy" and status(instance, "PowerState") in ("running", None):
        return f"application health {reported}"
    return None


def _chosen(only: Only | None) -> frozenset[str | int] | None:
    if only is None:
        return None
    given = [only] if isinstance(only, (str, int)) else list(only)
    domains.id_list(given, "only")
    if "*" in given:
        return None
    return frozenset(given)


def _check_chosen(instances: Sequence[Instance], by: By, only: frozenset[str | int] | None) -> None:
    """Refuses what the set does not have."""
    found = {str(_domain(instance, by)) for instance in instances}
    ids = {instance["instanceId"] for instance in instances}
    if instances and by in _GROUPINGS and found == {domains.UNKNOWN}:
        label = str(by).replace("_", " ")
        raise ValueError(f"by={by!r}: Azure gives no {label} for these instances; give a batch size such as by=1")
    for each in sorted(only or (), key=str):
        if isinstance(each, str) and each not in ids:
            have = listed(sorted(ids, key=domains.id_order))
            raise ValueError(f"only: the set has no instance {each!r}; it has {have}")
        if isinstance(each, int) and str(each) not in found:
            have = ", ".join(sorted(found))
            raise ValueError(f"only: the set has no domain {each}; it has {have} (instance ids are strings)")


def _check_by(by: By) -> None:
    if by not in _GROUPINGS and (not isinstance(by, (str, int)) or isinstance(by, bool) or not _share(by, 10**9, "by")):
        raise ValueError(f"by must be {', '.join(_GROUPINGS)}, a number of instances or a percentage, not {by!r}")


def _share(value: int | str, total: int, argument: str) -> int:
    """A number of instances, given as such or as a percentage of the set (rounded down)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%", value) if isinstance(value, str) else None
    if percent is None or not 0 <= float(percent.group(1)) <= 100:
        also = f"{', '.join(_GROUPINGS)}, " if argument == "by" else ""
        raise ValueError(f"{argument} must be {also}a number of instances or a percentage such as '20%', not {value!r}")
    return int(total * float(percent.group(1)) / 100)
