"""Members of Flexible sets, read from Azure's lists in the shape of Uniform instances."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from support.clock import Clock
from support.names import SUB
from support.recordings import FOLDER

import azurerm_lite as az
from azurerm_lite import _flexible, rest
from azurerm_lite._flexible import SetPath

PATH = SetPath(SUB, "myrg", "web")
COMPUTE = f"/subscriptions/{SUB}/resourceGroups/myrg/providers/Microsoft.Compute"
SET = f"{COMPUTE}/virtualMachineScaleSets/web"
HEALTH = {"name": "health", "properties": {"type": "ApplicationHealthLinux"}}
REFERENCE = {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "18.04-LTS"}


def flexible_set(**profile: Any) -> Any:
    """A Flexible set whose profile has version 1.0."""
    return {
        "name": "web",
        "id": SET,
        "location": "westus",
        "sku": {"name": "Standard_DS1_v2", "capacity": 2},
        "properties": {
            "orchestrationMode": "Flexible",
            "virtualMachineProfile": {
                "storageProfile": {"imageReference": {**REFERENCE, "version": "1.0"}},
                "timeCreated": "2024-04-28T06:28:48.0987218+00:00",
                **profile,
            },
        },
    }


def member(name: str) -> dict[str, Any]:
    """A member in the set's own list: five fields and no properties."""
    return {
        "name": name,
        "instanceId": name,
        "id": f"{SET}/virtualMachines/{name}",
        "type": "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
        "location": "westus",
    }


def machine(name: str, version: str = "1.0", **more: Any) -> dict[str, Any]:
    """A virtual machine, with the resource group in capitals as Azure returns it."""
    return {
        "name": name,
        "id": f"{COMPUTE}/virtualMachines/{name}".replace("myrg", "MYRG"),
        "type": "Microsoft.Compute/virtualMachines",
        "location": "westus",
        "tags": {"VirtualMachineProfileTimeCreated": "4/28/2024 6:28:48 AM +00:00"},
        "properties": {
            "provisioningState": "Succeeded",
            "hardwareProfile": {"vmSize": "Standard_DS1_v2"},
            "storageProfile": {
                "imageReference": {**REFERENCE, "version": "latest", "exactVersion": version}
            },
        },
        **more,
    }


def view(health: str | None = None) -> dict[str, Any]:
    """The instance view of a running machine."""
    shown: dict[str, Any] = {
        "platformFaultDomain": 1,
        "statuses": [{"code": "ProvisioningState/succeeded"}, {"code": "PowerState/running"}],
    }
    if health:
        shown["vmHealth"] = {"status": {"code": f"HealthState/{health}"}}
    return shown


class Azure:
    """A simulated Flexible set; tests change its lists before they read it."""

    def __init__(self, wire: responses.RequestsMock, names: list[str]) -> None:
        self.model = flexible_set()
        self.listed = [member(name) for name in names]
        self.machines = [machine(name) for name in names]
        self.views: dict[str, Any] = {name: view() for name in names}
        self.has_views_in_list = True
        self.has_models_in_views = True
        self.failures: list[tuple[int, str]] = []
        self.asked: list[str] = []
        wire.add_callback("GET", re.compile(".*"), self.answer)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        """Answer one request."""
        parts = urlsplit(str(request.url))
        query = parse_qs(parts.query)
        self.asked.append(parts.path.rpartition("Microsoft.Compute")[2])
        status, body = self.find(parts.path, query)
        return status, {}, json.dumps(body)

    def find(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return status and body for a path."""
        if path == SET:
            return 200, self.model
        if path == f"{SET}/virtualMachines":
            if "$expand" in query:
                message = "Operation 'VirtualMachineScaleSets.virtualMachines.GET' is not allowed."
                return 400, {"error": {"code": "BadRequest", "message": message}}
            return 200, {"value": self.listed}
        if path == f"{COMPUTE}/virtualMachines":
            assert query["$filter"] == [f"'virtualMachineScaleSet/id' eq '{SET}'"]
            return 200, {"value": [self.expand(entry, query) for entry in self.machines]}
        name, _, rest_of_path = path.removeprefix(f"{COMPUTE}/virtualMachines/").partition("/")
        if self.failures:
            code, text = self.failures.pop(0)
            return code, {"error": {"code": text, "message": text}}
        if rest_of_path == "instanceView":
            return (200, self.views[name]) if name in self.views else (404, {"error": {}})
        for entry in self.machines:
            if entry["name"] == name:
                return 200, self.expand(entry, query)
        return 404, {"error": {"code": "ResourceNotFound", "message": "gone"}}

    def expand(self, entry: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        """Return a machine as a list contains it, with its view if requested."""
        if "$expand" not in query:
            return entry
        expanded = copy.deepcopy(entry)
        if not self.has_models_in_views:
            expanded["properties"] = {}
        if self.has_views_in_list and entry["name"] in self.views:
            expanded["properties"]["instanceView"] = self.views[entry["name"]]
        return expanded

    def read(self) -> dict[str, Any]:
        """Return the members as the library reads them, by id."""
        instances = _flexible.read_instances("token", PATH, self.model)
        return {instance["instanceId"]: instance for instance in instances}


@pytest.fixture
def azure(clock: Clock) -> Iterator[Azure]:
    """A set of two members."""
    with responses.RequestsMock() as wire:
        yield Azure(wire, ["web_cace4636", "web_5fe1a11b"])


def test_members_have_the_shape_of_uniform_instances(azure: Azure) -> None:
    """Three lists provide id, model, image and view; whether a member is current is derived."""
    instances = azure.read()
    assert list(instances) == ["web_cace4636", "web_5fe1a11b"]
    instance = instances["web_cace4636"]
    assert instance["id"] == f"{SET}/virtualMachines/web_cace4636"
    assert instance["properties"]["latestModelApplied"] is True
    assert instance["properties"]["provisioningState"] == "Succeeded"
    assert az.get_image(instance)["exact_version"] == "1.0"
    assert az.by_fault_domain(instances.values()) == {1: ["web_5fe1a11b", "web_cace4636"]}
    assert azure.asked == [
        "/virtualMachineScaleSets/web/virtualMachines",
        "/virtualMachines",
        "/virtualMachines",
    ]


@pytest.mark.parametrize("has_models", [True, False])
def test_the_list_with_views_may_contain_the_models_or_not(azure: Azure, has_models: bool) -> None:
    """It is not documented; the plain list always contains them."""
    azure.has_models_in_views = has_models
    assert azure.read()["web_cace4636"]["properties"]["latestModelApplied"] is True


def test_views_that_the_list_lacks_are_read_one_by_one(azure: Azure) -> None:
    """Each needs one request."""
    azure.has_views_in_list = False
    instances = azure.read()
    assert az.by_fault_domain(instances.values()) == {1: ["web_5fe1a11b", "web_cace4636"]}
    assert sorted(azure.asked[3:]) == [
        "/virtualMachines/web_5fe1a11b/instanceView",
        "/virtualMachines/web_cace4636/instanceView",
    ]


@pytest.mark.parametrize("where", ["model", "member"])
def test_missing_health_is_read_one_by_one(azure: Azure, where: str) -> None:
    """With the health extension, a list without `vmHealth` is not sufficient."""
    if where == "model":
        azure.model = flexible_set(extensionProfile={"extensions": [HEALTH]})
    else:
        for entry in azure.machines:
            entry["resources"] = [HEALTH]
    single = {name: view("healthy") for name in azure.views}

    class Single(dict[str, Any]):
        """Views with health in single reads, and without it in the list."""

    azure.views = {name: view() for name in single}
    plain = azure.find

    def find(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path.endswith("/instanceView"):
            return 200, single[path.split("/")[-2]]
        return plain(path, query)

    azure.find = find  # type: ignore[method-assign]
    instances = azure.read()
    codes = [entry["properties"]["instanceView"]["vmHealth"] for entry in instances.values()]
    assert codes == [{"status": {"code": "HealthState/healthy"}}] * 2
    assert len(azure.asked) == 5


def test_members_are_matched_without_regard_to_case(azure: Azure) -> None:
    """The case of names and groups differs between Azure's lists."""
    azure.machines = [machine(entry["name"].upper()) for entry in azure.machines]
    azure.views = {name.upper(): shown for name, shown in azure.views.items()}
    instances = azure.read()
    assert list(instances) == ["web_cace4636", "web_5fe1a11b"]
    assert all(entry["properties"]["instanceView"] for entry in instances.values())


def test_an_empty_list_of_machines_is_an_error_while_the_set_has_members(azure: Azure) -> None:
    """Azure returns an empty list if it misreads the filter: the set may not be empty."""
    azure.machines = []
    with pytest.raises(
        az.AzureError, match="lists 2 members of web, but no virtual machine"
    ) as error:
        azure.read()
    assert error.value.code == "InvalidResponse"


def test_an_empty_set_has_no_members(azure: Azure) -> None:
    """Two lists are sufficient."""
    azure.listed, azure.machines = [], []
    assert azure.read() == {}


def test_a_member_without_a_machine_is_omitted(azure: Azure) -> None:
    """A member may be deleted between two lists."""
    del azure.machines[0]
    assert list(azure.read()) == ["web_5fe1a11b"]


def test_a_member_being_deleted_stays_without_a_view(azure: Azure) -> None:
    """Azure returns an empty id and no view."""
    azure.machines[0]["id"] = ""
    azure.machines[0]["properties"]["provisioningState"] = "Deleting"
    del azure.views["web_cace4636"]
    instance = azure.read()["web_cace4636"]
    assert az.heatmap([instance])
    assert "instanceView" not in instance["properties"]
    assert instance["id"] == f"{SET}/virtualMachines/web_cace4636"


def test_a_null_zone_is_unknown(azure: Azure) -> None:
    """Older API versions send it for regional members."""
    azure.listed[0]["zones"] = [None]
    azure.machines[1]["zones"] = ["2"]
    instances = azure.read()
    assert "zones" not in instances["web_cace4636"]
    assert instances["web_5fe1a11b"]["zones"] == ["2"]


def test_protection_comes_from_the_sets_own_list(azure: Azure) -> None:
    """The machine does not contain it."""
    azure.listed[0]["properties"] = {"protectionPolicy": {"protectFromScaleSetActions": True}}
    policy = azure.read()["web_cace4636"]["properties"]["protectionPolicy"]
    assert policy == {"protectFromScaleSetActions": True}


def test_a_view_that_fails_transiently_is_read_again(azure: Azure) -> None:
    """A single 503 among many views does not fail the whole read."""
    azure.has_views_in_list = False
    azure.failures = [(503, "ServiceUnavailable")]
    hooks = rest.RequestHooks(max_attempts=1)
    with rest.request_hooks(hooks):
        instances = azure.read()
    assert all(entry["properties"]["instanceView"] for entry in instances.values())
    assert hooks.requests == 6


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (403, "Forbidden")])
def test_other_failures_of_a_view_are_raised(azure: Azure, status: int, code: str) -> None:
    """The caller handles throttling, and other errors are permanent."""
    azure.has_views_in_list = False
    azure.failures = [(status, code)]
    with (
        rest.request_hooks(rest.RequestHooks(max_attempts=1)),
        pytest.raises(az.AzureError) as error,
    ):
        azure.read()
    assert error.value.code == code


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"version": "2.0"}, False),
        ({"size": "Standard_D2s_v3"}, False),
        ({"size": "STANDARD_DS1_V2"}, True),
        ({"tag": None}, None),
        ({"tag": "4/28/2024 6:28:47 AM +00:00"}, None),
        ({"tag": "4/28/2024 6:28:48 PM +00:00"}, None),
        ({"tag": "yesterday"}, None),
        ({"reference": None}, None),
    ],
)
def test_current_members_are_derived(change: dict[str, Any], expected: bool | None) -> None:
    """Another image or size is outdated; the same image is current if the tag matches."""
    instance = machine("web_1", change.get("version", "1.0"))
    if "tag" in change:
        instance["tags"] = {"VirtualMachineProfileTimeCreated": change["tag"]}
    if "size" in change:
        instance["properties"]["hardwareProfile"]["vmSize"] = change["size"]
    if "reference" in change:
        instance["properties"]["storageProfile"]["imageReference"] = None
    assert _flexible.is_current(instance, flexible_set()) is expected


def recorded(name: str) -> list[dict[str, Any]]:
    """The requests and responses of a recording."""
    path = FOLDER / "cli" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no recorded traffic in {FOLDER}")
    interactions: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["interactions"]
    return interactions


def answer_of(name: str, pattern: str) -> Any:
    """The first response to a path that matches a pattern in a recording."""
    return next(entry["response"] for entry in recorded(name) if re.search(pattern, entry["path"]))


FUNCTIONS: list[Callable[[list[Any]], Any]] = [
    az.by_update_domain,
    az.by_fault_domain,
    az.by_zone,
    lambda instances: az.in_batches(instances, 2),
    az.plan_rollout,
    lambda instances: str(az.heatmap(instances)),
    lambda instances: az.heatmap(instances).to_svg(),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ["merged", "bare", "machines"])
def test_recorded_lists_work_with_the_functions_for_instances(
    function: Callable[[list[Any]], Any], kind: str
) -> None:
    """Merged as the library reads them, and as Azure's separate lists."""
    listed = answer_of("test_vmss_hibernate", r"/virtualMachineScaleSets/\w+/virtualMachines\?")
    machines = answer_of("test_vm_list_filter", r"/virtualMachines\?\$filter")["value"]
    model = answer_of("test_vm_list_filter", r"/virtualMachineScaleSets/\w+\?")
    merged = _flexible.merge(_flexible.Members([], machines, machines))
    if kind == "merged":
        assert [entry["instanceId"] for entry in merged] == [entry["name"] for entry in machines]
        # Both say `latest`, and the tag is the profile's time.
        assert [_flexible.is_current(entry, model) for entry in merged] == [True, True]
    by_kind = {
        "merged": merged,
        "bare": listed["value"],
        "machines": [{**entry, "instanceId": entry["name"]} for entry in machines],
    }
    assert function(by_kind[kind])


def test_the_recordings_exist() -> None:
    """Otherwise the tests above were skipped, and this one as well."""
    assert isinstance(FOLDER, Path)
