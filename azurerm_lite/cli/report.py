"""The report of a command: changes, times, identity and result."""

from __future__ import annotations

import argparse
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .exit_status import UsageError
from .text import duration

_SUFFIXES = (".md", ".json", ".html")
_PROGRESS = ("progress", "waiting", "baking", "pausing")
"""Kinds of progress events, which a report omits."""


@dataclass
class Step:
    """A batch of a rollout, or a scale set of a fleet.

    Attributes:
        name: Name of the batch or scale set.
        instance_ids: Ids of its instances; empty for a scale set of a fleet.
        started: Start time.
        ended: End time; `None` if it has not ended.
        result: Result, such as `done` or `failed`.
    """

    name: str
    instance_ids: list[str]
    started: datetime
    ended: datetime | None = None
    result: str = "not finished"

    @property
    def seconds(self) -> float | None:
        """Duration in seconds; `None` if it has not ended."""
        return (self.ended - self.started).total_seconds() if self.ended else None


@dataclass
class Report:
    """Report of a command.

    Attributes:
        command: The command.
        subject: The scale set or the fleet.
        identity: The identity that signed in.
        started: Start time.
        changes: The changes, as sentences.
        steps: The batches or scale sets, in order.
        events: Time, kind and message of each event, without progress.
        outcome: The outcome in a few words, such as `rolled back`.
        message: The last message of the command.
        summary: Counters of the whole command.
        ended: End time; `None` if it has not ended.
    """

    command: str
    subject: str
    identity: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    changes: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    outcome: str = "not finished"
    message: str = ""
    summary: dict[str, Any] | None = None
    ended: datetime | None = None

    def add(self, kind: str, message: str, time: datetime) -> None:
        """Add an event, unless it only reports progress."""
        if kind not in _PROGRESS:
            stamp = time.isoformat(timespec="seconds")
            self.events.append({"time": stamp, "kind": kind, "message": message})

    def end(self, outcome: str, message: str, summary: Mapping[str, Any] | None = None) -> None:
        """Set the outcome and the end time."""
        self.outcome = outcome
        self.message = message
        self.summary = dict(summary) if summary else self.summary
        self.ended = datetime.now(UTC)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict for `json.dumps`."""
        fields = asdict(self)
        for step, written in zip(self.steps, fields["steps"], strict=True):
            written["started"] = step.started.isoformat(timespec="seconds")
            written["ended"] = step.ended and step.ended.isoformat(timespec="seconds")
            written["seconds"] = step.seconds
        fields["started"] = self.started.isoformat(timespec="seconds")
        fields["ended"] = self.ended and self.ended.isoformat(timespec="seconds")
        return fields


def add_report(group: argparse._ArgumentGroup) -> None:
    """Add --report to a group of arguments."""
    group.add_argument(
        "--report", metavar="FILE", help="write a report: FILE.md, FILE.json or FILE.html"
    )


def check_report(file: str | None) -> None:
    """Check the file name of a report, before anything is sent.

    Raises:
        UsageError: The suffix is unknown, or the folder does not exist.
    """
    if file is None:
        return
    path = Path(file)
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--report must end in .md, .json or .html, got {file!r}")
    if not path.parent.is_dir():
        raise UsageError(f"--report: the folder {str(path.parent)!r} does not exist")


def write_report(report: Report, file: str) -> None:
    """Write a report in the format of the file name's suffix.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(file)
    render = {".json": _to_json, ".html": _to_html}.get(path.suffix.lower(), _to_markdown)
    path.write_text(render(report), encoding="utf-8", newline="\n")


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the facts above the tables of a report: name and value."""
    seconds = (report.ended - report.started).total_seconds() if report.ended else None
    facts = [
        ("Outcome", report.outcome),
        ("Scale set", report.subject),
        ("Identity", report.identity),
        ("Started", _stamp(report.started)),
        ("Ended", _stamp(report.ended)),
        ("Duration", duration(seconds)),
    ]
    facts += [("Change", change) for change in report.changes]
    facts += [(name.capitalize(), f"{value:g}") for name, value in (report.summary or {}).items()]
    return [*facts, ("Result", report.message)]


def _tables(report: Report) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the tables of a report: title, headings, rows."""
    steps = [
        [
            step.name,
            ", ".join(step.instance_ids),
            _stamp(step.started),
            duration(step.seconds),
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
    """Return text with the characters of Markdown escaped, on one line."""
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
