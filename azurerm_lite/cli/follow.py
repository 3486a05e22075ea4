"""`azurerm-lite follow`: follow a rolling upgrade that Azure runs (upgrade mode Rolling)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import azurerm_lite as az

from .arguments import Commands, add_command, add_scale_set, add_session
from .image import add_image, has_new_image, image_of, put_new_image, read_model
from .output import Output
from .rollout import check_result
from .session import open_scale_set
from .watch import add_results, check_results, watching

if TYPE_CHECKING:
    from azurerm_lite.sandbox import Sandbox

_SANDBOX_SET = "rolling"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "follow",
        "follow a rolling upgrade that Azure runs",
        "Follow the rolling upgrade of a scale set in upgrade mode Rolling.",
        details="With an image option, set the image in the model first; Azure then starts one.",
        usage="-r GROUP -s SET [-n VERSION] [options]",
        examples=("--sandbox", "-r myrg -s web", "-r myrg -s web -n latest"),
    )
    add_scale_set(parser)
    add_image(parser)
    add_results(parser)
    add_session(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Follow a rolling upgrade.

    Returns:
        The exit status.
    """
    check_results(options, output)
    if options.sandbox and not options.vmssname and not has_new_image(options):
        options.newversion = "latest"
    with (
        open_scale_set(options, output, sandbox_set=_SANDBOX_SET, prepare=add_rolling_set) as where,
        watching("follow", where, options, output) as watch,
    ):
        before = read_model(where, "Rolling")
        model = put_new_image(where, before, options, output)
        if az.get_image(model) != az.get_image(before):
            change = f"image of the model: {image_of(before)} → {image_of(model)}"
            watch.report.changes.append(change)
        watch.follow(az.follow_rolling_upgrade(*where))
        return check_result(where, output)


def add_rolling_set(sandbox: Sandbox) -> None:
    """Add a scale set in upgrade mode Rolling to the sandbox."""
    sandbox.add_vmss(_SANDBOX_SET, 5, mode="Rolling")
