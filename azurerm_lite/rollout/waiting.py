"""The two loops of a rollout: one that polls, and one that sends a request again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .. import _clock, _retry, rest
from .._text import one_line
from ..errors import AzureError, Throttled
from . import messages
from .events import Event, event
from .state import Halt, RolloutState

SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 30.0
SECONDS_PER_PAGE = 6.0
"""Between two readings, for each page of them: Azure refills ten such requests a minute."""
SINGLE_READS_PER_SECOND = 40.0
"""A third of what Azure refills for reads of single virtual machines in a subscription."""
SECONDS_PER_SINGLE_READ = 1.0
"""Between two readings of a batch, for each request. Azure refills 33 in a second."""
REPORT_SECONDS = 60.0
"""How often a long pause is reported."""
LAST_SECONDS = 0.1
"""The shortest pause before the last poll at the limit."""


class Wait(NamedTuple):
    """What a judge returns as long as something is not as it should be.

    Attributes:
        event: What to report; `None` if reading reports by itself.
        on_timeout: What ends the run if it stays so until the limit.
    """

    event: Event | None
    on_timeout: Halt


def poll(
    state: RolloutState,
    judge: Callable[[], Wait | None],
    read: Callable[[], Iterator[Event]],
    *,
    limit: float,
    single_reads: int | None = None,
) -> Iterator[Event]:
    """Read again, with growing pauses, until a judge is satisfied.

    Args:
        state: The run.
        judge: Returns `None` when all is well and a `Wait` when it may become so; raises a `Halt`
            when it cannot.
        read: Reads what the judge looks at.
        limit: The time of the clock at which waiting ends. There is a last poll at the limit.
        single_reads: As for `poll_interval`.

    Yields:
        An event for each poll.

    Raises:
        Halt: The judge's, or its `on_timeout` at the limit.
    """
    attempt = 0
    while True:
        waiting = judge()
        if waiting is None:
            return
        left = limit - _clock.monotonic()
        if left <= 0:
            raise waiting.on_timeout
        if waiting.event is not None:
            yield waiting.event
        seconds = poll_interval(state, attempt, single_reads)
        _clock.sleep(min(seconds, max(LAST_SECONDS, left)))
        attempt += 1
        yield from read()


def retry(
    state: RolloutState,
    request: Callable[[], None],
    recover: Callable[[Exception, int], Iterator[Event]],
) -> Iterator[Event]:
    """Send a request again until it succeeds.

    Args:
        state: The run.
        request: Sends the request and stores what it gives.
        recover: Called with the error and the number of the attempt, from 1. It pauses, and reads
            what may have changed; it raises the error if the request is not to be sent again.

    Yields:
        What `recover` yields.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            with rest.request_hooks(state.hooks):
                request()
        except (AzureError, *_retry.CONNECTION_ERRORS) as error:
            failure: Exception = error
        else:
            return
        yield from recover(failure, attempt)


def retry_read(state: RolloutState, request: Callable[[], None]) -> Iterator[Event]:
    """Read something from Azure; wait out transient failures for `health_timeout` seconds.

    Args:
        state: The run.
        request: Sends the request and stores what it gives.

    Yields:
        A `waiting` event for each pause, and each minute of a long one.
    """
    limit = _clock.monotonic() + state.options.health_timeout

    def recover(error: Exception, attempt: int) -> Iterator[Event]:
        seconds = _retry.delay(min(attempt, 7), retry_after_of(error))
        # Before the first answer the names or the network may be wrong: do not wait long.
        is_first = state.model is None and not isinstance(error, Throttled)
        is_last = is_first and attempt >= _retry.MAX_ATTEMPTS
        if is_last or not _retry.is_transient(error) or _clock.monotonic() + seconds > limit:
            raise error
        yield from pause(state, messages.trying_again(one_line(error)), seconds)

    yield from retry(state, request, recover)


def pause(
    state: RolloutState, text: str, seconds: float, *, of_set: bool = False
) -> Iterator[Event]:
    """Pause, and report it at once and then every minute.

    Args:
        state: The run.
        text: Why.
        seconds: For how long.
        of_set: Whether it concerns the set as a whole.

    Yields:
        `waiting` events.
    """
    while seconds > 0:
        message = messages.pausing_for(text, seconds)
        yield event(state, "waiting", message, of_set=of_set, batch=state.batch)
        step = min(seconds, REPORT_SECONDS)
        _clock.sleep(step)
        seconds -= step


def poll_interval(state: RolloutState, attempt: int, single_reads: int | None = None) -> float:
    """Return the seconds until the next poll: growing, and longer if a poll takes many requests.

    Args:
        state: The run.
        attempt: How many polls there were before.
        single_reads: How many reads of single instances a poll takes; `None` if it reads all.

    Returns:
        Seconds.
    """
    growing = min(LONGEST_SECONDS, SHORTEST_SECONDS * 1.5 ** min(attempt, 9))
    if single_reads is not None:
        return max(growing, single_reads * SECONDS_PER_SINGLE_READ)
    lists = state.pages * SECONDS_PER_PAGE
    return max(growing, lists, state.requests_per_reading / SINGLE_READS_PER_SECOND)


def retry_after_of(error: Exception) -> float | None:
    """Return the seconds that an error asks to wait, or `None`."""
    return getattr(error, "retry_after", None)
