"""The care that a rollout takes, on the sandbox over HTTPS.

Canary, bake, checks, pauses, dry runs, what it tells.
"""

from __future__ import annotations

import json
import pickle
from functools import partial
from typing import Any

import pytest
from support.clock import Clock
from support.rollout import OLD, bump, on, posted, reasons, running

import azurerm_lite as az
from azurerm_lite._text import duration
from azurerm_lite.rollout.events import Event
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.types import Summary


def named(events: Any, kind: str = "batch_done") -> list[str]:
    """The names of the batches of the events of a kind."""
    return [event.batch.name for event in events if event.kind == kind]


def ill(sandbox: Sandbox, *ids: str) -> None:
    """Lets the application on some instances become unhealthy."""
    for vm_id in ids:
        sandbox.cloud.scale_set("sandbox", "web").instances[vm_id].health = "unhealthy"


# Canary, parts, bake


def test_the_canary_comes_first_and_bakes_longer(sandbox: Sandbox, clock: Clock) -> None:
    """One instance first, with a bake time of its own.

    The rest of its domain follows, then the others.
    """
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), canary=1, canary_bake=600, bake=60))
    assert posted(sandbox)[:3] == [["0"], ["5", "10", "15"], ["1", "6", "11", "16"]]
    assert named(events)[:2] == ["canary (update domain 0)", "update domain 0"]
    watched = [event.message for event in events if event.kind == "baking"]
    assert "canary (update domain 0): healthy; baking for another 10 min" in watched
    assert "update domain 0: healthy; baking for another 1 min" in watched
    assert events[-1].latest == 20


def test_the_first_batch_bakes_longer_without_a_canary(sandbox: Sandbox) -> None:
    """Whoever asks for a longer look at the first batch gets it, whatever that batch is."""
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), canary_bake=30))
    assert {event.batch.name for event in events if event.kind == "baking"} == {"update domain 0"}


def test_a_domain_is_taken_in_parts(sandbox: Sandbox) -> None:
    """No more at a time than max_batch, and never two domains together."""
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), max_batch=3))
    assert [len(ids) for ids in posted(sandbox)] == [3, 1] * 5
    assert named(events)[:3] == [
        "update domain 0, part 1",
        "update domain 0, part 2",
        "update domain 1, part 1",
    ]
    assert {event.batches for event in events if event.kind == "batch_done"} == {10}


def test_an_instance_that_becomes_unhealthy_during_the_bake_halts(sandbox: Sandbox) -> None:
    """Healthy at first and unhealthy within the bake time is a failure.

    Which instance, and since when.
    """
    bump(sandbox)
    fall_ill = partial(ill, sandbox, "5")
    with pytest.raises(
        az.RolloutHalted, match="update domain 0 did not stay healthy for 10 min: instance 5"
    ) as caught:
        on("baking", 1, fall_ill, az.rollout(*sandbox.where(), bake=600))
    assert reasons(caught.value) == {"5": "application health unhealthy"}
    assert len(posted(sandbox)) == 1


def test_unhealthy_after_the_bake_time_counts_against_max_unhealthy(sandbox: Sandbox) -> None:
    """The next batch does not begin while an earlier one is unhealthy."""
    bump(sandbox)
    fall_ill = partial(ill, sandbox, "5")
    with pytest.raises(
        az.RolloutHalted,
        match=r"1 instance outside update domain 1 (is|are) unhealthy \(max_unhealthy allows 0\)",
    ):
        on("pausing", 1, fall_ill, az.rollout(*sandbox.where(), pause=30))
    assert len(posted(sandbox)) == 1


def test_an_instance_without_a_state_is_waited_for(sandbox: Sandbox) -> None:
    """Autoscale made it just now: unknown health is no reason to halt at once, but to wait."""
    bump(sandbox)
    vm = sandbox.cloud.scale_set("sandbox", "web").instances["18"]
    vm.health = "unknown"
    seen = []
    for event in az.rollout(*sandbox.where(), only=[0]):
        seen.append(event)
        if event.kind == "waiting":
            assert list(event.unhealthy) == ["18"]
            vm.health = "healthy"
    assert [event.kind for event in seen].count("waiting") == 1
    assert seen[-1].summary.upgraded == 4
    vm.health = "unknown"
    with pytest.raises(az.RolloutHalted, match="instance 18: application health unknown"):
        list(az.rollout(*sandbox.where(), only=[1], health_timeout=120))


# The user's own say


def test_a_check_of_the_users_own_is_waited_for(sandbox: Sandbox) -> None:
    """It is given the instances of the batch with their views.

    And asked again until it is content.
    """
    bump(sandbox)
    seen: list[list[str]] = []

    def check(instances: list[Any]) -> Any:
        seen.append([vm["instanceId"] for vm in instances])
        assert all("instanceView" in vm["properties"] for vm in instances)
        return "queue not drained" if len(seen) == 1 else True

    events = list(az.rollout(*sandbox.where(), only=[0, 1], check=check))
    assert seen == [["0", "5", "10", "15"]] * 2 + [["1", "6", "11", "16"]]
    waits = [event for event in events if "check: queue not drained" in event.message]
    assert len(waits) == 1
    assert set(waits[0].unhealthy) == {"0", "5", "10", "15"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "check: not passed"),
        ("too slow", "check: too slow"),
        (ZeroDivisionError("by zero"), "check: by zero"),
    ],
)
def test_a_check_that_never_passes_halts(sandbox: Sandbox, answer: Any, reason: str) -> None:
    """False, a text and an exception all mean no.

    The reason stands at each instance of the batch.
    """

    def check(instances: list[Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    bump(sandbox)
    with pytest.raises(
        az.RolloutHalted, match="update domain 0 is not healthy after 2 min"
    ) as caught:
        list(az.rollout(*sandbox.where(), check=check, health_timeout=120))
    assert reasons(caught.value) == dict.fromkeys(("0", "5", "10", "15"), reason)


@pytest.mark.parametrize("answer", [None, True, {}, 0])
def test_a_check_that_does_not_object_passes(sandbox: Sandbox, answer: Any) -> None:
    """A function that returns nothing, because it raises when something is wrong, is fine."""
    bump(sandbox)
    assert (
        list(az.rollout(*sandbox.where(), only="0", check=lambda instances: answer))[-1].kind
        == "finished"
    )


def test_a_callable_pause_decides_whether_to_continue(sandbox: Sandbox) -> None:
    """It gets the batch that is done.

    Where it says no, the rollout ends without an error and can be resumed.
    """
    bump(sandbox)
    asked = []

    def pause(batch: Any) -> bool:
        asked.append(batch.name)
        return len(asked) < 2

    events = list(az.rollout(*sandbox.where(), pause=pause))
    assert asked == ["update domain 0", "update domain 1"]
    assert events[-1].kind == "stopped"
    assert (
        "stopped after update domain 1; 8 of 20 instances have the latest model, 12 still"
        in events[-1].message
    )
    assert events[-1].summary.upgraded == 8
    assert list(az.rollout(*sandbox.where(), pause=lambda batch: True))[-1].latest == 20


def test_an_instance_protected_meanwhile_is_left_out(sandbox: Sandbox) -> None:
    """Protection that comes while another operation is waited for counts.

    The batch goes on without it.
    """
    bump(sandbox)

    def protect() -> None:
        az.restart_vmss(*sandbox.where(), "19")
        sandbox.cloud.scale_set("sandbox", "web").instances["5"].protection = {
            "protectFromScaleSetActions": True
        }

    events = on("batch_started", 1, protect, az.rollout(*sandbox.where()))
    assert posted(sandbox)[0] == ["0", "10", "15"]
    assert "19 of 20 instances have the latest model, 1 still an older one" in events[-1].message
    assert running(sandbox)["5"] == OLD


def test_an_instance_deallocated_meanwhile_halts_its_batch(sandbox: Sandbox) -> None:
    """Who switches off what is being upgraded is told so.

    It is not back in the state that it had.
    """
    bump(sandbox)

    def switch_off() -> None:
        sandbox.cloud.scale_set("sandbox", "web").instances["5"].power = "deallocated"

    with pytest.raises(az.RolloutHalted, match="instance 5: power state deallocated, was running"):
        on("baking", 1, switch_off, az.rollout(*sandbox.where(), bake=60))


def test_a_scale_set_deleted_meanwhile_halts(sandbox: Sandbox) -> None:
    """Azure's own words, and how far it came."""
    bump(sandbox)

    def delete() -> None:
        del sandbox.cloud.sets["sandbox", "web"]

    with pytest.raises(az.RolloutHalted, match=r"was not found.*4 upgraded by this run") as caught:
        on("batch_done", 1, delete, az.rollout(*sandbox.where()))
    assert isinstance(caught.value.__cause__, az.NotFound)


def test_a_model_changed_in_the_middle_of_a_batch_halts_at_once(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Not after half an hour of waiting for instances that can no longer have the latest model."""
    bump(sandbox)
    change = partial(sandbox.set_image, "web", version="22.04.202409120")
    began = clock.now
    with pytest.raises(az.RolloutHalted, match="Another client changed the scale set's model"):
        on("progress", 1, change, az.rollout(*sandbox.where()))
    assert clock.now - began < 300


# The dry run


def changes(sandbox: Sandbox) -> list[str]:
    """The methods of the requests that were no reads."""
    return [each.method for each in sandbox.journal if each.method != "GET"]


def test_a_dry_run_reports_the_plan_and_writes_nothing(sandbox: Sandbox) -> None:
    """The batches, what is skipped, every check's answer and the number of requests to come."""
    where = sandbox.where()
    az.wait(where[0], az.protect_vmss_vm(*where, "6", from_scale_set_actions=True))
    bump(sandbox)
    before = changes(sandbox)
    events = list(az.rollout(*where, dry_run=True, canary=1, on_failure="rollback"))
    assert changes(sandbox) == before
    assert named(events, "planned")[:3] == [
        "canary (update domain 0)",
        "update domain 0",
        "update domain 1",
    ]
    told = [event.message for event in events]
    assert "skipping 1 instance protected from scale-set actions: 6" in told
    assert "web is in upgrade mode Manual and Succeeded" in told
    assert "no instance is being updated" in told
    assert f"a failure would be rolled back to {OLD}" in told
    assert "canary (update domain 0): enough instances outside it are healthy to start" in told
    assert told[-1].startswith("dry run: nothing was changed; a rollout would send ")


def test_a_dry_run_of_a_model_to_come(sandbox: Sandbox) -> None:
    """Before the model is put: the plan, as if every instance were behind it."""
    model = az.get_vmss(*sandbox.where())
    events = list(
        az.rollout(
            *sandbox.where(), dry_run=az.set_image(model, version="latest"), on_failure="rollback"
        )
    )
    assert changes(sandbox) == []
    assert len(named(events, "planned")) == 5
    assert any("the version latest" in event.message for event in events if event.kind == "notice")
    assert any("would be rolled back to" in event.message for event in events)


def test_a_dry_run_predicts_the_requests(sandbox: Sandbox) -> None:
    """Polls aside, of which each is an event.

    A rollout in which nothing happens sends just as many.
    """
    bump(sandbox)
    told = list(az.rollout(*sandbox.where(), dry_run=True))[-1].message
    before = len(sandbox.journal)
    polls = [event for event in az.rollout(*sandbox.where()) if event.kind == "progress"]
    sent = len(sandbox.journal) - before - len(polls)
    assert f"a rollout would send {sent} requests" in told


def test_a_dry_run_halts_where_the_rollout_would(sandbox: Sandbox) -> None:
    """What stands in the way is told the same way, before anything is done."""
    bump(sandbox)
    ill(sandbox, "18")
    with pytest.raises(az.RolloutHalted, match="1 instance outside update domain 0 is unhealthy"):
        list(az.rollout(*sandbox.where(), dry_run=True))


def test_a_dry_run_does_not_wait(sandbox: Sandbox, clock: Clock) -> None:
    """What the rollout would wait for is told instead."""
    bump(sandbox)
    az.restart_vmss(*sandbox.where(), "7")
    began = clock.now
    told = [event.message for event in az.rollout(*sandbox.where(), dry_run=True)]
    assert "1 instance being updated (7): the rollout would wait" in told
    assert clock.now == began


# What is told


def test_the_last_event_has_a_summary(sandbox: Sandbox) -> None:
    """Instances upgraded, skipped and failed, seconds, requests.

    And how many of them were throttled.
    """
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=[0]))
    before = len(sandbox.journal)
    sandbox.fail_next(429, method="GET", times=2, retry_after=7)
    events = list(az.rollout(*sandbox.where()))
    assert [event.summary for event in events[:-1]] == [None] * (len(events) - 1)
    summary = events[-1].summary
    assert summary[:3] == (16, 4, 0)
    assert summary.seconds >= 4 * 60
    assert summary.requests == len(sandbox.journal) - before
    assert summary.throttled == 2


def test_throttling_is_reported_and_waited_out(sandbox: Sandbox, clock: Clock) -> None:
    """However long Azure asks to wait, within the limit.

    An event each minute says so, and nothing is asked before.
    """
    bump(sandbox)
    fail = partial(sandbox.fail_next, 429, retry_after=900)
    events = on("batch_started", 2, fail, az.rollout(*sandbox.where()))
    told = [event.message for event in events if event.kind == "waiting"]
    assert [message.rpartition("sending again in ")[2] for message in told] == [
        duration(900 - 60 * n) for n in range(15)
    ]
    assert clock.slept.count(60) == 15
    assert events[-1].latest == 20


def test_throttling_beyond_the_limit_halts(sandbox: Sandbox) -> None:
    """Asked to wait longer than health_timeout, it stops and says so."""
    bump(sandbox)
    fail = partial(sandbox.fail_next, 429, method="GET", retry_after=4000, times=9)
    with pytest.raises(az.RolloutHalted) as caught:
        on("batch_done", 1, fail, az.rollout(*sandbox.where()))
    assert isinstance(caught.value.__cause__, az.Throttled)


def test_a_halt_has_a_summary_and_can_be_pickled(sandbox: Sandbox) -> None:
    """What was done is in the exception, which crosses to another process whole."""
    bump(sandbox)
    sandbox.break_upgrade("web", "6")
    with pytest.raises(az.RolloutHalted) as caught:
        list(az.rollout(*sandbox.where()))
    halt = pickle.loads(pickle.dumps(caught.value))
    assert halt.summary == caught.value.summary
    assert halt.summary[:3] == (4, 0, 1)
    assert (halt.batch, halt.unhealthy, str(halt)) == (
        caught.value.batch,
        caught.value.unhealthy,
        str(caught.value),
    )


def test_an_event_is_a_line_of_json(sandbox: Sandbox) -> None:
    """For a log: each event as a dict that json takes, with everything but the instances."""
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), only=[0]))
    lines = [json.loads(json.dumps(event.to_dict())) for event in events]
    assert lines[0]["kind"] == "started"
    assert {line["batch"] for line in lines} == {None, "update domain 0"}
    assert lines[-1]["summary"]["upgraded"] == 4
    assert lines[-1]["time"].startswith("20")
    assert all("instances" not in line for line in lines)


def test_an_event_can_be_compared_hashed_and_pickled() -> None:
    """As a value: equal to one that says the same, usable in a set, whole in another process."""
    event = Event("notice", "web: hello", unhealthy={"1": "ill"}, summary=Summary(1))
    assert pickle.loads(pickle.dumps(event)) == event
    assert len({event, pickle.loads(pickle.dumps(event))}) == 1


# How often Azure is asked


def test_instances_are_read_the_more_seldom_the_more_pages_there_are(clock: Clock) -> None:
    """Ten such requests a minute are what Azure refills.

    Ten pages are read once a minute at most, not every 5 s.
    """
    with Sandbox(upgrade_seconds=60, clock=clock, page_size=5, demo=False) as sandbox:
        sandbox.add_vmss("web", 50, update_domains=2)
        bump(sandbox)
        sandbox.break_upgrade("web", "0", "unhealthy")
        began, before = clock.now, len(sandbox.journal)
        with pytest.raises(az.RolloutHalted):
            list(az.rollout(*sandbox.where(), health_timeout=1800))
        lists = [
            each for each in sandbox.journal[before:] if each.path.endswith("/virtualMachines")
        ]
        assert len(lists) <= 10 * (clock.now - began) / 60 + 20


def test_a_long_operation_of_another_client_is_polled_with_pauses(sandbox: Sandbox) -> None:
    """Half an hour of conflicts costs some dozens of requests, not hundreds.

    Each counts against the set's updates.
    """
    bump(sandbox)
    sandbox.cloud.upgrade_seconds = 1500
    events = on(
        "batch_started",
        1,
        lambda: az.restart_vmss(*sandbox.where(), "19"),
        az.rollout(*sandbox.where()),
    )
    refused = [each for each in sandbox.journal if each.status == 409]
    assert len(refused) <= 2
    assert events[-1].latest == 20


@pytest.mark.parametrize("name", ["bake", "canary_bake", "health_timeout", "pause"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "long", True])
def test_seconds_are_checked_at_the_call(name: str, value: Any) -> None:
    """The argument and the value are named, before there is an iterator at all."""
    with pytest.raises(ValueError, match=f"^{name} must be seconds, 0 or more, not "):
        az.rollout("token", "sub", "rg", "web", **{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_failure": "retry"}, "^on_failure must be 'stop' or 'rollback', not 'retry'"),
        ({"rollback_image": "1.2.3"}, "^rollback_image must be an image as get_image"),
        ({"check": "https://example.com"}, "^check must be a function, not 'https://example.com'"),
        ({"max_batch": 0}, "^max_batch must be"),
        ({"canary": "0%"}, "^canary must be"),
    ],
)
def test_other_arguments_are_checked_at_the_call(arguments: dict[str, Any], message: str) -> None:
    """So are the rest."""
    with pytest.raises(ValueError, match=message):
        az.rollout("token", "sub", "rg", "web", **arguments)
