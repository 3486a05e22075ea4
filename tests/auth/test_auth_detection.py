"""The method that `token_provider()` detects without arguments, and the reasons for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificates import PASSWORD, certificate_pem, key_pem, write_file

import azurerm_lite as az
from azurerm_lite.auth._environment import detect_method
from azurerm_lite.cli.identity import read_claims
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.managed_identity import ASSIGNED, SYSTEM
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT

WHO = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APPLICATION}
VARIABLES = {
    "secret": {**WHO, "AZURE_CLIENT_SECRET": "canary~secret"},
    "certificate": {**WHO, "AZURE_CLIENT_CERTIFICATE_PATH": "app.pem"},
    "workload": {**WHO, "AZURE_FEDERATED_TOKEN_FILE": "token"},
    "app service": {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/", "IDENTITY_HEADER": "canary"},
    "cloud shell": {
        "MSI_ENDPOINT": "http://127.0.0.1:1/",
        "AZUREPS_HOST_ENVIRONMENT": "cloud-shell/1",
    },
    "arc": {"IMDS_ENDPOINT": "http://127.0.0.1:1/"},
    "vm": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1/"},
}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Set environment variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def no_az(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the CLI from PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("shown", "way"),
    [
        (["secret", "certificate", "workload", "vm"], "client secret"),
        (["certificate", "workload", "vm"], "client certificate"),
        (["workload", "app service"], "federated assertion"),
        (["app service"], "managed identity"),
        (["cloud shell"], "managed identity"),
        (["arc"], "managed identity"),
        (["vm"], "managed identity"),
        ([], "Azure CLI"),
    ],
)
def test_the_first_configured_method_is_used(
    shown: list[str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same order as azure-identity; nothing is sent yet."""
    for method in shown:
        set_all(monkeypatch, VARIABLES[method])
    assert detect_method().method == way
    assert repr(az.token_provider()) == repr(detect_method())


@pytest.mark.parametrize("missing", [*WHO, "AZURE_CLIENT_SECRET"])
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_an_incomplete_method_is_skipped_with_the_reason(
    missing: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete service principal is not used.

    The final error has the missing variables of each method.
    """
    set_all(monkeypatch, VARIABLES["secret"])
    monkeypatch.setenv(missing, "") if how == "empty" else monkeypatch.delenv(missing)
    with pytest.raises(az.AuthenticationFailed) as caught:
        az.token_provider()()
    message = str(caught.value)
    assert message.startswith("The Azure CLI (az) is not on PATH")
    assert f"client secret: {missing} is not set;" in message
    assert "client certificate: AZURE_CLIENT_CERTIFICATE_PATH" in message
    assert "workload identity: AZURE_FEDERATED_TOKEN_FILE" in message
    assert "managed identity: none of IDENTITY_ENDPOINT, MSI_ENDPOINT" in message
    assert "canary" not in message


def test_a_method_that_fails_is_not_replaced_by_the_next(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret is an error, not a rollout with another identity."""
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary~wrong")
    with pytest.raises(az.AuthenticationFailed, match="its value, not its id") as caught:
        az.token_provider()()
    assert "canary" not in str(caught.value)


def test_a_certificate_of_the_environment(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path, password and chain have azure-identity's variables."""
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    file = write_file(tmp_path, key_pem(password=PASSWORD) + certificate_pem())
    sandbox.register_certificate(
        write_file(tmp_path, certificate_pem(), "public.pem"), subject="CN=web"
    )
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(file))
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", PASSWORD)
    with pytest.raises(az.AuthenticationFailed, match="AADSTS700027") as caught:
        az.token_provider()()
    assert "token_provider() skipped: client secret: AZURE_CLIENT_SECRET is not set." in str(
        caught.value
    )
    monkeypatch.setenv("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true")
    assert az.list_subscriptions(az.token_provider())


def test_a_workload_identity_of_the_environment(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that Kubernetes mounts."""
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    monkeypatch.setenv(
        "AZURE_FEDERATED_TOKEN_FILE",
        str(write_file(tmp_path, sandbox.federated_token().encode(), "t")),
    )
    assert az.list_subscriptions(az.token_provider())


@pytest.mark.parametrize("client", [None, ASSIGNED["client_id"]])
def test_a_managed_identity_of_the_environment(
    client: str | None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The identity of AZURE_CLIENT_ID if that is set, else the system-assigned one."""
    for name in (*WHO, "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    set_all(
        monkeypatch,
        sandbox.managed_identity("app_service") | ({"AZURE_CLIENT_ID": client} if client else {}),
    )
    claims = read_claims(az.token_provider()())
    assert claims["appid"] == client or (client is None and claims["appid"] == SYSTEM)
