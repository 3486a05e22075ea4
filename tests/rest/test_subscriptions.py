"""Subscriptions, locations and resource groups: requests and results."""

from __future__ import annotations

import pytest
from support.clock import Clock
from support.names import BASE, SUB
from support.wrappers import (
    Wrapper,
    assert_pages_are_followed,
    assert_sent_as_written,
    azure,
    for_each_wrapper,
)

import azurerm_lite as az


@for_each_wrapper("subscriptions")
def test_each_function_sends_the_request_of_the_reference(
    row: Wrapper, token: str, clock: Clock
) -> None:
    """Method, path, query, headers and result are those of the REST reference."""
    assert_sent_as_written(row, token)


@for_each_wrapper("subscriptions")
def test_each_list_follows_its_pages(row: Wrapper, token: str, clock: Clock) -> None:
    """The result has the entries of all pages in order, with an empty page in between."""
    assert_pages_are_followed(row, token)


def test_a_missing_subscription_is_not_found(token: str, clock: Clock) -> None:
    """A 404 is `NotFound` with Azure's code, message and request id, and the request."""
    error = {
        "error": {
            "code": "SubscriptionNotFound",
            "message": f"The subscription '{SUB}' could not be found.",
        }
    }
    with azure() as wire:
        wire.get(
            f"{BASE}/subscriptions/{SUB}/resourcegroups",
            status=404,
            json=error,
            headers={"x-ms-request-id": "req-1"},
        )
        with pytest.raises(az.NotFound) as caught:
            az.list_resource_groups(token, SUB)
    assert caught.value.code == "SubscriptionNotFound"
    assert str(caught.value) == (
        f"The subscription '{SUB}' could not be found. "
        f"(SubscriptionNotFound, HTTP 404, request req-1, GET /subscriptions/{SUB}/resourcegroups)"
    )


def test_a_callable_token_is_called_for_each_page(clock: Clock) -> None:
    """A long list may outlive a token."""
    tokens = iter(["first", "second"])
    with azure() as wire:
        link = f"{BASE}/subscriptions?page=2"
        wire.get(
            f"{BASE}/subscriptions?api-version=2022-12-01",
            json={"value": [{"subscriptionId": "a"}], "nextLink": link},
        )
        wire.get(link, json={"value": [{"subscriptionId": "b"}]})
        found = az.list_subscriptions(lambda: next(tokens))
        assert found == [{"subscriptionId": "a"}, {"subscriptionId": "b"}]
        sent = [call.request.headers["Authorization"] for call in wire.calls]
    assert sent == ["Bearer first", "Bearer second"]
