"""Following Azure's own rolling upgrades, on the sandbox over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from support.clock import Clock
from support.rollout import NEW, OLD, bump, on, running

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

POLICY = {"maxBatchInstancePercent": 20, "pauseTimeBetweenBatches": "PT30S"}


@pytest.fixture
def rolling(clock: Clock) -> Iterator[Sandbox]:
    """A set in mode Rolling: ten instances, two at a time, half a minute between batches."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 10, mode="Rolling", rolling_policy=POLICY)
        yield sandbox


def test_a_rolling_upgrade_is_followed_to_its_end(rolling: Sandbox) -> None:
    """The same kind of events as from a rollout of ours.

    Counts that grow, a summary at the end; nothing is written.
    """
    bump(rolling)
    before = [each.method for each in rolling.journal if each.method != "GET"]
    events = list(az.follow_rolling_upgrade(*rolling.where()))
    assert [each.method for each in rolling.journal if each.method != "GET"] == before
    assert events[0].kind == "started"
    assert {event.kind for event in events[1:-1]} == {"progress"}
    counts = [event.latest for event in events]
    assert counts == sorted(counts)
    assert {2, 4, 6, 8} <= set(counts)
    assert events[-1].message == "web: Completed; 10 of 10 instances have the latest model"
    assert events[-1].summary.upgraded == 10
    assert set(running(rolling).values()) == {NEW}


def test_following_can_be_stopped_and_started_again(rolling: Sandbox) -> None:
    """Leaving the loop stops nothing; the next call goes on watching."""
    bump(rolling)
    for event in az.follow_rolling_upgrade(*rolling.where()):
        if event.latest >= 4:
            break
    assert list(az.follow_rolling_upgrade(*rolling.where()))[-1].latest == 10


def test_a_cancelled_upgrade_ends_in_a_halt(rolling: Sandbox) -> None:
    """`cancel_rolling_upgrade` stops it after the batch under way.

    The halt says how many are left and how to go on.
    """
    bump(rolling)
    events = az.follow_rolling_upgrade(*rolling.where())
    next(event for event in events if event.latest == 4)
    az.cancel_rolling_upgrade(*rolling.where())
    with pytest.raises(
        az.RolloutHalted, match=r"ended Cancelled\. .*still to do\. start_os_upgrade"
    ) as caught:
        list(events)
    assert caught.value.summary.upgraded in (4, 6)


def test_a_failed_rolling_upgrade_has_azures_reason(rolling: Sandbox) -> None:
    """The code and message of the upgrade, and the instance that failed."""
    rolling.break_upgrade("web", "3")
    bump(rolling)
    with pytest.raises(az.RolloutHalted, match=r"ended Faulted: .*FailedUpgradedVMs") as caught:
        list(az.follow_rolling_upgrade(*rolling.where()))
    assert caught.value.unhealthy == {"3": "provisioning failed"}


def test_the_upgrade_before_is_not_taken_for_the_new_one(rolling: Sandbox, clock: Clock) -> None:
    """Right after a change of the model the newest upgrade is still the last one, completed.

    That is waited out.
    """
    bump(rolling)
    list(az.follow_rolling_upgrade(*rolling.where()))
    where = rolling.where()
    az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=OLD))  # and not waited for
    events = list(az.follow_rolling_upgrade(*where))
    assert "Completed" in events[1].message
    assert events[-1].latest == 10
    assert set(running(rolling).values()) == {OLD}


def test_without_a_rolling_upgrade_following_reports_it(sandbox: Sandbox) -> None:
    """A set that never had a rolling upgrade, all on its model: a start and an end, no error."""
    events = list(az.follow_rolling_upgrade(*sandbox.where()))
    assert events[-1].message == "web: no rolling upgrade; 20 of 20 instances have the latest model"


@pytest.mark.parametrize("code", ["NotFound", "ResourceNotFound", "RollingUpgradeNotFound"])
def test_a_missing_rolling_upgrade_is_accepted_with_any_code(sandbox: Sandbox, code: str) -> None:
    """The type of the error decides: the scale set was read just before."""
    sandbox.fail_next(404, path="rollingUpgrades", code=code, message="No rollingUpgrades here.")
    events = list(az.follow_rolling_upgrade(*sandbox.where()))
    assert "no rolling upgrade" in events[-1].message


def test_a_rolling_upgrade_without_a_status_is_polled_again(rolling: Sandbox) -> None:
    """A status that Azure does not report is unknown, and not the end."""
    bump(rolling)
    empty = '{"properties": null}'
    rolling.fail_next(200, path="rollingUpgrades", text=empty)
    events = list(az.follow_rolling_upgrade(*rolling.where()))
    assert "unknown" in events[1].message
    assert events[-1].message.startswith("web: Completed")
    assert not any("None" in event.message for event in events)


def test_following_has_an_end(rolling: Sandbox) -> None:
    """Time is up, and Azure goes on: the halt says so."""
    rolling.cloud.upgrade_seconds = 10**6
    rolling.set_image("web", version=NEW)
    with pytest.raises(az.RolloutHalted, match="is still RollingForward after 10 min"):
        list(az.follow_rolling_upgrade(*rolling.where(), timeout=600))


def test_passing_trouble_is_waited_out(rolling: Sandbox) -> None:
    """Throttling and passing failures are told, and nothing is lost."""
    bump(rolling)
    fail = partial(rolling.fail_next, 503, method="GET", times=3, retry_after=20)
    events = on("progress", 0, fail, az.follow_rolling_upgrade(*rolling.where()))
    assert len([event for event in events if event.kind == "waiting"]) == 3
    assert events[-1].latest == 10


def test_a_scale_set_that_is_not_there(sandbox: Sandbox) -> None:
    """Azure's own words, as NotFound."""
    with pytest.raises(az.NotFound):
        next(az.follow_rolling_upgrade(*sandbox.where("nope")))


@pytest.mark.parametrize("timeout", [-1, "long"])
def test_the_time_limit_is_checked_at_the_call(timeout: Any) -> None:
    """Before there is an iterator at all."""
    with pytest.raises(ValueError, match="timeout must be seconds"):
        az.follow_rolling_upgrade("token", "sub", "rg", "web", timeout=timeout)


def test_following_is_never_silent_for_long(rolling: Sandbox, clock: Clock) -> None:
    """A batch of twenty minutes tells at each look that it goes on.

    Only where the counts change are instances read.
    """
    rolling.cloud.upgrade_seconds = 1200
    bump(rolling)
    moments = [clock.now for _ in az.follow_rolling_upgrade(*rolling.where())]
    assert max(after - before for before, after in pairwise(moments)) <= 30
    assert len([each for each in rolling.journal if each.path.endswith("/virtualMachines")]) < 20
