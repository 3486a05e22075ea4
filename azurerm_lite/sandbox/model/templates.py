"""Request bodies that create scale sets."""

from __future__ import annotations

from typing import Any

from .resources import SUBSCRIPTION

Json = dict[str, Any]

UBUNTU = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:22.04.202410020"
_SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandbox/providers/Microsoft.Network"
    "/virtualNetworks/sandbox/subnets/default"
)
_HEALTH_EXTENSION = {
    "name": "health",
    "properties": {
        "publisher": "Microsoft.ManagedServices",
        "type": "ApplicationHealthLinux",
        "typeHandlerVersion": "1.0",
        "settings": {"protocol": "http", "port": 80, "requestPath": "/"},
    },
}


def scale_set_body(
    name: str,
    instances: int,
    image: str,
    mode: str | None,
    rolling_policy: Json | None,
    orchestration: str = "Uniform",
) -> Json:
    """Return the body of a scale set with the health extension and a capacity of 0.

    Args:
        name: Scale set name.
        instances: The later number of instances; up to 100 are in a single placement group.
        image: As in `storage_profile`.
        mode: Upgrade mode; `None` for no upgrade policy.
        rolling_policy: The `rollingUpgradePolicy`, or `None`.
        orchestration: `Uniform` or `Flexible`.
    """
    ip_configuration = {"name": "ip", "properties": {"subnet": {"id": _SUBNET}}}
    nic = {
        "name": "nic",
        "properties": {"primary": True, "ipConfigurations": [ip_configuration]},
    }
    profile = {
        "osProfile": {"computerNamePrefix": name[:9], "adminUsername": "azureuser"},
        "storageProfile": storage_profile(image),
        "networkProfile": {"networkInterfaceConfigurations": [nic]},
        "extensionProfile": {"extensions": [_HEALTH_EXTENSION]},
    }
    properties: Json = {
        "virtualMachineProfile": profile,
        "orchestrationMode": orchestration,
        "singlePlacementGroup": instances <= 100 and orchestration == "Uniform",
    }
    if orchestration == "Uniform":
        properties["overprovision"] = False
    if mode is not None:
        policy: Json = {"mode": mode}
        if rolling_policy:
            policy["rollingUpgradePolicy"] = rolling_policy
        properties["upgradePolicy"] = policy
    sku = {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 0}
    return {"sku": sku, "properties": properties}


def storage_profile(image: str) -> Json:
    """Return the storage profile for an image.

    Args:
        image: `publisher:offer:sku:version`, the id of an image, or the URL of a VHD. The id is of
            a managed image, or of an image in a gallery, shared gallery or community gallery.
    """
    disk: Json = {"createOption": "FromImage", "osType": "Linux", "caching": "ReadWrite"}
    if image.startswith("http"):
        containers = ["https://sandboxstorage.blob.core.windows.net/vhds"]
        return {"osDisk": {**disk, "image": {"uri": image}, "vhdContainers": containers}}
    disk["managedDisk"] = {"storageAccountType": "Premium_LRS"}
    if image.startswith("/"):
        return {"osDisk": disk, "imageReference": {_id_member(image): image}}
    publisher, offer, sku, version = image.split(":")
    reference = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    return {"osDisk": disk, "imageReference": reference}


def _id_member(image: str) -> str:
    """Return the member of an image reference that contains this kind of id."""
    kind = image.split("/")[1].lower()
    return {
        "sharedgalleries": "sharedGalleryImageId",
        "communitygalleries": "communityGalleryImageId",
    }.get(kind, "id")
