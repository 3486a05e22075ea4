"""The new image of a command: its arguments, and the change of the model."""

from __future__ import annotations

import argparse

import azurerm_lite as az

from .output import Output
from .session import Where, confirm


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the options for a new image."""
    group = parser.add_argument_group("new image (of the same kind as the current one)")
    group.add_argument(
        "-n", "--newversion", metavar="VERSION", help="version of a platform image, or latest"
    )
    group.add_argument("--sku", metavar="SKU", help="SKU of a platform image")
    group.add_argument("--imageid", metavar="ID", help="id of a managed or gallery image")
    group.add_argument("-c", "--customuri", metavar="URI", help="URL of an unmanaged image")


def has_new_image(options: argparse.Namespace) -> bool:
    """Return whether an option for a new image was passed."""
    return any((options.newversion, options.sku, options.imageid, options.customuri))


def use_newest_version_on_sandbox(options: argparse.Namespace) -> None:
    """Set --newversion to latest for the demo sets of --sandbox, if no image was passed."""
    is_own_set = options.vmssname in (None, "web", "flex")
    if options.sandbox and is_own_set and not has_new_image(options):
        options.newversion = "latest"


def read_model(where: Where, mode: str = "Manual") -> az.ScaleSet:
    """Return the scale set's model.

    Args:
        where: The scale set.
        mode: The required upgrade mode.

    Raises:
        ValueError: The scale set is in another upgrade mode, or has no image.
        AzureError: Azure returned an error.
    """
    model = az.get_vmss(*where)
    az.get_image(model)  # raises for a Flexible set without a VM profile
    actual = az.upgrade_mode(model)
    if actual.lower() == mode.lower():
        return model
    if actual.lower() == "manual":
        raise ValueError(
            f"{where.vmss_name} is in upgrade mode Manual, in which Azure runs no rolling upgrades."
            " Use azurerm-lite rollout instead."
        )
    raise ValueError(
        f"{where.vmss_name} is in upgrade mode {actual}: Azure would upgrade its instances "
        f"automatically as soon as the model changes. Set upgradePolicy.mode to {mode} first."
    )


def newest_version(where: Where, model: az.ScaleSet, sku: str | None) -> str:
    """Return the newest version of the model's platform image, optionally of another SKU.

    Raises:
        ValueError: The image is not a platform image, or has no version.
    """
    image = az.get_image(model)
    if image["kind"] != "platform":
        raise ValueError(
            f"--newversion applies to platform images only, and {where.vmss_name} has a custom"
            " image; pass --imageid or --customuri"
        )
    names = (model["location"], image["publisher"], image["offer"], sku or image["sku"])
    newest = az.list_sku_versions(
        where.access_token, where.subscription_id, *names, top=1, newest_first=True
    )
    if not newest:
        raise ValueError(f"no version of {':'.join(names[1:])} exists in {names[0]}; check --sku")
    return newest[0]["name"]


def new_model(where: Where, model: az.ScaleSet, options: argparse.Namespace) -> az.ScaleSet | None:
    """Return the model with the new image.

    Returns:
        The changed model; `None` if no image was passed, or the model already has it.

    Raises:
        ValueError: The image does not fit the model.
    """
    if not has_new_image(options):
        return None
    version = options.newversion
    if version == "latest":
        # Azure resolves "latest" for each instance separately, so instances could differ.
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


def describe_change(before: az.ScaleSet, changed: az.ScaleSet) -> str:
    """Return the old and the new image of a model on one line; only versions if these differ."""
    old = image_of(before)
    new = image_of(changed)
    old_series, _, old_version = old.rpartition(":")
    new_series, _, new_version = new.rpartition(":")
    if old_series.count(":") == 2 and old_series == new_series:
        return f"{old_version} -> {new_version}"
    return f"{old} -> {new}"


def put_new_image(
    where: Where, model: az.ScaleSet, options: argparse.Namespace, output: Output
) -> az.ScaleSet:
    """Set the new image in the model, after a confirmation; return the model.

    Raises:
        ValueError: The image does not fit the model.
        AzureError: Azure returned an error.
    """
    changed = new_model(where, model, options)
    if changed is None:
        output.text(f"{where.vmss_name}: the model is unchanged: {image_of(model)}")
        return model
    output.text(f"{where.vmss_name}: image of the model: {describe_change(model, changed)}")
    confirm(options, "Change the model?")
    put: az.ScaleSet = az.wait(where.access_token, az.put_vmss(*where, changed), timeout=900)
    return put
