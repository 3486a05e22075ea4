"""The new image of a command: its arguments, and putting it into the model."""

from __future__ import annotations

import argparse

import azurerm_lite as az

from .output import Output
from .session import Where, confirm


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a new image."""
    group = parser.add_argument_group("new image (of the kind that the scale set has)")
    group.add_argument(
        "-n", "--newversion", metavar="VERSION", help="version of a platform image, or latest"
    )
    group.add_argument("--sku", metavar="SKU", help="SKU of a platform image")
    group.add_argument("--imageid", metavar="ID", help="id of a managed or gallery image")
    group.add_argument("-c", "--customuri", metavar="URI", help="URL of an unmanaged image")


def has_new_image(options: argparse.Namespace) -> bool:
    """Return whether the arguments name a new image."""
    return any((options.newversion, options.sku, options.imageid, options.customuri))


def use_newest_version_on_sandbox(options: argparse.Namespace) -> None:
    """Make --sandbox roll out the newest version, if no image is named for its own sets."""
    is_own_set = options.vmssname in (None, "web", "flex")
    if options.sandbox and is_own_set and not has_new_image(options):
        options.newversion = "latest"


def read_model(where: Where, mode: str = "Manual") -> az.ScaleSet:
    """Return the scale set's model.

    Args:
        where: The scale set.
        mode: The upgrade mode that it must be in.

    Raises:
        ValueError: It is in another upgrade mode, or has no image.
        AzureError: Azure refused.
    """
    model = az.get_vmss(*where)
    az.get_image(model)  # raises for a Flexible set that was made without a profile
    actual = az.upgrade_mode(model)
    if actual.lower() == mode.lower():
        return model
    if actual.lower() == "manual":
        raise ValueError(
            f"{where.vmss_name} is in upgrade mode Manual: Azure upgrades nothing there by itself."
            " Use azurerm-lite rollout."
        )
    raise ValueError(
        f"{where.vmss_name} is in upgrade mode {actual}: Azure would upgrade its instances by "
        f"itself as soon as the model changes. Set upgradePolicy.mode to {mode} first."
    )


def newest_version(where: Where, model: az.ScaleSet, sku: str | None) -> str:
    """Return the newest version of the model's platform image, or of another SKU.

    Raises:
        ValueError: The image is not a platform image, or there is no version.
    """
    image = az.get_image(model)
    if image["kind"] != "platform":
        raise ValueError(
            f"--newversion does not fit: the image of {where.vmss_name} is not a platform image"
        )
    names = (model["location"], image["publisher"], image["offer"], sku or image["sku"])
    newest = az.list_sku_versions(
        where.access_token, where.subscription_id, *names, top=1, newest_first=True
    )
    if not newest:
        raise ValueError(f"there is no version of {':'.join(names[1:])} in {names[0]}")
    return newest[0]["name"]


def new_model(where: Where, model: az.ScaleSet, options: argparse.Namespace) -> az.ScaleSet | None:
    """Return the model with the new image.

    Returns:
        The changed model; `None` if no image is named, or the model has it already.

    Raises:
        ValueError: The image does not fit the model.
    """
    if not has_new_image(options):
        return None
    version = options.newversion
    if version == "latest":
        # Azure resolves "latest" for each instance separately: instances could then differ.
        version = newest_version(where, model, options.sku)
    changed = az.set_image(
        model,
        version=version,
        sku=options.sku,
        image_id=options.imageid,
        image_uri=options.customuri,
    )
    return changed if az.get_image(changed) != az.get_image(model) else None


def image_of(model: az.ScaleSet | az.Instance) -> str:
    """Return the image of a model or an instance on one line."""
    return az.image_name(az.get_image(model))


def put_new_image(
    where: Where, model: az.ScaleSet, options: argparse.Namespace, output: Output
) -> az.ScaleSet:
    """Put the new image into the scale set's model, after a confirmation; return the model.

    Raises:
        ValueError: The image does not fit the model.
        AzureError: Azure refused.
    """
    changed = new_model(where, model, options)
    if changed is None:
        output.text(f"{where.vmss_name}: the model stays as it is: {image_of(model)}")
        return model
    images = f"{image_of(changed)} (now {image_of(model)})"
    output.text(f"{where.vmss_name}: new image for the model: {images}")
    confirm(options, "Change the model?")
    put: az.ScaleSet = az.wait(where.access_token, az.put_vmss(*where, changed), timeout=900)
    return put
