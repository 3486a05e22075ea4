"""compat, compared with the real azurerm 0.10.0: names, signatures, requests, responses, scripts.

The real azurerm runs in its own environment, which `interpreter` in conftest creates. Without it
these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from support.az_cli import put_az_on_path
from support.azurerm_calls import CALLS, Call, ours
from support.clock import Clock
from support.compat import FUNCTIONS, NEW, SIGNATURES
from support.original_azurerm import Original, start_azurerm

from azurerm_lite import _clock, compat
from azurerm_lite._azurerm_names import MODULES, NOT_SUPPORTED
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.server import app as sandbox_app

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[1] / "scripts"

# Prints what azurerm has: signatures of its functions, its other names (but those it imports), its
# modules.
INVENTORY = """
import inspect, json, types
import azurerm

functions, others, modules = {}, [], []
for name, value in vars(azurerm).items():
    home = getattr(value, "__module__", getattr(value, "__name__", "azurerm."))
    if name.startswith("_") or not home.startswith("azurerm"):
        continue
    if isinstance(value, types.ModuleType):
        modules.append(name)
    elif inspect.isfunction(value):
        functions[name] = name + str(inspect.signature(value))
    else:
        others.append(name)
print(json.dumps([functions, others, modules]))
"""

# The deliberate differences: the reason, and the function that turns azurerm's request into ours.
# (In all requests the API version is newer, and paths are those of the REST reference; Azure
# ignores their case and last slash.)


def _without_select(sent: dict[str, Any]) -> None:
    del sent["query"]["$select"]


def _with_view(sent: dict[str, Any]) -> None:
    sent["query"]["$expand"] = "instanceView"


def _capacity_as_number(sent: dict[str, Any]) -> None:
    sent["body"]["sku"]["capacity"] = int(sent["body"]["sku"]["capacity"])


def _without_what_azure_sets(sent: dict[str, Any]) -> None:
    del sent["body"]["etag"], sent["body"]["properties"]["provisioningState"]


DIFFERENCES: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "list_vmss_vm_instance_view": (
        "$select=instanceView hides latestModelApplied",
        _without_select,
    ),
    "list_vmss_vm_instance_view_pg": (
        "$select=instanceView hides latestModelApplied",
        _without_select,
    ),
    "get_vmss_vm": ("$expand=instanceView: one call tells all of an instance", _with_view),
    "scale_vmss": ("the reference has the capacity as a number", _capacity_as_number),
    "put_vmss": (
        "the etag of a model that is kept would refuse the second put",
        _without_what_azure_sets,
    ),
    "update_vmss": (
        "the etag of a model that is kept would refuse the second put",
        _without_what_azure_sets,
    ),
}
OLDER = {"get_vmss_nics", "get_vmss_public_ips", "get_vmss_vm_nics"}
"""Where our api-version is the older one: Microsoft.Network answers for scale sets at 2018-10-01
alone."""


LOST = {"list_subscriptions": [".count"]}
"""What an answer of ours has no more: a list of all pages has `value` alone."""

MADE_UP = (
    ".placementGroupId",
    ".disks[0].name",
    ".uniqueId",
    ".vmId",
    ".timeCreated",
    ".time",
    ".osDisk.name",
    ".managedDisk.id",
)
"""What each sandbox makes up."""


class Made(NamedTuple):
    """A call that was made: its requests and its outcome."""

    requests: list[dict[str, Any]]
    outcome: Any


def requests_since(sandbox: Sandbox, first: int = 0) -> list[dict[str, Any]]:
    """Return the requests to a sandbox, from a number on."""
    return [
        {
            "method": entry.method,
            "path": entry.path.lower().rstrip("/"),
            "query": dict(entry.query),
            "body": entry.body,
        }
        for entry in sandbox.journal[first:]
    ]


def outcome(answer: Any) -> Any:
    """Return what a script sees: the status of a Response, else the JSON.

    Of an error it is the code.
    """
    if isinstance(answer, requests.Response):
        return answer.status_code
    if isinstance(answer, dict) and "headers" in answer:
        return answer["status"]
    if isinstance(answer, dict) and "error" in answer:
        return answer["error"]["code"]
    return answer


def missing_parts(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Yield the places where a response lacks a part of azurerm's.

    Additional parts, as from newer API versions, are allowed.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            yield from missing_parts(old[key], new.get(key), f"{at}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, entries in enumerate(zip(old, new, strict=True)):
            yield from missing_parts(*entries, f"{at}[{number}]")
    elif old != new and not at.endswith(MADE_UP):
        yield f"{at}: {old!r} has become {new!r}"


def made(azurerm: Original, sandbox: Sandbox, clock: Clock) -> list[Made]:
    """All calls, one after the other, each after the end of the one before."""
    done = []
    for call in CALLS:
        first = len(sandbox.journal)
        answer = call.of(azurerm, sandbox.access_token, sandbox.url)
        done.append(Made(requests_since(sandbox, first), outcome(answer)))
        clock.sleep(120)
    return done


@pytest.fixture(scope="module")
def both(interpreter: str) -> list[tuple[Call, Made, Made]]:
    """Each call with the results of azurerm and of compat, each on its own sandbox."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            patch.delenv(name)
        patch.setattr(
            sandbox_app, "without_secrets", lambda body: body
        )  # passwords are compared too
        patch.setattr(_clock, "monotonic", clock)
        patch.setattr(_clock, "sleep", clock.sleep)
        with (
            Sandbox(upgrade_seconds=60, clock=clock) as sandbox,
            start_azurerm(interpreter, sandbox) as azurerm,
        ):
            theirs = made(azurerm, sandbox, clock)
        with Sandbox(upgrade_seconds=60, clock=clock) as sandbox:
            return list(zip(CALLS, theirs, made(ours, sandbox, clock), strict=True))


def test_every_name_of_azurerm_is_supported_or_listed(interpreter: str) -> None:
    """Functions with their signatures, constants, modules.

    No name is missing_parts, and none is invented.
    """
    done = subprocess.run(
        [interpreter, "-c", INVENTORY], capture_output=True, text=True, check=True, timeout=60
    )
    functions, others, modules = json.loads(done.stdout)
    assert len(functions) > 200
    assert [functions[name] for name in sorted(FUNCTIONS)] == SIGNATURES
    inside = {*compat.__all__, *MODULES}
    assert {*functions, *others, *modules} == inside | set(NOT_SUPPORTED)


def test_each_request_is_azurerms(both: list[tuple[Call, Made, Made]]) -> None:
    """Method, path, query and JSON, apart from the listed differences, each of which occurs."""
    different = set()
    for call, old, new in both:
        (sent,), (our,) = old.requests, new.requests
        versions = sent["query"].pop("api-version"), our["query"].pop("api-version")
        assert call.endpoint or (versions[1] < versions[0]) == (call.name in OLDER), call
        if sent != our:
            assert call.name in DIFFERENCES, (call, sent, our)
            different.add(call.name)
            DIFFERENCES[call.name][1](sent)
        assert sent == our, call
    assert different == set(DIFFERENCES)


def test_each_response_is_azurerms(both: list[tuple[Call, Made, Made]]) -> None:
    """The same status of a write, the same entries and shape of a read, the same error code."""
    for call, old, new in both:
        lost = [entry.partition(":")[0] for entry in missing_parts(old.outcome, new.outcome)]
        assert lost == LOST.get(call.name, []), call
    assert len([1 for _, old, _ in both if isinstance(old.outcome, int) and old.outcome < 300]) > 25


# Scripts


@pytest.fixture
def signed_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Sandbox], dict[str, str]]:
    """Return a function that makes an environment that is signed in to a sandbox.

    For azurerm's files and for the current CLI.
    """

    def environment(sandbox: Sandbox) -> dict[str, str]:
        folder = tmp_path / ".azure"
        folder.mkdir(exist_ok=True)
        user = {"name": "me"}
        profile = {"id": sandbox.subscription_id, "name": "sub", "isDefault": True, "user": user}
        (folder / "azureProfile.json").write_text(json.dumps({"subscriptions": [profile]}))
        key = {"userId": "me", "tokenType": "Bearer", "expiresOn": "2999-01-01 00:00:00.000000"}
        (folder / "accessTokens.json").write_text(
            json.dumps([{**key, "accessToken": sandbox.access_token}])
        )
        put_az_on_path(sandbox, tmp_path, monkeypatch)
        return {
            **os.environ,
            **sandbox.environment,
            "HOME": str(tmp_path),
            "USERPROFILE": str(tmp_path),
        }

    return environment


def plain(body: Any) -> Any:
    """Return a body without the listed differences.

    And without the values that each sandbox generates.
    """
    if isinstance(body, dict) and "sku" in body:
        body["sku"]["capacity"] = int(body["sku"]["capacity"])
        for name in ("provisioningState", "timeCreated", "uniqueId"):
            body.get("properties", {}).pop(name, None)
        body.get("properties", {}).get("virtualMachineProfile", {}).pop("timeCreated", None)
    return body


def steps_of(seen: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the requests of a script, without its polls."""
    steps = [
        (entry["method"], entry["path"], json.dumps(plain(entry["body"]), sort_keys=True))
        for entry in seen
    ]
    writes = [step for step, _ in groupby(steps) if step[0] != "GET"]
    return writes + sorted({step for step in steps if step[0] == "GET"})


@pytest.mark.parametrize(
    ("script", "arguments", "status"),
    [
        ("list_sets.py", ["sandbox"], 0),
        ("upgrade_domain.py", ["sandbox", "web", NEW, "1"], 0),
        ("scale.py", ["-g", "sandbox", "-n", "legacy", "-c", "9"], 3),
        ("dashboard.py", ["sandbox", "web"], 0),
    ],
)
def test_a_script_does_the_same_with_both(
    interpreter: str,
    signed_in: Callable[[Sandbox], dict[str, str]],
    script: str,
    arguments: list[str],
    status: int,
) -> None:
    """The same output, exit status, requests and changes."""
    ends = []
    for python in ([interpreter], [sys.executable, "-m", "azurerm_lite.compat"]):
        with Sandbox(upgrade_seconds=0.3, page_size=7) as sandbox:
            done = subprocess.run(
                [*python, str(SCRIPTS / script), *arguments],
                env=signed_in(sandbox),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == status, done.stderr
            steps = steps_of(requests_since(sandbox))
            models = sorted(
                (entry.scale_set, entry.instance_id, str(entry.after))
                for entry in sandbox.changes
                if entry.what == "model"
            )
        ends.append((done.stdout, steps, models))
    assert ends[0] == ends[1]
