"""Responses that differ from Azure's documentation end in an `AzureError`.

Each use of the library is recorded on the sandbox, and replayed with one response malformed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.malformed import (
    Recording,
    is_deliberate,
    mutate,
    mutate_recording,
    record,
    replay,
)
from support.names import BASE, SUB, WHERE
from support.rollout import NEW

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.resources import SUBSCRIPTION

Where = tuple[str, str, str, str]
GALLERY_IMAGE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandbox/providers/Microsoft.Compute"
    "/galleries/demo/images/web/versions/1.0.0"
)
UBUNTU = ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")


def use_models(where: Where) -> None:
    """Use the functions for models."""
    found = [*az.list_vmss(*where[:3]), *az.list_vmss_sub(*where[:2]), az.get_vmss(*where)]
    for model in found:
        az.upgrade_mode(model)
        with expecting_value_error():  # without an image, or with another kind
            az.image_name(az.get_image(model))
            az.set_image(model, version="1.0.0")


def use_instances(where: Where) -> None:
    """Use the functions for instances."""
    az.list_vmss_vms(*where)
    instances = az.get_instance_views(*where)
    az.by_update_domain(instances)
    az.by_fault_domain(instances)
    az.by_zone(instances)
    az.in_batches(instances, 2)
    str(az.heatmap(instances))
    az.heatmap(instances).to_svg()
    one = az.get_vmss_vm(*where, instances[0]["instanceId"]) if instances else None
    for instance in [*instances, *([one] if one else [])]:
        az.power_state(instance)
        az.provisioning_state(instance)
        az.health(instance)
        with expecting_value_error():  # without an image
            az.image_name(az.get_image(instance))
    with expecting_value_error():  # a domain without instances
        az.plan_rollout(instances)


def use_views(where: Where) -> None:
    """Use the views and the values that are only passed on."""
    az.get_vmss_instance_view(*where)
    az.get_vmss_vm_instance_view(*where, "0")
    az.list_vmss_skus(*where)
    az.get_vmss_nics(*where)
    az.get_vmss_public_ips(*where)
    az.get_os_upgrade_history(*where)


def use_graph(where: Where) -> None:
    """Use the rows of Resource Graph."""
    targets = az.find_scale_sets(where[0], tag=None)
    for target in targets:
        az.image_name(target["image"])
    with expecting_value_error():  # two rows for one set
        az.rollout_fleet(where[0], targets, waves="location")


def use_images(where: Where) -> None:
    """Use the lists of images."""
    region = (*where[:2], "eastus")
    az.list_publishers(*region)
    az.list_offers(*region, UBUNTU[0])
    az.list_skus(*region, *UBUNTU[:2])
    az.list_sku_versions(*region, *UBUNTU, newest_first=True)
    az.list_gallery_image_versions(*where[:3], "demo", "web")


def use_subscriptions(where: Where) -> None:
    """Use subscriptions, regions and resource groups."""
    az.list_subscriptions(where[0])
    az.list_locations(*where[:2])
    az.list_resource_groups(*where[:2])


def use_operations(where: Where) -> None:
    """Follow two operations to their ends."""
    az.wait(where[0], az.put_vmss(*where, az.get_vmss(*where)))
    az.wait(where[0], az.restart_vmss(*where, ["0", "1"]))


def use_rolling_upgrade(where: Where) -> None:
    """Follow Azure's own rolling upgrade to its end."""
    az.wait(where[0], az.start_os_upgrade(*where))
    az.get_rolling_upgrade(*where)
    list(az.follow_rolling_upgrade(*where, timeout=300))


def use_rollout(where: Where) -> None:
    """Run a rollout to its end."""
    model = az.set_image(az.get_vmss(*where), version=NEW)
    az.wait(where[0], az.put_vmss(*where, model))
    for event in az.rollout(*where, by=2, on_failure="rollback", bake=20, health_timeout=90):
        str(event)


USES: dict[str, tuple[Callable[[Where], None], str]] = {
    "models": (use_models, "web"),
    "instances": (use_instances, "web"),
    "members": (use_instances, "flex"),
    "views": (use_views, "web"),
    "graph": (use_graph, "web"),
    "images": (use_images, "web"),
    "subscriptions": (use_subscriptions, "web"),
    "operations": (use_operations, "web"),
    "rolling upgrade": (use_rolling_upgrade, "rolling"),
    "rollout": (use_rollout, "web"),
    "rollout of a flexible set": (use_rollout, "flex"),
}
"""What uses the library, and the scale set that it uses."""


class expecting_value_error:  # noqa: N801 - it reads like contextlib.suppress
    """Accept a `ValueError` about an argument that was made from the responses."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        """Accept the error if it was raised on purpose."""
        return isinstance(error, ValueError) and is_deliberate(error)


@pytest.fixture(scope="module")
def recordings() -> Iterator[tuple[Sandbox, dict[str, Recording]]]:
    """The sandbox's responses to each use."""
    with Sandbox(upgrade_seconds=0, demo=False) as sandbox:
        sandbox.add_vmss("web", 3, update_domains=2)
        sandbox.add_vmss("flex", 3, orchestration="Flexible")
        sandbox.add_vmss(
            "rolling", 3, mode="Rolling", rolling_policy={"maxBatchInstancePercent": 50}
        )
        sandbox.add_vmss("custom", 1, image=GALLERY_IMAGE)
        yield (
            sandbox,
            {
                kind: record(lambda use=use, name=name: use(sandbox.where(name)))  # type: ignore[misc]
                for kind, (use, name) in USES.items()
            },
        )


def error_of(use: Callable[[], None]) -> Exception | None:
    """The exception of a use of the library."""
    try:
        use()
    except Exception as error:
        return error
    return None


def check(kind: str, sandbox: Sandbox, recording: Recording) -> None:
    """Only an `AzureError`, or a halt with its reason, may be raised."""
    use, name = USES[kind]
    with pytest.MonkeyPatch.context() as patch, replay(recording):
        for variable, value in sandbox.environment.items():
            patch.setenv(variable, value)
        error = error_of(lambda: use(sandbox.where(name)))
    if error is None:
        return
    is_ours = isinstance(error, (az.AzureError, az.RolloutHalted, az.OperationTimeout))
    if not is_ours and not (isinstance(error, ValueError) and is_deliberate(error)):
        raise error
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("kind", USES)
def test_the_recorded_answers_pass(
    recordings: tuple[Sandbox, dict[str, Recording]], kind: str
) -> None:
    """Replayed unchanged they cause no error, so the failures below come from the mutations."""
    sandbox, found = recordings
    use, name = USES[kind]
    with pytest.MonkeyPatch.context() as patch, replay(found[kind]):
        for variable, value in sandbox.environment.items():
            patch.setenv(variable, value)
        use(sandbox.where(name))


@pytest.mark.parametrize("kind", USES)
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_malformed_answer_is_an_azure_error(
    recordings: tuple[Sandbox, dict[str, Recording]], kind: str, data: st.DataObject
) -> None:
    """Any part is missing or has another type."""
    sandbox, found = recordings
    check(kind, sandbox, mutate_recording(found[kind], data))


@pytest.mark.slow
@pytest.mark.parametrize("kind", USES)
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_ten_thousand_malformed_answers_are_azure_errors(
    recordings: tuple[Sandbox, dict[str, Recording]], kind: str, data: st.DataObject
) -> None:
    """The same, a thousand times for each of eleven uses."""
    sandbox, found = recordings
    check(kind, sandbox, mutate_recording(found[kind], data))


ERROR = {
    "error": {
        "code": "InvalidParameter",
        "message": "A value is wrong.",
        "target": "sku",
        "details": [{"code": "A", "message": "a", "details": [{"code": "B", "message": "b"}]}],
        "innererror": {"code": "C", "errordetail": "c"},
        "additionalInfo": [
            {"type": "PolicyViolation", "info": {"policyDefinitionDisplayName": "d"}}
        ],
    }
}


def fail_with(status: int, body: Any) -> None:
    """An error response with this body is an `AzureError` on one line."""
    with responses.RequestsMock() as wire:
        wire.get(f"{BASE}/x", status=status, body=json.dumps(body))
        with pytest.raises(az.AzureError) as caught:
            az.rest.send("token", "GET", f"{BASE}/x", max_attempts=1)
    assert len(str(caught.value).splitlines()) == 1


@given(data=st.data(), status=st.sampled_from([400, 401, 404, 409, 412, 429, 500, 503]))
def test_a_malformed_error_is_an_azure_error(data: st.DataObject, status: int) -> None:
    """Error responses may be malformed, too."""
    fail_with(status, mutate(ERROR, data))


@pytest.mark.parametrize("status", [200, 400])
def test_json_that_is_nested_too_deep_is_an_azure_error(status: int) -> None:
    """Python's JSON parser has a maximum depth."""
    with responses.RequestsMock() as wire:
        wire.get(f"{BASE}/x", status=status, body="[" * 100_000)
        with pytest.raises(az.AzureError):
            az.rest.get("token", f"{BASE}/x")


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"value": [{"properties": {}}]}, r"\[0\]\.instanceId is missing"),
        (
            {"value": [{"instanceId": "0", "properties": []}]},
            r"properties must be an object",
        ),
        ({"value": ["0"]}, r"\[0\] must be an object, not a string"),
    ],
)
def test_the_error_names_the_part(body: Any, missing: str) -> None:
    """With its place, the required type and the actual type."""
    with responses.RequestsMock() as wire:
        wire.get(
            f"{BASE}/subscriptions/{SUB}/resourceGroups/myrg/providers/Microsoft.Compute"
            "/virtualMachineScaleSets/web/virtualMachines",
            json=body,
        )
        with pytest.raises(az.AzureError, match=missing) as caught:
            az.list_vmss_vms("token", *WHERE)
    assert caught.value.code == "InvalidResponse"
    assert caught.value.url
    assert "?" not in caught.value.url
