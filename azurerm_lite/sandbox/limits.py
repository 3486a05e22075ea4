"""Azure's rate limits, counted down in the headers of each answer."""

from __future__ import annotations

from collections.abc import Callable

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
    "GetGalleryImageVersion": (2000, 10000),
    "GetVMImageFromLocation": (13000, 74000),
    "ListVMImagesVersionsFromLocation": (16000, 44000),
}
_ARM = {"GET": ("reads", 250), "DELETE": ("deletes", 200)}


class Limits:
    """What is left of each limit; a window begins anew when it is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, int], tuple[float, int]] = {}

    def spend(self, method: str, policy: str) -> dict[str, str]:
        """Counts a request, and gives the headers that say what is left."""
        kind, depth = _ARM.get(method, ("writes", 200))
        # Azure refills this one by the second: what is left is told as if nothing else had been asked just now.
        headers = {f"x-ms-ratelimit-remaining-subscription-{kind}": str(depth - 1)}
        if policy:
            left = [f"Microsoft.Compute/{policy}{span}Min;{self._left(policy, span)}" for span in (3, 30)]
            headers["x-ms-ratelimit-remaining-resource"] = ",".join(left)
        return headers

    def _left(self, policy: str, minutes: int) -> int:
        limit = LIMITS[policy][0 if minutes == 3 else 1]
        began, used = self._windows.get((policy, minutes), (self._clock(), 0))
        if self._clock() - began >= minutes * 60:
            began, used = self._clock(), 0
        self._windows[policy, minutes] = (began, used + 1)
        return max(0, limit - used - 1)
