"""`azurerm-lite fleet`: upgrade many scale sets, wave after wave."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import azurerm_lite as az

from .arguments import Commands, add_command, add_session, parse_count
from .display import EventBoard, open_display
from .exit_status import DONE, FAILED, UsageError
from .hooks import HookFailed, Hooks, make_hooks
from .image import new_model, read_model
from .output import Output
from .report import Report, Step
from .rollout_options import add_rollout_options, keywords
from .session import Where, confirm, credentials, extra_is_missing, log_requests, started_sandbox
from .text import duration, plural
from .watch import add_results, check_results, reporting

_KEYS = ("subscription_id", "resource_group", "vmss_name")
_NOTABLE = ("batch_done", "notice", "planned", "rolling_back")
_SANDBOX_REGIONS = ("westcentralus", "eastus", "westeurope")
_RESULTS = {"set_done": "done", "set_failed": "failed", "set_paused": "paused"}
_SECONDS_TO_PUT = 900


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "fleet",
        "upgrade many scale sets, wave after wave",
        "Upgrade many scale sets, wave after wave, each to the image of its model.",
        details="Ctrl-C stops after the batches in progress. Run the command again to resume.",
        usage="(--targets FILE | --tag NAME=VALUE | ...) [options]",
        examples=(
            "--sandbox",
            "--tag env=prod --waves location --dry-run",
            "--targets fleet.csv --waves 1,10% --workers 50 --json",
        ),
    )
    which = parser.add_argument_group("scale sets (all filters must match)")
    which.add_argument(
        "--targets", metavar="FILE", help="JSON or CSV file that lists the scale sets"
    )
    which.add_argument("--image", help="image: publisher:offer:sku:version, id or URL")
    which.add_argument(
        "--tag",
        action="append",
        metavar="NAME=VALUE",
        help="tag, with or without a value (repeatable)",
    )
    which.add_argument("--location", action="append", metavar="REGION", help="region (repeatable)")
    which.add_argument(
        "--subscription", action="append", metavar="ID", help="subscription (repeatable)"
    )
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument(
        "-n", "--newversion", metavar="VERSION", help="set this version in each model first"
    )
    fleet.add_argument("--waves", help="by location or another key, or by size: 1,10%%")
    fleet.add_argument(
        "--workers", type=int, default=16, metavar="N", help="scale sets in parallel (16)"
    )
    fleet.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster to run on")
    fleet.add_argument(
        "--max-failed",
        type=parse_count,
        default=0,
        metavar="N",
        help="how many sets may fail (0), or 5%%",
    )
    add_rollout_options(parser, "rollout_fleet")
    add_results(parser)
    add_session(parser, dry_run=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Find the scale sets, set the new version in their models, and upgrade them.

    Returns:
        The exit status.
    """
    check_results(options, output)
    keywords(options, "rollout_fleet")
    with (
        open_fleet(options, output) as token,
        reporting("fleet", token, "fleet", options, output) as report,
    ):
        return roll_out(token, options, output, report)


@contextlib.contextmanager
def open_fleet(options: argparse.Namespace, output: Output) -> Iterator[Callable[[], str]]:
    """Yield a token provider for a sandbox with a fleet, or for the credentials."""
    log_requests(options)
    if not options.sandbox:
        yield credentials(options.config, output)[0]
        return
    with started_sandbox(demo=False) as sandbox:
        for number in range(30):
            name, region = f"web-{number:02}", _SANDBOX_REGIONS[number % 3]
            sandbox.add_vmss(name, 10, location=region, tags={"env": "sandbox"})
        options.yes = True
        options.newversion = options.newversion or "22.04.202411010"
        options.waves = options.waves or "location"
        yield az.token_provider()


def roll_out(
    token: Callable[[], str], options: argparse.Namespace, output: Output, report: Report
) -> int:
    """Upgrade the fleet; return the exit status."""
    started = time.monotonic()
    targets = find_targets(token, options)
    output.text(describe_targets(targets))
    report.subject = describe_targets(targets)
    if not targets:
        raise ValueError(
            "no scale set matches: check --tag, --image, --location and --subscription"
        )
    with open_executor(options) as executor:
        try:
            events = az.rollout_fleet(  # checks its arguments; the first event sends requests
                token,
                targets,
                waves=parse_waves(options.waves),
                max_parallel=options.workers,
                max_failed=options.max_failed,
                executor=executor,
                dry_run=options.dry_run,
                **keywords(options, "rollout_fleet"),
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not options.dry_run:
            confirm(options, f"Upgrade {plural(len(targets), 'scale set')}?")
        if options.newversion:
            change = put_version(token, targets, options, output)
            report.changes += [change] if change else []
        status = FleetWatch(output, make_hooks(options, output), report).follow(events)
    if options.dry_run:
        report.outcome = "dry run, nothing was changed"
    output.text(f"Total time: {duration(time.monotonic() - started)}.")
    return status


# Which scale sets


def find_targets(token: Callable[[], str], options: argparse.Namespace) -> list[Any]:
    """Return the scale sets in the file, or those that match the filters."""
    if options.targets:
        return read_targets(Path(options.targets))
    tags: dict[str, str | None] = {}
    for tag in options.tag or ():
        name, separator, value = tag.partition("=")
        tags[name] = value if separator else None
    return list(
        az.find_scale_sets(
            token,
            subscriptions=options.subscription,
            image=options.image,
            tag=tags,
            location=options.location,
        )
    )


def read_targets(file: Path) -> list[dict[str, str]]:
    """Return the targets of a file.

    Raises:
        ValueError: The file cannot be read, or an entry is incomplete.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    try:
        rows = parse_targets(content)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(_is_text(row.get(key)) for key in _KEYS):
            raise ValueError(f"{file}: entry {number} must have {', '.join(_KEYS)}")
    return rows


def parse_targets(content: str) -> list[Any]:
    """Return the rows of a JSON list, or of CSV with a header line.

    Raises:
        ValueError: The content starts like a JSON list, but is not JSON.
    """
    if content.lstrip().startswith("["):
        rows: list[Any] = json.loads(content)
        return rows
    return list(csv.DictReader(content.splitlines()))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def describe_targets(targets: list[Any]) -> str:
    """Return the number of scale sets, in total and by region."""
    regions = Counter(str(target.get("location") or "an unknown region") for target in targets)
    counts = ", ".join(f"{number} in {region}" for region, number in sorted(regions.items()))
    return plural(len(targets), "scale set") + (f": {counts}" if counts else "")


def parse_waves(text: str | None) -> Any:
    """Return the key, the list of sizes, or `None` without a text."""
    if not text:
        return None
    sizes = [parse_count(size.strip()) for size in text.split(",")]
    has_sizes = any(isinstance(size, int) or "%" in size for size in sizes)
    return sizes if has_sizes else text


# The new version


def put_version(
    token: Callable[[], str], targets: list[Any], options: argparse.Namespace, output: Output
) -> str:
    """Set the version in the models that have another one; return a sentence about the change.

    All models are read and checked before the first one is written.

    Raises:
        ValueError: Some models could not be changed.
    """
    image = argparse.Namespace(
        newversion=options.newversion, sku=None, imageid=None, customuri=None
    )

    def read(target: Any) -> tuple[Where, az.ScaleSet | None]:
        where = Where(token, *(target[key] for key in _KEYS))
        return where, new_model(where, read_model(where), image)

    with ThreadPoolExecutor(options.workers) as executor:
        models = [(where, model) for where, model in executor.map(read, targets) if model]
        count = f"{len(models)} of {len(targets)} models"
        if options.dry_run:
            output.text(f"{count} would be changed; the plan below is for the current models.")
            return ""
        failures = [failure for failure in executor.map(put_model, models) if failure]
    changed = len(models) - len(failures)
    change = f"{changed} of {len(targets)} models changed to {options.newversion}."
    output.text(change)
    if failures:
        reasons = "; ".join(failures[:5])
        raise ValueError(
            f"{len(failures)} of {len(targets)} models could not be changed, and no instance was"
            f" upgraded; run the same command again to retry: {reasons}"
        )
    return change


def put_model(item: tuple[Where, az.ScaleSet]) -> str:
    """Write a model; return the reason of a failure, or an empty string."""
    where, model = item
    try:
        az.wait(where.access_token, az.put_vmss(*where, model), timeout=_SECONDS_TO_PUT)
    except OSError as error:  # Azure's errors and the network's
        return f"{where.vmss_name}: {error}"
    return ""


# Following the events


class FleetWatch:
    """Consumer of the events of a fleet: shows them, sends them to hooks, keeps the report.

    Args:
        output: Where to print.
        hooks: The hooks that receive each event.
        report: The report to fill.
    """

    def __init__(self, output: Output, hooks: Hooks, report: Report) -> None:
        self._output = output
        self._hooks = hooks
        self._report = report
        self._steps: dict[Any, Step] = {}

    def follow(self, events: Generator[az.FleetEvent, None, None]) -> int:
        """Follow the events to their end; return the exit status."""
        last: az.FleetEvent | None = None
        try:
            with (
                open_display(self._output, _board, _is_line, is_shown=_is_notable) as show,
                contextlib.closing(events),  # waits for batches in progress
            ):
                for event in events:
                    last = event
                    self._add(event)
                    show(event)
                    self._hooks.send(event.to_dict())
        except az.FleetHalted as halt:
            outcome = "rolled back" if halt.rolled_back else "halted"
            self._report.end(outcome, str(halt), halt.summary._asdict())
            record = halt_to_dict(halt)
            self._output.record(record)
            with contextlib.suppress(HookFailed):  # the fleet has stopped already
                self._hooks.send(record)
            raise
        except (KeyboardInterrupt, BrokenPipeError, HookFailed):
            so_far = f"{last.done} of {plural(last.total, 'scale set')} done. " if last else ""
            print(f"\n{so_far}Run the same command again to resume.", file=sys.stderr)
            self._report.end("interrupted", so_far)
            raise
        return DONE if last is not None and last.done == last.total else FAILED

    def _add(self, event: az.FleetEvent) -> None:
        """Add an event to the report."""
        if _is_notable(event):
            self._report.add(event.kind, event.message, event.time)
        if event.kind == "set_started" and event.scale_set not in self._steps:
            step = Step(str(event.scale_set), [], event.time)
            self._steps[event.scale_set] = step
            self._report.steps.append(step)
        elif event.kind in _RESULTS and event.scale_set in self._steps:
            self._steps[event.scale_set].ended = event.time
            self._steps[event.scale_set].result = _RESULTS[event.kind]
        elif event.kind == "fleet_ended":
            summary = event.summary._asdict() if event.summary else None
            self._report.end("finished", event.message, summary)


def halt_to_dict(halt: az.FleetHalted) -> Mapping[str, Any]:
    """Return a halt for `json.dumps`: failed scale sets with reasons, and unfinished ones."""
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


def _board() -> EventBoard[az.FleetEvent]:
    from .fleet_board import FleetBoard

    return FleetBoard()


def _is_line(event: az.FleetEvent) -> bool:
    return event.kind not in ("set_event", "set_started")


def _is_notable(event: az.FleetEvent) -> bool:
    """Return whether an event is printed as a line; most events inside a scale set are not."""
    return event.event is None or event.event.kind in _NOTABLE


@contextlib.contextmanager
def open_executor(options: argparse.Namespace) -> Iterator[Any]:
    """Yield the executor of a Dask cluster, or `None` for threads of this process."""
    if not options.dask:
        yield None
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as missing:
        raise extra_is_missing(missing, "fleet") from None
    with Client(options.dask) as client:  # type: ignore[no-untyped-call,unused-ignore]
        yield client.get_executor()
