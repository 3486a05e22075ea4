"""`azurerm-lite bump`: set a new image in the model, without changing an instance."""

from __future__ import annotations

import argparse

import azurerm_lite as az

from .arguments import Commands, add_command, add_scale_set, add_session
from .exit_status import DONE, UsageError
from .image import (
    add_image,
    describe_change,
    has_new_image,
    image_of,
    new_model,
    put_new_image,
    read_model,
    use_newest_version_on_sandbox,
)
from .output import Output
from .session import Where, open_scale_set
from .text import plural


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "bump",
        "set a new image in the model only",
        "Set a new image in the model. No instance is changed.",
        details="To upgrade the instances, run azurerm-lite rollout or azurerm-lite upgrade.",
        usage="-r GROUP -s SET -n VERSION [options]",
        examples=("--sandbox", "-r myrg -s web -n latest", "-r myrg -s web -n latest --dry-run"),
    )
    add_scale_set(parser)
    add_image(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Change the image of a model.

    Returns:
        The exit status.
    """
    use_newest_version_on_sandbox(options)
    if not has_new_image(options):
        raise UsageError("pass an image: --newversion, --sku, --imageid or --customuri")
    with open_scale_set(options, output) as where:
        return bump(where, options, output)


def bump(where: Where, options: argparse.Namespace, output: Output) -> int:
    """Set the new image in the model, and print how many instances are outdated."""
    before = read_model(where)
    if options.dry_run:
        changed = new_model(where, before, options) or before
        output.text(f"image of the model would change: {describe_change(before, changed)}")
        output.text("dry run: nothing was changed")
        output.record({"kind": "dry_run", "image": image_of(changed), "before": image_of(before)})
        return DONE
    model = put_new_image(where, before, options, output)
    outdated = [
        instance["instanceId"]
        for instance in az.get_instance_views(*where)
        if not instance["properties"].get("latestModelApplied")
    ]
    image = image_of(model)
    output.text(f"The model has the image {image}.")
    if outdated:
        count = plural(len(outdated), "instance")
        output.text(f"{count} still to upgrade; run azurerm-lite rollout.")
    output.record(
        {"kind": "model", "image": image, "before": image_of(before), "outdated": outdated}
    )
    return DONE
