"""Tokens of other tenants: they are sent only with writes of a model."""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any

import pytest
import requests
import responses

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.state import RolloutState, ScaleSetRef

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
FOREIGN = "99999999-0000-0000-0000-000000000000"
WHERE = ("token", SUBSCRIPTION, "myrg", "web")
SECRETS = ["SECRET-ONE", "SECRET-TWO"]
ROOT = "https://management.azure.com"
SET_URL = (
    f"{ROOT}/subscriptions/{SUBSCRIPTION}/resourceGroups/myrg/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/web"
)
FOREIGN_URL = f"{ROOT}/subscriptions/{FOREIGN}"
IMAGE_ID = (
    f"/subscriptions/{FOREIGN}/resourceGroups/images/providers/Microsoft.Compute/galleries/g"
    "/images/i/versions/1.0."
)
LINKED = {"error": {"code": "LinkedAuthorizationFailed", "message": "Not authorized."}}
WRONG_TENANT = {"error": {"code": "InvalidAuthenticationTokenTenant", "message": "Wrong issuer."}}


def model(version: int) -> dict[str, Any]:
    """A scale set whose image is in another tenant."""
    storage = {"imageReference": {"id": IMAGE_ID + str(version)}}
    return {
        "name": "web",
        "location": "eastus",
        "etag": '"1"',
        "properties": {
            "provisioningState": "Succeeded",
            "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {"storageProfile": storage},
        },
    }


def instance(number: int) -> dict[str, Any]:
    """An instance that runs the older version."""
    return {
        "instanceId": str(number),
        "name": f"web_{number}",
        "properties": {
            "latestModelApplied": False,
            "provisioningState": "Succeeded",
            "storageProfile": {"imageReference": {"id": IMAGE_ID + "1"}},
            "instanceView": {"platformUpdateDomain": number},
        },
    }


@pytest.fixture
def azure() -> Any:
    """Azure with a scale set whose model has the newer image version, and two older instances."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(SET_URL, json=model(2))
        mock.get(SET_URL + "/virtualMachines", json={"value": [instance(0), instance(1)]})
        yield mock


@responses.activate
@pytest.mark.parametrize(("write", "method"), [(az.put_vmss, "PUT"), (az.patch_vmss, "PATCH")])
def test_the_tokens_are_sent_as_azure_reads_them(write: Any, method: str) -> None:
    """Each is a bearer token, separated by commas; the request in the response has none of them."""
    sent = {}

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        sent.update(request.headers)
        return 200, {}, json.dumps(model(2))

    responses.add_callback(method, SET_URL, answer)
    response = write(*WHERE, model(2), auxiliary_tokens=SECRETS)
    assert sent["x-ms-authorization-auxiliary"] == "Bearer SECRET-ONE, Bearer SECRET-TWO"
    assert sent["Authorization"] == "Bearer token"
    assert "SECRET" not in repr(response.request.headers)


@responses.activate
def test_no_token_is_in_an_error_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """The error has Azure's reason instead."""
    caplog.set_level(logging.DEBUG)
    responses.put(SET_URL, json=LINKED, status=403)
    with pytest.raises(az.AzureError, match="pass a token of that tenant") as caught:
        az.put_vmss(*WHERE, model(2), auxiliary_tokens=SECRETS)
    assert caught.value.code == "LinkedAuthorizationFailed"
    assert caught.value.response is not None
    shown = f"{caught.value!r} {caught.value.response.request.headers!r} {caplog.text}"
    assert "SECRET" not in shown


@responses.activate
def test_no_token_stays_on_the_request_of_a_broken_connection() -> None:
    """The exception of requests refers to the request."""
    responses.put(SET_URL, body=requests.ConnectionError("broken"))
    with pytest.raises(requests.ConnectionError) as caught:
        rest.send("token", "PUT", SET_URL, {}, max_attempts=1, auxiliary_tokens=SECRETS)
    original = caught.value.__context__
    assert isinstance(original, requests.ConnectionError)
    assert original.request is not None
    assert "SECRET" not in repr(original.request.headers)
    assert "SECRET" not in repr(caught.value)


@responses.activate
def test_a_callable_is_called_for_each_token() -> None:
    """As for the access token itself."""
    responses.put(SET_URL, json=model(2))
    az.put_vmss(*WHERE, model(2), auxiliary_tokens=[lambda: "SECRET-ONE"])
    assert len(responses.calls) == 1


@pytest.mark.parametrize("bad", ["SECRET-ONE", None, 7, {"SECRET-ONE": 1}, ["SECRET"] * 4, [""]])
@pytest.mark.parametrize(
    "call",
    [
        lambda bad: az.put_vmss(*WHERE, model(2), auxiliary_tokens=bad),
        lambda bad: az.patch_vmss(*WHERE, {}, auxiliary_tokens=bad),
    ],
)
def test_an_invalid_list_of_tokens_is_rejected_without_showing_it(call: Any, bad: Any) -> None:
    """Nothing is sent, and the message shows no token."""
    with responses.RequestsMock(), pytest.raises(ValueError, match="token") as caught:
        call(bad)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("function", [az.rollout, az.rollback])
def test_a_rollout_rejects_an_invalid_list_of_tokens(function: Any) -> None:
    """It raises before anything is sent."""
    with responses.RequestsMock(), pytest.raises(ValueError, match="auxiliary_tokens must be"):
        next(function(*WHERE, auxiliary_tokens="SECRET-ONE"))


def test_the_state_of_a_rollout_shows_no_token_and_sends_none_to_another_process() -> None:
    """A plain token could not be renewed there."""
    options = RolloutOptions(auxiliary_tokens=SECRETS)
    assert "SECRET" not in repr(options)
    state = RolloutState(ScaleSetRef(lambda: "token", *WHERE[1:]), options)
    with pytest.raises(ValueError, match="must be a token provider") as caught:
        state.__getstate__()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_rollback_to_an_image_of_another_tenant_is_rejected_at_the_start(
    azure: Any, dry_run: bool
) -> None:
    """Azure rejects the token for the image's subscription, so it would reject the PUT."""
    azure.get(FOREIGN_URL, json=WRONG_TENANT, status=401)
    with pytest.raises(ValueError, match=r"on_failure: the image .* is in another tenant: pass"):
        list(az.rollout(*WHERE, on_failure="rollback", dry_run=dry_run))
    assert {call.request.method for call in azure.calls} == {"GET"}


def test_a_dry_run_reports_an_image_of_another_tenant(azure: Any) -> None:
    """The image is in the model that would be put."""
    azure.get(FOREIGN_URL, json=WRONG_TENANT, status=401)
    with pytest.raises(ValueError, match=r"dry_run: the image .* is in another tenant"):
        list(az.rollout(*WHERE, dry_run=model(3)))


def test_rollback_raises_before_its_put(azure: Any) -> None:
    """The scale set is unchanged."""
    azure.get(FOREIGN_URL, json=WRONG_TENANT, status=401)
    with pytest.raises(ValueError, match=r"image: the image .* is in another tenant"):
        list(az.rollback(*WHERE))
    assert {call.request.method for call in azure.calls} == {"GET"}


@pytest.mark.parametrize("status", [403, 404])
def test_an_unreadable_subscription_is_not_another_tenant(azure: Any, status: int) -> None:
    """The right to read an image may come without the right to read its subscription."""
    azure.get(FOREIGN_URL, json={"error": {"code": "X", "message": "x"}}, status=status)
    events = list(az.rollout(*WHERE, on_failure="rollback", dry_run=True))
    assert events[-1].kind == "finished"


def test_a_rollback_sends_the_tokens_with_its_put(azure: Any) -> None:
    """With tokens, no check beforehand is needed."""
    sent = []

    def put(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        sent.append(request.headers["x-ms-authorization-auxiliary"])
        return 400, {}, json.dumps({"error": {"code": "Stop", "message": "Enough."}})

    azure.add_callback("PUT", SET_URL, put)
    with pytest.raises(az.RolloutHalted, match=r"Enough\."):
        list(az.rollback(*WHERE, auxiliary_tokens=SECRETS))
    assert sent == ["Bearer SECRET-ONE, Bearer SECRET-TWO"]


@pytest.mark.parametrize("function", [az.rollout, az.rollback, az.rollout_fleet])
def test_all_functions_that_put_an_image_accept_the_tokens(function: Any) -> None:
    """A fleet passes them on like the other options."""
    assert "auxiliary_tokens" in inspect.signature(function).parameters
