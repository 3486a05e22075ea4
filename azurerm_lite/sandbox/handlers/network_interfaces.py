"""What the sandbox answers to requests for network interfaces and public IPs, which follow from an instance's model."""

from __future__ import annotations

from .. import errors
from ..model.resources import Json
from . import render
from .scale_sets import Answer, Call, page


def list_nics(call: Call) -> Answer:
    """Network Interfaces - List Virtual Machine Scale Set (VM) Network Interfaces."""
    vms = [call.instance] if "vm" in call.names else call.vmss.instances.values()
    return page(call, [nic for each in vms for nic in render.nics(call.vmss, each)])


def get_nic(call: Call) -> Answer:
    """Network Interfaces - Get Virtual Machine Scale Set Network Interface."""
    return Answer(200, _named(render.nics(call.vmss, call.instance), call.names["nic"]))


def list_public_ips(call: Call) -> Answer:
    """Public IP Addresses - List Virtual Machine Scale Set (VM) Public IP Addresses: where the model asks for some."""
    if "vm" in call.names:
        return page(call, _of_configuration(call))
    found = [
        ip for each in call.vmss.instances.values() for ip in render.public_ips(call.vmss, each)
    ]
    return page(call, found)


def get_public_ip(call: Call) -> Answer:
    """Public IP Addresses - Get Virtual Machine Scale Set Public IP Address."""
    return Answer(200, _named(_of_configuration(call), call.names["ip"]))


def _of_configuration(call: Call) -> list[Json]:
    nic = _named(render.nics(call.vmss, call.instance), call.names["nic"])
    configuration = _named(nic["properties"]["ipConfigurations"], call.names["ipconfiguration"])
    prefix = configuration["id"] + "/"
    return [
        each
        for each in render.public_ips(call.vmss, call.instance)
        if each["id"].startswith(prefix)
    ]


def _named(entries: list[Json], name: str) -> Json:
    for each in entries:
        if each["name"].lower() == name.lower():
            return each
    raise errors.no_entity()
