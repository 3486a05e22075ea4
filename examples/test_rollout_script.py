"""Test a rollout script on the sandbox with pytest: success, a failure, going on afterwards.

On the sandbox:  python -m pytest examples/test_rollout_script.py
On Azure:        not at all: the sandbox takes Azure's place, so the test needs no account

SCRIPT is what is tested; put your own there.
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
    """A local Azure without delays; the script finds it by the environment."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


def run_script(vmss_name: str) -> int:
    """Run the script as a pipeline does."""
    command = [sys.executable, str(SCRIPT), "sandbox", vmss_name, NEW]
    return subprocess.run(command, check=False, timeout=120).returncode


def versions(sandbox: Sandbox, vmss_name: str) -> list[str]:
    """Return what each instance runs."""
    views = az.get_instance_views(*sandbox.where(vmss_name))
    return [az.get_image(instance)["exact_version"] for instance in views]


def test_every_instance_gets_the_new_version(sandbox: Sandbox) -> None:
    assert run_script("web") == 0
    assert versions(sandbox, "web") == [NEW] * 20


def test_a_bad_instance_stops_the_rollout_and_it_goes_on_after_a_repair(sandbox: Sandbox) -> None:
    sandbox.break_upgrade("web", "6")
    assert run_script("web") != 0
    assert versions(sandbox, "web")[2] == OLD
    sandbox.break_upgrade("web", "6", "none")
    assert run_script("web") == 0
    assert versions(sandbox, "web") == [NEW] * 20
