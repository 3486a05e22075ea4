"""Refresh a set whose image has no version: the newest version, the reimage, the rollback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from requests import Response

from .. import images, vmss
from ..types import Image
from . import messages, plan
from .events import Event
from .reading import known_model, retry_failed_instances
from .state import RolloutState, exact_version_of, ids_by_image, image_of
from .waiting import retry_read


def resolve_version(state: RolloutState) -> Iterator[Event]:
    """Find the version that the instances are to run: for the whole run, so that all get the same.

    Args:
        state: A run that has read the model.

    Yields:
        Events, while a failed request is retried.

    Raises:
        ValueError: The model's image has a version, or is not of a kind that has versions.
        AzureError: Azure refused, or no version can be used.
    """
    if state.version:
        return
    model = known_model(state)
    image = image_of(model)
    if not images.is_floating(image):
        raise ValueError(messages.image_has_version(images.image_name(image)))
    location = str(model.get("location") or "")

    def request() -> None:
        state.version = images.newest_image_version(
            state.scale_set.access_token, state.scale_set.subscription_id, location, image
        )

    yield from retry_read(state, request)


def check_instances(state: RolloutState) -> None:
    """Refuse instances that a reimage would not bring to the newest version.

    Args:
        state: A run that has read model and instances.

    Raises:
        ValueError: Pending instances have another image than the model: a reimage installs theirs.
    """
    wanted = _without_version(image_of(known_model(state)))
    others = [
        instance["instanceId"]
        for instance in plan.pending(state.instances, state.options, current=state.current)
        if _without_version(image_of(instance)) != wanted
    ]
    if others:
        raise ValueError(messages.other_image(others))


def start(state: RolloutState, ids: Sequence[str]) -> Response:
    """Start to reimage instances to the version of the run.

    Args:
        state: The run.
        ids: Ids of instances.

    Returns:
        Azure's answer, of an operation to follow.
    """
    model = known_model(state)
    is_platform = image_of(model).get("kind") == "platform"
    return vmss.reimage_vmss(
        *state.scale_set,
        ids,
        exact_version=state.version if is_platform else None,
        force_update_os_disk_for_ephemeral=_has_ephemeral_disk(state),
    )


def find_previous_image(state: RolloutState) -> Image:
    """Return the image, with its exact version, that a failure of this run is rolled back to.

    Args:
        state: A run that has read model and instances.

    Returns:
        The image given, or the one that the pending instances run; empty if a failure is not to be
        rolled back, or nothing is pending.

    Raises:
        ValueError: Azure could not go back to it, or which one it is is not known.
    """
    options = state.options
    pending = plan.pending(state.instances, options, current=state.current)
    if options.on_failure != "rollback" or not pending:
        return {}
    wanted = image_of(known_model(state))
    if wanted.get("kind") != "platform":
        raise ValueError(messages.NO_GALLERY_ROLLBACK)
    found = ids_by_image(pending)
    image = options.rollback_image
    if image is None and len(found) > 1:
        raise ValueError(messages.several_images(found))
    if image is None:
        image = image_of(pending[0])
    if images.is_floating(image):
        raise ValueError(messages.no_version_to_roll_back_to(images.image_name(image)))
    if not images.is_version_of(image, wanted):
        raise ValueError(messages.rollback_to_other_image(images.image_name(image)))
    return image


def prepare_rollback(state: RolloutState) -> None:
    """Note the version that the instances go back to; those that failed count as pending."""
    image = state.options.rollback_image or {}
    state.version = image.get("exact_version") or image.get("version", "")
    retry_failed_instances(state)


def _without_version(image: Image) -> tuple[str, ...]:
    """Return what names an image beside its exact version, in lower case."""
    parts = ("kind", "publisher", "offer", "sku", "version", "image_id", "image_uri")
    return tuple(str(image.get(part) or "").lower() for part in parts)


def _has_ephemeral_disk(state: RolloutState) -> bool:
    profile = known_model(state)["properties"].get("virtualMachineProfile") or {}
    storage = profile.get("storageProfile") or {}
    disk = storage.get("osDisk") or {}
    return bool(disk.get("diffDiskSettings"))


def unknown_versions(state: RolloutState) -> list[str]:
    """Return the instances whose exact version Azure does not report."""
    return [
        instance["instanceId"] for instance in state.instances if not exact_version_of(instance)
    ]
