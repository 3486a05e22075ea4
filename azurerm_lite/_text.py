"""Text for messages: plurals, lists of ids, one-line errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_SECRET = re.compile(r"(\bsig=|[Bb]earer )?(?:eyJ[\w-]+\.[\w.-]+|(?<=sig=)[^&\s\"']+)")
"""A JSON Web Token, or the signature in a URL."""


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: `1 instance`, `4 instances`, `2 batches`."""
    if number == 1:
        return f"{number} {noun}"
    ending = "es" if noun.endswith("ch") else "s"
    return f"{number} {noun}{ending}"


def duration(seconds: float) -> str:
    """Return a number of seconds as people read it: `45 s`, `2 min 5 s`, `1 h 30 min`.

    Args:
        seconds: Zero or more. Durations of a minute or more are rounded to whole seconds, of an
            hour or more to whole minutes.

    Returns:
        The text, without parts that are zero.
    """
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def join_ids(ids: Sequence[str], limit: int = 20) -> str:
    """Return ids as `1, 2, 3`; more than `limit` ids end in `and 5 more`."""
    rest = len(ids) - limit
    ending = f" and {rest} more" if rest > 0 else ""
    return ", ".join(ids[:limit]) + ending


def printable(text: str) -> str:
    """Replace the characters of a text that control a terminal or are invalid in XML by `?`."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


def collapse(value: Any) -> str:
    """Return a string on one line, without control characters; `""` if it is not a string."""
    return printable(" ".join(value.split())) if isinstance(value, str) else ""


def redact(text: str) -> str:
    """Return a text with tokens and signatures masked.

    Args:
        text: Text from outside, such as an error message of Azure.

    Returns:
        The text with `***` in place of each token and signature.
    """
    return _SECRET.sub(r"\1***", text)


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line; its class name if it has no message."""
    return collapse(str(error)) or type(error).__name__
