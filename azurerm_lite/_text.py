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


def join_ids(ids: Sequence[str], limit: int = 20) -> str:
    """Return ids as `1, 2, 3`; those after `limit` as `and 5 more`."""
    rest = len(ids) - limit
    ending = f" and {rest} more" if rest > 0 else ""
    return ", ".join(ids[:limit]) + ending


def collapse(value: Any) -> str:
    """Return a string with each run of white space as one space; `""` for anything but a string."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def redact(text: str) -> str:
    """Return a text without what looks like a token or a signature.

    Args:
        text: Text that came from outside.

    Returns:
        The text with `***` in place of each secret.
    """
    return _SECRET.sub(r"\1***", text)


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line; its class name if it has no message."""
    return collapse(str(error)) or type(error).__name__
