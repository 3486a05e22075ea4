"""Handlers for other resource providers: registration, tag names, and empty lists."""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from .._answer import Answer
from ..model import catalog
from ..model.api_versions import COMPUTE
from ..model.resources import SUBSCRIPTION
from ._call import Call, Json, page

# Clients of scale sets register these providers. The types of Compute and Network are listed
# because clients read their api-versions.
_PROVIDERS = (
    "Microsoft.Authorization",
    "Microsoft.Compute",
    "Microsoft.Insights",
    "Microsoft.Network",
    "Microsoft.ResourceGraph",
    "Microsoft.Resources",
    "Microsoft.Storage",
)
_COMPUTE_TYPES = ("virtualMachineScaleSets", "virtualMachines", "images")
_NETWORK_TYPES = ("virtualNetworks", "networkSecurityGroups", "publicIPAddresses", "loadBalancers")


def list_providers(call: Call) -> Answer:
    """Resource Providers - List."""
    return page(call, [_provider(name) for name in _PROVIDERS])


def get_provider(call: Call) -> Answer:
    """Resource Providers - Get."""
    return Answer(200, _provider(_existing_name(call)))


def register_provider(call: Call) -> Answer:
    """Resource Providers - Register: every known provider is registered already."""
    return Answer(200, _provider(_existing_name(call)))


def list_tag_names(call: Call) -> Answer:
    """Tags - List: of resource groups, scale sets, images and networks."""
    counts: dict[str, dict[str, int]] = {}
    for tags in _all_tags(call):
        for name, value in tags.items():
            values = counts.setdefault(name, {})
            values[value] = values.get(value, 0) + 1
    return page(call, [_tag_name(name, values) for name, values in counts.items()])


def list_nothing(call: Call) -> Answer:
    """Activity Logs - List, Management Locks - List: an empty list."""
    if "rg" in call.names:
        call.cloud.resource_group(call.names["rg"])
    return Answer(200, {"value": []})


def _existing_name(call: Call) -> str:
    name = call.names["provider"]
    for known in _PROVIDERS:
        if known.lower() == name.lower():
            return known
    message = f"The resource namespace '{name}' is invalid."
    raise errors.ApiError(404, "InvalidResourceNamespace", message)


def _provider(name: str) -> Json:
    types: tuple[str, ...] = ()
    versions: list[str] = []
    if name == "Microsoft.Compute":
        types = _COMPUTE_TYPES
        versions = list(COMPUTE)
    elif name == "Microsoft.Network":
        types = _NETWORK_TYPES
        versions = ["2024-05-01", "2022-01-01"]
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/{name}",
        "namespace": name,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": [
            {
                "resourceType": kind,
                "locations": list(catalog.LOCATIONS.values()),
                "apiVersions": versions,
                "capabilities": "SupportsTags, SupportsLocation",
            }
            for kind in types
        ],
    }


def _all_tags(call: Call) -> Iterable[dict[str, str]]:
    cloud = call.cloud
    for group in cloud.groups.values():
        yield group.get("tags") or {}
    for vmss in cloud.sets.values():
        yield vmss.extras.get("tags") or {}
    for body in (*cloud.other.images.values(), *cloud.other.networks.values()):
        yield body.get("tags") or {}


def _tag_name(name: str, values: dict[str, int]) -> Json:
    tag_id = f"/subscriptions/{SUBSCRIPTION}/tagNames/{name}"
    return {
        "id": tag_id,
        "tagName": name,
        "count": {"type": "Total", "value": sum(values.values())},
        "values": [
            {
                "id": f"{tag_id}/tagValues/{value}",
                "tagValue": value,
                "count": {"type": "Total", "value": count},
            }
            for value, count in values.items()
        ],
    }
