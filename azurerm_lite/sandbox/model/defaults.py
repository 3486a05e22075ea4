"""The defaults that Azure fills into a model: a GET returns more than the PUT contained."""

from __future__ import annotations

from typing import Any

from .. import errors

Json = dict[str, Any]

ROLLING_POLICY = {
    "maxBatchInstancePercent": 20,
    "maxUnhealthyInstancePercent": 20,
    "maxUnhealthyUpgradedInstancePercent": 20,
    "pauseTimeBetweenBatches": "PT0S",
}


def fill_defaults(properties: Json) -> Json:
    """Return the properties of a scale set with Azure's defaults and without nulls."""
    properties = _without_nulls(properties)
    if "virtualMachineProfile" not in properties:
        message = "Required parameter 'virtualMachineProfile' is missing (null)."
        raise errors.invalid_parameter(message)
    policy = dict(properties.get("upgradePolicy") or {"mode": "Manual"})
    if "rollingUpgradePolicy" in policy or str(policy.get("mode")).lower() == "rolling":
        given = policy.get("rollingUpgradePolicy") or {}
        policy["rollingUpgradePolicy"] = {**ROLLING_POLICY, **given}
    return {
        "overprovision": False,
        "doNotRunExtensionsOnOverprovisionedVMs": False,
        **properties,
        "upgradePolicy": policy,
        "virtualMachineProfile": _fill_profile(properties["virtualMachineProfile"]),
    }


def is_windows(profile: Json) -> bool:
    """Return whether the instances of a model run Windows."""
    storage = profile.get("storageProfile") or {}
    publisher = str((storage.get("imageReference") or {}).get("publisher", ""))
    system = (storage.get("osDisk") or {}).get("osType")
    return publisher.startswith("MicrosoftWindows") or system == "Windows"


def _fill_profile(profile: Json) -> Json:
    filled = dict(profile)
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
        "enableAcceleratedNetworking": False,
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
