"""The JSON of what the sandbox holds, in Azure's shapes."""

from __future__ import annotations

from typing import Any

from .defaults import is_windows
from .model import SUBSCRIPTION, Instance, Operation, RollingUpgrade, ScaleSet, now_utc
from .rolling import progress
from .tokens import TENANT

Json = dict[str, Any]
_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
_DISPLAY = {"running": "VM running", "stopped": "VM stopped", "deallocated": "VM deallocated"}


def scale_set(vmss: ScaleSet, with_etag: bool) -> Json:
    """A scale set's model."""
    filled = {
        "singlePlacementGroup": int(vmss.sku.get("capacity", 0)) <= 100,
        "overprovision": False,
        "platformFaultDomainCount": vmss.fault_domains,
        "orchestrationMode": "Uniform",
    }
    properties = {**filled, **vmss.properties, "provisioningState": vmss.provisioning}
    properties |= {"uniqueId": vmss.unique_id, "timeCreated": vmss.created}
    body: Json = {"name": vmss.name, "id": vmss.id, "type": _TYPE, "location": vmss.location}
    body |= {"sku": vmss.sku, **vmss.extras, "properties": properties}
    return {**body, "etag": f'"{vmss.etag}"'} if with_etag else body


def instance(vmss: ScaleSet, vm: Instance, *, with_view: bool, with_etag: bool = False) -> Json:
    """An instance, with its instance view or without."""
    storage = _storage(vmss, vm)
    properties: Json = {
        "latestModelApplied": vmss.is_latest(vm),
        "modelDefinitionApplied": "VirtualMachineScaleSet",
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": vm.created,
        "storageProfile": storage,
        "hardwareProfile": {},
        "osProfile": {**(vm.profile.get("osProfile") or {}), "computerName": _computer_name(vmss, vm)},
        "networkProfile": {"networkInterfaces": [{"id": nic(vmss, vm)["id"]}]},
        "networkProfileConfiguration": vm.profile.get("networkProfile") or {},
    }
    properties["osProfile"].pop("computerNamePrefix", None)
    if vm.protection:
        properties["protectionPolicy"] = vm.protection
    if with_view:
        properties["instanceView"] = instance_view(vmss, vm)
    body: Json = {"name": f"{vmss.name}_{vm.id}", "id": f"{vmss.id}/virtualMachines/{vm.id}"}
    body |= {"instanceId": vm.id, "type": _TYPE + "/virtualMachines", "location": vmss.location}
    body |= {"sku": {"name": vm.sku, "tier": "Standard"}, "properties": properties}
    if vm.zone:
        body["zones"] = [vm.zone]
    return {**body, "etag": f'"{vm.etag}"'} if with_etag else body


def instance_view(vmss: ScaleSet, vm: Instance) -> Json:
    """How an instance is right now."""
    view: Json = {
        "placementGroupId": vm.placement_group or None,
        "platformUpdateDomain": vm.update_domain,
        "platformFaultDomain": vm.fault_domain,
        "computerName": _computer_name(vmss, vm),
        "hyperVGeneration": "V2",
        "disks": [],
        "statuses": [
            _provisioning(vm.provisioning),
            _status(f"PowerState/{vm.power}", _DISPLAY.get(vm.power, f"VM {vm.power}")),
        ],
    }
    if vm.has_agent and vm.power == "running":
        ready = _status("ProvisioningState/succeeded", "Ready")
        ready["message"] = "Guest Agent is running"
        view["vmAgent"] = {"vmAgentVersion": "2.9", "statuses": [{**ready, "time": now_utc()}], "extensionHandlers": []}
        view |= dict(zip(("osName", "osVersion"), _system(vm), strict=True))
        view["extensions"] = [
            {"name": each["name"], "type": f"{each['properties']['publisher']}.{each['properties']['type']}"}
            for each in (vm.profile.get("extensionProfile") or {}).get("extensions") or []
        ]
    if vmss.reports_health and vm.power == "running" and vm.health:
        level = "Info" if vm.health == "healthy" else "Error"
        view["vmHealth"] = {"status": _status(f"HealthState/{vm.health}", f"The VM is reported as {vm.health}", level)}
    return {key: value for key, value in view.items() if value is not None}


def _system(vm: Instance) -> tuple[str, str]:
    return ("Windows Server", "10.0") if is_windows(vm.profile) else ("ubuntu", "22.04")


def _storage(vmss: ScaleSet, vm: Instance) -> Json:
    """The disks of an instance: those of the model, each a disk of its own, and what its image really is."""
    storage = dict(vm.profile.get("storageProfile") or {})
    if vm.exact_version:
        storage["imageReference"] = {**storage["imageReference"], "exactVersion": vm.exact_version}
    name = f"{vmss.name}_{vmss.name}_{vm.id}_OsDisk_1_{vm.vm_id[:8]}"
    disk = {"osType": "Windows" if is_windows(vm.profile) else "Linux", "name": name, **(storage.get("osDisk") or {})}
    if "managedDisk" in disk:
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{vmss.group.upper()}"
        disk["managedDisk"] = {**disk["managedDisk"], "id": f"{group}/providers/Microsoft.Compute/disks/{name}"}
    return {"dataDisks": [], **storage, "osDisk": disk}


def _status(code: str, shown: str, level: str = "Info") -> Json:
    return {"code": code, "level": level, "displayStatus": shown}


def _provisioning(state: str) -> Json:
    level = "Error" if state == "Failed" else "Info"
    shown = f"Provisioning {state.lower()}"
    return {**_status(f"ProvisioningState/{state.lower()}", shown, level), "time": now_utc()}


def scale_set_view(vmss: ScaleSet) -> Json:
    """How a scale set is right now: its instances counted by status."""
    counts: dict[str, int] = {}
    for vm in vmss.instances.values():
        for code in (f"ProvisioningState/{vm.provisioning.lower()}", f"PowerState/{vm.power}"):
            counts[code] = counts.get(code, 0) + 1
    return {
        "virtualMachine": {"statusesSummary": [{"code": code, "count": count} for code, count in counts.items()]},
        "statuses": [_provisioning(vmss.provisioning)],
    }


def operation(job: Operation) -> Json:
    """The state of a long-running operation."""
    body: Json = {"startTime": job.started, "status": job.status, "name": job.id}
    if job.ended:
        body["endTime"] = job.ended
    return {**body, "error": job.error} if job.error else body


def rolling_upgrade(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """The newest rolling upgrade: as Azure's, without an id or a name."""
    running = {"code": rolling.status, "startTime": rolling.started, "lastAction": rolling.last_action}
    running["lastActionTime"] = rolling.changed
    properties = {"policy": rolling.policy, "runningStatus": running, "progress": progress(vmss, rolling)}
    if rolling.error:
        properties["error"] = rolling.error
    return {"type": _TYPE + "/rollingUpgrades", "location": vmss.location, "properties": properties}


def upgrade_history(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """A rolling upgrade as the history of OS upgrades tells it."""
    body = rolling_upgrade(vmss, rolling)
    running: Json = {"code": rolling.status, "startTime": rolling.started}
    if rolling.status != "RollingForward":
        running["endTime"] = rolling.changed
    target = (vmss.profile.get("storageProfile") or {}).get("imageReference") or {}
    properties = {"runningStatus": running, "progress": body["properties"]["progress"], "startedBy": "User"}
    properties["targetImageReference"] = target
    return {"type": _TYPE + "/osUpgradeHistory", "location": vmss.location, "properties": properties}


def nic(vmss: ScaleSet, vm: Instance) -> Json:
    """The network interface of an instance."""
    vm_id = f"{vmss.id}/virtualMachines/{vm.id}"
    address = {
        "name": "ipconfig1",
        "properties": {"privateIPAddress": f"10.0.{int(vm.id) // 250}.{int(vm.id) % 250 + 4}"},
    }
    properties = {"provisioningState": "Succeeded", "primary": True, "virtualMachine": {"id": vm_id}}
    properties["ipConfigurations"] = [address]
    return {"name": f"{vmss.name}-nic", "id": f"{vm_id}/networkInterfaces/{vmss.name}-nic", "properties": properties}


def public_ip(vmss: ScaleSet, vm: Instance) -> Json | None:
    """The public IP address of an instance; `None` where its model has none."""
    nics = (vm.profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []
    addresses = [each for nic in nics for each in nic["properties"].get("ipConfigurations") or []]
    asked = [each["properties"].get("publicIPAddressConfiguration") for each in addresses]
    name = next((each["name"] for each in asked if each), None)
    if name is None:
        return None
    number = int(vm.id)
    properties = {"provisioningState": "Succeeded", "ipAddress": f"203.0.113.{number % 250 + 1}"}
    properties["publicIPAddressVersion"] = "IPv4"
    place = f"{nic(vmss, vm)['id']}/ipConfigurations/{addresses[0]['name']}/publicIPAddresses/{name}"
    return {"name": name, "id": place, "properties": properties}


def group(found: Json) -> Json:
    """A resource group."""
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{found['name']}"
    kind = "Microsoft.Resources/resourceGroups"
    return {"id": base, "type": kind, **found, "properties": {"provisioningState": "Succeeded"}}


def subscription() -> Json:
    """The one subscription."""
    body = {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
    return {**body, "displayName": "Sandbox", "state": "Enabled"}


def _computer_name(vmss: ScaleSet, vm: Instance) -> str:
    """Prefix and the id in base 36, six wide, as Azure names computers."""
    digits, number = "", int(vm.id)
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    prefix = (vmss.profile.get("osProfile") or {}).get("computerNamePrefix", vmss.name)
    return f"{prefix}{digits:0>6}"
