"""List the scale sets of a subscription with the data that Vmsseditor shows."""

import json
from pathlib import Path

import azurerm


def main():
    """Sign in with vmssconfig.json, as Vmsseditor does, and print the scale sets."""
    config = json.loads(Path("vmssconfig.json").read_text("utf-8"))
    token = azurerm.get_access_token(config["tenantId"], config["appId"], config["appSecret"])
    for vmss in azurerm.list_vmss_sub(token, config["subscriptionId"])["value"]:
        properties = vmss["properties"]
        storage = properties["virtualMachineProfile"]["storageProfile"]
        if "imageReference" in storage:
            image = storage["imageReference"].get("version", "")
        else:
            image = storage["osDisk"]["image"]["uri"]
        policy = properties["upgradePolicy"]["mode"]
        sku = vmss["sku"]
        print(
            vmss["name"], sku["capacity"], sku["tier"], policy, properties["overprovision"], image
        )


if __name__ == "__main__":
    main()
