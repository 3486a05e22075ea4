"""The sandbox answers recorded requests as Azure did: the same status, long-running headers and shape of JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.recordings import FOLDER

from azurerm_lite.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recorded Azure traffic in {FOLDER}"
)

HEADERS = ("azure-asyncoperation", "location", "azure-asyncnotification")
# What the recordings name, and what the sandbox has in its place; operations are added as they
# come.
NAMES = {
    "/publishers/128technology": "/publishers/Canonical",
    "/offers/128t_networking_platform": "/offers/ubuntu-24_04-lts",
    "/skus/128t_networking_platform": "/skus/server",
    "/versions/1.0.0": "/versions/24.04.202410170",
}


class Replay:
    """Sends recorded requests to a sandbox: the names are the sandbox's, and time passes where it had passed."""

    def __init__(self, sandbox: Sandbox, clock: Clock, session: requests.Session) -> None:
        self.sandbox, self.clock, self.session = sandbox, clock, session
        self.names = dict(NAMES)

    def send(self, recorded: dict[str, Any]) -> requests.Response:
        """The sandbox's answer to a recorded request."""
        path = recorded["path"].replace(
            "00000000-0000-0000-0000-000000000000", self.sandbox.subscription_id
        )
        for theirs, ours in self.names.items():
            path = path.replace(theirs, ours)
        # Azure numbered the only instance 1, the sandbox begins at 0.
        path = re.sub(
            r"(?i)/virtualmachines/([01])\b",
            lambda found: f"/virtualMachines/{1 - int(found[1])}",
            path,
        )
        body = json.loads(
            json.dumps(recorded["body"]).replace('"instanceIds": ["1"]', '"instanceIds": ["0"]')
        )
        response = recorded["response"]
        if recorded["method"] == "PUT" and "virtualMachineProfile" in (
            body.get("properties") or {}
        ):
            # A policy of the recorded subscription put an extension into each model: here the
            # request has it.
            profile = response["properties"]["virtualMachineProfile"]
            body["properties"]["virtualMachineProfile"]["extensionProfile"] = profile[
                "extensionProfile"
            ]
        if "monitor=true" in path or (
            isinstance(response, dict) and response.get("status") == "Succeeded"
        ):
            self.clock.sleep(100_000)
        headers = {"Authorization": f"Bearer {self.sandbox.access_token}"}
        answer = self.session.request(
            recorded["method"], self.sandbox.url + path, json=body, headers=headers, timeout=10
        )
        if theirs := _operation(recorded["headers"].get("azure-asyncoperation", "")):
            self.names[theirs] = _operation(answer.headers.get("Azure-AsyncOperation", ""))
        return answer


def _operation(link: str) -> str:
    found = re.search(r"/operations/([^?]+)", link)
    return found[1] if found else ""


def differences(theirs: Any, ours: Any, path: str = "") -> set[str]:
    """Where the shapes of two JSONs differ: keys that only one has, and values of another type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        told = {f"{path}.{key} missing" for key in theirs.keys() - ours.keys()}
        told |= {f"{path}.{key} added" for key in ours.keys() - theirs.keys()}
        shared = theirs.keys() & ours.keys()
        return told.union(*(differences(theirs[key], ours[key], f"{path}.{key}") for key in shared))
    if isinstance(theirs, list) and isinstance(ours, list):
        told = (
            set()
            if bool(theirs) == bool(ours)
            else {f"{path} {'empty' if theirs else 'not empty'}"}
        )
        return told.union(
            *(differences(*pair, path + "[]") for pair in zip(theirs, ours, strict=False))
        )
    return (
        set()
        if type(theirs) is type(ours)
        else {f"{path}: {type(ours).__name__}, not {type(theirs).__name__}"}
    )


# What differs, and may: fields that later api-versions brought to all, and what an image says of
# itself only where it has a purchase plan, or had in 2019.
ALLOWED = re.compile(
    r".*\.(orchestrationMode|platformFaultDomainCount|timeCreated|hyperVGeneration|architecture) added"
    r"|\.properties\.(plan|replicaType) missing"
)


@pytest.mark.parametrize("name", ["vmss-vm", "vmss-rolling-upgrades", "vm-images"])
def test_recorded_requests_are_answered_as_azure_did(
    sandbox: Sandbox, clock: Clock, name: str
) -> None:
    """Each recorded request, in its order."""
    sandbox.cloud.groups["rgname"] = {"name": "rgname", "location": "eastus"}
    recorded = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["interactions"]
    with requests.Session() as session:
        replay = Replay(sandbox, clock, session)
        told = [line for entry in recorded for line in compared(entry, replay.send(entry))]
    assert told == []


def compared(recorded: dict[str, Any], answer: requests.Response) -> list[str]:
    """Where an answer is not as recorded."""
    path = recorded["path"].partition("?")[0]
    what = f"{recorded['method']} …{path[-60:]}"
    if answer.status_code != recorded["status"]:
        return [f"{what}: {answer.status_code}, not {recorded['status']}: {answer.text[:200]}"]
    told = {
        f"header {entry}"
        for entry in HEADERS
        if (entry in answer.headers) != (entry in recorded["headers"])
    }
    told |= differences(
        recorded["response"], json.loads(answer.content) if answer.content else None
    )
    if (
        answer.status_code >= 400
        and answer.json()["error"]["code"] != recorded["response"]["error"]["code"]
    ):
        told.add(f"code {answer.json()['error']['code']}")
    return [f"{what}: {entry}" for entry in sorted(told) if not ALLOWED.fullmatch(entry)]


def test_a_difference_would_be_found() -> None:
    """The comparison itself: a key too few, a key too many, another type, a list with nothing in it."""
    theirs = {"a": 1, "b": [{"c": "x"}, {}], "d": None, "f": ["x"]}
    ours = {"a": "1", "b": [{"c": "y"}, {"e": 1}], "f": []}
    assert differences(theirs, ours) == {
        ".a: str, not int",
        ".b[].e added",
        ".d missing",
        ".f empty",
    }
