"""Scale sets and instances: the request of each function, and the arguments that it rejects."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from support.clock import Clock
from support.names import GROUP, VMSS, WHERE, value_id
from support.wrappers import (
    Wrapper,
    assert_pages_are_followed,
    assert_sent_as_written,
    azure,
    for_each_wrapper,
)

import azurerm_lite as az

ETAG = '"2"'

TAKE_ALL_OR_SOME = [
    az.start_vmss,
    az.restart_vmss,
    az.poweroff_vmss,
    az.stopdealloc_vmss,
    az.reimage_vmss,
    az.redeploy_vmss,
]
TAKE_SOME = [az.delete_vmss_vms, az.manual_upgrade]
TAKE_ONE = [az.get_vmss_vm, az.get_vmss_vm_instance_view]

every_action = pytest.mark.parametrize(
    "action", TAKE_ALL_OR_SOME + TAKE_SOME, ids=lambda action: action.__name__
)

NO_IDS = [
    *([], (), set(), {}, iter(()), "", " "),
    *("1,2", "1 2", "[1]", "-1", "1.5x!", "../1", "a/b", "1?x", "1#", "1\n", "%31", "é", "x" * 81),
    *(True, False, -1, 1.5, b"12"),
    *([True], [-1], [1.5], [None], [[1]], ["1", ""], ["1,2"], ["*", "1"], [{"instanceId": "1"}]),
    *({0: ["3"], 1: ["4"]}, {"instanceId": "1"}),
]
"""What cannot be meant as instance ids. (The last but one is what `by_update_domain` returns.)"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def sent_by(call: Callable[[], Any], method: str, url: str = VMSS) -> requests.PreparedRequest:
    """Return the single request of a call."""
    with azure() as wire:
        wire.add(method, url, status=202)
        call()
        assert len(wire.calls) == 1
        return wire.calls[0].request


def body_of(request: requests.PreparedRequest) -> Any:
    """Return the JSON of a request."""
    return json.loads(request.body or b"null")


@for_each_wrapper("vmss")
def test_each_function_sends_the_request_of_the_reference(
    row: Wrapper, token: str, clock: Clock
) -> None:
    """Method, path, query, headers, body and result are those of the REST reference."""
    assert_sent_as_written(row, token)


@for_each_wrapper("vmss", gives="list")
def test_each_list_follows_its_pages(row: Wrapper, token: str, clock: Clock) -> None:
    """The result has the entries of all pages in order, with an empty page in between."""
    assert_pages_are_followed(row, token)


# Instance ids


@every_action
@pytest.mark.parametrize(
    ("instance_ids", "sent"),
    [
        pytest.param("3", ["3"], id="str"),
        pytest.param("12", ["12"], id="str-of-two-digits-is-one-id"),
        pytest.param(0, ["0"], id="int-zero"),
        pytest.param(["2", 10, "1"], ["2", "10", "1"], id="list-keeps-its-order"),
        pytest.param(("7",), ["7"], id="tuple"),
        pytest.param({5}, ["5"], id="set"),
        pytest.param(range(3), ["0", "1", "2"], id="range"),
        pytest.param(["1", 1, "1"], ["1"], id="each-once"),
        pytest.param("*", ["*"], id="all"),
        pytest.param(["*"], ["*"], id="list-of-all"),
        pytest.param(["web_1a", "web_2b"], ["web_1a", "web_2b"], id="names-in-a-flexible-set"),
    ],
)
def test_instance_ids_are_sent_as_a_list_of_strings(
    action: Callable[..., Any], instance_ids: Any, sent: list[str], token: str, clock: Clock
) -> None:
    """For one id or several, as strings or whole numbers."""
    tail = {
        az.stopdealloc_vmss: "deallocate",
        az.delete_vmss_vms: "delete",
        az.manual_upgrade: "manualupgrade",
    }
    if action is az.redeploy_vmss and "web_1a" in sent:
        pytest.skip("Azure redeploys members of Flexible sets one at a time")
    url = f"{VMSS}/{tail.get(action, action.__name__.removesuffix('_vmss'))}"
    assert body_of(sent_by(lambda: action(token, *WHERE, instance_ids), "POST", url)) == {
        "instanceIds": sent
    }


@pytest.mark.parametrize(
    ("action", "path"),
    [
        (az.start_vmss, "start"),
        (az.restart_vmss, "restart"),
        (az.poweroff_vmss, "poweroff"),
        (az.redeploy_vmss, "redeploy"),
    ],
)
def test_an_action_on_one_member_goes_to_its_machine(
    action: Callable[..., Any], path: str, token: str, clock: Clock
) -> None:
    """A member of a Flexible set is a virtual machine."""
    machine = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web_1a2b3c4d"
    request = sent_by(lambda: action(token, *WHERE, "web_1a2b3c4d"), "POST", f"{machine}/{path}")
    assert not request.body


def test_several_members_are_not_redeployed_in_one_call(token: str) -> None:
    """Azure has no batch call for this; nothing is sent."""
    with pytest.raises(ValueError, match="one at a time: call redeploy_vmss for each"):
        az.redeploy_vmss(token, *WHERE, ["web_1a", "web_2b"])


def test_instance_ids_may_come_from_a_generator(token: str, clock: Clock) -> None:
    """It is read once and sent completely."""
    ids = (str(number) for number in (4, 5))
    assert body_of(
        sent_by(lambda: az.manual_upgrade(token, *WHERE, ids), "POST", VMSS + "/manualupgrade")
    ) == {"instanceIds": ["4", "5"]}


@every_action
@pytest.mark.parametrize("instance_ids", NO_IDS, ids=value_id)
def test_an_invalid_instance_id_is_a_value_error_before_anything_is_sent(
    action: Callable[..., Any], instance_ids: Any, token: str, clock: Clock
) -> None:
    """An empty list is an error as well: Azure would apply it to the whole set."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="instance_ids"):
        action(token, *WHERE, instance_ids)


@pytest.mark.parametrize("action", TAKE_SOME, ids=lambda action: action.__name__)
def test_none_is_a_value_error_if_instances_must_be_named(
    action: Callable[..., Any], token: str, clock: Clock
) -> None:
    """A variable that was never set must not delete or upgrade all instances."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="instance_ids"):
        action(token, *WHERE, None)


@pytest.mark.parametrize("read", TAKE_ONE, ids=lambda read: read.__name__)
@pytest.mark.parametrize("instance_id", [*NO_IDS, None, "*", ["1"]], ids=value_id)
def test_an_invalid_single_instance_id_is_a_value_error_before_anything_is_sent(
    read: Callable[..., Any], instance_id: Any, token: str, clock: Clock
) -> None:
    """Functions for one instance accept neither a list nor `*`."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="instance_id"):
        read(token, *WHERE, instance_id)


@given(
    instance_id=st.text(max_size=10)
    | st.sampled_from([".", "..", "1/..", "1%2f", "1?x=1", "web_1.a-b", "*"])
)
def test_an_instance_id_never_leaves_its_segment(instance_id: str) -> None:
    """Any id is rejected before sending, or is unchanged in its own path segment."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.get(re.compile(""), json={})
        with contextlib.suppress(ValueError):
            az.get_vmss_vm_instance_view("token", *WHERE, instance_id)
        if not wire.calls:
            assert not re.fullmatch("[0-9]+|[a-z]+", instance_id), (
                "an id that Azure gives was refused"
            )
            return
        segments = urlsplit(wire.calls[0].request.url).path.split("/")
        assert [unquote(segment) for segment in segments[-3:]] == [
            "virtualMachines",
            instance_id,
            "instanceView",
        ]


# The model: put, patch, scale


def test_put_sends_the_etag_of_the_model(token: str, clock: Clock) -> None:
    """So a change since the model was read is not overwritten."""
    model = {"name": "web", "etag": ETAG, "properties": {}}
    request = sent_by(lambda: az.put_vmss(token, *WHERE, model), "PUT")
    assert request.headers["If-Match"] == ETAG


@pytest.mark.parametrize("etag", ['"9"', "*"])
def test_if_match_overrides_the_models_own_etag(etag: str, token: str, clock: Clock) -> None:
    """`if_match` is sent unchanged, including quotes."""
    model = {"name": "web", "etag": ETAG, "properties": {}}
    assert (
        sent_by(lambda: az.put_vmss(token, *WHERE, model, if_match=etag), "PUT").headers["If-Match"]
        == etag
    )
    assert (
        sent_by(lambda: az.patch_vmss(token, *WHERE, model, if_match=etag), "PATCH").headers[
            "If-Match"
        ]
        == etag
    )


@pytest.mark.parametrize("etag", [{}, {"etag": None}, {"etag": ""}], ids=repr)
def test_put_without_an_etag_sends_no_precondition(
    etag: dict[str, Any], token: str, clock: Clock
) -> None:
    """A new scale set has none, and an empty header would never match."""
    assert (
        "If-Match"
        not in sent_by(
            lambda: az.put_vmss(token, *WHERE, {"location": "here", **etag}), "PUT"
        ).headers
    )


def test_patch_sends_no_precondition_by_default(token: str, clock: Clock) -> None:
    """The etag in the body is not used."""
    request = sent_by(lambda: az.patch_vmss(token, *WHERE, {"etag": ETAG, "tags": {}}), "PATCH")
    assert "If-Match" not in request.headers
    assert body_of(request) == {"tags": {}}


@pytest.mark.parametrize(("write", "method"), [(az.put_vmss, "PUT"), (az.patch_vmss, "PATCH")])
@given(
    extra=st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    inner=st.dictionaries(st.text(max_size=8), json_values, max_size=3),
)
def test_only_etag_and_provisioning_state_are_left_out(
    write: Callable[..., Any], method: str, extra: dict[str, Any], inner: dict[str, Any]
) -> None:
    """All else is sent unchanged, including nested fields of these names.

    The caller's dict is not changed.
    """
    rest = {**extra, "tags": {"etag": "t", "provisioningState": "t"}}
    rest.pop("etag", None)
    properties = {**inner, "profile": {"etag": "p", "provisioningState": "p"}}
    properties.pop("provisioningState", None)
    body = {**rest, "etag": ETAG, "properties": {**properties, "provisioningState": "Updating"}}
    before = copy.deepcopy(body)
    request = sent_by(lambda: write("token", *WHERE, body), method)
    assert body_of(request) == {**rest, "properties": properties}
    assert body == before


@pytest.mark.parametrize("write", [az.put_vmss, az.patch_vmss], ids=lambda write: write.__name__)
@pytest.mark.parametrize(
    "body", [None, "{}", b"{}", [], [("location", "x")], 3, {"location"}], ids=repr
)
def test_a_model_that_is_not_a_dict_is_a_value_error_before_anything_is_sent(
    write: Callable[..., Any], body: Any, token: str, clock: Clock
) -> None:
    """For example JSON text, which older libraries accepted."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="vmss_body must be a dict"):
        write(token, *WHERE, body)


def test_a_change_in_between_is_a_failed_precondition_and_not_repeated(
    token: str, clock: Clock
) -> None:
    """A 412 is `PreconditionFailed` with Azure's message, after one attempt."""
    message = 'Etag provided in if-match header "2" does not match etag "3" of resource.'
    with azure() as wire:
        wire.put(
            VMSS, status=412, json={"error": {"code": "PreconditionFailed", "message": message}}
        )
        with pytest.raises(az.PreconditionFailed) as caught:
            az.put_vmss(token, *WHERE, {"etag": ETAG, "properties": {}})
        assert len(wire.calls) == 1
    assert (caught.value.message, caught.value.code) == (message, "PreconditionFailed")


@pytest.mark.parametrize("capacity", [0, 1, 1000])
def test_scaling_sends_the_capacity_alone_as_a_number(
    capacity: int, token: str, clock: Clock
) -> None:
    """Only the capacity is sent, so that the VM size is kept; there is no precondition."""
    request = sent_by(lambda: az.scale_vmss(token, *WHERE, capacity), "PATCH")
    assert request.body == json.dumps({"sku": {"capacity": capacity}}).encode()
    assert "If-Match" not in request.headers


@pytest.mark.parametrize("capacity", [-1, True, False, "3", 2.0, None, [3]], ids=repr)
def test_an_invalid_capacity_is_a_value_error_before_anything_is_sent(
    capacity: Any, token: str, clock: Clock
) -> None:
    """`True` would scale to one instance, and azurerm sent text."""
    with (
        azure(expects_requests=False),
        pytest.raises(ValueError, match="capacity must be a whole number"),
    ):
        az.scale_vmss(token, *WHERE, capacity)


# Protection


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({"from_scale_in": True}, {"protectFromScaleIn": True}),
        ({"from_scale_in": False}, {"protectFromScaleIn": False}),
        ({"from_scale_set_actions": True}, {"protectFromScaleSetActions": True}),
        ({"from_scale_set_actions": False}, {"protectFromScaleSetActions": False}),
        (
            {"from_scale_in": True, "from_scale_set_actions": True},
            {"protectFromScaleIn": True, "protectFromScaleSetActions": True},
        ),
        (
            {"from_scale_in": False, "from_scale_set_actions": False},
            {"protectFromScaleIn": False, "protectFromScaleSetActions": False},
        ),
    ],
    ids=repr,
)
def test_protection_is_sent_alone(
    options: dict[str, bool], policy: dict[str, bool], token: str, clock: Clock
) -> None:
    """The body is only the policy.

    A PUT of the whole instance is reported to detach it from the set's model.
    """
    request = sent_by(
        lambda: az.protect_vmss_vm(token, *WHERE, 7, **options), "PUT", VMSS + "/virtualMachines/7"
    )
    assert body_of(request) == {"properties": {"protectionPolicy": policy}}


@pytest.mark.parametrize(
    "options", [{}, {"from_scale_in": False, "from_scale_set_actions": True}], ids=repr
)
def test_contradictory_protection_is_a_value_error_before_anything_is_sent(
    options: dict[str, bool], token: str, clock: Clock
) -> None:
    """No option at all, or protection from actions without protection from scaling in."""
    with (
        azure(expects_requests=False),
        pytest.raises(ValueError, match=r"from_scale_in=.* is not a valid combination"),
    ):
        az.protect_vmss_vm(token, *WHERE, 7, **options)


@pytest.mark.parametrize("instance_id", ["*", ["7"], "", None, True, "7,8"], ids=repr)
def test_protection_takes_one_instance(instance_id: Any, token: str, clock: Clock) -> None:
    """Each instance is protected by its own request."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="instance_id must"):
        az.protect_vmss_vm(token, *WHERE, instance_id, from_scale_in=True)


@pytest.mark.parametrize("option", ["from_scale_in", "from_scale_set_actions"])
@pytest.mark.parametrize("value", ["false", "no", 1, []], ids=repr)
def test_protection_accepts_only_bools(option: str, value: Any, token: str, clock: Clock) -> None:
    """The text `false` must not protect."""
    with azure(expects_requests=False), pytest.raises(ValueError, match=option):
        az.protect_vmss_vm(token, *WHERE, 7, **{option: value})


# Reads


def test_the_list_of_instances_never_selects(token: str, clock: Clock) -> None:
    """`$select` would remove `latestModelApplied`, which a rollout needs."""
    with azure() as wire:
        wire.get(VMSS + "/virtualMachines", json={"value": []})
        assert az.get_instance_views(token, *WHERE) == []
        assert "select" not in wire.calls[0].request.url


def test_an_action_that_ends_at_once_returns_its_response(token: str, clock: Clock) -> None:
    """A 200 without headers of an operation is returned, and `wait` sends nothing."""
    with azure() as wire:
        wire.post(VMSS + "/start", status=200)
        answer = az.start_vmss(token, *WHERE)
        assert az.wait(token, answer) is None
        assert len(wire.calls) == 1


def test_deleting_a_missing_scale_set_is_not_an_error(token: str, clock: Clock) -> None:
    """Azure responds with 204, which is returned."""
    with azure() as wire:
        wire.delete(VMSS, status=204)
        assert az.delete_vmss(token, *WHERE).status_code == 204
