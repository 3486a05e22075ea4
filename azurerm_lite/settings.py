"""The endpoints of each cloud, configured by the environment, and the API versions."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple
from urllib.parse import urlsplit

VERSION = "0.1.0"

# 2023-09-01 is the first Compute version with etag and If-Match. Without them a PUT could undo
# someone else's change.
COMPUTE_API = "2024-11-01"
GALLERY_API = "2024-03-03"
# Microsoft.Network lists the network interfaces and public IPs of a scale set only at this version.
NETWORK_API = "2018-10-01"
RESOURCES_API = "2021-04-01"
SUBSCRIPTIONS_API = "2022-12-01"
GRAPH_API = "2024-04-01"
INSIGHTS_API = "2022-10-01"


class Cloud(NamedTuple):
    """The three endpoints of an Azure cloud; only the resource has a trailing slash."""

    resource_manager: str
    authority: str
    resource: str


PUBLIC = Cloud(
    "https://management.azure.com",
    "https://login.microsoftonline.com",
    "https://management.core.windows.net/",
)
CHINA = Cloud(
    "https://management.chinacloudapi.cn",
    "https://login.chinacloudapi.cn",
    "https://management.core.chinacloudapi.cn/",
)
US_GOVERNMENT = Cloud(
    "https://management.usgovcloudapi.net",
    "https://login.microsoftonline.us",
    "https://management.core.usgovcloudapi.net/",
)
CLOUDS = (PUBLIC, CHINA, US_GOVERNMENT)

_VARIABLES = (
    "AZURE_RM_ENDPOINT",
    "AZURE_AUTH_ENDPOINT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_RESOURCE_ENDPOINT",
)


def cloud() -> Cloud:
    """Return the endpoints that the environment configures now.

    `AZURE_RM_ENDPOINT`, `AZURE_AUTH_ENDPOINT` (or `AZURE_AUTHORITY_HOST`, the name that other Azure
    tools use) and `AZURE_RESOURCE_ENDPOINT` each replace one endpoint. If one of them belongs to a
    known cloud (public, China, US Government), the others default to that cloud's.

    Returns:
        A `Cloud`, the three endpoints.

    Raises:
        ValueError: A variable is not an http or https URL.
    """
    return _cloud(*(os.environ.get(variable, "").strip() for variable in _VARIABLES))


@functools.lru_cache(maxsize=64)  # called twice per request, with values that rarely change
def _cloud(*values: str) -> Cloud:
    """Return the endpoints for these values of the variables."""
    configured = dict(zip(_VARIABLES, values, strict=True))
    resource_manager = _endpoint("AZURE_RM_ENDPOINT", configured)
    authority = _endpoint("AZURE_AUTH_ENDPOINT", configured) or _endpoint(
        "AZURE_AUTHORITY_HOST", configured
    )
    resource = configured["AZURE_RESOURCE_ENDPOINT"]
    endpoints = (resource_manager, authority, resource)
    base = _known_cloud({endpoint.rstrip("/") for endpoint in endpoints if endpoint})
    return Cloud(
        resource_manager or base.resource_manager,
        authority or base.authority,
        resource or base.resource,
    )


def _known_cloud(endpoints: set[str]) -> Cloud:
    """Return the first cloud with one of these endpoints; the public cloud by default."""
    for known in CLOUDS:
        if any(endpoint.rstrip("/") in endpoints for endpoint in known):
            return known
    return PUBLIC


def is_published(authority: str) -> bool:
    """Return whether Microsoft publishes this authority, so that MSAL can use discovery."""
    return any(authority == known.authority for known in CLOUDS)


def _endpoint(variable: str, values: dict[str, str]) -> str | None:
    """Return an endpoint from the environment with a scheme and without a trailing slash."""
    value = values[variable]
    if not value:
        return None
    if "://" not in value:
        value = "https://" + value  # AZURE_AUTHORITY_HOST is often a bare host name
    if not _is_endpoint(value):
        raise ValueError(
            f"{variable} must be a URL such as https://management.azure.com, not {value!r}"
        )
    return value.rstrip("/")


def _is_endpoint(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_more = bool(parts.query or parts.fragment or parts.port == 0)
    except ValueError:  # a port that is not a number, a bracket left open
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and not has_more


def host_of(url: str) -> str:
    """Return the host of a URL in lower case.

    Args:
        url: A URL, or `""`.

    Returns:
        The host name; `""` if the URL has none.
    """
    return (urlsplit(url).hostname or "").lower()
