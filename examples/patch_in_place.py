"""Apply OS updates inside the VMs, update domain by update domain, and restart what needs it.

    python examples/patch_in_place.py SUBSCRIPTION_ID RESOURCE_GROUP SCALE_SET

For Debian and Ubuntu. The model and its image stay as they are. After Ctrl-C or a failure run the
same command again: an instance that is up to date has nothing to install and does not restart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import azurerm_lite as az

# Run Command does not return the exit code: the last line says that all went well.
PATCH = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y -o Dpkg::Options::=--force-confold upgrade
if [ -f /var/run/reboot-required ]; then echo RESTART; fi
echo PATCHED
"""


def patch_in_place(token: Callable[[], str], *names: str) -> None:
    """Patch the instances of a scale set, one update domain at a time, and print what happens."""
    subscription_id, resource_group, vmss_name = names
    where = (token, subscription_id, resource_group, vmss_name)

    def patch(instance_id: str) -> bool:
        """Patch one instance; return whether it must restart."""
        output = az.run_command(*where, instance_id, PATCH)
        if "PATCHED" not in output.stdout.split():
            raise RuntimeError(f"{instance_id} is not patched: {output.stderr or output.stdout}")
        return "RESTART" in output.stdout.split()

    def patch_batch(instances: list[az.Instance]) -> None:
        ids = [instance["instanceId"] for instance in instances]
        with ThreadPoolExecutor(8) as threads:
            must_restart = list(threads.map(patch, ids))
        restarted = [name for name, must in zip(ids, must_restart, strict=True) if must]
        print(f"{len(restarted)} of {len(ids)} instances restart", flush=True)
        # Members of Flexible sets have names, and restart one by one.
        is_uniform = all(name.isdecimal() for name in restarted)
        for part in [restarted] if is_uniform and restarted else restarted:
            az.wait(where[0], az.restart_vmss(*where, part))

    # A batch must be as healthy as before, and stay so for a minute, before the next one begins.
    for event in az.roll(*where, patch_batch, canary=1, bake=60, health_timeout=3600):
        print(event, flush=True)


if __name__ == "__main__":
    try:
        patch_in_place(az.token_provider(), *sys.argv[1:])
    except (ValueError, az.AzureError, az.RolloutHalted) as error:
        sys.exit(f"error: {error}")
