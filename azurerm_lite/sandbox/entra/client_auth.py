"""Client authentication of the application: secret, certificate or federated token."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

import jwt  # PyJWT, which msal installs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from .tokens import APPLICATION, SignInError

AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:default:web"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NO_RECORD = "No matching federated identity record found for presented assertion"


class ClientAuth:
    """The registered credentials of the application."""

    def __init__(self) -> None:
        self.secret: str = secrets.token_urlsafe(24)
        self.expired_secrets: set[str] = set()
        self.issuer = ""
        self._certificates: dict[str, x509.Certificate] = {}
        self._subjects: set[str] = set()
        self._issuer_key: rsa.RSAPrivateKey | None = None

    def register_certificate(self, pem: bytes, subject: str | None = None) -> None:
        """Register a certificate or, with `subject`, every sent certificate of that name."""
        if subject is not None:
            self._subjects.add(subject)
            return
        certificate = x509.load_pem_x509_certificate(pem)
        # Clients identify a certificate by either digest; security does not depend on them here.
        for digest in (hashes.SHA1(), hashes.SHA256()):  # noqa: S303 - x5t is SHA-1 by RFC 7515
            self._certificates[_encode(certificate.fingerprint(digest))] = certificate

    def federated_token(self, subject: str, audience: str, seconds: float) -> str:
        """Return an assertion about a workload by the issuer that the application trusts."""
        now = time.time()
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._key_of_issuer(), algorithm="RS256")

    def check(self, form: dict[str, str], base: str) -> None:
        """Reject an application that does not authenticate.

        Args:
            form: The form of the request for a token.
            base: The URL of the tenant, the audience of assertions.
        """
        if "client_assertion" in form:
            self._check_assertion(form, base)
        elif "client_secret" not in form:
            message = (
                "The request body must contain the following parameter: 'client_assertion' or "
                "'client_secret'."
            )
            raise _invalid_client(7000218, message)
        elif form["client_secret"] in self.expired_secrets:
            message = f"The provided client secret keys for app '{APPLICATION}' are expired."
            raise _invalid_client(7000222, message)
        elif form["client_secret"] != self.secret:
            message = (
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                "the client secret value, not the client secret ID, for a secret added to app "
                f"'{APPLICATION}'."
            )
            raise _invalid_client(7000215, message)

    def _key_of_issuer(self) -> rsa.RSAPrivateKey:
        """Return the issuer's key; it is generated at its first use, because that is slow."""
        if self._issuer_key is None:
            self._issuer_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._issuer_key

    def _check_assertion(self, form: dict[str, str], base: str) -> None:
        assertion = form["client_assertion"]
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise _invalid_client(50027, "JWT token is invalid or malformed.") from None
        if form.get("client_assertion_type") != _ASSERTION_TYPE:
            message = "The request body must contain 'client_assertion_type'."
            raise SignInError(400, "invalid_request", 900144, message)
        if claims.get("iss") == self.issuer:
            self._check_federated(assertion, claims)
        elif claims.get("iss") == claims.get("sub") == APPLICATION:
            audiences = [f"{base}/oauth2/v2.0/token", f"{base}/oauth2/token"]
            check_signature(assertion, self._find_key(header), audiences)
        else:
            raise _invalid_client(700211, f"{_NO_RECORD} issuer '{claims.get('iss')}'.")

    def _check_federated(self, assertion: str, claims: dict[str, Any]) -> None:
        if claims.get("sub") != SUBJECT:
            raise _invalid_client(700213, f"{_NO_RECORD} subject '{claims.get('sub')}'.")
        if claims.get("aud") != AUDIENCE:
            raise _invalid_client(700212, f"{_NO_RECORD} audience '{claims.get('aud')}'.")
        check_signature(assertion, self._key_of_issuer().public_key(), [AUDIENCE])

    def _find_key(self, header: dict[str, Any]) -> Any:
        """Return the public key that verifies an assertion of the application itself."""
        thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "")
        certificate = self._certificates.get(thumbprint.rstrip("="))
        if certificate is None and header.get("x5c"):
            sent = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
            certificate = sent if sent.subject.rfc4514_string() in self._subjects else None
        if certificate is None:
            message = (
                "The certificate with identifier used to sign the client assertion is not "
                "registered."
            )
            raise _invalid_client(700027, message)
        return certificate.public_key()


def check_signature(assertion: str, key: Any, audiences: list[str]) -> None:
    """Reject an assertion with a wrong signature or audience, or outside its valid time."""
    try:
        jwt.decode(assertion, key, algorithms=["RS256", "PS256"], audience=audiences)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        message = "Client assertion is not within its valid time range."
        raise _invalid_client(700024, message) from None
    except jwt.InvalidAudienceError:
        message = "Client assertion audience claim does not match Realm issuer."
        raise _invalid_client(700023, message) from None
    except jwt.InvalidTokenError:
        message = "Client assertion contains an invalid signature."
        raise _invalid_client(700027, message) from None


def _invalid_client(number: int, message: str) -> SignInError:
    return SignInError(401, "invalid_client", number, message)


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
