"""Lists the scale sets of a subscription with what Vmsseditor shows of each, without its window."""

import json
from pathlib import Path

import azurerm


def main():
    """Read vmssconfig.json, as Vmsseditor does: it has no options."""
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
