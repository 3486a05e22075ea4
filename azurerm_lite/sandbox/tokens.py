"""The sandbox's sign-in: a tenant with one application, and tokens that are signed, end, and say what they are for."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import datetime, timezone
from typing import Any

import jwt  # PyJWT, which msal brings

from . import errors

TENANT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
APPLICATION = "99999999-8888-7777-6666-555555555555"


class SignInRefused(Exception):
    """A refusal of the token endpoint, which speaks another JSON than the rest of Azure."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        self.body = {
            "error": error,
            "error_description": f"AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {stamp}",
            "error_codes": [number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }


class SignIn:
    """Gives tokens to the one application, and checks them."""

    def __init__(self, token_seconds: float = 3599) -> None:
        self.token_seconds = token_seconds
        self.secret = secrets.token_urlsafe(24)
        self._key = secrets.token_bytes(32)

    def check_tenant(self, tenant: str) -> None:
        """Refuses a tenant that is not the sandbox's."""
        if tenant.lower() != TENANT:
            message = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise SignInRefused(400, "invalid_tenant", 90002, message)

    def grant(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint to the client-credentials flow."""
        if form.get("grant_type") != "client_credentials":
            raise SignInRefused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form.get("client_id", "").lower() != APPLICATION:
            message = f"Application with identifier '{form.get('client_id')}' was not found in the directory 'Sandbox'."
            raise SignInRefused(400, "unauthorized_client", 700016, message)
        if form.get("client_secret") != self.secret:
            message = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{APPLICATION}'."
            )
            raise SignInRefused(401, "invalid_client", 7000215, message)
        audience = form.get("scope", "").removesuffix("/.default")
        seconds = int(self.token_seconds)
        token = self.token(audience)
        return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}

    def token(self, audience: str = "https://management.azure.com", seconds: float | None = None) -> str:
        """A token for the resource manager, good for some seconds."""
        now = time.time()
        claims = {"aud": audience, "iat": now, "exp": now + (self.token_seconds if seconds is None else seconds)}
        claims |= {"tid": TENANT, "appid": APPLICATION, "iss": f"https://sts.windows.net/{TENANT}/"}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def check(self, header: str | None) -> None:
        """Refuses a request whose token is missing, not ours, past its end, or meant for something else."""
        if not header:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise errors.unauthorized("AuthenticationFailed", message)
        scheme, _, token = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise jwt.InvalidTokenError
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            message = "The access token expiry UTC time is earlier than current UTC time."
            raise errors.unauthorized("ExpiredAuthenticationToken", message) from None
        except jwt.InvalidTokenError:
            raise errors.unauthorized("InvalidAuthenticationToken", "The access token is invalid.") from None
        if not any(host in claims["aud"] for host in ("management.azure.com", "management.core.windows.net")):
            message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
            raise errors.unauthorized("InvalidAuthenticationTokenAudience", message)
