"""The scheduler of a fleet: which scale set runs when, on which executor, and when it stops.

A task on the executor is one step of one set's rollout: one batch and the pause after it. Its
result holds the events and, if there is more to do, the state of the run. The next task continues
with that state, on any free worker. Only tasks and results are exchanged, so any executor works.
A set is paused between two steps by not requesting the next one. The price is that a worker in
another process reports the events of a batch at its end; in this process they come at once.
"""

from __future__ import annotations

import logging
import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from typing import Any

from .. import _clock
from .._text import one_line, plural
from ..errors import FleetHalted
from ..rollout.events import Event
from ..rollout.state import RolloutState
from ..types import Summary, Target
from . import messages
from .events import FleetEvent, FleetEventKind
from .rate_limit import limiter_of
from .worker import StepRequest, StepResult, Stop, close_queue, open_queue, run_step

log: logging.Logger = logging.getLogger("azurerm_lite")

POLL_SECONDS = 1.0
"""Between two checks for a request to stop."""
IDLE_SECONDS = 60.0
"""Seconds without an event after which that is reported: the executor may have lost its workers."""


def check_executor(executor: Any, state: RolloutState | None) -> Any:
    """Check an executor, and that the state of a run can be sent to its workers.

    Args:
        executor: The caller's value; `None` is accepted.
        state: The state of a run, or `None` if the fleet is empty.

    Returns:
        The executor.

    Raises:
        ValueError: The executor has no `submit`, a plain token would be sent to another process, or
            the state cannot be pickled.
    """
    if executor is None or isinstance(executor, ThreadPoolExecutor) or state is None:
        return executor
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must be a concurrent.futures.Executor, not {executor!r}")
    if not isinstance(executor, ProcessPoolExecutor):
        # Other executors may pickle functions in their own way; only a plain token is rejected.
        state.__getstate__()
        return executor
    try:
        pickle.dumps(state)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"access_token, check and pause must be picklable: {error}") from None
    return executor


class FleetScheduler:
    """A fleet in progress."""

    def __init__(
        self,
        waves: list[list[Target]],
        new_state: Callable[[Target], RolloutState],
        executor: Executor | None,
        max_parallel: int,
        max_failed: int,
    ) -> None:
        self.waves = waves
        self.new_state = new_state
        self.max_parallel = max_parallel
        self.max_failed = max_failed
        self.total: int = sum(len(wave) for wave in waves)
        self.id: str = str(uuid.uuid4())
        self.has_own_executor: bool = executor is None
        self.executor: Executor = executor or ThreadPoolExecutor(
            max(1, min(max_parallel, self.total)), "rollout"
        )
        self.workers: set[tuple[str, int]] = set()
        self.wave: int = 0
        self.waiting: deque[Target] = deque()
        self.running: dict[Target, Future[StepResult]] = {}
        self.done: list[Target] = []
        self.paused: list[Target] = []
        self.failed: dict[Target, Exception] = {}
        self.not_started: list[Target] = [target for wave in waves for target in wave]
        self.is_stopping: bool = False
        self.started_at: float = _clock.monotonic()
        self.received_at: float = self.started_at
        self.reported_at: float = self.started_at
        self.sums: Summary = Summary()

    def run(self) -> Generator[FleetEvent, None, None]:
        """Run the fleet. Closing the generator blocks until the running batches have ended."""
        self.events = open_queue(self.id)
        try:
            yield from self._run_waves()
        finally:
            try:
                self._finish_running()
            finally:
                close_queue(self.id)
                if self.has_own_executor:
                    self.executor.shutdown(wait=False, cancel_futures=True)

    def _run_waves(self) -> Iterator[FleetEvent]:
        yield self._event("fleet_started", messages.fleet_started(self.total, len(self.waves)))
        for wave in self.waves:
            self.wave += 1
            yield self._event("wave_started", messages.wave_started(self.wave, len(wave)))
            yield from self._run_wave(wave)
            if self.is_stopping:
                break
            yield self._event("wave_done", messages.wave_done(self.wave))
        summary = self._summary()
        yield self._event("fleet_ended", self._progress(), summary=summary)
        if self.failed:
            message = messages.halt(self._progress(), self.failed)
            raise FleetHalted(message, self.failed, self.paused, self.not_started, self._summary())

    def _run_wave(self, wave: list[Target]) -> Iterator[FleetEvent]:
        """Run the sets of a wave, at most `max_parallel` at a time, until all have ended."""
        self.waiting = deque(wave)
        while self.running or (self.waiting and not self.is_stopping):
            while self._may_start_another():
                target = self.waiting.popleft()
                self.not_started.remove(target)
                yield self._set_event("set_started", target, messages.STARTED)
                yield from self._submit(target, self.new_state(target))
            if self.running:
                yield from self._receive()

    def _may_start_another(self) -> bool:
        has_room = len(self.running) < self.max_parallel
        return bool(self.waiting) and has_room and not self.is_stopping

    def _submit(self, target: Target, state: RolloutState) -> Iterator[FleetEvent]:
        """Submit the next step of a set; stop the fleet if the executor rejects it."""
        workers = len(self.workers) or min(self.max_parallel, self.total)
        blocked = limiter_of(target.subscription_id).blocked_until()
        request = StepRequest(self.id, os.getpid(), target, 1 / workers, blocked)
        try:
            future = self.executor.submit(run_step, request, state)
        except Exception as error:
            # It is shut down, a worker died, or it cannot send the step: no set can continue.
            yield self._record_failure(target, error)
            if not self.is_stopping:
                yield self._stop(messages.step_rejected(len(self.running)))
            return
        self.running[target] = future
        future.add_done_callback(lambda done: self.events.put(target, done))

    def _receive(self) -> Iterator[FleetEvent]:
        """Receive the next event or result; return after a second, so that Ctrl-C is noticed."""
        received = self.events.get(POLL_SECONDS)
        if received is None:
            yield from self._report_silence()
            return
        target, entry = received
        self.received_at = _clock.monotonic()
        self.reported_at = self.received_at
        if isinstance(entry, Event):
            yield self._rollout_event(target, entry)
            return
        del self.running[target]
        try:
            result = entry.result()
        except CancelledError:
            # Dask does this if its scheduler is gone; the error has no message.
            yield from self._on_set_failed(target, RuntimeError(messages.STEP_CANCELLED))
        except Exception as error:  # the worker died, or could not receive the step
            yield from self._on_set_failed(target, error)
        else:
            for event in result.events:
                yield self._rollout_event(target, event)
            yield from self._on_step_done(target, result)

    def _report_silence(self) -> Iterator[FleetEvent]:
        now = _clock.monotonic()
        if now - self.reported_at >= IDLE_SECONDS:
            self.reported_at = now
            message = messages.idle(len(self.running), now - self.received_at)
            yield self._event("waiting", message)

    def _on_step_done(self, target: Target, result: StepResult) -> Iterator[FleetEvent]:
        """Submit the next step of a set, or record how it ended."""
        self.workers.add(result.worker)
        limiter_of(target.subscription_id).block_until(result.blocked)
        if result.state and not self.is_stopping:
            yield from self._submit(target, result.state)
            return
        self._add(result.summary)
        if result.error:
            yield from self._on_set_failed(target, result.error)
        elif result.state or result.is_paused:
            self.paused.append(target)
            yield self._set_event("set_paused", target, messages.PAUSED)
        else:
            self.done.append(target)
            yield self._set_event("set_done", target, messages.set_done(result.summary.upgraded))

    def _on_set_failed(self, target: Target, error: Exception) -> Iterator[FleetEvent]:
        """Record a failure; stop the fleet if more sets failed than allowed."""
        yield self._record_failure(target, error)
        if len(self.failed) > self.max_failed and not self.is_stopping:
            message = messages.too_many_failures(
                len(self.failed), self.max_failed, len(self.running)
            )
            yield self._stop(message)

    def _record_failure(self, target: Target, error: Exception) -> FleetEvent:
        self.failed[target] = error
        return self._set_event("set_failed", target, one_line(error))

    def _stop(self, message: str) -> FleetEvent:
        """Start no more sets, and let the running sets finish their current batch."""
        self.is_stopping = True
        self.events.stop = Stop.AFTER_BATCH
        return self._event("stopping", message)

    def _finish_running(self) -> None:
        """Wait until the running batches have ended; a second Ctrl-C stops the waiting."""
        self.is_stopping = True
        self.events.stop = max(self.events.stop, Stop.AFTER_BATCH)
        left = list(self.running.values())
        # The futures of other executors may not report whether they run: they are not cancelled.
        if isinstance(self.executor, (ThreadPoolExecutor, ProcessPoolExecutor)):
            left = [future for future in left if not future.cancel()]
        if left:
            sets = plural(len(left), "scale set")
            log.warning("stopping: waiting for the current batch of %s to finish", sets)
        try:
            while left:
                left = list(wait(left, timeout=POLL_SECONDS).not_done)
        except BaseException:
            self.events.stop = Stop.NOW
            raise

    def _rollout_event(self, target: Target, event: Event) -> FleetEvent:
        message = messages.of_target(target, event.text)
        return self._event("set_event", message, target, event=event, time=event.time)

    def _set_event(self, kind: FleetEventKind, target: Target, text: str) -> FleetEvent:
        return self._event(kind, messages.of_target(target, text), target)

    def _event(
        self, kind: FleetEventKind, message: str, target: Target | None = None, **more: Any
    ) -> FleetEvent:
        return FleetEvent(
            kind,
            message,
            target,
            wave=self.wave,
            waves=len(self.waves),
            done=len(self.done),
            failed=len(self.failed),
            total=self.total,
            **more,
        )

    def _add(self, summary: Summary) -> None:
        sums: list[Any] = [sum(pair) for pair in zip(self.sums, summary, strict=True)]
        self.sums = Summary(*sums)

    def _summary(self) -> Summary:
        """Return the counters of all sets together; the seconds are those of the fleet."""
        return self.sums._replace(seconds=round(_clock.monotonic() - self.started_at, 3))

    def _progress(self) -> str:
        counts = {
            "failed": len(self.failed),
            "paused": len(self.paused),
            "not started": len(self.not_started),
        }
        return messages.progress(counts, len(self.done), self.total, self._summary().seconds)
