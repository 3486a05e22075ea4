"""The commands on Windows, as far as another system can show it.

Output to a file or a pipe is in the code page there. What these tests cannot show is listed in
CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ROOT
from support.windows import POSIX_MODULES, POSIX_NAMES, WindowsModule

from azurerm_lite.cli import fleet, hooks

FOLDERS = ["azurerm_lite", "examples"]
COMMANDS = {
    "help": ["--help"],
    "dry run": ["rollout", "--sandbox", "--dry-run"],
    "upgrade": ["upgrade", "--sandbox", "-u", "0", "-y"],
}


def run_as_on_windows(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command; its output is bytes in the code page."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "support.windows", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=240,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["status", "--sandbox"], id="status"),
        *(
            pytest.param(arguments, id=name, marks=pytest.mark.slow)
            for name, arguments in COMMANDS.items()
        ),
    ],
)
def test_a_command_prints_what_the_code_page_has(arguments: list[str], tmp_path: Path) -> None:
    """No character is lost or escaped, and lines end with CRLF."""
    done = run_as_on_windows(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode("cp1252")
    assert printed.endswith("\r\n")
    assert "\\" not in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("rollout", "finished"),
        pytest.param("follow", "finished", marks=pytest.mark.exhaustive),
        pytest.param("fleet", "fleet_ended", marks=pytest.mark.exhaustive),
    ],
)
def test_json_lines_are_the_same(command: str, last: str, tmp_path: Path) -> None:
    """Each line is an object, whatever the code page is."""
    done = run_as_on_windows(command, "--sandbox", "-y", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    kinds = [json.loads(line)["kind"] for line in done.stdout.decode("cp1252").splitlines()]
    assert kinds[-1] == last


def test_a_text_that_the_code_page_lacks_does_not_end_a_rollout(tmp_path: Path) -> None:
    """A check prints Chinese: its characters are escaped, and the rollout ends by its own rules."""
    check = tmp_path / "check.py"
    check.write_bytes(b"import sys\nsys.stdout.buffer.write('\\u4e2d'.encode())\nsys.exit(1)\n")
    python = Path(sys.executable).as_posix()
    arguments = ["rollout", "--sandbox", "-y", "--check", f"{python} check.py"]
    done = run_as_on_windows(*arguments, "--health-timeout", "1", folder=tmp_path)
    printed = (done.stdout + done.stderr).decode("cp1252")
    assert done.returncode == 1, printed
    assert "exited with status 1: \\u4e2d" in printed
    assert "Traceback" not in printed


def names_of(node: ast.AST) -> list[str]:
    """The names of Python's modules that a part of a program uses."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        return [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [f"{node.value.id}.{node.attr}"]
    return []


def test_nothing_that_only_posix_has_is_used() -> None:
    """Also on lines that no test runs."""
    missing = {f"{module}.{name}" for module, names in POSIX_NAMES.items() for name in names}
    missing |= POSIX_MODULES
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    found = [
        (file.name, name)
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for name in names_of(node)
        if name in missing
    ]
    assert found == []


def waits_in(tree: ast.AST) -> Iterator[int]:
    """The lines on which a program waits for a lock or an event, other than in a coroutine."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_endless = not node.args and not node.keywords
            if node.func.attr in ("wait", "acquire") and is_endless:
                yield node.lineno
        if not isinstance(node, ast.AsyncFunctionDef):
            yield from waits_in(node)


def test_nothing_waits_in_a_way_that_ctrl_c_cannot_end() -> None:
    """Before Python 3.14, Windows delivers Ctrl-C only after the wait for a lock or an event."""
    files = sorted((ROOT / "azurerm_lite").rglob("*.py"))
    found = {file.name: list(waits_in(ast.parse(file.read_text("utf-8")))) for file in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_files_with_crlf_are_read(tmp_path: Path) -> None:
    """A list of targets as a spreadsheet writes it: CRLF, and a mark at its beginning."""
    rows = "\r\n".join(
        ["subscription_id,resource_group,vmss_name", "s1,myrg,web", "s1,myrg,api", ""]
    )
    file = tmp_path / "targets.csv"
    file.write_bytes(b"\xef\xbb\xbf" + rows.encode())
    targets = fleet.read_targets(file)
    assert [target["vmss_name"] for target in targets] == ["web", "api"]


def test_a_program_in_a_folder_with_a_blank_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path has backslashes, and quotes around a blank."""
    monkeypatch.setattr(hooks, "os", WindowsModule(os))
    monkeypatch.setattr(shutil, "which", lambda program: program)
    words = hooks._parse_command("--check", r'"C:\Program Files\app\check.exe" --fast C:\temp\x')
    assert words == [r"C:\Program Files\app\check.exe", "--fast", r"C:\temp\x"]
