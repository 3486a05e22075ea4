"""Read certificates and assertions, and keep a token cache that only its owner may read."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

log = logging.getLogger("azurerm_lite")


def read_text(argument: str, file: str) -> str:
    """Return the text of a file, without the blanks around it.

    Args:
        argument: What the caller calls it.
        file: Its path.

    Returns:
        The text.

    Raises:
        ValueError: The file does not exist or is empty.
    """
    text = _read(argument, file).decode("utf-8", "replace").strip()
    if not text:
        raise ValueError(f"{argument}: {file} is empty")
    return text


def read_certificate(file: str, password: str | None) -> tuple[str, str, str]:
    """Return a certificate with its private key, as MSAL expects them.

    Args:
        file: Path of a PEM or PFX (PKCS #12) file.
        password: What the key is locked with, or `None`.

    Returns:
        The private key and the chain of certificates, its own first, as PEM, and its SHA-1
        thumbprint.

    Raises:
        ValueError: The file does not exist or has no key or certificate, or the password does not
            fit.
    """
    content = _read("certificate", file)
    load = _load_pem if b"-----BEGIN" in content else _load_pfx
    try:
        key, certificates = load(content, (password or "").encode() or None)
        public_key = key.public_key()
    except (ValueError, TypeError, AttributeError):
        reason = "it holds no private key, or one with a password"
        if password:
            reason = "the password does not fit"
        failure = f"certificate: {file} cannot be used: {reason}"
    else:
        own = [entry for entry in certificates if entry.public_key() == public_key]
        if own:
            others = [entry for entry in certificates if entry != own[0]]
            return _serialize(key, [own[0], *others])
        failure = f"certificate: {file} holds no certificate for its private key"
    raise ValueError(failure)  # outside of the handler: its context would hold the password


def _serialize(key: Any, chain: list[Any]) -> tuple[str, str, str]:
    """Return a key and its certificates as PEM, and the thumbprint of the first of them."""
    from cryptography.hazmat.primitives import hashes, serialization

    pem = serialization.Encoding.PEM
    private_key = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificates = [certificate.public_bytes(pem).decode() for certificate in chain]
    # SHA-1 is how the sign-in names a certificate here, not what anything is signed with.
    thumbprint = chain[0].fingerprint(hashes.SHA1())  # noqa: S303 - as Entra ID identifies it
    return private_key.decode(), "".join(certificates), thumbprint.hex()


def _load_pem(content: bytes, password: bytes | None) -> tuple[Any, list[Any]]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(content, password if b"ENCRYPTED" in content else None)
    certificates: list[Any] = []
    if b"BEGIN CERTIFICATE" in content:
        certificates = list(x509.load_pem_x509_certificates(content))
    return key, certificates


def _load_pfx(content: bytes, password: bytes | None) -> tuple[Any, list[Any]]:
    from cryptography.hazmat.primitives.serialization import pkcs12

    key, certificate, others = pkcs12.load_key_and_certificates(content, password)
    return key, [entry for entry in (certificate, *others) if entry is not None]


def _read(argument: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        failure = f"{argument}: {file} cannot be read: {error.strerror}"
    raise ValueError(failure)


def read_private(file: str) -> str:
    """Return the text of a file that only its owner may read; take away and log others' access.

    Args:
        file: Its path.

    Returns:
        The text; empty if there is no such file.
    """
    path = Path(file)
    try:
        if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            log.warning("%s could be read by others: it is its owner's alone from now on", file)
            path.chmod(0o600)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write_private(file: str, text: str) -> None:
    """Write a file that only its owner may read, atomically.

    On Windows it is the folder's permissions that say who may read it.

    Args:
        file: Its path; folders on the way are made.
        text: What to write.
    """
    path = Path(file)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}."
    )  # 0600 from its first moment
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
