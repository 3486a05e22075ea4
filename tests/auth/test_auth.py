"""Tokens: with a secret through MSAL, and the caching and renewal of all providers."""

from __future__ import annotations

import json
import logging
import pickle
import re
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
from hypothesis import given
from hypothesis import strategies as st
from responses import matchers

import azurerm_lite
from azurerm_lite import rest
from azurerm_lite.auth._provider import Provider
from azurerm_lite.errors import AuthenticationFailed, AzureError

TENANT = "11111111-1111-1111-1111-111111111111"
APPLICATION = "22222222-2222-2222-2222-222222222222"
SECRET = "canary~secret.5d1e8b"
PUBLIC = "https://login.microsoftonline.com"
LOCAL = "https://127.0.0.1:8443"
ME = (TENANT, APPLICATION, SECRET)
BEHIND = " Trace ID: 3c1f Correlation ID: 9b2a Timestamp: 2026-01-02 03:04:05Z"


def token_url(authority: str = PUBLIC, tenant: str = TENANT) -> str:
    """The URL of the token endpoint."""
    return f"{authority}/{tenant}/oauth2/v2.0/token"


def signs_in(
    sign_in: responses.RequestsMock, authority: str = PUBLIC, **answer: Any
) -> responses.BaseResponse:
    """Register a sign-in that knows the tenant and sends this response to token requests."""
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
    """Return a successful response of the token endpoint."""
    return {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token,
    }


def error_response(error: str, description: str) -> dict[str, Any]:
    """Return an error response of the token endpoint."""
    return {
        "error": error,
        "error_description": description + BEHIND,
        "correlation_id": "9b2a",
        "error_codes": [1],
    }


@pytest.fixture(autouse=True)
def local_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority for which MSAL sends no requests to others.

    A token then takes exactly two requests.
    """
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", LOCAL)


# --- client secret ---


def test_a_service_principal_gets_a_token(token: str) -> None:
    """Tenant, application and secret are sent as OAuth's client credentials.

    The audience is the Resource Manager.
    """
    form = {
        "client_id": APPLICATION,
        "client_info": "1",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
        "scope": "https://management.core.windows.net//.default",
    }
    with responses.RequestsMock() as sign_in:
        signs_in(
            sign_in, LOCAL, json=a_token(token), match=[matchers.urlencoded_params_matcher(form)]
        )
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
    """The sign-in and the audience are those of the configured cloud."""
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
        (
            400,
            "invalid_request",
            "AADSTS90002: Tenant not found.",
            "AADSTS90002",
            "Check the tenant id",
        ),
        (
            400,
            "invalid_request",
            "AADSTS900023: Specified tenant is no id.",
            "AADSTS900023",
            "Check the tenant id",
        ),
        (400, "invalid_scope", "AADSTS70011: The scope is not valid.", "AADSTS70011", ""),
        (400, "odd_error", "Something without a number.", "odd_error", ""),
    ],
)
def test_a_rejected_sign_in_has_its_error_code_and_advice(
    status: int, error: str, description: str, code: str, advice: str
) -> None:
    """`AuthenticationFailed` has the first sentence, code and id, and advice if there is any."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, status=status, json=error_response(error, description))
        with pytest.raises(AuthenticationFailed) as caught:
            azurerm_lite.get_access_token(*ME)
    failed = caught.value
    assert failed.code == code
    assert failed.request_id == "9b2a"
    assert failed.message.startswith(f"Sign-in failed: {description}")
    assert advice in failed.message
    assert "Trace ID" not in str(failed)
    assert isinstance(failed, AzureError)


def test_a_rejection_by_the_public_cloud_has_the_same_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MSAL's other requests for a known authority do not hide the error."""
    monkeypatch.delenv("AZURE_AUTHORITY_HOST")
    description = "AADSTS7000215: Invalid client secret provided."
    with responses.RequestsMock(assert_all_requests_are_fired=False) as sign_in:
        signs_in(sign_in, PUBLIC, status=401, json=error_response("invalid_client", description))
        sign_in.get(
            f"{PUBLIC}/common/discovery/instance",
            json={"tenant_discovery_endpoint": "x", "metadata": []},
        )
        with pytest.raises(AuthenticationFailed) as caught:
            azurerm_lite.get_access_token(*ME)
    assert caught.value.code == "AADSTS7000215"


@pytest.mark.parametrize("authority", [PUBLIC, LOCAL])
def test_an_unknown_tenant_is_an_error_before_the_secret_is_sent(
    authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant that the sign-in does not know is `AuthenticationFailed`."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
    with responses.RequestsMock() as sign_in:
        sign_in.get(
            f"{authority}/nobody.example/v2.0/.well-known/openid-configuration",
            status=400,
            json=error_response(
                "invalid_tenant", "AADSTS90002: Tenant 'nobody.example' not found."
            ),
        )
        with pytest.raises(AuthenticationFailed, match="Check the tenant id") as caught:
            azurerm_lite.get_access_token("nobody.example", APPLICATION, SECRET)
        assert len(sign_in.calls) == 1
    assert caught.value.code == "invalid_tenant"
    assert "nobody.example" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "tenant",
    ["../common", "a/b", "a?b", "a#b", "@evil.example", "\\evil.example", ":1@evil.example"],
)
def test_a_hostile_tenant_does_not_move_the_sign_in(tenant: str) -> None:
    """For any tenant, only the configured sign-in gets requests."""
    with responses.RequestsMock() as sign_in:
        sign_in.get(re.compile(".*"), status=400, json=error_response("invalid_tenant", "No."))
        with pytest.raises(AuthenticationFailed):
            azurerm_lite.get_access_token(tenant, APPLICATION, SECRET)
        assert all(str(call.request.url).startswith(LOCAL + "/") for call in sign_in.calls)


@pytest.mark.parametrize(
    "kind", [requests.ConnectionError, requests.ConnectTimeout, requests.ReadTimeout]
)
@pytest.mark.parametrize("late", [False, True])
def test_an_unreachable_sign_in_is_named_by_its_host(kind: type[Exception], late: bool) -> None:
    """Without a network the error is the one of requests, with host and cause."""
    with responses.RequestsMock() as sign_in:
        if late:
            signs_in(sign_in, LOCAL, body=kind("the line went dead"))
        else:
            sign_in.get(
                f"{LOCAL}/{TENANT}/v2.0/.well-known/openid-configuration",
                body=kind("the line went dead"),
            )
        with pytest.raises(kind) as caught:
            azurerm_lite.get_access_token(*ME)
    assert (
        str(caught.value)
        == f"No response from 127.0.0.1:8443 (sign-in /{TENANT}, 1 attempt): the line went dead"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": 500, "body": ""}, "500"),
        ({"status": 503, "body": "<html>", "headers": {"Retry-After": "5"}}, "503"),
        ({"status": 200, "body": "<html>Please sign in</html>"}, "did not respond like"),
        ({"status": 307, "headers": {"Location": "https://evil.example/"}}, "did not respond like"),
        ({"status": 200, "json": {"token_type": "Bearer"}}, "no reason was given"),
        ({"status": 400, "json": {}}, "no reason was given"),
    ],
)
def test_an_unexpected_sign_in_response_is_not_reported_as_a_wrong_tenant(
    answer: dict[str, Any], message: str
) -> None:
    """A response that is not OAuth is `AuthenticationFailed` without misleading advice.

    No redirect gets the secret.
    """
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, **answer)
        with pytest.raises(AuthenticationFailed, match=f"Sign-in failed: .*{message}") as caught:
            azurerm_lite.get_access_token(*ME)
        assert len(sign_in.calls) == 2
    assert caught.value.code == "SignInFailed"
    assert "tenant" not in str(caught.value)


@pytest.mark.parametrize("argument", ["tenant_id", "application_id", "application_secret"])
@pytest.mark.parametrize("bad", ["", "  ", None, b"canary~secret.5d1e8b", 5])
@pytest.mark.parametrize("function", [azurerm_lite.get_access_token, azurerm_lite.token_provider])
def test_a_missing_argument_is_a_value_error_with_its_name(
    function: Callable[..., Any], argument: str, bad: Any
) -> None:
    """An empty argument or one of another type is named before anything is sent.

    Its value is not shown.
    """
    arguments = dict(
        zip(("tenant_id", "application_id", "application_secret"), ME, strict=True)
    ) | {argument: bad}
    with responses.RequestsMock(), pytest.raises(ValueError, match=argument) as caught:
        function(**arguments)
    assert SECRET not in str(caught.value)


FAILURES: dict[str, dict[str, Any]] = {
    "refused": {
        "status": 401,
        "json": error_response("invalid_client", "AADSTS7000215: Invalid client secret."),
    },
    "server error": {"status": 500, "body": ""},
    "no JSON": {"status": 200, "body": "<html>"},
    "redirect": {"status": 307, "headers": {"Location": "https://evil.example/"}},
    "broken": {"body": requests.ConnectionError("the line went dead")},
    "answered": {"json": a_token("canary-token-7f3a9c")},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_neither_secret_nor_token_is_in_a_message_or_repr(
    failure: str, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However sign-in ends, no text, repr, pickle, traceback or log line contains them."""
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


# --- providers ---


def test_a_provider_caches_its_token(token: str) -> None:
    """A valid token is not requested again, and the tenant is not looked up again."""
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        assert len(sign_in.calls) == 0
        assert [provider() for _ in range(3)] == [token] * 3
        assert len(sign_in.calls) == 2


def wall_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Return the time of the wall_clock clock, some seconds after the start of the tests."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0 + seconds)


def test_a_provider_renews_its_token_ahead_of_its_end(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with less than five minutes left is renewed."""
    wall_clock(monkeypatch, 0)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token("first", 3600))
        sign_in.post(token_url(LOCAL), json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        given = []
        for seconds in (0, 3290, 3310, 3310):
            wall_clock(monkeypatch, seconds)
            given.append(provider())
        assert given == ["first", "first", token, token]


def test_short_lived_tokens_are_not_requested_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token valid for less than five minutes is cached for half of that time.

    But for half a minute at most.
    """
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token("short", 200))
        provider = azurerm_lite.token_provider(*ME)
        asked = []
        for seconds in (0, 10, 29, 31, 60, 62):
            wall_clock(monkeypatch, seconds)
            provider()
            asked.append(len([call for call in sign_in.calls if call.request.method == "POST"]))
    assert asked == [1, 1, 1, 2, 2, 3]


FAILED_RENEWALS: dict[str, dict[str, Any]] = {
    "broken": {"body": requests.ConnectionError("the line went dead")},
    "refused": {
        "status": 401,
        "json": error_response("invalid_client", "AADSTS7000222: The secret has expired."),
    },
    "not well": {"status": 503, "body": "<html>"},
}


@pytest.mark.parametrize("failure", FAILED_RENEWALS)
def test_a_failed_renewal_is_not_an_error_while_the_token_is_valid(
    failure: str, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is used until it expires, with a renewal attempt each half minute.

    Then the error is raised.
    """
    wall_clock(monkeypatch, 0)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token, 3600))
        sign_in.post(token_url(LOCAL), **FAILED_RENEWALS[failure])
        provider = azurerm_lite.token_provider(*ME)
        assert provider() == token
        for seconds, asked in ((3310, 2), (3330, 2), (3341, 3), (3599, 4)):
            wall_clock(monkeypatch, seconds)
            assert provider() == token
            assert len([call for call in sign_in.calls if call.request.method == "POST"]) == asked
        assert "cannot renew the token, which is valid for another 4 min 50 s" in caplog.text
        wall_clock(monkeypatch, 3601)
        with pytest.raises((AuthenticationFailed, requests.ConnectionError)):
            provider()
    assert token not in caplog.text


def test_threads_use_a_valid_token_while_one_renews_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow sign-in blocks only the thread that renews."""
    began, may_end = threading.Event(), threading.Event()
    wall_clock(monkeypatch, 0)

    def slowly(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        began.set()
        assert may_end.wait(10)
        return 200, {}, json.dumps(a_token("second"))

    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token("first", 3600))
        sign_in.add_callback(responses.POST, token_url(LOCAL), slowly)
        provider = azurerm_lite.token_provider(*ME)
        assert provider() == "first"
        wall_clock(monkeypatch, 3400)
        with ThreadPoolExecutor(1) as threads:
            renewing = threads.submit(provider)
            assert began.wait(10)
            assert provider() == "first"
            may_end.set()
            assert renewing.result(10) == "second"
        assert provider() == "second"


def test_a_rejected_token_is_forgotten(token: str) -> None:
    """After `forget` a new token is requested, even if the old one has not expired.

    Forgetting another token has no effect.
    """
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token("first"))
        sign_in.post(token_url(LOCAL), json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        assert provider() == "first"
        provider.forget("another")  # type: ignore[attr-defined]
        assert provider() == "first"
        provider.forget("first")  # type: ignore[attr-defined]
        assert provider() == token


def test_a_provider_may_be_shared_between_threads(token: str) -> None:
    """Threads that call it at the same time get one token, requested once."""
    start = threading.Barrier(20)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)

        def ask(_: int) -> str:
            start.wait(5)
            return provider()

        with ThreadPoolExecutor(20) as threads:
            assert set(threads.map(ask, range(20))) == {token}
        assert len(sign_in.calls) == 2


def test_a_provider_can_be_called_again_after_a_failure(token: str) -> None:
    """An unreachable sign-in has no lasting effect."""
    with responses.RequestsMock() as sign_in:
        url = f"{LOCAL}/{TENANT}/v2.0/.well-known/openid-configuration"
        sign_in.get(url, body=requests.ConnectionError("the line went dead"))
        signs_in(sign_in, LOCAL, json=a_token(token))
        provider = azurerm_lite.token_provider(*ME)
        with pytest.raises(requests.ConnectionError):
            provider()
        assert provider() == token


def test_a_provider_uses_the_service_principal_of_the_environment(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments, the three variables are the service principal."""
    for name, value in zip(
        ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"), ME, strict=True
    ):
        monkeypatch.setenv(name, value)
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        assert azurerm_lite.token_provider()() == token
        assert parse_qs(str(sign_in.calls[-1].request.body))["client_secret"] == [SECRET]


def test_a_provider_keeps_the_endpoint_of_its_creation(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of the cloud has no effect."""
    provider = azurerm_lite.token_provider(*ME)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")
    with responses.RequestsMock() as sign_in:
        signs_in(sign_in, LOCAL, json=a_token(token))
        assert provider() == token


class FakeProvider(Provider):
    """A provider whose tokens last `lasts` seconds; renewals fail if that is `None`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lasts: float | None = None
        self.expires_at: dict[str, float] = {}
        self.requests = 0

    def _request_token(self) -> tuple[str, float]:
        self.requests += 1
        if self.lasts is None:
            raise AuthenticationFailed("No.")
        token = f"token-{self.requests}"
        self.expires_at[token] = self.now + self.lasts
        return token, self.expires_at[token]


@given(
    steps=st.lists(st.tuples(st.floats(0, 4000), st.none() | st.integers(1, 90_000)), max_size=30)
)
def test_no_expired_token_is_returned_and_none_is_requested_too_often(
    steps: list[tuple[float, Any]],
) -> None:
    """For any lifetimes, pauses between calls, and failed renewals."""
    provider = FakeProvider()
    held_until = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: provider.now)
        for pause, lasts in steps:
            provider.now += pause
            provider.lasts = lasts
            before = provider.requests
            try:
                token = provider()
            except AuthenticationFailed:
                assert lasts is None
                assert held_until <= provider.now
                continue
            held_until = provider.expires_at[token]
            left = held_until - provider.now
            assert left > 0
            provider()
            assert provider.requests <= before + 1, "a second call at the same moment sends nothing"
            if provider.requests != before and lasts is not None:
                now = provider.now
                after = provider.requests
                provider.now += min(left / 2, 30) * 0.99
                provider()
                assert provider.requests == after, "a new token is used for a while"
                provider.now = now


# --- import time ---


def test_importing_the_package_does_not_import_msal() -> None:
    """A new interpreter that imports the package has not imported MSAL or its dependencies."""
    root = str(Path(azurerm_lite.__file__).parent.parent)
    code = "import azurerm_lite, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert {"azurerm_lite", "requests"} <= imported
    assert not imported & {"msal", "jwt", "cryptography", "werkzeug", "trustme", "rich", "pytest"}
