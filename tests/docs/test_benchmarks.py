"""The benchmarks run and write their page. Their results are not checked."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
MARKS = "<!-- measured: begin -->", "<!-- measured: end -->"


def test_the_page_has_the_table_and_the_plot() -> None:
    """The table is between two marks; the plot exists."""
    text = PAGE.read_text("utf-8")
    assert [text.count(mark) for mark in MARKS] == [1, 1]
    assert "\n| what | ours | floor | ratio |" in text[text.index(MARKS[0]) : text.index(MARKS[1])]
    (picture,) = re.findall(r"!\[.*\]\((pictures/.*\.svg)\)", text)
    assert ET.fromstring((PAGE.parent / picture).read_text("utf-8")).tag.endswith("svg")


@pytest.mark.slow
def test_benchmarks_measure_every_row_and_write_the_page(tmp_path: Path) -> None:
    """Each row has a value, and the text around the table does not change."""
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n", "utf-8")
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "run.py"),
        "--rounds",
        "1",
        "--no-peers",
        "--write",
        str(page),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n{MARKS[0]}\nMeasured on ")
    assert text.endswith(f"\n{MARKS[1]}\nafter\n")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line[:1] == "|"
    ][2:]
    names = [row[0] for row in rows]
    for what in (
        "`import`",
        "`get_vmss`",
        "`get_instance_views`",
        "`set_image`",
        "`heatmap`",
        "`wait`",
        "rollout",
        "token",
    ):
        assert any(each.startswith(what) for each in names), what
    assert all(re.match(r"\d", row[1]) for row in rows), "every row has a value"
    picture = ET.fromstring((tmp_path / "pictures" / "growth.svg").read_text("utf-8"))
    assert "get_instance_views" in [
        each.text for each in picture.iter() if each.tag.endswith("text")
    ]
