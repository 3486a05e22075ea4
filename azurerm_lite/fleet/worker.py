"""The worker: run one step of one scale set's rollout, and return its events.

In the scheduler's own process an event reaches the scheduler immediately, through an `EventQueue`.
In other processes the events of a step are returned with its result.
"""

from __future__ import annotations

import os
import pickle
import platform
import queue
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum

from .._text import one_line
from ..rollout.events import Event
from ..rollout.run import advance
from ..rollout.state import RolloutState, summarize
from ..types import Summary, Target
from . import rate_limit


class Stop(IntEnum):
    """When the rollouts in the scheduler's own process must stop."""

    NO = 0
    AFTER_BATCH = 1
    NOW = 2


class EventQueue:
    """Passes events and results to the scheduler, and its request to stop to the workers."""

    def __init__(self) -> None:
        self._entries: queue.SimpleQueue[tuple[Target, Event | Future[StepResult]]] = (
            queue.SimpleQueue()
        )
        self.stop = Stop.NO

    def put(self, target: Target, entry: Event | Future[StepResult]) -> None:
        """Add an event or a result of a scale set."""
        self._entries.put((target, entry))

    def get(self, seconds: float) -> tuple[Target, Event | Future[StepResult]] | None:
        """Return the next event or result; `None` if there is none within some seconds."""
        try:
            return self._entries.get(timeout=seconds)
        except queue.Empty:
            return None


@dataclass(frozen=True)
class StepRequest:
    """What a worker receives in addition to the state of the run.

    Attributes:
        fleet_id: Id of the fleet.
        process_id: Process id of the scheduler.
        target: The scale set.
        share: The share of Azure's limits that this worker may use, from 0 to 1.
        blocked: The blocked buckets, each with the time (of `time.time`) at which it is free again.
    """

    fleet_id: str
    process_id: int
    target: Target
    share: float
    blocked: dict[rate_limit.Kind, float]


@dataclass
class StepResult:
    """The result of a step.

    Attributes:
        summary: The result counters of the run so far.
        state: The state of the run, if there is more to do.
        is_paused: Whether the run's `pause` callable stopped it.
        events: The events that were not passed on through a queue.
        error: The exception that ended the run.
        worker: Host name and process id.
        blocked: The blocked buckets, each with the time (of `time.time`) at which it is free again.
    """

    summary: Summary
    state: RolloutState | None = None
    is_paused: bool = False
    events: list[Event] = field(default_factory=list)
    error: Exception | None = None
    worker: tuple[str, int] = ("", 0)
    blocked: dict[rate_limit.Kind, float] = field(default_factory=dict)


_queues: dict[str, EventQueue] = {}
"""The queues of the fleets of this process. A forked process has a copy, which it must not use."""


def open_queue(fleet_id: str) -> EventQueue:
    """Create and return the queue for the steps of a fleet in this process."""
    events = EventQueue()
    _queues[fleet_id] = events
    return events


def close_queue(fleet_id: str) -> None:
    """Remove the queue of a fleet."""
    del _queues[fleet_id]


def run_step(request: StepRequest, state: RolloutState) -> StepResult:
    """Run one step of a set's rollout: one batch and the pause after it.

    Args:
        request: The fleet, the scale set and the rate limits.
        state: The state of the run.

    Returns:
        The result, with the state of the run if there is more to do.
    """
    events = _queues.get(request.fleet_id) if request.process_id == os.getpid() else None
    limiter = rate_limit.limiter_of(request.target.subscription_id)
    limiter.resize(1.0 if events else request.share)
    if events is None:
        limiter.block_until(request.blocked)
    result = StepResult(summarize(state), worker=(platform.node(), os.getpid()))
    try:
        _pass_on(advance(state), request.target, events, result)
        result.is_paused = state.status == "paused"
        result.state = state if state.status in ("new", "running") else None
    except Exception as error:
        result.error = error if events else make_portable(error)
    unhealthy = getattr(result.error, "unhealthy", {})
    result.summary = summarize(state, list(unhealthy))
    if events is None:
        result.blocked = limiter.blocked_until()
    return result


def _pass_on(
    steps: Iterator[Event], target: Target, events: EventQueue | None, result: StepResult
) -> None:
    """Pass the events of a step on, or collect them; end the step early if it must stop."""
    is_in_batch = False
    is_rolling_back = False
    for event in steps:
        if event.kind == "batch_started":
            is_in_batch = True
        elif event.kind == "batch_done":
            is_in_batch = False
        elif event.kind == "rolling_back":
            is_rolling_back = True
        passed_on = event._replace(instances=())
        if events is None:
            result.events.append(passed_on)
            continue
        events.put(target, passed_on)
        # Between two batches a set may be paused; a rollback runs to its end.
        is_safe = not is_in_batch and not is_rolling_back
        if events.stop == Stop.NOW or (events.stop == Stop.AFTER_BATCH and is_safe):
            return


def make_portable(error: Exception) -> Exception:
    """Return an error, or a `RuntimeError` with its text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled by the same expression
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {one_line(error)}")
    return error
