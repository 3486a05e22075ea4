"""Upgrade one update domain after another with azurerm 0.10.0, like the original tools.

adal cannot sign in to the sandbox, so the token comes from the environment.
"""

import json
import os
import sys
import time

import azurerm

group, name, version = sys.argv[1:]
where = os.environ["SANDBOX_TOKEN"], os.environ["AZURE_SUBSCRIPTION_ID"], group, name


def wait_until_provisioned():
    """Poll the model, as the original tools do, instead of the operation."""
    while azurerm.get_vmss(*where)["properties"]["provisioningState"] != "Succeeded":
        time.sleep(0.05)


def is_up(view):
    """Return whether an instance is provisioned and running."""
    codes = [status["code"] for status in view["statuses"]]
    return "ProvisioningState/succeeded" in codes and "PowerState/running" in codes


model = azurerm.get_vmss(*where)
profile = model["properties"]["virtualMachineProfile"]
profile["storageProfile"]["imageReference"]["version"] = version
answer = azurerm.update_vmss(*where, json.dumps(model))
assert answer.status_code == 200, answer.text
wait_until_provisioned()

views = azurerm.list_vmss_vm_instance_view(*where)["value"]
domains = {}
for entry in views:
    view = entry["properties"]["instanceView"]
    domains.setdefault(view["platformUpdateDomain"], []).append(entry["instanceId"])
for domain, ids in sorted(domains.items()):
    answer = azurerm.upgrade_vmss_vms(*where, json.dumps(ids))
    assert answer.status_code == 202, answer.text
    for instance_id in ids:
        while not is_up(azurerm.get_vmss_vm_instance_view(*where, instance_id)):
            time.sleep(0.05)
    print(domain, ids)
