"""What is wrong with an instance: pure functions, an instance in and a problem out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from .._text import one_line
from ..instances import health, power_state, properties_of, provisioning_state
from ..types import Instance
from . import messages

ProblemKind: TypeAlias = Literal[
    "failed", "not_provisioned", "outdated", "power", "health_unknown", "unhealthy", "check"
]

_ENDS_AS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
_UNKNOWN_HEALTH = ("unknown", "initializing")


class Problem(NamedTuple):
    """What is wrong with an instance.

    Attributes:
        kind: What decides on what follows: only `failed` ends the wait for a batch at once.
        text: The reason, for people.
    """

    kind: ProblemKind
    text: str


class InstanceBefore(NamedTuple):
    """How an instance was before its upgrade."""

    power: str | None = None
    reported_health: bool = False


def snapshot(instances: Iterable[Instance]) -> dict[str, InstanceBefore]:
    """Return how instances are before an upgrade, which is what they have to come back to.

    Args:
        instances: Instances with their views.

    Returns:
        `{instance id: InstanceBefore}`.
    """
    return {
        instance["instanceId"]: InstanceBefore(power_state(instance), health(instance) is not None)
        for instance in instances
    }


def problem_of_any(instance: Instance) -> Problem | None:
    """Return why an instance is unhealthy, whether or not it was upgraded.

    One that is switched off cannot report health, and need not.

    Args:
        instance: The instance with its view.

    Returns:
        The problem; `None` for a healthy instance.
    """
    if provisioning_state(instance) == "failed":
        return Problem("failed", messages.provisioning("failed"))
    reported = health(instance)
    if not reported or reported == "healthy" or power_state(instance) not in ("running", None):
        return None
    kind: ProblemKind = "health_unknown" if reported in _UNKNOWN_HEALTH else "unhealthy"
    return Problem(kind, messages.application_health(reported))


def problem_of_upgraded(
    instance: Instance, before: InstanceBefore, *, is_pending: bool
) -> Problem | None:
    """Return what an upgraded instance still lacks.

    Args:
        instance: The instance with its view.
        before: How it was before its upgrade.
        is_pending: Whether it is still to be upgraded; a protected instance, for one, is not.

    Returns:
        The problem; `None` if the upgrade of this instance is done.
    """
    state = provisioning_state(instance)
    if state != "succeeded":
        kind: ProblemKind = "failed" if state == "failed" else "not_provisioned"
        return Problem(kind, messages.provisioning(state))
    if not properties_of(instance).get("latestModelApplied"):
        return Problem("outdated", messages.OUTDATED) if is_pending else None
    now = power_state(instance)
    if before.power and now != _ENDS_AS.get(before.power, before.power):
        return Problem("power", messages.power(now, before.power))
    if before.reported_health and not health(instance) and now == "running":
        # The extension is installed again with the new OS.
        return Problem("health_unknown", messages.HEALTH_NOT_REPORTED)
    return problem_of_any(instance)


def problem_of_check(
    check: Callable[[list[Instance]], object], instances: list[Instance]
) -> Problem | None:
    """Return why the caller's own check of a batch fails.

    Args:
        check: The check; it fails if it returns `False` or a text, or raises.
        instances: The instances of the batch.

    Returns:
        The problem; `None` if the check passes.
    """
    try:
        answer = check(instances)
    except Exception as error:
        return Problem("check", messages.check_failed(one_line(error)))
    if isinstance(answer, str) and answer:
        return Problem("check", messages.check_failed(answer))
    return Problem("check", messages.check_failed("not passed")) if answer is False else None


def texts(problems: Mapping[str, Problem]) -> dict[str, str]:
    """Return the problems' texts.

    Args:
        problems: `{instance id: problem}`.

    Returns:
        `{instance id: reason}`.
    """
    return {instance_id: problem.text for instance_id, problem in problems.items()}
