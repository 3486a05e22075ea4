"""What the sandbox rejects in a model, a version or an id: with Azure's code, never a 5xx."""

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
def quiet() -> Sandbox:
    """A sandbox that listens nowhere: its answers are asked for without a network."""
    sandbox = Sandbox(upgrade_seconds=0, clock=Clock())
    sandbox.add_vmss("zonal", 3, zones=["1", "2", "3"])
    return sandbox


def ask(
    sandbox: Sandbox, method: str, path: str, body: Any = None, version: str = API, **headers: str
) -> TestResponse:
    """A request and its answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(sandbox.app).open(
        path,
        method=method,
        json=body,
        query_string={"api-version": version} if version else {},
        headers={"Authorization": f"Bearer {sandbox.access_token}", **names},
    )


def vmss(sandbox: Sandbox, name: str = "web") -> str:
    """The path of a scale set."""
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    return f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"


def status_and_code(answer: TestResponse) -> tuple[int, str]:
    """Status and Azure's code."""
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
    quiet: Sandbox, path: str, version: str, expected: tuple[int, str]
) -> None:
    """Missing, malformed, impossible and unknown versions; newer ones are accepted."""
    path = path.format(vmss=vmss(quiet), sub=f"/subscriptions/{quiet.subscription_id}")
    assert status_and_code(ask(quiet, "GET", path, version=version)) == expected


# Models


def changed(sandbox: Sandbox, path: str, value: Any, name: str = "web") -> TestResponse:
    """A PUT of what a GET gave, with another value at a path."""
    body = ask(sandbox, "GET", vmss(sandbox, name)).json
    assert body is not None
    *way, last = path.split(".")
    place = body
    for key in way:
        place = place.setdefault(key, {})
    place[last] = value
    return ask(sandbox, "PUT", vmss(sandbox, name), body)


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
    quiet: Sandbox, path: str, value: Any, expected: tuple[int, str]
) -> None:
    """A value of another kind, out of bounds, or one that was decided at creation."""
    assert status_and_code(changed(quiet, path, value)) == expected


@pytest.mark.parametrize("zones", [None, [], ["1", "2"]])
def test_the_zones_of_a_set_cannot_change(quiet: Sandbox, zones: list[str] | None) -> None:
    """Sent empty they are taken for a change; left out they stay."""
    assert status_and_code(changed(quiet, "zones", zones, "zonal")) == (
        409,
        "PropertyChangeNotAllowed",
    )
    body = ask(quiet, "GET", vmss(quiet, "zonal")).json
    assert body is not None
    del body["zones"]
    answer = ask(quiet, "PUT", vmss(quiet, "zonal"), body)
    assert answer.json is not None
    assert answer.json["zones"] == ["1", "2", "3"]


def test_mode_rolling_needs_health_reports(quiet: Sandbox) -> None:
    """The extension or the probe of a load balancer; without one it is refused."""
    assert status_and_code(
        changed(quiet, "properties.upgradePolicy.mode", "Rolling", "legacy")
    ) == (
        400,
        "BadRequest",
    )
    probe = {"id": "/subscriptions/x/probes/y"}
    path = "properties.virtualMachineProfile.networkProfile.healthProbe"
    assert status_and_code(changed(quiet, path, probe, "legacy")) == (200, "")
    assert status_and_code(
        changed(quiet, "properties.upgradePolicy.mode", "Rolling", "legacy")
    ) == (200, "")


def test_a_new_set_needs_a_location(quiet: Sandbox) -> None:
    """Azure's word for it is that of all resources."""
    assert status_and_code(changed(quiet, "location", None, "web")) == (200, "")
    body = ask(quiet, "GET", vmss(quiet)).json
    assert body is not None
    del body["location"]
    assert status_and_code(ask(quiet, "PUT", vmss(quiet, "fresh"), body)) == (
        400,
        "LocationRequired",
    )
    elsewhere = {**body, "location": "Mars"}
    assert status_and_code(ask(quiet, "PUT", vmss(quiet, "fresh"), elsewhere)) == (
        400,
        "LocationNotAvailableForResourceType",
    )
    answer = ask(quiet, "PUT", vmss(quiet, "fresh"), {**body, "location": "West US 2"})
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
    quiet: Sandbox, path: str, header: str, value: str, status: int
) -> None:
    """If-Match with a stale etag, If-None-Match with a star: 412, and nothing is done."""
    body = (
        ask(quiet, "GET", vmss(quiet)).json
        if not path
        else {"properties": {"protectionPolicy": {}}}
    )
    assert ask(quiet, "PUT", vmss(quiet) + path, body, **{header: value}).status_code == status


# Whatever is sent

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
    """Every place in some JSON."""
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
    """A sandbox with two instances, and limits that nobody has spent."""
    sandbox = Sandbox(demo=False, upgrade_seconds=0, clock=Clock())
    sandbox.add_vmss("web", 2)
    address = {"name": "ip", "properties": {"publicIPAddressConfiguration": {"name": "public"}}}
    nic = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [address]}}
    profile = {"networkProfile": {"networkInterfaceConfigurations": [nic]}}
    ask(sandbox, "PATCH", vmss(sandbox), {"properties": {"virtualMachineProfile": profile}})
    return sandbox


@given(data=st.data(), value=anything, method=st.sampled_from(["PUT", "PATCH"]))
def test_no_model_causes_an_internal_error(data: st.DataObject, value: Any, method: str) -> None:
    """A model with any value anywhere is accepted or rejected, and all stays readable."""
    sandbox = fresh()
    sound = ask(sandbox, "GET", vmss(sandbox)).json
    body: Any = copy.deepcopy(sound)
    *way, last = data.draw(st.sampled_from(list(places(sound))))
    place = body
    for key in way:
        place = place[key]
    place[last] = value
    assert ask(sandbox, method, vmss(sandbox), body).status_code in (200, 400, 404, 409)
    for path in (
        "",
        "/virtualMachines",
        "/instanceView",
        "/extensions",
        "/networkInterfaces",
        "/publicIPAddresses",
    ):
        assert ask(sandbox, "GET", vmss(sandbox) + path).status_code == 200
    for entry in ({"instanceIds": ["*"]}, {"instanceIds": ["0"]}):
        assert ask(sandbox, "POST", vmss(sandbox) + "/manualupgrade", entry).status_code in (
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
    """Anything instead of ids, a version or a policy is refused, or taken for nothing."""
    sandbox = fresh()
    for entry in (body, {"instanceIds": body}, {"exactVersion": body}, {"properties": body}):
        method = "PUT" if path[1] == "v" else "POST"
        assert ask(sandbox, method, vmss(sandbox) + path, entry).status_code in (
            200,
            202,
            400,
            404,
            409,
        )
    assert ask(sandbox, "GET", vmss(sandbox) + "/virtualMachines").status_code == 200
