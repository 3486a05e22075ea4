"""README and docs: their blocks run on the sandbox, and their links are valid."""

from __future__ import annotations

import html
import importlib
import importlib.util
import inspect
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, TextIO

import pytest
from support.az_cli import put_az_on_path
from support.certificates import certificate_pem, key_pem, write_file
from support.clock import Clock
from support.pages import (
    PAGES,
    ROOT,
    SETS,
    Block,
    add,
    blocks,
    commands,
    run,
    session,
    steady,
    typed,
)
from support.wrappers import WRAPPERS, Wrapper

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.server import control_api

RUN = [pytest.param(block, id=str(block)) for block in blocks("python")]
SHOWN = [pytest.param(block, id=str(block)) for block in blocks("console", "yaml")]
SESSIONS = sorted({block.page for block in blocks("pycon")})

# The test that runs or reads the blocks of each language.
LANGUAGES = {
    "python": "test_every_python_block_runs",
    "pycon": "test_every_session_prints_what_the_page_says",
    "console": "test_every_command_does_what_the_page_says",
    "yaml": "test_every_command_does_what_the_page_says",
    "sh": "test_the_commands_of_the_shell_are_those_of_the_readme",
    "json": "test_json_and_yaml_can_be_read",
    "py": "test_blocks_that_are_not_run_are_few",
    "powershell": "test_blocks_that_are_not_run_are_few",
    "shell": "test_blocks_that_are_not_run_are_few",
    "js": "test_blocks_that_are_not_run_are_few",
    "text": "",
    "{eval-rst}": "",
    "{toctree}": "",
    "{glossary}": "",
    "{include}": "",
}
# Commands that are not run here: they serve until Ctrl-C (see test_sandbox.py), need a terminal
# (test_editor.py), install packages (.ci/run), or have their own test (test_patch_example.py).
ELSEWHERE = re.compile(
    r"(python -m azurerm_lite\.|azurerm-lite )sandbox( --for \w+)?$|azurerm-lite editor|"
    r"python examples/patch_in_place\.py|"
    r"(python -m )?pip install "
)


@pytest.mark.parametrize("heading", ["Try it", "Test"])
def test_each_of_the_two_commands_is_one_line(heading: str) -> None:
    """Each heading has one fenced sh block of one line."""
    (section,) = re.findall(
        rf"^## {heading}$(.*?)(?=^## |\Z)",
        (ROOT / "README.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    (command,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -q ")


@pytest.fixture
def az_command(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put an `az` on PATH that is signed in to the sandbox."""
    put_az_on_path(sandbox, tmp_path, monkeypatch)


@pytest.fixture
def identities(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Register a certificate, an issuer and a VM; return the ids to sign in with."""
    sandbox.register_certificate(write_file(tmp_path, certificate_pem(), "public.pem"))
    write_file(tmp_path, key_pem() + certificate_pem())
    write_file(tmp_path, sandbox.federated_token().encode(), "token")
    monkeypatch.chdir(tmp_path)
    issuer = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{sandbox.url}/actions/idtoken?api-version=2.0"}
    for name, value in {
        **issuer,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
        **sandbox.managed_identity(),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "builtins.print",
        lambda *values, file=None, **more: _print_and_enter_code(sandbox, values, file, more),
    )
    names = ("subscription_id", "tenant_id", "application_id", "application_secret")
    # The sandbox has one tenant only.
    given = {name: getattr(sandbox, name) for name in names}
    return {**given, "other_tenant_id": sandbox.tenant_id}


def _print_and_enter_code(
    sandbox: Sandbox, values: tuple[object, ...], file: TextIO | None, more: dict[str, Any]
) -> None:
    """Print, and enter a device code that is printed to standard error."""
    (file or sys.stdout).write(" ".join(map(str, values)) + str(more.get("end", "\n")))
    if file is sys.stderr:
        sandbox.enter_code(str(values[0]))


def test_each_block_has_a_language_that_a_test_reads() -> None:
    """No block is skipped because of an unknown language."""
    assert {block.language for block in blocks()} <= set(LANGUAGES)
    assert set(LANGUAGES.values()) - {""} <= set(globals())


@pytest.mark.parametrize("block", RUN)
def test_every_python_block_runs(
    sandbox: Sandbox,
    az_command: None,
    without_azurerm: None,
    identities: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    block: Block,
) -> None:
    """A block runs unchanged; a later one also gets the names of the first one."""
    if "azure.identity" in block.text:
        pytest.importorskip("azure.identity")
    for name in SETS:
        if name == "web" or f'"myrg", "{name}"' in block.text:
            add(sandbox, name, "myrg")
    names = {**identities, "az": az, "Sandbox": Sandbox}
    if block.number > 0:
        names |= {"where": sandbox.where("web", "myrg"), "token": sandbox.access_token}
    exec(compile(block.text, "block", "exec"), names)
    assert "instances" in capsys.readouterr().out


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.name)
def test_every_session_prints_what_the_page_says(sandbox: Sandbox, page: Path) -> None:
    """The lines at the Python prompt run in order, and print the output on the page."""
    names: dict[str, Any] = {}
    for block in blocks("pycon"):
        if block.page == page:
            for source, printed in session(block.text):
                assert steady(typed(source, names)) == steady(printed), source


@pytest.mark.parametrize("block", SHOWN)
def test_every_command_does_what_the_page_says(
    sandbox: Sandbox,
    clock: Clock,
    without_azurerm: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    block: Block,
) -> None:
    """Each command, confirmed with yes, ends with 0 and prints the output on the page."""
    scripts = [name for name in ("vmssupgrade.py", "vmsseditor.py") if name in block.text]
    for script in scripts:
        (tmp_path / script).write_text((ROOT / "tests" / "scripts" / script).read_text("utf-8"))
    if scripts:
        config = {
            "tenantId": sandbox.tenant_id,
            "appId": sandbox.application_id,
            "appSecret": sandbox.application_secret,
            "subscriptionId": sandbox.subscription_id,
        }
        (tmp_path / "vmssconfig.json").write_text(json.dumps(config))
    if "azurerm_lite.compat" in block.text:
        # Scripts for azurerm sleep on the real clock.
        add(sandbox, "web", "myrg")
        sandbox.cloud.upgrade_seconds = 0
    (tmp_path / "my_rollout.py").write_text("import os\nos.environ['AZURE_RM_ENDPOINT']\n")
    (tmp_path / "ca.pem").write_text(Path(sandbox.ca_file).read_text())
    monkeypatch.chdir(tmp_path)
    for command, shown in commands(block):
        if not ELSEWHERE.match(command):
            status, printed = run(command, sandbox, clock, monkeypatch)
            assert (status, command) == (0, command)
            assert not shown.strip() or steady(printed) == steady(shown)


def test_the_commands_of_the_shell_are_those_of_the_readme() -> None:
    """Other pages have no sh blocks, except for CONTRIBUTING and the benchmarks."""
    texts = {block.text for block in blocks("sh") if block.page.name == "README.md"}
    assert texts
    others = {block.page.name for block in blocks("sh")} - {"README.md", "CONTRIBUTING.md"}
    assert others <= {"performance.md"}, "it has the command that runs for minutes"
    (set_up,) = (
        block.text.splitlines() for block in blocks("sh") if block.page.name == "CONTRIBUTING.md"
    )
    assert set_up[0] == 'python3 -m venv .venv && .venv/bin/python -m pip install -q -e ".[dev]"'
    assert set_up[1:] == [".ci/run"]


def test_json_and_yaml_can_be_read() -> None:
    """This includes the issue forms, which only GitHub reads otherwise."""
    for block in blocks("json"):
        assert json.loads(block.text)
    yaml = pytest.importorskip("yaml")
    forms = [path.read_text("utf-8") for path in (ROOT / ".github").rglob("*.yml")]
    assert len(forms) > 2
    for text in [*(block.text for block in blocks("yaml")), *forms]:
        assert yaml.safe_load(text)


def test_blocks_that_are_not_run_are_few() -> None:
    """They need a browser, processes, Dask, PowerShell or az, or have their own test."""
    places = {
        (block.page.name, block.language) for block in blocks("py", "powershell", "shell", "js")
    }
    mine = [
        "sandbox.md",
        "sign-in.md",
        "notebooks.md",
        "notebook.md",
        "heatmap.md",
        "fleet.md",
        "CONTRIBUTING.md",
        "clients.md",
    ]
    others = "from-powershell-and-az.md"
    clients = {("clients.md", "shell"), ("clients.md", "js")}  # tests/clients runs them
    commands = {(others, "powershell"), (others, "shell")}
    assert places <= {(page, "py") for page in mine} | commands | clients
    assert "*not run*" in (ROOT / "docs" / others).read_text("utf-8")
    for block in blocks("py"):
        compile(block.text, str(block), "exec")


def test_the_first_example_of_the_readme_upgrades_every_instance(
    sandbox: Sandbox, az_command: None
) -> None:
    """The six lines upgrade a set of 20 instances."""
    sandbox.add_vmss("web", resource_group="myrg")
    exec(
        next(block for block in blocks("python") if block.page.name == "README.md").text,
        {"subscription_id": sandbox.subscription_id},
    )
    views = az.get_instance_views(*sandbox.where("web", "myrg"))
    assert {az.get_image(vm)["exact_version"] for vm in views} == {"22.04.202411010"}
    assert len(views) == 20


# How to test your own script

SANDBOX = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
FAULTS = re.findall(r"^\| `(\w+\(.*\))` \|", SANDBOX, re.MULTILINE)


def test_the_tests_that_the_sandbox_page_shows_pass(tmp_path: Path) -> None:
    """Its files are copied to a folder; pytest finds the fixture, and passes."""
    files = dict(re.findall(r"^```py\n# (\w+\.py)\n(.*?)^```$", SANDBOX, re.MULTILINE | re.DOTALL))
    assert set(files) == {
        "my_rollout.py",
        "conftest.py",
        "test_my_rollout.py",
        "test_with_azures_sdk.py",
    }
    if importlib.util.find_spec("azure") is None:
        del files["test_with_azures_sdk.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert f"\n{''.join(files.values()).count('def test_')} passed in" in done.stdout, done.stdout


@pytest.mark.parametrize("line", FAULTS)
def test_every_fault_of_the_table_is_one_line(sandbox: Sandbox, line: str) -> None:
    """The call works, and has no effect before the first request."""
    eval(f"sandbox.{line}", {"sandbox": sandbox})
    assert sandbox.journal == []


def test_the_table_has_every_call_of_the_control_endpoint() -> None:
    """It has every fault and every change by other people."""
    assert {each.partition("(")[0] for each in FAULTS} == set(control_api.CALLS) - {"add_vmss"} | {
        "at_request"
    }


def test_every_test_that_the_docs_name_exists() -> None:
    """Each guarantee names a test and its file."""
    text = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", text)
    assert len(named) > 20
    for file, name in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert re.search(rf"^(def|class) {name}\b", path.read_text("utf-8"), re.MULTILINE), (
            f"{file}::{name}"
        )


# Links and pictures


def headings(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", re.sub(r"[`*]", "", each).lower()).strip().replace(" ", "-")
        for each in found
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_are_valid(page: Path) -> None:
    """The file and the heading exist. External links are not checked."""
    text = re.sub(
        r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if not re.match(r"https?:", path):
            target = (page.parent / path).resolve() if path else page
            assert target.is_relative_to(ROOT), link
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


def test_every_page_is_in_the_index() -> None:
    """Each page is in exactly one list of the index."""
    lists = re.findall(
        r"^```\{toctree\}\n(.*?)^```$",
        (ROOT / "docs" / "index.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert all(":caption:" in each for each in lists)
    names = [
        line for each in lists for line in each.splitlines() if line and not line.startswith(":")
    ]
    assert sorted([*names, "index"]) == sorted(
        page.stem for page in PAGES if page.parent.name == "docs"
    )


def test_the_picture_of_the_rollout_is_current(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """If its text differs, run `python docs/pictures/make.py`."""
    pytest.importorskip("rich")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "pictures"))
    make = importlib.import_module("make")
    drawn = make.record().export_text().splitlines()
    svg = (ROOT / "docs" / "pictures" / "rollout.svg").read_text("utf-8")
    lines: dict[str, str] = {}
    for line, text in re.findall(r'clip-path="url\(#rollout-line-(\d+)\)">([^<]*)</text>', svg):
        lines[line] = lines.get(line, "") + html.unescape(text)
    assert ["".join(line.split()) for line in drawn] == [
        "".join(text.split()) for text in lines.values()
    ]
    assert "http" not in re.sub(r"<!--.*?-->|xmlns=\S+", "", svg), (
        "a picture must not load anything"
    )


# The table of modules


def test_the_table_of_modules_is_complete() -> None:
    """CONTRIBUTING has a row for each module, and for each package of the sandbox."""
    package = ROOT / "azurerm_lite"
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([\w./]+(?:\.py|/))` \|", text, re.MULTILINE))
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    library = {module for module in modules if not module.startswith("sandbox/")}
    folders = {f"{path.relative_to(package).as_posix()}/" for path in package.glob("sandbox/*/")}
    folders = {folder for folder in folders if "__pycache__" not in folder}
    assert named == library | folders | {"sandbox/sandbox.py"}


# The reference


@pytest.fixture(scope="module")
def conf() -> Any:
    """Return the names in docs/conf.py."""
    return runpy.run_path(str(ROOT / "docs" / "conf.py"))


def test_every_public_name_is_in_the_reference() -> None:
    """Each one is included exactly once."""
    pages = sorted((ROOT / "docs").glob("reference-*.md"))
    text = "".join(page.read_text("utf-8") for page in pages)
    shown = re.findall(
        r"^\.\. auto(?:function|exception|class):: azurerm_lite\.(\w+)$", text, re.MULTILINE
    )
    assert sorted(shown) == sorted(set(az.__all__) - {"__version__"})


def test_every_name_of_the_reference_is_in_its_overview() -> None:
    """The overview has the first sentence of each, and every page of the reference."""
    pages = sorted((ROOT / "docs").glob("reference-*.md"))
    entry = r"^\.\. auto(?:function|exception|class):: (azurerm_lite\.[\w.]+)$"
    documented = [
        name for page in pages for name in re.findall(entry, page.read_text("utf-8"), re.MULTILINE)
    ]
    overview = (ROOT / "docs" / "reference.md").read_text("utf-8")
    listed = re.findall(r"^   ~?(azurerm_lite\.[\w.]+)$", overview, re.MULTILINE)
    assert sorted(listed) == sorted(documented)
    linked = re.findall(r"^\| \[[^\]]+\]\((reference-[\w-]+\.md)\)", overview, re.MULTILINE)
    assert sorted(linked) == [page.name for page in pages]


def test_the_page_on_installation_lists_every_extra() -> None:
    """The names are those of pyproject.toml, and the packages of the extras in the table too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / "docs" / "installation.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    contributors = set(
        re.findall(r"`(\w+)`", text.partition("\nThe extras ")[2].partition("\n")[0])
    )
    assert set(rows) | contributors == set(project["optional-dependencies"])
    for extra, packages in rows.items():
        needed = (re.split(r"[>\[]", each)[0] for each in project["optional-dependencies"][extra])
        assert packages.split(", ") == [each for each in needed if each != "azurerm-lite"], extra


def test_every_environment_variable_is_in_the_docs() -> None:
    """This covers all variables that the package reads, except those of the system."""
    text = "".join(page.read_text("utf-8") for page in PAGES)
    sources = [
        path for path in (ROOT / "azurerm_lite").rglob("*.py") if "sandbox" not in path.parts
    ]
    source = "".join(path.read_text("utf-8") for path in sources)
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"|\"(AZURE_[A-Z_]+)\"", source))
    names = {name for each in read for name in each if name}
    assert len(names) > 8
    # AZURE_CORE_NO_COLOR is set for az, and is not a setting of the library.
    assert {name for name in names if f"`{name}`" not in text} <= {"TERM", "AZURE_CORE_NO_COLOR"}


@pytest.mark.parametrize("row", WRAPPERS, ids=lambda row: row.function)
def test_the_operation_of_a_function_is_a_link(conf: Any, row: Wrapper) -> None:
    """The last line of a docstring links the operation of the service."""
    line = (inspect.getdoc(getattr(az, row.function)) or "").splitlines()[-1]
    link = re.fullmatch(
        r"Azure: `[^`<]+ - [^`<]+ <(https://learn\.microsoft\.com/rest/api/\S+)>`__\.",
        conf["link_operations"](line),
    )
    assert link, line
    service = {"2018-10-01": "virtualnetwork", "2021-04-01": "resources", "2022-12-01": "resources"}
    assert link[1].split("/")[5] == service.get(row.api, "compute")
    assert re.fullmatch(r"[a-z/-]+", link[1].split("/rest/api/")[1])


def test_several_operations_are_several_links(conf: Any) -> None:
    """A line without an operation is not changed."""
    two = conf["link_operations"](
        "Azure: Virtual Machine Scale Sets - Create Or Update; Update Instances."
    )
    assert two.count("/rest/api/compute/virtual-machine-scale-sets/") == 2
    assert two.endswith("/virtual-machine-scale-sets/update-instances>`__.")
    assert conf["link_operations"]("Azure: ``az account show``.") == "Azure: ``az account show``."
