"""The sandbox answers recorded requests like Azure: status, headers and shape of the JSON."""

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

# Expected differences from Azure: pattern -> reason. ANYWHERE is for all files, DIFFERENCES for
# single files. A pattern for a single file that does not match anything there fails the test.
ANYWHERE = {
    r"GET locations/\S+/versions/\S+: \.properties\..*": "properties that differ by image",
    r".*: header retry-after (added|missing)": "Azure sends it only with some responses",
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
            "Azure counts overprovisioned VMs; the sandbox does not add any"
        ),
        r"GET virtualMachineScaleSets: policy HighCostGetVMScaleSetSubscriptionMaximum added": (
            "an empty list, which the resource manager returns without Compute"
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
            "this VM was attached after its creation; a set creates the sandbox's VMs"
        ),
        r"GET virtualMachines/vm1: \.properties\.(platformFault|proximityPlacement)\w+ missing": (
            "likewise: they were set at its creation"
        ),
    },
    "cli/test_vmss_update.json": {
        r"(GET|PUT) virtualMachineScaleSets/winvmss: header etag is .*": (
            "one of the PUTs increased the etag by two, for an unknown reason"
        ),
    },
    "cli/test_vmss_update_enable_auto_os_upgrade.json": {
        r"PUT \S+: header x-ms-request-charge is 0, not 1": "automatic OS upgrades do not run",
        r"(GET|PUT) \S+/vmss000002: header etag is .*": "likewise: the upgrade changed the etag",
    },
    "vmss-vm.json": {
        SINCE_2023: "later api-versions have it in all responses",
        r".*windowsConfiguration\.patchSettings missing": "instances of 2024 do not have it",
    },
    "vmss-rolling-upgrades.json": {SINCE_2023: "later api-versions have it in all responses"},
    "vmss-vm-2022.json": {
        SINCE_2023: "later api-versions have it in all responses",
        r".*windowsConfiguration\.enableVMAgentPlatformUpdates missing": "no default of 2024",
        r".*/instanceView: \.(extensions\[\]\.statuses\[\]\.time|vmAgent\S*\.message) added": (
            "one of the extensions had just started"
        ),
        r".*/virtualMachines/1: \.identity missing": "a policy of that subscription added it",
    },
    "vm-images.json": {},
    "vm-2022.json": {
        r".*: \.properties\.(virtualMachineScaleSet|networkProfile\S*\.deleteOption) added": (
            "this VM was not in a set; the sandbox's VMs are"
        ),
        r".*instanceView: \.platformFaultDomain added": "likewise",
        r".*: \.(tags\.\S+|identity) missing": "a policy of that subscription added them",
        r".*(\.extensions missing|\.resources missing|\.extensionHandlers empty)": (
            "extensions of single VMs are not implemented"
        ),
    },
}
# Requests that the sandbox does not implement, because it has only members of sets as single VMs.
NOT_IMPLEMENTED = re.compile(
    r"(PUT|PATCH|DELETE) \S+/virtualMachines/[^/?]+\?"
    r"|\w+ \S+/virtualMachines/[^/]+/(extensions|runCommand|generalize|reapply)"
    r"|GET \S+/locations/\w+/runCommands"
)


@pytest.mark.parametrize("name", FILES)
def test_recorded_requests_get_azures_responses(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The recorded requests are sent in order, to a sandbox with the recorded sets."""
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


def test_every_file_with_expected_differences_exists() -> None:
    """Differences of a file that does not exist are outdated."""
    assert DIFFERENCES.keys() <= set(FILES)


def test_a_difference_is_found() -> None:
    """The comparison finds missing and added keys, other types, and empty lists."""
    theirs = {"a": 1, "b": [{"c": "x"}, {}], "d": None, "f": ["x"]}
    ours = {"a": "1", "b": [{"c": "y"}, {"e": 1}], "f": []}
    assert shape_differences(theirs, ours) == {
        ".a: str, not int",
        ".b[].e added",
        ".d missing",
        ".f empty",
    }
