"""Where a new instance goes, and which instances go first when a scale set gets smaller."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter

from .resources import PLACEMENT_GROUP_SIZE, Instance, ScaleSet, exact_version

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_instance(vmss: ScaleSet, members: Counter[str]) -> Instance:
    """One more instance of the current model, in its zone, domains and placement group.

    Domains are counted within a zone, and shifted row by row, so that update and fault domains
    cross.
    """
    number = vmss.next_id
    vmss.next_id += 1
    place = number // max(1, len(vmss.zones))
    domains, faults = vmss.update_domains, vmss.fault_domains
    instance = Instance(
        id=_name(vmss) if vmss.is_flexible else str(number),
        number=number,
        profile=vmss.profile,
        secrets=vmss.secrets,
        sku=vmss.sku.get("name", ""),
        exact_version=exact_version(vmss.profile),
        update_domain=place % domains if domains else None,
        fault_domain=(place + place // domains) % faults if domains else None,
        zone=vmss.zones[number % len(vmss.zones)] if vmss.zones else None,
        placement_group="" if vmss.is_flexible else _placement_group(vmss, members),
    )
    vmss.instances[instance.id] = instance
    return instance


def scale_in(vmss: ScaleSet, number: int) -> list[Instance]:
    """The instances that scaling in takes by the set's policy; never one that is protected.

    From the fullest zone: the newest or the oldest where the policy says so, else from its fullest
        fault domain the one
    with the highest id.
    """
    left = [
        each
        for each in vmss.instances.values()
        if not (each.protection or {}).get("protectFromScaleIn")
    ]
    left = [each for each in left if not each.is_protected]
    rules = {
        str(each).lower()
        for each in (vmss.properties.get("scaleInPolicy") or {}).get("rules") or []
    }
    zones = Counter(each.zone for each in vmss.instances.values())
    faults = Counter((each.zone, each.fault_domain) for each in vmss.instances.values())

    def rank(each: Instance) -> tuple[int, int, int]:
        if "oldestvm" in rules:
            return zones[each.zone], 0, -each.number
        return (
            zones[each.zone],
            0 if "newestvm" in rules else faults[each.zone, each.fault_domain],
            each.number,
        )

    taken = []
    for _ in range(min(number, len(left))):
        one = max(left, key=rank)
        left.remove(one)
        zones[one.zone] -= 1
        faults[one.zone, one.fault_domain] -= 1
        taken.append(one)
    return taken


def _name(vmss: ScaleSet) -> str:
    """The name of a VM in a Flexible set: that of the set, and eight characters."""
    while (
        name := f"{vmss.name}_{''.join(secrets.choice(_LETTERS) for _ in range(8))}"
    ) in vmss.instances:
        pass
    return name


def _placement_group(vmss: ScaleSet, members: Counter[str]) -> str:
    """The placement group for one more instance: the first that has room, or a new one."""
    group = next(
        (each for each in vmss.placement_groups if members[each] < PLACEMENT_GROUP_SIZE), None
    )
    if group is None:
        group = str(uuid.uuid4())
        vmss.placement_groups.append(group)
    members[group] += 1
    return group
