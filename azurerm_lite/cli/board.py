"""The board of a rollout on a terminal: overall bar, current batch, table of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import azurerm_lite as az

from .text import duration

_SIGNS = {
    "upgraded": ("+", "green"),
    "upgrading": ("~", "bold yellow"),
    "pending": (".", "dim"),
    "failed": ("!", "bold red"),
}
"""Sign and style of each state. The signs differ, so that the board is readable without colour."""
_MOST_SHOWN = 120
"""The largest scale set whose instances are listed; larger ones are shown as counts."""


def estimate_seconds_left(upgraded: int, left: int, elapsed: float) -> float | None:
    """Return the estimated number of seconds that a rollout still takes, at its speed so far.

    Args:
        upgraded: Number of instances that this run has upgraded.
        left: Number of instances that it still has to upgrade.
        elapsed: Seconds since the run started.

    Returns:
        Seconds; `None` until an instance has been upgraded.
    """
    if left <= 0:
        return 0.0
    return elapsed / upgraded * left if upgraded > 0 else None


def state_of(instance: az.Instance, done: Set[str] = frozenset()) -> str:
    """Return the state of an instance in a rollout, which is a key of the legend.

    Args:
        instance: The instance.
        done: The ids of the instances that this run has upgraded.

    Returns:
        `upgraded`, `upgrading`, `pending` or `failed`.
    """
    provisioning_state = az.provisioning_state(instance)
    if provisioning_state == "failed":
        return "failed"
    if provisioning_state in ("updating", "creating", "deleting"):
        return "upgrading"
    has_model = instance["properties"].get("latestModelApplied")
    is_upgraded = has_model or (has_model is None and instance["instanceId"] in done)
    return "upgraded" if is_upgraded else "pending"


class Board:
    """The progress of a rollout, redrawn at each refresh.

    Args:
        now: A function that returns the current time.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._started: datetime | None = None
        self._run_started: datetime | None = None
        self._planned = 0
        self._done: set[str] = set()
        self._batch = ""
        self._last: az.Event | None = None

    def add(self, event: az.Event) -> None:
        """Update the board by an event."""
        self._started = self._started or event.time
        if event.kind == "started":  # sent again by a rollback after a failure
            self._run_started = event.time
            self._planned = len(event.instance_ids)
            self._done = set()
        elif event.kind == "batch_started" and event.batch:
            of = f" of {event.batches}" if event.batches else ""
            name = f": {event.batch.name}" if event.batch.name != f"batch {event.number}" else ""
            self._batch = f"batch {event.number}{of}{name}"
        elif event.kind == "batch_done":
            self._done |= set(event.instance_ids)
        self._last = event

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        if self._last is None:
            return
        yield self._overall(self._last, options.max_width)
        if self._batch:
            yield Text(self._batch, "bold", no_wrap=True, overflow="ellipsis")
        yield Text(self._last.message, overflow="fold")
        if self._last.instances:
            yield _table(self._last.instances, self._done)

    def _overall(self, last: az.Event, width: int) -> RenderableType:
        """Return the overall bar, with counts and times."""
        # Azure may not report that members of Flexible sets have the latest model.
        done = max(last.latest, len(self._done))
        left = None
        if self._run_started:
            left = estimate_seconds_left(
                len(self._done), self._planned - len(self._done), self._since(self._run_started)
            )
        elapsed = duration(self._since(self._started or last.time))
        remaining = "time left unknown" if left is None else f"about {duration(left)} left"
        count = Text(f"{done} of {last.total} instances done", "bold")
        times = Text(f"elapsed {elapsed}, {remaining}")
        bar = ProgressBar(total=max(1, last.total), completed=done, width=min(width, 60))
        lines = Table.grid()  # a progress bar alone does not end its line
        lines.add_row(bar)
        lines.add_row(count)
        lines.add_row(times)
        return lines

    def _since(self, time: datetime) -> float:
        return max(0.0, (self._now() - time).total_seconds())


def _table(instances: Sequence[az.Instance], done: Set[str]) -> RenderableType:
    """Return a table of instances by update domain, with the sign of each state, and a legend."""
    states = {instance["instanceId"]: state_of(instance, done) for instance in instances}
    heading, domains = _domains(instances)
    table = Table(*([heading] if heading else []), "instances")
    for domain, ids in domains.items():
        table.add_row(*([str(domain)] if heading else []), _cell(ids, states))
    legend = Text(
        "  ".join(f"{sign} {name}" for name, (sign, _) in _SIGNS.items()),
        "dim",
    )
    return Group(table, legend)


def _domains(instances: Sequence[az.Instance]) -> tuple[str, Mapping[int | str, list[str]]]:
    """Return a heading and the instances by update domain, else by zone, else in one group."""
    domains = az.by_update_domain(instances)
    if any(isinstance(domain, int) for domain in domains):
        return "update domain", domains
    # Members of Flexible sets often have no update domain.
    zones = az.by_zone(instances)
    return ("zone" if len(zones) > 1 else ""), zones


def _cell(ids: Sequence[str], states: Mapping[str, str]) -> Text:
    """Return the instances of a domain as ids, or as counts if the scale set is large."""
    if len(states) <= _MOST_SHOWN:
        cells = [Text(f"{_SIGNS[states[name]][0]}{name}", _SIGNS[states[name]][1]) for name in ids]
        return Text(" ").join(cells)
    counts = [(name, sum(states[each] == name for each in ids)) for name in _SIGNS]
    cells = [
        Text(f"{_SIGNS[name][0]} {count} {name}", _SIGNS[name][1])
        for name, count in counts
        if count
    ]
    return Text(", ").join(cells)
