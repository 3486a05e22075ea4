"""Unmodified other clients: each puts a new version and upgrades one domain after another."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from support.clients import NEW, SCRIPTS, Install, run_client, upgraded_domains

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.client_settings import settings_for

pytestmark = pytest.mark.slow
ANSIBLE_REQUIREMENTS = "ansible_collections/azure/azcollection/requirements.txt"
ARGUMENTS = ("sandbox", "shop", NEW)


def test_the_azure_cli_rolls_out(real_sandbox: Sandbox, python_client: Install) -> None:
    """It registers the sandbox as a cloud and signs in as an application."""
    program = str(python_client("az", "azure-cli") / "az")
    settings = settings_for("az", real_sandbox)
    variables = {**settings.variables, "AZURE_CORE_COLLECT_TELEMETRY": "false"}

    def az(*arguments: str) -> str:
        return run_client([program, *arguments, "--output", "json"], variables)

    for command in settings.commands:
        az(*shlex.split(command)[1:])
    where = ("--resource-group", "sandbox", "--name", "shop")
    version = f"virtualMachineProfile.storageProfile.imageReference.version={NEW}"
    az("vmss", "update", *where, "--set", version)
    views = json.loads(az("vmss", "get-instance-view", *where, "--instance-id", "*"))
    assert len(views) == 4
    domains = defaultdict(list)
    for instance_id, view in zip("0123", views, strict=True):
        domains[view["platformUpdateDomain"]].append(instance_id)
    for domain in sorted(domains):
        az("vmss", "update-instances", *where, "--instance-ids", *domains[domain])
    assert upgraded_domains(real_sandbox) == [0, 1]


def test_ansible_rolls_out(real_sandbox: Sandbox, python_client: Install, tmp_path: Path) -> None:
    """It reads the cloud's endpoints from the sandbox, in the format of Azure Stack.

    The collection calls a function that azure-cli-core no longer has, so msrestazure is installed.
    """
    programs = python_client("ansible", "ansible", "msrestazure", extra=ANSIBLE_REQUIREMENTS)
    group, name, version = ARGUMENTS
    run_client(
        [
            *(str(programs / "ansible-playbook"), str(SCRIPTS / "rollout.yml")),
            *("--inventory", "localhost,"),
            *(
                "--extra-vars",
                json.dumps({"set_group": group, "set_name": name, "version": version}),
            ),
            *("--extra-vars", f"ansible_python_interpreter={programs / 'python'}"),
        ],
        {
            **settings_for("ansible", real_sandbox).variables,
            "ANSIBLE_HOME": str(tmp_path),
            "PYTHONPATH": str(SCRIPTS / "ansible"),
        },
    )
    assert upgraded_domains(real_sandbox) == [0, 1]


def test_the_sdk_for_javascript_rolls_out(real_sandbox: Sandbox, node_client: Install) -> None:
    """The newest packages work, with MSAL for JavaScript."""
    folder = node_client("js", "@azure/arm-compute", "@azure/identity")
    run_client(
        [str(shutil.which("node")), str(SCRIPTS / "rollout.mjs"), str(folder), *ARGUMENTS],
        settings_for("javascript", real_sandbox).variables,
    )
    assert upgraded_domains(real_sandbox) == [0, 1]


def test_an_older_sdk_for_python_rolls_out(real_sandbox: Sandbox, python_client: Install) -> None:
    """It is the last version with its own serializer, the successor of msrest."""
    python = python_client("sdk-30", "azure-mgmt-compute==30.6.0", "azure-identity") / "python"
    run_client([str(python), str(SCRIPTS / "rollout_sdk.py"), *ARGUMENTS], real_sandbox.environment)
    assert upgraded_domains(real_sandbox) == [0, 1]


def test_a_track_1_sdk_for_python_rolls_out(real_sandbox: Sandbox, python_client: Install) -> None:
    """It needs a v1 token, and the endpoints in the oldest format."""
    packages = ("azure-mgmt-compute==4.6.2", "msrestazure", "azure-common", "setuptools")
    python = python_client("sdk-4", *packages) / "python"
    run_client(
        [str(python), str(SCRIPTS / "rollout_track1.py"), *ARGUMENTS], real_sandbox.environment
    )
    assert upgraded_domains(real_sandbox) == [0, 1]


def test_the_calls_of_the_original_tools_roll_out(
    real_sandbox: Sandbox, python_client: Install
) -> None:
    """Azurerm 0.10.0 works as in Vmssupgrade and the dashboard: put, poll the views, upgrade."""
    python = python_client("azurerm", "azurerm==0.10.0", "setuptools<70") / "python"
    run_client(
        [str(python), str(SCRIPTS / "rollout_azurerm.py"), *ARGUMENTS],
        {**real_sandbox.environment, "SANDBOX_TOKEN": real_sandbox.access_token},
    )
    assert upgraded_domains(real_sandbox) == [0, 1]
