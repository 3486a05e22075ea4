"""The examples: each one runs on the sandbox, is short, and needs no other file."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.cli import environment
from support.pages import ROOT

import azurerm_lite as az
from azurerm_lite.fleet import rate_limit
from azurerm_lite.sandbox import Sandbox

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
OLD, NEW = "22.04.202410020", "22.04.202411010"
ALLOWED_IMPORTS = {"azurerm_lite", "requests", "pytest"} | set(sys.stdlib_module_names)


@pytest.fixture
def live(clean_environment: None) -> Iterator[Sandbox]:
    """Start a sandbox without delays, which examples find through the environment."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox
    rate_limit.reset()


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> int:
    """Run an example in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    try:
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def versions(sandbox: Sandbox, name: str = "web") -> list[str]:
    """Return the image version of each instance."""
    views = az.get_instance_views(*sandbox.where(name))
    return [az.get_image(vm).get("exact_version", "") for vm in views]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_self_contained(path: Path) -> None:
    """It has 20 to 60 lines; its docstring shows how to run it on the sandbox and on Azure."""
    text = path.read_text("utf-8")
    assert 20 <= len(text.splitlines()) <= 60
    tree = ast.parse(text)
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= ALLOWED_IMPORTS
    docstring = ast.get_docstring(tree) or ""
    assert re.search(r"^On the sandbox:  .*" + re.escape(path.name), docstring, re.MULTILINE)
    assert re.search(r"^On Azure:", docstring, re.MULTILINE)


def test_every_example_is_in_the_docs() -> None:
    """Each one has a row."""
    text = (ROOT / "docs" / "examples.md").read_text("utf-8")
    assert {path.name for path in EXAMPLES} <= set(re.findall(r"\[`(\w+\.py)`\]", text))


def test_version_bump_changes_only_the_model(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model gets the newest version; a second run changes nothing."""
    assert run(monkeypatch, "version_bump.py", "sandbox", "web") == 0
    assert az.get_image(az.get_vmss(*live.where()))["version"] == NEW
    assert versions(live) == [OLD] * 20
    assert "20 instances still run an older image" in capsys.readouterr().out
    assert run(monkeypatch, "version_bump.py", "sandbox", "web") == 0
    assert f"web already has {NEW}" in capsys.readouterr().out


def test_rollout_upgrades_one_update_domain_at_a_time(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches have four instances; a failed instance ends the script with status 1."""
    assert run(monkeypatch, "rollout_by_update_domain.py", "sandbox", "web", NEW) == 0
    posts = [each.body["instanceIds"] for each in live.journal if "manualupgrade" in each.path]
    assert posts == [[str(domain + 5 * n) for n in range(4)] for domain in range(5)]
    assert versions(live) == [NEW] * 20
    live.break_upgrade("web", "6")
    assert run(monkeypatch, "rollout_by_update_domain.py", "sandbox", "web", OLD) == 1


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Run a web server at WEBHOOK_URL that stores the texts it receives."""
    texts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            texts.append(json.loads(body)["text"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield texts
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_failure_is_rolled_back_and_reported_to_the_webhook(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, webhook: list[str]
) -> None:
    """One instance is first; after a later failure, all instances run the old image."""
    live.break_upgrade("web", "6", image=NEW)
    arguments = ("canary_with_webhook_and_rollback.py", "sandbox", "web", NEW)
    assert run(monkeypatch, *arguments) == 3
    posts = [each.body["instanceIds"] for each in live.journal if "manualupgrade" in each.path]
    assert posts[0] == ["0"]
    assert versions(live) == [OLD] * 20
    assert webhook[0].startswith("web: 20 instances, 20 to upgrade")
    assert "Rolled back: all 20 instances run" in webhook[-1]


def test_a_failing_webhook_does_not_stop_the_rollout(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its URL is not printed."""
    monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:9/canary-secret")
    assert run(monkeypatch, "canary_with_webhook_and_rollback.py", "sandbox", "web", NEW) == 0
    assert versions(live) == [NEW] * 20
    assert "canary-secret" not in capsys.readouterr().out


def test_only_the_chosen_instances_are_upgraded(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others keep their image."""
    live.set_image("web", version=NEW)
    assert run(monkeypatch, "chosen_instances.py", "sandbox", "web", "3", "12") == 0
    assert [number for number, each in enumerate(versions(live)) if each == NEW] == [3, 12]


def test_fleet_upgrades_region_after_region(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It includes the sets in mode Manual that use the image; a failure is printed."""
    for number, region in enumerate(("eastus", "westeurope")):
        live.add_vmss(f"s{number}", 2, location=region)
    arguments = ("fleet_in_waves.py", "Canonical:0001-com-ubuntu-server-jammy")
    assert run(monkeypatch, *arguments, NEW) == 0
    assert versions(live, "s0") + versions(live, "s1") == [NEW] * 4
    assert versions(live) == [NEW] * 20
    assert versions(live, "auto")[0] == OLD
    assert "wave 2" in capsys.readouterr().out
    live.break_upgrade("s0", "0", image=OLD)
    assert run(monkeypatch, *arguments, OLD) == 1
    assert "sandbox/s0: " in capsys.readouterr().out


def test_health_check_fails_if_a_vm_agent_is_not_ready(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes on healthy instances."""
    assert run(monkeypatch, "own_health_check.py", "sandbox", "web", NEW) == 0
    path = ROOT / "examples" / "own_health_check.py"
    monkeypatch.setattr(sys, "argv", [path.name, "sandbox", "web", NEW])
    check = runpy.run_path(str(path))["check"]
    views = az.get_instance_views(*live.where())
    assert check(views) is True
    views[3]["properties"]["instanceView"]["vmAgent"] = {}
    assert check(views) == "the VM agent of instance 3 is not ready"


def test_the_test_of_a_rollout_script_passes(clean_environment: None) -> None:
    """Pytest runs it without the settings of this repository."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    if sys.platform == "win32":
        command[-1] = "NUL"
    done = subprocess.run(
        [*command, str(ROOT / "examples" / "test_rollout_script.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
        cwd=ROOT / "examples",
    )
    assert "2 passed" in done.stdout, done.stdout
