"""The commands for one scale set, on the sandbox."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.cli import PROGRAM, environment, run, run_child

import azurerm_lite as az
from azurerm_lite.cli import hooks, session, watch
from azurerm_lite.cli.output import Output
from azurerm_lite.cli.report import Report
from azurerm_lite.sandbox import Sandbox

WEB = ["-r", "sandbox", "-s", "web"]
NEW = "22.04.202411010"


@pytest.fixture
def live(clean_environment: None) -> Iterator[Sandbox]:
    """Start a sandbox without delays, which child processes find through the environment."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


def versions(sandbox: Sandbox, name: str = "web") -> list[str]:
    """Return the image version of each instance."""
    return [
        az.get_image(vm).get("exact_version", "")
        for vm in az.get_instance_views(*sandbox.where(name))
    ]


@pytest.mark.slow
def test_rollout_runs_on_its_own_sandbox() -> None:
    """The command of the README upgrades every instance, domain by domain, with status 0."""
    done = run_child("rollout", "--sandbox")
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line for line in done.stdout.splitlines() if "upgrading 4 instances" in line]
    assert [int(re.findall(r"update domain (\d)", line)[0]) for line in steps] == [0, 1, 2, 3, 4]
    assert done.stdout.splitlines()[-1].startswith("20 of 20 instances of web run Canonical:")
    assert done.stdout.splitlines()[-1].endswith(f":{NEW}.")


def test_rollout_uses_credentials_from_the_environment(live: Sandbox) -> None:
    """Afterwards every instance runs the given version."""
    done = run("rollout", *WEB, "-n", NEW, "-y")
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(live) == [NEW] * 20


def test_a_repeated_rollout_changes_nothing(live: Sandbox) -> None:
    """The second run has nothing to do and ends with status 0."""
    run("rollout", *WEB, "-n", NEW, "-y")
    done = run("rollout", *WEB, "-n", NEW, "-y")
    assert done.returncode == 0
    assert "the model is unchanged" in done.stdout
    assert "skipping 20 instances on the latest model" in done.stdout


def test_rollout_fails_if_an_instance_is_not_upgraded(live: Sandbox) -> None:
    """A protected instance keeps its image: status 1, and the error names the instance."""
    where = live.where()
    az.wait(where[0], az.protect_vmss_vm(*where, 7, from_scale_set_actions=True))
    done = run("rollout", *WEB, "-n", "latest", "-y")
    assert done.returncode == 1
    assert "error: not upgraded: 7" in done.stderr


def test_a_halted_rollout_prints_the_reason_and_can_be_resumed(live: Sandbox) -> None:
    """The error has the instance and Azure's reason; the same command resumes later."""
    live.break_upgrade("web", "6")
    done = run("rollout", *WEB, "-n", NEW, "-y")
    assert done.returncode == 1
    assert "instance 6: provisioning failed" in done.stderr
    assert "Run it again to resume" in done.stderr
    live.break_upgrade("web", "6", "none")
    assert run("rollout", *WEB, "-n", NEW, "-y").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="a child process cannot be sent Ctrl-C alone")
def test_ctrl_c_prints_the_progress_and_how_to_resume() -> None:
    """Status 130, the progress, how to resume, no traceback."""
    with Sandbox(upgrade_seconds=2) as sandbox:
        command = [*PROGRAM, "rollout", *WEB, "-n", NEW, "-y"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        deadline = time.monotonic() + 30
        while (
            not any("manualupgrade" in each.path for each in sandbox.journal)
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "0 of 20 instances have the latest model." in stderr
    assert "update domain 0 is still in progress: Azure finishes it." in stderr
    assert "Run the same command again to resume." in stderr
    assert "Traceback" not in stderr


def test_bump_changes_only_the_model(live: Sandbox) -> None:
    """The model has the new version, and no instance changes."""
    done = run("bump", *WEB, "-n", "latest", "-y")
    assert done.returncode == 0
    assert "20 instances still to upgrade" in done.stdout
    assert az.get_image(az.get_vmss(*live.where()))["version"] == NEW
    assert versions(live) == ["22.04.202410020"] * 20


def test_without_a_terminal_and_without_yes_nothing_is_changed(live: Sandbox) -> None:
    """The error says to pass --yes."""
    for name in ("bump", "rollout"):
        done = run(name, *WEB, "-n", NEW)
        assert done.returncode == 1
        assert "stdin is not a terminal: pass --yes to skip the confirmation" in done.stderr
    assert az.get_image(az.get_vmss(*live.where()))["version"] == "22.04.202410020"


@pytest.mark.parametrize(
    ("which", "upgraded"),
    [
        (["-u", "3"], {3, 8, 13, 18}),
        (["--vmid", "7"], {7}),
        (["--vmlist", '["3", "12"]'], {3, 12}),
        (["-l", "3, 12"], {3, 12}),
        (["-l", "0,1", "--nowait"], {0, 1}),
    ],
)
def test_upgrade_changes_only_the_chosen_instances(
    live: Sandbox, which: list[str], upgraded: set[int]
) -> None:
    """An update domain, one instance, a list in both formats; with one request."""
    done = run("upgrade", *WEB, "-n", NEW, "-y", *which)
    assert (done.returncode, done.stderr) == (0, "")
    assert {number for number, version in enumerate(versions(live)) if version == NEW} == upgraded
    assert len([each for each in live.journal if "manualupgrade" in each.path]) == 1


@pytest.mark.parametrize(
    ("name", "flag", "value"),
    [
        ("legacy", "--customuri", "https://sandboxstorage.blob.core.windows.net/images/web-2.vhd"),
        ("custom", "--imageid", "ID"),
        ("web", "--sku", "22_04-lts"),
    ],
)
def test_rollout_supports_the_other_kinds_of_image(
    live: Sandbox, name: str, flag: str, value: str
) -> None:
    """Unmanaged images, managed images, another SKU."""
    if value == "ID":
        value = az.get_image(az.get_vmss(*live.where(name)))["image_id"].replace("web-1", "web-3")
    done = run("rollout", "-r", "sandbox", "-s", name, flag, value, "-y")
    assert (done.returncode, done.stderr) == (0, "")
    assert value in {
        text
        for vm in az.get_instance_views(*live.where(name))
        for text in az.get_image(vm).values()
    }


def test_a_dry_run_prints_the_plan_and_changes_nothing(live: Sandbox) -> None:
    """It prints the new image and the batches, and sends only read requests."""
    done = run("rollout", *WEB, "-n", NEW, "--dry-run", "--canary", "1", "--on-failure", "rollback")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("image of the model would change: 22.04.")
    assert f" -> {NEW}\n" in done.stdout
    assert "canary (update domain 0): 1 instance (0)" in done.stdout
    assert "update domain 4: 4 instances (4, 9, 14, 19)" in done.stdout
    assert "dry run: nothing was changed" in done.stdout
    assert {each.method for each in live.journal if "virtualMachineScaleSets" in each.path} == {
        "GET"
    }


def test_every_option_of_the_rollout_has_an_effect(live: Sandbox) -> None:
    """Canary, parts, bake, check and domains are visible in the output or in the requests."""
    check = f'"{sys.executable}" -c "import os, sys; sys.exit(not os.environ[\'INSTANCE_IDS\'])"'
    done = run(
        "rollout", *WEB, "-n", NEW, "-y", "--canary", "1", "--canary-bake", "0.2",
        "--bake", "0.1", "--max-batch", "2", "--pause", "0.1", "--check", check,
        "--domains", "0,1", "--instances", "19", "--max-unhealthy", "5%",
        "--health-timeout", "60", "--on-failure", "rollback",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr  # eleven instances are not upgraded
    posts = [each.body["instanceIds"] for each in live.journal if "manualupgrade" in each.path]
    assert posts == [["0"], ["5", "10"], ["15"], ["1", "6"], ["11", "16"], ["19"]]
    assert "canary (update domain 0, part 1): healthy; baking for another" in done.stdout
    assert "pausing" in done.stdout


def test_a_failing_check_halts_with_its_output(live: Sandbox) -> None:
    """The error has the command, its status and its output."""
    check = f'"{sys.executable}" -c "import sys; sys.exit(\'queue full\')"'
    done = run("rollout", *WEB, "-n", NEW, "-y", "--check", check, "--health-timeout", "1")
    assert done.returncode == 1
    assert "exited with status 1: queue full" in done.stderr


def test_a_failure_that_was_rolled_back_ends_with_status_3(live: Sandbox) -> None:
    """The status differs from success and from a partial rollout."""
    live.break_upgrade("web", "6", image=NEW)
    done = run("rollout", *WEB, "-n", NEW, "-y", "--on-failure", "rollback")
    assert done.returncode == 3
    assert "Rolled back: all 20 instances run" in done.stderr
    assert versions(live) == ["22.04.202410020"] * 20


def test_rollback_restores_the_old_image_or_a_given_one(live: Sandbox) -> None:
    """The default is the image that outdated instances still run; -n names another one."""
    run("rollout", *WEB, "-n", NEW, "-y", "--domains", "0")
    done = run("rollback", *WEB, "-y")
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(live) == ["22.04.202410020"] * 20
    assert run("rollback", *WEB, "-n", "22.04.202409120", "-y").returncode == 0
    assert versions(live) == ["22.04.202409120"] * 20


def test_json_prints_one_event_per_line(live: Sandbox) -> None:
    """The last line has the summary; other text goes to standard error."""
    done = run("rollout", *WEB, "-n", NEW, "-y", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [events[0]["kind"], events[-1]["kind"]] == ["started", "finished"]
    assert events[-1]["summary"]["upgraded"] == 20
    assert "20 of 20 instances of web run" in done.stderr
    live.break_upgrade("web", "6", image="22.04.202410020")
    done = run("rollout", *WEB, "-n", "22.04.202410020", "-y", "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert (last["kind"], last["batch"], list(last["unhealthy"])) == (
        "halted",
        "update domain 1",
        ["6"],
    )


def test_follow_follows_azures_rolling_upgrade(live: Sandbox) -> None:
    """It ends with the upgrade; on a set in mode Manual it fails."""
    live.add_vmss("roll", 5, mode="Rolling")
    done = run("follow", "-r", "sandbox", "-s", "roll", "-n", NEW, "-y")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Completed; 5 of 5 instances have the latest model" in done.stdout
    assert run("follow", *WEB, "-y").stderr.startswith("error: web is in upgrade mode Manual")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--by", "banana"], "by must be update_domain"),
        (["--max-batch", "0"], "max_batch must be"),
        (["--pause", "-1"], "pause must be seconds"),
        (["--check", "'x"], "--check: No closing quotation"),
        (["--check", "no-such-program --fast"], "--check: program 'no-such-program' not found"),
        (["--instances", ""], "--instances is empty"),
        (["--domains", " ,"], "--domains is empty"),
    ],
)
def test_invalid_options_are_rejected_before_anything_is_sent(
    live: Sandbox, wrong: list[str], message: str
) -> None:
    """Status 2 and an error; the model is not changed."""
    done = run("rollout", *WEB, "-n", NEW, "-y", *wrong)
    assert done.returncode == 2
    assert message in done.stderr
    assert live.journal == []


@pytest.mark.parametrize(
    ("which", "message"), [(["--domains", "9"], "no domain 9"), (["--instances", "99"], "'99'")]
)
def test_unknown_domains_and_instances_change_nothing(
    live: Sandbox, which: list[str], message: str
) -> None:
    """The model is not changed either."""
    done = run("rollout", *WEB, "-n", NEW, "-y", *which)
    assert done.returncode == 1
    assert message in done.stderr
    assert {each.method for each in live.journal if "virtualMachineScaleSets" in each.path} == {
        "GET"
    }


def test_flexible_sets_and_version_latest_end_with_status_0(
    live: Sandbox,
) -> None:
    """Instances never report the version `latest` of such a model."""
    live.add_vmss("flex", 3, orchestration="Flexible")
    assert run("rollout", "-r", "sandbox", "-s", "flex", "-n", NEW, "-y").returncode == 0
    live.add_vmss("newest", 3, image="Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest")
    done = run("rollout", "-r", "sandbox", "-s", "newest", "-y")
    assert done.returncode == 0
    assert "3 of 3 instances of newest run" in done.stdout


def test_a_check_that_hangs_times_out() -> None:
    """Its timeout is that of a batch."""
    check = hooks.run_check(f'"{sys.executable}" -c "import time; time.sleep(60)"', 1)
    assert str(check([])).endswith("did not finish within 1 s")


@pytest.mark.parametrize(
    ("is_rolling_back", "repeats_rollback", "same"),
    [(False, False, True), (True, False, False), (True, True, True)],
)
def test_a_rollback_is_not_resumed_by_the_same_command(
    is_rolling_back: bool, repeats_rollback: bool, same: bool
) -> None:
    """The same command would set the failed image in the model again."""
    output = Output()
    following = watch.Watch(output, hooks.Hooks((), output), Report("rollout", "web", ""))
    following.is_rolling_back = is_rolling_back
    advice = following._how_to_resume(repeats_rollback)
    assert ("the same command" in advice) is same
    assert ("azurerm-lite rollback, without an image option" in advice) is not same


def test_an_unknown_rollback_image_names_the_options(
    live: Sandbox,
) -> None:
    """The error says which options to pass."""
    done = run("rollback", *WEB, "-y")
    assert done.returncode == 1
    error = done.stderr
    assert error.startswith(
        "error: image is required: the outdated instances run the model's image"
    )
    assert error.endswith("Pass it with --newversion, --imageid or --customuri.\n")


@pytest.mark.parametrize("command", ["rollout", "fleet"])
def test_a_closed_pipe_stops_the_command_like_ctrl_c(live: Sandbox, command: str) -> None:
    """As with `| head`: status 1, how to resume, no traceback."""
    live.set_image("web", version=NEW)
    which = [] if command == "fleet" else WEB
    words = [*PROGRAM, command, *which, "-y", "--json", "--pause", "0.5"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as started:
        assert started.stdout
        started.stdout.readline()
        started.stdout.close()
        printed = started.stderr.read() if started.stderr else ""
    assert started.returncode == 1
    assert "Run the same command again to resume" in printed
    assert printed.endswith("Stopped: the output pipe was closed.\n")


COMMANDS = [("rollout", []), ("bump", []), ("upgrade", ["-i", "0"])]


@pytest.mark.parametrize(("command", "which"), COMMANDS)
@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (
            ["-r", "sandbox", "-s", "wbe", "-n", NEW],
            "virtualMachineScaleSets/wbe' under resource group",
        ),
        (["-r", "sandbxo", "-s", "web", "-n", NEW], "Resource group 'sandbxo' could not be found"),
        ([*WEB, "-n", "22.04.2024"], "22.04.2024' is not available"),
        ([*WEB, "-n", "new"], "version must be Major.Minor.Build in digits, or latest, not 'new'"),
        (
            [*WEB, "-c", "https://x.example/y.vhd"],
            "image_uri cannot be set: the model of 'web' has a platform image",
        ),
        (["-r", "sandbox", "-s", "auto", "-n", NEW], "auto is in upgrade mode Automatic"),
    ],
)
def test_a_mistake_prints_one_line(
    live: Sandbox, command: str, which: list[str], mistake: list[str], sentence: str
) -> None:
    """Wrong names, versions, image kinds and upgrade modes: one line, status 1."""
    done = run(command, *mistake, *which, "-y")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not [each for each in live.journal if "manualupgrade" in each.path]


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (["-i", "99"], "the set has no instance '99'"),
        (["-l", "0,99"], "the set has no instance '99'"),
        (["-l", "0 1"], "must be an instance id such as '3'"),
        (["-u", "9"], "update domain 9 does not exist; web has 0, 1, 2, 3, 4"),
    ],
)
def test_a_mistyped_instance_changes_nothing(
    live: Sandbox, which: list[str], sentence: str
) -> None:
    """Instances are checked before the model is changed."""
    done = run("upgrade", *WEB, "-n", NEW, "-y", *which)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert {each.method for each in live.journal if "virtualMachineScaleSets" in each.path} == {
        "GET"
    }


@pytest.mark.parametrize(("command", "which"), COMMANDS)
def test_a_wrong_secret_is_reported_and_not_shown(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, command: str, which: list[str]
) -> None:
    """The error has Microsoft's code and advice, and never the secret."""
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary-secret")
    done = run(command, *WEB, "-n", NEW, "-y", *which)
    assert done.returncode == 1
    assert "AADSTS7000215" in done.stderr
    assert "give its value, not its id" in done.stderr
    assert "canary-secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_network_failure_is_retried_and_then_prints_one_line(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each retry is a line; the error names the host; no traceback."""
    monkeypatch.setenv("AZURE_AUTH_ENDPOINT", "https://127.0.0.1:9")
    with ThreadPoolExecutor() as together:
        for done in together.map(
            lambda each: run_child(each[0], *WEB, "-n", NEW, "-y", *each[1]), COMMANDS
        ):
            assert done.returncode == 1
            *waits, last = done.stderr.splitlines()
            assert last.startswith("error: No response from 127.0.0.1:9")
            assert all(line.startswith("retrying in ") for line in waits)


def test_credentials_from_a_file(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """vmssconfig.json in the current folder has priority over the environment."""
    for name in (
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_SUBSCRIPTION_ID",
    ):
        monkeypatch.delenv(name)
    values = {
        "tenantId": live.tenant_id,
        "appId": live.application_id,
        "appSecret": live.application_secret,
    }
    config = tmp_path / "vmssconfig.json"
    config.write_text(json.dumps({**values, "subscriptionId": live.subscription_id}))
    config.chmod(0o600)
    done = run_child("bump", *WEB, "-n", NEW, "-y", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run("bump", *WEB, "-n", NEW, "-y", "--config", "elsewhere.json")
    assert done.returncode == 1
    assert done.stderr.startswith("error: elsewhere.json cannot be read: ")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mode bits")
@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)]
)
def test_a_credentials_file_that_others_can_read_causes_a_warning(
    mode: int, warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning says how to fix the mode; the command continues."""
    config = tmp_path / "vmssconfig.json"
    config.write_text(json.dumps(dict.fromkeys(session._KEYS, "canary")))
    config.chmod(mode)
    assert session.read_config(config, Output()) == dict.fromkeys(session._KEYS, "canary")
    printed = capsys.readouterr().err
    assert printed == (
        f"warning: other users can read {config}, which holds a secret; run chmod 600 {config}\n"
        if warned
        else ""
    )


FILE = {"tenantId": "t", "appId": "a", "appSecret": "canary~secret", "subscriptionId": "s"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON: Expecting value in line 1, column 1"),
        (b'{"appSecret": "canary~secret",\n}', "is not JSON: .* in line [12], column"),
        (b"[]", "is not a JSON object"),
        (b'"canary"', "is not a JSON object"),
        (b"\xff\xfe", "is not text in UTF-8"),
        *(
            (json.dumps({**FILE, key: ""}).encode(), f"'{key}' must be a non-empty string")
            for key in FILE
        ),
        *(
            (json.dumps({**FILE, key: 5}).encode(), f"'{key}' must be a non-empty string")
            for key in FILE
        ),
        *(
            (json.dumps({k: v for k, v in FILE.items() if k != key}).encode(), f"has no '{key}'")
            for key in FILE
        ),
    ],
    ids=str,
)
def test_the_error_of_a_credentials_file_does_not_show_its_values(
    content: bytes, message: str, tmp_path: Path
) -> None:
    """It names the file and the key or the line."""
    config = tmp_path / "vmssconfig.json"
    config.write_bytes(content)
    config.chmod(0o600)
    with pytest.raises(ValueError, match=f"vmssconfig.json:? {message}") as caught:
        session.read_config(config, Output())
    assert "canary" not in str(caught.value)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Some editors on Windows write one."""
    config = tmp_path / "vmssconfig.json"
    config.write_bytes(b"\xef\xbb\xbf" + json.dumps(FILE).encode())
    assert session.read_config(config, Output()) == FILE


def test_a_missing_subscription_names_the_variable(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without az, the error of a service principal names the variable, not a missing program."""
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("rollout", *WEB, "-y")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: no subscription: pass --subscription, or set AZURE_SUBSCRIPTION_ID (The"
    )


def test_without_credentials_the_azure_cli_is_used(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a file, variables and az, the error says what to install or set."""
    for name in (
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_SUBSCRIPTION_ID",
    ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run_child("bump", *WEB, "-n", NEW, "-y", cwd=tmp_path)
    assert done.returncode == 1
    assert "The Azure CLI (az) is not on PATH" in done.stderr
    assert (
        "client secret: AZURE_CLIENT_SECRET and AZURE_TENANT_ID and AZURE_CLIENT_ID are not set"
        in done.stderr
    )


@pytest.mark.parametrize(
    "arguments",
    [[], ["-r", "sandbox"], ["--sandbox"], [*WEB, "-n", NEW, "-u", "x"], [*WEB, "-i", "3,4"]],
)
def test_invalid_arguments_end_with_status_2(arguments: list[str]) -> None:
    """The usage is printed too."""
    done = run("upgrade", *arguments)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_an_instance_with_an_exact_version_matches_a_gallery_image_without_version(
    live: Sandbox,
) -> None:
    """Instances report the exact version, which the model does not have."""
    gallery = f"/subscriptions/{live.subscription_id}/resourceGroups/sandbox/providers/"
    live.add_vmss("gallery", 2, image=gallery + "Microsoft.Compute/galleries/demo/images/web")
    done = run("rollout", "-r", "sandbox", "-s", "gallery", "-y")
    assert done.returncode == 0
    assert "2 of 2 instances of gallery run" in done.stdout


def test_a_halted_surge_resumes_with_the_printed_capacity(live: Sandbox) -> None:
    """It ends with the old number of instances, all upgraded."""
    live.add_vmss("small", 4)
    small = ["-r", "sandbox", "-s", "small", "-n", NEW, "-y", "--surge", "2"]
    live.break_upgrade("small", "1")
    done = run("rollout", *small)
    assert done.returncode == 1
    assert "capacity=4" in done.stdout + done.stderr
    live.break_upgrade("small", "1", "none")
    assert run("rollout", *small, "--capacity", "4").returncode == 0
    assert versions(live, "small") == [NEW] * 4


def test_an_interrupted_surge_prints_the_capacity_to_resume_with() -> None:
    """The scale set itself does not store the final capacity."""
    output = Output()
    following = watch.Watch(output, hooks.Hooks((), output), Report("rollout", "web", ""))
    following.last = az.Event("progress", "", capacity=20)
    advice = following._how_to_resume(repeats_rollback=False)
    assert advice == "Run the same command again with --capacity 20 to resume."
