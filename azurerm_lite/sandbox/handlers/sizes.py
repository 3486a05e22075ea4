"""Handlers for VM sizes and for the vCPUs in use."""

from __future__ import annotations

import re
from collections import Counter

from .. import errors
from .._answer import Answer
from ..model import catalog
from ..model.sizes import SIZES, Size, count_cores, family_of
from ._call import Call, Json

_LOCATION_FILTER = re.compile(r"location eq '([^']*)'", re.IGNORECASE)
# The size of the OS disk that Azure lists for sizes without a disk of their own.
_OS_DISK_MB = 1047552
# The sandbox has no quotas.
_LIMIT = 100_000


def list_sizes(call: Call) -> Answer:
    """Virtual Machine Sizes - List."""
    entries = [
        {
            "name": size.name,
            "numberOfCores": size.cores,
            "osDiskSizeInMB": _OS_DISK_MB,
            "resourceDiskSizeInMB": 0,
            "memoryInMB": int(size.memory_gib * 1024),
            "maxDataDiskCount": size.data_disks,
        }
        for size in SIZES
    ]
    return Answer(200, {"value": entries})


def list_skus(call: Call) -> Answer:
    """Resource Skus - List."""
    locations = list(catalog.LOCATIONS)
    if text := call.query.get("$filter"):
        match = _LOCATION_FILTER.fullmatch(text.strip())
        if not match:
            message = f"Invalid $filter '{text}' specified in the query."
            raise errors.ApiError(400, "InvalidFilterInQueryString", message)
        name = catalog.region_name(match[1])
        locations = [name] if name else []
    entries = [_sku(size, location) for location in locations for size in SIZES]
    return Answer(200, {"value": entries})


def list_usages(call: Call) -> Answer:
    """Usage - List."""
    location = call.names["location"].lower()
    sets = [vmss for vmss in call.cloud.sets.values() if vmss.location == location]
    sizes = [vm.sku for vmss in sets for vm in vmss.instances.values()]
    families: Counter[str] = Counter()
    for size in sizes:
        families[family_of(size)] += count_cores(size)
    entries = [
        _usage("availabilitySets", "Availability Sets", 0),
        _usage("cores", "Total Regional vCPUs", families.total()),
        _usage("virtualMachines", "Virtual Machines", len(sizes)),
        _usage("virtualMachineScaleSets", "Virtual Machine Scale Sets", len(sets)),
    ]
    for family in sorted({family_of(size.name) for size in SIZES} | families.keys()):
        name = family.removeprefix("standard").removesuffix("Family")
        entries.append(_usage(family, f"Standard {name} Family vCPUs", families[family]))
    return Answer(200, {"value": entries})


def _sku(size: Size, location: str) -> Json:
    tier, _, short_name = size.name.partition("_")
    capabilities = {
        "vCPUs": size.cores,
        "MemoryGB": size.memory_gib,
        "MaxDataDiskCount": size.data_disks,
        "OSVhdSizeMB": _OS_DISK_MB,
        "HyperVGenerations": "V1,V2",
    }
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": tier,
        "size": short_name,
        "family": family_of(size.name),
        "locations": [location],
        "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [
            {"name": name, "value": str(value)} for name, value in capabilities.items()
        ],
        "restrictions": [],
    }


def _usage(value: str, text: str, count: int) -> Json:
    name = {"value": value, "localizedValue": text}
    return {"unit": "Count", "currentValue": count, "limit": _LIMIT, "name": name}
