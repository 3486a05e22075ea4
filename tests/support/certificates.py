"""Certificates for tests, created on demand: an RSA key takes a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

PASSWORD = "canary-password-41ce"
PEM = serialization.Encoding.PEM


@cache
def key_and_certificate(name: str = "web") -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """Return a key and its self-signed certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=who, issuer_name=who, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def certificate_pem(name: str = "web") -> bytes:
    """Return only the certificate."""
    return key_and_certificate(name)[1].public_bytes(PEM)


def key_pem(name: str = "web", password: str | None = None) -> bytes:
    """Return only the key."""
    lock = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    return key_and_certificate(name)[0].private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock)


def pfx(name: str = "web", password: str | None = None) -> bytes:
    """Return both as a PFX."""
    lock = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    return pkcs12.serialize_key_and_certificates(b"web", *key_and_certificate(name), None, lock)


def write_file(folder: Path, content: bytes, name: str = "app.pem") -> Path:
    """Write a file with this content; return its path."""
    file = folder / name
    file.write_bytes(content)
    return file
