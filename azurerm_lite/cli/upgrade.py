"""`azurerm-lite upgrade`: upgrade some instances or one update domain, all at once."""

from __future__ import annotations

import argparse
import json

import azurerm_lite as az

from .arguments import Commands, add_command, add_scale_set, add_session, split_list
from .exit_status import DONE
from .image import (
    add_image,
    image_of,
    new_model,
    put_new_image,
    read_model,
    use_newest_version_on_sandbox,
)
from .output import Output
from .session import Where, confirm, open_scale_set
from .text import plural
from .watch import Watch, add_results, check_results, watching


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "upgrade",
        "upgrade some instances or one update domain",
        "Upgrade some instances or one update domain, all at once.",
        details="For the whole set, batch by batch, use azurerm-lite rollout.",
        usage="-r GROUP -s SET (-u N | -i ID | -l IDS) [options]",
        examples=(
            "--sandbox -u 0",
            "-r myrg -s web -n 22.04.202411010 -u 0",
            "-r myrg -s web -l 3,7 --nowait",
        ),
    )
    add_scale_set(parser)
    which = parser.add_argument_group("instances (pass one of these)")
    one = which.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "-u", "--updatedomain", type=int, metavar="N", help="all instances of this update domain"
    )
    one.add_argument("-i", "--vmid", type=parse_id, metavar="ID", help="one instance")
    one.add_argument(
        "-l", "--vmlist", metavar="IDS", help='several instances: 3,7 or \'["3", "7"]\''
    )
    which.add_argument(
        "-w", "--nowait", action="store_true", help="start the upgrade; do not wait for it"
    )
    add_image(parser)
    add_results(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def parse_id(value: str) -> str:
    """Return the id of one instance."""
    if "," in value:
        raise argparse.ArgumentTypeError(f"pass one id; use --vmlist for several, got {value!r}")
    return value


def parse_ids(text: str) -> list[str]:
    """Return the ids of a JSON list or of a comma-separated list.

    Raises:
        UsageError: The list is empty.
    """
    try:
        ids = json.loads(text)
    except ValueError:
        ids = None
    if isinstance(ids, list):
        text = ",".join(map(str, ids))
    return split_list(text, "--vmlist")


def run(options: argparse.Namespace, output: Output) -> int:
    """Upgrade the chosen instances.

    Returns:
        The exit status.
    """
    check_results(options, output)
    if options.vmlist is not None:
        options.vmlist = parse_ids(options.vmlist)
    use_newest_version_on_sandbox(options)
    with (
        open_scale_set(options, output) as where,
        watching("upgrade", where, options, output) as watch,
    ):
        return upgrade(where, options, watch)


def upgrade(where: Where, options: argparse.Namespace, watch: Watch) -> int:
    """Set the new image if one was passed, and upgrade the instances."""
    output = watch.output
    before = read_model(where)
    ids = choose_instances(where, options)
    count = f"{plural(len(ids), 'instance')} of {where.vmss_name}"
    chosen = f"{count} ({', '.join(ids)})"
    if options.dry_run:
        changed = new_model(where, before, options) or before
        message = f"dry run: nothing was changed; {chosen} would get {image_of(changed)}"
        output.text(message)
        output.record({"kind": "dry_run", "image": image_of(changed), "instance_ids": ids})
        watch.report.end("dry run, nothing was changed", message)
        return DONE
    model = put_new_image(where, before, options, output)
    if az.get_image(model) != az.get_image(before):
        watch.report.changes.append(f"image of the model: {image_of(before)} → {image_of(model)}")
    output.text(f"to upgrade: {chosen}")
    confirm(options, "Upgrade them?")
    if options.nowait:
        az.manual_upgrade(*where, ids)
        message = "Upgrade started. Azure finishes it; check the result with azurerm-lite status."
        output.text(message)
        output.record({"kind": "started", "image": image_of(model), "instance_ids": ids})
        watch.report.end("started", message)
        return DONE
    watch.follow(az.rollout(*where, by=len(ids), only=ids))
    output.text(f"{count} run {image_of(model)}.")
    return DONE


def choose_instances(where: Where, options: argparse.Namespace) -> list[str]:
    """Return the ids of the chosen instances, after checking that they exist.

    Raises:
        ValueError: The domain or an instance does not exist.
    """
    instances = az.get_instance_views(*where)
    domain = options.updatedomain
    if domain is not None:
        domains = az.by_update_domain(instances)
        if domain not in domains:
            known = ", ".join(map(str, domains))
            raise ValueError(
                f"update domain {domain} does not exist; {where.vmss_name} has {known}"
            )
        return domains[domain]
    ids: list[str] = options.vmlist or [options.vmid]
    az.plan_rollout(instances, only=ids)  # raises if one does not exist
    return ids
