"""Check the skeleton of what Azure answers, once, where it enters.

Below this nothing has to expect a list in place of an object, or a number in place of an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._ids import IMAGE_ID_KEYS
from .errors import AzureError

_IMAGE_PARTS = ("publisher", "offer", "sku", "version", "exactVersion", *IMAGE_ID_KEYS)


def require_object(body: Any, what: str) -> dict[str, Any]:
    """Return an answer that must be a JSON object.

    Args:
        body: The JSON.
        what: What was asked for, for the error.

    Returns:
        The same, a dict.

    Raises:
        AzureError: It is something else; its code is `InvalidResponse`.
    """
    if not isinstance(body, dict):
        raise _invalid(f"{what} must be an object, not {_kind(body)}")
    return body


def require_scale_set(body: Any) -> dict[str, Any]:
    """Return a scale set whose parts are of the right kinds.

    Args:
        body: The JSON.

    Returns:
        The same, a dict, with `properties`.

    Raises:
        AzureError: A part is missing or of another kind; its code is `InvalidResponse`.
    """
    model = require_object(body, "a scale set")
    properties = _member(model, "properties", "a scale set", is_required=True)
    policy = _member(properties, "upgradePolicy", "properties")
    _member(policy, "automaticOSUpgradePolicy", "upgradePolicy")
    _member(properties, "automaticRepairsPolicy", "properties")
    profile = _member(properties, "virtualMachineProfile", "properties")
    _check_storage(_member(profile, "storageProfile", "virtualMachineProfile"))
    _member(profile, "extensionProfile", "virtualMachineProfile")
    _member(model, "sku", "a scale set")
    _member(model, "plan", "a scale set")
    return model


def require_instances(entries: list[Any]) -> list[Any]:
    """Return instances whose parts are of the right kinds.

    Args:
        entries: The entries of a list.

    Returns:
        The same list. An id that came as a number is a string in it, and so is a zone; statuses
        without a code are left out.

    Raises:
        AzureError: A part is missing or of another kind; its code is `InvalidResponse`.
    """
    for entry in entries:
        require_instance(entry)
    return entries


def require_instance(entry: Any) -> dict[str, Any]:
    """Return one instance whose parts are of the right kinds.

    Args:
        entry: The JSON.

    Returns:
        The same, a dict, as for `require_instances`.

    Raises:
        AzureError: A part is missing or of another kind; its code is `InvalidResponse`.
    """
    instance = require_object(entry, "an instance")
    instance_id = instance.get("instanceId")
    if isinstance(instance_id, int) and not isinstance(instance_id, bool):
        instance_id = str(instance_id)
        instance["instanceId"] = instance_id
    if not isinstance(instance_id, str) or not instance_id:
        raise _invalid(f"instanceId must be a string, not {_kind(instance_id)}")
    zones = instance.get("zones")
    if zones is not None:
        instance["zones"] = [str(zone) for zone in zones if zone] if isinstance(zones, list) else []
    properties = _member(instance, "properties", "an instance")
    _check_storage(_member(properties, "storageProfile", "properties"))
    _member(properties, "protectionPolicy", "properties")
    view = _member(properties, "instanceView", "properties")
    if view:
        _check_view(view)
    return instance


def _check_storage(storage: Mapping[str, Any]) -> None:
    """Check what names an image: texts all of it."""
    reference = _member(storage, "imageReference", "storageProfile")
    disk = _member(storage, "osDisk", "storageProfile")
    image = _member(disk, "image", "osDisk")
    for parent, names in ((reference, _IMAGE_PARTS), (image, ("uri",))):
        for name in names:
            value = parent.get(name)
            if value is not None and not isinstance(value, str):
                raise _invalid(f"{name} of an image must be a string, not {_kind(value)}")


def _check_view(view: dict[str, Any]) -> None:
    statuses = view.get("statuses")
    if statuses is not None:
        entries = statuses if isinstance(statuses, list) else []
        view["statuses"] = [
            status
            for status in entries
            if isinstance(status, dict) and isinstance(status.get("code"), str)
        ]
    health = _member(view, "vmHealth", "instanceView")
    status = _member(health, "status", "vmHealth")
    if status and not isinstance(status.get("code"), str):
        status["code"] = ""
    for domain in ("platformUpdateDomain", "platformFaultDomain"):
        value = view.get(domain)
        if value is not None and not isinstance(value, (int, str)):
            raise _invalid(f"{domain} must be a number, not {_kind(value)}")


def _member(
    parent: Mapping[str, Any], name: str, what: str, *, is_required: bool = False
) -> dict[str, Any]:
    """Return a member that is an object; empty if it is missing or null."""
    value = parent.get(name)
    if value is None and not is_required:
        return {}
    if not isinstance(value, dict):
        raise _invalid(f"{name} of {what} must be an object, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _invalid(message: str) -> AzureError:
    return AzureError(f"The answer is not what Azure documents: {message}", code="InvalidResponse")
