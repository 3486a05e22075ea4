"""URLs: names stay in their path segments, and only the endpoint receives the token."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from support.names import BASE

from azurerm_lite import rest
from azurerm_lite._urls import build_url, check_origin
from azurerm_lite.errors import AzureError

PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), min_size=1
)
NAMES = PRINTABLE.filter(lambda name: name.strip() and name not in (".", ".."))


@given(name=NAMES)
@example("a/../../b?x=y#z")
@example("...")
@example("%2e%2e")
@example("ä ö")
def test_a_name_stays_in_its_segment(name: str) -> None:
    """Any printable name is one segment of the path that is sent, and can be decoded."""
    url = build_url(
        "/subscriptions/{subscription_id}/resourcegroups", {"subscription_id": name}, "2021-04-01"
    )
    sent = str(requests.Request("GET", url).prepare().url)
    assert sent.startswith(BASE + "/")
    segments = urlsplit(sent).path.split("/")
    assert segments[:2] == ["", "subscriptions"]
    assert [unquote(segment) for segment in segments[2:]] == [name, "resourcegroups"]
    assert parse_qsl(urlsplit(sent).query) == [("api-version", "2021-04-01")]


@given(value=PRINTABLE, top=st.none() | st.integers())
@example("a&api-version=1#x", None)
@example("properties/latestModelApplied eq true", 1)
def test_a_query_value_stays_in_its_parameter(value: str, top: int | None) -> None:
    """Any printable value can be decoded; `None` is omitted."""
    url = build_url("/x", {}, "2024-11-01", {"$filter": value, "$top": top})
    expected = {"$filter": value, "api-version": "2024-11-01"} | (
        {} if top is None else {"$top": str(top)}
    )
    assert (
        dict(parse_qsl(urlsplit(str(requests.Request("GET", url).prepare().url)).query)) == expected
    )


@pytest.mark.parametrize(
    "name", [".", "..", "", " ", "\t", "a\nb", "a\0b", "\x7f", "\ud800", None, 7, b"x", ["x"]]
)
def test_a_value_that_cannot_be_a_segment_is_a_value_error_with_the_argument(name: Any) -> None:
    """It would leave or break its segment."""
    with pytest.raises(ValueError, match="resource_group must be a name"):
        build_url("/r/{resource_group}", {"resource_group": name}, "2021-04-01")


@given(name=st.text())
def test_any_text_is_one_segment_or_a_value_error(name: str) -> None:
    """No text changes the number of segments of a URL."""
    try:
        path = urlsplit(build_url("/r/{name}/s", {"name": name}, "1")).path
    except ValueError as error:
        path = str(error)
    assert path.startswith("name must be a name") or path.split("/")[1::2] == ["r", "s"]


def test_a_url_starts_with_the_configured_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Including the path of the endpoint."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://127.0.0.1:8443/base/")
    assert build_url("/x", {}, "1") == "https://127.0.0.1:8443/base/x?api-version=1"


def test_rest_url_is_build_url() -> None:
    """The public name is the same function."""
    assert rest.url is build_url


@pytest.mark.parametrize("url", [f"{BASE}/x", f"{BASE}:443/x", "HTTPS://Management.Azure.com/x"])
def test_the_configured_endpoint_is_accepted(url: str) -> None:
    """Letter case and the default port make no difference."""
    check_origin(url)


@pytest.mark.parametrize(
    "url", ["https://evil.example/", f"{BASE}:8443/", "http://management.azure.com/", "x", ""]
)
def test_another_origin_is_an_error(url: str) -> None:
    """Another scheme, host or port is rejected; tests/rest/test_rest.py has hostile spellings."""
    with pytest.raises(AzureError, match="the token is not sent there") as caught:
        check_origin(url)
    assert caught.value.code == "ForeignLink"


def test_plain_http_is_accepted_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox needs no TLS; elsewhere the token would be sent unencrypted."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "http://127.0.0.1:8443")
    check_origin("http://127.0.0.1:8443/x")
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "http://rm.example")
    with pytest.raises(ValueError, match="AZURE_RM_ENDPOINT must be https"):
        check_origin("http://rm.example/x")
