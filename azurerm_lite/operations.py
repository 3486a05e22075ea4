"""Waiting for long-running operations, in one place: `wait`, and `polls`, the loop under it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from requests import Response

from . import _clock, _retry, rest
from ._text import collapse, one_line
from .errors import AzureError, Conflict, NotFound, OperationTimeout, Throttled, operation_error
from .types import Token

DEFAULT_TIMEOUT = 7200.0
"""Seconds: longer than Azure lets an operation on virtual machines run."""
_GRACE = 120.0
"""Seconds for which the state of an operation may be unreadable before that counts as a failure."""


class Poll(NamedTuple):
    """One look at an operation.

    Attributes:
        status: Azure's word, such as `InProgress`; `Throttled` or `Unknown` while it cannot be
            read.
        seconds: Seconds since the waiting began.
        trouble: What keeps it from being read, if anything does.
    """

    status: str
    seconds: float
    trouble: str = ""


def wait(
    access_token: Token,
    response: Response,
    *,
    timeout: float | None = None,
    interval: float | None = None,
    on_poll: Callable[[str, float], object] | None = None,
) -> Any:
    """Follow a long-running operation to its end.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        response: What the function that started the operation returned.
        timeout: Seconds to wait at most; `None` for two hours, 0 for a single look.
        interval: Seconds between two looks where Azure does not say; `None` for 1 s, growing to 10
            s.
        on_poll: Called after each look with the operation's status and the seconds waited so far.

    Returns:
        The resource (a dict) after a PUT or PATCH; what the operation gave, or `None`, after
        anything else.

    Raises:
        ValueError: `timeout` or `interval` is negative, or `response` is none.
        OperationFailed: The operation ended Failed or Canceled, with its own code and message.
        OperationTimeout: Time is up; the operation goes on in Azure, and waiting again with the
            same response is fine.
        AzureError: Azure refused a look, or stayed unreadable for two minutes.

    Azure: the pattern of all long-running operations (`Azure-AsyncOperation`, `Location`,
        `provisioningState`).
    """
    looks = polls(access_token, response, timeout=timeout, interval=interval)
    while True:
        try:
            look = next(looks)
        except StopIteration as end:
            return end.value
        if on_poll:
            on_poll(look.status, look.seconds)


def polls(
    access_token: Token,
    response: Response,
    *,
    timeout: float | None = None,
    interval: float | None = None,
) -> Generator[Poll, None, Any]:
    """Poll a long-running operation; arguments and errors are those of `wait`.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        response: What the function that started the operation returned.
        timeout: Seconds to wait at most; `None` for two hours, 0 for a single look.
        interval: Seconds between two looks where Azure does not say; `None` for 1 s, growing to 10
            s.

    Returns:
        An iterator over the looks; its `StopIteration` holds what `wait` returns.

    Raises:
        ValueError: `timeout` or `interval` is negative, or `response` is none.
    """
    for argument, value in (("timeout", timeout), ("interval", interval)):
        if value is not None and not value >= 0:
            raise ValueError(f"{argument} must be seconds, 0 or more, not {value!r}")
    if not hasattr(response, "headers"):  # its value is not told: a model may hold a password
        kind = type(response).__name__
        raise ValueError(
            f"response must be what the function that began the operation returned, not a {kind}"
        )
    return _polls(access_token, response, DEFAULT_TIMEOUT if timeout is None else timeout, interval)


def _polls(
    access_token: Token, response: Response, timeout: float, interval: float | None
) -> Generator[Poll, None, Any]:
    began = readable = _clock.monotonic()
    target = _target(response)
    if target is None:
        return rest.read_json(response)
    while True:
        now = _clock.monotonic()
        look = _look(access_token, *target)
        if look.trouble is None:
            readable = _clock.monotonic()
        elif _clock.monotonic() - readable >= _GRACE:
            raise look.trouble
        yield Poll(
            look.status, _clock.monotonic() - began, one_line(look.trouble) if look.trouble else ""
        )
        if look.answer is not None and _is_end(look.status):
            return _result(access_token, response, look.answer, look.status)
        left = timeout - (_clock.monotonic() - began)
        if left <= 0:
            raise OperationTimeout(
                f"{response.request.method} {_path(response)} has not ended after {timeout:g} s (it"
                f" is {look.status}). "
                "It goes on in Azure: look at the scale set, or wait for the same response again."
            )
        # A fifteenth of the time gone by: no end is noticed more than that too late, and 200 s take
        # less than 60 looks. Refused for the pace without a word on when to come back, asking soon
        # would only prolong it.
        slowest, share = (60.0, 2) if look.status == "Throttled" else (10.0, 15)
        default = (
            interval if interval is not None else min(slowest, max(1.0, (now - began) / share))
        )
        # Never past the limit, so that the last look is at the limit and not before it.
        _clock.sleep(min(look.pause or default, left))


class _Look(NamedTuple):
    """The result of one poll: a status and Azure's answer, or why it could not be read."""

    status: str
    pause: float | None
    answer: Response | None = None
    trouble: Exception | None = None


def _look(access_token: Token, url: str, status_of: Callable[[Response], str]) -> _Look:
    try:
        answer = rest.send(
            access_token, "GET", url, max_attempts=1
        )  # what passes is seen to by the caller, within its limit
        return _Look(status_of(answer), _retry.retry_after(answer), answer)
    except Throttled as error:  # nothing is wrong but the pace
        return _Look("Throttled", error.retry_after)
    except (AzureError, *_retry.CONNECTION_ERRORS) as error:
        if isinstance(error, Conflict) or not (
            _retry.is_transient(error) or isinstance(error, NotFound)
        ):
            raise
        return _Look("Unknown", None, trouble=error)


def _target(response: Response) -> tuple[str, Callable[[Response], str]] | None:
    """Return the URL and the reader of an operation's state; `None` if it is done already.

    The order is Azure's.
    """
    if "Azure-AsyncOperation" in response.headers:
        return response.headers["Azure-AsyncOperation"], _operation_status
    if response.status_code == 202 and "Location" in response.headers:
        return response.headers["Location"], _location_status
    if (
        response.request.method in ("PUT", "PATCH")
        and _resource_status(response).lower() != "succeeded"
    ):
        return str(response.request.url), _resource_status
    return None


def _operation_status(answer: Response) -> str:
    body = rest.read_json(answer)
    return (collapse(body.get("status")) if isinstance(body, dict) else "") or "Unknown"


def _location_status(answer: Response) -> str:
    return "InProgress" if answer.status_code == 202 else "Succeeded"


def _resource_status(answer: Response) -> str:
    body = rest.read_json(answer)
    properties = body.get("properties") if isinstance(body, dict) else None
    # Azure's contract: a resource without a provisioning state is ready.
    return (
        collapse(properties.get("provisioningState")) if isinstance(properties, dict) else ""
    ) or "Succeeded"


def _is_end(status: str) -> bool:
    return status.lower() in ("succeeded", "failed", "canceled", "cancelled")


def _result(access_token: Token, response: Response, answer: Response, status: str) -> Any:
    """Return the result: the resource after PUT and PATCH, else what is at `Location`."""
    body = rest.read_json(answer)
    if status.lower() != "succeeded":
        raise operation_error(body if isinstance(body, dict) else {}, status, answer)
    method = response.request.method
    if answer.url == response.request.url or "Azure-AsyncOperation" not in response.headers:
        return body
    if method in ("PUT", "PATCH"):
        return rest.get(access_token, str(response.request.url))
    if method == "POST" and "Location" in response.headers:
        return rest.get(access_token, response.headers["Location"])
    return None


def _path(response: Response) -> str:
    return (response.url or "").partition("?")[0]
