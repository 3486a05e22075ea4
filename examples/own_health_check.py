"""Continue a rollout only while your own health check passes.

On the sandbox:  azurerm-lite sandbox python examples/own_health_check.py sandbox web \
22.04.202411010
On Azure:        export AZURE_SUBSCRIPTION_ID=... HEALTH_URL=https://www.example.com/health && \
python examples/own_health_check.py myrg web 22.04.202411010

After each batch, the check is called repeatedly until it passes or the timeout is over.
"""

import os
import sys

import requests

import azurerm_lite as az


def check(instances: list[az.Instance]) -> str | bool:
    """Return True if a batch is healthy, else the reason why it is not."""
    for instance in instances:
        view = instance["properties"].get("instanceView", {})
        statuses = view.get("vmAgent", {}).get("statuses", [])
        if not any(status.get("displayStatus") == "Ready" for status in statuses):
            return f"the VM agent of instance {instance['instanceId']} is not ready"
    url = os.environ.get("HEALTH_URL")
    if url:
        response = requests.get(url, timeout=10)  # an exception fails the check too
        if not response.ok:
            return f"the service returned HTTP {response.status_code}"
    return True


resource_group, vmss_name, version = sys.argv[1:]
token = az.token_provider()
where = (token, os.environ["AZURE_SUBSCRIPTION_ID"], resource_group, vmss_name)
az.wait(token, az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=version)))
try:
    for event in az.rollout(*where, check=check, bake=1, health_timeout=900):
        print(event)
except az.RolloutHalted as halt:
    sys.exit(f"Halted: {halt}")
