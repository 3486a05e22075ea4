"""Run the benchmarks and print a table: `python benchmarks/run.py`.

The contestants of a row take turns, each in its own process. The table compares the medians of
their rounds. pip installs the library and its peers in separate environments, which are kept.
`--no-peers` installs nothing and uses the current environment. Needs the extra `sandbox`.
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
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=[*ROWS, "growth"],
        default=[*ROWS, "growth"],
        help="rows to measure (default: all)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        help="rounds per contestant (default: 20)",
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="install nothing; compare with the floor only"
    )
    kept = Path(tempfile.gettempdir()) / "azurerm-lite-benchmarks"
    parser.add_argument(
        "--environments", type=Path, default=kept, help="folder of the environments"
    )
    parser.add_argument("--write", type=Path, help="page to update, such as docs/performance.md")
    return parser.parse_args()


def install(options: argparse.Namespace) -> dict[str, str]:
    """Create the environments, and return their interpreters by name."""
    if options.no_peers:
        return {"ours": sys.executable}
    names = [
        name for name in environments.REQUIREMENTS if name != "floor" or "installed" in options.rows
    ]
    progress(f"installing {', '.join(names)} into {options.environments}")
    return {name: environments.make(name, options.environments) for name in names}


def machine(pythons: Mapping[str, str]) -> str:
    """Return a sentence with the day, the machine and the versions."""
    cpu = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        text = cpu_info.read_text("utf-8")
        names = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
        cpu = names[0] if names else cpu
    system = f"{platform.system()}, Python {platform.python_version()}"
    found = environments.list_installed(pythons["sdk"])[-1] if "sdk" in pythons else {}
    peers = [f"{name} {found[name]}" for name in environments.REQUIREMENTS["sdk"] if name in found]
    against = f"; Azure's SDK is {' with '.join(peers)}" if peers else ""
    day = time.strftime("%Y-%m-%d")
    return f"Measured on {day}: {cpu}, {os.cpu_count()} cores, {system}{against}."


def command() -> str:
    """Return the command line, for the page."""
    return " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])


def plot_growth(pythons: Mapping[str, str], rounds: int) -> str:
    """Return a plot of the cost over the number of instances."""
    found = calls.measure_growth(pythons, max(1, rounds // 2), SIZES)
    return plot.lines(found, "instances", "milliseconds")


def write(page: Path, text: str, picture: str | None) -> None:
    """Write the table between the two marks of a page, and the plot to a file."""
    begin = "<!-- measured: begin -->"
    end = "<!-- measured: end -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    if end not in rest:
        raise SystemExit(f"{page} must contain {begin} and {end} around the table")
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")
    if picture:
        (page.parent / "pictures").mkdir(exist_ok=True)
        (page.parent / "pictures" / "growth.svg").write_text(picture, "utf-8")


def main() -> None:
    """Run the chosen benchmarks, and print or write the table."""
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
