"""README and docs: their commands have the form that .ci/run relies on, and their Python blocks run on the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import put_az_on_path

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("heading", ["Try it", "Test"])
def test_the_two_commands_are_one_line_each(heading: str) -> None:
    """Under each heading stands one fenced sh block of one line."""
    (section,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGES[0].read_text("utf-8"), re.M | re.S)
    (command,) = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -q ")


@pytest.fixture
def az_command(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An `az` on PATH that is signed in to the sandbox."""
    put_az_on_path(sandbox, tmp_path, monkeypatch)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_block_runs(
    sandbox: Sandbox, az_command: None, without_azurerm: None, capsys: pytest.CaptureFixture[str], block: str
) -> None:
    """As it stands, given a subscription id and, where a page goes on from an earlier block, its imports."""
    sandbox.add_vmss("web", resource_group="myrg")
    names = {"subscription_id": sandbox.subscription_id, "az": az, "Sandbox": Sandbox}
    exec(compile(block, "block", "exec"), names)
    assert "instances" in capsys.readouterr().out


def test_the_first_example_of_the_readme_does_the_whole_job(sandbox: Sandbox, az_command: None) -> None:
    """The six lines move a set of 20 instances to the new version."""
    sandbox.add_vmss("web", resource_group="myrg")
    exec(BLOCKS[0].values[0], {"subscription_id": sandbox.subscription_id})
    views = az.get_instance_views(*sandbox.where("web", "myrg"))
    assert {az.get_image(vm)["exact_version"] for vm in views} == {"22.04.202411010"}
    assert len(views) == 20
