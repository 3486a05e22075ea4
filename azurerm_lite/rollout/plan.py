"""Which instances are upgraded together, in which order, and which are left out: pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._flexible import is_flexible
from .._ids import IMAGE_ID_KEYS
from .._text import join_ids
from ..images import is_floating
from ..instances import (
    UNKNOWN,
    by_fault_domain,
    by_update_domain,
    by_zone,
    has_latest_model,
    health,
    id_sort_key,
    in_batches,
    properties_of,
    provisioning_state,
    view,
)
from ..types import Batch, CountOrPercentage, Domain, Instance
from . import messages
from .options import RolloutOptions, resolve_count

FALLBACK = "20%"
"""The batches of a set without update domains: the default of Azure's own rolling upgrades."""

_GROUPINGS = {
    "update_domain": by_update_domain,
    "fault_domain": by_fault_domain,
    "zone": by_zone,
}

NO_UPDATE_DOMAINS = (
    "Azure gives no update domains here: taken as by its own rolling upgrades, zone after zone"
    f" where there are zones, at most {FALLBACK} of the set at a time"
)
BEING_CREATED = "still being created"
BEING_DELETED = "being deleted"
PROTECTED = "protected from scale-set actions"


class _Group(NamedTuple):
    """Instances that belong together: a label, their ids, and the most of them at a time."""

    label: str
    ids: list[str]
    size: int | None = None


def plan_batches(
    instances: Sequence[Instance],
    options: RolloutOptions,
    *,
    started: Collection[str] = (),
    retry_failed: Collection[str] = (),
    current: Collection[str] | None = None,
) -> list[Batch]:
    """Return the batches of the pending instances, in order.

    Args:
        instances: All instances of the set with their instance views.
        options: How to make batches.
        started: The names of the batches that were started: no name comes twice, and after the
            first there is no canary.
        retry_failed: Ids of instances that are pending although they have the latest model, because
            they failed.
        current: Ids of the instances that need nothing; `None` for those on the latest model.

    Returns:
        Batches, none of them empty.
    """
    options = resolve_strategy(instances, options)
    wanted = pending(instances, options, retry_failed, current=current)
    if options.canary is None or started:
        return _split(instances, wanted, options, started)
    batches = _split(instances, wanted, options, ())
    if not batches:
        return []
    first = batches[0]
    size = resolve_count(options.canary, len(instances), "canary", least=1)
    canary = Batch(f"canary ({first.name})", first.instance_ids[:size])
    # The others are planned as they will be once the canary is done.
    others = [instance for instance in wanted if instance["instanceId"] not in canary.instance_ids]
    return [canary, *_split(instances, others, options, [canary.name])]


def _split(
    instances: Sequence[Instance],
    wanted: Sequence[Instance],
    options: RolloutOptions,
    started: Collection[str],
) -> list[Batch]:
    """Return the batches of the wanted instances, without a canary."""
    limit = len(instances)
    if options.max_batch is not None:
        limit = resolve_count(options.max_batch, len(instances), "max_batch", least=1)
    names = set(started)
    batches = []
    for group in _groups(instances, wanted, options):
        step = min(group.size or len(group.ids), limit)
        parts = [group.ids[start : start + step] for start in range(0, len(group.ids), step)]
        numbered = group.label if group.size else f"{group.label}, part"
        is_whole = not group.size and len(parts) == 1 and f"{numbered} 1" not in names
        for part in parts:
            name = _new_name(group.label if is_whole else "", numbered, names)
            names.add(name)
            batches.append(Batch(name, tuple(part)))
    return batches


def _groups(
    instances: Sequence[Instance], wanted: Sequence[Instance], options: RolloutOptions
) -> Iterator[_Group]:
    """Yield the instances that belong together."""
    if options.by not in _GROUPINGS:
        size = resolve_count(options.by, len(instances), "by", least=1)
        for ids in in_batches(wanted, max(1, len(wanted))):
            yield _Group("batch", ids, size)
        return
    by = str(options.by)
    label = by.replace("_", " ")
    domains = _GROUPINGS[by](instances)
    largest = max((len(ids) for domain, ids in domains.items() if domain != UNKNOWN), default=1)
    for domain, ids in _GROUPINGS[by](wanted).items():
        if domain == UNKNOWN:
            yield _Group(f"no {label}, batch", ids, largest)
        else:
            yield _Group(f"{label} {domain}", ids)


def _new_name(name: str, numbered: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: the one wanted, or else the next with a number."""
    number = 0
    while not name or name in taken:
        number += 1
        name = f"{numbered} {number}"
    return name


def resolve_strategy(instances: Sequence[Instance], options: RolloutOptions) -> RolloutOptions:
    """Return the options for this set: without update domains, as Azure's own rolling upgrades.

    Args:
        instances: All instances of the set with their instance views.
        options: What was asked for.

    Returns:
        The same options if they fit; else zone by zone, or without zones in batches, of at most
        a fifth of the set.
    """
    if options.by != "update_domain" or not instances:
        return options
    if any(_domain(instance, "update_domain") for instance in instances):
        return options
    if not any(_domain(instance, "zone") for instance in instances):
        return dataclasses.replace(options, by=FALLBACK)
    max_batch: CountOrPercentage = FALLBACK
    if options.max_batch is not None:
        total = len(instances)
        asked = resolve_count(options.max_batch, total, "max_batch", least=1)
        if asked < resolve_count(FALLBACK, total, "max_batch", least=1):
            max_batch = options.max_batch
    return dataclasses.replace(options, by="zone", max_batch=max_batch)


def check_choice(instances: Sequence[Instance], options: RolloutOptions) -> None:
    """Refuse domains and ids that the set does not have.

    Args:
        instances: All instances of the set with their instance views.
        options: What was asked for.

    Raises:
        ValueError: `only` names what is not there, or no instance has such a domain.
    """
    options = resolve_strategy(instances, options)
    domains = {_domain(instance, options.by) or UNKNOWN for instance in instances}
    if instances and options.by in _GROUPINGS and domains == {UNKNOWN}:
        label = str(options.by).replace("_", " ")
        raise ValueError(
            f"by={options.by!r}: Azure gives no {label} for these instances; give a batch size such"
            " as by=1"
        )
    ids = {instance["instanceId"] for instance in instances}
    known = {instance_id.lower() for instance_id in ids}
    for choice in sorted(options.chosen or (), key=str):
        if isinstance(choice, str) and choice not in known:
            have = join_ids(sorted(ids, key=id_sort_key))
            raise ValueError(f"only: the set has no instance {choice!r}; it has {have}")
        if isinstance(choice, int) and str(choice) not in domains:
            have = ", ".join(sorted(domains))
            raise ValueError(
                f"only: the set has no domain {choice}; it has {have} (instance ids are strings)"
            )


def pending(
    instances: Sequence[Instance],
    options: RolloutOptions,
    retry_failed: Collection[str] = (),
    *,
    current: Collection[str] | None = None,
) -> list[Instance]:
    """Return the instances that are to be upgraded.

    Args:
        instances: All instances of the set with their instance views.
        options: What was asked for.
        retry_failed: As for `plan_batches`.
        current: As for `plan_batches`.

    Returns:
        Instances, in the order given.
    """
    options = resolve_strategy(instances, options)
    return [
        instance
        for instance in instances
        if is_chosen(instance, options)
        and skip_reason(instance, options, retry_failed, current=current) is None
    ]


def skipped(
    instances: Sequence[Instance],
    options: RolloutOptions,
    retry_failed: Collection[str] = (),
    *,
    current: Collection[str] | None = None,
) -> dict[str, list[str]]:
    """Return the instances that are left out, by the reason.

    Args:
        instances: All instances of the set with their instance views.
        options: What was asked for.
        retry_failed: As for `plan_batches`.
        current: As for `plan_batches`.

    Returns:
        `{reason: [instance id, ...]}`, ids in numeric order.
    """
    options = resolve_strategy(instances, options)
    reasons: dict[str, list[str]] = {}
    for instance in instances:
        if not is_chosen(instance, options):
            continue
        reason = skip_reason(instance, options, retry_failed, current=current)
        if reason is not None:
            reasons.setdefault(reason, []).append(instance["instanceId"])
    return {reason: sorted(ids, key=id_sort_key) for reason, ids in reasons.items()}


def is_chosen(instance: Instance, options: RolloutOptions) -> bool:
    """Return whether `only` names an instance: by its id, a string, or its domain, a number.

    Args:
        instance: The instance.
        options: What was asked for.

    Returns:
        `True` also if `only` was not given.
    """
    if options.chosen is None or instance["instanceId"].lower() in options.chosen:
        return True
    domain = _domain(instance, options.by)
    return any(isinstance(choice, int) and str(choice) == domain for choice in options.chosen)


def skip_reason(
    instance: Instance,
    options: RolloutOptions,
    retry_failed: Collection[str] = (),
    *,
    current: Collection[str] | None = None,
) -> str | None:
    """Return why an instance is left out.

    Args:
        instance: The instance.
        options: What was asked for.
        retry_failed: As for `plan_batches`.
        current: As for `plan_batches`.

    Returns:
        The reason; `None` if the instance is pending.
    """
    properties = properties_of(instance)
    instance_id = instance["instanceId"]
    state = provisioning_state(instance)
    is_retried = instance_id in retry_failed and state == "failed"
    is_current = has_latest_model(instance) if current is None else instance_id in current
    if is_current and not is_retried:
        return options.action.words.current
    if state == "creating":
        # Azure does not report yet which model it has.
        return BEING_CREATED
    if state == "deleting":
        return BEING_DELETED
    protection = properties.get("protectionPolicy") or {}
    is_named = instance_id.lower() in (options.chosen or ())
    if protection.get("protectFromScaleSetActions") and not is_named:
        return PROTECTED
    return None


def notices(
    model: Mapping[str, Any], instances: Sequence[Instance], options: RolloutOptions
) -> list[str]:
    """Return what a person who starts a rollout should know about this set.

    Args:
        model: The scale set as `get_vmss` returns it.
        instances: All instances of the set with their instance views.
        options: What was asked for.

    Returns:
        Sentences; empty if there is nothing to say.
    """
    found = _notices_of_model(model["properties"], options.action.name == "upgrade")
    if resolve_strategy(instances, options).by != options.by:
        found.append(NO_UPDATE_DOMAINS)
    unknown = [
        instance
        for instance in instances
        if properties_of(instance).get("latestModelApplied") is None
    ]
    if unknown and is_flexible(model) and options.action.name == "upgrade":
        found.append(messages.model_unknown(len(unknown)))
    with_views = [instance for instance in instances if view(instance).get("statuses")]
    if instances and not with_views:
        found.append(
            "Azure shows no power states here: only provisioning, model and health are judged"
        )
    if with_views and not any(health(instance) for instance in with_views):
        found.append(
            "no instance reports application health: only provisioning, model and power state are"
            " judged"
        )
    return found


def _notices_of_model(properties: Mapping[str, Any], is_upgrade: bool) -> list[str]:
    """Return what else may change the instances of a set."""
    found = []
    policy = (properties.get("upgradePolicy") or {}).get("automaticOSUpgradePolicy") or {}
    if policy.get("enableAutomaticOSUpgrade"):
        found.append(
            "automatic OS upgrades are on, so Azure may upgrade instances by itself at any time"
        )
    repairs = properties.get("automaticRepairsPolicy") or {}
    if repairs.get("enabled"):
        found.append(
            "automatic repairs are on, so Azure may replace an instance that is unhealthy for"
            " a while"
        )
    floating = _floating_part(properties)
    if floating and is_upgrade:
        found.append(f"the model asks for {floating}: instances may come to run different ones")
    return found


def _floating_part(properties: Mapping[str, Any]) -> str | None:
    """Return what makes that a model's image is not one version."""
    profile = properties.get("virtualMachineProfile") or {}
    reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
    if str(reference.get("version")).lower() == "latest":
        return "the version latest"
    image_id = next((reference[key] for key in IMAGE_ID_KEYS if reference.get(key)), "")
    if is_floating({"kind": "image_id", "image_id": image_id}):
        return "a gallery image without a version"
    return None


def _domain(instance: Instance, by: CountOrPercentage) -> str | None:
    """Return the domain of an instance as text; `None` if Azure gives none."""
    grouping = _GROUPINGS.get(str(by), by_update_domain)
    domain: Domain = next(iter(grouping([instance])))
    return None if domain == UNKNOWN else str(domain)
