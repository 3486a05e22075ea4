"""Compare the coverage of each package with its floor; exit with 1 if one is below."""

import json
import sys
import tempfile
from pathlib import Path

import coverage

FLOORS = {
    "azurerm_lite/rollout/": 95,
    "azurerm_lite/rest.py": 95,
    "azurerm_lite/_retry.py": 95,
    "azurerm_lite/auth/": 95,
    "azurerm_lite/": 90,
}
"""Percent of the lines and branches below a path that the default tests must run."""


def summaries() -> dict[str, dict[str, int]]:
    """Return the counts of each file, from the data that the tests left."""
    data = coverage.Coverage()
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        data.json_report(outfile=str(report))
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {name.replace("\\", "/"): file["summary"] for name, file in files.items()}


def percent(counts: list[dict[str, int]]) -> float:
    """Return the percentage of lines and branches that ran."""
    ran = sum(each["covered_lines"] + each["covered_branches"] for each in counts)
    there_are = sum(each["num_statements"] + each["num_branches"] for each in counts)
    return 100 * ran / there_are


files = summaries()
is_low = False
for path, floor in FLOORS.items():
    reached = percent([counts for name, counts in files.items() if name.startswith(path)])
    is_low = is_low or reached < floor
    print(f"{path:26} {reached:6.2f} % (floor {floor} %){' TOO LOW' if reached < floor else ''}")
sys.exit(is_low)
