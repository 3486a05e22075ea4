"""Run Command: the request, the output in both of Azure's forms, and invalid arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite import settings
from azurerm_lite._run_command import read_output
from azurerm_lite.sandbox import Sandbox

WHERE = ("t", "s1", "g1", "web")
GROUP = "https://management.azure.com/subscriptions/s1/resourceGroups/g1"
UNIFORM = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/web/virtualMachines/3"
FLEXIBLE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web_1a2b3c4d"
LINUX = {
    "value": [
        {
            "code": "ProvisioningState/succeeded",
            "message": "Enable succeeded: \n[stdout]\nLinux\n\n[stderr]\na warning\n",
        }
    ]
}
WINDOWS = {
    "value": [
        {"code": "ComponentStatus/StdOut/succeeded", "message": "Windows"},
        {"code": "ComponentStatus/StdErr/succeeded", "message": "a warning"},
    ]
}


@responses.activate
@pytest.mark.parametrize(("instance_id", "url"), [(3, UNIFORM), ("web_1a2b3c4d", FLEXIBLE)])
def test_the_request_goes_to_the_instance_or_to_the_virtual_machine(
    instance_id: str | int, url: str
) -> None:
    """The body has the lines of the script, and the parameters as names and values."""
    responses.post(f"{url}/runCommand", json=LINUX)
    done = az.run_command(*WHERE, instance_id, "uname\necho $1", parameters={"who": "me"})
    assert done == ("Linux", "a warning")
    request = responses.calls[0].request
    assert request.params == {"api-version": settings.COMPUTE_API}
    assert json.loads(request.body or "") == {
        "commandId": "RunShellScript",
        "script": ["uname", "echo $1"],
        "parameters": [{"name": "who", "value": "me"}],
    }


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (LINUX, ("Linux", "a warning")),
        (WINDOWS, ("Windows", "a warning")),
        (None, ("", "")),
        ({"value": None}, ("", "")),
        ({"value": [None, {"code": None, "message": "something else"}]}, ("something else", "")),
    ],
)
def test_the_output_is_read_in_both_forms(result: Any, output: tuple[str, str]) -> None:
    """Output in another form is not lost."""
    assert read_output(result) == output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"script": " "}, "script must be the text"),
        ({"script": ["uname"]}, "script must be the text"),
        ({"script": "uname", "command_id": "IPConfig"}, "command_id must be one of"),
        ({"script": "uname", "parameters": {"key": 1}}, "parameters must be a dict of strings"),
        ({"script": "uname", "parameters": "secret"}, "parameters must be a dict of strings"),
    ],
)
def test_invalid_arguments_are_rejected_before_anything_is_sent(
    arguments: dict[str, Any], message: str
) -> None:
    """The message does not show the parameters, which may be secrets."""
    with pytest.raises(ValueError, match=message) as caught:
        az.run_command(*WHERE, 3, **arguments)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", ["Uniform", "Flexible"])
def test_the_sandbox_returns_the_output_that_a_test_sets(clock: Clock, mode: str) -> None:
    """It can also fail the operation; the script is among the changes."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 2, orchestration=mode)
        first, second = (vm["instanceId"] for vm in az.get_instance_views(*sandbox.where()))
        sandbox.set_command_output("web", first, "up to date", "no warning")
        sandbox.set_command_output("web", second, code="VMAgentStatusCommunicationError")
        assert az.run_command(*sandbox.where(), first, "apt") == ("up to date", "no warning")
        powershell = az.run_command(
            *sandbox.where(), first, "Get-Host", command_id="RunPowerShellScript"
        )
        assert powershell.stdout == "up to date"
        with pytest.raises(az.OperationFailed) as caught:
            az.run_command(*sandbox.where(), second, "apt")
        assert caught.value.code == "VMAgentStatusCommunicationError"
        commands = [
            (each.instance_id, each.after) for each in sandbox.changes if each.what == "command"
        ]
        assert commands == [(first, "apt"), (first, "Get-Host"), (second, "apt")]


@pytest.mark.parametrize("is_parallel", [True, False])
def test_scripts_overlap_only_if_the_sandbox_assumes_so(clock: Clock, is_parallel: bool) -> None:
    """They never overlap on one instance."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.assumptions.commands_run_in_parallel = is_parallel
        sandbox.add_vmss("web", 2)
        vmss = sandbox.cloud.scale_set("sandbox", "web")
        first, second = vmss.instances.values()
        sandbox.cloud.run_command(vmss, first, "one")
        with pytest.raises(Exception, match="conflict"):
            sandbox.cloud.run_command(vmss, first, "two")
        if is_parallel:
            sandbox.cloud.run_command(vmss, second, "two")
            return
        with pytest.raises(Exception, match="conflict"):
            sandbox.cloud.run_command(vmss, second, "two")


def test_the_provisioning_status_has_the_time_of_the_last_operation(
    sandbox: Sandbox,
) -> None:
    """As recorded for power off, start and restart; reading does not change it."""

    def times() -> dict[str, str]:
        return {
            vm["instanceId"]: vm["properties"]["instanceView"]["statuses"][0]["time"]
            for vm in az.get_instance_views(*sandbox.where())
        }

    before = times()
    assert times() == before
    az.wait(sandbox.access_token, az.restart_vmss(*sandbox.where(), "3"))
    after = times()
    assert after["3"] > before["3"]
    assert {key for key in after if after[key] != before[key]} == {"3"}
