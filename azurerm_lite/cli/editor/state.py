"""The state of the editor, and what its parts share: status line, log, confirmation."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.text import Text
from textual import events
from textual.app import App
from textual.widgets import RichLog, Static

from azurerm_lite.heatmap import Heatmap

from ..session import Where
from .dialogs import ConfirmDialog

_COLOURS = {
    "warning": "#d29922",
    "error": "#ff7b72",
    "done": "#3fb950",
    "work": "#58a6ff",
    "": "#8b949e",
}
_LOG_SIGNS = {"error": "✗", "warning": "!", "done": "✓", "work": "↻"}


class Job:
    """An operation or rollout that is in progress."""

    def __init__(self, title: str, *, is_rollout: bool = False) -> None:
        self.title = title
        self.is_rollout = is_rollout
        self.stop = threading.Event()


class Log(RichLog):
    """The log, wrapped again when the width of the window changes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._messages: deque[Text] = deque(maxlen=self.max_lines)
        self._width = 0

    def add(self, message: Text) -> None:
        """Add a message."""
        self._messages.append(message)
        self.write(message, expand=True)

    def on_resize(self, event: events.Resize) -> None:
        """Write all messages again."""
        if self._width not in (0, event.size.width):
            self.clear()
            for message in self._messages:
                self.write(message, expand=True)
        self._width = event.size.width


class EditorState(App[None]):
    """The state of the editor, and the methods that all its parts use.

    Args:
        access_token: A zero-argument callable that returns a Bearer token and renews it.
        subscription_id: Subscription id.
        opened: Resource group and name of the set to open; `None` to choose from a list.
        read_only: Whether to disable all actions that change something.
        now: A function that returns the current time for the log.
    """

    def __init__(
        self,
        access_token: Callable[[], str],
        subscription_id: str,
        opened: tuple[str, str] | None = None,
        *,
        read_only: bool = False,
        now: Callable[[], str] = lambda: f"{datetime.now():%H:%M:%S}",
    ) -> None:
        super().__init__()
        self.access_token = access_token
        self.subscription_id = subscription_id
        self.read_only = read_only
        self.now = now
        self.opened = opened
        self.job: Job | None = None
        self.model: Any = None
        self.instances: list[Any] = []
        self.heat_map = Heatmap(())
        self.images_before: dict[tuple[str, str], Any] = {}
        self.refresh_soon = asyncio.Event()

    def log_line(self, text: str, kind: str = "") -> None:
        """Add a line to the log, and show it in the status line too."""
        self.status(text, kind)
        line = Text(f"{self.now()} ", "#6e7681")
        line.append(f"{_LOG_SIGNS.get(kind, '·')} {text}", _COLOURS[kind])
        for log in self.query("#log").results(Log):
            log.add(line)

    def status(self, text: str, kind: str = "work") -> None:
        """Show a text in the status line only."""
        line = Text(text, _COLOURS[kind], no_wrap=True, overflow="ellipsis")
        # Threads may still report something after the editor has closed its widgets.
        for widget in self.query("#status").results(Static):
            widget.update(line)

    @property
    def where(self) -> Where:
        """The first four arguments of the library's functions."""
        return Where(self.access_token, self.subscription_id, *(self.opened or ("", "")))

    @property
    def set_name(self) -> str:
        """The name of the scale set."""
        return self.opened[1] if self.opened else "no scale set"

    def show_busy(self) -> None:
        """Show which job is in progress."""
        title = self.job.title if self.job else ""
        self.status(f"One action at a time: {title} is in progress.", "warning")

    def is_free(self) -> bool:
        """Return whether a job can be started; show the reason if not."""
        if self.read_only:
            self.status("The editor is read-only: nothing can be changed.", "warning")
            return False
        if self.job:
            self.show_busy()
            return False
        if not self.model:
            self.status("No scale set to work on: press l to choose one.", "warning")
            return False
        return True

    async def confirm(self, title: str, text: str, yes: str) -> bool:
        """Ask for confirmation; return whether the answer is yes."""
        return bool(await self.push_screen_wait(ConfirmDialog(title, text, yes)))
