"""Azure's rate limits: counted down for each region in the headers of answers, and refused when one is spent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from ..errors import Refusal

# policy -> how many in 3 and in 30 minutes; as Azure's headers named and numbered them
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
_SPANS = (3, 30)
_ARM = {"GET": ("reads", 250), "DELETE": ("deletes", 200)}


class Limits:
    """What is left of each limit; a window begins anew when it is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._exhausted: dict[tuple[str, int], tuple[float, int]] = {}

    def spend(self, method: str, policy: str, region: str = "") -> dict[str, str]:
        """Counts a request and gives the headers that say what is left; refuses it when nothing is."""
        kind, depth = _ARM.get(method, ("writes", 200))
        # Azure refills this one by the second: what is left is told as if nothing else had been
        # asked just now.
        headers = {f"x-ms-ratelimit-remaining-subscription-{kind}": str(depth - 1)}
        if policy:
            for place, span in enumerate(_SPANS):
                began, used = self._window(policy, span, region)
                allowed = LIMITS[policy][place]
                if used >= allowed:
                    raise _throttled(
                        f"{policy}{span}Min", allowed, used, began + span * 60 - self._clock()
                    )
            left = [
                f"Microsoft.Compute/{policy}{span}Min;{self._count(policy, span, region)}"
                for span in _SPANS
            ]
            headers["x-ms-ratelimit-remaining-resource"] = ",".join(left)
        return headers

    def exhaust(self, policy: str) -> None:
        """Spends all that is left of the shorter window of a limit, in every region."""
        if policy not in LIMITS:
            raise ValueError(f"policy must be one of {', '.join(LIMITS)}, not {policy!r}")
        self._exhausted[policy, _SPANS[0]] = (self._clock(), LIMITS[policy][0])

    def _window(self, policy: str, span: int, region: str) -> tuple[float, int]:
        now = self._clock()
        for window in (
            self._exhausted.get((policy, span)),
            self._windows.get((policy, span, region)),
        ):
            if window and now - window[0] < span * 60:
                return window
        return now, 0

    def _count(self, policy: str, span: int, region: str) -> int:
        began, used = self._window(policy, span, region)
        self._windows[policy, span, region] = (began, used + 1)
        return LIMITS[policy][_SPANS.index(span)] - used - 1


def _throttled(group: str, allowed: int, measured: int, seconds: float) -> Refusal:
    """Compute's 429: the code of a refused operation, told apart by the status and the detail."""
    message = "The server rejected the request because too many requests have been received for this subscription."
    refusal = Refusal(
        429,
        "OperationNotAllowed",
        message,
        headers={"Retry-After": str(max(1, math.ceil(seconds)))},
    )
    told = {
        "operationGroup": group,
        "allowedRequestCount": allowed,
        "measuredRequestCount": measured + 1,
    }
    refusal.error["details"] = [
        {"code": "TooManyRequests", "target": group, "message": json.dumps(told)}
    ]
    refusal.error["innererror"] = {"internalErrorCode": "TooManyRequestsReceived"}
    return refusal
