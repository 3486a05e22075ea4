"""Which instances a rollout takes together, in which order, and which it leaves out: pure functions over instances."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .. import instances as _instances
from .._text import join_ids
from ..instances import health, power_state, provisioning_state
from ..types import Batch, Domain, Instance

Size: TypeAlias = "int | str"
"""A number of instances, or a percentage of the set such as `"20%"`."""

Only: TypeAlias = "str | int | Iterable[str | int]"
"""Domains (whole numbers) or instance ids (strings), one or require_instances."""

_GROUPINGS = {
    "update_domain": _instances.by_update_domain,
    "fault_domain": _instances.by_fault_domain,
    "zone": _instances.by_zone,
}
FALLBACK = "20%"
"""The batches of a set without update domains: what Azure's own rolling upgrades take unless told otherwise."""


class Cut(NamedTuple):
    """How a set is cut into batches: what `plan_rollout` was asked for, checked."""

    by: Size = "update_domain"
    only: frozenset[str | int] | None = None
    max_batch: Size | None = None
    canary: Size | None = None


def cut(by: Size, only: Only | None, max_batch: Size | None, canary: Size | None) -> Cut:
    """What makes the batches, checked.

    Args:
        by: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of instances or a percentage of
            the set.
        only: Domains or instance ids to keep to; `None` for all.
        max_batch: The most instances of a batch: a number, a percentage, or `None`.
        canary: The most instances of the first batch: a number, a percentage, or `None`.

    Returns:
        The cut.

    Raises:
        ValueError: One of them cannot be used; the message names it.
    """
    if not isinstance(by, str) or by not in _GROUPINGS:
        share(by, 0, "by", least=1, also=f"{', '.join(_GROUPINGS)}, ")
    for argument, value in (("max_batch", max_batch), ("canary", canary)):
        if value is not None:
            share(value, 0, argument, least=1)
    return Cut(by, _chosen(only), max_batch, canary)


def share(
    value: Size, total: int, argument: str, *, least: int = 0, also: str = "", of: str = "instances"
) -> int:
    """A number of instances, given as such or as a percentage of the set (rounded down).

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
    percent = (
        re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%", value) if isinstance(value, str) else None
    )
    if percent is None or not least <= 100 * float(percent.group(1)) <= 10000:
        raise ValueError(
            f"{argument} must be {also}a number of {of} or a percentage such as '20%', not {value!r}"
        )
    whole, _, part = percent.group(1).partition(".")
    return max(
        least, total * int(whole + part) // int("100" + "0" * len(part))
    )  # floats lose one here and there


def plan(
    instances: Sequence[Instance],
    how: Cut,
    *,
    begun: Collection[str] = (),
    again: Collection[str] = (),
) -> list[Batch]:
    """The batches of the instances that are due, in order.

    Args:
        instances: All instances of the set with their instance views.
        how: How to cut.
        begun: The names of the batches that were begun: none comes twice, and after the first there
            is no canary.
        again: Ids of instances that are due although they have the latest model, because they
            failed.

    Returns:
        Batches, none of them empty.
    """
    how = fitting(instances, how)
    wanted = due(instances, how, again)
    if how.canary is None or begun:
        return _batches(instances, wanted, how, begun)
    most = share(how.canary, len(instances), "canary", least=1)
    first = [
        Batch(f"canary ({each.name})", each.instance_ids[:most])
        for each in _batches(instances, wanted, how, ())[:1]
    ]
    taken = {each for batch in first for each in batch.instance_ids}
    others = [
        each for each in wanted if each["instanceId"] not in taken
    ]  # cut anew, as once the canary is done
    return first + _batches(instances, others, how, [batch.name for batch in first])


def _batches(
    instances: Sequence[Instance], wanted: Sequence[Instance], how: Cut, begun: Collection[str]
) -> list[Batch]:
    """The batches of the instances that are wanted, but for a canary."""
    most = (
        len(instances)
        if how.max_batch is None
        else share(how.max_batch, len(instances), "max_batch", least=1)
    )
    names = set(begun)
    batches = []
    for label, size, ids in _groups(instances, wanted, how):
        step = min(size or len(ids), most)
        parts = [ids[start : start + step] for start in range(0, len(ids), step)]
        numbered = label if size else f"{label}, part"
        is_whole = not size and len(parts) == 1 and f"{numbered} 1" not in names
        for part in parts:
            batches.append(
                Batch(_new_name(label if is_whole else "", numbered, names), tuple(part))
            )
    return batches


def _groups(
    instances: Sequence[Instance], due: Sequence[Instance], how: Cut
) -> Iterator[tuple[str, int | None, list[str]]]:
    """What goes together: a label, the most at a time (`None` for all of a domain), and the ids."""
    if how.by not in _GROUPINGS:
        size = share(how.by, len(instances), "by", least=1)
        yield from (("batch", size, ids) for ids in _instances.in_batches(due, max(1, len(due))))
        return
    grouping, label = _GROUPINGS[str(how.by)], str(how.by).replace("_", " ")
    sizes = [
        len(ids) for domain, ids in grouping(instances).items() if domain != _instances.UNKNOWN
    ]
    for domain, ids in grouping(due).items():
        if domain == _instances.UNKNOWN:
            yield f"no {label}, batch", max(sizes, default=1), ids
        else:
            yield f"{label} {domain}", None, ids


def _new_name(name: str, numbered: str, names: set[str]) -> str:
    """A name that no other batch has: the one wanted, or else the next with a number."""
    number = 0
    while not name or name in names:
        number += 1
        name = f"{numbered} {number}"
    names.add(name)
    return name


def fitting(instances: Sequence[Instance], how: Cut) -> Cut:
    """The cut for this set: where Azure gives no update domains, what its own rolling upgrades do.

    Args:
        instances: All instances of the set with their instance views.
        how: How to cut.

    Returns:
        The same cut where it fits; else zone after zone, at most a fifth of the set at a time.
    """
    if (
        how.by != "update_domain"
        or not instances
        or any(_domain(each, "update_domain") for each in instances)
    ):
        return how
    if any(each.get("zones") for each in instances):
        total = len(instances)
        sizes = {
            size: share(size, total, "max_batch", least=1)
            for size in (FALLBACK, how.max_batch)
            if size
        }
        return how._replace(by="zone", max_batch=min(sizes, key=lambda each: sizes[each]))
    return how._replace(by=FALLBACK)


def check(instances: Sequence[Instance], how: Cut) -> None:
    """Refuses domains and ids that the set does not have.

    Args:
        instances: All instances of the set with their instance views.
        how: How to cut.

    Raises:
        ValueError: `only` names what is not there, or no instance has such a domain.
    """
    how = fitting(instances, how)
    found = {_domain(instance, how.by) or _instances.UNKNOWN for instance in instances}
    if instances and how.by in _GROUPINGS and found == {_instances.UNKNOWN}:
        label = str(how.by).replace("_", " ")
        raise ValueError(
            f"by={how.by!r}: Azure gives no {label} for these instances; give a batch size such as by=1"
        )
    ids = {instance["instanceId"] for instance in instances}
    for each in sorted(how.only or (), key=str):
        if isinstance(each, str) and each not in ids:
            have = join_ids(sorted(ids, key=_instances.id_sort_key))
            raise ValueError(f"only: the set has no instance {each!r}; it has {have}")
        if isinstance(each, int) and str(each) not in found:
            have = ", ".join(sorted(found))
            raise ValueError(
                f"only: the set has no domain {each}; it has {have} (instance ids are strings)"
            )


def due(instances: Sequence[Instance], how: Cut, again: Collection[str] = ()) -> list[Instance]:
    """The instances that are to be upgraded; `plan` says what the arguments are."""
    how = fitting(instances, how)
    return [each for each in instances if is_chosen(each, how) and not skip(each, how, again)]


def skipped(
    instances: Sequence[Instance], how: Cut, again: Collection[str] = ()
) -> dict[str, list[str]]:
    """The instances that are left out, in numeric order, by the reason."""
    how = fitting(instances, how)
    reasons: dict[str, list[str]] = {}
    for instance in instances:
        if is_chosen(instance, how) and (why := skip(instance, how, again)):
            reasons.setdefault(why, []).append(instance["instanceId"])
    return {why: sorted(ids, key=_instances.id_sort_key) for why, ids in reasons.items()}


def notices(model: Mapping[str, Any], instances: Sequence[Instance], how: Cut) -> list[str]:
    """What somebody who starts a rollout ought to know of this set, a sentence each."""
    seen = [view for view in map(_instances.view, instances) if view.get("statuses")]
    told = [
        *_drivers(model["properties"]),
        (
            fitting(instances, how).by != how.by,
            "Azure gives no update domains here: taken as by its own rolling upgrades, zone after zone where there are "
            f"zones, at most {FALLBACK} of the set at a time",
        ),
        (
            instances and not seen,
            "Azure shows no power states here: only provisioning, model and health are judged",
        ),
        (
            seen and not any(map(health, instances)),
            "no instance reports application health: only provisioning, model and power state are judged",
        ),
    ]
    return [notice for applies, notice in told if applies]


def _drivers(properties: Mapping[str, Any]) -> list[tuple[object, str]]:
    """What else may change the instances of a set, and whether it does."""
    policy = (properties.get("upgradePolicy") or {}).get("automaticOSUpgradePolicy") or {}
    repairs = properties.get("automaticRepairsPolicy") or {}
    storage = (properties.get("virtualMachineProfile") or {}).get("storageProfile") or {}
    return [
        (
            policy.get("enableAutomaticOSUpgrade"),
            "automatic OS upgrades are on, so Azure may upgrade instances by itself at any time",
        ),
        (
            repairs.get("enabled"),
            "automatic repairs are on, so Azure may replace an instance that is unhealthy for a while",
        ),
        (
            (storage.get("imageReference") or {}).get("version") == "latest",
            "the model asks for the version latest: instances may come to run different ones",
        ),
    ]


def is_chosen(instance: Instance, how: Cut) -> bool:
    """Whether `only` names the instance: by its id, a string, or by its domain, a whole number."""
    if how.only is None or instance["instanceId"] in how.only:
        return True
    domain = _domain(instance, how.by)
    return any(isinstance(each, int) and str(each) == domain for each in how.only)


def skip(instance: Instance, how: Cut, again: Collection[str] = ()) -> str | None:
    """Why an instance is left out, if it is."""
    properties = instance["properties"]
    if properties.get("latestModelApplied") and not (
        instance["instanceId"] in again and provisioning_state(instance) == "failed"
    ):
        return "on the latest model"
    if provisioning_state(instance) == "deleting":
        return "being deleted"
    protected = (properties.get("protectionPolicy") or {}).get("protectFromScaleSetActions")
    if protected and instance["instanceId"] not in (how.only or ()):
        return "protected from scale-set actions"
    return None


def unhealthy(instance: Instance) -> str | None:
    """Why an instance is unhealthy, if it is. One that is switched off cannot report health, and need not."""
    if provisioning_state(instance) == "failed":
        return "provisioning failed"
    reported = health(instance)
    if reported and reported != "healthy" and power_state(instance) in ("running", None):
        return f"application health {reported}"
    return None


def _domain(instance: Instance, by: Size) -> str | None:
    """The domain of an instance as text; `None` where Azure gives none."""
    grouping = _GROUPINGS.get(str(by), _instances.by_update_domain)
    domain: Domain = next(iter(grouping([instance])))
    return None if domain == _instances.UNKNOWN else str(domain)


def _chosen(only: Only | None) -> frozenset[str | int] | None:
    if only is None:
        return None
    given: list[Any] = (
        [only] if isinstance(only, (str, int, Mapping)) else list(only)
    )  # of a dict it would be the keys
    _instances.parse_instance_ids(given, "only")
    return None if "*" in given else frozenset(given)
