"""The Azure CLI: find and run `az`, and get tokens of the account that is signed in there."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import datetime
from typing import Any

from typing_extensions import override

from .. import settings
from .._text import collapse, one_line
from ..errors import AuthenticationFailed
from ._error_advice import mask_secrets
from ._provider import Provider, audience_of

TIMEOUT = 60.0
"""Seconds to wait for `az`."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SIGN_IN_CODE = re.compile(r"\bAADSTS\d+")
_ASSUMED_LIFETIME = 360.0
"""Seconds for which a token without an expiry counts as valid; it is renewed after a minute."""


class CliProvider(Provider):
    """Tokens of the Azure CLI; they are cached, since running `az` takes a second."""

    method = "Azure CLI"

    def __init__(self, tenant_id: str | None = None, subscription: str | None = None) -> None:
        super().__init__(tenant_id=tenant_id, subscription=subscription)
        self._options: list[str] = []
        if tenant_id is not None:
            self._options += ["--tenant", tenant_id]
        if subscription is not None:
            self._options += ["--subscription", subscription]

    @override
    def _request_token(self) -> tuple[str, float]:
        output = run_az("accessToken", "account", "get-access-token", *self._options)
        token = str(output["accessToken"])
        _check_cloud(token)
        return token, _expiry(output)


def _check_cloud(token: str) -> None:
    """Raise if a token is for another cloud than the configured one, before it is sent."""
    configured = settings.cloud()
    if configured not in settings.CLOUDS:
        return
    audience = settings.host_of(audience_of(token))
    own = {settings.host_of(configured.resource), settings.host_of(configured.resource_manager)}
    others = {
        settings.host_of(url)
        for cloud in settings.CLOUDS
        for url in (cloud.resource, cloud.resource_manager)
    }
    if audience in others - own:
        raise AuthenticationFailed(
            f"The Azure CLI returned a token for {audience}, but the configured resource manager is"
            f" {configured.resource_manager}: run 'az cloud set --name ...' and 'az login', or"
            " change AZURE_RM_ENDPOINT.",
            code="CliFailed",
        )


def _expiry(output: dict[str, Any]) -> float:
    """Return when a token of the CLI expires, as of `time.time`.

    Older versions print only `expiresOn`, in local time without a time zone.
    """
    expires_on = output.get("expires_on")
    if isinstance(expires_on, str) and expires_on.isdecimal():
        return float(expires_on)
    if isinstance(expires_on, int | float) and not isinstance(expires_on, bool):
        return float(expires_on)
    try:
        return datetime.fromisoformat(output["expiresOn"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return time.time() + _ASSUMED_LIFETIME


def run_az(required_key: str, *arguments: str) -> dict[str, Any]:
    """Run an `az` command without a shell, and return the JSON that it prints.

    Args:
        required_key: A key that the JSON must have.
        arguments: The command, without `az`.

    Returns:
        A dict: the printed object.

    Raises:
        ValueError: An argument cannot be passed to `az` on Windows.
        AuthenticationFailed: `az` is missing, fails, or does not print such JSON.
    """
    done = _run(_find_az(), [*arguments, "--output", "json"])
    if done.returncode != 0:
        stderr = collapse(_ANSI.sub("", done.stderr))
        reason = mask_secrets(stderr) or f"exit status {done.returncode}"
        # az has no error codes, but a code of the sign-in means that signing in again helps.
        needs_login = _SIGN_IN_CODE.search(stderr) is not None
        advice = " Run 'az login'." if needs_login and "az login" not in stderr else ""
        raise AuthenticationFailed(
            f"az {' '.join(arguments)} failed: {reason}{advice}", code="CliFailed"
        )
    output = _parse_output(done.stdout)
    if required_key not in output:
        raise AuthenticationFailed(
            f"az {' '.join(arguments)} printed no JSON object with {required_key!r}",
            code="CliFailed",
        )
    return output


def _parse_output(text: str) -> dict[str, Any]:
    """Return the JSON object in the output of `az`; empty if there is none.

    Extensions and wrappers of `az` add lines before it, colours around it, or a byte order mark.
    """
    plain = _ANSI.sub("", text).lstrip("\ufeff")
    start = plain.find("{")
    if start < 0:
        return {}
    try:
        output, _ = json.JSONDecoder().raw_decode(plain[start:])
    except ValueError:
        return {}
    return output if isinstance(output, dict) else {}


def _find_az() -> str:
    """Return the path of `az`; ignore an `az` in the current folder."""
    az = shutil.which("az")  # az.cmd on Windows
    if az is None or not os.path.isabs(az):  # noqa: PTH117 - subprocess needs a string
        raise AuthenticationFailed(
            "The Azure CLI (az) is not on PATH: install it and run 'az login', or sign in with a"
            " service principal.",
            code="CliNotFound",
        )
    return az


def _run(az: str, arguments: list[str]) -> Any:
    import subprocess  # imported here because it is slow to import and rarely needed

    # Windows always runs a .cmd in its shell, so the shell's special characters are rejected.
    if az.lower().endswith((".cmd", ".bat")):
        special = re.search(r'["%&|<>^!\r\n]', " ".join(arguments))
        if special:
            raise ValueError(
                f"az.cmd does not accept a name that contains {special.group()!r}: pass the id"
            )
    try:
        return subprocess.run(  # noqa: S603 - az with checked arguments
            [az, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            env={**os.environ, "AZURE_CORE_NO_COLOR": "true"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"az could not be run: {one_line(error)}"
    raise AuthenticationFailed(message, code="CliFailed")
