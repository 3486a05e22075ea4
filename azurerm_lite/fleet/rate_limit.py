"""Keep the requests of many rollouts below Azure's limits.

Azure counts a subscription's requests for everybody together, so that many rollouts at once meet
limits which one alone never does. Each request of a fleet takes a token from two buckets first:
that of the resource manager for the whole subscription, and that of Compute for the region. If
Azure throttles a request, its bucket is blocked for all rollouts. A wait of a few seconds is made
here. A longer one raises `Throttled`, which a rollout waits out and reports like Azure's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from requests import Response

from .. import _clock, _retry, rest
from ..errors import Throttled
from . import messages

Kind = tuple[str, str]
"""A bucket of a subscription: what is counted, and the region (`""` for the subscription)."""


class Limit(NamedTuple):
    """How many requests Azure allows: so many each second on average, and so many at once."""

    per_second: float
    burst: float


LIMITS = {
    "reads": Limit(25, 250),
    "writes": Limit(10, 200),
    "lists": Limit(360 / 60, 1080),
    "gets": Limit(800 / 60, 2400),
    "actions": Limit(500 / 60, 1500),
    "polls": Limit(5000 / 60, 15000),
}
"""As Azure documents them."""
USED_PART = 0.8
"""The part of the limits that is used: others send requests as well."""
LONGEST_SILENT_SECONDS = 5.0
"""The longest wait that is made without an event."""
DEFAULT_BLOCK_SECONDS = 15.0
"""How long a bucket is blocked if Azure does not say."""

_WHOLE_SUBSCRIPTION = b"SubscriptionRequestsThrottled"


class TokenBucket:
    """Tokens that fill up at a steady rate; none while the bucket is blocked."""

    def __init__(self, kind: str, share: float) -> None:
        self._limit = LIMITS[kind]
        self._share = share
        self._updated_at = _clock.monotonic()
        self._blocked_until = self._updated_at
        self._tokens = self._capacity

    @property
    def _rate(self) -> float:
        return self._limit.per_second * USED_PART * self._share

    @property
    def _capacity(self) -> float:
        return max(1.0, self._limit.burst * USED_PART * self._share)

    def resize(self, share: float) -> None:
        """Use another share of the limit from now on."""
        self.wait_seconds()
        self._share = share
        self._tokens = min(self._tokens, self._capacity)

    def wait_seconds(self) -> float:
        """Return how long until the next token."""
        now = _clock.monotonic()
        if now > self._updated_at:
            new_tokens = (now - self._updated_at) * self._rate
            self._tokens = min(self._capacity, self._tokens + new_tokens)
            self._updated_at = now
        return self.blocked_seconds() + max(0.0, (1 - self._tokens) / self._rate)

    def take(self) -> None:
        """Take the next token, now or when it is there."""
        self._tokens -= 1

    def block(self, seconds: float) -> None:
        """Give no token for some seconds, and keep none: after it they come at a steady rate."""
        until = max(self._blocked_until, _clock.monotonic() + seconds)
        self._blocked_until = until
        self._updated_at = until
        self._tokens = min(self._tokens, 1.0)

    def blocked_seconds(self) -> float:
        """Return for how many seconds the bucket is still blocked."""
        return max(0.0, self._blocked_until - _clock.monotonic())


class RateLimiter:
    """The buckets of one subscription in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.share: float = 1.0
        self._buckets: dict[Kind, TokenBucket] = {}

    def resize(self, share: float) -> None:
        """Use another share of the limits from now on."""
        with self._lock:
            if share == self.share:
                return
            self.share = share
            for bucket in self._buckets.values():
                bucket.resize(share)

    def take(self, *kinds: Kind) -> float:
        """Take a token from each bucket and return how long until it may be used.

        If that is too long, no token is taken.
        """
        with self._lock:
            buckets = [self._bucket(kind) for kind in kinds]
            seconds = max(0.0, *(bucket.wait_seconds() for bucket in buckets))
            if seconds <= LONGEST_SILENT_SECONDS:
                for bucket in buckets:
                    bucket.take()
            return seconds

    def block(self, seconds_by_kind: Mapping[Kind, float]) -> None:
        """Block buckets for some seconds: Azure throttled what counts against them."""
        with self._lock:
            for kind, seconds in seconds_by_kind.items():
                self._bucket(kind).block(seconds)

    def blocked_seconds(self) -> dict[Kind, float]:
        """Return which buckets are blocked, and for how many seconds yet."""
        with self._lock:
            blocked = {kind: bucket.blocked_seconds() for kind, bucket in self._buckets.items()}
        return {kind: seconds for kind, seconds in blocked.items() if seconds}

    def blocked_until(self) -> dict[Kind, float]:
        """Return the same by the time of day, for other processes: they have other clocks."""
        return {kind: time.time() + seconds for kind, seconds in self.blocked_seconds().items()}

    def block_until(self, until_by_kind: Mapping[Kind, float]) -> None:
        """Block what another process reported, which may have been some time ago."""
        now = time.time()
        self.block({kind: until - now for kind, until in until_by_kind.items() if until > now})

    def _bucket(self, kind: Kind) -> TokenBucket:
        return self._buckets.setdefault(kind, TokenBucket(kind[0], self.share))


_limiters: dict[str, RateLimiter] = {}


def limiter_of(subscription_id: str) -> RateLimiter:
    """Return the rate limiter of a subscription in this process.

    Args:
        subscription_id: Subscription id.

    Returns:
        The one rate limiter of it.
    """
    return _limiters.setdefault(subscription_id.lower(), RateLimiter())


def reset() -> None:
    """Forget all rate limiters: a test hook."""
    _limiters.clear()


class RateLimitedRequests(rest.RequestHooks):
    """The requests of one rollout among many; what they share stays in its process."""

    def __init__(self, subscription_id: str, location: str) -> None:
        super().__init__(max_attempts=1)
        self.subscription_id = subscription_id
        self.location = location

    def before_send(self, method: str, url: str) -> None:
        """Wait for the request's turn; raise `Throttled` if that takes long."""
        seconds = limiter_of(self.subscription_id).take(*self._kinds(method, url))
        if seconds > LONGEST_SILENT_SECONDS:
            raise Throttled(
                messages.delayed(seconds, self.subscription_id),
                code="HeldBack",
                method=method,
                url=url.partition("?")[0],
                retry_after=seconds,
            )
        if seconds > 0:
            _clock.sleep(seconds)
        super().before_send(method, url)

    def after_response(self, method: str, url: str, response: Response) -> None:
        """Block the bucket of a throttled request for all rollouts."""
        super().after_response(method, url, response)
        if response.status_code != 429:
            return
        subscription, region = self._kinds(method, url)
        is_whole = _WHOLE_SUBSCRIPTION in response.content
        seconds = _retry.retry_after(response)
        if seconds is None:
            seconds = DEFAULT_BLOCK_SECONDS
        limiter_of(self.subscription_id).block({subscription if is_whole else region: seconds})

    def _kinds(self, method: str, url: str) -> tuple[Kind, Kind]:
        """Return the buckets of a request: of the subscription and of the region."""
        if method != "GET":
            return ("writes", ""), ("actions", self.location)
        path = urlsplit(url).path.lower()
        if "/operations/" in path:
            return ("reads", ""), ("polls", self.location)
        if path.endswith("/virtualmachines"):
            return ("reads", ""), ("lists", self.location)
        return ("reads", ""), ("gets", self.location)
