"""Invalid models, api-versions and ids are rejected with Azure's code, never with a 5xx."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import Clock
from werkzeug.test import Client, TestResponse

from azurerm_lite.sandbox import Sandbox

API = "2024-11-01"
IMAGES = "/providers/Microsoft.Compute/locations/eastus/publishers"


@pytest.fixture(scope="module")
def offline() -> Sandbox:
    """Return a sandbox without a server; tests call its WSGI app directly."""
    sandbox = Sandbox(upgrade_seconds=0, clock=Clock())
    sandbox.add_vmss("zonal", 3, zones=["1", "2", "3"])
    return sandbox


def send_request(
    sandbox: Sandbox, method: str, path: str, body: Any = None, version: str = API, **headers: str
) -> TestResponse:
    """Send a request to the WSGI app."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(sandbox.app).open(
        path,
        method=method,
        json=body,
        query_string={"api-version": version} if version else {},
        headers={"Authorization": f"Bearer {sandbox.access_token}", **names},
    )


def vmss(sandbox: Sandbox, name: str = "web") -> str:
    """Return the path of a scale set."""
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    return f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"


def status_and_code(answer: TestResponse) -> tuple[int, str]:
    """Return the status and Azure's code."""
    return answer.status_code, (answer.json or {}).get("error", {}).get("code", "")


# api-versions


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("{vmss}", "", (400, "MissingApiVersionParameter")),
        ("{vmss}", "2024-13-01", (400, "InvalidApiVersionParameter")),
        ("{vmss}", "1999-01-01", (400, "InvalidApiVersionParameter")),
        ("{vmss}", "2024-11-01; drop", (400, "InvalidApiVersionParameter")),
        ("{vmss}", "2024-11-02", (400, "NoRegisteredProviderFound")),
        ("{vmss}/virtualMachines", "2018-10-02", (400, "NoRegisteredProviderFound")),
        ("{sub}" + IMAGES, "2016-03-31", (400, "NoRegisteredProviderFound")),
        (
            "{sub}" + IMAGES.replace("eastus", "mars"),
            "2024-11-01",
            (400, "NoRegisteredProviderFound"),
        ),
        ("{vmss}", "2016-04-30-preview", (200, "")),
        ("{vmss}", "2040-01-01", (200, "")),
        ("{vmss}/networkInterfaces", "2018-11-01", (200, "")),
        ("{sub}/resourcegroups", "2021-04-01", (200, "")),
    ],
)
def test_an_api_version_must_exist(
    offline: Sandbox, path: str, version: str, expected: tuple[int, str]
) -> None:
    """Missing, malformed and unknown versions are rejected; newer ones are accepted."""
    path = path.format(vmss=vmss(offline), sub=f"/subscriptions/{offline.subscription_id}")
    assert status_and_code(send_request(offline, "GET", path, version=version)) == expected


# Models


def put_with(sandbox: Sandbox, path: str, value: Any, name: str = "web") -> TestResponse:
    """Put a model as it was read, with another value at a path."""
    body = send_request(sandbox, "GET", vmss(sandbox, name)).json
    assert body is not None
    *parents, last = path.split(".")
    place = body
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return send_request(sandbox, "PUT", vmss(sandbox, name), body)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("properties", [], (400, "InvalidRequestContent")),
        ("sku", "Standard_D2s_v5", (400, "InvalidRequestContent")),
        ("zones", "1", (400, "InvalidRequestContent")),
        ("properties.virtualMachineProfile", "x", (400, "InvalidRequestContent")),
        (
            "properties.virtualMachineProfile.storageProfile.imageReference",
            "x",
            (400, "InvalidRequestContent"),
        ),
        (
            "properties.virtualMachineProfile.extensionProfile.extensions",
            ["x"],
            (400, "InvalidRequestContent"),
        ),
        (
            "properties.virtualMachineProfile.extensionProfile.extensions",
            [{}],
            (400, "InvalidParameter"),
        ),
        ("properties.upgradePolicy.mode", "Sometimes", (400, "InvalidParameter")),
        (
            "properties.upgradePolicy.rollingUpgradePolicy.maxBatchInstancePercent",
            4,
            (400, "InvalidParameter"),
        ),
        (
            "properties.upgradePolicy.rollingUpgradePolicy.maxBatchInstancePercent",
            "20",
            (400, "InvalidParameter"),
        ),
        (
            "properties.upgradePolicy.rollingUpgradePolicy.maxUnhealthyInstancePercent",
            101,
            (400, "InvalidParameter"),
        ),
        (
            "properties.upgradePolicy.rollingUpgradePolicy.pauseTimeBetweenBatches",
            "1m",
            (400, "InvalidParameter"),
        ),
        ("properties.orchestrationMode", "Flexible", (409, "PropertyChangeNotAllowed")),
        ("zones", ["1"], (409, "PropertyChangeNotAllowed")),
        ("location", "westeurope", (409, "InvalidResourceLocation")),
        ("sku.capacity", "many", (400, "InvalidParameter")),
        ("sku.capacity", 101, (409, "OperationNotAllowed")),
        ("location", "East US", (200, "")),
        (
            "properties.upgradePolicy.rollingUpgradePolicy.maxUnhealthyUpgradedInstancePercent",
            0,
            (200, ""),
        ),
    ],
)
def test_an_invalid_model_is_rejected(
    offline: Sandbox, path: str, value: Any, expected: tuple[int, str]
) -> None:
    """A value has a wrong type, is out of range, or is fixed at creation."""
    assert status_and_code(put_with(offline, path, value)) == expected


@pytest.mark.parametrize("zones", [None, [], ["1", "2"]])
def test_the_zones_of_a_set_cannot_change(offline: Sandbox, zones: list[str] | None) -> None:
    """An empty list is a change; if they are left out they stay."""
    assert status_and_code(put_with(offline, "zones", zones, "zonal")) == (
        409,
        "PropertyChangeNotAllowed",
    )
    body = send_request(offline, "GET", vmss(offline, "zonal")).json
    assert body is not None
    del body["zones"]
    answer = send_request(offline, "PUT", vmss(offline, "zonal"), body)
    assert answer.json is not None
    assert answer.json["zones"] == ["1", "2", "3"]


def test_mode_rolling_needs_health_reports(offline: Sandbox) -> None:
    """It needs the extension or the probe of a load balancer."""
    assert status_and_code(
        put_with(offline, "properties.upgradePolicy.mode", "Rolling", "legacy")
    ) == (
        400,
        "BadRequest",
    )
    probe = {"id": "/subscriptions/x/probes/y"}
    path = "properties.virtualMachineProfile.networkProfile.healthProbe"
    assert status_and_code(put_with(offline, path, probe, "legacy")) == (200, "")
    assert status_and_code(
        put_with(offline, "properties.upgradePolicy.mode", "Rolling", "legacy")
    ) == (200, "")


def test_a_new_set_needs_a_location(offline: Sandbox) -> None:
    """A missing or unknown location is rejected with Azure's code."""
    assert status_and_code(put_with(offline, "location", None, "web")) == (200, "")
    body = send_request(offline, "GET", vmss(offline)).json
    assert body is not None
    del body["location"]
    assert status_and_code(send_request(offline, "PUT", vmss(offline, "fresh"), body)) == (
        400,
        "LocationRequired",
    )
    elsewhere = {**body, "location": "Mars"}
    assert status_and_code(send_request(offline, "PUT", vmss(offline, "fresh"), elsewhere)) == (
        400,
        "LocationNotAvailableForResourceType",
    )
    answer = send_request(offline, "PUT", vmss(offline, "fresh"), {**body, "location": "West US 2"})
    assert answer.json is not None
    assert (answer.status_code, answer.json["location"]) == (201, "westus2")


@pytest.mark.parametrize("path", ["", "/virtualMachines/1"])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If_Match", '"99"', 412),
        ("If_Match", "*", 200),
        ("If_None_Match", "*", 412),
        ("If_None_Match", '"99"', 200),
    ],
)
def test_stale_etags_are_rejected_for_sets_and_instances(
    offline: Sandbox, path: str, header: str, value: str, status: int
) -> None:
    """A stale If-Match and `If-None-Match: *` are 412."""
    body = (
        send_request(offline, "GET", vmss(offline)).json
        if not path
        else {"properties": {"protectionPolicy": {}}}
    )
    assert (
        send_request(offline, "PUT", vmss(offline) + path, body, **{header: value}).status_code
        == status
    )


# Random input

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON body."""
    entries = (
        body.items()
        if isinstance(body, dict)
        else enumerate(body)
        if isinstance(body, list)
        else ()
    )
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def fresh() -> Sandbox:
    """Return a new sandbox with two instances and unused rate limits."""
    sandbox = Sandbox(demo=False, upgrade_seconds=0, clock=Clock())
    sandbox.add_vmss("web", 2)
    address = {"name": "ip", "properties": {"publicIPAddressConfiguration": {"name": "public"}}}
    nic = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [address]}}
    profile = {"networkProfile": {"networkInterfaceConfigurations": [nic]}}
    send_request(
        sandbox, "PATCH", vmss(sandbox), {"properties": {"virtualMachineProfile": profile}}
    )
    return sandbox


@given(data=st.data(), value=anything, method=st.sampled_from(["PUT", "PATCH"]))
def test_no_model_causes_an_internal_error(data: st.DataObject, value: Any, method: str) -> None:
    """A model with any value is accepted or rejected, and the set stays readable."""
    sandbox = fresh()
    sound = send_request(sandbox, "GET", vmss(sandbox)).json
    body: Any = copy.deepcopy(sound)
    *parents, last = data.draw(st.sampled_from(list(places(sound))))
    place = body
    for key in parents:
        place = place[key]
    place[last] = value
    assert send_request(sandbox, method, vmss(sandbox), body).status_code in (200, 400, 404, 409)
    for path in (
        "",
        "/virtualMachines",
        "/instanceView",
        "/extensions",
        "/networkInterfaces",
        "/publicIPAddresses",
    ):
        assert send_request(sandbox, "GET", vmss(sandbox) + path).status_code == 200
    for entry in ({"instanceIds": ["*"]}, {"instanceIds": ["0"]}):
        assert send_request(
            sandbox, "POST", vmss(sandbox) + "/manualupgrade", entry
        ).status_code in (
            202,
            400,
        )


@given(
    body=anything,
    path=st.sampled_from(
        ["/manualupgrade", "/reimage", "/delete", "/restart", "/virtualMachines/1"]
    ),
)
def test_no_body_of_an_action_causes_an_internal_error(body: Any, path: str) -> None:
    """Any value instead of ids, a version or a policy is rejected or ignored."""
    sandbox = fresh()
    for entry in (body, {"instanceIds": body}, {"exactVersion": body}, {"properties": body}):
        method = "PUT" if path[1] == "v" else "POST"
        assert send_request(sandbox, method, vmss(sandbox) + path, entry).status_code in (
            200,
            202,
            400,
            404,
            409,
        )
    assert send_request(sandbox, "GET", vmss(sandbox) + "/virtualMachines").status_code == 200
