"""Text for messages: durations, plurals, lists of ids."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float | None) -> str:
    """Return seconds as people read them: `45 s`, `2 min 5 s`, `1 h 30 min`.

    Args:
        seconds: Zero or more; `None` if the duration is not known.

    Returns:
        The text, rounded to whole seconds, or to whole minutes from an hour on; `-` for `None`.
    """
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: `1 instance`, `4 instances`, `2 batches`."""
    if number == 1:
        return f"{number} {noun}"
    ending = "es" if noun.endswith("ch") else "s"
    return f"{number} {noun}{ending}"


def join_ids(ids: Sequence[str], limit: int = 60) -> str:
    """Return ids as `1, 2, 3`; those after `limit` as `and 5 more`."""
    rest = len(ids) - limit
    return ", ".join(ids[:limit]) + (f" and {rest} more" if rest > 0 else "")
