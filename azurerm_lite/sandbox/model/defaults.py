"""Defaults that Azure adds to a model, so that a GET returns more than the PUT contained."""

from __future__ import annotations

from typing import Any

from .. import errors

Json = dict[str, Any]

# Members that a GET returns and a PUT ignores.
_READ_ONLY = frozenset({"provisioningState", "uniqueId", "timeCreated"})
_AUTOMATIC_POLICY = {
    "enableAutomaticOSUpgrade": False,
    "useRollingUpgradePolicy": False,
    "disableAutomaticRollback": False,
}
ROLLING_POLICY: dict[str, Any] = {
    "maxBatchInstancePercent": 20,
    "maxUnhealthyInstancePercent": 20,
    "maxUnhealthyUpgradedInstancePercent": 20,
    "pauseTimeBetweenBatches": "PT0S",
    "maxSurge": False,
    "rollbackFailedInstancesOnPolicyBreach": False,
}


def fill_defaults(properties: Json, *, is_flexible: bool) -> Json:
    """Return the properties of a scale set with Azure's defaults, without nulls.

    A Flexible set without a profile or an upgrade policy does not get one.

    Args:
        properties: The properties in a request, merged with the current ones.
        is_flexible: Whether the set is Flexible.
    """
    filled = {
        key: value for key, value in _without_nulls(properties).items() if key not in _READ_ONLY
    }
    if is_flexible:
        filled = {"singlePlacementGroup": False, "constrainedMaximumCapacity": False, **filled}
    else:
        if "virtualMachineProfile" not in filled:
            message = "Required parameter 'virtualMachineProfile' is missing (null)."
            raise errors.invalid_parameter(message)
        filled = {
            "overprovision": False,
            "doNotRunExtensionsOnOverprovisionedVMs": False,
            "upgradePolicy": {"mode": "Manual"},
            **filled,
        }
    if "automaticRepairsPolicy" in filled:
        repairs = filled["automaticRepairsPolicy"]
        filled["automaticRepairsPolicy"] = {"repairAction": "Replace", **repairs}
    if "upgradePolicy" in filled:
        filled["upgradePolicy"] = _fill_policy(filled["upgradePolicy"])
    if "virtualMachineProfile" in filled:
        filled["virtualMachineProfile"] = _fill_profile(filled["virtualMachineProfile"])
    return filled


def fill_sku(sku: Json) -> Json:
    """Return a SKU with its tier, which Azure derives from the name by default."""
    if "name" not in sku:
        return dict(sku)
    is_basic = str(sku["name"]).lower().startswith("basic_")
    tier = str(sku.get("tier") or ("Basic" if is_basic else "Standard"))
    return {**sku, "tier": tier.capitalize()}


def is_windows(profile: Json) -> bool:
    """Return whether the instances of a model run Windows."""
    storage = profile.get("storageProfile") or {}
    publisher = str((storage.get("imageReference") or {}).get("publisher", ""))
    system = (storage.get("osDisk") or {}).get("osType")
    return publisher.startswith("MicrosoftWindows") or system == "Windows"


def _fill_policy(policy: Json) -> Json:
    """Return an upgrade policy; only mode Rolling adds a default rolling upgrade policy."""
    filled = {"mode": "Manual", **policy}
    if "rollingUpgradePolicy" in policy or str(filled["mode"]).lower() == "rolling":
        given = policy.get("rollingUpgradePolicy") or {}
        filled["rollingUpgradePolicy"] = {**ROLLING_POLICY, **given}
    if "automaticOSUpgradePolicy" in policy:
        filled["automaticOSUpgradePolicy"] = {
            **_AUTOMATIC_POLICY,
            **policy["automaticOSUpgradePolicy"],
        }
    return filled


def _fill_profile(profile: Json) -> Json:
    filled = {key: value for key, value in profile.items() if key != "timeCreated"}
    if "storageProfile" in profile:
        filled["storageProfile"] = _fill_storage(profile)
    if "osProfile" in profile:
        filled["osProfile"] = _fill_os_profile(profile)
    network = profile.get("networkProfile") or {}
    if configurations := network.get("networkInterfaceConfigurations"):
        nics = [_fill_nic(configuration) for configuration in configurations]
        filled["networkProfile"] = {**network, "networkInterfaceConfigurations": nics}
    extension_profile = profile.get("extensionProfile") or {}
    if extensions := extension_profile.get("extensions"):
        whole = [
            {**extension, "properties": extension.get("properties") or {}}
            for extension in extensions
        ]
        filled["extensionProfile"] = {**extension_profile, "extensions": whole}
    return filled


def _fill_storage(profile: Json) -> Json:
    """Return a storage profile with the operating system, which Azure knows from the image.

    For an image given by its id the sandbox assumes Linux.
    """
    storage = profile["storageProfile"]
    disk = storage.get("osDisk")
    if not disk:
        return dict(storage)
    system = "Windows" if is_windows(profile) else "Linux"
    return {**storage, "osDisk": {"osType": system, **disk}}


def _fill_os_profile(profile: Json) -> Json:
    system: Json = {"linuxConfiguration": {"provisionVMAgent": True}}
    if is_windows(profile):
        configuration = {"provisionVMAgent": True, "enableAutomaticUpdates": True}
        system = {"windowsConfiguration": configuration}
    return {
        **system,
        "secrets": [],
        "allowExtensionOperations": True,
        "requireGuestProvisionSignal": True,
        **profile["osProfile"],
    }


def _fill_nic(nic: Json) -> Json:
    given = nic.get("properties") or {}
    properties = {
        "disableTcpStateTracking": False,
        "dnsSettings": {"dnsServers": []},
        "enableIPForwarding": False,
        **given,
    }
    if configurations := given.get("ipConfigurations"):
        properties["ipConfigurations"] = [
            _fill_ip_configuration(configuration) for configuration in configurations
        ]
    return {**nic, "properties": properties}


def _fill_ip_configuration(configuration: Json) -> Json:
    given = configuration.get("properties") or {}
    return {**configuration, "properties": {"privateIPAddressVersion": "IPv4", **given}}


def _without_nulls(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: _without_nulls(value) for key, value in body.items() if value is not None}
    if isinstance(body, list):
        return [_without_nulls(entry) for entry in body]
    return body
