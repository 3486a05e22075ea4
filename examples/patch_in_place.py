"""Apply OS updates inside the VMs, update domain by update domain, and restart what needs it.

On the sandbox:  azurerm-lite sandbox python examples/patch_in_place.py sandbox web
On Azure:        AZURE_SUBSCRIPTION_ID=... python examples/patch_in_place.py myrg web

For Debian and Ubuntu. The same command resumes an interrupted run. The sandbox runs no scripts, so
that it halts there at the first instance: the output does not say PATCHED.
"""

import os
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
        patch_in_place(az.token_provider(), os.environ["AZURE_SUBSCRIPTION_ID"], *sys.argv[1:])
    except (ValueError, az.AzureError, az.RolloutHalted) as error:
        sys.exit(f"error: {error}")
