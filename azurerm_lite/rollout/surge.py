"""Extra capacity during a rollout: new instances first, and as many old ones deleted at the end.

A step is a batch of one of three types: a `Creation`, a plain batch that is upgraded, a `Deletion`.
Which steps are left follows from the set alone and from the capacity that it is to end with. So a
run that was cut off is resumed by one with the same capacity.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from .. import _clock, _retry, vmss
from .._text import one_line
from ..errors import AzureError, OperationTimeout, PreconditionFailed
from ..instances import (
    health,
    id_sort_key,
    power_state,
    properties_of,
    provisioning_state,
)
from ..types import Batch, Instance
from . import messages, plan
from .batch import (
    back_off,
    bake,
    finish_batch,
    follow_operation,
    is_too_late,
    verify,
    wait_until_others_healthy,
)
from .events import Event, event
from .health import InstanceBefore
from .options import RolloutOptions, resolve_count
from .reading import (
    check_model_unchanged,
    known_model,
    read_instances,
    wait_until_instances_idle,
    wait_while,
)
from .state import BatchFailed, Halt, ModelChanged, Preempted, RolloutState, by_id, with_since
from .waiting import Wait, poll, retry

STEP_SECONDS = 75.0
"""How long a dry run assumes that Azure takes for a step: two recorded reimages of a Uniform set
took 64 and 75 s; creating and deleting instances takes about as long, or less."""

_CREATED = "new instances"
_DELETED = "deletion"
_REJECTED = 400
"""The HTTP status of Azure's answer to a deletion that names an instance which is gone."""
_PASSING = ("creating", "deleting")
"""Provisioning states of instances that come or go."""


class Creation(Batch):
    """New instances, made from the current model by raising the capacity; no ids before that."""

    __slots__ = ()


class Deletion(Batch):
    """Instances to be deleted by their ids; none if only the capacity is to be corrected."""

    __slots__ = ()


# What is left to do: pure functions of a run's state


def plan_steps(state: RolloutState) -> list[Batch]:
    """Return the steps that are left, in order.

    Args:
        state: A run that has read the set, and has a capacity to end with.

    Returns:
        A list of batches: perhaps a `Creation`, batches to upgrade, perhaps a `Deletion`.
    """
    steps: list[Batch] = []
    started = list(state.started_batches)
    to_create = missing(state)
    if to_create:
        steps.append(Creation(_new_name(_CREATED, started), ()))
        started.append(steps[0].name)
    surplus = present(state) + to_create - target(state)
    to_delete = pick_for_deletion(state, surplus)
    kept = [instance for instance in state.instances if instance["instanceId"] not in to_delete]
    # Percentages are of all instances that there are by then.
    to_come = _instances_to_come(to_create)
    then = [*kept, *to_come]
    current = state.current | {instance["instanceId"] for instance in to_come}
    options = _limit_batches(state, len(then), surplus)
    steps += plan.plan_batches(
        then, options, started=started, retry_failed=state.retry_failed, current=current
    )
    is_capacity_wrong = not steps and capacity_of(state) > target(state)
    if surplus > 0 or is_capacity_wrong:
        steps.append(Deletion(_new_name(_DELETED, started), tuple(to_delete)))
    return steps


def target(state: RolloutState) -> int:
    """Return the capacity that the set is to end with."""
    if state.capacity is None:
        raise RuntimeError("the run has no capacity to end with")
    return state.capacity


def surge_size(state: RolloutState) -> int:
    """Return the most instances that there are more than the capacity; 0 if none were asked for."""
    if state.options.surge is None:
        return 0
    return resolve_count(state.options.surge, target(state), "surge", least=1)


def check_surplus(state: RolloutState) -> None:
    """Refuse a capacity that would delete more instances than a rollout ever adds.

    Args:
        state: A run that has read the set, and was given a capacity.

    Raises:
        ValueError: The capacity is not the one that the set had before its extra instances.
    """
    capacity = target(state)
    # A rollback does not know how many were added: at most as many as there were.
    most = capacity if state.options.surge is None else surge_size(state)
    surplus = present(state) - capacity
    # Autoscale may have added some as well.
    if surplus > 2 * most:
        raise ValueError(messages.too_many_surplus(capacity, present(state), most))


def capacity_of(state: RolloutState) -> int:
    """Return the capacity in the model as last read."""
    sku: Mapping[str, Any] = known_model(state).get("sku") or {}
    capacity = sku.get("capacity")
    # A set that has none consists of what is there.
    return len(live_instances(state)) if capacity is None else int(capacity)


def live_instances(state: RolloutState) -> list[Instance]:
    """Return the instances that are not being deleted."""
    return [instance for instance in state.instances if provisioning_state(instance) != "deleting"]


def present(state: RolloutState) -> int:
    """Return how many instances count: never more than the model says, nor than are there.

    The model says more after a creation that failed. The list has more while Azure starts
    additional ones (overprovisioning), and if virtual machines are attached.
    """
    return min(capacity_of(state), len(live_instances(state)))


def missing(state: RolloutState) -> int:
    """Return how many instances are to be created before any is taken out of service."""
    wanted = target(state)
    if not state.is_rollback:
        pending = plan.pending(
            state.instances, state.options, state.retry_failed, current=state.current
        )
        wanted += min(surge_size(state), len(pending))
    return max(0, wanted - present(state))


def pick_for_deletion(state: RolloutState, number: int) -> list[str]:
    """Return which instances to delete: pending ones first, each from the fullest zone.

    Args:
        state: The run.
        number: How many.

    Returns:
        Ids in numeric order; fewer if the others are protected. The higher ids go first, so that
        the same ones are picked when others were upgraded meanwhile.
    """
    live = live_instances(state)
    pending = {
        instance["instanceId"]
        for instance in plan.pending(live, state.options, state.retry_failed, current=state.current)
    }
    preferences = {
        instance["instanceId"]: _preference(state, instance, pending) for instance in live
    }

    def order(instance_id: str) -> tuple[tuple[bool, bool, bool], tuple[int, str]]:
        return preferences[instance_id], id_sort_key(instance_id)

    members = Counter(_zone(instance) for instance in live)
    candidates: dict[str, list[str]] = {}
    for instance in live:
        is_candidate = instance["instanceId"] in pending | state.current
        if is_candidate and not _is_protected(instance):
            candidates.setdefault(_zone(instance), []).append(instance["instanceId"])
    for ids in candidates.values():
        # The best of each zone comes last.
        ids.sort(key=order)
    picked: list[str] = []
    while len(picked) < number and any(candidates.values()):
        zone = max(
            (zone for zone, ids in candidates.items() if ids),
            key=lambda zone: (preferences[candidates[zone][-1]], members[zone], zone),
        )
        members[zone] -= 1
        picked.append(candidates[zone].pop())
    return sorted(picked, key=id_sort_key)


def _preference(
    state: RolloutState, instance: Instance, pending: Collection[str]
) -> tuple[bool, bool, bool]:
    """Return what makes that an instance rather than others is deleted, whatever its zone."""
    has_failed = provisioning_state(instance) == "failed"
    is_outdated = properties_of(instance).get("latestModelApplied") is False
    return instance["instanceId"] in pending, state.is_rollback and has_failed, is_outdated


def estimated_seconds(state: RolloutState, steps: Sequence[Batch]) -> float:
    """Return for how long a run is likely to have extra instances, for a dry run."""
    options = state.options
    pause = 0.0 if callable(options.pause) else options.pause
    first = options.bake if options.canary_bake is None else options.canary_bake
    bakes = first + options.bake * max(0, len(steps) - 2)
    return len(steps) * STEP_SECONDS + bakes + max(0, len(steps) - 1) * pause


def _instances_to_come(number: int) -> list[Instance]:
    """Return placeholders of the instances that a creation will make."""
    return [
        cast("Instance", {"instanceId": f"new {count}", "properties": {}})
        for count in range(1, number + 1)
    ]


def describe(state: RolloutState, step: Batch) -> str:
    """Return a step of a dry run."""
    if isinstance(step, Creation):
        return messages.planned_creation(step, missing(state))
    return messages.planned(step)


def _limit_batches(state: RolloutState, total: int, surplus: int) -> RolloutOptions:
    """Return the options with batches of no more instances than there are extra ones."""
    limits = [limit for limit in (surge_size(state), surplus) if limit > 0]
    is_limited = state.options.surge is not None and limits
    if not is_limited:
        return state.options
    if state.options.max_batch is not None:
        limits.append(resolve_count(state.options.max_batch, total, "max_batch", least=1))
    return dataclasses.replace(state.options, max_batch=min(limits))


def _new_name(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: the one wanted, or that with a number."""
    number = 1
    numbered = name
    while numbered in taken:
        number += 1
        numbered = f"{name} {number}"
    return numbered


def _is_protected(instance: Instance) -> bool:
    policy: Mapping[str, Any] = properties_of(instance).get("protectionPolicy") or {}
    return bool(policy.get("protectFromScaleIn") or policy.get("protectFromScaleSetActions"))


def _zone(instance: Instance) -> str:
    return next(iter(instance.get("zones") or []), "")


# The steps


def wait_until_settled(state: RolloutState) -> Iterator[Event]:
    """Wait until no instance is being created or deleted."""
    yield from wait_while(
        state,
        _passing_ids,
        "being created or deleted",
        messages.waiting_until_settled,
        messages.still_unsettled,
        _read_set,
        state.batch,
    )


def _read_set(state: RolloutState) -> Iterator[Event]:
    """Read the model, which must be unchanged, and the instances."""
    yield from check_model_unchanged(state)
    yield from read_instances(state)


def _passing_ids(state: RolloutState) -> list[str]:
    return [
        instance["instanceId"]
        for instance in state.instances
        if provisioning_state(instance) in _PASSING
    ]


def create(state: RolloutState, step: Creation) -> Iterator[Event]:
    """Raise the capacity, and verify and bake the new instances like a canary.

    Args:
        state: The run.
        step: The step as planned, without ids.

    Yields:
        Events.

    Raises:
        BatchFailed: The new instances do not come up, or are unhealthy.
        Halt: Azure could not make them; those that it made were deleted again.
    """
    yield from wait_until_others_healthy(state, step)
    yield from _read_consistently(state)
    known = frozenset(by_id(state))
    capacity = capacity_of(state)
    message = messages.creating(step, missing(state), capacity)
    yield event(state, "batch_started", message, batch=step)
    before = _expected_of_new(state)
    attached = max(0, len(live_instances(state)) - capacity)
    try:
        try:
            yield from _raise_and_follow(state, step, known)
        except Preempted as preempted:
            message = messages.preempted(step, preempted.reason)
            yield event(state, "progress", message, batch=step)
            yield from _raise_and_follow(state, step, known)
        yield from _wait_for_new(state, attached)
    except (BatchFailed, ModelChanged):
        raise
    except Halt as halt:
        yield from _undo_creation(state, step, known, capacity, halt)
    new = _with_new_ids(state, step, known)
    expected = dict.fromkeys(new.instance_ids, before)
    yield from verify(state, new, expected, state.deadline)
    yield from bake(state, new, expected)
    yield finish_batch(state, new)


def _read_consistently(state: RolloutState) -> Iterator[Event]:
    """Read the set again if its model and its list differ: it may have been scaled in between."""
    if capacity_of(state) != len(live_instances(state)):
        yield from check_model_unchanged(state)
        yield from read_instances(state)
        yield from wait_until_settled(state)


def _raise_and_follow(
    state: RolloutState, step: Creation, known: Collection[str]
) -> Iterator[Event]:
    """Raise the capacity, and follow the operation to its end."""
    yield from _raise_capacity(state)
    state.deadline = _clock.monotonic() + state.options.health_timeout
    # The list shows what is being created.
    yield from read_instances(state)
    new = _with_new_ids(state, step, known)
    yield from follow_operation(state, state.deadline, new)
    yield from read_instances(state)


def _raise_capacity(state: RolloutState) -> Iterator[Event]:
    """Send the new capacity, and again while needed; never over another client's change."""
    limit = _clock.monotonic() + state.options.health_timeout
    state.operation = None

    def request() -> None:
        number = missing(state)
        if number:
            _send_capacity(state, present(state) + number)

    yield from retry(state, request, _recover_capacity(state, limit))


def _send_capacity(state: RolloutState, capacity: int) -> None:
    """Send only a capacity, if the set has not changed since it was read."""
    etag = known_model(state).get("etag")
    state.has_changed_something = True
    state.operation = vmss.patch_vmss(
        *state.scale_set,
        {"sku": {"capacity": capacity}},
        if_match=etag,
        auxiliary_tokens=state.options.auxiliary_tokens,
    )


def _recover_capacity(state: RolloutState, limit: float) -> Any:
    """Return what to do after a capacity was refused, or its answer lost: read the set again."""

    def recover(error: Exception, attempt: int) -> Iterator[Event]:
        may_retry = isinstance(error, PreconditionFailed) or _retry.is_transient(error)
        if not may_retry or is_too_late(error, limit):
            raise error
        yield from back_off(state, error, attempt)
        yield from check_model_unchanged(state)
        yield from read_instances(state)
        yield from wait_until_settled(state)

    return recover


def _wait_for_new(state: RolloutState, attached: int) -> Iterator[Event]:
    """Wait until the set has as many settled instances as the model says, no more and no less.

    Azure may start more than were asked for, and delete those that it does not need.
    """

    def judge() -> Wait | None:
        found = len(state.instances)
        wanted = capacity_of(state) + attached
        passing = _passing_ids(state)
        if found == wanted and not passing:
            return None
        message = messages.waiting_for_count(found, wanted, passing)
        waiting = event(state, "progress", message, batch=state.batch, instance_ids=passing)
        timeout = messages.wrong_count(found, wanted, state.options.health_timeout)
        return Wait(waiting, Halt(timeout, dict.fromkeys(passing, "being created or deleted")))

    def read() -> Iterator[Event]:
        return _read_set(state)

    yield from check_model_unchanged(state)
    yield from poll(state, judge, read, limit=state.deadline)


def _with_new_ids(state: RolloutState, step: Creation, known: Collection[str]) -> Creation:
    """Return the step with the instances that were not there before, and note them as current."""
    ids = [
        instance["instanceId"]
        for instance in live_instances(state)
        if instance["instanceId"] not in known
    ]
    new = Creation(step.name, tuple(sorted(ids, key=id_sort_key)))
    state.batch = new
    state.accepted |= frozenset(ids)
    return new


def _expected_of_new(state: RolloutState) -> InstanceBefore:
    """Return what is expected of new instances: what Azure reports about the present ones."""
    has_power = any(power_state(instance) is not None for instance in state.instances)
    reports_health = any(health(instance) is not None for instance in state.instances)
    return InstanceBefore("running" if has_power else None, reports_health)


def _undo_creation(
    state: RolloutState, step: Creation, known: Collection[str], capacity: int, halt: Halt
) -> Iterator[Event]:
    """Delete what was made, set the capacity as before, and halt with Azure's reason."""
    reason = halt.reason
    message = messages.undoing_creation(step, reason)
    yield event(state, "progress", message, batch=step)
    try:
        yield from check_model_unchanged(state)
        yield from read_instances(state)
        made = _with_new_ids(state, step, known)
        yield from _delete_ids(state, made, least=0)
        yield from check_model_unchanged(state)
        yield from _lower_capacity(state, capacity)
    except (Halt, AzureError, OperationTimeout, *_retry.CONNECTION_ERRORS) as error:
        reason = messages.creation_not_undone(reason, one_line(error))
        raise Halt(reason, halt.unhealthy) from halt.__cause__
    number = len(made.instance_ids)
    reason = messages.creation_undone(reason, number, capacity)
    raise Halt(reason) from halt.__cause__


def delete(state: RolloutState, step: Deletion) -> Iterator[Event]:
    """Delete instances by their ids, so that the set has its capacity again.

    Args:
        state: The run.
        step: The step as planned; without ids it corrects the capacity alone.

    Yields:
        Events.

    Raises:
        Halt: There are too few instances that may be deleted, or Azure could not delete them.
    """
    surplus = present(state) - target(state)
    if surplus > len(step.instance_ids):
        raise Halt(messages.all_protected(surplus, len(step.instance_ids), target(state)))
    yield from wait_until_others_healthy(state, step)
    message = messages.deleting(step, target(state))
    yield event(state, "batch_started", message, batch=step)
    if step.instance_ids:
        yield from _delete_ids(state, step, least=target(state))
    else:
        yield from _lower_capacity(state, target(state))
    done = messages.deleted(step, len(live_instances(state)))
    yield event(state, "batch_done", done, batch=step)


def _delete_ids(state: RolloutState, step: Batch, *, least: int) -> Iterator[Event]:
    """Delete instances, and wait until they are gone; never below the least number of instances."""
    limit = _clock.monotonic() + state.options.health_timeout
    try:
        yield from _start_deletion(state, step, limit, least)
        yield from follow_operation(state, limit)
    except Preempted as preempted:
        message = messages.preempted(step, preempted.reason)
        yield event(state, "progress", message, batch=step)
        yield from check_model_unchanged(state)
        yield from read_instances(state)
        yield from _start_deletion(state, step, limit, least)
        yield from follow_operation(state, limit)

    def judge() -> Wait | None:
        left = [instance_id for instance_id in step.instance_ids if instance_id in by_id(state)]
        is_done = not left or len(live_instances(state)) <= least
        if is_done and not _passing_ids(state):
            return None
        message = messages.still_there(step, left)
        waiting = event(state, "progress", message, batch=step)
        reasons = with_since(state, dict.fromkeys(left, "not deleted"))
        return Wait(waiting, Halt(message, reasons))

    def read() -> Iterator[Event]:
        return read_instances(state)

    yield from read()
    yield from poll(state, judge, read, limit=limit)


def _start_deletion(state: RolloutState, step: Batch, limit: float, least: int) -> Iterator[Event]:
    """Send a deletion, and again as long as that is safe: only of what is still there."""
    state.operation = None

    def remaining() -> list[str]:
        live = {instance["instanceId"] for instance in live_instances(state)}
        left = [instance_id for instance_id in step.instance_ids if instance_id in live]
        return left[: max(0, present(state) - least)]

    def request() -> None:
        ids = remaining()
        if not ids:
            return
        state.has_changed_something = True
        state.operation = vmss.delete_vmss_vms(*state.scale_set, ids)
        state.in_flight = frozenset(ids)

    def recover(error: Exception, attempt: int) -> Iterator[Event]:
        is_rejected = isinstance(error, AzureError) and error.status_code == _REJECTED
        may_retry = is_rejected or _retry.is_transient(error)
        if not may_retry or is_too_late(error, limit):
            raise error
        before = remaining()
        if not is_rejected:
            yield from back_off(state, error, attempt)
        yield from check_model_unchanged(state)
        yield from read_instances(state)
        yield from wait_until_instances_idle(state)
        if is_rejected and remaining() == before:
            raise error

    yield from retry(state, request, recover)


def _lower_capacity(state: RolloutState, capacity: int) -> Iterator[Event]:
    """Take instances off the capacity that were never made; no instance is deleted by that."""
    limit = _clock.monotonic() + state.options.health_timeout
    state.operation = None

    def request() -> None:
        if capacity_of(state) <= capacity:
            return
        if len(live_instances(state)) > capacity:
            raise Halt(messages.cannot_lower(len(live_instances(state)), capacity))
        _send_capacity(state, capacity)

    yield from retry(state, request, _recover_capacity(state, limit))
    yield from follow_operation(state, limit)
