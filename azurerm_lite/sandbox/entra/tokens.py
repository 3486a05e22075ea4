"""Access tokens of the sandbox, and sign-in errors."""

from __future__ import annotations

import functools
import json
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import jwt  # PyJWT, which msal installs
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from .. import errors
from ..model.resources import TENANT

APPLICATION = "99999999-8888-7777-6666-555555555555"
_AUDIENCES = ("management.azure.com", "management.core.windows.net")
_ALGORITHM = "RS256"


class SignInError(Exception):
    """An error response of the token endpoint; its JSON differs from other errors of Azure."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        trace = str(uuid.uuid4())
        correlation = str(uuid.uuid4())
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        self.body: dict[str, Any] = {
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


@functools.cache
def _signing_key() -> rsa.RSAPrivateKey:
    """Return the key that all sandboxes of this process share, because generating one is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class TokenIssuer:
    """Issuer and verifier of tokens for the resource manager.

    Attributes:
        token_seconds: How many seconds tokens are valid that are issued from now on.
        url: URL of the sandbox, which is a valid audience too.
        key_id: The `kid` of the tokens, which is different in each sandbox.
    """

    def __init__(self, token_seconds: float = 3599) -> None:
        self.token_seconds = token_seconds
        self.url = ""
        self.key_id: str = secrets.token_urlsafe(20)
        self._verified: dict[str, dict[str, Any]] = {}

    @property
    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set with the key that verifies the tokens."""
        key = json.loads(RSAAlgorithm.to_jwk(_signing_key().public_key()))
        return {"keys": [{"kid": self.key_id, "use": "sig", **key}]}

    def issue(
        self,
        audience: str = "https://management.azure.com",
        seconds: float | None = None,
        claims: dict[str, str] | None = None,
    ) -> str:
        """Return a token that is valid from five minutes ago, like Microsoft's.

        Args:
            audience: Audience of the token.
            seconds: How many seconds the token is valid; `token_seconds` by default.
            claims: Claims that identify the holder; the application's by default.
        """
        now = time.time()
        lifetime = self.token_seconds if seconds is None else seconds
        payload = {
            "aud": audience,
            "tid": TENANT,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "uti": secrets.token_urlsafe(12),  # makes each token unique
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + lifetime,
            **(claims or {"appid": APPLICATION}),
        }
        headers = {"kid": self.key_id}
        return jwt.encode(payload, _signing_key(), algorithm=_ALGORITHM, headers=headers)

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
            claims = self._read_claims(token)
        except jwt.ExpiredSignatureError:
            message = "The access token expiry UTC time is earlier than current UTC time."
            raise errors.unauthorized("ExpiredAuthenticationToken", message) from None
        except jwt.InvalidTokenError:
            raise invalid from None
        audience = claims["aud"]
        is_own_url = bool(self.url) and audience.rstrip("/") == self.url
        if not is_own_url and not any(host in audience for host in _AUDIENCES):
            message = (
                f"The access token has been obtained for wrong audience or resource '{audience}'."
            )
            raise errors.unauthorized("InvalidAuthenticationTokenAudience", message)

    def _read_claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of this sandbox, for any audience.

        The signature is verified once: with each request it would be the largest part of the work.

        Raises:
            jwt.InvalidTokenError: The token is invalid, or another sandbox issued it.
        """
        if token not in self._verified:
            self._verified[token] = self._verify(token)
        claims = self._verified[token]
        if claims["exp"] <= time.time():
            raise jwt.ExpiredSignatureError
        return claims

    def _verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token after checking its signature and its times."""
        if jwt.get_unverified_header(token).get("kid") != self.key_id:
            raise jwt.InvalidTokenError
        claims: dict[str, Any] = jwt.decode(
            token,
            _signing_key().public_key(),
            algorithms=[_ALGORITHM],
            options={"verify_aud": False},
        )
        return claims
