"""What Azure fills in where a model does not say: a GET gives back more than the PUT had."""

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


def filled(properties: Json) -> Json:
    """The properties of a scale set with all that Azure adds, and without what is null."""
    properties = _without_nulls(properties)
    if "virtualMachineProfile" not in properties:
        raise errors.bad_parameter("Required parameter 'virtualMachineProfile' is missing (null).")
    policy = dict(properties.get("upgradePolicy") or {"mode": "Manual"})
    if "rollingUpgradePolicy" in policy or str(policy.get("mode")).lower() == "rolling":
        policy["rollingUpgradePolicy"] = {
            **ROLLING_POLICY,
            **(policy.get("rollingUpgradePolicy") or {}),
        }
    profile = _filled_profile(properties["virtualMachineProfile"])
    filled_in = {
        "overprovision": False,
        "doNotRunExtensionsOnOverprovisionedVMs": False,
        **properties,
    }
    return {**filled_in, "upgradePolicy": policy, "virtualMachineProfile": profile}


def _filled_profile(profile: Json) -> Json:
    filled = dict(profile)
    if "osProfile" in profile:
        filled["osProfile"] = _os_profile(profile)
    network, extensions = profile.get("networkProfile") or {}, profile.get("extensionProfile") or {}
    if network.get("networkInterfaceConfigurations"):
        nics = [_nic(each) for each in network["networkInterfaceConfigurations"]]
        filled["networkProfile"] = {**network, "networkInterfaceConfigurations": nics}
    if extensions.get("extensions"):
        whole = [
            {**each, "properties": each.get("properties") or {}}
            for each in extensions["extensions"]
        ]
        filled["extensionProfile"] = {**extensions, "extensions": whole}
    return filled


def _without_nulls(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: _without_nulls(value) for key, value in body.items() if value is not None}
    return [_without_nulls(each) for each in body] if isinstance(body, list) else body


def is_windows(profile: Json) -> bool:
    """Whether the instances of a model run Windows."""
    storage = profile.get("storageProfile") or {}
    publisher = str((storage.get("imageReference") or {}).get("publisher", ""))
    return (
        publisher.startswith("MicrosoftWindows")
        or (storage.get("osDisk") or {}).get("osType") == "Windows"
    )


def _os_profile(profile: Json) -> Json:
    if is_windows(profile):
        system: Json = {
            "windowsConfiguration": {"provisionVMAgent": True, "enableAutomaticUpdates": True}
        }
    else:
        system = {"linuxConfiguration": {"provisionVMAgent": True}}
    agreed = {"secrets": [], "allowExtensionOperations": True, "requireGuestProvisionSignal": True}
    return {**system, **agreed, **profile["osProfile"]}


def _nic(nic: Json) -> Json:
    given = nic.get("properties") or {}
    added = {
        "enableAcceleratedNetworking": False,
        "dnsSettings": {"dnsServers": []},
        "enableIPForwarding": False,
    }
    addresses = [_address(each) for each in given.get("ipConfigurations") or []]
    return {
        **nic,
        "properties": {**added, **given, **({"ipConfigurations": addresses} if addresses else {})},
    }


def _address(address: Json) -> Json:
    return {
        **address,
        "properties": {"privateIPAddressVersion": "IPv4", **(address.get("properties") or {})},
    }
