"""All commands: help, options, completion, missing extras, imports, status, dry runs, advice."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from support.cli import environment, run, run_child
from support.names import BASE

import azurerm_lite as az
from azurerm_lite.cli import main as program
from azurerm_lite.cli import session
from azurerm_lite.cli.advice import advice, with_advice
from azurerm_lite.cli.rollout_options import OPTIONS
from azurerm_lite.sandbox import Sandbox

NAMES = [command.__name__.rpartition(".")[2] for command in program.COMMANDS]
SUB = "11111111-2222-3333-4444-555555555555"


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    for action in program.make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            parser: argparse.ArgumentParser = action.choices[name]
            return parser
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_the_help_fits_a_screen_and_ends_with_examples(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 55 lines; at most 80 columns, except for the examples."""
    monkeypatch.setenv("COLUMNS", "80")
    done = run(*filter(None, [name, "--help"]))
    assert (done.returncode, done.stderr) == (0, "")
    text, _, examples = done.stdout.partition("examples:\n")
    assert len(done.stdout.splitlines()) <= 55
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "azurerm-lite" in examples


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_the_help_can_be_parsed(name: str) -> None:
    """Every option in them exists."""
    parser = program.make_parser()
    lines = re.findall(r"^  azurerm-lite (.+)$", str(parser_of(name).epilog), re.MULTILINE)
    assert lines
    for line in lines:
        assert parser.parse_args(line.split()).name == name


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sandbox"])
def test_every_command_has_the_common_options(name: str) -> None:
    """Each one can run on the sandbox; shared options have the same names."""
    flags = parser_of(name)._option_string_actions
    assert {"--sandbox", "--json", "--verbose", "--config", "--help"} <= set(flags)
    if name not in ("fleet", "login"):
        assert {"-r", "--resourcegroup", "-s", "--vmssname", "--subscription"} <= set(flags)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_an_option_of_a_rollout_is_a_keyword_of_the_library(option: Any) -> None:
    """Exactly the functions in the table have the keyword."""
    for function in ("rollout", "rollback", "rollout_fleet"):
        keywords = inspect.signature(getattr(az, function)).parameters
        assert (option.keyword in keywords) is (function in option.functions)


def test_without_a_command_the_help_is_printed() -> None:
    """Status 2."""
    done = run()
    assert done.returncode == 2
    assert "rollout" in done.stderr


def test_a_mistyped_command_or_option_ends_with_status_2() -> None:
    """Options cannot be abbreviated."""
    assert run("rolout").returncode == 2
    done = run("rollout", "--sand")
    assert done.returncode == 2
    assert "unrecognized arguments: --sand" in done.stderr


def test_the_version_is_printed() -> None:
    """It is the version of the library."""
    assert run("--version").stdout == f"azurerm-lite {az.__version__}\n"


@pytest.mark.parametrize("shell", program.SHELLS)
def test_completion_has_a_script_for_each_shell(shell: str) -> None:
    """The script contains the name of the command."""
    pytest.importorskip("argcomplete")
    done = run("--completion", shell)
    assert (done.returncode, "azurerm-lite" in done.stdout) == (0, True)


@pytest.mark.skipif(os.name == "nt", reason="the completion of bash")
def test_bash_completes_commands_and_options(tmp_path: Any) -> None:
    """Bash passes variables, and a file for the completions."""
    pytest.importorskip("argcomplete")
    answer = tmp_path / "answer"
    line = "azurerm-lite rollout --max"
    variables = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_IFS": "\n",
    }
    code = "import sys; from azurerm_lite.cli.main import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), **variables},
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert answer.read_text().split() == ["--max-batch", "--max-unhealthy"]


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("azurerm_lite.sandbox", ("rollout", "--sandbox"), "sandbox"),
        ("argcomplete", ("--completion", "bash"), "cli"),
        ("distributed", ("fleet", "--sandbox", "--dask", "x"), "fleet"),
    ],
)
def test_a_missing_extra_prints_the_command_that_installs_it(
    module: str, command: tuple[str, ...], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1, one line, no traceback."""
    monkeypatch.setitem(sys.modules, module, None)
    done = run(*command)
    assert done.returncode == 1
    assert f'pip install "azurerm-lite[{extra}]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_importing_the_library_imports_no_command() -> None:
    """It does not import the dependencies of the commands either."""
    code = "import sys, azurerm_lite; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    modules = done.stdout.split()
    unwanted = {"azurerm_lite.cli", "rich", "textual", "argcomplete", "argparse"}
    assert not {name for name in modules if name in unwanted}


def test_the_commands_load_rich_and_textual_only_when_they_draw() -> None:
    """Completion and pipelines stay fast, and lines work without the extra."""
    code = "import sys, azurerm_lite.cli.main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert not {"rich", "textual", "argcomplete"} & set(done.stdout.split())


def test_sandbox_runs_a_command_and_returns_its_status() -> None:
    """The command runs in a child process that finds the sandbox."""
    python = ("sandbox", sys.executable)
    done = run_child(*python, "-m", "azurerm_lite", "status", "-r", "sandbox", "-s", "web")
    assert done.returncode == 0
    assert "pending    none: every instance has the latest model" in done.stdout
    assert run_child(*python, "-c", "raise SystemExit(7)").returncode == 7


# A Flexible set without a VM profile

MODEL = {
    "name": "attached",
    "id": f"/subscriptions/{SUB}/resourceGroups/myrg/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/attached",
    "type": "Microsoft.Compute/virtualMachineScaleSets",
    "location": "eastus",
    "properties": {
        "orchestrationMode": "Flexible",
        "platformFaultDomainCount": 1,
        "provisioningState": "Succeeded",
    },
}


@pytest.fixture
def without_profile(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[responses.RequestsMock]:
    """Mock Azure with a Flexible set that has no VM profile."""
    monkeypatch.setattr(session, "credentials", lambda *_: (lambda: "token", SUB))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        url = f"{BASE}{MODEL['id']}"
        wire.add("GET", url, json=MODEL)
        members = [{"name": name, "id": f"{url}/virtualMachines/{name}"} for name in ("a", "b")]
        wire.add("GET", f"{url}/virtualMachines", json={"value": []})
        wire.add("GET", re.compile(".*/virtualMachines.*"), json={"value": members})
        yield wire


@pytest.mark.parametrize(
    "command",
    [
        ("rollout", "-n", "1.0.0", "-y"),
        ("rollout", "-y"),
        ("rollout", "--dry-run"),
        ("rollback", "-y"),
        ("rollback", "--dry-run"),
        ("bump", "-n", "latest", "-y"),
        ("upgrade", "-l", "a", "-y", "-n", "latest"),
    ],
    ids=" ".join,
)
def test_a_flexible_set_without_a_profile_prints_one_line(
    without_profile: responses.RequestsMock, command: tuple[str, ...]
) -> None:
    """Every command prints the library's error; nothing is changed."""
    name, *rest = command
    done = run(name, "-r", "myrg", "-s", "attached", *rest)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.search(r"attached has no (model|virtualMachineProfile)", line)
    assert {call.request.method for call in without_profile.calls} == {"GET"}


# Status


def test_the_status_shows_image_heat_map_and_what_is_pending(sandbox: Sandbox) -> None:
    """A new image in the model makes every instance pending."""
    sandbox.set_image("web", version="22.04.202411010")
    done = run("status", "-r", "sandbox", "-s", "web")
    assert done.returncode == 0
    assert "22.04.202411010" in done.stdout.partition("\n\n")[0]
    assert "UD 4 | -9   | -14  | -19  |      | -4" in done.stdout
    assert "pending    20 of 20 instances\n  update domain 0: 0, 5, 10, 15\n" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_the_status_as_json_is_one_object(sandbox: Sandbox) -> None:
    """It has the same content as the text."""
    done = run("status", "-r", "sandbox", "-s", "web", "--json")
    record = json.loads(done.stdout)
    assert record["vmss_name"] == "web"
    assert record["pending"] == {}
    assert len(record["instances"]) == 20
    assert record["instances"][0]["latest_model"] is True
    assert list(record["images"].values()) == [20]


# Dry runs


@pytest.mark.parametrize(
    "command",
    [
        ("rollback", "-n", "22.04.202409120"),
        ("bump", "-n", "latest"),
        ("upgrade", "-u", "0", "-n", "latest"),
    ],
    ids=lambda command: command[0],
)
def test_a_dry_run_changes_nothing(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    """It needs no confirmation, and prints the plan."""
    name, *rest = command
    arguments = (name, "-r", "sandbox", "-s", "web", *rest, "--dry-run")
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dry run: nothing was changed" in done.stdout
    records = [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]
    assert {record["kind"] for record in records} <= {"dry_run", "planned"}
    assert records
    assert {each.method for each in sandbox.journal if "virtualMachineScaleSets" in each.path} == {
        "GET"
    }


def test_the_dry_run_of_a_rollback_names_the_instances_to_roll_back(sandbox: Sandbox) -> None:
    """They are the instances with the new image, by update domain."""
    where = sandbox.where()
    sandbox.set_image("web", version="22.04.202411010")
    az.wait(where[0], az.manual_upgrade(*where, ["0", "5", "1"]))
    done = run("rollback", "-r", "sandbox", "-s", "web", "--dry-run")
    assert "update domain 0: 2 to roll back (0, 5)\nupdate domain 1: 1 to roll back (1)\n" in (
        done.stdout
    )


# Advice


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            {"status": 403, "code": "AuthorizationFailed", "message": "No Microsoft.Compute/x."},
            "No Microsoft.Compute/x. (AuthorizationFailed, HTTP 403",
        ),
        ({"status": 404, "code": "ResourceGroupNotFound", "message": "No rg."}, "No rg."),
    ],
)
def test_an_error_of_azure_is_one_line_with_advice(
    sandbox: Sandbox, fault: dict[str, Any], sentence: str
) -> None:
    """Azure's message is followed by the advice."""
    sandbox.fail_next(**fault)
    done = run("status", "-r", "sandbox", "-s", "web")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert line.endswith(f". {advice(az.AzureError('', code=fault['code']))}")


def test_an_error_without_a_known_code_has_no_advice() -> None:
    """A network error has advice too."""
    assert with_advice(ValueError("wrong")) == "wrong"
    assert with_advice(az.AzureError("No.", code="Other")) == "No. (Other)"
    network = requests.ConnectionError("No answer.")
    assert with_advice(network).startswith("No answer. Check the network")
