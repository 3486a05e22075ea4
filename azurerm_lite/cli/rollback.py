"""`azurerm-lite rollback`: restore the old image in the model and on the instances."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import azurerm_lite as az
from azurerm_lite.errors import RollbackImageUnknown

from .arguments import Commands, add_command, add_scale_set, add_session
from .exit_status import DONE, UsageError
from .image import add_image, has_new_image, image_of, new_model
from .output import Output
from .rollout import check_result
from .rollout_options import add_rollout_options, keywords
from .session import Where, confirm, open_scale_set
from .text import plural
from .watch import Watch, add_results, check_results, watching

if TYPE_CHECKING:
    from azurerm_lite.sandbox import Sandbox


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "rollback",
        "restore the old image, batch by batch",
        "Restore the old image in the model, then on the instances batch by batch.",
        details="Default: the image that the outdated instances still run.",
        usage="-r GROUP -s SET [-n VERSION] [options]",
        examples=("--sandbox", "-r myrg -s web", "-r myrg -s web -n 22.04.202410020"),
    )
    add_scale_set(parser)
    add_image(parser)
    add_rollout_options(parser, "rollback")
    add_results(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Roll a scale set back.

    Returns:
        The exit status.
    """
    check_results(options, output)
    try:
        az.rollback(
            "", "", "", "", **keywords(options, "rollback")
        )  # checks the options, and sends nothing
    except ValueError as error:
        raise UsageError(str(error)) from None
    with (
        open_scale_set(options, output, prepare=start_partial_rollout) as where,
        watching("rollback", where, options, output) as watch,
    ):
        return roll_back(where, options, watch)


def start_partial_rollout(sandbox: Sandbox) -> None:
    """Upgrade one domain of the sandbox, so that the set is partly upgraded."""
    where = sandbox.where()
    model = az.set_image(az.get_vmss(*where), version="22.04.202411010")
    az.wait(where[0], az.put_vmss(*where, model))
    az.wait(where[0], az.manual_upgrade(*where, [0, 5, 10, 15]))


def roll_back(where: Where, options: argparse.Namespace, watch: Watch) -> int:
    """Roll back to the given image, or to the one that outdated instances still run."""
    model = az.get_vmss(*where)
    image = None
    name = "the image that the outdated instances run"
    if has_new_image(options):
        changed = new_model(where, model, options) or model
        image = az.get_image(changed)
        name = image_of(changed)
    watch.output.text(f"{where.vmss_name}: the model has {image_of(model)}; rolling back to {name}")
    if options.dry_run:
        return dry_run(where, options, watch, image)
    confirm(options, "Roll back?")
    try:
        events = az.rollback(*where, image=image, **keywords(options, "rollback"))
        watch.follow(events, repeats_rollback=image is not None)
    except RollbackImageUnknown as error:
        raise ValueError(f"{error}. Pass it with --newversion, --imageid or --customuri.") from None
    return check_result(where, watch.output)


def dry_run(where: Where, options: argparse.Namespace, watch: Watch, image: az.Image | None) -> int:
    """Print the batches of a rollback, without changing anything."""
    instances = az.get_instance_views(*where)
    wanted = az.image_name(image).lower() if image else None
    for instance in instances:
        # The instances on the latest model are the ones to roll back.
        is_current = instance["properties"].get("latestModelApplied") is not False
        is_wanted = image_of(instance).lower() == wanted if wanted else not is_current
        instance["properties"]["latestModelApplied"] = is_wanted
    given = keywords(options, "rollback")
    plan = {name: given[name] for name in ("by", "max_batch") if name in given}
    batches = az.plan_rollout(instances, **plan)
    for batch in batches:
        ids = ", ".join(batch.instance_ids)
        watch.output.text(f"{batch.name}: {len(batch.instance_ids)} to roll back ({ids})")
        watch.output.record(
            {"kind": "planned", "batch": batch.name, "instance_ids": batch.instance_ids}
        )
    message = f"dry run: nothing was changed; {plural(len(batches), 'batch')} to roll back"
    watch.output.text(message)
    watch.report.end("dry run, nothing was changed", message)
    return DONE
