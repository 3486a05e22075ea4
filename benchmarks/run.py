"""Measure what the library costs, and print a table: `python benchmarks/run.py`.

The contestants of a row take turns in one run, in processes of their own, and the medians of their
rounds are compared. The library and its peers are installed by pip, in environments of their own,
which are kept. `--no-peers` installs nothing and uses the environment that it runs in. The extra
`sandbox` is needed.
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
    "import": lambda pythons, rounds: imports.measure_imports(pythons, 2 * rounds),
    "installed": imports.measure_installs,
    "calls": calls.measure_reads,
    "compute": calls.measure_functions,
    "wait": waits.measure_waits,
    "rollout": rollouts.measure_rollouts,
    "token": calls.measure_tokens,
}
SIZES = [10, 30, 100, 300, 1000]


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command."""
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


def install(options: argparse.Namespace) -> dict[str, str]:
    """Return the interpreters of the environments, by name."""
    if options.no_peers:
        return {"ours": sys.executable}
    names = [
        name for name in environments.REQUIREMENTS if name != "floor" or "installed" in options.rows
    ]
    progress(f"installing {', '.join(names)} into {options.environments}")
    return {name: environments.make(name, options.environments) for name in names}


def machine(pythons: Mapping[str, str]) -> str:
    """Return what was measured on which machine, when, and with what versions."""
    cpu = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        text = cpu_info.read_text("utf-8")
        names = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
        cpu = names[0] if names else cpu
    system = f"{platform.system()}, Python {platform.python_version()}"
    found = environments.installed(pythons["sdk"])[-1] if "sdk" in pythons else {}
    peers = [f"{name} {found[name]}" for name in environments.REQUIREMENTS["sdk"] if name in found]
    against = f"; Azure's SDK is {' with '.join(peers)}" if peers else ""
    day = time.strftime("%Y-%m-%d")
    return f"Measured on {day}: {cpu}, {os.cpu_count()} cores, {system}{against}."


def command() -> str:
    """Return the command that was given, for the page."""
    return " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])


def plot_growth(pythons: Mapping[str, str], rounds: int) -> str:
    """Return a plot of the cost by the number of instances."""
    found = calls.measure_growth(pythons, max(1, rounds // 2), SIZES)
    return plot.lines(found, "instances", "milliseconds")


def write(page: Path, text: str, picture: str | None) -> None:
    """Write the table between the two marks of a page, and the plot into a file."""
    begin = "<!-- measured: begin -->"
    end = "<!-- measured: end -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    if end not in rest:
        raise SystemExit(f"{page} has no place for the table: {begin} … {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")
    if picture:
        (page.parent / "pictures").mkdir(exist_ok=True)
        (page.parent / "pictures" / "growth.svg").write_text(picture, "utf-8")


def main() -> None:
    """Measure what was asked for, and print or write it."""
    options = parse_arguments()
    started = time.monotonic()
    pythons = install(options)
    rows: list[Row] = []
    for name in options.rows:
        if name != "growth":
            progress(f"measuring: {name}")
            rows += ROWS[name](pythons, options.rounds)
    picture = None
    if "growth" in options.rows:
        progress("measuring: growth")
        picture = plot_growth(pythons, options.rounds)
    text = "\n".join([machine(pythons) + f" `{command()}`", "", HEAD, *map(str, rows)])
    if options.write:
        write(options.write, text, picture)
    else:
        print(text)
    progress(f"done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
