"""What a run does to the instances of a batch, and how its messages name that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from requests import Response

from .. import vmss
from ..types import Token

ActionName: TypeAlias = Literal["upgrade"]


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


UPGRADE_WORDS = Words(
    verb="upgrade",
    doing="upgrading",
    done="upgraded",
    current="on the latest model",
    have="have the latest model",
    remaining="still an older one",
    outdated="not on the latest model",
)


@dataclass(frozen=True)
class Action:
    """What a run does to a batch.

    Attributes:
        name: Which of Azure's operations it is.
        words: How messages name it.
    """

    name: ActionName = "upgrade"
    words: Words = UPGRADE_WORDS


UPGRADE = Action()


def start(action: Action, scale_set: tuple[Token, str, str, str], ids: Sequence[str]) -> Response:
    """Start an action on instances.

    Args:
        action: What to do.
        scale_set: The leading arguments of every function.
        ids: Ids of instances.

    Returns:
        Azure's answer, of an operation to follow.
    """
    return vmss.manual_upgrade(*scale_set, ids)
