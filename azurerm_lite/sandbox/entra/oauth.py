"""The OAuth2 endpoints: discovery, tokens, device codes, and the browser's page."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request

from .._answer import Answer
from ..model.resources import TENANT
from .client_auth import ClientAuth
from .tokens import APPLICATION, SignInError, TokenIssuer

PERSON = "ada@sandbox.example"
_AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
_PERSON_OBJECT = "77777777-6666-5555-4444-333333333333"
_ANY_TENANT = ("organizations", "common")
# AD FS uses these paths without a version, and `adfs` as the tenant.
_PATHS = re.compile(
    r"/(?P<tenant>[^/]+)(/v2\.0)?/"
    r"(?P<page>\.well-known/openid-configuration|discovery(/v2\.0)?/keys|"
    r"oauth2(/v2\.0)?/(token|devicecode|authorize))"
)
_PROTOCOL_VERSION = "/v2.0"


@dataclass
class _Consent:
    """A sign-in that waits for a person, by a device code or in the browser."""

    client: str
    scope: str
    ends: float
    is_given: bool | None = None
    form: dict[str, str] = field(default_factory=dict)


class OAuthEndpoint:
    """Handler of the requests of a sign-in.

    Attributes:
        user_codes: The device code of each user code.
    """

    def __init__(self, tokens: TokenIssuer, client_auth: ClientAuth) -> None:
        self.user_codes: dict[str, str] = {}
        self._tokens = tokens
        self._client_auth = client_auth
        self._devices: dict[str, _Consent] = {}
        self._browsers: dict[str, _Consent] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._grants = {
            "urn:ietf:params:oauth:grant-type:device_code": self._grant_by_device_code,
            "refresh_token": self._grant_by_refresh_token,
            "authorization_code": self._grant_by_code,
        }

    def has_path(self, path: str) -> bool:
        """Return whether a path is one of the endpoints."""
        return _PATHS.fullmatch(path) is not None

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request for one of the endpoints."""
        match = _PATHS.fullmatch(request.path)
        if match is None:
            return Answer(404)
        tenant = match["tenant"]
        page = match["page"].rpartition("/")[2]
        base = f"{request.host_url.rstrip('/')}/{tenant}"
        try:
            _check_tenant(tenant)
            if page == "openid-configuration":
                version = _PROTOCOL_VERSION if _PROTOCOL_VERSION in request.path else ""
                return Answer(200, _configuration(base, version))
            if page == "keys":
                return Answer(200, self._tokens.public_keys)
            if page == "authorize":
                return self._show_consent_page(request.args.to_dict())
            form = request.form.to_dict()
            if page == "devicecode":
                return Answer(200, self._start_device_flow(form, base))
            return Answer(200, self._grant(form, base))
        except SignInError as error:
            return Answer(error.status, error.body)

    def consent(self, user_code: str, is_given: bool = True) -> None:
        """Enter a user code as a person who agrees or declines."""
        self._devices[self.user_codes[user_code]].is_given = is_given

    def revoke_refresh_tokens(self) -> None:
        """Revoke all refresh tokens."""
        self._refresh_tokens.clear()

    # Grants

    def _grant(self, form: dict[str, str], base: str) -> dict[str, Any]:
        if form.get("grant_type") == "client_credentials":
            return self._grant_to_application(form, base)
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            message = "The app requested an unsupported grant type."
            raise SignInError(400, "unsupported_grant_type", 70003, message)
        return grant(form)

    def _grant_to_application(self, form: dict[str, str], base: str) -> dict[str, Any]:
        _check_application(form, APPLICATION)
        if base.endswith(_ANY_TENANT):
            message = (
                f"Application '{APPLICATION}' is not configured as a multi-tenant application."
            )
            raise SignInError(400, "invalid_request", 50194, message)
        self._client_auth.check(form, base)
        return self._token_response(form)

    def _grant_by_device_code(self, form: dict[str, str]) -> dict[str, Any]:
        consent = self._devices.get(form.get("device_code", ""))
        if consent is None:
            message = "Error validating credentials: invalid code."
            raise SignInError(400, "bad_verification_code", 70018, message)
        if time.time() >= consent.ends:
            raise SignInError(400, "expired_token", 70019, "The verification code has expired.")
        if consent.is_given is None:
            message = "OAuth 2.0 device flow: authorization is pending."
            raise SignInError(400, "authorization_pending", 70016, message)
        del self._devices[form["device_code"]]
        if not consent.is_given:
            message = "User declined to consent to access the app."
            raise SignInError(400, "authorization_declined", 65004, message)
        return self._token_response_for_person(form | {"scope": consent.scope})

    def _grant_by_refresh_token(self, form: dict[str, str]) -> dict[str, Any]:
        client = self._refresh_tokens.get(form.get("refresh_token", ""))
        if client != form.get("client_id"):
            message = (
                "The provided grant has expired due to it being revoked, a fresh auth token is "
                "needed."
            )
            raise SignInError(400, "invalid_grant", 50173, message)
        return self._token_response_for_person(form)

    def _grant_by_code(self, form: dict[str, str]) -> dict[str, Any]:
        consent = self._browsers.pop(form.get("code", ""), None)
        if consent is None or consent.form.get("redirect_uri") != form.get("redirect_uri"):
            message = "The provided authorization code has expired."
            raise SignInError(400, "invalid_grant", 70008, message)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if consent.form.get("code_challenge") != challenge:
            message = (
                "The Code_Verifier does not match the code_challenge supplied in the "
                "authorization request."
            )
            raise SignInError(400, "invalid_grant", 501481, message)
        nonce = consent.form.get("nonce", "")
        return self._token_response_for_person(form | {"scope": consent.scope}, nonce)

    # Consent

    def _start_device_flow(self, form: dict[str, str], base: str) -> dict[str, Any]:
        """Return the codes for the device and for the person."""
        _check_application(form, APPLICATION, _AZURE_CLI)
        device_code = secrets.token_urlsafe(24)
        user_code = secrets.token_hex(4).upper()
        ends = time.time() + 900
        self._devices[device_code] = _Consent(form["client_id"], form.get("scope", ""), ends)
        self.user_codes[user_code] = device_code
        page = base.rpartition("/")[0] + "/devicelogin"
        message = (
            f"To sign in, open the page {page} and enter the code {user_code} to authenticate."
        )
        return {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": page,
            "expires_in": 900,
            "interval": 5,
            "message": message,
        }

    def _show_consent_page(self, query: dict[str, str]) -> Answer:
        """Return a page whose button sends the authorization code to the client."""
        _check_application(query, APPLICATION, _AZURE_CLI)
        code = secrets.token_urlsafe(24)
        self._browsers[code] = _Consent(
            query["client_id"],
            query.get("scope", ""),
            time.time() + 600,
            is_given=True,
            form=query,
        )
        fields = {"code": code, "state": query.get("state", "")}
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
            for name, value in fields.items()
        )
        target = html.escape(query.get("redirect_uri", ""))
        button = f"<button>Sign in to the sandbox as {PERSON}</button>"
        method = "post" if query.get("response_mode") == "form_post" else "get"
        page = f'<form method="{method}" action="{target}">{inputs}{button}</form>'
        return Answer(200, page=page)

    # Responses

    def _token_response(self, form: dict[str, str], person: str = "") -> dict[str, Any]:
        seconds = int(self._tokens.token_seconds)
        claims = {"appid": form["client_id"]}
        if person:
            claims |= {"upn": person, "oid": _PERSON_OBJECT}
        if "resource" in form:
            return self._token_response_v1(form["resource"], seconds, claims)
        audience = _resource(form).removesuffix("/.default")
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._tokens.issue(audience, claims=claims),
        }

    def _token_response_v1(
        self, resource: str, seconds: int, claims: dict[str, str]
    ) -> dict[str, Any]:
        """Return a token for a resource, with numbers as text, as the v1 endpoint does."""
        now = int(time.time())
        return {
            "token_type": "Bearer",
            "expires_in": str(seconds),
            "ext_expires_in": str(seconds),
            "expires_on": str(now + seconds),
            "not_before": str(now - 300),
            "resource": resource,
            "access_token": self._tokens.issue(resource, claims=claims),
        }

    def _token_response_for_person(self, form: dict[str, str], nonce: str = "") -> dict[str, Any]:
        """Return a token with its refresh token and the person's id token."""
        client = form["client_id"]
        refresh_token = "sandbox-refresh-" + secrets.token_urlsafe(24)
        self._refresh_tokens[refresh_token] = client
        claims = {
            "sub": PERSON,
            "oid": _PERSON_OBJECT,
            "preferred_username": PERSON,
            "nonce": nonce,
        }
        client_info = f'{{"uid": "{_PERSON_OBJECT}", "utid": "{TENANT}"}}'
        return {
            **self._token_response(form, PERSON),
            "scope": _resource(form),
            "refresh_token": refresh_token,
            "id_token": self._tokens.issue(client, claims=claims),
            "client_info": base64.urlsafe_b64encode(client_info.encode()).decode().rstrip("="),
        }


def _resource(form: dict[str, str]) -> str:
    """Return the scope in a form, such as `https://host/.default`; empty if there is none."""
    scopes = form.get("scope", "").split()
    return next((scope for scope in scopes if scope.endswith("/.default")), "")


def _configuration(base: str, version: str) -> dict[str, Any]:
    """Return the parts of the OpenID configuration that MSAL for Python and JavaScript read.

    Args:
        base: URL of the tenant.
        version: Version of the protocol in paths, such as `/v2.0`; empty for v1 and AD FS.
    """
    return {
        "issuer": f"{base}{version}",
        "authorization_endpoint": f"{base}/oauth2{version}/authorize",
        "token_endpoint": f"{base}/oauth2{version}/token",
        "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode",
        "jwks_uri": f"{base}/discovery{version}/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token"],
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _check_tenant(tenant: str) -> None:
    if tenant.lower() not in (TENANT, "adfs", *_ANY_TENANT):
        message = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
        raise SignInError(400, "invalid_tenant", 90002, message)


def _check_application(form: dict[str, str], *known: str) -> None:
    client = form.get("client_id")
    if (client or "").lower() not in known:
        message = (
            f"Application with identifier '{client}' was not found in the directory 'Sandbox'."
        )
        raise SignInError(400, "unauthorized_client", 700016, message)
