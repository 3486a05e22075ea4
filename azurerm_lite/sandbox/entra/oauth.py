"""The sandbox's sign-in page by page: discovery, tokens by each grant, device codes, and the browser's page."""

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

from ..handlers.scale_sets import Answer
from .client_auth import Proofs
from .tokens import APPLICATION, TENANT, SignIn, SignInRefused

PERSON = "ada@sandbox.example"
_AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
_PERSON_OBJECT = "77777777-6666-5555-4444-333333333333"
_ANY_TENANT = ("organizations", "common")
# AD FS has its own path for each of these, without a tenant.
_PAGES = re.compile(
    r"/(?P<tenant>[^/]+)(/v2\.0)?/(?P<page>\.well-known/openid-configuration|oauth2(/v2\.0)?/(token|devicecode|authorize))"
)


@dataclass
class Page(Answer):
    """An answer for a browser."""

    page: str = ""


@dataclass
class _Asked:
    """What a person is asked to agree to: by a device code, or at the browser."""

    client: str
    scope: str
    ends: float
    agreed: bool | None = None
    form: dict[str, str] = field(default_factory=dict)


class Authority:
    """Answers whoever wants to sign in."""

    def __init__(self, tokens: SignIn, proofs: Proofs) -> None:
        self.tokens, self.proofs = tokens, proofs
        self.devices: dict[str, _Asked] = {}
        self.user_codes: dict[str, str] = {}
        self._browsers: dict[str, _Asked] = {}
        self._refresh: dict[str, str] = {}
        self._grants = {
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device_code,
            "refresh_token": self._by_refresh_token,
            "authorization_code": self._by_code,
        }

    def serves(self, path: str) -> bool:
        """Whether a path is one of the sign-in's."""
        return _PAGES.fullmatch(path) is not None

    def answer(self, request: Request) -> Answer:
        """The answer to a request for one of its pages."""
        found = _PAGES.fullmatch(request.path)
        assert found
        tenant, page = found["tenant"], found["page"].rpartition("/")[2]
        base = f"{request.host_url.rstrip('/')}/{tenant}"
        try:
            self._check_tenant(tenant)
            if page == "openid-configuration":
                return Answer(200, _configuration(base))
            if page == "authorize":
                return self._browser_page(request.args.to_dict())
            form = request.form.to_dict()
            return Answer(
                200, self._begun(form, base) if page == "devicecode" else self._grant(form, base)
            )
        except SignInRefused as refused:
            return Answer(refused.status, refused.body)

    def agree(self, user_code: str, agreed: bool = True) -> None:
        """What a person does who enters the code, or declines."""
        self.devices[self.user_codes[user_code]].agreed = agreed

    def sign_out(self) -> None:
        """Revokes what would renew a person's token."""
        self._refresh.clear()

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() not in (TENANT, "adfs", *_ANY_TENANT):
            message = (
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            )
            raise SignInRefused(400, "invalid_tenant", 90002, message)

    def _grant(self, form: dict[str, str], base: str) -> dict[str, Any]:
        if form.get("grant_type") == "client_credentials":
            return self._for_application(form, base)
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise SignInRefused(
                400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
            )
        return grant(form)

    def _for_application(self, form: dict[str, str], base: str) -> dict[str, Any]:
        _check_application(form, APPLICATION)
        if base.endswith(_ANY_TENANT):
            message = (
                f"Application '{APPLICATION}' is not configured as a multi-tenant application."
            )
            raise SignInRefused(400, "invalid_request", 50194, message)
        self.proofs.check(form, base)
        return self._answered(form, "")

    def _begun(self, form: dict[str, str], base: str) -> dict[str, Any]:
        """A device flow that begins: the codes for the device and for the person."""
        _check_application(form, APPLICATION, _AZURE_CLI)
        device_code, user_code = secrets.token_urlsafe(24), secrets.token_hex(4).upper()
        self.devices[device_code] = _Asked(
            form["client_id"], form.get("scope", ""), time.time() + 900
        )
        self.user_codes[user_code] = device_code
        page = base.rpartition("/")[0] + "/devicelogin"
        message = (
            f"To sign in, open the page {page} and enter the code {user_code} to authenticate."
        )
        codes = {"device_code": device_code, "user_code": user_code}
        return codes | {
            "verification_uri": page,
            "expires_in": 900,
            "interval": 5,
            "message": message,
        }

    def _by_device_code(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self.devices.get(form.get("device_code", ""))
        if asked is None:
            raise SignInRefused(
                400, "bad_verification_code", 70018, "Error validating credentials: invalid code."
            )
        if time.time() >= asked.ends:
            raise SignInRefused(400, "expired_token", 70019, "The verification code has expired.")
        if asked.agreed is None:
            raise SignInRefused(
                400,
                "authorization_pending",
                70016,
                "OAuth 2.0 device flow: authorization is pending.",
            )
        del self.devices[form["device_code"]]
        if not asked.agreed:
            raise SignInRefused(
                400, "authorization_declined", 65004, "User declined to consent to access the app."
            )
        return self._answered(form | {"scope": asked.scope}, PERSON)

    def _by_refresh_token(self, form: dict[str, str]) -> dict[str, Any]:
        if self._refresh.get(form.get("refresh_token", "")) != form.get("client_id"):
            message = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
            raise SignInRefused(400, "invalid_grant", 50173, message)
        return self._answered(form, PERSON)

    def _browser_page(self, query: dict[str, str]) -> Answer:
        """The page on which the person agrees by a click: it brings the code to whoever listens on this machine."""
        _check_application(query, APPLICATION, _AZURE_CLI)
        code = secrets.token_urlsafe(24)
        self._browsers[code] = _Asked(
            query["client_id"], query.get("scope", ""), time.time() + 600, True, query
        )
        fields = {"code": code, "state": query.get("state", "")}
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(fields[name])}">'
            for name in fields
        )
        target = html.escape(query.get("redirect_uri", ""))
        button = f"<button>Sign in to the sandbox as {PERSON}</button>"
        method = "post" if query.get("response_mode") == "form_post" else "get"
        return Page(
            200, None, page=f'<form method="{method}" action="{target}">{inputs}{button}</form>'
        )

    def _by_code(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self._browsers.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked.form.get("redirect_uri") != form.get("redirect_uri"):
            raise SignInRefused(
                400, "invalid_grant", 70008, "The provided authorization code has expired."
            )
        if asked.form.get("code_challenge") != challenge:
            message = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
            raise SignInRefused(400, "invalid_grant", 501481, message)
        return self._answered(form | {"scope": asked.scope}, PERSON, asked.form.get("nonce", ""))

    def _answered(self, form: dict[str, str], person: str, nonce: str = "") -> dict[str, Any]:
        """The token endpoint's answer; for a person with what renews the token, and who it is."""
        resource = next(
            (each for each in form.get("scope", "").split() if each.endswith("/.default")), ""
        )
        seconds, client = int(self.tokens.token_seconds), form["client_id"]
        claims = {"appid": client} | ({"upn": person, "oid": _PERSON_OBJECT} if person else {})
        token = self.tokens.token(resource.removesuffix("/.default"), claims=claims)
        answer = {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }
        if not person:
            return answer
        refresh_token = "sandbox-refresh-" + secrets.token_urlsafe(24)
        self._refresh[refresh_token] = client
        who = {"sub": person, "oid": _PERSON_OBJECT, "preferred_username": person, "nonce": nonce}
        client_info = f'{{"uid": "{_PERSON_OBJECT}", "utid": "{TENANT}"}}'
        return answer | {
            "scope": resource,
            "refresh_token": refresh_token,
            "id_token": self.tokens.token(client, claims=who),
            "client_info": base64.urlsafe_b64encode(client_info.encode()).decode().rstrip("="),
        }


def _configuration(base: str) -> dict[str, Any]:
    version = "" if base.endswith("/adfs") else "/v2.0"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2{version}/authorize",
        "token_endpoint": f"{base}/oauth2{version}/token",
        "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token"],
    }


def _check_application(form: dict[str, str], *known: str) -> None:
    if form.get("client_id", "").lower() not in known:
        message = f"Application with identifier '{form.get('client_id')}' was not found in the directory 'Sandbox'."
        raise SignInRefused(400, "unauthorized_client", 700016, message)
