"""Set the newest image version in a scale set's model, without changing an instance.

On the sandbox:  azurerm-lite sandbox python examples/version_bump.py sandbox web
On Azure:        export AZURE_SUBSCRIPTION_ID=... && python examples/version_bump.py myrg web

The script signs in like `azurerm-lite login`. Use rollout_by_update_domain.py to upgrade instances.
"""

import os
import sys

import azurerm_lite as az

resource_group, vmss_name = sys.argv[1:]
token = az.token_provider()
subscription_id = os.environ["AZURE_SUBSCRIPTION_ID"]
where = (token, subscription_id, resource_group, vmss_name)

model = az.get_vmss(*where)
image = az.get_image(model)
names = (model["location"], image["publisher"], image["offer"], image["sku"])
newest = az.list_sku_versions(token, subscription_id, *names, top=1, newest_first=True)
version = newest[0]["name"]

# Not "latest": Azure would resolve it separately for each instance.
if image["version"] == version:
    print(f"{vmss_name} already has {version}")
else:
    az.wait(token, az.put_vmss(*where, az.set_image(model, version=version)))
    print(f"{vmss_name}: {image['version']} -> {version}")

outdated = [
    instance["instanceId"]
    for instance in az.get_instance_views(*where)
    if not instance["properties"].get("latestModelApplied")
]
print(f"{len(outdated)} instances still run an older image: {', '.join(outdated) or 'none'}")
