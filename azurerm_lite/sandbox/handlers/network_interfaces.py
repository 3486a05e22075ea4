"""Handlers for network interfaces and public IP addresses, derived from the models."""

from __future__ import annotations

from .._answer import Answer
from ..model.resources import Json
from . import render
from ._call import Call, find_by_name, page


def list_nics(call: Call) -> Answer:
    """Network Interfaces - List Virtual Machine Scale Set (VM) Network Interfaces."""
    vmss = call.vmss
    instances = [call.instance] if "vm" in call.names else list(vmss.instances.values())
    return page(call, [nic for vm in instances for nic in render.nics(vmss, vm)])


def get_nic(call: Call) -> Answer:
    """Network Interfaces - Get Virtual Machine Scale Set Network Interface."""
    nics = render.nics(call.vmss, call.instance)
    return Answer(200, find_by_name(nics, call.names["nic"]))


def list_public_ips(call: Call) -> Answer:
    """Public IP Addresses - List Virtual Machine Scale Set (VM) Public IP Addresses."""
    if "vm" in call.names:
        return page(call, _public_ips_of_configuration(call))
    vmss = call.vmss
    found = [ip for vm in vmss.instances.values() for ip in render.public_ips(vmss, vm)]
    return page(call, found)


def get_public_ip(call: Call) -> Answer:
    """Public IP Addresses - Get Virtual Machine Scale Set Public IP Address."""
    return Answer(200, find_by_name(_public_ips_of_configuration(call), call.names["ip"]))


def _public_ips_of_configuration(call: Call) -> list[Json]:
    nic = find_by_name(render.nics(call.vmss, call.instance), call.names["nic"])
    configurations = nic["properties"]["ipConfigurations"]
    prefix = find_by_name(configurations, call.names["ipconfiguration"])["id"] + "/"
    public_ips = render.public_ips(call.vmss, call.instance)
    return [ip for ip in public_ips if ip["id"].startswith(prefix)]
