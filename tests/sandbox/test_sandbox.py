"""The sandbox: environment, sign-in, protocol, behaviour of scale sets, and command line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

API = {"api-version": "2024-11-01"}


def send_request(sandbox: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    """Send a plain request, as another client would."""
    headers = {"Authorization": f"Bearer {sandbox.access_token}", **options.pop("headers", {})}
    url = path if path.startswith("https") else sandbox.url + path
    with requests.Session() as session:
        return session.request(
            method, url, headers=headers, params=options.pop("params", API), timeout=10, **options
        )


def code(response: requests.Response) -> tuple[int, str]:
    """Return the status and Azure's code of an error response."""
    return response.status_code, response.json()["error"]["code"]


def vmss(sandbox: Sandbox, name: str = "web") -> str:
    """Return the path of a scale set."""
    group = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox"
    return f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"


# The with block


def test_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment points at the sandbox only inside the block."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://management.example.com")
    before = dict(os.environ)
    with Sandbox(upgrade_seconds=0) as sandbox:
        assert os.environ["AZURE_RM_ENDPOINT"] == sandbox.url
        assert Path(sandbox.ca_file).exists()
        assert len(az.list_vmss_sub(az.token_provider(), sandbox.subscription_id)) == 4
    assert dict(os.environ) == before
    assert not Path(sandbox.ca_file).exists()


def test_an_error_in_the_block_restores_the_environment_too() -> None:
    """A failed test must not leave the sandbox's settings for the next one."""
    before = dict(os.environ)
    with pytest.raises(RuntimeError), Sandbox():
        raise RuntimeError
    assert dict(os.environ) == before


def test_it_listens_only_on_loopback(sandbox: Sandbox) -> None:
    """Other machines on the network cannot reach it."""
    assert sandbox.url.startswith("https://127.0.0.1:")
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):  # noqa: PT011
        pass


def test_an_idle_client_does_not_block_others(sandbox: Sandbox) -> None:
    """Each connection does its TLS handshake in its own thread."""
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        assert az.get_vmss(*sandbox.where())["name"] == "web"


def test_it_stops_while_a_client_keeps_its_connection(tmp_path: Path) -> None:
    """The end of the block does not wait for clients; their next request fails."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(tmp_path / "ca.pem")
        with Sandbox(upgrade_seconds=0) as sandbox:
            (tmp_path / "ca.pem").write_bytes(Path(sandbox.ca_file).read_bytes())
            assert session.get(f"{sandbox.url}/subscriptions", timeout=10).status_code == 401
        with pytest.raises(requests.ConnectionError):
            session.get(f"{sandbox.url}/subscriptions", timeout=10)


def test_two_sandboxes_run_at_the_same_time() -> None:
    """Each has its own port, CA and credentials; a token is valid at one of them only."""
    with Sandbox() as outer:
        token = outer.access_token
        with Sandbox() as inner:
            assert inner.url != outer.url
            with pytest.raises(az.AuthenticationFailed):
                az.list_vmss_sub(token, inner.subscription_id)
        assert len(az.list_vmss_sub(token, outer.subscription_id)) == 4


def test_several_clients_are_served_at_once(sandbox: Sandbox) -> None:
    """Twenty threads that read and write see a consistent state."""
    seen: list[int] = []

    def work() -> None:
        seen.append(len(az.get_instance_views(*sandbox.where())))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [20] * 20


# Signing in


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "AuthenticationFailed"),
        ("Bearer nonsense", "InvalidAuthenticationToken"),
        ("Basic GOOD", "InvalidAuthenticationToken"),
        ("GOOD", "InvalidAuthenticationToken"),
        ("EXPIRED", "ExpiredAuthenticationToken"),
        ("ELSEWHERE", "InvalidAuthenticationTokenAudience"),
    ],
)
def test_a_request_needs_a_valid_token(sandbox: Sandbox, header: str | None, expected: str) -> None:
    """A missing, invalid or expired token, or another audience, is 401 with Azure's code."""
    if header:
        header = header.replace("GOOD", sandbox.access_token)
    if header == "EXPIRED":
        header = "Bearer " + sandbox.entra.tokens.issue(seconds=-1)
    if header == "ELSEWHERE":
        header = "Bearer " + sandbox.entra.tokens.issue("https://graph.microsoft.com")
    answer = send_request(sandbox, "GET", "/subscriptions", headers={"Authorization": header})
    assert code(answer) == (401, expected)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_msal_signs_in(sandbox: Sandbox) -> None:
    """MSAL signs in with its client-credentials flow."""
    token = az.get_access_token(
        sandbox.tenant_id, sandbox.application_id, sandbox.application_secret
    )
    assert az.list_subscriptions(token)[0]["subscriptionId"] == sandbox.subscription_id


@pytest.mark.parametrize(
    ("place", "value", "number"),
    [(2, "wrong", "AADSTS7000215"), (1, "00000000-0000-0000-0000-000000000000", "AADSTS700016")],
)
def test_wrong_credentials_fail_with_azures_code(
    sandbox: Sandbox, place: int, value: str, number: str
) -> None:
    """A wrong secret or an unknown application fails with Microsoft's number."""
    given = [sandbox.tenant_id, sandbox.application_id, sandbox.application_secret]
    given[place] = value
    with pytest.raises(az.AuthenticationFailed) as caught:
        az.get_access_token(*given)
    assert caught.value.code == number
    assert sandbox.application_secret not in str(caught.value)


# The protocol


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/subscriptions/other/resourcegroups", (404, "SubscriptionNotFound")),
        ("GET", "{vmss}/nothing", (404, "InvalidResourceType")),
        ("GET", "{nope}", (404, "ResourceNotFound")),
        ("GET", "{nogroup}", (404, "ResourceGroupNotFound")),
        ("GET", "{vmss}/virtualMachines/99", (404, "NotFound")),
        ("GET", "{vmss}/rollingUpgrades/latest", (404, "NotFound")),
        ("POST", "{vmss}/manualupgrade", (400, "InvalidParameter")),
        ("POST", "{vmss}/rollingUpgrades/cancel", (409, "OperationNotAllowed")),
    ],
)
def test_a_missing_resource_fails_with_azures_code(
    sandbox: Sandbox, method: str, path: str, expected: tuple[int, str]
) -> None:
    """Status and code are Azure's."""
    path = path.format(
        vmss=vmss(sandbox),
        nope=vmss(sandbox, "nope"),
        nogroup=vmss(sandbox).replace("/sandbox/", "/nope/"),
    )
    assert code(send_request(sandbox, method, path)) == expected


def test_an_api_version_is_required(sandbox: Sandbox) -> None:
    """A request without one, or with an invalid one, is rejected."""
    assert code(send_request(sandbox, "GET", vmss(sandbox), params={})) == (
        400,
        "MissingApiVersionParameter",
    )
    assert code(send_request(sandbox, "GET", vmss(sandbox), params={"api-version": "new"})) == (
        400,
        "InvalidApiVersionParameter",
    )


def test_paths_match_in_any_case(sandbox: Sandbox) -> None:
    """As on Azure, names are returned as they were spelled at creation."""
    assert (
        send_request(
            sandbox, "GET", vmss(sandbox).upper().replace("SUBSCRIPTIONS", "subscriptions")
        ).json()["name"]
        == "web"
    )


def test_every_answer_has_request_ids_and_limits(sandbox: Sandbox) -> None:
    """Each answer has request ids, and the rest of the rate limits, which decreases."""
    left = []
    for _ in range(2):
        headers = send_request(
            sandbox, "GET", vmss(sandbox), headers={"x-ms-return-client-request-id": "true"}
        ).headers
        assert {"x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id"} <= set(
            headers
        )
        left.append(
            int(
                re.findall(
                    r"GetVMScaleSetSubscriptionMaximum;(\d+)",
                    headers["x-ms-ratelimit-remaining-resource"],
                )[0]
            )
        )
    assert left[1] == left[0] - 1


def test_a_stale_etag_is_rejected(sandbox: Sandbox) -> None:
    """An If-Match with the current etag succeeds once; then it is 412, and nothing changes."""
    where = sandbox.where()
    model = az.get_vmss(*where)
    az.wait(where[0], az.put_vmss(*where, az.set_image(model, version="22.04.202411010")))
    with pytest.raises(az.PreconditionFailed):
        az.put_vmss(*where, az.set_image(model, version="22.04.202409120"))
    assert az.get_image(az.get_vmss(*where))["version"] == "22.04.202411010"
    assert az.put_vmss(*where, model, if_match="*").status_code == 200


def test_older_api_versions_return_no_etag(sandbox: Sandbox) -> None:
    """Etags exist since 2023-09-01."""
    assert (
        "etag"
        not in send_request(
            sandbox, "GET", vmss(sandbox), params={"api-version": "2020-06-01"}
        ).json()
    )


def test_lists_are_paged(clock: Clock) -> None:
    """A page has `page_size` entries and a link to the next page; an invalid link is rejected."""
    with Sandbox(page_size=7, clock=clock) as sandbox:
        first = send_request(sandbox, "GET", vmss(sandbox) + "/virtualMachines").json()
        assert len(first["value"]) == 7
        assert first["nextLink"].startswith(sandbox.url)
        assert [vm["instanceId"] for vm in az.get_instance_views(*sandbox.where())] == [
            str(entry) for entry in range(20)
        ]
        bad = send_request(
            sandbox, "GET", vmss(sandbox) + "/virtualMachines", params={**API, "$skiptoken": "x"}
        )
        assert code(bad) == (400, "InvalidParameter")


def test_a_long_running_operation_has_azures_headers_and_states(
    sandbox: Sandbox, clock: Clock
) -> None:
    """It is 202 with both headers. The operation ends Succeeded, and the Location turns to 200."""
    answer = send_request(sandbox, "POST", vmss(sandbox) + "/restart")
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Retry-After"] == "10"
    state = send_request(sandbox, "GET", answer.headers["Azure-AsyncOperation"], params={})
    assert state.json()["status"] == "InProgress"
    assert "endTime" not in state.json()
    assert send_request(sandbox, "GET", answer.headers["Location"], params={}).status_code == 202
    clock.sleep(60)
    assert (
        send_request(sandbox, "GET", answer.headers["Azure-AsyncOperation"], params={}).json()[
            "status"
        ]
        == "Succeeded"
    )
    done = send_request(sandbox, "GET", answer.headers["Location"], params={})
    assert (done.status_code, done.content) == (200, b"")


def test_a_put_returns_the_resource(sandbox: Sandbox) -> None:
    """It is 200 for an existing set and 201 for a new one, with a state and without a Location."""
    body = az.get_vmss(*sandbox.where())
    old = send_request(sandbox, "PUT", vmss(sandbox), json=body)
    assert (old.status_code, old.json()["properties"]["provisioningState"]) == (200, "Updating")
    new = send_request(sandbox, "PUT", vmss(sandbox, "new"), json=body)
    assert (new.status_code, new.json()["properties"]["provisioningState"]) == (201, "Creating")
    for answer in (old, new):
        assert "Azure-AsyncOperation" in answer.headers
        assert "Location" not in answer.headers


# The behaviour


def test_a_put_upgrades_no_instance_in_mode_manual(sandbox: Sandbox) -> None:
    """The model changes; the instances keep their image and are outdated."""
    where = sandbox.where()
    az.wait(
        where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )
    for vm in az.get_instance_views(*where):
        assert vm["properties"]["latestModelApplied"] is False
        assert az.get_image(vm)["exact_version"] == "22.04.202410020"


def test_a_put_upgrades_all_instances_in_mode_automatic(sandbox: Sandbox) -> None:
    """Azure does this too, so a rollout rejects such sets."""
    where = sandbox.where("auto")
    answer = az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    assert {vm["properties"]["provisioningState"] for vm in az.get_instance_views(*where)} == {
        "Updating"
    }
    az.wait(where[0], answer)
    assert {az.get_image(vm)["exact_version"] for vm in az.get_instance_views(*where)} == {
        "22.04.202411010"
    }


def test_an_upgrade_takes_upgrade_seconds(sandbox: Sandbox, clock: Clock) -> None:
    """Until then the instances are Updating on the old image, and another write conflicts."""
    where = sandbox.where()
    az.wait(
        where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )
    az.manual_upgrade(*where, [3, 4])
    assert az.get_vmss_vm(*where, 3)["properties"]["provisioningState"] == "Updating"
    with pytest.raises(az.Conflict, match="conflict with a concurrent request"):
        az.manual_upgrade(*where, [5])
    clock.sleep(59)
    assert az.get_vmss_vm(*where, 3)["properties"]["latestModelApplied"] is False
    clock.sleep(1)
    after = az.get_vmss_vm(*where, 3)["properties"]
    assert (after["latestModelApplied"], after["provisioningState"]) == (True, "Succeeded")


def test_upgrading_current_instances_charges_nothing(sandbox: Sandbox, clock: Clock) -> None:
    """The operation charges nothing, and ends sooner than an upgrade."""
    answer = az.manual_upgrade(*sandbox.where(), "*")
    assert answer.headers["x-ms-request-charge"] == "0"
    before = clock()
    az.wait(sandbox.access_token, answer)
    assert clock() - before < 60
    assert sandbox.changes == []


def test_one_unknown_id_rejects_the_whole_request(sandbox: Sandbox) -> None:
    """The message is Azure's, and the other instances do not change."""
    with pytest.raises(az.AzureError, match="instanceId 99 is not an active"):
        az.manual_upgrade(*sandbox.where(), ["1", "99"])


@pytest.mark.parametrize(
    ("action", "during", "after"),
    [
        (az.poweroff_vmss, "stopping", "stopped"),
        (az.stopdealloc_vmss, "deallocating", "deallocated"),
        (az.restart_vmss, "starting", "running"),
        (az.start_vmss, "starting", "running"),
        (az.reimage_vmss, "stopping", "running"),
        (az.redeploy_vmss, "stopping", "running"),
    ],
)
def test_power_actions_pass_through_their_states(
    sandbox: Sandbox, action: Any, during: str, after: str
) -> None:
    """Only the named instances change, and end in the action's power state."""
    where = sandbox.where()
    answer = action(*where, [7])

    def power(instance_id: int) -> str:
        return az.get_vmss_vm_instance_view(*where, instance_id)["statuses"][1]["code"]

    assert (power(7), power(8)) == (f"PowerState/{during}", "PowerState/running")
    az.wait(where[0], answer)
    assert power(7) == f"PowerState/{after}"


def test_scaling_out_and_in_changes_the_instances(sandbox: Sandbox) -> None:
    """New instances have the newest model; scaling in deletes the newest unprotected ones."""
    where = sandbox.where("custom")
    az.wait(where[0], az.scale_vmss(*where, 8))
    az.wait(where[0], az.protect_vmss_vm(*where, 7, from_scale_in=True))
    az.wait(where[0], az.scale_vmss(*where, 3))
    assert [vm["instanceId"] for vm in az.list_vmss_vms(*where)] == ["0", "1", "7"]
    az.wait(where[0], az.scale_vmss(*where, 4))
    assert [vm["instanceId"] for vm in az.list_vmss_vms(*where)] == ["0", "1", "7", "8"]
    az.wait(where[0], az.delete_vmss_vms(*where, 8))
    assert az.get_vmss(*where)["sku"]["capacity"] == 3


@pytest.mark.parametrize(
    ("name", "reference", "expected"),
    [
        ("web", {"version": "1.2.3"}, (404, "PlatformImageNotFound")),
        (
            "web",
            {"publisher": None, "id": "/subscriptions/x/images/y"},
            (409, "OperationNotAllowed"),
        ),
        ("custom", {"version": "1.2.3"}, (400, "InvalidParameter")),
        ("custom", {"id": "/subscriptions/x/images/y"}, (404, "NotFound")),
    ],
)
def test_an_invalid_image_is_rejected(
    sandbox: Sandbox, name: str, reference: dict[str, Any], expected: tuple[int, str]
) -> None:
    """Missing version, another kind of image, an id together with a version, unknown id."""
    body: Any = az.get_vmss(*sandbox.where(name))
    image = body["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"]
    image |= reference
    if image.get("id") and name == "web":
        image = {"id": image["id"]}
        body["properties"]["virtualMachineProfile"]["storageProfile"]["imageReference"] = image
    assert code(send_request(sandbox, "PUT", vmss(sandbox, name), json=body)) == expected


def test_latest_is_resolved_on_the_instances(sandbox: Sandbox) -> None:
    """The model keeps `latest`; an instance has its version in exactVersion."""
    sandbox.add_vmss("moving", 1, image="Canonical:0001-com-ubuntu-server-jammy:22_04-lts:latest")
    image = az.get_image(az.get_instance_views(*sandbox.where("moving"))[0])
    assert (image["version"], image["exact_version"]) == ("latest", "22.04.202411010")
    assert "exact_version" not in az.get_image(az.get_vmss(*sandbox.where("moving")))


def test_a_rolling_upgrade_runs_and_can_be_cancelled(sandbox: Sandbox, clock: Clock) -> None:
    """It runs in batches by the policy; a cancellation lets the current batch finish."""
    where = sandbox.where()
    az.wait(
        where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010"))
    )
    az.start_os_upgrade(*where)
    clock.sleep(90)
    progress = az.get_rolling_upgrade(*where)["properties"]["progress"]
    assert progress == {
        "successfulInstanceCount": 4,
        "failedInstanceCount": 0,
        "inProgressInstanceCount": 4,
        "pendingInstanceCount": 12,
    }
    az.cancel_rolling_upgrade(*where)
    clock.sleep(600)
    properties = az.get_rolling_upgrade(*where)["properties"]
    assert properties["runningStatus"]["code"] == "Cancelled"
    assert properties["progress"]["successfulInstanceCount"] == 8
    az.wait(where[0], az.start_os_upgrade(*where))
    assert az.get_rolling_upgrade(*where)["properties"]["runningStatus"]["code"] == "Completed"
    assert (
        az.get_os_upgrade_history(*where)[0]["properties"]["progress"]["successfulInstanceCount"]
        == 12
    )


def test_a_deleted_set_is_gone(sandbox: Sandbox) -> None:
    """After the deletion it is 404, and another deletion is 204."""
    where = sandbox.where("legacy")
    az.wait(where[0], az.delete_vmss(*where))
    with pytest.raises(az.NotFound):
        az.get_vmss(*where)
    assert az.delete_vmss(*where).status_code == 204


def test_a_fault_occurs_as_often_as_requested(sandbox: Sandbox) -> None:
    """The next matching requests fail, then requests succeed; the journal has all of them."""
    sandbox.fail_next(503, method="GET", path="/subscriptions", times=2, code="Busy")
    answers = [send_request(sandbox, "GET", "/subscriptions").status_code for _ in range(3)]
    assert answers == [503, 503, 200]
    assert [entry.status for entry in sandbox.journal] == answers


@pytest.mark.parametrize(
    ("command", "status", "stderr"),
    [
        (
            [
                sys.executable,
                "-c",
                "import azurerm_lite as az; exit(len(az.list_subscriptions(az.token_provider())))",
            ],
            1,
            "",
        ),
        (["there-is-no-such-program"], 127, "error: cannot run there-is-no-such-program: "),
    ],
    ids=["a script", "nothing"],
)
def test_it_runs_a_command(command: list[str], status: int, stderr: str) -> None:
    """`python -m azurerm_lite.sandbox COMMAND` exits with the status of the command."""
    words = [sys.executable, "-m", "azurerm_lite.sandbox", "--seconds", "0", *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert done.stderr.startswith(stderr)


def test_it_serves_other_programs() -> None:
    """`python -m azurerm_lite.sandbox` prints its URL and credentials, and serves them."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "azurerm_lite.sandbox", "--seconds", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        while not lines or "scale sets" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "the sandbox ended"
        values = dict(re.findall(r"(?:export |\$env:)(\w+)\s*=\s*['\"](.*)['\"]", "".join(lines)))
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import azurerm_lite as az; print(len(az.list_subscriptions(az.token_provider())))",
            ],
            env={**os.environ, **values},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout.strip() == "1", done.stderr
    finally:
        process.kill()
        process.communicate()
