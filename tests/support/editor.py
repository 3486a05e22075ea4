"""Drive the editor in tests."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from editor import picture
from editor.app import Editor
from editor.dialogs import Roll
from editor.heat import Heat
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input, RichLog, Select, Static

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Textual's pilot waits for an idle processor at each key; `Driver` knows better what to wait for."""

    async def once(*_: float, **__: float) -> None:
        await asyncio.sleep(0)

    for module in ("textual.pilot", "textual.app"):
        patch.setattr(f"{module}.wait_for_idle", once, raising=False)


class Driver:
    """An editor that is open, and the hands on its keys and mouse."""

    def __init__(self, editor: Editor, pilot: Pilot[None], sandbox: Sandbox) -> None:
        self.editor, self.pilot, self.sandbox = editor, pilot, sandbox
        self.heat = editor.screen_stack[0].query_one("#map", Heat)
        self.seen = len(sandbox.journal)

    async def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Waits until something holds."""
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, f"{self.status!r}; {self.log}"
            await self.pilot.pause(0.005)
        await self.settle()

    async def settle(self) -> None:
        """Lets a message come through from one queue to the next: of the application, the screen, a widget."""
        for _ in range(4):
            await self.pilot.pause(0)

    async def press(self, *keys: str) -> None:
        """Presses keys."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def click(self, *names: str) -> None:
        """Clicks pieces of the map by their names."""
        for name in names:
            await self.pilot.click(self.heat, offset=tuple(each + pad for each, pad in zip(
                self.heat.place_of(name), (2, 1), strict=True)))  # fmt: skip
            await self.settle()

    async def dialog(self, kind: type[Any]) -> Any:
        """The dialog of a kind, when it is open."""
        await self.until(lambda: isinstance(self.editor.screen, kind))
        return self.editor.screen

    async def done(self) -> None:
        """Waits until what is being done has ended and has been looked at."""
        await self.until(lambda: len(self.editor.screen_stack) == 1)
        await self.until(lambda: not self.editor.job)

    async def sees(self, holds: Callable[[picture.Spot], object], *ids: str) -> None:
        """Waits until the map shows exactly these instances to be so."""
        await self.until(lambda: {spot.id for spot in self.editor.spots if holds(spot)} == set(ids))

    async def fill(self, **values: str) -> None:
        """Fills fields of the dialog and goes on."""
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
        """What the log tells, wherever it breaks its lines."""
        lines = (line.text for line in self.editor.screen_stack[0].query_one("#log", RichLog).lines)
        return re.split(r"(?=12:00:00 )", "".join(lines))

    def shown(self, selector: str) -> str:
        """The text of a widget of the dialog."""
        return str(self.editor.screen.query_one(selector, Static).content)

    def writes(self) -> list[tuple[str, Any]]:
        """What was sent since the last time this was asked: the end of the path, and the ids or the body."""
        journal, self.seen = self.sandbox.journal[self.seen :], len(self.sandbox.journal)
        return [
            (each.path.rpartition("/")[2].lower(), (each.body or {}).get("instanceIds", each.body))
            for each in journal
            if each.method != "GET" and "virtualMachineScaleSets" in each.path
        ]


Story = Callable[[Driver], Awaitable[None]]


def drive(
    sandbox: Sandbox,
    story: Story,
    name: str | None = "web",
    size: tuple[int, int] = (112, 34),
    **more: Any,
) -> None:
    """Opens the editor on a set, plays a story, closes it."""

    async def play() -> None:
        opened = (sandbox.resource_group, name) if name else None
        more.setdefault("now", lambda: "12:00:00")
        editor = Editor(
            more.pop("token", None) or az.token_provider(), sandbox.subscription_id, opened, **more
        )
        async with editor.run_test(size=size) as pilot:
            driver = Driver(editor, pilot, sandbox)
            if name:
                await driver.until(lambda: editor.model)
            driver.writes()
            await story(driver)

    asyncio.run(play())
    for thread in (
        threading.enumerate()
    ):  # or it would read on when the sandbox is gone, and tell the next editor
        if thread.name == "editor: read":
            thread.join(10)


def spot(
    number: int, domains: tuple[int, int], zone: str, group: str, power: str, latest: bool
) -> picture.Spot:
    """An instance of the map."""
    update_domain, fault_domain = (str(each) if each >= 0 else picture.UNKNOWN for each in domains)
    return picture.Spot(
        str(number),
        f"web_{number}",
        group,
        update_domain,
        fault_domain,
        zone,
        power,
        latest,
        (),
        (),
    )


async def roll(driver: Driver, **fields: str) -> None:
    """Opens the dialog, sets its fields, starts."""
    await driver.press("r")
    dialog = await driver.dialog(Roll)
    if by := fields.pop("by", None):
        dialog.query_one("#by", Select).value = by
    for box in ("back", "only"):
        dialog.query_one(f"#{box}", Checkbox).value = bool(fields.pop(box, ""))
    await driver.fill(**fields)
