"""Draw docs/pictures/rollout.svg, a rollout on the sandbox: `python docs/pictures/make.py`."""

from __future__ import annotations

import datetime
import io
import re
from pathlib import Path

from rich.console import Console

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.cli.board import Board
from azurerm_lite.sandbox import Sandbox

HERE = Path(__file__).parent
NEW = "22.04.202411010"
COMMAND = f"azurerm-lite rollout -r sandbox -s web -n {NEW}"
ONLY_ON_BOARD = ("progress", "waiting", "finished")
WIDTH = 84
BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


class Clock:
    """A clock that advances only when the rollout sleeps, so that every picture is the same."""

    now = 0.0

    def __call__(self) -> float:
        """Return the current time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


def record() -> Console:
    """Return a terminal that shows a rollout in the middle of update domain 3."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    clock = Clock()
    _clock.monotonic = clock
    _clock.sleep = clock.sleep
    console.print(f"$ {COMMAND}", style="bold", highlight=False)
    with Sandbox(upgrade_seconds=60, clock=clock) as sandbox:
        where = sandbox.where()
        model = az.get_vmss(*where)
        az.wait(where[0], az.put_vmss(*where, az.set_image(model, version=NEW)))

        def now() -> datetime.datetime:
            return BEGIN + datetime.timedelta(seconds=clock.now)

        board = Board(now)
        for event in az.rollout(*where):
            event = event._replace(time=now())  # noqa: PLW2901 - at the time of the picture
            board.add(event)
            show(console, event)
            is_domain_3 = event.batch is not None and event.batch.name == "update domain 3"
            if is_domain_3 and event.kind == "progress" and "30 s" in event.message:
                console.print(board)
                console.print()  # rich cuts the last line of a picture
                return console
    raise RuntimeError("the rollout ended without the expected event of update domain 3")


def show(console: Console, event: az.Event) -> None:
    """Print an event like the command above its board, but always in UTC."""
    if event.kind not in ONLY_ON_BOARD:
        line = re.sub(r"^\d\d:\d\d:\d\d", f"{event.time:%H:%M:%S}", str(event))
        console.print(line, highlight=False)


def main() -> None:
    """Write the file."""
    picture = record().export_svg(title="a rollout on the sandbox", unique_id="rollout")
    # Remove the web font: a picture in a page must not load anything.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    (HERE / "rollout.svg").write_text(picture, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
