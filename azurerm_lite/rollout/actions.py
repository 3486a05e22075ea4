"""What a run does to the instances of a batch, and how its messages name that: data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from requests import Response

from .. import _run_command
from .._arguments import check_callable
from ..types import CommandOutput, Instance

ActionName: TypeAlias = Literal[
    "upgrade", "refresh", "restart", "redeploy", "reimage", "run_command", "call"
]
"""`upgrade` is manualupgrade; `refresh` reimages what runs an older version than the newest; the
others are those of `roll`, `call` a function of the caller's."""
ActionFunction: TypeAlias = "Callable[[list[Instance]], Response | None]"
CheckOutput: TypeAlias = Callable[[str, CommandOutput], object]


class Words(NamedTuple):
    """How messages name an action.

    Attributes:
        verb: What is to be done, as in "12 to upgrade".
        doing: What is being done, as in "upgrading 4 instances".
        done: What was done, as in "12 upgraded".
        current: What the instances are that need nothing, as in "skipping 3 instances on the latest
            model".
        have: The same as in "12 of 20 instances have the latest model".
        remaining: What the others are, as in "3 still an older one".
        outdated: The reason of an instance to which it is yet to be done.
    """

    verb: str
    doing: str
    done: str
    current: str
    have: str
    remaining: str
    outdated: str


def _words_of(verb: str, doing: str, done: str) -> Words:
    return Words(verb, doing, done, f"{done} already", f"are {done}", "not yet", f"not {done} yet")


UPGRADE_WORDS = Words(
    verb="upgrade",
    doing="upgrading",
    done="upgraded",
    current="on the latest model",
    have="have the latest model",
    remaining="still an older one",
    outdated="not on the latest model",
)
_REFRESH_WORDS = Words(
    verb="reimage",
    doing="reimaging",
    done="reimaged",
    current="on the wanted version",
    have="have the wanted version",
    remaining="another one",
    outdated="not on the wanted version",
)
_NAMED: dict[str, Words] = {
    "restart": _words_of("restart", "restarting", "restarted"),
    "redeploy": _words_of("redeploy", "redeploying", "redeployed"),
    "reimage": _words_of("reimage", "reimaging", "reimaged"),
    "run_command": _words_of("run the script on", "running the script on", "done"),
}
_CALL_WORDS = _words_of("process", "processing", "done")
_WITH_TIMES = ("restart", "redeploy", "reimage")
"""Actions whose end moves the time of an instance's provisioning status."""


@dataclass(frozen=True)
class Action:
    """What a run does to a batch.

    Attributes:
        name: Which operation it is.
        words: How messages name it.
        since: Instances to which it was done since then need nothing; `None` for the start of the
            run.
        pending: Returns whether an instance still needs it; `None` if Azure's data decide.
        function: Starts it, if it is the caller's own.
        script: The script to run.
        parameters: The parameters of the script.
        command_id: The command that runs it.
        check_output: The caller's check of what it printed.
    """

    name: ActionName = "upgrade"
    words: Words = UPGRADE_WORDS
    since: datetime | None = None
    pending: Callable[[Instance], object] | None = None
    function: ActionFunction | None = None
    script: str = field(default="", repr=False)
    parameters: Mapping[str, str] | None = field(default=None, repr=False)
    command_id: str = ""
    check_output: CheckOutput | None = None

    @property
    def brings_to_model(self) -> bool:
        """Whether it brings instances to what the model asks for, so that the model matters."""
        return self.name in ("upgrade", "refresh")

    @property
    def has_times(self) -> bool:
        """Whether the instances' own times say to which it was done."""
        return self.name in _WITH_TIMES


UPGRADE = Action()
REFRESH = Action("refresh", _REFRESH_WORDS)


def for_method(method: str) -> Action:
    """Return the action of a method of `rollout`.

    Args:
        method: `upgrade` or `reimage`.

    Returns:
        The action.

    Raises:
        ValueError: `method` is neither.
    """
    if method not in ("upgrade", "reimage"):
        raise ValueError(f"method must be 'upgrade' or 'reimage', not {method!r}")
    return UPGRADE if method == "upgrade" else REFRESH


def for_roll(
    action: str | ActionFunction,
    *,
    pending: Callable[[Instance], object] | None,
    since: datetime | str | None,
    script: str | None,
    parameters: Mapping[str, str] | None,
    command_id: str,
    check_output: CheckOutput | None,
) -> Action:
    """Return the action of `roll`, checked; the arguments are those of `roll`.

    Args:
        action: A name, or a function.
        pending: Which instances still need it.
        since: Since when.
        script: The script of `run_command`.
        parameters: Its parameters.
        command_id: Its command.
        check_output: The check of its output.

    Returns:
        The action.

    Raises:
        ValueError: An argument cannot be used, or they do not fit together.
    """
    for argument, value in (("pending", pending), ("check_output", check_output)):
        check_callable(argument, value)
    is_named = isinstance(action, str) and action in _NAMED
    if not is_named and (isinstance(action, str) or not callable(action)):
        known = ", ".join(_NAMED)
        raise ValueError(f"action must be one of {known}, or a function, not {action!r}")
    if action == "run_command":
        _run_command.check(script, parameters, command_id)
    elif script is not None or parameters is not None or check_output is not None:
        raise ValueError(
            "script, parameters and check_output are for the action 'run_command', not for"
            f" {action!r}"
        )
    name = cast("ActionName", action if is_named else "call")
    if since is not None and pending is None and name not in _WITH_TIMES:
        raise ValueError(
            "since needs an action whose end Azure notes on the instance"
            f" ({', '.join(_WITH_TIMES)}): give pending instead"
        )
    return Action(
        name=name,
        words=_NAMED.get(name, _CALL_WORDS),
        since=parse_time(since),
        pending=pending,
        function=None if is_named else cast("ActionFunction", action),
        script=script or "",
        parameters=parameters,
        command_id=command_id,
        check_output=check_output,
    )


def parse_time(since: Any) -> datetime | None:
    """Return a time that a caller gave: a `datetime`, or text in ISO 8601, with its offset.

    Args:
        since: The time; `None` is accepted.

    Returns:
        The time, or `None`.

    Raises:
        ValueError: It is neither, or has no offset from UTC.
    """
    if since is None:
        return None
    time = since
    if isinstance(since, str):
        try:
            time = datetime.fromisoformat(since)
        except ValueError:
            time = None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise ValueError(
            "since must be a time with its offset, such as '2026-11-27T06:00:00+00:00', not"
            f" {since!r}"
        )
    return time
