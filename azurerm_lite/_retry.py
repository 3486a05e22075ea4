"""Which failures are transient, what may be sent again, and how long to wait before."""

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
"""HTTP statuses that say nothing of the request itself: asking again may help."""
# Another write is at work and will end; OperationNotAllowed and PropertyChangeNotAllowed never pass
# by waiting.
_TRANSIENT_CONFLICTS = frozenset(
    {
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
"""What `send` raises when there was no answer, or only a part of one."""
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
    """Whether a request that failed may be sent again.

    Args:
        method: HTTP method, in capitals.
        status: HTTP status, or `None` when there was no answer.
        attempt: Which try it was, from 1.
        has_retry_after: Whether the answer said `Retry-After`.
        was_not_sent: Whether it is certain that Azure did not get the request.

    Returns:
        Whether to try again.
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
    """Seconds to pause after a try: what Azure asks for, else doubling from half a second, up to half of it by chance.

    Args:
        attempt: Which try it was, from 1.
        retry_after: Seconds that Azure asks to wait, or `None`.

    Returns:
        Seconds; with `retry_after` never less than that.
    """
    pause: float = 0.5 * 2 ** (attempt - 1)
    jitter = random.uniform(0.5, 1.0)
    return retry_after + pause * jitter / 4 if retry_after else pause * jitter


def retry_after(response: requests.Response) -> float | None:
    """Seconds that an answer asks to wait: `Retry-After` as seconds or as a date; `None` where it does not say."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return _until_quota(response)
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _until_quota(response: requests.Response) -> float | None:
    """Seconds until Resource Graph answers again (`00:00:05`): it refuses with a header of its own."""
    parts = re.fullmatch(
        r"(\d+):(\d\d):(\d\d)", response.headers.get("x-ms-user-quota-resets-after", "").strip()
    )
    if response.status_code != 429 or parts is None:
        return None
    hours, minutes, seconds = map(float, parts.groups())
    return hours * 3600 + minutes * 60 + seconds


def was_not_sent(error: BaseException) -> bool:
    """Whether a connection broke before it came about, so that Azure cannot have got the request."""
    return any(isinstance(cause, _NOT_SENT) for cause in _causes(error))


def is_transient(error: Exception) -> bool:
    """Whether a failed request may well succeed later: no clear answer, too fast, or another write at work."""
    if isinstance(error, AzureError):
        passes = isinstance(error, Throttled) or error.status_code in TRANSIENT_STATUSES
        return passes or error.code == "InvalidResponse" or error.code in _TRANSIENT_CONFLICTS
    return isinstance(error, CONNECTION_ERRORS) and not is_permanent(error)


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help: the certificate is not trusted."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError | _Untrusted) for cause in _causes(error)
    )


def root_cause(error: BaseException) -> str:
    """What broke a connection, in the words of the innermost cause; the outer ones hold object addresses and URLs."""
    return one_line(list(_causes(error))[-1])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those inside it: requests and urllib3 hand the cause on as `reason`, an argument or `from`."""
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
            (each for each in candidates if isinstance(each, BaseException) and each not in seen),
            None,
        )


class _Untrusted(requests.exceptions.SSLError):
    """A certificate that is not trusted, told in one sentence; it stays hopeless without what it came from."""


def describe_connection_error(
    error: requests.RequestException, method: str, url: str, attempts: int = 1
) -> requests.RequestException:
    """The same kind of exception, saying in one sentence who could not be reached, why, and how often it was tried.

    Args:
        error: What requests raised.
        method: HTTP method.
        url: The URL asked for.
        attempts: How often it was tried.

    Returns:
        The exception to raise.
    """
    parts = urlsplit(url)
    tries = f"{attempts} tries" if attempts > 1 else "1 try"
    if is_permanent(error):
        advice = " If the network has a CA of its own, name its file in REQUESTS_CA_BUNDLE."
        return _Untrusted(
            f"The certificate of {parts.netloc} is not trusted: {root_cause(error)}.{advice}"
        )
    return type(error)(
        f"No answer from {parts.netloc} ({method} {parts.path}, {tries}): {root_cause(error)}"
    )
