"""The messages of a fleet's events and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._text import duration, one_line, plural
from ..types import Target

PAUSED = "paused between two batches"
STARTED = "started"
STEP_CANCELLED = "the executor cancelled the step: its workers may be gone"

_SHOWN_FAILURES = 5


def fleet_started(sets: int, waves: int) -> str:
    """Return the message with the size of the fleet."""
    return f"{plural(sets, 'scale set')} in {plural(waves, 'wave')}"


def wave_started(wave: int, sets: int) -> str:
    """Return the message for the start of a wave."""
    return f"wave {wave}: {plural(sets, 'scale set')}"


def wave_done(wave: int) -> str:
    """Return the message for the end of a wave."""
    return f"wave {wave}: done"


def of_target(target: Target, text: str) -> str:
    """Return a message that starts with the name of its scale set."""
    return f"{target}: {text}"


def set_done(upgraded: int) -> str:
    """Return the message for a set that is done."""
    return f"done, {plural(upgraded, 'instance')} upgraded"


def idle(running: int, seconds: float) -> str:
    """Return the message after a minute without events."""
    return f"{plural(running, 'scale set')} in progress; no event for {duration(round(seconds))}"


def too_many_failures(failed: int, allowed: int, running: int) -> str:
    """Return the message if more sets failed than `max_failed` allows."""
    failures = f"{plural(failed, 'scale set')} failed (max_failed is {allowed})"
    return f"{failures}; not starting any more{_running_sets(running)}"


def step_rejected(running: int) -> str:
    """Return the message if the executor rejects a step."""
    return "the executor accepts no more steps; not starting any more" + _running_sets(running)


def _running_sets(running: int) -> str:
    if not running:
        return ""
    return f"; {plural(running, 'running scale set')} will finish the current batch"


def progress(counts: Mapping[str, int], done: int, total: int, seconds: float) -> str:
    """Return the progress of the fleet; `counts` has the numbers of sets that are not done."""
    others = "".join(f", {number} {word}" for word, number in counts.items() if number)
    return f"{done} of {plural(total, 'scale set')} done{others}; {duration(round(seconds))}"


def halt(progress_message: str, failed: Mapping[Target, Exception]) -> str:
    """Return the message of `FleetHalted`."""
    shown: Sequence[tuple[Target, Exception]] = list(failed.items())[:_SHOWN_FAILURES]
    reasons = "; ".join(f"{target}: {one_line(error)}" for target, error in shown)
    return f"{progress_message}. Failed: {reasons.rstrip('.')}. Run it again to resume."


def rate_limit_delay(seconds: float, subscription_id: str) -> str:
    """Return the message of the error if the rate limit delays a request for long."""
    return (
        f"Delayed for {duration(round(seconds))} by the client-side rate limit: too many other"
        f" requests to subscription {subscription_id}"
    )
