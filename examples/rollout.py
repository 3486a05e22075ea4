"""Move a scale set to a new image, one update domain at a time, and watch it.

    python examples/rollout.py --sandbox
    python examples/rollout.py -r mygroup -s web -n 22.04.202411010 --on-failure rollback
    python examples/rollout.py -r mygroup -s web --rollback

Ctrl-C stops it; the same command goes on from there. The exit status is 0 when every instance runs
the model's image, 1 when something went wrong or is left, 2 for wrong arguments, 3 when a batch
failed and was rolled back, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import common

import azurerm_lite as az
from azurerm_lite.errors import RollbackImageUnknown
from azurerm_lite.rollout.options import RolloutOptions

DEFAULTS = RolloutOptions()


def parser() -> argparse.ArgumentParser:
    """Return a parser: the arguments of all examples, and the options of a rollout."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    add_rollout_options(arguments)
    some = arguments.add_argument_group("only a part of the scale set")
    some.add_argument("--domains", metavar="0,1", help="only these domains")
    some.add_argument("--instances", metavar="3,12", help="only these instances")
    instead = arguments.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="only say what would be done")
    instead.add_argument(
        "--rollback",
        action="store_true",
        help="go back to the image that instances still run, or given",
    )
    instead.add_argument(
        "--follow", action="store_true", help="watch the rolling upgrade of a set in mode Rolling"
    )
    arguments.add_argument(
        "--capacity",
        type=int,
        metavar="N",
        help="the number of instances to end with, to resume with --surge or to roll back from it",
    )
    arguments.add_argument("--json", action="store_true", help="a line of JSON for each event")
    return arguments


def add_rollout_options(arguments: argparse.ArgumentParser) -> None:
    """Add the options that one rollout and a fleet share; their defaults are the library's."""
    batches = arguments.add_argument_group("batches")
    batches.add_argument(
        "--by",
        type=parse_count,
        default=DEFAULTS.by,
        help="update_domain, fault_domain, zone, 5, 20%%",
    )
    batches.add_argument(
        "--max-batch",
        type=parse_count,
        default=DEFAULTS.max_batch,
        metavar="N",
        help="the most at a time: a number, or 20%%",
    )
    batches.add_argument(
        "--canary",
        type=parse_count,
        default=DEFAULTS.canary,
        metavar="N",
        help="the most in the first batch: a number, or 5%%",
    )
    batches.add_argument(
        "--surge",
        type=parse_count,
        default=DEFAULTS.surge,
        metavar="N",
        help="extra instances meanwhile: a number, or 20%%",
    )
    batches.add_argument(
        "--pause",
        type=float,
        default=DEFAULTS.pause,
        metavar="SECONDS",
        help="between two batches",
    )
    care = arguments.add_argument_group("care")
    care.add_argument(
        "--bake",
        type=float,
        default=DEFAULTS.bake,
        metavar="SECONDS",
        help="for which a batch must stay healthy",
    )
    care.add_argument(
        "--canary-bake",
        type=float,
        default=DEFAULTS.canary_bake,
        metavar="SECONDS",
        help="the same for the first batch",
    )
    care.add_argument(
        "--check",
        metavar="COMMAND",
        help="run for each batch, its ids in INSTANCE_IDS; 0 means healthy",
    )
    care.add_argument(
        "--health-timeout",
        type=float,
        default=DEFAULTS.health_timeout,
        metavar="SECONDS",
        help="for each batch",
    )
    care.add_argument(
        "--max-unhealthy",
        type=parse_count,
        default=DEFAULTS.max_unhealthy,
        metavar="N",
        help="outside a batch: a number, or 20%%",
    )
    care.add_argument(
        "--on-failure",
        choices=["stop", "rollback"],
        default=DEFAULTS.on_failure,
        help="when a batch fails",
    )


def parse_count(text: str) -> int | str:
    """Return a whole number if the text is one, else the text."""
    return int(text) if text.isdecimal() else text


def parse_only(options: argparse.Namespace) -> list[int | str] | None:
    """Return the domains (whole numbers) and instances (strings) to upgrade; `None` for all."""
    parts: list[int | str] = []
    for name, parse in (("domains", parse_count), ("instances", str)):
        given = getattr(options, name)
        if given is None:
            continue
        values = [value.strip() for value in given.split(",") if value.strip()]
        if not values:  # a variable of the shell that is not set: not all are meant
            raise ValueError(f"--{name} is empty")
        parts += [parse(value) for value in values]
    return parts or None


def run_check(command: str, timeout: float) -> Callable[[list[az.Instance]], object]:
    """Return a check that runs a command: it passes if that ends with 0 in time."""
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise ValueError(f"--check: {error} in {command!r}") from None
    if not words or not shutil.which(words[0].strip('"')):
        raise ValueError(f"--check: there is no program {words[0] if words else command!r}")

    def check(instances: list[az.Instance]) -> object:
        ids = ",".join(instance["instanceId"] for instance in instances)
        done = subprocess.run(  # noqa: S603 - the user's own command
            words,
            env={**os.environ, "INSTANCE_IDS": ids},
            capture_output=True,
            text=True,
            check=False,
            timeout=max(1.0, timeout),
        )
        printed = " ".join((done.stderr or done.stdout).split())
        return done.returncode == 0 or f"{command} ended with {done.returncode}: {printed}"

    return check


def state(instance: az.Instance) -> tuple[str, str]:
    """Return a sign and a style for an instance, so that colour is not the only sign."""
    provisioning_state = az.provisioning_state(instance)
    if provisioning_state == "failed":
        return "!", "bold red"
    if provisioning_state in ("updating", "creating", "deleting"):
        return "~", "bold yellow"
    return ("+", "green") if instance["properties"].get("latestModelApplied") else (".", "dim")


def table(event: az.Event) -> Any:
    """Return a table of the update domains, with the state of each instance, and a legend."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    states = {instance["instanceId"]: state(instance) for instance in event.instances}
    rows = Table(
        "update domain",
        "instances",
        title=f"{event.latest} of {event.total} upgraded",
        title_justify="left",
    )
    for domain, ids in az.by_update_domain(event.instances).items():
        cells = []
        for instance_id in ids:
            sign, style = states[instance_id]
            cells.append(Text(f"{sign}{instance_id}", style))
        rows.add_row(str(domain), Text(" ").join(cells))
    legend = Text("+ upgraded  ~ upgrading  . waiting  ! failed", "dim")
    return Group(rows, legend, Text(event.message))


@contextlib.contextmanager
def display() -> Iterator[Callable[[az.Event], None]]:
    """Return a function that shows events: a table on a terminal, else lines."""
    try:
        if not sys.stdout.isatty():
            raise ImportError
        from rich.live import Live
    except ImportError:
        yield print_lines()
        return
    with Live(refresh_per_second=8) as live:

        def show(event: az.Event) -> None:
            if event.kind not in ("progress", "waiting", "finished"):
                live.console.print(str(event), highlight=False)
            live.update(table(event))

        yield show


def print_lines() -> Callable[[az.Event], None]:
    """Return a function that prints events; of mere progress, one in ten seconds."""
    last = 0.0

    def show(event: az.Event) -> None:
        nonlocal last
        if event.kind != "progress" or time.monotonic() - last >= 10:
            last = time.monotonic()
            print(event, flush=True)

    return show


def print_json(event: az.Event | az.FleetEvent) -> None:
    """Print an event as a line of JSON, for a log or another program."""
    print(json.dumps(event.to_dict()), file=sys.__stdout__, flush=True)


def shared_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that rollout and rollback both have."""
    check = None
    if options.check is not None:
        check = run_check(options.check, options.health_timeout)
    return {
        "by": options.by,
        "max_batch": options.max_batch,
        "pause": options.pause,
        "bake": options.bake,
        "check": check,
        "health_timeout": options.health_timeout,
        "max_unhealthy": options.max_unhealthy,
    }


def start_rollout(
    where: common.Where, options: argparse.Namespace, dry_run: Any = False
) -> Iterator[az.Event]:
    """Return the rollout that was asked for; nothing is sent before its first event."""
    # With --rollback the capacity is that of az.rollback().
    capacity = None if options.rollback else options.capacity
    return az.rollout(
        *where,
        **shared_options(options),
        only=parse_only(options),
        canary=options.canary,
        canary_bake=options.canary_bake,
        surge=options.surge,
        capacity=capacity,
        on_failure=options.on_failure,
        dry_run=dry_run,
    )


def watch(events: Iterator[az.Event], options: argparse.Namespace) -> None:
    """Show the events; after Ctrl-C, print what was done and how to resume."""
    event = None
    is_rolling_back = False
    try:
        with contextlib.nullcontext(print_json) if options.json else display() as show:
            for event in events:
                is_rolling_back = is_rolling_back or event.kind == "rolling_back"
                show(event)
    except az.RolloutHalted as halt:
        if is_rolling_back and not halt.rolled_back:
            print(how_to_resume(options, is_rolling_back, event), file=sys.stderr)
        if options.json:
            print(json.dumps(halt_to_dict(halt)), file=sys.__stdout__, flush=True)
        raise
    except (KeyboardInterrupt, BrokenPipeError):
        if event is not None:
            print_interrupted(event)
            print(how_to_resume(options, is_rolling_back, event), file=sys.stderr)
        raise


def halt_to_dict(halt: az.RolloutHalted) -> dict[str, Any]:
    """Return a halt for `json.dumps`."""
    return {
        "kind": "halted",
        "message": str(halt),
        "batch": halt.batch and halt.batch.name,
        "unhealthy": halt.unhealthy,
        "rolled_back": halt.rolled_back,
        "summary": halt.summary._asdict(),
    }


def print_interrupted(event: az.Event) -> None:
    """Print how far a rollout came that was interrupted after an event."""
    count = f"{event.latest} of {event.total}"
    print(f"\n{count} instances have the latest model.", file=sys.stderr)
    if event.batch and event.kind in ("batch_started", "progress"):
        print(f"Azure goes on with {event.batch.name}, which was under way.", file=sys.stderr)


def how_to_resume(
    options: argparse.Namespace, is_rolling_back: bool, event: az.Event | None = None
) -> str:
    """Return what to run after an interruption; the same command would undo a rollback."""
    capacity = None if event is None else event.capacity
    with_capacity = "" if capacity is None else f" with --capacity {capacity}"
    if not is_rolling_back or (options.rollback and common.has_new_image(options)):
        return f"Run the same command again{with_capacity} to go on from there."
    return (
        f"It was going back: run it with --rollback{with_capacity} and without a new image to go on"
        " with that; "
        "or without --rollback, where that says that the model is put back already."
    )


def dry_run(where: common.Where, options: argparse.Namespace) -> int:
    """Run a dry run; with a new image, one of the rollout that would follow."""
    model = az.get_vmss(*where)
    changed = common.new_image(where, model, options)
    if changed is not None:
        now = common.image_of(model)
        print(f"the model would ask for {common.image_of(changed)} (now {now})")
    watch(start_rollout(where, options, dry_run=changed or True), options)
    return common.DONE


def roll_back(where: common.Where, options: argparse.Namespace) -> None:
    """Roll back to the image that was given, or to the one that outdated instances still run."""
    image = None
    name = "the image before"
    if common.has_new_image(options):
        model = az.get_vmss(*where)
        changed = common.new_image(where, model, options) or model
        image = az.get_image(changed)
        name = common.image_of(changed)
    common.confirm(options, f"Go back to {name}?")
    try:
        watch(
            az.rollback(*where, image=image, capacity=options.capacity, **shared_options(options)),
            options,
        )
    except RollbackImageUnknown as error:
        raise ValueError(f"{error}. Give it by --newversion, --imageid or --customuri.") from None


def check_result(where: common.Where) -> int:
    """Print how many instances run the model's image; return the exit status."""
    model = az.get_vmss(*where)
    wanted = common.image_of(model)
    is_exact = az.get_image(model).get("version") != "latest"
    instances = az.get_instance_views(*where)
    outdated = []
    for instance in instances:
        has_other_image = is_exact and common.image_of(instance).lower() != wanted.lower()
        # Of members of Flexible sets it may not be known.
        is_outdated = instance["properties"].get("latestModelApplied") is False
        if has_other_image or is_outdated:
            outdated.append(instance["instanceId"])
    count = f"{len(instances) - len(outdated)} of {len(instances)}"
    print(f"{count} instances of {where.vmss_name} run {wanted}.")
    if outdated:
        print(f"error: these do not: {', '.join(outdated)}", file=sys.stderr)
    return common.FAILED if outdated else common.DONE


def read_model_to_roll_out(where: common.Where, options: argparse.Namespace) -> az.ScaleSet:
    """Return the model, once the domains and instances of the options are known to exist."""
    model = common.read_model(where)
    instances = az.get_instance_views(*where)
    az.plan_rollout(instances, by=options.by, only=parse_only(options))
    return model


def work(where: common.Where, options: argparse.Namespace) -> int:
    """Do what was asked for; return the exit status."""
    if options.dry_run:
        return dry_run(where, options)
    if options.rollback:
        roll_back(where, options)
    elif options.follow:
        common.put_model(where, common.read_model(where, "Rolling"), options)
        watch(az.follow_rolling_upgrade(*where), options)
    else:
        common.put_model(where, read_model_to_roll_out(where, options), options)
        common.confirm(options, "Roll it out?")
        watch(start_rollout(where, options), options)
    return check_result(where)


def check_options(options: argparse.Namespace, arguments: argparse.ArgumentParser) -> None:
    """End the program with status 2 if options cannot be used, before anything is sent."""
    forward_only = ("domains", "instances", "canary", "canary_bake", "surge", "on_failure")
    unfit = [
        f"--{name.replace('_', '-')}"
        for name in forward_only
        if getattr(options, name) != arguments.get_default(name)
    ]
    if unfit and (options.rollback or options.follow):
        mode = "--rollback" if options.rollback else "--follow"
        arguments.error(f"{mode} sees to the whole set: {', '.join(unfit)} cannot be given with it")
    try:
        start_rollout(common.Where(lambda: "", "", "", ""), options)  # checks, and sends nothing
    except ValueError as error:
        arguments.error(str(error))


def main() -> int:
    """Change the model if an image was given, roll it out, and check the result."""
    arguments = parser()
    options = arguments.parse_args()
    check_options(options, arguments)
    # With --json standard output is for programs: what people read goes to standard error.
    people = contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext()
    with people, common.signed_in(arguments, options) as where:
        return work(where, options)


if __name__ == "__main__":
    common.run(main)
