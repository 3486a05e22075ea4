"""The board of a fleet on a terminal: waves, and scale sets in progress."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import azurerm_lite as az

_MOST_SHOWN = 20
_COUNTED = ("set_started", "set_done", "set_failed", "set_paused")
_ENDED = _COUNTED[1:]


class FleetBoard:
    """The progress of a fleet, redrawn at each refresh."""

    def __init__(self) -> None:
        self._in_progress: dict[Any, az.Event] = {}
        self._waves: dict[int, Counter[str]] = {}
        self._last: az.FleetEvent | None = None

    def add(self, event: az.FleetEvent) -> None:
        """Update the board by an event."""
        self._last = event
        if event.wave:
            self._waves.setdefault(event.wave, Counter()).update([event.kind])
        if event.event is not None:
            self._in_progress[event.scale_set] = event.event
        elif event.kind in _ENDED:
            self._in_progress.pop(event.scale_set, None)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        last = self._last
        if last is None:
            return
        width = min(options.max_width, 60)
        lines = Table.grid()  # a progress bar alone does not end its line
        lines.add_row(ProgressBar(total=max(1, last.total), completed=last.done, width=width))
        done = f"{last.done} of {last.total} scale sets done, {last.failed} failed"
        lines.add_row(Text(done, "bold"))
        yield lines
        waves = Table("wave", "started", "done", "failed", "paused")
        for wave, counts in self._waves.items():
            waves.add_row(f"{wave} of {last.waves}", *(str(counts[kind]) for kind in _COUNTED))
        yield waves
        sets = Table("scale set", "instances", "now")
        for target, event in list(self._in_progress.items())[:_MOST_SHOWN]:
            now = Text(event.message, no_wrap=True, overflow="ellipsis")
            sets.add_row(str(target), f"{event.latest} of {event.total}", now)
        yield sets
        more = len(self._in_progress) - _MOST_SHOWN
        if more > 0:
            yield Text(f"and {more} more in progress", "dim")
