"""Environments of their own for ourselves and the peers: made once by pip, kept in a folder, and what is in them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).parent.parent
FLOOR = ["requests", "msal", "typing-extensions"]
REQUIREMENTS = {
    "floor": FLOOR,
    "ours": FLOOR,
    "azurerm": ["azurerm==0.10.0", "setuptools<70"],  # it needs pkg_resources
    "sdk": ["azure-mgmt-compute", "azure-identity"],
}
_TOOLS = {"pip", "setuptools", "wheel"}


def made(name: str, folder: Path) -> str:
    """The interpreter of an environment; it is made where it is not there yet.

    Args:
        name: `floor`, `ours`, `azurerm` or `sdk`.
        folder: Where environments are kept.

    Returns:
        The path of its Python.
    """
    home = folder / name
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    done = home / "requirements.json"
    if not done.exists() or json.loads(done.read_text("utf-8")) != REQUIREMENTS[name]:
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        _pip(python, "install", *REQUIREMENTS[name])
        done.write_text(json.dumps(REQUIREMENTS[name]), "utf-8")
    if name == "ours":  # as it stands in the tree now
        with tempfile.TemporaryDirectory() as copy:
            for each in ("pyproject.toml", "README.md", "LICENSE"):
                shutil.copy(TREE / each, copy)
            shutil.copytree(TREE / "azurerm_lite", Path(copy) / "azurerm_lite")
            _pip(python, "install", "--no-deps", "--force-reinstall", copy)
    return python


def _pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


def installed(python: str) -> tuple[int, float, float, dict[str, str]]:
    """What is installed in an environment, less the tools that every new one has.

    Args:
        python: The path of its Python.

    Returns:
        How many distributions, their size in MB as they come and with the bytecode that pip
        compiles, their versions.
    """
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    where = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    found = [
        each
        for each in importlib.metadata.distributions(path=[where])
        if each.metadata["Name"].lower() not in _TOOLS
    ]
    files = {Path(file.locate()) for each in found for file in each.files or ()}
    sizes = {file: file.stat().st_size / 1e6 for file in files if file.is_file()}
    packed = sum(size for file, size in sizes.items() if file.suffix != ".pyc")
    return (
        len(found),
        packed,
        sum(sizes.values()),
        {each.metadata["Name"]: each.version for each in found},
    )
