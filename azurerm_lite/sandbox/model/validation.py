"""Validation of a scale set's model: types, limits, and forbidden changes."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from .. import errors
from . import catalog
from .redaction import Secrets
from .resources import (
    FLEXIBLE,
    MAX_MODELS,
    PLACEMENT_GROUP_SIZE,
    Json,
    ScaleSet,
    has_health_reports,
    image_of,
)

_PROFILE = "properties.virtualMachineProfile"
# Paths of a body with an object, or with a list of named objects; both may be left out.
_OBJECTS = (
    *("sku", "tags", "plan", "identity", "properties", "properties.upgradePolicy"),
    *("properties.upgradePolicy.rollingUpgradePolicy", "properties.scaleInPolicy", _PROFILE),
    *(f"{_PROFILE}.{name}Profile" for name in ("storage", "os", "network", "extension")),
    *(f"{_PROFILE}.storageProfile.{name}" for name in ("imageReference", "osDisk")),
)
_LISTS = (
    f"{_PROFILE}.networkProfile.networkInterfaceConfigurations",
    f"{_PROFILE}.extensionProfile.extensions",
)
_PERCENTAGES = {
    "maxBatchInstancePercent": range(5, 101),
    "maxUnhealthyInstancePercent": range(5, 101),
    "maxUnhealthyUpgradedInstancePercent": range(101),
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
# Maximum number of instances in several placement groups, by the kind of image.
_MAX_INSTANCES = {"platform": 1000, "id": 600, "uri": 100}
MODES = ("manual", "automatic", "rolling")


def check_shape(body: Json) -> None:
    """Reject a body with text or a number instead of an object or a list."""
    for path in _OBJECTS:
        if not isinstance(_value_at(body, path), (dict, type(None))):
            raise errors.invalid_request_content(f"'{path}' must be an object.")
    zones = body.get("zones") or []
    if not isinstance(zones, list) or not all(isinstance(zone, str) for zone in zones):
        raise errors.invalid_request_content("'zones' must be an array of strings.")
    for path in _LISTS:
        for entry in _check_named_objects(_value_at(body, path), path):
            configurations = (entry.get("properties") or {}).get("ipConfigurations")
            for configuration in _check_named_objects(configurations, "ipConfigurations"):
                properties = configuration.get("properties") or {}
                public_ip = properties.get("publicIPAddressConfiguration")
                if public_ip:
                    _check_named_objects([public_ip], "publicIP")


def check_model(
    vmss: ScaleSet,
    sku: Json,
    properties: Json,
    secrets: Secrets,
    images: Collection[str],
    platform_images: catalog.Images,
    *,
    is_new: bool = False,
) -> None:
    """Reject a model of a set that violates one of Azure's rules.

    Args:
        vmss: The set before the change.
        sku: The new SKU.
        properties: The new properties.
        secrets: The secrets of the new model.
        images: The ids of the managed images that exist, in lower case.
        platform_images: The platform images that exist.
        is_new: Whether the set is being created.
    """
    if str(properties.get("orchestrationMode", "Uniform")).lower() not in ("uniform", FLEXIBLE):
        message = "The value of parameter 'orchestrationMode' is invalid."
        raise errors.invalid_parameter(message, "orchestrationMode")
    profile = properties.get("virtualMachineProfile") or {}
    if profile:
        has_profile = not is_new and vmss.has_profile
        current = vmss.profile if has_profile else None
        _check_image(vmss.location, profile, current, images, platform_images)
    _check_nics(profile)
    _check_policy(properties)
    _check_size(vmss, sku, properties)
    if not is_new:
        _check_fixed_properties(vmss, properties)
        _check_number_of_models(vmss, profile, secrets)


def check_platform_image(platform_images: catalog.Images, reference: Json, version: str) -> None:
    """Reject a version of a platform image that does not exist; `latest` always exists."""
    names = [str(reference.get(key, "")) for key in ("publisher", "offer", "sku")]
    versions = catalog.find_entries(platform_images, *names) or []
    if not versions or version not in [*versions, "latest"]:
        raise errors.platform_image_not_found(":".join([*names, version]))


def parse_capacity(sku: Json) -> int:
    """Return the number of instances in a SKU."""
    return parse_whole_number(sku.get("capacity", 0), "sku.capacity")


def parse_whole_number(value: Any, target: str) -> int:
    """Return a number of 0 or more in a model.

    Args:
        value: The value in the body.
        target: The path of the value, for the error.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise errors.invalid_parameter(f"The value '{value}' of '{target}' is invalid.", target)
    return number


def parse_duration(duration: str) -> float:
    """Return the seconds of an ISO 8601 duration such as `PT1M30S`."""
    match = _DURATION.fullmatch(str(duration))
    if not match:
        target = "rollingUpgradePolicy.pauseTimeBetweenBatches"
        raise errors.invalid_parameter(f"'{duration}' is not a duration.", target)
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _value_at(body: Any, path: str) -> Any:
    """Return the value at a path, or `None`."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _check_named_objects(entries: Any, path: str) -> list[Json]:
    """Return the entries of a list of named objects; an empty list for `None`."""
    entries = entries or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise errors.invalid_request_content(f"'{path}' must be an array of objects.")
    for entry in entries:
        has_properties = isinstance(entry.get("properties") or {}, dict)
        if not isinstance(entry.get("name"), str) or not has_properties:
            message = "Required parameter 'name' is missing (null)."
            raise errors.invalid_parameter(message, path.rpartition(".")[2])
    return entries


def _check_image(
    location: str,
    profile: Json,
    current: Json | None,
    images: Collection[str],
    platform_images: catalog.Images,
) -> None:
    kind, name = image_of(profile)
    reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
    if current is not None and image_of(current)[0] != kind:
        message = "The image type of a virtual machine scale set may not be changed."
        raise errors.operation_not_allowed(message, "imageReference")
    if kind == "id" and "version" in reference:
        message = (
            "The property 'imageReference.id' cannot be used together with property "
            "'imageReference.version'."
        )
        raise errors.invalid_parameter(message, "imageReference")
    if kind == "id" and "id" in reference and not _is_known(name.lower(), images):
        raise errors.image_not_found(name, location)
    if kind == "platform":
        check_platform_image(platform_images, reference, str(reference.get("version")))


def _is_known(image_id: str, images: Collection[str]) -> bool:
    """Return whether an image exists; a gallery image exists if it has a version."""
    is_definition = "/galleries/" in image_id and "/versions/" not in image_id
    if not is_definition:
        return image_id in images
    return any(known.startswith(f"{image_id}/versions/") for known in images)


def _check_nics(profile: Json) -> None:
    """Reject a network interface without IP configurations."""
    network = profile.get("networkProfile") or {}
    for nic in network.get("networkInterfaceConfigurations") or []:
        if not (nic.get("properties") or {}).get("ipConfigurations"):
            message = "Required parameter 'ipConfigurations' is missing (null)."
            raise errors.invalid_parameter(message, "ipConfigurations")


def _check_policy(properties: Json) -> None:
    """Reject unknown modes, invalid percentages and durations, and Rolling without health."""
    policy = properties.get("upgradePolicy") or {}
    mode = str(policy.get("mode", "Manual"))
    if mode.lower() not in MODES:
        message = f"The value '{mode}' of parameter 'upgradePolicy.mode' is invalid."
        raise errors.invalid_parameter(message, "mode")
    rolling = policy.get("rollingUpgradePolicy") or {}
    for name, allowed in _PERCENTAGES.items():
        if name not in rolling:
            continue
        value = rolling[name]
        if type(value) is not int or value not in allowed:
            message = (
                f"The value '{value}' of '{name}' must be between {allowed[0]} and {allowed[-1]}."
            )
            raise errors.invalid_parameter(message, f"rollingUpgradePolicy.{name}")
    parse_duration(rolling.get("pauseTimeBetweenBatches", "PT0S"))
    if mode.lower() == "rolling" and not has_health_reports(
        properties.get("virtualMachineProfile") or {}
    ):
        message = (
            "Rolling Upgrade mode is not supported for this Virtual Machine Scale Set because a "
            "health probe or health extension was not provided."
        )
        raise errors.ApiError(400, "BadRequest", message)


def _check_size(vmss: ScaleSet, sku: Json, properties: Json) -> None:
    kind = image_of(properties.get("virtualMachineProfile") or {})[0]
    is_single = properties.get("singlePlacementGroup", not vmss.is_flexible)
    limit = PLACEMENT_GROUP_SIZE if is_single else _MAX_INSTANCES[kind]
    if parse_capacity(sku) > limit:
        message = (
            f"The requested number exceeds the total limit of '{limit}' Virtual Machine instances."
        )
        raise errors.operation_not_allowed(message)


def _check_fixed_properties(vmss: ScaleSet, properties: Json) -> None:
    if properties.get("singlePlacementGroup", not vmss.is_flexible) and not vmss.is_single:
        raise errors.property_change_not_allowed("singlePlacementGroup")
    current = {
        "platformFaultDomainCount": vmss.fault_domains,
        "orchestrationMode": "Flexible" if vmss.is_flexible else "Uniform",
    }
    for name, value in current.items():
        if str(properties.get(name, value)).lower() != str(value).lower():
            raise errors.property_change_not_allowed(name)


def _check_number_of_models(vmss: ScaleSet, profile: Json, secrets: Secrets) -> None:
    """Reject a new model if the instances already have the maximum number of models."""
    others = [
        vm for vm in vmss.instances.values() if (vm.profile, vm.secrets) != (profile, secrets)
    ]
    in_use = {(id(vm.profile), id(vm.secrets)) for vm in others}
    is_changed = (profile, secrets) != (vmss.profile, vmss.secrets)
    if is_changed and len(in_use) >= MAX_MODELS:
        message = (
            f"Scale set '{vmss.name}' has reached its limit of {MAX_MODELS} models that may be "
            "referenced by one or more VMs belonging to it. Upgrade the VMs to the latest model of "
            "the scale set first."
        )
        raise errors.operation_not_allowed(message)
