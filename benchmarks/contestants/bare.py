"""The floor: code that uses only requests."""

from __future__ import annotations

import copy
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import harness
import requests

BASE = (
    os.environ["AZURE_RM_ENDPOINT"]
    + "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
)
ANSWERS = harness.answers()
session = requests.Session()
session.headers["Authorization"] = "Bearer token"


def get_vmss(name: str) -> Any:
    """Return a model, with one session and `.get().json()`."""
    return session.get(f"{BASE}/virtualMachineScaleSets/{name}?api-version=2024-11-01").json()


def get_instance_views(name: str) -> list[Any]:
    """Return all instances, with a session that follows `nextLink`."""
    query = "$expand=instanceView&api-version=2024-11-01"
    link = f"{BASE}/virtualMachineScaleSets/{name}/virtualMachines?{query}"
    found = []
    while link:
        page = session.get(link).json()
        found += page["value"]
        link = page.get("nextLink")
    return found


def get_flexible_views() -> list[Any]:
    """Return the answers about the members of a Flexible set: the lists, and each view."""
    server = os.environ["AZURE_RM_ENDPOINT"]
    answered = [target for target, (status, _) in ANSWERS["recorded"].items() if status == 200]
    lists = [target for target in answered if "/instanceView?" not in target]
    views = [target for target in answered if "/instanceView?" in target]
    found = [session.get(server + target).json() for target in lists]
    with ThreadPoolExecutor(8) as threads:
        return [*found, *threads.map(lambda target: session.get(server + target).json(), views)]


def one_deepcopy() -> Any:
    """Return a copy of a model."""
    return copy.deepcopy(ANSWERS["model"])


def one_pass() -> list[Any]:
    """Return the update domain and the id of each instance, in one pass."""
    return [
        (vm["properties"]["instanceView"]["platformUpdateDomain"], vm["instanceId"])
        for vm in ANSWERS["views"]
    ]


def one_heat_map() -> dict[tuple[object, ...], list[tuple[object, ...]]]:
    """Return the content of a heat map, in one pass: each instance with its tooltip, by cell."""
    cells: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for vm in ANSWERS["views"]:
        properties = vm["properties"]
        view = properties["instanceView"]
        all_codes = (status["code"] for status in view["statuses"])
        codes = (code for code in all_codes if code.startswith("PowerState/"))
        power = next(codes, "").partition("/")[2]
        health = view["vmHealth"]["status"]["code"].partition("/")[2]
        title = (
            f"{vm['name']} (instance {vm['instanceId']})\n"
            f"power {power}, provisioning {properties['provisioningState'].lower()}, "
            f"health {health}\n"
            f"image {properties['storageProfile']['imageReference']['exactVersion']}, "
            f"{'' if properties['latestModelApplied'] else 'not '}the latest model\n"
            f"update domain {view['platformUpdateDomain']}\n"
            f"fault domain {view['platformFaultDomain']}\n"
            f"zone {', '.join(vm.get('zones') or ['none'])}"
        )
        cell = (view["placementGroupId"], view["platformUpdateDomain"], view["platformFaultDomain"])
        cells.setdefault(cell, []).append(
            (int(vm["instanceId"]), power, properties["latestModelApplied"], title)
        )
    return {cell: sorted(cells[cell]) for cell in sorted(cells)}


def function_call() -> str:
    """Return a constant token."""
    return "token"


harness.serve(
    {
        "get_vmss": get_vmss,
        "get_instance_views": get_instance_views,
        "get_flexible_views": get_flexible_views,
        "set_image": one_deepcopy,
        "by_update_domain": one_pass,
        "heatmap": one_heat_map,
        "token": function_call,
    }
)
