"""Fixtures that install other clients, each in its own folder, and start a sandbox.

The clients are installed once, in the folder `AZURERM_LITE_CLIENTS`, which takes minutes. Tests are
skipped if the variable is not set, or if a client cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clients import Install

from azurerm_lite.sandbox import Sandbox


@pytest.fixture(scope="session")
def clients() -> Path:
    """Return the folder of the clients."""
    path = os.environ.get("AZURERM_LITE_CLIENTS")
    if not path:
        pytest.skip("AZURERM_LITE_CLIENTS is not set: set it to a folder to install clients in")
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def python_client(clients: Path) -> Install:
    """Return a function that installs Python packages and returns the folder of their programs.

    `extra` is a requirements file in one of the packages, which is installed too.
    """

    def install(name: str, *packages: str, extra: str = "") -> Path:
        folder = clients / name
        programs = folder / ("Scripts" if os.name == "nt" else "bin")
        if not (folder / "installed").exists():
            run_or_skip(sys.executable, "-m", "venv", str(folder))
            pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
            run_or_skip(*pip, *packages)
            if extra:
                site = next(folder.glob("**/site-packages"))
                run_or_skip(*pip, "--requirement", str(site / extra))
            (folder / "installed").touch()
        return programs

    return install


@pytest.fixture(scope="session")
def node_client(clients: Path) -> Install:
    """Return a function that installs npm packages and returns their folder."""

    def install(name: str, *packages: str) -> Path:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip("node and npm are not installed")
        folder = clients / name
        if not (folder / "node_modules").exists():
            folder.mkdir(exist_ok=True)
            run_or_skip(npm, "install", "--silent", "--prefix", str(folder), *packages)
        return folder

    return install


@pytest.fixture
def real_sandbox() -> Iterator[Sandbox]:
    """Start a sandbox on the real clock, with one scale set: 4 instances, 2 update domains."""
    sandbox = Sandbox(upgrade_seconds=0.05, demo=False)
    sandbox.add_vmss("shop", 4, update_domains=2)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()


def run_or_skip(*command: str) -> None:
    """Run a step of an installation, and skip the test if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"cannot install the client: {done.stderr.strip()[-500:]}")
