"""Which way to sign in the environment shows, for `token_provider()` without arguments."""

from __future__ import annotations

import os
from typing import Any

from ._azure_cli import ByCli
from ._provider import Provider

_APPLICATION = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_MANAGED = (
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "IMDS_ENDPOINT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)


def find() -> Provider:
    """Return the first authentication method that the environment configures.

    Returns:
        A provider that knows where it was found, and what was passed over.
    """
    passed_over: list[str] = []
    for way in (_secret, _certificate, _workload, _managed, _cli):
        found = way()
        if isinstance(found, Provider):
            found.passed_over = tuple(passed_over)
            return found
        passed_over.append(found)
    raise AssertionError("the CLI is always a way")


def _secret() -> Provider | str:
    variables = {"application_secret": "AZURE_CLIENT_SECRET"}
    return _application("BySecret", "client secret", **variables)


def _certificate() -> Provider | str:
    return _application(
        "ByCertificate", "client certificate", certificate="AZURE_CLIENT_CERTIFICATE_PATH"
    )


def _workload() -> Provider | str:
    return _application(
        "ByAssertion", "workload identity", assertion_file="AZURE_FEDERATED_TOKEN_FILE"
    )


def _application(kind: str, what: str, **proof: str) -> Provider | str:
    """Return a service principal if all its variables are set; else which are missing."""
    ((argument, variable),) = proof.items()
    missing = [name for name in (variable, *_APPLICATION) if not os.environ.get(name)]
    if missing:
        return f"{what}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    from . import _entra

    more: dict[str, Any] = {}
    if argument == "certificate":
        more["password"] = os.environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD") or None
        more["public_chain"] = os.environ.get(
            "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", ""
        ).lower() in ("1", "true")
    who = (os.environ[name] for name in _APPLICATION)
    provider: Provider = getattr(_entra, kind)(*who, **{argument: os.environ[variable]}, **more)
    provider.found = f"the environment: {variable}"
    return provider


def _managed() -> Provider | str:
    shown = [name for name in _MANAGED if os.environ.get(name)]
    if not shown:
        return (
            f"managed identity: none of {', '.join(_MANAGED)} is set (on a virtual machine, ask for"
            " it by name)"
        )
    from . import _entra

    provider = _entra.ByManagedIdentity(os.environ.get("AZURE_CLIENT_ID") or None)
    provider.found = f"the environment: {', '.join(shown)}"
    return provider


def _cli() -> Provider:
    provider = ByCli()
    provider.found = "nothing else"
    return provider
