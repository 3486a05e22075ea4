"""The scale sets of a fleet and their waves: pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._arguments import is_list
from .._ids import fold_region
from ..rollout.options import resolve_count
from ..types import Target, TargetLike, Waves

_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute/virtualMachineScaleSets/([^/]+)",
    re.IGNORECASE,
)
_KEYS = ("subscription_id", "resource_group", "vmss_name")


def parse_target(given: TargetLike) -> Target:
    """Return a scale set of the fleet from a caller's value.

    Args:
        given: A dict with `subscription_id`, `resource_group`, `vmss_name` and optionally
            `location`; a sequence of them; or a resource id.

    Returns:
        The target.

    Raises:
        ValueError: It is not a target.
    """
    if isinstance(given, str):
        found = _ID.fullmatch(given)
        names: list[Any] = list(found.groups()) if found else []
    elif isinstance(given, Mapping):
        names = [given.get(key) for key in _KEYS] + [given.get("location") or ""]
    else:
        names = list(given) if isinstance(given, Sequence) else []
    if (
        len(names) not in (3, 4)
        or not all(isinstance(each, str) for each in names)
        or not all(names[:3])
    ):
        raise ValueError(
            "targets: each must be a dict from find_scale_sets(), a resource id, or subscription"
            f" id, resource group and name, not {given!r}"
        )
    return Target(*names[:3], *(fold_region(each) for each in names[3:]))


def split_into_waves(targets: Iterable[TargetLike], waves: Waves) -> list[list[Target]]:
    """Return the waves of a fleet in order: each scale set once, no wave empty.

    Args:
        targets: The scale sets.
        waves: The `waves` of `rollout_fleet`.

    Returns:
        A list of waves; each keeps the order of `targets`.

    Raises:
        ValueError: A target or `waves` is invalid, or a scale set is given twice.
    """
    if not is_list(targets):
        raise ValueError(f"targets must be a list of scale sets, not {type(targets).__name__}")
    given = list(targets)
    found = [parse_target(each) for each in given]
    seen: set[tuple[str, ...]] = set()
    for each in found:
        name = tuple(part.lower() for part in each[:3])
        if name in seen:
            raise ValueError(
                f"targets: {each} of subscription {each.subscription_id} is given twice"
            )
        seen.add(name)
    if waves is None:
        return [found] if found else []
    if isinstance(waves, Sequence) and not isinstance(waves, str):
        return _by_size(found, waves)
    if not isinstance(waves, str) and not callable(waves):
        raise ValueError(f"waves must be a key, a function or a list of sizes, not {waves!r}")
    return _by_key(given, found, waves)


def _by_size(targets: list[Target], sizes: Sequence[int | str]) -> list[list[Target]]:
    """Split targets into waves of given sizes; the last wave has the remaining targets."""
    waves = []
    start = 0
    for size in sizes:
        end = start + resolve_count(size, len(targets), "waves", least=1, of="scale sets")
        waves.append(targets[start:end])
        start = end
    return [wave for wave in (*waves, targets[start:]) if wave]


def _by_key(
    given: list[TargetLike], targets: list[Target], key: str | Callable[[Any], Any]
) -> list[list[Target]]:
    """Group targets by a key, in ascending order of the keys."""
    waves: dict[Any, list[Target]] = {}
    try:
        for each, found in zip(given, targets, strict=True):
            waves.setdefault(key(each) if callable(key) else _value(each, found, key), []).append(
                found
            )
        return [waves[value] for value in sorted(waves)]
    except TypeError as error:
        raise ValueError(f"waves: the keys cannot be sorted: {error}") from None


def _value(given: TargetLike, found: Target, key: str) -> Any:
    value = given.get(key) if isinstance(given, Mapping) else getattr(found, key, None)
    if value in (None, ""):
        raise ValueError(f"waves: {found} has no {key!r}")
    return value
