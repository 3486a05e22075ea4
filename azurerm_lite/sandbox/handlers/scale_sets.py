"""Handlers for scale sets: create, read, update, delete, and actions on many instances at once."""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from .._answer import Answer
from ..model.resources import ScaleSet
from . import render
from ._call import (
    Call,
    accepted,
    check_etag,
    check_group_is_not_deleting,
    check_uniform,
    page,
)

# The actions that Azure documents for the names of a Flexible set's instances.
_FLEXIBLE_ACTIONS = ("reimage", "deallocate")


def list_scale_sets(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List, List All, List By Location."""
    found: Iterable[ScaleSet] = call.cloud.sets.values()
    if "rg" in call.names:
        group = call.cloud.resource_group(call.names["rg"])["name"]
        found = [vmss for vmss in found if vmss.group == group]
    if "location" in call.names:
        location = call.names["location"].lower()
        found = [vmss for vmss in found if vmss.location.lower() == location]
    return page(call, [render.scale_set(vmss, call.has_etags) for vmss in found])


def get_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get."""
    with_user_data = call.expands("userdata")
    body = render.scale_set(call.vmss, call.has_etags, with_user_data=with_user_data)
    return Answer(200, body)


def put_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Create Or Update."""
    group = call.names["rg"]
    name = call.names["vmss"]
    call.cloud.resource_group(group)
    check_group_is_not_deleting(call)
    check_etag(call, call.cloud.sets.get((group.lower(), name.lower())))
    vmss, job, is_new = call.cloud.put(group, name, call.body)
    body = render.scale_set(vmss, call.has_etags)
    return accepted(call, job, 201 if is_new else 200, body)


def patch_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update."""
    vmss = call.vmss
    check_etag(call, vmss)
    job = call.cloud.patch(vmss, call.body)
    return accepted(call, job, 200, render.scale_set(vmss, call.has_etags))


def delete_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete."""
    call.cloud.resource_group(call.names["rg"])
    if (call.names["rg"].lower(), call.names["vmss"].lower()) not in call.cloud.sets:
        return Answer(204)
    return accepted(call, call.cloud.delete(call.vmss))


def get_scale_set_view(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get Instance View."""
    check_uniform(call.vmss, "instanceView.GET")
    return Answer(200, render.scale_set_view(call.vmss))


def list_scale_set_skus(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List Skus."""
    call.cloud.scale_set(call.names["rg"], call.names["vmss"])
    return page(call, render.scale_set_skus())


def run_action_on_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Start, Restart, Power Off, Deallocate, Reimage, Redeploy."""
    action = call.names["action"]
    if action not in _FLEXIBLE_ACTIONS:
        check_uniform(call.vmss, f"{action}.POST")
    version = requested_version(call)
    return accepted(call, call.cloud.run_action(call.vmss, action, call.instance_ids, version))


def upgrade_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update Instances."""
    job, charge = call.cloud.upgrade(call.vmss, call.required_instance_ids)
    answer = accepted(call, job)
    answer.headers["x-ms-request-charge"] = str(charge)
    return answer


def delete_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete Instances."""
    return accepted(call, call.cloud.delete_instances(call.vmss, call.required_instance_ids))


def reject_maintenance(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Perform Maintenance: rejected, as for most subscriptions."""
    name = f"{call.vmss.name}_{call.names.get('vm', 0)}"
    message = (
        f"Operation 'performMaintenance' is not allowed on VM '{name}' since the Subscription of "
        "this VM is not eligible."
    )
    raise errors.operation_not_allowed(message)


def requested_version(call: Call) -> str | None:
    """Return the version that a reimage names, if any."""
    if call.names["action"] != "reimage":
        return None
    version: object = call.body.get("exactVersion")
    if version is None or isinstance(version, str):
        return version
    raise errors.invalid_request_content("'exactVersion' must be a string.")
