"""`roll`: restarts, redeploys, reimages, scripts and functions of the caller's, batch by batch."""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.rollout import DyingToken

import azurerm_lite as az
from azurerm_lite.instances import sorted_ids
from azurerm_lite.rollout.actions import for_roll
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.run import advance
from azurerm_lite.rollout.state import RolloutState, ScaleSetRef
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.resources import CommandOutcome

SIZE = 6
MODES = ["Uniform", "Flexible"]
ACTIONS = ["restart", "redeploy", "reimage"]


def make(clock: Clock, mode: str) -> Sandbox:
    """A sandbox with a set `web` of six instances."""
    sandbox = Sandbox(upgrade_seconds=60, clock=clock, demo=False)
    sandbox.add_vmss("web", SIZE, orchestration=mode)
    return sandbox


@pytest.fixture(params=MODES)
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """A set `web` of six instances in either mode."""
    with make(clock, request.param) as sandbox:
        yield sandbox


def roll(sandbox: Sandbox, action: Any, **options: Any) -> Iterator[az.Event]:
    """Rolls in batches of two."""
    return az.roll(*sandbox.where(), action, by=2, **options)


def names(sandbox: Sandbox) -> list[str]:
    """The ids of all instances."""
    return list(sandbox.cloud.scale_set("sandbox", "web").instances)


def times(sandbox: Sandbox) -> Counter[str]:
    """How often something was begun on each instance."""
    return Counter(
        change.instance_id
        for change in sandbox.changes
        if change.what == "provisioning" and change.after == "Updating"
    )


def scripts(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How often which script ran on each instance."""
    return Counter(
        (change.instance_id, change.after) for change in sandbox.changes if change.what == "command"
    )


def once(sandbox: Sandbox) -> Counter[str]:
    """Each instance once."""
    return Counter(names(sandbox))


@pytest.mark.parametrize("action", ACTIONS)
def test_each_instance_is_done_once_and_two_at_a_time(both: Sandbox, action: str) -> None:
    """In both modes, by Azure's own operation."""
    vmss = both.cloud.scale_set("sandbox", "web")
    for _ in roll(both, action):
        busy = [vm for vm in vmss.instances.values() if vm.provisioning == "Updating"]
        assert len(busy) <= 2
    assert times(both) == once(both)
    sent = [entry.path for entry in both.journal if entry.method == "POST"]
    assert all(path.lower().endswith(f"/{action}") for path in sent)


def test_the_messages_name_the_action(both: Sandbox) -> None:
    """And say since when instances count as done."""
    messages = [event.message for event in roll(both, "restart")]
    assert any(": restarting 2 instances" in message for message in messages)
    assert any("skipping instances whose last operation" in message for message in messages)
    assert f"{SIZE} of {SIZE} instances are restarted; {SIZE} restarted in" in messages[-1]


def test_a_run_is_resumed_by_its_time(both: Sandbox) -> None:
    """The halt and the first notice say which; what was done since then is left out."""
    since = datetime.now(UTC)
    events = roll(both, "restart", since=since)
    for event in events:
        if event.kind == "batch_done":
            break
    events.close()  # type: ignore[attr-defined]
    list(roll(both, "restart", since=since.isoformat()))
    assert times(both) == once(both)
    list(roll(both, "restart"))
    assert set(times(both).values()) == {2}


def test_a_halt_explains_how_to_resume(both: Sandbox) -> None:
    """With the time if Azure notes it, else with the instances that are left."""
    last = sorted_ids(names(both))[-1]
    options: Any = {"health_timeout": 300}

    def is_other(instances: list[az.Instance]) -> bool:
        return last not in {vm["instanceId"] for vm in instances}

    with pytest.raises(az.RolloutHalted) as caught:
        list(roll(both, "restart", check=is_other, **options))
    message = caught.value.message
    since = message.partition("since='")[2].partition("'")[0]
    list(roll(both, "restart", since=since))
    assert times(both) == once(both)
    both.set_command_output("web", last, "broken")
    with pytest.raises(az.RolloutHalted, match=r"run it again with pending=, or with only="):
        list(roll(both, "run_command", script="x", check_output=lambda _, out: not out.stdout))


@pytest.mark.parametrize("is_answer_lost", [False, True])
@pytest.mark.parametrize(
    "step", [19, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_restart_killed_at_any_request_is_finished_by_the_next(
    clock: Clock, mode: str, step: int, is_answer_lost: bool
) -> None:
    """With the same time, each instance is restarted exactly once."""
    number = 1
    was_killed = True
    while was_killed:
        with make(clock, mode) as sandbox:
            since = datetime.now(UTC)
            token = DyingToken(sandbox, number)
            if is_answer_lost:
                sandbox.at_request(number, lambda: sandbox.fail_next(drop="after"))
            with contextlib.suppress(KeyboardInterrupt):
                list(az.roll(token, *sandbox.where()[1:], "restart", by=2, since=since))
            was_killed = token.left < 0
            sandbox.app.hooks.clear()
            sandbox.app.faults.clear()
            list(roll(sandbox, "restart", since=since))
            assert times(sandbox) == once(sandbox)
        number += step
    assert number > 2 * step


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_request_whose_answer_is_lost_is_not_sent_twice(
    both: Sandbox, action: str, drop: str
) -> None:
    """The time of the instance says whether it took effect."""
    both.fail_next(method="POST", path=action, drop=drop)
    list(roll(both, action))
    assert times(both) == once(both)


def test_a_script_runs_once_on_each_instance_and_its_output_is_reported(both: Sandbox) -> None:
    """With its parameters; the parameters are in no event."""
    for name in names(both):
        both.set_command_output("web", name, f"hello from {name}")
    events = list(roll(both, "run_command", script="echo $1", parameters={"key": "s3cret"}))
    assert scripts(both) == Counter({(name, "echo $1"): 1 for name in names(both)})
    messages = " ".join(repr(event) for event in events)
    assert all(f"{name}: hello from {name}" in messages for name in names(both))
    assert "s3cret" not in messages
    sent = [entry.body for entry in both.journal if entry.path.lower().endswith("/runcommand")]
    assert all(body["parameters"] == [{"name": "key", "value": "s3cret"}] for body in sent)


@pytest.mark.parametrize("is_parallel", [True, False])
def test_scripts_run_at_once_or_one_after_the_other_as_azure_permits(
    both: Sandbox, is_parallel: bool
) -> None:
    """A conflict is waited out, and no script runs twice."""
    both.assumptions.commands_run_in_parallel = is_parallel
    list(roll(both, "run_command", script="true"))
    assert scripts(both) == Counter({(name, "true"): 1 for name in names(both)})


@pytest.mark.parametrize(
    "answer", [False, "3 packages left", pytest.param(ZeroDivisionError, id="raises")]
)
def test_an_output_that_fails_your_check_halts(both: Sandbox, answer: Any) -> None:
    """After all scripts of the batch have ended; it names the instance."""
    bad = names(both)[0]
    both.set_command_output("web", bad, stderr="3 packages left")

    def check(instance_id: str, output: az.CommandOutput) -> object:
        if not output.stderr:
            return None
        assert instance_id == bad
        if answer is ZeroDivisionError:
            raise answer
        return answer

    options: Any = {"script": "apt", "check_output": check, "only": [bad]}
    with pytest.raises(az.RolloutHalted, match="does not pass check_output") as caught:
        list(roll(both, "run_command", **options))
    assert list(caught.value.unhealthy) == [bad]


def test_a_script_that_azure_cannot_run_halts(both: Sandbox) -> None:
    """With Azure's code."""
    both.set_command_output("web", names(both)[0], code="VMAgentStatusCommunicationError")
    with pytest.raises(az.RolloutHalted, match="VMAgentStatusCommunicationError"):
        list(roll(both, "run_command", script="true"))


def test_pending_decides_which_instances_remain(both: Sandbox) -> None:
    """Before the run and after each batch; here the sandbox's own record does."""
    done = {names(both)[0]}

    def act(vmss: Any, vm: Any, script: str) -> CommandOutcome | None:
        done.add(vm.id)
        return None

    both.cloud.on_command = act
    first = names(both)[0]
    pending = lambda vm: vm["instanceId"] not in done  # noqa: E731
    list(roll(both, "run_command", script="patch", pending=pending))
    assert scripts(both) == Counter({(name, "patch"): 1 for name in names(both) if name != first})
    list(roll(both, "run_command", script="patch", pending=pending))
    assert sum(scripts(both).values()) == SIZE - 1


def test_a_batch_that_stays_pending_halts(both: Sandbox) -> None:
    """The action did not do what it was to do."""
    with pytest.raises(az.RolloutHalted, match="not restarted yet"):
        list(roll(both, "restart", pending=lambda _: True, health_timeout=300))


def test_a_pending_that_raises_halts_before_anything_changes(both: Sandbox) -> None:
    """It says for which instance."""
    with pytest.raises(az.RolloutHalted, match=r"pending failed for instance .*: boom"):
        list(roll(both, "restart", pending=fail))
    assert times(both) == Counter()


def fail(*_: Any) -> Any:
    """Raises an error that is not Azure's."""
    raise RuntimeError("boom")


def test_a_function_is_given_the_instances_and_its_operation_is_followed(both: Sandbox) -> None:
    """Here it powers off and starts again; `None` is nothing to follow."""
    given: list[list[str]] = []

    def act(instances: list[az.Instance]) -> requests.Response | None:
        given.append([vm["instanceId"] for vm in instances])
        if len(given) == 1:
            return None
        return az.reimage_vmss(*both.where(), given[-1])

    list(roll(both, act))
    assert [len(ids) for ids in given] == [2, 2, 2]
    assert sorted(name for ids in given for name in ids) == sorted(names(both))
    assert len(times(both)) == SIZE - 2


@pytest.mark.parametrize(
    ("function", "message"),
    [(fail, "the action failed: boom"), (lambda _: "done", "it returned a str, not a Response")],
)
def test_a_function_that_fails_halts(both: Sandbox, function: Any, message: str) -> None:
    """With its reason, and nothing further is touched."""
    with pytest.raises(az.RolloutHalted, match=message):
        list(roll(both, function))


def test_an_instance_that_does_not_come_back_halts(both: Sandbox) -> None:
    """The checks are those of a rollout: here its health."""
    bad = names(both)[0]
    both.break_upgrade("web", bad, "unhealthy")
    with pytest.raises(az.RolloutHalted, match="unhealthy") as caught:
        list(roll(both, "reimage", only=[bad], health_timeout=300))
    assert list(caught.value.unhealthy) == [bad]


def test_an_operation_that_another_write_ended_is_started_again(both: Sandbox) -> None:
    """Once, for what was left of the batch."""
    both.end_next("Canceled", code="OperationPreempted")
    events = list(roll(both, "restart"))
    assert any("another write came first" in event.message for event in events)
    assert set(times(both)) == set(names(both))


@pytest.mark.parametrize("mode", ["Automatic", "Rolling"])
def test_the_upgrade_mode_and_the_model_do_not_matter(sandbox: Sandbox, mode: str) -> None:
    """A restart brings nothing to a model."""
    sandbox.add_vmss("other", 4, mode=mode)
    events = az.roll(*sandbox.where("other"), "restart", by=2)
    for event in events:
        if event.kind == "batch_done" and event.number == 1 and mode == "Rolling":
            sandbox.set_image("web", version="22.04.202411010")
    assert set(times(sandbox).values()) == {1}


def test_a_dry_run_reads_alone(both: Sandbox) -> None:
    """It plans the batches."""
    events = list(roll(both, "restart", dry_run=True))
    assert [event.kind for event in events].count("planned") == SIZE // 2
    assert not [entry for entry in both.journal if entry.method != "GET"]


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("reboot", {}, "action must be one of restart, redeploy, reimage, run_command"),
        (None, {}, "action must be one of"),
        ("run_command", {}, "script must be the text"),
        ("restart", {"script": "x"}, "script, parameters and check_output are for the action"),
        ("restart", {"since": datetime(2026, 1, 1)}, "since must be a time with its offset"),
        ("restart", {"since": "yesterday"}, "since must be a time with its offset"),
        ("run_command", {"script": "x", "since": "2026-01-01T00:00:00Z"}, "give pending instead"),
        (fail, {"since": "2026-01-01T00:00:00Z"}, "give pending instead"),
        ("restart", {"pending": True}, "pending must be a function"),
        ("run_command", {"script": "x", "check_output": 1}, "check_output must be a function"),
        ("restart", {"dry_run": {}}, "dry_run must be True or False"),
        ("restart", {"health_timeout": -1}, "health_timeout must be"),
    ],
)
def test_bad_arguments_are_refused_at_once(action: Any, options: Any, message: str) -> None:
    """Before the first `next`."""
    with pytest.raises(ValueError, match=message):
        az.roll("t", "s", "g", "web", action, **options)


def test_a_time_long_ago_leaves_out_what_is_newer(both: Sandbox) -> None:
    """Every instance was made since then."""
    since = datetime.now(UTC) - timedelta(days=1)
    list(roll(both, "restart", since=since))
    assert times(both) == Counter()


@pytest.mark.parametrize("action", ["restart", "run_command"])
def test_an_instance_that_vanishes_is_dropped(both: Sandbox, action: str) -> None:
    """Somebody deletes it just before the request."""
    last = sorted_ids(names(both))[-1]
    vmss = both.cloud.scale_set("sandbox", "web")
    options: Any = {"script": "true"} if action == "run_command" else {}
    seen: list[az.Event] = []
    for event in roll(both, action, **options):
        seen.append(event)
        if event.kind == "batch_started" and last in event.instance_ids:
            del vmss.instances[last]
    assert seen[-1].kind == "finished"
    assert any("deleted meanwhile" in event.message for event in seen)
    assert set(times(both).values()) == {1}


def test_a_dry_run_predicts_the_requests(both: Sandbox) -> None:
    """Without polls of operations that take their time; here each ends at its first."""
    (*_, last) = roll(both, "run_command", script="true", dry_run=True)
    foretold = int(last.message.partition("send ")[2].split()[0])
    both.cloud.upgrade_seconds = 0
    before = len(both.journal)
    list(roll(both, "run_command", script="true"))
    assert len(both.journal) - before == foretold


def test_a_dry_run_of_a_restart_does_not_report_the_mode(sandbox: Sandbox) -> None:
    """The set may be in any."""
    events = list(az.roll(*sandbox.where("auto"), "restart", dry_run=True))
    assert "auto is Succeeded" in [event.message for event in events]


@pytest.mark.parametrize("action", ["restart", "run_command"])
def test_a_run_continues_in_another_process(both: Sandbox, action: str) -> None:
    """What it knows is data: what is done there is not done again here."""
    extra: Any = {"script": "true"} if action == "run_command" else {"script": None}
    made = for_roll(
        action,
        pending=None,
        since=None,
        parameters=None,
        command_id="RunShellScript",
        check_output=None,
        **extra,
    )
    where = (Provider(), *both.where()[1:])
    state = RolloutState(ScaleSetRef(*where), RolloutOptions(by=2, action=made))
    Provider.token = both.access_token
    while state.status in ("new", "running"):
        list(advance(state))
        state = pickle.loads(pickle.dumps(state))
    assert times(both) == once(both)


class Provider:
    """A provider of tokens that can be sent to another process."""

    token = ""

    def __call__(self) -> str:
        """Return the token."""
        return self.token
