"""The rollout of a fleet: which scale set goes when, on which executor, and how what happens there comes back.

A task on the executor is one step of one set's rollout: to the end of a batch and of the pause
after it. Its result holds what happened and, where there is more to do, the run itself, with which
the next task goes on, on whichever worker is free. So nothing crosses but tasks and results: no
queue, no socket, no affinity, and any executor will do. Nothing is read again for it, a canary
stays the first batch of its set, and between two steps a set is where it may be left: to stop is
not to ask for the next step. The price is that a worker elsewhere tells of a batch when that is
over; in our own process what happens is heard at once.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import platform
import queue
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from .. import _clock
from .._text import one_line, plural
from ..errors import FleetHalted
from ..rollout.events import Event
from ..rollout.run import Run
from ..types import Summary, Target
from . import rate_limit
from .events import FleetEvent

log = logging.getLogger("azurerm_lite")

_LOOK = 1.0
"""Seconds between two looks at whether somebody wants to stop."""
_QUIET = 60.0
"""Seconds of silence after which that is told: an executor that lost its workers says nothing, and may get others."""

_GOING_ON, _BETWEEN_BATCHES, _AT_ONCE = range(3)
"""When a rollout in our own process is to be left."""


class Ear:
    """Where the rollouts in our own process are heard, and hear when to leave."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[tuple[Target, Event | Future[Part]]] = queue.SimpleQueue()
        self.leave = _GOING_ON


@dataclass(frozen=True)
class Ticket:
    """What a task is told beside the run: for whom it works, and how it is to keep pace with its neighbours."""

    fleet: str
    process: int
    target: Target
    share: float
    closed: dict[rate_limit.Kind, float]


@dataclass
class Part:
    """What a task comes to."""

    summary: Summary
    run: Run | None = None
    events: list[Event] = field(default_factory=list)
    error: Exception | None = None
    worker: tuple[str, int] = ("", 0)
    closed: dict[rate_limit.Kind, float] = field(default_factory=dict)


_ears: dict[str, Ear] = {}
"""The fleets that this process conducts; a process that was forked from it has a copy, and must not use that."""


# On the worker


def step(ticket: Ticket, run: Run) -> Part:
    """One step of a set's rollout, on whichever worker.

    Args:
        ticket: Whose it is.
        run: The rollout, as far as it came.

    Returns:
        What happened; with the run where there is more to do.
    """
    ear = _ears.get(ticket.fleet) if ticket.process == os.getpid() else None
    pacer = rate_limit.of(ticket.target.subscription_id)
    pacer.resize(1.0 if ear else ticket.share)
    if ear is None:
        pacer.heard(ticket.closed)
    part = Part(run.summary(), worker=(platform.node(), os.getpid()))
    try:
        part.run = run if _driven(run.step(), ticket.target, ear, part) else None
    except Exception as error:
        part.error = error if ear else _portable(error)
    part.summary = run.summary()
    if ear is None:
        part.closed = pacer.told()
    return part


def _driven(
    steps: Generator[Event, None, bool], target: Target, ear: Ear | None, part: Part
) -> bool:
    """Whether there is more after these steps; their events go to the ear, or into the part."""
    within = set()
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return bool(end.value)
        # Between two batches a set may be left; a way back, once begun, is gone to its end.
        if event.kind in ("batch_started", "rolling_back"):
            within.add(event.kind)
        elif event.kind == "batch_done":
            within.discard("batch_started")
        told = dataclasses.replace(event, instances=())
        if ear is None:
            part.events.append(told)
            continue
        ear.heard.put((target, told))
        if ear.leave == _AT_ONCE or (ear.leave and not within):
            steps.close()
            return True


def _portable(error: Exception) -> Exception:
    """The error, or its words where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {one_line(error)}")
    return error


# Where it is conducted


class Fleet:
    """A fleet under way."""

    def __init__(
        self,
        waves: list[list[Target]],
        begin: Callable[[Target], Run],
        executor: Executor | None,
        max_parallel: int,
        max_failed: int,
    ) -> None:
        self.waves, self.begin = waves, begin
        self.max_parallel, self.max_failed = max_parallel, max_failed
        self.total = sum(map(len, waves))
        self.id, self.ear = str(uuid.uuid4()), Ear()
        self.is_own = executor is None
        self.executor = executor or ThreadPoolExecutor(
            max(1, min(max_parallel, self.total)), "rollout"
        )
        self.workers: set[tuple[str, int]] = set()
        self.wave = 0
        self.waiting: deque[Target] = deque()
        self.running: dict[Target, Future[Part]] = {}
        self.done: list[Target] = []
        self.paused: list[Target] = []
        self.failed: dict[Target, Exception] = {}
        self.not_started: list[Target] = [target for wave in waves for target in wave]
        self.is_stopping = False
        self.began = self._heard_at = self._told_at = _clock.monotonic()
        self.sums = Summary()
        self._last: dict[Target, Event] = {}

    def events(self) -> Generator[FleetEvent, None, None]:
        """The rollout; whoever leaves it waits until the batches under way are over."""
        _ears[self.id] = self.ear
        try:
            yield from self._all()
        finally:
            try:
                self._leave()
            finally:
                del _ears[self.id]
                if self.is_own:
                    self.executor.shutdown(wait=False, cancel_futures=True)

    def _all(self) -> Iterator[FleetEvent]:
        told = f"{plural(self.total, 'scale set')} in {plural(len(self.waves), 'wave')}"
        yield self._event("fleet_started", told)
        for wave in self.waves:
            self.wave += 1
            yield self._event("wave_started", f"wave {self.wave}: {plural(len(wave), 'scale set')}")
            yield from self._roll(wave)
            if self.is_stopping:
                break
            yield self._event("wave_done", f"wave {self.wave} is done")
        yield self._event("fleet_ended", self._ended(), summary=self._summary())
        if self.failed:
            why = "; ".join(
                f"{target}: {one_line(error)}" for target, error in list(self.failed.items())[:5]
            )
            told = f"{self._ended()}. Failed: {why.rstrip('.')}. Run it again to go on from there."
            raise FleetHalted(told, self.failed, self.paused, self.not_started, self._summary())

    def _roll(self, wave: list[Target]) -> Iterator[FleetEvent]:
        """The sets of a wave, as many at once as may be; over when none of them runs any more."""
        self.waiting = deque(wave)
        while self.running or (self.waiting and not self.is_stopping):
            while self.waiting and len(self.running) < self.max_parallel and not self.is_stopping:
                target = self.waiting.popleft()
                self.not_started.remove(target)
                yield self._event("set_started", f"{target}: started", target)
                yield from self._submitted(target, self.begin(target))
            if self.running:
                yield from self._heard()

    def _submitted(self, target: Target, run: Run) -> Iterator[FleetEvent]:
        """Asks for the next step of a set; an executor that takes no more is the set's failure."""
        workers = len(self.workers) or min(self.max_parallel, self.total)
        closed = rate_limit.of(target.subscription_id).told()
        ticket = Ticket(self.id, os.getpid(), target, 1 / workers, closed)
        try:
            future = self.executor.submit(step, ticket, run)
        except Exception as error:  # it is shut down, a worker of it died, or it cannot send this: no set could go on
            self.max_failed = 0
            yield from self._failed(target, error)
            return
        self.running[target] = future
        future.add_done_callback(lambda done: self.ear.heard.put((target, done)))

    def _heard(self) -> Iterator[FleetEvent]:
        """What was heard next; now and then nothing, so that Ctrl-C is heard as well."""
        try:
            target, what = self.ear.heard.get(timeout=_LOOK)
        except queue.Empty:
            yield from self._quiet()
            return
        self._heard_at = self._told_at = _clock.monotonic()
        if isinstance(what, Event):
            yield self._told(target, what)
            return
        del self.running[target]
        try:
            part = what.result()
        except (
            CancelledError
        ):  # as Dask does when its scheduler is gone; it has no words of its own
            yield from self._failed(
                target, RuntimeError("the executor gave it up: what it runs on may be gone")
            )
            return
        except Exception as error:  # the worker died, or could not be told what to do
            yield from self._failed(target, error)
            return
        yield from (self._told(target, event) for event in part.events)
        yield from self._parted(target, part)

    def _quiet(self) -> Iterator[FleetEvent]:
        """Tells every minute that nothing is heard."""
        if _clock.monotonic() - self._told_at >= _QUIET:
            self._told_at = _clock.monotonic()
            under_way = f"{plural(len(self.running), 'scale set')} under way"
            told = f"{under_way}; nothing heard for {self._told_at - self._heard_at:.0f} s"
            yield self._event("waiting", told)

    def _parted(self, target: Target, part: Part) -> Iterator[FleetEvent]:
        """What follows from the end of a step."""
        self.workers.add(part.worker)
        rate_limit.of(target.subscription_id).heard(part.closed)
        last = self._last.pop(target, None)
        if part.run and not self.is_stopping:
            yield from self._submitted(target, part.run)
            return
        self._count(part.summary)
        if part.error:
            yield from self._failed(target, part.error)
        elif part.run or (last and last.kind == "stopped"):
            self.paused.append(target)
            yield self._event("set_paused", f"{target}: left between two batches", target)
        else:
            self.done.append(target)
            told = f"{target}: done, {plural(part.summary.upgraded, 'instance')} upgraded"
            yield self._event("set_done", told, target)

    def _failed(self, target: Target, error: Exception) -> Iterator[FleetEvent]:
        """Takes note of a failure; one more than may be ends the fleet."""
        self.failed[target] = error
        yield self._event("set_failed", f"{target}: {one_line(error)}", target)
        if len(self.failed) > self.max_failed and not self.is_stopping:
            self.is_stopping = True
            self.ear.leave = _BETWEEN_BATCHES
            under_way = (
                f"; {plural(len(self.running), 'scale set')} under way end their batch"
                if self.running
                else ""
            )
            told = f"{plural(len(self.failed), 'scale set')} failed, where {self.max_failed} may: no more are started"
            yield self._event("stopping", told + under_way)

    def _leave(self) -> None:
        """Lets end what is under way, and waits for that; a second Ctrl-C does not."""
        self.is_stopping, self.ear.leave = True, max(self.ear.leave, _BETWEEN_BATCHES)
        left = list(self.running.values())
        # Others' futures cannot be asked whether they run: what they do is not cancelled, but
        # waited for.
        if type(self.executor).__module__.startswith("concurrent.futures"):
            left = [future for future in left if not future.cancel()]
        if left:
            log.warning(
                "stopping: waiting for the batches of %s to end", plural(len(left), "scale set")
            )
        try:
            while left:
                left = list(wait(left, timeout=1.0).not_done)
        except BaseException:
            self.ear.leave = _AT_ONCE
            raise

    # Telling

    def _told(self, target: Target, event: Event) -> FleetEvent:
        self._last[target] = event
        return self._event(
            "set_event",
            f"{target}: {event.message.removeprefix(f'{target.vmss_name}: ')}",
            target,
            event,
        )

    def _event(
        self,
        kind: str,
        message: str,
        target: Target | None = None,
        event: Event | None = None,
        **more: Any,
    ) -> FleetEvent:
        counts = (len(self.done), len(self.failed), self.total)
        more |= {"time": event.time} if event else {}
        return FleetEvent(kind, message, target, self.wave, len(self.waves), event, *counts, **more)

    def _count(self, summary: Summary) -> None:
        sums: list[Any] = [sum(pair) for pair in zip(self.sums, summary, strict=True)]
        self.sums = Summary(*sums)

    def _summary(self) -> Summary:
        """What all sets came to; the seconds are those of the whole, and not of the sets one after the other."""
        return self.sums._replace(seconds=round(_clock.monotonic() - self.began, 3))

    def _ended(self) -> str:
        counts = {
            "failed": len(self.failed),
            "paused": len(self.paused),
            "not started": len(self.not_started),
        }
        others = "".join(f", {number} {word}" for word, number in counts.items() if number)
        seconds = f"{self._summary().seconds:.0f} s"
        return f"{len(self.done)} of {plural(self.total, 'scale set')} done{others}; {seconds}"
