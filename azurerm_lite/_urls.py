"""Resource-manager URLs, and the check that the token goes to no other host."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from urllib3.util import parse_url

from . import settings
from .errors import AzureError


def build_url(
    path: str,
    names: Mapping[str, str],
    api_version: str,
    query: Mapping[str, str | int | None] | None = None,
) -> str:
    """Return a resource-manager URL.

    Args:
        path: The path with a `{name}` for each name, such as `/subscriptions/{subscription_id}`.
        names: What to put in for each name; each stays within its segment of the path.
        api_version: The API version.
        query: Further query parameters; those that are `None` are left out.

    Returns:
        The URL at the configured endpoint.

    Raises:
        ValueError: A name is no string, is empty or cannot be one; nothing was sent.
    """
    quoted = {argument: _segment(argument, name) for argument, name in names.items()}
    given = {name: value for name, value in (query or {}).items() if value is not None}
    parameters = urlencode({**given, "api-version": api_version}, quote_via=quote, safe="$,/'()")
    return f"{settings.cloud().resource_manager}{path.format_map(quoted)}?{parameters}"


def _segment(argument: str, name: str) -> str:
    if (
        not isinstance(name, str)
        or not name.strip()
        or name in (".", "..")
        or not name.isprintable()
    ):
        raise ValueError(f"{argument} must be a name, not {name!r}")
    return quote(name, safe="")


def check_origin(url: str) -> None:
    """Refuse to send a token in plain text, or anywhere but to the configured endpoint."""
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
            f"AZURE_RM_ENDPOINT must be https, not {endpoint!r}: the token would be readable on the"
            " way"
        )


@functools.lru_cache(maxsize=256)
def _origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port as requests reads them; nothing if parsers differ on the URL."""
    try:
        parts, seen = parse_url(url), urlsplit(url)
        host = (parts.host or "").strip("[]")
        # No link of Azure's has a user in it, and where one ends is what parsers differ on.
        agreed = parts.auth is None and seen.username is None and (seen.hostname or "") == host
    except ValueError:
        agreed = False
    if not agreed:
        return "", "", None
    scheme = parts.scheme or ""
    return scheme, host, parts.port or {"https": 443, "http": 80}.get(scheme)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
