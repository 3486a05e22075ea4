"""The sandbox answers recorded requests as Azure did: status, headers and shape of the JSON."""

from __future__ import annotations

import json
import re

import pytest
import requests
from support.clock import Clock
from support.recordings import FOLDER
from support.replay import Replay, known_images, shape_differences

from azurerm_lite.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recorded Azure traffic in {FOLDER}"
)

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("**/*.json"))

# Where the sandbox answers in another way than Azure did: pattern -> reason. First in any file,
# then in one; a pattern for one file that matches nothing there fails the test.
ANYWHERE = {
    r"GET locations/\S+/versions/\S+: \.properties\..*": "facts of images that differ by image",
    r".*: header retry-after (added|missing)": "Azure sends it with some answers only",
    r".*\]\.properties\.(disableTcpStateTracking added|enableAcceleratedNetworking missing)": (
        "the defaults of a network interface are those of 2024"
    ),
}
SINCE_2023 = (
    r".*\.(osDisk\.osType|orchestrationMode|platformFaultDomainCount|timeCreated|maxSurge"
    r"|rollbackFailedInstancesOnPolicyBreach) added"
)
DIFFERENCES: dict[str, dict[str, str]] = {
    "cli/test_vm_list_filter.json": {
        r"GET virtualMachineScaleSets/\S+: \.etag added": (
            "in April 2024 the api-version did not have it yet"
        ),
    },
    "cli/test_vmss_create_and_modify.json": {
        r"GET \S+/virtualMachines: header x-ms-request-charge is 5, not 8": (
            "Azure charged VMs that overprovisioning had added; the sandbox adds none"
        ),
        r"GET virtualMachineScaleSets: policy HighCostGetVMScaleSetSubscriptionMaximum added": (
            "an empty list, which the resource manager answered without Compute"
        ),
    },
    "cli/test_vmss_reimage.json": {
        r"GET \S+/virtualMachines: header x-ms-request-charge is 2, not 4": "overprovisioning",
    },
    "cli/test_vmss_vms.json": {
        r"GET \S+/virtualMachines: header x-ms-request-charge is 2, not 4": "overprovisioning",
    },
    "cli/test_vmss_simple_orchestration_mode.json": {
        r"GET virtualMachines/vm1: .*networkInterfaces\[\]\.properties added": (
            "this VM was created by itself and attached; those of the sandbox come from a set"
        ),
        r"GET virtualMachines/vm1: \.properties\.(platformFault|proximityPlacement)\w+ missing": (
            "likewise: its creator chose them"
        ),
    },
    "cli/test_vmss_update.json": {
        r"(GET|PUT) virtualMachineScaleSets/winvmss: header etag is .*": (
            "one of the PUTs moved the etag by two, for a reason that was not recorded"
        ),
    },
    "cli/test_vmss_update_enable_auto_os_upgrade.json": {
        r"PUT \S+: header x-ms-request-charge is 0, not 1": "automatic OS upgrades are not run",
        r"(GET|PUT) \S+/vmss000002: header etag is .*": "likewise: the upgrade moved the etag",
    },
    "vmss-vm.json": {
        SINCE_2023: "later api-versions brought it to all",
        r".*windowsConfiguration\.patchSettings missing": "instances of 2024 do not have it",
    },
    "vmss-rolling-upgrades.json": {SINCE_2023: "later api-versions brought it to all"},
    "vmss-vm-2022.json": {
        SINCE_2023: "later api-versions brought it to all",
        r".*windowsConfiguration\.enableVMAgentPlatformUpdates missing": "no default of 2024",
        r".*/instanceView: \.(extensions\[\]\.statuses\[\]\.time|vmAgent\S*\.message) added": (
            "one of the extensions had just begun"
        ),
        r".*/virtualMachines/1: \.identity missing": "a policy of that subscription gave it one",
    },
    "vm-images.json": {},
    "vm-2022.json": {
        r".*: \.properties\.(virtualMachineScaleSet|networkProfile\S*\.deleteOption) added": (
            "this VM was in no set; those of the sandbox are"
        ),
        r".*instanceView: \.platformFaultDomain added": "likewise",
        r".*: \.(tags\.\S+|identity) missing": "a policy of that subscription wrote them",
        r".*(\.extensions missing|\.resources missing|\.extensionHandlers empty)": (
            "extensions of single VMs are not implemented"
        ),
    },
}
# Requests that the sandbox does not implement: single VMs are there as members of a set alone.
NOT_IMPLEMENTED = re.compile(
    r"(PUT|PATCH|DELETE) \S+/virtualMachines/[^/?]+\?"
    r"|\w+ \S+/virtualMachines/[^/]+/(extensions|runCommand|generalize|reapply)"
    r"|GET \S+/locations/\w+/runCommands"
)


@pytest.mark.parametrize("name", FILES)
def test_recorded_requests_are_answered_as_azure_did(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each recorded request is sent in its order, to a sandbox with the recorded sets."""
    file = json.loads((FOLDER / name).read_text("utf-8"))["interactions"]
    monkeypatch.setattr(sandbox.cloud, "platform_images", known_images(file))
    for key in list(sandbox.cloud.sets):
        del sandbox.cloud.sets[key]
    lines: list[str] = []
    with requests.Session() as session:
        replay = Replay(sandbox, clock, session, file)
        for interaction in file:
            request = f"{interaction['method']} {interaction['path']}"
            is_of_set = "/virtualMachineScaleSets/" in request
            if NOT_IMPLEMENTED.match(request) and not is_of_set:
                continue
            if replay.can_send(interaction):
                lines += replay.differences(interaction)
    expected = {**ANYWHERE, **DIFFERENCES.get(name, {})}
    unexpected = [line for line in lines if not any(re.fullmatch(key, line) for key in expected)]
    assert unexpected == []
    unused = [
        pattern
        for pattern in DIFFERENCES.get(name, {})
        if not any(re.fullmatch(pattern, line) for line in lines)
    ]
    assert unused == []


def test_every_file_with_differences_is_there() -> None:
    """A reason for a file that is not there helps nobody."""
    assert DIFFERENCES.keys() <= set(FILES)


def test_a_difference_is_found() -> None:
    """The comparison finds a missing key, an added key, another type, and an empty list."""
    theirs = {"a": 1, "b": [{"c": "x"}, {}], "d": None, "f": ["x"]}
    ours = {"a": "1", "b": [{"c": "y"}, {"e": 1}], "f": []}
    assert shape_differences(theirs, ours) == {
        ".a: str, not int",
        ".b[].e added",
        ".d missing",
        ".f empty",
    }
