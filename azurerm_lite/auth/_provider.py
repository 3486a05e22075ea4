"""The base class of all authentication methods: it caches, renews and hides a token."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, NamedTuple

from .._text import duration, one_line
from ..errors import AuthenticationFailed

log = logging.getLogger("azurerm_lite")

_RENEW_AHEAD_SECONDS = 300.0
"""Seconds before its expiry at which a token is renewed; MSAL does the same."""
_RETRY_SECONDS = 30.0
"""Seconds until the next renewal after one that failed or returned a token that expires soon."""


class _CachedToken(NamedTuple):
    """A token, with the times (of `time.time`) of its renewal and its expiry."""

    token: str = ""
    renew_at: float = 0.0
    expires_at: float = 0.0

    def __repr__(self) -> str:  # debuggers and crash reports show the values of a frame
        return f"a token until {self.expires_at:.0f}"


class Provider:
    """A zero-argument callable that returns a valid token each time.

    Threads may share it. It can be sent to other processes: its pickle contains the credential, but
    never a token. Its repr shows the method and the identity.

    Attributes:
        method: Name of the authentication method, such as `client secret`.
        detected_from: What `token_provider()` without arguments detected the method from; empty if
            it was chosen by arguments.
        skipped: The methods that it skipped before, each with the reason.
    """

    method = ""
    detected_from = ""
    skipped: tuple[str, ...] = ()

    _cached: _CachedToken
    _is_rejected: bool
    _claims: str
    _lock: threading.Lock

    def __init__(self, **displayed: object) -> None:
        self._displayed = displayed
        self._reset()

    def __call__(self) -> str:
        """Return a token; request a new one only if the cached one expires soon."""
        cached = self._cached
        now = time.time()
        if now < cached.renew_at:
            return cached.token
        # While the token is valid, one thread renews it and the others use the old one.
        if not self._lock.acquire(blocking=now >= cached.expires_at):
            return cached.token
        try:
            return self._renew()
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """Forget a token that Azure rejected, even if it has not expired.

        Args:
            token: The rejected token.
        """
        with self._lock:
            if self._cached.token == token:
                self._cached = _CachedToken()
                self._is_rejected = True

    def require_claims(self, claims: str) -> None:
        """Require claims in the next token, as Azure did in its challenge.

        Args:
            claims: The claims, a JSON object; methods without support for claims ignore them.
        """
        self._claims = claims

    def __repr__(self) -> str:
        values = [
            f"{name}={value!r}" for name, value in self._displayed.items() if value is not None
        ]
        return f"<{' '.join([f'token provider: {self.method}', *values])}>"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_cached", "_is_rejected", "_claims", "_lock")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()

    def _reset(self) -> None:
        self._cached = _CachedToken()
        self._is_rejected = False
        self._claims = ""
        self._lock = threading.Lock()

    def _renew(self) -> str:
        """Return a new token; if that fails, log a warning and return the old one while valid."""
        cached = self._cached
        now = time.time()
        if now < cached.renew_at:  # another thread has renewed it
            return cached.token
        try:
            token, expires_at = self._request_token()
        except Exception as error:
            left = cached.expires_at - time.time()
            if left <= 0:
                raise self._explain(error) from None
            log.warning(
                "cannot renew the token, which is valid for another %s: %s",
                duration(left),
                one_line(error),
            )
            retry_at = time.time() + min(_RETRY_SECONDS, left / 2)
            self._cached = cached._replace(renew_at=retry_at)
            return cached.token
        left = expires_at - now
        renew_at = now + max(left - _RENEW_AHEAD_SECONDS, min(_RETRY_SECONDS, left / 2))
        self._cached = _CachedToken(token, renew_at, expires_at)
        self._is_rejected = False
        self._claims = ""
        return token

    def _explain(self, error: Exception) -> Exception:
        """Return the error with the methods that `token_provider()` skipped."""
        if isinstance(error, AuthenticationFailed) and self.skipped:
            error.message += f" token_provider() skipped: {'; '.join(self.skipped)}."
        return error

    def _request_token(self) -> tuple[str, float]:
        """Return a new token, and the time (of `time.time`) at which it expires."""
        raise NotImplementedError


def audience_of(token: str) -> str:
    """Return the audience of a token, without verifying the token.

    Args:
        token: A token.

    Returns:
        A URL; `""` if the token is not a JSON Web Token or has no audience.
    """
    import base64
    import json

    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return ""
    audience = claims.get("aud") if isinstance(claims, dict) else None
    return audience if isinstance(audience, str) else ""
