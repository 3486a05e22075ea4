"""Handlers for single virtual machines: the members of Flexible sets."""

from __future__ import annotations

import re

from .. import errors
from .._answer import Answer
from ..model.resources import Instance, ScaleSet
from . import render
from ._call import Call, Json, accept, etag_header, page
from .scale_sets import forces_ephemeral, requested_version

# Azure also requires quotes around the left side.
_SET_FILTER = re.compile(r"'virtualMachineScaleSet/id'\s+eq\s+'([^']*)'", re.IGNORECASE)


def list_machines(call: Call) -> Answer:
    """Virtual Machines - List, List All.

    A `$filter` selects a Flexible set. If the set does not exist, the list is empty.
    """
    found = _machines(call)
    filter_text = call.query.get("$filter", "").strip()
    if filter_text:
        match = _SET_FILTER.fullmatch(filter_text)
        if not match:
            raise errors.ApiError(400, "BadRequest", "The request URL is not valid.")
        found = [(vmss, vm) for vmss, vm in found if vmss.id.lower() == match[1].lower()]
    is_status_only = call.query.get("statusOnly", "").lower() == "true" and "rg" not in call.names
    with_view = call.expands("instanceview")
    if with_view and not is_status_only:
        _check_expand(call, bool(filter_text), bool(found))

    assumptions = call.cloud.assumptions

    def entry(vmss: ScaleSet, vm: Instance) -> Json:
        if is_status_only:
            return render.virtual_machine_status(vmss, vm)
        if with_view:
            body = render.expanded_virtual_machine(vmss, vm, call.api_version, assumptions)
        else:
            body = render.virtual_machine(vmss, vm, call.api_version, is_listed=True)
        if vm.provisioning == "Deleting" and not assumptions.deleting_vm_has_id:
            body["id"] = ""
        return body

    return page(call, [entry(vmss, vm) for vmss, vm in found])


def get_machine(call: Call) -> Answer:
    """Virtual Machines - Get."""
    vmss, vm = find_machine(call)
    body = render.virtual_machine(vmss, vm, call.api_version)
    if call.expands("instanceview"):
        body["properties"]["instanceView"] = render.machine_view(vmss, vm)
        return Answer(200, body)
    return Answer(200, body, etag_header(vm.etag) if call.has_etags else {})


def get_machine_view(call: Call) -> Answer:
    """Virtual Machines - Instance View."""
    vmss, vm = find_machine(call)
    return Answer(200, render.machine_view(vmss, vm))


def run_action_on_machine(call: Call) -> Answer:
    """Virtual Machines - Start, Restart, Power Off, Deallocate, Redeploy, Reimage."""
    vmss, vm = find_machine(call)
    action = call.names["action"]
    if action == "reimage" and not call.cloud.assumptions.vm_has_reimage:
        message = f"The Reimage and OSUpgrade operations are not supported for VM '{vm.id}'."
        raise errors.operation_not_allowed(message)
    version = requested_version(call)
    return accept(
        call,
        call.cloud.run_action_on_vm(
            vmss, vm, action, version, is_ephemeral_forced=forces_ephemeral(call)
        ),
    )


def _check_expand(call: Call, has_filter: bool, has_machines: bool) -> None:
    """Reject a list of views without a filter; recorded: an empty list is not rejected."""
    if has_filter or not has_machines or not call.cloud.assumptions.expanded_list_needs_filter:
        return
    message = "The expand option 'instanceView' is only supported with a filter."
    raise errors.invalid_parameter(message, "$expand")


def _machines(call: Call) -> list[tuple[ScaleSet, Instance]]:
    sets = [vmss for vmss in call.cloud.sets.values() if vmss.is_flexible]
    if "rg" in call.names:
        group = call.cloud.resource_group(call.names["rg"])["name"]
        sets = [vmss for vmss in sets if vmss.group == group]
    return [(vmss, vm) for vmss in sets for vm in vmss.instances.values()]


def find_machine(call: Call) -> tuple[ScaleSet, Instance]:
    """Return the VM in the path, and its scale set.

    Raises:
        ApiError: The VM does not exist.
    """
    name = call.names["vm"]
    for vmss, vm in _machines(call):
        if vm.id.lower() == name.lower():
            return vmss, vm
    kind = "Microsoft.Compute/virtualMachines"
    raise errors.resource_not_found(kind, name, call.names["rg"])
