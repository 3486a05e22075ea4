"""Flexible scale sets in the sandbox: lists, the VM API, and assumptions."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.rollout import NEW, OLD

from azurerm_lite.sandbox import Sandbox

API = "2025-11-01"


@pytest.fixture
def flexible(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a Flexible set of three VMs."""
    sandbox.add_vmss("flex", 3, orchestration="Flexible", fault_domains=2)
    return sandbox


def send_request(
    sandbox: Sandbox, method: str, path: str, body: Any = None, version: str = API, **query: str
) -> requests.Response:
    """Send a request; a relative path is below Microsoft.Compute in the sandbox's group."""
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/{sandbox.resource_group}"
    base = "" if path.startswith("/subscriptions") else f"{group}/providers/Microsoft.Compute/"
    return requests.request(
        method,
        sandbox.url + base + path,
        json=body,
        params={"api-version": version, **query},
        headers={"Authorization": f"Bearer {sandbox.access_token}"},
        timeout=10,
    )


def members(sandbox: Sandbox, version: str = API, **query: str) -> list[dict[str, Any]]:
    """Return the VMs of the set, by the filter on its id."""
    set_id = sandbox.cloud.scale_set("sandbox", "flex").id
    query = {"$filter": f"'virtualMachineScaleSet/id' eq '{set_id}'", **query}
    answer = send_request(sandbox, "GET", "virtualMachines", None, version, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def names(sandbox: Sandbox) -> list[str]:
    """Return the names of the VMs of the set."""
    return list(sandbox.cloud.scale_set("sandbox", "flex").instances)


def error(answer: requests.Response) -> tuple[int, str]:
    """Return the status and Azure's code."""
    return answer.status_code, answer.json()["error"]["code"]


def upgrade(sandbox: Sandbox, clock: Clock, *ids: str) -> None:
    """Upgrade VMs with the set's operation, and wait."""
    body = {"instanceIds": list(ids)}
    answer = send_request(sandbox, "POST", "virtualMachineScaleSets/flex/manualupgrade", body)
    assert answer.status_code == 202, answer.text
    assert "x-ms-request-charge" not in answer.headers
    clock.sleep(60)


def test_the_list_of_a_set_has_only_names_and_ids(flexible: Sandbox) -> None:
    """It has no properties and no etag, except the protection of a protected VM."""
    path = "virtualMachineScaleSets/flex/virtualMachines"
    listed = send_request(flexible, "GET", path).json()["value"]
    assert {tuple(sorted(entry)) for entry in listed} == {
        ("id", "instanceId", "location", "name", "type")
    }
    assert all(re.fullmatch("flex_[0-9a-f]{8}", entry["instanceId"]) for entry in listed)
    policy = {"protectFromScaleIn": True, "protectFromScaleSetActions": False}
    body = {"location": "eastus", "properties": {"protectionPolicy": policy}}
    assert send_request(flexible, "PUT", f"{path}/{names(flexible)[0]}", body).status_code == 200
    protected = send_request(flexible, "GET", path).json()["value"][0]
    assert protected["properties"] == {"protectionPolicy": policy}


@pytest.mark.parametrize(("version", "zones"), [("2023-09-01", [None]), ("2024-11-01", "absent")])
def test_zones_are_a_list_with_a_null_in_old_api_versions(
    flexible: Sandbox, version: str, zones: Any
) -> None:
    """The first version was recorded in 2024, the second one in 2025."""
    path = "virtualMachineScaleSets/flex/virtualMachines"
    listed = send_request(flexible, "GET", path, None, version).json()["value"]
    assert {str(entry.get("zones", "absent")) for entry in listed} == {str(zones)}


def test_a_member_names_its_vm_since_2025(flexible: Sandbox) -> None:
    """Before that it has only the members that the list has."""
    path = f"virtualMachineScaleSets/flex/virtualMachines/{names(flexible)[0]}"
    body = send_request(flexible, "GET", path).json()
    assert body["properties"].keys() == {"virtualMachineResourceId"}
    assert body["etag"] == '"1"'
    assert "properties" not in send_request(flexible, "GET", path, None, "2024-11-01").json()


def test_a_patch_of_a_member_is_not_allowed(flexible: Sandbox) -> None:
    """As for an instance of a Uniform set, the status is 405."""
    path = f"virtualMachineScaleSets/flex/virtualMachines/{names(flexible)[0]}"
    assert send_request(flexible, "PATCH", path, {}).status_code == 405


def test_a_filter_on_a_missing_set_finds_nothing(flexible: Sandbox) -> None:
    """It is an empty list; a filter of another form is an error."""
    query = {"$filter": "'virtualMachineScaleSet/id' eq 'notexists'"}
    assert send_request(flexible, "GET", "virtualMachines", **query).json() == {"value": []}
    query = {"$filter": "virtualMachineScaleSet/id eq 'notexists'"}
    assert error(send_request(flexible, "GET", "virtualMachines", **query)) == (400, "BadRequest")


def test_a_member_is_a_vm_with_its_model_and_a_tag(flexible: Sandbox) -> None:
    """Its ids have the group in capitals, and lists have etags since 2025."""
    vm = members(flexible)[0]
    assert "/resourceGroups/SANDBOX/" in vm["id"]
    assert "/resourceGroups/SANDBOX/" in vm["properties"]["virtualMachineScaleSet"]["id"]
    assert vm["properties"]["storageProfile"]["imageReference"]["exactVersion"] == OLD
    pattern = r"\d+/\d+/\d{4} \d+:\d\d:\d\d [AP]M \+00:00"
    assert re.fullmatch(pattern, vm["tags"]["VirtualMachineProfileTimeCreated"])
    assert "instanceView" not in vm["properties"]
    assert ("etag" in vm, "etag" in members(flexible, "2024-07-01")[0]) == (True, False)
    answer = send_request(flexible, "GET", f"virtualMachines/{vm['name']}", None, "2024-07-01")
    assert answer.headers["ETag"] == answer.json()["etag"]


def test_views_are_in_the_vm_api(flexible: Sandbox) -> None:
    """They have fault domain and power but no update domain; only a single view has health."""
    views = [
        vm["properties"]["instanceView"] for vm in members(flexible, **{"$expand": "instanceView"})
    ]
    assert [view["platformFaultDomain"] for view in views] == [0, 1, 0]
    assert all("platformUpdateDomain" not in view and "vmHealth" not in view for view in views)
    view = send_request(
        flexible, "GET", f"virtualMachines/{names(flexible)[0]}/instanceView"
    ).json()
    assert view["vmHealth"]["status"]["code"] == "HealthState/healthy"
    single = send_request(
        flexible, "GET", f"virtualMachines/{names(flexible)[0]}", **{"$expand": "instanceView"}
    )
    assert single.json()["properties"]["instanceView"]["vmHealth"] == view["vmHealth"]


def test_status_only_lists_the_states_of_a_subscription(flexible: Sandbox) -> None:
    """The list of a resource group ignores `statusOnly`."""
    path = f"/subscriptions/{flexible.subscription_id}/providers/Microsoft.Compute/virtualMachines"
    listed = send_request(flexible, "GET", path, statusOnly="true").json()["value"]
    assert {tuple(sorted(vm["properties"])) for vm in listed} == {
        ("instanceView", "provisioningState", "vmId")
    }
    assert "storageProfile" in members(flexible, statusOnly="true")[0]["properties"]


def test_an_upgrade_by_names_leaves_the_etag_and_the_tag(flexible: Sandbox, clock: Clock) -> None:
    """Names in any case and `*` are accepted; the tag is an assumption."""
    path = "virtualMachineScaleSets/flex"
    flexible.set_image("flex", version=NEW)
    etag = send_request(flexible, "GET", path).headers["ETag"]
    tags = [vm["tags"] for vm in members(flexible)]
    upgrade(flexible, clock, names(flexible)[0].upper())
    versions = [
        vm["properties"]["storageProfile"]["imageReference"]["exactVersion"]
        for vm in members(flexible)
    ]
    assert versions == [NEW, OLD, OLD]
    upgrade(flexible, clock, "*")
    assert send_request(flexible, "GET", path).headers["ETag"] == etag
    assert [vm["tags"] for vm in members(flexible)] == tags


def test_an_upgrade_of_a_uniform_set_moves_its_etag(sandbox: Sandbox, clock: Clock) -> None:
    """It increases by two, as recorded, so an older If-Match fails."""
    path = "virtualMachineScaleSets/web"
    etag = send_request(sandbox, "GET", path).headers["ETag"]
    body = {"instanceIds": ["0", "1"]}
    answer = send_request(sandbox, "POST", f"{path}/manualupgrade", body)
    assert "VMScaleSetActionsResource" not in answer.headers["x-ms-ratelimit-remaining-resource"]
    clock.sleep(60)
    assert (etag, send_request(sandbox, "GET", path).headers["ETag"]) == ('"1"', '"3"')
    assert "ETag" not in send_request(sandbox, "GET", f"{path}/virtualMachines").headers
    assert "ETag" in send_request(sandbox, "GET", f"{path}/virtualMachines/0").headers


@pytest.mark.parametrize(
    ("action", "power", "policy"),
    [
        ("start", "running", "UpdateVM"),
        ("restart", "running", "UpdateVM"),
        ("powerOff", "stopped", "UpdateVM"),
        ("redeploy", "running", "UpdateVM"),
        ("reimage", "running", "UpdateVM"),
        ("deallocate", "deallocated", "DeleteVM"),
    ],
)
def test_actions_on_a_member_are_those_of_a_vm(
    flexible: Sandbox, clock: Clock, action: str, power: str, policy: str
) -> None:
    """A second action on the same member conflicts; on another one it does not."""
    first, second, _ = names(flexible)
    answer = send_request(flexible, "POST", f"virtualMachines/{first}/{action}")
    assert answer.status_code == 202
    assert {"Azure-AsyncOperation", "Location"} <= set(answer.headers)
    assert policy in answer.headers["x-ms-ratelimit-remaining-resource"]
    assert error(send_request(flexible, "POST", f"virtualMachines/{first}/restart")) == (
        409,
        "Conflict",
    )
    assert send_request(flexible, "POST", f"virtualMachines/{second}/restart").status_code == 202
    clock.sleep(60)
    view = send_request(flexible, "GET", f"virtualMachines/{first}/instanceView").json()
    assert f"PowerState/{power}" in [status["code"] for status in view["statuses"]]


def test_a_new_member_runs_while_it_is_being_created(flexible: Sandbox, clock: Clock) -> None:
    """A running VM may not be provisioned yet."""
    body = {"sku": {"capacity": 4}}
    assert send_request(flexible, "PATCH", "virtualMachineScaleSets/flex", body).status_code == 200
    new = members(flexible, **{"$expand": "instanceView"})[-1]["properties"]
    codes = [status["code"] for status in new["instanceView"]["statuses"]]
    assert (new["provisioningState"], "PowerState/running" in codes) == ("Creating", True)
    clock.sleep(60)
    assert members(flexible)[-1]["properties"]["provisioningState"] == "Succeeded"


def test_a_member_that_is_being_deleted_has_no_view(flexible: Sandbox) -> None:
    """A deletion with the set's operation lowers the capacity."""
    path = "virtualMachineScaleSets/flex"
    body = {"instanceIds": names(flexible)[:1]}
    assert send_request(flexible, "POST", f"{path}/delete", body).status_code == 202
    deleted = members(flexible, **{"$expand": "instanceView"})[0]["properties"]
    assert deleted["provisioningState"] == "Deleting"
    assert "instanceView" not in deleted
    assert send_request(flexible, "GET", path).json()["sku"]["capacity"] == 2


def test_a_set_may_have_no_profile_and_no_upgrade_policy(sandbox: Sandbox) -> None:
    """A PUT and `add_vmss` can create it; a Uniform set without a profile is rejected."""
    body = {"location": "eastus", "properties": {"orchestrationMode": "Flexible"}}
    assert send_request(sandbox, "PUT", "virtualMachineScaleSets/bare", body).status_code == 201
    bare = send_request(sandbox, "GET", "virtualMachineScaleSets/bare").json()
    assert "sku" not in bare
    assert not {"virtualMachineProfile", "upgradePolicy"} & bare["properties"].keys()
    sandbox.add_vmss("empty", 0, orchestration="Flexible", mode=None, profile=False)
    empty = send_request(sandbox, "GET", "virtualMachineScaleSets/empty").json()
    assert empty["properties"].keys() == bare["properties"].keys()
    answer = send_request(
        sandbox, "POST", "virtualMachineScaleSets/empty/manualupgrade", {"instanceIds": ["*"]}
    )
    assert error(answer) == (409, "OperationNotAllowed")
    body = {"location": "eastus", "properties": {"orchestrationMode": "Uniform"}}
    assert error(send_request(sandbox, "PUT", "virtualMachineScaleSets/no", body)) == (
        400,
        "InvalidParameter",
    )


# Assumptions


def test_the_expanded_list_may_lack_the_model_or_have_health(flexible: Sandbox) -> None:
    """Its entries always have names, so that two lists can be merged."""
    flexible.assumptions.expanded_list_has_model = False
    flexible.assumptions.expanded_list_has_health = True
    vm = members(flexible, **{"$expand": "instanceView"})[0]
    assert "storageProfile" not in vm["properties"]
    assert "vmHealth" in vm["properties"]["instanceView"]


def test_the_expanded_list_may_need_no_filter(flexible: Sandbox) -> None:
    """By default the list is rejected without a filter."""
    query = {"$expand": "instanceView"}
    assert error(send_request(flexible, "GET", "virtualMachines", **query)) == (
        400,
        "InvalidParameter",
    )
    flexible.assumptions.expanded_list_needs_filter = False
    assert len(send_request(flexible, "GET", "virtualMachines", **query).json()["value"]) == 3


def test_an_upgrade_may_move_the_tag(flexible: Sandbox, clock: Clock) -> None:
    """Then the tag has the time of the set's current profile."""
    flexible.assumptions.upgrade_moves_tag = True
    flexible.set_image("flex", version=NEW)
    flexible.cloud.scale_set("sandbox", "flex").profile_created = "2031-02-03T16:05:06+00:00"
    upgrade(flexible, clock, "*")
    tags = {vm["tags"]["VirtualMachineProfileTimeCreated"] for vm in members(flexible)}
    assert tags == {"2/3/2031 4:05:06 PM +00:00"}


def test_a_vm_that_is_being_deleted_may_have_no_id(flexible: Sandbox) -> None:
    """Then the id is empty, as one client has received it."""
    flexible.assumptions.deleting_vm_has_id = False
    body = {"instanceIds": names(flexible)[:1]}
    send_request(flexible, "POST", "virtualMachineScaleSets/flex/delete", body)
    assert [bool(vm["id"]) for vm in members(flexible)] == [False, True, True]


def test_a_set_may_have_power_actions_and_a_vm_no_reimage(flexible: Sandbox) -> None:
    """The documentation contradicts itself about both."""
    path = "virtualMachineScaleSets/flex/restart"
    assert error(send_request(flexible, "POST", path, {})) == (400, "BadRequest")
    flexible.assumptions.flexible_set_has_power_actions = True
    flexible.assumptions.vm_has_reimage = False
    vm = f"virtualMachines/{names(flexible)[0]}"
    assert error(send_request(flexible, "POST", f"{vm}/reimage")) == (409, "OperationNotAllowed")
    assert send_request(flexible, "POST", path, {}).status_code == 202


def test_an_upgrade_may_need_an_upgrade_policy(sandbox: Sandbox) -> None:
    """By default a set without a policy is upgraded."""
    sandbox.add_vmss("flex", 2, orchestration="Flexible", mode=None)
    sandbox.assumptions.upgrade_needs_policy = True
    path = "virtualMachineScaleSets/flex/manualupgrade"
    body = {"instanceIds": ["*"]}
    assert error(send_request(sandbox, "POST", path, body)) == (409, "OperationNotAllowed")
