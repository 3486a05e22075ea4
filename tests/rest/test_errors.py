"""Errors: the exception for each response, its text, and its pickle."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.names import VMSS

from azurerm_lite import errors
from azurerm_lite.errors import (
    AuthenticationFailed,
    AzureError,
    Conflict,
    NotFound,
    OperationFailed,
    OperationTimeout,
    PreconditionFailed,
    RolloutHalted,
    Throttled,
    error_from_operation,
    error_from_response,
)
from azurerm_lite.types import Batch

PATH = VMSS.removeprefix("https://management.azure.com")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "details", "target", "error_description"])
            | st.text(),
            inner,
        )
    ),
    max_leaves=12,
)


def answer(
    body: Any = b"", status: int = 400, reason: str | None = "Bad Request", **headers: str
) -> requests.Response:
    """A response as requests returns it; a body that is not bytes is sent as JSON."""
    response = requests.Response()
    response.status_code, response.reason = status, reason
    response.url = f"{VMSS}?api-version=2024-11-01&sig=signature"
    response.request = requests.Request("PUT", response.url).prepare()
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update(
        {"Content-Type": "application/json; charset=utf-8"} if not isinstance(body, bytes) else {}
    )
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def one_error(
    code: str = "SomeCode", message: str = "Some message.", **more: Any
) -> dict[str, Any]:
    """Azure's JSON of an error."""
    return {"error": {"code": code, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, AzureError),
        (401, AuthenticationFailed),
        (403, AzureError),
        (404, NotFound),
        (409, Conflict),
        (412, PreconditionFailed),
        (429, Throttled),
        (500, AzureError),
        (503, AzureError),
        (302, AzureError),
    ],
)
def test_the_status_decides_the_class(status: int, kind: type[AzureError]) -> None:
    """Each status has exactly one class, whatever the body is."""
    for body in (one_error(), b"", b"<html>"):
        error = error_from_response(answer(body, status))
        assert type(error) is kind
        assert error.status_code == status


@pytest.mark.parametrize(
    "kind", [AuthenticationFailed, NotFound, Conflict, PreconditionFailed, Throttled]
)
def test_handlers_of_requests_catch_every_class(kind: type[AzureError]) -> None:
    """Every class is an `AzureError`, which is a `requests.HTTPError`."""
    assert issubclass(kind, AzureError)
    assert issubclass(OperationFailed, AzureError)
    assert issubclass(AzureError, requests.HTTPError)
    assert issubclass(OperationTimeout, TimeoutError)
    assert not issubclass(RolloutHalted, AzureError)


def test_each_part_of_an_error_is_an_attribute() -> None:
    """Code, message, target, details, ids and the request, whose URL has no query."""
    detail = {
        "code": "TooManyRequests",
        "target": "HighCostGetVMScaleSet3Min",
        "message": '{"allowed":180}',
    }
    body = one_error(
        "OperationNotAllowed",
        "Too  many\r\n  requests.",
        target="imageReference.sku",
        details=[detail],
    )
    error = error_from_response(
        answer(body, 429, x_ms_request_id="req-1", x_ms_correlation_request_id="corr-1"), 17.0
    )
    assert error.code == "OperationNotAllowed"
    assert error.message == "Too many requests."
    assert error.target == "imageReference.sku"
    assert error.details == (detail,)
    assert error.request_id == "req-1"
    assert (error.method, error.url) == ("PUT", VMSS)
    assert error.retry_after == 17.0
    assert error.response is not None
    assert error.response.status_code == 429


def test_the_text_has_message_and_facts() -> None:
    """The text is Azure's message, then code, status, request id, method and path."""
    error = error_from_response(
        answer(one_error("ResourceNotFound", "Gone."), 404, x_ms_request_id="req-1")
    )
    assert str(error) == f"Gone. (ResourceNotFound, HTTP 404, request req-1, PUT {PATH})"


def test_the_correlation_id_replaces_a_missing_request_id() -> None:
    """Without a request id, the text has the correlation id."""
    assert (
        error_from_response(answer(one_error(), x_ms_correlation_request_id="corr-1")).request_id
        == "corr-1"
    )
    assert error_from_response(answer(one_error())).request_id is None


def test_missing_facts_leave_no_gap() -> None:
    """The text of an error without a response is its message with the known facts."""
    assert str(AzureError("Only this.")) == "Only this."
    assert str(AzureError("Only this.", code="Code")) == "Only this. (Code)"
    assert str(AzureError("This.", method="GET", url=VMSS)) == f"This. (GET {PATH})"
    assert str(AzureError("This.", method="GET")) == "This."


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "C", "message": "M"}}, "C", "M"),
        ({"code": "C", "message": "M"}, "C", "M"),
        (
            {"error": "invalid_client", "error_description": "AADSTS1: no."},
            "invalid_client",
            "AADSTS1: no.",
        ),
        (
            {"error": {"code": "C"}},
            "C",
            "The response has no error message (application/json, 24 bytes)",
        ),
        ({"error": {"message": "M"}}, "BadRequest", "M"),
        ({"error": {"code": 5, "message": ["M"]}}, "BadRequest", None),
        ({"error": None}, "BadRequest", None),
        ({"error": []}, "BadRequest", None),
        ([], "BadRequest", None),
        ("text", "BadRequest", None),
        (None, "BadRequest", None),
        (b"", "BadRequest", "The response has no error message (no content type, 0 bytes)"),
        (b"{", "BadRequest", "The response has no error message (no content type, 1 bytes)"),
        (b"\xff\xfe\xfa", "BadRequest", None),
        (b"\xef\xbb\xbf" + b'{"error":{"code":"C","message":"M"}}', "C", "M"),
    ],
)
def test_code_and_message_are_found_in_every_form(
    body: Any, code: str, message: str | None
) -> None:
    """Every form of Azure's errors is read. Without one, the text has status and content type."""
    error = error_from_response(answer(body))
    assert error.code == code
    assert (
        error.message == message
        if message
        else error.message.startswith("The response has no error message (")
    )


def test_a_page_of_html_is_named_but_not_quoted() -> None:
    """The message has the type and size of an HTML page, not its markup."""
    page = b"<html><body>Bad gateway</body></html>"
    error = error_from_response(
        answer(page, 502, "Bad Gateway", Content_Type="text/html; charset=utf-8")
    )
    assert error.message == f"The response has no error message (text/html, {len(page)} bytes)"
    assert error.code == "BadGateway"
    assert "<" not in str(error)


def test_a_response_without_a_reason_phrase_is_an_error() -> None:
    """HTTP/2 front ends send no reason phrase: the code is then empty, and the status remains."""
    error = error_from_response(answer(b"", 500, None))
    assert error.code == ""
    assert "HTTP 500" in str(error)


def test_details_that_are_not_dicts_are_omitted() -> None:
    """`details` contains only dicts, so that callers need no check."""
    error = error_from_response(
        answer(one_error(details=[{"code": "A"}, "text", None, 3, {"code": "B"}]))
    )
    assert error.details == ({"code": "A"}, {"code": "B"})
    assert error_from_response(answer(one_error(details={"code": "A"}))).details == ()


@given(body=ANY_JSON, status=st.integers(300, 599))
def test_any_json_is_an_error_on_one_line(body: Any, status: int) -> None:
    """Any JSON with any status is an `AzureError` whose text is one line with the status."""
    error = error_from_response(answer(body, status, "Some Reason"))
    assert isinstance(error, AzureError)
    assert len(str(error).splitlines()) == 1
    assert f"HTTP {status}" in str(error)
    assert isinstance(error.code, str)
    assert isinstance(error.message, str)
    assert all(isinstance(detail, dict) for detail in error.details)


@given(body=st.binary(), status=st.integers(300, 599))
def test_any_bytes_are_an_error_on_one_line(body: bytes, status: int) -> None:
    """The same for bytes that are not JSON, in any encoding or none."""
    assert len(str(error_from_response(answer(body, status))).splitlines()) == 1


@given(body=ANY_JSON, status=st.sampled_from(["Failed", "Canceled"]))
def test_any_failed_operation_is_an_error_on_one_line(body: Any, status: str) -> None:
    """A failed operation is `OperationFailed`, whatever its body is."""
    error = error_from_operation(body, status, answer(b"", 200))
    assert isinstance(error, OperationFailed)
    assert len(str(error).splitlines()) == 1
    assert error.code


def test_a_failed_operation_keeps_its_own_code_and_message() -> None:
    """The error has the operation's error and the id of the request that read it."""
    operation = {"status": "Failed", **one_error("OSProvisioningTimedOut", "It took too long.")}
    error = error_from_operation(operation, "Failed", answer(b"", 200, x_ms_request_id="req-1"))
    assert (error.code, error.message) == ("OSProvisioningTimedOut", "It took too long.")
    assert (error.status_code, error.request_id) == (200, "req-1")


def test_a_failed_operation_without_an_error_has_a_message() -> None:
    """The message states that Azure gave no reason."""
    error = error_from_operation({"status": "Canceled"}, "Canceled", answer(b"", 200))
    assert (error.code, error.message) == (
        "Canceled",
        "The operation ended with status Canceled; Azure gave no reason.",
    )


@pytest.mark.parametrize(
    "error",
    [
        error_from_response(
            answer(one_error(details=[{"code": "A"}], target="t"), 429, x_ms_request_id="r"), 5.0
        ),
        error_from_response(answer(b"", 404)),
        error_from_operation(one_error(), "Failed", answer(b"", 200)),
        AuthenticationFailed("Sign-in failed.", code="AADSTS1", request_id="r"),
        OperationTimeout("Time is up."),
        RolloutHalted("Stopped.", Batch("update domain 1", ("1", "2")), {"1": "Failed"}),
        RolloutHalted("Stopped."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: Exception) -> None:
    """An unpickled error has the same class, text and attributes."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    facts = {
        name: value for name, value in vars(error).items() if name not in ("response", "request")
    }
    assert facts == {
        name: value for name, value in vars(copy).items() if name not in ("response", "request")
    }


def test_a_halt_copies_the_unhealthy_instances() -> None:
    """A later change of the caller's dict does not change the error."""
    unhealthy = {"3": "not healthy"}
    halted = RolloutHalted("Stopped.", None, unhealthy)
    unhealthy.clear()
    assert halted.unhealthy == {"3": "not healthy"}
    assert halted.batch is None
    assert RolloutHalted("Stopped.").unhealthy == {}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The tree in the module's docstring names every class of the module."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert classes == {word for word in (errors.__doc__ or "").split() if word in vars(errors)} - {
        "requests.HTTPError"
    }


REASONS = {
    "quota": (
        {"details": [{"code": "QuotaExceeded", "message": "Maximum allowed: 4."}]},
        "QuotaExceeded: Maximum allowed: 4.",
    ),
    "nested": (
        {"details": [{"code": "Outer", "details": [{"code": "Inner", "message": "Why."}]}]},
        "Outer; Inner: Why.",
    ),
    "target": (
        {"details": [{"code": "TooManyRequests", "target": "HighCostGet", "message": "Slow."}]},
        "TooManyRequests (HighCostGet): Slow.",
    ),
    "inner": ({"innererror": {"internalErrorCode": "X1", "errordetail": "Deep."}}, "X1: Deep."),
    "policy": (
        {"additionalInfo": [{"info": {"policyDefinitionDisplayName": "Only our gallery"}}]},
        "policy 'Only our gallery'",
    ),
}


@pytest.mark.parametrize("kind", REASONS)
def test_the_text_of_an_error_has_its_details(kind: str) -> None:
    """Some messages of Azure refer to the error details."""
    more, expected = REASONS[kind]
    body = {"error": {"code": "Bad", "message": "See details.", **more}}
    text = str(errors.error_from_response(answer(body, status=400)))
    assert text.startswith(f"See details. Details: {expected} (Bad, HTTP 400")


def test_details_are_shortened_and_contain_no_token() -> None:
    """People read messages, and logs store them."""
    token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.sig"
    details = [{"code": "Long", "message": f"{token} https://x/?sig=abc%2F {'word ' * 500}"}]
    body = {"error": {"code": "Bad", "message": "m", "details": details}}
    text = str(errors.error_from_response(answer(body, status=400)))
    assert len(text) < 900
    assert "eyJ" not in text
    assert "abc%2F" not in text
