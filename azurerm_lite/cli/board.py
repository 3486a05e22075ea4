"""The board of a rollout on a terminal: overall bar, current batch, table of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime, timezone

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import azurerm_lite as az

_SIGNS = {
    "upgraded": ("+", "green"),
    "upgrading": ("~", "bold yellow"),
    "waiting": (".", "dim"),
    "failed": ("!", "bold red"),
}
"""The sign and the style of each state: colour is not the only difference."""
_MOST_SHOWN = 120
"""Sets with more instances are shown as counts."""


def estimate_seconds_left(upgraded: int, left: int, elapsed: float) -> float | None:
    """Return how long a rollout still takes if it continues at the speed so far.

    Args:
        upgraded: How many instances this run has upgraded.
        left: How many it has still to upgrade.
        elapsed: Seconds since it started.

    Returns:
        Seconds; `None` as long as no instance was upgraded.
    """
    if left <= 0:
        return 0.0
    return elapsed / upgraded * left if upgraded > 0 else None


def format_seconds(seconds: float | None) -> str:
    """Return seconds as `1:02:03` or `2:03`; `-` if they are not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def state_of(instance: az.Instance, done: Set[str] = frozenset()) -> str:
    """Return the state of an instance in a rollout: a key of the legend.

    Args:
        instance: The instance.
        done: The ids of the instances that this run has upgraded.

    Returns:
        `upgraded`, `upgrading`, `waiting` or `failed`.
    """
    provisioning_state = az.provisioning_state(instance)
    if provisioning_state == "failed":
        return "failed"
    if provisioning_state in ("updating", "creating", "deleting"):
        return "upgrading"
    has_model = instance["properties"].get("latestModelApplied")
    is_upgraded = has_model or (has_model is None and instance["instanceId"] in done)
    return "upgraded" if is_upgraded else "waiting"


class Board:
    """What is known of a rollout, drawn again at each refresh.

    Args:
        now: A function that returns the time.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._now = now
        self._began: datetime | None = None
        self._run_began: datetime | None = None
        self._planned = 0
        self._done: set[str] = set()
        self._batch = ""
        self._last: az.Event | None = None

    def add(self, event: az.Event) -> None:
        """Update the board by an event."""
        self._began = self._began or event.time
        if event.kind == "started":  # a rollback after a failure starts again
            self._run_began = event.time
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
        # Of members of Flexible sets it may not be known that they have the model.
        done = max(last.latest, len(self._done))
        left = None
        if self._run_began:
            left = estimate_seconds_left(
                len(self._done), self._planned - len(self._done), self._since(self._run_began)
            )
        elapsed = format_seconds(self._since(self._began or last.time))
        count = Text(f"{done} of {last.total} instances done", "bold")
        times = Text(f"elapsed {elapsed}, left about {format_seconds(left)}")
        bar = ProgressBar(total=max(1, last.total), completed=done, width=min(width, 60))
        lines = Table.grid()  # a bar does not end its line by itself
        lines.add_row(bar)
        lines.add_row(Text("  ").join([count, times]))
        return lines

    def _since(self, time: datetime) -> float:
        return max(0.0, (self._now() - time).total_seconds())


def _table(instances: Sequence[az.Instance], done: Set[str]) -> RenderableType:
    """Return the instances by update domain, each with the sign of its state, and a legend."""
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
    """Return the instances by update domain, else by zone; with an empty heading by neither."""
    domains = az.by_update_domain(instances)
    if any(isinstance(domain, int) for domain in domains):
        return "update domain", domains
    # Members of Flexible sets often have no update domain.
    zones = az.by_zone(instances)
    return ("zone" if len(zones) > 1 else ""), zones


def _cell(ids: Sequence[str], states: Mapping[str, str]) -> Text:
    """Return the instances of a domain: their ids, or counts of a large set."""
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
