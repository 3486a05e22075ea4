"""The retry policy: which requests are retried and when, and which failures are transient."""

from __future__ import annotations

import email.utils
import ssl
import time

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from azurerm_lite._retry import (
    delay,
    describe_connection_error,
    is_permanent,
    is_transient,
    retry_after,
    root_cause,
    should_retry,
    was_not_sent,
)
from azurerm_lite.errors import AzureError, Conflict, NotFound, Throttled

YES = True
NO = False
METHODS = ("GET", "PUT", "DELETE", "PATCH", "POST")


@pytest.mark.parametrize(
    ("status", "has_retry_after", "expected"),
    [
        # expected for GET, PUT, DELETE; and for PATCH, POST
        (429, True, (YES, YES)),
        (429, False, (YES, YES)),
        (503, True, (YES, YES)),
        (503, False, (YES, NO)),
        (408, False, (YES, NO)),
        (500, False, (YES, NO)),
        (502, False, (YES, NO)),
        (504, False, (YES, NO)),
        (500, True, (YES, NO)),
        (501, False, (NO, NO)),
        (505, True, (NO, NO)),
        (400, False, (NO, NO)),
        (401, False, (NO, NO)),
        (403, True, (NO, NO)),
        (404, False, (NO, NO)),
        (409, False, (NO, NO)),
        (409, True, (NO, NO)),
        (412, False, (NO, NO)),
        (302, False, (NO, NO)),
        (None, False, (YES, NO)),
    ],
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("attempt", [1, 4, 5, 6])
def test_only_safe_requests_are_sent_again_up_to_five_attempts(
    method: str,
    attempt: int,
    status: int | None,
    has_retry_after: bool,
    expected: tuple[bool, bool],
) -> None:
    """No request is retried after the fifth attempt."""
    is_retried = attempt < 5 and expected[method in ("PATCH", "POST")]
    assert should_retry(method, status, attempt, has_retry_after=has_retry_after) is is_retried


@pytest.mark.parametrize("method", METHODS)
def test_a_request_that_was_not_sent_is_retried_for_every_method(method: str) -> None:
    """A connection that was never established is safe to retry, four times."""
    assert [should_retry(method, None, attempt, was_not_sent=True) for attempt in range(1, 7)] == [
        YES
    ] * 4 + [NO] * 2


@given(attempt=st.integers(1, 5))
def test_the_delay_doubles_with_jitter(attempt: int) -> None:
    """Without `Retry-After` the pause doubles from half a second; jitter halves it at most."""
    longest = 0.5 * 2 ** (attempt - 1)
    assert longest / 2 <= delay(attempt) <= longest
    assert longest / 2 <= delay(attempt, 0.0) <= longest


@given(attempt=st.integers(1, 5), asked=st.floats(0.001, 120))
def test_the_delay_is_never_shorter_than_retry_after(attempt: int, asked: float) -> None:
    """A small random addition spreads the clients."""
    assert asked <= delay(attempt, asked) <= asked + 0.125 * 2 ** (attempt - 1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("1235", 1235.0),
        ("9" * 400, float("inf")),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("nan", None),
        ("²", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("Wed, 32 Oct 2015 07:28:00 GMT", None),
        ("Mon, 01 Jan 2020 00:00:00 +99999999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str | None, seconds: float | None
) -> None:
    """Seconds and past dates are read exactly, garbage is ignored."""
    response = requests.Response()
    response.headers.update({} if value is None else {"Retry-After": value})
    assert retry_after(response) == seconds


@pytest.mark.parametrize("ahead", [60, 3600])
def test_a_future_date_becomes_seconds(ahead: int) -> None:
    """The result is the seconds until the date."""
    response = requests.Response()
    response.headers["Retry-After"] = email.utils.formatdate(time.time() + ahead, usegmt=True)
    seconds = retry_after(response)
    assert seconds is not None
    assert ahead - 30 < seconds <= ahead


@given(
    value=st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d ([+-]\d{1,30}|GMT)")
)
def test_any_retry_after_is_read_or_ignored(value: str) -> None:
    """Any header is a number of seconds or `None`."""
    response = requests.Response()
    response.headers["Retry-After"] = value
    seconds = retry_after(response)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("00:00:05", 5.0), ("01:02:03", 3723.0), ("5", None), ("", None), ("00:00:5", None)],
)
def test_the_quota_header_of_resource_graph_is_read_after_a_429(
    value: str, seconds: float | None
) -> None:
    """Resource Graph sends no `Retry-After`; its own header counts only if it throttled."""
    response = requests.Response()
    response.headers["x-ms-user-quota-resets-after"] = value
    response.status_code = 429
    assert retry_after(response) == seconds
    response.status_code = 200
    assert retry_after(response) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Throttled("Slow down."), True),
        (AzureError("Broken.", status_code=502), True),
        (AzureError("A page.", status_code=200, code="InvalidResponse"), True),
        (Conflict("Busy.", status_code=409, code="AnotherOperationInProgress"), True),
        (Conflict("Busy.", status_code=409, code="OperationPreempted"), True),
        (Conflict("No.", status_code=409, code="OperationNotAllowed"), False),
        (NotFound("Gone.", status_code=404), False),
        (AzureError("Bad.", status_code=400), False),
        (requests.ConnectionError("reset"), True),
        (requests.ReadTimeout("silence"), True),
        (requests.exceptions.ChunkedEncodingError("half"), True),
        (requests.ConnectionError(ssl.SSLCertVerificationError("self-signed")), False),
        (ValueError("ours"), False),
    ],
    ids=repr,
)
def test_only_these_failures_are_transient(error: Exception, expected: bool) -> None:
    """Throttling, server errors, other writes in progress and connection errors."""
    assert is_transient(error) is expected


def wrap(inner: Exception) -> requests.ConnectionError:
    """Return an error as requests and urllib3 wrap it: the cause is the `reason` of an argument."""
    pool = urllib3.HTTPSConnectionPool("host")
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/x", inner))


def test_a_connection_that_was_never_made_sent_nothing() -> None:
    """A refused connection or a failed proxy; not a connection that broke later."""
    refused = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
    assert was_not_sent(wrap(refused))
    assert was_not_sent(wrap(urllib3.exceptions.ProxyError("no", OSError())))
    assert was_not_sent(requests.ConnectTimeout("late"))
    assert not was_not_sent(requests.ReadTimeout("silence"))
    assert not was_not_sent(wrap(urllib3.exceptions.ProtocolError("reset")))


def test_only_an_untrusted_certificate_is_permanent() -> None:
    """It is also permanent after it was described in one sentence."""
    untrusted = wrap(urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed")))
    described = describe_connection_error(untrusted, "GET", "https://host/x")
    assert is_permanent(untrusted)
    assert is_permanent(described)
    assert "The certificate of host is not trusted" in str(described)
    assert "REQUESTS_CA_BUNDLE" in str(described)
    assert not is_permanent(requests.ConnectionError("reset"))


def test_the_root_cause_is_the_innermost_message() -> None:
    """Outer messages contain object addresses; a loop of causes ends the search."""
    assert root_cause(wrap(OSError("the line\nbroke"))) == "the line broke"
    first = ValueError("first")
    second = ValueError("second")
    first.__cause__ = second
    second.__cause__ = first
    assert root_cause(first) == "second"


@pytest.mark.parametrize(("attempts", "expected"), [(1, "1 attempt"), (5, "5 attempts")])
def test_a_connection_error_is_described_in_one_sentence(attempts: int, expected: str) -> None:
    """It keeps its class, and has host, method, path and attempts, but no query."""
    error = requests.ReadTimeout("silence")
    described = describe_connection_error(error, "GET", "https://host:8443/x?sig=1", attempts)
    assert type(described) is requests.ReadTimeout
    assert str(described) == f"No response from host:8443 (GET /x, {expected}): silence"
