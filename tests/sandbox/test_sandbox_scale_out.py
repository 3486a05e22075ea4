"""Scale-outs of the sandbox: zones, overprovisioning, and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox


@pytest.fixture
def small(clock: Clock) -> Iterator[Sandbox]:
    """Start a sandbox with a Uniform set of four instances."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 4)
        yield sandbox


def scale(sandbox: Sandbox, capacity: int) -> None:
    """Scale the set, and wait."""
    az.wait(sandbox.access_token, az.scale_vmss(*sandbox.where(), capacity))


def states(sandbox: Sandbox) -> list[str]:
    """Return the provisioning state of each instance, in the order of ids."""
    return [az.provisioning_state(each) for each in az.get_instance_views(*sandbox.where())]


def test_a_quota_rejects_the_request_and_changes_nothing(small: Sandbox) -> None:
    """Code, status and message are those that users report of Azure."""
    small.break_scale_out("web", "quota")
    with pytest.raises(az.Conflict, match="approved Total Regional Cores quota") as caught:
        scale(small, 6)
    assert (caught.value.code, caught.value.status_code) == ("OperationNotAllowed", 409)
    assert az.get_vmss(*small.where())["sku"]["capacity"] == 4
    small.break_scale_out("web", "none")
    scale(small, 6)
    assert states(small) == ["succeeded"] * 6


def test_a_full_subnet_rejects_the_request(small: Sandbox) -> None:
    """It is SubnetIsFull, with the number of missing addresses."""
    small.break_scale_out("web", "subnet")
    with pytest.raises(az.AzureError, match="enough capacity for 2 IP addresses") as caught:
        scale(small, 6)
    assert caught.value.code == "SubnetIsFull"


@pytest.mark.parametrize("how", ["quota", "subnet"])
def test_a_scale_out_can_fail_after_some_instances(small: Sandbox, how: str) -> None:
    """The set has the requested capacity, but fewer instances."""
    small.break_scale_out("web", how, made=1)
    with pytest.raises(az.OperationFailed):
        scale(small, 7)
    assert states(small) == ["succeeded"] * 5
    assert az.get_vmss(*small.where())["sku"]["capacity"] == 7


def test_instances_that_cannot_be_allocated_stay_failed(small: Sandbox) -> None:
    """They are part of the capacity until they are deleted."""
    small.break_scale_out("web", "allocation", made=1)
    with pytest.raises(az.OperationFailed) as caught:
        scale(small, 6)
    assert caught.value.code == "AllocationFailed"
    assert states(small) == ["succeeded"] * 5 + ["failed"]
    az.wait(small.access_token, az.delete_vmss_vms(*small.where(), "5"))
    assert az.get_vmss(*small.where())["sku"]["capacity"] == 5


@pytest.mark.parametrize(("how", "code"), [("fail", "OSProvisioningTimedOut"), ("unhealthy", "")])
def test_new_instances_may_not_come_up(small: Sandbox, how: str, code: str) -> None:
    """The operation fails, or the new instance is unhealthy."""
    small.break_scale_out("web", how)
    if code:
        with pytest.raises(az.OperationFailed, match=code):
            scale(small, 5)
    else:
        scale(small, 5)
    new = az.get_vmss_vm(*small.where(), "4")
    if code:
        assert az.provisioning_state(new) == "failed"
    else:
        assert (az.provisioning_state(new), az.health(new)) == ("succeeded", "unhealthy")


def test_scale_out_faults_do_not_affect_scaling_in(small: Sandbox) -> None:
    """A used-up quota does not reject fewer instances."""
    small.break_scale_out("web", "quota")
    scale(small, 2)
    assert len(states(small)) == 2


def test_an_unknown_fault_is_rejected(small: Sandbox) -> None:
    """The error names the known faults."""
    with pytest.raises(ValueError, match="how must be one of quota, subnet"):
        small.break_scale_out("web", "weather")


@pytest.mark.parametrize("are_listed", [True, False])
def test_additional_instances_are_listed_for_a_while(
    small: Sandbox, clock: Clock, are_listed: bool
) -> None:
    """A fifth more are listed until some time after the operation; the capacity ignores them."""
    small.cloud.scale_set("sandbox", "web").properties["overprovision"] = True
    small.assumptions.overprovisioned_vms_are_listed = are_listed
    scale(small, 9)
    assert len(states(small)) == (10 if are_listed else 9)
    assert az.get_vmss(*small.where())["sku"]["capacity"] == 9
    clock.sleep(60)
    assert len(states(small)) == 9


def test_new_instances_go_to_the_zone_with_the_fewest(clock: Clock) -> None:
    """After deletions in one zone, the next instances are created there."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, zones=("1", "2", "3"))
        az.wait(sandbox.access_token, az.delete_vmss_vms(*sandbox.where(), ["1", "4"]))
        scale(sandbox, 6)
        zones = Counter(vm["zones"][0] for vm in az.get_instance_views(*sandbox.where()))
        assert zones == {"1": 2, "2": 2, "3": 2}


def test_autoscale_settings_are_listed_by_resource_group(small: Sandbox) -> None:
    """They have the target, and the capacities as text, like Azure Monitor's."""
    small.add_autoscale("web", 2, 9, enabled=False)
    url = (
        f"{small.url}/subscriptions/{small.subscription_id}/resourceGroups/sandbox/providers"
        "/Microsoft.Insights/autoscaleSettings?api-version=2022-10-01"
    )
    headers = {"Authorization": f"Bearer {small.access_token}"}
    (found,) = requests.get(url, headers=headers, verify=small.ca_file, timeout=9).json()["value"]
    properties = found["properties"]
    assert properties["enabled"] is False
    assert properties["targetResourceUri"] == az.get_vmss(*small.where())["id"]
    assert properties["profiles"][0]["capacity"]["maximum"] == "9"
