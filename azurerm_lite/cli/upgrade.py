"""`azurerm-lite upgrade`: chosen instances, or one update domain, all at once."""

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
from .watch import Watch, add_results, check_results, watching


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "upgrade",
        "chosen instances or one update domain, at once",
        "Upgrade chosen instances, or one update domain, all at once.",
        details="For the whole set, batch by batch, use azurerm-lite rollout.",
        usage="-r GROUP -s SET (-u N | -i ID | -l IDS) [options]",
        examples=(
            "--sandbox -u 0",
            "-r myrg -s web -n 22.04.202411010 -u 0",
            "-r myrg -s web -l 3,7 --nowait",
        ),
    )
    add_scale_set(parser)
    which = parser.add_argument_group("which instances (one of these)")
    one = which.add_mutually_exclusive_group(required=True)
    one.add_argument("-u", "--updatedomain", type=int, metavar="N", help="this update domain")
    one.add_argument("-i", "--vmid", type=parse_id, metavar="ID", help="this instance")
    one.add_argument("-l", "--vmlist", metavar="IDS", help='these: 3,7 or \'["3", "7"]\'')
    which.add_argument(
        "-w", "--nowait", action="store_true", help="start the upgrade, and do not wait for it"
    )
    add_image(parser)
    add_results(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def parse_id(value: str) -> str:
    """Return one id."""
    if "," in value:
        raise argparse.ArgumentTypeError("one instance; several go in --vmlist")
    return value


def parse_ids(text: str) -> list[str]:
    """Return the ids of a JSON list, or of a list with commas.

    Raises:
        UsageError: There is no id.
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
    """Change the model if a new image is named, and upgrade the instances."""
    output = watch.output
    before = read_model(where)
    ids = choose_instances(where, options)
    chosen = f"{len(ids)} of the instances of {where.vmss_name}: {', '.join(ids)}"
    if options.dry_run:
        changed = new_model(where, before, options) or before
        message = f"to {image_of(changed)} would go {chosen}; dry run: nothing was changed"
        output.text(message)
        output.record({"kind": "dry_run", "image": image_of(changed), "instance_ids": ids})
        watch.report.end("dry run, nothing was changed", message)
        return DONE
    model = put_new_image(where, before, options, output)
    if az.get_image(model) != az.get_image(before):
        watch.report.changes.append(f"image of the model: {image_of(before)} → {image_of(model)}")
    output.text(f"Upgrading {chosen}")
    confirm(options, "Upgrade them?")
    if options.nowait:
        az.manual_upgrade(*where, ids)
        message = "The upgrade was started; Azure continues with it."
        output.text(message)
        output.record({"kind": "started", "image": image_of(model), "instance_ids": ids})
        watch.report.end("started", message)
        return DONE
    watch.follow(az.rollout(*where, by=len(ids), only=ids))
    output.text(f"They run {image_of(model)}.")
    return DONE


def choose_instances(where: Where, options: argparse.Namespace) -> list[str]:
    """Return the ids that were asked for, all of which the scale set has.

    Raises:
        ValueError: The set does not have such a domain or instance.
    """
    instances = az.get_instance_views(*where)
    domain = options.updatedomain
    if domain is not None:
        domains = az.by_update_domain(instances)
        if domain not in domains:
            known = ", ".join(map(str, domains))
            raise ValueError(f"there is no update domain {domain}: there are {known}")
        return domains[domain]
    ids: list[str] = options.vmlist or [options.vmid]
    az.plan_rollout(instances, only=ids)  # raises if the set does not have them
    return ids
