"""Comparison of resource ids and image references without regard to case, as Azure does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

IMAGE_ID_KEYS = ("id", "sharedGalleryImageId", "communityGalleryImageId")
"""The members of an image reference for an image id; a reference has at most one of them."""

_RESOURCE_ID = re.compile(r"/(subscriptions|sharedgalleries|communitygalleries)/", re.IGNORECASE)
_VERSION = re.compile(r"/versions/[^/]+$")


def check_version(argument: str, version: object) -> None:
    """Check that a value is an exact version of an image.

    Args:
        argument: Name of the argument, for the error.
        version: The caller's value.

    Raises:
        ValueError: It is not a version such as `1.2.3`.
    """
    if not isinstance(version, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+){2}", version):
        raise ValueError(f"{argument} must be Major.Minor.Build in digits, not {version!r}")


def fold_id(resource_id: object) -> str:
    """Return a resource id in a form for comparison: equal ids are equal strings.

    Args:
        resource_id: A resource id, or whatever Azure sent in its place.

    Returns:
        The id in lower case, without a slash at the end; `""` if it is not a string.
    """
    return resource_id.rstrip("/").lower() if isinstance(resource_id, str) else ""


def fold_region(name: object) -> str:
    """Return the name of a region from its name or its display name, such as `West Europe`."""
    return str(name).replace(" ", "").lower()


def is_same_id(resource_id: object, other: object) -> bool:
    """Return whether two resource ids name the same resource.

    Args:
        resource_id: A resource id.
        other: Another resource id.

    Returns:
        `True` if both are ids and equal apart from case.
    """
    folded = fold_id(resource_id)
    return folded != "" and folded == fold_id(other)


def runs_image(
    instance_reference: Mapping[str, Any], model_reference: Mapping[str, Any]
) -> bool | None:
    """Return whether an instance runs the image of a model.

    Args:
        instance_reference: The `imageReference` of the instance, with the running `exactVersion`.
        model_reference: The `imageReference` of the model.

    Returns:
        `True` or `False`; `None` if the references do not show it. An example is a gallery image
        that has no version in the model and a version in the instance.
    """
    for key in IMAGE_ID_KEYS:
        if model_reference.get(key) or instance_reference.get(key):
            return _runs_image_id(
                fold_id(instance_reference.get(key)), fold_id(model_reference.get(key))
            )
    for key in ("publisher", "offer", "sku"):
        if _fold(instance_reference.get(key)) != _fold(model_reference.get(key)):
            return False
    wanted = _fold(model_reference.get("version"))
    running = {_fold(instance_reference.get(key)) for key in ("version", "exactVersion")}
    return wanted in running


def _runs_image_id(running: str, wanted: str) -> bool | None:
    if running == wanted:
        return True
    if running and wanted and running == wanted + _version_part(running):
        return None
    return False


def _version_part(image_id: str) -> str:
    found = _VERSION.search(image_id)
    return found.group() if found else ""


def _fold(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def normalize(value: Any) -> Any:
    """Return JSON in a form for comparison: JSON of the same meaning is equal.

    Azure sometimes changes the case of resource ids, and it adds empty members.

    Args:
        value: JSON of a model.

    Returns:
        The JSON with ids in lower case and without members that are empty, `false` or `null`.
    """
    if isinstance(value, Mapping):
        members = {key: normalize(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if _is_set(member)}
    if isinstance(value, list):
        return [normalize(entry) for entry in value]
    if isinstance(value, str) and _RESOURCE_ID.match(value):
        return fold_id(value)
    return value


def _is_set(member: Any) -> bool:
    return member is not None and member is not False and member not in ({}, [], "")
