"""Draw docs/pictures/rollout.svg: examples/rollout.py on the sandbox.

Run it by `python docs/pictures/make.py`.
"""

from __future__ import annotations

import datetime
import io
import re
import sys
from pathlib import Path
from typing import Any

from azurerm_lite import _clock

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

import common  # noqa: E402 - the examples are scripts in a folder, no package
import rollout  # noqa: E402
from rich.console import Console  # noqa: E402

import azurerm_lite as az  # noqa: E402
from azurerm_lite.sandbox import Sandbox  # noqa: E402

COMMAND = "python examples/rollout.py -r sandbox -s web -n 22.04.202411010"
WIDTH = 84
BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5)


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
    options = rollout.parser().parse_args([*COMMAND.split()[2:], "-y"])
    console.print(f"$ {COMMAND}", style="bold", highlight=False)
    with Sandbox(upgrade_seconds=60, clock=clock) as sandbox:
        where = common.Where(*sandbox.where())
        model = az.get_vmss(*where)
        changed = common.new_image(where, model, options)
        az.wait(where.access_token, az.put_vmss(*where, changed))
        for event in rollout.start_rollout(where, options):
            show(console, event, clock.now)
            is_domain_3 = event.kind == "progress" and event.batch.name == "update domain 3"
            if is_domain_3 and "30 s" in event.message:
                console.print(rollout.table(event))
                return console
    raise RuntimeError("the rollout never came to update domain 3")


def show(console: Console, event: Any, seconds: float) -> None:
    """Print an event as the example does above its table, at the time of the picture."""
    if event.kind not in ("progress", "waiting", "finished"):
        time = BEGIN + datetime.timedelta(seconds=seconds)
        console.print(re.sub(r"^\d\d:\d\d:\d\d", f"{time:%H:%M:%S}", str(event)), highlight=False)


def main() -> None:
    """Write the file."""
    picture = record().export_svg(title="a rollout on the sandbox", unique_id="rollout")
    # Without the font that it would fetch from elsewhere: a picture in a page loads nothing.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    (HERE / "rollout.svg").write_text(picture, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
