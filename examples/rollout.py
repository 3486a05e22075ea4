"""Move a scale set to a new image, one update domain at a time, and watch it.

    python examples/rollout.py --sandbox
    python examples/rollout.py -r mygroup -s web -n 22.04.202411010

Ctrl-C stops it; the same command goes on from there. The exit status is 0 when every instance runs the model's image,
1 when something went wrong or is left, 2 for wrong arguments, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import common

import azurerm_lite as az


def parser() -> argparse.ArgumentParser:
    """The arguments: those of all examples, and how to roll."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    arguments.add_argument("--by", default="update_domain", help="batches: update_domain, fault_domain, zone, 5, 20%%")
    arguments.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="between two batches")
    arguments.add_argument("--health-timeout", type=float, default=1800, metavar="SECONDS", help="for each batch")
    arguments.add_argument("--max-unhealthy", default="0", metavar="N", help="outside a batch: a number, or 20%%")
    return arguments


def number(text: str) -> int | str:
    """A whole number where the text is one."""
    return int(text) if text.isdecimal() else text


def state(instance: Any, in_flight: tuple[str, ...]) -> tuple[str, str]:
    """How the table shows an instance: a mark and a style, so that colour is never the only sign."""
    if instance["properties"].get("provisioningState") == "Failed":
        return "!", "bold red"
    if instance["properties"].get("latestModelApplied"):
        return "+", "green"
    return ("~", "bold yellow") if instance["instanceId"] in in_flight else (".", "dim")


def table(event: Any, in_flight: tuple[str, ...]) -> Any:
    """A row for each update domain, its instances with their state, and what happens right now."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = {vm["instanceId"]: state(vm, in_flight) for vm in event.instances}
    rows = Table("update domain", "instances", title=f"{event.latest} of {event.total} upgraded", title_justify="left")
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
    in_flight: tuple[str, ...] = ()
    with Live(refresh_per_second=8) as live:

        def show(event: Any) -> None:
            nonlocal in_flight
            in_flight = event.batch.instance_ids if event.batch and event.kind not in ("batch_done", "pausing") else ()
            if event.kind not in ("progress", "waiting", "finished"):
                live.console.print(str(event), highlight=False)
            live.update(table(event, in_flight))

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


def roll(where: common.Where, options: argparse.Namespace) -> None:
    """The rollout; Ctrl-C says what was done before it goes on its way."""
    event = None
    by, unhealthy = number(options.by), number(options.max_unhealthy)
    how = {"by": by, "pause": options.pause, "health_timeout": options.health_timeout, "max_unhealthy": unhealthy}
    try:
        with display() as show:
            for event in az.rollout(*where, **how):
                show(event)
    except KeyboardInterrupt:
        if event is not None:
            print(f"\n{event.latest} of {event.total} instances have the new model.", file=sys.stderr)
            if event.batch and event.kind in ("batch_started", "progress"):
                print(f"Azure goes on with {event.batch.name}, which was under way.", file=sys.stderr)
            print("Run the same command again to go on from there.", file=sys.stderr)
        raise


def main() -> int:
    """Changes the model where an image was given, rolls it out, and looks whether every instance runs it."""
    arguments = parser()
    options = arguments.parse_args()
    with common.signed_in(arguments, options) as where:
        model = common.put_model(where, common.read_model(where), options)
        common.confirm(options, "Roll it out?")
        roll(where, options)
        instances = az.get_instance_views(*where)
    wanted = common.shown(model)
    left = [
        vm["instanceId"]
        for vm in instances
        if common.shown(vm) != wanted or not vm["properties"].get("latestModelApplied")
    ]
    print(f"{len(instances) - len(left)} of {len(instances)} instances of {where.vmss_name} run {wanted}.")
    if left:
        print(f"error: these do not: {', '.join(left)}", file=sys.stderr)
    return common.FAILED if left else common.DONE


if __name__ == "__main__":
    common.run(main)
