"""Wait for long-running operations: `wait`, and `Operation`, which polls one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin

from requests import Response

from . import _clock, _retry, _shapes, rest
from ._arguments import check_callable, check_seconds
from ._text import collapse, duration, one_line
from .errors import (
    AzureError,
    Conflict,
    NotFound,
    OperationTimeout,
    Throttled,
    error_from_operation,
)
from .types import Token

DEFAULT_TIMEOUT = 7200.0
"""Seconds, longer than Azure allows an operation on virtual machines to run."""
_UNREADABLE_SECONDS = 120.0
"""Seconds for which reading the state of an operation may fail before the error is raised."""
_FINAL_STATUSES = frozenset({"succeeded", "failed", "canceled", "cancelled"})


class Poll(NamedTuple):
    """The state of an operation at one poll.

    Attributes:
        status: Azure's status, such as `InProgress`; `Throttled` or `Unknown` while it cannot be
            read.
        seconds: Seconds since the waiting started.
        error: Why the state cannot be read; empty if it can.
    """

    status: str
    seconds: float
    error: str = ""


def wait(
    access_token: Token,
    response: Response,
    *,
    timeout: float | None = None,
    interval: float | None = None,
    on_poll: Callable[[str, float], object] | None = None,
) -> Any:
    """Wait until a long-running operation ends.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        response: The response of the function that started the operation.
        timeout: Seconds to wait at most; `None` for two hours, 0 to poll once.
        interval: Seconds between two polls if Azure sends no `Retry-After`; `None` for 1 s,
            growing to 10 s.
        on_poll: Called after each poll with the operation's status and the seconds waited so far.

    Returns:
        A dict, the resource, after a PUT or PATCH; for other methods the result of the operation,
        or `None`.

    Raises:
        ValueError: `timeout` or `interval` is not a number of seconds, `on_poll` is not a function,
            or `response` is not a Response.
        OperationFailed: The operation failed or was canceled, with its own code and message.
        OperationTimeout: The timeout passed. The operation continues in Azure; the same response
            can be waited for again.
        AzureError: Azure rejected a poll, or the state was unreadable for two minutes.

    Azure: the pattern of all long-running operations (`Azure-AsyncOperation`, `Location`,
        `provisioningState`).
    """
    check_callable("on_poll", on_poll)
    operation = Operation(access_token, response)
    for poll in operation.poll(timeout=timeout, interval=interval):
        if on_poll:
            on_poll(poll.status, poll.seconds)
    return operation.result


class Operation:
    """A long-running operation, made from the response that started it.

    Attributes:
        result: The return value of `wait`; `None` until `poll` has ended.
    """

    def __init__(self, access_token: Token, response: Response) -> None:
        given: object = response
        if not isinstance(given, Response) or getattr(given, "request", None) is None:
            # The message does not show the value: a model may hold a password.
            raise ValueError(
                "response must be the Response of the function that started the operation, not a"
                f" {type(given).__name__}"
            )
        self.result: Any = None
        self._access_token = access_token
        self._response = response

    def poll(
        self, *, timeout: float | None = None, interval: float | None = None
    ) -> Iterator[Poll]:
        """Poll the operation until it has succeeded; `wait` has the same arguments and errors.

        Args:
            timeout: Seconds to wait at most; `None` for two hours, 0 to poll once.
            interval: Seconds between two polls if Azure sends no `Retry-After`; `None` for 1 s,
                growing to 10 s.

        Returns:
            An iterator over the polls; empty if the operation had ended with the response.

        Raises:
            ValueError: `timeout` or `interval` is not a number of 0 or more; nothing was sent.
        """
        for argument, value in (("timeout", timeout), ("interval", interval)):
            if value is not None:
                check_seconds(argument, value)
        return self._poll(DEFAULT_TIMEOUT if timeout is None else timeout, interval)

    def _poll(self, timeout: float, interval: float | None) -> Iterator[Poll]:
        started = _clock.monotonic()
        last_read = started
        source = _find_state(self._response)
        if source is None:
            self.result = rest.read_json(self._response)
            return
        url, read_status = source
        while True:
            elapsed = _clock.monotonic() - started
            state = _read_state(self._access_token, url, read_status)
            now = _clock.monotonic()
            if state.error is None:
                last_read = now
            elif now - last_read >= _UNREADABLE_SECONDS:
                raise state.error
            yield Poll(state.status, now - started, one_line(state.error) if state.error else "")
            if state.response is not None and state.status.lower() in _FINAL_STATUSES:
                self.result = _read_result(
                    self._access_token, self._response, state.response, state.status
                )
                return
            left = timeout - (_clock.monotonic() - started)
            if left <= 0:
                raise _timeout_error(self._response, timeout, state.status)
            pause = state.retry_after or _default_pause(state.status, elapsed, interval)
            # Not longer than the time left, so that the last poll is at the timeout.
            _clock.sleep(min(pause, left))


def _default_pause(status: str, elapsed: float, interval: float | None) -> float:
    """Return the seconds to the next poll if Azure sent no `Retry-After`.

    It is a fifteenth of the elapsed time, so the end is noticed at most that much too late, and
    200 s need fewer than 60 polls. After a 429 it is half of the elapsed time: polling sooner would
    prolong the throttling.
    """
    if interval is not None:
        return interval
    if status == "Throttled":
        return min(60.0, max(1.0, elapsed / 2))
    return min(10.0, max(1.0, elapsed / 15))


def _timeout_error(response: Response, timeout: float, status: str) -> OperationTimeout:
    path = (response.url or "").partition("?")[0]
    return OperationTimeout(
        f"{response.request.method} {path} has not ended after {duration(timeout)} (status"
        f" {status}). It continues in Azure: check the scale set, or wait for the same response"
        " again."
    )


class _State(NamedTuple):
    """The result of one request for the state: the response, or why it could not be read."""

    status: str
    retry_after: float | None
    response: Response | None = None
    error: Exception | None = None


def _read_state(access_token: Token, url: str, read_status: Callable[[Response], str]) -> _State:
    try:
        # One attempt: the caller polls again, within its timeout.
        response = rest.send(access_token, "GET", url, max_attempts=1)
        return _State(read_status(response), _retry.retry_after(response), response)
    except Throttled as error:
        return _State("Throttled", error.retry_after)
    except (AzureError, *_retry.CONNECTION_ERRORS) as error:
        if not _may_become_readable(error):
            raise
        return _State("Unknown", None, error=error)


def _may_become_readable(error: Exception) -> bool:
    """Return whether a failed poll may be repeated; a new operation may be missing at first."""
    if isinstance(error, Conflict):
        return False
    return _retry.is_transient(error) or isinstance(error, NotFound)


def _find_state(response: Response) -> tuple[str, Callable[[Response], str]] | None:
    """Return the URL and the reader of an operation's state; `None` if it is already done.

    Azure defines the order.
    """
    operation = _link(response, "Azure-AsyncOperation")
    if operation:
        return operation, _operation_status
    location = _link(response, "Location")
    if response.status_code == 202 and location:
        return location, _location_status
    if response.request.method not in ("PUT", "PATCH"):
        return None
    # A 202 without a body does not report the state of the resource.
    is_open = response.status_code == 202 and not response.content
    if is_open or _resource_status(response).lower() != "succeeded":
        return str(response.request.url), _resource_status
    return None


def _link(response: Response, header: str) -> str:
    """Return the URL in a header, which may be relative; `""` if there is none."""
    link = response.headers.get(header, "").strip()
    # Only a path is joined: any other URL is checked against the configured endpoint unchanged.
    is_path = link.startswith("/") and not link.startswith(("//", "/\\"))
    return urljoin(response.url, link) if is_path else link


def _read_operation(response: Response) -> dict[str, Any]:
    body = rest.read_json(response)
    operation: dict[str, Any] = _shapes.require(_shapes.OPERATION, body, url=response.url)
    return operation


def _operation_status(response: Response) -> str:
    """Return the status of an operation; some return the resource with its state instead."""
    operation = _read_operation(response)
    status = collapse(operation.get("status")) or _provisioning_state(operation)
    if not status:
        raise AzureError(
            "The operation has no status",
            code="InvalidResponse",
            method="GET",
            url=response.url,
        )
    return status


def _location_status(response: Response) -> str:
    return "InProgress" if response.status_code == 202 else "Succeeded"


def _resource_status(response: Response) -> str:
    state = _provisioning_state(_read_operation(response)) if response.content else ""
    # By Azure's contract, a resource without a provisioning state is ready.
    return state or "Succeeded"


def _provisioning_state(body: Mapping[str, Any]) -> str:
    return collapse(body.get("properties", {}).get("provisioningState"))


def _read_result(
    access_token: Token, response: Response, final_response: Response, status: str
) -> Any:
    """Return the resource after PUT and PATCH, else the JSON at `Location`."""
    body = rest.read_json(final_response)
    if status.lower() != "succeeded":
        operation = body if isinstance(body, dict) else {}
        raise error_from_operation(operation, status, final_response)
    request = response.request
    if final_response.url == request.url or not _link(response, "Azure-AsyncOperation"):
        return body
    if request.method in ("PUT", "PATCH"):
        return rest.get_object(access_token, str(request.url), _shapes.RESOURCE)
    location = _link(response, "Location")
    if request.method != "POST" or not location:
        return None
    try:
        return rest.get(access_token, location)
    except NotFound:  # Azure deletes results after a while, and the operation succeeded
        return None
