"""Checks of arguments: they raise a `ValueError` that names the argument, before any request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from requests import Response


def check_seconds(argument: str, value: object) -> None:
    """Check that a value is a number of seconds.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It is not a number of 0 or more.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise ValueError(f"{argument} must be seconds, 0 or more, not {value!r}")


def check_whole_number(argument: str, value: object, least: int) -> None:
    """Check that a value is a whole number of at least `least`.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.
        least: The smallest allowed value.

    Raises:
        ValueError: It is not such a number.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number or value < least:  # type: ignore[operator]
        raise ValueError(f"{argument} must be a whole number of {least} or more, not {value!r}")


def check_flag(argument: str, value: object) -> None:
    """Check that a value is `True` or `False`.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It is not a bool.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, not {value!r}")


def check_callable(argument: str, value: object) -> None:
    """Check that a value is a function or `None`.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It is not a function.
    """
    if value is not None and not callable(value):
        raise ValueError(f"{argument} must be a function, not {value!r}")


def is_list(value: object) -> bool:
    """Return whether a value is an iterable of values: not a string, a dict or a response."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, Response))


def check_text(argument: str, value: object) -> None:
    """Check that a value is a non-empty string; the message does not show the value.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It is not a string, or it is empty.
    """
    if value == "":
        raise ValueError(f"{argument} must be a non-empty string")
    if not isinstance(value, str):
        raise ValueError(f"{argument} must be a string, not {type(value).__name__}")


def check_mapping(argument: str, value: object) -> None:
    """Check that a value is a dict whose keys are strings.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It is not such a dict.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{argument} must be a dict, not {type(value).__name__}")


def check_json(argument: str, value: object) -> None:
    """Check that a value can be sent as JSON.

    Args:
        argument: Name of the argument, for the error.
        value: The caller's value.

    Raises:
        ValueError: It contains something that JSON does not have. The message does not show it.
    """
    try:
        json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"{argument} cannot be sent as JSON: {error}") from None
    except (ValueError, RecursionError):
        raise ValueError(
            f"{argument} cannot be sent as JSON: it contains itself, NaN or an infinite number"
        ) from None
