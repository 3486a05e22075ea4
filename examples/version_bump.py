"""Put the newest image version into a scale set's model. No instance is changed.

On the sandbox:  azurerm-lite sandbox python examples/version_bump.py sandbox web
On Azure:        export AZURE_SUBSCRIPTION_ID=... && python examples/version_bump.py myrg web

It signs in as `azurerm-lite login` shows. To upgrade instances: rollout_by_update_domain.py.
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

# The version itself and not "latest", which Azure would resolve for each instance at another time.
if image["version"] == version:
    print(f"{vmss_name} has {version} already")
else:
    az.wait(token, az.put_vmss(*where, az.set_image(model, version=version)))
    print(f"{vmss_name}: {image['version']} -> {version}")

outdated = [
    instance["instanceId"]
    for instance in az.get_instance_views(*where)
    if not instance["properties"].get("latestModelApplied")
]
print(f"{len(outdated)} instances still run an older image: {', '.join(outdated) or 'none'}")
