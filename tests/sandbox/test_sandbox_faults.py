"""Faults and changes by other clients, from Python and over the control API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox


def bump(sandbox: Sandbox) -> None:
    """Put a new image into the model of `web`, and wait."""
    where = sandbox.where()
    az.wait(
        where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )


def control(sandbox: Sandbox, call: str, **arguments: Any) -> requests.Response:
    """Call the control API, as a client in any language would."""
    return requests.post(f"{sandbox.url}/sandbox/{call}", json=arguments, timeout=10)


# Faults of requests


def test_a_fault_matches_whole_segments_of_a_path(sandbox: Sandbox) -> None:
    """`virtualMachines` does not match `virtualMachineScaleSets`."""
    sandbox.fail_next(400, method="get", path="web/virtualMachines")
    assert az.get_vmss(*sandbox.where())["name"] == "web"
    with pytest.raises(az.AzureError, match="Fault injected"):
        az.list_vmss_vms(*sandbox.where())


def test_a_broken_connection_before_the_request_takes_effect(sandbox: Sandbox) -> None:
    """The request has no effect, which the client cannot know."""
    sandbox.fail_next(method="POST", drop="before")
    with pytest.raises(requests.ConnectionError, match="No response from 127"):
        az.restart_vmss(*sandbox.where())
    assert sandbox.journal[-1].status == 0
    assert sandbox.changes == []


def test_a_broken_connection_after_the_request_took_effect(sandbox: Sandbox) -> None:
    """The request has its effect, which the client cannot know."""
    sandbox.fail_next(method="POST", drop="after")
    with pytest.raises(requests.ConnectionError):
        az.restart_vmss(*sandbox.where(), [3])
    assert {change.instance_id for change in sandbox.changes} == {"3"}


def test_a_truncated_answer_raises_a_connection_error(sandbox: Sandbox, clock: Clock) -> None:
    """The library repeats a GET after half of a body."""
    sandbox.fail_next(path="virtualMachines", drop="truncate")
    assert len(az.get_instance_views(*sandbox.where())) == 20
    assert [entry.status for entry in sandbox.journal] == [0, 200]
    assert len(clock.slept) == 1


def test_an_answer_can_be_text_instead_of_json(sandbox: Sandbox) -> None:
    """It can imitate the page of a proxy, with status 200."""
    sandbox.fail_next(text="<html>Please sign in</html>")
    with pytest.raises(az.AzureError, match="a proxy or a login portal may have sent it"):
        az.get_vmss(*sandbox.where())


def test_a_delay_affects_only_that_request(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with a shorter timeout fails; another request is answered at once."""
    monkeypatch.setattr(rest, "TIMEOUT", (5.0, 0.2))
    sandbox.fail_next(method="POST", delay=1.0)
    with pytest.raises(requests.ReadTimeout):
        az.start_vmss(*sandbox.where())
    assert az.get_vmss(*sandbox.where())["name"] == "web"


@pytest.mark.parametrize(("status", "state"), [("Failed", "Failed"), ("Canceled", "Succeeded")])
def test_an_operation_can_be_made_to_fail_or_be_canceled(
    sandbox: Sandbox, status: str, state: str
) -> None:
    """It has the requested error, and the instances keep their model."""
    bump(sandbox)
    sandbox.end_next(status, code="AllocationFailed", message="No capacity.")
    with pytest.raises(az.OperationFailed, match="No capacity") as caught:
        az.wait(sandbox.access_token, az.manual_upgrade(*sandbox.where(), [1, 2]))
    assert caught.value.code == "AllocationFailed"
    one = az.get_vmss_vm(*sandbox.where(), 1)["properties"]
    assert (one["latestModelApplied"], one["provisioningState"]) == (False, state)
    az.wait(sandbox.access_token, az.manual_upgrade(*sandbox.where(), [1, 2]))
    assert az.get_vmss_vm(*sandbox.where(), 1)["properties"]["latestModelApplied"] is True


def test_a_failed_operation_returns_its_error_at_its_location_too(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Clients that follow only this header get an error instead of 200."""
    sandbox.end_next("Failed", code="AllocationFailed")
    answer = az.restart_vmss(*sandbox.where())
    clock.sleep(60)
    headers = {"Authorization": f"Bearer {sandbox.access_token}"}
    monitor = requests.get(answer.headers["Location"], headers=headers, timeout=10)
    assert (monitor.status_code, monitor.json()["error"]["code"]) == (409, "AllocationFailed")


def test_a_rolling_upgrade_can_be_made_to_fail(sandbox: Sandbox, clock: Clock) -> None:
    """It is Faulted with that error and stops its batch; the next upgrade succeeds."""
    bump(sandbox)
    sandbox.end_next("Failed", code="InternalExecutionError")
    with pytest.raises(az.OperationFailed):
        az.wait(sandbox.access_token, az.start_os_upgrade(*sandbox.where()))
    properties = az.get_rolling_upgrade(*sandbox.where())["properties"]
    assert (properties["runningStatus"]["code"], properties["error"]["code"]) == (
        "Faulted",
        "InternalExecutionError",
    )
    states = {vm["properties"]["provisioningState"] for vm in az.list_vmss_vms(*sandbox.where())}
    assert states == {"Succeeded", "Failed"}
    az.wait(sandbox.access_token, az.start_os_upgrade(*sandbox.where()))
    assert (
        az.get_rolling_upgrade(*sandbox.where())["properties"]["runningStatus"]["code"]
        == "Completed"
    )


def test_a_failed_deletion_can_be_repeated(sandbox: Sandbox) -> None:
    """The first deletion keeps the set, and the second one deletes it."""
    where = sandbox.where("custom")
    sandbox.end_next("Failed")
    with pytest.raises(az.OperationFailed):
        az.wait(where[0], az.delete_vmss(*where))
    assert len(az.list_vmss_vms(*where)) == 6
    az.wait(where[0], az.delete_vmss(*where))
    with pytest.raises(az.NotFound):
        az.get_vmss(*where)


def test_a_used_up_limit_rejects_requests_until_its_window_ends(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Compute's 429 has OperationNotAllowed, the limit's name in a detail, and Retry-After."""
    sandbox.throttle("GetVMScaleSet")
    with pytest.raises(az.Throttled) as caught:
        az.get_vmss(*sandbox.where())
    assert caught.value.code == "OperationNotAllowed"
    assert caught.value.details[0]["target"] == "GetVMScaleSetSubscriptionMaximum"
    assert caught.value.retry_after == 180
    clock.sleep(180)
    assert az.get_vmss(*sandbox.where())["name"] == "web"


def test_too_many_requests_use_up_the_limit_of_a_scale_set(sandbox: Sandbox, clock: Clock) -> None:
    """After 30 lists it is 429 until the bucket is refilled; other sets have their own limit."""
    where = sandbox.where()
    for _ in range(30):
        az.list_vmss_vms(*where)
    assert len(az.list_vmss_vms(*sandbox.where("custom"))) == 6
    before = clock()
    assert len(az.list_vmss_vms(*where)) == 20
    assert [entry.status for entry in sandbox.journal[-2:]] == [429, 200]
    assert clock() - before == pytest.approx(6, abs=1)


def test_later_pages_may_count_against_the_limit_of_a_scale_set(
    sandbox: Sandbox, clock: Clock
) -> None:
    """By default only the first page of a list counts."""
    sandbox.add_vmss("large", 200)
    where = sandbox.where("large")
    for _ in range(10):
        az.list_vmss_vms(*where)
    assert {entry.status for entry in sandbox.journal} == {200}
    sandbox.assumptions.later_pages_count = True
    for _ in range(10):
        az.list_vmss_vms(*where)
    assert 429 in {entry.status for entry in sandbox.journal}


SETS = "/providers/Microsoft.Compute/virtualMachineScaleSets"


def test_tokens_expire_after_token_seconds(sandbox: Sandbox) -> None:
    """After that, tokens are rejected as expired."""
    sandbox.set_token_seconds(-1)
    with pytest.raises(az.AuthenticationFailed) as caught:
        az.get_vmss(*sandbox.where())
    assert caught.value.code == "ExpiredAuthenticationToken"


# Changes by other clients


def test_a_set_can_be_scaled_at_a_request(sandbox: Sandbox) -> None:
    """The set is scaled just before the third request."""
    sandbox.at_request(3, lambda: sandbox.scale("web", 25))
    sizes = [len(az.list_vmss_vms(*sandbox.where())) for _ in range(4)]
    assert sizes == [20, 20, 25, 25]


def test_a_set_can_be_scaled_in_during_a_batch(sandbox: Sandbox) -> None:
    """It works during an operation, and the rollout finishes with the remaining instances."""
    bump(sandbox)
    events = []
    for event in az.rollout(*sandbox.where()):
        events.append(event)
        if event.kind == "progress" and event.number == 2:
            sandbox.scale("web", 15)
    assert events[-1].latest == events[-1].total == 15


def test_a_model_can_be_changed_at_a_request(sandbox: Sandbox) -> None:
    """A PUT with an etag that was read before the change fails."""
    where = sandbox.where()
    model = az.get_vmss(*where)
    sandbox.at_request(1, lambda: sandbox.set_image("web", version="22.04.202409120"))
    with pytest.raises(az.PreconditionFailed):
        az.put_vmss(*where, az.set_image(model, version="22.04.202411010"))
    assert az.get_image(az.get_vmss(*where))["version"] == "22.04.202409120"


# The control API


def test_any_client_can_request_faults(sandbox: Sandbox) -> None:
    """A POST of JSON without a token calls the method of that name."""
    assert control(
        sandbox, "fail_next", status=503, method="GET", times=1, retry_after=7
    ).json() == {"done": "fail_next"}
    az.get_vmss(*sandbox.where())
    assert [entry.status for entry in sandbox.journal] == [503, 200]
    control(sandbox, "add_vmss", name="more", instances=3)
    control(sandbox, "scale", vmss_name="more", capacity=5, at_request=2)
    assert [len(az.list_vmss_vms(*sandbox.where("more"))) for _ in range(3)] == [3, 5, 5]


def get_status(sandbox: Sandbox) -> Any:
    """Return the status of a GET of `web`, its text, or "broken"."""
    url = f"{sandbox.url}/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox{SETS}/web"
    headers = {"Authorization": f"Bearer {sandbox.access_token}"}
    try:
        answer = requests.get(
            url, params={"api-version": "2024-11-01"}, headers=headers, timeout=10
        )
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return "broken"
    return answer.text if answer.text.startswith("<") else answer.status_code


def upgrade_result(sandbox: Sandbox) -> Any:
    """Upgrade instance 7; return the end of the operation, its health, and if it has an agent."""
    bump(sandbox)
    try:
        az.wait(sandbox.access_token, az.manual_upgrade(*sandbox.where(), "7"), timeout=600)
        ended = "Succeeded"
    except az.OperationTimeout:
        ended = "InProgress"
    except az.OperationFailed as failure:
        ended = failure.code or ""
    view: Any = az.get_vmss_vm_instance_view(*sandbox.where(), 7)
    return ended, view.get("vmHealth", {}).get("status", {}).get("code", ""), "vmAgent" in view


def restart_error(sandbox: Sandbox) -> Any:
    """Return the code and message with which a restart fails."""
    with pytest.raises(az.OperationFailed) as caught:
        az.wait(sandbox.access_token, az.restart_vmss(*sandbox.where()))
    return caught.value.code, caught.value.message


def capacity_and_version(sandbox: Sandbox) -> Any:
    """Return the capacity and the version in the model."""
    model: Any = az.get_vmss(*sandbox.where())
    return model["sku"]["capacity"], az.get_image(model)["version"]


WEB: Any = {"vmss_name": "web", "instance_id": "7"}


@pytest.mark.parametrize(
    ("call", "arguments", "observe", "expected"),
    [
        ("fail_next", {"status": 404}, get_status, 404),
        ("fail_next", {"drop": "before"}, get_status, "broken"),
        ("fail_next", {"drop": "after"}, get_status, "broken"),
        ("fail_next", {"drop": "truncate"}, get_status, "broken"),
        ("fail_next", {"text": "<html>"}, get_status, "<html>"),
        ("fail_next", {"delay": 0.01}, get_status, 200),
        ("throttle", {"policy": "GetVMScaleSet"}, get_status, 429),
        ("set_token_seconds", {"seconds": -1}, get_status, 401),
        (
            "break_upgrade",
            WEB,
            upgrade_result,
            ("OSProvisioningTimedOut", "HealthState/healthy", True),
        ),
        ("break_upgrade", {**WEB, "how": "stick"}, upgrade_result, ("InProgress", "", False)),
        (
            "break_upgrade",
            {**WEB, "how": "unhealthy"},
            upgrade_result,
            ("Succeeded", "HealthState/unhealthy", True),
        ),
        ("break_upgrade", {**WEB, "how": "silent"}, upgrade_result, ("Succeeded", "", True)),
        ("break_upgrade", {**WEB, "how": "agentless"}, upgrade_result, ("Succeeded", "", False)),
        (
            "break_upgrade",
            {**WEB, "how": "none"},
            upgrade_result,
            ("Succeeded", "HealthState/healthy", True),
        ),
        (
            "end_next",
            {"code": "AllocationFailed", "message": "Full."},
            restart_error,
            ("AllocationFailed", "Full."),
        ),
        (
            "end_next",
            {"status": "Canceled", "code": "A", "message": "B."},
            restart_error,
            ("A", "B."),
        ),
        (
            "scale",
            {"vmss_name": "web", "capacity": 25},
            capacity_and_version,
            (25, "22.04.202410020"),
        ),
        (
            "scale",
            {"vmss_name": "web", "capacity": 15, "at_request": 1},
            capacity_and_version,
            (15, "22.04.202410020"),
        ),
        (
            "set_image",
            {"vmss_name": "web", "version": "22.04.202409120"},
            capacity_and_version,
            (20, "22.04.202409120"),
        ),
    ],
)
def test_every_fault_can_be_requested_over_http(
    sandbox: Sandbox, call: str, arguments: dict[str, Any], observe: Any, expected: Any
) -> None:
    """It has the same effect as from Python."""
    answer = control(sandbox, call, **arguments)
    assert answer.status_code == 200, answer.text
    assert observe(sandbox) == expected


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("stop", {}, "got 'stop'"),
        ("_app", {}, "got '_app'"),
        ("fail_next", {"drop": "sideways"}, "drop must be before, after or truncate"),
        ("fail_next", {"nonsense": 1}, "nonsense"),
        (
            "break_upgrade",
            {"vmss_name": "web", "instance_id": "0", "how": "softly"},
            "how must be one of",
        ),
        ("break_upgrade", {"vmss_name": "nope", "instance_id": "0"}, "was not found"),
        ("end_next", {"status": "Lost"}, "status must be Failed or Canceled"),
        ("throttle", {"policy": "Everything"}, "policy must be one of"),
        ("scale", {"vmss_name": "web", "capacity": 5, "at_request": 0}, "number must be 1 or more"),
    ],
)
def test_an_invalid_call_returns_the_reason(
    sandbox: Sandbox, call: str, arguments: dict[str, Any], message: str
) -> None:
    """It is 400 with the reason; only public calls are possible."""
    answer = control(sandbox, call, **arguments)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_the_journal_contains_requests_and_changes(sandbox: Sandbox, clock: Clock) -> None:
    """It has requests with statuses, and changes of instances with times."""
    bump(sandbox)
    started = clock.now
    az.wait(sandbox.access_token, az.manual_upgrade(*sandbox.where(), "7"))
    journal = requests.get(f"{sandbox.url}/sandbox/journal", timeout=10).json()
    assert [entry["status"] for entry in journal["requests"] if entry["method"] == "POST"] == [202]
    changes = [entry for entry in journal["changes"] if entry["instance_id"] == "7"]
    assert [(entry["what"], entry["after"]) for entry in changes] == [
        ("provisioning", "Updating"),
        ("power", "stopping"),
        ("power", "starting"),
        ("power", "running"),
        ("provisioning", "Succeeded"),
        ("model", "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:22.04.202411010"),
    ]
    (request,) = [entry for entry in journal["requests"] if entry["method"] == "POST"]
    assert (request["seconds"], request["query"]["api-version"][:2]) == (started, "20")
    assert changes[0]["seconds"] == started
    assert changes[-1]["seconds"] - started >= 60


# The pytest plugin


def test_the_pytest_plugin_provides_a_fixture(tmp_path: Path) -> None:
    """`azure_sandbox` works in another test suite."""
    (tmp_path / "conftest.py").write_text(
        'pytest_plugins = ["azurerm_lite.sandbox.pytest_plugin"]\n'
    )
    (tmp_path / "test_mine.py").write_text(
        "import azurerm_lite as az\n"
        "def test_it(azure_sandbox):\n"
        "    where = az.token_provider(), azure_sandbox.subscription_id\n"
        "    assert len(az.list_vmss_sub(*where)) == 4\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert "1 passed" in done.stdout, done.stdout


def test_the_pytest_plugin_imports_nothing_until_it_is_used() -> None:
    """Importing the plugin does not load the sandbox."""
    code = (
        "import sys, azurerm_lite.sandbox.pytest_plugin\n"
        "assert not {'werkzeug', 'trustme', 'azurerm_lite.sandbox.sandbox'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
