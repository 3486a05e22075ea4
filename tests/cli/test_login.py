"""`azurerm-lite login`: method, identity and expiry, without the token."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.cli import run, run_child

from azurerm_lite.cli.identity import describe_expiry, describe_identity, read_claims
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT


@pytest.fixture(autouse=True)
def no_az(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the Azure CLI from PATH, and use an empty folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_it_prints_method_identity_and_expiry(sandbox: Sandbox) -> None:
    """Status 0, nothing on standard error, no token."""
    done = run_child("login")
    assert (done.returncode, done.stderr) == (0, "")
    method, identity, until = done.stdout.splitlines()
    assert method == "method client secret, detected from the environment: AZURE_CLIENT_SECRET"
    assert identity == f"for    application {APPLICATION}, tenant {TENANT}"
    assert re.fullmatch(
        r"until  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \((59|60) minutes from now\); renewed.*",
        until,
    )
    assert "eyJ" not in done.stdout


def test_json_has_the_same_without_the_token(sandbox: Sandbox) -> None:
    """One line; the text goes to standard error."""
    done = run("login", "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["method"]) == (0, "client secret")
    assert record["identity"] == f"application {APPLICATION}, tenant {TENANT}"
    assert "eyJ" not in done.stdout + done.stderr


def test_it_prints_why_each_method_was_skipped() -> None:
    """Status 1, and one line on standard error."""
    done = run("login")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: The Azure CLI (az) is not on PATH")
    assert "AZURE_CLIENT_SECRET and AZURE_TENANT_ID and AZURE_CLIENT_ID are not set" in line


def token_of(claims: Any) -> str:
    """Return a token with these claims."""
    return f"eyJh.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (
            {"upn": "ada@example.com", "appid": "cli", "tid": "t"},
            "ada@example.com, through application cli, tenant t",
        ),
        ({"azp": "app"}, "application app"),
        (
            {"appid": "a", "xms_mirid": "/subscriptions/x"},
            "application a, managed identity /subscriptions/x",
        ),
        ({}, "unknown (the token has no identity claims)"),
        ([], "unknown (the token has no identity claims)"),
    ],
)
def test_the_identity_is_read_from_the_claims(claims: Any, message: str) -> None:
    """A person, an application or a managed identity; a token without claims is not an error."""
    found = read_claims(token_of(claims))
    assert describe_identity(found) == message
    assert describe_expiry(found) == "unknown (the token has no expiry claim)"


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.!!!.c", "", "a..b"])
def test_a_token_that_is_not_a_jwt_has_no_claims(token: str) -> None:
    """It is not an error."""
    assert read_claims(token) == {}
