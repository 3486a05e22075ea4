"""Azure's rate limits: counted per region, shown in response headers, and enforced."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ApiError


class Limit(NamedTuple):
    """Size of a token bucket, in requests; an empty bucket is full again after 3 minutes.

    Attributes:
        subscription: The limit per subscription and region.
        resource: The limit per resource, or `None` if the policy has none.
    """

    subscription: int
    resource: int | None = None


# Compute's policies since 2024. Names and sizes are from headers recorded in 2024 (the highest
# remaining number, plus one). A third of a bucket is refilled per minute, according to Azure's
# page on Compute throttling limits.
LIMITS = {
    "CreateVMScaleSet": Limit(375, 12),
    "GetVMScaleSet": Limit(2400, 36),
    "HighCostGetVMScaleSet": Limit(1080, 30),
    "VMScaleSetActions": Limit(1500, 12),
    "DeleteVMScaleSet": Limit(525, 12),
    "VMScaleSetBatchedVMRequests": Limit(6000),
    "VMScaleSetVMViews": Limit(30000),
    "GetVMScaleSetVM": Limit(6000, 36),
    "VMScaleSetVMActions": Limit(2000, 12),
    "DeleteVMScaleSetVM": Limit(2000, 12),
    "HighCostGet": Limit(900),
    "LowCostGet": Limit(24000, 36),
    "UpdateVM": Limit(1500, 12),
    "DeleteVM": Limit(1500, 12),
    "GetOperation": Limit(15000, 45),
}
# Galleries and platform images still have windows: requests per 3 and per 30 minutes.
WINDOWS = {
    "GetGallery": (350, 2500),
    "GetGalleryImage": (600, 3000),
    "GetGalleryImageVersion": (2000, 10000),
    "GetVMImageFromLocation": (13000, 74000),
    "ListVMImagesVersionsFromLocation": (16000, 44000),
}
_MINUTES = (3, 30)
_REFILL_SECONDS = 180.0
# The resource manager's own limits by method: name in the header, and size of the bucket.
_SUBSCRIPTION_LIMITS = {"GET": ("reads", 250), "DELETE": ("deletes", 200)}
_WRITES = ("writes", 200)
_GLOBAL_FACTOR = 15
_PREFIX = "Microsoft.Compute/"


class RateLimits:
    """Counters of the requests against each limit.

    Attributes:
        has_resource_limits: Whether the limits of single resources are enforced; a test hook.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.has_resource_limits = True
        self._clock = clock
        # (name, region or resource) -> remaining requests of a bucket, and when
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        # (name, region) -> when a window started, and the requests in it
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._exhausted_until: dict[str, float] = {}

    def spend(
        self, method: str, policy: str, region: str, resource: str, *, is_instant: bool = False
    ) -> dict[str, str]:
        """Count a request and return the headers with the remaining requests.

        Args:
            method: HTTP method.
            policy: Name of the limit; empty for none.
            region: Region of the request; each region has its own limits.
            resource: The resource that has its own limit; empty if only the subscription has one.
            is_instant: Whether operations end at once. A client then sends in a second what takes
                minutes on Azure, so the limit of the resource is shown but not enforced.

        Raises:
            ApiError: A limit is exceeded.
        """
        kind, size = _SUBSCRIPTION_LIMITS.get(method, _WRITES)
        # Azure refills these every second, so each request sees an otherwise full bucket.
        prefix = "x-ms-ratelimit-remaining-subscription"
        headers = {
            f"{prefix}-{kind}": str(size - 1),
            f"{prefix}-global-{kind}": str(size * _GLOBAL_FACTOR - 1),
        }
        if policy in WINDOWS:
            headers["x-ms-ratelimit-remaining-resource"] = self._spend_windows(policy, region)
        elif policy:
            left = self._spend_buckets(policy, region, resource, is_instant)
            headers["x-ms-ratelimit-remaining-resource"] = left
        return headers

    def spend_vms(self, policy: str, count: int, region: str) -> str:
        """Count the VMs of an answered request; return their part of the header."""
        name = f"{policy}SubscriptionMaximum"
        left = self._left(name, region, LIMITS[policy].subscription) - count
        self._buckets[name, region] = (left, self._clock())
        return f"{_PREFIX}{name};{max(0, math.floor(left))}"

    def exhaust(self, policy: str) -> None:
        """Use up a limit in every region for three minutes."""
        known = [*LIMITS, *WINDOWS]
        if policy not in known:
            raise ValueError(f"policy must be one of {', '.join(known)}, got {policy!r}")
        self._exhausted_until[policy] = self._clock() + _REFILL_SECONDS

    def _spend_buckets(self, policy: str, region: str, resource: str, is_instant: bool) -> str:
        limit = LIMITS[policy]
        buckets = [(f"{policy}SubscriptionMaximum", region, limit.subscription)]
        if limit.resource is not None and resource:
            buckets.append((f"{policy}Resource", resource, limit.resource))
        self._check_exhausted(policy, buckets[0][0], limit.subscription)
        for name, place, size in buckets:
            left = self._left(name, place, size)
            is_enforced = place == region or (self.has_resource_limits and not is_instant)
            if left < 1 and is_enforced:
                seconds = (1 - left) * _REFILL_SECONDS / size
                raise _too_many_requests(name, size, size, seconds)
        parts = []
        for name, place, size in buckets:
            left = max(0.0, self._left(name, place, size) - 1)
            self._buckets[name, place] = (left, self._clock())
            parts.append(f"{_PREFIX}{name};{math.floor(left)}")
        return ",".join(parts)

    def _spend_windows(self, policy: str, region: str) -> str:
        self._check_exhausted(policy, f"{policy}{_MINUTES[0]}Min", WINDOWS[policy][0])
        windows = []
        for minutes, allowed in zip(_MINUTES, WINDOWS[policy], strict=True):
            name = f"{policy}{minutes}Min"
            started, used = self._window(name, region, minutes)
            if used >= allowed:
                seconds = started + minutes * 60 - self._clock()
                raise _too_many_requests(name, allowed, used, seconds)
            windows.append((name, started, used, allowed))
        parts = []
        for name, started, used, allowed in windows:
            self._windows[name, region] = (started, used + 1)
            parts.append(f"{_PREFIX}{name};{allowed - used - 1}")
        return ",".join(parts)

    def _check_exhausted(self, policy: str, name: str, size: int) -> None:
        seconds = self._exhausted_until.get(policy, -math.inf) - self._clock()
        if seconds > 0:
            raise _too_many_requests(name, size, size, seconds)

    def _left(self, name: str, place: str, size: int) -> float:
        """Return the remaining requests of a bucket."""
        left, at = self._buckets.get((name, place), (float(size), self._clock()))
        return min(size, left + (self._clock() - at) * size / _REFILL_SECONDS)

    def _window(self, name: str, region: str, minutes: int) -> tuple[float, int]:
        """Return when the current window started, and the requests in it."""
        now = self._clock()
        started, used = self._windows.get((name, region), (now, 0))
        return (started, used) if now - started < minutes * 60 else (now, 0)


def _too_many_requests(group: str, allowed: int, measured: int, seconds: float) -> ApiError:
    """Return Compute's 429; its code is `OperationNotAllowed`."""
    message = (
        "The server rejected the request because too many requests have been received for this "
        "subscription."
    )
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    error = ApiError(429, "OperationNotAllowed", message, headers=headers)
    counts = {
        "operationGroup": group,
        "allowedRequestCount": allowed,
        "measuredRequestCount": measured + 1,
    }
    error.error["details"] = [
        {"code": "TooManyRequests", "target": group, "message": json.dumps(counts)}
    ]
    error.error["innererror"] = {"internalErrorCode": "TooManyRequestsReceived"}
    return error
