"""The sandbox's tokens: signed, with an expiry, an audience and an identity; and sign-in errors."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import datetime, timezone

import jwt  # PyJWT, which msal installs

from .. import errors
from ..model.resources import TENANT

APPLICATION = "99999999-8888-7777-6666-555555555555"
_AUDIENCES = ("management.azure.com", "management.core.windows.net")


class SignInError(Exception):
    """An error response of the token endpoint, whose JSON differs from the rest of Azure's."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        trace = str(uuid.uuid4())
        correlation = str(uuid.uuid4())
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        self.body = {
            "error": error,
            "error_description": (
                f"AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {correlation} "
                f"Timestamp: {stamp}"
            ),
            "error_codes": [number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }


class TokenIssuer:
    """Issues tokens for the resource manager, and checks them."""

    def __init__(self, token_seconds: float = 3599) -> None:
        self.token_seconds = token_seconds
        self._key = secrets.token_bytes(32)

    def issue(
        self,
        audience: str = "https://management.azure.com",
        seconds: float | None = None,
        claims: dict[str, str] | None = None,
    ) -> str:
        """Return a token, issued five minutes ago as Microsoft's are, because clocks differ.

        Args:
            audience: What it is for.
            seconds: How long it is valid; `token_seconds` by default.
            claims: For whom it is; the application by default.
        """
        now = time.time()
        lifetime = self.token_seconds if seconds is None else seconds
        payload = {
            "aud": audience,
            "tid": TENANT,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "uti": secrets.token_urlsafe(12),  # no two tokens are the same
            "iat": now - 300,
            "exp": now + lifetime,
            **(claims or {"appid": APPLICATION}),
        }
        return jwt.encode(payload, self._key, algorithm="HS256")

    def check(self, header: str | None) -> None:
        """Reject a request whose token is missing, foreign, expired, or for another audience."""
        if not header:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise errors.unauthorized("AuthenticationFailed", message)
        scheme, _, token = header.partition(" ")
        invalid = errors.unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
        if scheme.lower() != "bearer":
            raise invalid
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], options={"verify_aud": False}
            )
        except jwt.ExpiredSignatureError:
            message = "The access token expiry UTC time is earlier than current UTC time."
            raise errors.unauthorized("ExpiredAuthenticationToken", message) from None
        except jwt.InvalidTokenError:
            raise invalid from None
        audience = claims["aud"]
        if not any(host in audience for host in _AUDIENCES):
            message = (
                f"The access token has been obtained for wrong audience or resource '{audience}'."
            )
            raise errors.unauthorized("InvalidAuthenticationTokenAudience", message)
