"""The pictures of the editor in docs/pictures are current. Run this file to redraw them."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.editor import Driver, drive, hurry, roll
from textual.widgets import DataTable

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.cli.editor.dialogs import ChooseDialog, ConfirmDialog, MenuDialog, RollDialog
from azurerm_lite.cli.editor.tiles import is_busy
from azurerm_lite.sandbox import Sandbox

NEW = "22.04.202411010"

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
DRAWN_BY = f"<!-- drawn by Textual {version('textual')}, Rich {version('rich')} -->"


class SandboxWithClock:
    """A clock that the test advances, and a sandbox in which an upgrade takes 30 s of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        hurry(patch)
        patch.setattr(_clock, "sleep", lambda seconds: time.sleep(min(seconds, 0.05)))
        patch.setattr(_clock, "monotonic", lambda: self.now)
        self.sandbox = Sandbox(upgrade_seconds=30, clock=lambda: self.now)

    def finish(self, *calls: Callable[[], object]) -> None:
        """Make calls one after the other, and advance the clock after each one."""
        for call in calls:
            call()
            self.now += 100

    def prepare(self) -> None:
        """Set a new image in the model, power off one instance, deallocate another one."""
        where = self.sandbox.where()
        self.sandbox.set_image("web", version=NEW)
        self.finish(
            lambda: az.poweroff_vmss(*where, instance_ids=["7"]),
            lambda: az.stopdealloc_vmss(*where, instance_ids=["13"]),
        )


@pytest.fixture
def stage(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxWithClock]:
    """Start a sandbox with a clock that the test advances."""
    stage = SandboxWithClock(monkeypatch)
    with stage.sandbox:
        stage.prepare()
        yield stage


async def draw_rolling_upgrade(driver: Driver, stage: SandboxWithClock) -> str:
    """Draw the upgrade of the second update domain, with the third one picked."""
    await roll(driver, pause="0")
    await driver.until(lambda: any("update domain 0: upgrading" in line for line in driver.log))
    await driver.sees(is_busy, "0", "5", "10", "15")
    stage.now += 100
    await driver.until(lambda: any("update domain 1: upgrading" in line for line in driver.log))
    await driver.press("g")
    await driver.sees(is_busy, "1", "6", "11", "16")
    await driver.click("update domain 2")
    await driver.until(lambda: driver.status.endswith("InProgress, 0 s"))
    drawn = await picture_of(driver)
    await driver.press("x")
    stage.now += 100
    await driver.done()
    return drawn


async def draw_menu(driver: Driver, _: SandboxWithClock) -> str:
    """Draw the menu of actions on a fault domain."""
    await driver.click("fault domain 3")
    await driver.press("enter")
    await driver.dialog(MenuDialog)
    return await picture_of(driver)


async def draw_confirmation(driver: Driver, _: SandboxWithClock) -> str:
    """Draw the confirmation before two instances are deleted."""
    await driver.click("instance 7", "instance 13")
    await driver.press("enter")
    await driver.dialog(MenuDialog)
    await driver.press("x")
    await driver.dialog(ConfirmDialog)
    return await picture_of(driver)


async def draw_roll_dialog(driver: Driver, _: SandboxWithClock) -> str:
    """Draw the dialog of a rolling upgrade."""
    await driver.press("r")
    await driver.dialog(RollDialog)
    await driver.until(lambda: "1. update domain 0" in driver.shown("#plan"))
    return await picture_of(driver)


async def draw_list(driver: Driver, _: SandboxWithClock) -> str:
    """Draw the list of scale sets, on a small terminal."""
    await driver.press("l")
    opened = await driver.dialog(ChooseDialog)
    await driver.until(lambda: opened.query_one(DataTable).row_count == 4)
    return await picture_of(driver)


STORIES: dict[str, tuple[Callable[[Driver, SandboxWithClock], Awaitable[str]], tuple[int, int]]] = {
    "map": (draw_rolling_upgrade, (112, 34)),
    "menu": (draw_menu, (112, 34)),
    "confirm": (draw_confirmation, (80, 24)),
    "roll": (draw_roll_dialog, (112, 34)),
    "choose": (draw_list, (100, 30)),
}


async def picture_of(driver: Driver) -> str:
    """Return the screen once it does not change any more."""
    now = ""
    for _ in range(200):
        await driver.pilot.pause(0.05)
        before = now
        now = normalise(driver.editor.export_screenshot(simplify=False))
        if before == now:
            return now
    raise AssertionError("the screen does not stop changing")


def normalise(svg: str) -> str:
    """Return an SVG without parts that differ from run to run, and without web fonts."""
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("\xa0", "&#160;")
    lines = (line.rstrip() for line in svg.splitlines())
    return "\n".join(
        [line for line in lines if line and not line.lstrip().startswith("<!--")] + [DRAWN_BY, ""]
    )


def words(svg: str) -> list[str]:
    """Return the text by line without spaces, which is the same in every version of Textual."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        y = float(element.get("y", "0"))
        lines[y] = lines.get(y, "") + "".join(element.itertext())
    return ["".join(lines[y].split()) for y in sorted(lines)]


def draw(name: str, stage: SandboxWithClock) -> str:
    """Draw a picture with the current editor."""
    story, size = STORIES[name]
    drawn = ""

    async def play(driver: Driver) -> None:
        nonlocal drawn
        drawn = await story(driver, stage)

    drive(stage.sandbox, play, size=size)
    return drawn


@pytest.mark.parametrize(
    "name",
    ["map", *(pytest.param(each, marks=pytest.mark.slow) for each in STORIES if each != "map")],
)
def test_the_pictures_of_the_docs_are_current(stage: SandboxWithClock, name: str) -> None:
    """The text is the same; with the same Textual, the colours too. Run this file to redraw."""
    kept = (PICTURES / f"editor-{name}.svg").read_text(encoding="utf-8")
    drawn = draw(name, stage)
    assert words(drawn) == words(kept)
    if DRAWN_BY in kept:
        assert drawn == kept


def main() -> None:
    """Write the pictures."""
    for name in STORIES:
        with pytest.MonkeyPatch.context() as patch:
            stage = SandboxWithClock(patch)
            with stage.sandbox:
                stage.prepare()
                drawn = draw(name, stage)
        (PICTURES / f"editor-{name}.svg").write_text(drawn, encoding="utf-8", newline="\n")
        print(f"docs/pictures/editor-{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    main()
