"""Tokens: from MSAL for a service principal, from the Azure CLI for whoever is signed in there."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from . import rest, settings
from .errors import AuthenticationFailed, one_line

_CLI_TIMEOUT = 60.0
_RENEW_AHEAD = 300.0
"""Seconds before its end at which a token of the CLI is asked for anew; MSAL does the same with its own."""

# What to do about the refusals that people meet, by the number that Microsoft's sign-in gives them.
_ADVICE = {
    "AADSTS90002": "Check the tenant id: there is no such tenant in this cloud.",
    "AADSTS900023": "Check the tenant id: it is neither an id nor a domain name.",
    "AADSTS700016": "Check the application id, and that the application is registered in this tenant.",
    "AADSTS7000215": "Check the application secret: give its value, not its id.",
    "AADSTS7000222": "The application secret has expired: make a new one.",
}


def get_access_token(tenant_id: str, application_id: str, application_secret: str) -> str:
    """A token for a service principal, good for about an hour.

    Args:
        tenant_id: Tenant (directory) id or domain name.
        application_id: Application (client) id.
        application_secret: The application's secret: its value, not its id.

    Returns:
        The bearer token. For longer work use `token_provider`, which renews it.

    Raises:
        ValueError: An argument is empty; nothing was sent.
        AuthenticationFailed: Microsoft's sign-in refused, with what to do about it.
        requests.ConnectionError, requests.Timeout: The sign-in did not answer.

    Azure: Microsoft identity platform - client credentials flow, by MSAL.
    """
    return token_provider(tenant_id, application_id, application_secret)()


def get_access_token_from_cli() -> str:
    """A token of whoever is signed in to the Azure CLI (`az login`).

    Returns:
        The bearer token. For longer work use `token_provider`, which renews it.

    Raises:
        AuthenticationFailed: `az` is missing, signed out, or fails; its own words are told.

    Azure: `az account get-access-token`.
    """
    return str(_az("accessToken", "account", "get-access-token")["accessToken"])


def get_subscription_from_cli(name: str | None = None) -> str:
    """The id of a subscription that the Azure CLI knows.

    Args:
        name: Name or id of the subscription; `None` for the CLI's current one.

    Returns:
        The subscription id.

    Raises:
        ValueError: `name` is empty.
        AuthenticationFailed: `az` is missing, signed out, or knows no such subscription.

    Azure: `az account show`.
    """
    if name is None:
        return str(_az("id", "account", "show")["id"])
    return str(_az("id", "account", "show", "--subscription", _given("name", name))["id"])


def token_provider(
    tenant_id: str | None = None, application_id: str | None = None, application_secret: str | None = None
) -> Callable[[], str]:
    """A callable that returns a good token each time, renewed ahead of its end: for work that outlives one token.

    Without arguments it takes the service principal from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
    `AZURE_CLIENT_SECRET` where all three are set, else whoever is signed in to the Azure CLI.

    Args:
        tenant_id: Tenant (directory) id or domain name.
        application_id: Application (client) id.
        application_secret: The application's secret.

    Returns:
        A zero-argument callable, safe to share between threads; give it as `access_token`.

    Raises:
        ValueError: Only some of the three are given, or one is empty; nothing was sent.

    Azure: Microsoft identity platform - client credentials flow, by MSAL; or `az account get-access-token`.
    """
    given = (tenant_id, application_id, application_secret)
    if given == (None, None, None):
        found = [os.environ.get(name) for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")]
        if not all(found):
            return _CliTokens()
        given = (found[0], found[1], found[2])
    names = ("tenant_id", "application_id", "application_secret")
    return _ServicePrincipal(*(_given(name, value) for name, value in zip(names, given, strict=True)))


def _given(argument: str, value: str | None) -> str:
    """An argument that must be there. The message never shows the value: it may be a secret in the wrong place."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{argument} must be a string that is not empty")
    return value


class _ServicePrincipal:
    """Tokens by secret. One MSAL application for its whole life: MSAL's cache is per application."""

    def __init__(self, tenant_id: str, application_id: str, application_secret: str) -> None:
        cloud = settings.cloud()
        self._authority = f"{cloud.authority}/{tenant_id}"
        self._discovery = settings.is_published(cloud.authority)
        self._scope = cloud.resource + "/.default"  # a resource that ends in / keeps it: // is meant
        self._application_id, self._secret = application_id, application_secret
        self._application: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            result = self._asked()
        if "access_token" not in result:
            description = str(result.get("error_description") or "no reason was given.")
            raise _refused(str(result.get("error") or "SignInFailed"), description, result)
        return str(result["access_token"])

    def _asked(self) -> dict[str, Any]:
        """MSAL's answer; it asks only when its cached token is about to end."""
        import msal  # here and not above: it costs as much to import as everything else together

        try:
            if self._application is None:
                self._application = msal.ConfidentialClientApplication(
                    self._application_id,
                    client_credential=self._secret,
                    authority=self._authority,
                    instance_discovery=self._discovery,
                    http_client=rest.session,
                )
            return self._application.acquire_token_for_client([self._scope])  # type: ignore[no-any-return]
        except requests.RequestException as error:
            raise rest.unreachable(error, "sign-in", self._authority) from None
        except (msal.exceptions.MsalServiceError, json.JSONDecodeError) as error:
            raise AuthenticationFailed(f"Sign-in failed: {one_line(error)}", code="SignInFailed") from None
        except (AttributeError, KeyError, TypeError):  # what MSAL makes of JSON that it does not expect
            message = f"Sign-in failed: {self._authority} does not answer as Microsoft's sign-in does."
            raise AuthenticationFailed(message, code="SignInFailed") from None
        except ValueError:  # MSAL's word, in five lines, for a tenant that the authority does not know
            raise _refused("invalid_tenant", f"{self._authority} is no tenant's sign-in.", {}) from None


class _CliTokens:
    """Tokens of the Azure CLI, kept until shortly before they end: asking `az` takes a second."""

    def __init__(self) -> None:
        self._token, self._ends = "", 0.0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            if time.time() >= self._ends - _RENEW_AHEAD:
                answer = _az("accessToken", "account", "get-access-token")
                ends = answer.get("expires_on")
                # Older CLIs give no expires_on, but local time without a zone: ask them anew each minute.
                self._token = str(answer["accessToken"])
                self._ends = ends if isinstance(ends, int | float) else time.time() + _RENEW_AHEAD + 60
            return self._token


def _refused(error: str, description: str, result: dict[str, Any]) -> AuthenticationFailed:
    """What MSAL tells in a dict, as an exception that says what to do."""
    number = re.search(r"AADSTS\d+", description)
    code = number.group() if number else error
    # Behind the first sentence stand ids and a timestamp, which the attributes have.
    sentence = re.split(r" Trace ID:|\r|\n", description)[0].strip()
    advice = _ADVICE.get(code) or ("Check the tenant id." if error == "invalid_tenant" else "")
    return AuthenticationFailed(
        " ".join(filter(None, ["Sign-in failed:", sentence, advice])),
        code=code,
        request_id=result.get("correlation_id"),
    )


def _az(wanted: str, *arguments: str) -> dict[str, Any]:
    """The JSON that an `az` command prints, `wanted` in it; `az` is found on PATH and run without a shell."""
    az = shutil.which("az")  # az.cmd on Windows
    if az is None:
        raise AuthenticationFailed(
            "The Azure CLI (az) is not on PATH: install it and run 'az login', or sign in with a service principal.",
            code="CliNotFound",
        )
    import subprocess  # few need it, and everybody would pay

    command = [az, *arguments, "--output", "json"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_CLI_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthenticationFailed(f"az could not be run: {one_line(error)}", code="CliFailed") from None
    if done.returncode != 0:
        told = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        advice = " Run 'az login'." if "az login" not in told else ""
        raise AuthenticationFailed(f"az {' '.join(arguments)} failed: {told}{advice}", code="CliFailed")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or wanted not in answer:
        raise AuthenticationFailed(f"az {' '.join(arguments)} printed something unexpected", code="CliFailed")
    return answer
