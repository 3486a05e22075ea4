"""Subscriptions, their locations and resource groups."""

from __future__ import annotations

from . import _shapes, rest, settings
from .types import Location, ResourceGroup, Subscription, Token


def list_subscriptions(access_token: Token) -> list[Subscription]:
    """Return the subscriptions that the token can see.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.

    Returns:
        A list of subscriptions, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Subscriptions - List.
    """
    url = rest.url("/subscriptions", {}, settings.SUBSCRIPTIONS_API)
    return rest.get_objects(access_token, url, _shapes.SUBSCRIPTION)


def list_locations(access_token: Token, subscription_id: str) -> list[Location]:
    """Return the regions that a subscription can use.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.

    Returns:
        A list of locations; `name` is the `location` argument of other functions.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Subscriptions - List Locations.
    """
    path = "/subscriptions/{subscription_id}/locations"
    url = rest.url(path, {"subscription_id": subscription_id}, settings.SUBSCRIPTIONS_API)
    return rest.get_objects(access_token, url, _shapes.LOCATION)


def list_resource_groups(access_token: Token, subscription_id: str) -> list[ResourceGroup]:
    """Return the resource groups of a subscription.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.

    Returns:
        A list of resource groups, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Resource Groups - List.
    """
    path = "/subscriptions/{subscription_id}/resourcegroups"
    url = rest.url(path, {"subscription_id": subscription_id}, settings.RESOURCES_API)
    return rest.get_objects(access_token, url, _shapes.RESOURCE_GROUP)
