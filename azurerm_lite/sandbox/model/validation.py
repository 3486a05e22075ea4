"""What Azure refuses in the model of a scale set: values of a wrong kind, limits, and what cannot be changed."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from .. import errors
from . import catalog
from .redaction import Secrets
from .resources import (
    FLEXIBLE,
    MOST_MODELS,
    PLACEMENT_GROUP_SIZE,
    Json,
    ScaleSet,
    image_of,
    reports_health,
)

_PROFILE = "properties.virtualMachineProfile"
# Where a body has an object or a list of named objects, if it has anything there.
_OBJECTS = (
    *("sku", "tags", "plan", "identity", "properties", "properties.upgradePolicy"),
    *("properties.upgradePolicy.rollingUpgradePolicy", "properties.scaleInPolicy", _PROFILE),
    *(f"{_PROFILE}.{each}Profile" for each in ("storage", "os", "network", "extension")),
    *(f"{_PROFILE}.storageProfile.{each}" for each in ("imageReference", "osDisk")),
)
_LISTS = (
    f"{_PROFILE}.networkProfile.networkInterfaceConfigurations",
    f"{_PROFILE}.extensionProfile.extensions",
)
# How many percent each may be.
_PERCENTS = {
    "maxBatchInstancePercent": range(5, 101),
    "maxUnhealthyInstancePercent": range(5, 101),
    "maxUnhealthyUpgradedInstancePercent": range(101),
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
MODES = ("manual", "automatic", "rolling")


def check_shape(body: Json) -> None:
    """Refuses a body that has text or a number where an object or a list belongs."""
    for path in _OBJECTS:
        if not isinstance(_at(body, path), (dict, type(None))):
            raise errors.bad_body(f"'{path}' must be an object.")
    zones = body.get("zones") or []
    if not isinstance(zones, list) or not all(isinstance(each, str) for each in zones):
        raise errors.bad_body("'zones' must be an array of strings.")
    for path in _LISTS:
        for each in _named(_at(body, path), path):
            addresses = (each.get("properties") or {}).get("ipConfigurations")
            for address in _named(addresses, "ipConfigurations"):
                _named(
                    [
                        (address.get("properties") or {}).get("publicIPAddressConfiguration")
                        or address
                    ],
                    "publicIP",
                )


def _named(entries: Any, path: str) -> list[Json]:
    """What must be a list of objects with names, and may be left out."""
    if not isinstance(entries or [], list) or not all(
        isinstance(each, dict) for each in entries or []
    ):
        raise errors.bad_body(f"'{path}' must be an array of objects.")
    for each in entries or []:
        if not isinstance(each.get("name"), str) or not isinstance(
            each.get("properties") or {}, dict
        ):
            raise errors.bad_parameter(
                "Required parameter 'name' is missing (null).", path.rpartition(".")[2]
            )
    return entries or []


def check_model(
    vmss: ScaleSet,
    sku: Json,
    properties: Json,
    secrets: Secrets,
    images: Container[str],
    *,
    is_new: bool = False,
) -> None:
    """Azure's rules for a new model of a set."""
    profile = properties["virtualMachineProfile"]
    _check_image(vmss.location, profile, None if is_new else vmss.profile, images)
    _check_policy(properties)
    if str(properties.get("orchestrationMode", "Uniform")).lower() not in ("uniform", FLEXIBLE):
        raise errors.bad_parameter(
            "The value of parameter 'orchestrationMode' is invalid.", "orchestrationMode"
        )
    _check_size(vmss, sku, properties)
    if is_new:
        return
    if properties.get("singlePlacementGroup", not vmss.is_flexible) and not vmss.is_single:
        raise errors.fixed("singlePlacementGroup")
    mode = "Flexible" if vmss.is_flexible else "Uniform"
    for name, current in (
        ("platformFaultDomainCount", vmss.fault_domains),
        ("orchestrationMode", mode),
    ):
        if str(properties.get(name, current)).lower() != str(current).lower():
            raise errors.fixed(name)
    others = [
        each
        for each in vmss.instances.values()
        if (each.profile, each.secrets) != (profile, secrets)
    ]
    in_use = {(id(each.profile), id(each.secrets)) for each in others}
    if len(in_use) >= MOST_MODELS and (profile, secrets) != (vmss.profile, vmss.secrets):
        message = (
            f"Scale set '{vmss.name}' has reached its limit of {MOST_MODELS} models that may be referenced by one "
            "or more VMs belonging to it. Upgrade the VMs to the latest model of the scale set first."
        )
        raise errors.not_allowed(message)


def capacity_of(sku: Json) -> int:
    """The number of instances that a request asks for."""
    try:
        capacity = int(sku.get("capacity", 0))
    except (TypeError, ValueError):
        capacity = -1
    if capacity < 0:
        raise errors.bad_parameter(
            f"'{sku.get('capacity')}' is no number of instances.", "sku.capacity"
        )
    return capacity


def seconds_of(duration: str) -> float:
    """The seconds of an ISO 8601 duration such as `PT1M30S`."""
    match = _DURATION.fullmatch(str(duration))
    if not match:
        raise errors.bad_parameter(
            f"'{duration}' is no duration.", "rollingUpgradePolicy.pauseTimeBetweenBatches"
        )
    days, hours, minutes, seconds = (float(each or 0) for each in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _at(body: Any, path: str) -> Any:
    """What stands at a path, as far as there are objects on the way."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _check_size(vmss: ScaleSet, sku: Json, properties: Json) -> None:
    single = bool(properties.get("singlePlacementGroup", not vmss.is_flexible))
    kind = image_of(properties["virtualMachineProfile"])[0]
    most = PLACEMENT_GROUP_SIZE if single else {"platform": 1000, "id": 600, "uri": 100}[kind]
    if capacity_of(sku) > most:
        message = (
            f"The requested number exceeds the total limit of '{most}' Virtual Machine instances."
        )
        raise errors.not_allowed(message)


def _check_policy(properties: Json) -> None:
    """The upgrade policy: a mode that there is, percentages and a duration that are some, health for mode Rolling."""
    policy = properties["upgradePolicy"]
    mode = str(policy.get("mode", "Manual"))
    if mode.lower() not in MODES:
        raise errors.bad_parameter(
            f"The value '{mode}' of parameter 'upgradePolicy.mode' is invalid.", "mode"
        )
    rolling = policy.get("rollingUpgradePolicy") or {}
    for name, allowed in _PERCENTS.items():
        if name in rolling and (type(rolling[name]) is not int or rolling[name] not in allowed):
            told = f"The value '{rolling[name]}' of '{name}' must be between {allowed[0]} and {allowed[-1]}."
            raise errors.bad_parameter(told, f"rollingUpgradePolicy.{name}")
    seconds_of(rolling.get("pauseTimeBetweenBatches", "PT0S"))
    if mode.lower() == "rolling" and not reports_health(properties["virtualMachineProfile"]):
        message = "Rolling Upgrade mode is not supported for this Virtual Machine Scale Set because a health probe or "
        raise errors.Refusal(400, "BadRequest", message + "health extension was not provided.")


def _check_image(
    location: str, profile: Json, current: Json | None, images: Container[str]
) -> None:
    kind, name = image_of(profile)
    reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
    if current is not None and image_of(current)[0] != kind:
        message = "The image type of a virtual machine scale set may not be changed."
        raise errors.not_allowed(message, "imageReference")
    if kind == "id" and "version" in reference:
        message = "The property 'imageReference.id' cannot be used together with property 'imageReference.version'."
        raise errors.bad_parameter(message, "imageReference")
    if kind == "id" and name.lower() not in images:
        raise errors.no_image(name, location)
    if kind == "platform":
        check_platform_image(reference, str(reference.get("version")))


def check_platform_image(reference: Json, version: str) -> None:
    """Refuses a version of a platform image that there is none of; `latest` is one."""
    keys = [str(reference.get(key, "")) for key in ("publisher", "offer", "sku")]
    versions = catalog.find(catalog.IMAGES, *keys) or []
    if not versions or version not in [*versions, "latest"]:
        raise errors.no_platform_image(":".join([*keys, version]))
