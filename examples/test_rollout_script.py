"""Test a rollout script on the sandbox with pytest: success, failure, resumption.

On the sandbox:  python -m pytest examples/test_rollout_script.py
On Azure:        not needed: the sandbox replaces Azure, so the test needs no account

SCRIPT is the script under test; replace it with your own.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

SCRIPT = Path(__file__).parent / "rollout_by_update_domain.py"
OLD, NEW = "22.04.202410020", "22.04.202411010"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Start a local Azure without delays, which the script finds through the environment."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


def run_script(vmss_name: str) -> int:
    """Run the script like a pipeline, and return its exit status."""
    command = [sys.executable, str(SCRIPT), "sandbox", vmss_name, NEW]
    return subprocess.run(command, check=False, timeout=120).returncode


def versions(sandbox: Sandbox, vmss_name: str) -> list[str]:
    """Return the image version of each instance."""
    views = az.get_instance_views(*sandbox.where(vmss_name))
    return [az.get_image(instance)["exact_version"] for instance in views]


def test_rollout_upgrades_every_instance(sandbox: Sandbox) -> None:
    assert run_script("web") == 0
    assert versions(sandbox, "web") == [NEW] * 20


def test_rollout_halts_at_a_failed_instance_and_resumes_after_the_fix(sandbox: Sandbox) -> None:
    sandbox.break_upgrade("web", "6")
    assert run_script("web") != 0
    assert versions(sandbox, "web")[2] == OLD
    sandbox.break_upgrade("web", "6", "none")
    assert run_script("web") == 0
    assert versions(sandbox, "web") == [NEW] * 20
