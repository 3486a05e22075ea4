"""Upgrade a scale set to an image version, one update domain at a time.

On the sandbox:  azurerm-lite sandbox python examples/rollout_by_update_domain.py sandbox web \
22.04.202411010
On Azure:        export AZURE_SUBSCRIPTION_ID=... && \
python examples/rollout_by_update_domain.py myrg web 22.04.202411010

Ctrl-C pauses the rollout: Azure finishes the batch in progress. Run the same command to resume.
"""

import os
import sys

import azurerm_lite as az


def roll_out(resource_group: str, vmss_name: str, version: str) -> None:
    """Set a version in the model, and upgrade the instances."""
    token = az.token_provider()
    where = (token, os.environ["AZURE_SUBSCRIPTION_ID"], resource_group, vmss_name)
    model = az.get_vmss(*where)
    if az.get_image(model)["version"] != version:
        az.wait(token, az.put_vmss(*where, az.set_image(model, version=version)))
    for event in az.rollout(*where):
        print(event)


if __name__ == "__main__":
    try:
        roll_out(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Paused. Run the same command again to resume.")
    except az.RolloutHalted as halt:
        sys.exit(f"Halted: {halt}")
