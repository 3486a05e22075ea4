"""Set a version and upgrade one domain, with the options and calls of Vmssupgrade."""

import argparse
import json
import time
from pathlib import Path

import azurerm


def main():
    """Read options and vmssconfig.json, write the model, upgrade, poll the instance view."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resourcegroup", "-r", required=True)
    parser.add_argument("--vmssname", "-s", required=True)
    parser.add_argument("--newversion", "-n", required=True)
    parser.add_argument("--updatedomain", "-u", type=int, required=True)
    parser.add_argument("-y", dest="noprompt", action="store_true")
    options = parser.parse_args()
    config = json.loads(Path("vmssconfig.json").read_text("utf-8"))
    token = azurerm.get_access_token(config["tenantId"], config["appId"], config["appSecret"])
    where = (token, config["subscriptionId"], options.resourcegroup, options.vmssname)

    model = azurerm.get_vmss(*where)
    image = model["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]
    if not options.noprompt and input(f"upgrade {image['version']}? ") != "y":
        return
    image["version"] = options.newversion
    print("model", azurerm.update_vmss(*where, json.dumps(model)))
    ids = sorted(
        entry["instanceId"]
        for entry in azurerm.list_vmss_vm_instance_view(*where)["value"]
        if entry["properties"]["instanceView"]["platformUpdateDomain"] == options.updatedomain
    )
    print("upgrading", ids)
    print("upgrade", azurerm.upgrade_vmss_vms(*where, json.dumps(ids)))
    while "ProvisioningState/succeeded" not in [
        status["code"] for status in azurerm.get_vmss_instance_view(*where)["statuses"]
    ]:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
