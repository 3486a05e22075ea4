"""Handlers for scale-outs, automatic repairs, evictions, approvals and lifecycle hooks."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model.resources import ScaleSet
from ._call import Call, Json, accept, accept_for_vms, read_object

_REPAIRS = "AutomaticRepairs"
_REPAIR_STATES = {"resume": "Running", "suspend": "Suspended"}


def scale_out(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Scale Out: the zone is checked but otherwise ignored."""
    vmss = call.vmss
    capacity = call.body.get("capacity")
    if type(capacity) is not int:
        raise errors.invalid_parameter("Required parameter 'capacity' is missing.", "capacity")
    if call.cloud.assumptions.scale_out_adds:
        capacity += vmss.capacity
    if capacity < vmss.capacity:
        message = f"The capacity {capacity} is less than the current one, {vmss.capacity}."
        raise errors.invalid_parameter(message, "capacity")
    zone = read_object(call.body, "properties").get("zone")
    if zone is not None and zone not in vmss.zones:
        raise errors.invalid_parameter(f"The scale set is not in zone '{zone}'.", "zone")
    return accept_for_vms(call, call.cloud.patch(vmss, {"sku": {"capacity": capacity}}))


def approve_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Approve Rolling Upgrade: no upgrade waits for approval."""
    vmss = call.vmss
    if "vm" in call.names:
        _ = call.instance
    call.cloud.resolve_conflict(vmss)
    job = call.cloud.start_operation(vmss, call.cloud.upgrade_seconds * 0.1, lambda: None)
    return accept(call, job)


def set_service_state(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Set Orchestration Service State."""
    vmss = call.vmss
    name = call.body.get("serviceName")
    action = str(call.body.get("action"))
    if name != _REPAIRS:
        raise errors.invalid_parameter(f"'{name}' is not a service.", "serviceName")
    if action.lower() not in _REPAIR_STATES:
        raise errors.invalid_parameter(f"'{action}' is not an action.", "action")
    if not _has_repairs(vmss):
        message = f"Automatic repairs are not enabled on scale set '{vmss.name}'."
        raise errors.operation_not_allowed(message)
    call.cloud.resolve_conflict(vmss)

    def end() -> None:
        call.cloud.other.repair_states[vmss.unique_id] = _REPAIR_STATES[action.lower()]

    job = call.cloud.start_operation(vmss, call.cloud.upgrade_seconds * 0.1, end)
    return accept(call, job)


def service_states(call: Call, vmss: ScaleSet) -> Json:
    """Return the state of automatic repairs in a set's instance view; empty without them."""
    if not _has_repairs(vmss):
        return {}
    state = call.cloud.other.repair_states.get(vmss.unique_id, "Running")
    return {"orchestrationServices": [{"serviceName": _REPAIRS, "serviceState": state}]}


def convert_to_single_placement_group(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Convert To Single Placement Group."""
    vmss = call.vmss
    groups = {vm.placement_group for vm in vmss.instances.values()}
    if len(groups) > 1:
        message = (
            f"Scale set '{vmss.name}' has instances in {len(groups)} placement groups; delete "
            "those outside one of them first."
        )
        raise errors.operation_not_allowed(message)
    call.cloud.resolve_conflict(vmss)
    vmss.properties = {**vmss.properties, "singlePlacementGroup": True}
    vmss.etag += 1
    return Answer(200)


def simulate_eviction(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Simulate Eviction: after the time of an upgrade."""
    cloud = call.cloud
    vmss = call.vmss
    instance = call.instance
    profile = instance.profile
    if str(profile.get("priority")).lower() not in ("spot", "low"):
        message = f"VM '{vmss.name_of(instance)}' is not a Spot VM; only Spot VMs can be evicted."
        raise errors.operation_not_allowed(message)

    def end() -> None:
        if str(profile.get("evictionPolicy")).lower() == "delete":
            cloud.remove(vmss, [instance])
            vmss.sku = {**vmss.sku, "capacity": len(vmss.instances)}
        else:
            cloud.set_states(vmss, instance, power="deallocated")

    cloud.start_operation(vmss, cloud.upgrade_seconds, end, [instance], is_inner=True)
    return Answer(204)


def list_hook_events(call: Call) -> Answer:
    """Virtual Machine Scale Set Lifecycle Hook Events - List: an empty list."""
    _ = call.vmss
    return Answer(200, {"value": []})


def reject_hook_event(call: Call) -> Answer:
    """Virtual Machine Scale Set Lifecycle Hook Events - Get, Update: always not found."""
    _ = call.vmss
    raise errors.entity_not_found()


def _has_repairs(vmss: ScaleSet) -> bool:
    return bool((vmss.properties.get("automaticRepairsPolicy") or {}).get("enabled"))
