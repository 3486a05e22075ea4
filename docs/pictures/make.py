"""Draw docs/pictures/rollout.svg: azurerm-lite rollout on the sandbox.

Run it by `python docs/pictures/make.py`.
"""

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
ABOVE_THE_BOARD_NOT = ("progress", "waiting", "finished")
WIDTH = 84
BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


class Clock:
    """Seconds that pass only when the rollout waits, so that the picture is the same each time."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds


def record() -> Console:
    """Return a terminal as it is in the middle of update domain 3."""
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
                return console
    raise RuntimeError("the rollout never came to update domain 3")


def show(console: Console, event: az.Event) -> None:
    """Print an event as the command does above its board, in UTC wherever this runs."""
    if event.kind not in ABOVE_THE_BOARD_NOT:
        line = re.sub(r"^\d\d:\d\d:\d\d", f"{event.time:%H:%M:%S}", str(event))
        console.print(line, highlight=False)


def main() -> None:
    """Write the file."""
    picture = record().export_svg(title="a rollout on the sandbox", unique_id="rollout")
    # Without the font that it would fetch from elsewhere: a picture in a page loads nothing.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    (HERE / "rollout.svg").write_text(picture, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
