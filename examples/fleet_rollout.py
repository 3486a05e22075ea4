"""Roll out many scale sets, wave after wave, and watch them: each to its model's image.

    python examples/fleet_rollout.py --sandbox
    python examples/fleet_rollout.py --tag env=prod --waves location
    python examples/fleet_rollout.py --targets fleet.csv --waves 1,10% --workers 50 --json

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
import rollout

import azurerm_lite as az

REGIONS = ("westcentralus", "eastus", "westeurope")
SHOWN = 20
KEYS = ("subscription_id", "resource_group", "vmss_name")
NOTABLE = ("batch_done", "notice", "planned", "rolling_back")


def parser() -> argparse.ArgumentParser:
    """Return a parser: which scale sets, in which waves, how many at once, and how each."""
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
        "--max-failed",
        type=rollout.parse_count,
        default=0,
        metavar="N",
        help="sets that may fail: a number, or 5%%",
    )
    rollout.add_rollout_options(arguments)
    arguments.add_argument("--dry-run", action="store_true", help="only say what would be done")
    arguments.add_argument("--json", action="store_true", help="a line of JSON for each event")
    common.add_session(arguments)
    return arguments


# Which scale sets


def find_targets(token: Callable[[], str], options: argparse.Namespace) -> list[Any]:
    """Return the scale sets of the file or of the query."""
    if options.targets:
        return read_targets(Path(options.targets))
    tags = {}
    for tag in options.tag or ():
        name, separator, value = tag.partition("=")
        tags[name] = value if separator else None
    return az.find_scale_sets(
        token,
        subscriptions=options.subscription,
        image=options.image,
        tag=tags,
        location=options.location,
    )


def read_targets(file: Path) -> list[dict[str, str]]:
    """Return the targets of a file; an error says where it is wrong."""
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
        if not isinstance(row, dict) or not all(_is_text(row.get(key)) for key in KEYS):
            raise ValueError(f"{file}: entry {number} must have {', '.join(KEYS)}")
    return rows


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def put_version(token: Callable[[], str], targets: list[Any], options: argparse.Namespace) -> None:
    """Put the version into the models that have another one.

    All models are read and checked before the first is written.
    """
    image = argparse.Namespace(
        newversion=options.newversion, sku=None, imageid=None, customuri=None
    )

    def read(target: Any) -> tuple[common.Where, az.ScaleSet | None]:
        where = common.Where(token, *(target[key] for key in KEYS))
        return where, common.new_image(where, common.read_model(where), image)

    with ThreadPoolExecutor(options.workers) as executor:
        models = [(where, model) for where, model in executor.map(read, targets) if model]
        count = f"{len(models)} of {len(targets)} models"
        if options.dry_run:
            print(f"{count} would be changed; what follows is about them as they are.")
            return
        failures = [failure for failure in executor.map(put_model, models) if failure]
    changed = len(models) - len(failures)
    print(f"{changed} of {len(targets)} models changed to {options.newversion}.")
    if failures:
        reasons = "; ".join(failures[:5])
        raise ValueError(f"{len(failures)} of the models could not be changed: {reasons}")


def put_model(item: tuple[common.Where, az.ScaleSet]) -> str:
    """Put a model; return why that failed, or an empty string."""
    where, model = item
    try:
        az.wait(where.access_token, az.put_vmss(*where, model), timeout=900)
    except OSError as error:  # Azure's errors and the network's
        return f"{where.vmss_name}: {error}"
    return ""


def parse_waves(text: str | None) -> Any:
    """Return the key, or the list of sizes."""
    if not text:
        return None
    sizes = [rollout.parse_count(size.strip()) for size in text.split(",")]
    has_sizes = any(isinstance(size, int) or "%" in size for size in sizes)
    return sizes if has_sizes else text


# Watching


class Board:
    """The state of the fleet: its waves, and the scale sets in progress."""

    def __init__(self) -> None:
        self.in_progress: dict[Any, Any] = {}
        self.waves: dict[int, Counter[str]] = {}
        self.last: Any = None

    def add(self, event: az.FleetEvent) -> None:
        """Update the state by an event."""
        self.last = event
        if event.wave:
            self.waves.setdefault(event.wave, Counter()).update([event.kind])
        if event.kind == "set_event":
            self.in_progress[event.scale_set] = event.event
        elif event.kind in ("set_done", "set_failed", "set_paused"):
            self.in_progress.pop(event.scale_set, None)

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
        for target, event in list(self.in_progress.items())[:SHOWN]:
            sets.add_row(
                str(target),
                target.location,
                f"{event.latest} of {event.total}",
                Text(event.message),
            )
        more = len(self.in_progress) - SHOWN
        return Group(rows, sets, Text(f"and {more} more under way" if more > 0 else "", "dim"))


@contextlib.contextmanager
def display() -> Iterator[Callable[[az.FleetEvent], None]]:
    """Return a function that shows events: a table on a terminal, else lines."""
    try:
        if not sys.stdout.isatty():
            raise ImportError
        from rich.live import Live
    except ImportError:
        yield print_line
        return
    board = Board()
    with Live(refresh_per_second=4) as live:

        def show(event: az.FleetEvent) -> None:
            board.add(event)
            if event.kind not in ("set_event", "set_started"):
                live.console.print(str(event), highlight=False)
            live.update(board)

        yield show


def print_line(event: az.FleetEvent) -> None:
    """Print an event; of those inside a scale set only the notable ones."""
    if event.event is None or event.event.kind in NOTABLE:
        print(event, flush=True)


def watch(events: Any, options: argparse.Namespace) -> int:
    """Show the events to their end, whatever happens; return the exit status."""
    event = None
    try:
        shown = contextlib.nullcontext(rollout.print_json) if options.json else display()
        with shown as show, contextlib.closing(events):  # closing waits for batches in progress
            for event in events:
                show(event)
    except az.FleetHalted as halt:
        if options.json:
            print(json.dumps(halt_to_dict(halt)), file=sys.__stdout__, flush=True)
        raise
    except (KeyboardInterrupt, BrokenPipeError):
        so_far = f"{event.done} of {event.total} scale sets done. " if event is not None else ""
        print(f"\n{so_far}Run the same command again to go on from there.", file=sys.stderr)
        raise
    return common.DONE if event is not None and event.done == event.total else common.FAILED


def halt_to_dict(halt: az.FleetHalted) -> dict[str, Any]:
    """Return a halt for `json.dumps`: which scale sets failed and why, and which are left."""
    return {
        "kind": "halted",
        "message": str(halt),
        "failed": {str(target): str(error) for target, error in halt.failed.items()},
        "paused": [str(target) for target in halt.paused],
        "not_started": [str(target) for target in halt.not_started],
        "unhealthy": halt.unhealthy,
        "rolled_back": halt.rolled_back,
        "summary": halt.summary._asdict(),
    }


# The command


@contextlib.contextmanager
def executor_of(options: argparse.Namespace) -> Iterator[Any]:
    """Return the executor: `None` for threads of this process, or that of a Dask cluster."""
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
    """Return a token provider: of the sandbox with a fleet in it, or of the credentials."""
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


def print_targets(targets: list[Any]) -> None:
    """Print how many scale sets there are, by region."""
    regions = Counter(str(target.get("location") or "an unknown region") for target in targets)
    counts = ", ".join(f"{number} in {region}" for region, number in sorted(regions.items()))
    print(f"{len(targets)} scale sets{': ' + counts if counts else ''}")


def work(token: Callable[[], str], options: argparse.Namespace) -> int:
    """Do what was asked for; return the exit status."""
    started = time.monotonic()
    targets = find_targets(token, options)
    print_targets(targets)
    if not targets:
        raise ValueError("there is no such scale set")
    with executor_of(options) as executor:
        events = az.rollout_fleet(  # checks its arguments; nothing is sent before the first event
            token,
            targets,
            waves=parse_waves(options.waves),
            max_parallel=options.workers,
            max_failed=options.max_failed,
            executor=executor,
            **rollout.shared_options(options),
            canary=options.canary,
            canary_bake=options.canary_bake,
            surge=options.surge,
            on_failure=options.on_failure,
            dry_run=options.dry_run,
        )
        if not options.dry_run:
            common.confirm(options, f"Roll {len(targets)} scale sets out?")
        if options.newversion:
            put_version(token, targets, options)
        status = watch(events, options)
    print(f"{time.monotonic() - started:.0f} s in all.")
    return status


def main() -> int:
    """Find the scale sets, put the new version into their models, and roll them out."""
    options = parser().parse_args()
    # With --json standard output is for programs: what people read goes to standard error.
    people = contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext()
    with people, signed_in(options) as token:
        return work(token, options)


if __name__ == "__main__":
    common.run(main)
