"""Requests with junk anywhere: the sandbox answers each in Azure's shape, and stays readable."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import Clock
from support.malformed import mutate
from werkzeug.test import Client, TestResponse

from azurerm_lite.sandbox import Sandbox

COMPUTE = "/providers/Microsoft.Compute"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
QUERY = (
    "Resources | where type =~ 'microsoft.compute/virtualmachinescalesets'"
    " | where tags['env'] =~ 'prod' | project id, name, properties | order by id asc"
)
DEPLOYMENT = {
    "properties": {
        "mode": "Incremental",
        "parameters": {"name": {"value": "made"}},
        "template": {
            "$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "parameters": {"name": {"type": "string"}},
            "variables": {"place": "[concat(resourceGroup().location, '')]"},
            "resources": [
                {
                    "type": "Microsoft.Network/publicIPAddresses",
                    "name": "[parameters('name')]",
                    "apiVersion": "2024-05-01",
                    "location": "[variables('place')]",
                }
            ],
        },
    }
}
ROLLING = {"maxBatchInstancePercent": 20, "pauseTimeBetweenBatches": "PT0S"}
BODIES: dict[str, Any] = {
    "POST manualupgrade": {"instanceIds": ["0", "1"]},
    "POST delete": {"instanceIds": ["0"]},
    "POST reimage": {"instanceIds": ["0"], "exactVersion": "22.04.202410010"},
    "POST restart": {"instanceIds": ["0"]},
    "POST deallocate": {"instanceIds": ["0"]},
    "POST scaleOut": {"capacity": 3, "properties": {"zone": "1"}},
    "POST osRollingUpgrade": {"properties": {"rollingUpgradePolicy": ROLLING}},
    "POST setOrchestrationServiceState": {"serviceName": "AutomaticRepairs", "action": "Suspend"},
    "POST virtualMachines/0/runCommand": {"commandId": "RunShellScript", "script": ["true"]},
    "PUT virtualMachines/0": {"properties": {"protectionPolicy": {"protectFromScaleIn": True}}},
    "PUT virtualMachines/0/runCommands/one": {
        "location": "eastus",
        "properties": {"source": {"script": "true"}, "parameters": [{"name": "a", "value": "b"}]},
    },
    "PUT extensions/health": {
        "properties": {
            "publisher": "Microsoft.ManagedServices",
            "type": "ApplicationHealthLinux",
            "typeHandlerVersion": "1.0",
            "settings": {"protocol": "http", "port": 80},
        }
    },
}
"""A sound body of each request to a scale set that has one."""
OPTIONS = ["$filter", "$expand", "$select", "$top", "$orderby", "$skiptoken", "statusOnly"]
OPTION_WORDS = st.sampled_from(
    [
        "instanceView", "properties/latestModelApplied", "eq", "true", "false", "startswith(", ")",
        "'", "statuses/code", "PowerState/running", "and", "or", "0", "-1", "1e999", "null", "'x'",
        "instanceView/statuses/any(s:", "\x00", "٣", "$", ",",
    ]
)  # fmt: skip
KUSTO_WORDS = st.sampled_from(
    [
        "Resources", "|", "where", "project", "order by", "summarize", "tags", "['env']", "=~",
        "'prod'", "in~", "(", ")", "has", "id", "asc", "limit", "99999999999", "\"", "//", "and",
    ]
)  # fmt: skip


CLOCK = Clock()


def make_sandbox(is_flexible: bool) -> Sandbox:
    """Return a sandbox with one scale set of two instances."""
    sandbox = Sandbox(demo=False, upgrade_seconds=1, clock=CLOCK)
    sandbox.add_vmss("web", 2, orchestration="Flexible" if is_flexible else "Uniform")
    return sandbox


def send(
    sandbox: Sandbox, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
) -> TestResponse:
    """Send a request, and check that the answer has a shape of Azure's."""
    answer = Client(sandbox.app).open(
        path,
        method=method,
        data=None if body is None else json.dumps(body),
        content_type="application/json",
        query_string={"api-version": "2024-11-01", **(query or {})},
        headers={"Authorization": f"Bearer {sandbox.access_token}"},
    )
    assert answer.status_code < 500, (method, path, body, answer.text)
    if answer.status_code >= 400:
        error = (answer.json or {})["error"]
        assert isinstance(error["code"], str)
        assert error["code"]
        assert isinstance(error["message"], str)
    return answer


def path_of(sandbox: Sandbox, rest: str = "") -> str:
    """Return the path of the scale set, or of something in it."""
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    path = f"{group}{COMPUTE}/virtualMachineScaleSets/web"
    return f"{path}/{rest}" if rest else path


def check_readable(sandbox: Sandbox) -> None:
    """Check that everything about the set is still there to read, also after its operations."""
    for seconds in (0, 10, 100):
        CLOCK.sleep(seconds)
        for rest in (
            "", "instanceView", "virtualMachines", "extensions", "networkInterfaces", "skus",
            "publicIPAddresses", "virtualMachines/0", "virtualMachines/0/instanceView",
            "rollingUpgrades/latest", "osUpgradeHistory",
        ):  # fmt: skip
            send(
                sandbox,
                "GET",
                path_of(sandbox, rest),
                query={"$expand": "instanceView"} if rest == "virtualMachines" else None,
            )
        subscription = f"/subscriptions/{sandbox.subscription_id}"
        send(sandbox, "GET", f"{subscription}{COMPUTE}/virtualMachineScaleSets")
        send(sandbox, "GET", f"{subscription}{COMPUTE}/virtualMachines")
        send(sandbox, "POST", GRAPH, {"query": QUERY, "subscriptions": [sandbox.subscription_id]})


def check_models(data: st.DataObject) -> None:
    """PUT and PATCH of a model with junk in it."""
    sandbox = make_sandbox(data.draw(st.booleans()))
    sound = send(sandbox, "GET", path_of(sandbox)).json
    body = mutate(sound, data)
    name = data.draw(st.sampled_from(["", "2"]))
    method = data.draw(st.sampled_from(["PUT", "PATCH"]))
    answer = send(sandbox, method, path_of(sandbox) + name, body)
    assert answer.status_code in {200, 201, 202, 400, 404, 409, 412}
    check_readable(sandbox)


def check_bodies(data: st.DataObject) -> None:
    """Every other request to a set that has a body."""
    sandbox = make_sandbox(data.draw(st.booleans()))
    request = data.draw(st.sampled_from(sorted(BODIES)))
    method, rest = request.split(" ")
    send(sandbox, method, path_of(sandbox, rest), mutate(copy.deepcopy(BODIES[request]), data))
    check_readable(sandbox)


def check_query_options(data: st.DataObject) -> None:
    """Query options of the lists of instances and of a set."""
    sandbox = make_sandbox(data.draw(st.booleans()))
    words = st.lists(OPTION_WORDS, max_size=6).map(" ".join)
    query = data.draw(st.dictionaries(st.sampled_from(OPTIONS), words, max_size=3))
    for rest in ("", "virtualMachines", "virtualMachines/0"):
        send(sandbox, "GET", path_of(sandbox, rest), query=query)
    machines = f"/subscriptions/{sandbox.subscription_id}{COMPUTE}/virtualMachines"
    send(sandbox, "GET", machines, query=query)


def check_graph(data: st.DataObject) -> None:
    """Queries of Resource Graph: junk in the body, and any words as the query."""
    sandbox = make_sandbox(data.draw(st.booleans()))
    options = {"$top": 10, "$skip": 0, "$skipToken": "x", "resultFormat": "objectArray"}
    body = {"query": QUERY, "subscriptions": [sandbox.subscription_id], "options": options}
    if data.draw(st.booleans()):
        body["query"] = data.draw(st.lists(KUSTO_WORDS, max_size=12).map(" ".join))
    else:
        body = mutate(body, data)
    send(sandbox, "POST", GRAPH, body)


def check_deployments(data: st.DataObject) -> None:
    """Deployments with junk in the template or in the parameters."""
    sandbox = make_sandbox(False)
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    path = f"{group}/providers/Microsoft.Resources/deployments/one"
    send(sandbox, "PUT", path, mutate(DEPLOYMENT, data))
    send(sandbox, "GET", path)
    check_readable(sandbox)


def check_raw_bytes(data: st.DataObject) -> None:
    """Bodies that are not JSON."""
    sandbox = make_sandbox(False)
    raw = data.draw(st.one_of(st.binary(max_size=30), st.sampled_from([b"{", b"[" * 5000, b"NaN"])))
    for method, path in (
        ("PUT", path_of(sandbox)),
        ("POST", path_of(sandbox, "manualupgrade")),
        ("POST", GRAPH),
    ):
        answer = Client(sandbox.app).open(
            path,
            method=method,
            data=raw,
            content_type="application/json",
            query_string={"api-version": "2024-11-01"},
            headers={"Authorization": f"Bearer {sandbox.access_token}"},
        )
        assert answer.status_code < 500
    check_readable(sandbox)


CHECKS = {
    "models": check_models,
    "bodies": check_bodies,
    "query options": check_query_options,
    "resource graph": check_graph,
    "deployments": check_deployments,
    "raw bytes": check_raw_bytes,
}


@pytest.mark.parametrize("kind", CHECKS)
@settings(max_examples=15)
@given(data=st.data())
def test_a_malformed_request_is_answered_in_azures_shape(kind: str, data: st.DataObject) -> None:
    """It is accepted or rejected, never with a 5xx, and everything can still be read."""
    CHECKS[kind](data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHECKS)
@given(data=st.data())
def test_many_malformed_requests_are_answered_in_azures_shape(
    kind: str, data: st.DataObject
) -> None:
    """The same with many more examples."""
    CHECKS[kind](data)


@pytest.mark.parametrize("value", [{"code": 7}, ["2"], "/a/b", -1, float("inf")], ids=repr)
@pytest.mark.parametrize("part", ["capacity", "platformFaultDomainCount"])
def test_a_value_that_is_no_whole_number_is_rejected(part: str, value: object) -> None:
    """In a model that is created, and in one that is changed."""
    sandbox = make_sandbox(False)
    body = send(sandbox, "GET", path_of(sandbox)).json
    (body["sku"] if part == "capacity" else body["properties"])[part] = value
    for name in ("", "2"):
        answer = send(sandbox, "PUT", path_of(sandbox) + name, body)
        assert answer.status_code in (400, 409)
    check_readable(sandbox)


def test_a_template_with_a_resource_without_a_name_is_rejected() -> None:
    """Before anything is created."""
    sandbox = make_sandbox(False)
    deployment = copy.deepcopy(DEPLOYMENT)
    resources: list[dict[str, object]] = deployment["properties"]["template"]["resources"]
    del resources[0]["name"]
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    path = f"{group}/providers/Microsoft.Resources/deployments/one"
    answer = send(sandbox, "PUT", path, deployment)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "InvalidTemplate")
