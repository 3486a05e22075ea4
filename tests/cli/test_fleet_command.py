"""The command `azurerm-lite fleet`: targets, waves, output, exit status."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import PROGRAM, environment, run_child

import azurerm_lite as az
from azurerm_lite.cli.main import main
from azurerm_lite.fleet import rate_limit
from azurerm_lite.fleet.events import FleetEvent
from azurerm_lite.rollout.events import Event
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.types import Target

NEW = "22.04.202411010"


@pytest.fixture
def live(clean_environment: None) -> Iterator[Sandbox]:
    """Start a sandbox without delays, with four scale sets in two regions."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        for number in range(4):
            region = ("eastus", "westeurope")[number % 2]
            sandbox.add_vmss(
                f"s{number}", 2, update_domains=2, location=region, tags={"ring": str(number % 2)}
            )
        yield sandbox
    rate_limit.reset()


def run(*arguments: str) -> int:
    """Run the command in this process; return its exit status."""
    return main(["fleet", *arguments])


def versions(sandbox: Sandbox, name: str) -> set[str]:
    """Return the image versions of the instances of a scale set."""
    return {
        az.get_image(vm).get("exact_version", "")
        for vm in az.get_instance_views(*sandbox.where(name))
    }


def test_the_sets_of_a_query_are_rolled_out_in_waves(
    live: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version is set in the models, then rolled out by region; other sets do not change."""
    assert run("--tag", "ring", "-n", NEW, "--waves", "location", "-y") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "4 scale sets: 2 in eastus, 2 in westeurope\n4 of 4 models changed to 22.04.202411010.\n"
    )
    assert "wave 2: done" in printed
    assert "4 of 4 scale sets done" in printed
    assert {each for number in range(4) for each in versions(live, f"s{number}")} == {NEW}
    assert versions(live, "web") == {"22.04.202410020"}


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_sets_of_a_file_are_rolled_out(
    live: Sandbox,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    kind: str,
) -> None:
    """JSON or CSV; with `--json` each line is an event, and the last one counts all sets."""
    rows = [
        {"subscription_id": live.subscription_id, "resource_group": "sandbox", "vmss_name": f"s{n}"}
        for n in (1, 3)
    ]
    text = (
        json.dumps(rows)
        if kind == "json"
        else "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])
    )
    (tmp_path / "fleet").write_text(text, "utf-8")
    assert (
        run(
            "--targets",
            str(tmp_path / "fleet"),
            "-n",
            NEW,
            "-y",
            "--json",
            "--waves",
            "1",
        )
        == 0
    )
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (events[0]["kind"], events[-1]["kind"], events[-1]["done"]) == (
        "fleet_started",
        "fleet_ended",
        2,
    )
    assert versions(live, "s1") == {NEW}
    assert versions(live, "s0") == {"22.04.202410020"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["--targets", "nosuch.csv", "-y"],
            1,
            "error: nosuch.csv cannot be read: No such file or directory",
        ),
        (["--tag", "nosuch", "-y"], 1, "error: no scale set matches: check --tag"),
        (
            ["--tag", "ring", "-y", "--waves", "nosuch"],
            2,
            "error: waves: sandbox/s0 has no 'nosuch'",
        ),
        (["--tag", "ring", "-y", "--max-failed", "x"], 2, "error: max_failed must be"),
    ],
)
def test_an_error_prints_one_line(
    live: Sandbox,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    """Invalid values end with status 2, other errors with status 1."""
    assert run(*arguments) == status
    assert capsys.readouterr().err.startswith(message)


def written_models(sandbox: Sandbox) -> list[str]:
    """Return the names of the sets whose model was written, sorted."""
    return sorted(each.path.rpartition("/")[2] for each in sandbox.journal if each.method == "PUT")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--workers", "0"],
        ["--waves", "nosuch"],
        ["--canary", "x"],
        ["--by", "x"],
        ["--dask", "127.0.0.1:nosuch"],
    ],
)
def test_invalid_options_change_no_model(live: Sandbox, wrong: list[str]) -> None:
    """Otherwise the models would have a version that is not rolled out."""
    if "--dask" in wrong:
        pytest.importorskip("distributed")
    status = 1 if "--dask" in wrong else 2
    assert run("--tag", "ring", "-n", NEW, "-y", *wrong) == status
    assert not written_models(live)


def test_a_set_in_another_upgrade_mode_changes_no_model(
    live: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """All models are checked before the first one is written."""
    live.add_vmss("s9", 2, tags={"ring": "0"}, mode="Automatic")
    assert run("--tag", "ring", "-n", NEW, "-y") == 1
    assert "error: s9 is in upgrade mode Automatic" in capsys.readouterr().err
    assert not written_models(live)


def test_a_rejected_model_is_reported_and_the_others_are_changed(
    live: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command resumes, also with the version latest."""
    live.fail_next(403, method="PUT", path="s2", code="AuthorizationFailed", message="No.")
    assert run("--tag", "ring", "-n", "latest", "-y") == 1
    out, error = capsys.readouterr()
    assert "3 of 4 models changed to latest." in out
    assert error.startswith(
        "error: 1 of 4 models could not be changed, and no instance was upgraded; run the same"
        " command again to retry: s2: No. (AuthorizationFailed, HTTP 403"
    )
    assert run("--tag", "ring", "-n", "latest", "-y") == 0
    assert written_models(live) == ["s0", "s1", "s2", "s2", "s3"]
    assert {each for number in range(4) for each in versions(live, f"s{number}")} == {NEW}


def test_a_halt_is_printed_and_has_its_status(
    live: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """Status 1, or 3 if all failed sets were rolled back; JSON has failed and unstarted sets."""
    for number in range(4):
        live.set_image(f"s{number}", version=NEW)
    live.break_upgrade("s0", "0", image=NEW)
    assert run("--tag", "ring", "-y", "--json", "--waves", "location", "--workers", "1") == 1
    out, error = capfd.readouterr()
    halt = json.loads(out.splitlines()[-1])
    assert (halt["kind"], list(halt["failed"]), halt["rolled_back"]) == (
        "halted",
        ["sandbox/s0"],
        False,
    )
    assert "sandbox/s3" in halt["not_started"]
    assert "OSProvisioningTimedOut" in error
    assert run("--tag", "ring=0", "-y", "--on-failure", "rollback", "--workers", "1") == 3


def test_a_dry_run_changes_nothing(live: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no confirmation, and prints the batches."""
    for number in range(4):
        live.set_image(f"s{number}", version=NEW)
    assert run("--tag", "ring", "--dry-run", "-n", "22.04.202410020") == 0
    printed = capsys.readouterr().out
    assert "4 of 4 models would be changed; the plan below is for the current models.\n" in printed
    assert "sandbox/s3: update domain 1: 1 instance (1)" in printed
    assert not written_models(live)
    assert not [each for each in live.journal if "manualupgrade" in each.path]


def test_the_board_shows_waves_and_sets() -> None:
    """It shows counts, and sets in progress with their last message, up to a limit."""
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=100)
    board = pytest.importorskip("azurerm_lite.cli.fleet_board").FleetBoard()
    targets = [Target("s", "g", f"web-{number}", "eastus") for number in range(23)]
    for target in targets:
        board.add(FleetEvent("set_started", "x", target, 1, 2))
        event = Event("progress", f"at work on {target.vmss_name}", latest=1, total=4)
        board.add(FleetEvent("set_event", "x", target, 1, 2, event))
    board.add(FleetEvent("set_done", "x", targets[0], 1, 2, done=1, total=40))
    board.add(FleetEvent("set_failed", "x", targets[1], 1, 2, done=1, failed=1, total=40))
    console.print(board)
    shown: Any = console.file
    text = shown.getvalue()
    assert "1 of 40 scale sets done, 1 failed" in text
    assert "1 of 2" in text
    assert "at work on web-2" in text
    assert "at work on web-1 " not in text
    assert "and 1 more in progress" in text


@pytest.mark.slow
def test_the_sandbox_fleet_has_thirty_sets_in_three_regions() -> None:
    """Run the whole demo in a child process."""
    done = run_child("fleet", "--sandbox", "--workers", "30")
    assert (done.returncode, done.stderr) == (0, "")
    assert "30 scale sets: 10 in eastus, 10 in westcentralus, 10 in westeurope" in done.stdout
    assert "30 of 30 scale sets done" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_finishes_the_batches_in_progress(clean_environment: None) -> None:
    """Status 130; nothing is still running; the same command resumes."""
    with Sandbox(upgrade_seconds=2, demo=False) as sandbox:
        for number in range(3):
            sandbox.add_vmss(f"s{number}", 4, update_domains=4, tags={"ring": "0"})
            sandbox.set_image(f"s{number}", version=NEW)
        command = [
            *PROGRAM,
            "fleet",
            "--tag",
            "ring",
            "-y",
            "--workers",
            "2",
        ]
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        while not any("manualupgrade" in each.path for each in sandbox.journal):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "stopping: waiting for the current batch of 2 scale sets to finish" in error
        assert "0 of 3 scale sets done. Run the same command again to resume." in error
        assert "Traceback" not in error
        assert not sandbox.cloud.running
        assert len([each for each in sandbox.changes if each.what == "model"]) <= 4
        assert (
            subprocess.run(
                command, check=False, timeout=120, stdout=subprocess.DEVNULL, env=environment()
            ).returncode
            == 0
        )
        assert len([each for each in sandbox.changes if each.what == "model"]) == 12


@pytest.mark.slow
def test_dask_runs_the_fleet_on_a_cluster(live: Sandbox) -> None:
    """`--dask` uses the cluster at that address."""
    distributed = pytest.importorskip(
        "distributed", reason="the extra fleet (distributed) is not installed"
    )
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        address = cluster.scheduler_address
        assert run("--tag", "ring", "-n", NEW, "-y", "--dask", address, "--workers", "4") == 0
    assert {each for number in range(4) for each in versions(live, f"s{number}")} == {NEW}
