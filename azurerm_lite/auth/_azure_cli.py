"""The Azure CLI: how `az` is found and run, and tokens of whoever is signed in there."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import datetime
from typing import Any

from .._text import one_line
from ..errors import AuthenticationFailed
from ._error_advice import masked
from ._provider import Provider

TIMEOUT = 60.0
"""Seconds that `az` may take."""
_UNKNOWN_END = 360.0
"""Seconds that a token is held for good when `az` does not say: it is asked for anew after a
minute."""


class ByCli(Provider):
    """Tokens of the Azure CLI; kept, as asking `az` takes a second."""

    way = "Azure CLI"

    def __init__(self, tenant_id: str | None = None, subscription: str | None = None) -> None:
        super().__init__(tenant_id=tenant_id, subscription=subscription)
        self._options = [
            each
            for option, value in (("--tenant", tenant_id), ("--subscription", subscription))
            if value is not None
            for each in (option, value)
        ]

    def _ask(self) -> tuple[str, float]:
        answer = run_az("accessToken", "account", "get-access-token", *self._options)
        return str(answer["accessToken"]), _end(answer)


def _end(answer: dict[str, Any]) -> float:
    """Return when a token of the CLI ends.

    Older versions give only `expiresOn`, local time without a zone.
    """
    ends = answer.get("expires_on")
    if isinstance(ends, int | float) and not isinstance(ends, bool):
        return float(ends)
    try:
        return datetime.fromisoformat(answer["expiresOn"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return time.time() + _UNKNOWN_END


def run_az(wanted: str, *arguments: str) -> dict[str, Any]:
    """Return the JSON that an `az` command prints; `az` is run without a shell.

    Args:
        wanted: A key that must be in it.
        arguments: The command.

    Returns:
        The object that was printed.

    Raises:
        ValueError: An argument cannot be given to `az` on Windows.
        AuthenticationFailed: `az` is missing, fails, or prints something else.
    """
    done = _run(_found(), [*arguments, "--output", "json"])
    if done.returncode != 0:
        told = masked(" ".join(done.stderr.split())) or f"exit status {done.returncode}"
        advice = " Run 'az login'." if "az login" not in told else ""
        raise AuthenticationFailed(
            f"az {' '.join(arguments)} failed: {told}{advice}", code="CliFailed"
        )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or wanted not in answer:
        raise AuthenticationFailed(
            f"az {' '.join(arguments)} printed something unexpected", code="CliFailed"
        )
    return answer


def _found() -> str:
    """Return the path of `az`; one in the current folder is not used."""
    az = shutil.which("az")  # az.cmd on Windows
    if az is None or not os.path.isabs(az):  # noqa: PTH117 - a string is what subprocess wants
        raise AuthenticationFailed(
            "The Azure CLI (az) is not on PATH: install it and run 'az login', or sign in with a"
            " service principal.",
            code="CliNotFound",
        )
    return az


def _run(az: str, arguments: list[str]) -> Any:
    import subprocess  # few need it, and everybody would pay

    # Windows gives a .cmd to its shell, whatever Python does: what that would read as its own is
    # refused.
    if az.lower().endswith((".cmd", ".bat")) and (
        odd := re.search(r'["%&|<>^!\r\n]', " ".join(arguments))
    ):
        raise ValueError(f"az.cmd cannot be given a name with {odd.group()!r} in it: give the id")
    try:
        return subprocess.run(  # noqa: S603 - az itself, with arguments of ours
            [az, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"az could not be run: {one_line(error)}"
    raise AuthenticationFailed(message, code="CliFailed")
