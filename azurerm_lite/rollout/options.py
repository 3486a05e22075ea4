"""The options of a rollout: their defaults and their validation, once for all callers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .. import instances as _instances
from .. import rest
from .._arguments import check_callable, check_seconds, check_whole_number, is_list
from ..images import check_image
from ..types import Batch, CountOrPercentage, Image, Instance, OnFailure, Only, Token
from .actions import UPGRADE, Action

GROUPINGS = ("update_domain", "fault_domain", "zone")
"""What `by` may name; anything else is a batch size."""


@dataclass(frozen=True)
class RolloutOptions:
    """What a rollout was asked for, checked; the docstring of `rollout` describes each option.

    `action` is what is done to each batch: it comes from `method`, or from `roll`.
    """

    by: CountOrPercentage = "update_domain"
    only: Only | None = None
    max_batch: CountOrPercentage | None = None
    canary: CountOrPercentage | None = None
    canary_bake: float | None = None
    pause: float | Callable[[Batch], object] = 0
    bake: float = 0
    check: Callable[[list[Instance]], object] | None = None
    health_timeout: float = 1800
    max_unhealthy: CountOrPercentage = 0
    surge: CountOrPercentage | None = None
    capacity: int | None = None
    on_failure: OnFailure = "stop"
    rollback_image: Image | None = None
    auxiliary_tokens: Sequence[Token] = field(default=(), repr=False)
    # A model that the caller gave may hold a password.
    dry_run: bool | Mapping[str, Any] = field(default=False, repr=False)
    action: Action = UPGRADE

    def __post_init__(self) -> None:
        if self.by not in GROUPINGS:
            resolve_count(self.by, 0, "by", least=1, also=f"{', '.join(GROUPINGS)}, ")
        if self.max_batch is not None:
            resolve_count(self.max_batch, 0, "max_batch", least=1)
        if self.canary is not None:
            resolve_count(self.canary, 0, "canary", least=1)
        object.__setattr__(self, "only", _parse_only(self.only))
        check_seconds("bake", self.bake)
        check_seconds("health_timeout", self.health_timeout)
        if not callable(self.pause):
            check_seconds("pause", self.pause)
        if self.canary_bake is not None:
            check_seconds("canary_bake", self.canary_bake)
        check_callable("check", self.check)
        resolve_count(self.max_unhealthy, 0, "max_unhealthy")
        if self.surge is not None:
            resolve_count(self.surge, 0, "surge", least=1)
        if self.capacity is not None:
            check_whole_number("capacity", self.capacity, 1)
        if self.on_failure not in ("stop", "rollback"):
            raise ValueError(f"on_failure must be 'stop' or 'rollback', not {self.on_failure!r}")
        if self.rollback_image is not None:
            check_image("rollback_image", self.rollback_image)
        is_model = isinstance(self.dry_run, Mapping)
        if is_model and self.action.name != "upgrade":
            raise ValueError("dry_run: a model that is about to be put is for the method 'upgrade'")
        if self.surge is not None and self.action.name in ("run_command", "call"):
            raise ValueError(
                "surge: new instances would not have run the script or the function; it is for"
                " actions that leave an instance as Azure makes it, such as 'restart'"
            )
        rest.check_auxiliary_tokens(self.auxiliary_tokens)

    @property
    def chosen(self) -> frozenset[str | int] | None:
        """The domains and instance ids of `only`, ids in lower case; `None` for all."""
        if self.only is None:
            return None
        choices = cast("frozenset[str | int]", self.only)
        return frozenset(each.lower() if isinstance(each, str) else each for each in choices)


def resolve_count(
    value: CountOrPercentage,
    total: int,
    argument: str,
    *,
    least: int = 0,
    also: str = "",
    of: str = "instances",
) -> int:
    """Return a number of instances that is given as such or as a percentage, rounded down.

    Args:
        value: The number, or a percentage such as `"20%"`.
        total: How many instances the set has.
        argument: How the caller's argument is called, for the error.
        least: The least that it may come to; a percentage of less than that gives that.
        also: What else the argument may be, for the error.
        of: What it is a number of, for the error.

    Returns:
        How many instances.

    Raises:
        ValueError: It is neither, or too little or too much.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    percent = None
    if isinstance(value, str):
        percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%", value)
    if percent is None or not least <= 100 * float(percent.group(1)) <= 10000:
        raise ValueError(
            f"{argument} must be {also}a number of {of} or a percentage such as '20%',"
            f" not {value!r}"
        )
    # With whole numbers: floats lose one here and there.
    whole, _, fraction = percent.group(1).partition(".")
    numerator = total * int(whole + fraction)
    denominator: int = 100 * 10 ** len(fraction)
    return max(least, numerator // denominator)


def _parse_only(only: Only | None) -> frozenset[str | int] | None:
    """Return the domains and ids of `only`; `None` for all of them."""
    if only is None or isinstance(only, frozenset):
        return only
    # A dict is refused as such, instead of being taken for its keys.
    values: list[Any] = list(cast("Iterable[str | int]", only)) if is_list(only) else [only]
    _instances.parse_instance_ids(values, "only")
    return None if "*" in values else frozenset(values)
