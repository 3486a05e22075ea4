"""The sandbox's sign-in: Azure's own library signs in by each flow; bad requests fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from support.certificates import certificate_pem, key_pem, pfx, written

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.managed_identity import ASSIGNED, VM_PATH
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT

SCOPE = "https://management.azure.com/.default"
ME = (TENANT, APPLICATION)


# --- judged by azure-identity ---


@pytest.fixture
def identity() -> Any:
    """Azure's own library."""
    return pytest.importorskip("azure.identity")


def takes(sandbox: Sandbox, credential: Any) -> None:
    """The sandbox's resource manager takes what the credential gives."""
    assert az.list_subscriptions(credential.get_token(SCOPE).token)


@pytest.mark.parametrize("content", [key_pem() + certificate_pem(), pfx()], ids=["PEM", "PFX"])
def test_azures_library_signs_in_with_a_certificate(
    content: bytes, identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its assertion is signed and named in its own way."""
    sandbox.register_certificate(written(tmp_path, certificate_pem()))
    takes(
        sandbox,
        identity.CertificateCredential(
            *ME, certificate_data=content, disable_instance_discovery=True
        ),
    )


def test_azures_library_signs_in_with_a_certificate_by_its_name(
    identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """SNI: the chain is sent along."""
    sandbox.register_certificate(written(tmp_path, certificate_pem()), subject="CN=web")
    content = key_pem() + certificate_pem()
    more = {"send_certificate_chain": True, "disable_instance_discovery": True}
    takes(sandbox, identity.CertificateCredential(*ME, certificate_data=content, **more))


def test_azures_library_signs_in_as_a_workload(
    identity: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    """By a callable, and by what Kubernetes would mount."""
    more = {"disable_instance_discovery": True}
    takes(sandbox, identity.ClientAssertionCredential(*ME, sandbox.federated_token, **more))
    file = written(tmp_path, sandbox.federated_token().encode(), "token")
    takes(
        sandbox,
        identity.WorkloadIdentityCredential(
            tenant_id=ME[0], client_id=ME[1], token_file_path=str(file), **more
        ),
    )


def test_azures_library_signs_a_person_in_by_a_code(identity: Any, sandbox: Sandbox) -> None:
    """The person is shown the code, and enters it at once."""
    credential = identity.DeviceCodeCredential(
        tenant_id=TENANT,
        prompt_callback=lambda page, user_code, ends: sandbox.enter_code(user_code),
        disable_instance_discovery=True,
    )
    takes(sandbox, credential)


@pytest.mark.parametrize("kind", ["vm", "app_service", "machine_learning", "service_fabric"])
def test_azures_library_signs_a_machine_in(
    kind: str, identity: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the endpoint of each kind of machine."""
    for name, value in sandbox.managed_identity(kind).items():
        monkeypatch.setenv(name, value)
    takes(sandbox, identity.ManagedIdentityCredential())
    if kind != "service_fabric":
        takes(sandbox, identity.ManagedIdentityCredential(client_id=ASSIGNED["client_id"]))


# --- what it refuses ---

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": APPLICATION, "scope": SCOPE}
DEVICE = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": APPLICATION}


def asked(sandbox: Sandbox, form: dict[str, str], tenant: str = TENANT, page: str = "token") -> Any:
    """What a form is answered with."""
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
    """As Microsoft's sign-in would."""
    answer = asked(sandbox, form)
    assert answer["error_codes"] == [number]
    assert answer["error_description"].startswith(f"AADSTS{number}: ")
    assert "access_token" not in answer


def test_an_application_must_name_its_tenant(sandbox: Sandbox) -> None:
    """People may come from any organization."""
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    assert asked(sandbox, form, "organizations")["error_codes"] == [50194]
    assert asked(sandbox, form, "nobody.example")["error_codes"] == [90002]
    assert "access_token" in asked(sandbox, form)


def test_a_code_is_valid_once(sandbox: Sandbox) -> None:
    """Pending, given, gone."""
    begun = asked(sandbox, {"client_id": APPLICATION, "scope": SCOPE}, page="devicecode")
    form = {**DEVICE, "device_code": begun["device_code"]}
    assert asked(sandbox, form)["error"] == "authorization_pending"
    with pytest.raises(ValueError, match="no code"):
        sandbox.enter_code("another")
    sandbox.enter_code(begun["message"])
    given = asked(sandbox, form)
    assert given["refresh_token"]
    assert asked(sandbox, form)["error_codes"] == [70018]
    renewed = asked(
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
def test_a_code_of_the_browser_needs_its_verifier(
    changed: dict[str, str], number: int | None, sandbox: Sandbox
) -> None:
    """PKCE, and the place it was sent to."""
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
    answer = asked(
        sandbox, {**form, "redirect_uri": query["redirect_uri"], **changed}, "organizations"
    )
    assert answer.get("error_codes", [None]) == [number]


def test_a_managed_identity_endpoint_requires_its_header(sandbox: Sandbox) -> None:
    """A browser cannot be tricked into sending it; and unknown kinds of machines are rejected."""
    url = sandbox.managed_identity("vm")["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    assert url.startswith("http://127.0.0.1:")
    answer = requests.get(url + VM_PATH, params={"resource": SCOPE}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    with pytest.raises(ValueError, match="kind must be one of vm, "):
        sandbox.managed_identity("toaster")


def test_faults_affect_the_sign_in_only_by_its_path(sandbox: Sandbox) -> None:
    """Whoever breaks the next request means the resource manager's."""
    sandbox.fail_next(503)
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    assert "access_token" in asked(sandbox, form)
    sandbox.fail_next(503, path="oauth2/v2.0/token", code="temporarily_unavailable")
    assert asked(sandbox, form)["error"] == "temporarily_unavailable"
    assert "access_token" in asked(sandbox, form)


def test_the_journal_contains_no_secret(sandbox: Sandbox) -> None:
    """The forms are not kept."""
    form = {**CREDENTIALS, "client_secret": sandbox.application_secret}
    token = asked(sandbox, form)["access_token"]
    assert sandbox.application_secret not in repr(sandbox.journal)
    assert token not in repr(sandbox.journal)


# --- what clients read before they sign in ---


def read(sandbox: Sandbox, path: str, **query: str) -> Any:
    """The JSON at a path, which needs no token."""
    answer = requests.get(sandbox.url + path, params=query, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("version", ["", "/v2.0"])
def test_the_published_keys_verify_the_tokens(sandbox: Sandbox, version: str) -> None:
    """By the OpenID configuration of either version: the keys, and the endpoints, are there."""
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
    """Although all sandboxes of a process share a key."""
    foreign = Sandbox(demo=False).access_token
    with pytest.raises(az.AzureError, match="InvalidAuthenticationToken"):
        az.list_subscriptions(foreign)


def request_token(sandbox: Sandbox, path: str, **form: str) -> Any:
    """The answer to a request for a token by the application's secret."""
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
    """The numbers are text there, and the audience is the resource as it was sent."""
    resource = resource.replace("own URL", sandbox.url)
    answer = request_token(sandbox, "/oauth2/token", resource=resource)
    assert answer["resource"] == resource
    assert answer["expires_in"] == "3599"
    assert int(answer["expires_on"]) > int(answer["not_before"])
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == resource
    assert az.list_subscriptions(answer["access_token"])


def test_the_sandbox_itself_is_an_audience(sandbox: Sandbox) -> None:
    """SDKs derive the scope from the endpoint."""
    answer = request_token(sandbox, "/oauth2/v2.0/token", scope=f"{sandbox.url}/.default")
    assert az.list_subscriptions(answer["access_token"])


def test_the_endpoints_of_the_cloud_need_no_token(sandbox: Sandbox) -> None:
    """An object today, an array in 2019, and fewer members in the version of Azure Stack."""
    cloud = read(sandbox, "/metadata/endpoints", **{"api-version": "2022-09-01"})
    assert cloud["resourceManager"] == f"{sandbox.url}/"
    assert cloud["authentication"]["loginEndpoint"] == f"{sandbox.url}/"
    assert read(sandbox, "/metadata/endpoints", **{"api-version": "2019-10-01"}) == [cloud]
    oldest = read(sandbox, "/metadata/endpoints", **{"api-version": "1.0"})
    assert oldest["authentication"]["audiences"][0] == "https://management.core.windows.net/"
    assert "resourceManager" not in oldest
    missing = requests.get(f"{sandbox.url}/metadata/endpoints", timeout=10)
    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"


def test_a_fault_reaches_the_endpoints_of_the_cloud(sandbox: Sandbox) -> None:
    """As any other request to the resource manager."""
    sandbox.fail_next(503)
    answer = requests.get(
        f"{sandbox.url}/metadata/endpoints", params={"api-version": "2022-09-01"}, timeout=10
    )
    assert answer.status_code == 503
