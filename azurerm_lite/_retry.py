"""The retry policy: which failures are transient, what may be sent again, and when."""

from __future__ import annotations

import email.utils
import random
import re
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from ._text import one_line
from .errors import AzureError, Throttled

MAX_ATTEMPTS = 5
MAX_RETRY_AFTER = 120.0
"""Seconds. If Azure asks for a longer wait, `Throttled` is raised instead of waiting silently."""

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})
"""HTTP statuses that are not about the request itself: another attempt may succeed."""
# Another write is in progress and will end; waiting does not help against OperationNotAllowed and
# PropertyChangeNotAllowed.
_TRANSIENT_CODES = frozenset(
    {
        "InvalidResponse",  # ours: something between Azure and us sent a page
        "Conflict",
        "AnotherOperationInProgress",
        "ConflictingConcurrentWriteNotAllowed",
        "OperationPreempted",
    }
)
CONNECTION_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""What `send` raises if there was no response, or only a part of one."""
_NOT_SENT = (
    requests.ConnectTimeout,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
)


def should_retry(
    method: str,
    status: int | None,
    attempt: int,
    *,
    has_retry_after: bool = False,
    was_not_sent: bool = False,
) -> bool:
    """Return whether a request that failed may be sent again.

    Args:
        method: HTTP method, in capitals.
        status: HTTP status, or `None` if there was no response.
        attempt: Number of the attempt, from 1.
        has_retry_after: Whether the response had `Retry-After`.
        was_not_sent: Whether it is certain that Azure did not get the request.

    Returns:
        A bool; `False` after `MAX_ATTEMPTS`.
    """
    if attempt >= MAX_ATTEMPTS:
        return False
    if status is None:
        return was_not_sent or method in _REPEATABLE
    return (
        status == 429
        or (status == 503 and has_retry_after)
        or (status in TRANSIENT_STATUSES and method in _REPEATABLE)
    )


def delay(attempt: int, retry_after: float | None = None) -> float:
    """Return the seconds to pause after an attempt.

    That is what Azure asks for; else it doubles from half a second, with jitter.

    Args:
        attempt: Number of the attempt, from 1.
        retry_after: Seconds that Azure asks to wait, or `None`.

    Returns:
        Seconds; with `retry_after` never less than that.
    """
    pause: float = 0.5 * 2 ** (attempt - 1)
    jitter = random.uniform(0.5, 1.0)
    if retry_after:
        return retry_after + pause * jitter / 4
    return pause * jitter


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a response asks to wait.

    Args:
        response: Any response.

    Returns:
        Seconds, 0 or more, from `Retry-After` (a number or a date) or from the header of Resource
        Graph; `None` if there is none or it cannot be read.
    """
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return _quota_reset(response)
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _quota_reset(response: requests.Response) -> float | None:
    """Return the seconds of Resource Graph's own header, such as `00:00:05`; `None` without it."""
    value = response.headers.get("x-ms-user-quota-resets-after", "").strip()
    parts = re.fullmatch(r"(\d+):(\d\d):(\d\d)", value)
    if response.status_code != 429 or parts is None:
        return None
    hours, minutes, seconds = map(float, parts.groups())
    return hours * 3600 + minutes * 60 + seconds


def was_not_sent(error: BaseException) -> bool:
    """Return whether a connection failed before the request was sent."""
    return any(isinstance(cause, _NOT_SENT) for cause in _causes(error))


def is_transient(error: Exception) -> bool:
    """Return whether a failed request may succeed later.

    It got no clear response, was throttled, or met another write in progress.
    """
    if isinstance(error, Throttled):
        return True
    if isinstance(error, AzureError):
        is_transient_status = error.status_code in TRANSIENT_STATUSES
        return is_transient_status or error.code in _TRANSIENT_CODES
    return isinstance(error, CONNECTION_ERRORS) and not is_permanent(error)


def is_permanent(error: BaseException) -> bool:
    """Return whether trying again cannot help: the certificate is not trusted."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError | _UntrustedCertificate)
        for cause in _causes(error)
    )


def root_cause(error: BaseException) -> str:
    """Return the message of the innermost cause of a failed connection.

    The outer ones hold object addresses and URLs.
    """
    return one_line(list(_causes(error))[-1])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those inside it.

    requests and urllib3 pass the cause on as `reason`, as an argument or by `from`.
    """
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None:
        seen.append(inner)
        yield inner
        candidates = (
            getattr(inner, "reason", None),
            *inner.args,
            inner.__cause__,
            inner.__context__,
        )
        inner = next(
            (
                found
                for found in candidates
                if isinstance(found, BaseException) and found not in seen
            ),
            None,
        )


class _UntrustedCertificate(requests.exceptions.SSLError):
    """A certificate that is not trusted; permanent also without the error that it came from."""


def describe_connection_error(
    error: requests.RequestException, method: str, url: str, attempts: int = 1
) -> requests.RequestException:
    """Return the same kind of exception with one sentence: who was not reached, why, how often.

    Args:
        error: What requests raised.
        method: HTTP method.
        url: The URL of the request; its query is not shown.
        attempts: How often it was sent.

    Returns:
        The exception to raise; `requests.exceptions.SSLError` if the certificate is not trusted.
    """
    parts = urlsplit(url)
    tries = f"{attempts} tries" if attempts > 1 else "1 try"
    if is_permanent(error):
        advice = " If the network has a CA of its own, name its file in REQUESTS_CA_BUNDLE."
        return _UntrustedCertificate(
            f"The certificate of {parts.netloc} is not trusted: {root_cause(error)}.{advice}"
        )
    return type(error)(
        f"No answer from {parts.netloc} ({method} {parts.path}, {tries}): {root_cause(error)}"
    )
