"""Handlers for scale sets: create, read, update, delete, and actions on many instances at once."""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from .._answer import Answer
from ..model.resources import Operation, ScaleSet
from . import render
from ._call import (
    Call,
    accept_for_vms,
    check_etag,
    check_group_is_not_deleting,
    check_uniform,
    etag_header,
    page,
)
from .set_services import service_states

# The actions on many VMs of a Flexible set: deallocate is recorded, reimage is documented, and the
# documentation contradicts itself about the others.
_FLEXIBLE_ACTIONS = ("reimage", "deallocate")
_POWER_ACTIONS = ("start", "restart", "poweroff")


def list_scale_sets(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List, List All, List By Location."""
    found: Iterable[ScaleSet] = call.cloud.sets.values()
    if "rg" in call.names:
        group = call.cloud.resource_group(call.names["rg"])["name"]
        found = [vmss for vmss in found if vmss.group == group]
    if "location" in call.names:
        location = call.names["location"].lower()
        found = [vmss for vmss in found if vmss.location.lower() == location]
    return page(call, [render.scale_set(vmss, call.api_version) for vmss in found])


def get_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get."""
    with_user_data = call.expands("userdata")
    vmss = call.vmss
    body = render.scale_set(vmss, call.api_version, with_user_data=with_user_data)
    return Answer(200, body, etag_header(vmss.etag) if call.has_etags else {})


def put_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Create Or Update."""
    group = call.names["rg"]
    name = call.names["vmss"]
    call.cloud.resource_group(group)
    check_group_is_not_deleting(call)
    check_etag(call, call.cloud.sets.get((group.lower(), name.lower())))
    vmss, job, is_new = call.cloud.put(group, name, call.body)
    return _accept_write(call, vmss, job, 201 if is_new else 200)


def patch_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update."""
    vmss = call.vmss
    check_etag(call, vmss)
    job = call.cloud.patch(vmss, call.body)
    return _accept_write(call, vmss, job, 200)


def delete_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete."""
    call.cloud.resource_group(call.names["rg"])
    if (call.names["rg"].lower(), call.names["vmss"].lower()) not in call.cloud.sets:
        return Answer(204)
    vmss = call.vmss
    return accept_for_vms(call, call.cloud.delete(vmss))


def get_scale_set_view(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get Instance View."""
    check_uniform(call.vmss, "instanceView.GET")
    view = render.scale_set_view(call.vmss)
    return Answer(200, {**view, **service_states(call, call.vmss)})


def list_scale_set_skus(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List Skus."""
    call.cloud.scale_set(call.names["rg"], call.names["vmss"])
    return page(call, render.scale_set_skus())


def run_action_on_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Start, Restart, Power Off, Deallocate, Reimage, Redeploy."""
    action = call.names["action"]
    allowed: list[str] = [*_FLEXIBLE_ACTIONS]
    if call.cloud.assumptions.flexible_set_has_power_actions:
        allowed = [*_FLEXIBLE_ACTIONS, *_POWER_ACTIONS]
    if action not in allowed:
        check_uniform(call.vmss, f"{action}.POST")
    version = requested_version(call)
    job = call.cloud.run_action(
        call.vmss, action, call.instance_ids, version, is_ephemeral_forced=forces_ephemeral(call)
    )
    return accept_for_vms(call, job)


def upgrade_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update Instances."""
    job, _ = call.cloud.upgrade(call.vmss, call.required_instance_ids)
    return accept_for_vms(call, job)


def delete_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete Instances."""
    job = call.cloud.delete_instances(call.vmss, call.required_instance_ids)
    return accept_for_vms(call, job)


def reject_maintenance(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Perform Maintenance: rejected, as in most subscriptions."""
    name = f"{call.vmss.name}_{call.names.get('vm', 0)}"
    message = (
        f"Operation 'performMaintenance' is not allowed on VM '{name}' since the Subscription of "
        "this VM is not eligible."
    )
    raise errors.operation_not_allowed(message)


def _accept_write(call: Call, vmss: ScaleSet, job: Operation, status: int) -> Answer:
    answer = accept_for_vms(call, job, status, render.scale_set(vmss, call.api_version))
    if call.has_etags:
        answer.headers |= etag_header(vmss.etag)
    return answer


def forces_ephemeral(call: Call) -> bool:
    """Return whether a reimage changes the version of ephemeral OS disks."""
    return call.body.get("forceUpdateOSDiskForEphemeral") is True


def requested_version(call: Call) -> str | None:
    """Return the version in the body of a reimage, or `None`."""
    if call.names["action"] != "reimage":
        return None
    version: object = call.body.get("exactVersion")
    if version is None or isinstance(version, str):
        return version
    raise errors.invalid_request_content("'exactVersion' must be a string.")
