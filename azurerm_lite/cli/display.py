"""Show events: on a board if standard output is a terminal, otherwise as lines."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import azurerm_lite as az

from .output import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

AnyEvent: TypeAlias = "az.Event | az.FleetEvent"
EventT_contra = TypeVar("EventT_contra", contravariant=True, bound=AnyEvent)
Show: TypeAlias = Callable[[Any], None]

_LINE_SECONDS = 10.0
"""Seconds between two printed lines about progress."""


class EventBoard(Protocol[EventT_contra]):
    """A board that events update and that rich draws."""

    def add(self, event: EventT_contra) -> None:
        """Update the board by an event."""


def is_terminal() -> bool:
    """Return whether standard output is a terminal that can redraw lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def open_display(
    output: Output,
    make_board: Callable[[], EventBoard[Any]],
    is_line: Callable[[Any], bool],
    is_shown: Callable[[Any], bool] = lambda _: True,
) -> Iterator[Show]:
    """Yield a function that shows events.

    Args:
        output: Where to print; with --json, only JSON lines are printed.
        make_board: A function that returns the board for a terminal. It may import rich.
        is_line: Whether an event is also printed above the board.
        is_shown: Whether an event is printed if there is no board.

    Yields:
        A function of an event.
    """
    if output.is_json:
        yield lambda event: output.record(event.to_dict())
    elif not is_terminal():
        yield print_lines(output, is_shown)
    else:
        try:
            board = make_board()
        except ModuleNotFoundError:
            output.warn(
                "rich is not installed, so events are printed as lines:"
                ' pip install "azurerm-lite[cli]"'
            )
            yield print_lines(output, is_shown)
            return
        with _live(board, is_line) as show:
            yield show


@contextlib.contextmanager
def _live(board: Any, is_line: Callable[[Any], bool]) -> Iterator[Show]:
    """Yield a function that redraws a board and prints notable events above it."""
    from rich.console import Console
    from rich.live import Live

    renderable: RenderableType = board
    with Live(renderable, console=Console(), refresh_per_second=4) as live:

        def show(event: Any) -> None:
            board.add(event)
            if is_line(event):
                live.console.print(str(event), highlight=False, markup=False)
            live.refresh()

        yield show


def print_lines(output: Output, is_shown: Callable[[Any], bool] = lambda _: True) -> Show:
    """Return a function that prints events; progress is printed once in ten seconds."""
    last = -_LINE_SECONDS

    def show(event: Any) -> None:
        nonlocal last
        if not is_shown(event):
            return
        if event.kind == "progress" and time.monotonic() - last < _LINE_SECONDS:
            return
        last = time.monotonic()
        output.text(str(event))

    return show
