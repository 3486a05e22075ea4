"""The report of a command: what was changed, when, by whom, and with what result."""

from __future__ import annotations

import argparse
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .exit_status import UsageError

_SUFFIXES = (".md", ".json", ".html")
_PASSING = ("progress", "waiting", "baking", "pausing")
"""Events of mere progress, which a report leaves out."""


@dataclass
class Step:
    """A batch of a rollout, or a scale set of a fleet.

    Attributes:
        name: Its name.
        instance_ids: Its instances; empty for a scale set of a fleet.
        started: When it started.
        ended: When it ended; `None` if it did not.
        result: What it came to.
    """

    name: str
    instance_ids: list[str]
    started: datetime
    ended: datetime | None = None
    result: str = "not finished"

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended - self.started).total_seconds() if self.ended else None


@dataclass
class Report:
    """What a command did.

    Attributes:
        command: The command.
        subject: The scale set or the fleet.
        identity: Who did it.
        started: When it started.
        changes: What was changed, as sentences.
        steps: The batches or scale sets, in order.
        events: Time, kind and message of each event but those of mere progress.
        outcome: How it ended, in a word or two.
        message: The sentence that it ended with.
        summary: Counters of the whole.
        ended: When it ended.
    """

    command: str
    subject: str
    identity: str
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    changes: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    outcome: str = "not finished"
    message: str = ""
    summary: dict[str, Any] | None = None
    ended: datetime | None = None

    def add(self, kind: str, message: str, time: datetime) -> None:
        """Add an event, unless it is of mere progress."""
        if kind not in _PASSING:
            stamp = time.isoformat(timespec="seconds")
            self.events.append({"time": stamp, "kind": kind, "message": message})

    def end(self, outcome: str, message: str, summary: Mapping[str, Any] | None = None) -> None:
        """Set how the command ended."""
        self.outcome = outcome
        self.message = message
        self.summary = dict(summary) if summary else self.summary
        self.ended = datetime.now(timezone.utc)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for `json.dumps`."""
        fields = asdict(self)
        for step, written in zip(self.steps, fields["steps"], strict=True):
            written["started"] = step.started.isoformat(timespec="seconds")
            written["ended"] = step.ended and step.ended.isoformat(timespec="seconds")
            written["seconds"] = step.seconds
        fields["started"] = self.started.isoformat(timespec="seconds")
        fields["ended"] = self.ended and self.ended.isoformat(timespec="seconds")
        return fields


def add_report(group: argparse._ArgumentGroup) -> None:
    """Add the argument for a report to a group."""
    group.add_argument(
        "--report", metavar="FILE", help="write a report: FILE.md, FILE.json or FILE.html"
    )


def check_report(file: str | None) -> None:
    """Refuse a file that cannot become a report, before anything is sent.

    Raises:
        UsageError: Its ending is unknown, or its folder does not exist.
    """
    if file is None:
        return
    path = Path(file)
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--report must end in {', '.join(_SUFFIXES)}, got {file!r}")
    if not path.parent.is_dir():
        raise UsageError(f"--report: there is no folder {str(path.parent)!r}")


def write_report(report: Report, file: str) -> None:
    """Write a report in the format that the file's ending names.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(file)
    render = {".json": _to_json, ".html": _to_html}.get(path.suffix.lower(), _to_markdown)
    path.write_text(render(report), encoding="utf-8", newline="\n")


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the facts that stand above the tables of a report."""
    seconds = (report.ended - report.started).total_seconds() if report.ended else None
    facts = [
        ("Outcome", report.outcome),
        ("Scale set", report.subject),
        ("Identity", report.identity),
        ("Started", _stamp(report.started)),
        ("Ended", _stamp(report.ended)),
        ("Duration", _duration(seconds)),
    ]
    facts += [("Change", change) for change in report.changes]
    facts += [(name.capitalize(), f"{value:g}") for name, value in (report.summary or {}).items()]
    return [*facts, ("Result", report.message)]


def _tables(report: Report) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the tables of a report: title, head, rows."""
    steps = [
        [
            step.name,
            ", ".join(step.instance_ids),
            _stamp(step.started),
            _duration(step.seconds),
            step.result,
        ]
        for step in report.steps
    ]
    events = [[event["time"], event["kind"], event["message"]] for event in report.events]
    return [
        ("Batches", ("Batch", "Instances", "Started", "Duration", "Result"), steps),
        ("Events", ("Time", "Kind", "Message"), events),
    ]


def _stamp(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC") if time else "-"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _to_json(report: Report) -> str:
    return json.dumps(report.to_dict(), indent=2) + "\n"


def _to_markdown(report: Report) -> str:
    lines = [f"# {_escape(report.command)}", ""]
    lines += _rows(("", ""), [[name, value] for name, value in _facts(report)])
    for title, head, rows in _tables(report):
        if rows:
            lines += ["", f"## {title}", "", *_rows(head, rows)]
    return "\n".join(lines) + "\n"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(map(_escape, row))} |" for row in rows]


def _escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line of a table."""
    text = html.escape(" ".join(text.split()), quote=False)
    return "".join(
        f"\\{character}" if character in "\\`*_[]|#" else character for character in text
    )


def _to_html(report: Report) -> str:
    title = html.escape(report.command)
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        "<style>body{font:15px system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;"
        "text-align:left;vertical-align:top}</style></head><body>",
        f"<h1>{title}</h1>",
        _html_table((), [[name, value] for name, value in _facts(report)]),
    ]
    for heading, head, rows in _tables(report):
        if rows:
            parts += [f"<h2>{heading}</h2>", _html_table(head, rows)]
    return "\n".join([*parts, "</body></html>", ""])


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<table>"]
    if head:
        lines.append(f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>")
    cells = [[f"<td>{html.escape(value)}</td>" for value in row] for row in rows]
    lines += [f"<tr>{''.join(row)}</tr>" for row in cells]
    return "\n".join([*lines, "</table>"])
