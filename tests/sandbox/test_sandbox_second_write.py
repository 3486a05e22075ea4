"""Second writes on a scale set: accepted, rejected, or preempting the first one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

OLD, NEW = "22.04.202410020", "22.04.202411010"


def put_version(sandbox: Sandbox, name: str = "web", version: str = NEW) -> Any:
    """Put a new version into a model, without waiting."""
    where = sandbox.where(name)
    return az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=version))


def versions(sandbox: Sandbox, name: str = "web") -> dict[str, str]:
    """Return the version that each instance runs."""
    return {
        vm["instanceId"]: str(az.get_image(vm)["exact_version"])
        for vm in az.get_instance_views(*sandbox.where(name))
    }


def test_an_upgrade_right_after_the_model_is_accepted(sandbox: Sandbox, clock: Clock) -> None:
    """Both operations succeed, and the instances run the new version."""
    where = sandbox.where()
    model = put_version(sandbox)
    upgrade = az.manual_upgrade(*where, ["0", "5"])
    assert az.get_vmss(*where)["properties"]["provisioningState"] == "Updating"
    az.wait(where[0], model)
    az.wait(where[0], upgrade)
    assert {name for name, version in versions(sandbox).items() if version == NEW} == {"0", "5"}
    assert az.get_vmss(*where)["properties"]["provisioningState"] == "Succeeded"


def test_an_upgrade_during_a_scale_out_succeeds(sandbox: Sandbox, clock: Clock) -> None:
    """The new instances come up, and the old ones are upgraded."""
    where = sandbox.where()
    az.wait(where[0], put_version(sandbox))
    scaling = az.scale_vmss(*where, 25)
    upgrade = az.manual_upgrade(*where, "*")
    az.wait(where[0], scaling)
    az.wait(where[0], upgrade)
    assert versions(sandbox) == {str(number): NEW for number in range(25)}


def test_an_upgrade_of_instances_that_are_being_deleted_conflicts(sandbox: Sandbox) -> None:
    """Scaling in deletes the highest ids; the other instances can be upgraded."""
    where = sandbox.where()
    az.wait(where[0], put_version(sandbox))
    scaling = az.scale_vmss(*where, 15)
    with pytest.raises(az.Conflict):
        az.manual_upgrade(*where, ["0", "19"])
    upgrade = az.manual_upgrade(*where, ["0", "1"])
    az.wait(where[0], scaling)
    az.wait(where[0], upgrade)
    assert [versions(sandbox)[name] for name in ("0", "1", "2")] == [NEW, NEW, OLD]


@pytest.mark.parametrize("name", ["auto", "rolling"])
def test_an_upgrade_conflicts_while_azure_upgrades_by_itself(sandbox: Sandbox, name: str) -> None:
    """In mode Automatic and Rolling a change of the model upgrades the instances."""
    sandbox.add_vmss("rolling", 10, mode="Rolling")
    put_version(sandbox, name)
    with pytest.raises(az.Conflict):
        az.manual_upgrade(*sandbox.where(name), ["0"])


def test_other_writes_conflict_with_the_one_in_progress(sandbox: Sandbox) -> None:
    """They are rejected with 409, and the first write continues."""
    where = sandbox.where()
    scaling = az.scale_vmss(*where, 25)
    for write in (
        lambda: az.scale_vmss(*where, 30),
        lambda: put_version(sandbox),
        lambda: az.restart_vmss(*where, ["1"]),
        lambda: az.delete_vmss_vms(*where, ["1"]),
        lambda: az.start_os_upgrade(*where),
    ):
        with pytest.raises(az.Conflict, match="conflict with a concurrent request"):
            write()
    az.wait(where[0], scaling)
    assert len(versions(sandbox)) == 25


def test_every_second_write_is_rejected_with_reject(sandbox: Sandbox) -> None:
    """This includes an upgrade immediately after a change of the model."""
    sandbox.assumptions.second_write = "reject"
    put_version(sandbox)
    with pytest.raises(az.Conflict, match="conflict with a concurrent request"):
        az.manual_upgrade(*sandbox.where(), ["0"])


def test_a_newer_write_ends_the_older_one_with_preempt(sandbox: Sandbox) -> None:
    """The older operation ends Canceled, and the newer one sets the capacity."""
    sandbox.assumptions.second_write = "preempt"
    where = sandbox.where()
    older = az.scale_vmss(*where, 25)
    newer = az.scale_vmss(*where, 30)
    with pytest.raises(az.OperationFailed, match="more recent operation") as caught:
        az.wait(where[0], older)
    assert caught.value.code == "OperationPreempted"
    assert az.wait(where[0], newer)["sku"]["capacity"] == 30
    assert az.get_vmss(*where)["properties"]["provisioningState"] == "Succeeded"
    states = [
        vm["properties"]["provisioningState"] for vm in az.get_instance_views(*sandbox.where())
    ]
    assert states == ["Succeeded"] * 30


def test_a_preempted_upgrade_leaves_its_instances_on_the_old_image(
    sandbox: Sandbox, clock: Clock
) -> None:
    """They are running and outdated, and the newer upgrade succeeds."""
    sandbox.assumptions.second_write = "preempt"
    where = sandbox.where()
    az.wait(where[0], put_version(sandbox))
    older = az.manual_upgrade(*where, ["0", "1"])
    clock.sleep(45)
    newer = az.manual_upgrade(*where, ["1", "2"])
    az.wait(where[0], newer)
    with pytest.raises(az.OperationFailed):
        az.wait(where[0], older)
    assert [versions(sandbox)[name] for name in ("0", "1", "2")] == [OLD, NEW, NEW]
    views = az.get_instance_views(*where)
    assert {az.power_state(vm) for vm in views} == {"running"}
    assert {vm["properties"]["provisioningState"] for vm in views} == {"Succeeded"}


def test_a_preempted_rolling_upgrade_is_cancelled(sandbox: Sandbox, clock: Clock) -> None:
    """Instances that it has not upgraded stay outdated."""
    sandbox.assumptions.second_write = "preempt"
    sandbox.add_vmss("rolling", 10, mode="Rolling")
    where = sandbox.where("rolling")
    az.wait(where[0], put_version(sandbox, "rolling"))
    clock.sleep(90)
    az.wait(where[0], az.restart_vmss(*where, ["9"]))
    clock.sleep(600)
    assert az.get_rolling_upgrade(*where)["properties"]["runningStatus"]["code"] == "Cancelled"
    assert set(versions(sandbox, "rolling").values()) == {OLD, NEW}


def test_an_invalid_write_preempts_nothing(sandbox: Sandbox) -> None:
    """A version that does not exist is rejected, and the operation in progress continues."""
    sandbox.assumptions.second_write = "preempt"
    where = sandbox.where()
    scaling = az.scale_vmss(*where, 25)
    with pytest.raises(az.NotFound):
        put_version(sandbox, version="22.04.1")
    with pytest.raises(az.AzureError):
        az.manual_upgrade(*where, ["99"])
    assert az.wait(where[0], scaling)["sku"]["capacity"] == 25


def test_a_deletion_cannot_be_preempted(sandbox: Sandbox) -> None:
    """A scale set that is being deleted rejects other writes."""
    sandbox.assumptions.second_write = "preempt"
    where = sandbox.where()
    deletion = az.delete_vmss(*where)
    with pytest.raises(az.Conflict):
        az.restart_vmss(*where, ["1"])
    az.wait(where[0], deletion)
    with pytest.raises(az.NotFound):
        az.get_vmss(*where)


def test_an_unknown_second_write_is_rejected(sandbox: Sandbox) -> None:
    """The error names the known values."""
    allowed = "accept_upgrade, reject, preempt, got 'overtake'"
    with pytest.raises(ValueError, match=re.escape(allowed)):
        sandbox.assumptions.second_write = "overtake"  # type: ignore[assignment]


def test_locations_have_the_format_of_the_api_version(sandbox: Sandbox) -> None:
    """Coordinates are next to the names in 2016, and in `metadata` since 2020."""
    token, subscription, *_ = sandbox.where()
    url = f"{sandbox.url}/subscriptions/{subscription}/locations?api-version="
    old = az.rest.get_list(token, url + "2016-06-01")[0]
    assert old == {
        "id": f"/subscriptions/{subscription}/locations/eastus",
        "name": "eastus",
        "displayName": "East US",
        "longitude": "-79.8164",
        "latitude": "37.3719",
    }
    new = az.list_locations(token, subscription)[0]
    assert "latitude" not in new
    assert new["regionalDisplayName"] == "(US) East US"  # type: ignore[typeddict-item]
    assert new["metadata"]["latitude"] == "37.3719"  # type: ignore[typeddict-item]
