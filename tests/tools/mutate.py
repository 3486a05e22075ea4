"""Test modules by mutation, with mutmut: `python tests/tools/mutate.py MODULE ...`.

MODULE is a path such as `azurerm_lite/_retry.py`. It works on a copy in a temporary folder, and
prints each mutant that no test kills. `pip install mutmut` first; not on Windows. It is slow (a
module takes minutes, the rollout hours), so CI does not run it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
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
COPIED = ["azurerm_lite", "tests", "docs", "examples", "setup.cfg", "pyproject.toml"]
COPIED += ["hatch_build.py", "README.md", "CONTRIBUTING.md"]


def write_settings(folder: Path, modules: list[str], tests: list[str]) -> None:
    """Add the settings of mutmut to the copy."""
    lines = ["", "[mutmut]", "source_paths="]
    lines += [f"    {module}" for module in modules]
    lines += ["pytest_add_cli_args_test_selection=", *(f"    {path}" for path in tests)]
    lines += ["also_copy=", *(f"    {name}" for name in COPIED)]
    with (folder / "setup.cfg").open("a", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]))


def main() -> None:
    """Run mutmut on a copy, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH")
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
        subprocess.run([*mutmut, "run"], cwd=folder, check=True)
        results = subprocess.run(
            [*mutmut, "results"], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
        for line in results.splitlines():
            mutant, _, status = line.strip().partition(": ")
            print(f"== {mutant}: {status}", flush=True)
            if status == "survived":
                subprocess.run([*mutmut, "show", mutant], cwd=folder, check=False)


if __name__ == "__main__":
    main()
