"""Follow a rollout of one scale set: show its events, send them to hooks, keep a report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import azurerm_lite as az

from .display import EventBoard, open_display
from .exit_status import Declined
from .hooks import HookFailed, Hooks, add_hooks, make_hooks
from .identity import identity_of
from .output import Output
from .report import Report, Step, add_report, check_report, write_report
from .session import Where

_ONLY_ON_BOARD = ("progress", "waiting", "baking", "pausing", "finished")
_OUTCOMES = {
    "finished": "finished",
    "rolled_back": "rolled back",
    "stopped": "stopped",
}
_IN_BATCH = ("batch_started", "progress", "waiting")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the options for the report and the hooks."""
    group = parser.add_argument_group("report and hooks")
    add_report(group)
    add_hooks(group)


class Watch:
    """Consumer of the events of a rollout.

    Attributes:
        output: Where to print.
        hooks: The hooks that receive each event.
        report: The report to fill.
        last: The last event.
        is_rolling_back: Whether a rollback has started.
    """

    def __init__(self, output: Output, hooks: Hooks, report: Report) -> None:
        self.output = output
        self.hooks = hooks
        self.report = report
        self.last: az.Event | None = None
        self.is_rolling_back: bool = False

    def follow(self, events: Iterator[az.Event], *, repeats_rollback: bool = False) -> None:
        """Follow the events until the rollout ends.

        Args:
            events: The events of the rollout.
            repeats_rollback: Whether the same command resumes a rollback. Otherwise it would
                upgrade to the new image again.

        Raises:
            RolloutHalted: The rollout halted.
            HookFailed: A hook failed, and --stop-on-hook-failure was passed.
        """
        try:
            with open_display(self.output, _board, _is_line) as show:
                for event in events:
                    self._add(event)
                    show(event)
                    self.hooks.send(event.to_dict())
        except az.RolloutHalted as halt:
            self._end_halted(halt, repeats_rollback)
            raise
        except (KeyboardInterrupt, BrokenPipeError, HookFailed):
            self._end_interrupted(repeats_rollback)
            raise

    def _add(self, event: az.Event) -> None:
        """Add an event to the report."""
        self.last = event
        self.is_rolling_back = self.is_rolling_back or event.kind == "rolling_back"
        report = self.report
        report.add(event.kind, event.message, event.time)
        if event.kind == "rolling_back":
            report.changes.append(event.text)
        elif event.kind == "batch_started" and event.batch:
            report.steps.append(Step(event.batch.name, list(event.instance_ids), event.time))
        elif event.kind == "batch_done" and report.steps:
            report.steps[-1].ended = event.time
            report.steps[-1].result = "done"
        if event.kind in _OUTCOMES:
            summary = event.summary._asdict() if event.summary else None
            report.end(_OUTCOMES[event.kind], event.message, summary)

    def _end_halted(self, halt: az.RolloutHalted, repeats_rollback: bool) -> None:
        outcome = "rolled back" if halt.rolled_back else "halted"
        self.report.end(outcome, str(halt), halt.summary._asdict())
        for step in self.report.steps:
            if halt.batch and step.name == halt.batch.name and step.ended is None:
                step.result = "failed"
        if self.is_rolling_back and not halt.rolled_back:
            print(self._how_to_resume(repeats_rollback), file=sys.stderr)
        record = halt_to_dict(halt)
        self.output.record(record)
        with contextlib.suppress(HookFailed):  # the rollout has stopped already
            self.hooks.send(record)

    def _end_interrupted(self, repeats_rollback: bool) -> None:
        event = self.last
        if event is None:
            return
        count = f"{event.latest} of {event.total}"
        self.report.end("interrupted", f"{count} instances have the latest model")
        print(f"\n{count} instances have the latest model.", file=sys.stderr)
        if event.batch and event.kind in _IN_BATCH:
            print(f"{event.batch.name} is still in progress: Azure finishes it.", file=sys.stderr)
        print(self._how_to_resume(repeats_rollback), file=sys.stderr)

    def _how_to_resume(self, repeats_rollback: bool) -> str:
        capacity = self.last.capacity if self.last else None
        given = "" if capacity is None else f" with --capacity {capacity}"
        if not self.is_rolling_back or repeats_rollback:
            return f"Run the same command again{given} to resume."
        return (
            f"A rollback was in progress. Resume it with azurerm-lite rollback{given}, without an"
            " image option.\nIf the model already has the old image, use azurerm-lite"
            f" rollout{given}."
        )


@contextlib.contextmanager
def watching(
    command: str, where: Where, options: argparse.Namespace, output: Output
) -> Iterator[Watch]:
    """Yield a `Watch` for the events of a command, and write its report at the end.

    Args:
        command: Name of the command.
        where: The scale set.
        options: The arguments of the command.
        output: Where to print.

    Yields:
        A `Watch`.
    """
    subject = "/".join(where[1:])
    with reporting(command, where.access_token, subject, options, output) as report:
        yield Watch(output, make_hooks(options, output), report)


@contextlib.contextmanager
def reporting(
    command: str, access_token: Any, subject: str, options: argparse.Namespace, output: Output
) -> Iterator[Report]:
    """Yield a report, and write it when the command ends, even after an error."""
    report = Report(f"azurerm-lite {command}", subject, identity="unknown")
    try:
        if options.report:
            report.identity = identity_of(access_token)
        yield report
    except BaseException as error:
        if report.ended is None:
            is_stop = isinstance(error, KeyboardInterrupt | Declined)
            report.end("interrupted" if is_stop else "failed", str(error))
        raise
    finally:
        if options.report:
            _write(report, options.report, output)


def _write(report: Report, file: str, output: Output) -> None:
    """Write a report. A failure is only a warning, so that it does not hide the outcome."""
    try:
        write_report(report, file)
    except OSError as error:
        output.warn(f"cannot write the report {file}: {error.strerror}")
    else:
        output.text(f"Report: {file}")


def check_results(options: argparse.Namespace, output: Output) -> None:
    """Check the report and the hooks, before anything is sent.

    Raises:
        UsageError: One of them is invalid.
    """
    check_report(options.report)
    make_hooks(options, output)


def halt_to_dict(halt: az.RolloutHalted) -> dict[str, Any]:
    """Return a halt as a dict for `json.dumps`."""
    return {
        "kind": "halted",
        "message": str(halt),
        "batch": halt.batch and halt.batch.name,
        "unhealthy": halt.unhealthy,
        "rolled_back": halt.rolled_back,
        "summary": halt.summary._asdict(),
    }


def _board() -> EventBoard[az.Event]:
    from .board import Board

    return Board()


def _is_line(event: az.Event) -> bool:
    return event.kind not in _ONLY_ON_BOARD
