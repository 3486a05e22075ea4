"""Detection of the authentication method, for `token_provider()` without arguments."""

from __future__ import annotations

import os

from ._azure_cli import CliProvider
from ._provider import Provider

_APPLICATION = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_MANAGED_IDENTITY = (
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "IMDS_ENDPOINT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)


def detect_method() -> Provider:
    """Return a provider of the first authentication method that the environment configures.

    Nothing is sent.

    Returns:
        A provider, with `detected_from` and `skipped`; that of the Azure CLI if the environment
        configures no method.
    """
    skipped: list[str] = []
    for detect in (_detect_secret, _detect_certificate, _detect_workload, _detect_managed_identity):
        detected = detect()
        if isinstance(detected, Provider):
            detected.skipped = tuple(skipped)
            return detected
        skipped.append(detected)
    provider = CliProvider()
    provider.detected_from = "nothing else"
    provider.skipped = tuple(skipped)
    return provider


def _detect_secret() -> Provider | str:
    variable = "AZURE_CLIENT_SECRET"
    missing = _missing_variables("client secret", variable)
    if missing:
        return missing
    from . import _entra

    provider = _entra.SecretProvider(*_application(), os.environ[variable])
    provider.detected_from = f"the environment: {variable}"
    return provider


def _detect_certificate() -> Provider | str:
    variable = "AZURE_CLIENT_CERTIFICATE_PATH"
    missing = _missing_variables("client certificate", variable)
    if missing:
        return missing
    from . import _entra

    send_chain = os.environ.get("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "")
    provider = _entra.CertificateProvider(
        *_application(),
        os.environ[variable],
        password=os.environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD") or None,
        public_chain=send_chain.lower() in ("1", "true"),
    )
    provider.detected_from = f"the environment: {variable}"
    return provider


def _detect_workload() -> Provider | str:
    variable = "AZURE_FEDERATED_TOKEN_FILE"
    missing = _missing_variables("workload identity", variable)
    if missing:
        return missing
    from . import _entra

    provider = _entra.AssertionProvider(*_application(), assertion_file=os.environ[variable])
    provider.detected_from = f"the environment: {variable}"
    return provider


def _detect_managed_identity() -> Provider | str:
    present = [name for name in _MANAGED_IDENTITY if os.environ.get(name)]
    if not present:
        return (
            f"managed identity: none of {', '.join(_MANAGED_IDENTITY)} is set (on a virtual"
            " machine, pass managed_identity=True)"
        )
    from . import _entra

    provider = _entra.ManagedIdentityProvider(os.environ.get("AZURE_CLIENT_ID") or None)
    provider.detected_from = f"the environment: {', '.join(present)}"
    return provider


def _missing_variables(method: str, variable: str) -> str:
    """Return a message with the missing variables of a service principal, or `""`."""
    missing = [name for name in (variable, *_APPLICATION) if not os.environ.get(name)]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{method}: {' and '.join(missing)} {verb} not set"


def _application() -> tuple[str, str]:
    """Return the tenant id and the application id from the environment."""
    tenant_id, application_id = (os.environ[name] for name in _APPLICATION)
    return tenant_id, application_id
