"""Run Command: the sandbox runs no script, but tells of it as Azure does, in the operation itself."""

from __future__ import annotations

from .. import errors
from ..model.resources import Instance, Json, ScaleSet
from .scale_sets import Answer, Call, begun


class Command:
    """The end of an operation that has something to tell: `output`, as soon as it has ended."""

    def __init__(self, call: Call, vmss: ScaleSet, instance: Instance) -> None:
        self._cloud, self._vmss, self._instance = call.cloud, vmss, instance
        self._is_windows = call.body["commandId"] == "RunPowerShellScript"
        self.output: Json | None = None

    def __call__(self) -> None:
        """Lets the instance go, and tells that nothing was printed."""
        self._cloud.move(self._vmss, self._instance, provisioning="Succeeded")
        if self._is_windows:
            told = [
                ("ComponentStatus/StdOut/succeeded", ""),
                ("ComponentStatus/StdErr/succeeded", ""),
            ]
        else:
            told = [("ProvisioningState/succeeded", "Enable succeeded: \n[stdout]\n\n[stderr]\n")]
        shown = {"level": "Info", "displayStatus": "Provisioning succeeded"}
        self.output = {
            "value": [{"code": code, **shown, "message": message} for code, message in told]
        }


def run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Run Command."""
    vmss, instance = call.vmss, call.instance
    if not call.body.get("commandId"):
        raise errors.bad_parameter("Required parameter 'commandId' is missing (null).", "commandId")
    call.cloud.check_idle(vmss)
    if instance.power != "running":
        raise errors.not_allowed("Cannot modify extensions in the VM when the VM is not running.")
    call.cloud.move(vmss, instance, provisioning="Updating")
    return begun(
        call,
        call.cloud.begin(
            vmss, call.cloud.upgrade_seconds, Command(call, vmss, instance), [instance]
        ),
    )
