"""A batch that is looked at repeatedly is read instance by instance where that is cheaper."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from support.clock import Clock
from support.rollout import NEW, OLD, bump, on, posted, reasons, running

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.resources import Instance

SIZE = 8
BATCHES = 4


@pytest.fixture(params=["Uniform", "Flexible"])
def paged(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """A sandbox with a set of eight instances on three pages, whose model has the new image."""
    with Sandbox(upgrade_seconds=60, clock=clock, page_size=3, demo=False) as sandbox:
        sandbox.add_vmss("web", SIZE, orchestration=request.param)
        bump(sandbox)
        yield sandbox


def roll(sandbox: Sandbox, **options: Any) -> Iterator[az.Event]:
    """A rollout in four batches of two, each of which bakes for two minutes."""
    return az.rollout(*sandbox.where(), **{"by": 2, "bake": 120, **options})


def count_lists(sandbox: Sandbox) -> int:
    """The number of pages of lists that were read so far."""
    return sum(each.path.lower().endswith("/virtualmachines") for each in sandbox.journal)


def instance_of(sandbox: Sandbox, instance_id: str) -> Instance:
    """An instance, to change its state."""
    return sandbox.cloud.scale_set("sandbox", "web").instances[instance_id]


def test_a_bake_reads_the_instances_of_the_batch_alone(paged: Sandbox) -> None:
    """The lists are read after each upgrade and before the next, however long the bake is."""
    az.get_instance_views(*paged.where())
    reading = count_lists(paged)
    events = list(roll(paged))
    assert events[-1].latest == SIZE
    assert sum(event.kind == "batch_done" for event in events) == BATCHES
    assert sum(event.kind == "baking" for event in events) >= 4 * BATCHES
    assert count_lists(paged) - reading <= reading * (1 + 2 * BATCHES)


def test_a_batch_that_takes_its_time_is_read_alone(paged: Sandbox) -> None:
    """While the caller's check does not pass, the others are not read."""
    az.get_instance_views(*paged.where())
    reading = count_lists(paged)
    answers = [False] * 5 + [True] * BATCHES
    events = list(roll(paged, bake=0, check=lambda _: answers.pop(0)))
    assert events[-1].latest == SIZE
    assert answers == []
    assert count_lists(paged) - reading <= reading * (2 + BATCHES)


def test_an_instance_that_falls_ill_during_the_bake_is_noticed(paged: Sandbox) -> None:
    """A single read shows the health as the list does."""

    def fall_ill() -> None:
        instance_of(paged, posted(paged)[0][1]).health = "unhealthy"

    with pytest.raises(az.RolloutHalted) as halt:
        on("baking", 2, fall_ill, roll(paged, on_failure="rollback"))
    ill = posted(paged)[0][1]
    assert reasons(halt.value) == {ill: "application health unhealthy"}
    assert halt.value.rolled_back
    assert set(running(paged).values()) == {OLD}


def test_an_instance_that_is_deleted_during_the_bake_is_left_out(paged: Sandbox) -> None:
    """Its read says that it does not exist; the list says what is left."""

    def delete() -> None:
        gone = paged.cloud.scale_set("sandbox", "web").instances
        del gone[posted(paged)[0][0]]

    events = on("baking", 2, delete, roll(paged))
    assert set(running(paged).values()) == {NEW}
    assert events[-1].total == SIZE - 1


def test_an_instance_that_is_outdated_again_in_the_last_bake_is_upgraded(paged: Sandbox) -> None:
    """Single reads do not show the instances of other batches, so all are read before the end."""
    instances = paged.cloud.scale_set("sandbox", "web").instances
    old = {name: copy.copy(instance) for name, instance in instances.items()}

    def set_back() -> None:
        first = posted(paged)[0][0]
        instances[first] = old[first]

    events = on("baking", BATCHES, set_back, roll(paged))
    assert set(running(paged).values()) == {NEW}
    assert len(posted(paged)) == BATCHES + 1
    assert events[-1].latest == SIZE


def test_one_page_is_cheaper_than_its_instances(clock: Clock) -> None:
    """A set that fits on a page is read in one request, as before."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", SIZE)
        bump(sandbox)
        assert list(roll(sandbox))[-1].latest == SIZE
        single = [each for each in sandbox.journal if "/virtualMachines/" in each.path]
    assert single == []
