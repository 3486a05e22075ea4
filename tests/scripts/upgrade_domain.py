"""Set a new version in the model, upgrade one update domain, and poll the instance view."""

import json
import sys
import time

import azurerm


def main():
    """Read group, scale set, version and update domain from the command line, and upgrade."""
    rgname, vmssname, newversion, updatedomain = sys.argv[1:5]
    access_token = azurerm.get_access_token_from_cli()
    subscription_id = azurerm.get_subscription_from_cli()

    vmssmodel = azurerm.get_vmss(access_token, subscription_id, rgname, vmssname)
    image = vmssmodel["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]
    print("old version", image["version"])
    image["version"] = newversion
    updateresult = azurerm.update_vmss(
        access_token, subscription_id, rgname, vmssname, json.dumps(vmssmodel)
    )
    print("put", updateresult.status_code, updateresult.json()["name"])
    while azurerm.get_vmss(access_token, subscription_id, rgname, vmssname)["properties"][
        "provisioningState"
    ] in (
        "Updating",
        "Creating",
    ):
        time.sleep(0.05)

    instanceviewlist = azurerm.list_vmss_vm_instance_view(
        access_token, subscription_id, rgname, vmssname
    )
    udids = [
        instance["instanceId"]
        for instance in instanceviewlist["value"]
        if instance["properties"]["instanceView"]["platformUpdateDomain"] == int(updatedomain)
    ]
    print("upgrading", udids)
    upgraderesult = azurerm.upgrade_vmss_vms(
        access_token, subscription_id, rgname, vmssname, json.dumps(udids)
    )
    print("upgrade", upgraderesult.status_code)

    waiting = set(udids)
    while waiting:
        time.sleep(0.05)
        for vm_id in sorted(waiting):
            vm = azurerm.get_vmss_vm(access_token, subscription_id, rgname, vmssname, vm_id)
            view = azurerm.get_vmss_vm_instance_view(
                access_token, subscription_id, rgname, vmssname, vm_id
            )
            succeeded = [
                each for each in view["statuses"] if each["code"] == "ProvisioningState/succeeded"
            ]
            if succeeded and vm["properties"]["latestModelApplied"]:
                waiting.remove(vm_id)
    refused = azurerm.upgrade_vmss_vms(access_token, subscription_id, rgname, vmssname, '["99"]')
    print("refused", refused.status_code, refused.json()["error"]["code"])


if __name__ == "__main__":
    main()
