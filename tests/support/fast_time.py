"""Time that runs fast, in this process and in workers.

What takes a minute there takes a part of a second here.
"""

from __future__ import annotations

import time

from azurerm_lite import _clock

SPEED = 200.0


def clock() -> float:
    """Seconds of the fast time; the same in each process of the machine."""
    return time.monotonic() * SPEED


def sleep(seconds: float) -> None:
    """Waits for seconds of the fast time."""
    time.sleep(seconds / SPEED)


def hurry() -> None:
    """Lets the library in this process live in the fast time."""
    _clock.monotonic, _clock.sleep = clock, sleep
