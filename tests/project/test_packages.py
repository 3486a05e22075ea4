"""The wheel and the source distribution: contents, metadata, reproducible builds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.pages import ROOT

import azurerm_lite as az

pytestmark = pytest.mark.slow

KEPT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", "_build", ".*_cache", ".hypothesis", "*.egg-info", "dist"
)


def build(folder: Path, umask: int) -> dict[str, Path]:
    """Build a copy of this tree; return the wheel and the sdist by suffix."""
    pytest.importorskip("hatchling", reason="comes with the extra dev")
    shutil.copytree(ROOT, folder / "source", ignore=KEPT_OUT, copy_function=shutil.copyfile)
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(folder / "source"),
    ]
    before = os.umask(umask)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1767323045"},
            capture_output=True,
            check=False,
            timeout=120,
        )
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr.decode()
    return {path.suffix: path for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the wheel (`.whl`) and the sdist (`.gz`), built once."""
    return build(tmp_path_factory.mktemp("one"), 0o022)


def test_the_same_source_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    """Another folder, time and umask do not change the files."""
    again = build(tmp_path, 0o077)
    assert set(again) == {".whl", ".gz"}
    for suffix, path in again.items():
        assert path.name == packages[suffix].name
        assert path.read_bytes() == packages[suffix].read_bytes(), path.name


def test_the_wheel_holds_the_package_and_its_licence(packages: dict[str, Path]) -> None:
    """It has every module, py.typed and the licence, and no other file."""
    with zipfile.ZipFile(packages[".whl"]) as wheel:
        names = set(wheel.namelist())
    modules = {
        str(path.relative_to(ROOT).as_posix()) for path in (ROOT / "azurerm_lite").rglob("*.py")
    }
    others = {"azurerm_lite/py.typed", "azurerm_lite/cli/editor/editor.tcss"}
    assert {name for name in names if ".dist-info/" not in name} == modules | others
    info = f"azurerm_lite-{az.__version__}.dist-info"
    more = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert {name for name in names if ".dist-info/" in name} == {f"{info}/{name}" for name in more}


def test_the_sdist_holds_the_whole_project(packages: dict[str, Path]) -> None:
    """It has tests, docs, examples, benchmarks and settings."""
    with tarfile.open(packages[".gz"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for folder in ("azurerm_lite", "tests", "docs", "examples", "benchmarks"):
        there = {
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "_build" not in path.parts
        }
        wanted = {
            path.relative_to(ROOT).as_posix() for path in there if "__pycache__" not in path.parts
        }
        assert wanted <= names, wanted - names
    assert {
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "setup.cfg",
        ".ci/run",
    } <= names
    assert not [name for name in names if re.search(r"\.venv|\.pyc$|vmssconfig|\.git/", name)]


def test_the_metadata_is_complete(packages: dict[str, Path]) -> None:
    """It has the version, the licence, three dependencies and the tested versions of Python."""
    with zipfile.ZipFile(packages[".whl"]) as wheel:
        text = wheel.read(f"azurerm_lite-{az.__version__}.dist-info/METADATA").decode()
    head = text.partition("\n\n")[0]
    assert f"\nVersion: {az.__version__}\n" in head
    assert "\nLicense-Expression: MIT\n" in head
    assert "\nRequires-Python: >=3.11\n" in head
    needed = re.findall(r"^Requires-Dist: ([\w-]+)>=[\d.]+$", head, re.MULTILINE)
    assert sorted(needed) == ["msal", "requests", "typing-extensions"]
    assert re.findall(r":: (3\.\d+)$", head, re.MULTILINE) == ["3.11", "3.12", "3.13", "3.14"]
