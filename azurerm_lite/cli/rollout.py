"""`azurerm-lite rollout`: set a new image in the model, and upgrade batch by batch."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import azurerm_lite as az

from .arguments import Commands, add_command, add_scale_set, add_session
from .exit_status import DONE, FAILED, UsageError
from .image import (
    add_image,
    describe_change,
    image_of,
    new_model,
    put_new_image,
    read_model,
    use_newest_version_on_sandbox,
)
from .output import Output
from .rollout_options import add_restriction, add_rollout_options, keywords, parse_only
from .session import Where, confirm, open_scale_set
from .watch import Watch, add_results, check_results, watching


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "rollout",
        "set a new image, and upgrade batch by batch",
        "Set a new image in the model, and upgrade the instances batch by batch.",
        details="Ctrl-C stops it. Run the same command again to resume.",
        usage="-r GROUP -s SET [-n VERSION] [options]",
        examples=(
            "--sandbox",
            "-r myrg -s web -n latest --dry-run",
            "-r myrg -s web -n latest --canary 1 --bake 60 --on-failure rollback",
        ),
    )
    add_scale_set(parser)
    add_image(parser)
    add_rollout_options(parser, "rollout")
    add_restriction(parser)
    add_results(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Roll out an image to a scale set.

    Returns:
        The exit status.
    """
    check_results(options, output)
    try:
        start(Where(lambda: "", "", "", ""), options)  # checks the options, and sends nothing
    except ValueError as error:
        raise UsageError(str(error)) from None
    use_newest_version_on_sandbox(options)
    with (
        open_scale_set(options, output) as where,
        watching("rollout", where, options, output) as watch,
    ):
        if options.dry_run:
            return dry_run(where, options, watch)
        return roll_out(where, options, watch)


def start(
    where: Where, options: argparse.Namespace, dry_run: bool | Mapping[str, Any] = False
) -> Iterator[az.Event]:
    """Return the events of a rollout, which sends nothing before the first one."""
    return az.rollout(
        *where, **keywords(options, "rollout"), only=parse_only(options), dry_run=dry_run
    )


def dry_run(where: Where, options: argparse.Namespace, watch: Watch) -> int:
    """Print the plan of the rollout, with the new image if one was passed."""
    model = az.get_vmss(*where)
    changed = new_model(where, model, options)
    if changed is not None:
        change = describe_change(model, changed)
        watch.output.text(f"image of the model would change: {change}")
    watch.follow(start(where, options, dry_run=changed or True))
    watch.report.outcome = "dry run, nothing was changed"
    return DONE


def roll_out(where: Where, options: argparse.Namespace, watch: Watch) -> int:
    """Set the new image if one was passed, upgrade the instances, check the result."""
    model = read_model(where)
    # Reject domains and instances that do not exist before the model is changed.
    az.plan_rollout(
        az.get_instance_views(*where),
        by=options.by or "update_domain",
        only=parse_only(options),
    )
    changed = put_new_image(where, model, options, watch.output)
    if az.get_image(changed) != az.get_image(model):
        watch.report.changes.append(f"image of the model: {image_of(model)} → {image_of(changed)}")
    confirm(options, "Start the rollout?")
    watch.follow(start(where, options))
    return check_result(where, watch.output)


def names_of_image(instance: az.Instance) -> set[str]:
    """Return the names that an instance's image can have in a model.

    One name has the exact version, the other one does not.
    A model with version `latest`, or with a gallery image without a version, has no exact one.
    """
    image = az.get_image(instance)
    exact = az.image_name(image).lower()
    image["exact_version"] = ""
    return {exact, az.image_name(image).lower()}


def check_result(where: Where, output: Output) -> int:
    """Print how many instances run the model's image.

    Returns:
        The exit status: 0 if all instances do, otherwise 1.
    """
    model = az.get_vmss(*where)
    wanted = image_of(model)
    instances = az.get_instance_views(*where)
    outdated = []
    for instance in instances:
        has_other_image = wanted.lower() not in names_of_image(instance)
        # Azure may not report it for members of Flexible sets.
        is_outdated = instance["properties"].get("latestModelApplied") is False
        if has_other_image or is_outdated:
            outdated.append(instance["instanceId"])
    count = f"{len(instances) - len(outdated)} of {len(instances)}"
    output.text(f"{count} instances of {where.vmss_name} run {wanted}.")
    if outdated:
        output.error(f"not upgraded: {', '.join(outdated)}; see azurerm-lite status")
    return FAILED if outdated else DONE
