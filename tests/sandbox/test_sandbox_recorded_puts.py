"""The sandbox answers recorded PUTs of scale sets and instances with Azure's values.

docs/sandbox.md describes what a PUT changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.clock import Clock
from support.recordings import FOLDER
from support.replay import RECORDED_SUBSCRIPTION, Recorded, Replay, known_images

from azurerm_lite.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recorded Azure traffic in {FOLDER}"
)

# A scale set, or an instance of one.
RESOURCE = re.compile(r"(?i)\S*/virtualMachineScaleSets/[^/?]+(/virtualMachines/[^/?]+)?(\?\S*)?")
# Generated values; test_sandbox_recordings.py compares the others.
MADE_UP = {"etag", "timeCreated", "uniqueId", "vmId", "exactVersion", "computerName"}
# Expected differences: pattern -> reason.
DIFFERENCES = {
    r".*\.(orchestrationMode|platformFaultDomainCount|maxSurge|disableTcpStateTracking|osType"
    r"|rollbackFailedInstancesOnPolicyBreach): \S+, not null": (
        "newer api-versions have it, older ones do not"
    ),
    r".*\.(enableAcceleratedNetworking|enableVMAgentPlatformUpdates|patchSettings): null, not .*": (
        "the defaults are those of 2024"
    ),
    r".*: \.identity: null, not .*": "a policy of that subscription added it",
    r".*\.osDisk\.(name|managedDisk\.id): .*": "the sandbox generates other disk names",
}


def is_resource(interaction: Recorded) -> bool:
    """Return whether a request is a successful PUT or GET of a scale set or an instance."""
    is_successful = interaction["method"] in ("GET", "PUT") and interaction["status"] in (200, 201)
    return is_successful and bool(RESOURCE.fullmatch(interaction["path"]))


def value_differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Yield the differences of two bodies, including values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if key not in MADE_UP:
                yield from value_differences(theirs.get(key), ours.get(key), f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for position, entries in enumerate(zip(theirs, ours, strict=True)):
            yield from value_differences(*entries, f"{path}[{position}]")
    elif theirs != ours:
        yield f"{path}: {json.dumps(ours)}, not {json.dumps(theirs)}"


def recorded_files() -> list[str]:
    """Return the files with a PUT of a scale set or an instance."""
    names = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("**/*.json"))
    return [name for name in names if any(entry["method"] == "PUT" for entry in puts(name))]


def puts(name: str) -> list[Recorded]:
    """Return the successful PUTs of a file."""
    file = json.loads((FOLDER / name).read_text("utf-8"))["interactions"]
    return [entry for entry in file if entry["method"] == "PUT" and is_resource(entry)]


@pytest.mark.parametrize("name", recorded_files())
def test_recorded_puts_have_the_recorded_values(sandbox: Sandbox, clock: Clock, name: str) -> None:
    """The responses to each PUT and to later GETs have Azure's values."""
    file = json.loads((FOLDER / name).read_text("utf-8"))["interactions"]
    sandbox.cloud.platform_images = known_images(file)
    for key in list(sandbox.cloud.sets):
        del sandbox.cloud.sets[key]
    sandbox.assumptions.reverted_model_is_latest = False
    written: set[str] = set()
    lines: list[str] = []
    with requests.Session() as session:
        replay = Replay(sandbox, clock, session, file)
        for interaction in file:
            is_later_write = interaction["method"] not in ("GET", "PUT")
            if not (is_resource(interaction) or is_later_write) or not replay.can_send(interaction):
                continue
            answer = replay.answer(interaction)
            path = interaction["path"].partition("?")[0].lower()
            if interaction["method"] == "PUT":
                written.add(path)
            if path in written and is_resource(interaction):
                where = f"{interaction['method']} {path.rpartition('/')[2]}"
                text = answer.text.replace(sandbox.subscription_id, RECORDED_SUBSCRIPTION)
                found = value_differences(interaction["response"], json.loads(text))
                lines += [f"{where}: {line}" for line in found]
            clock.sleep(100_000)
    unexpected = [line for line in lines if not any(re.fullmatch(key, line) for key in DIFFERENCES)]
    assert not unexpected, "\n".join(unexpected)


def test_there_are_recorded_puts() -> None:
    """Without any PUT the test above would test nothing."""
    assert sum(len(puts(name)) for name in recorded_files()) >= 20
