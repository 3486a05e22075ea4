"""Errors in Azure's own words, and how a response becomes one.

requests.HTTPError
└── AzureError              an error response: status_code, code, message, details, request_id
    ├── AuthenticationFailed    sign-in failed, or the token was refused (401)
    ├── NotFound                404
    ├── Conflict                409: another operation is in progress, or this is not allowed
    ├── PreconditionFailed      412: somebody changed the resource since it was read
    ├── Throttled               429, or 503 with Retry-After: retry_after has the seconds to wait
    └── OperationFailed         a long-running operation ended Failed or Canceled
TimeoutError
└── OperationTimeout        it may well go on in Azure: only the waiting ended
ValueError
└── RollbackImageUnknown    rollback: which image to go back to has to be given
RuntimeError
└── RolloutHalted           batch, unhealthy: which instances and why
    └── FleetHalted         failed: which scale sets and why; paused, not_started: which are left
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from ._text import collapse
from .types import Batch, Summary, Target

_NOTHING = Summary()


class AzureError(requests.HTTPError):
    """A failure as Azure told it.

    Attributes:
        message: Azure's message.
        code: Azure's error code, such as `ResourceNotFound`; where there was none, a word for the
            HTTP status.
        status_code: HTTP status, or `None` where the failure came without an HTTP answer.
        details: Azure's further errors, a tuple of dicts with `code`, `message` and sometimes
            `target`.
        target: What the error is about in Azure's terms, such as `imageReference.sku`, or `None`.
        request_id: Azure's id of the request: what its support asks for.
        method, url: The request. The query is left off: it may hold a signature.
        retry_after: Seconds that Azure asks to wait, or `None`.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status_code: int | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        target: str | None = None,
        request_id: str | None = None,
        method: str | None = None,
        url: str | None = None,
        retry_after: float | None = None,
        response: requests.Response | None = None,
    ) -> None:
        super().__init__(message, response=response)
        self.message = message
        self.code = code
        self.status_code = status_code
        self.details = tuple(details)
        self.target = target
        self.request_id = request_id
        self.method = method
        self.url = url
        self.retry_after = retry_after

    def __str__(self) -> str:
        facts = [
            self.code,
            f"HTTP {self.status_code}" if self.status_code else "",
            f"request {self.request_id}" if self.request_id else "",
            f"{self.method} {urlsplit(self.url).path}" if self.method and self.url else "",
        ]
        facts = [fact for fact in facts if fact]
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class AuthenticationFailed(AzureError):
    """Sign-in failed, or Azure refused the token."""


class NotFound(AzureError):
    """There is no such thing."""


class Conflict(AzureError):
    """Another operation is at work on the resource, or the resource does not allow this one."""


class PreconditionFailed(AzureError):
    """Somebody changed the resource since it was read; nothing was overwritten."""


class Throttled(AzureError):
    """Azure throttles (429, or 503 with Retry-After); `retry_after` is in seconds, or `None`."""


class OperationFailed(AzureError):
    """A long-running operation ended Failed or Canceled; code and message are the operation's."""


class OperationTimeout(TimeoutError):
    """Waiting ended before the operation did; it may well go on in Azure."""


class RollbackImageUnknown(ValueError):
    """Which image to roll back to cannot be inferred: it has to be given."""


class RolloutHalted(RuntimeError):
    """The rollout stopped by itself; nothing further is touched.

    Attributes:
        batch: The batch that was being upgraded, or `None` when none was.
        unhealthy: Which instances are to blame and why, `{instance id: reason}`; may be empty.
        rolled_back: Whether what had been upgraded was put back: no instance runs the new image any
            more.
        summary: What the run came to: how many instances it upgraded, in how many seconds and
            requests.
    """

    def __init__(
        self,
        message: str,
        batch: Batch | None = None,
        unhealthy: Mapping[str, str] | None = None,
        rolled_back: bool = False,
        summary: Summary = _NOTHING,
    ) -> None:
        super().__init__(message, batch, unhealthy, rolled_back, summary)
        self.message = message
        self.batch = batch
        self.unhealthy = dict(unhealthy or {})
        self.rolled_back = rolled_back
        self.summary = summary

    def __str__(self) -> str:
        return self.message


class FleetHalted(RolloutHalted):
    """Scale sets of a fleet failed; raised when nothing of it runs any more.

    Attributes:
        failed: Which scale sets failed and why: `{scale set: exception}`.
        paused: The scale sets that were begun and are left between two batches.
        not_started: The scale sets that were not begun.
        unhealthy: Which instances are to blame and why, `{"group/name 7": reason}`.
        rolled_back: Whether every scale set that failed was put back.
        summary: What all sets together came to.
    """

    def __init__(
        self,
        message: str,
        failed: Mapping[Target, Exception],
        paused: Sequence[Target] = (),
        not_started: Sequence[Target] = (),
        summary: Summary = _NOTHING,
    ) -> None:
        halts = {target: each for target, each in failed.items() if isinstance(each, RolloutHalted)}
        unhealthy = {
            f"{target} {vm}": why
            for target, halt in halts.items()
            for vm, why in halt.unhealthy.items()
        }
        is_back = (
            bool(failed)
            and len(halts) == len(failed)
            and all(each.rolled_back for each in halts.values())
        )
        super().__init__(message, None, unhealthy, is_back, summary)
        self.failed, self.paused, self.not_started = dict(failed), tuple(paused), tuple(not_started)
        self.args = (
            message,
            self.failed,
            self.paused,
            self.not_started,
            summary,
        )  # what a pickle makes it from


KINDS: dict[int, type[AzureError]] = {
    401: AuthenticationFailed,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    429: Throttled,
}


def error_from(response: requests.Response, retry_after: float | None = None) -> AzureError:
    """Return the exception for an unsuccessful response.

    Args:
        response: The answer, of any status and any body: JSON, HTML or nothing.
        retry_after: Seconds that the answer asks to wait, where it does.

    Returns:
        An `AzureError`, or the kind of it that fits the status.
    """
    told_to_wait = response.status_code == 503 and retry_after is not None
    kind = Throttled if told_to_wait else KINDS.get(response.status_code, AzureError)
    return kind(
        **_told(
            _json(response),
            _unexplained(response),
            (response.reason or "").title().replace(" ", ""),
        ),
        **_request(response),
        status_code=response.status_code,
        retry_after=retry_after,
        response=response,
    )


def operation_error(
    operation: Mapping[str, Any], status: str, response: requests.Response
) -> OperationFailed:
    """Return the exception for a long-running operation that did not succeed.

    Args:
        operation: The body of the operation (or of the resource) that says how it ended.
        status: The word it ended with, such as `Failed`.
        response: The answer that carried the body.

    Returns:
        An `OperationFailed`.
    """
    told = _told(operation, f"The operation ended {status}; Azure gave no reason.", status)
    return OperationFailed(
        **told, **_request(response), status_code=response.status_code, response=response
    )


def _told(body: Any, message: str, code: str) -> dict[str, Any]:
    """Return message, code, details and target of an error in JSON; defaults without one."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(
        error, str
    ):  # the token endpoint: {"error": "invalid_client", "error_description": "AADSTS…"}
        error = {"code": error, "message": body.get("error_description")}
    if not isinstance(error, Mapping):
        error = body if isinstance(body, Mapping) else {}
    details = error.get("details")
    return {
        "message": collapse(error.get("message")) or message,
        "code": collapse(error.get("code")) or code,
        "details": [entry for entry in details if isinstance(entry, Mapping)]
        if isinstance(details, list)
        else [],
        "target": collapse(error.get("target")) or None,
    }


def _json(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def _unexplained(response: requests.Response) -> str:
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    return f"No explanation came with the answer ({kind}, {len(response.content)} bytes)"


def _request(response: requests.Response) -> dict[str, Any]:
    """Return method, URL without query, and Azure's id of a request."""
    scheme, host, path, _, _ = urlsplit(response.url or "")
    headers = response.headers
    return {
        "method": response.request.method if response.request is not None else None,
        "url": urlunsplit((scheme, host, path, "", "")),
        "request_id": headers.get("x-ms-request-id") or headers.get("x-ms-correlation-request-id"),
    }
