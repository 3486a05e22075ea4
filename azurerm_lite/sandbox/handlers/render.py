"""The JSON of what the sandbox holds, in Azure's shapes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..model.defaults import is_windows
from ..model.redaction import Secrets
from ..model.resources import (
    SUBSCRIPTION,
    TENANT,
    Instance,
    Operation,
    RollingUpgrade,
    ScaleSet,
    has_health_reports,
    now_utc,
)
from ..model.rolling_upgrade import progress

Json = dict[str, Any]
_SET_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
_POWER_NAMES = {"running": "VM running", "stopped": "VM stopped", "deallocated": "VM deallocated"}
# The properties that the VM of a Flexible set shares with an instance.
_VM_PROPERTIES = (
    "provisioningState",
    "vmId",
    "timeCreated",
    "storageProfile",
    "osProfile",
    "networkProfile",
    "instanceView",
)
_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"


# Scale sets


def scale_set(vmss: ScaleSet, with_etag: bool, *, with_user_data: bool = False) -> Json:
    """Return a scale set's model."""
    is_small = int(vmss.sku.get("capacity", 0)) <= 100
    properties = {
        "singlePlacementGroup": is_small and not vmss.is_flexible,
        "overprovision": False,
        "platformFaultDomainCount": vmss.fault_domains,
        "orchestrationMode": "Uniform",
        **vmss.properties,
        "provisioningState": vmss.provisioning,
        "uniqueId": vmss.unique_id,
        "timeCreated": vmss.created,
    }
    if with_user_data:
        properties["virtualMachineProfile"] = {**vmss.profile, **_user_data(vmss.secrets)}
    body = {
        "name": vmss.name,
        "id": vmss.id,
        "type": _SET_TYPE,
        "location": vmss.location,
        "sku": vmss.sku,
        **vmss.extras,
        "properties": properties,
    }
    if with_etag:
        body["etag"] = f'"{vmss.etag}"'
    return body


def scale_set_view(vmss: ScaleSet) -> Json:
    """Return the instance view of a scale set: its instances counted by status."""
    statuses: Counter[str] = Counter()
    extensions: Counter[str] = Counter()
    for vm in vmss.instances.values():
        statuses[f"ProvisioningState/{vm.provisioning.lower()}"] += 1
        statuses[f"PowerState/{vm.power}"] += 1
        extensions.update(extension["name"] for extension in _extensions(vm))
    return {
        "virtualMachine": {"statusesSummary": _summary(statuses)},
        "extensions": [
            {"name": name, "statusesSummary": _summary({"ProvisioningState/succeeded": count})}
            for name, count in extensions.items()
        ],
        "statuses": [_provisioning_status(vmss.provisioning)],
    }


def scale_set_skus() -> list[Json]:
    """Return the SKUs that a scale set may have."""
    capacity = {"minimum": 0, "maximum": 1000, "defaultCapacity": 1, "scaleType": "Automatic"}
    names = ("Standard_D2s_v5", "Standard_D4s_v5", "Standard_D8s_v5")
    return [
        {
            "resourceType": _SET_TYPE,
            "sku": {"name": name, "tier": "Standard"},
            "capacity": capacity,
        }
        for name in names
    ]


def _summary(counts: dict[str, int]) -> list[Json]:
    return [{"code": code, "count": count} for code, count in counts.items()]


# Instances


def instance(
    vmss: ScaleSet,
    vm: Instance,
    *,
    with_view: bool,
    with_etag: bool = False,
    with_user_data: bool = False,
) -> Json:
    """Return an instance."""
    properties: Json = {
        "latestModelApplied": vmss.is_latest(vm),
        "modelDefinitionApplied": (
            "VirtualMachine" if vm.has_own_model else "VirtualMachineScaleSet"
        ),
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": vm.created,
        "storageProfile": _storage_profile(vmss, vm),
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
    body: Json = {
        "name": vmss.name_of(vm),
        "id": _instance_id(vmss, vm),
        "instanceId": vm.id,
        "type": _SET_TYPE + "/virtualMachines",
        "location": vmss.location,
        "sku": {"name": vm.sku, "tier": "Standard"},
        "properties": properties,
    }
    if vm.zone:
        body["zones"] = [vm.zone]
    if extensions := _extensions(vm):
        body["resources"] = [_extension_resource(vmss, vm, extension) for extension in extensions]
    if with_etag:
        body["etag"] = f'"{vm.etag}"'
    return body


def virtual_machine(vmss: ScaleSet, vm: Instance, *, with_view: bool) -> Json:
    """Return an instance of a Flexible set as the VM that it is."""
    shared = instance(vmss, vm, with_view=with_view)
    properties = {
        key: shared["properties"][key] for key in _VM_PROPERTIES if key in shared["properties"]
    }
    properties["hardwareProfile"] = {"vmSize": vm.sku}
    properties["virtualMachineScaleSet"] = {"id": vmss.id}
    provider = vmss.id.rpartition("/virtualMachineScaleSets/")[0]
    return {
        "name": vm.id,
        "id": f"{provider}/virtualMachines/{vm.id}",
        "type": "Microsoft.Compute/virtualMachines",
        "location": vmss.location,
        "properties": properties,
        **{key: shared[key] for key in ("zones", "resources") if key in shared},
    }


def instance_view(vmss: ScaleSet, vm: Instance) -> Json:
    """Return the instance view of an instance."""
    power = _status(f"PowerState/{vm.power}", _POWER_NAMES.get(vm.power, f"VM {vm.power}"))
    disk = {"name": _disk_name(vmss, vm), "statuses": [_provisioning_status("Succeeded")]}
    view: Json = {
        "placementGroupId": vm.placement_group or None,
        "platformUpdateDomain": vm.update_domain,
        "platformFaultDomain": vm.fault_domain,
        "computerName": _computer_name(vmss, vm),
        "hyperVGeneration": "V2",
        "disks": [disk],
        "statuses": [_provisioning_status(vm.provisioning), power],
    }
    if vm.has_agent and vm.power == "running":
        view |= _agent_view(vm)
    # What counts is the model that the instance has, which may be an older one.
    if has_health_reports(vm.profile) and vm.power == "running" and vm.health:
        view["vmHealth"] = {"status": _health_status(vm.health)}
    return {key: value for key, value in view.items() if value is not None}


def _agent_view(vm: Instance) -> Json:
    """Return the part of an instance view that the agent in the VM reports."""
    ready = _status("ProvisioningState/succeeded", "Ready")
    enabled = {"message": "ExtensionOperation:enable. Status:Success"}
    handlers = []
    extensions = []
    for extension in _extensions(vm):
        properties = extension.get("properties") or {}
        handler = {"type": f"{properties.get('publisher')}.{properties.get('type')}"}
        if "typeHandlerVersion" in properties:
            handler["typeHandlerVersion"] = properties["typeHandlerVersion"]
        status = {**_provisioning_status("Succeeded"), **enabled}
        handlers.append({**handler, "status": {**ready, **enabled}})
        extensions.append({"name": extension["name"], **handler, "statuses": [status]})
    agent = {**ready, "message": "Guest Agent is running", "time": now_utc()}
    has_windows = is_windows(vm.profile)
    return {
        "osName": "Windows Server" if has_windows else "ubuntu",
        "osVersion": "10.0" if has_windows else "22.04",
        "vmAgent": {"vmAgentVersion": "2.9", "statuses": [agent], "extensionHandlers": handlers},
        "extensions": extensions,
    }


def _extensions(vm: Instance) -> list[Json]:
    return (vm.profile.get("extensionProfile") or {}).get("extensions") or []


def _extension_resource(vmss: ScaleSet, vm: Instance, extension: Json) -> Json:
    """Return an extension of an instance; its id is that of a VM outside the set, as Azure's."""
    provider = vmss.id.rpartition("/virtualMachineScaleSets/")[0]
    machine = f"{provider}/virtualMachines/{vmss.name_of(vm)}"
    properties = {**(extension.get("properties") or {}), "provisioningState": "Succeeded"}
    return {
        "name": extension["name"],
        "id": f"{machine}/extensions/{extension['name']}",
        "location": vmss.location,
        "type": "Microsoft.Compute/virtualMachines/extensions",
        "properties": properties,
    }


def _os_profile(vmss: ScaleSet, vm: Instance) -> Json:
    profile = {**(vm.profile.get("osProfile") or {}), "computerName": _computer_name(vmss, vm)}
    profile.pop("computerNamePrefix", None)
    if windows := profile.get("windowsConfiguration"):
        patches = {"patchSettings": {"patchMode": "AutomaticByOS"}}
        profile["windowsConfiguration"] = {**patches, **windows}
    return profile


def _storage_profile(vmss: ScaleSet, vm: Instance) -> Json:
    """Return the disks of an instance, which have names and ids, and the version it runs."""
    storage = dict(vm.profile.get("storageProfile") or {})
    if vm.exact_version:
        storage["imageReference"] = {**storage["imageReference"], "exactVersion": vm.exact_version}
    name = _disk_name(vmss, vm)
    system = "Windows" if is_windows(vm.profile) else "Linux"
    disk = {"osType": system, "name": name, **(storage.get("osDisk") or {})}
    if "managedDisk" in disk:
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{vmss.group.upper()}"
        disk_id = f"{group}/providers/Microsoft.Compute/disks/{name}"
        disk["managedDisk"] = {**disk["managedDisk"], "id": disk_id}
    return {"dataDisks": [], **storage, "osDisk": disk}


def _user_data(secrets: Secrets) -> Json:
    """Return the user data, which Azure returns on request."""
    return {"userData": secrets["userData",]} if ("userData",) in secrets else {}


# Names and ids


def _instance_id(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.id}/virtualMachines/{vm.id}"


def _disk_name(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.name}_{vmss.name_of(vm)}_OsDisk_1_{vm.vm_id[:8]}"


def _computer_name(vmss: ScaleSet, vm: Instance) -> str:
    """Return the prefix with the id in base 36, six wide, as Azure names computers."""
    digits = ""
    number = vm.number
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE_36[digit] + digits
    prefix = (vmss.profile.get("osProfile") or {}).get("computerNamePrefix", vmss.name)
    return f"{prefix}{digits:0>6}"


# Statuses


def _status(code: str, display: str, level: str = "Info") -> Json:
    return {"code": code, "level": level, "displayStatus": display}


def _provisioning_status(state: str) -> Json:
    level = "Error" if state == "Failed" else "Info"
    code = f"ProvisioningState/{state.lower()}"
    return {**_status(code, f"Provisioning {state.lower()}", level), "time": now_utc()}


def _health_status(health: str) -> Json:
    level = "Info" if health == "healthy" else "Error"
    return _status(f"HealthState/{health}", f"The VM is reported as {health}", level)


# Operations and upgrades


def operation(job: Operation) -> Json:
    """Return the state of a long-running operation."""
    body: Json = {"startTime": job.started, "status": job.status, "name": job.id}
    if job.ended:
        body["endTime"] = job.ended
    if job.error:
        body["error"] = job.error
    if job.output:
        body["properties"] = {"output": job.output}
    return body


def rolling_upgrade(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """Return the newest rolling upgrade: without an id or a name, as Azure's."""
    properties = {
        "policy": rolling.policy,
        "runningStatus": {
            "code": rolling.status,
            "startTime": rolling.started,
            "lastAction": rolling.last_action,
            "lastActionTime": rolling.changed,
        },
        "progress": progress(vmss, rolling),
    }
    if rolling.error:
        properties["error"] = rolling.error
    kind = _SET_TYPE + "/rollingUpgrades"
    return {"type": kind, "location": vmss.location, "properties": properties}


def upgrade_history(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """Return a rolling upgrade as an entry of the history of OS upgrades."""
    status: Json = {"code": rolling.status, "startTime": rolling.started}
    if rolling.status != "RollingForward":
        status["endTime"] = rolling.changed
    properties = {
        "runningStatus": status,
        "progress": progress(vmss, rolling),
        "startedBy": "User",
        "targetImageReference": rolling.target,
    }
    kind = _SET_TYPE + "/osUpgradeHistory"
    return {"type": kind, "location": vmss.location, "properties": properties}


# Networks


def nics(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """Return the network interfaces of an instance: one for each in its model."""
    configurations = _nic_configurations(vm)
    return [
        _nic(vmss, vm, position, configuration)
        for position, configuration in enumerate(configurations)
    ]


def public_ips(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """Return the public IP addresses of an instance: where its model asks for them."""
    return [
        _public_ip(vm, configuration)
        for nic in nics(vmss, vm)
        for configuration in nic["properties"]["ipConfigurations"]
        if "publicIPAddress" in configuration["properties"]
    ]


def _nic_configurations(vm: Instance) -> list[Json]:
    network = vm.profile.get("networkProfile") or {}
    return network.get("networkInterfaceConfigurations") or []


def _nic_id(vmss: ScaleSet, vm: Instance, configuration: Json) -> str:
    return f"{_instance_id(vmss, vm)}/networkInterfaces/{configuration['name']}"


def _nic_ids(vmss: ScaleSet, vm: Instance) -> list[Json]:
    return [{"id": _nic_id(vmss, vm, configuration)} for configuration in _nic_configurations(vm)]


def _nic(vmss: ScaleSet, vm: Instance, position: int, configuration: Json) -> Json:
    given = configuration.get("properties") or {}
    nic_id = _nic_id(vmss, vm, configuration)
    host = f"{vm.number // 250}.{vm.number % 250 + 4}"
    ip_configurations = [
        _ip_configuration(nic_id, entry, f"10.{16 * position + number}.{host}")
        for number, entry in enumerate(given.get("ipConfigurations") or [{"name": "ipconfig1"}])
    ]
    properties = {
        "provisioningState": "Succeeded",
        "primary": given.get("primary", True),
        "enableAcceleratedNetworking": bool(given.get("enableAcceleratedNetworking")),
        "enableIPForwarding": bool(given.get("enableIPForwarding")),
        "dnsSettings": {"dnsServers": []},
        "virtualMachine": {"id": _instance_id(vmss, vm)},
        "ipConfigurations": ip_configurations,
    }
    return {"name": configuration["name"], "id": nic_id, "properties": properties}


def _ip_configuration(nic_id: str, configuration: Json, ip: str) -> Json:
    given = configuration.get("properties") or {}
    configuration_id = f"{nic_id}/ipConfigurations/{configuration['name']}"
    properties: Json = {
        "provisioningState": "Succeeded",
        "privateIPAddress": ip,
        "privateIPAllocationMethod": "Dynamic",
        **{key: given[key] for key in ("subnet", "primary") if key in given},
        "privateIPAddressVersion": given.get("privateIPAddressVersion", "IPv4"),
    }
    if public := given.get("publicIPAddressConfiguration"):
        ip_id = f"{configuration_id}/publicIPAddresses/{public['name']}"
        properties["publicIPAddress"] = {"id": ip_id}
    return {"name": configuration["name"], "id": configuration_id, "properties": properties}


def _public_ip(vm: Instance, configuration: Json) -> Json:
    ip_id = configuration["properties"]["publicIPAddress"]["id"]
    block, number = divmod(vm.number, 250)
    # Addresses that RFC 5737 and RFC 2544 reserve for examples and tests.
    network = "203.0.113" if block == 0 else f"198.18.{block % 256}"
    properties = {
        "provisioningState": "Succeeded",
        "ipAddress": f"{network}.{number + 1}",
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Dynamic",
        "idleTimeoutInMinutes": 4,
        "ipConfiguration": {"id": configuration["id"]},
    }
    return {"name": ip_id.rpartition("/")[2], "id": ip_id, "properties": properties}


# Resource groups and subscriptions


def group(found: Json) -> Json:
    """Return a resource group."""
    deletion = found.get("deletion")
    state = "Deleting" if deletion and not deletion.ended else "Succeeded"
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{found['name']}",
        "name": found["name"],
        "type": "Microsoft.Resources/resourceGroups",
        **{key: found[key] for key in ("location", "tags") if key in found},
        "properties": {"provisioningState": state},
    }


def subscription() -> Json:
    """Return the one subscription."""
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "Sandbox",
        "state": "Enabled",
    }
