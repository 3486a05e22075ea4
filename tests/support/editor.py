"""Drive the editor in tests."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input, RichLog, Select, Static

import azurerm_lite as az
from azurerm_lite.cli.editor.app import Editor
from azurerm_lite.cli.editor.dialogs import RollDialog
from azurerm_lite.cli.editor.heat_map import HeatMapView
from azurerm_lite.heatmap import STYLES, Cell
from azurerm_lite.sandbox import Sandbox


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Skip Textual's wait for an idle CPU after keys; `Driver` waits for results instead."""

    async def once(*_: float, **__: float) -> None:
        await asyncio.sleep(0)

    for module in ("textual.pilot", "textual.app"):
        patch.setattr(f"{module}.wait_for_idle", once, raising=False)


class Driver:
    """An open editor with simulated keys and mouse."""

    def __init__(self, editor: Editor, pilot: Pilot[None], sandbox: Sandbox) -> None:
        self.editor = editor
        self.pilot = pilot
        self.sandbox = sandbox
        self.view = editor.screen_stack[0].query_one("#map", HeatMapView)
        self.seen = len(sandbox.journal)

    async def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until a condition holds."""
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, f"{self.status!r}; {self.log}"
            await self.pilot.pause(0.005)
        await self.settle()

    async def settle(self) -> None:
        """Process the message queues of application, screen and widget."""
        for _ in range(4):
            await self.pilot.pause(0)

    async def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def click(self, *names: str) -> None:
        """Click tiles of the heat map by their names."""
        for name in names:
            x, y = self.view.position_of(name)
            # The frame and the padding of the widget come before its content.
            await self.pilot.click(self.view, offset=(x + 2, y + 1))
            await self.settle()

    async def dialog(self, kind: type[Any]) -> Any:
        """Wait for a dialog of a class, and return it."""
        await self.until(lambda: isinstance(self.editor.screen, kind))
        return self.editor.screen

    async def done(self) -> None:
        """Wait until the job has ended."""
        await self.until(lambda: len(self.editor.screen_stack) == 1)
        await self.until(lambda: not self.editor.job)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the heat map."""
        return self.editor.heat_map.cells

    async def sees(self, holds: Callable[[Cell], object], *ids: str) -> None:
        """Wait until a condition holds for exactly these instances of the heat map."""
        await self.until(
            lambda: {cell.instance_id for cell in self.cells if holds(cell)} == set(ids)
        )

    async def fill(self, **values: str) -> None:
        """Fill the fields of the dialog, and press its button."""
        for name, value in values.items():
            self.editor.screen.query_one(f"#{name}", Input).value = value
        await self.settle()
        self.editor.screen.query_one("#yes", Button).press()
        await self.settle()

    @property
    def status(self) -> str:
        """The status line."""
        return str(self.editor.screen_stack[0].query_one("#status", Static).content)

    @property
    def log(self) -> list[str]:
        """The messages of the log, without its line breaks."""
        lines = (line.text for line in self.editor.screen_stack[0].query_one("#log", RichLog).lines)
        return re.split(r"(?=12:00:00 )", "".join(lines))

    def shown(self, selector: str) -> str:
        """Return the text of a widget of the dialog."""
        return str(self.editor.screen.query_one(selector, Static).content)

    def writes(self) -> list[tuple[str, Any]]:
        """Return the writes since the last call: end of the path, and ids or body."""
        entries = self.sandbox.journal[self.seen :]
        self.seen = len(self.sandbox.journal)
        found = []
        for entry in entries:
            if entry.method != "GET" and "virtualMachineScaleSets" in entry.path:
                end = entry.path.rpartition("/")[2].lower()
                found.append((end, (entry.body or {}).get("instanceIds", entry.body)))
        return found


Story = Callable[[Driver], Awaitable[None]]


def drive(
    sandbox: Sandbox,
    story: Story,
    name: str | None = "web",
    size: tuple[int, int] = (112, 34),
    **options: Any,
) -> None:
    """Open the editor with a scale set, run a story, and close the editor."""

    async def play() -> None:
        opened = (sandbox.resource_group, name) if name else None
        options.setdefault("now", lambda: "12:00:00")
        token = options.pop("token", None) or az.token_provider()
        editor = Editor(token, sandbox.subscription_id, opened, **options)
        async with editor.run_test(size=size) as pilot:
            driver = Driver(editor, pilot, sandbox)
            if name:
                await driver.until(lambda: editor.model)
            driver.writes()
            await story(driver)

    asyncio.run(play())
    # A running poll would fail after the sandbox stops, and log to the next editor.
    for thread in threading.enumerate():
        if thread.name == "editor: read":
            thread.join(10)


def cell(
    number: int, domains: tuple[int, int], zone: str, group: str, power: str, latest: bool
) -> Cell:
    """Return a cell of a heat map; a negative domain means unknown."""
    update_domain, fault_domain = (str(domain) if domain >= 0 else "unknown" for domain in domains)
    return Cell(
        instance_id=str(number),
        name=f"web_{number}",
        placement_group=group,
        update_domain=update_domain,
        fault_domain=fault_domain,
        zone=zone,
        power_state=power,
        provisioning_state="succeeded",
        health=None,
        image_version="1.0.0",
        flags=() if latest else ("outdated",),
        style=STYLES[power],
    )


async def roll(driver: Driver, **fields: str) -> None:
    """Open the dialog of a rolling upgrade, fill its fields, and start."""
    await driver.press("r")
    dialog = await driver.dialog(RollDialog)
    if by := fields.pop("by", None):
        dialog.query_one("#by", Select).value = by
    for box in ("back", "only"):
        dialog.query_one(f"#{box}", Checkbox).value = bool(fields.pop(box, ""))
    await driver.fill(**fields)
