"""Helpers for tests of other clients: run a client, and check what it did to a scale set."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from azurerm_lite.sandbox import Sandbox

# Installs packages in a folder with a given name, and returns the folder of their programs.
Install = Callable[..., Path]
SCRIPTS = Path(__file__).parents[1] / "clients" / "scripts"
OLD, NEW = "22.04.202410020", "22.04.202411010"


def run_client(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """Run a client, which must succeed, and return its standard output.

    Args:
        command: The program and its arguments.
        variables: Environment variables, in addition to those that every program needs.
    """
    needed = ("PATH", "HOME", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")
    environment = {name: os.environ[name] for name in needed if name in os.environ}
    done = subprocess.run(
        command,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command[:4]}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def upgraded_domains(sandbox: Sandbox, name: str = "shop") -> list[int]:
    """Return the update domains in the order in which a client upgraded them.

    It fails if two domains were upgraded at the same time, or if an instance does not have the new
    version.
    """
    instances = sandbox.cloud.scale_set(sandbox.resource_group, name).instances
    assert {vm.exact_version for vm in instances.values()} == {NEW}
    assert {(vm.provisioning, vm.power) for vm in instances.values()} == {("Succeeded", "running")}
    domains: list[int] = []
    down: set[str] = set()
    for change in sandbox.changes:
        domain = instances[change.instance_id].update_domain
        assert domain is not None
        if (change.what, change.after) == ("provisioning", "Updating"):
            if domains[-1:] != [domain]:
                assert not down, f"domain {domain} started while {down} were down"
                domains.append(domain)
            down.add(change.instance_id)
        if (change.what, change.after) == ("provisioning", "Succeeded"):
            down.discard(change.instance_id)
    return domains
