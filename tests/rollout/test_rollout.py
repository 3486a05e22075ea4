"""The rollout, on the sandbox over HTTPS.

What it guarantees, and what it does when something goes wrong.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from support.clock import Clock
from support.rollout import NEW, OLD, bump, on, posted, reasons, running

import azurerm_lite as az
from azurerm_lite import _retry
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.types import Batch

# The main job


def test_the_six_lines_of_the_design_move_the_whole_set(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first example runs as it stands.

    Every instance ends on the new image, and the loop printed why.
    """
    subscription_id = sandbox.subscription_id
    token = sandbox.access_token

    where = (token, subscription_id, "sandbox", "web")
    az.wait(
        token, az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )
    for event in az.rollout(*where):
        print(event)

    assert set(running(sandbox).values()) == {NEW}
    assert "20 of 20 instances have the latest model" in capsys.readouterr().out


def test_domains_go_in_ascending_order_one_at_a_time(sandbox: Sandbox) -> None:
    """Batches are the update domains, ascending; ids inside are in numeric order.

    No instance is posted twice.
    """
    bump(sandbox)
    list(az.rollout(*sandbox.where()))
    assert posted(sandbox) == [[str(domain + 5 * row) for row in range(4)] for domain in range(5)]


def test_never_are_two_batches_in_flight(sandbox: Sandbox) -> None:
    """At every event the instances that are not settled belong to one update domain."""
    bump(sandbox)
    for event in az.rollout(*sandbox.where()):
        cloud = sandbox.cloud.scale_set("sandbox", "web")
        busy = {
            vm.update_domain for vm in cloud.instances.values() if vm.provisioning == "Updating"
        }
        assert busy <= {event.number - 1}


def test_events_count_and_end_with_a_summary(sandbox: Sandbox) -> None:
    """Kinds come in their order, counts only grow, the last event is the summary."""
    bump(sandbox)
    events = list(az.rollout(*sandbox.where()))
    kinds = [event.kind for event in events if event.kind != "progress"]
    assert kinds == ["started", *["batch_started", "batch_done"] * 5, "finished"]
    assert [event.latest for event in events if event.kind == "batch_done"] == [4, 8, 12, 16, 20]
    assert {event.total for event in events} == {20}
    assert events[-1].instance_ids == tuple(vm_id for batch in posted(sandbox) for vm_id in batch)
    assert len(events[0].instances) == 20


def test_events_show_what_is_being_upgraded_without_reading_it(sandbox: Sandbox) -> None:
    """From the moment that Azure took a batch; what was read before is not changed by it."""
    bump(sandbox)
    looks = 0
    for event in az.rollout(*sandbox.where()):
        shown = {
            vm["instanceId"]
            for vm in event.instances
            if vm["properties"]["provisioningState"] == "Updating"
        }
        looks += event.kind == "progress"
        assert shown == (set(event.instance_ids) if event.kind == "progress" else set()), event
    assert looks >= 5
    assert len([each for each in sandbox.journal if each.path.endswith("/virtualMachines")]) == 6


def test_an_event_cannot_be_changed_and_prints_as_one_line(sandbox: Sandbox) -> None:
    """Events are frozen; printing one gives the time and what happened.

    Its repr does not drag the instances along.
    """
    event = next(az.rollout(*sandbox.where()))
    assert str(event).endswith("web: 20 instances, 0 to upgrade")
    assert "\n" not in str(event)
    assert "instances=(" not in repr(event)
    with pytest.raises(AttributeError):
        event.kind = "other"


def test_a_set_on_its_model_is_left_alone(sandbox: Sandbox) -> None:
    """Where there is nothing to do nothing is posted, and the summary says so."""
    events = list(az.rollout(*sandbox.where()))
    assert [event.kind for event in events] == ["started", "skipped", "finished"]
    assert posted(sandbox) == []


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("web", {"version": NEW}),
        ("web", {"sku": "22_04-lts"}),
        ("legacy", {"image_uri": "https://sandboxstorage.blob.core.windows.net/images/web-2.vhd"}),
        ("custom", {"image_id": "CUSTOM"}),
    ],
)
def test_each_kind_of_image_is_rolled_out(
    sandbox: Sandbox, name: str, image: dict[str, str]
) -> None:
    """Platform version or SKU, managed image id, unmanaged URI.

    Afterwards every instance runs the new one.
    """
    if image == {"image_id": "CUSTOM"}:
        image = {
            "image_id": az.get_image(az.get_vmss(*sandbox.where(name)))["image_id"].replace(
                "web-1", "web-2"
            )
        }
    bump(sandbox, name, **image)
    list(az.rollout(*sandbox.where(name)))
    for vm in az.get_instance_views(*sandbox.where(name)):
        assert vm["properties"]["latestModelApplied"] is True
        assert image.items() <= az.get_image(vm).items()


# Stopping and going on


def test_nothing_is_sent_before_the_first_next(sandbox: Sandbox) -> None:
    """Calling rollout sends nothing; the for loop is the rollout."""
    before = len(sandbox.journal)
    az.rollout(*sandbox.where())
    assert len(sandbox.journal) == before


def test_leaving_the_loop_pauses_and_calling_again_resumes(sandbox: Sandbox) -> None:
    """After a break nothing further is touched.

    The next call does what is left, and nothing twice.
    """
    bump(sandbox)
    for event in az.rollout(*sandbox.where()):
        if event.kind == "batch_done" and event.number == 2:
            break
    assert len(posted(sandbox)) == 2
    events = list(az.rollout(*sandbox.where()))
    assert "skipping 8 instances on the latest model" in events[1].message
    assert sorted(int(vm_id) for batch in posted(sandbox) for vm_id in batch) == list(range(20))


def test_an_operation_in_flight_is_waited_out(sandbox: Sandbox) -> None:
    """Left in the middle of a batch, the next call waits for what Azure still does.

    Then goes on.
    """
    bump(sandbox)
    for event in az.rollout(*sandbox.where()):
        if event.kind == "progress":
            break
    events = list(az.rollout(*sandbox.where()))
    assert events[0].message == "4 instances being updated (0, 5, 10, 15): waiting"
    assert sorted(int(vm_id) for batch in posted(sandbox) for vm_id in batch) == list(range(20))
    assert set(running(sandbox).values()) == {NEW}


def test_instances_that_stay_updating_halt(sandbox: Sandbox) -> None:
    """Waiting for somebody else's update has a limit, and nothing is posted meanwhile."""
    bump(sandbox)
    sandbox.cloud.scale_set("sandbox", "web").instances["9"].provisioning = "Updating"
    with pytest.raises(az.RolloutHalted, match=r"1 instance being updated \(9\) still after 1 min"):
        list(az.rollout(*sandbox.where(), health_timeout=60))
    assert posted(sandbox) == []


@pytest.mark.parametrize("took_effect", [False, True])
def test_an_upgrade_whose_answer_is_lost_is_not_done_twice(
    sandbox: Sandbox, took_effect: bool
) -> None:
    """The connection breaks after the POST left.

    The instances say whether it took effect, and the rollout goes on.
    """
    bump(sandbox)
    vmss = sandbox.cloud.scale_set("sandbox", "web")
    events = iter(az.rollout(*sandbox.where(), only=0))
    for event in events:
        if event.kind == "batch_started":
            break
    if took_effect:
        sandbox.cloud.upgrade(vmss, event.instance_ids)
    with responses.RequestsMock(assert_all_requests_are_fired=True) as wire:
        wire.post(re.compile(".*/manualupgrade"), body=requests.ConnectionError("reset"))
        lost = next(events)
    assert lost.kind == "waiting"
    assert "sending again" in lost.message
    assert list(events)[-1].latest == 4
    assert len(posted(sandbox)) == (0 if took_effect else 1)


def test_the_pause_is_kept_between_batches_only(sandbox: Sandbox, clock: Clock) -> None:
    """There is a pause between two batches, none before the first or after the last.

    Each is announced.
    """
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), pause=77))
    assert clock.slept.count(60) == clock.slept.count(17) == 4
    told = [event.message for event in events if event.kind == "pausing"]
    assert told[:2] == [
        "pausing 1 min 17 s before update domain 1",
        "pausing 17 s before update domain 1",
    ]
    assert [event.kind for event in events if event.kind in ("pausing", "batch_done")][
        -1
    ] == "batch_done"


# What is taken, and what is left out


def test_only_keeps_to_domains(sandbox: Sandbox) -> None:
    """Whole numbers are domains."""
    bump(sandbox)
    events = list(az.rollout(*sandbox.where(), only=[3, 1]))
    assert posted(sandbox) == [["1", "6", "11", "16"], ["3", "8", "13", "18"]]
    assert "12 still an older one" in events[-1].message


def test_only_keeps_to_instances(sandbox: Sandbox) -> None:
    """Strings are instance ids; they still go domain by domain."""
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=["12", "7", "0"]))
    assert posted(sandbox) == [["0"], ["7", "12"]]


@pytest.mark.parametrize("only", [["99"], [7], "99", 7])
def test_only_must_exist(sandbox: Sandbox, only: Any) -> None:
    """A domain or an id that the set does not have is an error before anything is changed."""
    bump(sandbox)
    with pytest.raises(
        ValueError, match=r"^only: the set has no (instance '99'|domain 7); it has 0, 1"
    ):
        list(az.rollout(*sandbox.where(), only=only))
    assert posted(sandbox) == []


def test_protected_instances_are_left_out_and_reported(sandbox: Sandbox) -> None:
    """An instance protected from scale-set actions is skipped.

    And counted as still on an older model.
    """
    bump(sandbox)
    where = sandbox.where()
    az.wait(where[0], az.protect_vmss_vm(*where, "6", from_scale_set_actions=True))
    events = list(az.rollout(*where))
    assert events[1].message == "skipping 1 instance protected from scale-set actions: 6"
    assert ["1", "11", "16"] in posted(sandbox)
    assert "19 of 20 instances have the latest model, 1 still an older one" in events[-1].message


def test_a_protected_instance_named_by_its_id_is_upgraded(sandbox: Sandbox) -> None:
    """Who names an instance means it."""
    bump(sandbox)
    where = sandbox.where()
    az.wait(where[0], az.protect_vmss_vm(*where, 6, from_scale_set_actions=True))
    list(az.rollout(*where, only="6"))
    assert running(sandbox)["6"] == NEW


def test_a_deallocated_instance_is_upgraded_and_stays_off(sandbox: Sandbox) -> None:
    """It takes the model, and is left in the power state that it had."""
    where = sandbox.where()
    az.wait(where[0], az.stopdealloc_vmss(*where, "2"))
    bump(sandbox)
    list(az.rollout(*where))
    assert running(sandbox)["2"] == NEW
    assert "PowerState/deallocated" in str(az.get_vmss_vm_instance_view(*where, "2"))


@pytest.mark.parametrize(
    ("by", "batches"),
    [("fault_domain", 5), (7, 3), ("25%", 4), ("1%", 20), (20, 1)],
)
def test_batches_by_something_else(sandbox: Sandbox, by: Any, batches: int) -> None:
    """Fault domains, a number of instances or a share of the set make the batches."""
    bump(sandbox)
    list(az.rollout(*sandbox.where(), by=by))
    assert len(posted(sandbox)) == batches
    assert set(running(sandbox).values()) == {NEW}


def test_batches_by_zone(sandbox: Sandbox) -> None:
    """A zonal set goes zone by zone."""
    sandbox.add_vmss("zonal", 6, zones=["1", "2", "3"])
    bump(sandbox, "zonal")
    list(az.rollout(*sandbox.where("zonal"), by="zone"))
    assert posted(sandbox) == [["0", "3"], ["1", "4"], ["2", "5"]]


def test_a_set_without_update_domains_is_taken_a_fifth_at_a_time(sandbox: Sandbox) -> None:
    """Where Azure gives no update domains the rollout does as Azure's own would, and says so."""
    sandbox.add_vmss("flat", 6, update_domains=0)
    bump(sandbox, "flat")
    events = list(az.rollout(*sandbox.where("flat")))
    assert [event.batch.name for event in events if event.kind == "batch_done"] == [
        f"batch {n}" for n in range(1, 7)
    ]
    assert any(
        event.kind == "notice" and "Azure gives no update domains here" in event.message
        for event in events
    )


def test_a_zonal_set_without_update_domains_goes_zone_by_zone(sandbox: Sandbox) -> None:
    """Never two zones together, and at most a fifth of the set."""
    sandbox.add_vmss("zonal", 12, update_domains=0, zones=["1", "2", "3"])
    bump(sandbox, "zonal")
    list(az.rollout(*sandbox.where("zonal")))
    assert posted(sandbox)[:3] == [["0", "3"], ["6", "9"], ["1", "4"]]
    assert max(map(len, posted(sandbox))) == 2


@pytest.mark.parametrize("by", ["fault_domain", "zone"])
def test_a_set_without_such_domains_is_refused(sandbox: Sandbox, by: str) -> None:
    """Who asks for domains that are not there gets a clear word, not another cut."""
    sandbox.add_vmss("flat", 6, update_domains=0)
    bump(sandbox, "flat")
    with pytest.raises(
        ValueError, match=f"by='{by}': Azure gives no .* give a batch size such as by=1"
    ):
        list(az.rollout(*sandbox.where("flat"), by=by))
    assert posted(sandbox) == []


def test_a_flexible_set_is_taken_in_batches_by_the_names_of_its_vms(sandbox: Sandbox) -> None:
    """Names as ids, a fifth at a time, and a notice of that."""
    sandbox.add_vmss("flex", 10, orchestration="Flexible")
    bump(sandbox, "flex")
    events = list(az.rollout(*sandbox.where("flex")))
    assert [len(ids) for ids in posted(sandbox)] == [2] * 5
    assert all(vm_id.startswith("flex_") for ids in posted(sandbox) for vm_id in ids)
    notices = " ".join(event.message for event in events if event.kind == "notice")
    assert "Azure gives no update domains here" in notices
    assert "Azure shows no power states here" not in notices
    assert events[-1].latest == 10
    bump(sandbox, "flex", version=OLD)
    sandbox.break_upgrade("flex", posted(sandbox)[1][0])
    with pytest.raises(az.RolloutHalted, match="provisioning failed"):
        list(az.rollout(*sandbox.where("flex")))


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "updatedomain"}, "^by must be update_domain, fault_domain, zone, a number"),
        ({"by": 0}, "^by must be"),
        ({"by": True}, "^by must be"),
        ({"by": "0%"}, "^by must be"),
        ({"by": "120%"}, "^by must be"),
        ({"only": []}, "^only is empty"),
        ({"only": ["a b"]}, "^only must be an instance id"),
        ({"pause": -1}, "^pause must be seconds"),
        ({"pause": float("nan")}, "^pause must be seconds"),
        ({"health_timeout": "soon"}, "^health_timeout must be seconds"),
        ({"max_unhealthy": -1}, "^max_unhealthy must be a number"),
        ({"max_unhealthy": "many"}, "^max_unhealthy must be a number"),
    ],
)
def test_arguments_are_checked_at_the_call(arguments: dict[str, Any], message: str) -> None:
    """A bad argument is named, with its value, before there is an iterator at all."""
    with pytest.raises(ValueError, match=message):
        az.rollout("token", "sub", "rg", "web", **arguments)


@pytest.mark.parametrize(
    ("mode", "message"),
    [("Automatic", "all instances at once"), ("Rolling", "follow_rolling_upgrade")],
)
def test_other_upgrade_modes_are_refused(sandbox: Sandbox, mode: str, message: str) -> None:
    """Azure upgrades such sets itself: the refusal says what to use or to change instead."""
    sandbox.add_vmss("other", 2, mode=mode)
    with pytest.raises(az.RolloutHalted, match=message):
        list(az.rollout(*sandbox.where("other")))
    assert posted(sandbox) == []


def test_a_scale_set_that_is_not_there(sandbox: Sandbox) -> None:
    """Azure's own words, as NotFound."""
    with pytest.raises(
        az.NotFound, match=r"'Microsoft\.Compute/virtualMachineScaleSets/nope' under resource group"
    ):
        next(az.rollout(*sandbox.where("nope")))


def test_a_set_mid_update_is_waited_for(sandbox: Sandbox) -> None:
    """Put right after a scale-out, the rollout waits until the set has settled."""
    where = sandbox.where()
    az.scale_vmss(*where, 21)
    events = list(az.rollout(*where))
    assert events[0].kind == "waiting"
    assert "web is Updating" in events[0].message


def test_a_set_that_never_settles_halts(sandbox: Sandbox, clock: Clock) -> None:
    """The waiting has a limit."""
    where = sandbox.where()
    az.scale_vmss(*where, 21)
    with pytest.raises(az.RolloutHalted, match="web is still Updating after 30 s"):
        list(az.rollout(*where, health_timeout=30))


# When something goes wrong


def test_a_failed_instance_halts_the_rollout(sandbox: Sandbox) -> None:
    """The exception names the batch, the instance and Azure's reason.

    The domains after it are untouched.
    """
    bump(sandbox)
    sandbox.break_upgrade("web", "11")
    with pytest.raises(az.RolloutHalted) as caught:
        list(az.rollout(*sandbox.where()))
    assert caught.value.batch == Batch("update domain 1", ("1", "6", "11", "16"))
    assert reasons(caught.value) == {"11": "provisioning failed"}
    assert "OSProvisioningTimedOut" in str(caught.value)
    assert "4 upgraded by this run, 13 of 20 still to do" in str(caught.value)
    assert len(posted(sandbox)) == 2
    assert [running(sandbox)[vm_id] for vm_id in ("2", "3", "4")] == [OLD] * 3


def test_after_the_cause_is_gone_the_same_call_finishes(sandbox: Sandbox) -> None:
    """A halted rollout is resumed by calling it again; only what is left is posted."""
    bump(sandbox)
    sandbox.break_upgrade("web", "11")
    with pytest.raises(az.RolloutHalted):
        list(az.rollout(*sandbox.where()))
    sandbox.break_upgrade("web", "11", "none")
    list(az.rollout(*sandbox.where()))
    assert set(running(sandbox).values()) == {NEW}
    assert posted(sandbox)[2] == ["11"]


def test_an_unhealthy_application_halts_within_the_limit(sandbox: Sandbox, clock: Clock) -> None:
    """An operation that succeeded is no proof.

    An instance that reports unhealthy is waited for, then halts.
    """
    bump(sandbox)
    sandbox.break_upgrade("web", "5", "unhealthy")
    began = clock.now
    with pytest.raises(
        az.RolloutHalted, match="update domain 0 is not healthy after 5 min"
    ) as caught:
        list(az.rollout(*sandbox.where(), health_timeout=300))
    assert reasons(caught.value) == {"5": "application health unhealthy"}
    assert 300 <= clock.now - began < 330


def test_an_instance_that_gets_well_in_time_is_waited_for(sandbox: Sandbox) -> None:
    """Health may come late: progress says what is waited for, and the rollout goes on."""
    bump(sandbox)
    sandbox.break_upgrade("web", "5", "unhealthy")
    waits = 0
    for event in az.rollout(*sandbox.where()):
        if "waiting for 1 instance (5: application health unhealthy since 20" in event.message:
            waits += 1
            sandbox.cloud.scale_set("sandbox", "web").instances["5"].health = "healthy"
    assert waits == 1
    assert set(running(sandbox).values()) == {NEW}


def test_an_instance_that_reported_health_must_report_it_again(sandbox: Sandbox) -> None:
    """Health that is not there yet is not health."""
    bump(sandbox)
    sandbox.break_upgrade("web", "5", "silent")
    with pytest.raises(az.RolloutHalted, match="instance 5: application health not reported yet"):
        list(az.rollout(*sandbox.where(), health_timeout=300))


def test_a_set_without_application_health_is_judged_by_the_rest(sandbox: Sandbox) -> None:
    """Where no health is reported, none is waited for."""
    sandbox.add_vmss("plain", 5, health=False)
    bump(sandbox, "plain")
    assert list(az.rollout(*sandbox.where("plain")))[-1].latest == 5


def test_an_operation_that_never_ends_halts(sandbox: Sandbox) -> None:
    """Time limits hold for operations too, and the message says that Azure goes on."""
    bump(sandbox)
    sandbox.break_upgrade("web", "0", "stick")
    with pytest.raises(az.RolloutHalted, match="has not ended after 10 min") as caught:
        list(az.rollout(*sandbox.where(), health_timeout=600))
    assert reasons(caught.value) == dict.fromkeys(("0", "5", "10", "15"), "provisioning updating")


@pytest.mark.parametrize(
    ("allowed", "halts"), [(0, True), (1, True), (2, False), ("5%", True), ("10%", False)]
)
def test_unhealthy_instances_outside_the_batch_count(
    sandbox: Sandbox, allowed: Any, halts: bool
) -> None:
    """More of them than allowed and no batch begins; which, and why, is told."""
    bump(sandbox)
    for vm_id in ("18", "19"):
        sandbox.cloud.scale_set("sandbox", "web").instances[vm_id].health = "unhealthy"
    events = az.rollout(*sandbox.where(), max_unhealthy=allowed, only=0)
    if not halts:
        assert list(events)[-1].kind == "finished"
        return
    with pytest.raises(
        az.RolloutHalted, match="2 instances outside update domain 0 are unhealthy"
    ) as caught:
        list(events)
    assert reasons(caught.value) == dict.fromkeys(("18", "19"), "application health unhealthy")
    assert posted(sandbox) == []


def test_an_unhealthy_instance_does_not_keep_its_own_batch_from_being_upgraded(
    sandbox: Sandbox,
) -> None:
    """The new image may be what mends it."""
    bump(sandbox)
    sandbox.cloud.scale_set("sandbox", "web").instances["0"].health = "unhealthy"
    assert list(az.rollout(*sandbox.where()))[-1].latest == 20


# Change under way


def test_an_instance_that_vanishes_between_reading_and_posting_is_dropped(sandbox: Sandbox) -> None:
    """One vanished id makes Azure refuse the whole list: the others are posted again without it."""
    bump(sandbox)
    vmss = sandbox.cloud.scale_set("sandbox", "web")
    events = on("batch_started", 2, lambda: vmss.instances.pop("6"), az.rollout(*sandbox.where()))
    assert any("continuing without 6, deleted meanwhile" in event.message for event in events)
    assert ["1", "11", "16"] in posted(sandbox)
    assert "19 of 19 instances have the latest model" in events[-1].message


def test_a_domain_that_is_deleted_as_a_whole_is_accepted(sandbox: Sandbox) -> None:
    """Nothing is posted for it, least of all an empty list, which Azure would take for all."""
    bump(sandbox)
    vmss = sandbox.cloud.scale_set("sandbox", "web")

    def scale_in() -> None:
        for vm_id in ("1", "6", "11", "16"):
            del vmss.instances[vm_id]

    events = on("batch_started", 2, scale_in, az.rollout(*sandbox.where()))
    assert events[-1].latest == events[-1].total == 16
    assert [] not in posted(sandbox)


def test_instances_that_autoscale_adds_are_no_error(sandbox: Sandbox) -> None:
    """New instances come with the new model: they are counted, not upgraded."""
    bump(sandbox)
    events = on(
        "batch_done", 1, lambda: az.scale_vmss(*sandbox.where(), 23), az.rollout(*sandbox.where())
    )
    assert "23 of 23 instances have the latest model" in events[-1].message
    assert sorted(int(vm_id) for batch in posted(sandbox) for vm_id in batch) == list(range(20))


def test_a_changed_model_halts(sandbox: Sandbox) -> None:
    """Going on would bring instances to something that nobody asked this rollout for."""
    bump(sandbox)
    with pytest.raises(
        az.RolloutHalted,
        match="Another client changed the scale set's model after this rollout started",
    ):
        on(
            "batch_done",
            2,
            lambda: bump(sandbox, version="22.04.202409120"),
            az.rollout(*sandbox.where()),
        )
    assert len(posted(sandbox)) == 2


def test_an_operation_of_another_client_is_waited_for(sandbox: Sandbox) -> None:
    """409 Conflict passes: the batch is posted again until Azure takes it.

    And the events say so.
    """
    bump(sandbox)
    events = on(
        "batch_started",
        1,
        lambda: az.restart_vmss(*sandbox.where(), "19"),
        az.rollout(*sandbox.where()),
    )
    assert any(event.kind == "waiting" and "sending again" in event.message for event in events)
    assert events[-1].latest == 20


def test_a_conflict_that_does_not_pass_halts(sandbox: Sandbox) -> None:
    """OperationNotAllowed is not waited for."""
    bump(sandbox)
    sandbox.fail_next(409, path="manualupgrade", code="OperationNotAllowed")
    with pytest.raises(az.RolloutHalted, match="OperationNotAllowed") as caught:
        list(az.rollout(*sandbox.where()))
    assert isinstance(caught.value.__cause__, az.Conflict)


def test_a_rejection_half_way_reports_what_was_done(sandbox: Sandbox) -> None:
    """An error in the middle is a RolloutHalted that says how far it came.

    With Azure's error as its cause.
    """
    bump(sandbox)
    fail = partial(sandbox.fail_next, 403, path="manualupgrade", code="AuthorizationFailed")
    with pytest.raises(
        az.RolloutHalted, match=r"AuthorizationFailed.*8 upgraded by this run, 12 of 20"
    ) as caught:
        on("batch_done", 2, fail, az.rollout(*sandbox.where()))
    assert isinstance(caught.value.__cause__, az.AzureError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_only_a_delay(sandbox: Sandbox, status: int) -> None:
    """Throttling and passing failures of reads are waited out; every instance is posted once."""
    bump(sandbox)
    fail = partial(sandbox.fail_next, status, method="GET", times=3)
    events = on("batch_started", 2, fail, az.rollout(*sandbox.where()))
    assert events[-1].latest == 20
    assert len(posted(sandbox)) == 5


def test_a_state_that_cannot_be_read_is_reported(sandbox: Sandbox) -> None:
    """While Azure does not answer, progress says so, and why; the operation goes on regardless."""
    bump(sandbox)
    fail = partial(
        sandbox.fail_next, 500, method="GET", path="/operations/", times=2, message="Out of order."
    )
    events = on("batch_started", 1, fail, az.rollout(*sandbox.where()))
    told = [event.message for event in events if "Unknown" in event.message]
    assert len(told) == 2
    assert all("Out of order." in message for message in told)
    assert events[-1].latest == 20


def test_a_token_that_ends_half_way_is_renewed_where_it_can_be(sandbox: Sandbox) -> None:
    """A callable is asked for a fresh token and the rollout goes on.

    A string cannot be, and the halt says so.
    """
    bump(sandbox)
    expire = partial(sandbox.fail_next, 401, code="ExpiredAuthenticationToken")
    where = sandbox.where()[1:]
    provider = az.token_provider()
    with pytest.raises(
        az.RolloutHalted, match=r"token_provider\(\).*ExpiredAuthenticationToken.*4 upgraded by"
    ):
        on("batch_done", 1, expire, az.rollout(provider(), *where))
    events = on("batch_done", 1, expire, az.rollout(provider, *where))
    assert events[-1].latest == 20


# The longer proofs


@pytest.mark.parametrize(
    ("instances", "domains", "page_size", "seconds", "pause"),
    [(1, 1, 50, 60, 0), (12, 5, 50, 0, 30), (12, 5, 3, 7, 0), (12, 2, 50, 300, 30)],
)
@pytest.mark.parametrize("says_when", [True, False], ids=["Retry-After", "silent"])
def test_the_requests_are_bounded_by_the_formula_in_the_docs(
    instances: int, domains: int, page_size: int, seconds: float, pause: int, says_when: bool,
    clock: Clock, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """`1 + p + b * (3 + p + n)`, and `1 + p` for each pause.

    Whether or not Azure says when to look again.
    """
    if not says_when:
        monkeypatch.setattr(_retry, "retry_after", lambda response: None)
    with Sandbox(upgrade_seconds=seconds, clock=clock, page_size=page_size, demo=False) as sandbox:
        sandbox.add_vmss("web", instances, update_domains=domains)
        bump(sandbox)
        before = len(sandbox.journal)
        events = list(az.rollout(*sandbox.where(), pause=pause))
        sent = len(sandbox.journal) - before
    assert (events[-1].latest, events[-1].summary.requests) == (instances, sent)
    p, asked = math.ceil(instances / page_size), min(10, seconds)
    polls = 2 + seconds / asked if says_when and asked else min(seconds + 2, 40 + seconds / 10)
    assert sent <= 1 + p + domains * (3 + p + polls) + (domains - 1) * (1 + p) * bool(pause)


@pytest.mark.slow
def test_a_thousand_instances_cost_few_requests(clock: Clock) -> None:
    """Five domains of 200: every instance once.

    Apart from the pages of the lists, some forty requests a domain.
    """
    with Sandbox(upgrade_seconds=300, clock=clock, page_size=200, demo=False) as sandbox:
        sandbox.add_vmss("web", 1000)
        bump(sandbox)
        events = list(az.rollout(*sandbox.where()))
        assert events[-1].latest == 1000
        assert [len(ids) for ids in posted(sandbox)] == [200] * 5
        polls = [each for each in sandbox.journal if "/operations/" in each.path]
        lists = [each for each in sandbox.journal if each.path.endswith("/virtualMachines")]
        assert len(polls) <= 5 * 40
        assert len(lists) <= 5 * (5 + 2) * 2


def killed_at(number: int, folder: Path) -> bool:
    """A rollout killed while its n-th request is answered, and run again.

    Whether it came to that request at all.
    """
    sandbox = Sandbox(upgrade_seconds=0.3, demo=False)
    sandbox.add_vmss("web", 6, update_domains=2)
    sandbox.start()
    try:
        command = [
            sys.executable,
            "-m",
            "azurerm_lite",
            "rollout",
            "-r",
            "sandbox",
            "-s",
            "web",
            "-n",
            NEW,
            "-y",
        ]
        environment = {**os.environ, **sandbox.environment}
        victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
        sandbox.at_request(number, victim.kill)
        victim.wait(timeout=60)
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=folder,
            env=environment,
        )
        assert done.returncode == 0, (number, done.stderr)
        upgrades = Counter(
            change.instance_id for change in sandbox.changes if change.what == "model"
        )
        assert upgrades == dict.fromkeys("012345", 1), (number, upgrades)
        return victim.returncode != 0
    finally:
        sandbox.stop()


@pytest.mark.slow
def test_a_rollout_killed_at_any_request_is_finished_by_the_next(tmp_path: Path) -> None:
    """SIGKILL at each request in turn, then the same command.

    All on the new image, each instance upgraded once.
    """
    numbers, was_killed = iter(range(1, 200)), True
    with ThreadPoolExecutor(4) as together:
        while was_killed:
            some = list(itertools.islice(numbers, 8))
            results = list(together.map(lambda number: killed_at(number, tmp_path), some))
            was_killed = all(results)
    assert some[0] > 9  # the model, the instances and two batches are more requests than that
