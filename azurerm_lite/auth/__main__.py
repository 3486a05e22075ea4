"""Print which authentication method `token_provider()` finds, for whom, and until when."""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ._environment import detect_method

_PERSON_CLAIMS = ("upn", "preferred_username", "unique_name")


def main(arguments: Sequence[str] | None = None) -> int:
    """Sign in and print the result; the token is not shown.

    Args:
        arguments: Those of the command line; `None` for the program's own.

    Returns:
        The exit status: 0 for a token, 1 for none.
    """
    argparse.ArgumentParser(prog="python -m azurerm_lite.auth", description=__doc__).parse_args(
        arguments
    )
    try:
        provider = detect_method()
        claims = read_claims(provider())
    except (ValueError, OSError) as error:  # Azure's errors and the network's are OSErrors
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"way    {provider.method}, found by {provider.detected_from}")
    for method in provider.skipped:
        print(f"not    {method}")
    print(f"for    {_describe_identity(claims)}")
    print(f"until  {_describe_expiry(claims)}")
    return 0


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token, unverified: the resource manager verifies them.

    Args:
        token: A token, of which nothing else is shown.

    Returns:
        A dict of its claims; empty if it is not a JSON Web Token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _describe_identity(claims: dict[str, Any]) -> str:
    person = next((claims[name] for name in _PERSON_CLAIMS if claims.get(name)), None)
    application = claims.get("appid") or claims.get("azp")
    identity = claims.get("xms_mirid")
    tenant = claims.get("tid")
    parts = []
    if person:
        parts.append(str(person))
    if application:
        parts.append(f"{'by way of ' if person else ''}application {application}")
    if identity:
        parts.append(f"managed identity {identity}")
    if tenant:
        parts.append(f"tenant {tenant}")
    return ", ".join(parts) or "whom, the token does not say"


def _describe_expiry(claims: dict[str, Any]) -> str:
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int | float):
        return "when, the token does not say"
    stamp = datetime.fromtimestamp(expires_at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    minutes = (expires_at - time.time()) / 60
    return f"{stamp} ({minutes:.0f} minutes from now); it is renewed ahead of that"


if __name__ == "__main__":
    sys.exit(main())
