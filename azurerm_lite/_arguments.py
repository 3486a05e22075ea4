"""Checks of what callers pass in: a `ValueError` names the argument, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def check_seconds(argument: str, value: object) -> None:
    """Refuse what cannot be a number of seconds.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It is not a number of 0 or more.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise ValueError(f"{argument} must be seconds, 0 or more, not {value!r}")


def check_flag(argument: str, value: object) -> None:
    """Refuse anything but `True` and `False`.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, not {value!r}")


def check_callable(argument: str, value: object) -> None:
    """Refuse what cannot be called; `None` is accepted.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It is not a function.
    """
    if value is not None and not callable(value):
        raise ValueError(f"{argument} must be a function, not {value!r}")


def require_list(argument: str, values: Any, what: str, check: Callable[[Any], bool]) -> list[Any]:
    """Return several values as a list; refuse a single one.

    Args:
        argument: The name of the caller's argument, for the error.
        values: What was given.
        what: What it must be a list of, for the error.
        check: Returns whether a value can be one of them.

    Returns:
        A list.

    Raises:
        ValueError: It is something else. The message shows no value: a model may hold a password.
    """
    is_single = isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable)
    if is_single:
        raise ValueError(f"{argument} must be {what}, not a {type(values).__name__}")
    entries = list(values)
    for entry in entries:
        if not check(entry):
            raise ValueError(f"{argument} must be {what}; one of them is a {type(entry).__name__}")
    return entries


def check_json(argument: str, value: object) -> None:
    """Refuse what cannot be sent as JSON.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It holds something that JSON has not. The message does not show the value.
    """
    try:
        json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"{argument} cannot be sent as JSON: {error}") from None
    except (ValueError, RecursionError):
        raise ValueError(
            f"{argument} cannot be sent as JSON: it holds itself, or a number that JSON has not"
        ) from None
