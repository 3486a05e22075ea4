"""Conversion of the sandbox's resources to JSON in Azure's format."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..model.assumptions import Assumptions
from ..model.catalog import Region
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
_INSTANCE_TYPE = _SET_TYPE + "/virtualMachines"
_MACHINE_TYPE = "Microsoft.Compute/virtualMachines"
# The parts of a profile that instances have unchanged.
_SHARED = ("securityProfile", "licenseType", "diagnosticsProfile")
# The api-versions since which responses contain a field, according to recordings. If there is no
# recording of a version, it is the first version after the newest recording without the field.
ETAG_SINCE = "2023-09-01"
VM_SIZE_SINCE = "2022-11-01"
PROFILE_TIME_SINCE = "2023-07-01"
RESILIENCY_SINCE = "2024-07-01"
# Before this version, regional members of Flexible sets have `zones: [null]`.
NULL_ZONE_UNTIL = "2024-11-01"
LISTED_VM_ETAG_SINCE = "2024-11-01"
INTERCONNECT_SINCE = "2025-04-01"
TAGS_SINCE = "2020-09-30"
VM_RESOURCE_ID_SINCE = "2025-11-01"
# According to the reference of each version of the list of regions.
REGION_METADATA_SINCE = "2020-01-01"
_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"


# Scale sets


def scale_set(vmss: ScaleSet, api_version: str, *, with_user_data: bool = False) -> Json:
    """Return a scale set's model."""
    properties = {
        **_mode_properties(vmss),
        **vmss.properties,
        "provisioningState": vmss.provisioning,
        "uniqueId": vmss.unique_id,
        "platformFaultDomainCount": vmss.fault_domains,
    }
    if vmss.has_profile:
        properties["timeCreated"] = vmss.created
        profile = {**vmss.profile, "timeCreated": vmss.profile_created}
        if api_version < PROFILE_TIME_SINCE:
            profile = vmss.profile
        if with_user_data:
            profile = {**profile, **_user_data(vmss.secrets)}
        properties["virtualMachineProfile"] = profile
    if vmss.is_flexible and api_version >= INTERCONNECT_SINCE:
        properties["highSpeedInterconnectPlacement"] = "None"
    body: Json = {
        "name": vmss.name,
        "id": vmss.id,
        "type": _SET_TYPE,
        "location": vmss.location,
        **({"tags": {}} if api_version >= TAGS_SINCE else {}),
        **vmss.extras,
        "properties": properties,
    }
    if vmss.sku:
        body["sku"] = vmss.sku
    if api_version >= ETAG_SINCE:
        body["etag"] = f'"{vmss.etag}"'
    return body


def _mode_properties(vmss: ScaleSet) -> Json:
    """Return the default properties of a set's orchestration mode."""
    if vmss.is_flexible:
        return {"singlePlacementGroup": False, "orchestrationMode": "Flexible"}
    is_small = int(vmss.sku.get("capacity", 0)) <= 100
    return {
        "singlePlacementGroup": is_small,
        "overprovision": False,
        "orchestrationMode": "Uniform",
    }


def scale_set_view(vmss: ScaleSet) -> Json:
    """Return the instance view of a scale set: the number of instances by status."""
    statuses: Counter[str] = Counter()
    extensions: Counter[str] = Counter()
    for vm in vmss.instances.values():
        statuses[f"ProvisioningState/{vm.provisioning.lower()}"] += 1
        statuses[f"PowerState/{vm.power}"] += 1
        extensions.update(extension["name"] for extension in _extensions(vm))
    view: Json = {
        "virtualMachine": {"statusesSummary": _summary(statuses)},
        "statuses": [_provisioning_status(vmss.provisioning)],
    }
    if extensions:
        view["extensions"] = [
            {"name": name, "statusesSummary": _summary({"ProvisioningState/succeeded": count})}
            for name, count in extensions.items()
        ]
    return view


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
    api_version: str,
    *,
    with_view: bool,
    with_user_data: bool = False,
    is_single: bool = False,
) -> Json:
    """Return an instance of a Uniform set; `is_single` adds what lists leave out."""
    properties: Json = {
        "latestModelApplied": vmss.is_latest(vm),
        "modelDefinitionApplied": (
            "VirtualMachine" if vm.has_own_model else "VirtualMachineScaleSet"
        ),
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": vm.created,
        "storageProfile": _storage_profile(vmss, vm),
        "hardwareProfile": {"vmSize": vm.sku} if api_version >= VM_SIZE_SINCE else {},
        "osProfile": _os_profile(vmss, vm),
        "networkProfile": {"networkInterfaces": _nic_ids(vmss, vm)},
        "networkProfileConfiguration": vm.profile.get("networkProfile") or {},
        **{key: vm.profile[key] for key in _SHARED if key in vm.profile},
    }
    if is_single and api_version >= RESILIENCY_SINCE:
        properties["resilientVMDeletionStatus"] = "Disabled"
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
        "type": _INSTANCE_TYPE,
        "location": vmss.location,
        "sku": {"name": vm.sku, "tier": "Standard"},
        "properties": properties,
    }
    if "tags" in vmss.extras or api_version >= TAGS_SINCE:
        body["tags"] = vmss.extras.get("tags") or {}
    if vm.zone:
        body["zones"] = [vm.zone]
    if extensions := _extensions(vm):
        body["resources"] = [_extension_resource(vmss, vm, extension) for extension in extensions]
    if api_version >= ETAG_SINCE:
        body["etag"] = f'"{vm.etag}"'
    return body


def member(
    vmss: ScaleSet,
    vm: Instance,
    api_version: str,
    *,
    is_single: bool = False,
    with_resiliency: bool = False,
) -> Json:
    """Return a member of a Flexible set as in the set's own API: its names and little more."""
    body: Json = {
        "name": vm.id,
        "id": _instance_id(vmss, vm),
        "instanceId": vm.id,
        "type": _INSTANCE_TYPE,
        "location": vmss.location,
    }
    if api_version < NULL_ZONE_UNTIL:
        body["zones"] = [vm.zone]
    properties: Json = {}
    if is_single and api_version >= VM_RESOURCE_ID_SINCE:
        properties["virtualMachineResourceId"] = _machine_id(vmss, vm)
        body["etag"] = f'"{vm.etag}"'
    if with_resiliency:
        properties["resilientVMDeletionStatus"] = "Disabled"
    if vm.protection:
        properties["protectionPolicy"] = vm.protection
    if properties:
        body["properties"] = properties
    return body


def virtual_machine(
    vmss: ScaleSet, vm: Instance, api_version: str, *, is_listed: bool = False
) -> Json:
    """Return a member of a Flexible set as in the VM API.

    Only in the ids of the VM and of the set does Azure write the resource group in capitals.
    """
    properties: Json = {
        "hardwareProfile": {"vmSize": vm.sku},
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "virtualMachineScaleSet": {"id": _with_capital_group(vmss, vmss.id)},
        "storageProfile": _storage_profile(vmss, vm),
        "osProfile": _os_profile(vmss, vm),
        "networkProfile": {"networkInterfaces": _machine_nic_ids(vmss, vm)},
        "timeCreated": vm.created,
        **{key: vm.profile[key] for key in _SHARED if key in vm.profile},
    }
    body: Json = {
        "name": vm.id,
        "id": _with_capital_group(vmss, _machine_id(vmss, vm)),
        "type": _MACHINE_TYPE,
        "location": vmss.location,
        "tags": {**(vmss.extras.get("tags") or {}), **vm.tags},
        "properties": properties,
    }
    if vm.zone:
        body["zones"] = [vm.zone]
    if extensions := _extensions(vm):
        body["resources"] = [_extension_resource(vmss, vm, extension) for extension in extensions]
    # Recorded lists of 2024 do not have it; lists of 2025 do.
    if api_version >= (LISTED_VM_ETAG_SINCE if is_listed else ETAG_SINCE):
        body["etag"] = f'"{vm.etag}"'
    return body


def expanded_virtual_machine(
    vmss: ScaleSet, vm: Instance, api_version: str, assumptions: Assumptions
) -> Json:
    """Return a member as in a list with `$expand=instanceView`.

    A VM that is being deleted has no view.
    """
    body = virtual_machine(vmss, vm, api_version, is_listed=True)
    if not assumptions.expanded_list_has_model:
        names = ("provisioningState", "vmId", "virtualMachineScaleSet")
        body["properties"] = {name: body["properties"][name] for name in names}
    if vm.provisioning == "Deleting":
        return body
    view = machine_view(vmss, vm)
    if not assumptions.expanded_list_has_health:
        view.pop("vmHealth", None)
    body["properties"]["instanceView"] = view
    return body


def virtual_machine_status(vmss: ScaleSet, vm: Instance) -> Json:
    """Return a member as in a list with `statusOnly=true`: its states and its fault domain."""
    view = machine_view(vmss, vm)
    states = {key: view[key] for key in ("platformFaultDomain", "statuses") if key in view}
    return {
        "name": vm.id,
        "id": _with_capital_group(vmss, _machine_id(vmss, vm)),
        "type": _MACHINE_TYPE,
        "location": vmss.location,
        "properties": {
            "provisioningState": vm.provisioning,
            "vmId": vm.vm_id,
            "instanceView": states,
        },
    }


def machine_view(vmss: ScaleSet, vm: Instance) -> Json:
    """Return the instance view of a member of a Flexible set, which has no update domain."""
    view = instance_view(vmss, vm)
    view.pop("platformUpdateDomain", None)
    return view


def instance_view(vmss: ScaleSet, vm: Instance) -> Json:
    """Return the instance view of an instance."""
    power = _status(f"PowerState/{vm.power}", _POWER_NAMES.get(vm.power, f"VM {vm.power}"))
    disk = {"name": _disk_name(vmss, vm), "statuses": [_provisioning_status("Succeeded")]}
    view: Json = {
        "placementGroupId": vm.placement_group or None,
        "platformUpdateDomain": vm.update_domain,
        "platformFaultDomain": vm.fault_domain,
        "computerName": None if vm.power == "deallocated" else _computer_name(vmss, vm),
        "hyperVGeneration": "V2",
        "disks": [disk],
        "statuses": [_provisioning_status(vm.provisioning, vm.provisioned), power],
    }
    # A stopped VM still has the last report of its agent.
    if vm.has_agent and vm.power in ("running", "stopped"):
        view |= _agent_view(vm)
    # The instance may have an older model than the set.
    if has_health_reports(vm.profile) and vm.power == "running" and vm.health:
        view["vmHealth"] = {"status": _health_status(vm.health)}
    return {key: value for key, value in view.items() if value is not None}


def _agent_view(vm: Instance) -> Json:
    """Return the part of an instance view that the VM agent reports."""
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
    view: Json = {
        "osName": "Windows Server" if has_windows else "ubuntu",
        "osVersion": "10.0" if has_windows else "22.04",
        "vmAgent": {"vmAgentVersion": "2.9", "statuses": [agent], "extensionHandlers": handlers},
    }
    if extensions:
        view["extensions"] = extensions
    return view


def _extensions(vm: Instance) -> list[Json]:
    return (vm.profile.get("extensionProfile") or {}).get("extensions") or []


def instance_extensions(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """Return the extensions of an instance, from its own current model."""
    return [_extension_resource(vmss, vm, extension) for extension in _extensions(vm)]


def _extension_resource(vmss: ScaleSet, vm: Instance, extension: Json) -> Json:
    """Return an extension of an instance; as on Azure, the id is of a VM outside the set."""
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
    return profile


def _storage_profile(vmss: ScaleSet, vm: Instance) -> Json:
    """Return the disks of an instance with names and ids, and its image version."""
    storage = dict(vm.profile.get("storageProfile") or {})
    if vm.exact_version:
        storage["imageReference"] = {**storage["imageReference"], "exactVersion": vm.exact_version}
    name = _disk_name(vmss, vm)
    system = "Windows" if is_windows(vm.profile) else "Linux"
    disk = {"osType": system, "name": name, **(storage.get("osDisk") or {})}
    if "managedDisk" in disk:
        group_name = vmss.group if vmss.is_flexible else vmss.group.upper()
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group_name}"
        disk_id = f"{group}/providers/Microsoft.Compute/disks/{name}"
        disk["managedDisk"] = {**disk["managedDisk"], "id": disk_id}
    return {"dataDisks": [], **storage, "osDisk": disk}


def _user_data(secrets: Secrets) -> Json:
    """Return the user data, which Azure returns only on request."""
    return {"userData": secrets["userData",]} if ("userData",) in secrets else {}


# Names and ids


def _instance_id(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.id}/virtualMachines/{vm.id}"


def _machine_id(vmss: ScaleSet, vm: Instance) -> str:
    provider = vmss.id.rpartition("/virtualMachineScaleSets/")[0]
    return f"{provider}/virtualMachines/{vm.id}"


def _with_capital_group(vmss: ScaleSet, resource_id: str) -> str:
    group = f"/resourceGroups/{vmss.group}/"
    return resource_id.replace(group, group.replace(vmss.group, vmss.group.upper()), 1)


def _disk_name(vmss: ScaleSet, vm: Instance) -> str:
    return f"{vmss.name}_{vmss.name_of(vm)}_OsDisk_1_{vm.vm_id[:8]}"


def _computer_name(vmss: ScaleSet, vm: Instance) -> str:
    """Return Azure's computer name: the prefix and the id as six digits in base 36."""
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


def _provisioning_status(state: str, time: str | None = None) -> Json:
    """Return a provisioning status; as recorded, its time is the end of the last operation."""
    level = "Error" if state == "Failed" else "Info"
    code = f"ProvisioningState/{state.lower()}"
    return {**_status(code, f"Provisioning {state.lower()}", level), "time": time or now_utc()}


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
    """Return a rolling upgrade; as on Azure, it has no id and no name."""
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
    """Return the network interfaces of an instance, one for each in its model."""
    configurations = _nic_configurations(vm)
    return [
        _nic(vmss, vm, position, configuration)
        for position, configuration in enumerate(configurations)
    ]


def public_ips(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """Return the public IP addresses that the model of an instance requests."""
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


def _machine_nic_ids(vmss: ScaleSet, vm: Instance) -> list[Json]:
    """Return the network interfaces of a member of a Flexible set, with ids outside the set."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{vmss.group}"
    provider = f"{group}/providers/Microsoft.Network/networkInterfaces"
    nics = []
    for configuration in _nic_configurations(vm):
        given = configuration.get("properties") or {}
        properties = {"primary": given.get("primary", True), "deleteOption": "Delete"}
        name = f"{configuration['name']}-{vm.vm_id[:8]}"
        nics.append({"id": f"{provider}/{name}", "properties": properties})
    return nics


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


def location(name: str, region: Region, api_version: str) -> Json:
    """Return a region; older api-versions have the coordinates next to the names."""
    body = {
        "id": f"/subscriptions/{SUBSCRIPTION}/locations/{name}",
        "name": name,
        "displayName": region.display_name,
    }
    coordinates = {"longitude": region.longitude, "latitude": region.latitude}
    if api_version < REGION_METADATA_SINCE:
        return {**body, **coordinates}
    metadata = {"regionType": "Physical", "geographyGroup": region.geography_group, **coordinates}
    regional = f"({region.geography_group}) {region.display_name}"
    return {**body, "type": "Region", "regionalDisplayName": regional, "metadata": metadata}
