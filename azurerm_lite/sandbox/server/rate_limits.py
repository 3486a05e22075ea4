"""Azure's rate limits: counted per region, shown in the headers of answers, and enforced."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from ..errors import ApiError

# policy -> requests in 3 and in 30 minutes, with the names and numbers of Azure's headers
LIMITS = {
    "CreateVMScaleSet": (60, 300),
    "GetVMScaleSet": (400, 2600),
    "HighCostGetVMScaleSet": (180, 900),
    "VMScaleSetActions": (240, 1200),
    "DeleteVMScaleSet": (80, 400),
    "GetVMScaleSetVM": (1000, 5000),
    "VMScaleSetVMActions": (200, 1000),
    "DeleteVMScaleSetVM": (240, 1200),
    "GetOperation": (15000, 30000),
    "LowCostGet": (4000, 32000),
    "GetGallery": (350, 2500),
    "GetGalleryImage": (600, 3000),
    "GetGalleryImageVersion": (2000, 10000),
    "GetVMImageFromLocation": (13000, 74000),
    "ListVMImagesVersionsFromLocation": (16000, 44000),
}
_MINUTES = (3, 30)
# The resource manager's own limits: the kind of request and the size of its bucket, by method.
_SUBSCRIPTION_LIMITS = {"GET": ("reads", 250), "DELETE": ("deletes", 200)}
_WRITES = ("writes", 200)


class RateLimits:
    """Counts requests against each limit; a window starts again when it has ended."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._exhausted: dict[tuple[str, int], tuple[float, int]] = {}

    def spend(self, method: str, policy: str, region: str = "") -> dict[str, str]:
        """Count a request and return the headers with what is left.

        Raises:
            ApiError: Nothing is left.
        """
        kind, size = _SUBSCRIPTION_LIMITS.get(method, _WRITES)
        # Azure refills this bucket by the second: as if there were no other request now.
        headers = {f"x-ms-ratelimit-remaining-subscription-{kind}": str(size - 1)}
        if not policy:
            return headers
        for position, minutes in enumerate(_MINUTES):
            started, used = self._window(policy, minutes, region)
            allowed = LIMITS[policy][position]
            if used >= allowed:
                seconds = started + minutes * 60 - self._clock()
                raise _throttled(f"{policy}{minutes}Min", allowed, used, seconds)
        left = [
            f"Microsoft.Compute/{policy}{minutes}Min;{self._count(policy, minutes, region)}"
            for minutes in _MINUTES
        ]
        headers["x-ms-ratelimit-remaining-resource"] = ",".join(left)
        return headers

    def exhaust(self, policy: str) -> None:
        """Spend all that is left of the shorter window of a limit, in every region."""
        if policy not in LIMITS:
            raise ValueError(f"policy must be one of {', '.join(LIMITS)}, not {policy!r}")
        self._exhausted[policy, _MINUTES[0]] = (self._clock(), LIMITS[policy][0])

    def _window(self, policy: str, minutes: int, region: str) -> tuple[float, int]:
        """Return when the current window of a limit started, and what is used of it."""
        now = self._clock()
        for window in (
            self._exhausted.get((policy, minutes)),
            self._windows.get((policy, minutes, region)),
        ):
            if window and now - window[0] < minutes * 60:
                return window
        return now, 0

    def _count(self, policy: str, minutes: int, region: str) -> int:
        """Count a request and return what is left."""
        started, used = self._window(policy, minutes, region)
        self._windows[policy, minutes, region] = (started, used + 1)
        return LIMITS[policy][_MINUTES.index(minutes)] - used - 1


def _throttled(group: str, allowed: int, measured: int, seconds: float) -> ApiError:
    """Return Compute's 429, whose code is that of a forbidden operation."""
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
