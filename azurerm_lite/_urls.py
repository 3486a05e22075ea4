"""Resource Manager URLs, and the check that no other host receives the token."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from urllib3.util import parse_url

from . import settings
from ._arguments import check_mapping, check_text
from .errors import AzureError

_DEFAULT_PORTS = {"https": 443, "http": 80}


def build_url(
    path: str,
    names: Mapping[str, str],
    api_version: str,
    query: Mapping[str, str | int | None] | None = None,
) -> str:
    """Return a Resource Manager URL.

    Args:
        path: The path with a `{name}` for every name, such as `/subscriptions/{subscription_id}`.
        names: The values of the names; each is quoted as one segment of the path.
        api_version: The API version, such as `2024-11-01`.
        query: More query parameters; those that are `None` are omitted.

    Returns:
        A string: the URL at the configured endpoint.

    Raises:
        ValueError: A name is not a string, is empty or cannot be a path segment.
    """
    check_text("path", path)
    check_mapping("names", names)
    if query is not None:
        check_mapping("query", query)
    check_text("api_version", api_version)
    segments = {argument: _quote_segment(argument, name) for argument, name in names.items()}
    parameters = {name: value for name, value in (query or {}).items() if value is not None}
    parameters["api-version"] = api_version
    query_text = urlencode(parameters, quote_via=quote, safe="$,/'()")
    return f"{settings.cloud().resource_manager}{path.format_map(segments)}?{query_text}"


def _quote_segment(argument: str, name: str) -> str:
    """Return a name quoted for a path; raise if it cannot be a path segment."""
    is_text = isinstance(name, str) and name.isprintable() and bool(name.strip())
    if not is_text or name in (".", ".."):
        raise ValueError(f"{argument} must be a name, not {name!r}")
    return quote(name, safe="")


def check_origin(url: str) -> None:
    """Check that a URL is at the configured endpoint, and that the token is sent encrypted.

    Args:
        url: The URL of a request, such as a link from Azure.

    Raises:
        AzureError: It has another scheme, host or port (`ForeignLink`).
        ValueError: The endpoint is plain http, and not on loopback.
    """
    endpoint = settings.cloud().resource_manager
    origin = _origin(endpoint)
    if _origin(url) != origin:
        raise AzureError(
            f"A link points to {url.partition('?')[0]!r}, not to {endpoint}: the token is not sent"
            " there",
            code="ForeignLink",
        )
    if origin[0] != "https" and not _is_loopback(origin[1]):
        raise ValueError(
            f"AZURE_RM_ENDPOINT must be https, not {endpoint!r}: the token would be sent in plain"
            " text"
        )


@functools.lru_cache(maxsize=256)
def _origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port as requests parses them; empty if parsers disagree."""
    try:
        by_urllib3 = parse_url(url)
        by_standard_library = urlsplit(url)
        host = (by_urllib3.host or "").strip("[]")
        is_same_host = (by_standard_library.hostname or "") == host
        # Azure's links have no user part; parsers disagree on where one ends.
        has_user = by_urllib3.auth is not None or by_standard_library.username is not None
    except ValueError:
        return "", "", None
    if has_user or not is_same_host:
        return "", "", None
    scheme = by_urllib3.scheme or ""
    return scheme, host, by_urllib3.port or _DEFAULT_PORTS.get(scheme)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
