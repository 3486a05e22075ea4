"""The pictures of the editor in docs/pictures are what it draws; as a script, write them."""

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


class Turned:
    """A clock that somebody turns, and a sandbox in which an upgrade takes half a minute of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        hurry(patch)
        patch.setattr(_clock, "sleep", lambda seconds: time.sleep(min(seconds, 0.05)))
        patch.setattr(_clock, "monotonic", lambda: self.now)
        self.sandbox = Sandbox(upgrade_seconds=30, clock=lambda: self.now)

    def ends(self, *calls: Callable[[], object]) -> None:
        """Makes calls, one after the other, and lets each come to its end."""
        for call in calls:
            call()
            self.now += 100

    def prepare(self) -> None:
        """A new image in the model, two instances that do not run, one that is unhealthy."""
        where = self.sandbox.where()
        self.sandbox.set_image("web", version=NEW)
        self.ends(
            lambda: az.poweroff_vmss(*where, instance_ids=["7"]),
            lambda: az.stopdealloc_vmss(*where, instance_ids=["13"]),
        )


@pytest.fixture
def turned(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turned]:
    """A sandbox with a clock to turn."""
    turned = Turned(monkeypatch)
    with turned.sandbox:
        turned.prepare()
        yield turned


async def rolling(driver: Driver, turned: Turned) -> str:
    """The second update domain of a rolling upgrade is under way, and the third one is picked."""
    await roll(driver, pause="0")
    await driver.until(lambda: any("update domain 0: upgrading" in line for line in driver.log))
    await driver.sees(is_busy, "0", "5", "10", "15")
    turned.now += 100
    await driver.until(lambda: any("update domain 1: upgrading" in line for line in driver.log))
    await driver.press("g")
    await driver.sees(is_busy, "1", "6", "11", "16")
    await driver.click("update domain 2")
    await driver.until(lambda: driver.status.endswith("InProgress, 0 s"))
    drawn = await picture_of(driver)
    await driver.press("x")
    turned.now += 100
    await driver.done()
    return drawn


async def menu(driver: Driver, _: Turned) -> str:
    """What can be done to a fault domain."""
    await driver.click("fault domain 3")
    await driver.press("enter")
    await driver.dialog(MenuDialog)
    return await picture_of(driver)


async def confirm(driver: Driver, _: Turned) -> str:
    """The question before two instances are deleted."""
    await driver.click("instance 7", "instance 13")
    await driver.press("enter")
    await driver.dialog(MenuDialog)
    await driver.press("x")
    await driver.dialog(ConfirmDialog)
    return await picture_of(driver)


async def dialog(driver: Driver, _: Turned) -> str:
    """A rolling upgrade is about to begin."""
    await driver.press("r")
    await driver.dialog(RollDialog)
    await driver.until(lambda: "1. update domain 0" in driver.shown("#plan"))
    return await picture_of(driver)


async def choose(driver: Driver, _: Turned) -> str:
    """The subscription's scale sets, on a small terminal."""
    await driver.press("l")
    opened = await driver.dialog(ChooseDialog)
    await driver.until(lambda: opened.query_one(DataTable).row_count == 4)
    return await picture_of(driver)


STORIES: dict[str, tuple[Callable[[Driver, Turned], Awaitable[str]], tuple[int, int]]] = {
    "map": (rolling, (112, 34)),
    "menu": (menu, (112, 34)),
    "confirm": (confirm, (80, 24)),
    "roll": (dialog, (112, 34)),
    "choose": (choose, (100, 30)),
}


async def picture_of(driver: Driver) -> str:
    """The screen as it is when it does not change any more."""
    before, now = "", ""
    for _ in range(200):
        await driver.pilot.pause(0.05)
        before, now = now, normalised(driver.editor.export_screenshot(simplify=False))
        if before == now:
            return now
    raise AssertionError("the screen does not come to rest")


def normalised(svg: str) -> str:
    """Without what differs from run to run, and without fonts from elsewhere."""
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("\xa0", "&#160;")
    lines = (line.rstrip() for line in svg.splitlines())
    return "\n".join(
        [line for line in lines if line and not line.lstrip().startswith("<!--")] + [DRAWN_BY, ""]
    )


def words(svg: str) -> list[str]:
    """What one reads, line by line and without the spaces: the same in every version of Textual."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        y = float(element.get("y", "0"))
        lines[y] = lines.get(y, "") + "".join(element.itertext())
    return ["".join(lines[y].split()) for y in sorted(lines)]


def draw(name: str, turned: Turned) -> str:
    """A picture, drawn now."""
    story, size = STORIES[name]
    drawn = ""

    async def play(driver: Driver) -> None:
        nonlocal drawn
        drawn = await story(driver, turned)

    drive(turned.sandbox, play, size=size)
    return drawn


@pytest.mark.parametrize(
    "name",
    ["map", *(pytest.param(each, marks=pytest.mark.slow) for each in STORIES if each != "map")],
)
def test_the_pictures_of_the_docs_are_what_the_editor_shows(turned: Turned, name: str) -> None:
    """The words are the same, and each colour with the same Textual. Run this file to redraw."""
    kept, drawn = (PICTURES / f"editor-{name}.svg").read_text(encoding="utf-8"), draw(name, turned)
    assert words(drawn) == words(kept)
    if DRAWN_BY in kept:
        assert drawn == kept


def main() -> None:
    """Writes the pictures."""
    for name in STORIES:
        with pytest.MonkeyPatch.context() as patch:
            turned = Turned(patch)
            with turned.sandbox:
                turned.prepare()
                drawn = draw(name, turned)
        (PICTURES / f"editor-{name}.svg").write_text(drawn, encoding="utf-8", newline="\n")
        print(f"docs/pictures/editor-{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    main()
