"""The public API under type checkers: mypy --strict and pyright on a user's script."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from support.pages import ROOT

import azurerm_lite as az
from azurerm_lite.heatmap import Cell, Style, Table

SCRIPT = ROOT / "tests" / "typing" / "public_api.py"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--config-file", os.devnull, "--no-incremental"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}
FUNCTIONS = [name for name in az.__all__ if inspect.isfunction(getattr(az, name))]
SHAPES = [
    name
    for name in az.__all__
    if inspect.isclass(getattr(az, name)) and not issubclass(getattr(az, name), Exception)
]


def check(checker: str, script: Path) -> subprocess.CompletedProcess[str]:
    """Run a type checker on a script."""
    pytest.importorskip(checker, reason="comes with the extra dev")
    return subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker], str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
    )


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_script_passes_a_type_checker(checker: str) -> None:
    """Every type can be imported, and every call has the expected types."""
    done = check(checker, SCRIPT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_finds_a_misspelt_option(checker: str, tmp_path: Path) -> None:
    """The wrong calls in the script are errors if their `type: ignore` is removed."""
    text, count = re.subn(r"  # type: ignore\S*", "", SCRIPT.read_text("utf-8"))
    script = tmp_path / "script.py"
    script.write_text(text, "utf-8")
    done = check(checker, script)
    assert count > 5
    assert done.returncode == 1
    assert len(re.findall(r"script\.py:\d+\S* (?:- )?error", done.stdout)) == count, done.stdout


def test_the_script_uses_every_public_type() -> None:
    """Add new public types to the script."""
    text = SCRIPT.read_text("utf-8")
    assert [name for name in SHAPES if f"az.{name}" not in text] == []


@pytest.mark.parametrize("name", [*FUNCTIONS, *SHAPES])
def test_the_type_hints_of_every_public_name_can_be_read(name: str) -> None:
    """Some frameworks read type hints at run time."""
    found = getattr(az, name)
    hints = typing.get_type_hints(found)
    if inspect.isfunction(found):
        assert set(hints) == {*inspect.signature(found).parameters, "return"}


@pytest.mark.parametrize("shape", [Cell, Style, Table], ids=lambda shape: shape.__name__)
def test_the_type_hints_of_the_heat_map_can_be_read(shape: type) -> None:
    """They cover cells, styles and tables."""
    assert set(typing.get_type_hints(shape)) == set(shape._fields)  # type: ignore[attr-defined]
