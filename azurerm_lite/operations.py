"""Wait for long-running operations: `wait`, and `Operation`, which polls one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin

from requests import Response

from . import _clock, _retry, _shapes, rest
from ._arguments import check_callable, check_seconds
from ._text import collapse, one_line
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
"""Seconds: longer than Azure lets an operation on virtual machines run."""
_UNREADABLE_SECONDS = 120.0
"""How long the state of an operation may be unreadable before that counts as a failure."""
_FINAL_STATUSES = frozenset({"succeeded", "failed", "canceled", "cancelled"})


class Poll(NamedTuple):
    """The state of an operation at one poll.

    Attributes:
        status: Azure's word, such as `InProgress`; `Throttled` or `Unknown` while it cannot be
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
    """Follow a long-running operation to its end.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        response: What the function that started the operation returned.
        timeout: Seconds to wait at most; `None` for two hours, 0 to poll once.
        interval: Seconds between two polls if Azure does not say; `None` for 1 s, growing to 10 s.
        on_poll: Called after each poll with the operation's status and the seconds waited so far.

    Returns:
        The resource (a dict) after a PUT or PATCH; what the operation returned, or `None`, after
        anything else.

    Raises:
        ValueError: `timeout` or `interval` is not seconds, `on_poll` not a function, or `response`
            not a Response.
        OperationFailed: The operation ended Failed or Canceled, with its own code and message.
        OperationTimeout: Time is up; the operation continues in Azure, and the same response can
            be waited for again.
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
    """A long-running operation, from the response that started it.

    Attributes:
        result: What `wait` returns; `None` until `poll` has ended.
    """

    def __init__(self, access_token: Token, response: Response) -> None:
        given: object = response
        if not isinstance(given, Response) or getattr(given, "request", None) is None:
            # The message does not show the value: a model may hold a password.
            raise ValueError(
                "response must be what the function that began the operation returned, not a"
                f" {type(given).__name__}"
            )
        self.result: Any = None
        self._access_token = access_token
        self._response = response

    def poll(
        self, *, timeout: float | None = None, interval: float | None = None
    ) -> Iterator[Poll]:
        """Poll the operation until it has succeeded; arguments and errors are those of `wait`.

        Args:
            timeout: Seconds to wait at most; `None` for two hours, 0 to poll once.
            interval: Seconds between two polls if Azure does not say; `None` for 1 s, growing to
                10 s.

        Returns:
            An iterator over the polls; none if the response itself is the end.

        Raises:
            ValueError: `timeout` or `interval` is not seconds, 0 or more; nothing was sent.
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
            # Never past the limit, so that the last poll is at the limit and not before it.
            _clock.sleep(min(pause, left))


def _default_pause(status: str, elapsed: float, interval: float | None) -> float:
    """Return the seconds to the next poll if Azure sent no `Retry-After`.

    A fifteenth of the time elapsed: the end is noticed at most that much too late, and 200 s take
    fewer than 60 polls. After a 429 it is half of it: polling sooner would prolong the throttling.
    """
    if interval is not None:
        return interval
    if status == "Throttled":
        return min(60.0, max(1.0, elapsed / 2))
    return min(10.0, max(1.0, elapsed / 15))


def _timeout_error(response: Response, timeout: float, status: str) -> OperationTimeout:
    path = (response.url or "").partition("?")[0]
    return OperationTimeout(
        f"{response.request.method} {path} has not ended after {timeout:g} s (it is {status}). It"
        " goes on in Azure: look at the scale set, or wait for the same response again."
    )


class _State(NamedTuple):
    """What one request for the state returned: the response, or why it could not be read."""

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
    """Return whether a failed poll may be tried again; an operation may be listed late."""
    if isinstance(error, Conflict):
        return False
    return _retry.is_transient(error) or isinstance(error, NotFound)


def _find_state(response: Response) -> tuple[str, Callable[[Response], str]] | None:
    """Return the URL and the reader of an operation's state; `None` if it is done already.

    The order is Azure's.
    """
    operation = _link(response, "Azure-AsyncOperation")
    if operation:
        return operation, _operation_status
    location = _link(response, "Location")
    if response.status_code == 202 and location:
        return location, _location_status
    if response.request.method not in ("PUT", "PATCH"):
        return None
    # A 202 without a body leaves open how the resource is.
    is_open = response.status_code == 202 and not response.content
    if is_open or _resource_status(response).lower() != "succeeded":
        return str(response.request.url), _resource_status
    return None


def _link(response: Response, header: str) -> str:
    """Return the URL in a header, which may be relative; `""` if there is none."""
    link = response.headers.get(header, "").strip()
    # Only a path: anything else is compared with the configured endpoint as it is.
    is_path = link.startswith("/") and not link.startswith(("//", "/\\"))
    return urljoin(response.url, link) if is_path else link


def _read_operation(response: Response) -> dict[str, Any]:
    body = rest.read_json(response)
    operation: dict[str, Any] = _shapes.require(_shapes.OPERATION, body, url=response.url)
    return operation


def _operation_status(response: Response) -> str:
    """Return the status of an operation; some answer with the resource and its state."""
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
    # Azure's contract: a resource without a provisioning state is ready.
    return state or "Succeeded"


def _provisioning_state(body: Mapping[str, Any]) -> str:
    return collapse(body.get("properties", {}).get("provisioningState"))


def _read_result(
    access_token: Token, response: Response, final_response: Response, status: str
) -> Any:
    """Return the result: the resource after PUT and PATCH, else what is at `Location`."""
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
    except NotFound:  # Azure keeps results for a while only, and the operation succeeded
        return None
