"""What is wrong with an instance: pure functions, an instance in and a problem out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from .._text import one_line
from ..instances import failure, health, power_state, provisioning_state
from ..types import Instance
from . import messages

ProblemKind: TypeAlias = Literal[
    "failed",
    "not_provisioned",
    "outdated",
    "power",
    "power_unknown",
    "health_unknown",
    "unhealthy",
    "check",
]

_ENDS_AS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
_UNKNOWN_HEALTH = ("unknown", "initializing")
_UNKNOWN_POWER = ("unknown", "creating", "updating")
_MAY_PASS: frozenset[ProblemKind] = frozenset(
    {"not_provisioned", "power_unknown", "health_unknown"}
)


class Problem(NamedTuple):
    """What is wrong with an instance.

    Attributes:
        kind: What decides on what follows: only `failed` ends the wait for a batch at once.
        text: The reason, for people.
        code: Azure's error code for a failed instance; `""` without one.
    """

    kind: ProblemKind
    text: str
    code: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether another reading may show that all is well: what is not known is not bad."""
        return self.kind in _MAY_PASS


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
        instance["instanceId"]: InstanceBefore(known_power(instance), health(instance) is not None)
        for instance in instances
    }


def known_power(instance: Instance) -> str | None:
    """Return the power state of an instance if it is one that lasts.

    Args:
        instance: The instance with its view.

    Returns:
        A state such as `running`; `None` if Azure reports none, or one that says nothing.
    """
    state = power_state(instance)
    return None if state in _UNKNOWN_POWER else state


def problem_of_any(instance: Instance) -> Problem | None:
    """Return why an instance is unhealthy, whether or not it was upgraded.

    One that is switched off cannot report health, and need not.

    Args:
        instance: The instance with its view.

    Returns:
        The problem; `None` for a healthy instance.
    """
    if provisioning_state(instance) == "failed":
        return _failed(instance)
    reported = health(instance)
    if not reported or reported == "healthy" or power_state(instance) not in ("running", None):
        return None
    kind: ProblemKind = "health_unknown" if reported in _UNKNOWN_HEALTH else "unhealthy"
    return Problem(kind, messages.application_health(reported))


def problem_of_upgraded(
    instance: Instance,
    before: InstanceBefore,
    *,
    is_current: bool,
    is_pending: bool,
    outdated: str,
) -> Problem | None:
    """Return what an upgraded instance still lacks.

    Args:
        instance: The instance with its view.
        before: How it was before its upgrade.
        is_current: Whether it needs nothing any more.
        is_pending: Whether it is still to be upgraded; a protected instance, for one, is not.
        outdated: The text for an instance that is not current.

    Returns:
        The problem; `None` if the upgrade of this instance is done.
    """
    state = provisioning_state(instance)
    if state == "failed":
        return _failed(instance)
    if state != "succeeded":
        return Problem("not_provisioned", messages.provisioning(state))
    if not is_current:
        return Problem("outdated", outdated) if is_pending else None
    now = known_power(instance)
    if before.power and now is None:
        return Problem("power_unknown", messages.power(now, before.power))
    if before.power and now != _ENDS_AS.get(before.power, before.power):
        return Problem("power", messages.power(now, before.power))
    if before.reported_health and not health(instance) and now == "running":
        # The extension is installed again with the new OS.
        return Problem("health_unknown", messages.HEALTH_NOT_REPORTED)
    return problem_of_any(instance)


def _failed(instance: Instance) -> Problem:
    code, message = failure(instance)
    return Problem("failed", messages.provisioning_failed(code, message), code)


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
    return problem_of_answer(lambda: check(instances))


def problem_of_answer(ask: Callable[[], object]) -> Problem | None:
    """Return why a check of the caller's fails.

    Args:
        ask: Calls the check; it fails if it returns `False` or a text, or raises.

    Returns:
        The problem; `None` if the check passes.
    """
    try:
        answer = ask()
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
