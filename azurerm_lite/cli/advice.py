"""Advice about errors, by the type of the error and by Azure's error code."""

from __future__ import annotations

import azurerm_lite as az

_BY_CODE = {
    "AuthorizationFailed": "Request a role that allows this action on the scale set, such as"
    " Virtual Machine Contributor.",
    "ExpiredAuthenticationToken": "Sign in again.",
    "GalleryImageNotFound": "Check --imageid.",
    "InvalidSubscriptionId": "Check --subscription.",
    "PlatformImageNotFound": "Check --newversion and --sku.",
    "ResourceGroupNotFound": "Check --resourcegroup.",
    "ResourceNotFound": "Check --vmssname and --resourcegroup.",
    "SubscriptionNotFound": "Check --subscription. Run azurerm-lite login to see which identity"
    " needs access to it.",
}


def advice(error: BaseException) -> str:
    """Return what to do about an error.

    Args:
        error: The exception that ended the command.

    Returns:
        A sentence; empty if there is no advice for this error.
    """
    if isinstance(error, az.AzureError):
        return _BY_CODE.get(error.code, "")
    import requests

    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "Check the network connection, and HTTPS_PROXY if you use a proxy."
    return ""


def with_advice(error: BaseException) -> str:
    """Return the message of an error, followed by the advice about it."""
    more = advice(error)
    text = str(error) or type(error).__name__
    return f"{text.rstrip('.')}. {more}" if more else text
