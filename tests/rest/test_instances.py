"""Instances by domain and in batches, and the ids of instances."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import azurerm_lite as az
from azurerm_lite import instances as ids_of

numbers = st.integers(0, 2000).map(str)
names = st.text("abcdefXYZ0189", min_size=8, max_size=8).map("web_".__add__)
views = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "platformUpdateDomain": st.none() | st.integers(0, 19),
        "platformFaultDomain": st.none() | st.integers(0, 4),
        "placementGroupId": st.uuids().map(str),
    },
)
zones = st.none() | st.lists(st.sampled_from(["1", "2", "3", "10"]), max_size=1)


def instance(instance_id: str, view: Any = None, zones: Any = None, **more: Any) -> Any:
    """An instance as Azure lists it; without a view or zones if they are `None`."""
    properties = {"latestModelApplied": False, **({} if view is None else {"instanceView": view})}
    return {
        "instanceId": instance_id,
        "properties": properties,
        **({} if zones is None else {"zones": zones}),
        **more,
    }


instances = st.lists(
    st.builds(instance, numbers | names, views, zones),
    max_size=25,
    unique_by=lambda entry: entry["instanceId"],
)

GROUPINGS: dict[Callable[..., Any], Callable[[Any], Any]] = {
    az.by_update_domain: lambda entry: (
        entry["properties"].get("instanceView", {}).get("platformUpdateDomain")
    ),
    az.by_fault_domain: lambda entry: (
        entry["properties"].get("instanceView", {}).get("platformFaultDomain")
    ),
    az.by_zone: lambda entry: (entry.get("zones") or [None])[0],
}
every_grouping = pytest.mark.parametrize("group", GROUPINGS, ids=lambda group: group.__name__)


def in_numeric_order(ids: list[str]) -> bool:
    """Whether numbers come first, by value, followed by names in alphabetical order."""
    digits = [entry for entry in ids if entry.isdigit()]
    letters = [entry for entry in ids if not entry.isdigit()]
    return ids == sorted(digits, key=int) + sorted(letters)


@every_grouping
@given(entries=instances)
def test_every_instance_is_in_its_own_domain_once(
    group: Callable[..., Any], entries: list[Any]
) -> None:
    """Each instance is once in the domain that Azure reports, or else in `unknown`."""
    domain_of = {entry["instanceId"]: GROUPINGS[group](entry) for entry in entries}
    groups = group(entries)
    assert Counter(entry for ids in groups.values() for entry in ids) == Counter(list(domain_of))
    for domain, ids in groups.items():
        assert ids, "an empty domain"
        assert {domain_of[entry] for entry in ids} == {None if domain == "unknown" else domain}


@every_grouping
@given(entries=instances)
def test_domains_ascend_and_ids_are_in_numeric_order(
    group: Callable[..., Any], entries: list[Any]
) -> None:
    """Domains by number, `unknown` last; in each domain, 9 comes before 10."""
    groups = group(entries)
    known = [domain for domain in groups if domain != "unknown"]
    assert list(groups) == sorted(known, key=int) + ["unknown"] * ("unknown" in groups)
    assert all(in_numeric_order(ids) for ids in groups.values())


@every_grouping
@given(entries=instances, data=st.data())
def test_the_order_of_the_list_does_not_matter(
    group: Callable[..., Any], entries: list[Any], data: Any
) -> None:
    """Azure guarantees no order.

    The groups are the same for any order and any iterable, and the instances are unchanged.
    """
    before = copy.deepcopy(entries)
    shuffled = data.draw(st.permutations(entries))
    assert list(group(iter(shuffled)).items()) == list(group(entries).items())
    assert entries == before


@given(entries=instances, size=st.integers(1, 30))
def test_all_batches_except_the_last_are_full(entries: list[Any], size: int) -> None:
    """Each instance is in one batch; no batch is empty or too large; ids are in numeric order."""
    batches = az.in_batches(iter(entries), size)
    together = [entry for batch in batches for entry in batch]
    assert Counter(together) == Counter(entry["instanceId"] for entry in entries)
    assert in_numeric_order(together)
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


@pytest.mark.parametrize("size", [0, -1, True, False, 1.0, "2", None, [1]], ids=repr)
def test_an_invalid_batch_size_is_a_value_error(size: Any) -> None:
    """Also without instances, it must be a whole number of 1 or more."""
    with pytest.raises(ValueError, match="size must be a whole number of 1 or more"):
        az.in_batches([], size)


def test_an_example_of_each_grouping() -> None:
    """Domains are numbers, zones are strings as in Azure, and 10 comes after 9."""
    entries = [
        instance("10", {"platformUpdateDomain": 0, "platformFaultDomain": 1}, ["2"]),
        instance("9", {"platformUpdateDomain": 0, "platformFaultDomain": 0}, ["10"]),
        instance("2", {"platformUpdateDomain": 10, "platformFaultDomain": 0}, ["2"]),
        instance("3", {"platformUpdateDomain": 9, "platformFaultDomain": 1}, []),
    ]
    assert list(az.by_update_domain(entries).items()) == [(0, ["9", "10"]), (9, ["3"]), (10, ["2"])]
    assert list(az.by_fault_domain(entries).items()) == [(0, ["2", "9"]), (1, ["3", "10"])]
    assert list(az.by_zone(entries).items()) == [
        ("2", ["2", "10"]),
        ("10", ["9"]),
        ("unknown", ["3"]),
    ]
    assert az.in_batches(entries, 3) == [["2", "3", "9"], ["10"]]


@every_grouping
@pytest.mark.parametrize(
    "entry",
    [
        instance("1"),
        instance("1", {}),
        instance("1", {"platformUpdateDomain": None, "platformFaultDomain": None}, []),
        {"instanceId": "1", "properties": {"instanceView": None}, "zones": None},
    ],
    ids=repr,
)
def test_an_instance_without_a_domain_is_unknown(group: Callable[..., Any], entry: Any) -> None:
    """Without a view, with an empty view, and with fields that are null."""
    assert group([entry]) == {"unknown": ["1"]}


@every_grouping
def test_no_instances_give_no_domains(group: Callable[..., Any]) -> None:
    """An empty scale set is not an error."""
    assert group([]) == {}
    assert az.in_batches([], 5) == []


def test_domain_zero_is_a_domain() -> None:
    """The first update domain does not count as missing."""
    assert az.by_update_domain([instance("1", {"platformUpdateDomain": 0})]) == {0: ["1"]}


# Ids


@given(ids=st.lists(numbers | names | st.integers(0, 2000), min_size=1, max_size=20))
def test_ids_become_strings_each_once_in_the_order_given(ids: list[Any]) -> None:
    """From any mixture of strings and numbers, and from a generator."""
    expected = list(dict.fromkeys(str(entry) for entry in ids))
    assert ids_of.parse_instance_ids(ids) == expected
    assert ids_of.parse_instance_ids(entry for entry in ids) == expected


@given(instance_id=numbers | names | st.integers(0, 2000))
def test_a_single_id_is_a_list_of_one(instance_id: Any) -> None:
    """A string is one id, however many digits it has; a number becomes a string."""
    assert ids_of.parse_instance_id(instance_id) == str(instance_id)
    assert ids_of.parse_instance_ids(instance_id) == [str(instance_id)]


@given(text=st.text(max_size=12))
def test_a_valid_id_is_safe_in_a_path(text: str) -> None:
    """A valid id cannot leave a path segment or be read as two ids."""
    try:
        ids_of.parse_instance_id(text)
    except ValueError:
        return
    assert text.isascii()
    assert text[0].isalnum()
    assert not set(text) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@pytest.mark.parametrize(
    "ids",
    [[], "", "1,2", True, -1, 1.5, None, b"12", ["1", None], {0: ["3"]}, {"1": "x"}],
    ids=repr,
)
def test_an_invalid_id_is_a_value_error_with_the_argument(ids: Any) -> None:
    """The error names the argument of the public function."""
    with pytest.raises(ValueError, match=r"^only "):
        ids_of.parse_instance_ids(ids, "only")


def test_the_message_shows_the_invalid_id() -> None:
    """One of many ids is identified by the message."""
    with pytest.raises(ValueError, match="'1,2'"):
        ids_of.parse_instance_ids(["1", "1,2", "3"])


def test_the_id_for_all_cannot_be_mixed_with_others() -> None:
    """`*` means all instances: it is rejected next to other ids and as a single instance id."""
    assert (
        ids_of.parse_instance_ids("*")
        == ids_of.parse_instance_ids(["*"])
        == ids_of.parse_instance_ids(["*", "*"])
        == ["*"]
    )
    with pytest.raises(ValueError, match="mixes"):
        ids_of.parse_instance_ids(["*", "1"])
    with pytest.raises(ValueError, match="instance_id must be one instance id"):
        ids_of.parse_instance_id("*")


# States of an instance


@pytest.mark.parametrize(
    ("statuses", "power", "provisioning"),
    [
        (None, None, None),
        ([], None, None),
        ([{"code": "PowerState/running"}], "running", None),
        (
            [{"code": "ProvisioningState/succeeded"}, {"code": "powerstate/Deallocated"}],
            "deallocated",
            "succeeded",
        ),
        ([{"code": "ProvisioningState/failed/AllocationFailed"}], None, "failed/allocationfailed"),
        ([{"code": "PowerStateX/odd"}, {"level": "Info"}], None, None),
    ],
    ids=repr,
)
def test_a_status_is_found_by_its_family_whatever_its_case(
    statuses: Any, power: Any, provisioning: Any
) -> None:
    """Azure's letter case varies; a missing family is `None`."""
    entry = instance("1", {"statuses": statuses})
    assert (
        ids_of.power_state(entry),
        ids_of.provisioning_status(entry),
    ) == (
        power,
        provisioning,
    )


@pytest.mark.parametrize(
    ("view", "health"),
    [
        (None, None),
        ({"vmHealth": None}, None),
        ({"vmHealth": {"status": None}}, None),
        ({"vmHealth": {"status": {"level": "Info"}}}, None),
        ({"vmHealth": {"status": {"code": "HealthState/Healthy"}}}, "healthy"),
        ({"vmHealth": {"status": {"code": "HealthState/unhealthy"}}}, "unhealthy"),
    ],
    ids=repr,
)
def test_health_is_what_the_instance_reports(view: Any, health: Any) -> None:
    """Without a health extension it is `None`, which differs from unhealthy."""
    assert ids_of.health(instance("1", view)) == health


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"provisioningState": "Succeeded"}, "succeeded"),
        ({"provisioningState": "Updating"}, "updating"),
        ({"provisioningState": None}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_provisioning_state_is_in_lower_case(properties: Any, expected: str) -> None:
    """Without one it is `unknown`, which is not an error."""
    assert az.provisioning_state({"instanceId": "1", "properties": properties}) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"upgradePolicy": {"mode": "Rolling"}}, "Rolling"),
        ({"upgradePolicy": {"mode": "Manual"}}, "Manual"),
        ({"upgradePolicy": {}}, "Manual"),
        ({"upgradePolicy": None}, "Manual"),
        ({}, "Manual"),
    ],
)
def test_a_set_without_an_upgrade_policy_counts_as_manual(properties: Any, expected: str) -> None:
    """Flexible sets may have no upgrade policy."""
    assert az.upgrade_mode({"properties": properties}) == expected


@pytest.mark.parametrize(
    ("accessor", "argument"),
    [
        (az.power_state, "instance"),
        (az.provisioning_state, "instance"),
        (az.health, "instance"),
        (az.upgrade_mode, "model"),
    ],
)
@pytest.mark.parametrize("value", [None, "web", 3, [], [instance("1")]], ids=repr)
def test_an_accessor_rejects_other_types(
    accessor: Callable[[Any], object], argument: str, value: Any
) -> None:
    """The error has the argument and the type, never the value."""
    kind = type(value).__name__
    with pytest.raises(ValueError, match=f"^{argument} must be .* not a {kind}$"):
        accessor(value)


@pytest.mark.parametrize("value", [{}, {"properties": None}, {"name": "web"}], ids=repr)
def test_a_scale_set_without_properties_has_no_upgrade_mode(value: Any) -> None:
    """Otherwise any dict would count as Manual."""
    with pytest.raises(ValueError, match=r"^model must be a scale set"):
        az.upgrade_mode(value)


def test_a_member_with_only_a_name_has_no_states() -> None:
    """Azure lists some members of Flexible sets without properties."""
    member: Any = {"instanceId": "web_62cba1f6"}
    assert az.provisioning_state(member) == "unknown"
    assert az.power_state(member) is None
    assert az.health(member) is None


@pytest.mark.parametrize(
    "ask",
    [
        az.by_update_domain,
        az.by_fault_domain,
        az.by_zone,
        lambda given: az.in_batches(given, 5),
        az.plan_rollout,
        az.heatmap,
    ],
)
@pytest.mark.parametrize(
    "given", [None, 3, "web", b"web", instance("0"), {"properties": {"adminPassword": "s3cret"}}]
)
def test_anything_but_a_list_of_instances_is_a_value_error(
    ask: Callable[[Any], object], given: Any
) -> None:
    """A model or a single instance is rejected, and the message does not show it."""
    with pytest.raises(
        ValueError, match=f"^instances must be a list of instances.* not a {type(given).__name__}$"
    ):
        ask(given)


def test_a_status_without_a_code_is_not_a_state() -> None:
    """Azure may send `null`, and instances from a file are not checked."""
    found = instance("1")
    found["properties"]["instanceView"] = {"statuses": [{"code": None}]}
    assert az.power_state(found) is None
    assert "1" in str(az.heatmap([found]))


FAULTY: list[Any] = [
    "web",
    {"name": "web_1"},
    {"instanceId": 1},
    {"instanceId": "1", "properties": ["Succeeded"]},
    {"instanceId": "1", "properties": {"instanceView": ["running"]}},
    {"instanceId": "1", "zones": "1"},
]


@pytest.mark.parametrize("faulty", FAULTY, ids=repr)
def test_the_error_has_the_number_of_what_is_not_an_instance(faulty: Any) -> None:
    """A list of a thousand is not searched by hand."""
    with pytest.raises(
        ValueError,
        match=r"^instances must be a list of instances, .*: number 1 is not an instance$",
    ):
        ids_of.require_instances([instance("0"), faulty])


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (
            [
                {"code": None},
                {"code": "PowerState/running", "message": "another"},
                {"code": "ProvisioningState/failed/AllocationFailed", "message": "No capacity."},
            ],
            ("AllocationFailed", "No capacity."),
        ),
        ([{"code": "provisioningstate/Failed/"}], ("", "")),
        ([{"code": "ProvisioningState/succeeded", "message": "well"}], ("", "")),
        (None, ("", "")),
    ],
)
def test_a_failure_is_azures_code_and_message(statuses: Any, expected: tuple[str, str]) -> None:
    """They are in the status of the provisioning, in any case; what is missing is empty."""
    assert ids_of.failure(instance("1", {"statuses": statuses})) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-08-26T08:56:10.8484649+00:00", "2024-08-26T08:56:10.848464+00:00"),
        ("2024-08-26T10:56:10.5+02:00", "2024-08-26T08:56:10.500000+00:00"),
        ("2024-08-26T08:56:10Z", "2024-08-26T08:56:10+00:00"),
        ("2024-13-26T08:56:10Z", None),
        ("2024-08-26T08:56:10", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("yesterday", None),
        (None, None),
        (5, None),
    ],
)
def test_the_time_of_the_last_operation_is_that_of_the_provisioning_status(
    text: Any, expected: str | None
) -> None:
    """Azure writes seven digits after the decimal point; an invalid time is `None`."""
    statuses = [
        {"code": "PowerState/running"},
        {"code": "ProvisioningState/succeeded", "time": text},
    ]
    instance: Any = {"instanceId": "1", "properties": {"instanceView": {"statuses": statuses}}}
    found = ids_of.last_operation_time(instance)
    assert (found and found.isoformat()) == expected
    assert found is None or found.tzinfo is UTC
    assert ids_of.last_operation_time({**instance, "properties": {}}) is None
