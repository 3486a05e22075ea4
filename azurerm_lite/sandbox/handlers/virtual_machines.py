"""Handlers for virtual machines by themselves: the members of Flexible sets."""

from __future__ import annotations

import re

from .. import errors
from .._answer import Answer
from ..model.resources import Instance, ScaleSet
from . import render
from ._call import Call, page

_SET_FILTER = re.compile(r"'?virtualMachineScaleSet/id'?\s+eq\s+'([^']*)'", re.IGNORECASE)


def list_machines(call: Call) -> Answer:
    """Virtual Machines - List: in a group, or those of one Flexible set with a `$filter`."""
    found = _machines(call)
    if text := call.query.get("$filter"):
        match = _SET_FILTER.fullmatch(text.strip())
        if not match:
            message = f"The filter '{text}' is not supported."
            raise errors.invalid_parameter(message, "$filter")
        found = [(vmss, vm) for vmss, vm in found if vmss.id.lower() == match[1].lower()]
    with_view = call.expands("instanceview")
    bodies = [render.virtual_machine(vmss, vm, with_view=with_view) for vmss, vm in found]
    return page(call, bodies)


def get_machine(call: Call) -> Answer:
    """Virtual Machines - Get."""
    vmss, vm = _find(call)
    with_view = call.expands("instanceview")
    return Answer(200, render.virtual_machine(vmss, vm, with_view=with_view))


def get_machine_view(call: Call) -> Answer:
    """Virtual Machines - Instance View."""
    vmss, vm = _find(call)
    return Answer(200, render.instance_view(vmss, vm))


def _machines(call: Call) -> list[tuple[ScaleSet, Instance]]:
    group = call.cloud.resource_group(call.names["rg"])["name"]
    sets = call.cloud.sets.values()
    flexible = [vmss for vmss in sets if vmss.is_flexible and vmss.group == group]
    return [(vmss, vm) for vmss in flexible for vm in vmss.instances.values()]


def _find(call: Call) -> tuple[ScaleSet, Instance]:
    name = call.names["vm"]
    for vmss, vm in _machines(call):
        if vm.id.lower() == name.lower():
            return vmss, vm
    kind = "Microsoft.Compute/virtualMachines"
    raise errors.resource_not_found(kind, name, call.names["rg"])
