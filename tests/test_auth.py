"""Tokens: by secret through MSAL, by the Azure CLI through a script in its place; no secret is ever shown."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import stat
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses
from responses import matchers

import azurerm_lite
from azurerm_lite import rest
from azurerm_lite.auth import cli as cli_module
from azurerm_lite.errors import AuthenticationFailed, AzureError

TENANT = "11111111-1111-1111-1111-111111111111"
APPLICATION = "22222222-2222-2222-2222-222222222222"
SECRET = "canary~secret.5d1e8b"
PUBLIC = "https://login.microsoftonline.com"
LOCAL = "https://127.0.0.1:8443"
ME = (TENANT, APPLICATION, SECRET)
BEHIND = " Trace ID: 3c1f Correlation ID: 9b2a Timestamp: 2026-01-02 03:04:05Z"


def token_url(authority: str = PUBLIC, tenant: str = TENANT) -> str:
    """Where a token is asked for."""
    return f"{authority}/{tenant}/oauth2/v2.0/token"


def signs_in(sign_in: responses.RequestsMock, authority: str = PUBLIC, **answer: Any) -> responses.BaseResponse:
    """A sign-in that knows the tenant, and gives this answer to whoever asks for a token."""
    sign_in.get(
        f"{authority}/{TENANT}/v2.0/.well-known/openid-configuration",
        json={
            "authorization_endpoint": f"{authority}/{TENANT}/oauth2/v2.0/authorize",
            "token_endpoint": token_url(authority),
            "issuer": f"{authority}/{TENANT}/v2.0",
        },
    )
    return sign_in.post(token_url(authority), **answer)


def a_token(token: str, seconds: int = 3599) -> dict[str, Any]:
    """What the token endpoint says when it agrees."""
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}


def refusal(error: str, description: str) -> dict[str, Any]:
    """What the token endpoint says when it does not."""
    return {"error": error, "error_description": description + BEHIND, "correlation_id": "9b2a", "error_codes": [1]}


@pytest.fixture(autouse=True)
def local_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that MSAL asks nobody else about: two requests, and no more, are what a token takes."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", LOCAL)


# --- by secret ---


def test_a_service_principal_gets_a_token(token: str) -> None:
    """Tenant, application and secret are sent as OAuth's client credentials, for the resource manager's audience."""
    form = {
        "client_id": APPLICATION,
        "client_info": "1",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
        "scope": "https://management.core.windows.net//.default",
    }
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token), match=[matchers.urlencoded_params_matcher(form)])
        assert azurerm_lite.get_access_token(*ME) == token
        assert [call.request.method for call in sign_in.calls] == ["GET", "POST"]
        assert all(call.request.req_kwargs["timeout"] == rest.TIMEOUT for call in sign_in.calls)


@pytest.mark.parametrize(
    ("authority", "scope"),
    [
        (PUBLIC, "https://management.core.windows.net//.default"),
        ("https://login.chinacloudapi.cn", "https://management.core.chinacloudapi.cn//.default"),
        ("https://login.microsoftonline.us", "https://management.core.usgovcloudapi.net//.default"),
    ],
)
def test_each_cloud_has_its_sign_in_and_audience(
    authority: str, scope: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign-in of the configured cloud is asked, for a token that its resource manager takes."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, authority, json=a_token(token))
        assert azurerm_lite.get_access_token(*ME) == token
        assert parse_qs(str(sign_in.calls[-1].request.body))["scope"] == [scope]


@pytest.mark.parametrize(
    ("status", "error", "description", "code", "advice"),
    [
        (
            401,
            "invalid_client",
            "AADSTS7000215: Invalid client secret provided.",
            "AADSTS7000215",
            "its value, not its id",
        ),
        (
            401,
            "invalid_client",
            "AADSTS7000222: The client secret keys are expired.",
            "AADSTS7000222",
            "make a new one",
        ),
        (
            400,
            "unauthorized_client",
            "AADSTS700016: Application not found.",
            "AADSTS700016",
            "Check the application id",
        ),
        (400, "invalid_request", "AADSTS90002: Tenant not found.", "AADSTS90002", "Check the tenant id"),
        (400, "invalid_request", "AADSTS900023: Specified tenant is no id.", "AADSTS900023", "Check the tenant id"),
        (400, "invalid_scope", "AADSTS70011: The scope is not valid.", "AADSTS70011", ""),
        (400, "odd_error", "Something without a number.", "odd_error", ""),
    ],
)
def test_a_refusal_is_told_with_its_number_and_what_to_do(
    status: int, error: str, description: str, code: str, advice: str
) -> None:
    """A refused sign-in is `AuthenticationFailed`: the first sentence, number, id, and advice if we have any."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, status=status, json=refusal(error, description))
        with pytest.raises(AuthenticationFailed) as caught:
            azurerm_lite.get_access_token(*ME)
    failed = caught.value
    assert failed.code == code
    assert failed.request_id == "9b2a"
    assert failed.message.startswith(f"Sign-in failed: {description}")
    assert advice in failed.message
    assert "Trace ID" not in str(failed)
    assert isinstance(failed, AzureError)


def test_a_refusal_by_the_public_cloud_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL's further questions about a known authority do not hide the refusal."""
    monkeypatch.delenv("AZURE_AUTHORITY_HOST")
    description = "AADSTS7000215: Invalid client secret provided."
    with responses.RequestsMock(assert_all_requests_are_fired=False) as sign_in:
        signs_in(sign_in, PUBLIC, status=401, json=refusal("invalid_client", description))
        sign_in.get(f"{PUBLIC}/common/discovery/instance", json={"tenant_discovery_endpoint": "x", "metadata": []})
        with pytest.raises(AuthenticationFailed) as caught:
            azurerm_lite.get_access_token(*ME)
    assert caught.value.code == "AADSTS7000215"


@pytest.mark.parametrize("authority", [PUBLIC, LOCAL])
def test_an_unknown_tenant_is_told_before_the_secret_is_sent(authority: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant that the sign-in does not know is `AuthenticationFailed`, and the secret has not left."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
    with responses.RequestsMock() as sign_in:
        sign_in.get(
            f"{authority}/nobody.example/v2.0/.well-known/openid-configuration",
            status=400,
            json=refusal("invalid_tenant", "AADSTS90002: Tenant 'nobody.example' not found."),
        )
        with pytest.raises(AuthenticationFailed, match="Check the tenant id") as caught:
            azurerm_lite.get_access_token("nobody.example", APPLICATION, SECRET)
        assert len(sign_in.calls) == 1
    assert caught.value.code == "invalid_tenant"
    assert "nobody.example" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "tenant", ["../common", "a/b", "a?b", "a#b", "@evil.example", "\\evil.example", ":1@evil.example"]
)
def test_a_hostile_tenant_does_not_move_the_sign_in(tenant: str) -> None:
    """Whatever the tenant: nobody but the configured sign-in is asked."""
    with responses.RequestsMock() as sign_in:
        sign_in.get(re.compile(".*"), status=400, json=refusal("invalid_tenant", "No."))
        with pytest.raises(AuthenticationFailed):
            azurerm_lite.get_access_token(tenant, APPLICATION, SECRET)
        assert all(str(call.request.url).startswith(LOCAL + "/") for call in sign_in.calls)


@pytest.mark.parametrize("kind", [requests.ConnectionError, requests.ConnectTimeout, requests.ReadTimeout])
@pytest.mark.parametrize("late", [False, True])
def test_a_sign_in_out_of_reach_is_told_by_its_host(kind: type[Exception], late: bool) -> None:
    """Without a network the error is requests' own kind and names the sign-in and the cause."""
    with responses.RequestsMock() as sign_in:
        if late:
            signs_in(sign_in, LOCAL, body=kind("the line went dead"))
        else:
            sign_in.get(f"{LOCAL}/{TENANT}/v2.0/.well-known/openid-configuration", body=kind("the line went dead"))
        with pytest.raises(kind) as caught:
            azurerm_lite.get_access_token(*ME)
    assert str(caught.value) == f"No answer from 127.0.0.1:8443 (sign-in /{TENANT}, 1 try): the line went dead"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 500, "body": ""}, "500"),
        ({"status": 503, "body": "<html>", "headers": {"Retry-After": "5"}}, "503"),
        ({"status": 200, "body": "<html>Please sign in</html>"}, "Expecting value"),
        ({"status": 307, "headers": {"Location": "https://evil.example/"}}, "Expecting value"),
        ({"status": 200, "json": {"token_type": "Bearer"}}, "no reason was given"),
        ({"status": 400, "json": {}}, "no reason was given"),
    ],
)
def test_a_sign_in_that_talks_nonsense_is_a_failure_and_not_a_wrong_tenant(answer: dict[str, Any], told: str) -> None:
    """What is no OAuth answer is `AuthenticationFailed` without misleading advice, and no redirect gets the secret."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, **answer)
        with pytest.raises(AuthenticationFailed, match=f"Sign-in failed: .*{told}") as caught:
            azurerm_lite.get_access_token(*ME)
        assert len(sign_in.calls) == 2
    assert caught.value.code == "SignInFailed"
    assert "tenant" not in str(caught.value)


@pytest.mark.parametrize("argument", ["tenant_id", "application_id", "application_secret"])
@pytest.mark.parametrize("bad", ["", "  ", None, b"canary~secret.5d1e8b", 5])
@pytest.mark.parametrize("function", [azurerm_lite.get_access_token, azurerm_lite.token_provider])
def test_a_missing_argument_is_refused_by_name(function: Callable[..., Any], argument: str, bad: Any) -> None:
    """An empty argument, or one of another type, is named before anything is sent, and never shown."""
    arguments = dict(zip(("tenant_id", "application_id", "application_secret"), ME, strict=True)) | {argument: bad}
    with responses.RequestsMock(), pytest.raises(ValueError, match=argument) as caught:
        function(**arguments)
    assert SECRET not in str(caught.value)


FAILURES: dict[str, dict[str, Any]] = {
    "refused": {"status": 401, "json": refusal("invalid_client", "AADSTS7000215: Invalid client secret.")},
    "server error": {"status": 500, "body": ""},
    "no JSON": {"status": 200, "body": "<html>"},
    "redirect": {"status": 307, "headers": {"Location": "https://evil.example/"}},
    "broken": {"body": requests.ConnectionError("the line went dead")},
    "answered": {"json": a_token("canary-token-7f3a9c")},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_neither_secret_nor_token_is_shown(failure: str, token: str, caplog: pytest.LogCaptureFixture) -> None:
    """However sign-in ends: no text, repr, pickle, traceback or log line of any logger holds secret or token."""
    caplog.set_level(logging.DEBUG)
    provider = azurerm_lite.token_provider(*ME)
    shown = repr(provider) + str(provider)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, **FAILURES[failure])
        try:
            assert provider() == token
        except (AuthenticationFailed, requests.ConnectionError) as error:
            shown += repr(error) + str(error) + repr(vars(error)) + str(pickle.dumps(error))
            shown += "".join(traceback.format_exception(error))
            assert failure != "answered"
    for canary in (SECRET, token):
        assert canary not in shown
        assert canary not in caplog.text
    assert "canary" not in repr([record.args for record in caplog.records])


# --- a callable for long work ---


def test_a_provider_keeps_its_token(token: str) -> None:
    """A token that is still good is not asked for again, and the tenant not looked up again."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        assert len(sign_in.calls) == 0
        assert [provider() for _ in range(3)] == [token] * 3
        assert len(sign_in.calls) == 2


def test_a_provider_renews_its_token_ahead_of_its_end(token: str) -> None:
    """A token with less than five minutes left is replaced."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token("short-lived", 299))
        sign_in.post(token_url(LOCAL), json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        assert [provider(), provider(), provider()] == ["short-lived", token, token]


def test_a_provider_may_be_shared_between_threads(token: str) -> None:
    """Threads that ask at once get one token, asked for once."""
    start = threading.Barrier(8)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)

        def ask(_: int) -> str:
            start.wait(5)
            return provider()

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(ask, range(8))) == {token}
        assert len(sign_in.calls) == 2


def test_a_provider_that_failed_may_be_asked_again(token: str) -> None:
    """A sign-in that was out of reach once does not spoil the provider."""
    with responses.RequestsMock() as sign_in:
        url = f"{LOCAL}/{TENANT}/v2.0/.well-known/openid-configuration"
        sign_in.get(url, body=requests.ConnectionError("the line went dead"))
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        with pytest.raises(requests.ConnectionError):
            provider()
        assert provider() == token


def test_a_provider_takes_the_service_principal_of_the_environment(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, the three variables are the service principal."""
    for name, value in zip(("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"), ME, strict=True):
        monkeypatch.setenv(name, value)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        assert azurerm_lite.token_provider()() == token
        assert parse_qs(str(sign_in.calls[-1].request.body))["client_secret"] == [SECRET]


def test_the_endpoint_that_counts_is_the_one_at_the_making(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider keeps the cloud it was made for."""
    provider = azurerm_lite.token_provider(*ME)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        assert provider() == token


# --- by the Azure CLI ---

needs_scripts = pytest.mark.skipif(os.name == "nt", reason="the script in place of az is for a POSIX shell")


class FakeCli:
    """An `az` on PATH that prints what it is told and writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log, self.output = folder / "calls", folder / "output"
        self.says("")

    def says(self, printed: Any, code: int = 0, error: str = "", before: str = "") -> None:
        """From now on: prints this, and ends with this code."""
        self.output.write_text(printed if isinstance(printed, str) else json.dumps(printed))
        (self.folder / "error").write_text(error)
        script = self.folder / "az"
        script.write_text(
            f'#!/bin/sh\necho "$@" >> "{self.log}"\n{before}\n'
            f'cat "{self.folder}/error" >&2\ncat "{self.output}"\nexit {code}\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCli:
    """A folder with an `az` in it, ahead of everything on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    return FakeCli(tmp_path)


def of_the_cli(token: str, seconds: float | None = 3600) -> dict[str, Any]:
    """What `az account get-access-token` prints; older ones without `expires_on`."""
    answer = {"accessToken": token, "expiresOn": "2026-01-02 03:04:05.000000", "tenant": TENANT, "tokenType": "Bearer"}
    return answer if seconds is None else {**answer, "expires_on": int(time.time() + seconds)}


@needs_scripts
def test_the_cli_gives_its_token(cli: FakeCli, token: str) -> None:
    """The token of whoever is signed in is asked of `az` itself, as JSON."""
    cli.says(of_the_cli(token), error="WARNING: a new version is out\n")
    assert azurerm_lite.get_access_token_from_cli() == token
    assert cli.calls == ["account get-access-token --output json"]


@needs_scripts
@pytest.mark.parametrize(
    ("name", "call"),
    [(None, "account show --output json"), ("my sub", "account show --subscription my sub --output json")],
)
def test_the_cli_gives_a_subscription(name: str | None, call: str, cli: FakeCli) -> None:
    """The current subscription, or the one of a name, is asked of `az`."""
    cli.says({"id": "sub-id", "name": "my sub", "tenantId": TENANT})
    assert azurerm_lite.get_subscription_from_cli(name) == "sub-id"
    assert cli.calls == [call]


@needs_scripts
def test_a_name_is_not_read_by_a_shell(cli: FakeCli, tmp_path: Path) -> None:
    """What looks like a command is a name like any other."""
    cli.says({"id": "sub-id"})
    name = f"x; touch {tmp_path}/pwned $(touch {tmp_path}/pwned) `touch {tmp_path}/pwned`"
    azurerm_lite.get_subscription_from_cli(name)
    assert cli.calls == [f"account show --subscription {name} --output json"]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["", " ", 5])
def test_an_empty_subscription_name_is_refused(name: Any) -> None:
    """An empty name is not taken for the current subscription."""
    with pytest.raises(ValueError, match="name must be"):
        azurerm_lite.get_subscription_from_cli(name)


@pytest.fixture(params=["token", "subscription", "provider"])
def asks(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Each way to ask the CLI for something."""
    ways: dict[str, Callable[[], str]] = {
        "token": azurerm_lite.get_access_token_from_cli,
        "subscription": azurerm_lite.get_subscription_from_cli,
        "provider": azurerm_lite.token_provider(),
    }
    return ways[request.param]


def test_a_missing_cli_is_told_with_what_to_do(
    asks: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no `az` is on PATH, the error says to install it, or to sign in otherwise."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AuthenticationFailed, match=r"not on PATH: install it and run 'az login'") as caught:
        asks()
    assert caught.value.code == "CliNotFound"


@needs_scripts
def test_a_cli_that_is_signed_out_is_told_in_its_own_words(asks: Callable[[], str], cli: FakeCli) -> None:
    """What `az` says on failing is what the error says, on one line, with advice at most once."""
    cli.says("", 1, "ERROR: Please run 'az login' to\n setup account.\n")
    with pytest.raises(AuthenticationFailed) as caught:
        asks()
    assert caught.value.code == "CliFailed"
    assert "ERROR: Please run 'az login' to setup account." in caught.value.message
    assert caught.value.message.count("az login") == 1


@needs_scripts
@pytest.mark.parametrize(
    ("error", "told"), [("ERROR: AADSTS700082: too old", "ERROR: AADSTS700082"), ("", "exit status 3")]
)
def test_a_cli_that_fails_otherwise_is_told_with_advice(error: str, told: str, cli: FakeCli) -> None:
    """Any other failure of `az` is told, with the advice to sign in again."""
    cli.says("", 3, error)
    with pytest.raises(AuthenticationFailed, match=told) as caught:
        azurerm_lite.get_access_token_from_cli()
    assert caught.value.message.endswith("Run 'az login'.")


@needs_scripts
@pytest.mark.parametrize("printed", ["", "garbage", "[]", "null", "5", "{}", '"text"', '{"other": 1}', '{"accessToken'])
def test_garbage_from_the_cli_is_an_error(printed: str, asks: Callable[[], str], cli: FakeCli) -> None:
    """Output that is not what was asked for is `AuthenticationFailed`, and is not shown."""
    cli.says(printed)
    with pytest.raises(AuthenticationFailed, match="printed something unexpected"):
        asks()


@needs_scripts
def test_one_answer_of_the_cli_is_not_taken_for_another(cli: FakeCli, token: str) -> None:
    """A subscription is no token and a token is no subscription; the token is not shown."""
    cli.says({"id": "sub-id"})
    with pytest.raises(AuthenticationFailed, match="printed something unexpected"):
        azurerm_lite.get_access_token_from_cli()
    cli.says(of_the_cli(token))
    with pytest.raises(AuthenticationFailed, match="printed something unexpected") as caught:
        azurerm_lite.get_subscription_from_cli()
    assert token not in str(caught.value)


@needs_scripts
def test_a_cli_that_hangs_is_not_waited_for_for_ever(cli: FakeCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `az` that does not answer, waiting for a person perhaps, ends as an error."""
    monkeypatch.setattr(cli_module, "TIMEOUT", 0.2)
    cli.says("", before="exec sleep 30")
    with pytest.raises(AuthenticationFailed, match=r"could not be run: .*timed out"):
        azurerm_lite.get_access_token_from_cli()


@needs_scripts
def test_a_cli_that_cannot_be_run_is_an_error(cli: FakeCli) -> None:
    """A broken installation is told as that."""
    (cli.folder / "az").write_text("#!/no/such/interpreter\n")
    with pytest.raises(AuthenticationFailed, match="az could not be run") as caught:
        azurerm_lite.get_access_token_from_cli()
    assert caught.value.code == "CliFailed"


@needs_scripts
def test_the_cli_is_asked_by_the_provider_until_a_principal_is_complete(
    cli: FakeCli, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two of the three variables set, it is still the CLI that is asked."""
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", APPLICATION)
    cli.says(of_the_cli(token))
    assert azurerm_lite.token_provider()() == token
    assert len(cli.calls) == 1


@needs_scripts
@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(3600, 1), (320, 1), (290, 3), (0, 3), (-60, 3), (None, 1)],
    ids=lambda value: str(value),
)
def test_a_token_of_the_cli_is_kept_until_shortly_before_its_end(
    seconds: float | None, calls: int, cli: FakeCli, token: str
) -> None:
    """The provider asks `az` again five minutes ahead of the end; without `expires_on` it keeps the token a minute."""
    cli.says(of_the_cli(token, seconds))
    provider = azurerm_lite.token_provider()
    assert [provider() for _ in range(3)] == [token] * 3
    assert len(cli.calls) == calls


@needs_scripts
@pytest.mark.parametrize("ends", ["soon", "", None, [], {}, False, 0])
def test_an_odd_end_of_a_token_does_no_harm(ends: Any, cli: FakeCli, token: str) -> None:
    """An `expires_on` that is no number is as if it were not there; the token is good all the same."""
    cli.says({**of_the_cli(token, None), "expires_on": ends})
    assert azurerm_lite.token_provider()() == token


@needs_scripts
def test_the_plain_function_asks_the_cli_each_time(cli: FakeCli) -> None:
    """`get_access_token_from_cli` keeps nothing: after another `az login` it gives the other token."""
    cli.says(of_the_cli("first"))
    first = azurerm_lite.get_access_token_from_cli()
    cli.says(of_the_cli("second"))
    assert (first, azurerm_lite.get_access_token_from_cli()) == ("first", "second")


# --- what importing costs ---


def test_importing_the_package_does_not_import_msal() -> None:
    """A fresh interpreter that imports the package has imported neither MSAL nor what MSAL needs."""
    root = str(Path(azurerm_lite.__file__).parent.parent)
    code = "import azurerm_lite, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    imported = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert {"azurerm_lite", "requests"} <= imported
    assert not imported & {"msal", "jwt", "cryptography", "werkzeug", "trustme", "rich", "pytest"}
