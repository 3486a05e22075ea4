"""Extra capacity: new instances first, then batches of as many, then the last ones deleted."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.pages import ROOT
from support.rollout import (
    NEW,
    OLD,
    OLD_IMAGE,
    bump,
    capacities,
    deleted,
    least_serving,
    on,
    posted,
    running,
)

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox

MODES = ("Uniform", "Flexible")


@pytest.fixture(params=MODES)
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """Eight instances of a set in either mode, with a new image in the model."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 8, update_domains=4, orchestration=request.param)
        bump(sandbox)
        yield sandbox


@pytest.fixture
def small(clock: Clock) -> Iterator[Sandbox]:
    """Six instances of a Uniform set in three update domains, with a new image in the model."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, update_domains=3)
        bump(sandbox)
        yield sandbox


def members(sandbox: Sandbox) -> dict[str, Any]:
    """The instances that the sandbox holds."""
    return sandbox.cloud.scale_set("sandbox", "web").instances


def capacity(sandbox: Sandbox) -> int:
    """The capacity in the model."""
    return int(sandbox.cloud.scale_set("sandbox", "web").sku["capacity"])


def check_done(sandbox: Sandbox, number: int, image: str = NEW) -> None:
    """As many instances as asked for, in the model and in fact, all on one image."""
    assert (len(members(sandbox)), capacity(sandbox)) == (number, number)
    assert set(running(sandbox).values()) == {image}


def check_once(sandbox: Sandbox) -> None:
    """Nothing was upgraded twice, nothing was upgraded only to be deleted."""
    upgraded = Counter(each.instance_id for each in sandbox.changes if each.what == "model")
    gone = set(itertools.chain(*deleted(sandbox)))
    assert max(upgraded.values(), default=1) == 1
    assert not gone & upgraded.keys()


# The course of a rollout


def test_new_instances_come_first_and_the_last_old_ones_are_deleted(both: Sandbox) -> None:
    """Two more, three batches of two, two deleted by id; never fewer than eight serve."""
    before = set(members(both))
    events = list(az.rollout(*both.where(), by=2, surge=2))
    assert capacities(both) == [10]
    assert [len(ids) for ids in posted(both)] == [2, 2, 2]
    assert [len(ids) for ids in deleted(both)] == [2]
    assert set(deleted(both)[0]) <= before
    check_done(both, 8)
    check_once(both)
    assert least_serving(both) == 8
    assert events[-1].message.endswith("; capacity=8")
    assert (events[-1].capacity, events[-1].latest, events[-1].total) == (8, 8, 8)
    names = [each.batch.name for each in events if each.kind == "batch_done" and each.batch]
    assert (names[0], names[-1], len(names)) == ("new instances", "deletion", 5)


def test_only_the_capacity_is_sent_with_if_match(small: Sandbox) -> None:
    """A PATCH of sku.capacity with If-Match; somebody's change in between is not overwritten."""
    list(az.rollout(*small.where(), surge=2))
    patch = next(each for each in small.journal if each.method == "PATCH")
    assert patch.body == {"sku": {"capacity": 8}}
    small.set_image("web", version=OLD)
    small.fail_next(412, method="PATCH", code="PreconditionFailed")
    list(az.rollout(*small.where(), surge=2))
    check_done(small, 6, OLD)


def test_with_as_many_extra_instances_as_pending_ones_nothing_is_upgraded(small: Sandbox) -> None:
    """All are replaced, and no more are made than are needed."""
    list(az.rollout(*small.where(), surge=50))
    assert capacities(small) == [12]
    assert posted(small) == []
    check_done(small, 6)
    assert least_serving(small) == 6


def test_a_percentage_is_of_the_capacity(small: Sandbox) -> None:
    """A third of six is two."""
    list(az.rollout(*small.where(), surge="34%"))
    assert capacities(small) == [8]
    check_done(small, 6)


def test_nothing_is_made_if_nothing_is_pending(small: Sandbox) -> None:
    """A second run finds all current."""
    list(az.rollout(*small.where(), surge=2))
    written = len(capacities(small)), len(deleted(small))
    events = list(az.rollout(*small.where(), surge=2))
    assert events[-1].kind == "finished"
    assert (len(capacities(small)), len(deleted(small))) == written


def test_batches_are_never_larger_than_the_extra_capacity(small: Sandbox) -> None:
    """Also if `by` allows more; and smaller if `max_batch` says so."""
    list(az.rollout(*small.where(), by="100%", surge=2))
    assert [len(ids) for ids in posted(small)] == [2, 2]
    small.set_image("web", version=OLD)
    list(az.rollout(*small.where(), by="100%", surge=2, max_batch=1))
    assert [len(ids) for ids in posted(small)][2:] == [1, 1, 1, 1]
    assert least_serving(small) == 6


def test_new_instances_bake_like_a_canary(small: Sandbox, clock: Clock) -> None:
    """One that turns unhealthy while it is watched halts before any old one is touched."""

    def turn() -> None:
        members(small)["6"].health = "unhealthy"

    with pytest.raises(az.RolloutHalted, match="did not stay healthy for 5 min") as caught:
        on("baking", 1, turn, az.rollout(*small.where(), surge=2, canary_bake=300))
    assert list(caught.value.unhealthy) == ["6"]
    assert "Run it again with capacity=6" in str(caught.value)
    assert posted(small) == []


def test_a_pause_is_asked_after_the_new_instances_and_before_the_deletion(small: Sandbox) -> None:
    """It says no: the run stops, says the capacity, and is resumed with it."""
    events = list(az.rollout(*small.where(), surge=2, pause=lambda batch: False))
    assert (events[-1].kind, events[-1].capacity) == ("stopped", 6)
    assert "capacity=6" in events[-1].message
    assert len(members(small)) == 8
    list(az.rollout(*small.where(), surge=2, capacity=6))
    check_done(small, 6)


# Zones, protection, overprovisioning, autoscale


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("surge", [1, 2, 4, 5])
def test_zones_stay_balanced(clock: Clock, mode: str, surge: int) -> None:
    """Each instance is deleted in the zone that has the most."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        zones = ("1", "2", "3")
        sandbox.add_vmss("web", 9, update_domains=3, zones=zones, orchestration=mode)
        bump(sandbox)
        list(az.rollout(*sandbox.where(), surge=surge))
        check_done(sandbox, 9)
        assert Counter(vm.zone for vm in members(sandbox).values()) == dict.fromkeys(zones, 3)
        assert least_serving(sandbox) == 9


def test_protected_instances_are_never_deleted(both: Sandbox) -> None:
    """Those protected from scaling in are upgraded instead, and others are deleted."""
    kept = sorted(members(both))[-3:]
    for each in kept:
        members(both)[each].protection = {"protectFromScaleIn": True}
    list(az.rollout(*both.where(), surge=3))
    assert set(kept) <= set(members(both))
    check_done(both, 8)
    check_once(both)
    assert least_serving(both) == 8


def test_if_all_old_ones_are_protected_from_scaling_in_new_ones_are_deleted(both: Sandbox) -> None:
    """The old ones are all upgraded: the extra ones are all that may go."""
    before = set(members(both))
    for each in members(both).values():
        each.protection = {"protectFromScaleIn": True}
    list(az.rollout(*both.where(), surge=2))
    assert set(members(both)) == before
    check_done(both, 8)


def test_an_instance_protected_from_actions_is_left_out_and_kept(both: Sandbox) -> None:
    """It keeps the old image, as without extra capacity."""
    kept = max(members(both))
    members(both)[kept].protection = {"protectFromScaleSetActions": True}
    list(az.rollout(*both.where(), surge=2))
    images = running(both)
    assert images.pop(kept) == OLD
    assert set(images.values()) == {NEW}
    assert (len(members(both)), capacity(both)) == (8, 8)


def test_if_no_instance_can_be_deleted_the_rollout_halts(small: Sandbox) -> None:
    """Somebody protects all while it runs."""

    def protect() -> None:
        for each in members(small).values():
            each.protection = {"protectFromScaleIn": True}

    with pytest.raises(az.RolloutHalted, match="2 instances above the capacity of 6") as caught:
        on("batch_done", 3, protect, az.rollout(*small.where(), surge=2))
    assert "capacity=6" in str(caught.value)


def test_additional_instances_of_overprovisioning_are_waited_out(small: Sandbox) -> None:
    """Azure starts one more and deletes it: only what stays is verified, and nothing is deleted."""
    small.cloud.scale_set("sandbox", "web").properties["overprovision"] = True
    events = list(az.rollout(*small.where(), surge=2))
    assert any("9 instances of 8" in each.message for each in events)
    check_done(small, 6)
    check_once(small)
    assert [len(ids) for ids in deleted(small)] == [2]


def test_an_autoscale_setting_is_pointed_out(small: Sandbox) -> None:
    """Only one that is on, and is about this set; without the right to read, that is said."""
    small.add_vmss("other", 2)
    small.add_autoscale("other", 1, 5)
    assert not any("autoscale" in each.message for each in az.rollout(*small.where(), surge=2))
    small.add_autoscale("web", 3, 10)
    small.set_image("web", version=OLD)
    events = list(az.rollout(*small.where(), surge=2))
    assert any("autoscale (autoscale-web) is on" in each.message for each in events)
    small.set_image("web", version=NEW)
    small.fail_next(403, path="autoscaleSettings", code="AuthorizationFailed", times=9)
    events = list(az.rollout(*small.where(), surge=2))
    assert any("cannot read whether autoscale is on" in each.message for each in events)
    check_done(small, 6)


@pytest.mark.parametrize(
    "number",
    [
        *range(1, 40, 6),
        *(
            pytest.param(each, marks=[pytest.mark.slow, pytest.mark.exhaustive])
            for each in range(1, 40)
            if each % 6 != 1
        ),
    ],
)
@pytest.mark.parametrize("to", [5, 9])
def test_autoscale_at_any_request_is_accepted(small: Sandbox, number: int, to: int) -> None:
    """It ends with the capacity that was asked for, all current."""
    small.at_request(number, lambda: small.scale("web", to))
    list(az.rollout(*small.where(), surge=2, capacity=6))
    check_done(small, 6)


# Failures of Azure to make instances


@pytest.mark.parametrize(
    ("how", "made", "reason"),
    [
        ("quota", None, "exceeding approved Total Regional Cores quota"),
        ("quota", 1, "exceeding approved Total Regional Cores quota"),
        ("subnet", None, "does not have enough capacity for 2 IP addresses"),
        ("subnet", 1, "does not have enough capacity for 1 IP addresses"),
        ("allocation", 0, "We do not have sufficient capacity"),
        ("allocation", 1, "We do not have sufficient capacity"),
    ],
)
def test_a_failed_creation_halts_with_azures_reason_and_restores_the_set(
    both: Sandbox, how: str, made: int | None, reason: str
) -> None:
    """What was made is deleted again; with room again the same call goes through."""
    before = set(members(both))
    both.break_scale_out("web", how, made=made)
    with pytest.raises(az.RolloutHalted, match=reason) as caught:
        list(az.rollout(*both.where(), surge=2))
    assert "capacity=8" in str(caught.value)
    assert (set(members(both)), capacity(both)) == (before, 8)
    assert set(running(both).values()) == {OLD}
    assert least_serving(both) == 8
    both.break_scale_out("web", "none")
    list(az.rollout(*both.where(), surge=2, capacity=8))
    check_done(both, 8)
    assert least_serving(both) == 8


def test_a_creation_that_cannot_be_undone_is_reported(small: Sandbox) -> None:
    """The halt has both reasons, and the capacity to give."""
    small.break_scale_out("web", "allocation", made=1)
    small.fail_next(403, path="web/delete", code="AuthorizationFailed", message="No right.")
    with pytest.raises(az.RolloutHalted, match="sufficient capacity") as caught:
        list(az.rollout(*small.where(), surge=2))
    assert "could not be deleted: No right. (AuthorizationFailed" in str(caught.value)
    assert "capacity=6" in str(caught.value)


# Rollback


@pytest.mark.parametrize("how", ["fail", "unhealthy"])
def test_a_new_image_that_does_not_come_up_is_rolled_back_to_the_old_capacity(
    both: Sandbox, how: str
) -> None:
    """The new instances are deleted; no old one was ever touched."""
    before = set(members(both))
    both.break_scale_out("web", how)
    rollout = az.rollout(*both.where(), surge=2, on_failure="rollback", health_timeout=600)
    with pytest.raises(az.RolloutHalted) as caught:
        list(rollout)
    assert caught.value.rolled_back
    assert set(members(both)) == before
    check_done(both, 8, OLD)
    assert posted(both) == []
    assert least_serving(both) == 8


def test_a_batch_that_fails_is_rolled_back_to_the_old_image_and_capacity(small: Sandbox) -> None:
    """In the second batch: the first is upgraded back, the extra instances go."""
    small.break_upgrade("web", "1", "unhealthy", image=NEW)
    rollout = az.rollout(*small.where(), surge=2, on_failure="rollback", health_timeout=600)
    with pytest.raises(az.RolloutHalted) as caught:
        list(rollout)
    assert caught.value.rolled_back
    check_done(small, 6, OLD)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_manual_rollback_accepts_the_old_capacity(both: Sandbox, steps: int) -> None:
    """After a rollout that was left with extra instances."""
    rollout = az.rollout(*both.where(), surge=2)
    done = 0
    for event in rollout:
        done += event.kind == "batch_done"
        if done == steps:
            break
    list(az.rollback(*both.where(), image=OLD_IMAGE, capacity=8))
    check_done(both, 8, OLD)


# Being cut off


class Killed(BaseException):
    """Ends a run at a request, as the death of its process does."""


def kill_at(
    monkeypatch: pytest.MonkeyPatch, number: int, *, is_sent: bool, events: Iterator[Any]
) -> bool:
    """Go through the events, but die at the n-th request, before or after Azure gets it.

    Return whether the run came to it.
    """
    honest = rest.session.send
    count = itertools.count(1)

    def send(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        is_last = next(count) == number
        if is_last and not is_sent:
            raise Killed
        response = honest(request, **options)
        if is_last:
            raise Killed
        return response

    with monkeypatch.context() as patch:
        patch.setattr(rest.session, "send", send)
        try:
            list(events)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("is_sent", "step"),
    [
        (True, 31),
        pytest.param(True, 1, marks=[pytest.mark.slow, pytest.mark.exhaustive]),
        pytest.param(False, 1, marks=[pytest.mark.slow, pytest.mark.exhaustive]),
    ],
)
def test_killed_at_any_request_the_next_call_ends_at_the_capacity(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, mode: str, is_sent: bool, step: int
) -> None:
    """At each request in turn: as many as asked for, all current, each once, none too few."""
    for number in itertools.count(2, step):
        with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
            sandbox.add_vmss("web", 6, update_domains=3, orchestration=mode)
            bump(sandbox)
            events = az.rollout(*sandbox.where(), surge=2, capacity=6)
            was_killed = kill_at(monkeypatch, number, is_sent=is_sent, events=events)
            list(az.rollout(*sandbox.where(), surge=2, capacity=6))
            check_done(sandbox, 6)
            assert least_serving(sandbox) == 6, number
            if mode == "Uniform":  # of a Flexible set Azure does not report what was upgraded
                check_once(sandbox)
        if not was_killed:
            break
    assert number > 30


@pytest.mark.parametrize(
    "step", [4, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize("how", ["allocation", "quota"])
def test_killed_while_a_creation_is_undone_the_next_call_still_finishes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, how: str, step: int
) -> None:
    """Killed at any request; if failed instances are left, the halt names them."""
    for number in itertools.count(1, step):
        with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
            sandbox.add_vmss("web", 4, update_domains=2)
            bump(sandbox)
            sandbox.break_scale_out("web", how, made=1)
            events = az.rollout(*sandbox.where(), surge=2)
            try:
                was_killed = kill_at(monkeypatch, number, is_sent=True, events=events)
            except az.RolloutHalted:
                was_killed = False
            sandbox.break_scale_out("web", "none")
            try:
                list(az.rollout(*sandbox.where(), surge=2, capacity=4))
            except az.RolloutHalted as halt:
                ids = list(halt.unhealthy)
                assert ids
                assert all(members(sandbox)[each].provisioning == "Failed" for each in ids)
                az.wait(sandbox.access_token, az.delete_vmss_vms(*sandbox.where(), ids))
                list(az.rollout(*sandbox.where(), surge=2, capacity=4))
            check_done(sandbox, 4)
            assert least_serving(sandbox) == 4
        if not was_killed:
            break
    assert number > 10


def sigkilled_at(number: int, folder: Path) -> bool:
    """The example command killed while its n-th request is answered, and run again.

    Whether it came to that request at all.
    """
    sandbox = Sandbox(upgrade_seconds=0.3, demo=False)
    sandbox.add_vmss("web", 6, update_domains=2)
    sandbox.start()
    try:
        command = [sys.executable, "-m", "azurerm_lite", "rollout", "-y", "-r", "sandbox"]
        command += ["-s", "web", "-n", NEW, "--surge", "2", "--capacity", "6"]
        environment = {**os.environ, **sandbox.environment, "PYTHONPATH": str(ROOT)}
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
        assert (len(members(sandbox)), capacity(sandbox)) == (6, 6)
        assert {vm.exact_version for vm in members(sandbox).values()} == {NEW}
        check_once(sandbox)
        assert least_serving(sandbox) == 6
        return victim.returncode != 0
    finally:
        sandbox.stop()


@pytest.mark.slow
def test_the_command_killed_at_any_request_is_finished_by_the_next(tmp_path: Path) -> None:
    """SIGKILL at each request in turn, then the same command."""
    numbers, was_killed = itertools.count(1), True
    with ThreadPoolExecutor(4) as together:
        while was_killed:
            some = list(itertools.islice(numbers, 8))
            was_killed = all(together.map(lambda number: sigkilled_at(number, tmp_path), some))
    assert some[0] > 17


# Faults


KINDS = {
    "model": ("GET", "/virtualMachineScaleSets/web"),
    "capacity": ("PATCH", "/virtualMachineScaleSets/web"),
    "list": ("GET", "/virtualMachines"),
    "upgrade": ("POST", "/manualupgrade"),
    "delete": ("POST", "/delete"),
    "poll": ("GET", "/operations/"),
}
FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 7},
    "500": {"status": 500},
    "503": {"status": 503},
    "409 Conflict": {"status": 409, "code": "Conflict"},
    "reset, not taken": {"drop": "before"},
    "reset, taken": {"drop": "after"},
    "truncated": {"drop": "truncate"},
    "no JSON": {"text": "<html>Sign in</html>"},
    "403": {"status": 403, "code": "AuthorizationFailed"},
    "409 OperationNotAllowed": {"status": 409, "code": "OperationNotAllowed"},
}
# The requests that only a rollout with extra capacity sends; test_rollout_faults.py has the others.
NEW_KINDS = ("capacity", "delete")
HALTS = ("403", "409 OperationNotAllowed")


@pytest.mark.parametrize(
    "times", [1, pytest.param(4, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize(
    "kind",
    [
        each
        if each in NEW_KINDS
        else pytest.param(each, marks=[pytest.mark.slow, pytest.mark.exhaustive])
        for each in KINDS
    ],
)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_at_each_request_is_a_delay_or_a_halt(
    small: Sandbox, fault: str, kind: str, times: int
) -> None:
    """In the end as many as asked for, all current, each once, and never fewer serving."""
    method, path = KINDS[kind]
    rollout = az.rollout(*small.where(), surge=2)
    next(rollout)
    small.fail_next(method=method, path=path, times=times, **FAULTS[fault])
    told = ""
    try:
        list(rollout)
    except (az.RolloutHalted, az.AzureError) as error:
        told = str(error)
    assert bool(told) == (fault in HALTS)
    if kind != "model":  # where nothing was changed yet, it is Azure's error as it is
        assert not told or "capacity=6" in told
    small.app.faults.clear()
    list(az.rollout(*small.where(), surge=2, capacity=6))
    check_done(small, 6)
    check_once(small)
    assert least_serving(small) == 6


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
@pytest.mark.parametrize("number", range(4))
def test_a_rollout_resumes_after_an_operation_that_was_ended(
    small: Sandbox, status: str, number: int
) -> None:
    """The creation, either batch, or the deletion."""
    rollout = az.rollout(*small.where(), surge=2)
    kinds = 0
    try:
        for event in rollout:
            if event.kind == "batch_started":
                if kinds == number:
                    small.end_next(status)
                kinds += 1
    except az.RolloutHalted:
        pass
    small.cloud.endings.clear()
    for vm in members(small).values():
        vm.provisioning = "Succeeded"
        vm.power = "running"
    list(az.rollout(*small.where(), surge=2, capacity=6))
    check_done(small, 6)


def test_a_changed_model_halts_before_anything_else_is_done(small: Sandbox) -> None:
    """Somebody puts another image while new instances are made."""
    with pytest.raises(
        az.RolloutHalted, match="Another client changed the scale set's model"
    ) as caught:
        on(
            "batch_started",
            1,
            lambda: small.set_image("web", version="22.04.202409120"),
            az.rollout(*small.where(), surge=2),
        )
    assert posted(small) == []
    assert "deleted" not in str(caught.value)
    list(az.rollout(*small.where(), surge=2, capacity=6))
    check_done(small, 6, "22.04.202409120")


# Dry run, arguments, pictures, fleets


def test_a_dry_run_reports_count_and_time_and_writes_nothing(small: Sandbox) -> None:
    """And how many requests are to come, polls aside."""
    before = len(small.journal)
    events = list(az.rollout(*small.where(), surge=2, bake=30, dry_run=True))
    assert {each.method for each in small.journal[before:]} == {"GET"}
    messages = [each.message for each in events]
    assert any("up to 8 instances, 2 of them extra, for about" in each for each in messages)
    assert any(each.startswith("new instances: 2 instances") for each in messages)
    assert any(each.startswith("deletion: 2 instances (4, 5)") for each in messages)
    told = int(events[-1].message.split("would send ")[1].split()[0])
    before = len(small.journal)
    list(az.rollout(*small.where(), surge=2))
    sent = [each for each in small.journal[before:] if "/operations/" not in each.path]
    results = 4  # one read of the result of each operation is foretold, too
    assert len(sent) + results <= told <= len(sent) + results + 1


@pytest.mark.parametrize(
    "options",
    [
        {"surge": 0},
        {"surge": "0%"},
        {"surge": "lots"},
        {"surge": True},
        {"surge": 2, "capacity": 0},
        {"surge": 2, "capacity": "6"},
        {"surge": 2, "capacity": True},
        {"capacity": 6},
    ],
)
def test_invalid_arguments_are_rejected_before_anything_is_sent(options: dict[str, Any]) -> None:
    """A clear error, which names the argument and the value."""
    with pytest.raises(ValueError, match=r"surge|capacity"):
        az.rollout("token", "sub", "group", "web", **options)


def test_a_heat_map_shows_the_new_instances(small: Sandbox) -> None:
    """While they are created, too."""
    seen = set()
    for event in az.rollout(*small.where(), surge=2):
        states = {each["instanceId"]: az.provisioning_state(each) for each in event.instances}
        seen |= {states.get("6"), states.get("7")}
        if {"6", "7"} & states.keys():
            assert any(cell.instance_id == "6" for cell in az.heatmap(event.instances).cells)
    assert {"creating", "succeeded"} <= seen


def test_a_fleet_takes_extra_capacity(clock: Clock) -> None:
    """Each set by itself, each back at its own capacity."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, update_domains=3)
        sandbox.add_vmss("api", 4, update_domains=2)
        bump(sandbox)
        bump(sandbox, "api")
        targets = [sandbox.where(name)[1:] for name in ("web", "api")]
        list(az.rollout_fleet(sandbox.access_token, targets, surge="50%", max_parallel=1))
        for name, number in (("web", 6), ("api", 4)):
            vmss = sandbox.cloud.scale_set("sandbox", name)
            assert (len(vmss.instances), vmss.sku["capacity"]) == (number, number)
            assert set(running(sandbox, name).values()) == {NEW}
            assert least_serving(sandbox, name) == number


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_mistyped_capacity_deletes_nothing(sandbox: Sandbox, dry_run: bool) -> None:
    """With 20 instances and 2 more at most, 3 cannot be the capacity that the set had."""
    bump(sandbox)
    with pytest.raises(ValueError, match="capacity=3 would delete instances"):
        list(az.rollout(*sandbox.where(), surge=2, capacity=3, dry_run=dry_run))
    with pytest.raises(ValueError, match="capacity=3 would delete instances"):
        list(az.rollback(*sandbox.where(), capacity=3))
    with pytest.raises(ValueError, match="capacity=3 would delete instances"):
        list(az.roll(*sandbox.where(), "restart", surge=2, capacity=3, dry_run=dry_run))
    assert {each.method for each in sandbox.journal[3:]} <= {"GET", "POST", "PUT"}
    assert not deleted(sandbox)
    assert len(sandbox.cloud.scale_set("sandbox", "web").instances) == 20
