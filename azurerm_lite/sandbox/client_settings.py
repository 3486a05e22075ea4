"""Environment variables and commands that point other clients at a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from .sandbox import Sandbox


class Settings(NamedTuple):
    """Environment variables of a client, and commands to run once before it is used."""

    variables: Mapping[str, str]
    commands: Sequence[str] = ()


def settings_for(client: str, sandbox: Sandbox) -> Settings:
    """Return the settings of a client.

    Args:
        client: One of `CLIENTS`.
        sandbox: A sandbox that has started.

    Raises:
        ValueError: `client` has another value.
    """
    if client not in CLIENTS:
        raise ValueError(f"client must be one of {', '.join(CLIENTS)}, got {client!r}")
    return CLIENTS[client](sandbox)


def _for_python(sandbox: Sandbox) -> Settings:
    return Settings(sandbox.environment)


def _for_az(sandbox: Sandbox) -> Settings:
    variables = {
        **_network_variables(sandbox),
        # A separate folder protects the registered clouds and sign-ins of this machine.
        "AZURE_CONFIG_DIR": f"{sandbox.ca_file.removesuffix('ca.pem')}az",
        # Otherwise MSAL asks login.microsoftonline.com about the sandbox.
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
    }
    commands = (
        f"az cloud register --name sandbox --endpoint-resource-manager {sandbox.url}",
        "az cloud set --name sandbox",
        f"az login --service-principal --username {sandbox.application_id} "
        f"--password={sandbox.application_secret} --tenant {sandbox.tenant_id}",
    )
    return Settings(variables, commands)


def _for_ansible(sandbox: Sandbox) -> Settings:
    variables = {
        **_network_variables(sandbox),
        "AZURE_CLOUD_ENVIRONMENT": sandbox.url,
        "AZURE_DISABLE_INSTANCE_DISCOVERY": "true",
        "AZURE_SUBSCRIPTION_ID": sandbox.subscription_id,
        "AZURE_TENANT": sandbox.tenant_id,
        "AZURE_CLIENT_ID": sandbox.application_id,
        "AZURE_SECRET": sandbox.application_secret,
    }
    return Settings(variables)


def _for_javascript(sandbox: Sandbox) -> Settings:
    return Settings({**sandbox.environment, "NODE_EXTRA_CA_CERTS": sandbox.ca_file})


def _for_system_certificates(sandbox: Sandbox) -> Settings:
    """Return the settings for Go and .NET, which read the CA from `SSL_CERT_FILE` on Linux."""
    return Settings({**sandbox.environment, "SSL_CERT_FILE": sandbox.ca_file})


def _for_terraform(sandbox: Sandbox) -> Settings:
    variables = {
        **_network_variables(sandbox),
        "SSL_CERT_FILE": sandbox.ca_file,
        "ARM_METADATA_HOSTNAME": urlsplit(sandbox.url).netloc,
        "ARM_SUBSCRIPTION_ID": sandbox.subscription_id,
        "ARM_TENANT_ID": sandbox.tenant_id,
        "ARM_CLIENT_ID": sandbox.application_id,
        "ARM_CLIENT_SECRET": sandbox.application_secret,
    }
    return Settings(variables)


def _network_variables(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables that set the CA and bypass a proxy."""
    names = ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy")
    return {name: sandbox.environment[name] for name in names}


CLIENTS: dict[str, Callable[[Sandbox], Settings]] = {
    "python": _for_python,
    "az": _for_az,
    "ansible": _for_ansible,
    "javascript": _for_javascript,
    "go": _for_system_certificates,
    "dotnet": _for_system_certificates,
    "terraform": _for_terraform,
}
