"""Sign in: each authentication method as a callable that renews its token."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AuthenticationFailed

if TYPE_CHECKING:  # an authentication method is loaded when it is chosen
    from ._provider import Provider

_APPLICATION = ("tenant_id", "application_id")
_PERSON = ("tenant_id", "application_id", "cache_file")


class _Method(NamedTuple):
    """An authentication method: its provider and the arguments that go with it."""

    provider: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


# By the argument that chooses the method.
_METHODS = {
    "application_secret": _Method("SecretProvider", _APPLICATION),
    "certificate": _Method("CertificateProvider", _APPLICATION, ("password", "public_chain")),
    "assertion": _Method("AssertionProvider", _APPLICATION),
    "assertion_file": _Method("AssertionProvider", _APPLICATION),
    "managed_identity": _Method(
        "ManagedIdentityProvider", optional=("application_id", "object_id", "resource_id")
    ),
    "cli": _Method("CliProvider", optional=("tenant_id", "subscription")),
    "browser": _Method("BrowserProvider", optional=_PERSON),
    "device_code": _Method("DeviceCodeProvider", optional=_PERSON),
}
_ONE_OPTION = ("managed_identity", "cli")
_FLAGS = ("managed_identity", "cli", "browser", "device_code", "public_chain")
_MAY_BE_CALLABLE = ("assertion", "device_code")
_PATHS = ("certificate", "assertion_file", "cache_file")


def get_access_token(tenant_id: str, application_id: str, application_secret: str) -> str:
    """Return a token for a service principal, valid for about an hour.

    Args:
        tenant_id: Tenant (directory) id or domain name.
        application_id: Application (client) id.
        application_secret: The application's secret: its value, not its id.

    Returns:
        The bearer token. For longer work use `token_provider`, which renews it.

    Raises:
        ValueError: An argument is empty; nothing was sent.
        AuthenticationFailed: Microsoft's sign-in rejected it; the message has advice.
        requests.ConnectionError, requests.Timeout: The sign-in service did not respond.

    Azure: Microsoft identity platform - client credentials flow, by MSAL.
    """
    arguments = {
        "tenant_id": tenant_id,
        "application_id": application_id,
        "application_secret": application_secret,
    }
    provider = _create_provider(arguments)
    del arguments, application_secret  # crash reports show local variables
    return provider()


def get_access_token_from_cli() -> str:
    """Return a token of the account that is signed in to the Azure CLI (`az login`).

    Returns:
        The bearer token. For longer work use `token_provider`, which renews it.

    Raises:
        AuthenticationFailed: `az` is missing, signed out, or fails; the message has its output.

    Azure: `az account get-access-token`.
    """
    from ._azure_cli import CliProvider

    return CliProvider()()


def get_subscription_from_cli(name: str | None = None) -> str:
    """Return the id of a subscription from the Azure CLI.

    Args:
        name: Name or id of the subscription; `None` for the CLI's current one.

    Returns:
        The subscription id.

    Raises:
        ValueError: `name` is empty.
        AuthenticationFailed: `az` is missing or signed out, or the subscription does not exist.

    Azure: `az account show`.
    """
    from ._azure_cli import run_az

    options = []
    if name is not None:
        options = ["--subscription", _check_argument("name", name)]
    account = run_az("id", "account", "show", *options)
    if account["id"] == account.get("tenantId"):
        raise AuthenticationFailed(
            "The Azure CLI is signed in to a tenant without a subscription: run 'az login' with an"
            " account that has one, or 'az account set --subscription ...'.",
            code="CliFailed",
        )
    return str(account["id"])


def token_provider(
    tenant_id: str | None = None,
    application_id: str | None = None,
    application_secret: str | None = None,
    *,
    certificate: str | os.PathLike[str] | None = None,
    password: str | None = None,
    public_chain: bool = False,
    assertion: str | Callable[[], str] | None = None,
    assertion_file: str | os.PathLike[str] | None = None,
    managed_identity: bool = False,
    object_id: str | None = None,
    resource_id: str | None = None,
    cli: bool = False,
    subscription: str | None = None,
    browser: bool = False,
    device_code: bool | Callable[[str], object] = False,
    cache_file: str | os.PathLike[str] | None = None,
) -> Callable[[], str]:
    """Return a callable that returns a valid token each time, for work that outlives one token.

    Without arguments it uses the first method that the environment configures: a service principal
    (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` or
    `AZURE_CLIENT_CERTIFICATE_PATH`), a workload identity (`AZURE_FEDERATED_TOKEN_FILE`), a managed
    identity, or else the account that is signed in to the Azure CLI. Its errors list the skipped
    methods with reasons.

    Args:
        tenant_id: Tenant (directory) id or domain name.
        application_id: Application (client) id. With `managed_identity`, the client id of a
            user-assigned identity.
        application_secret: The application's secret: its value, not its id.
        certificate: Path of the application's certificate with its private key, as PEM or PFX,
            instead of a secret.
        password: Password of the private key in `certificate`.
        public_chain: Whether to send the certificate chain, for trust by subject name and issuer
            (SNI).
        assertion: A JSON Web Token of an issuer that the application trusts, or a callable that
            returns one each time, instead of a secret.
        assertion_file: Path of a file with such a token; it is read each time.
        managed_identity: Whether to use the machine's managed identity: the system-assigned one if
            no id is given.
        object_id: Object id of a user-assigned managed identity.
        resource_id: Azure's resource id of a user-assigned managed identity.
        cli: Whether to use the account that is signed in to the Azure CLI.
        subscription: Name or id of the subscription for the CLI.
        browser: Whether a person signs in with the browser of this machine.
        device_code: Whether a person is to sign in with any browser, by a code; a callable is given
            the text to show, which else goes to standard error.
        cache_file: Path of a file to keep the person's sign-in in; only its owner may read it.

    Returns:
        A zero-argument callable to pass as `access_token`. Threads can share it, and it can be sent
        to other processes (its pickle contains the credential, but no token).

    Raises:
        ValueError: A value is missing or empty, two methods are mixed, or a file is invalid;
            nothing was sent.

    Azure: Microsoft identity platform, by MSAL; or `az account get-access-token`.
    """
    options: dict[str, Any] = {
        "tenant_id": tenant_id,
        "application_id": application_id,
        "application_secret": application_secret,
        "certificate": certificate,
        "password": password,
        "public_chain": public_chain,
        "assertion": assertion,
        "assertion_file": assertion_file,
        "managed_identity": managed_identity,
        "object_id": object_id,
        "resource_id": resource_id,
        "cli": cli,
        "subscription": subscription,
        "browser": browser,
        "device_code": device_code,
        "cache_file": cache_file,
    }
    arguments = {
        name: value for name, value in options.items() if value is not None and value is not False
    }
    if arguments:
        return _create_provider(arguments)
    from ._environment import detect_method

    return detect_method()


def _create_provider(arguments: Mapping[str, Any]) -> Provider:
    """Return the provider for these arguments."""
    chosen = [name for name in _METHODS if name in arguments]
    if len(chosen) > 1:
        raise ValueError(
            f"{' and '.join(chosen)} are different authentication methods: pass one of them"
        )
    # Three positional arguments mean a secret.
    choice = chosen[0] if chosen else "application_secret"
    method = _METHODS[choice]
    for name in arguments:
        if name not in (choice, *method.required, *method.optional):
            raise ValueError(f"{name} cannot be combined with {choice}")
    if choice in _ONE_OPTION and len(arguments) > 2:
        others = " and ".join(name for name in arguments if name != choice)
        raise ValueError(f"{others} cannot be combined: pass one of them")
    names = dict.fromkeys((*method.required, choice, *arguments))
    values = {name: _check_argument(name, arguments.get(name)) for name in names}
    if values[choice] is True:
        del values[choice]  # it only chooses the method
    from . import _azure_cli, _entra

    module = _azure_cli if choice == "cli" else _entra
    provider: Provider = getattr(module, method.provider)(**values)
    return provider


def _check_argument(argument: str, value: Any) -> Any:
    """Return a required argument after checking it.

    The error does not show the value, which may be a secret.
    """
    if argument in _MAY_BE_CALLABLE and callable(value):
        return value
    if argument in _FLAGS:
        if value is not True:
            raise ValueError(f"{argument} must be True or False; pass ids as separate arguments")
        return value
    if argument in _PATHS and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        instead = ""
        if argument == "application_secret" and value is None:
            others = ", ".join(name for name in _METHODS if name != argument)
            instead = f" (other authentication methods: {others})"
        raise ValueError(f"{argument} must be a non-empty string{instead}")
    return value
