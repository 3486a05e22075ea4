"""Keep the requests of many rollouts below Azure's limits, with token buckets.

Azure counts all requests to a subscription together. Many rollouts at the same time can therefore
reach limits that a single rollout never reaches. Each request of a fleet first takes a token from
two buckets: the Resource Manager's for the whole subscription, and that of Compute for the region.
If Azure throttles a request, its bucket is blocked for all rollouts. A wait of at most a minute is
done here, in the order in which the requests came. For a longer wait `Throttled` is raised, which a
rollout handles and reports like Azure's own. It then sends all requests of a reading again, which
for a Flexible set are many: so that has to be rare.
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
"""A bucket of a subscription: the kind of request, and the region (`""` for the subscription)."""


class Limit(NamedTuple):
    """A limit of Azure: requests per second on average, and requests at once (burst)."""

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
"""Azure's documented limits."""
USED_PART = 0.8
"""The part of the limits that is used, since other clients send requests too."""
LONGEST_SILENT_SECONDS = 60.0
"""The longest wait without an event: as often as a rollout reports its own pauses."""
DEFAULT_BLOCK_SECONDS = 15.0
"""Seconds for which a bucket is blocked if Azure sends no `Retry-After`."""

_WHOLE_SUBSCRIPTION = b"SubscriptionRequestsThrottled"


class TokenBucket:
    """A token bucket that fills at a constant rate, and gives no tokens while it is blocked."""

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
        """Change the share of the limit, from 0 to 1."""
        self.wait_seconds()
        self._share = share
        self._tokens = min(self._tokens, self._capacity)

    def wait_seconds(self) -> float:
        """Return the seconds until the next token."""
        now = _clock.monotonic()
        if now > self._updated_at:
            new_tokens = (now - self._updated_at) * self._rate
            self._tokens = min(self._capacity, self._tokens + new_tokens)
            self._updated_at = now
        return self.blocked_seconds() + max(0.0, (1 - self._tokens) / self._rate)

    def take(self) -> None:
        """Take the next token; the caller waits for `wait_seconds` first."""
        self._tokens -= 1

    def block(self, seconds: float) -> None:
        """Block the bucket for some seconds and empty it; afterwards it fills at the usual rate."""
        until = max(self._blocked_until, _clock.monotonic() + seconds)
        self._blocked_until = until
        self._updated_at = until
        self._tokens = min(self._tokens, 1.0)

    def blocked_seconds(self) -> float:
        """Return the seconds for which the bucket is still blocked."""
        return max(0.0, self._blocked_until - _clock.monotonic())


class RateLimiter:
    """The buckets of one subscription in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.share: float = 1.0
        self._buckets: dict[Kind, TokenBucket] = {}

    def resize(self, share: float) -> None:
        """Change the share of the limits, from 0 to 1."""
        with self._lock:
            if share == self.share:
                return
            self.share = share
            for bucket in self._buckets.values():
                bucket.resize(share)

    def take(self, *kinds: Kind) -> float:
        """Take a token from each bucket, and return the seconds to wait before using them.

        No token is taken if that is more than `LONGEST_SILENT_SECONDS`.
        """
        with self._lock:
            buckets = [self._bucket(kind) for kind in kinds]
            seconds = max(0.0, *(bucket.wait_seconds() for bucket in buckets))
            if seconds <= LONGEST_SILENT_SECONDS:
                for bucket in buckets:
                    bucket.take()
            return seconds

    def block(self, seconds_by_kind: Mapping[Kind, float]) -> None:
        """Block buckets for some seconds, because Azure throttled their requests."""
        with self._lock:
            for kind, seconds in seconds_by_kind.items():
                self._bucket(kind).block(seconds)

    def blocked_seconds(self) -> dict[Kind, float]:
        """Return the blocked buckets, each with the seconds for which it is still blocked."""
        with self._lock:
            blocked = {kind: bucket.blocked_seconds() for kind, bucket in self._buckets.items()}
        return {kind: seconds for kind, seconds in blocked.items() if seconds}

    def blocked_until(self) -> dict[Kind, float]:
        """Return the blocked buckets with the times of `time.time`, which processes share."""
        return {kind: time.time() + seconds for kind, seconds in self.blocked_seconds().items()}

    def block_until(self, until_by_kind: Mapping[Kind, float]) -> None:
        """Block the buckets that another process reported as blocked."""
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
        The rate limiter, the same object for each call.
    """
    return _limiters.setdefault(subscription_id.lower(), RateLimiter())


def reset() -> None:
    """Forget all rate limiters; a test hook."""
    _limiters.clear()


class RateLimitedRequests(rest.RequestHooks):
    """Request hooks of one rollout of a fleet; rollouts in one process share the rate limiter."""

    def __init__(self, subscription_id: str, location: str) -> None:
        super().__init__(max_attempts=1)
        self.subscription_id = subscription_id
        self.location = location

    def before_send(self, method: str, url: str) -> None:
        """Wait until the rate limit allows the request; raise `Throttled` if that takes long."""
        seconds = limiter_of(self.subscription_id).take(*self._kinds(method, url))
        if seconds > LONGEST_SILENT_SECONDS:
            raise Throttled(
                messages.rate_limit_delay(seconds, self.subscription_id),
                code="ClientRateLimit",
                method=method,
                url=url.partition("?")[0],
                retry_after=seconds,
            )
        if seconds > 0:
            _clock.sleep(seconds)
        super().before_send(method, url)

    def after_response(self, method: str, url: str, response: Response) -> None:
        """Block the bucket of a throttled request for all rollouts of the process."""
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
        """Return the two buckets of a request: the subscription's and the region's."""
        if method != "GET":
            return ("writes", ""), ("actions", self.location)
        path = urlsplit(url).path.lower()
        if "/operations/" in path:
            return ("reads", ""), ("polls", self.location)
        if path.endswith("/virtualmachines"):
            return ("reads", ""), ("lists", self.location)
        return ("reads", ""), ("gets", self.location)
