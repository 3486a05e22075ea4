"""The exceptions of the library, with Azure's codes and messages, built from responses.

requests.HTTPError
└── AzureError              an error response: status_code, code, message, details, request_id
    ├── AuthenticationFailed    sign-in failed, or Azure rejected the token (401)
    ├── NotFound                404
    ├── Conflict                409: another operation is in progress, or this one is not allowed
    ├── PreconditionFailed      412: the resource has changed since it was read
    ├── Throttled               429, or 503 with Retry-After; retry_after is in seconds
    └── OperationFailed         a long-running operation ended Failed or Canceled
TimeoutError
└── OperationTimeout        waiting timed out; the operation may continue in Azure
ValueError
└── RollbackImageUnknown    the image to roll back to cannot be inferred
RuntimeError
└── RolloutHalted           batch and unhealthy: the batch, and the instances with reasons
    └── FleetHalted         failed, paused, not_started: the scale sets that are not done
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from ._text import collapse, redact
from .types import Batch, Summary, Target

_EMPTY_SUMMARY = Summary()

_LONGEST_REASONS = 600
"""The most characters of details in a message."""


class AzureError(requests.HTTPError):
    """An error response from Azure.

    Attributes:
        message: Azure's message.
        code: Azure's error code, such as `ResourceNotFound`; the name of the HTTP status if the
            response has no code.
        status_code: HTTP status, or `None` if there was no HTTP response.
        details: More errors from Azure, a tuple of dicts with `code`, `message` and sometimes
            `target`.
        target: What the error is about, such as `imageReference.sku`, or `None`.
        request_id: Azure's id of the request, which Azure support asks for.
        method, url: The request. The URL has no query, which may contain a signature.
        retry_after: Seconds that Azure asks to wait, or `None`.
        inner_error: Azure's inner error, a dict; empty if there is none.
        additional_info: More information from Azure, a tuple of dicts with `type` and `info`, such
            as the policy that was violated.
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
        inner_error: Mapping[str, Any] | None = None,
        additional_info: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, response=response)
        self.message = message
        self.code = code
        self.status_code = status_code
        self.details: tuple[Mapping[str, Any], ...] = tuple(details)
        self.target = target
        self.request_id = request_id
        self.method = method
        self.url = url
        self.retry_after = retry_after
        self.inner_error: dict[str, Any] = dict(inner_error or {})
        self.additional_info: tuple[Mapping[str, Any], ...] = tuple(additional_info)

    def __str__(self) -> str:
        facts = [
            self.code,
            f"HTTP {self.status_code}" if self.status_code else "",
            f"request {self.request_id}" if self.request_id else "",
            f"{self.method} {urlsplit(self.url).path}" if self.method and self.url else "",
        ]
        facts = [fact for fact in facts if fact]
        text = self.message + self._reasons()
        return f"{text} ({', '.join(facts)})" if facts else text

    def _reasons(self) -> str:
        """Return the details that the message does not contain, shortened and without secrets."""
        reasons = [
            *_reasons_in(self.details),
            *_inner_reasons(self.inner_error),
            *_policy_names(self.additional_info),
        ]
        news = [reason for reason in dict.fromkeys(reasons) if reason not in self.message]
        if not news:
            return ""
        text = redact("; ".join(news))
        if len(text) > _LONGEST_REASONS:
            text = text[:_LONGEST_REASONS].rstrip() + " ..."
        return f" Details: {text}"


class AuthenticationFailed(AzureError):
    """Sign-in failed, or Azure rejected the token.

    Attributes:
        claims: The claims that Azure requires in a token, for `az login --claims-challenge`;
            `None` if it requires none. Messages never show them.
    """

    claims: str | None = None


class NotFound(AzureError):
    """The resource does not exist (HTTP 404)."""


class Conflict(AzureError):
    """Another operation on the resource is in progress, or Azure does not allow this one (409)."""


class PreconditionFailed(AzureError):
    """The resource has changed since it was read; nothing was overwritten (HTTP 412)."""


class Throttled(AzureError):
    """Throttled (429, or 503 with Retry-After); `retry_after` is in seconds, or `None`."""


class OperationFailed(AzureError):
    """A long-running operation failed or was canceled; code and message are the operation's.

    Attributes:
        status: The final status: `Failed` or `Canceled`.
    """

    status: str = "Failed"


class OperationTimeout(TimeoutError):
    """Waiting for an operation timed out; the operation may continue in Azure."""


class RollbackImageUnknown(ValueError):
    """The image to roll back to cannot be inferred; pass it."""


class RolloutHalted(RuntimeError):
    """The rollout stopped because of a problem; it changes nothing further.

    Attributes:
        batch: The batch that was being upgraded, or `None` if there was none.
        unhealthy: The unhealthy instances, `{instance id: reason}`; may be empty.
        rolled_back: Whether the upgraded instances were rolled back; if so, no instance runs the
            new image any more.
        summary: Result counters of the run, such as upgraded instances, seconds and requests.
    """

    def __init__(
        self,
        message: str,
        batch: Batch | None = None,
        unhealthy: Mapping[str, str] | None = None,
        rolled_back: bool = False,
        summary: Summary = _EMPTY_SUMMARY,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.batch = batch
        self.unhealthy: dict[str, str] = dict(unhealthy or {})
        self.rolled_back = rolled_back
        self.summary = summary

    def __str__(self) -> str:
        return self.message


class FleetHalted(RolloutHalted):
    """Scale sets of a fleet failed; raised when no scale set of the fleet is running any more.

    Attributes:
        failed: The failed scale sets, `{scale set: exception}`.
        paused: The scale sets that were started and are paused between two batches.
        not_started: The scale sets that were not started.
        unhealthy: The unhealthy instances, `{"group/name 7": reason}`.
        rolled_back: Whether every failed scale set was rolled back.
        summary: Result counters of all sets together.
    """

    def __init__(
        self,
        message: str,
        failed: Mapping[Target, Exception],
        paused: Sequence[Target] = (),
        not_started: Sequence[Target] = (),
        summary: Summary = _EMPTY_SUMMARY,
    ) -> None:
        halts = {
            target: error for target, error in failed.items() if isinstance(error, RolloutHalted)
        }
        unhealthy = {
            f"{target} {instance_id}": reason
            for target, halt in halts.items()
            for instance_id, reason in halt.unhealthy.items()
        }
        rolled_back = bool(failed) and all(
            isinstance(error, RolloutHalted) and error.rolled_back for error in failed.values()
        )
        super().__init__(message, None, unhealthy, rolled_back, summary)
        self.failed: dict[Target, Exception] = dict(failed)
        self.paused: tuple[Target, ...] = tuple(paused)
        self.not_started: tuple[Target, ...] = tuple(not_started)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.failed), vars(self)


_CLASS_OF_STATUS: dict[int, type[AzureError]] = {
    401: AuthenticationFailed,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    429: Throttled,
}


def error_from_response(
    response: requests.Response, retry_after: float | None = None
) -> AzureError:
    """Return the exception for an unsuccessful response.

    Args:
        response: A response of any status and any body: JSON, HTML or nothing.
        retry_after: Seconds that the response asks to wait, or `None`.

    Returns:
        An `AzureError`, or its subclass for the status.
    """
    if response.status_code == 503 and retry_after is not None:
        error_class: type[AzureError] = Throttled
    else:
        error_class = _CLASS_OF_STATUS.get(response.status_code, AzureError)
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    size = len(response.content)
    parsed = _parse_error(
        _read_json(response),
        default_message=f"The response has no error message ({kind}, {size} bytes)",
        default_code=(response.reason or "").title().replace(" ", ""),
    )
    return error_class(
        **parsed,
        **_describe_request(response),
        status_code=response.status_code,
        retry_after=retry_after,
        response=response,
    )


def error_of(body: Mapping[str, Any], *, default_message: str, default_code: str) -> AzureError:
    """Return the exception for an error in a parsed body.

    Args:
        body: JSON with `code`, `message` and optionally `details`.
        default_message: The message if there is none.
        default_code: The code if there is none.

    Returns:
        An `AzureError`.
    """
    return AzureError(
        **_parse_error(body, default_message=default_message, default_code=default_code)
    )


def error_from_operation(
    operation: Mapping[str, Any], status: str, response: requests.Response
) -> OperationFailed:
    """Return the exception for a long-running operation that did not succeed.

    Args:
        operation: The final body of the operation or of the resource.
        status: Its final status, such as `Failed`.
        response: The response with that body.

    Returns:
        An `OperationFailed`.
    """
    parsed = _parse_error(
        operation,
        default_message=f"The operation ended with status {status}; Azure gave no reason.",
        default_code=status,
    )
    error = OperationFailed(
        **parsed,
        **_describe_request(response),
        status_code=response.status_code,
        response=response,
    )
    error.status = status
    return error


def _parse_error(body: Any, *, default_message: str, default_code: str) -> dict[str, Any]:
    """Return message, code, details and target of an error in JSON, or the defaults."""
    error = _find_error(body)
    parsed: dict[str, Any] = {
        "message": collapse(error.get("message")),
        "code": collapse(error.get("code")) or default_code,
        "details": _mappings(error.get("details")),
        "target": collapse(error.get("target")) or None,
        "inner_error": _first_mapping(error.get("innererror"), error.get("innerError")),
        "additional_info": _mappings(error.get("additionalInfo")),
    }
    if not parsed["message"]:
        reasons = [*_reasons_in(parsed["details"]), *_inner_reasons(parsed["inner_error"] or {})]
        parsed["message"] = "; ".join(reasons) or default_message
    return parsed


def _find_error(body: Any) -> Mapping[str, Any]:
    """Return the error object in a body; empty if there is none."""
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error")
    if isinstance(error, str):
        # The token endpoint: {"error": "invalid_client", "error_description": "AADSTS…"}
        return {"code": error, "message": body.get("error_description")}
    properties = body.get("properties")
    nested = properties.get("error") if isinstance(properties, Mapping) else None
    found = _first_mapping(error, nested)
    if found is not None:
        return found
    # An operation: {"status": "Failed", "resultCode": "…", "errorDetails": "…"}
    return {"code": body.get("resultCode"), "message": body.get("errorDetails"), **body}


def _first_mapping(*values: Any) -> Mapping[str, Any] | None:
    return next((value for value in values if isinstance(value, Mapping)), None)


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, Mapping)]


def _reasons_in(details: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each detail, nested details included."""
    reasons = []
    for detail in details:
        message = collapse(detail.get("message"))
        code = collapse(detail.get("code"))
        target = collapse(detail.get("target"))
        label = " ".join(part for part in (code, f"({target})" if target else "") if part)
        if message or label:
            reasons.append(": ".join(part for part in (label, message) if part))
        nested = detail.get("details")
        if isinstance(nested, list):
            reasons += _reasons_in([entry for entry in nested if isinstance(entry, Mapping)])
    return reasons


def _inner_reasons(inner_error: Mapping[str, Any]) -> list[str]:
    """Return the text of an inner error, whose members have several names."""
    members = ("code", "internalErrorCode", "resultCode", "message", "errordetail")
    found = [collapse(inner_error.get(member)) for member in members]
    text = ": ".join(part for part in found if part)
    return [text] if text else []


def _policy_names(additional_info: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the policies that a request violated."""
    names = []
    for entry in additional_info:
        info = entry.get("info")
        if isinstance(info, Mapping):
            name = info.get("policyDefinitionDisplayName") or info.get("policyDefinitionName")
            if collapse(name):
                names.append(f"policy {collapse(name)!r}")
    return names


def _read_json(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _describe_request(response: requests.Response) -> dict[str, Any]:
    """Return method, URL without query, and Azure's id of a request."""
    scheme, host, path, _, _ = urlsplit(response.url or "")
    headers = response.headers
    return {
        "method": response.request.method if response.request is not None else None,
        "url": urlunsplit((scheme, host, path, "", "")),
        "request_id": headers.get("x-ms-request-id") or headers.get("x-ms-correlation-request-id"),
    }
