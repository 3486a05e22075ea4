"""Handlers for both versions of Run Command; no script really runs."""

from __future__ import annotations

import copy

from .. import errors
from .._answer import Answer
from ..model.redaction import without_secrets
from ..model.resources import CommandOutcome, Instance, ScaleSet, now_utc
from ._call import Call, Json, accept, page
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
    return accept(call, job)


def _output(command_id: str, outcome: CommandOutcome) -> Json:
    """Return the output of a script; Linux has both streams in one message."""
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


# Run commands as resources of an instance


def list_run_commands(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Run Commands - List."""
    vm_id = call.instance.vm_id
    commands = call.cloud.other.run_commands
    found = [body for (owner, _), body in commands.items() if owner == vm_id]
    return page(call, [_run_command(call, body) for body in found])


def get_run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Run Commands - Get."""
    body = call.cloud.other.run_commands.get(_key(call, call.instance))
    if body is None:
        raise errors.entity_not_found()
    return Answer(200, _run_command(call, body))


def put_run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Run Commands - Create Or Update."""
    cloud = call.cloud
    vmss = call.vmss
    instance = call.instance
    properties = call.body.get("properties") or {}
    if not isinstance(properties, dict) or not isinstance(properties.get("source"), dict):
        raise errors.invalid_parameter("Required parameter 'source' is missing (null).", "source")
    cloud.resolve_conflict(vmss)
    if instance.power != "running":
        message = "Cannot modify extensions in the VM when the VM is not running."
        raise errors.operation_not_allowed(message)
    key = _key(call, instance)
    is_new = key not in cloud.other.run_commands
    body: Json = {
        "name": call.names["command"],
        "id": f"{vmss.id}/virtualMachines/{instance.id}/runCommands/{call.names['command']}",
        "type": "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommands",
        "location": vmss.location,
        "tags": call.body.get("tags") or {},
        "properties": {
            "asyncExecution": False,
            "timeoutInSeconds": 0,
            **without_secrets(properties),
            "provisioningState": "Creating" if is_new else "Updating",
            "instanceView": {"executionState": "Running", "startTime": now_utc()},
        },
    }
    cloud.other.run_commands[key] = body

    def end() -> None:
        body["properties"]["provisioningState"] = "Succeeded"
        body["properties"]["instanceView"] |= {
            "executionState": "Succeeded",
            "exitCode": 0,
            "output": "",
            "error": "",
            "endTime": now_utc(),
        }

    job = cloud.start_operation(vmss, cloud.upgrade_seconds * 0.5, end, [instance])
    return accept(call, job, 201 if is_new else 200, _run_command(call, body))


def delete_run_command(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Run Commands - Delete."""
    cloud = call.cloud
    key = _key(call, call.instance)
    if key not in cloud.other.run_commands:
        return Answer(204)
    cloud.resolve_conflict(call.vmss)

    def end() -> None:
        cloud.other.run_commands.pop(key, None)

    job = cloud.start_operation(call.vmss, cloud.upgrade_seconds * 0.1, end)
    return accept(call, job)


def _key(call: Call, instance: Instance) -> tuple[str, str]:
    return instance.vm_id, call.names["command"].lower()


def _run_command(call: Call, body: Json) -> Json:
    """Return a run command, with its instance view if `$expand` requests it."""
    result = copy.deepcopy(body)
    if not call.expands("instanceview"):
        del result["properties"]["instanceView"]
    return result
