"""Handlers for Run Command: no script runs, but the operation reports one as Azure does."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model.resources import CommandOutcome, Instance, ScaleSet
from ._call import Call, Json, accepted
from .virtual_machines import find_machine


def run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Run Command."""
    vmss = call.vmss
    return _run(call, vmss, call.instance)


def run_command_on_machine(call: Call) -> Answer:
    """Virtual Machines - Run Command."""
    vmss, vm = find_machine(call)
    return _run(call, vmss, vm)


def _run(call: Call, vmss: ScaleSet, vm: Instance) -> Answer:
    command_id = call.body.get("commandId")
    if not command_id:
        message = "Required parameter 'commandId' is missing (null)."
        raise errors.invalid_parameter(message, "commandId")
    if vm.power != "running":
        message = "Cannot modify extensions in the VM when the VM is not running."
        raise errors.operation_not_allowed(message)
    script = call.body.get("script") or []
    if not isinstance(script, list) or not all(isinstance(line, str) for line in script):
        raise errors.invalid_request_content("'script' must be an array of strings.")
    job = call.cloud.run_command(vmss, vm, "\n".join(script))

    def render(outcome: CommandOutcome) -> Json:
        return _output(str(command_id), outcome)

    job.render_outcome = render
    return accepted(call, job)


def _output(command_id: str, outcome: CommandOutcome) -> Json:
    """Return what a script printed: Linux puts both streams into one message."""
    if command_id == "RunPowerShellScript":
        messages = {
            "ComponentStatus/StdOut/succeeded": outcome.stdout,
            "ComponentStatus/StdErr/succeeded": outcome.stderr,
        }
    else:
        streams = f"[stdout]\n{outcome.stdout}\n[stderr]\n{outcome.stderr}"
        messages = {"ProvisioningState/succeeded": f"Enable succeeded: \n{streams}"}
    statuses = [
        {
            "code": code,
            "level": "Info",
            "displayStatus": "Provisioning succeeded",
            "message": message,
        }
        for code, message in messages.items()
    ]
    return {"value": statuses}
