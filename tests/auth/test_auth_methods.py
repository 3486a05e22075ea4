"""Each authentication method with the real MSAL, against the sandbox's sign-in endpoints."""

from __future__ import annotations

import base64
import json
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import PASSWORD, certificate_pem, key_pem, pfx, write_file

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.auth._error_advice import ADVICE, mask_secrets, sign_in_error
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.managed_identity import ARC_PATH, ASSIGNED, RESOURCE_ID, SYSTEM
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT

ME = (TENANT, APPLICATION)
Provider = Callable[[], str]


def claims(provider: Provider) -> dict[str, Any]:
    """Return the claims of a token that the sandbox accepts."""
    assert az.list_subscriptions(provider)
    return dict(jwt.decode(provider(), options={"verify_signature": False}))


def token_requests(sandbox: Sandbox) -> int:
    """Return the number of token requests."""
    return len([entry for entry in sandbox.journal if entry.path.endswith("/token")])


# --- an application ---

CERTIFICATES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "PEM": (lambda: key_pem() + certificate_pem(), {}),
    "PEM, certificate first": (lambda: certificate_pem() + key_pem(), {}),
    "PEM, among others": (lambda: certificate_pem("other") + key_pem() + certificate_pem(), {}),
    "PEM, locked": (lambda: key_pem(password=PASSWORD) + certificate_pem(), {"password": PASSWORD}),
    "PFX": (pfx, {}),
    "PFX, locked": (lambda: pfx(password=PASSWORD), {"password": PASSWORD}),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_an_application_signs_in_with_a_certificate(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """In each format. The sandbox checks signature, thumbprint and audience of MSAL's assertion."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    make, more = CERTIFICATES[kind]
    provider = az.token_provider(*ME, certificate=write_file(tmp_path, make()), **more)
    assert claims(provider)["appid"] == APPLICATION
    assert token_requests(sandbox) == 1


@pytest.mark.parametrize("kind", ["PEM", "PFX"])
def test_a_certificate_with_its_chain_is_trusted_by_its_subject(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """SNI: without `public_chain` the file is rejected, as its thumbprint is not registered."""
    sandbox.register_certificate(
        write_file(tmp_path, certificate_pem(), "public.pem"), subject="CN=web"
    )
    file = write_file(tmp_path, CERTIFICATES[kind][0]())
    assert (
        claims(az.token_provider(*ME, certificate=file, public_chain=True))["appid"] == APPLICATION
    )
    with pytest.raises(az.AuthenticationFailed, match="register it for the application") as caught:
        az.token_provider(*ME, certificate=str(file))()
    assert caught.value.code == "AADSTS700027"


def test_a_signature_by_another_key_is_rejected(sandbox: Sandbox, tmp_path: Path) -> None:
    """A certificate with the trusted name that is not registered."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    provider = az.token_provider(
        *ME, certificate=write_file(tmp_path, key_pem("other") + certificate_pem("other"))
    )
    with pytest.raises(az.AuthenticationFailed) as caught:
        provider()
    assert caught.value.code == "AADSTS700027"
    assert caught.value.request_id


BAD_FILES: dict[str, tuple[bytes | None, dict[str, Any], str]] = {
    "missing": (None, {}, "cannot be read: "),
    "empty": (b"", {}, "cannot be used: it has no private key"),
    "garbage": (b"-----BEGIN garbage", {}, "cannot be used: it has no private key"),
    "no key": (certificate_pem(), {}, "cannot be used: it has no private key"),
    "no certificate": (key_pem(), {}, "has no certificate for its private key"),
    "another certificate": (
        key_pem() + certificate_pem("other"),
        {},
        "has no certificate for its private key",
    ),
    "no password": (key_pem(password=PASSWORD) + certificate_pem(), {}, "or one with a password"),
    "wrong password": (
        pfx(password=PASSWORD),
        {"password": "canary-wrong"},
        "the password is wrong",
    ),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_an_unusable_certificate_is_a_value_error_before_anything_is_sent(
    bad: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The message has the file, but not its password."""
    content, more, message = BAD_FILES[bad]
    file = tmp_path / "app.pem" if content is None else write_file(tmp_path, content)
    with pytest.raises(ValueError, match=f"certificate: .*app.pem .*{message}") as caught:
        az.token_provider(*ME, certificate=file, **more)()
    assert "canary" not in str(caught.value)
    assert sandbox.journal == []


def test_a_replaced_certificate_is_used_at_the_next_renewal(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Files are read for each token, so a rotation needs no restart."""
    for name in ("web", "other"):
        sandbox.register_certificate(write_file(tmp_path, certificate_pem(name), "public.pem"))
    provider = az.token_provider(
        *ME, certificate=write_file(tmp_path, key_pem() + certificate_pem())
    )
    first = provider()
    write_file(tmp_path, b"half a fi")
    provider.forget(first)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="cannot be used"):
        provider()
    write_file(tmp_path, key_pem("other") + certificate_pem("other"))
    assert claims(provider)["appid"] == APPLICATION


@pytest.mark.parametrize("kind", ["text", "callable", "file"])
def test_a_workload_signs_in_with_the_token_of_another_issuer(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The assertion is a string, from a callable, or from a file."""
    more: dict[str, Any] = {
        "text": {"assertion": sandbox.federated_token()},
        "callable": {"assertion": sandbox.federated_token},
        "file": {
            "assertion_file": write_file(
                tmp_path, sandbox.federated_token().encode() + b"\n", "token"
            )
        },
    }[kind]
    assert claims(az.token_provider(*ME, **more))["appid"] == APPLICATION


def test_a_new_assertion_is_requested_for_each_token(sandbox: Sandbox, tmp_path: Path) -> None:
    """Assertions last minutes, a rollout hours.

    The callable is called and the file is read only for a new token.
    """
    calls = []

    def assertion() -> str:
        calls.append(1)
        return sandbox.federated_token()

    file = write_file(tmp_path, sandbox.federated_token(seconds=-60).encode(), "token")
    by_file, by_call = (
        az.token_provider(*ME, assertion_file=file),
        az.token_provider(*ME, assertion=assertion),
    )
    with pytest.raises(az.AuthenticationFailed, match="Check this machine's clock"):
        by_file()
    write_file(tmp_path, sandbox.federated_token().encode(), "token")
    assert claims(by_file)
    first = by_call()
    assert by_call() == first
    assert len(calls) == 1
    by_call.forget(first)  # type: ignore[attr-defined]
    by_call()
    assert len(calls) == 2


def assertion_of_another_issuer() -> str:
    """Return an assertion of an issuer that the application does not trust."""
    claims = {
        "iss": "https://stranger.example",
        "sub": "x",
        "aud": "api://AzureADTokenExchange",
        "exp": 4e9,
    }
    return jwt.encode(claims, key_pem("other"), algorithm="RS256")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda sandbox: sandbox.federated_token("repo:other/web"), "AADSTS700213"),
        (lambda sandbox: sandbox.federated_token(audience="api://Other"), "AADSTS700212"),
        (lambda sandbox: sandbox.federated_token(seconds=-1), "AADSTS700024"),
        (lambda sandbox: sandbox.federated_token()[:-12] + "AAAAAAAAAAAA", "AADSTS700027"),
        (lambda sandbox: assertion_of_another_issuer(), "AADSTS700211"),
        (lambda sandbox: "eyJhbGci.not.json", "AADSTS50027"),
    ],
)
def test_a_wrong_assertion_is_rejected_with_advice(
    make: Callable[[Sandbox], str], code: str, sandbox: Sandbox
) -> None:
    """Subject, audience, issuer, times and signature are checked; the assertion is not shown."""
    sandbox.federated_token()  # the issuer has a key
    assertion = make(sandbox)
    with pytest.raises(az.AuthenticationFailed) as caught:
        az.token_provider(*ME, assertion=assertion)()
    assert caught.value.code == code
    assert ADVICE[code] in str(caught.value)
    assert assertion not in str(caught.value)


@pytest.mark.parametrize("bad", ["/var/run/token", "one.two", ""])
def test_an_invalid_assertion_is_a_value_error_before_anything_is_sent(
    bad: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A path as assertion, an empty file, a missing file."""
    with pytest.raises(ValueError, match="assertion"):
        az.token_provider(*ME, assertion=bad)()
    with pytest.raises(ValueError, match="assertion"):
        az.token_provider(*ME, assertion_file=write_file(tmp_path, bad.encode(), "token"))()
    with pytest.raises(ValueError, match=r"assertion_file: .* cannot be read"):
        az.token_provider(*ME, assertion_file=tmp_path / "missing")()
    assert sandbox.journal == []


def test_an_exception_of_the_assertion_callable_is_raised_unchanged(sandbox: Sandbox) -> None:
    """It is not reported as a sign-in error."""

    def assertion() -> str:
        raise LookupError("the issuer is on holiday")

    with pytest.raises(LookupError, match="on holiday"):
        az.token_provider(*ME, assertion=assertion)()


def test_an_expired_secret_is_an_error_with_advice(sandbox: Sandbox) -> None:
    """The advice differs from that for a wrong secret."""
    with pytest.raises(az.AuthenticationFailed, match="its value, not its id"):
        az.get_access_token(*ME, "wrong")
    sandbox.expire_secret()
    with pytest.raises(az.AuthenticationFailed, match="make a new one"):
        az.get_access_token(*ME, sandbox.application_secret)


# --- a managed identity ---

MACHINES = ("vm", "app_service", "machine_learning", "service_fabric")


@pytest.fixture(params=MACHINES)
def machine(
    request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A machine with managed identities."""
    if request.param == "service_fabric":
        import msal.managed_identity

        if not hasattr(msal.managed_identity, "_create_service_fabric_http_client"):
            pytest.skip("this MSAL cannot check Service Fabric's certificate by its thumbprint")
    for name, value in sandbox.managed_identity(request.param).items():
        monkeypatch.setenv(name, value)
    return str(request.param)


def test_a_machine_signs_in_with_its_own_identity(machine: str, sandbox: Sandbox) -> None:
    """With one request to the endpoint, without a proxy."""
    provider = az.token_provider(managed_identity=True)
    assert claims(provider)["appid"] == SYSTEM
    assert token_requests(sandbox) == 1


@pytest.mark.parametrize("machine", ["vm", "app_service", "machine_learning"], indirect=True)
@pytest.mark.parametrize(
    "which",
    [
        {"application_id": ASSIGNED["client_id"]},
        {"object_id": ASSIGNED["object_id"]},
        {"resource_id": RESOURCE_ID},
    ],
    ids=lambda which: next(iter(which)),
)
def test_a_machine_signs_in_with_a_user_assigned_identity(
    which: dict[str, str], machine: str
) -> None:
    """By its client id, its object id, or its resource id."""
    assert claims(az.token_provider(managed_identity=True, **which))["xms_mirid"] == RESOURCE_ID


@pytest.mark.parametrize("machine", ["vm"], indirect=True)
def test_an_identity_that_is_not_assigned_is_an_error(machine: str) -> None:
    """With the message of the endpoint."""
    with pytest.raises(az.AuthenticationFailed, match="Sign-in failed: Identity not found"):
        az.token_provider(application_id=APPLICATION, managed_identity=True)()


@pytest.mark.parametrize("machine", ["app_service", "machine_learning"], indirect=True)
def test_a_wrong_header_is_an_error_that_does_not_show_it(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other machines get no token."""
    for name in ("IDENTITY_HEADER", "MSI_SECRET"):
        monkeypatch.setenv(name, "canary-header-93ad")
    with pytest.raises(az.AuthenticationFailed, match="identity header is wrong") as caught:
        az.token_provider(managed_identity=True)()
    assert "canary" not in str(caught.value)


def test_a_machine_of_arc_proves_that_it_may_read_the_key(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arc names a file that only its users can read, and requires its content."""
    from msal import managed_identity

    identities = sandbox.entra.identities
    for name, value in sandbox.managed_identity("arc").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        managed_identity,
        "_supported_arc_platforms_and_their_prefixes",
        {sys.platform: str(tmp_path)},
    )
    identities.arc_key_file = str(tmp_path / "one.key")
    provider = az.token_provider(managed_identity=True)
    with pytest.raises(az.AuthenticationFailed, match=r"No such file|cannot find") as caught:
        provider()
    assert caught.value.code == "SignInFailed"
    (tmp_path / "one.key").write_text(identities.header)
    assert claims(provider)["appid"] == SYSTEM
    assert [entry.status for entry in sandbox.journal if entry.path == ARC_PATH] == [401, 401, 200]


def test_cloud_shell_returns_the_token_of_its_user(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """MSAL uses the endpoint of Cloud Shell; the id of another identity is rejected."""
    monkeypatch.setenv("AZUREPS_HOST_ENVIRONMENT", "cloud-shell/1.0")
    monkeypatch.setenv("MSI_ENDPOINT", "http://localhost:50342/oauth2/token")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as shell:
        discovery = {
            "authorization_endpoint": "https://x/y/authorize",
            "token_endpoint": "https://x/y/token",
        }
        shell.get(re.compile("https://login.microsoftonline.com/.*"), json=discovery)
        shell.post(
            "http://localhost:50342/oauth2/token",
            json={"access_token": token, "expires_in": "3599"},
        )
        assert az.token_provider(managed_identity=True)() == token
        with pytest.raises(az.AuthenticationFailed, match="do not pass an id"):
            az.token_provider(application_id=APPLICATION, managed_identity=True)()


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": "<html>canary-token-7f3a9c"},
        {"status": 200, "json": {"access_token": "canary-token-7f3a9c"}},
        {"status": 200, "json": {"access_token": "canary-token-7f3a9c", "expires_on": "soon"}},
        {"status": 500, "json": {"message": "canary-token-7f3a9c"}},
        {"status": 200, "json": ["canary-token-7f3a9c"]},
    ],
    ids=repr,
)
def test_an_unexpected_response_of_the_endpoint_is_an_error(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A token in an incomplete response is neither shown nor logged."""
    caplog.set_level(0)
    monkeypatch.setenv("MSI_ENDPOINT", "http://127.0.0.1:1/msi/token")
    monkeypatch.setenv("MSI_SECRET", "canary-header-93ad")
    with responses.RequestsMock() as endpoint:
        endpoint.get("http://127.0.0.1:1/msi/token", **answer)
        with pytest.raises(az.AuthenticationFailed) as caught:
            az.token_provider(managed_identity=True)()
    assert "canary" not in str(caught.value) + repr(caught.value) + caplog.text


def test_a_machine_without_an_endpoint_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the one of requests, with the endpoint."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    message = (
        r"No response from 127\.0\.0\.1:1 \(sign-in /metadata/identity/oauth2/token, 1 attempt\): "
    )
    with pytest.raises(requests.ConnectionError, match=message):
        az.token_provider(managed_identity=True)()


def test_a_sign_in_with_an_untrusted_certificate_is_not_retried(
    sandbox: Sandbox, clock: Any
) -> None:
    """A retry cannot help; the error has the variable to set."""
    provider = az.token_provider()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(
            requests.exceptions.SSLError, match="set REQUESTS_CA_BUNDLE to its certificate file"
        ):
            az.list_subscriptions(provider)
    assert clock.slept == []


# --- other processes, long work, other clouds ---


def every_provider(sandbox: Sandbox, folder: Path) -> dict[str, Provider]:
    """A provider of each kind, none of which has requested a token."""
    file = write_file(folder, key_pem(password=PASSWORD) + certificate_pem())
    return {
        "secret": az.token_provider(*ME, sandbox.application_secret),
        "certificate": az.token_provider(
            *ME, certificate=file, password=PASSWORD, public_chain=True
        ),
        "assertion": az.token_provider(*ME, assertion=sandbox.federated_token()),
        "file": az.token_provider(
            *ME, assertion_file=write_file(folder, sandbox.federated_token().encode(), "token")
        ),
        "identity": az.token_provider(managed_identity=True, resource_id=RESOURCE_ID),
        "cli": az.token_provider(TENANT, cli=True),
        "browser": az.token_provider(browser=True),
        "device": az.token_provider(TENANT, device_code=print, cache_file=folder / "cache"),
        "found": az.token_provider(),
    }


def test_the_repr_names_method_and_identity_and_no_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    """For each provider."""
    shown = {name: repr(provider) for name, provider in every_provider(sandbox, tmp_path).items()}
    who = f"tenant_id='{TENANT}' application_id='{APPLICATION}'"
    assert shown["secret"] == shown["found"] == f"<token provider: client secret {who}>"
    assert shown["certificate"].startswith(
        f"<token provider: client certificate {who} certificate="
    )
    assert shown["assertion"] == f"<token provider: federated assertion {who}>"
    assert shown["identity"] == f"<token provider: managed identity resource_id='{RESOURCE_ID}'>"
    assert shown["cli"] == f"<token provider: Azure CLI tenant_id='{TENANT}'>"
    for secret in (sandbox.application_secret, PASSWORD, "eyJ"):
        assert secret not in str(shown)


@pytest.mark.parametrize("way", ["secret", "certificate", "assertion", "file", "found"])
def test_a_pickled_provider_signs_in_by_itself_and_carries_no_token(
    way: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The pickle has the credential but no token; the copy requests its own token."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    provider = every_provider(sandbox, tmp_path)[way]
    before = provider()
    pickled = pickle.dumps(provider)
    assert before.encode() not in pickled
    copy = pickle.loads(pickled)
    assert claims(copy)["appid"] == APPLICATION
    assert repr(copy) == repr(provider)
    assert token_requests(sandbox) == 2


def test_every_provider_can_be_pickled(sandbox: Sandbox, tmp_path: Path) -> None:
    """Including those with which a person signs in."""
    for name, provider in every_provider(sandbox, tmp_path).items():
        assert repr(pickle.loads(pickle.dumps(provider))) == repr(provider), name


def test_a_provider_works_in_another_process(sandbox: Sandbox) -> None:
    """A new interpreter reads it from standard input, and signs in."""
    code = (
        "import pickle, sys, azurerm_lite as az;"
        " print(az.list_subscriptions(pickle.load(sys.stdin.buffer)))"
    )
    pickled = pickle.dumps(az.token_provider(*ME, sandbox.application_secret))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=pickled,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert sandbox.subscription_id.encode() in done.stdout


@pytest.mark.parametrize("way", ["secret", "certificate", "file", "identity"])
def test_twenty_threads_that_share_a_provider_make_one_request(
    way: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They call it at the same time, and the sign-in is slow."""
    for name, value in sandbox.managed_identity().items():
        monkeypatch.setenv(name, value)
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    provider = every_provider(sandbox, tmp_path)[way]
    sandbox.fail_next(path="token", delay=0.2)
    start = threading.Barrier(20)

    def ask(_: int) -> list[Any]:
        start.wait(10)
        return az.list_subscriptions(provider)

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(ask, range(20)))
    assert token_requests(sandbox) == 1


def test_tokens_of_three_seconds_last_through_a_rollout() -> None:
    """They are renewed in time, so Azure never gets an expired token."""
    with Sandbox(upgrade_seconds=0, token_seconds=3) as sandbox:
        where = (az.token_provider(), *sandbox.where()[1:])
        az.wait(
            where[0],
            az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010")),
        )
        for _ in az.rollout(*where, pause=1.2):
            pass
        assert {vm["properties"]["latestModelApplied"] for vm in az.get_instance_views(*where)} == {
            True
        }
        assert 3 <= token_requests(sandbox) <= 8
        assert 401 not in {entry.status for entry in sandbox.journal}


def test_a_token_that_azure_rejects_is_replaced_whatever_the_clock(
    sandbox: Sandbox,
) -> None:
    """The clock of this machine may be wrong.

    The retry has another token than the cached one.
    """
    provider = az.token_provider()
    first = provider()
    sandbox.fail_next(401, code="ExpiredAuthenticationToken")
    assert az.list_subscriptions(provider)
    assert provider() != first
    assert [entry.status for entry in sandbox.journal if entry.path == "/subscriptions"] == [
        401,
        200,
    ]


def test_a_busy_sign_in_is_retried(sandbox: Sandbox, clock: Any) -> None:
    """A short outage of the sign-in does not end a rollout, a long one does."""
    sandbox.fail_next(503, path="oauth2/v2.0/token", times=2, retry_after=7)
    assert az.list_subscriptions(az.token_provider())
    assert len(clock.slept) == 2
    assert all(7 <= pause <= 8 for pause in clock.slept)
    sandbox.fail_next(429, path="oauth2/v2.0/token", times=9, retry_after=3600)
    with pytest.raises(az.AuthenticationFailed, match="throttles this client") as caught:
        az.list_subscriptions(az.token_provider())
    assert (caught.value.status_code, caught.value.retry_after) == (429, 3600)
    assert len(clock.slept) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (410, "temporarily unavailable"),
        (429, "throttles this client"),
        (500, "temporarily unavailable"),
    ],
)
def test_a_managed_identity_that_is_not_available_is_retried(
    status: int, words: str, sandbox: Sandbox, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint returns 410 while it is updated, for up to 70 seconds."""
    for name, value in sandbox.managed_identity().items():
        monkeypatch.setenv(name, value)
    provider = az.token_provider(managed_identity=True)
    sandbox.fail_next(status, path="metadata/identity", times=4, retry_after=None)
    assert az.list_subscriptions(provider)
    if status == 410:
        assert sum(clock.slept) >= 70
    sandbox.fail_next(status, path="metadata/identity", times=9, retry_after=None)
    with pytest.raises(az.AuthenticationFailed, match=words) as caught:
        az.list_subscriptions(az.token_provider(managed_identity=True))
    assert caught.value.status_code == status


# --- required claims ---

DEMANDED = '{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}'
ENCODED = base64.urlsafe_b64encode(DEMANDED.encode()).decode().rstrip("=")
CHALLENGE = f'Bearer authorization_uri="https://x", error="insufficient_claims", claims="{ENCODED}"'


@pytest.fixture
def challenge(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Azure rejects the first token with a challenge; the sign-in requests are recorded."""
    sent: list[str] = []
    rejected: list[int] = []
    sign_in = rest._SignInSession.send
    send_once = rest._send_once

    def send(session: Any, request: Any, **more: Any) -> Any:
        sent.append(f"{request.url} {request.body or ''}")
        return sign_in(session, request, **more)

    def reject_first(*given: Any) -> Any:
        response = send_once(*given)
        if not rejected:
            rejected.append(response.status_code)
            response.status_code = 401
            response.headers["WWW-Authenticate"] = CHALLENGE
            response._content = b'{"error": {"code": "TokenIssuedBeforeRevocationTimestamp"}}'
        return response

    monkeypatch.setattr(rest._SignInSession, "send", send)
    monkeypatch.setattr(rest, "_send_once", reject_first)
    return sent


def requests_with_claims(sent: list[str]) -> list[bool]:
    """Return for each token request whether it has the claims."""
    tokens = [request for request in sent if "/token" in request.partition("?")[0]]
    return ["acrs" in unquote(request) for request in tokens]


def test_a_service_principal_requests_the_required_claims(
    sandbox: Sandbox, challenge: list[str]
) -> None:
    """Once: later token requests are normal."""
    provider = az.token_provider(*ME, sandbox.application_secret)
    assert az.list_subscriptions(provider)
    provider.forget(provider())  # type: ignore[attr-defined]
    assert provider()
    assert requests_with_claims(challenge) == [False, True, False]


def test_a_person_signs_in_with_the_required_claims(sandbox: Sandbox, challenge: list[str]) -> None:
    """The refresh token is tried first."""
    provider = az.token_provider(TENANT, device_code=sandbox.enter_code)
    assert az.list_subscriptions(provider)
    assert requests_with_claims(challenge)[-1]


def test_the_required_claims_are_in_no_repr_and_no_pickle(sandbox: Sandbox) -> None:
    """They describe the person's session."""
    provider = az.token_provider(*ME, sandbox.application_secret)
    provider.require_claims("canary-claims")  # type: ignore[attr-defined]
    assert "canary-claims" not in repr(provider)
    assert b"canary-claims" not in pickle.dumps(provider)


@pytest.mark.parametrize("is_old", [False, True])
def test_a_credential_gets_the_required_claims(
    is_old: bool, sandbox: Sandbox, challenge: list[str]
) -> None:
    """If its `get_token` has the argument `claims`."""
    asked: list[Any] = []

    class Old:
        def get_token(self, *scopes: str) -> Any:
            asked.append(None)
            return type("AccessToken", (), {"token": sandbox.access_token})

    class New:
        def get_token(self, *scopes: str, claims: str | None = None) -> Any:
            asked.append(claims)
            return type("AccessToken", (), {"token": sandbox.access_token})

    assert az.list_subscriptions(Old() if is_old else New())
    assert asked == [None, None if is_old else DEMANDED]


def test_a_sign_in_that_rejects_the_required_claims_keeps_them(
    sandbox: Sandbox, challenge: list[str]
) -> None:
    """The error has them, for `az login --claims-challenge`."""

    class Refusing:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self) -> str:
            self.calls += 1
            if self.calls > 1:
                raise az.AuthenticationFailed("A person has to sign in.", code="AADSTS50076")
            return sandbox.access_token

    with pytest.raises(az.AuthenticationFailed) as caught:
        az.list_subscriptions(Refusing())
    assert caught.value.claims == ENCODED
    assert ENCODED not in str(caught.value)


def test_the_authority_must_be_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL requires it; a secret is rejected before it is sent in plain text."""
    monkeypatch.setenv("AZURE_AUTH_ENDPOINT", "http://login.example")
    with (
        responses.RequestsMock(),
        pytest.raises(ValueError, match="AZURE_AUTH_ENDPOINT must be https"),
    ):
        az.token_provider(*ME, "secret")


@pytest.mark.parametrize("endpoint", ["", "/adfs"])
def test_ad_fs_of_azure_stack_has_no_tenant_in_its_paths(
    endpoint: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is named by the endpoint or as the tenant.

    Both end in /adfs, without instance discovery at Microsoft.
    """
    monkeypatch.setenv("AZURE_AUTH_ENDPOINT", sandbox.url + endpoint)
    monkeypatch.delenv("AZURE_AUTHORITY_HOST")
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    file = write_file(tmp_path, key_pem() + certificate_pem())
    tenant = TENANT if endpoint else "adfs"
    for provider in (
        az.token_provider(tenant, APPLICATION, sandbox.application_secret),
        az.token_provider(tenant, APPLICATION, certificate=file),
    ):
        assert provider()
    assert {entry.path for entry in sandbox.journal} == {
        "/adfs/.well-known/openid-configuration",
        "/adfs/oauth2/token",
    }


# --- choice of the method ---

WAYS: dict[str, Any] = {
    "application_secret": "canary~secret.5d1e8b",
    "certificate": "app.pem",
    "assertion": "canary.jwt.5d1e8b",
    "assertion_file": "token",
    "managed_identity": True,
    "cli": True,
    "browser": True,
    "device_code": True,
}


@pytest.mark.parametrize("one", WAYS)
@pytest.mark.parametrize("other", WAYS)
def test_two_methods_at_once_are_a_value_error(one: str, other: str) -> None:
    """The error names both, and shows no value."""
    if one == other:
        return
    with pytest.raises(
        ValueError, match="are different authentication methods: pass one of them"
    ) as caught:
        az.token_provider(**{one: WAYS[one], other: WAYS[other]})
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"application_secret": "s"}, "tenant_id must be a non-empty string"),
        ({"certificate": "app.pem"}, "tenant_id must be"),
        ({"tenant_id": "t", "certificate": "app.pem"}, "application_id must be"),
        (
            {"tenant_id": "t", "application_id": "a"},
            "application_secret must be .*other authentication methods: certificate, ",
        ),
        ({"tenant_id": "t", "application_id": "a", "certificate": ""}, "certificate must be"),
        (
            {"tenant_id": "t", "application_id": "a", "certificate": "x", "password": 5},
            "password must be",
        ),
        ({"tenant_id": "t", "application_id": "a", "assertion": 5}, "assertion must be"),
        ({"password": "p"}, "password cannot be combined with application_secret"),
        (
            {"tenant_id": "t", "managed_identity": True},
            "tenant_id cannot be combined with managed_identity",
        ),
        (
            {"managed_identity": True, "object_id": "o", "resource_id": "r"},
            "object_id and resource_id cannot be combined",
        ),
        ({"managed_identity": "an-id"}, "managed_identity must be True or False"),
        (
            {"cli": True, "tenant_id": "t", "subscription": "s"},
            "tenant_id and subscription cannot be combined",
        ),
        ({"cli": True, "subscription": " "}, "subscription must be"),
        ({"browser": True, "cache_file": ""}, "cache_file must be"),
        ({"device_code": 5}, "device_code must be"),
        ({"cache_file": "x"}, "cache_file cannot be combined with"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_combined_are_a_value_error(
    given: dict[str, Any], message: str
) -> None:
    """Before anything is sent."""
    with responses.RequestsMock(), pytest.raises(ValueError, match=message):
        az.token_provider(**given)


# --- error responses ---


@pytest.mark.parametrize("code", ADVICE)
def test_each_common_error_code_has_advice(code: str, token: str) -> None:
    """The message has the sign-in's sentence, advice, code and id, and no secret."""
    message = f"{code}: It is so, canary~secret and eyJh.eyJi.c2ln. Trace ID: 1 Correlation ID: 2"
    error = sign_in_error(
        {"error": "x", "error_description": message, "correlation_id": "9b2a"}, ["canary~secret"]
    )
    if code.startswith("AADSTS"):
        assert (
            str(error) == f"Sign-in failed: {code}: It is so, *** and ***."
            f" {ADVICE[code]} ({code}, request 9b2a)"
        )
    assert ADVICE[code].endswith(".")


def test_the_more_specific_error_code_is_used() -> None:
    """Microsoft sometimes sends two."""
    message = (
        "AADSTS70002: Error validating credentials. AADSTS500133: Assertion is not within its valid"
        " time range"
    )
    assert sign_in_error({"error_description": message}).code == "AADSTS500133"
    assert sign_in_error({"error_description": "AADSTS1: a. AADSTS2: b."}).code == "AADSTS1"
    assert sign_in_error({}).code == "SignInFailed"
    assert (
        sign_in_error({"error": "odd", "error_description": None, "correlation_id": 5}).request_id
        is None
    )


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from(["error", "error_description", "correlation_id", "error_codes"])


@given(result=st.dictionaries(FIELDS, JSON))
def test_any_sign_in_error_is_one_line(result: dict[str, Any]) -> None:
    """For any content of MSAL's dict."""
    error = sign_in_error(result, ["0"])
    assert str(error).startswith("Sign-in failed: ")
    assert len(str(error).splitlines()) == 1
    assert error.code


def test_secrets_and_tokens_are_masked() -> None:
    """In any text that contains one."""
    token = jwt.encode({"a": 1}, "k" * 32, algorithm="HS256")
    assert mask_secrets(f"got {token}, secret s3cret", ["s3cret"]) == "got ***, secret ***"
    assert mask_secrets("nothing to hide") == "nothing to hide"


# --- credentials of azure-identity ---


class FakeCredential:
    """A credential with the interface of azure-identity."""

    def __init__(self, *tokens: Any) -> None:
        self.tokens, self.scopes = list(tokens), []

    def get_token(self, *scopes: str, **_: object) -> Any:
        self.scopes.append(scopes)
        token = self.tokens.pop(0)
        if isinstance(token, Exception):
            raise token
        return type("AccessToken", (), {"token": token})


def test_a_credential_of_azure_identity_is_accepted(sandbox: Sandbox) -> None:
    """A real one, in every function and in a rollout."""
    identity = pytest.importorskip("azure.identity")
    credential = identity.ClientSecretCredential(
        *ME, sandbox.application_secret, disable_instance_discovery=True
    )
    where = (credential, *sandbox.where()[1:])
    az.wait(
        credential,
        az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010")),
    )
    assert len(list(az.rollout(*where))) > 5
    wrong = identity.ClientSecretCredential(*ME, "canary~secret", disable_instance_discovery=True)
    with pytest.raises(
        az.AuthenticationFailed, match=r"ClientSecretCredential returned no token: .*AADSTS7000215"
    ) as caught:
        az.get_vmss(wrong, *where[1:])
    assert caught.value.__context__ is None
    assert "canary" not in repr(caught.value)


def test_a_credential_is_asked_for_the_configured_cloud(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scope is that of the Resource Manager, as for our own tokens."""
    monkeypatch.setenv("AZURE_RESOURCE_ENDPOINT", "https://management.core.usgovcloudapi.net/")
    credential = FakeCredential(sandbox.access_token)
    assert az.list_subscriptions(credential)
    assert credential.scopes == [("https://management.core.usgovcloudapi.net//.default",)]


def test_a_credentials_expired_token_is_replaced_once(sandbox: Sandbox) -> None:
    """As for a callable."""
    expired = sandbox.entra.tokens.issue(seconds=-5)
    assert az.list_subscriptions(FakeCredential(expired, sandbox.access_token))
    with pytest.raises(az.AuthenticationFailed) as caught:
        az.list_subscriptions(FakeCredential(expired, expired, sandbox.access_token))
    assert caught.value.code == "ExpiredAuthenticationToken"
    assert "callable" not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", "a b", b"bytes", 3])
def test_a_credential_without_a_token_is_a_value_error(token: Any) -> None:
    """Nothing is sent."""
    with responses.RequestsMock(), pytest.raises(ValueError, match="access_token"):
        az.list_subscriptions(FakeCredential(token))


def test_other_exceptions_of_a_credential_are_raised_unchanged() -> None:
    """A bug in the credential stays visible."""
    with pytest.raises(LookupError):
        rest.resolve_token(FakeCredential(LookupError("x")))


def test_the_sign_in_session_accepts_only_json(sandbox: Sandbox) -> None:
    """MSAL receives only JSON objects."""
    with rest.sign_in_session() as session:
        url = f"{sandbox.url}/{TENANT}/v2.0/.well-known/openid-configuration"
        assert "token_endpoint" in json.loads(session.get(url).text)
        sandbox.fail_next(path="openid-configuration", text="<html>")
        with pytest.raises(
            az.AuthenticationFailed, match="did not respond like Microsoft's sign-in service"
        ):
            session.get(url)
