"""README and docs: their commands have the form that .ci/run relies on, and their Python blocks run on the sandbox."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TextIO

import pytest
from certificates import certificate_pem, key_pem, written
from conftest import put_az_on_path

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox, control

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, number, id=f"{page.name}:{number}")
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


@pytest.fixture
def signed_up(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What signing in needs: a certificate, another issuer, a machine's identity, a person; and the ids to give."""
    sandbox.register_certificate(written(tmp_path, certificate_pem(), "public.pem"))
    written(tmp_path, key_pem() + certificate_pem())
    written(tmp_path, sandbox.federated_token().encode(), "token")
    monkeypatch.chdir(tmp_path)
    issuer = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{sandbox.url}/actions/idtoken?api-version=2.0"}
    for name, value in {**issuer, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", **sandbox.managed_identity()}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("builtins.print", lambda *told, file=None, **more: _printed(sandbox, told, file, more))
    names = ("subscription_id", "tenant_id", "application_id", "application_secret")
    return {name: getattr(sandbox, name) for name in names}


def _printed(sandbox: Sandbox, told: tuple[object, ...], file: TextIO | None, more: dict[str, Any]) -> None:
    """Prints; and is the person who reads on standard error that there is a code to enter."""
    (file or sys.stdout).write(" ".join(map(str, told)) + str(more.get("end", "\n")))
    if file is sys.stderr:
        sandbox.enter_code(str(told[0]))


@pytest.mark.parametrize(("block", "number"), BLOCKS)
def test_every_python_block_runs(
    sandbox: Sandbox,
    az_command: None,
    without_azurerm: None,
    signed_up: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    block: str,
    number: int,
) -> None:
    """As it stands, given some ids and, where a page goes on from an earlier block, what that made."""
    if "azure.identity" in block:
        pytest.importorskip("azure.identity")
    sandbox.add_vmss("web", resource_group="myrg")
    names = {**signed_up, "az": az, "Sandbox": Sandbox}
    if number > 0:
        names |= {"where": sandbox.where("web", "myrg"), "token": sandbox.access_token}
    exec(compile(block, "block", "exec"), names)
    assert "instances" in capsys.readouterr().out


def test_the_first_example_of_the_readme_does_the_whole_job(sandbox: Sandbox, az_command: None) -> None:
    """The six lines move a set of 20 instances to the new version."""
    sandbox.add_vmss("web", resource_group="myrg")
    exec(BLOCKS[0].values[0], {"subscription_id": sandbox.subscription_id})
    views = az.get_instance_views(*sandbox.where("web", "myrg"))
    assert {az.get_image(vm)["exact_version"] for vm in views} == {"22.04.202411010"}
    assert len(views) == 20


# How to test a script of one's own

SANDBOX = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
FAULTS = re.findall(r"^\| `(\w+\(.*\))` \|", SANDBOX, re.M)


def test_the_tests_that_the_sandbox_page_shows_pass(tmp_path: Path) -> None:
    """Its files, put into a folder as they stand: pytest finds the script and the fixture, and all is green."""
    files = dict(re.findall(r"^```py\n# (\w+\.py)\n(.*?)^```$", SANDBOX, re.M | re.S))
    assert set(files) == {"my_rollout.py", "conftest.py", "test_my_rollout.py", "test_with_azures_sdk.py"}
    if importlib.util.find_spec("azure") is None:
        del files["test_with_azures_sdk.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert f"\n{''.join(files.values()).count('def test_')} passed in" in done.stdout, done.stdout


@pytest.mark.parametrize("line", FAULTS)
def test_every_fault_of_the_table_is_one_line(sandbox: Sandbox, line: str) -> None:
    """Asked for as the table has it, and without effect on anything before there is a request."""
    eval(f"sandbox.{line}", {"sandbox": sandbox})
    assert sandbox.journal == []


def test_the_table_has_every_call_that_the_control_endpoint_takes() -> None:
    """What can go wrong, and what other people do: none of it is a secret."""
    assert {each.partition("(")[0] for each in FAULTS} == set(control.CALLS) - {"add_vmss"} | {"at_request"}


def test_every_test_that_the_docs_name_is_there() -> None:
    """A guarantee stands beside the test that holds it: a test of that name, in that file."""
    text = (ROOT / "docs" / "rollout.md").read_text("utf-8")
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", text)
    assert len(named) > 20
    for file, name in named:
        assert re.search(rf"^(def|class) {name}\b", (ROOT / "tests" / file).read_text("utf-8"), re.M), f"{file}::{name}"
