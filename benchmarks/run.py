"""What the library costs, beside its floor and its peers: `python benchmarks/run.py` measures all and prints a table.

Each row's contestants take turns in one run, each in a process of its own, and the medians of their
rounds are compared. Ourselves and the peers are installed by pip, each in an environment of its
own, which is kept for the next time; `--no-peers` installs nothing and takes the environment that
it runs in. It needs the extra `sandbox`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import calls
import environments
import imports
import plot
import rollouts
import waits
from measure import HEAD, Row, progress

ROWS: dict[str, Callable[[Mapping[str, str], int], list[Row]]] = {
    "import": lambda pythons, rounds: imports.importing(pythons, 2 * rounds),
    "installed": imports.installing,
    "calls": calls.reading,
    "compute": calls.computing,
    "wait": waits.waiting,
    "rollout": rollouts.rolling,
    "token": calls.tokens,
}
SIZES = [10, 30, 100, 300, 1000]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", nargs="+", choices=[*ROWS, "growth"], default=[*ROWS, "growth"], help="only these"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        help="how often each contestant's turn comes (default: 20)",
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="install nothing, and compare with the floor alone"
    )
    kept = Path(tempfile.gettempdir()) / "azurerm-lite-benchmarks"
    parser.add_argument(
        "--environments", type=Path, default=kept, help="where the environments are kept"
    )
    parser.add_argument(
        "--write", type=Path, help="a page to write into, such as docs/performance.md"
    )
    return parser.parse_args()


def installed(asked: argparse.Namespace) -> dict[str, str]:
    """The interpreters of the environments, by name."""
    if asked.no_peers:
        return {"ours": sys.executable}
    names = [
        name for name in environments.REQUIREMENTS if name != "floor" or "installed" in asked.rows
    ]
    progress(f"installing {', '.join(names)} into {asked.environments}")
    return {name: environments.made(name, asked.environments) for name in names}


def machine(pythons: Mapping[str, str]) -> str:
    """What it was measured on, when, and with what versions."""
    cpu = platform.processor() or platform.machine()
    if (told := Path("/proc/cpuinfo")).exists():
        names = re.findall(r"^model name\s*: (.*)$", told.read_text("utf-8"), re.MULTILINE)
        cpu = names[0] if names else cpu
    system = f"{platform.system()}, Python {platform.python_version()}"
    found = environments.installed(pythons["sdk"])[-1] if "sdk" in pythons else {}
    peers = [f"{name} {found[name]}" for name in environments.REQUIREMENTS["sdk"] if name in found]
    against = f"; Azure's SDK is {' with '.join(peers)}" if peers else ""
    return f"Measured on {time.strftime('%Y-%m-%d')}: {cpu}, {os.cpu_count()} cores, {system}{against}."


def command() -> str:
    """The command that was given, for the page."""
    return " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])


def grown(pythons: Mapping[str, str], rounds: int) -> str:
    """The plot of how cost grows with the number of instances."""
    found = calls.growth(pythons, max(1, rounds // 2), SIZES)
    return plot.lines(found, "instances", "milliseconds")


def write(page: Path, text: str, picture: str | None) -> None:
    """Puts the table between the two marks of the page, and the plot beside it."""
    begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    if end not in rest:
        raise SystemExit(f"{page} has no place for the table: {begin} … {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")
    if picture:
        (page.parent / "pictures").mkdir(exist_ok=True)
        (page.parent / "pictures" / "growth.svg").write_text(picture, "utf-8")


def main() -> None:
    """Measures what was asked for, and prints or writes it."""
    asked = arguments()
    began = time.monotonic()
    pythons = installed(asked)
    rows: list[Row] = []
    for name in asked.rows:
        if name != "growth":
            progress(f"measuring: {name}")
            rows += ROWS[name](pythons, asked.rounds)
    picture = None
    if "growth" in asked.rows:
        progress("measuring: growth")
        picture = grown(pythons, asked.rounds)
    text = "\n".join([machine(pythons) + f" `{command()}`", "", HEAD, *map(str, rows)])
    if asked.write:
        write(asked.write, text, picture)
    else:
        print(text)
    progress(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
