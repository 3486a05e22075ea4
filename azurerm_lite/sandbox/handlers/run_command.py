"""Handler for Run Command: no script runs, but the operation reports one as Azure does."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ._call import Call, Json, accepted

_NO_OUTPUT = {
    "RunPowerShellScript": [
        ("ComponentStatus/StdOut/succeeded", ""),
        ("ComponentStatus/StdErr/succeeded", ""),
    ],
}
_NO_SHELL_OUTPUT = [("ProvisioningState/succeeded", "Enable succeeded: \n[stdout]\n\n[stderr]\n")]


def run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Run Command."""
    cloud = call.cloud
    vmss = call.vmss
    instance = call.instance
    command_id = call.body.get("commandId")
    if not command_id:
        message = "Required parameter 'commandId' is missing (null)."
        raise errors.invalid_parameter(message, "commandId")
    cloud.make_way(vmss)
    if instance.power != "running":
        message = "Cannot modify extensions in the VM when the VM is not running."
        raise errors.operation_not_allowed(message)
    cloud.set_states(vmss, instance, provisioning="Updating")

    def end() -> None:
        cloud.set_states(vmss, instance, provisioning="Succeeded")
        job.output = _output(str(command_id))

    job = cloud.start_operation(vmss, cloud.upgrade_seconds, end, [instance])
    return accepted(call, job)


def _output(command_id: str) -> Json:
    """Return the output of a script that printed nothing."""
    statuses = [
        {
            "code": code,
            "level": "Info",
            "displayStatus": "Provisioning succeeded",
            "message": message,
        }
        for code, message in _NO_OUTPUT.get(command_id, _NO_SHELL_OUTPUT)
    ]
    return {"value": statuses}
