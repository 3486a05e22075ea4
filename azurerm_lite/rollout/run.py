"""The rollout from its beginning to its end: read from top to bottom, this is what it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from .. import _clock, _retry, images
from .._text import one_line
from ..errors import AzureError, OperationTimeout, RolloutHalted
from ..types import Batch, ScaleSet
from . import messages, plan, reimage, surge, writes
from .autoscale import read_autoscale
from .batch import run_batch, wait_until_others_healthy
from .events import Event, event
from .progress import note_current
from .reading import (
    check_model_unchanged,
    known_model,
    provisioning_of_set,
    read_instances,
    read_rest,
    refresh,
    retry_failed_instances,
    updating_ids,
    wait_until_created,
    wait_until_instances_idle,
)
from .refusals import refusal_of_model
from .rollback_image import (
    check_rollback_image,
    check_tenant_of_image,
    find_previous_image,
    infer_rollback_image,
    put_image,
    rollback_of,
)
from .state import (
    BatchFailed,
    Halt,
    RolloutState,
    by_id,
    count_current,
    ids_by_image,
    image_of,
    seconds_running,
    short_image_name,
    summarize,
)
from .waiting import REPORT_SECONDS

READS_OF_AUTOSCALE = 1
"""With extra capacity, once for each run."""


def run(state: RolloutState) -> Iterator[Event]:
    """Upgrade the pending instances batch by batch, until none is left or a pause says stop.

    Args:
        state: The run.

    Yields:
        Events.

    Raises:
        RolloutHalted: Something went wrong after something was changed.
        ValueError: The options do not fit the set; nothing was changed.
        AzureError: Azure refused before anything was changed.
    """
    while state.status in ("new", "running"):
        yield from advance(state)


def advance(state: RolloutState) -> Iterator[Event]:
    """Run to the next safe point: the end of one batch and of the pause after it.

    Afterwards `state.status` is `running` if there is more to do. What is known stands in the state
    alone, so that another process may go on with it.

    Args:
        state: The run.

    Yields:
        Events.

    Raises:
        RolloutHalted: As for `run`.
    """
    try:
        if state.status == "new":
            yield from start(state)
        else:
            yield from refresh(state)
            if state.capacity is not None:
                yield from surge.wait_until_settled(state)
        if state.status == "running":
            yield from run_next_batch(state)
    except BatchFailed as failure:
        # The new image or the upgrade itself is to blame. Anything else only halts.
        if not state.previous_image:
            raise halted(state, failure) from failure.__cause__
        yield from roll_back(state, failure)
    except Halt as halt:
        raise halted(state, halt) from halt.__cause__
    except (AzureError, OperationTimeout, *_retry.CONNECTION_ERRORS) as error:
        if not state.has_changed_something:
            raise
        raise halted(state, Halt(one_line(error))) from error


def start(state: RolloutState) -> Iterator[Event]:
    """Read the set, check that the rollout can begin, and report what it is going to do."""
    yield from read_set(state)
    if not state.has_changed_something:
        # What `only` names may vanish later.
        plan.check_choice(state.instances, state.options)
    if isinstance(state.options.dry_run, Mapping):
        pretend_model(state, cast("ScaleSet", state.options.dry_run))
        yield from check_tenant_of_image(state, image_of(state.model), "dry_run")
    if not state.options.dry_run:
        yield from wait_until_instances_idle(state)
    yield from find_capacity(state)
    if state.is_rollback:
        yield from restore_image(state)
    elif state.options.action.name == "refresh":
        reimage.check_instances(state)
        state.previous_image = reimage.find_previous_image(state)
    else:
        state.previous_image = find_previous_image(state)
        yield from check_tenant_of_image(state, state.previous_image, "on_failure")
    yield from announce(state)
    state.status = "running"
    if state.options.dry_run:
        yield from report_dry_run(state)
        state.status = "done"


def find_capacity(state: RolloutState) -> Iterator[Event]:
    """Note how many instances the set is to end with, if the run has extra capacity."""
    options = state.options
    if options.surge is None and options.capacity is None:
        return
    if not options.dry_run:
        yield from surge.wait_until_settled(state)
    if state.capacity is None:
        state.capacity = options.capacity or surge.capacity_of(state)
        surge.check_surplus(state)


def read_set(state: RolloutState) -> Iterator[Event]:
    """Read the model, which must be in mode Manual and unchanged, and the instances."""
    yield from check_model_unchanged(state)
    if state.options.action.name == "refresh":
        yield from reimage.resolve_version(state)
    yield from read_instances(state)


def run_next_batch(state: RolloutState) -> Iterator[Event]:
    """Upgrade the next batch, and pause after it; or finish if there is none."""
    batches = plan_rest(state)
    if batches:
        batch = batches[0]
        state.batch = batch
        state.started_batches.append(batch.name)
        state.batches = len(state.started_batches) + len(batches) - 1
        yield from run_step(state, batch)
        yield from check_model_unchanged(state)
        batches = plan_rest(state)
    if not batches:
        yield from read_rest(state)
        batches = plan_rest(state)
    if not batches:
        yield from wait_until_created(state)
        batches = plan_rest(state)
    if not batches:
        yield finish(state)
        return
    if state.batch is not None:
        yield from pause_after(state, state.batch, batches[0])


def run_step(state: RolloutState, batch: Batch) -> Iterator[Event]:
    """Upgrade a batch, or create or delete instances."""
    if isinstance(batch, surge.Creation):
        yield from surge.create(state, batch)
    elif isinstance(batch, surge.Deletion):
        yield from surge.delete(state, batch)
    else:
        yield from run_batch(state, batch)


def plan_rest(state: RolloutState) -> list[Batch]:
    """Return the batches that are left."""
    if state.capacity is not None:
        return surge.plan_steps(state)
    return plan.plan_batches(
        state.instances,
        state.options,
        started=state.started_batches,
        retry_failed=state.retry_failed,
        current=state.current,
    )


def pause_after(state: RolloutState, done: Batch, following: Batch) -> Iterator[Event]:
    """Pause between two batches, or let the caller decide whether to go on."""
    pause = state.options.pause
    if callable(pause):
        yield event(state, "pausing", messages.calling_pause(done), batch=done)
        if not pause(done):
            yield stop(state, done)
        return
    ends_at = _clock.monotonic() + pause
    while True:
        left = ends_at - _clock.monotonic()
        if left <= 0:
            return
        message = messages.pausing_before(following, left)
        yield event(state, "pausing", message, batch=following)
        _clock.sleep(min(left, REPORT_SECONDS))


def stop(state: RolloutState, done: Batch) -> Event:
    """End the run between two batches."""
    state.status = "paused"
    message = _how_far(state, messages.stopped_after(done))
    return event(state, "stopped", message, of_set=True, summary=summarize(state))


def finish(state: RolloutState) -> Event:
    """End the run: no instance is pending."""
    state.status = "done"
    return event(
        state,
        "rolled_back" if state.is_rollback else "finished",
        _how_far(state),
        of_set=True,
        instance_ids=state.upgraded,
        summary=summarize(state),
    )


def roll_back(state: RolloutState, failure: BatchFailed) -> Iterator[Event]:
    """Roll back after a failure.

    It ends in a halt as well: the caller is to know that the new image failed.
    """
    back = rollback_of(state, failure)
    reason = back.reason
    state.status = "done"
    cause = halted(state, failure)
    try:
        yield from run(back)
    except RolloutHalted as halt:
        message = messages.rollback_halted(reason, halt.message, _runs_what(back))
        raise RolloutHalted(
            message, halt.batch, halt.unhealthy, False, summarize(back, list(halt.unhealthy))
        ) from cause
    summary = summarize(back)._replace(upgraded=len(state.upgraded), failed=len(failure.unhealthy))
    message = messages.rolled_back(reason, _runs_what(back))
    raise RolloutHalted(message, state.batch, failure.unhealthy, True, summary) from cause


def restore_image(state: RolloutState) -> Iterator[Event]:
    """Put the old image into the model, and read the set again."""
    if state.options.action.name == "refresh":
        yield from restore_version(state)
        return
    retry_failed_instances(state)
    image = state.options.rollback_image or infer_rollback_image(state)
    check_rollback_image(state, image)
    yield from check_tenant_of_image(state, image, "image")
    name = short_image_name(image, known_model(state))
    yield event(state, "rolling_back", messages.rolling_back(state.reason, name), of_set=True)
    yield from put_image(state, image)
    yield from read_set(state)
    yield from wait_until_instances_idle(state)


def restore_version(state: RolloutState) -> Iterator[Event]:
    """Make the version that the instances ran before the wanted one; the model stays as it is."""
    reimage.prepare_rollback(state)
    name = short_image_name(state.options.rollback_image or {}, known_model(state))
    yield event(state, "rolling_back", messages.rolling_back(state.reason, name), of_set=True)
    yield event(state, "notice", messages.MODEL_STAYS_FLOATING, of_set=True)
    yield from read_set(state)
    yield from wait_until_instances_idle(state)


def announce(state: RolloutState) -> Iterator[Event]:
    """Report what is to be done, what should be known, and what is left out."""
    batches = plan_rest(state)
    ids = [instance_id for batch in batches for instance_id in batch.instance_ids]
    words = state.options.action.words
    message = messages.started(len(state.instances), len(ids), len(batches), words)
    yield event(state, "started", message, of_set=True, instance_ids=ids)
    notices = plan.notices(known_model(state), state.instances, state.options)
    for notice in [*notices, *notices_of_action(state)]:
        yield event(state, "notice", notice, of_set=True)
    yield from announce_surge(state, batches)
    wants_rollback = state.options.on_failure == "rollback" and not state.is_rollback
    if batches and wants_rollback and not state.previous_image:
        yield event(state, "notice", messages.ROLLBACK_HAS_NO_EFFECT, of_set=True)
    skipped = plan.skipped(
        state.instances, state.options, state.retry_failed, current=state.current
    )
    for reason, left_out in skipped.items():
        state.skipped += len(left_out)
        message = messages.skipping(left_out, reason)
        yield event(state, "skipped", message, instance_ids=left_out)


def announce_surge(state: RolloutState, batches: list[Batch]) -> Iterator[Event]:
    """Report how many instances are created and deleted, and whether autoscale is on."""
    if state.capacity is None:
        return
    created = surge.missing(state)
    deleted = sum(len(batch.instance_ids) for batch in batches if isinstance(batch, surge.Deletion))
    now = surge.present(state)
    message = messages.surge_planned(created, deleted, now, state.capacity)
    yield event(state, "notice", message, of_set=True)
    notice = read_autoscale(state)
    if notice:
        yield event(state, "notice", notice, of_set=True)
    if state.options.dry_run and batches:
        seconds = surge.estimated_seconds(state, batches)
        most = now + created
        extra = max(0, most - state.capacity)
        message = messages.surge_estimate(extra, most, seconds, surge.STEP_SECONDS)
        yield event(state, "checked", message)


def notices_of_action(state: RolloutState) -> list[str]:
    """Return what should be known of the action of a run."""
    action = state.options.action
    if action.name == "refresh":
        found = [messages.wanted_version(state.version)]
        unknown = reimage.unknown_versions(state)
        return [*found, messages.version_unknown(unknown)] if unknown else found
    if action.has_times and action.pending is None:
        return [messages.counts_since(state.since)]
    return []


def pretend_model(state: RolloutState, model: ScaleSet) -> None:
    """Take a model as if it were put, and every instance as outdated: for a dry run."""
    reason = refusal_of_model(model)
    if reason:
        raise ValueError(f"dry_run: {reason}")
    state.model = model
    for instance in state.instances:
        instance.setdefault("properties", {})["latestModelApplied"] = False
    note_current(state)


def report_dry_run(state: RolloutState) -> Iterator[Event]:
    """Report the batches, and what stands in the way of the first; halt where the rollout would."""
    name = state.scale_set.vmss_name
    busy = updating_ids(state)
    batches = plan_rest(state)
    found = messages.state_of_set(name, provisioning_of_set(state))
    if state.options.action.brings_to_model:
        found = messages.mode_is_manual(name, provisioning_of_set(state))
    yield event(state, "checked", found)
    idle = messages.would_wait(busy) if busy else messages.NOTHING_BEING_UPDATED
    yield event(state, "checked", idle, instance_ids=busy)
    if state.previous_image:
        name = short_image_name(state.previous_image, known_model(state))
        yield event(state, "checked", messages.would_roll_back_to(name))
    for batch in batches:
        yield event(state, "planned", surge.describe(state, batch), batch=batch)
    if batches:
        yield from wait_until_others_healthy(state, batches[0])
        yield event(state, "checked", messages.others_healthy(batches[0]))
    reading = state.requests_per_reading
    action = state.options.action.name
    # A write and its result, and what a script printed; after each batch the model again.
    each = 3 if action == "run_command" else 2
    writing = sum(1 + each * count_writes(state, batch) for batch in batches)
    requests = 1 + (action == "refresh") + reading + writing + len(batches) * reading
    if state.capacity is not None:
        requests += READS_OF_AUTOSCALE
    if any(isinstance(batch, surge.Creation) for batch in batches):
        requests += 1 + 2 * reading
    message = messages.dry_run_done(requests)
    yield event(state, "finished", message, summary=summarize(state))


def count_writes(state: RolloutState, batch: Batch) -> int:
    """Return how many requests start a step."""
    if isinstance(batch, (surge.Creation, surge.Deletion)):
        return 1
    return len(writes.split(state, batch.instance_ids))


def halted(state: RolloutState, halt: Halt) -> RolloutHalted:
    """Return the exception: what went wrong, on which instances, what was done, what to do."""
    advice = messages.run_again(state.capacity)
    action = state.options.action
    if action.has_times and action.pending is None:
        advice = messages.run_again_since(state.since)
    elif action.name in ("run_command", "call") and action.pending is None:
        left = [name for name in by_id(state) if name not in state.accepted]
        advice = messages.run_again_with(left)
    if state.restored_image:
        advice = messages.image_is_back(images.image_name(state.restored_image))
        advice = messages.with_capacity(advice, state.capacity)
    return halted_with(state, halt, advice)


def halted_with(state: RolloutState, halt: Halt, advice: str) -> RolloutHalted:
    """Return the exception with an advice of the caller's."""
    total = len(state.instances)
    progress = None
    if total:
        progress = (len(state.upgraded), total - count_current(state), total)
    words = state.options.action.words
    message = messages.halted(halt.reason, halt.unhealthy, progress, advice, words)
    summary = summarize(state, list(halt.unhealthy))
    return RolloutHalted(message, state.batch, halt.unhealthy, summary=summary)


def _how_far(state: RolloutState, how: str = "") -> str:
    """Return how far the run came."""
    text = messages.ended(
        count_current(state),
        len(state.instances),
        len(state.upgraded),
        seconds_running(state),
        how,
        words=state.options.action.words,
    )
    return messages.with_capacity(text, state.capacity)


def _runs_what(state: RolloutState) -> str:
    """Return which instances run which image."""
    return messages.runs_what(len(state.instances), ids_by_image(state.instances))
