"""The sandbox's tokens: they are signed, end, and say what they are for and for whom; and how a sign-in refuses."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import datetime, timezone

import jwt  # PyJWT, which msal brings

from .. import errors

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
    """Makes tokens for the resource manager, and checks them."""

    def __init__(self, token_seconds: float = 3599) -> None:
        self.token_seconds = token_seconds
        self._key = secrets.token_bytes(32)

    def token(
        self,
        audience: str = "https://management.azure.com",
        seconds: float | None = None,
        claims: dict[str, str] | None = None,
    ) -> str:
        """A token for the resource manager, good for some seconds; for the application, if no claims say for whom.

        It counts as issued five minutes ago, as Microsoft's do: clocks differ.
        """
        now = time.time()
        times = {
            "iat": now - 300,
            "exp": now + (self.token_seconds if seconds is None else seconds),
        }
        issued = {"aud": audience, "tid": TENANT, "iss": f"https://sts.windows.net/{TENANT}/"}
        issued["uti"] = secrets.token_urlsafe(12)  # no two tokens are the same
        return jwt.encode(
            issued | times | (claims or {"appid": APPLICATION}), self._key, algorithm="HS256"
        )

    def check(self, header: str | None) -> None:
        """Refuses a request whose token is missing, not ours, past its end, or meant for something else."""
        if not header:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise errors.unauthorized("AuthenticationFailed", message)
        scheme, _, token = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], options={"verify_aud": False}
            )
        except jwt.ExpiredSignatureError:
            message = "The access token expiry UTC time is earlier than current UTC time."
            raise errors.unauthorized("ExpiredAuthenticationToken", message) from None
        except jwt.InvalidTokenError:
            raise errors.unauthorized(
                "InvalidAuthenticationToken", "The access token is invalid."
            ) from None
        if not any(
            host in claims["aud"]
            for host in ("management.azure.com", "management.core.windows.net")
        ):
            message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
            raise errors.unauthorized("InvalidAuthenticationTokenAudience", message)
