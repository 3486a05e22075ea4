"""Secrets and tokens are never shown, for every authentication method and failure."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import pickle
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from support.certificates import certificate_pem, key_pem, write_file
from support.clock import Clock
from support.names import BASE, WHERE

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

TENANT, APPLICATION = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
LOCAL = "https://127.0.0.1:8443"
MARK = "canary"
"""Marker in every secret and token below."""
SECRET, HEADER, PASSWORD = "canary~secret.5d1e8b", "canary-header-93ad", "canary-password-41ce"
TOKEN, REFRESH, CODE = "canary-token-7f3a9c", "canary-refresh-1c7e", "canary-code-66f0"
ASSERTION = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJjYW5hcnkifQ.canary-signature"
GOOD = {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN, "refresh_token": REFRESH}

ENDPOINTS: dict[str, dict[str, str]] = {
    "app service": {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi", "IDENTITY_HEADER": HEADER},
    "machine learning": {"MSI_ENDPOINT": "http://127.0.0.1:1/msi", "MSI_SECRET": HEADER},
    "vm": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"},
}


def certificate_provider(folder: Path) -> Callable[[], str]:
    """Return a token provider with an encrypted key."""
    file = write_file(folder, key_pem(password=PASSWORD) + certificate_pem())
    return az.token_provider(
        TENANT, APPLICATION, certificate=file, password=PASSWORD, public_chain=True
    )


METHODS: dict[str, Callable[[Path], Callable[[], str]]] = {
    "plain function": lambda folder: lambda: az.get_access_token(TENANT, APPLICATION, SECRET),
    "secret": lambda folder: az.token_provider(TENANT, APPLICATION, SECRET),
    "certificate": certificate_provider,
    "assertion": lambda folder: az.token_provider(TENANT, APPLICATION, assertion=ASSERTION),
    "device code": lambda folder: az.token_provider(
        TENANT, APPLICATION, device_code=lambda text: None
    ),
    **{kind: lambda folder: az.token_provider(managed_identity=True) for kind in ENDPOINTS},
}
SENT = {"plain function": SECRET, "secret": SECRET, "certificate": PASSWORD, "assertion": ASSERTION}
SENT |= {"app service": HEADER, "machine learning": HEADER}
ANSWERS: dict[str, dict[str, Any]] = {
    "a token": {"json": GOOD},
    "an error that repeats the secret": {
        "status": 400,
        "json": {"error": "invalid_client", "error_description": "?"},
    },
    "an error with a token in it": {
        "status": 401,
        "json": {"error": TOKEN, "error_description": json.dumps(GOOD)},
    },
    "an invalid expiry": {"json": GOOD | {"expires_in": "soon", "expires_on": "soon"}},
    "truncated JSON": {"body": json.dumps(GOOD)[:-2]},
    "a list": {"json": [GOOD]},
    "an HTML page": {"body": f"<html>{TOKEN} {SECRET}"},
    "a server error": {"status": 500, "body": json.dumps(GOOD)},
    "throttled": {"status": 429, "json": GOOD, "headers": {"Retry-After": "600"}},
    "a redirect": {"status": 307, "headers": {"Location": f"https://evil.example/?{TOKEN}"}},
    "a connection error": {"body": requests.ConnectionError("the line went dead")},
    "a timeout": {"body": requests.ReadTimeout("no answer in time")},
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception with all its causes and contexts."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown(error: BaseException) -> str:
    """Return all text of an exception: itself, its chain, its request, its frames."""
    text = io.StringIO()
    for each in chain(error):
        print(
            str(each), repr(each), each.args, vars(each), getattr(each, "__notes__", ""), file=text
        )
        for carried in (getattr(each, "request", None), getattr(each, "response", None)):
            print(carried and vars(carried), file=text)
    print(
        "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()),
        file=text,
    )
    with contextlib.suppress(Exception):
        print(pickle.dumps(error), file=text)
    # The traceback has lines of this file, which contain the markers.
    return re.sub(
        r'  File "[^"]*test_leaks.py".*?(?=\n  File |\n\S|\Z)', "", text.getvalue(), flags=re.DOTALL
    )


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return all log records with their arguments and exceptions."""
    return caplog.text + repr(
        [(record.msg, record.args, record.exc_info) for record in caplog.records]
    )


@contextlib.contextmanager
def wire(method: str, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Mock an authority and identity endpoints that return this answer to token requests."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", LOCAL)
    for name, value in ENDPOINTS.get(method, {}).items():
        monkeypatch.setenv(name, value)
    if "'?'" in str(answer.get("json")):
        message = f"AADSTS7000215: It is not {SENT.get(method)}. Trace ID: 1"
        answer = answer | {
            "json": {"error": "invalid_client", "error_description": message, "message": message}
        }
    base = f"{LOCAL}/{TENANT}/oauth2/v2.0"
    flow = {
        "device_code": CODE,
        "user_code": "1234",
        "verification_uri": "https://x",
        "expires_in": 9,
        "interval": 1,
    }
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        endpoints = {
            "device_authorization_endpoint": f"{base}/devicecode",
            "token_endpoint": f"{base}/token",
        }
        discovery = {"authorization_endpoint": f"{base}/authorize", "issuer": base, **endpoints}
        web.get(f"{LOCAL}/{TENANT}/v2.0/.well-known/openid-configuration", json=discovery)
        web.post(f"{base}/devicecode", json=flow)
        web.post(f"{base}/token", **answer)
        web.get(re.compile(r"http://127\.0\.0\.1:1/.*"), **answer)
        yield


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("method", METHODS)
def test_no_failure_shows_a_secret_or_a_token(
    method: str,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Exceptions, logs, the terminal and files are checked."""
    caplog.set_level(0)
    folder, work = tmp_path / "in", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    output = ""
    with wire(method, ANSWERS[answer], monkeypatch):
        provider = METHODS[method](folder)
        try:
            given = provider()
        except (az.AuthenticationFailed, requests.ConnectionError, requests.Timeout) as error:
            given, output = TOKEN, shown(error)
    assert given == TOKEN
    output += repr(provider) + logged(caplog) + "".join(capfd.readouterr())
    assert MARK not in output, re.findall(rf".{{80}}{MARK}.{{40}}", output)
    assert list(work.iterdir()) == []


def test_a_failed_renewal_does_not_show_the_expired_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """While the old token is still valid, the failure is only logged, also without it."""
    caplog.set_level(0)
    now = time.time()
    with wire("secret", ANSWERS["a token"], monkeypatch):
        provider = METHODS["secret"](tmp_path)
        assert provider() == TOKEN
    with wire("secret", ANSWERS["a connection error"], monkeypatch):
        monkeypatch.setattr(time, "time", lambda: now + 3500)
        assert provider() == TOKEN
        monkeypatch.setattr(time, "time", lambda: now + 3700)
        with pytest.raises(requests.ConnectionError) as caught:
            provider()
    assert "cannot renew the token" in caplog.text
    assert MARK not in shown(caught.value) + logged(caplog)


@pytest.mark.parametrize("method", ["secret", "certificate", "assertion", "device code"])
def test_a_malformed_authority_gets_and_shows_no_secret(
    method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The discovery fails before a secret is sent, and its response is not shown."""
    caplog.set_level(0)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", LOCAL)
    for answer in ANSWERS.values():
        with responses.RequestsMock() as web:
            web.get(re.compile(".*"), **answer)
            with pytest.raises(
                (az.AuthenticationFailed, requests.ConnectionError, requests.Timeout)
            ) as caught:
                METHODS[method](tmp_path)()
            assert not any(SECRET in str(call.request.body) for call in web.calls)
        assert MARK not in shown(caught.value) + logged(caplog)


class FailingCredential:
    """A credential of Azure's SDK whose error contains the request with the secret."""

    def get_token(self, *scopes: str) -> Any:
        error = type(
            "ClientAuthenticationError", (Exception,), {"__module__": "azure.core.exceptions"}
        )("Refused.")
        error.response = {"request": SECRET}  # type: ignore[attr-defined]
        raise error


TOKENS: dict[str, Any] = {
    "text": TOKEN,
    "callable": lambda: TOKEN,
    "with a line break": TOKEN + "\n",
    "a failing credential": FailingCredential(),
}
RESOURCE_MANAGER: dict[str, dict[str, Any]] = {
    "an expired token": {
        "status": 401,
        "json": {"error": {"code": "ExpiredAuthenticationToken", "message": "Expired."}},
    },
    "forbidden": {
        "status": 403,
        "json": {"error": {"code": "AuthorizationFailed", "message": "No."}},
    },
    "an HTML page": {"status": 200, "body": "<html>"},
    "a redirect": {"status": 302, "headers": {"Location": "https://evil.example/"}},
    "a server error": {"status": 500, "body": "<html>"},
    "a connection error": {"body": requests.ConnectionError("the line went dead")},
    "a timeout": {"body": requests.ReadTimeout("no answer in time")},
}


@pytest.mark.parametrize("answer", RESOURCE_MANAGER)
@pytest.mark.parametrize("kind", TOKENS)
def test_no_answer_of_the_resource_manager_shows_the_token(
    kind: str, answer: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The error about an invalid token does not show it either."""
    caplog.set_level(0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as azure:
        azure.get(re.compile(BASE + "/.*"), **RESOURCE_MANAGER[answer])
        with pytest.raises((ValueError, requests.RequestException)) as caught:
            az.get_vmss(TOKENS[kind], *WHERE)
    output = "".join(
        str(each) + repr(each) + repr(each.args) + repr(vars(each)) for each in chain(caught.value)
    )
    for each in chain(caught.value):
        carried = getattr(each, "request", None)
        output += repr(getattr(carried, "headers", "")) + repr(getattr(each, "response", None))
    output += (
        "".join(traceback.format_exception(caught.value))
        + str(pickle.dumps(caught.value))
        + logged(caplog)
    )
    assert MARK not in output


def test_no_event_log_or_file_of_a_rollout_holds_a_token_or_a_secret(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Run a rollout over HTTPS with renewed tokens, faults, and all loggers at level 0."""
    caplog.set_level(0)
    provider = az.token_provider()
    where = (provider, *sandbox.where()[1:])
    tokens = {provider()}
    az.wait(
        provider, az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )
    sandbox.fail_next(401, code="ExpiredAuthenticationToken", method="GET")
    sandbox.fail_next(503, method="GET", times=2, retry_after=1)
    sandbox.break_upgrade("web", "7")
    output = ""
    try:
        for event in az.rollout(*where):
            output += (
                str(event) + repr(event) + str(vars(event) if hasattr(event, "__dict__") else "")
            )
            tokens.add(provider())
    except az.RolloutHalted as halted:
        output += shown(halted)
    assert "7" in output
    assert len(tokens) == 2
    output += logged(caplog) + "".join(capfd.readouterr()) + repr(sandbox.journal)
    assert {record.name.split(".")[0] for record in caplog.records} >= {
        "azurerm_lite",
        "msal",
        "urllib3",
    }
    for secret in (sandbox.application_secret, *tokens, *(token.split(".")[1] for token in tokens)):
        assert secret not in output


def test_msal_log_records_are_kept(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Only records that repeat responses are dropped."""
    caplog.set_level(logging.DEBUG, "msal")
    az.token_provider()()
    assert "correlation_id" in caplog.text
    assert sys.modules["msal"]
