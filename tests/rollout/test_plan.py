"""Plans: which instances go together, in which order, and which are left out.

For every set there may be.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import azurerm_lite as az
from azurerm_lite.rollout import options, plan


def instance(vm_id: str, **properties: Any) -> Any:
    """An instance as Azure lists it."""
    view = {"platformUpdateDomain": properties.pop("domain", 0)}
    zones = {"zones": [properties.pop("zone")]} if "zone" in properties else {}
    return {
        "instanceId": vm_id,
        **zones,
        "properties": {"latestModelApplied": False, "instanceView": view, **properties},
    }


INSTANCES = st.lists(
    st.builds(
        lambda vm_id, domain, latest: instance(
            str(vm_id), domain=domain, latestModelApplied=latest
        ),
        st.integers(0, 500),
        st.one_of(st.none(), st.integers(0, 20)),
        st.booleans(),
    ),
    unique_by=lambda each: each["instanceId"],
    max_size=60,
)
BY = st.one_of(
    st.just("update_domain"), st.integers(1, 70), st.integers(1, 100).map(lambda share: f"{share}%")
)


def domain_of(vm: Any) -> int | None:
    """The update domain of an instance."""
    number: int | None = vm["properties"]["instanceView"]["platformUpdateDomain"]
    return number


@given(INSTANCES, BY)
def test_a_plan_has_each_outdated_instance_once(instances: list[Any], by: Any) -> None:
    """Whatever the set: every outdated instance is in one batch, no other, no batch is empty.

    Names differ.
    """
    batches = az.plan_rollout(iter(instances), by=by)
    planned = [vm_id for batch in batches for vm_id in batch.instance_ids]
    outdated = [
        each["instanceId"] for each in instances if not each["properties"]["latestModelApplied"]
    ]
    assert sorted(planned) == sorted(outdated)
    assert all(batch.instance_ids for batch in batches)
    assert len({batch.name for batch in batches}) == len(batches)
    for batch in batches:
        assert list(batch.instance_ids) == sorted(batch.instance_ids, key=int)


@given(INSTANCES)
def test_a_plan_by_domain_never_takes_two_domains_together(instances: list[Any]) -> None:
    """Each batch is one domain, ascending.

    Those of no domain come last, no more at once than the largest domain.
    """
    domains = {each["instanceId"]: domain_of(each) for each in instances}
    if set(domains.values()) <= {None}:
        return
    batches = az.plan_rollout(instances)
    found = [{domains[vm_id] for vm_id in batch.instance_ids} for batch in batches]
    assert all(len(each) == 1 for each in found)
    known = [each.pop() for each in found]
    assert [each for each in known if each is not None] == sorted(
        each for each in known if each is not None
    )
    assert None not in known[: len([each for each in known if each is not None])]
    largest = max(list(domains.values()).count(each) for each in set(domains.values()) - {None})
    assert all(len(batch.instance_ids) <= largest for batch in batches)


@given(INSTANCES, st.integers(1, 100))
def test_a_plan_by_share_never_takes_more_than_that(instances: list[Any], share: int) -> None:
    """A percentage is of the whole set, rounded down, and one instance at least."""
    for batch in az.plan_rollout(instances, by=f"{share}%"):
        assert len(batch.instance_ids) <= max(1, len(instances) * share / 100)


@given(INSTANCES, st.data())
def test_only_narrows_the_plan(instances: list[Any], data: st.DataObject) -> None:
    """A plan for some ids holds those of the whole plan that were named, and nothing else."""
    ids = [each["instanceId"] for each in instances]
    if not ids:
        return
    only = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    whole = {vm_id for batch in az.plan_rollout(instances, by=3) for vm_id in batch.instance_ids}
    part = {
        vm_id
        for batch in az.plan_rollout(instances, by=3, only=only)
        for vm_id in batch.instance_ids
    }
    assert part == whole & set(only)


def test_only_names_instances_without_regard_to_case() -> None:
    """The id of an instance of a Flexible set is the name of a virtual machine."""
    instances = [instance("flex_5cbe036b"), instance("flex_7ab0c1d2")]
    (batch,) = az.plan_rollout(instances, by=5, only="FLEX_5CBE036B")
    assert batch.instance_ids == ("flex_5cbe036b",)


# Parts, the canary, the fallback

SETS = st.lists(
    st.builds(
        lambda vm_id, domain, zone, latest: instance(
            str(vm_id), domain=domain, zone=zone, latestModelApplied=latest
        ),
        st.integers(0, 500),
        st.one_of(st.none(), st.integers(0, 20)),
        st.sampled_from(["1", "2", "3"]),
        st.booleans(),
    ),
    unique_by=lambda each: each["instanceId"],
    max_size=60,
)
SIZES = st.one_of(st.integers(1, 70), st.integers(1, 100).map(lambda share: f"{share}%"))


@given(SETS, BY, st.none() | SIZES, st.none() | SIZES)
def test_a_plan_of_any_batching_has_each_outdated_instance_once(
    instances: list[Any], by: Any, max_batch: Any, canary: Any
) -> None:
    """However it is cut: every outdated instance once, no batch larger than allowed.

    The canary first and small.
    """
    batches = az.plan_rollout(instances, by=by, max_batch=max_batch, canary=canary)
    planned = [vm_id for batch in batches for vm_id in batch.instance_ids]
    outdated = [
        each["instanceId"] for each in instances if not each["properties"]["latestModelApplied"]
    ]
    assert sorted(planned) == sorted(outdated)
    assert all(batch.instance_ids for batch in batches)
    assert len({batch.name for batch in batches}) == len(batches)
    if max_batch is not None:
        most = options.resolve_count(max_batch, len(instances), "max_batch", least=1)
        assert all(len(batch.instance_ids) <= most for batch in batches)
    if canary is not None and batches:
        assert batches[0].name.startswith("canary (")
        assert len(batches[0].instance_ids) <= options.resolve_count(
            canary, len(instances), "canary", least=1
        )


@given(SETS, SIZES)
def test_a_domain_taken_in_parts_is_never_mixed_with_another(
    instances: list[Any], max_batch: Any
) -> None:
    """Parts keep to one domain (or zone, where there are no update domains)."""
    domains = {each["instanceId"]: domain_of(each) for each in instances}
    zones = {each["instanceId"]: each["zones"] for each in instances}
    flat = set(domains.values()) <= {None}
    for batch in az.plan_rollout(instances, max_batch=max_batch):
        assert (
            len({str(zones[vm_id] if flat else domains[vm_id]) for vm_id in batch.instance_ids})
            == 1
        )


@given(SETS, SIZES, st.data())
def test_going_on_never_repeats_a_name_or_an_instance(
    instances: list[Any], max_batch: Any, data: st.DataObject
) -> None:
    """Planned anew after each batch, as a rollout does.

    Names differ, and every instance comes once.
    """
    how = options.RolloutOptions(
        max_batch=max_batch, canary=data.draw(st.none() | st.integers(1, 5))
    )
    begun, done = [], []
    while batches := plan.plan_batches(instances, how, started=begun):
        begun.append(batches[0].name)
        done += batches[0].instance_ids
        for each in instances:
            if each["instanceId"] in batches[0].instance_ids:
                each["properties"]["latestModelApplied"] = True
    assert len(set(begun)) == len(begun)
    assert len(set(done)) == len(done)


@given(SETS)
def test_without_update_domains_no_more_than_a_fifth_goes_at_once(instances: list[Any]) -> None:
    """The fallback: as Azure's own rolling upgrades, zone after zone.

    A fifth of the set at the most.
    """
    for each in instances:
        del each["properties"]["instanceView"]
    zones = {each["instanceId"]: each["zones"][0] for each in instances}
    order = []
    for batch in az.plan_rollout(instances):
        assert len(batch.instance_ids) <= max(1, len(instances) // 5)
        assert len({zones[vm_id] for vm_id in batch.instance_ids}) == 1
        order.append(zones[batch.instance_ids[0]])
    assert order == sorted(order)


def test_names_of_parts_and_of_the_canary() -> None:
    """What people read: the canary with the batch that it is taken from, the parts by number."""
    instances = [instance(str(number), domain=number % 2) for number in range(10)]
    names = [
        (batch.name, len(batch.instance_ids))
        for batch in az.plan_rollout(instances, max_batch=3, canary=1)
    ]
    assert names == [
        ("canary (update domain 0, part 1)", 1),
        ("update domain 0, part 1", 3),
        ("update domain 0, part 2", 1),
        ("update domain 1, part 1", 3),
        ("update domain 1, part 2", 2),
    ]


@pytest.mark.parametrize(
    "how",
    [{"by": "20%"}, {"by": 4, "max_batch": 3}, {"max_batch": 3}, {"max_batch": 3, "canary": 5}],
)
def test_the_plan_after_the_canary_is_what_runs(how: dict[str, Any]) -> None:
    """Planned anew when the canary is done, as a rollout does it.

    The batches are those that were planned at first.
    """
    instances = [instance(str(number), domain=number % 2) for number in range(20)]
    cut = options.RolloutOptions(**{"canary": 1, **how})
    first, *others = plan.plan_batches(instances, cut)
    for each in instances:
        each["properties"]["latestModelApplied"] = each["instanceId"] in first.instance_ids
    assert plan.plan_batches(instances, cut, started=[first.name]) == others


@pytest.mark.parametrize(
    ("value", "total", "number"),
    [
        (3, 10, 3),
        ("20%", 10, 2),
        ("25 %", 10, 2),
        ("12.5%", 80, 10),
        ("100%", 7, 7),
        ("1%", 5, 0),
        ("18.4%", 375, 69),
    ],
)
def test_a_share_is_rounded_down(value: Any, total: int, number: int) -> None:
    """A number stands for itself, a percentage for so many of the set."""
    assert options.resolve_count(value, total, "max_unhealthy") == number


@pytest.mark.parametrize("value", [-1, True, "20", "200%", "-5%", "%", 1.5, None])
def test_an_invalid_count_or_percentage_is_rejected(value: Any) -> None:
    """The argument and the value are named."""
    with pytest.raises(ValueError, match=r"^max_unhealthy must be a number of"):
        options.resolve_count(value, 10, "max_unhealthy")


@pytest.mark.parametrize("argument", ["max_batch", "canary"])
@pytest.mark.parametrize("value", [0, "0%", "all", -2])
def test_batches_of_nothing_are_refused(argument: str, value: Any) -> None:
    """Least of all 0, which would never end."""
    with pytest.raises(ValueError, match=f"^{argument} must be a number of instances"):
        az.plan_rollout([], **{argument: value})


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        (
            {"upgradePolicy": {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}},
            "automatic OS upgrades",
        ),
        ({"automaticRepairsPolicy": {"enabled": True}}, "automatic repairs are on"),
        (
            {
                "virtualMachineProfile": {
                    "storageProfile": {"imageReference": {"version": "latest"}}
                }
            },
            "the model asks for the version latest",
        ),
    ],
)
def test_notices_report_what_else_changes_the_set(properties: Any, words: str) -> None:
    """Whatever else may drive this set; and nothing where there is nothing to say."""
    healthy = {"code": "HealthState/healthy"}
    vm = instance("0")
    vm["properties"]["instanceView"] |= {
        "statuses": [{"code": "PowerState/running"}],
        "vmHealth": {"status": healthy},
    }
    assert plan.notices({"properties": {}}, [vm], options.RolloutOptions()) == []
    (told,) = plan.notices({"properties": properties}, [vm], options.RolloutOptions())
    assert words in told


def test_what_is_left_out_is_listed_by_its_reason() -> None:
    """In numeric order; what was not chosen is not left out."""
    instances = [
        instance("10", latestModelApplied=True),
        instance("7"),
        instance("1"),
        instance("2", latestModelApplied=True),
        instance("3", latestModelApplied=True),
    ]
    chosen = options.RolloutOptions(only=["1", "2", "10"])
    (left_out,) = plan.skipped(instances, chosen).values()
    assert left_out == ["2", "10"]
