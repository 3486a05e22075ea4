"""Handlers for resources of Microsoft.Network, which have no effect on scale sets."""

from __future__ import annotations

import copy

from .. import errors
from .._answer import Answer
from ..model.cloud import Cloud
from ..model.resources import SUBSCRIPTION
from ._call import Call, Json, check_group_is_not_deleting, page

# The types that clients create for a scale set, in Azure's spelling, by name in lower case.
TYPES = {
    name.lower(): name
    for name in (
        "virtualNetworks",
        "networkSecurityGroups",
        "publicIPAddresses",
        "loadBalancers",
    )
}
# The parts that have their own ids.
PARTS: dict[str, tuple[str, ...]] = {
    "virtualNetworks": ("subnets",),
    "networkSecurityGroups": ("securityRules",),
    "loadBalancers": (
        "frontendIPConfigurations",
        "backendAddressPools",
        "loadBalancingRules",
        "probes",
        "inboundNatPools",
        "inboundNatRules",
        "outboundRules",
    ),
}


def list_networks(call: Call) -> Answer:
    """Virtual Networks, Load Balancers and others - List, List All."""
    kind = _kind(call)
    found = [body for body in call.cloud.other.networks.values() if body["type"].endswith(kind)]
    if "rg" in call.names:
        prefix = _network_id(call.cloud, call.names["rg"], kind, "").lower()
        found = [body for body in found if body["id"].lower().startswith(prefix)]
    return page(call, found)


def get_network(call: Call) -> Answer:
    """Virtual Networks, Load Balancers and others - Get."""
    body = call.cloud.other.networks.get(_id_in_path(call).lower())
    if body is None:
        kind = _kind(call)
        name = call.names["network"]
        raise errors.resource_not_found(f"Microsoft.Network/{kind}", name, call.names["rg"])
    return Answer(200, body)


def put_network(call: Call) -> Answer:
    """Virtual Networks, Load Balancers and others - Create Or Update."""
    check_group_is_not_deleting(call)
    if not call.body.get("location"):
        raise errors.location_required()
    is_new = _id_in_path(call).lower() not in call.cloud.other.networks
    kind = _kind(call)
    body = store(call.cloud, call.names["rg"], kind, call.names["network"], call.body)
    return Answer(201 if is_new else 200, body)


def delete_network(call: Call) -> Answer:
    """Virtual Networks, Load Balancers and others - Delete."""
    found = call.cloud.other.networks.pop(_id_in_path(call).lower(), None)
    return Answer(200 if found else 204)


def get_subnet(call: Call) -> Answer:
    """Subnets - Get."""
    network_id = _network_id(call.cloud, call.names["rg"], "virtualNetworks", call.names["network"])
    network = call.cloud.other.networks.get(network_id.lower())
    subnets = network["properties"].get("subnets") or [] if network else []
    name = call.names["subnet"].lower()
    found = next((subnet for subnet in subnets if subnet["name"].lower() == name), None)
    if found is None:
        path = f"Microsoft.Network/virtualNetworks/{call.names['network']}/subnets"
        raise errors.resource_not_found(path, call.names["subnet"], call.names["rg"])
    return Answer(200, found)


def store(cloud: Cloud, group: str, kind: str, name: str, given: Json) -> Json:
    """Store a resource, and return it with its ids and state.

    Args:
        cloud: The state of the sandbox.
        group: Resource group name.
        kind: The type in Azure's spelling.
        name: The name of the resource.
        given: The body of a request: `location`, `properties` and others.
    """
    properties = copy.deepcopy(given.get("properties") or {})
    if not isinstance(properties, dict):
        raise errors.invalid_request_content("'properties' must be an object.")
    network_id = _network_id(cloud, group, kind, name)
    for part in PARTS.get(kind, ()):
        for entry in properties.get(part) or []:
            entry["id"] = f"{network_id}/{part}/{entry.get('name')}"
            entry.setdefault("properties", {})["provisioningState"] = "Succeeded"
    body = {
        "name": name,
        "id": network_id,
        "type": f"Microsoft.Network/{kind}",
        **{key: given[key] for key in ("location", "tags", "sku", "zones") if given.get(key)},
        "properties": {**properties, "provisioningState": "Succeeded"},
    }
    cloud.other.networks[network_id.lower()] = body
    return body


def store_part(cloud: Cloud, group: str, kind: str, part: str, name: str, given: Json) -> Json:
    """Add a part, such as a rule, to a resource, and return the part.

    Args:
        cloud: The state of the sandbox.
        group: Resource group name.
        kind: The type of the resource in Azure's spelling.
        part: The kind of part, as in `PARTS`.
        name: The names of the resource and of the part, with a slash between them.
        given: The part, with its `properties`.
    """
    network, _, part_name = name.partition("/")
    owner = cloud.other.networks.get(_network_id(cloud, group, kind, network).lower())
    if owner is None:
        raise errors.resource_not_found(f"Microsoft.Network/{kind}", network, group)
    others = [
        entry
        for entry in owner["properties"].get(part) or []
        if entry["name"].lower() != part_name.lower()
    ]
    properties = {**copy.deepcopy(given.get("properties") or {}), "provisioningState": "Succeeded"}
    entry = {"name": part_name, "id": f"{owner['id']}/{part}/{part_name}", "properties": properties}
    owner["properties"][part] = [*others, entry]
    return entry


def _network_id(cloud: Cloud, group: str, kind: str, name: str) -> str:
    group_name = cloud.resource_group(group)["name"]
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group_name}"
    return f"{base}/providers/Microsoft.Network/{kind}/{name}"


def _kind(call: Call) -> str:
    return TYPES[call.names["network_type"].lower()]


def _id_in_path(call: Call) -> str:
    return _network_id(call.cloud, call.names["rg"], _kind(call), call.names["network"])
