"""HTTP with Azure: URLs, tokens, retries, pages.

With `responses`, and with real sockets if the connection itself matters.
"""

from __future__ import annotations

import functools
import json
import logging
import pickle
import re
import socket
import socketserver
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from responses import matchers, registries
from support.clock import Clock
from support.names import BASE, VMSS

from azurerm_lite import _clock, _retry, rest, settings
from azurerm_lite.errors import AuthenticationFailed, AzureError, PreconditionFailed, Throttled

URL = f"{VMSS}?api-version=2024-11-01"
PATH = urlsplit(VMSS).path
LIST = f"{BASE}/subscriptions?api-version=2022-12-01"
METHODS = ("GET", "PUT", "DELETE", "PATCH", "POST")
EXPIRED = {
    "error": {
        "code": "ExpiredAuthenticationToken",
        "message": "The access token expiry is in the past.",
    }
}
ordered = functools.partial(responses.RequestsMock, registry=registries.OrderedRegistry)
anything_goes = functools.partial(responses.RequestsMock, assert_all_requests_are_fired=False)


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """Close all connections after each test."""
    yield
    rest.session.close()


# --- tokens ---


@pytest.mark.parametrize(
    "bad",
    ["", " ", "{}\n", "Bearer {}", "{} ", "{}\r\nX-Evil: 1", "{}\0", "{}é", "{}\u2028", "\t{}"],
)
@pytest.mark.parametrize("called", [False, True])
def test_a_malformed_token_is_a_value_error_that_does_not_show_it(
    bad: str, called: bool, token: str
) -> None:
    """It is rejected before anything is sent."""
    malformed = bad.format(token)
    with responses.RequestsMock(), pytest.raises(ValueError, match="access_token") as caught:
        rest.get((lambda: malformed) if called else malformed, URL)
    assert token not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "bad", [b"canary-token-7f3a9c", None, 5, {"accessToken": "canary-token-7f3a9c"}]
)
@pytest.mark.parametrize("called", [False, True])
def test_a_token_of_another_type_is_a_value_error_with_the_type(
    bad: Any, called: bool, token: str
) -> None:
    """The error has the type of bytes, dicts and other values, not the value."""
    with responses.RequestsMock(), pytest.raises(ValueError, match=type(bad).__name__) as caught:
        rest.get((lambda: bad) if called else bad, URL)
    assert token not in str(caught.value)


@given(before=st.text(), after=st.text())
def test_a_token_is_sent_unchanged_or_rejected_without_showing_it(before: str, after: str) -> None:
    """Any text that contains the canary."""
    text = f"{before}canary{after}"
    try:
        text_or_error = rest.resolve_token(text)
    except ValueError as error:
        text_or_error = str(error)
    if re.fullmatch(r"[!-~]+", text):
        assert text_or_error == text
    else:
        assert "canary" not in text_or_error
        assert "access_token" in text_or_error


def test_a_callable_is_called_for_each_request(token: str) -> None:
    """The token may change between requests."""
    tokens = iter(["first", "second"])
    with ordered() as azure:
        for expected in ("first", "second"):
            azure.get(
                URL,
                json={},
                match=[matchers.header_matcher({"Authorization": f"Bearer {expected}"})],
            )
        rest.get(lambda: next(tokens), URL)
        rest.get(lambda: next(tokens), URL)


def test_an_exception_of_the_callable_is_raised_unchanged() -> None:
    """It is not wrapped in another exception."""

    def refuse() -> str:
        raise AuthenticationFailed("Signed out.")

    with responses.RequestsMock(), pytest.raises(AuthenticationFailed, match="Signed out"):
        rest.get(refuse, URL)


def test_a_sign_in_that_is_down_is_retried_and_named_in_the_error(clock: Clock) -> None:
    """A token provider without a network is called again, even for a POST.

    Its own error is raised.
    """
    asked = []

    def down() -> str:
        asked.append(1)
        raise requests.ConnectionError("No response from login.microsoftonline.com")

    with responses.RequestsMock(), pytest.raises(requests.ConnectionError) as caught:
        rest.send(down, "POST", URL)
    assert str(caught.value) == "No response from login.microsoftonline.com"
    assert len(asked) == _retry.MAX_ATTEMPTS
    assert len(clock.slept) == _retry.MAX_ATTEMPTS - 1


def test_a_request_is_sent_when_the_sign_in_recovers(clock: Clock, token: str) -> None:
    """After a pause in the sign-in the request is sent once, with the token."""
    outcomes = iter([requests.ConnectTimeout("down"), token])

    def shaky() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, str):
            return outcome
        raise outcome

    with responses.RequestsMock() as azure:
        azure.post(
            URL, json={}, match=[matchers.header_matcher({"Authorization": f"Bearer {token}"})]
        )
        rest.send(shaky, "POST", URL)
    assert len(clock.slept) == 1


# --- single requests ---


def test_a_request_has_the_headers_azure_needs_and_a_time_limit(token: str) -> None:
    """Bearer token, user agent, request id, JSON and a timeout.

    Redirects are off.
    """
    headers = {
        "Authorization": f"Bearer {token}",
        "User-Agent": re.compile(
            rf"azurerm-lite/{re.escape(settings.VERSION)} python-requests/\d.*"
        ),
        "x-ms-client-request-id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "Accept": "application/json",
    }
    with responses.RequestsMock() as azure:
        azure.get(
            URL,
            json={"name": "web"},
            match=[
                matchers.header_matcher(headers),
                matchers.request_kwargs_matcher({"timeout": rest.TIMEOUT}),
            ],
        )
        assert rest.get(token, URL) == {"name": "web"}
        assert "Content-Type" not in azure.calls[0].request.headers
        assert azure.calls[0].request.body is None


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_time_limit(method: str, token: str) -> None:
    """No request may wait indefinitely."""
    with responses.RequestsMock() as azure:
        azure.add(method, URL, match=[matchers.request_kwargs_matcher({"timeout": rest.TIMEOUT})])
        rest.send(token, method, URL)
    assert all(limit > 0 for limit in rest.TIMEOUT)


def test_other_users_of_the_session_have_a_time_limit() -> None:
    """MSAL sends through the same session without a timeout, so the default applies."""
    with responses.RequestsMock() as azure:
        azure.get(URL, match=[matchers.request_kwargs_matcher({"timeout": rest.TIMEOUT})])
        rest.session.get(URL)
        assert "Authorization" not in azure.calls[0].request.headers


def test_a_body_is_sent_as_json_with_further_headers(token: str) -> None:
    """Dicts are sent as JSON with its content type, and If-Match unchanged."""
    body = {"sku": {"capacity": 3}, "tags": {"größe": "ü"}}
    headers = {"If-Match": '"2"', "Content-Type": "application/json"}
    with responses.RequestsMock() as azure:
        azure.put(
            URL,
            json=body,
            match=[matchers.json_params_matcher(body), matchers.header_matcher(headers)],
        )
        assert rest.send(token, "PUT", URL, body, {"If-Match": '"2"'}).json() == body


def test_an_empty_body_is_sent_as_one(token: str) -> None:
    """An empty dict is a body; `None` is not."""
    with responses.RequestsMock() as azure:
        azure.post(URL, match=[matchers.json_params_matcher({})])
        rest.send(token, "POST", URL, {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["https://evil.example/", f"{BASE}/elsewhere"])
def test_a_redirect_is_an_error_and_not_followed(status: int, location: str, token: str) -> None:
    """The token follows no redirect, to another host or within Azure."""
    with responses.RequestsMock() as azure:
        azure.get(URL, status=status, headers={"Location": location})
        with pytest.raises(AzureError) as caught:
            rest.get(token, URL)
        assert len(azure.calls) == 1
    assert caught.value.status_code == status
    assert caught.value.response.next is None


def test_a_secret_follows_no_redirect_either() -> None:
    """This holds for other users of the session that send a secret."""
    with responses.RequestsMock() as azure:
        azure.post(
            "https://login.example/token", status=307, headers={"Location": "https://evil.example/"}
        )
        rest.session.post("https://login.example/token", data={"client_secret": "secret"})
        assert len(azure.calls) == 1


def test_no_cookie_is_kept(token: str) -> None:
    """A cookie of one response is not sent with the next request."""
    with responses.RequestsMock() as azure:
        azure.get(URL, json={}, headers={"Set-Cookie": "session=1; Path=/"})
        rest.get(token, URL)
        rest.get(token, URL)
        assert "Cookie" not in azure.calls[1].request.headers
    assert not list(rest.session.cookies)


def test_the_response_does_not_contain_the_token(token: str) -> None:
    """The request in a returned response has no token.

    It may be printed, logged and pickled.
    """
    with responses.RequestsMock() as azure:
        azure.put(URL, json={})
        response = rest.send(token, "PUT", URL, {"a": 1})
        assert azure.calls[0].request.headers["Authorization"] == f"Bearer {token}"
    assert "Authorization" not in response.request.headers
    assert response.request.method == "PUT"
    assert response.request.url == URL
    assert token.encode() not in pickle.dumps(response)


def test_a_request_is_logged_on_one_line_without_its_query(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The line has method, path, status and time, but no signature from the query."""
    caplog.set_level(logging.INFO, logger="azurerm_lite")
    with responses.RequestsMock() as azure:
        azure.get(VMSS, json={})
        rest.get(token, f"{VMSS}?sig=signature")
    (record,) = caplog.records
    assert re.fullmatch(rf"GET {re.escape(PATH)} -> 200 in \d+ ms", record.getMessage())


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"", None), (b"null", None), (b"{}", {}), (b"[1]", [1]), (b"\xef\xbb\xbf{}", {}), (b"0", 0)],
)
def test_get_returns_the_json_of_the_body(body: bytes, expected: Any, token: str) -> None:
    """An empty body is `None`."""
    with responses.RequestsMock() as azure:
        azure.get(URL, body=body, content_type="application/json; charset=utf-8")
        assert rest.get(token, URL) == expected


@pytest.mark.parametrize(
    "body", [b"<html>Please sign in</html>", b"{", b"\xff\xfe\xfa", b"Infinity2"]
)
def test_a_success_without_json_is_an_error(body: bytes, token: str) -> None:
    """The 200 of a captive portal does not count as Azure's response."""
    with responses.RequestsMock() as azure:
        azure.get(URL, body=body, content_type="text/html")
        with pytest.raises(AzureError, match="not JSON") as caught:
            rest.get(token, URL)
    assert (caught.value.code, caught.value.status_code) == ("InvalidResponse", 200)
    assert "sign in" not in str(caught.value)


# --- where the token is sent ---

FOREIGN = [
    "https://evil.example/",
    "http://management.azure.com/",
    "https://management.azure.com:8443/",
    "https://management.azure.com:80/",
    "https://management.azure.com@evil.example/",
    "https://management.azure.com:443@evil.example/",
    "https://evil.example\\@management.azure.com/",
    "https://evil.example\\.management.azure.com/",
    "https://evil.example#@management.azure.com/",
    "https://evil.example?@management.azure.com/",
    "https://user:password@management.azure.com/",
    "https://[@management.azure.com/",
    "https://management.azure.com.evil.example/",
    "https://management.azure.com./",
    "https://management.azure.com\t.evil.example/",
    "https://management.azure.com%2eevil.example/",
    "https://MANAGEMENT.azure.co\u1d50/",
    "https://xmanagement.azure.com/",
    "//evil.example/",
    "//management.azure.com/",
    "/subscriptions",
    "https:evil.example",
    "https:///evil.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    " https://management.azure.com/",
    "https://management.azure.com:x/",
    "https://[::1",
    "https://",
    "x",
]


@pytest.mark.parametrize("link", FOREIGN)
def test_a_link_that_points_elsewhere_is_not_followed(link: str, token: str) -> None:
    """A link with another host, port, scheme or user raises, and nothing is sent there."""
    with responses.RequestsMock() as azure:
        azure.get(LIST, json={"value": [{}], "nextLink": link})
        with pytest.raises(AzureError, match="the token is not sent there") as caught:
            rest.get_list(token, LIST)
        assert len(azure.calls) == 1
    assert caught.value.code == "ForeignLink"
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE}:443/next?$skiptoken=1",
        f"{BASE}/next?$skiptoken=1",
        "HTTPS://Management.Azure.COM/next?$skiptoken=1",
        f"{BASE}/next?u=https://evil.example/",
        f"{BASE}/next?u=@evil.example",
        f"{BASE}/@evil.example/",
        f"{BASE}//evil.example/",
    ],
)
def test_a_link_to_azure_itself_is_followed(link: str, token: str) -> None:
    """An explicit default port, capitals and unusual queries are the same endpoint."""
    with responses.RequestsMock() as azure:
        azure.get(LIST, json={"value": [1], "nextLink": link})
        azure.get(
            re.compile(r"(?i)https://management\.azure\.com(:443)?/.*(next|evil)"),
            json={"value": [2]},
        )
        assert rest.get_list(token, LIST) == [1, 2]


@given(
    scheme=st.sampled_from(["https://", "https:\\\\", "https:/", "http://", ""]),
    front=st.text("\\/@:?#[]%.\t\n e\u3002\uff0f", max_size=4),
    host=st.sampled_from(["management.azure.com", "evil.example", "management.azure.com:443"]),
    middle=st.text("\\/@:?#[]%.\t\n e0\u3002\uff0f", max_size=4),
    rest_of_it=st.sampled_from(
        ["", "/x", "@evil.example/", "@management.azure.com/", ".evil.example/", "evil.example"]
    ),
)
@example("https://", "", "management.azure.com", "", "/x")
@example("https://", "", "management.azure.com", "/", "@evil.example/")
@example("https://", "", "evil.example", "\\@", "management.azure.com")
@example("https://", "", "management.azure.com", "\\[", "")
def test_the_token_goes_nowhere_but_to_azure(
    scheme: str, front: str, host: str, middle: str, rest_of_it: str
) -> None:
    """However a link is spelt, it is rejected or requests would connect to Azure."""
    link, refused = scheme + front + host + middle + rest_of_it, ""
    with anything_goes() as azure:
        azure.get(re.compile("(?s).*"), json={})
        try:
            rest.get("token", link)
        except AzureError as error:
            refused = error.code
        sent = [call.request for call in azure.calls]
    assert len(sent) == (not refused)
    assert refused in ("", "ForeignLink")
    for request in sent:
        target, _ = rest.session.get_adapter(BASE).build_connection_pool_key_attributes(
            request, True
        )
        assert (target["scheme"], target["host"], target["port"] or 443) == (
            "https",
            "management.azure.com",
            443,
        )


@pytest.mark.parametrize(
    "header",
    ["http://rm.example", "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://0.0.0.0"],
)
def test_plain_http_is_a_value_error(
    header: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is not sent unencrypted."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", header)
    with (
        responses.RequestsMock(),
        pytest.raises(ValueError, match="AZURE_RM_ENDPOINT must be https"),
    ):
        rest.get(token, rest.url("/x", {}, "1"))


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:5000", "http://localhost", "http://[::1]:80", "http://127.8.9.10"],
)
def test_plain_http_is_fine_on_loopback(
    endpoint: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local sandbox needs no TLS."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", endpoint)
    with responses.RequestsMock() as azure:
        azure.get(f"{endpoint}/x", json={"local": True})
        assert rest.get(token, rest.url("/x", {}, "1")) == {"local": True}


def test_an_endpoint_with_a_user_is_a_value_error(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User and password in the endpoint have no meaning, so nothing is sent."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://user:password@rm.example")
    with responses.RequestsMock(), pytest.raises(ValueError, match="AZURE_RM_ENDPOINT"):
        rest.get(token, rest.url("/x", {}, "1"))


# --- pages ---


def pages_of(azure: responses.RequestsMock, *answers: Any) -> None:
    """Register the pages of a list, each response at its own link, in order."""
    links = [
        LIST,
        *(f"{BASE}/subscriptions?$skiptoken={number}" for number in range(1, len(answers))),
    ]
    for link, answer in zip(links, answers, strict=True):
        azure.get(link, json=answer)


def link_to(number: int) -> str:
    """Return the link to a page."""
    return f"{BASE}/subscriptions?$skiptoken={number}"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([{"value": [1, 2]}], [1, 2]),
        ([{"value": []}], []),
        ([{"value": [1], "nextLink": None}], [1]),
        ([{"value": [1], "nextLink": ""}], [1]),
        ([{"value": [1], "nextLink": link_to(1)}, {"value": [2]}], [1, 2]),
        (
            [
                {"value": [1], "nextLink": link_to(1)},
                {"value": [], "nextLink": link_to(2)},
                {"value": [3]},
            ],
            [1, 3],
        ),
        (
            [{"value": [], "nextLink": link_to(1)}, {"value": [{"a": 1}], "nextLink": None}],
            [{"a": 1}],
        ),
        ([[{"name": "22.04"}, {"name": "24.04"}]], [{"name": "22.04"}, {"name": "24.04"}]),
        ([[]], []),
    ],
)
def test_a_list_has_the_entries_of_all_pages(
    answers: list[Any], expected: list[Any], token: str
) -> None:
    """An empty page is not the last one; a page with a null link is.

    A plain array is the whole list.
    """
    with ordered() as azure:
        pages_of(azure, *answers)
        assert rest.get_list(token, LIST) == expected


@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_paging_loses_nothing(sizes: list[int]) -> None:
    """For any split into pages: every entry once, in order, one request per page."""
    last = len(sizes) - 1
    answers = [
        {"value": [f"{page}-{entry}" for entry in range(size)]}
        | ({"nextLink": link_to(page + 1)} if page < last else {})
        for page, size in enumerate(sizes)
    ]
    with ordered() as azure:
        pages_of(azure, *answers)
        assert rest.get_list("token", LIST) == [
            entry for answer in answers for entry in answer["value"]
        ]
        assert len(azure.calls) == len(sizes)


def test_pages_are_fetched_as_they_are_needed(token: str) -> None:
    """A caller that stops after the first page has requested only that one."""
    with responses.RequestsMock() as azure:
        azure.get(LIST, json={"value": [1], "nextLink": link_to(1)})
        assert next(rest.get_pages(token, LIST)) == [1]
        assert len(azure.calls) == 1


@pytest.mark.parametrize("back", [LIST, link_to(1)])
def test_a_link_to_an_earlier_page_is_an_error(back: str, token: str) -> None:
    """A list whose links form a loop raises and does not run forever."""
    with ordered() as azure:
        pages_of(azure, {"value": [1], "nextLink": link_to(1)}, {"value": [2], "nextLink": back})
        with pytest.raises(AzureError, match="already read") as caught:
            rest.get_list(token, LIST)
    assert caught.value.code == "NextLinkRepeats"


@pytest.mark.parametrize(
    "body", [{}, {"value": None}, {"value": {}}, {"value": "text"}, "text", 5, None, {"values": []}]
)
def test_a_page_without_a_list_is_an_error(body: Any, token: str) -> None:
    """A response without a list does not count as an empty list."""
    with responses.RequestsMock() as azure:
        azure.get(LIST, json=body)
        with pytest.raises(AzureError, match="contains no list"):
            rest.get_list(token, LIST)


@pytest.mark.parametrize("link", [5, True, {"href": "x"}, ["x"], 0, False])
def test_a_next_link_of_another_type_is_an_error(link: Any, token: str) -> None:
    """It is an `AzureError`, not another exception, and not the end of the list."""
    with responses.RequestsMock() as azure:
        azure.get(LIST, json={"value": [1], "nextLink": link})
        with pytest.raises(AzureError) as caught:
            rest.get_list(token, LIST)
    assert caught.value.code == "InvalidResponse"


def test_a_failed_page_is_an_error_and_not_half_a_list(token: str) -> None:
    """No partial list is returned if a later page fails."""
    with ordered() as azure:
        azure.get(LIST, json={"value": [1], "nextLink": link_to(1)})
        azure.get(
            link_to(1),
            status=403,
            json={"error": {"code": "AuthorizationFailed", "message": "No."}},
        )
        with pytest.raises(AzureError) as caught:
            rest.get_list(token, LIST)
    assert caught.value.code == "AuthorizationFailed"


# --- retries ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_by_every_method(
    method: str, status: int, clock: Clock, token: str
) -> None:
    """Every method waits at least that long, then continues."""
    with ordered() as azure:
        azure.add(method, URL, status=status, headers={"Retry-After": "7"})
        azure.add(method, URL, status=status, headers={"Retry-After": "33"})
        azure.add(method, URL, json={})
        assert rest.send(token, method, URL).status_code == 200
    first, second = clock.slept
    assert 7 <= first < 8
    assert 33 <= second < 34


def test_a_repeated_request_is_the_same_request(clock: Clock, token: str) -> None:
    """The attempts of one call share id, body and headers; another call has another id."""
    body = {"sku": {"capacity": 2}}
    with ordered() as azure:
        for status in (500, 200, 200):
            azure.put(
                URL,
                status=status,
                json={},
                match=[
                    matchers.json_params_matcher(body),
                    matchers.header_matcher({"If-Match": "*"}),
                ],
            )
        rest.send(token, "PUT", URL, body, {"If-Match": "*"})
        rest.send(token, "PUT", URL, body, {"If-Match": "*"})
        first, again, other = (
            call.request.headers["x-ms-client-request-id"] for call in azure.calls
        )
    assert first == again != other


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_of_more_than_two_minutes_is_an_error(
    status: int, clock: Clock, token: str
) -> None:
    """Up to two minutes are waited for; a longer wait raises immediately, with the time."""
    with ordered() as azure:
        azure.post(URL, status=status, headers={"Retry-After": "120"})
        azure.post(URL, status=status, headers={"Retry-After": "121"})
        with pytest.raises(Throttled) as caught:
            rest.send(token, "POST", URL)
    assert caught.value.retry_after == 121
    assert len(clock.slept) == 1


@pytest.mark.parametrize("has_retry_after", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_throttling_is_an_error_after_five_attempts(
    method: str, has_retry_after: bool, clock: Clock, token: str
) -> None:
    """`Throttled` has the last pause that Azure asked for."""
    with responses.RequestsMock() as azure:
        azure.add(method, URL, status=429, headers={"Retry-After": "1"} if has_retry_after else {})
        with pytest.raises(Throttled) as caught:
            rest.send(token, method, URL)
        assert len(azure.calls) == 5
    assert caught.value.retry_after == (1.0 if has_retry_after else None)
    assert len(clock.slept) == 4


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("method", METHODS)
def test_a_transient_failure_is_retried_if_that_is_safe(
    method: str, status: int, clock: Clock, token: str
) -> None:
    """GET, PUT and DELETE have five attempts; POST and PATCH one, since Azure may have run them."""
    tries = 5 if method in ("GET", "PUT", "DELETE") else 1
    with responses.RequestsMock() as azure:
        azure.add(method, URL, status=status)
        with pytest.raises(AzureError) as caught:
            rest.send(token, method, URL)
        assert len(azure.calls) == tries
    assert caught.value.status_code == status
    assert len(clock.slept) == tries - 1
    assert clock.slept == sorted(clock.slept)


@pytest.mark.parametrize(
    "broken",
    [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_broken_connection_is_retried_if_that_is_safe(
    method: str, broken: type[Exception], clock: Clock, token: str
) -> None:
    """A request without a response is repeated, but not a POST or PATCH."""
    tries = 5 if method in ("GET", "PUT", "DELETE") else 1
    with responses.RequestsMock() as azure:
        azure.add(method, URL, body=broken("the line is dead"))
        with pytest.raises(broken) as caught:
            rest.send(token, method, URL)
        assert len(azure.calls) == tries
    attempts = "5 attempts" if tries == 5 else "1 attempt"
    assert (
        str(caught.value)
        == f"No response from management.azure.com ({method} {PATH}, {attempts}): the line is dead"
    )


def test_a_lost_response_is_requested_again(
    clock: Clock, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A GET without a response twice succeeds at the third attempt.

    The log has the reason of each wait.
    """
    with ordered() as azure:
        azure.get(URL, body=requests.ConnectionError("the line went dead"))
        azure.get(URL, status=502)
        azure.get(URL, json={"name": "web"})
        assert rest.get(token, URL) == {"name": "web"}
    waits = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [wait.partition(": ")[2] for wait in waits] == [
        f"GET {PATH}: the line went dead",
        "The response has no error message (text/plain, 0 bytes) (BadGateway, HTTP 502, GET"
        f" {PATH})",
    ]


@pytest.mark.parametrize("lost", [True, False])
def test_a_precondition_that_failed_after_a_lost_answer_may_be_our_own(
    lost: bool, clock: Clock, token: str
) -> None:
    """The message of the 412 mentions an earlier attempt of the same PUT."""
    refusal = {"error": {"code": "PreconditionFailed", "message": "Etag does not match."}}
    with ordered() as azure:
        azure.put(URL, body=requests.ConnectionError("the line went dead")) if lost else azure.put(
            URL, status=429
        )
        azure.put(URL, status=412, json=refusal)
        with pytest.raises(PreconditionFailed) as caught:
            rest.send(token, "PUT", URL, {}, {"If-Match": '"1"'})
    assert caught.value.message.startswith("Etag does not match.")
    assert ("the conflicting change may be our own" in str(caught.value)) is lost


def test_an_expired_token_of_a_callable_is_renewed_once(clock: Clock, token: str) -> None:
    """After `ExpiredAuthenticationToken`, without a pause, also for a POST."""
    tokens = iter(["old", token])
    with ordered() as azure:
        azure.post(
            URL,
            status=401,
            json=EXPIRED,
            match=[matchers.header_matcher({"Authorization": "Bearer old"})],
        )
        azure.post(
            URL, json={}, match=[matchers.header_matcher({"Authorization": f"Bearer {token}"})]
        )
        rest.send(lambda: next(tokens), "POST", URL)
    assert clock.slept == []


def test_a_token_that_stays_expired_is_an_error(token: str) -> None:
    """The second `ExpiredAuthenticationToken` in one call is raised."""
    with responses.RequestsMock() as azure:
        azure.get(URL, status=401, json=EXPIRED)
        with pytest.raises(AuthenticationFailed):
            rest.get(lambda: token, URL)
        assert len(azure.calls) == 2


def test_a_rejected_token_that_is_a_string_is_final(token: str) -> None:
    """A string cannot be renewed."""
    with responses.RequestsMock() as azure:
        error = {"error": {"code": "ExpiredAuthenticationToken", "message": "No."}}
        azure.get(URL, status=401, json=error)
        with pytest.raises(AuthenticationFailed) as caught:
            rest.get(token, URL)
        assert len(azure.calls) == 1
    assert caught.value.code == "ExpiredAuthenticationToken"


@pytest.mark.parametrize(
    "code",
    ["ExpiredAuthenticationToken", "InvalidAuthenticationToken", "TokenIssuedBeforeRevocation"],
)
def test_any_401_is_sent_again_once_with_a_fresh_token(code: str, token: str) -> None:
    """For any code: a session may have been revoked before the token expires."""
    given: list[str] = []

    def provide() -> str:
        given.append(token + str(len(given)))
        return given[-1]

    with responses.RequestsMock() as azure:
        azure.get(URL, status=401, json={"error": {"code": code, "message": "No."}})
        azure.get(URL, json={"fresh": True})
        assert rest.get(provide, URL) == {"fresh": True}
        sent = [call.request.headers.get("Authorization") for call in azure.calls]
    assert len(given) == 2
    assert sent == [f"Bearer {entry}" for entry in given]


def test_a_second_401_is_final(token: str) -> None:
    """One fresh token is the limit."""
    with responses.RequestsMock() as azure:
        for _ in range(2):
            azure.get(URL, status=401, json={"error": {"code": "Invalid", "message": "No."}})
        with pytest.raises(AuthenticationFailed):
            rest.get(lambda: token, URL)
        assert len(azure.calls) == 2


# --- real sockets ---

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"wire": 42}'


class Wire(socketserver.ThreadingTCPServer):
    """A server on loopback that responds according to a script.

    One entry per request; the last entry repeats.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *script: Callable[[socket.socket], bool], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)
        self.script, self.requests, self.connections, self.hung_up = (
            script,
            [],
            0,
            threading.Event(),
        )
        self._lock = threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.connections += 1
        stream = request.makefile("rb")
        while head := self._read(stream):
            with self._lock:
                self.requests.append(head)
                act = self.script[min(len(self.requests), len(self.script)) - 1]
            if not act(request):
                break
        stream.close()
        request.close()
        self.hung_up.set()

    def _read(self, stream: Any) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + (stream.read(int(length[1])) if length else b"")

    def __enter__(self) -> Wire:
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        ).start()
        return self

    def __exit__(self, *args: object) -> None:
        rest.session.close()  # otherwise the handlers would wait for another request
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def says(answer: bytes, keep: bool = True) -> Callable[[socket.socket], bool]:
    """Send these bytes, then keep the connection or close it."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(answer)
        return keep

    return act


def resets(connection: socket.socket) -> bool:
    """Break the connection in the middle of a response, as a crashed machine does."""
    connection.sendall(OK[:30])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def is_silent(connection: socket.socket) -> bool:
    """Never respond."""
    connection.settimeout(10)
    connection.recv(1)
    return False


@pytest.fixture
def free_port() -> int:
    """A port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_many_requests_share_one_connection(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Consecutive requests of every method open one TCP connection."""
    with Wire(says(OK)) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        for method in METHODS * 5:
            assert rest.send(
                token, method, f"{wire.url}/x", {"a": 1} if method != "GET" else None
            ).json() == {"wire": 42}
        assert len(wire.requests) == 25
        assert wire.connections == 1


def test_rejected_and_failed_requests_share_the_connection(
    token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors and retries need no new handshake."""
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}"
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with Wire(says(busy), says(gone), says(OK)) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        with pytest.raises(AzureError):
            rest.get(token, f"{wire.url}/x")
        assert rest.get(token, f"{wire.url}/x") == {"wire": 42}
        assert (len(wire.requests), wire.connections) == (3, 1)


def test_a_connection_that_azure_closed_while_idle_is_replaced(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A POST after a pause is sent once, on a new connection."""
    with Wire(says(OK, keep=False)) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        rest.get(token, f"{wire.url}/x")
        assert wire.hung_up.wait(5)
        rest.send(token, "POST", f"{wire.url}/x", {})
        assert [head.split()[0] for head in wire.requests] == [b"GET", b"POST"]
        assert wire.connections == 2


def test_a_netrc_file_does_not_replace_the_token(
    token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A netrc entry for the host has no effect on the token or other users of the session."""
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login someone password secret\ndefault login someone password secret\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Wire(says(OK)) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        assert requests.utils.get_netrc_auth(wire.url) == ("someone", "secret")
        rest.get(token, f"{wire.url}/x")
        rest.session.get(f"{wire.url}/x")
        first, second = (head.decode() for head in wire.requests)
    assert re.findall(r"(?i)authorization: (.*)\r", first) == [f"Bearer {token}"]
    assert "authorization" not in second.lower()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_refused_connection_is_retried_for_every_method(
    method: str, token: str, clock: Clock, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every method has five attempts.

    The error has host, method, attempts and cause.
    """
    monkeypatch.setenv("AZURE_RM_ENDPOINT", f"http://127.0.0.1:{free_port}")
    with pytest.raises(requests.ConnectionError) as caught:
        rest.send(token, method, f"http://127.0.0.1:{free_port}/x", {})
    assert str(caught.value).startswith(
        f"No response from 127.0.0.1:{free_port} ({method} /x, 5 attempts): "
    )
    assert "0x" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(clock.slept) == 4


def test_a_post_that_was_not_sent_is_sent_when_the_server_is_up(
    token: str, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again after the pause, and arrives once."""
    started: list[Wire] = []
    monkeypatch.setattr(
        _clock, "sleep", lambda seconds: started.append(Wire(says(OK), port=free_port).__enter__())
    )
    monkeypatch.setenv("AZURE_RM_ENDPOINT", f"http://127.0.0.1:{free_port}")
    try:
        assert rest.send(token, "POST", f"http://127.0.0.1:{free_port}/x", {}).status_code == 200
        assert [len(wire.requests) for wire in started] == [1]
    finally:
        for wire in started:
            wire.__exit__()


TRUNCATED = OK.replace(b"Content-Length: 12", b"Content-Length: 900")
BREAKS = {
    "reset": resets,
    "hung up": says(b"", keep=False),
    "truncated body": says(TRUNCATED, keep=False),
    "truncated chunk": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", keep=False
    ),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", keep=False),
}


@pytest.mark.parametrize("act", BREAKS.values(), ids=BREAKS)
def test_a_truncated_response_is_requested_again(
    act: Callable[[socket.socket], bool], token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GET is repeated; a truncated response never counts as complete."""
    with Wire(act, act, says(OK)) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        assert rest.get(token, f"{wire.url}/x") == {"wire": 42}
        assert len(wire.requests) == 3
    assert len(clock.slept) == 2


@pytest.mark.parametrize("act", BREAKS.values(), ids=BREAKS)
def test_a_post_with_a_truncated_response_is_not_retried(
    act: Callable[[socket.socket], bool], token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure may have received it; the error states one attempt."""
    with Wire(act) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        with pytest.raises(
            _retry.CONNECTION_ERRORS,
            match=r"No response from 127.0.0.1:\d+ \(POST /x, 1 attempt\): .",
        ):
            rest.send(token, "POST", f"{wire.url}/x?secret=1", {})
        assert len(wire.requests) == 1
    assert clock.slept == []


@pytest.mark.parametrize(("method", "tries"), [("GET", 5), ("POST", 1)])
def test_a_silent_server_is_a_timeout(
    method: str, tries: int, token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GET is repeated; a POST is not, since Azure may have received it."""
    monkeypatch.setattr(rest, "TIMEOUT", (5.0, 0.03))
    with Wire(is_silent) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        with pytest.raises(requests.Timeout, match="timed out"):
            rest.send(token, method, f"{wire.url}/x")
        assert len(wire.requests) == tries
    assert len(clock.slept) == tries - 1


def test_an_untrusted_certificate_is_an_error_at_once(
    token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not retried.

    The error has the variable to set, and no request was sent.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    class Secured(Wire):
        def finish_request(self, request: Any, client_address: Any) -> None:
            try:
                super().finish_request(
                    context.wrap_socket(request, server_side=True), client_address
                )
            except OSError:
                request.close()

    with Secured(says(OK)) as wire:
        url = wire.url.replace("http:", "https:")
        monkeypatch.setenv("AZURE_RM_ENDPOINT", url)
        with pytest.raises(
            requests.exceptions.SSLError, match=r"is not trusted: .*REQUESTS_CA_BUNDLE"
        ) as caught:
            rest.get(token, f"{url}/x")
        assert wire.requests == []
    assert clock.slept == []
    assert len(str(caught.value).splitlines()) == 1


# --- no token in errors and logs ---


def answers(azure: responses.RequestsMock, **answer: Any) -> None:
    """Every request gets this response."""
    azure.add("GET", re.compile(".*"), **answer)


SCENES: dict[str, dict[str, Any]] = {
    "refused": {
        "status": 403,
        "json": {"error": {"code": "AuthorizationFailed", "message": "No."}},
    },
    "token refused": {"status": 401, "json": EXPIRED, "headers": {"WWW-Authenticate": "Bearer"}},
    "throttled": {"status": 429, "headers": {"Retry-After": "9"}},
    "throttled for long": {"status": 429, "headers": {"Retry-After": "900"}},
    "server error": {"status": 500, "body": "<html>"},
    "redirect within": {"status": 307, "headers": {"Location": f"{BASE}/other"}},
    "redirect away": {"status": 307, "headers": {"Location": "https://evil.example/"}},
    "no JSON": {"body": "<html>"},
    "no list": {"json": {}},
    "foreign link": {"json": {"value": [], "nextLink": "https://evil.example/"}},
    "circle": {"json": {"value": [], "nextLink": LIST}},
    "broken": {"body": requests.ConnectionError("the line went dead")},
    "silent": {"body": requests.ReadTimeout("timed out")},
    "half": {"body": requests.exceptions.ChunkedEncodingError("half")},
    "odd": {"body": requests.exceptions.ContentDecodingError("odd")},
}


def visible_text(error: BaseException) -> Iterator[bytes]:
    """Return everything that an exception and its causes can show.

    Text, traceback, pickle, request and response.
    """
    behind: BaseException | None = error
    while behind is not None:
        yield repr(behind).encode() + str(behind).encode() + repr(vars(behind)).encode()
        for request in (
            getattr(behind, "request", None),
            getattr(getattr(behind, "response", None), "request", None),
        ):
            yield repr(getattr(request, "headers", None)).encode()
        behind = behind.__cause__ or behind.__context__
    yield "".join(traceback.format_exception(error)).encode()
    yield pickle.dumps(error)


@pytest.mark.parametrize("scene", SCENES)
def test_the_token_is_in_no_error_and_no_log(
    scene: str, token: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """However a request fails, no text, repr, pickle, traceback or log line contains the token."""
    caplog.set_level(logging.DEBUG)
    with responses.RequestsMock() as azure:
        answers(azure, **SCENES[scene])
        with pytest.raises((requests.RequestException, AzureError)) as caught:
            rest.get_list(token, LIST)
    for text in visible_text(caught.value):
        assert token.encode() not in text
    assert token not in caplog.text
    assert caplog.records or scene == "odd"


@pytest.mark.parametrize("act", [*BREAKS.values(), is_silent], ids=[*BREAKS, "silent"])
def test_the_token_is_in_no_error_and_no_log_of_a_broken_connection(
    act: Callable[[socket.socket], bool],
    token: str,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same with real sockets, for which urllib3 has its own log."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(rest, "TIMEOUT", (5.0, 0.03))
    with Wire(act) as wire:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", wire.url)
        with pytest.raises(requests.RequestException) as caught:
            rest.get(token, f"{wire.url}/x")
        assert all(token.encode() in head for head in wire.requests)
    for text in visible_text(caught.value):
        assert token.encode() not in text
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert token not in caplog.text


def test_an_error_can_be_pickled_with_its_response(token: str) -> None:
    """The pickle has the response with body and request, without the token."""
    body = {"error": {"code": "Conflict", "message": "Busy."}}
    with responses.RequestsMock() as azure:
        azure.put(URL, status=409, json=body)
        with pytest.raises(AzureError) as caught:
            rest.send(token, "PUT", URL, {"a": 1})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.response.json() == body
    assert json.loads(copy.response.request.body) == {"a": 1}
    assert copy.response.request.headers["User-Agent"].startswith("azurerm-lite/")
