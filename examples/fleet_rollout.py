"""Roll many scale sets out, wave after wave, and watch them: each to the image that its model asks for.

    python examples/fleet_rollout.py --sandbox python examples/fleet_rollout.py --tag env=prod
    --image Canonical:ubuntu-24_04-lts:server --waves location python examples/fleet_rollout.py
    --targets fleet.csv --waves 1,10% --workers 50 --max-failed 2 --json

`--targets` is JSON (a list) or CSV (with a head): `subscription_id`, `resource_group`, `vmss_name`,
and `location` if waves are by region. A new version is put into the models first, where one is
given. Ctrl-C lets the batches under way end; the same command goes on from there. The exit status
is 0 when every scale set is done, 1 when something went wrong or is left, 2 for wrong arguments, 3
when all that failed was rolled back, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import common
import rollout as one

import azurerm_lite as az

REGIONS = ("westcentralus", "eastus", "westeurope")
SHOWN = 20
KEYS = ("subscription_id", "resource_group", "vmss_name")


def parser() -> argparse.ArgumentParser:
    """The arguments: which scale sets, in which waves, how many at once, and the care that each takes."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    which = arguments.add_argument_group(
        "which scale sets (of the query all that is given must fit)"
    )
    which.add_argument(
        "--targets", metavar="FILE", help="a file that names them (JSON or CSV), and no query"
    )
    which.add_argument(
        "--image", help="that ask for this image: publisher:offer:sku:version or less, an id, a URL"
    )
    which.add_argument(
        "--tag",
        action="append",
        metavar="NAME=VALUE",
        help="that have this tag; may be given again",
    )
    which.add_argument(
        "--location", action="append", metavar="REGION", help="that are there; may be given again"
    )
    which.add_argument(
        "--subscription", action="append", metavar="ID", help="of this one; may be given again"
    )
    fleet = arguments.add_argument_group("fleet")
    fleet.add_argument(
        "--newversion", "-n", metavar="VERSION", help="put this version into each model first"
    )
    fleet.add_argument(
        "--waves", metavar="WAVES", help="location, or another key; or sizes: 1,10%%"
    )
    fleet.add_argument(
        "--workers", type=int, default=16, metavar="N", help="scale sets at a time (16)"
    )
    fleet.add_argument(
        "--dask", metavar="ADDRESS", help="the scheduler of a Dask cluster that does the work"
    )
    fleet.add_argument(
        "--max-failed", default="0", metavar="N", help="sets that may fail: a number, or 5%%"
    )
    one.add_care(arguments)
    arguments.add_argument("--dry-run", action="store_true", help="only say what would be done")
    arguments.add_argument("--json", action="store_true", help="a line of JSON for each event")
    common.add_session(arguments)
    return arguments


# Which scale sets


def targets(token: Callable[[], str], options: argparse.Namespace) -> list[Any]:
    """The scale sets of the file or of the query."""
    if options.targets:
        return read_targets(Path(options.targets))
    tags = dict(
        each.partition("=")[::2] if "=" in each else (each, None) for each in options.tag or ()
    )
    return az.find_scale_sets(
        token,
        subscriptions=options.subscription,
        image=options.image,
        tag=tags,
        location=options.location,
    )


def read_targets(file: Path) -> list[dict[str, str]]:
    """What stands in a file of targets; an error says where it is wrong."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else list(csv.DictReader(text.splitlines()))
        )
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(
            isinstance(row.get(key), str) and row[key] for key in KEYS
        ):
            raise ValueError(f"{file}: entry {number} must have {', '.join(KEYS)}")
    return rows


def put_version(token: Callable[[], str], found: list[Any], options: argparse.Namespace) -> None:
    """The version into the models that have another one; all are read, and must fit, before the first is written."""
    image = argparse.Namespace(
        newversion=options.newversion, sku=None, imageid=None, customuri=None
    )

    def changed(each: Any) -> tuple[common.Where, Any]:
        where = common.Where(token, *(each[key] for key in KEYS))
        return where, common.new_image(where, common.read_model(where), image)

    with ThreadPoolExecutor(options.workers) as side_by_side:
        models = [(where, model) for where, model in side_by_side.map(changed, found) if model]
        if options.dry_run:
            print(
                f"{len(models)} of {len(found)} models would be changed; what follows is about them as they are."
            )
            return
        failed = [told for told in side_by_side.map(put, models) if told]
    print(f"{len(models) - len(failed)} of {len(found)} models changed to {options.newversion}.")
    if failed:
        raise ValueError(
            f"{len(failed)} of the models could not be changed: {'; '.join(failed[:5])}"
        )


def put(changed: tuple[common.Where, Any]) -> str:
    """Puts a model; what kept it from that, or nothing."""
    where, model = changed
    try:
        az.wait(where.access_token, az.put_vmss(*where, model), timeout=900)
    except OSError as error:  # Azure's errors and the network's
        return f"{where.vmss_name}: {error}"
    return ""


def waves(text: str | None) -> Any:
    """A key, or sizes."""
    if not text:
        return None
    sizes = [one.number(each.strip()) for each in text.split(",")]
    return sizes if any(isinstance(each, int) or "%" in each for each in sizes) else text


# Watching


class Board:
    """The fleet as it stands: its waves, and the scale sets that are under way."""

    def __init__(self) -> None:
        self.now: dict[Any, Any] = {}
        self.waves: dict[int, Counter[str]] = {}
        self.last: Any = None

    def take(self, event: Any) -> None:
        """Takes note of an event."""
        self.last = event
        if event.wave:
            self.waves.setdefault(event.wave, Counter())[event.kind] += event.kind.startswith(
                "set_"
            )
        if event.kind == "set_event":
            self.now[event.scale_set] = event.event
        elif event.kind in ("set_done", "set_failed", "set_paused"):
            self.now.pop(event.scale_set, None)

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = f"{self.last.done} of {self.last.total} scale sets done, {self.last.failed} failed"
        rows = Table(
            "wave",
            "started",
            "done",
            "failed",
            "left between batches",
            title=title,
            title_justify="left",
        )
        for wave, counts in self.waves.items():
            kinds = ("set_started", "set_done", "set_failed", "set_paused")
            rows.add_row(f"{wave} of {self.last.waves}", *(str(counts[kind]) for kind in kinds))
        sets = Table("scale set", "region", "instances", "now")
        for target, event in list(self.now.items())[:SHOWN]:
            sets.add_row(
                str(target),
                target.location,
                f"{event.latest} of {event.total}",
                Text(event.message),
            )
        more = len(self.now) - SHOWN
        return Group(rows, sets, Text(f"and {more} more under way" if more > 0 else "", "dim"))


@contextlib.contextmanager
def display() -> Iterator[Callable[[Any], None]]:
    """Shows events: a table that changes in place on a terminal, else lines."""
    try:
        if not sys.stdout.isatty():
            raise ImportError
        from rich.live import Live
    except ImportError:
        yield lines
        return
    board = Board()
    with Live(refresh_per_second=4) as live:

        def show(event: Any) -> None:
            board.take(event)
            if event.kind not in ("set_event", "set_started"):
                live.console.print(str(event), highlight=False)
            live.update(board)

        yield show


def lines(event: Any) -> None:
    """Prints an event; of what happens inside a set only the batches."""
    if event.kind != "set_event" or event.event.kind in (
        "batch_done",
        "notice",
        "planned",
        "rolling_back",
    ):
        print(event, flush=True)


def watch(events: Any, options: argparse.Namespace) -> int:
    """Goes through the events, to their end whatever comes; the exit status."""
    event = None
    try:
        shown = contextlib.nullcontext(one.json_lines()) if options.json else display()
        with shown as show, contextlib.closing(events):  # which waits for the batches under way
            for event in events:
                show(event)
    except az.FleetHalted as halt:
        if options.json:
            print(json.dumps(told(halt)), file=sys.__stdout__, flush=True)
        raise
    except (KeyboardInterrupt, BrokenPipeError):
        so_far = f"{event.done} of {event.total} scale sets done. " if event is not None else ""
        print(f"\n{so_far}Run the same command again to go on from there.", file=sys.stderr)
        raise
    return common.DONE if event is not None and event.done == event.total else common.FAILED


def told(halt: az.FleetHalted) -> dict[str, Any]:
    """A halt as JSON: which scale sets failed and why, and which are left."""
    return {
        "kind": "halted",
        "message": str(halt),
        "failed": {str(target): str(error) for target, error in halt.failed.items()},
        "paused": list(map(str, halt.paused)),
        "not_started": list(map(str, halt.not_started)),
        "unhealthy": halt.unhealthy,
        "rolled_back": halt.rolled_back,
        "summary": halt.summary._asdict(),
    }


# The whole


@contextlib.contextmanager
def workers(options: argparse.Namespace) -> Iterator[Any]:
    """The executor: `None` for threads of this process, or that of a Dask cluster."""
    if not options.dask:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            "--dask needs the extra fleet: pip install 'azurerm-lite[fleet]'"
        ) from None
    with Client(options.dask) as client:
        yield client.get_executor()


@contextlib.contextmanager
def signed_in(options: argparse.Namespace) -> Iterator[Callable[[], str]]:
    """A token provider: of the sandbox with a fleet in it, or as the environment shows."""
    common.log_requests(options)
    if not options.sandbox:
        yield common.credentials(options.config)[0]
        return
    from azurerm_lite.sandbox import Sandbox

    with Sandbox(demo=False) as sandbox:
        for number in range(30):
            name, region = f"web-{number:02}", REGIONS[number % 3]
            sandbox.add_vmss(name, 10, location=region, tags={"env": "sandbox"})
        options.yes = True
        options.newversion = options.newversion or "22.04.202411010"
        options.waves = options.waves or "location"
        yield az.token_provider()


def work(token: Callable[[], str], options: argparse.Namespace) -> int:
    """What was asked for, to its end; the exit status."""
    began = time.monotonic()
    found = targets(token, options)
    regions = Counter(str(each.get("location") or "an unknown region") for each in found)
    told = ", ".join(f"{number} in {region}" for region, number in sorted(regions.items()))
    print(f"{len(found)} scale sets{': ' + told if told else ''}")
    if not found:
        raise ValueError("there is no such scale set")
    care = {
        **one.care(options),
        "canary": one.number(options.canary),
        "canary_bake": options.canary_bake,
    }
    with workers(options) as executor:
        events = az.rollout_fleet(  # checks what it is given, and sends nothing yet
            token, found, waves=waves(options.waves), max_parallel=options.workers,
            max_failed=one.number(options.max_failed), executor=executor, on_failure=options.on_failure,
            dry_run=options.dry_run, **care,
        )  # fmt: skip
        if not options.dry_run:
            common.confirm(options, f"Roll {len(found)} scale sets out?")
        if options.newversion:
            put_version(token, found, options)
        status = watch(events, options)
    print(f"{time.monotonic() - began:.0f} s in all.")
    return status


def main() -> int:
    """Finds the scale sets, puts the new version into their models where one was given, and rolls them out."""
    options = parser().parse_args()
    # With --json standard output is for programs: what people read goes the other way.
    people = contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext()
    with people, signed_in(options) as token:
        return work(token, options)


if __name__ == "__main__":
    common.run(main)
