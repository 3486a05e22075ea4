"""The retry policy: which failures are transient, which requests are retried, and when."""

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

from ._text import one_line, plural
from .errors import AzureError, Throttled

MAX_ATTEMPTS = 5
MAX_RETRY_AFTER = 120.0
"""Seconds. If Azure asks for a longer wait, `send` raises `Throttled` and does not wait."""

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})
"""HTTP statuses that are not caused by the request itself: another attempt may succeed."""
# Another write is in progress and will end. OperationNotAllowed and PropertyChangeNotAllowed are
# missing: waiting does not help against them.
_TRANSIENT_CODES = frozenset(
    {
        "InvalidResponse",  # our own code: a proxy or portal sent a page
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
"""The exceptions of `send` if there was no response or an incomplete one."""
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
    """Return whether a failed request may be retried.

    Args:
        method: HTTP method, in capitals.
        status: HTTP status, or `None` if there was no response.
        attempt: Number of the attempt, from 1.
        has_retry_after: Whether the response had `Retry-After`.
        was_not_sent: Whether Azure certainly did not receive the request.

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

    It is the pause that Azure asks for; otherwise it doubles from half a second, with jitter.

    Args:
        attempt: Number of the attempt, from 1.
        retry_after: Seconds that Azure asks to wait, or `None`.

    Returns:
        Seconds, at least `retry_after` if that is given.
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
        Seconds, 0 or more, from `Retry-After` (a number or a date) or from Resource Graph's header;
        `None` if the header is missing or cannot be parsed.
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
    """Return the seconds in Resource Graph's own header, such as `00:00:05`, or `None`."""
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

    That is so if it got no clear response, was throttled, or another write was in progress.
    """
    if isinstance(error, Throttled):
        return True
    if isinstance(error, AzureError):
        is_transient_status = error.status_code in TRANSIENT_STATUSES
        return is_transient_status or error.code in _TRANSIENT_CODES
    return isinstance(error, CONNECTION_ERRORS) and not is_permanent(error)


def is_permanent(error: BaseException) -> bool:
    """Return whether a retry cannot help because the certificate is not trusted."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError | _UntrustedCertificate)
        for cause in _causes(error)
    )


def root_cause(error: BaseException) -> str:
    """Return the message of the innermost cause of a failed connection.

    The messages of the outer causes contain object addresses and URLs.
    """
    return one_line(list(_causes(error))[-1])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes.

    requests and urllib3 store the cause as `reason`, as an argument or with `from`.
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
    """A certificate that is not trusted; permanent even without its cause."""


def describe_connection_error(
    error: requests.RequestException, method: str, url: str, attempts: int = 1
) -> requests.RequestException:
    """Return an exception of the same class with host, reason and number of attempts.

    Args:
        error: The exception from requests.
        method: HTTP method.
        url: The URL of the request; its query is not shown.
        attempts: Number of attempts.

    Returns:
        The exception to raise: `requests.exceptions.SSLError` if the certificate is not trusted.
    """
    parts = urlsplit(url)
    tries = plural(attempts, "attempt")
    if is_permanent(error):
        advice = " If the network has its own CA, set REQUESTS_CA_BUNDLE to its certificate file."
        return _UntrustedCertificate(
            f"The certificate of {parts.netloc} is not trusted: {root_cause(error)}.{advice}"
        )
    return type(error)(
        f"No response from {parts.netloc} ({method} {parts.path}, {tries}): {root_cause(error)}"
    )
