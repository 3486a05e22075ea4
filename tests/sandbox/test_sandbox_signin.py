"""The sandbox's sign-in: azure-identity signs in with each flow, and invalid requests fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from support.certificates import certificate_pem, key_pem, pfx, write_file

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.managed_identity import ASSIGNED, VM_PATH
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT

SCOPE = "https://management.azure.com/.default"
ME = (TENANT, APPLICATION)


# --- azure-identity ---


@pytest.fixture
def identity() -> Any:
    """Return azure-identity."""
    return pytest.importorskip("azure.identity")


def assert_is_accepted(sandbox: Sandbox, credential: Any) -> None:
    """Check that the sandbox accepts the credential's token."""
    assert az.list_subscriptions(credential.get_token(SCOPE).token)


@pytest.mark.parametrize("content", [key_pem() + certificate_pem(), pfx()], ids=["PEM", "PFX"])
def test_azures_library_signs_in_with_a_certificate(
    content: bytes, identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The library signs the assertion itself."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem()))
    assert_is_accepted(
        sandbox,
        identity.CertificateCredential(
            *ME, certificate_data=content, disable_instance_discovery=True
        ),
    )


def test_azures_library_signs_in_with_a_certificate_by_its_name(
    identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """With SNI the client sends the certificate chain."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem()), subject="CN=web")
    content = key_pem() + certificate_pem()
    more = {"send_certificate_chain": True, "disable_instance_discovery": True}
    assert_is_accepted(
        sandbox, identity.CertificateCredential(*ME, certificate_data=content, **more)
    )


def test_azures_library_signs_in_as_a_workload(
    identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The assertion comes from a callable or from a file, as on Kubernetes."""
    more = {"disable_instance_discovery": True}
    assert_is_accepted(
        sandbox, identity.ClientAssertionCredential(*ME, sandbox.federated_token, **more)
    )
    file = write_file(tmp_path, sandbox.federated_token().encode(), "token")
    assert_is_accepted(
        sandbox,
        identity.WorkloadIdentityCredential(
            tenant_id=ME[0], client_id=ME[1], token_file_path=str(file), **more
        ),
    )


def test_azures_library_signs_a_person_in_with_a_device_code(
    identity: Any, sandbox: Sandbox
) -> None:
    """The person sees the code and enters it at once."""
    credential = identity.DeviceCodeCredential(
        tenant_id=TENANT,
        prompt_callback=lambda page, user_code, ends: sandbox.enter_code(user_code),
        disable_instance_discovery=True,
    )
    assert_is_accepted(sandbox, credential)


@pytest.mark.parametrize("kind", ["vm", "app_service", "machine_learning", "service_fabric"])
def test_azures_library_signs_a_machine_in(
    kind: str, identity: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of machine has its own endpoint."""
    for name, value in sandbox.managed_identity(kind).items():
        monkeypatch.setenv(name, value)
    assert_is_accepted(sandbox, identity.ManagedIdentityCredential())
    if kind != "service_fabric":
        assert_is_accepted(
            sandbox, identity.ManagedIdentityCredential(client_id=ASSIGNED["client_id"])
        )


# --- rejected requests ---

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": APPLICATION, "scope": SCOPE}
DEVICE = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": APPLICATION}


def post_form(
    sandbox: Sandbox, form: dict[str, str], tenant: str = TENANT, page: str = "token"
) -> Any:
    """Post a form to the sign-in, and return the JSON of the response."""
    url = f"{sandbox.url}/{tenant}/oauth2/v2.0/{page}"
    return requests.post(url, data=form, timeout=10).json()


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ({"grant_type": "password"}, 70003),
        ({}, 70003),
        (CREDENTIALS, 7000218),
        ({**CREDENTIALS, "client_id": "x"}, 700016),
        ({**CREDENTIALS, "client_secret": "x"}, 7000215),
        ({**CREDENTIALS, "client_assertion": "x"}, 50027),
        ({**CREDENTIALS, "client_assertion": "eyJhbGciOiJub25lIn0.e30."}, 900144),
        (
            {
                **CREDENTIALS,
                "client_assertion": "eyJhbGciOiJub25lIn0.e30.",
                "client_assertion_type": ASSERTION_TYPE,
            },
            700211,
        ),
        ({**DEVICE, "device_code": "x"}, 70018),
        ({"grant_type": "refresh_token", "client_id": APPLICATION, "refresh_token": "x"}, 50173),
        ({"grant_type": "authorization_code", "client_id": APPLICATION, "code": "x"}, 70008),
    ],
    ids=str,
)
def test_invalid_client_credentials_fail_with_their_aadsts_number(
    form: dict[str, str], number: int, sandbox: Sandbox
) -> None:
    """The numbers are those of Microsoft's sign-in."""
    answer = post_form(sandbox, form)
    assert answer["error_codes"] == [number]
    assert answer["error_description"].startswith(f"AADSTS{number}: ")
    assert "access_token" not in answer


def test_an_application_must_name_its_tenant(sandbox: Sandbox) -> None:
    """A sign-in to `organizations` or to an unknown tenant fails."""
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    assert post_form(sandbox, form, "organizations")["error_codes"] == [50194]
    assert post_form(sandbox, form, "nobody.example")["error_codes"] == [90002]
    assert "access_token" in post_form(sandbox, form)


def test_a_code_is_valid_once(sandbox: Sandbox) -> None:
    """It is pending, then valid for one token, then invalid."""
    started = post_form(sandbox, {"client_id": APPLICATION, "scope": SCOPE}, page="devicecode")
    form = {**DEVICE, "device_code": started["device_code"]}
    assert post_form(sandbox, form)["error"] == "authorization_pending"
    with pytest.raises(ValueError, match="must contain a requested device code"):
        sandbox.enter_code("another")
    sandbox.enter_code(started["message"])
    given = post_form(sandbox, form)
    assert given["refresh_token"]
    assert post_form(sandbox, form)["error_codes"] == [70018]
    renewed = post_form(
        sandbox,
        {
            "grant_type": "refresh_token",
            "client_id": APPLICATION,
            "refresh_token": given["refresh_token"],
            "scope": SCOPE,
        },
    )
    assert renewed["access_token"] != given["access_token"]


@pytest.mark.parametrize(
    ("changed", "number"),
    [({}, None), ({"code_verifier": "other"}, 501481), ({"redirect_uri": "http://evil"}, 70008)],
)
def test_a_browser_code_needs_its_verifier(
    changed: dict[str, str], number: int | None, sandbox: Sandbox
) -> None:
    """It also needs the same redirect URI."""
    query = {
        "client_id": APPLICATION,
        "scope": SCOPE,
        "redirect_uri": "http://localhost:1",
        "state": '"<s>"',
    }
    # The challenge for the verifier "v" * 43.
    query["code_challenge"] = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
    page = requests.get(
        f"{sandbox.url}/organizations/oauth2/v2.0/authorize", params=query, timeout=10
    ).text
    assert 'value="&quot;&lt;s&gt;&quot;"' in page
    (code,) = re.findall(r'name="code" value="([^"]*)"', page)
    form = {
        "grant_type": "authorization_code",
        "client_id": APPLICATION,
        "code": code,
        "code_verifier": "v" * 43,
    }
    answer = post_form(
        sandbox, {**form, "redirect_uri": query["redirect_uri"], **changed}, "organizations"
    )
    assert answer.get("error_codes", [None]) == [number]


def test_a_managed_identity_endpoint_requires_its_header(sandbox: Sandbox) -> None:
    """A request without the header is rejected, and so are unknown kinds of machines."""
    url = sandbox.managed_identity("vm")["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    assert url.startswith("http://127.0.0.1:")
    answer = requests.get(url + VM_PATH, params={"resource": SCOPE}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    with pytest.raises(ValueError, match="kind must be one of vm, "):
        sandbox.managed_identity("toaster")


def test_faults_affect_the_sign_in_only_by_its_path(sandbox: Sandbox) -> None:
    """Other faults affect only requests to the resource manager."""
    sandbox.fail_next(503)
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    assert "access_token" in post_form(sandbox, form)
    sandbox.fail_next(503, path="oauth2/v2.0/token", code="temporarily_unavailable")
    assert post_form(sandbox, form)["error"] == "temporarily_unavailable"
    assert "access_token" in post_form(sandbox, form)


def test_the_journal_contains_no_secret(sandbox: Sandbox) -> None:
    """Forms and tokens are not in the journal."""
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    token = post_form(sandbox, form)["access_token"]
    assert sandbox.application_secret not in repr(sandbox.journal)
    assert token not in repr(sandbox.journal)


# --- metadata without a token ---


def read(sandbox: Sandbox, path: str, **query: str) -> Any:
    """Return the JSON at a path that needs no token."""
    answer = requests.get(sandbox.url + path, params=query, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("version", ["", "/v2.0"])
def test_the_published_keys_verify_the_tokens(sandbox: Sandbox, version: str) -> None:
    """The OpenID configuration of each version has the endpoints and the URL of the keys."""
    configuration = read(sandbox, f"/{TENANT}{version}/.well-known/openid-configuration")
    assert configuration["token_endpoint"].endswith(f"{TENANT}/oauth2{version}/token")
    assert configuration["jwks_uri"] == f"{sandbox.url}/{TENANT}/discovery{version}/keys"
    keys = jwt.PyJWKSet.from_dict(read(sandbox, f"/{TENANT}/discovery{version}/keys"))
    token = sandbox.access_token
    key_id = jwt.get_unverified_header(token)["kid"]
    (key,) = [key for key in keys.keys if key.key_id == key_id]
    claims = jwt.decode(
        token, key.key, algorithms=["RS256"], audience="https://management.azure.com"
    )
    assert claims["tid"] == TENANT


def test_a_token_of_another_sandbox_is_rejected(sandbox: Sandbox) -> None:
    """All sandboxes of a process share a key, but not its id."""
    foreign = Sandbox(demo=False).access_token
    with pytest.raises(az.AzureError, match="InvalidAuthenticationToken"):
        az.list_subscriptions(foreign)


def request_token(sandbox: Sandbox, path: str, **form: str) -> Any:
    """Request a token with the application's secret, and return the response."""
    form = {
        "grant_type": "client_credentials",
        "client_id": APPLICATION,
        "client_secret": sandbox.application_secret,
        **form,
    }
    return requests.post(f"{sandbox.url}/{TENANT}{path}", data=form, timeout=10).json()


@pytest.mark.parametrize(
    "resource", ["https://management.azure.com/", "https://management.core.windows.net/", "own URL"]
)
def test_the_v1_endpoint_issues_a_token_for_a_resource(sandbox: Sandbox, resource: str) -> None:
    """Its numbers are text, and the audience is the resource in the request."""
    resource = resource.replace("own URL", sandbox.url)
    answer = request_token(sandbox, "/oauth2/token", resource=resource)
    assert answer["resource"] == resource
    assert answer["expires_in"] == "3599"
    assert int(answer["expires_on"]) > int(answer["not_before"])
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == resource
    assert az.list_subscriptions(answer["access_token"])


def test_the_url_of_the_sandbox_is_an_audience(sandbox: Sandbox) -> None:
    """SDKs derive the scope from the URL of the endpoint."""
    answer = request_token(sandbox, "/oauth2/v2.0/token", scope=f"{sandbox.url}/.default")
    assert az.list_subscriptions(answer["access_token"])


def test_the_metadata_endpoint_needs_no_token(sandbox: Sandbox) -> None:
    """It is an object today, an array in 2019, and has fewer members for Azure Stack."""
    cloud = read(sandbox, "/metadata/endpoints", **{"api-version": "2022-09-01"})
    assert cloud["resourceManager"] == f"{sandbox.url}/"
    assert cloud["authentication"]["loginEndpoint"] == f"{sandbox.url}/"
    assert read(sandbox, "/metadata/endpoints", **{"api-version": "2019-10-01"}) == [cloud]
    oldest = read(sandbox, "/metadata/endpoints", **{"api-version": "1.0"})
    assert oldest["authentication"]["audiences"][0] == "https://management.core.windows.net/"
    assert "resourceManager" not in oldest
    missing = requests.get(f"{sandbox.url}/metadata/endpoints", timeout=10)
    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"


def test_a_fault_affects_the_metadata_endpoint(sandbox: Sandbox) -> None:
    """It is a request to the resource manager like others."""
    sandbox.fail_next(503)
    answer = requests.get(
        f"{sandbox.url}/metadata/endpoints", params={"api-version": "2022-09-01"}, timeout=10
    )
    assert answer.status_code == 503
