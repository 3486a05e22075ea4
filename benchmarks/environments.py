"""Virtual environments for the library and its peers, created once and kept in a folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parent.parent
FLOOR = ["requests", "msal", "typing-extensions"]
REQUIREMENTS = {
    "floor": FLOOR,
    "ours": FLOOR,
    "azurerm": ["azurerm==0.10.0", "setuptools<70"],  # it needs pkg_resources
    "sdk": ["azure-mgmt-compute", "azure-identity"],
}
_EDITOR = "/azurerm_lite/cli/editor/"
_TOOLS = {"pip", "setuptools", "wheel"}


def make(name: str, folder: Path) -> str:
    """Create an environment unless it exists, and return its interpreter.

    Args:
        name: `floor`, `ours`, `azurerm` or `sdk`.
        folder: Folder of the environments.

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
    if name == "ours":  # the current state of the tree
        _pip(python, "install", "--no-deps", "--force-reinstall", str(TREE))
    return python


def _pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


def list_installed(python: str) -> tuple[int, float, float, dict[str, str]]:
    """Return what is installed in an environment, without pip, setuptools and wheel.

    The editor is not counted, because it is a separate program.

    Args:
        python: The path of its Python.

    Returns:
        Tuple of the number of distributions, their size in MB without and with compiled bytecode,
        and a dict of their versions.
    """
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    where = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    found = [
        distribution
        for distribution in importlib.metadata.distributions(path=[where])
        if distribution.metadata["Name"].lower() not in _TOOLS
    ]
    files = {Path(file.locate()) for distribution in found for file in distribution.files or ()}
    files = {file for file in files if _EDITOR not in file.as_posix()}
    sizes = {file: file.stat().st_size / 1e6 for file in files if file.is_file()}
    packed = sum(size for file, size in sizes.items() if file.suffix != ".pyc")
    return (
        len(found),
        packed,
        sum(sizes.values()),
        {item.metadata["Name"]: item.version for item in found},
    )
