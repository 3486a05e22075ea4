"""What to do about an error, by its type and by Azure's code."""

from __future__ import annotations

import azurerm_lite as az

_BY_CODE = {
    "AuthorizationFailed": "Ask for a role that has this action on the scale set, such as"
    " Virtual Machine Contributor.",
    "ExpiredAuthenticationToken": "Sign in again.",
    "GalleryImageNotFound": "Check --imageid.",
    "InvalidSubscriptionId": "Check --subscription.",
    "PlatformImageNotFound": "Check --newversion and --sku.",
    "ResourceGroupNotFound": "Check --resourcegroup.",
    "ResourceNotFound": "Check --vmssname.",
    "SubscriptionNotFound": "Check --subscription, and that this sign-in may see it:"
    " azurerm-lite login.",
}


def advice(error: BaseException) -> str:
    """Return what to do about an error.

    Args:
        error: What ended the command.

    Returns:
        A sentence; empty if there is nothing to add to the error's own message.
    """
    if isinstance(error, az.AzureError):
        return _BY_CODE.get(error.code, "")
    import requests

    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "Check the network, and HTTPS_PROXY if there is a proxy."
    return ""


def with_advice(error: BaseException) -> str:
    """Return an error with what to do about it."""
    more = advice(error)
    text = str(error) or type(error).__name__
    return f"{text.rstrip('.')}. {more}" if more else text
