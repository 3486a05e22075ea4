"""What a rollout guarantees, on Uniform and on Flexible sets alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.rollout import NEW, OLD, bump, on, posted, running

import azurerm_lite as az
from azurerm_lite.instances import sorted_ids
from azurerm_lite.sandbox import Sandbox

MODES = ["Uniform", "Flexible"]
SIZE = 10
BATCH = 2


@pytest.fixture(params=MODES)
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """A set `web` of ten instances, in either mode, which is upgraded two at a time."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", SIZE, orchestration=request.param)
        yield sandbox


def roll(sandbox: Sandbox, **options: Any) -> Iterator[az.Event]:
    """A rollout in batches of two."""
    return az.rollout(*sandbox.where(), by=BATCH, **options)


def changes(sandbox: Sandbox) -> Counter[str]:
    """How often each instance got the new image."""
    return Counter(
        change.instance_id
        for change in sandbox.changes
        if change.what == "model" and NEW in str(change.after)
    )


def is_flexible(sandbox: Sandbox) -> bool:
    """Whether the set is a Flexible one."""
    return sandbox.cloud.scale_set("sandbox", "web").is_flexible


def test_every_instance_is_upgraded_once_and_two_at_a_time(both: Sandbox) -> None:
    """All run the new image at the end; never is more than one batch in flight."""
    bump(both)
    for _ in roll(both):
        vmss = both.cloud.scale_set("sandbox", "web")
        busy = [vm for vm in vmss.instances.values() if vm.provisioning == "Updating"]
        assert len(busy) <= BATCH
    assert set(running(both).values()) == {NEW}
    assert [len(ids) for ids in posted(both)] == [BATCH] * (SIZE // BATCH)
    assert set(changes(both).values()) == {1}


def test_a_canary_goes_first_and_bakes(both: Sandbox) -> None:
    """One instance, watched for its own time."""
    bump(both)
    events = list(roll(both, canary=1, canary_bake=120))
    assert len(posted(both)[0]) == 1
    assert any(event.kind == "baking" and event.number == 1 for event in events)
    assert set(running(both).values()) == {NEW}


@pytest.mark.parametrize("how", ["fail", "unhealthy", "silent"])
def test_a_bad_image_halts_at_the_first_batch(both: Sandbox, how: str) -> None:
    """The halt names the instance; no other batch is started."""
    bump(both)
    broken = next(iter(both.cloud.scale_set("sandbox", "web").instances.values()))
    name = broken.id
    both.break_upgrade("web", broken.id, how)
    with pytest.raises(az.RolloutHalted) as caught:
        list(roll(both, only=[name], health_timeout=600))
    assert name in caught.value.unhealthy
    assert len(posted(both)) == 1


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_failure_is_rolled_back_to_the_old_image(both: Sandbox, after: int) -> None:
    """Whichever batch fails: every instance ends on the old image, and so does the model."""
    bump(both)
    ids = [vm_id for batch in az.plan_rollout(az.get_instance_views(*both.where()), by=BATCH)
           for vm_id in batch.instance_ids]  # fmt: skip
    both.break_upgrade("web", ids[after * BATCH], image=NEW)
    with pytest.raises(az.RolloutHalted, match="Rolled back") as caught:
        list(roll(both, on_failure="rollback"))
    assert caught.value.rolled_back
    assert set(running(both).values()) == {OLD}
    assert az.get_image(az.get_vmss(*both.where()))["version"] == OLD


def test_an_instance_that_was_unhealthy_before_counts(both: Sandbox) -> None:
    """More than `max_unhealthy` outside the batch, and it does not start."""
    bump(both)
    vmss = both.cloud.scale_set("sandbox", "web")
    last = sorted_ids(vmss.instances)[-1]
    vmss.instances[last].health = "unhealthy"
    with pytest.raises(az.RolloutHalted, match="unhealthy"):
        list(roll(both))
    list(roll(both, max_unhealthy=1, health_timeout=600))
    assert set(running(both).values()) == {NEW}


def test_a_protected_instance_is_left_out(both: Sandbox) -> None:
    """Unless `only` names it."""
    bump(both)
    name = az.get_instance_views(*both.where())[0]["instanceId"]
    az.wait(
        both.access_token,
        az.protect_vmss_vm(*both.where(), name, from_scale_in=True, from_scale_set_actions=True),
    )
    list(roll(both))
    assert {vm_id for vm_id, image in running(both).items() if image == OLD} == {name}
    list(roll(both, only=[name]))
    assert set(running(both).values()) == {NEW}


@pytest.mark.parametrize(
    "step", [19, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_rollout_cut_off_at_any_request_is_resumed(clock: Clock, mode: str, step: int) -> None:
    """Killed before an answer comes and run again, it ends with all on the new image.

    On a Flexible set nobody reports which members have the model; to upgrade a current one leaves
    it as it is.
    """
    number = 1
    while True:
        with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
            sandbox.add_vmss("web", 6, orchestration=mode)
            bump(sandbox)
            before = len(sandbox.journal)

            def die() -> None:
                raise KeyboardInterrupt

            events = roll(sandbox)
            try:
                for _ in events:
                    if len(sandbox.journal) - before >= number:
                        die()
            except KeyboardInterrupt:
                events.close()  # type: ignore[attr-defined]
            list(roll(sandbox))
            assert set(running(sandbox).values()) == {NEW}
            assert set(changes(sandbox).values()) == {1}
            if len(sandbox.journal) - before < number:
                return
        number += step


@pytest.mark.parametrize(
    "fault", [{"status": 429, "retry_after": 5}, {"status": 503}, {"status": 500}]
)
@pytest.mark.parametrize(
    "path", ["virtualMachines", "manualupgrade", "virtualMachineScaleSets/web"]
)
@pytest.mark.parametrize("batch", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_passing_fault_of_any_request_only_takes_longer(
    both: Sandbox, fault: dict[str, Any], path: str, batch: int
) -> None:
    """Throttled, or unavailable: every instance is upgraded once all the same."""
    bump(both)
    fail = partial(both.fail_next, fault["status"], path=path, times=2)
    if "retry_after" in fault:
        fail = partial(fail, retry_after=fault["retry_after"])
    on("batch_started", batch, fail, roll(both))
    assert set(running(both).values()) == {NEW}
    assert set(changes(both).values()) == {1}


@pytest.mark.parametrize("kind", ["added", "removed"])
def test_instances_that_come_or_go_are_picked_up_or_dropped(both: Sandbox, kind: str) -> None:
    """Autoscale changes the set between two batches."""
    bump(both)
    scale = partial(both.scale, "web", SIZE + 4 if kind == "added" else SIZE - 4)
    events = on("batch_done", 1, scale, roll(both))
    assert events[-1].kind == "finished"
    assert set(running(both).values()) == {NEW}


def test_a_change_of_the_model_by_another_client_halts(both: Sandbox) -> None:
    """To go on would bring instances to what nobody asked for."""
    bump(both)
    change = partial(bump, both, version="22.04.202409120")
    with pytest.raises(az.RolloutHalted, match="Another client changed the scale set's model"):
        on("batch_done", 2, change, roll(both))


def test_a_manual_rollback_restores_every_instance(both: Sandbox) -> None:
    """Half-way through a rollout."""
    bump(both)
    events = roll(both)
    for event in events:
        if event.kind == "batch_done" and event.number == 2:
            break
    image = {**az.get_image(az.get_vmss(*both.where())), "version": OLD}
    list(az.rollback(*both.where(), by=BATCH, image=image))
    assert set(running(both).values()) == {OLD}


def test_a_dry_run_changes_nothing(both: Sandbox) -> None:
    """It lists the batches that would come."""
    bump(both)
    before = len(both.changes)
    events = list(roll(both, dry_run=True))
    assert len([event for event in events if event.kind == "planned"]) == SIZE // BATCH
    assert len(both.changes) == before


# Flexible sets alone


@pytest.fixture
def flexible(clock: Clock) -> Iterator[Sandbox]:
    """A Flexible set `web` of ten members."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", SIZE, orchestration="Flexible")
        yield sandbox


@pytest.mark.parametrize("has_model", [True, False])
@pytest.mark.parametrize("has_health", [True, False])
@pytest.mark.parametrize("moves_tag", [True, False])
def test_every_assumption_about_azure_ends_well(
    flexible: Sandbox, has_model: bool, has_health: bool, moves_tag: bool
) -> None:
    """Each answer to each question that no recording and no page answers."""
    flexible.assumptions.expanded_list_has_model = has_model
    flexible.assumptions.expanded_list_has_health = has_health
    flexible.assumptions.upgrade_moves_tag = moves_tag
    bump(flexible)
    list(roll(flexible))
    assert set(running(flexible).values()) == {NEW}
    before = len(posted(flexible))
    events = list(roll(flexible))
    assert events[-1].kind == "finished"
    notices = [event.message for event in events if event.kind == "notice"]
    says_unknown = any("unknown whether 10 instances" in text for text in notices)
    # If the tag moves the members are known to be current; else they are upgraded to be sure.
    assert says_unknown is not moves_tag
    assert (len(posted(flexible)) == before) is moves_tag
    assert set(changes(flexible).values()) == {1}


def test_health_is_read_for_each_member_and_in_bounded_time(
    flexible: Sandbox, clock: Clock
) -> None:
    """Three lists and a view for each member, whose number the dry run foretells."""
    bump(flexible)
    before = len(flexible.journal)
    az.get_instance_views(*flexible.where())
    paths = [entry.path for entry in flexible.journal[before:]]
    assert len([path for path in paths if path.endswith("/instanceView")]) == SIZE
    # The list that Uniform sets have, the set, and the three lists.
    assert len(paths) == SIZE + 5


def test_a_set_without_a_profile_has_nothing_to_roll_out(clock: Clock) -> None:
    """One sentence instead of a KeyError."""
    with Sandbox(clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 0, orchestration="Flexible", profile=False)
        with pytest.raises(az.RolloutHalted, match=r"has no model \(virtualMachineProfile\)"):
            list(az.rollout(*sandbox.where()))


def test_a_set_without_an_upgrade_policy_counts_as_manual(clock: Clock) -> None:
    """As Flexible sets of before 2023 are."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 4, orchestration="Flexible", mode=None)
        assert "upgradePolicy" not in az.get_vmss(*sandbox.where())["properties"]
        bump(sandbox)
        list(az.rollout(*sandbox.where()))
        assert set(running(sandbox).values()) == {NEW}


def test_fault_domains_make_batches(clock: Clock) -> None:
    """They are in the views of members."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, orchestration="Flexible", fault_domains=3)
        bump(sandbox)
        list(az.rollout(*sandbox.where(), by="fault_domain"))
        assert [len(ids) for ids in posted(sandbox)] == [2, 2, 2]


def test_a_view_that_cannot_be_read_is_the_readers_error(flexible: Sandbox) -> None:
    """What Azure refuses for good is not taken for an empty view."""
    flexible.fail_next(403, path="/instanceView", code="AuthorizationFailed")
    with pytest.raises((az.AzureError, requests.RequestException), match="AuthorizationFailed"):
        az.get_instance_views(*flexible.where())
