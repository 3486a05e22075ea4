"""Move a scale set to a new image, one update domain at a time, and watch it.

    python examples/rollout.py --sandbox python examples/rollout.py -r mygroup -s web -n
    22.04.202411010 --canary 1 --bake 300 --on-failure rollback python examples/rollout.py -r
    mygroup -s web --rollback

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


def parser() -> argparse.ArgumentParser:
    """The arguments: those of all examples, and how to roll."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    add_care(arguments)
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
    arguments.add_argument("--json", action="store_true", help="a line of JSON for each event")
    return arguments


def add_care(arguments: argparse.ArgumentParser) -> None:
    """The arguments for the batches of a scale set, and for the care that is taken of them."""
    batches = arguments.add_argument_group("batches")
    batches.add_argument(
        "--by", default="update_domain", help="update_domain, fault_domain, zone, 5, 20%%"
    )
    batches.add_argument("--max-batch", metavar="N", help="the most at a time: a number, or 20%%")
    batches.add_argument(
        "--canary", metavar="N", help="the most in the first batch: a number, or 5%%"
    )
    batches.add_argument(
        "--pause", type=float, default=0, metavar="SECONDS", help="between two batches"
    )
    care = arguments.add_argument_group("care")
    care.add_argument(
        "--bake",
        type=float,
        default=0,
        metavar="SECONDS",
        help="for which a batch must stay healthy",
    )
    care.add_argument(
        "--canary-bake", type=float, metavar="SECONDS", help="the same for the first batch"
    )
    care.add_argument(
        "--check",
        metavar="COMMAND",
        help="run for each batch, its ids in INSTANCE_IDS; 0 means healthy",
    )
    care.add_argument(
        "--health-timeout", type=float, default=1800, metavar="SECONDS", help="for each batch"
    )
    care.add_argument(
        "--max-unhealthy", default="0", metavar="N", help="outside a batch: a number, or 20%%"
    )
    care.add_argument(
        "--on-failure", choices=["stop", "rollback"], default="stop", help="when a batch fails"
    )


def number(text: str | None) -> Any:
    """A whole number where the text is one."""
    return int(text) if text and text.isdecimal() else text


def only(options: argparse.Namespace) -> list[int | str] | None:
    """The domains (whole numbers) and instances (strings) to keep to; `None` for all."""
    for name in ("domains", "instances"):
        given = getattr(options, name)
        if given is not None and not given.strip(
            " ,"
        ):  # a shell's variable that is not set: not all are meant
            raise ValueError(f"--{name} is empty")
    domains = [number(each.strip()) for each in (options.domains or "").split(",") if each.strip()]
    instances = [each.strip() for each in (options.instances or "").split(",") if each.strip()]
    return [*domains, *instances] or None


def checked_by(command: str, timeout: float) -> Callable[[list[Any]], object]:
    """A check that runs a command: it is content when that ends with 0, within so many seconds."""
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise ValueError(f"--check: {error} in {command!r}") from None
    if not words or not shutil.which(words[0].strip('"')):
        raise ValueError(f"--check: there is no program {words[0] if words else command!r}")

    def check(instances: list[Any]) -> object:
        ids = ",".join(vm["instanceId"] for vm in instances)
        env = {**os.environ, "INSTANCE_IDS": ids}
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, check=False, timeout=max(1.0, timeout)
        )
        told = " ".join((done.stderr or done.stdout).split())
        return done.returncode == 0 or f"{command} ended with {done.returncode}: {told}"

    return check


def state(instance: Any) -> tuple[str, str]:
    """How the table shows an instance: a mark and a style, so that colour is never the only sign."""
    now = instance["properties"].get("provisioningState")
    if now in ("Failed", "Updating"):
        return ("!", "bold red") if now == "Failed" else ("~", "bold yellow")
    return ("+", "green") if instance["properties"].get("latestModelApplied") else (".", "dim")


def table(event: Any) -> Any:
    """A row for each update domain, its instances with their state, and what happens right now."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = {vm["instanceId"]: state(vm) for vm in event.instances}
    rows = Table(
        "update domain",
        "instances",
        title=f"{event.latest} of {event.total} upgraded",
        title_justify="left",
    )
    for domain, ids in az.by_update_domain(event.instances).items():
        cells = (Text(f"{shown[each][0]}{each}", shown[each][1]) for each in ids)
        rows.add_row(str(domain), Text(" ").join(cells))
    legend = Text("+ upgraded  ~ upgrading  . waiting  ! failed", "dim")
    return Group(rows, legend, Text(event.message))


@contextlib.contextmanager
def display() -> Iterator[Callable[[Any], None]]:
    """Shows events: a table that changes in place on a terminal, else lines."""
    try:
        if not sys.stdout.isatty():
            raise ImportError
        from rich.live import Live
    except ImportError:
        yield lines()
        return
    with Live(refresh_per_second=8) as live:

        def show(event: Any) -> None:
            if event.kind not in ("progress", "waiting", "finished"):
                live.console.print(str(event), highlight=False)
            live.update(table(event))

        yield show


def lines() -> Callable[[Any], None]:
    """Prints events; of those that only say that something goes on, one each ten seconds."""
    last = 0.0

    def show(event: Any) -> None:
        nonlocal last
        if event.kind != "progress" or time.monotonic() - last >= 10:
            last = time.monotonic()
            print(event, flush=True)

    return show


def json_lines() -> Callable[[Any], None]:
    """Prints events as JSON, for a log or another program."""
    return lambda event: print(json.dumps(event.to_dict()), file=sys.__stdout__, flush=True)


def care(options: argparse.Namespace) -> dict[str, Any]:
    """What rollout and rollback both take."""
    return {
        "by": number(options.by),
        "max_batch": number(options.max_batch),
        "pause": options.pause,
        "bake": options.bake,
        "check": None
        if options.check is None
        else checked_by(options.check, options.health_timeout),
        "health_timeout": options.health_timeout,
        "max_unhealthy": number(options.max_unhealthy),
    }


def forward(where: common.Where, options: argparse.Namespace, **more: Any) -> Iterator[Any]:
    """The rollout that was asked for."""
    how = {
        "only": only(options),
        "canary": number(options.canary),
        "canary_bake": options.canary_bake,
    }
    return az.rollout(*where, **how, **care(options), on_failure=options.on_failure, **more)


def watch(events: Iterator[Any], options: argparse.Namespace) -> None:
    """Goes through the events; Ctrl-C says what was done before it goes on its way."""
    event, is_back = None, False
    try:
        with contextlib.nullcontext(json_lines()) if options.json else display() as show:
            for event in events:
                is_back = is_back or event.kind == "rolling_back"
                show(event)
    except az.RolloutHalted as halt:
        if is_back and not halt.rolled_back:
            print(how_to_go_on(options, is_back), file=sys.stderr)
        if options.json:
            told = {"kind": "halted", "message": str(halt), "batch": halt.batch and halt.batch.name}
            told |= {
                "unhealthy": halt.unhealthy,
                "rolled_back": halt.rolled_back,
                "summary": halt.summary._asdict(),
            }
            print(json.dumps(told), file=sys.__stdout__, flush=True)
        raise
    except (KeyboardInterrupt, BrokenPipeError):
        if event is not None:
            print(
                f"\n{event.latest} of {event.total} instances have the latest model.",
                file=sys.stderr,
            )
            if event.batch and event.kind in ("batch_started", "progress"):
                print(
                    f"Azure goes on with {event.batch.name}, which was under way.", file=sys.stderr
                )
            print(how_to_go_on(options, is_back), file=sys.stderr)
        raise


def how_to_go_on(options: argparse.Namespace, is_back: bool) -> str:
    """What to run after a rollout that was cut off; on the way back not the same again, which would turn it round."""
    if not is_back or (options.rollback and is_given(options)):
        return "Run the same command again to go on from there."
    return (
        "It was going back: run it with --rollback and without a new image to go on with that; or without --rollback, "
        "where that says that the model is put back already."
    )


def is_given(options: argparse.Namespace) -> bool:
    """Whether an image was given."""
    return any((options.newversion, options.sku, options.imageid, options.customuri))


def rehearse(where: common.Where, options: argparse.Namespace) -> int:
    """A dry run; where the model is to change, it is one of the rollout that would follow."""
    model = az.get_vmss(*where)
    changed = common.new_image(where, model, options)
    if changed is not None:
        print(f"the model would ask for {common.shown(changed)} (now {common.shown(model)})")
    watch(forward(where, options, dry_run=changed or True), options)
    return common.DONE


def go_back(where: common.Where, options: argparse.Namespace) -> None:
    """The rollback: to the image that was given, or the one that instances behind the model still run."""
    model = az.get_vmss(*where)
    changed = common.new_image(where, model, options)
    image = az.get_image(changed or model) if is_given(options) else None
    common.confirm(
        options, f"Go back to {common.shown(changed or model) if image else 'the image before'}?"
    )
    try:
        watch(az.rollback(*where, image=image, **care(options)), options)
    except ValueError as error:
        which = "give the image by --newversion, --imageid or --customuri"
        raise ValueError(str(error).replace("image must be given", which)) from None


def ended(where: common.Where) -> int:
    """Whether every instance runs the model's image."""
    model = az.get_vmss(*where)
    wanted, is_exact = common.shown(model), az.get_image(model).get("version") != "latest"
    instances = instances_of(where, model)
    left = [
        vm["instanceId"]
        for vm in instances
        if (is_exact and common.shown(vm) != wanted)
        or not vm["properties"].get("latestModelApplied")
    ]
    print(
        f"{len(instances) - len(left)} of {len(instances)} instances of {where.vmss_name} run {wanted}."
    )
    if left:
        print(f"error: these do not: {', '.join(left)}", file=sys.stderr)
    return common.FAILED if left else common.DONE


def instances_of(where: common.Where, model: Any) -> list[Any]:
    """The instances; those of a Flexible set Azure lists without their views alone."""
    is_flexible = model["properties"].get("orchestrationMode") == "Flexible"
    return az.list_vmss_vms(*where) if is_flexible else az.get_instance_views(*where)


def chosen(where: common.Where, options: argparse.Namespace) -> Any:
    """The model, once it is clear that the set has the domains and instances asked for: nothing is written before."""
    model = common.read_model(where)
    instances = instances_of(where, model)
    az.plan_rollout(instances, by=number(options.by), only=only(options))
    return model


def work(where: common.Where, options: argparse.Namespace) -> int:
    """What was asked for, to its end; the exit status."""
    if options.dry_run:
        return rehearse(where, options)
    if options.rollback:
        go_back(where, options)
    elif options.follow:
        common.put_model(where, common.read_model(where, "Rolling"), options)
        watch(az.follow_rolling_upgrade(*where), options)
    else:
        common.put_model(where, chosen(where, options), options)
        common.confirm(options, "Roll it out?")
        watch(forward(where, options), options)
    return ended(where)


def check_options(options: argparse.Namespace, arguments: argparse.ArgumentParser) -> None:
    """Ends the program with status 2 where options cannot be used, before anything is asked of Azure."""
    forward_only = ("domains", "instances", "canary", "canary_bake", "on_failure")
    unfit = [
        f"--{name.replace('_', '-')}"
        for name in forward_only
        if getattr(options, name) != arguments.get_default(name)
    ]
    if unfit and (options.rollback or options.follow):
        what = "--rollback" if options.rollback else "--follow"
        arguments.error(f"{what} sees to the whole set: {', '.join(unfit)} cannot be given with it")
    try:
        forward(
            common.Where(lambda: "", "", "", ""), options
        )  # checks what it is given, and sends nothing
    except ValueError as error:
        arguments.error(str(error))


def main() -> int:
    """Changes the model where an image was given, rolls it out, and looks whether every instance runs it."""
    arguments = parser()
    options = arguments.parse_args()
    check_options(options, arguments)
    # With --json standard output is for programs: what people read goes the other way.
    people = contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext()
    with people, common.signed_in(arguments, options) as where:
        return work(where, options)


if __name__ == "__main__":
    common.run(main)
