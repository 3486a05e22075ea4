"""The base of all authentication methods: it keeps a token, renews it, and hides it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, NamedTuple

from .._text import one_line
from ..errors import AuthenticationFailed

log = logging.getLogger("azurerm_lite")

_AHEAD = 300.0
"""Seconds before its end at which a token is asked for anew; MSAL does the same with its own."""
_AGAIN = 30.0
"""Seconds until the next try when a renewal failed, or gave a token that is about to end itself."""


class _Kept(NamedTuple):
    """A token, with the times (of `time.time`) at which to renew it and at which it ends."""

    token: str = ""
    renew: float = 0.0
    ends: float = 0.0

    def __repr__(self) -> str:  # debuggers and crash reports show what stands in a frame
        return f"a token until {self.ends:.0f}"


class Provider:
    """A zero-argument callable that gives a good token each time.

    Threads may share it. Other processes may get it: a pickle holds what it signs in with, and
        never a token. Its repr
    says how it signs in and for whom.

    Attributes:
        way: How it signs in, in words.
        found: Where `token_provider()` without arguments found this way; else empty.
        passed_over: Which ways it found closed on the way here, and why.
    """

    way = ""
    found = ""
    passed_over: tuple[str, ...] = ()

    _kept: _Kept
    _refused: bool
    _lock: threading.Lock

    def __init__(self, **shown: object) -> None:
        self._shown = shown
        self._forget_all()

    def __call__(self) -> str:
        """Return a token; request one only if the one at hand is about to end."""
        kept, now = self._kept, time.time()
        if now < kept.renew:
            return kept.token
        # As long as the token at hand is good, one thread renews it and the others go on with it.
        if not self._lock.acquire(blocking=now >= kept.ends):
            return kept.token
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """Forget a token that Azure rejected, whatever the clock here says.

        Args:
            token: The token that was refused.
        """
        with self._lock:
            if self._kept.token == token:
                self._kept, self._refused = _Kept(), True

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self._shown.items() if value is not None]
        return f"<{' '.join([f'token provider: {self.way}', *shown])}>"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_kept", "_refused", "_lock")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget_all()

    def _forget_all(self) -> None:
        self._kept, self._refused = _Kept(), False
        self._lock = threading.Lock()

    def _renewed(self) -> str:
        kept, now = self._kept, time.time()
        if now < kept.renew:  # another thread was faster
            return kept.token
        try:
            token, ends = self._ask()
        except Exception as error:
            left = kept.ends - time.time()
            if left <= 0:
                raise self._explained(error) from None
            log.warning(
                "the token cannot be renewed; it is good for %.0f s more: %s", left, one_line(error)
            )
            self._kept = kept._replace(renew=time.time() + min(_AGAIN, left / 2))
            return kept.token
        left = ends - now
        self._kept, self._refused = (
            _Kept(token, now + max(left - _AHEAD, min(_AGAIN, left / 2)), ends),
            False,
        )
        return token

    def _explained(self, error: Exception) -> Exception:
        """Return the error with the methods that `token_provider()` skipped."""
        if isinstance(error, AuthenticationFailed) and self.passed_over:
            error.message += f" token_provider() passed over: {'; '.join(self.passed_over)}."
        return error

    def _ask(self) -> tuple[str, float]:
        """Return a new token, and when it ends."""
        raise NotImplementedError
