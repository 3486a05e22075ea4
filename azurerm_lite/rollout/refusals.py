"""What Azure would refuse about an image: found out before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import images
from ..types import Image
from . import messages

_PLAN_PARTS = ("publisher", "offer", "sku")


def refusal(model: Mapping[str, Any], image: Image) -> str | None:
    """Return why Azure would not take an image into a model.

    Args:
        model: The scale set as `get_vmss` returns it.
        image: The image that is to be put.

    Returns:
        The reason; `None` if none is known.
    """
    properties = model.get("properties") or {}
    policy = (properties.get("upgradePolicy") or {}).get("automaticOSUpgradePolicy") or {}
    if policy.get("enableAutomaticOSUpgrade") and not images.is_floating(image):
        return messages.EXPLICIT_VERSION_REJECTED
    if _changes_plan(model, image):
        return messages.PLAN_CHANGE_REJECTED
    profile = properties.get("virtualMachineProfile") or {}
    security = (profile.get("securityProfile") or {}).get("securityType") or ""
    image_id = image.get("image_id")
    is_managed = bool(image_id) and not images.is_gallery_image(image_id or "")
    if security.lower() == "trustedlaunch" and is_managed:
        return messages.MANAGED_IMAGE_REJECTED
    return None


def refusal_of_model(model: Mapping[str, Any]) -> str | None:
    """Return why Azure would not take a model that is about to be put.

    Args:
        model: The scale set with its new image.

    Returns:
        The reason; `None` if none is known.
    """
    try:
        return refusal(model, images.get_image(model))
    except ValueError:
        return None


def _changes_plan(model: Mapping[str, Any], image: Image) -> bool:
    """Return whether an image is not the one that the set's purchase plan is for."""
    plan = model.get("plan") or {}
    if not plan or image.get("kind") != "platform":
        return False
    wanted = (plan.get("publisher"), plan.get("product"), plan.get("name"))
    found = tuple(image.get(part) for part in _PLAN_PARTS)
    return any(
        str(part).lower() != str(other).lower()
        for part, other in zip(wanted, found, strict=True)
        if part
    )
