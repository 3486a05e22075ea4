"""Read the scale set during a rollout, and wait until no other client is changing it.

All instances are read from Azure's lists. Azure limits the rate of these more than the rate of
reads of single instances. So a batch that is looked at repeatedly is read instance by instance if
that takes less of the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

from .. import _clock, _flexible, vmss
from .._ids import normalize
from ..errors import NotFound
from ..instances import provisioning_state, upgrade_mode
from ..types import Batch, Instance, ScaleSet
from . import messages, plan
from .events import Event, event
from .progress import note_current
from .state import Halt, ModelChanged, RolloutState, with_since
from .waiting import Wait, poll, retry_read

STALE_SECONDS = 5.0
"""What is older is read again before anything is done."""

LIST_COST = 5
"""Number of single reads that take as large a part of Azure's limits as one page of a list.

In three minutes a subscription has 6,000 reads of single instances, and 1,080 pages.
"""
_SETTLED = ("succeeded", "failed", "canceled")


def refresh(state: RolloutState) -> Iterator[Event]:
    """Read what may have changed between two batches, if the last reading is old."""
    if _is_stale(state):
        yield from check_model_unchanged(state)
        yield from read_instances(state)
    yield from wait_until_instances_idle(state)


def read_rest(state: RolloutState) -> Iterator[Event]:
    """Read all instances if the last reading of all is old.

    Instances may have been created while only those of the last batch were read.
    """
    if _is_stale(state):
        yield from read_instances(state)


def _is_stale(state: RolloutState) -> bool:
    return _clock.monotonic() - state.read_at >= STALE_SECONDS


def check_model_unchanged(state: RolloutState) -> Iterator[Event]:
    """Read the model when no operation on the set runs; halt if it has changed.

    Continuing would upgrade instances to a model that the caller did not choose.
    """
    before = state.model
    yield from read_settled_model(state)
    matters = state.options.action.brings_to_model
    if matters and before is not None and is_model_changed(before, known_model(state)):
        state.model = before
        raise ModelChanged(messages.MODEL_CHANGED)


def read_settled_model(state: RolloutState) -> Iterator[Event]:
    """Read the model when no operation on the set itself runs; in mode Manual, if that matters."""
    limit = _clock.monotonic() + state.options.health_timeout

    def judge() -> Wait | None:
        return _judge_model(state)

    def read() -> Iterator[Event]:
        return read_model(state)

    yield from read()
    yield from poll(state, judge, read, limit=limit)


def _judge_model(state: RolloutState) -> Wait | None:
    name = state.scale_set.vmss_name
    mode = upgrade_mode(known_model(state))
    if state.options.action.brings_to_model:
        _check_model(name, mode, known_model(state))
    now = provisioning_of_set(state)
    if now.lower() in _SETTLED or state.options.dry_run:
        return None
    timeout = Halt(messages.set_still_busy(name, now, state.options.health_timeout))
    busy = event(state, "waiting", messages.set_busy(name, now), batch=state.batch)
    return Wait(busy, timeout)


def _check_model(name: str, mode: str, model: ScaleSet) -> None:
    """Halt if instances cannot be brought to the model batch by batch."""
    if messages.is_refused_mode(mode):
        raise Halt(messages.wrong_mode(name, mode))
    if _flexible.is_flexible(model) and not _flexible.has_profile(model):
        raise Halt(messages.no_profile(name))


def read_model(state: RolloutState) -> Iterator[Event]:
    """Read the model."""

    def request() -> None:
        state.model = vmss.get_vmss(*state.scale_set)

    yield from retry_read(state, request)


def read_instances(state: RolloutState) -> Iterator[Event]:
    """Read the instances with their views."""
    before = state.hooks.requests

    def request() -> None:
        state.instances = tuple(_read(state))

    yield from retry_read(state, request)
    note_current(state)
    state.in_flight = frozenset()
    state.requests_per_reading = max(1, state.hooks.requests - before)
    state.pages = _count_pages(state)
    state.read_at = _clock.monotonic()


def read_single_instances(state: RolloutState, ids: Collection[str]) -> Iterator[Event]:
    """Read some instances one by one; keep the others as they were read last.

    If one of them no longer exists, all instances are read instead.
    """
    has_missing = False

    def request() -> None:
        nonlocal has_missing
        known = [instance for instance in state.instances if instance["instanceId"] in ids]
        found = {instance["instanceId"]: instance for instance in _read_again(state, known)}
        has_missing = len(found) < len(known)
        state.instances = tuple(
            found.get(instance["instanceId"], instance) for instance in state.instances
        )

    yield from retry_read(state, request)
    if has_missing:
        yield from read_instances(state)
        return
    note_current(state)
    state.in_flight -= frozenset(ids)


def count_single_reads(state: RolloutState, ids: Collection[str]) -> int | None:
    """Return how many requests read some instances one by one, if that is cheaper.

    Args:
        state: The run.
        ids: The ids of the instances.

    Returns:
        The number of requests; `None` if reading all instances is cheaper.
    """
    is_flexible = _flexible.is_flexible(known_model(state))
    # A member of a Flexible set takes one for its machine and one for its view.
    single_reads = len(ids) * (2 if is_flexible else 1)
    lists = state.pages * (_flexible.LISTS if is_flexible else 1)
    cost_of_all = state.requests_per_reading + (LIST_COST - 1) * lists
    is_cheaper = state.requests_per_reading > 1 and single_reads < cost_of_all
    return single_reads if is_cheaper else None


def wait_until_instances_idle(state: RolloutState) -> Iterator[Event]:
    """Wait until no instance is being updated, by a rollout that was cut off or by anybody else."""
    yield from wait_while(
        state,
        updating_ids,
        "updating",
        messages.waiting_for_instances,
        messages.instances_still_busy,
        read_instances,
    )


def wait_until_created(state: RolloutState) -> Iterator[Event]:
    """Wait until no instance is being created: one that began before the put may be outdated."""
    yield from wait_while(
        state,
        _ids_in_creation,
        plan.BEING_CREATED,
        messages.waiting_for_created,
        messages.still_being_created,
        read_instances,
    )


def wait_while(
    state: RolloutState,
    find: Callable[[RolloutState], list[str]],
    reason: str,
    describe: Callable[[list[str]], str],
    describe_timeout: Callable[[list[str], float], str],
    read: Callable[[RolloutState], Iterator[Event]],
    batch: Batch | None = None,
) -> Iterator[Event]:
    """Read again as long as there are instances in some state; halt at the timeout.

    Args:
        state: The run.
        find: Returns the ids of these instances.
        reason: What is wrong with each of them, for the halt.
        describe: Returns the message of the event.
        describe_timeout: Returns the reason of the halt.
        read: Reads the instances.
        batch: The batch that waits; `None` for the set.

    Yields:
        Events.
    """
    limit = _clock.monotonic() + state.options.health_timeout

    def judge() -> Wait | None:
        ids = find(state)
        if not ids:
            return None
        reasons = with_since(state, dict.fromkeys(ids, reason))
        timeout = describe_timeout(ids, state.options.health_timeout)
        waiting = event(state, "waiting", describe(ids), instance_ids=ids, batch=batch)
        return Wait(waiting, Halt(timeout, reasons))

    def read_again() -> Iterator[Event]:
        return read(state)

    yield from poll(state, judge, read_again, limit=limit)


def _ids_in_creation(state: RolloutState) -> list[str]:
    """Return the chosen instances that are being created, and may be outdated."""
    skipped = plan.skipped(
        state.instances, state.options, state.retry_failed, current=state.current
    )
    return skipped.get(plan.BEING_CREATED, [])


def updating_ids(state: RolloutState) -> list[str]:
    """Return the instances that are being updated."""
    return [
        instance["instanceId"]
        for instance in state.instances
        if provisioning_state(instance) == "updating"
    ]


def retry_failed_instances(state: RolloutState) -> None:
    """Note the failed instances as pending.

    With the old image in the model they have the latest one: they would be left out, and halt the
    rollback as unhealthy.
    """
    failed = {
        instance["instanceId"]
        for instance in state.instances
        if provisioning_state(instance) == "failed"
    }
    state.retry_failed |= failed


def known_model(state: RolloutState) -> ScaleSet:
    """Return the model of a run that has read it."""
    if state.model is None:
        raise RuntimeError("the model was not read yet")
    return state.model


def provisioning_of_set(state: RolloutState) -> str:
    """Return the provisioning state of the set as Azure spells it."""
    return str(known_model(state)["properties"].get("provisioningState") or "Succeeded")


def is_model_changed(before: ScaleSet, now: ScaleSet) -> bool:
    """Return whether a change of a model makes instances outdated."""
    return bool(_upgrade_relevant(before) != _upgrade_relevant(now))


def _upgrade_relevant(model: ScaleSet) -> Any:
    """Return what of a model makes instances outdated when it changes: profile and size."""
    profile = dict(model["properties"].get("virtualMachineProfile") or {})
    # Azure's own, another one with each change.
    profile.pop("timeCreated", None)
    size = str((model.get("sku") or {}).get("name") or "").lower()
    return normalize(profile), size


def _read(state: RolloutState) -> list[Instance]:
    model = known_model(state)
    if not _flexible.is_flexible(model):
        return vmss.get_instance_views(*state.scale_set)
    path = _flexible.SetPath(*state.scale_set[1:])
    instances = _flexible.read_instances(state.scale_set.access_token, path, model)
    return _with_upgraded_as_current(state, instances)


def _read_again(state: RolloutState, instances: list[Instance]) -> list[Instance]:
    """Read some instances one by one; return those that still exist."""
    model = known_model(state)
    if _flexible.is_flexible(model):
        path = _flexible.SetPath(*state.scale_set[1:])
        members = _flexible.read_again(state.scale_set.access_token, path, model, instances)
        return _with_upgraded_as_current(state, members)

    def read(instance: Instance) -> Instance | None:
        try:
            return vmss.get_vmss_vm(*state.scale_set, instance["instanceId"])
        except NotFound:
            return None

    found = _flexible.read_each(instances, read)
    return [instance for instance in found.values() if instance is not None]


def _with_upgraded_as_current(state: RolloutState, instances: list[Instance]) -> list[Instance]:
    """Mark the members that count as current although that cannot be derived."""
    for instance in instances:
        is_upgrade = state.options.action.name == "upgrade"
        if is_upgrade and _is_taken_as_current(state, instance["instanceId"]):
            instance["properties"].setdefault("latestModelApplied", True)
    return instances


def _is_taken_as_current(state: RolloutState, instance_id: str) -> bool:
    """Return whether a member counts as current if that cannot be derived.

    This run has upgraded it; or the run is a rollback, which changes the image alone, and the
    member has that image.
    """
    return state.is_rollback or instance_id in state.accepted


def _count_pages(state: RolloutState) -> int:
    """Return how many pages of the set's own list a reading took."""
    if not _flexible.is_flexible(known_model(state)):
        return state.requests_per_reading
    return max(1, math.ceil(len(state.instances) / _flexible.PAGE_SIZE))
