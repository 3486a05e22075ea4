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
    """Return the text of a file, without surrounding whitespace.

    Args:
        argument: Name of the argument, for the error.
        file: Path of the file.

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
        password: Password of the private key, or `None`.

    Returns:
        A tuple of strings: the private key as PEM, the certificate chain as PEM with the key's own
        certificate first, and the SHA-1 thumbprint of that certificate.

    Raises:
        ValueError: The file does not exist or has no key or certificate, or the password is wrong.
    """
    content = _read("certificate", file)
    load = _load_pem if b"-----BEGIN" in content else _load_pfx
    try:
        key, certificates = load(content, (password or "").encode() or None)
        public_key = key.public_key()
    except (ValueError, TypeError, AttributeError):
        reason = "it has no private key, or one with a password"
        if password:
            reason = "the password is wrong"
        failure = f"certificate: {file} cannot be used: {reason}"
    else:
        own = [entry for entry in certificates if entry.public_key() == public_key]
        if own:
            others = [entry for entry in certificates if entry != own[0]]
            return _serialize(key, [own[0], *others])
        failure = f"certificate: {file} has no certificate for its private key"
    raise ValueError(failure)  # not in the handler: the exception's context has the password


def _serialize(key: Any, chain: list[Any]) -> tuple[str, str, str]:
    """Return a key and its certificates as PEM, and the thumbprint of the first of them."""
    from cryptography.hazmat.primitives import hashes, serialization

    pem = serialization.Encoding.PEM
    private_key = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificates = [certificate.public_bytes(pem).decode() for certificate in chain]
    # SHA-1 only identifies the certificate; nothing is signed with it.
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
    """Return the text of a private file; if others can read it, restrict it and log a warning.

    Args:
        file: Its path.

    Returns:
        The text; empty if the file does not exist.
    """
    path = Path(file)
    try:
        if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            log.warning("%s was readable by others; now only its owner can read it", file)
            path.chmod(0o600)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write_private(file: str, text: str) -> None:
    """Write a file atomically, so that only its owner may read it.

    On Windows the permissions of the folder decide who may read it.

    Args:
        file: Path of the file; missing folders are created.
        text: The text to write.
    """
    path = Path(file)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}."
    )  # created with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
