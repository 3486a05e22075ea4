"""Follow the rolling upgrade that Azure runs by itself, with the events of a rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import _clock, vmss
from ..errors import NotFound, error_of
from ..instances import UNKNOWN, has_latest_model
from ..types import RollingUpgrade
from . import messages
from .events import Event, event
from .health import problem_of_any, texts
from .reading import read_instances, read_model
from .run import halted_with
from .state import Halt, RolloutState, count_current, summarize
from .waiting import Wait, poll, retry_read

GRACE_SECONDS = 120.0
"""How long Azure may take to begin once the model has changed."""

_RUNNING = ("rollingforward", "rollingback")
_COUNTS = {
    "successful": "successful",
    "failed": "failed",
    "inProgress": "in progress",
    "pending": "pending",
}


@dataclass
class _Followed:
    """The rolling upgrade as last read."""

    upgrade: RollingUpgrade | None
    reported: str = ""
    was_running: bool = False


def follow(state: RolloutState) -> Iterator[Event]:
    """Follow the newest rolling upgrade to its end; this changes nothing.

    Args:
        state: A run; of its options only `health_timeout` counts.

    Yields:
        Events, without batches.

    Raises:
        RolloutHalted: The rolling upgrade was cancelled or faulted, or has not ended in time.
        AzureError: Azure refused to answer.
    """
    try:
        yield from _follow(state)
    except Halt as halt:
        raise halted_with(state, halt, messages.START_ANOTHER) from halt


def _follow(state: RolloutState) -> Iterator[Event]:
    yield from read_model(state)
    yield from read_instances(state)
    outdated = {
        instance["instanceId"] for instance in state.instances if not has_latest_model(instance)
    }
    yield event(state, "started", messages.FOLLOWING, of_set=True, instance_ids=sorted(outdated))
    followed = _Followed(None)
    yield from _follow_to_the_end(state, followed)
    yield from read_instances(state)
    state.upgraded = [
        instance["instanceId"]
        for instance in state.instances
        if instance["instanceId"] in outdated and has_latest_model(instance)
    ]
    status = _status(followed.upgrade)
    if status.lower() not in ("completed", UNKNOWN, ""):
        raise _failure(state, followed.upgrade, status)
    message = messages.rolling_done(status, count_current(state), len(state.instances))
    yield event(
        state,
        "finished",
        message,
        of_set=True,
        instance_ids=state.upgraded,
        summary=summarize(state),
    )


def _follow_to_the_end(state: RolloutState, followed: _Followed) -> Iterator[Event]:
    """Poll the rolling upgrade until it has ended."""
    name = state.scale_set.vmss_name
    timeout = state.options.health_timeout
    limit = state.started_at + timeout

    def request() -> None:
        followed.upgrade = _newest(state)

    def read() -> Iterator[Event]:
        yield from retry_read(state, request)
        now = messages.rolling_status(_status(followed.upgrade)) + _count_instances(
            followed.upgrade
        )
        if now != followed.reported:
            followed.reported = now
            yield from read_instances(state)
        yield event(state, "progress", now, of_set=True)

    def judge() -> Wait | None:
        status = _status(followed.upgrade)
        is_running = status.lower() in _RUNNING
        followed.was_running = followed.was_running or is_running
        is_settled = _clock.monotonic() - state.started_at >= GRACE_SECONDS
        is_current = count_current(state) == len(state.instances)
        # Just after a change of the model the newest upgrade is still the one before.
        has_ended = (followed.was_running or is_settled) and status != UNKNOWN
        if not is_running and (has_ended or is_current):
            return None
        return Wait(None, Halt(messages.rolling_timeout(name, status, timeout)))

    yield from read()
    yield from poll(state, judge, read, limit=limit)


def _newest(state: RolloutState) -> RollingUpgrade | None:
    """Return the newest rolling upgrade; `None` if there was none: the scale set itself exists."""
    try:
        return vmss.get_rolling_upgrade(*state.scale_set)
    except NotFound:
        return None


def _failure(state: RolloutState, upgrade: RollingUpgrade | None, status: str) -> Halt:
    """Return the halt after an upgrade that did not complete, in Azure's words."""
    reason = _reason(_part(upgrade, "error"))
    problems = {}
    for instance in state.instances:
        problem = problem_of_any(instance)
        if problem is not None:
            problems[instance["instanceId"]] = problem
    message = messages.rolling_failed(state.scale_set.vmss_name, status, reason)
    return Halt(message, texts(problems))


def _reason(error: Mapping[str, Any]) -> str:
    """Return Azure's reason, as far as it gives one."""
    if not error:
        return ""
    found = error_of(error, default_message="Azure gave no reason", default_code="")
    return f": {found}"


def _count_instances(upgrade: RollingUpgrade | None) -> str:
    """Return how many instances are how far: `, 8 successful, 4 in progress`."""
    progress = _part(upgrade, "progress")
    counts = [
        f", {progress[f'{key}InstanceCount']} {word}"
        for key, word in _COUNTS.items()
        if progress.get(f"{key}InstanceCount")
    ]
    return "".join(counts)


def _status(upgrade: RollingUpgrade | None) -> str:
    """Return Azure's word; `unknown` if Azure reports none, `""` if there is no upgrade."""
    if upgrade is None:
        return ""
    return str(_part(upgrade, "runningStatus").get("code") or UNKNOWN)


def _part(upgrade: RollingUpgrade | None, name: str) -> dict[str, Any]:
    part: dict[str, Any] = (upgrade or {}).get("properties", {}).get(name, {})
    return part
