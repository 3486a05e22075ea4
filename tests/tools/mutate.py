"""Test modules by mutation, with mutmut: `python tests/tools/mutate.py MODULE ...`.

MODULE is a path such as `azurerm_lite/_retry.py`. It works on a copy in a temporary folder, and
prints each mutant that no test kills, and how many there are of each kind. `pip install mutmut`
first; not on Windows. A module takes minutes, and the rollout hours, so CI does not run it.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = [
    "tests/rest",
    "tests/fleet/test_fleet.py",
    "tests/rollout/test_plan.py",
    "tests/rollout/test_run.py",
    "tests/rollout/test_rollout.py",
    "tests/rollout/test_rollback.py",
    "tests/rollout/test_causes.py",
    "tests/rollout/test_events.py",
    "tests/rollout/test_refresh.py",
    "tests/rollout/test_roll.py",
    "tests/rollout/test_rolling_upgrade.py",
    "tests/rollout/test_single_reads.py",
]
"""The tests that are run on each mutant; fast ones, as each mutant runs those that reach it."""
READS_SOURCE = "tests/rollout/test_events.py::test_the_kinds_of_a_rollout_are_those_that_it_emits"
"""A test that reads the source, which mutmut rewrites."""
TEXT = r"""f?"[^"]* [^"]*"|\bNone\b"""
"""A text with a blank; mutmut also replaces a text by `None`."""
COPIED = ["azurerm_lite", "tests", "docs", "examples", "setup.cfg", "pyproject.toml"]
COPIED += ["hatch_build.py", "README.md", "CONTRIBUTING.md"]


def write_settings(folder: Path, modules: list[str], tests: list[str]) -> None:
    """Add the settings of mutmut to the copy."""
    lines = ["", "[mutmut]", "source_paths="]
    lines += [f"    {module}" for module in modules]
    lines += ["pytest_add_cli_args_test_selection=", *(f"    {path}" for path in tests)]
    lines += ["pytest_add_cli_args=", "    --deselect", f"    {READS_SOURCE}"]
    lines += ["also_copy=", *(f"    {name}" for name in COPIED)]
    with (folder / "setup.cfg").open("a", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]))


def is_about_words(diff: str) -> bool:
    """Whether a mutant changes only the words of a message: texts with a blank in them."""
    removed, added = (
        re.sub(TEXT, "", "".join(line[1:] for line in diff.splitlines() if re.match(sign, line)))
        for sign in (r"-(?!--)", r"\+(?!\+\+)")
    )
    return removed == added


def main() -> None:
    """Run mutmut on a copy; print the survivors, without those that change only words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH")
    parser.add_argument("--minutes", type=float, help="end after that many; show what has run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in COPIED:
            source = ROOT / each
            if source.is_dir():
                shutil.copytree(source, folder / each, ignore=shutil.ignore_patterns("_build"))
            else:
                shutil.copy(source, folder / each)
        write_settings(folder, options.modules, options.tests)
        mutmut = [sys.executable, "-m", "mutmut"]
        limit = None if options.minutes is None else 60 * options.minutes
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([*mutmut, "run"], cwd=folder, check=True, timeout=limit)
        counts: Counter[str] = Counter()
        for line in run(folder, *mutmut, "results", "--all", "true").splitlines():
            mutant, _, status = line.strip().partition(": ")
            diff = run(folder, *mutmut, "show", mutant) if status == "survived" else ""
            if diff and is_about_words(diff):
                status = "survived, changes only words"
            elif status not in ("killed", "not checked"):
                print(f"== {mutant}: {status}\n{diff}", flush=True)
            counts[status] += 1
    for status, number in counts.most_common():
        print(f"{number} {status}")


def run(folder: Path, *command: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
