"""Placement: the domains of a new instance, and the instances that scaling in deletes."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter

from .resources import (
    PLACEMENT_GROUP_SIZE,
    PROFILE_TAG,
    Instance,
    ScaleSet,
    profile_tag,
)


def add_instance(vmss: ScaleSet, members: Counter[str], version: str | None) -> Instance:
    """Add an instance of the current model, with its zone, domains and placement group.

    Domains are assigned within each zone. The fault domain shifts by one after each round of
    update domains, so that update domains and fault domains cross.

    Args:
        vmss: The scale set.
        members: How many instances each placement group has; updated by this function.
        version: The image version that the instance runs.
    """
    number = vmss.next_id
    vmss.next_id += 1
    position = number // max(1, len(vmss.zones))
    domains = vmss.update_domains
    fault_domain = (position + position // domains) % vmss.fault_domains if domains else None
    if vmss.is_flexible:
        fault_domain = position % vmss.fault_domains
    instance = Instance(
        id=_new_name(vmss) if vmss.is_flexible else str(number),
        number=number,
        profile=vmss.profile,
        secrets=vmss.secrets,
        sku=vmss.sku.get("name", ""),
        model_version=vmss.model_version,
        exact_version=version,
        update_domain=position % domains if domains else None,
        fault_domain=fault_domain,
        zone=_pick_zone(vmss, number),
        placement_group="" if vmss.is_flexible else _pick_placement_group(vmss, members),
    )
    if vmss.is_flexible:
        # Reported: a VM of a Flexible set runs long before it is provisioned.
        instance.power = "running"
        instance.tags = {PROFILE_TAG: profile_tag(vmss.profile_created)}
    vmss.instances[instance.id] = instance
    return instance


def pick_for_scale_in(vmss: ScaleSet, number: int) -> list[Instance]:
    """Return the instances that scaling in deletes by the set's policy, without protected ones.

    Each is from the zone with the most instances: the newest or oldest one if the policy says so,
    otherwise the one with the highest id in the fault domain with the most instances.
    """
    policy = vmss.properties.get("scaleInPolicy") or {}
    rules = {str(rule).lower() for rule in policy.get("rules") or []}
    candidates = [vm for vm in vmss.instances.values() if not _is_protected_from_scale_in(vm)]
    zones = Counter(vm.zone for vm in vmss.instances.values())
    fault_domains = Counter((vm.zone, vm.fault_domain) for vm in vmss.instances.values())

    def rank(vm: Instance) -> tuple[int, int, int]:
        if "oldestvm" in rules:
            return zones[vm.zone], 0, -vm.number
        if "newestvm" in rules:
            return zones[vm.zone], 0, vm.number
        return zones[vm.zone], fault_domains[vm.zone, vm.fault_domain], vm.number

    picked = []
    for _ in range(min(number, len(candidates))):
        vm = max(candidates, key=rank)
        candidates.remove(vm)
        zones[vm.zone] -= 1
        fault_domains[vm.zone, vm.fault_domain] -= 1
        picked.append(vm)
    return picked


def _is_protected_from_scale_in(vm: Instance) -> bool:
    return vm.is_protected or bool((vm.protection or {}).get("protectFromScaleIn"))


def _pick_zone(vmss: ScaleSet, number: int) -> str | None:
    """Return the zone with the fewest instances; several such zones take turns."""
    if not vmss.zones:
        return None
    first = number % len(vmss.zones)
    rotated = [*vmss.zones[first:], *vmss.zones[:first]]
    members = Counter(vm.zone for vm in vmss.instances.values())
    return min(rotated, key=lambda zone: members[zone])


def _new_name(vmss: ScaleSet) -> str:
    """Return a new VM name in a Flexible set: the set's name and eight hex digits."""
    while True:
        name = f"{vmss.name}_{secrets.token_hex(4)}"
        if name not in vmss.instances:
            return name


def _pick_placement_group(vmss: ScaleSet, members: Counter[str]) -> str:
    """Return the first placement group that is not full, or a new one."""
    groups = (name for name in vmss.placement_groups if members[name] < PLACEMENT_GROUP_SIZE)
    group = next(groups, None)
    if group is None:
        group = str(uuid.uuid4())
        vmss.placement_groups.append(group)
    members[group] += 1
    return group
