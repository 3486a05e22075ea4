"""The messages of a fleet's events and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._text import one_line, plural
from ..types import Target

BETWEEN_BATCHES = "stopped between two batches"
STARTED = "started"
EXECUTOR_GAVE_UP = "the executor cancelled the step: its workers may be gone"

_SHOWN_FAILURES = 5


def fleet_started(sets: int, waves: int) -> str:
    """Return the message with the size of a fleet."""
    return f"{plural(sets, 'scale set')} in {plural(waves, 'wave')}"


def wave_started(wave: int, sets: int) -> str:
    """Return the message of the start of a wave."""
    return f"wave {wave}: {plural(sets, 'scale set')}"


def wave_done(wave: int) -> str:
    """Return the message of the end of a wave."""
    return f"wave {wave} is done"


def of_target(target: Target, text: str) -> str:
    """Return a message with the name of its scale set."""
    return f"{target}: {text}"


def set_done(upgraded: int) -> str:
    """Return the message of a set that is done."""
    return f"done, {plural(upgraded, 'instance')} upgraded"


def idle(running: int, seconds: float) -> str:
    """Return the message after a while without events."""
    return f"{plural(running, 'scale set')} in progress; no event for {seconds:.0f} s"


def stopping(failed: int, allowed: int, running: int) -> str:
    """Return the message when more sets failed than allowed."""
    failures = f"{plural(failed, 'scale set')} failed (max_failed is {allowed})"
    return f"{failures}; not starting any more{_running(running)}"


def executor_refused(running: int) -> str:
    """Return the message when the executor rejects a step."""
    return "the executor accepts no more steps; not starting any more" + _running(running)


def _running(running: int) -> str:
    if not running:
        return ""
    return f"; {plural(running, 'running scale set')} will finish the current batch"


def ended(counts: Mapping[str, int], done: int, total: int, seconds: float) -> str:
    """Return the progress of a fleet; `counts` has the numbers of sets that are not done."""
    others = "".join(f", {number} {word}" for word, number in counts.items() if number)
    return f"{done} of {plural(total, 'scale set')} done{others}; {seconds:.0f} s"


def halted(how_far: str, failed: Mapping[Target, Exception]) -> str:
    """Return the message of a halt."""
    shown: Sequence[tuple[Target, Exception]] = list(failed.items())[:_SHOWN_FAILURES]
    reasons = "; ".join(f"{target}: {one_line(error)}" for target, error in shown)
    return f"{how_far}. Failed: {reasons.rstrip('.')}. Run it again to resume."


def delayed(seconds: float, subscription_id: str) -> str:
    """Return the message of an error when the rate limit would delay a request too long."""
    return (
        f"Delayed for {seconds:.0f} s by the client-side rate limit: too many other requests to"
        f" subscription {subscription_id}"
    )
