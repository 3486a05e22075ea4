"""--report, --on-event and --check."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.cli import run

from azurerm_lite.cli.exit_status import UsageError
from azurerm_lite.cli.hooks import Hooks, run_check
from azurerm_lite.cli.output import Output
from azurerm_lite.cli.report import Report, write_report
from azurerm_lite.fleet import rate_limit
from azurerm_lite.sandbox import Sandbox

WEB = ("-r", "sandbox", "-s", "web")
OLD, NEW = "22.04.202410020", "22.04.202411010"


@pytest.fixture
def live(clean_environment: None) -> Iterator[Sandbox]:
    """Start a sandbox without delays, which commands find through the environment."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


def python(code: str) -> str:
    """Return a command that runs Python code."""
    return f'"{sys.executable}" -c "{code}"'


# Reports


def test_the_report_has_changes_times_identity_and_outcome(live: Sandbox, tmp_path: Path) -> None:
    """As JSON, also batches with durations, events and counters."""
    file = tmp_path / "report.json"
    done = run("rollout", *WEB, "-n", NEW, "-y", "--report", str(file))
    assert done.returncode == 0
    report = json.loads(file.read_text("utf-8"))
    assert report["outcome"] == "finished"
    assert report["identity"].startswith(f"application {live.application_id}, tenant")
    assert report["subject"] == f"{live.subscription_id}/sandbox/web"
    (change,) = report["changes"]
    assert change.index(OLD) < change.index(NEW)
    assert [step["name"] for step in report["steps"]] == [f"update domain {n}" for n in range(5)]
    assert report["steps"][1]["instance_ids"] == ["1", "6", "11", "16"]
    assert all(step["result"] == "done" and step["seconds"] >= 0 for step in report["steps"])
    assert report["summary"]["upgraded"] == 20
    assert {event["kind"] for event in report["events"]} == {
        "started",
        "batch_started",
        "batch_done",
        "finished",
    }
    assert report["started"] < report["ended"] or report["started"] == report["ended"]
    assert "eyJ" not in file.read_text("utf-8")


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_the_report_has_formats_for_people(live: Sandbox, tmp_path: Path, suffix: str) -> None:
    """Markdown for a ticket, HTML for a browser: the same facts."""
    file = tmp_path / f"report{suffix}"
    run("rollout", *WEB, "-n", NEW, "-y", "--report", str(file))
    text = file.read_text("utf-8").replace("\\", "")
    for part in (
        "azurerm-lite rollout",
        "finished",
        "update domain 4",
        "4, 9, 14, 19",
        NEW,
        "Identity",
    ):
        assert part in text
    assert text.startswith("# " if suffix == ".md" else "<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "outcome", "status"),
    [((), "halted", 1), (("--on-failure", "rollback"), "rolled back", 3)],
)
def test_a_failure_is_in_the_report(
    live: Sandbox, tmp_path: Path, arguments: tuple[str, ...], outcome: str, status: int
) -> None:
    """The outcome, and the batch that failed."""
    live.break_upgrade("web", "6", image=NEW)
    file = tmp_path / "report.json"
    done = run("rollout", *WEB, "-n", NEW, "-y", "--report", str(file), *arguments)
    report = json.loads(file.read_text("utf-8"))
    assert (done.returncode, report["outcome"]) == (status, outcome)
    assert "instance 6" in report["message"]
    failed = [step["name"] for step in report["steps"] if step["result"] == "failed"]
    assert failed == ["update domain 1"]


def test_an_error_before_the_rollout_is_in_the_report(live: Sandbox, tmp_path: Path) -> None:
    """A pipeline stores the report as an artifact after a failure too."""
    file = tmp_path / "report.json"
    done = run("rollout", "-r", "sandbox", "-s", "wbe", "-y", "--report", str(file))
    report = json.loads(file.read_text("utf-8"))
    assert (done.returncode, report["outcome"]) == (1, "failed")
    assert "wbe' under resource group" in report["message"]


def test_a_dry_run_has_a_report(live: Sandbox, tmp_path: Path) -> None:
    """Its outcome is that nothing was changed."""
    file = tmp_path / "report.json"
    assert run("rollout", *WEB, "-n", NEW, "--dry-run", "--report", str(file)).returncode == 0
    report = json.loads(file.read_text("utf-8"))
    assert report["outcome"] == "dry run, nothing was changed"
    assert report["changes"] == []


def test_the_report_of_a_fleet_has_a_row_for_each_scale_set(live: Sandbox, tmp_path: Path) -> None:
    """With its result and its duration."""
    for number in range(2):
        live.add_vmss(f"s{number}", 2, update_domains=2, tags={"ring": "0"})
    file = tmp_path / "report.json"
    done = run("fleet", "--tag", "ring", "-n", NEW, "-y", "--report", str(file))
    rate_limit.reset()
    report = json.loads(file.read_text("utf-8"))
    assert (done.returncode, report["outcome"]) == (0, "finished")
    rows = {step["name"]: step["result"] for step in report["steps"]}
    assert rows == {"sandbox/s0": "done", "sandbox/s1": "done"}
    assert report["changes"] == [f"2 of 2 models changed to {NEW}."]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("report.txt", "--report must end in .md, .json or .html, got 'report.txt'"),
        ("no/such/r.md", "does not exist"),
    ],
)
def test_an_invalid_report_file_is_rejected_before_anything_is_sent(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, message: str
) -> None:
    """Status 2."""
    monkeypatch.chdir(tmp_path)
    done = run("rollout", *WEB, "-n", NEW, "-y", "--report", file)
    assert (done.returncode, message in done.stderr) == (2, True)
    assert live.journal == []


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_report_escapes_markup_in_messages(tmp_path: Path, suffix: str) -> None:
    """Messages come from Azure."""
    report = Report("azurerm-lite rollout", "<script>alert(1)</script>|x", "*me*")
    report.end("halted", "a\nb | [link](javascript:x)")
    write_report(report, str(tmp_path / f"r{suffix}"))
    text = (tmp_path / f"r{suffix}").read_text("utf-8")
    assert "<script>" not in text
    if suffix == ".md":
        assert "\\|x" in text
        assert "\\[link\\]" in text


# Hooks


def test_each_event_is_sent_to_the_command_as_json(live: Sandbox, tmp_path: Path) -> None:
    """The command runs once per event, with the event on standard input."""
    log = (tmp_path / "log").as_posix()
    code = f"import sys; open('{log}', 'a').write(sys.stdin.read() + chr(10))"
    done = run("rollout", *WEB, "-n", NEW, "-y", "--by", "20", "--on-event", python(code))
    assert (done.returncode, done.stderr) == (0, "")
    kinds = [json.loads(line)["kind"] for line in Path(log).read_text().splitlines()]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert "batch_done" in kinds


class Receiver:
    """A web server that stores the POST requests."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((self.headers["Content-Type"], json.loads(body)))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/canary-secret"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Run a web server on the loopback interface."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


def test_each_event_is_posted_to_the_url(live: Sandbox, receiver: Receiver) -> None:
    """As JSON; a halt is posted too."""
    live.break_upgrade("web", "0")
    done = run("rollout", *WEB, "-n", NEW, "-y", "--on-event", receiver.url)
    assert done.returncode == 1
    kinds = [body["kind"] for content_type, body in receiver.received]
    assert (kinds[0], kinds[-1]) == ("started", "halted")
    assert {content_type for content_type, _ in receiver.received} == {"application/json"}


def test_a_failing_hook_causes_one_warning_and_does_not_stop_the_rollout(
    live: Sandbox, receiver: Receiver
) -> None:
    """The warning does not show the URL, which may hold a secret."""
    receiver.status = 500
    done = run("rollout", *WEB, "-n", NEW, "-y", "--on-event", receiver.url)
    assert done.returncode == 0
    assert done.stderr == "warning: --on-event: 127.0.0.1 returned HTTP 500\n"


def test_stop_on_hook_failure_stops_the_rollout(live: Sandbox, receiver: Receiver) -> None:
    """Status 1; the message says how to resume."""
    receiver.status = 500
    stop = ("--on-event", receiver.url, "--stop-on-hook-failure")
    done = run("rollout", *WEB, "-n", NEW, "-y", *stop)
    assert done.returncode == 1
    assert "Run the same command again to resume." in done.stderr
    assert "error: --on-event: 127.0.0.1 returned HTTP 500" in done.stderr
    assert not [each for each in live.journal if "manualupgrade" in each.path]


def test_an_unreachable_hook_is_reported_without_its_url(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The warning has only the host and the exception type."""
    Hooks(["http://127.0.0.1:9/canary-secret"], Output()).send({"kind": "started"})
    error = capsys.readouterr().err
    assert error == "warning: --on-event: cannot send to 127.0.0.1: ConnectionError\n"


@pytest.mark.parametrize("command", ["no-such-program --fast", "'x", ""])
def test_a_hook_program_that_does_not_exist_is_rejected(live: Sandbox, command: str) -> None:
    """Status 2, before anything is sent."""
    done = run("rollout", *WEB, "-n", NEW, "-y", "--on-event", command)
    assert (done.returncode, done.stderr[:18]) == (2, "error: --on-event:")
    assert live.journal == []


@pytest.mark.skipif(os.name == "nt", reason="another shell has other quotes")
def test_a_check_receives_the_ids_of_its_batch(tmp_path: Path) -> None:
    """They are in INSTANCE_IDS; the output is the reason of a failure."""
    check = run_check(python("import os, sys; sys.exit(os.environ['INSTANCE_IDS'])"), None)
    instances: Any = [{"instanceId": "3"}, {"instanceId": "12"}]
    assert str(check(instances)).endswith("exited with status 1: 3,12")
    assert run_check(python("pass"), None)(instances) is True
    with pytest.raises(UsageError, match="--check: program 'no-such-program' not found"):
        run_check("no-such-program", None)
