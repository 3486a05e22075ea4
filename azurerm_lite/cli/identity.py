"""Identity and expiry of a token, from its claims. The token itself is never printed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_PERSON_CLAIMS = ("upn", "preferred_username", "unique_name")


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying them. Azure verifies them.

    Args:
        token: A bearer token.

    Returns:
        A dict of claims; empty if the token is not a JSON Web Token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def describe_identity(claims: dict[str, Any]) -> str:
    """Return the identity in claims: person, application, managed identity, tenant."""
    person = next((claims[name] for name in _PERSON_CLAIMS if claims.get(name)), None)
    application = claims.get("appid") or claims.get("azp")
    parts = []
    if person:
        parts.append(str(person))
    if application:
        parts.append(f"{'through ' if person else ''}application {application}")
    if claims.get("xms_mirid"):
        parts.append(f"managed identity {claims['xms_mirid']}")
    if claims.get("tid"):
        parts.append(f"tenant {claims['tid']}")
    return ", ".join(parts) or "unknown (the token has no identity claims)"


def describe_expiry(claims: dict[str, Any]) -> str:
    """Return the time at which the token expires."""
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int | float):
        return "unknown (the token has no expiry claim)"
    stamp = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    minutes = (expires_at - time.time()) / 60
    return f"{stamp} ({minutes:.0f} minutes from now); renewed automatically before that"


def identity_of(access_token: Callable[[], str]) -> str:
    """Return the identity that a token provider signs in as."""
    return describe_identity(read_claims(access_token()))
