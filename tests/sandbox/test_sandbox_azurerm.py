"""The original azurerm 0.10.0, unmodified, works on the sandbox.

It runs in a separate virtual environment, which the fixture `interpreter` creates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.clock import Clock
from support.original_azurerm import Original, start_azurerm

from azurerm_lite.sandbox import Sandbox

pytestmark = pytest.mark.slow

OLD, NEW = "22.04.202410020", "22.04.202411010"
IMAGE = ("eastus", "Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")


@pytest.fixture
def azurerm(interpreter: str, sandbox: Sandbox) -> Iterator[Original]:
    """Run azurerm on the sandbox."""
    with start_azurerm(interpreter, sandbox) as call:
        yield call


def views(azurerm: Original, sandbox: Sandbox, name: str = "web") -> dict[str, Any]:
    """Return the instance views of a scale set, by instance id."""
    listed = azurerm("list_vmss_vm_instance_view", *sandbox.where(name))["value"]
    return {entry["instanceId"]: entry["properties"]["instanceView"] for entry in listed}


def powers(azurerm: Original, sandbox: Sandbox) -> dict[str, str]:
    """Return the power state of each instance."""
    return {
        instance_id: next(
            entry["code"] for entry in view["statuses"] if entry["code"].startswith("PowerState/")
        )
        for instance_id, view in views(azurerm, sandbox).items()
    }


# Reading


def test_scale_sets_are_listed(azurerm: Original, sandbox: Sandbox) -> None:
    """Lists by resource group and by subscription have each set with its capacity."""
    token, subscription, group, _ = sandbox.where()
    capacities = {"web": 20, "legacy": 6, "custom": 6, "auto": 4}
    for listed in (
        azurerm("list_vmss", token, subscription, group),
        azurerm("list_vmss_sub", token, subscription),
    ):
        assert {entry["name"]: entry["sku"]["capacity"] for entry in listed["value"]} == capacities


def test_a_scale_set_is_read(azurerm: Original, sandbox: Sandbox) -> None:
    """Model, instance view, SKUs, network interfaces and public IPs."""
    where = sandbox.where()
    model = azurerm("get_vmss", *where)
    assert (model["name"], model["location"], model["sku"]["capacity"]) == ("web", "eastus", 20)
    assert model["properties"]["provisioningState"] == "Succeeded"
    assert (
        model["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]["version"]
        == OLD
    )
    assert "etag" not in model, "azurerm's api-version has no etag"
    view = azurerm("get_vmss_instance_view", *where)
    assert {entry["code"]: entry["count"] for entry in view["virtualMachine"]["statusesSummary"]}[
        "ProvisioningState/succeeded"
    ] == 20
    assert model["sku"]["name"] in [
        entry["sku"]["name"] for entry in azurerm("list_vmss_skus", *where)["value"]
    ]
    assert len(azurerm("get_vmss_nics", *where)["value"]) == 20
    assert isinstance(azurerm("get_vmss_public_ips", *where)["value"], list)
    assert azurerm("get_vmss_rolling_upgrades", *where)["error"]["code"] == "NotFound"


def test_an_instance_is_read(azurerm: Original, sandbox: Sandbox) -> None:
    """The id is a number; the separate view has the update domain."""
    where = sandbox.where()
    instance = azurerm("get_vmss_vm", *where, 7)
    assert (instance["instanceId"], instance["name"]) == ("7", "web_7")
    assert instance["properties"]["latestModelApplied"] is True
    assert instance["properties"]["storageProfile"]["imageReference"]["exactVersion"] == OLD
    view = azurerm("get_vmss_vm_instance_view", *where, 7)
    assert view["platformUpdateDomain"] == 2
    assert "PowerState/running" in [entry["code"] for entry in view["statuses"]]


def test_instances_are_listed_page_by_page(interpreter: str, clock: Clock) -> None:
    """Both azurerm's own loop over nextLink and one request per page find all instances."""
    with (
        Sandbox(page_size=7, clock=clock) as sandbox,
        start_azurerm(interpreter, sandbox) as azurerm,
    ):
        where = sandbox.where()
        everyone = [str(entry) for entry in range(20)]
        assert [
            entry["instanceId"] for entry in azurerm("list_vmss_vms", *where)["value"]
        ] == everyone
        assert list(views(azurerm, sandbox)) == everyone
        pages = [azurerm("list_vmss_vm_instance_view_pg", *where)]
        while "nextLink" in pages[-1]:
            pages.append(azurerm("list_vmss_vm_instance_view_pg", *where, pages[-1]["nextLink"]))
        assert [len(entry["value"]) for entry in pages] == [7, 7, 6]
        assert [entry["instanceId"] for page in pages for entry in page["value"]] == everyone


def test_selecting_the_instance_view_omits_other_properties(
    azurerm: Original, sandbox: Sandbox
) -> None:
    """With azurerm's $select=instanceView an entry has its id, but no latestModelApplied."""
    for entry in azurerm("list_vmss_vm_instance_view", *sandbox.where())["value"]:
        assert entry["instanceId"]
        assert "instanceView" in entry["properties"]
        assert "latestModelApplied" not in entry["properties"]


def test_images_are_found(azurerm: Original, sandbox: Sandbox) -> None:
    """Publishers, offers, SKUs and versions are plain arrays."""
    path = [sandbox.access_token, sandbox.subscription_id, IMAGE[0]]
    for function, wanted in zip(
        ("list_publishers", "list_offers", "list_skus"), IMAGE[1:], strict=True
    ):
        assert wanted in [entry["name"] for entry in azurerm(function, *path)]
        path.append(wanted)
    assert [entry["name"] for entry in azurerm("list_sku_versions", *path)][-1] == NEW


def test_the_subscription_and_its_groups_are_found(azurerm: Original, sandbox: Sandbox) -> None:
    """Subscriptions, locations and resource groups; azurerm's paths end with a slash."""
    token, subscription, group, _ = sandbox.where()
    assert [entry["subscriptionId"] for entry in azurerm("list_subscriptions", token)["value"]] == [
        subscription
    ]
    assert "eastus" in [
        entry["name"] for entry in azurerm("list_locations", token, subscription)["value"]
    ]
    assert [
        entry["name"] for entry in azurerm("list_resource_groups", token, subscription)["value"]
    ] == [group]


# Changing


def test_a_few_instances_are_upgraded_to_a_new_image(
    azurerm: Original, sandbox: Sandbox, clock: Clock
) -> None:
    """As in azurerm's scripts: read, change and put the model, then upgrade instances."""
    where = sandbox.where()
    model = azurerm("get_vmss", *where)
    model["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]["version"] = (
        NEW
    )
    answer = azurerm("update_vmss", *where, json.dumps(model))
    assert answer["status"] == 200
    clock.sleep(60)
    assert azurerm("get_vmss", *where)["properties"]["provisioningState"] == "Succeeded"

    def images() -> dict[str, tuple[str, bool]]:
        """Return the exact version of each instance, and whether it has the latest model."""
        return {
            entry["instanceId"]: (
                entry["properties"]["storageProfile"]["imageReference"]["exactVersion"],
                entry["properties"]["latestModelApplied"],
            )
            for entry in azurerm("list_vmss_vms", *where)["value"]
        }

    assert set(images().values()) == {(OLD, False)}
    first = [
        instance_id
        for instance_id, view in views(azurerm, sandbox).items()
        if view["platformUpdateDomain"] == 0
    ]
    assert azurerm("upgrade_vmss_vms", *where, json.dumps(first))["status"] == 202
    conflict = azurerm("upgrade_vmss_vms", *where, '["1"]')
    assert (conflict["status"], json.loads(conflict["text"])["error"]["code"]) == (409, "Conflict")
    clock.sleep(60)
    assert (
        {name for name, image in images().items() if image == (NEW, True)}
        == set(first)
        == {"0", "5", "10", "15"}
    )
    assert azurerm("upgrade_vmss_vms", *where, '["*"]')["status"] == 202
    clock.sleep(60)
    assert set(images().values()) == {(NEW, True)}


def test_an_upgrade_right_after_the_model_is_accepted(
    azurerm: Original, sandbox: Sandbox, clock: Clock
) -> None:
    """As in Vmssupgrade: PUT, views and manualupgrade without waiting."""
    where = sandbox.where()
    model = azurerm("get_vmss", *where)
    image = model["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]
    image["version"] = NEW
    assert azurerm("update_vmss", *where, json.dumps(model))["status"] == 200
    domains = {name: view["platformUpdateDomain"] for name, view in views(azurerm, sandbox).items()}
    ids = [name for name, domain in domains.items() if domain == 1]
    assert azurerm("upgrade_vmss_vms", *where, json.dumps(ids))["status"] == 202
    clock.sleep(60)
    versions = {
        entry["instanceId"]: entry["properties"]["storageProfile"]["imageReference"]["exactVersion"]
        for entry in azurerm("list_vmss_vms", *where)["value"]
    }
    assert {name for name, version in versions.items() if version == NEW} == set(ids)


@pytest.mark.parametrize(
    ("function", "after"),
    [
        ("poweroff_vmss", "stopped"),
        ("stopdealloc_vmss", "deallocated"),
        ("restart_vmss", "running"),
        ("start_vmss", "running"),
    ],
)
def test_power_actions_apply_to_the_set_or_to_some_instances(
    azurerm: Original, sandbox: Sandbox, clock: Clock, function: str, after: str
) -> None:
    """One function changes only the given instances, the other one the whole set."""
    where = sandbox.where()
    everyone = [str(entry) for entry in range(20)]
    if function == "start_vmss":
        assert azurerm("poweroff_vmss", *where)["status"] == 202
        clock.sleep(60)
    before = powers(azurerm, sandbox)
    assert azurerm(function + "_vms", *where, '["3", "4"]')["status"] == 202
    clock.sleep(60)
    some = dict.fromkeys(["3", "4"], f"PowerState/{after}")
    assert powers(azurerm, sandbox) == {**before, **some}
    assert azurerm(function, *where)["status"] == 202
    clock.sleep(60)
    assert powers(azurerm, sandbox) == dict.fromkeys(everyone, f"PowerState/{after}")


def test_an_instance_is_reimaged(azurerm: Original, sandbox: Sandbox, clock: Clock) -> None:
    """It is Updating, then Succeeded; other instances do not change."""
    where = sandbox.where()
    assert azurerm("reimage_vmss_vms", *where, '["2"]')["status"] == 202
    assert azurerm("get_vmss_vm", *where, 2)["properties"]["provisioningState"] == "Updating"
    assert azurerm("get_vmss_vm", *where, 3)["properties"]["provisioningState"] == "Succeeded"
    clock.sleep(60)
    assert azurerm("get_vmss_vm", *where, 2)["properties"]["provisioningState"] == "Succeeded"


def test_the_capacity_may_be_text(azurerm: Original, sandbox: Sandbox, clock: Clock) -> None:
    """Azurerm sends the capacity as text; it is returned as a number."""
    where = sandbox.where("custom")
    for capacity in (9, 4):
        answer = azurerm("scale_vmss", *where, capacity)
        assert answer["status"] == 200
        assert json.loads(answer["text"])["sku"]["capacity"] == capacity
        clock.sleep(60)
        assert azurerm("get_vmss", *where)["sku"]["capacity"] == capacity
        assert len(azurerm("list_vmss_vms", *where)["value"]) == capacity


def test_instances_and_sets_are_deleted(azurerm: Original, sandbox: Sandbox, clock: Clock) -> None:
    """The capacity decreases with the instances; azurerm returns the error of a missing set."""
    where = sandbox.where("legacy")
    assert azurerm("delete_vmss_vms", *where, '["1", "2"]')["status"] == 202
    clock.sleep(60)
    assert list(views(azurerm, sandbox, "legacy")) == ["0", "3", "4", "5"]
    assert azurerm("get_vmss", *where)["sku"]["capacity"] == 4
    assert azurerm("delete_vmss", *where)["status"] == 202
    clock.sleep(60)
    assert azurerm("get_vmss", *where)["error"]["code"] == "ResourceNotFound"
    assert azurerm("delete_vmss", *where)["status"] == 204


@pytest.mark.parametrize("version", [NEW, "latest"])
def test_a_scale_set_is_created(
    azurerm: Original, sandbox: Sandbox, clock: Clock, version: str
) -> None:
    """It is 201 and Creating, then has three running instances; no answer has the password."""
    where = sandbox.where("fresh")
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    subnet = f"{group}/providers/Microsoft.Network/x/subnets/y"
    sign_in = ("operator", "canary-password", "ssh-ed25519 AAAA")
    arguments = (
        "Standard_D2s_v5",
        3,
        *IMAGE[1:],
        version,
        subnet,
        "eastus",
        None,
        None,
        "Premium_LRS",
        *sign_in,
    )
    answer = azurerm("create_vmss", *where, *arguments)
    assert answer["status"] == 201
    assert json.loads(answer["text"])["properties"]["provisioningState"] == "Creating"
    clock.sleep(60)
    model = azurerm("get_vmss", *where)
    assert model["properties"]["provisioningState"] == "Succeeded"
    instances = azurerm("list_vmss_vms", *where)["value"]
    assert [
        (
            entry["properties"]["storageProfile"]["imageReference"]["exactVersion"],
            entry["sku"]["name"],
        )
        for entry in instances
    ] == [(NEW, "Standard_D2s_v5")] * 3
    assert "canary" not in json.dumps([answer, model, instances])


def test_an_instance_is_protected(azurerm: Original, sandbox: Sandbox, clock: Clock) -> None:
    """put_vmss_vm with only the policy protects an instance from scaling in."""
    where = sandbox.where("custom")
    answer = azurerm(
        "put_vmss_vm", *where, 5, {"properties": {"protectionPolicy": {"protectFromScaleIn": True}}}
    )
    assert answer["status"] == 200
    clock.sleep(60)
    azurerm("scale_vmss", *where, 2)
    clock.sleep(60)
    assert "5" in [entry["instanceId"] for entry in azurerm("list_vmss_vms", *where)["value"]]


def test_a_resource_group_is_created_and_deleted(
    azurerm: Original, sandbox: Sandbox, clock: Clock
) -> None:
    """It is 201, found by name in any case, and not found after its deletion."""
    token, subscription = sandbox.access_token, sandbox.subscription_id
    assert (
        azurerm("create_resource_group", token, subscription, "Fresh", "westeurope")["status"]
        == 201
    )
    group = azurerm("get_resource_group", token, subscription, "fresh")
    assert (group["name"], group["location"]) == ("Fresh", "westeurope")
    assert azurerm("delete_resource_group", token, subscription, "Fresh")["status"] == 202
    clock.sleep(60)
    assert (
        azurerm("get_resource_group", token, subscription, "Fresh")["error"]["code"]
        == "ResourceGroupNotFound"
    )


# Errors


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("upgrade_vmss_vms", ['["1", "99"]'], (400, "InvalidParameter")),
        ("start_vmss_vms", ['["a b"]'], (400, "InvalidParameter")),
        ("upgrade_vmss_vms", ['["1"'], (400, "InvalidRequestContent")),
        ("scale_vmss", ["many"], (400, "InvalidParameter")),
        ("scale_vmss", [-1], (400, "InvalidParameter")),
        ("scale_vmss", [101], (409, "OperationNotAllowed")),
        ("put_vmss_vm", [99, {}], (404, "NotFound")),
    ],
)
def test_errors_have_azures_messages(
    azurerm: Original,
    sandbox: Sandbox,
    function: str,
    arguments: list[Any],
    expected: tuple[int, str],
) -> None:
    """Invalid ids, bodies and capacities fail with Azure's status and code, never with a 5xx."""
    answer = azurerm(function, *sandbox.where(), *arguments)
    assert (answer["status"], json.loads(answer["text"])["error"]["code"]) == expected


def test_an_invalid_token_is_rejected(azurerm: Original, sandbox: Sandbox) -> None:
    """Azurerm returns Azure's error."""
    where = ("canary-token", *sandbox.where()[1:])
    assert azurerm("list_vmss_vms", *where)["error"]["code"] == "InvalidAuthenticationToken"
