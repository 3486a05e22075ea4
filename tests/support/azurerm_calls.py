"""A call of each azurerm function that sends a request, and the request of our function.

Written from the REST reference. The calls can run in this order on a new sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from azurerm_lite import compat
from azurerm_lite.sandbox import Sandbox
from support.wrappers import COMPUTE, NETWORK

# API versions of azurerm 0.10.0; those of Microsoft.Compute are newer.
SUBSCRIPTIONS = "2016-06-01"
RESOURCES = "2017-05-10"
SUB = "/subscriptions/" + Sandbox.subscription_id
GROUP = f"{SUB}/resourceGroups/{Sandbox.resource_group}"
SETS = "/providers/Microsoft.Compute/virtualMachineScaleSets"
WEB = f"{GROUP}{SETS}/web"
PUBLISHERS = f"{SUB}/providers/Microsoft.Compute/locations/eastus/publishers"
OFFERS = PUBLISHERS + "/Canonical/artifacttypes/vmimage/offers"
JAMMY = "0001-com-ubuntu-server-jammy"
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net/subnets/default"
POOL = f"{GROUP}/providers/Microsoft.Network/loadBalancers/lb/backendAddressPools/pool"
NAT = f"{GROUP}/providers/Microsoft.Network/loadBalancers/lb/inboundNatPools/nat"

IN_SUB = (Sandbox.subscription_id,)
IN_GROUP = (*IN_SUB, Sandbox.resource_group)
ON_WEB = (*IN_GROUP, "web")
PLATFORM = ("Canonical", JAMMY, "22_04-lts-gen2", "22.04.202410020")


@dataclass(frozen=True)
class Call:
    """A call, its arguments after the token, and the request and response."""

    name: str
    given: tuple[Any, ...]
    method: str
    path: str
    body: Any = None
    """JSON that is sent; `None` for no body at all."""
    query: dict[str, str] = field(default_factory=dict)
    api: str = COMPUTE
    gives: str = "answer"
    """`answer` (the Response), `item` (a JSON object), `list` (`{"value": […]}`) or `array` (a bare
    list)."""
    endpoint: bool = False
    """Whether it is one of azurerm's REST helpers: the URL first and the token last."""

    def of(self, azurerm: Any, token: str, base: str) -> Any:
        """Make the call."""
        return azurerm(self.name, *self.arguments(token, base))

    def arguments(self, token: str, base: str) -> list[Any]:
        """The arguments of the function."""
        if self.endpoint:
            return [f"{base}{self.path}?api-version={self.api}", *self.given, token]
        return [token, *self.given]


def ours(name: str, *arguments: Any) -> Any:
    """The function of `compat` to call."""
    return getattr(compat, name)(*arguments)


def _model(**profile: Any) -> dict[str, Any]:
    """Return the body that `create_vmss` sends for a set called fresh."""
    publisher, offer, sku, version = PLATFORM
    address = {"subnet": {"id": SUBNET}, **profile.pop("address", {})}
    nic = {"primary": True, "ipConfigurations": [{"name": "fresh", "properties": address}]}
    return {
        "location": "eastus",
        "sku": {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 2},
        "properties": {
            "overprovision": profile.pop("overprovision", True),
            "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": "fresh", **profile},
                "storageProfile": {
                    "osDisk": {
                        "createOption": "fromImage",
                        "managedDisk": {"storageAccountType": "Standard_LRS"},
                        "caching": "ReadWrite",
                    },
                    "imageReference": {
                        "publisher": publisher,
                        "offer": offer,
                        "sku": sku,
                        "version": version,
                    },
                },
                "networkProfile": {
                    "networkInterfaceConfigurations": [{"name": "fresh", "properties": nic}]
                },
            },
        },
    }


def _key(disabled: bool) -> dict[str, Any]:
    key = {"path": "/home/me/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
    return {"disablePasswordAuthentication": disabled, "ssh": {"publicKeys": [key]}}


def _creation_calls() -> Iterator[Call]:
    """Return calls that create sets: with a key, a password, all options; and put them again."""
    made = (*IN_GROUP, "fresh", "Standard_D2s_v5", 2, *PLATFORM, SUBNET, "eastus")
    path = f"{GROUP}{SETS}/fresh"
    by_key = _model(adminUsername="me", linuxConfiguration=_key(True))
    yield Call(
        "create_vmss",
        (*made, None, None, "Standard_LRS", "me", None, "ssh-ed25519 AAAA"),
        "PUT",
        path,
        by_key,
    )
    by_password = _model(adminUsername="azure", adminPassword="canary-password")
    yield Call(
        "create_vmss",
        (*made, None, None, "Standard_LRS", "azure", "canary-password"),
        "PUT",
        path,
        by_password,
    )
    address = {
        "loadBalancerBackendAddressPools": [{"id": POOL}],
        "loadBalancerInboundNatPools": [{"id": NAT}],
        "publicIpAddressConfiguration": {
            "name": "pubip",
            "properties": {"idleTimeoutInMinutes": 15},
        },
    }
    everything = ("me", "canary-password", "ssh-ed25519 AAAA", False, "Manual", True)
    sign_in = {
        "adminUsername": "me",
        "adminPassword": "canary-password",
        "linuxConfiguration": _key(False),
    }
    body = _model(**sign_in, address=address, overprovision=False)
    yield Call("create_vmss", (*made, POOL, NAT, "Standard_LRS", *everything), "PUT", path, body)
    behind = _model(adminUsername="azure", address={"loadBalancerInboundNatPools": [{"id": NAT}]})
    yield Call("create_vmss", (*made, None, NAT), "PUT", path, behind)
    answered = {
        **by_key,
        "etag": '"1"',
        "properties": {**by_key["properties"], "provisioningState": "Succeeded"},
    }
    yield Call("put_vmss", (*IN_GROUP, "fresh", answered), "PUT", path, by_key)
    yield Call("update_vmss", (*IN_GROUP, "fresh", json.dumps(answered)), "PUT", path, by_key)


def _power_calls() -> Iterator[Call]:
    """Return actions on the whole set and on some instances."""
    for verb, tail in (("poweroff", "poweroff"), ("stopdealloc", "deallocate"), ("start", "start")):
        yield Call(f"{verb}_vmss", ON_WEB, "POST", f"{WEB}/{tail}", {"instanceIds": ["*"]})
        yield Call(
            f"{verb}_vmss_vms",
            (*ON_WEB, '["3", "4"]'),
            "POST",
            f"{WEB}/{tail}",
            {"instanceIds": ["3", "4"]},
        )
    yield Call("restart_vmss", ON_WEB, "POST", f"{WEB}/restart", {"instanceIds": ["*"]})
    yield Call(
        "restart_vmss_vms", (*ON_WEB, '["3"]'), "POST", f"{WEB}/restart", {"instanceIds": ["3"]}
    )
    yield Call(
        "reimage_vmss_vms",
        (*ON_WEB, '["3", "5"]'),
        "POST",
        f"{WEB}/reimage",
        {"instanceIds": ["3", "5"]},
    )
    yield Call(
        "upgrade_vmss_vms",
        (*ON_WEB, '["0", "5"]'),
        "POST",
        f"{WEB}/manualupgrade",
        {"instanceIds": ["0", "5"]},
    )
    yield Call(
        "upgrade_vmss_vms",
        (*ON_WEB, '["*"]'),
        "POST",
        f"{WEB}/manualupgrade",
        {"instanceIds": ["*"]},
    )
    yield Call(
        "delete_vmss_vms", (*ON_WEB, '["19"]'), "POST", f"{WEB}/delete", {"instanceIds": ["19"]}
    )


def _helper_calls() -> Iterator[Call]:
    """Return calls of azurerm's REST helpers."""
    yield Call("do_get", (), "GET", WEB, gives="item", endpoint=True)
    yield Call("do_get_next", (), "GET", WEB + "/virtualMachines", gives="list", endpoint=True)
    yield Call("do_get_next", (), "GET", WEB, gives="item", endpoint=True)
    tags = {"tags": {"é": "1"}}
    yield Call("do_patch", (json.dumps(tags),), "PATCH", WEB, tags, endpoint=True)
    yield Call("do_post", ("",), "POST", WEB + "/start", endpoint=True)
    ids = {"instanceIds": ["7"]}
    yield Call("do_post", (json.dumps(ids),), "POST", WEB + "/restart", ids, endpoint=True)
    there, group = {"location": "eastus"}, SUB + "/resourceGroups/second"
    yield Call("do_put", (json.dumps(there),), "PUT", group, there, api=RESOURCES, endpoint=True)
    yield Call("do_delete", (), "DELETE", group, api=RESOURCES, endpoint=True)


def _group_calls() -> Iterator[Call]:
    """Return calls for subscriptions and resource groups."""
    third = SUB + "/resourceGroups/third"
    yield Call("list_subscriptions", (), "GET", "/subscriptions", api=SUBSCRIPTIONS, gives="list")
    yield Call("list_tenants", (), "GET", "/tenants", api=SUBSCRIPTIONS, gives="list")
    yield Call("list_locations", IN_SUB, "GET", SUB + "/locations", api=SUBSCRIPTIONS, gives="list")
    yield Call(
        "list_resource_groups", IN_SUB, "GET", SUB + "/resourcegroups", api=RESOURCES, gives="list"
    )
    there = {"location": "eastus"}
    yield Call(
        "create_resource_group", (*IN_SUB, "third", "eastus"), "PUT", third, there, api=RESOURCES
    )
    yield Call("get_resource_group", (*IN_SUB, "third"), "GET", third, api=RESOURCES, gives="item")
    yield Call(
        "get_resource_group_resources",
        (*IN_SUB, "third"),
        "GET",
        third + "/resources",
        api=RESOURCES,
        gives="list",
    )
    template = {"options": "IncludeParameterDefaultValue", "resources": ["*"]}
    yield Call(
        "export_template",
        (*IN_SUB, "third"),
        "POST",
        third + "/exportTemplate",
        template,
        api=RESOURCES,
    )
    yield Call("delete_resource_group", (*IN_SUB, "third"), "DELETE", third, api=RESOURCES)


def _image_calls() -> Iterator[Call]:
    """Return calls for images and quotas."""
    compute = SUB + "/providers/Microsoft.Compute"
    place = (*IN_SUB, "eastus")
    skus, versions = f"{OFFERS}/{JAMMY}/skus", f"{OFFERS}/{JAMMY}/skus/22_04-lts-gen2/versions"
    yield Call("list_publishers", place, "GET", PUBLISHERS, gives="array")
    yield Call("list_offers", (*place, "Canonical"), "GET", OFFERS, gives="array")
    yield Call("list_skus", (*place, "Canonical", JAMMY), "GET", skus, gives="array")
    yield Call("list_sku_versions", (*place, *PLATFORM[:3]), "GET", versions, gives="array")
    yield Call("list_vm_images_sub", IN_SUB, "GET", compute + "/images", gives="list")
    yield Call(
        "get_compute_usage", place, "GET", compute + "/locations/eastus/usages", gives="list"
    )


def _read_calls() -> Iterator[Call]:
    """Return calls that read scale sets and instances."""
    vms, view = WEB + "/virtualMachines", {"$expand": "instanceView"}
    yield Call("list_vmss", IN_GROUP, "GET", GROUP + SETS, gives="list")
    yield Call("list_vmss_sub", IN_SUB, "GET", SUB + SETS, gives="list")
    yield Call("get_vmss", ON_WEB, "GET", WEB, gives="item")
    yield Call("get_vmss_instance_view", ON_WEB, "GET", WEB + "/instanceView", gives="item")
    yield Call("list_vmss_skus", ON_WEB, "GET", WEB + "/skus", gives="list")
    yield Call(
        "get_vmss_nics", ON_WEB, "GET", WEB + "/networkInterfaces", api=NETWORK, gives="list"
    )
    yield Call(
        "get_vmss_public_ips", ON_WEB, "GET", WEB + "/publicipaddresses", api=NETWORK, gives="list"
    )
    yield Call(
        "get_vmss_rolling_upgrades", ON_WEB, "GET", WEB + "/rollingUpgrades/latest", gives="item"
    )
    yield Call("list_vmss_vms", ON_WEB, "GET", vms, gives="list")
    yield Call("list_vmss_vm_instance_view", ON_WEB, "GET", vms, query=view, gives="list")
    yield Call("list_vmss_vm_instance_view_pg", ON_WEB, "GET", vms, query=view, gives="item")
    yield Call("get_vmss_vm", (*ON_WEB, 7), "GET", vms + "/7", query=view, gives="item")
    yield Call(
        "get_vmss_vm_instance_view", (*ON_WEB, "7"), "GET", vms + "/7/instanceView", gives="item"
    )
    yield Call(
        "get_vmss_vm_nics",
        (*ON_WEB, 7),
        "GET",
        vms + "/7/networkInterfaces",
        api=NETWORK,
        gives="list",
    )
    policy = {"properties": {"protectionPolicy": {"protectFromScaleIn": True}}}
    yield Call("put_vmss_vm", (*ON_WEB, 5, policy), "PUT", vms + "/5", policy)


def _scale_calls() -> Iterator[Call]:
    """Return calls that change the size of a set, and delete it."""
    path = f"{GROUP}{SETS}/custom"
    yield Call("scale_vmss", (*IN_GROUP, "custom", 8), "PATCH", path, {"sku": {"capacity": 8}})
    yield Call("scale_vmss", (*IN_GROUP, "custom", "3"), "PATCH", path, {"sku": {"capacity": 3}})
    yield Call("delete_vmss", (*IN_GROUP, "custom"), "DELETE", path)


CALLS = [
    *_group_calls(),
    *_image_calls(),
    *_read_calls(),
    *_power_calls(),
    *_helper_calls(),
    *_creation_calls(),
    *_scale_calls(),
]
each_call = pytest.mark.parametrize(
    "call", CALLS, ids=[f"{call.name}-{i}" for i, call in enumerate(CALLS)]
)
