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

from ._environment import find

_PEOPLE = ("upn", "preferred_username", "unique_name")


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
        provider = find()
        claims = claims_of(provider())
    except (ValueError, OSError) as error:  # Azure's errors and the network's are OSErrors
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"way    {provider.way}, found by {provider.found}")
    for closed in provider.passed_over:
        print(f"not    {closed}")
    print(f"for    {_whom(claims)}")
    print(f"until  {_until(claims)}")
    return 0


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token, unverified: the resource manager verifies them.

    Args:
        token: A token, of which nothing else is shown.

    Returns:
        Its claims; empty where it is no JSON Web Token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _whom(claims: dict[str, Any]) -> str:
    person = next((claims[name] for name in _PEOPLE if claims.get(name)), None)
    application = claims.get("appid") or claims.get("azp")
    identity = claims.get("xms_mirid")
    named = [
        str(person or ""),
        f"{'by way of ' if person else ''}application {application}" if application else "",
        f"managed identity {identity}" if identity else "",
        f"tenant {claims['tid']}" if claims.get("tid") else "",
    ]
    return ", ".join(filter(None, named)) or "whom, the token does not say"


def _until(claims: dict[str, Any]) -> str:
    ends = claims.get("exp")
    if not isinstance(ends, int | float):
        return "when, the token does not say"
    stamp = datetime.fromtimestamp(ends, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{stamp} ({(ends - time.time()) / 60:.0f} minutes from now); it is renewed ahead of that"
    )


if __name__ == "__main__":
    sys.exit(main())
