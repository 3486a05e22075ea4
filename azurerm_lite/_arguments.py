"""Checks of what callers pass in: a `ValueError` names the argument, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from requests import Response


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


def check_whole_number(argument: str, value: object, least: int) -> None:
    """Refuse what is not a whole number, or too small a one.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.
        least: The least that it may be.

    Raises:
        ValueError: It is something else.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number or value < least:  # type: ignore[operator]
        raise ValueError(f"{argument} must be a whole number of {least} or more, not {value!r}")


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


def is_list(value: object) -> bool:
    """Return whether a value holds several others: not text, not a dict, not a response."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, Response))


def check_text(argument: str, value: object) -> None:
    """Refuse anything but a string that is not empty; the message does not show the value.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{argument} must be a string, not {type(value).__name__}")


def check_mapping(argument: str, value: object) -> None:
    """Refuse anything but a dict with strings as keys.

    Args:
        argument: The name of the caller's argument, for the error.
        value: What was given.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{argument} must be a dict, not {type(value).__name__}")


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
