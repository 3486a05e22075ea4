"""Keep a model in a class, change it repeatedly, and page through the instances."""

import json
import sys
import time

import azurerm


class ScaleSet:
    """A scale set in a dashboard: its model is read only once."""

    def __init__(self, access_token, subscription_id, rgname, name):
        self.where = (access_token, subscription_id, rgname, name)
        self.model = azurerm.get_vmss(*self.where)
        self.status = self.model["properties"]["provisioningState"]

    def settle(self):
        """Wait until Azure has finished. The stored model is not changed."""
        while self.status != "Succeeded":
            time.sleep(0.05)
            self.status = azurerm.get_vmss(*self.where)["properties"]["provisioningState"]

    def put(self, **tags):
        """Write the stored model with other tags."""
        self.model["tags"] = tags
        answer = azurerm.put_vmss(*self.where, self.model)
        self.status = answer.json()["properties"]["provisioningState"]
        return answer.status_code

    def pages(self):
        """Yield the pages of instance views."""
        page = azurerm.list_vmss_vm_instance_view_pg(*self.where)
        yield page
        while "nextLink" in page:
            page = azurerm.list_vmss_vm_instance_view_pg(*self.where, page["nextLink"])
            yield page

    def domains(self):
        """Return the instance ids by update domain and fault domain."""
        domains = {}
        for page in self.pages():
            print(len(page["value"]), "instances")
            for instance in page["value"]:
                view = instance["properties"]["instanceView"]
                domain = f"{view['platformUpdateDomain']}/{view['platformFaultDomain']}"
                domains.setdefault(domain, []).append(instance["instanceId"])
        return domains


scaleset = ScaleSet(
    azurerm.get_access_token_from_cli(), azurerm.get_subscription_from_cli(), *sys.argv[1:3]
)
print(json.dumps(scaleset.domains(), sort_keys=True))
print(scaleset.put(round="one"))
scaleset.settle()
print(scaleset.put(round="two"))
scaleset.settle()
print(azurerm.get_vmss(*scaleset.where)["tags"])
print(azurerm.restart_vmss_vms(*scaleset.where, '["0", "1"]').status_code)
