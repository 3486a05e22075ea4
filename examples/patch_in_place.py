"""Install OS updates inside the VMs by update domain, and restart the VMs that need it.

On the sandbox:  azurerm-lite sandbox python examples/patch_in_place.py sandbox web
On Azure:        AZURE_SUBSCRIPTION_ID=... python examples/patch_in_place.py myrg web

For Debian and Ubuntu. Run the same command again to resume. The sandbox does not run scripts, so
there the rollout halts at the first instance: its output does not contain PATCHED.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import azurerm_lite as az

# Run Command does not return the exit code, so the script prints PATCHED after success.
PATCH = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y -o Dpkg::Options::=--force-confold upgrade
if [ -f /var/run/reboot-required ]; then echo RESTART; fi
echo PATCHED
"""


def patch_in_place(token: Callable[[], str], *names: str) -> None:
    """Patch the instances of a scale set, one update domain at a time, and print the events."""
    subscription_id, resource_group, vmss_name = names
    where = (token, subscription_id, resource_group, vmss_name)

    def patch(instance_id: str) -> bool:
        """Patch one instance, and return whether it must restart."""
        output = az.run_command(*where, instance_id, PATCH)
        if "PATCHED" not in output.stdout.split():
            raise RuntimeError(f"{instance_id} is not patched: {output.stderr or output.stdout}")
        return "RESTART" in output.stdout.split()

    def patch_batch(instances: list[az.Instance]) -> None:
        ids = [instance["instanceId"] for instance in instances]
        with ThreadPoolExecutor(8) as threads:
            must_restart = list(threads.map(patch, ids))
        restarted = [name for name, must in zip(ids, must_restart, strict=True) if must]
        print(f"restarting {len(restarted)} of {len(ids)} instances", flush=True)
        # Members of Flexible sets have names as ids, and are restarted one by one.
        is_uniform = all(name.isdecimal() for name in restarted)
        for part in [restarted] if is_uniform and restarted else restarted:
            az.wait(where[0], az.restart_vmss(*where, part))

    # Before the next batch starts, a batch must be as healthy as before for a minute.
    for event in az.roll(*where, patch_batch, canary=1, bake=60, health_timeout=3600):
        print(event, flush=True)


if __name__ == "__main__":
    try:
        patch_in_place(az.token_provider(), os.environ["AZURE_SUBSCRIPTION_ID"], *sys.argv[1:])
    except (ValueError, az.AzureError, az.RolloutHalted) as error:
        sys.exit(f"error: {error}")
