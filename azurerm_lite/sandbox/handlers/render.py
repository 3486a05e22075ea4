"""The JSON of what the sandbox holds, in Azure's shapes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..entra.tokens import TENANT
from ..model.defaults import is_windows
from ..model.redaction import Secrets
from ..model.resources import (
    SUBSCRIPTION,
    Instance,
    Operation,
    RollingUpgrade,
    ScaleSet,
    now_utc,
    reports_health,
)
from ..model.rolling_upgrade import progress

Json = dict[str, Any]
_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
_DISPLAY = {"running": "VM running", "stopped": "VM stopped", "deallocated": "VM deallocated"}


def scale_set(vmss: ScaleSet, with_etag: bool, *, with_user_data: bool = False) -> Json:
    """A scale set's model."""
    filled = {
        "singlePlacementGroup": int(vmss.sku.get("capacity", 0)) <= 100 and not vmss.is_flexible,
        "overprovision": False,
        "platformFaultDomainCount": vmss.fault_domains,
        "orchestrationMode": "Uniform",
    }
    properties = {**filled, **vmss.properties, "provisioningState": vmss.provisioning}
    properties |= {"uniqueId": vmss.unique_id, "timeCreated": vmss.created}
    if with_user_data:
        properties["virtualMachineProfile"] = {**vmss.profile, **_user_data(vmss.secrets)}
    body: Json = {"name": vmss.name, "id": vmss.id, "type": _TYPE, "location": vmss.location}
    body |= {"sku": vmss.sku, **vmss.extras, "properties": properties}
    return {**body, "etag": f'"{vmss.etag}"'} if with_etag else body


def instance(
    vmss: ScaleSet,
    vm: Instance,
    *,
    with_view: bool,
    with_etag: bool = False,
    with_user_data: bool = False,
) -> Json:
    """An instance, with its instance view or without."""
    properties: Json = {
        "latestModelApplied": vmss.is_latest(vm),
        "modelDefinitionApplied": "VirtualMachine" if vm.is_own else "VirtualMachineScaleSet",
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": vm.created,
        "storageProfile": _storage(vmss, vm),
        "hardwareProfile": {},
        "osProfile": _os_profile(vmss, vm),
        "networkProfile": {"networkInterfaces": _nic_ids(vmss, vm)},
        "networkProfileConfiguration": vm.profile.get("networkProfile") or {},
    }
    if vm.protection:
        properties["protectionPolicy"] = vm.protection
    if with_view:
        properties["instanceView"] = instance_view(vmss, vm)
    if with_user_data:
        properties |= _user_data(vm.secrets)
    body: Json = {"name": vmss.name_of(vm), "id": _vm_id(vmss, vm)}
    body |= {"instanceId": vm.id, "type": _TYPE + "/virtualMachines", "location": vmss.location}
    body |= {"sku": {"name": vm.sku, "tier": "Standard"}, "properties": properties}
    if vm.zone:
        body["zones"] = [vm.zone]
    if extensions := _extensions(vm):
        body["resources"] = [_resource(vmss, vm, each) for each in extensions]
    return {**body, "etag": f'"{vm.etag}"'} if with_etag else body


def virtual_machine(vmss: ScaleSet, vm: Instance, *, with_view: bool) -> Json:
    """An instance of a Flexible set as the VM that it is."""
    shown = instance(vmss, vm, with_view=with_view)
    taken = (
        "provisioningState",
        "vmId",
        "timeCreated",
        "storageProfile",
        "osProfile",
        "networkProfile",
        "instanceView",
    )
    properties = {key: shown["properties"][key] for key in taken if key in shown["properties"]}
    properties |= {"hardwareProfile": {"vmSize": vm.sku}, "virtualMachineScaleSet": {"id": vmss.id}}
    group = vmss.id.rpartition("/virtualMachineScaleSets/")[0]
    body: Json = {
        "name": vm.id,
        "id": f"{group}/virtualMachines/{vm.id}",
        "type": "Microsoft.Compute/virtualMachines",
    }
    body |= {"location": vmss.location, "properties": properties}
    return body | {key: shown[key] for key in ("zones", "resources") if key in shown}


def instance_view(vmss: ScaleSet, vm: Instance) -> Json:
    """How an instance is right now."""
    view: Json = {
        "placementGroupId": vm.placement_group or None,
        "platformUpdateDomain": vm.update_domain,
        "platformFaultDomain": vm.fault_domain,
        "computerName": _computer_name(vmss, vm),
        "hyperVGeneration": "V2",
        "disks": [{"name": _disk_name(vmss, vm), "statuses": [_provisioning("Succeeded")]}],
        "statuses": [
            _provisioning(vm.provisioning),
            _status(f"PowerState/{vm.power}", _DISPLAY.get(vm.power, f"VM {vm.power}")),
        ],
    }
    if vm.has_agent and vm.power == "running":
        view |= _told_by_the_agent(vm)
    # The model that the instance has, which may be an older one, is what has the health extension
    # or not.
    if reports_health(vm.profile) and vm.power == "running" and vm.health:
        level = "Info" if vm.health == "healthy" else "Error"
        view["vmHealth"] = {
            "status": _status(
                f"HealthState/{vm.health}", f"The VM is reported as {vm.health}", level
            )
        }
    return {key: value for key, value in view.items() if value is not None}


def _told_by_the_agent(vm: Instance) -> Json:
    """What is known of an instance only while its agent runs."""
    ready = _status("ProvisioningState/succeeded", "Ready")
    enabled = {"message": "ExtensionOperation:enable. Status:Success"}
    extensions = [(_extension_type(each), each) for each in _extensions(vm)]
    handlers = [
        {"type": kind, **_version(each), "status": {**ready, **enabled}}
        for kind, each in extensions
    ]
    agent = {**ready, "message": "Guest Agent is running", "time": now_utc()}
    done = {**_provisioning("Succeeded"), **enabled}
    return {
        "osName": "Windows Server" if is_windows(vm.profile) else "ubuntu",
        "osVersion": "10.0" if is_windows(vm.profile) else "22.04",
        "vmAgent": {"vmAgentVersion": "2.9", "statuses": [agent], "extensionHandlers": handlers},
        "extensions": [
            {"name": each["name"], "type": kind, **_version(each), "statuses": [done]}
            for kind, each in extensions
        ],
    }


def _extensions(vm: Instance) -> list[Json]:
    return (vm.profile.get("extensionProfile") or {}).get("extensions") or []


def _extension_type(extension: Json) -> str:
    properties = extension.get("properties") or {}
    return f"{properties.get('publisher')}.{properties.get('type')}"


def _version(extension: Json) -> Json:
    return {
        key: value
        for key, value in (extension.get("properties") or {}).items()
        if key == "typeHandlerVersion"
    }


def _resource(vmss: ScaleSet, vm: Instance, extension: Json) -> Json:
    """An extension of an instance, under the odd id that Azure gives it: by the name of the VM, outside the set."""
    place = f"{vmss.id.rpartition('/virtualMachineScaleSets/')[0]}/virtualMachines/{vmss.name_of(vm)}/extensions"
    body = {
        "name": extension["name"],
        "id": f"{place}/{extension['name']}",
        "location": vmss.location,
    }
    properties = {**(extension.get("properties") or {}), "provisioningState": "Succeeded"}
    return {
        **body,
        "type": "Microsoft.Compute/virtualMachines/extensions",
        "properties": properties,
    }


def _os_profile(vmss: ScaleSet, vm: Instance) -> Json:
    profile = {**(vm.profile.get("osProfile") or {}), "computerName": _computer_name(vmss, vm)}
    profile.pop("computerNamePrefix", None)
    if windows := profile.get("windowsConfiguration"):
        profile["windowsConfiguration"] = {
            "patchSettings": {"patchMode": "AutomaticByOS"},
            **windows,
        }
    return profile


def _disk_name(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.name}_{vmss.name_of(vm)}_OsDisk_1_{vm.vm_id[:8]}"


def _storage(vmss: ScaleSet, vm: Instance) -> Json:
    """The disks of an instance: those of the model, each a disk of its own, and what its image really is."""
    storage = dict(vm.profile.get("storageProfile") or {})
    if vm.exact_version:
        storage["imageReference"] = {**storage["imageReference"], "exactVersion": vm.exact_version}
    name = _disk_name(vmss, vm)
    disk = {
        "osType": "Windows" if is_windows(vm.profile) else "Linux",
        "name": name,
        **(storage.get("osDisk") or {}),
    }
    if "managedDisk" in disk:
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{vmss.group.upper()}"
        disk["managedDisk"] = {
            **disk["managedDisk"],
            "id": f"{group}/providers/Microsoft.Compute/disks/{name}",
        }
    return {"dataDisks": [], **storage, "osDisk": disk}


def _user_data(secrets: Secrets) -> Json:
    """What Azure gives back to those who ask for it."""
    return {"userData": secrets["userData",]} if ("userData",) in secrets else {}


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
        "virtualMachine": {"statusesSummary": _summary(counts)},
        "extensions": [
            {"name": name, "statusesSummary": _summary(each)}
            for name, each in _extension_counts(vmss)
        ],
        "statuses": [_provisioning(vmss.provisioning)],
    }


def _summary(counts: dict[str, int]) -> list[Json]:
    return [{"code": code, "count": count} for code, count in counts.items()]


def _extension_counts(vmss: ScaleSet) -> list[tuple[str, dict[str, int]]]:
    """Each extension that instances have, with how many have it."""
    names = Counter(each["name"] for vm in vmss.instances.values() for each in _extensions(vm))
    return [(name, {"ProvisioningState/succeeded": count}) for name, count in names.items()]


def operation(job: Operation) -> Json:
    """The state of a long-running operation."""
    body: Json = {"startTime": job.started, "status": job.status, "name": job.id}
    if job.ended:
        body["endTime"] = job.ended
    return {**body, "error": job.error} if job.error else body


def rolling_upgrade(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """The newest rolling upgrade: as Azure's, without an id or a name."""
    running = {
        "code": rolling.status,
        "startTime": rolling.started,
        "lastAction": rolling.last_action,
    }
    running["lastActionTime"] = rolling.changed
    properties = {
        "policy": rolling.policy,
        "runningStatus": running,
        "progress": progress(vmss, rolling),
    }
    if rolling.error:
        properties["error"] = rolling.error
    return {"type": _TYPE + "/rollingUpgrades", "location": vmss.location, "properties": properties}


def upgrade_history(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """A rolling upgrade as the history of OS upgrades tells it."""
    body = rolling_upgrade(vmss, rolling)
    running: Json = {"code": rolling.status, "startTime": rolling.started}
    if rolling.status != "RollingForward":
        running["endTime"] = rolling.changed
    properties = {
        "runningStatus": running,
        "progress": body["properties"]["progress"],
        "startedBy": "User",
    }
    properties["targetImageReference"] = rolling.target
    return {
        "type": _TYPE + "/osUpgradeHistory",
        "location": vmss.location,
        "properties": properties,
    }


def nics(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """The network interfaces of an instance: one for each that its model has."""
    found = (vm.profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []
    return [_nic(vmss, vm, place, each) for place, each in enumerate(found)]


def _nic(vmss: ScaleSet, vm: Instance, place: int, configuration: Json) -> Json:
    given = configuration.get("properties") or {}
    nic_id = f"{_vm_id(vmss, vm)}/networkInterfaces/{configuration['name']}"
    addresses = given.get("ipConfigurations") or [{"name": "ipconfig1"}]
    properties: Json = {"provisioningState": "Succeeded", "primary": given.get("primary", True)}
    for key in ("enableAcceleratedNetworking", "enableIPForwarding"):
        properties[key] = bool(given.get(key))
    properties |= {"dnsSettings": {"dnsServers": []}, "virtualMachine": {"id": _vm_id(vmss, vm)}}
    properties["ipConfigurations"] = [
        _address(nic_id, each, f"10.{16 * place + number}.{vm.number // 250}.{vm.number % 250 + 4}")
        for number, each in enumerate(addresses)
    ]
    return {"name": configuration["name"], "id": nic_id, "properties": properties}


def _address(nic_id: str, configuration: Json, ip: str) -> Json:
    given = configuration.get("properties") or {}
    here = f"{nic_id}/ipConfigurations/{configuration['name']}"
    properties: Json = {"provisioningState": "Succeeded", "privateIPAddress": ip}
    properties["privateIPAllocationMethod"] = "Dynamic"
    properties |= {key: given[key] for key in ("subnet", "primary") if key in given}
    properties["privateIPAddressVersion"] = given.get("privateIPAddressVersion", "IPv4")
    if public := given.get("publicIPAddressConfiguration"):
        properties["publicIPAddress"] = {"id": f"{here}/publicIPAddresses/{public['name']}"}
    return {"name": configuration["name"], "id": here, "properties": properties}


def public_ips(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """The public IP addresses of an instance: where its model asks for them."""
    addresses = [each for nic in nics(vmss, vm) for each in nic["properties"]["ipConfigurations"]]
    asked = [each for each in addresses if "publicIPAddress" in each["properties"]]
    place, number = divmod(vm.number, 250)
    found = []
    for each in asked:
        ip_id = each["properties"]["publicIPAddress"]["id"]
        ip = (
            f"203.0.113.{number + 1}" if place == 0 else f"198.18.{place % 256}.{number + 1}"
        )  # nobody's, by RFC
        properties: Json = {
            "provisioningState": "Succeeded",
            "ipAddress": ip,
            "publicIPAddressVersion": "IPv4",
        }
        properties |= {"publicIPAllocationMethod": "Dynamic", "idleTimeoutInMinutes": 4}
        properties["ipConfiguration"] = {"id": each["id"]}
        found.append({"name": ip_id.rpartition("/")[2], "id": ip_id, "properties": properties})
    return found


def group(found: Json) -> Json:
    """A resource group."""
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{found['name']}"
    body: Json = {"id": base, "name": found["name"], "type": "Microsoft.Resources/resourceGroups"}
    body |= {key: found[key] for key in ("location", "tags") if key in found}
    deletion = found.get("deletion")
    state = "Deleting" if deletion and not deletion.ended else "Succeeded"
    return {**body, "properties": {"provisioningState": state}}


def subscription() -> Json:
    """The one subscription."""
    body = {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
    }
    return {**body, "displayName": "Sandbox", "state": "Enabled"}


def _vm_id(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.id}/virtualMachines/{vm.id}"


def _nic_ids(vmss: ScaleSet, vm: Instance) -> list[Json]:
    found = (vm.profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []
    return [{"id": f"{_vm_id(vmss, vm)}/networkInterfaces/{each['name']}"} for each in found]


def _computer_name(vmss: ScaleSet, vm: Instance) -> str:
    """Prefix and the id in base 36, six wide, as Azure names computers."""
    digits, number = "", vm.number
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    prefix = (vmss.profile.get("osProfile") or {}).get("computerNamePrefix", vmss.name)
    return f"{prefix}{digits:0>6}"
