"""One batch of a rollout: start the upgrade, follow the operation, verify the instances, bake."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from requests import Response

from .. import _clock, _retry, _run_command, operations, rest
from .._text import one_line
from ..errors import AzureError, NotFound, OperationFailed, OperationTimeout
from ..types import Batch, Instance
from . import messages, plan, writes
from .events import Event, event
from .faults import is_batch_at_fault, is_preempted
from .health import (
    InstanceBefore,
    Problem,
    problem_of_answer,
    problem_of_any,
    problem_of_check,
    problem_of_upgraded,
    snapshot,
    texts,
)
from .options import resolve_count
from .reading import (
    check_model_unchanged,
    count_single_reads,
    read_instances,
    read_single_instances,
    wait_until_instances_idle,
)
from .state import (
    BatchFailed,
    Halt,
    Preempted,
    RolloutState,
    Started,
    by_id,
    count_current,
    with_since,
)
from .waiting import Wait, pause, poll, poll_interval, retry, retry_after_of

Problems: TypeAlias = "dict[str, Problem]"

_BAKE_POLL = 3
"""Bakes are polled at the interval of a poll in the middle of a wait."""
_NO_INSTANCE = "InvalidParameter"
"""Azure's code for an instance id that it does not know any more."""


def run_batch(state: RolloutState, batch: Batch) -> Iterator[Event]:
    """Upgrade a batch, from its start to the end of its bake time."""
    yield from wait_until_others_healthy(state, batch)
    before = snapshot(state.instances)
    yield event(
        state, "batch_started", messages.upgrading(batch, state.options.action.words), batch=batch
    )
    try:
        yield from start_and_follow(state, batch)
    except Preempted as preempted:
        yield event(state, "progress", messages.preempted(batch, preempted.reason), batch=batch)
        yield from prepare_again(state)
        yield from start_and_follow(state, batch)
    yield from verify(state, batch, before, state.deadline)
    yield from bake(state, batch, before)
    yield finish_batch(state, batch)


def start_and_follow(state: RolloutState, batch: Batch) -> Iterator[Event]:
    """Start the action on what is pending of a batch, and follow its operations."""
    yield from start_action(state, batch)
    state.deadline = _clock.monotonic() + state.options.health_timeout
    rejected: dict[str, str] = {}
    while state.started:
        ids, response = state.started[0]
        state.operation = response
        state.result = None
        yield from follow_operation(state, state.deadline, batch)
        state.started = state.started[1:]
        if state.options.action.name == "run_command":
            yield from report_output(state, batch, ids[0], rejected)
    if rejected:
        raise BatchFailed(messages.outputs_rejected(batch), with_since(state, rejected))


def report_output(
    state: RolloutState, batch: Batch, instance_id: str, rejected: dict[str, str]
) -> Iterator[Event]:
    """Report what a script printed, and note why it does not pass the caller's check."""
    output = _run_command.read_output(state.result)
    last = (output.stderr or output.stdout).rpartition("\n")[2]
    message = messages.of_batch(batch, messages.output(instance_id, last))
    yield event(state, "progress", message, batch=batch, instance_ids=[instance_id])
    check = state.options.action.check_output
    if check is None:
        return
    problem = problem_of_answer(lambda: check(instance_id, output))
    if problem is not None:
        rejected[instance_id] = problem.text


def prepare_again(state: RolloutState) -> Iterator[Event]:
    """Wait out the write that ended an upgrade, and note what it left undone."""
    left = frozenset(name for started in state.started for name in started.ids)
    state.started = ()
    state.accepted -= left
    state.retry_failed |= left
    yield from check_model_unchanged(state)
    yield from read_instances(state)
    yield from wait_until_instances_idle(state)


def wait_until_others_healthy(state: RolloutState, batch: Batch) -> Iterator[Event]:
    """Halt if too many instances outside a batch are unhealthy to take any more out of service.

    An instance that was just made has no health for a while, and is waited for.
    """
    limit = _clock.monotonic() + state.options.health_timeout

    def judge() -> Wait | None:
        problems = problems_outside(state, batch)
        allowed = resolve_count(state.options.max_unhealthy, len(state.instances), "max_unhealthy")
        if len(problems) <= allowed:
            return None
        bad = [problem for problem in problems.values() if not problem.may_pass]
        reason = messages.others_unhealthy(batch, len(problems), allowed)
        unhealthy = with_since(state, texts(problems))
        failure = Halt(reason, unhealthy)
        if not problems.keys().isdisjoint(state.upgraded):
            failure = BatchFailed(reason, unhealthy)
        if len(bad) > allowed or state.options.dry_run:
            raise failure
        waiting = event(
            state,
            "waiting",
            messages.waiting_for_others(reason),
            batch=batch,
            instance_ids=list(problems),
            unhealthy=unhealthy,
        )
        return Wait(waiting, failure)

    def read() -> Iterator[Event]:
        yield from check_model_unchanged(state)
        yield from read_instances(state)

    yield from poll(state, judge, read, limit=limit)


def problems_outside(state: RolloutState, batch: Batch) -> Problems:
    """Return what is wrong with the instances outside a batch.

    During a rollback without the pending ones: those it is to repair.
    """
    problems = {}
    for instance in state.instances:
        instance_id = instance["instanceId"]
        is_being_repaired = state.is_rollback and is_pending(state, instance)
        if instance_id in batch.instance_ids or is_being_repaired:
            continue
        problem = problem_of_any(instance)
        if problem is not None:
            problems[instance_id] = problem
    return problems


def start_action(state: RolloutState, batch: Batch) -> Iterator[Event]:
    """Send the requests of a batch, and again as long as that is safe.

    One id that vanished makes Azure refuse all. If the answer was lost, or another operation had to
    be waited for, what was sent may be running, or done by now: only what is still pending is sent
    again.
    """
    limit = _clock.monotonic() + state.options.health_timeout
    ids = [name for name in batch.instance_ids if is_pending_id(state, name)]
    state.operation = None
    state.started = ()

    def request() -> None:
        nonlocal limit
        for part in writes.split(state, ids) if ids else ():
            state.has_changed_something = True
            response = writes.start(state, part)
            state.started += (Started(tuple(part), response),)
            state.in_flight |= frozenset(part)
            state.accepted |= frozenset(part)
            # Where they are single requests, the rest may have to wait for these.
            ids[:] = [name for name in ids if name not in part]
            limit = _clock.monotonic() + state.options.health_timeout

    def recover(error: Exception, attempt: int) -> Iterator[Event]:
        has_unknown_id = _is_unknown_id(error)
        may_retry = has_unknown_id or _retry.is_transient(error)
        if not may_retry or is_too_late(error, limit):
            raise error
        if not has_unknown_id:
            yield from back_off(state, error, attempt)
        yield from read_instances(state)
        yield from wait_until_instances_idle(state)
        yield from check_model_unchanged(state)
        gone = [instance_id for instance_id in ids if not is_pending_id(state, instance_id)]
        if has_unknown_id and not gone:
            raise error
        if has_unknown_id:
            message = messages.without_vanished(batch, gone)
            yield event(state, "progress", message, batch=batch)
        for instance_id in gone:
            ids.remove(instance_id)

    yield from retry(state, request, recover)


def back_off(state: RolloutState, error: Exception, attempt: int) -> Iterator[Event]:
    """Pause before a write is sent again."""
    seconds = max(poll_interval(state, attempt - 1), retry_after_of(error) or 0)
    text = messages.asking_again(one_line(error))
    if state.batch:
        text = messages.of_batch(state.batch, text)
    yield from pause(state, text, seconds, of_set=state.batch is None)


def is_too_late(error: Exception, limit: float) -> bool:
    """Return whether a repetition would be past a limit, as Azure may ask for a long pause."""
    return _clock.monotonic() + (retry_after_of(error) or 0) >= limit


def _is_unknown_id(error: Exception) -> bool:
    """Return whether an instance may have vanished: of one by itself Azure says Not Found."""
    is_unknown = isinstance(error, AzureError) and error.code == _NO_INSTANCE
    return is_unknown or isinstance(error, NotFound)


def follow_operation(
    state: RolloutState, limit: float, batch: Batch | None = None
) -> Iterator[Event]:
    """Follow the operation of the last write to its success.

    If it cannot be read, what it did is seen on the instances.
    """
    if state.operation is None:
        return
    response: Response = state.operation
    left = max(0.0, limit - _clock.monotonic())
    operation = operations.Operation(state.scale_set.access_token, response)
    polls = operation.poll(timeout=left)
    while True:
        try:
            with rest.request_hooks(state.hooks):
                poll = next(polls)
        except StopIteration:
            break
        except (OperationFailed, OperationTimeout) as error:
            yield from _judge_failed_operation(state, error, batch)
            break
        except (AzureError, *_retry.CONNECTION_ERRORS) as error:
            if not _retry.is_transient(error) and not isinstance(error, NotFound):
                raise
            text = messages.operation_unreadable(one_line(error))
            yield _progress(state, text, batch)
            break
        text = messages.operation_status(poll.status, poll.seconds, poll.error)
        yield _progress(state, text, batch)
    state.result = operation.result
    state.operation = None


def _progress(state: RolloutState, text: str, batch: Batch | None) -> Event:
    """Return an event about an operation on a batch, or on the set itself."""
    if batch is None:
        return event(state, "progress", text, of_set=True)
    return event(state, "progress", messages.of_batch(batch, text), batch=batch)


def _judge_failed_operation(
    state: RolloutState, error: Exception, batch: Batch | None
) -> Iterator[Event]:
    """Halt after an operation that failed or did not end; unless the instances show that it did.

    Only a failure of the new image or of the upgrade itself is one of the batch.
    """
    with contextlib.suppress(AzureError, *_retry.CONNECTION_ERRORS):
        yield from read_instances(state)
    reason = one_line(error)
    if isinstance(error, AzureError):
        reason = messages.operation_failed(error.message, error.code)
    is_ended_by_other = isinstance(error, OperationFailed) and is_preempted(error)
    if batch is None:
        raise (Preempted if is_ended_by_other else Halt)(reason) from error
    problems = problems_of_batch(state, batch, {})
    unhealthy = with_since(state, texts(problems))
    if is_ended_by_other:
        raise Preempted(reason, unhealthy) from error
    if isinstance(error, OperationFailed):
        codes = [problem.code for problem in problems.values() if problem.kind == "failed"]
        if not is_batch_at_fault(error.code, codes):
            raise Halt(reason, unhealthy) from error
        raise BatchFailed(reason, unhealthy) from error
    if problems:
        raise BatchFailed(reason, unhealthy) from error


def verify(
    state: RolloutState, batch: Batch, before: Mapping[str, InstanceBefore], limit: float
) -> Iterator[Event]:
    """Read all instances, and wait until those of the batch are done.

    The success of the operation does not prove it. The others are read too, because the next batch
    starts only if they are healthy.
    """
    yield from read_instances(state)
    yield from halt_if_model_changed(state, batch, before)
    yield from wait_until_done(state, batch, before, limit)


def wait_until_done(
    state: RolloutState, batch: Batch, before: Mapping[str, InstanceBefore], limit: float
) -> Iterator[Event]:
    """Wait until the instances of a batch, as they were read last, are done."""

    def judge() -> Wait | None:
        problems = problems_of_batch(state, batch, before, with_check=True)
        if not problems:
            return None
        failed = {
            instance_id: problem
            for instance_id, problem in problems.items()
            if problem.kind == "failed"
        }
        reasons = with_since(state, texts(problems))
        if failed:
            unhealthy = {instance_id: reasons[instance_id] for instance_id in failed}
            reason = messages.batch_unhealthy(batch, None)
            codes = [problem.code for problem in failed.values()]
            if is_batch_at_fault("", codes):
                raise BatchFailed(reason, unhealthy)
            raise Halt(reason, unhealthy)
        timeout = messages.batch_unhealthy(batch, state.options.health_timeout)
        message = messages.batch_waiting(batch, reasons)
        waiting = event(state, "progress", message, batch=batch, unhealthy=reasons)
        is_unknown = all(problem.kind == "power_unknown" for problem in problems.values())
        failure = Halt(timeout, reasons) if is_unknown else BatchFailed(timeout, reasons)
        return Wait(waiting, failure)

    def read() -> Iterator[Event]:
        return read_batch(state, batch, before)

    single_reads = count_single_reads(state, batch.instance_ids)
    yield from poll(state, judge, read, limit=limit, single_reads=single_reads)


def bake(
    state: RolloutState, batch: Batch, before: Mapping[str, InstanceBefore]
) -> Iterator[Event]:
    """Watch a batch for a while: some images fail only after some minutes."""
    options = state.options
    seconds = options.bake
    if len(state.started_batches) == 1 and options.canary_bake is not None:
        seconds = options.canary_bake
    ends_at = _clock.monotonic() + seconds

    def left() -> float:
        return ends_at - _clock.monotonic()

    while left() > 0:
        yield event(state, "baking", messages.baking(batch, left()), batch=batch)
        single_reads = count_single_reads(state, batch.instance_ids)
        _clock.sleep(min(left(), poll_interval(state, _BAKE_POLL, single_reads)))
        yield from read_batch(state, batch, before)
        problems = problems_of_batch(state, batch, before, with_check=True)
        if not problems:
            continue
        if all(problem.may_pass for problem in problems.values()):
            limit = _clock.monotonic() + options.health_timeout
            yield from wait_until_done(state, batch, before, limit)
            continue
        reason = messages.bake_failed(batch, seconds)
        raise BatchFailed(reason, with_since(state, texts(problems)))


def read_batch(
    state: RolloutState, batch: Batch, before: Mapping[str, InstanceBefore]
) -> Iterator[Event]:
    """Read the instances of a batch again; halt if the model was changed."""
    if count_single_reads(state, batch.instance_ids) is None:
        yield from read_instances(state)
    else:
        yield from read_single_instances(state, batch.instance_ids)
    yield from halt_if_model_changed(state, batch, before)


def halt_if_model_changed(
    state: RolloutState, batch: Batch, before: Mapping[str, InstanceBefore]
) -> Iterator[Event]:
    """Halt if the instances of a batch are outdated because the model was changed."""
    problems = problems_of_batch(state, batch, before)
    if any(problem.kind == "outdated" for problem in problems.values()):
        yield from check_model_unchanged(state)


def problems_of_batch(
    state: RolloutState,
    batch: Batch,
    before: Mapping[str, InstanceBefore],
    *,
    with_check: bool = False,
) -> Problems:
    """Return what the instances of a batch still lack; the caller's own check comes last.

    An instance that vanished lacks nothing.
    """
    instances = instances_of(state, batch)
    problems = {}
    for instance in instances:
        instance_id = instance["instanceId"]
        problem = problem_of_upgraded(
            instance,
            before.get(instance_id, InstanceBefore()),
            is_current=instance_id in state.current,
            is_pending=is_pending(state, instance),
            outdated=state.options.action.words.outdated,
        )
        if problem is not None:
            problems[instance_id] = problem
    check = state.options.check
    if problems or check is None or not instances or not with_check:
        return problems
    failure = problem_of_check(check, instances)
    if failure is None:
        return {}
    return {instance["instanceId"]: failure for instance in instances}


def finish_batch(state: RolloutState, batch: Batch) -> Event:
    """Note what a batch upgraded, and return its last event."""
    done = [
        instance["instanceId"]
        for instance in instances_of(state, batch)
        if not is_pending(state, instance)
    ]
    state.upgraded += done
    vanished = len(batch.instance_ids) - len(done)
    latest = count_current(state)
    words = state.options.action.words
    message = messages.batch_done(batch, latest, len(state.instances), vanished, words)
    return event(state, "batch_done", message, batch=batch)


def instances_of(state: RolloutState, batch: Batch) -> list[Instance]:
    """Return the instances of a batch that are still there."""
    known = by_id(state)
    return [known[instance_id] for instance_id in batch.instance_ids if instance_id in known]


def is_pending(state: RolloutState, instance: Instance) -> bool:
    """Return whether an instance is yet to be upgraded."""
    reason = plan.skip_reason(instance, state.options, state.retry_failed, current=state.current)
    return reason is None


def is_pending_id(state: RolloutState, instance_id: str) -> bool:
    """Return whether an instance is there and is yet to be upgraded."""
    instance = by_id(state).get(instance_id)
    return instance is not None and is_pending(state, instance)
