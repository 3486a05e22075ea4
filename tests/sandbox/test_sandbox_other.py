"""Other resources: images, sizes, networks, templates, and empty lists."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.sizes import count_cores, family_of

NEW = "22.04.202411010"
REFERENCE = {
    "publisher": "Canonical",
    "offer": "0001-com-ubuntu-server-jammy",
    "sku": "22_04-lts-gen2",
    "version": NEW,
}


def send_request(sandbox: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    """Send a request below the subscription."""
    version = "2024-03-03" if "/galleries" in path else "2024-11-01"
    version = "2021-07-01" if path.endswith("/skus") else version
    return requests.request(
        method,
        f"{sandbox.url}/subscriptions/{sandbox.subscription_id}{path}",
        params={"api-version": version},
        headers={"Authorization": f"Bearer {sandbox.access_token}"},
        json=body,
        timeout=10,
    )


def read(sandbox: Sandbox, path: str) -> Any:
    """Return the JSON at a path below the subscription."""
    answer = send_request(sandbox, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def code(answer: requests.Response) -> tuple[int, str]:
    """Return the status and Azure's code of an error response."""
    return answer.status_code, answer.json()["error"]["code"]


GROUP = "/resourceGroups/sandbox"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
WEB = f"{COMPUTE}/virtualMachineScaleSets/web"


@pytest.fixture
def instant() -> Any:
    """Start a sandbox in which every operation ends at once."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


# Images


def test_an_image_that_a_client_creates_can_be_put_into_a_model(instant: Sandbox) -> None:
    """After its deletion it is not found."""
    path = f"{COMPUTE}/images/golden"
    source = {"sourceVirtualMachine": {"id": "/subscriptions/s/virtualMachines/golden"}}
    body = {"location": "eastus", "properties": source}
    created = send_request(instant, "PUT", path, body)
    assert created.status_code == 201
    image_id = read(instant, path)["id"]
    instant.set_image("custom", image_id=image_id)
    assert send_request(instant, "PUT", path, body).status_code == 200
    assert send_request(instant, "DELETE", path).status_code == 202
    assert code(send_request(instant, "GET", path)) == (404, "ResourceNotFound")
    assert send_request(instant, "DELETE", path).status_code == 204


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "LocationRequired"),
        ({"location": "mars"}, "LocationNotAvailableForResourceType"),
        ({"location": "eastus"}, "InvalidParameter"),
        ({"location": "eastus", "properties": []}, "InvalidParameter"),
        ({"location": "eastus", "properties": "all"}, "InvalidRequestContent"),
    ],
)
def test_an_image_needs_a_region_and_a_source(instant: Sandbox, body: Any, expected: str) -> None:
    """The reference requires both."""
    assert code(send_request(instant, "PUT", f"{COMPUTE}/images/golden", body)) == (400, expected)


def test_galleries_and_their_images_are_listed(instant: Sandbox) -> None:
    """They are derived from the known image versions; another group has none."""
    assert [entry["name"] for entry in read(instant, f"{COMPUTE}/galleries")["value"]] == ["demo"]
    listed = read(instant, f"{COMPUTE}/galleries/demo/images")["value"]
    assert [entry["name"] for entry in listed] == ["web"]
    assert listed[0] == read(instant, f"{COMPUTE}/galleries/demo/images/web")
    instant.add_vmss("elsewhere", 1, resource_group="other")
    elsewhere = "/resourceGroups/other/providers/Microsoft.Compute"
    assert read(instant, f"{elsewhere}/galleries")["value"] == []
    assert read(instant, f"{elsewhere}/images")["value"] == []
    assert len(read(instant, f"{COMPUTE}/images")["value"]) == 3


# Sizes


@pytest.mark.parametrize(
    ("name", "cores", "family"),
    [
        ("Standard_D2s_v5", 2, "standardDSv5Family"),
        ("Standard_D16s_v3", 16, "standardDSv3Family"),
        ("Standard_B2s", 2, "standardBSFamily"),
        ("Custom", 1, "standardFamily"),
    ],
)
def test_a_size_name_contains_cores_and_family(name: str, cores: int, family: str) -> None:
    """They follow from Azure's naming convention."""
    assert (count_cores(name), family_of(name)) == (cores, family)


def test_usages_count_the_sandboxs_resources(instant: Sandbox) -> None:
    """The region has 36 VMs with two cores each in four sets."""
    path = "/providers/Microsoft.Compute/locations/eastus/usages"
    usages = {entry["name"]["value"]: entry for entry in read(instant, path)["value"]}
    assert usages["virtualMachines"]["currentValue"] == 36
    assert usages["virtualMachineScaleSets"]["currentValue"] == 4
    assert usages["cores"]["currentValue"] == 72
    assert usages["standardDSv5Family"]["currentValue"] == 72
    elsewhere = read(instant, path.replace("eastus", "westus"))["value"]
    assert {entry["currentValue"] for entry in elsewhere} == {0}


# Other operations on scale sets


def test_scale_out_sets_the_capacity_or_adds_to_it(instant: Sandbox) -> None:
    """The reference is not clear, so there is an assumption for it."""
    assert send_request(instant, "POST", f"{WEB}/scaleOut", {"capacity": 22}).status_code == 202
    assert read(instant, WEB)["sku"]["capacity"] == 22
    assert code(send_request(instant, "POST", f"{WEB}/scaleOut", {"capacity": 3})) == (
        400,
        "InvalidParameter",
    )
    instant.assumptions.scale_out_adds = True
    assert send_request(instant, "POST", f"{WEB}/scaleOut", {"capacity": 3}).status_code == 202
    assert read(instant, WEB)["sku"]["capacity"] == 25
    zone = {"capacity": 1, "properties": {"zone": "1"}}
    assert code(send_request(instant, "POST", f"{WEB}/scaleOut", zone)) == (400, "InvalidParameter")


def test_automatic_repairs_are_suspended_and_resumed(instant: Sandbox) -> None:
    """The instance view has their state only if they are enabled."""
    suspend = {"serviceName": "AutomaticRepairs", "action": "Suspend"}
    path = f"{WEB}/setOrchestrationServiceState"
    assert code(send_request(instant, "POST", path, suspend)) == (409, "OperationNotAllowed")
    assert "orchestrationServices" not in read(instant, f"{WEB}/instanceView")
    policy = {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT10M"}}
    assert send_request(instant, "PATCH", WEB, {"properties": policy}).status_code == 200
    states = []
    for action in ("Suspend", "Resume"):
        assert send_request(instant, "POST", path, {**suspend, "action": action}).status_code == 202
        states += read(instant, f"{WEB}/instanceView")["orchestrationServices"]
    assert [entry["serviceState"] for entry in states] == ["Suspended", "Running"]
    assert code(send_request(instant, "POST", path, {"serviceName": "Backups"}))[0] == 400


@pytest.mark.parametrize(("policy", "power"), [("Deallocate", "deallocated"), ("Delete", "")])
def test_a_spot_vm_is_evicted(instant: Sandbox, policy: str, power: str) -> None:
    """It is deallocated or deleted, depending on the policy of its model."""
    vmss = instant.cloud.scale_set("sandbox", "web")
    for vm in vmss.instances.values():
        vm.profile = {**vm.profile, "priority": "Spot", "evictionPolicy": policy}
    path = f"{WEB}/virtualMachines/3"
    assert send_request(instant, "POST", f"{path}/simulateEviction").status_code == 204
    send_request(instant, "GET", WEB)
    assert (vmss.instances["3"].power if power else vmss.instances.get("3", "")) == power


def test_a_set_in_several_placement_groups_cannot_be_converted(instant: Sandbox) -> None:
    """The request is rejected; a small set is converted."""
    instant.add_vmss("large", 150)
    sets = f"{COMPUTE}/virtualMachineScaleSets"
    answer = send_request(instant, "POST", f"{sets}/large/convertToSinglePlacementGroup", {})
    assert code(answer) == (409, "OperationNotAllowed")
    assert (
        send_request(instant, "POST", f"{WEB}/convertToSinglePlacementGroup", {}).status_code == 200
    )
    assert read(instant, WEB)["properties"]["singlePlacementGroup"] is True


def test_a_run_command_does_not_return_its_secrets(instant: Sandbox) -> None:
    """It ends without output, and no response contains its secrets."""
    path = f"{WEB}/virtualMachines/0/runCommands/deploy"
    properties = {
        "source": {"script": "echo $1"},
        "runAsPassword": "canary-31",
        "protectedParameters": [{"name": "key", "value": "canary-31"}],
    }
    answer = send_request(instant, "PUT", path, {"location": "eastus", "properties": properties})
    assert answer.status_code == 201
    view = read(instant, f"{path}?$expand=instanceView")["properties"]["instanceView"]
    assert (view["executionState"], view["exitCode"]) == ("Succeeded", 0)
    listed = read(instant, path.rpartition("/")[0])["value"]
    assert [entry["name"] for entry in listed] == ["deploy"]
    assert "canary-31" not in answer.text + str(listed) + str(instant.journal)
    assert send_request(instant, "DELETE", path).status_code == 202
    assert code(send_request(instant, "GET", path)) == (404, "NotFound")
    assert code(send_request(instant, "PUT", path, {"properties": {}})) == (400, "InvalidParameter")


# Other providers


@pytest.mark.parametrize(
    "path",
    [
        "/providers/Microsoft.Authorization/locks",
        f"{GROUP}/providers/Microsoft.Authorization/locks",
        f"{WEB}/providers/Microsoft.Authorization/locks",
        "/providers/Microsoft.Insights/autoscalesettings",
        f"{GROUP}/providers/Microsoft.Insights/autoscalesettings",
        "/providers/Microsoft.Insights/eventtypes/management/values",
    ],
)
def test_locks_autoscale_settings_and_events_are_empty_lists(instant: Sandbox, path: str) -> None:
    """Clients read these lists before they change a set."""
    assert read(instant, path) == {"value": []}


def test_a_provider_is_registered_already(instant: Sandbox) -> None:
    """The response has the api-versions of its types, which clients read."""
    answer = send_request(instant, "POST", "/providers/microsoft.compute/register")
    assert answer.json()["registrationState"] == "Registered"
    assert answer.json() == read(instant, "/providers/Microsoft.Compute")
    assert len(read(instant, "/providers")["value"]) > 3
    unknown = send_request(instant, "GET", "/providers/Microsoft.Coffee")
    assert code(unknown) == (404, "InvalidResourceNamespace")


def test_tag_names_are_counted(instant: Sandbox) -> None:
    """The tags of groups and scale sets are counted."""
    instant.add_vmss("a", 1, tags={"team": "red"})
    instant.add_vmss("b", 1, tags={"team": "blue"})
    (tag,) = read(instant, "/tagNames")["value"]
    assert (tag["tagName"], tag["count"]["value"], len(tag["values"])) == ("team", 2, 2)


def test_networks_are_stored_as_they_were_sent(instant: Sandbox) -> None:
    """Their parts get ids."""
    path = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net"
    subnet = {"name": "front", "properties": {"addressPrefix": "10.0.0.0/24"}}
    body = {"location": "eastus", "properties": {"subnets": [subnet]}}
    assert send_request(instant, "PUT", path, body).status_code == 201
    found = read(instant, f"{path}/subnets/front")
    assert found == read(instant, path)["properties"]["subnets"][0]
    assert found["id"].endswith("/virtualNetworks/net/subnets/front")
    assert code(send_request(instant, "GET", f"{path}/subnets/back")) == (404, "ResourceNotFound")
    networks = "/providers/Microsoft.Network/virtualNetworks"
    assert len(read(instant, networks)["value"]) == 1
    assert read(instant, networks.replace("virtualNetworks", "loadBalancers"))["value"] == []
    assert send_request(instant, "DELETE", path).status_code == 200
    assert code(send_request(instant, "GET", path)) == (404, "ResourceNotFound")


# Templates


def template() -> dict[str, Any]:
    """Return a short form of the template that `az vmss create` sends."""
    network_id = "resourceId('Microsoft.Network/virtualNetworks', 'net')"
    balancer = "resourceId('Microsoft.Network/loadBalancers', 'shopLB')"
    rule = {
        "type": "Microsoft.Network/loadBalancers/inboundNatRules",
        "name": "shopLB/NatRule",
        "location": "eastus",
        "properties": {
            "frontendIPConfiguration": {
                "id": f"[concat({balancer}, '/frontendIPConfigurations/', 'front')]"
            }
        },
    }
    address = {"name": "ip", "properties": {"subnet": {"id": "[variables('subnet')]"}}}
    nic = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [address]}}
    profile = {
        "osProfile": {
            "computerNamePrefix": "shop",
            "adminUsername": "azureuser",
            "adminPassword": "[parameters('adminPassword')]",
        },
        "storageProfile": {
            "osDisk": {"createOption": "FromImage", "managedDisk": {}},
            "imageReference": REFERENCE,
        },
        "networkProfile": {"networkInterfaceConfigurations": [nic]},
    }
    scale_set = {
        "type": "Microsoft.Compute/virtualMachineScaleSets",
        "name": "shop",
        "location": "eastus",
        "sku": {"name": "Standard_D2s_v5", "capacity": 2},
        "properties": {"upgradePolicy": {"mode": "manual"}, "virtualMachineProfile": profile},
    }
    network = {"type": "Microsoft.Network/virtualNetworks", "name": "net", "location": "eastus"}
    provider = "providers('Microsoft.Compute', 'virtualMachineScaleSets').apiVersions[0]"
    found = (
        f"[reference(resourceId('Microsoft.Compute/virtualMachineScaleSets', 'shop'),{provider})]"
    )
    return {
        "parameters": {"adminPassword": {"type": "securestring"}},
        "variables": {"subnet": f"[concat({network_id}, '/subnets/a')]"},
        "resources": [
            {**network, "properties": {"subnets": [{"name": "a"}]}},
            {**network, "type": "Microsoft.Network/loadBalancers", "name": "shopLB"},
            rule,
            scale_set,
        ],
        "outputs": {"VMSS": {"type": "object", "value": found}},
    }


DEPLOYMENT = f"{GROUP}/providers/Microsoft.Resources/deployments/first"


def deploy(sandbox: Sandbox, content: dict[str, Any], action: str = "") -> requests.Response:
    """Send a template, and return the response."""
    parameters = {"adminPassword": {"value": "canary-77"}}
    properties = {"template": content, "parameters": parameters, "mode": "Incremental"}
    method = "POST" if action else "PUT"
    return send_request(sandbox, method, DEPLOYMENT + action, {"properties": properties})


def test_a_template_creates_networks_and_a_set(instant: Sandbox) -> None:
    """Expressions are evaluated, outputs are returned, and no response has the secret."""
    assert deploy(instant, template(), "/validate").status_code == 200
    assert code(send_request(instant, "GET", DEPLOYMENT)) == (404, "DeploymentNotFound")
    started = deploy(instant, template())
    assert started.status_code == 201
    url = started.headers["Azure-AsyncOperation"]
    headers = {"Authorization": f"Bearer {instant.access_token}"}
    assert requests.get(url, headers=headers, timeout=10).json() == {"status": "Succeeded"}
    found = read(instant, DEPLOYMENT)
    assert found["properties"]["outputs"]["VMSS"]["value"]["provisioningState"] == "Succeeded"
    assert len(found["properties"]["outputResources"]) == 4
    assert len(instant.cloud.scale_set("sandbox", "shop").instances) == 2
    profile = read(instant, f"{COMPUTE}/virtualMachineScaleSets/shop")["properties"][
        "virtualMachineProfile"
    ]
    (nic,) = profile["networkProfile"]["networkInterfaceConfigurations"]
    subnet = nic["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    assert subnet.endswith("/virtualNetworks/net/subnets/a")
    balancer = read(instant, f"{GROUP}/providers/Microsoft.Network/loadBalancers/shopLB")
    (rule,) = balancer["properties"]["inboundNatRules"]
    front = rule["properties"]["frontendIPConfiguration"]["id"]
    assert front.endswith("/loadBalancers/shopLB/frontendIPConfigurations/front")
    assert "canary-77" not in started.text + str(found) + str(instant.journal)
    deployments = read(instant, DEPLOYMENT.rpartition("/")[0])["value"]
    assert [entry["name"] for entry in deployments] == ["first"]


def test_a_template_with_an_image_that_does_not_exist_fails(instant: Sandbox) -> None:
    """The deployment fails, with the error of the scale set in the details."""
    content = template()
    profile = content["resources"][3]["properties"]["virtualMachineProfile"]
    profile["storageProfile"]["imageReference"] = {**REFERENCE, "version": "0.0.1"}
    assert deploy(instant, content).status_code == 201
    error = read(instant, DEPLOYMENT)["properties"]["error"]
    assert error["code"] == "DeploymentFailed"
    assert error["details"][0]["code"] == "PlatformImageNotFound"


@pytest.mark.parametrize(
    "expression",
    [
        "[uniqueString('a')]",
        "[concat('a']",
        "[concat('a')) ]",
        "[parameters('missing')]",
        "[variables('missing')]",
        "[parameters()]",
        "[variables('subnet').id]",
        "[resourceId('net')]",
        "[reference('net')]",
        "[§]",
    ],
)
def test_an_unsupported_template_expression_is_rejected(instant: Sandbox, expression: str) -> None:
    """It is rejected before anything is created."""
    content = template()
    content["resources"][3]["tags"] = {"a": expression}
    assert code(deploy(instant, content)) == (400, "InvalidTemplate")
    assert instant.cloud.other.networks == {}


@pytest.mark.parametrize(
    "resource",
    [
        {"type": "Microsoft.Storage/storageAccounts", "name": "disks"},
        {"type": "Microsoft.Network/loadBalancers/secrets", "name": "a/b"},
        {"type": "Microsoft.Network/virtualNetworks", "name": "a", "copy": {"count": 2}},
    ],
)
def test_an_unsupported_template_resource_is_rejected(
    instant: Sandbox, resource: dict[str, Any]
) -> None:
    """The error names what to do."""
    answer = deploy(instant, {**template(), "resources": [resource]})
    assert code(answer) == (400, "InvalidTemplateDeployment")
    assert "Remove the resource from the template" in answer.json()["error"]["message"]


def test_an_escaped_bracket_is_text(instant: Sandbox) -> None:
    """`[[` in a template means `[`."""
    content = template()
    content["resources"][3]["tags"] = {"a": "[[not evaluated]"}
    assert deploy(instant, content).status_code == 201
    assert instant.cloud.scale_set("sandbox", "shop").extras["tags"] == {"a": "[not evaluated]"}
