"""Recorded Azure traffic, replayed through the public functions.

The recordings are not part of the project. They are expected next to the checkout, or in the folder
named by AZURERM_LITE_RECORDINGS; without them these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from support.clock import Clock
from support.names import BASE
from support.recordings import FOLDER

import azurerm_lite as az
from azurerm_lite import rest, settings

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason=f"no recorded Azure traffic in {FOLDER}: name its folder in AZURERM_LITE_RECORDINGS",
)

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

# The recorded requests without a function, as method and end of the path. The tests send them
# directly; the polls and results of their operations go through `wait`.
_OF_ONE_INSTANCE = [
    "PUT virtualmachines/1",  # tags of an instance
    "POST 1/restart",
    "POST 1/poweroff",
    "POST 1/start",
    "POST 1/runCommand",
    "POST 1/deallocate",
    "DELETE virtualmachines/1",
]
FOREIGN = {
    "vm-2022": [],
    "vm-images": ["GET versions/1.0.0"],
    "vmss-rolling-upgrades": [],
    "vmss-vm": _OF_ONE_INSTANCE,
    "vmss-vm-2022": ["GET virtualmachines/1", *_OF_ONE_INSTANCE],  # without its instance view
}


def comparable(url: str) -> tuple[str, dict[str, str]]:
    """Return path and query of a URL for comparison.

    Azure ignores the case of paths and the order of query parameters.
    """
    parts = urlsplit(url)
    return parts.path.lower(), dict(parse_qsl(parts.query, keep_blank_values=True))


class Replay:
    """Responds to each request as Azure did, and fails on any but the next recorded request."""

    def __init__(self, recorded: list[dict[str, Any]], token: str) -> None:
        self.recorded = recorded
        self.token = token
        self.made = 0
        self.by_hand: list[str] = []

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        """The next recorded answer, if this is the next recorded request."""
        assert self.made < len(self.recorded), (
            f"one request too many: {request.method} {request.url}"
        )
        expected = self.recorded[self.made]
        assert request.headers["Authorization"] == f"Bearer {self.token}"
        assert (request.method, *comparable(str(request.url))) == (
            expected["method"],
            *comparable(expected["path"]),
        )
        assert str(request.url).startswith(BASE)
        assert json.loads(request.body or b"null") == expected["body"]
        self.made += 1
        body = "" if expected["response"] is None else json.dumps(expected["response"])
        return expected["status"], expected["headers"], body

    @property
    def last(self) -> Any:
        """The body of the last replayed response."""
        return self.recorded[self.made - 1]["response"]

    def request_manually(self) -> requests.Response:
        """Send the next recorded request without the library."""
        expected = self.recorded[self.made]
        end_of_path = "/".join(urlsplit(expected["path"]).path.split("/")[-2:])
        if end_of_path.lower() == "virtualmachines/1":
            end_of_path = end_of_path.lower()
        self.by_hand.append(f"{expected['method']} {end_of_path}")
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(
            expected["method"],
            BASE + expected["path"],
            json=expected["body"],
            headers=headers,
            timeout=1,
        )

    def wait(self, response: requests.Response) -> Any:
        """`wait`, which also compares the polled statuses with the recorded ones."""
        seen: list[str] = []
        before = self.made
        result = az.wait(self.token, response, on_poll=lambda status, _seconds: seen.append(status))
        polled = [entry["response"] for entry in self.recorded[before : self.made]]
        assert seen == [
            entry["status"] for entry in polled if isinstance(entry, dict) and "startTime" in entry
        ]
        assert seen[-1] == "Succeeded"
        return result


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, token: str, clock: Clock) -> Callable[[str], Any]:
    """Replays a file of recordings in order.

    Each request is sent by a public function, except for those listed above.
    """

    @contextmanager
    def replaying(name: str) -> Iterator[Replay]:
        recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["interactions"]
        monkeypatch.setattr(
            settings, "COMPUTE_API", comparable(recorded[0]["path"])[1]["api-version"]
        )
        replay = Replay(recorded, token)
        with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
            for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
                wire.add_callback(method, re.compile(""), replay.answer, content_type=None)
            yield replay
        left = [f"{entry['method']} {entry['path']}" for entry in recorded[replay.made :]]
        assert not left, "recorded requests that were not made"
        assert replay.by_hand == FOREIGN[name]

    return replaying


FILES = sorted(FOLDER.glob("*.json")) + sorted((FOLDER / "cli").glob("*.json"))
every_recording = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def interactions(path: Path) -> list[dict[str, Any]]:
    """The requests and responses of a recording, in order."""
    recorded: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["interactions"]
    return recorded


def answer(wire: responses.RequestsMock, recorded: dict[str, Any]) -> None:
    """Answers one request as Azure did."""
    body = "" if recorded["response"] is None else json.dumps(recorded["response"])
    url = re.compile(re.escape(BASE + recorded["path"].partition("?")[0]), re.IGNORECASE)
    headers = {name: value for name, value in recorded["headers"].items() if name != "content-type"}
    wire.add(recorded["method"], url, body, status=recorded["status"], headers=headers)


@every_recording
def test_every_recorded_error_keeps_its_code_and_message(path: Path, token: str) -> None:
    """For every request."""
    for recorded in interactions(path):
        if recorded["status"] < 400:
            continue
        with responses.RequestsMock() as wire:
            answer(wire, recorded)
            with pytest.raises(az.AzureError) as caught:
                rest.send(token, recorded["method"], BASE + recorded["path"], recorded["body"])
        error = recorded["response"]["error"]
        assert (caught.value.code, caught.value.message) == (error["code"], error["message"])


@every_recording
def test_every_recorded_operation_is_followed_to_its_end(
    path: Path, token: str, clock: Clock
) -> None:
    """From the response to a write through all its polls, in Azure's order."""
    recorded = interactions(path)
    for number, write in enumerate(recorded):
        headers = {name.lower() for name in write["headers"]}
        if write["method"] == "GET" or "azure-asyncoperation" not in headers:
            continue
        operation = write["headers"]["azure-asyncoperation"].partition("?")[0]
        polls = [
            poll
            for poll in recorded[number + 1 :]
            if poll["method"] == "GET" and poll["path"].partition("?")[0] in operation
        ]
        states = [poll["response"].get("status") for poll in polls if poll["response"]]
        if "Succeeded" not in states:
            continue  # the recorded client did not wait for the end
        with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
            answer(wire, write)
            for poll in polls[: states.index("Succeeded") + 1]:
                answer(wire, poll)
            wire.add("GET", re.compile(".*"), json={"name": "the result"})
            response = rest.send(token, write["method"], BASE + write["path"], write["body"])
            az.wait(token, response)
            assert len(wire.calls) >= states.index("Succeeded") + 2


@every_recording
def test_every_recorded_list_is_read_to_its_end(path: Path, token: str) -> None:
    """Plain arrays and objects with a `value`."""
    for recorded in interactions(path):
        body = recorded["response"]
        entries = body.get("value") if isinstance(body, dict) else body
        if recorded["method"] != "GET" or not isinstance(entries, list):
            continue
        with responses.RequestsMock() as wire:
            answer(wire, recorded)
            assert rest.get_list(token, BASE + recorded["path"]) == entries


def test_platform_images_are_listed_as_azure_lists_them(
    replay: Callable[[str], Any], token: str
) -> None:
    """Publishers, offers, SKUs and versions are plain arrays, returned unchanged.

    Each list leads to the next.
    """
    with replay("vm-images") as recording:
        place: list[str] = [SUBSCRIPTION, "westus"]
        for list_them in (az.list_publishers, az.list_offers, az.list_skus, az.list_sku_versions):
            recorded = recording.recorded[recording.made]["response"]
            entries = list_them(token, *place)  # type: ignore[operator]
            assert entries == recorded
            assert entries
            place.append(entries[0]["name"])
        assert recording.request_manually().status_code == 200


def test_every_recording_is_replayed_request_by_request() -> None:
    """A new file in the folder needs a test below."""
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(FOREIGN)


@pytest.mark.parametrize("name", ["vmss-vm", "vmss-vm-2022"])
def test_the_life_of_a_scale_set_is_followed_request_by_request(
    name: str, replay: Callable[[str], Any], token: str
) -> None:
    """Create, read an instance, upgrade and delete it, delete the set; waits end as recorded."""
    with replay(name) as recording:
        model = recording.recorded[0]
        where = (token, SUBSCRIPTION, "rgname", model["response"]["name"])

        created = recording.wait(az.put_vmss(*where, model["body"]))
        assert created == recording.last
        assert created["properties"]["provisioningState"] == "Succeeded"
        with pytest.raises(az.NotFound) as caught:
            az.get_vmss_vm_instance_view(*where, 0)
        assert caught.value.code == "NotFound"
        assert caught.value.message == recording.last["error"]["message"]
        assert az.get_vmss_vm_instance_view(*where, "1") == recording.last
        if name == "vmss-vm":
            assert az.get_vmss_vm(*where, 1) == recording.last
        else:
            assert recording.request_manually().json() == recording.last

        assert recording.wait(recording.request_manually()) == recording.last  # tags
        for _ in ("restart", "poweroff", "start"):
            assert recording.wait(recording.request_manually()) is None
        printed = recording.wait(recording.request_manually())  # runCommand
        assert printed == recording.last
        assert printed["value"]
        assert recording.wait(az.manual_upgrade(*where, "1")) is None
        assert recording.wait(recording.request_manually()) is None  # deallocate
        assert recording.wait(az.delete_vmss_vms(*where, [1])) is None
        assert recording.wait(recording.request_manually()) is None  # delete the instance again
        assert recording.wait(az.delete_vmss(*where)) is None


def test_the_life_of_a_virtual_machine_is_followed_by_the_rest_module(
    replay: Callable[[str], Any], token: str
) -> None:
    """No function wraps virtual machines: send, get and wait make every request, in order."""
    with replay("vm-2022") as recording:
        while recording.made < len(recording.recorded):
            expected = recording.recorded[recording.made]
            url = BASE + expected["path"]
            if expected["method"] == "GET":
                assert rest.get(token, url) == expected["response"]
                continue
            response = rest.send(token, expected["method"], url, expected["body"])
            if "azure-asyncoperation" in expected["headers"]:
                recording.wait(response)


def test_upgrades_that_azure_runs_are_followed_request_by_request(
    replay: Callable[[str], Any], token: str, clock: Clock
) -> None:
    """Two simultaneous operations are waited for one after the other.

    The latest upgrade is read while one runs.
    """
    with replay("vmss-rolling-upgrades") as recording:
        recorded = [entry["response"] for entry in recording.recorded]
        where = (token, SUBSCRIPTION, "rgname", recorded[0]["name"])

        assert recording.wait(az.put_vmss(*where, recording.recorded[0]["body"])) == recorded[10]
        # Azure sent no Retry-After: eight pauses between nine polls, from one second to five.
        assert len(clock.slept) == 8
        assert clock.slept == sorted(clock.slept)
        assert 1 <= clock.slept[0] <= clock.slept[-1] <= 5
        assert recording.wait(az.start_extension_upgrade(*where)) is None
        upgrade = az.start_os_upgrade(*where)
        assert az.get_rolling_upgrade(*where) == recorded[34]
        cancelling = az.cancel_rolling_upgrade(*where)
        assert recording.wait(upgrade) is None
        assert recording.wait(cancelling) is None
        assert recording.wait(az.delete_vmss(*where)) is None


def test_the_pure_functions_read_recorded_instances(token: str) -> None:
    """Image, domains and statuses are read from Azure's own JSON."""
    recorded = json.loads((FOLDER / "vmss-vm.json").read_text(encoding="utf-8"))["interactions"]
    model, instance = recorded[10]["response"], recorded[13]["response"]
    assert instance["properties"]["latestModelApplied"] is True
    image = az.get_image(instance)
    assert {key: value for key, value in image.items() if key != "exact_version"} == az.get_image(
        model
    )
    assert image["exact_version"] == "14393.3930.2009041537"
    assert az.by_update_domain([instance]) == {1: ["1"]}
    assert az.by_fault_domain([instance]) == {1: ["1"]}
    assert az.by_zone([instance]) == {"unknown": ["1"]}
    changed = az.set_image(model, version=image["exact_version"])
    assert az.get_image(changed)["version"] == "14393.3930.2009041537"
