"""The pace of requests to a subscription, shared by all that send to it: Azure's limits, and what it asks to wait.

Azure counts a subscription's requests for everybody together, so that many rollouts at once meet
limits which one alone never does. Each request of a fleet takes a place in two buckets first: that
of the resource manager for the whole subscription, and that of Compute for the region. Where Azure
refuses one, its bucket is closed for all. A wait of a few seconds is made here; a longer one is a
`Throttled`, which a rollout waits out and tells of as it does of Azure's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from requests import Response

from .. import _clock, _retry, rest
from ..errors import Throttled

Kind = tuple[str, str]
"""A bucket of a subscription: what is counted, and the region (empty for the subscription as a whole)."""

# Requests a second, and how many at once, as Azure documents them; only a part is used, as others
# ask as well.
_LIMITS = {
    "reads": (25.0, 250.0),
    "writes": (10.0, 200.0),
    "lists": (360 / 60, 1080.0),
    "gets": (800 / 60, 2400.0),
    "actions": (500 / 60, 1500.0),
    "polls": (5000 / 60, 15000.0),
}
_PART = 0.8
_LONGEST = 5.0
"""Seconds that are waited where nobody sees it."""
_UNTOLD = 15.0
"""Seconds to hold back after a refusal that does not say for how long."""


class _Bucket:
    """Places that fill up again at an even pace; none while it is closed."""

    def __init__(self, kind: str, share: float) -> None:
        self._kind = kind
        self._share = share
        self._at = _clock.monotonic()
        self._left = self._depth
        self._closed_until = self._at

    @property
    def _rate(self) -> float:
        return _LIMITS[self._kind][0] * _PART * self._share

    @property
    def _depth(self) -> float:
        return max(1.0, _LIMITS[self._kind][1] * _PART * self._share)

    def resize(self, share: float) -> None:
        """Another share of the limit from now on."""
        self.seconds()
        self._share = share
        self._left = min(self._left, self._depth)

    def seconds(self) -> float:
        """How long until the next place."""
        now = _clock.monotonic()
        if now > self._at:
            self._left = min(self._depth, self._left + (now - self._at) * self._rate)
            self._at = now
        return self.closed() + max(0.0, (1 - self._left) / self._rate)

    def take(self) -> None:
        """Takes the next place, now or when it is there."""
        self._left -= 1

    def close(self, seconds: float) -> None:
        """No places for so long, and none kept: after it they come at an even pace, and not all at once."""
        self._at = self._closed_until = max(self._closed_until, _clock.monotonic() + seconds)
        self._left = min(self._left, 1.0)

    def closed(self) -> float:
        """How many seconds it is closed yet."""
        return max(0.0, self._closed_until - _clock.monotonic())


class Pacer:
    """The buckets of one subscription in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._share = 1.0
        self._buckets: dict[Kind, _Bucket] = {}

    def resize(self, share: float) -> None:
        """Takes note of how much of the limits this process may use."""
        with self._lock:
            if share != self._share:
                self._share = share
                for bucket in self._buckets.values():
                    bucket.resize(share)

    def take(self, *kinds: Kind) -> float:
        """Takes a place in each bucket; how long until it may be used. Too long, and no place is taken."""
        with self._lock:
            buckets = [self._bucket(kind) for kind in kinds]
            seconds = max(0.0, *(bucket.seconds() for bucket in buckets))
            if seconds <= _LONGEST:
                for bucket in buckets:
                    bucket.take()
            return seconds

    def close(self, closed: Mapping[Kind, float]) -> None:
        """Closes buckets for some seconds: Azure refused something that counts against them."""
        with self._lock:
            for kind, seconds in closed.items():
                self._bucket(kind).close(seconds)

    def closed(self) -> dict[Kind, float]:
        """Which buckets are closed, and for how many seconds yet."""
        with self._lock:
            return {
                kind: seconds
                for kind, bucket in self._buckets.items()
                if (seconds := bucket.closed())
            }

    def told(self) -> dict[Kind, float]:
        """The same for other processes, which have clocks of their own: until what time of day."""
        return {kind: time.time() + seconds for kind, seconds in self.closed().items()}

    def heard(self, told: Mapping[Kind, float]) -> None:
        """Takes note of what another process told; it may have been a while on its way."""
        self.close(
            {kind: left for kind, until in told.items() if (left := until - time.time()) > 0}
        )

    def _bucket(self, kind: Kind) -> _Bucket:
        return self._buckets.setdefault(kind, _Bucket(kind[0], self._share))


_pacers: dict[str, Pacer] = {}


def of(subscription_id: str) -> Pacer:
    """The pacer of a subscription in this process.

    Args:
        subscription_id: Subscription id.

    Returns:
        The one pacer of it.
    """
    return _pacers.setdefault(subscription_id.lower(), Pacer())


class Paced(rest.RequestHooks):
    """The requests of one rollout among others. It may be pickled: what they share stays in its process."""

    def __init__(self, subscription_id: str, location: str) -> None:
        super().__init__(max_attempts=1)
        self.subscription_id, self.location = subscription_id, location

    def before_send(self, method: str, url: str) -> None:
        """Waits for the request's turn; `Throttled` where that takes longer."""
        seconds = of(self.subscription_id).take(*self._kinds(method, url))
        if seconds > _LONGEST:
            raise Throttled(
                f"Held back for {seconds:.0f} s: other requests to subscription {self.subscription_id} were too many",
                code="HeldBack",
                method=method,
                url=url.partition("?")[0],
                retry_after=seconds,
            )
        if seconds > 0:
            _clock.sleep(seconds)
        super().before_send(method, url)

    def after_response(self, method: str, url: str, response: Response) -> None:
        """Where Azure refuses for the pace, everybody waits."""
        super().after_response(method, url, response)
        if response.status_code == 429:
            whole, region = self._kinds(method, url)
            refused = whole if b"SubscriptionRequestsThrottled" in response.content else region
            seconds = _retry.retry_after(response)
            of(self.subscription_id).close({refused: _UNTOLD if seconds is None else seconds})

    def _kinds(self, method: str, url: str) -> tuple[Kind, Kind]:
        path = urlsplit(url).path.lower()
        if method != "GET":
            return ("writes", ""), ("actions", self.location)
        lists = path.endswith("/virtualmachines")
        kind = "polls" if "/operations/" in path else "lists" if lists else "gets"
        return ("reads", ""), (kind, self.location)
