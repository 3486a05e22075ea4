"""Waiting: where the state of an operation is read, when it has ended, and its result."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import math
from typing import Any

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from responses import registries
from support.clock import Clock
from support.names import BASE, SUB, VMSS

from azurerm_lite import _retry, rest
from azurerm_lite._text import duration
from azurerm_lite.errors import (
    AuthenticationFailed,
    AzureError,
    Conflict,
    NotFound,
    OperationFailed,
    OperationTimeout,
    Throttled,
)
from azurerm_lite.operations import DEFAULT_TIMEOUT, Operation, Poll, wait

URL = f"{VMSS}?api-version=2024-11-01"
ACTION = f"{VMSS}/manualupgrade?api-version=2024-11-01"
OPERATIONS = f"{BASE}/subscriptions/{SUB}/providers/Microsoft.Compute/locations/westeurope"
OPERATION = f"{OPERATIONS}/operations/1?api-version=1"
MONITOR = OPERATION.replace("?", "?monitor=true&")
ASYNC = {"Azure-AsyncOperation": OPERATION}
BOTH = {**ASYNC, "Location": MONITOR}
ordered = functools.partial(responses.RequestsMock, registry=registries.OrderedRegistry)


def model(state: str | None = "Succeeded") -> dict[str, Any]:
    """A scale set in a provisioning state."""
    return {"name": "web", "properties": {} if state is None else {"provisioningState": state}}


def operation(status: str, **more: Any) -> dict[str, Any]:
    """An operation as Compute returns it."""
    return {"startTime": "2024-11-01T00:00:00Z", "status": status, "name": "1", **more}


def start_response(
    azure: responses.RequestsMock,
    token: str,
    method: str = "POST",
    status: int = 202,
    headers: dict[str, str] | None = None,
    body: Any = None,
) -> requests.Response:
    """The response of the request that start_response an operation."""
    url = ACTION if method == "POST" else URL
    azure.add(
        method,
        url,
        status=status,
        headers=headers or {},
        **({} if body is None else {"json": body}),
    )
    return rest.send(token, method, url, {})


def running_forever(azure: responses.RequestsMock, **answer: Any) -> None:
    """Every poll of the operation gets the same response."""
    azure.get(OPERATION, **(answer or {"json": operation("InProgress")}))


# --- where the state is read, and the result ---


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [(201, ASYNC), (200, ASYNC), (202, BOTH)],
    ids=["created", "updated", "accepted"],
)
def test_a_write_ends_with_the_resource(
    method: str, status: int, headers: dict[str, str], clock: Clock, token: str
) -> None:
    """After a PUT or PATCH the operation is polled, then the resource is read."""
    with ordered() as azure:
        response = start_response(azure, token, method, status, headers, model("Updating"))
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        azure.get(URL, json=model())
        assert wait(token, response) == model()


@pytest.mark.parametrize(
    ("answer", "expected"), [({"body": b""}, None), ({"json": {"output": 1}}, {"output": 1})]
)
def test_an_action_ends_with_the_body_at_its_location(
    answer: dict[str, Any], expected: Any, clock: Clock, token: str
) -> None:
    """After a POST the operation is polled, then its `Location` is read, which is often empty."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, BOTH)
        azure.get(OPERATION, json=operation("Succeeded"))
        azure.get(MONITOR, **answer)
        assert wait(token, response) == expected


def test_an_action_without_a_location_ends_with_nothing(clock: Clock, token: str) -> None:
    """A POST with only an operation returns `None`."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, ASYNC)
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response) is None


def test_a_deletion_ends_with_nothing(clock: Clock, token: str) -> None:
    """A DELETE reads neither the deleted resource nor the `Location`."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, BOTH)
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response) is None


@pytest.mark.parametrize(
    ("method", "status", "body", "expected"),
    [
        ("PUT", 200, model(), model()),
        ("PUT", 201, model("succeeded"), model("succeeded")),
        ("PATCH", 200, model(None), model(None)),
        ("PATCH", 200, {"name": "web"}, {"name": "web"}),
        ("PUT", 200, {"properties": None}, {"properties": None}),
        ("POST", 200, None, None),
        ("POST", 200, {"walkPerformed": True}, {"walkPerformed": True}),
        ("DELETE", 200, None, None),
        ("DELETE", 204, None, None),
        ("POST", 202, None, None),
    ],
)
def test_an_operation_that_ended_at_once_is_not_polled(
    method: str, status: int, body: Any, expected: Any, clock: Clock, token: str
) -> None:
    """Without headers and without a running state, nothing more is sent."""
    seen: list[str] = []
    with ordered() as azure:
        response = start_response(azure, token, method, status, None, body)
        assert (
            wait(token, response, on_poll=lambda status, seconds: seen.append(status)) == expected
        )
        assert len(azure.calls) == 1
    assert (seen, clock.slept) == ([], [])


def test_a_location_without_an_operation_is_polled_while_it_is_202(
    clock: Clock, token: str
) -> None:
    """With only `Location`, 202 means running, and the last body is the result."""
    seen: list[str] = []
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, {"Location": MONITOR})
        azure.get(MONITOR, status=202)
        azure.get(MONITOR, status=202, json={"status": "Failed"})
        azure.get(MONITOR, status=200, json={"output": 1})
        assert wait(token, response, on_poll=lambda status, seconds: seen.append(status)) == {
            "output": 1
        }
    assert seen == ["InProgress", "InProgress", "Succeeded"]


@pytest.mark.parametrize(("method", "status"), [("POST", 204), ("DELETE", 204), ("DELETE", 200)])
def test_a_location_that_ends_empty_returns_none(
    method: str, status: int, clock: Clock, token: str
) -> None:
    """The last response has no body."""
    with ordered() as azure:
        response = start_response(azure, token, method, 202, {"Location": MONITOR})
        azure.get(MONITOR, status=status)
        assert wait(token, response) is None


def test_a_location_with_an_error_response_is_an_error(clock: Clock, token: str) -> None:
    """With only `Location`, a 4xx is the operation's failure."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, {"Location": MONITOR})
        azure.get(
            MONITOR, status=409, json={"error": {"code": "OperationNotAllowed", "message": "No."}}
        )
        with pytest.raises(Conflict, match="No"):
            wait(token, response)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_write_without_headers_is_followed_by_its_own_state(
    method: str, clock: Clock, token: str
) -> None:
    """Without headers the resource is read until its provisioning state is final.

    There is no further GET.
    """
    seen: list[str] = []
    with ordered() as azure:
        response = start_response(azure, token, method, 200, None, model("Updating"))
        azure.get(URL, json=model("Updating"))
        azure.get(URL, json=model("Succeeded"))
        assert wait(token, response, on_poll=lambda status, seconds: seen.append(status)) == model(
            "Succeeded"
        )
    assert seen == ["Updating", "Succeeded"]


def test_a_state_that_vanishes_means_ready(clock: Clock, token: str) -> None:
    """By Azure's contract, a resource without a provisioning state is ready."""
    with ordered() as azure:
        response = start_response(azure, token, "PUT", 201, None, model("Creating"))
        azure.get(URL, json=model(None))
        assert wait(token, response) == model(None)


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_a_write_that_failed_at_once_is_an_error(state: str, clock: Clock, token: str) -> None:
    """A response whose body has Failed is not returned as the resource."""
    with ordered() as azure:
        response = start_response(azure, token, "PUT", 200, None, model(state))
        azure.get(URL, json=model(state))
        with pytest.raises(OperationFailed, match=state):
            wait(token, response)


def test_the_operation_goes_before_the_location_and_the_state(clock: Clock, token: str) -> None:
    """`Azure-AsyncOperation` is read first, whatever the status and the body are."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as azure:
        response = start_response(azure, token, "PUT", 202, BOTH, model("Succeeded"))
        azure.get(OPERATION, json=operation("Failed", error={"code": "C", "message": "M"}))
        azure.get(MONITOR, json={})
        azure.get(URL, json=model())
        with pytest.raises(OperationFailed):
            wait(token, response)
        assert [call.request.url for call in azure.calls][1:] == [OPERATION]


def test_the_location_goes_before_the_state(clock: Clock, token: str) -> None:
    """`Location` is read rather than the provisioning state."""
    with ordered() as azure:
        response = start_response(
            azure, token, "PUT", 202, {"Location": MONITOR}, model("Updating")
        )
        azure.get(MONITOR, status=202)
        azure.get(MONITOR, json=model())
        assert wait(token, response) == model()


@pytest.mark.parametrize("name", ["azure-asyncoperation", "AZURE-ASYNCOPERATION"])
def test_the_case_of_the_header_does_not_matter(name: str, clock: Clock, token: str) -> None:
    """Headers are found in any letter case."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, {name: OPERATION})
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response) is None


@pytest.mark.parametrize("header", ["Azure-AsyncOperation", "Location"])
def test_an_operation_at_another_host_is_not_polled(header: str, clock: Clock, token: str) -> None:
    """A header with another host raises immediately, and the token is not sent there."""
    for link in (
        "https://evil.example/",
        "https://evil.example\\@management.azure.com/",
        OPERATION.replace("s:", ":"),
    ):
        with ordered() as azure:
            response = start_response(azure, token, "POST", 202, {header: link})
            with pytest.raises(AzureError, match="the token is not sent there"):
                wait(token, response)
            assert len(azure.calls) == 1
    assert clock.slept == []


def test_an_operation_url_with_an_explicit_port_is_polled(clock: Clock, token: str) -> None:
    """`:443` is the default port."""
    link = OPERATION.replace("azure.com/", "azure.com:443/")
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, {"Azure-AsyncOperation": link})
        azure.get(link, json=operation("Succeeded"))
        assert wait(token, response) is None


# --- when an operation has ended ---


@pytest.mark.parametrize("word", ["Succeeded", "succeeded", "SUCCEEDED"])
def test_success_is_success_in_any_case(word: str, clock: Clock, token: str) -> None:
    """The letter case of the status does not matter."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation(word))
        assert wait(token, response) is None


@pytest.mark.parametrize(
    "word", ["Failed", "failed", "FAILED", "Canceled", "canceled", "Cancelled"]
)
def test_a_failure_has_the_code_and_message_of_the_operation(
    word: str, clock: Clock, token: str
) -> None:
    """A failed operation is `OperationFailed`, with Azure's code, message and details."""
    error = {
        "code": "OSProvisioningTimedOut",
        "message": "Too\r\n long.",
        "details": [{"code": "D"}],
    }
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, BOTH)
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(
            OPERATION, json=operation(word, error=error), headers={"x-ms-request-id": "req-9"}
        )
        with pytest.raises(OperationFailed) as caught:
            wait(token, response)
    failed = caught.value
    assert (failed.code, failed.message, failed.details) == (
        "OSProvisioningTimedOut",
        "Too long.",
        ({"code": "D"},),
    )
    assert (failed.request_id, failed.status_code) == ("req-9", 200)


def test_a_failure_without_a_reason_has_a_message(clock: Clock, token: str) -> None:
    """For an operation that has only the status Failed."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, ASYNC)
        azure.get(OPERATION, json=operation("Failed"))
        with pytest.raises(OperationFailed, match="status Failed; Azure gave no reason") as caught:
            wait(token, response)
    assert caught.value.code == "Failed"


@pytest.mark.parametrize(
    "word",
    ["InProgress", "Running", "Updating", "Accepted", "SomethingNew", None, "", " \n", 5, {"a": 1}],
)
def test_any_other_status_means_running(word: Any, clock: Clock, token: str) -> None:
    """Only four statuses are final; a status that is not a string is Unknown."""
    seen: list[str] = []
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json={"status": word})
        azure.get(OPERATION, json=operation("Succeeded"))
        wait(token, response, on_poll=lambda status, seconds: seen.append(status))
    assert seen == [word if isinstance(word, str) and word.strip() else "Unknown", "Succeeded"]


@pytest.mark.parametrize("body", [[], "text", 5, None, {}, {"properties": {"status": "Succeeded"}}])
def test_an_operation_without_a_status_is_polled_again(body: Any, clock: Clock, token: str) -> None:
    """JSON of another shape is polled again."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=body)
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "properties", "provisioningState", "error"]), inner
        )
    ),
    max_leaves=8,
)


@given(
    method=st.sampled_from(["PUT", "PATCH", "POST"]),
    asynchronous=st.booleans(),
    first=JSON,
    then=JSON,
)
def test_any_json_ends_in_a_result_or_a_documented_error(
    method: str, asynchronous: bool, first: Any, then: Any
) -> None:
    """Whatever the JSON is, a single poll ends in a result, a failure or a timeout."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as azure:
        response = start_response(azure, "token", method, 200, ASYNC if asynchronous else {}, first)
        azure.get(OPERATION, json=then)
        azure.get(URL, json=then)
        text = "a result"
        try:
            wait("token", response, timeout=0)
        except (AzureError, OperationTimeout) as error:
            text = str(error)
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        pytest.param(
            {"properties": {"error": {"code": "AllocationFailed", "message": "Full."}}},
            "AllocationFailed",
            "Full.",
            id="under properties",
        ),
        pytest.param(
            {"resultCode": "OperationPreempted", "errorDetails": "Overtaken."},
            "OperationPreempted",
            "Overtaken.",
            id="next to the status",
        ),
        pytest.param(
            {"error": {"code": "X", "message": None, "details": [{"code": "Y", "message": "m"}]}},
            "X",
            "Y: m",
            id="in the details alone",
        ),
    ],
)
def test_the_reason_of_a_failure_is_found_in_each_place(
    more: dict[str, Any], code: str, message: str, clock: Clock, token: str
) -> None:
    """Resource providers put the error of an operation in several places."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, ASYNC)
        azure.get(OPERATION, json=operation("Failed", **more))
        with pytest.raises(OperationFailed) as caught:
            wait(token, response)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert "None" not in str(caught.value)


@pytest.mark.parametrize("answer", [{"json": {"name": "1"}}, {"status": 204}, {"json": ["a"]}])
def test_an_operation_that_never_has_a_status_is_an_invalid_response(
    answer: dict[str, Any], clock: Clock, token: str
) -> None:
    """It is polled for two minutes, not until the timeout."""
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "POST", 202, ASYNC)
        running_forever(azure, **answer)
        with pytest.raises(AzureError) as caught:
            wait(token, response)
    assert caught.value.code == "InvalidResponse"
    assert 120 <= sum(clock.slept) < 140


def test_an_operation_may_return_the_state_of_the_resource(clock: Clock, token: str) -> None:
    """Without a status the provisioning state counts."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=model("Updating"))
        azure.get(OPERATION, json=model("succeeded"))
        assert wait(token, response) is None


@pytest.mark.parametrize("header", ["Azure-AsyncOperation", "Location"])
def test_a_relative_link_is_one_of_the_same_host(header: str, clock: Clock, token: str) -> None:
    """A path is sufficient."""
    with ordered() as azure:
        response = start_response(
            azure, token, "DELETE", 202, {header: OPERATION.removeprefix(BASE)}
        )
        azure.get(OPERATION, json=operation("Succeeded"))
        wait(token, response)


def test_an_empty_header_is_ignored(clock: Clock, token: str) -> None:
    """The next header counts."""
    headers = {"Azure-AsyncOperation": "", "Location": MONITOR}
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, headers)
        azure.get(MONITOR, body=b"")
        assert wait(token, response) is None


def test_a_write_accepted_without_a_body_is_followed_by_its_state(clock: Clock, token: str) -> None:
    """A missing body does not mean that it is done."""
    with ordered() as azure:
        response = start_response(azure, token, "PUT", 202)
        azure.get(URL, json=model("Updating"))
        azure.get(URL, json=model())
        assert wait(token, response) == model()


def test_an_action_whose_result_is_gone_has_succeeded(clock: Clock, token: str) -> None:
    """Azure deletes results after a while."""
    with ordered() as azure:
        response = start_response(azure, token, "POST", 202, BOTH)
        azure.get(OPERATION, json=operation("Succeeded"))
        azure.get(MONITOR, status=404, json={"error": {"code": "NotFound", "message": "Gone."}})
        assert wait(token, response) is None


# --- pauses and timeouts ---


def test_the_first_poll_is_immediate_and_the_pauses_grow(clock: Clock, token: str) -> None:
    """Without `Retry-After` the pause grows from one second to ten.

    It is a fifteenth of the elapsed time.
    """
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        running_forever(azure)
        with pytest.raises(OperationTimeout):
            wait(token, response, timeout=200)
    began = list(itertools.accumulate(clock.slept, initial=0.0))
    assert clock.slept[:15] == [1.0] * 15
    assert clock.slept[:-1] == sorted(clock.slept[:-1])
    assert clock.slept[-2] == 10.0
    assert all(
        pause == pytest.approx(min(10.0, max(1.0, gone / 15)))
        for gone, pause in zip(began, clock.slept[:-1], strict=False)
    )


@pytest.mark.parametrize("seconds", [1.5, 2, 14.9, 20, 60.1, 200, 1000])
def test_the_number_of_polls_and_the_delay_are_bounded(
    seconds: float, clock: Clock, token: str
) -> None:
    """There are never more polls than docs/rollout.md states.

    The end is noticed within a fifteenth of the time, or a second.
    """
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        ends = clock.now + seconds

        def answer(request: Any) -> tuple[int, dict[str, str], str]:
            return 200, {}, json.dumps(operation("InProgress" if clock.now < ends else "Succeeded"))

        azure.add_callback("GET", OPERATION, answer)
        wait(token, response)
        looks = len(azure.calls) - 1
    assert looks <= min(seconds + 2, 40 + seconds / 10)
    assert clock.now - ends <= max(1, seconds / 15)


@pytest.mark.parametrize("asked", [2, 17, 60])
def test_retry_after_is_obeyed_between_polls(asked: int, clock: Clock, token: str) -> None:
    """Azure's pause overrides the interval, and is kept exactly."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"), headers={"Retry-After": str(asked)})
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        wait(token, response, interval=3)
    assert clock.slept == [asked, 3]


@pytest.mark.parametrize("said", ["0", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_an_unusable_retry_after_leaves_the_default_pause(
    said: str, clock: Clock, token: str
) -> None:
    """Zero, garbage and past dates do not lead to polls without a pause."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"), headers={"Retry-After": said})
        azure.get(OPERATION, json=operation("Succeeded"))
        wait(token, response)
    assert clock.slept == [1.0]


@pytest.mark.parametrize(
    ("timeout", "interval", "slept"),
    [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 60, [3]), (0.5, 0.2, [0.2, 0.2, 0.1])],
)
def test_the_last_poll_is_at_the_timeout(
    timeout: float, interval: float, slept: list[float], clock: Clock, token: str
) -> None:
    """No pause exceeds the timeout, and the state is read once more at the timeout."""
    seen: list[float] = []
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "POST", 202, BOTH)
        running_forever(azure)
        with pytest.raises(OperationTimeout) as caught:
            wait(
                token,
                response,
                timeout=timeout,
                interval=interval,
                on_poll=lambda status, gone: seen.append(gone),
            )
    assert clock.slept == pytest.approx(slept)
    assert seen[-1] == pytest.approx(timeout)
    limit = duration(timeout)
    message = f"POST {VMSS}/manualupgrade has not ended after {limit} (status InProgress)"
    assert message in str(caught.value)


def test_an_end_at_the_limit_counts(clock: Clock, token: str) -> None:
    """An operation that has ended at the last poll is not a timeout."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"), headers={"Retry-After": "600"})
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response, timeout=30) is None
    assert clock.slept == [30]


@pytest.mark.parametrize("status", ["InProgress", "Succeeded"])
def test_a_timeout_of_zero_polls_once(status: str, clock: Clock, token: str) -> None:
    """The state is read once: done or `OperationTimeout`, without a pause."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation(status))
        if status == "Succeeded":
            assert wait(token, response, timeout=0) is None
        else:
            with pytest.raises(OperationTimeout):
                wait(token, response, timeout=0)
    assert clock.slept == []


def test_the_default_timeout_is_two_hours(clock: Clock, token: str) -> None:
    """Without a timeout of the caller, waiting is still limited."""
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        running_forever(azure)
        with pytest.raises(OperationTimeout, match="after 2 h"):
            wait(token, response, interval=1000)
    assert sum(clock.slept) == DEFAULT_TIMEOUT == 7200


def test_waiting_can_be_resumed_after_a_timeout(clock: Clock, token: str) -> None:
    """The same response can be waited for again."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        with pytest.raises(OperationTimeout, match="wait for the same response again"):
            wait(token, response, timeout=0)
        assert wait(token, response) is None


@pytest.mark.parametrize("argument", ["timeout", "interval"])
@pytest.mark.parametrize("value", [-1, -0.001, math.nan, -math.inf, math.inf, "60", [], True])
def test_a_negative_time_is_a_value_error(
    argument: str, value: float, clock: Clock, token: str
) -> None:
    """The error names the argument, and nothing is sent."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        with pytest.raises(ValueError, match=f"{argument} must be seconds"):
            wait(token, response, **{argument: value})
        with pytest.raises(ValueError, match=f"{argument} must be seconds"):
            Operation(token, response).poll(**{argument: value})
        assert len(azure.calls) == 1


@pytest.mark.parametrize("given", [None, "Succeeded", {"properties": {"adminPassword": "s3cret"}}])
def test_anything_but_a_response_is_a_value_error(given: Any, token: str) -> None:
    """The error has only the type of the value, such as a model."""
    for function in (wait, Operation):
        with pytest.raises(ValueError, match=f"^response must be .* not a {type(given).__name__}$"):
            function(token, given)


def test_on_poll_is_called_after_each_poll(clock: Clock, token: str) -> None:
    """`on_poll` receives status and seconds after every poll, including the last."""
    seen: list[tuple[str, float]] = []
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        for status in ("InProgress", "InProgress", "Succeeded"):
            azure.get(OPERATION, json=operation(status))
        wait(
            token,
            response,
            interval=7,
            on_poll=lambda status, seconds: seen.append((status, seconds)),
        )
    assert seen == [("InProgress", 0), ("InProgress", 7), ("Succeeded", 14)]


def test_an_exception_of_on_poll_ends_the_waiting(clock: Clock, token: str) -> None:
    """It is raised unchanged, so a caller can stop the waiting in this way."""

    def stop(status: str, seconds: float) -> None:
        raise KeyboardInterrupt

    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"))
        with pytest.raises(KeyboardInterrupt):
            wait(token, response, on_poll=stop)


def test_an_operation_can_be_polled_step_by_step(clock: Clock, token: str) -> None:
    """`Operation.poll` sends nothing in advance; after its end the result is available."""
    with ordered() as azure:
        response = start_response(azure, token, "PUT", 200, ASYNC, model("Updating"))
        azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        azure.get(URL, json=model())
        operation_started = Operation(token, response)
        polls = operation_started.poll()
        assert len(azure.calls) == 1
        assert next(polls) == Poll("InProgress", 0)
        assert len(azure.calls) == 2
        assert next(polls) == Poll("Succeeded", 1)
        assert operation_started.result is None
        assert list(polls) == []
    assert operation_started.result == model()


# --- unreadable states ---

PASSING: dict[str, dict[str, Any]] = {
    "not found": {"status": 404, "json": {"error": {"code": "NotFound", "message": "Not yet."}}},
    "server error": {"status": 500},
    "request timeout": {"status": 408},
    "gateway": {"status": 504, "body": "<html>"},
    "no JSON": {"status": 200, "body": "<html>"},
    "broken": {"body": requests.ConnectionError("the line went dead")},
    "silent": {"body": requests.ReadTimeout("timed out")},
}


@pytest.mark.parametrize("trouble", PASSING)
def test_a_failed_poll_is_not_a_failed_operation(trouble: str, clock: Clock, token: str) -> None:
    """After a transient failure it is polled again, and its status is Unknown meanwhile."""
    seen: list[str] = []
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, json=operation("InProgress"))
        for _ in range(2):
            azure.get(OPERATION, **PASSING[trouble])
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response, on_poll=lambda status, seconds: seen.append(status)) is None
    assert seen == ["InProgress", "Unknown", "Unknown", "Succeeded"]
    assert clock.slept == [1, 1, 1]


@pytest.mark.parametrize("trouble", PASSING)
def test_an_unreadable_state_is_an_error_after_two_minutes(
    trouble: str, clock: Clock, token: str
) -> None:
    """The error of the poll is raised, however much time is left."""
    seen: list[float] = []
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        running_forever(azure, **PASSING[trouble])
        with pytest.raises((AzureError, *_retry.CONNECTION_ERRORS)):
            wait(token, response, interval=10, on_poll=lambda status, seconds: seen.append(seconds))
    assert seen[-1] < 120 <= sum(clock.slept) < 140


def test_a_readable_state_restarts_the_two_minutes(clock: Clock, token: str) -> None:
    """Only consecutive unreadable states count."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        for _ in range(5):
            azure.get(OPERATION, **PASSING["not found"])
            azure.get(OPERATION, json=operation("InProgress"))
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(token, response, interval=100) is None
    assert sum(clock.slept) == 1000


def test_throttled_polls_do_not_count_as_unreadable(clock: Clock, token: str) -> None:
    """A throttled operation is waited for as Azure asks, also for more than two minutes.

    Its status is Throttled meanwhile.
    """
    seen: list[tuple[str, float]] = []
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, status=429, headers={"Retry-After": "300"})
        azure.get(OPERATION, status=429, headers={"Retry-After": "600"})
        azure.get(OPERATION, json=operation("Succeeded"))
        wait(token, response, on_poll=lambda status, seconds: seen.append((status, seconds)))
    assert clock.slept == [300, 600]
    assert seen == [("Throttled", 0), ("Throttled", 300), ("Succeeded", 900)]


def test_the_limit_holds_under_throttling(clock: Clock, token: str) -> None:
    """A `Retry-After` beyond the timeout ends in a timeout at the limit."""
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        running_forever(azure, status=429, headers={"Retry-After": "900"})
        with pytest.raises(OperationTimeout, match="status Throttled"):
            wait(token, response, timeout=60)
    assert clock.slept == [60]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "BadRequest", AzureError),
        (401, "InvalidAuthenticationToken", AuthenticationFailed),
        (403, "AuthorizationFailed", AzureError),
        (409, "Conflict", Conflict),
    ],
)
def test_a_rejected_poll_is_an_error_at_once(
    status: int, code: str, kind: type[AzureError], clock: Clock, token: str
) -> None:
    """A permanent error is raised immediately, and not as a failure of the operation."""
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, status=status, json={"error": {"code": code, "message": "No."}})
        with pytest.raises(kind) as caught:
            wait(token, response)
    assert not isinstance(caught.value, OperationFailed)
    assert clock.slept == []


def test_a_token_is_renewed_while_waiting(clock: Clock, token: str) -> None:
    """A callable outlives its first token."""
    tokens = iter(["old", token, token])
    expired = {"error": {"code": "ExpiredAuthenticationToken", "message": "Old."}}
    with ordered() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        azure.get(OPERATION, status=401, json=expired)
        azure.get(OPERATION, json=operation("Succeeded"))
        assert wait(lambda: next(tokens), response) is None
        assert azure.calls[-1].request.headers["Authorization"] == f"Bearer {token}"


def test_a_resource_that_is_gone_at_the_end_is_an_error(clock: Clock, token: str) -> None:
    """A resource that was deleted meanwhile is `NotFound`, not `None`."""
    with ordered() as azure:
        response = start_response(azure, token, "PUT", 200, ASYNC, model("Updating"))
        azure.get(OPERATION, json=operation("Succeeded"))
        azure.get(URL, status=404, json={"error": {"code": "ResourceNotFound", "message": "Gone."}})
        with pytest.raises(NotFound):
            wait(token, response)


def test_the_token_shows_up_nowhere_while_waiting(
    clock: Clock, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither timeout nor failure nor log contains the token."""
    caplog.set_level(logging.DEBUG)
    with responses.RequestsMock() as azure:
        response = start_response(azure, token, "DELETE", 202, ASYNC)
        running_forever(azure, status=429, headers={"Retry-After": "5"})
        with pytest.raises(OperationTimeout) as caught:
            wait(token, response, timeout=1)
    assert token not in f"{caught.value!r} {caught.value} {vars(caught.value)} {caplog.text}"
    behind = caught.value.__context__
    assert behind is None or isinstance(behind, Throttled)
