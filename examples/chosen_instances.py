"""Upgrade some instances of a scale set, all at once.

On the sandbox:  azurerm-lite sandbox python examples/chosen_instances.py sandbox web 3 12
On Azure:        export AZURE_SUBSCRIPTION_ID=... && python examples/chosen_instances.py myrg web 3

The instances get the image of the model. Other instances are not changed.
"""

import os
import sys

import azurerm_lite as az

resource_group, vmss_name, *instance_ids = sys.argv[1:]
token = az.token_provider()
where = (token, os.environ["AZURE_SUBSCRIPTION_ID"], resource_group, vmss_name)

# One request starts one operation, which `wait` follows.
response = az.manual_upgrade(*where, instance_ids)
az.wait(token, response, on_poll=lambda status, seconds: print(f"{status}, {seconds:.0f} s"))

for instance in az.get_instance_views(*where):
    if instance["instanceId"] in instance_ids:
        image = az.image_name(az.get_image(instance))
        print(f"{instance['instanceId']}: {az.provisioning_state(instance)}, {image}")
