"""What the sandbox answers to requests for VMs by themselves: those of Flexible sets, to be looked at."""

from __future__ import annotations

import re

from .. import errors
from ..model.resources import Instance, ScaleSet
from . import render
from .scale_sets import Answer, Call, page

_OF_SET = re.compile(r"'?virtualMachineScaleSet/id'?\s+eq\s+'([^']*)'", re.IGNORECASE)


def list_machines(call: Call) -> Answer:
    """Virtual Machines - List: in a group, or those of one Flexible set with a `$filter` on its id."""
    call.cloud.group(call.names["rg"])
    found = _all(call)
    if text := call.query.get("$filter"):
        wanted = _OF_SET.fullmatch(text.strip())
        if not wanted:
            raise errors.bad_parameter(f"The filter '{text}' is not supported.", "$filter")
        found = [(vmss, vm) for vmss, vm in found if vmss.id.lower() == wanted[1].lower()]
    with_view = call.expands("instanceview")
    return page(call, [render.virtual_machine(*each, with_view=with_view) for each in found])


def get_machine(call: Call) -> Answer:
    """Virtual Machines - Get."""
    return Answer(
        200, render.virtual_machine(*_found(call), with_view=call.expands("instanceview"))
    )


def get_machine_view(call: Call) -> Answer:
    """Virtual Machines - Instance View."""
    return Answer(200, render.instance_view(*_found(call)))


def _all(call: Call) -> list[tuple[ScaleSet, Instance]]:
    group = call.names["rg"].lower()
    flexible = [
        vmss
        for vmss in call.cloud.sets.values()
        if vmss.is_flexible and vmss.group.lower() == group
    ]
    return [(vmss, vm) for vmss in flexible for vm in vmss.instances.values()]


def _found(call: Call) -> tuple[ScaleSet, Instance]:
    call.cloud.group(call.names["rg"])
    for vmss, vm in _all(call):
        if vm.id.lower() == call.names["vm"].lower():
            return vmss, vm
    raise errors.no_resource(
        "Microsoft.Compute/virtualMachines", call.names["vm"], call.names["rg"]
    )
