"""A scale set described in a few words, as the body of the PUT that makes it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

UBUNTU = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:22.04.202410020"
_HEALTH = {
    "name": "health",
    "properties": {
        "publisher": "Microsoft.ManagedServices",
        "type": "ApplicationHealthLinux",
        "typeHandlerVersion": "1.0",
        "settings": {"protocol": "http", "port": 80, "requestPath": "/"},
    },
}


def model(
    name: str,
    instances: int,
    image: str,
    mode: str,
    rolling_policy: Json | None,
    orchestration: str = "Uniform",
) -> Json:
    """The model of a set that has no instances yet, with the health extension."""
    profile = {
        "osProfile": {"computerNamePrefix": name[:9], "adminUsername": "azureuser"},
        "storageProfile": storage(image),
        "networkProfile": {
            "networkInterfaceConfigurations": [{"name": "nic", "properties": {"primary": True}}]
        },
        "extensionProfile": {"extensions": [_HEALTH]},
    }
    policy = {"mode": mode, **({"rollingUpgradePolicy": rolling_policy} if rolling_policy else {})}
    properties: Json = {
        "upgradePolicy": policy,
        "virtualMachineProfile": profile,
        "overprovision": False,
    }
    properties["orchestrationMode"] = orchestration
    properties["singlePlacementGroup"] = instances <= 100 and orchestration == "Uniform"
    return {
        "sku": {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 0},
        "properties": properties,
    }


def storage(image: str) -> Json:
    """The storage profile for an image: `publisher:offer:sku:version`, the id of one, or the URL of a VHD."""
    disk: Json = {"createOption": "FromImage", "osType": "Linux", "caching": "ReadWrite"}
    if image.startswith("http"):
        containers = ["https://sandboxstorage.blob.core.windows.net/vhds"]
        return {"osDisk": {**disk, "image": {"uri": image}, "vhdContainers": containers}}
    disk["managedDisk"] = {"storageAccountType": "Premium_LRS"}
    if image.startswith("/"):
        return {"osDisk": disk, "imageReference": {"id": image}}
    publisher, offer, sku, version = image.split(":")
    reference = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    return {"osDisk": disk, "imageReference": reference}
