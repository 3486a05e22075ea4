"""A test clock, which replaces the library's clock and sleep."""

from __future__ import annotations


class Clock:
    """A clock that moves only when somebody sleeps.

    Attributes:
        now: The time in seconds.
        slept: How long each sleep was, in seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time, as `time.monotonic` does."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Record a sleep, and move the time by it."""
        self.slept.append(seconds)
        self.now += seconds
