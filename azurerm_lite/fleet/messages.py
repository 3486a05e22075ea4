"""The sentences of a fleet's rollout: what its events and its halts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._text import one_line, plural
from ..types import Target

BETWEEN_BATCHES = "left between two batches"
STARTED = "started"
EXECUTOR_GAVE_UP = "the executor gave it up: what it runs on may be gone"

_SHOWN_FAILURES = 5


def fleet_started(sets: int, waves: int) -> str:
    """Return how large a fleet is."""
    return f"{plural(sets, 'scale set')} in {plural(waves, 'wave')}"


def wave_started(wave: int, sets: int) -> str:
    """Return what is said when a wave starts."""
    return f"wave {wave}: {plural(sets, 'scale set')}"


def wave_done(wave: int) -> str:
    """Return what is said when every set of a wave has ended."""
    return f"wave {wave} is done"


def of_target(target: Target, text: str) -> str:
    """Return a text about a scale set."""
    return f"{target}: {text}"


def set_done(upgraded: int) -> str:
    """Return what is said when a set is done."""
    return f"done, {plural(upgraded, 'instance')} upgraded"


def idle(running: int, seconds: float) -> str:
    """Return what is said when nothing was reported for a while."""
    return f"{plural(running, 'scale set')} under way; nothing heard for {seconds:.0f} s"


def stopping(failed: int, allowed: int, running: int) -> str:
    """Return what is said when too many sets failed."""
    text = f"{plural(failed, 'scale set')} failed, where {allowed} may: no more are started"
    return text + _running(running)


def executor_refused(running: int) -> str:
    """Return what is said when the executor takes no more."""
    return "the executor takes nothing more: no more are started" + _running(running)


def _running(running: int) -> str:
    return f"; {plural(running, 'scale set')} under way end their batch" if running else ""


def ended(counts: Mapping[str, int], done: int, total: int, seconds: float) -> str:
    """Return how far a fleet came; `counts` are those of the sets that are not done."""
    others = "".join(f", {number} {word}" for word, number in counts.items() if number)
    return f"{done} of {plural(total, 'scale set')} done{others}; {seconds:.0f} s"


def halted(how_far: str, failed: Mapping[Target, Exception]) -> str:
    """Return the message of a halt."""
    shown: Sequence[tuple[Target, Exception]] = list(failed.items())[:_SHOWN_FAILURES]
    reasons = "; ".join(f"{target}: {one_line(error)}" for target, error in shown)
    return f"{how_far}. Failed: {reasons.rstrip('.')}. Run it again to go on from there."


def delayed(seconds: float, subscription_id: str) -> str:
    """Return the message of an error when a request would wait too long for its turn."""
    return (
        f"Held back for {seconds:.0f} s: other requests to subscription {subscription_id} were too"
        " many"
    )
