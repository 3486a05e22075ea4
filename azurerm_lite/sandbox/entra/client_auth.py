"""How an application proves to the sandbox's sign-in who it is: a secret, a certificate, or another issuer's word."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

import jwt  # PyJWT, which msal brings
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from .tokens import APPLICATION, SignInRefused

AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:default:web"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NO_RECORD = "No matching federated identity record found for presented assertion"


class Proofs:
    """What the one application is registered with."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(24)
        self.expired_secrets: set[str] = set()
        self.issuer = ""
        self._certificates: dict[str, x509.Certificate] = {}
        self._subjects: set[str] = set()
        self._issuer_key: rsa.RSAPrivateKey | None = None

    def register(self, pem: bytes, subject: str | None = None) -> None:
        """Registers a certificate, or with a subject whatever certificate of that name is sent along."""
        if subject is not None:
            self._subjects.add(subject)
            return
        certificate = x509.load_pem_x509_certificate(pem)
        for digest in (hashes.SHA1(), hashes.SHA256()):
            self._certificates[_encoded(certificate.fingerprint(digest))] = certificate

    def federated_token(self, subject: str, audience: str, seconds: float) -> str:
        """What an issuer that the application trusts says of a workload."""
        if self._issuer_key is None:  # a key takes a while to make, and few need one
            self._issuer_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = time.time()
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._issuer_key, algorithm="RS256")

    def check(self, form: dict[str, str], base: str) -> None:
        """Refuses an application that does not prove who it is."""
        if "client_assertion" in form:
            self._check_assertion(form, base)
        elif "client_secret" not in form:
            message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise SignInRefused(401, "invalid_client", 7000218, message)
        elif form["client_secret"] in self.expired_secrets:
            message = f"The provided client secret keys for app '{APPLICATION}' are expired."
            raise SignInRefused(401, "invalid_client", 7000222, message)
        elif form["client_secret"] != self.secret:
            message = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{APPLICATION}'."
            )
            raise SignInRefused(401, "invalid_client", 7000215, message)

    def _check_assertion(self, form: dict[str, str], base: str) -> None:
        assertion = form["client_assertion"]
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise SignInRefused(
                401, "invalid_client", 50027, "JWT token is invalid or malformed."
            ) from None
        if form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise SignInRefused(
                400,
                "invalid_request",
                900144,
                "The request body must contain 'client_assertion_type'.",
            )
        if claims.get("iss") == self.issuer:
            self._check_federated(assertion, claims)
        elif claims.get("iss") == claims.get("sub") == APPLICATION:
            verified(
                assertion,
                self._key_for(header),
                [f"{base}/oauth2/v2.0/token", f"{base}/oauth2/token"],
            )
        else:
            message = f"No matching federated identity record found for presented assertion issuer '{claims.get('iss')}'."
            raise SignInRefused(401, "invalid_client", 700211, message)

    def _check_federated(self, assertion: str, claims: dict[str, Any]) -> None:
        if claims.get("sub") != SUBJECT:
            raise SignInRefused(
                401, "invalid_client", 700213, f"{_NO_RECORD} subject '{claims.get('sub')}'."
            )
        if claims.get("aud") != AUDIENCE:
            raise SignInRefused(
                401, "invalid_client", 700212, f"{_NO_RECORD} audience '{claims.get('aud')}'."
            )
        assert self._issuer_key
        verified(assertion, self._issuer_key.public_key(), [AUDIENCE])

    def _key_for(self, header: dict[str, Any]) -> Any:
        """The public key that an assertion of the application itself must be signed with."""
        thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "")
        certificate = self._certificates.get(thumbprint.rstrip("="))
        if certificate is None and header.get("x5c"):
            sent = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
            certificate = sent if sent.subject.rfc4514_string() in self._subjects else None
        if certificate is None:
            message = "The certificate with identifier used to sign the client assertion is not registered."
            raise SignInRefused(401, "invalid_client", 700027, message)
        return certificate.public_key()


def verified(assertion: str, key: Any, audiences: list[str]) -> None:
    """Refuses an assertion that is signed with another key, meant for somebody else, or not of this time."""
    try:
        jwt.decode(assertion, key, algorithms=["RS256", "PS256"], audience=audiences)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        message = "Client assertion is not within its valid time range."
        raise SignInRefused(401, "invalid_client", 700024, message) from None
    except jwt.InvalidAudienceError:
        message = "Client assertion audience claim does not match Realm issuer."
        raise SignInRefused(401, "invalid_client", 700023, message) from None
    except jwt.InvalidTokenError:
        message = "Client assertion contains an invalid signature."
        raise SignInRefused(401, "invalid_client", 700027, message) from None


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
