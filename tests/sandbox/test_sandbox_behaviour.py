"""Behaviour of scale sets: placement, scaling, models, and Azure's own upgrades."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model import placement

NEW = "22.04.202411010"


def bump(sandbox: Sandbox, name: str, version: str = NEW) -> Any:
    """Put a new version into a model, and wait."""
    where = sandbox.where(name)
    return az.wait(
        where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=version))
    )


def views(sandbox: Sandbox, name: str) -> list[Any]:
    """Return every instance with its view."""
    return az.get_instance_views(*sandbox.where(name))


def spread(sandbox: Sandbox, name: str, *fields: str) -> Counter[Any]:
    """Return the number of instances for each combination of fields of the instance view."""
    return Counter(
        tuple(vm["properties"]["instanceView"].get(field) for field in fields)
        for vm in views(sandbox, name)
    )


# Placement


def test_a_regional_set_has_five_update_and_five_fault_domains(sandbox: Sandbox) -> None:
    """Each of them has four of the 20 instances."""
    assert set(spread(sandbox, "web", "platformUpdateDomain").values()) == {4}
    assert set(spread(sandbox, "web", "platformFaultDomain").values()) == {4}


def test_a_zonal_set_is_spread_over_its_zones(sandbox: Sandbox) -> None:
    """Each zone has its own five update domains, and one fault domain by default."""
    sandbox.add_vmss("zonal", 30, zones=["1", "2", "3"])
    seen = Counter(
        (vm["zones"][0], vm["properties"]["instanceView"]["platformUpdateDomain"])
        for vm in views(sandbox, "zonal")
    )
    assert seen == {(zone, domain): 2 for zone in "123" for domain in range(5)}
    assert spread(sandbox, "zonal", "platformFaultDomain") == {(0,): 30}


def test_a_large_set_has_placement_groups_of_100(sandbox: Sandbox) -> None:
    """250 instances need three placement groups; an update domain is in all three."""
    sandbox.add_vmss("large", 250)
    assert sorted(spread(sandbox, "large", "placementGroupId").values()) == [50, 100, 100]
    assert len(spread(sandbox, "large", "placementGroupId", "platformUpdateDomain")) == 15


def test_a_single_placement_group_holds_100(sandbox: Sandbox) -> None:
    """One more is rejected, and a set with several groups cannot become a single one again."""
    where = sandbox.where()
    with pytest.raises(az.Conflict, match="total limit of '100'"):
        az.scale_vmss(*where, 101)
    az.wait(where[0], az.patch_vmss(*where, {"properties": {"singlePlacementGroup": False}}))
    az.wait(where[0], az.scale_vmss(*where, 101))
    with pytest.raises(az.Conflict) as caught:
        az.patch_vmss(
            *where, {"properties": {"singlePlacementGroup": True}, "sku": {"capacity": 5}}
        )
    assert caught.value.code == "PropertyChangeNotAllowed"


def test_the_number_of_fault_domains_is_fixed(sandbox: Sandbox) -> None:
    """It cannot change after the creation of the set."""
    model: Any = az.get_vmss(*sandbox.where())
    model["properties"]["platformFaultDomainCount"] = 3
    with pytest.raises(az.Conflict) as caught:
        az.put_vmss(*sandbox.where(), model)
    assert (caught.value.code, caught.value.target) == (
        "PropertyChangeNotAllowed",
        "platformFaultDomainCount",
    )


# The network


def test_nics_and_public_ips(sandbox: Sandbox) -> None:
    """An instance has a network interface, and a public IP if its model asks for one."""
    where = sandbox.where("custom")
    assert len(az.get_vmss_nics(*where)) == 6
    assert az.get_vmss_public_ips(*where) == []
    model: Any = az.get_vmss(*where)
    nic = model["properties"]["virtualMachineProfile"]["networkProfile"][
        "networkInterfaceConfigurations"
    ][0]
    address = {"name": "ip", "properties": {"publicIPAddressConfiguration": {"name": "public"}}}
    nic["properties"]["ipConfigurations"] = [address]
    az.wait(where[0], az.put_vmss(*where, model))
    az.wait(where[0], az.manual_upgrade(*where, [1, 2]))
    found = az.get_vmss_public_ips(*where)
    assert [entry["properties"]["ipAddress"] for entry in found] == ["203.0.113.2", "203.0.113.3"]
    assert all("/virtualMachines/" in entry["id"] for entry in found)


# Scaling


def test_scaling_in_keeps_zones_and_fault_domains_balanced(sandbox: Sandbox) -> None:
    """It deletes from the largest zone, then the largest fault domain, then the highest id."""
    sandbox.add_vmss("zonal", 9, zones=["1", "2", "3"])
    where = sandbox.where("zonal")
    az.wait(where[0], az.delete_vmss_vms(*where, [0, 3]))
    az.wait(where[0], az.scale_vmss(*where, 4))
    assert sorted(Counter(vm["zones"][0] for vm in views(sandbox, "zonal")).values()) == [1, 1, 2]
    assert "8" not in {vm["instanceId"] for vm in views(sandbox, "zonal")}
    regional = sandbox.where()
    az.wait(regional[0], az.scale_vmss(*regional, 10))
    assert set(spread(sandbox, "web", "platformFaultDomain").values()) == {2}


def test_new_instances_have_the_newest_model(sandbox: Sandbox) -> None:
    """Old instances keep their model in mode Manual."""
    bump(sandbox, "web")
    where = sandbox.where()
    az.wait(where[0], az.scale_vmss(*where, 22))
    latest = {
        vm["instanceId"]: vm["properties"]["latestModelApplied"] for vm in views(sandbox, "web")
    }
    assert [name for name, is_latest in latest.items() if is_latest] == ["20", "21"]


def test_an_eleventh_model_is_rejected(sandbox: Sandbox) -> None:
    """Instances may use ten models; upgrades reduce the number."""
    where = sandbox.where()
    for number in range(10):
        az.wait(where[0], az.patch_vmss(*where, {"sku": {"name": f"Standard_D{number}"}}))
        body: Any = az.get_vmss(*where)
        body["properties"]["virtualMachineProfile"]["userData"] = str(number)
        if number == 9:
            with pytest.raises(az.Conflict, match="limit of 10 models"):
                az.put_vmss(*where, body)
            break
        az.wait(where[0], az.put_vmss(*where, body))
        az.wait(where[0], az.manual_upgrade(*where, number))
    az.wait(where[0], az.manual_upgrade(*where, "*"))
    az.wait(where[0], az.put_vmss(*where, body, if_match="*"))


def test_actions_on_the_set_skip_protected_instances(sandbox: Sandbox) -> None:
    """Only actions that name them change them."""
    where = sandbox.where("custom")
    az.wait(where[0], az.protect_vmss_vm(*where, 2, from_scale_set_actions=True))
    az.wait(where[0], az.poweroff_vmss(*where))
    off = {vm["instanceId"] for vm in views(sandbox, "custom") if "PowerState/stopped" in str(vm)}
    assert off == {"0", "1", "3", "4", "5"}
    az.wait(where[0], az.poweroff_vmss(*where, 2))
    assert "PowerState/stopped" in str(az.get_vmss_vm_instance_view(*where, 2))


def test_instances_report_health_if_their_own_model_has_the_extension(sandbox: Sandbox) -> None:
    """An instance does not report health until its own model has the extension."""
    where = sandbox.where("legacy")

    def healths() -> list[str]:
        seen = [vm["properties"]["instanceView"].get("vmHealth") for vm in views(sandbox, "legacy")]
        return [entry["status"]["code"] for entry in seen if entry]

    assert healths() == []
    profile: Any = az.get_vmss(*sandbox.where())["properties"]["virtualMachineProfile"]
    added = {
        "properties": {"virtualMachineProfile": {"extensionProfile": profile["extensionProfile"]}}
    }
    az.wait(where[0], az.patch_vmss(*where, added))
    assert healths() == []
    az.wait(where[0], az.manual_upgrade(*where, [1, 2]))
    assert healths() == ["HealthState/healthy"] * 2


def test_one_of_several_concurrent_writes_succeeds(sandbox: Sandbox) -> None:
    """Of eight clients one restarts the set; the others get a conflict."""
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(az.restart_vmss, *sandbox.where()) for _ in range(8)]
    errors = [job.exception() for job in jobs if job.exception()]
    assert [type(entry) for entry in errors] == [az.Conflict] * 7
    statuses = [entry.status for entry in sandbox.journal if entry.method == "POST"]
    assert statuses.count(202) == 1


# Upgrades that Azure runs


def test_mode_rolling_upgrades_in_batches(sandbox: Sandbox, clock: Clock) -> None:
    """A change of the model starts the upgrade, which pauses between batches."""
    sandbox.add_vmss(
        "rolls", 10, mode="Rolling", rolling_policy={"pauseTimeBetweenBatches": "PT2M"}
    )
    bump(sandbox, "rolls")
    where = sandbox.where("rolls")
    seen = []
    for _ in range(5):
        seen.append(
            az.get_rolling_upgrade(*where)["properties"]["progress"]["successfulInstanceCount"]
        )
        clock.sleep(180)
    assert seen == [0, 2, 4, 6, 8]
    clock.sleep(600)
    properties = az.get_rolling_upgrade(*where)["properties"]
    assert properties["runningStatus"]["code"] == "Completed"
    assert {az.get_image(vm)["exact_version"] for vm in views(sandbox, "rolls")} == {NEW}


def test_a_rolling_upgrade_stops_at_its_unhealthy_limit(sandbox: Sandbox, clock: Clock) -> None:
    """It is Faulted with Azure's code, and the other instances are not upgraded."""
    sandbox.add_vmss("rolls", 10, mode="Rolling")
    sandbox.break_upgrade("rolls", "1", "unhealthy")
    bump(sandbox, "rolls")
    clock.sleep(3600)
    properties = az.get_rolling_upgrade(*sandbox.where("rolls"))["properties"]
    assert properties["runningStatus"]["code"] == "Faulted"
    assert (
        properties["error"]["code"] == "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"
    )
    assert properties["progress"]["pendingInstanceCount"] == 8


def test_a_rolling_upgrade_does_not_start_on_an_unhealthy_set(
    sandbox: Sandbox, clock: Clock
) -> None:
    """It is Faulted before its first batch."""
    sandbox.add_vmss("unhealthy", 4, mode="Rolling")
    for instance_id in ("0", "1"):
        sandbox.cloud.scale_set("sandbox", "unhealthy").instances[instance_id].health = "unhealthy"
    bump(sandbox, "unhealthy")
    properties = az.get_rolling_upgrade(*sandbox.where("unhealthy"))["properties"]
    assert properties["error"]["code"] == "MaxUnhealthyInstancePercentExceededBeforeRollingUpgrade"
    assert properties["progress"]["pendingInstanceCount"] == 4


def test_a_rolling_upgrade_upgrades_zone_by_zone(sandbox: Sandbox, clock: Clock) -> None:
    """By default a batch has instances of one zone only."""
    sandbox.add_vmss(
        "zonal", 6, zones=["1", "2"], mode="Rolling", rolling_policy={"maxBatchInstancePercent": 50}
    )
    bump(sandbox, "zonal")
    clock.sleep(60)
    upgraded = {
        vm["zones"][0] for vm in views(sandbox, "zonal") if vm["properties"]["latestModelApplied"]
    }
    assert upgraded == {"1"}


def test_the_operation_of_an_os_upgrade_lasts_as_long_as_the_upgrade(sandbox: Sandbox) -> None:
    """Waiting for the operation waits for all batches, in mode Manual too."""
    bump(sandbox, "web")
    where = sandbox.where()
    az.wait(where[0], az.start_os_upgrade(*where))
    assert {vm["properties"]["latestModelApplied"] for vm in views(sandbox, "web")} == {True}


def test_mode_automatic_upgrades_all_at_once(sandbox: Sandbox, clock: Clock) -> None:
    """All instances are down at the same time."""
    where = sandbox.where("auto")
    az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=NEW))
    assert all("PowerState/stopping" in str(vm) for vm in views(sandbox, "auto"))
    clock.sleep(60)
    assert all("PowerState/running" in str(vm) for vm in views(sandbox, "auto"))


def test_unhealthy_instances_come_first_if_the_policy_prioritizes_them(
    sandbox: Sandbox, clock: Clock
) -> None:
    """The policy sets `prioritizeUnhealthyInstances`."""
    policy = {"prioritizeUnhealthyInstances": True, "maxUnhealthyInstancePercent": 50}
    sandbox.add_vmss("rolls", 10, mode="Rolling", rolling_policy=policy)
    for instance_id in ("8", "9"):
        sandbox.cloud.scale_set("sandbox", "rolls").instances[instance_id].health = "unhealthy"
    bump(sandbox, "rolls")
    clock.sleep(60)
    upgraded = {
        vm["instanceId"] for vm in views(sandbox, "rolls") if vm["properties"]["latestModelApplied"]
    }
    assert upgraded == {"8", "9"}


def test_a_rolling_upgrade_crosses_zones_if_the_policy_allows_it(
    sandbox: Sandbox, clock: Clock
) -> None:
    """With `enableCrossZoneUpgrade` a batch has instances of all zones."""
    policy = {"maxBatchInstancePercent": 50, "enableCrossZoneUpgrade": True}
    sandbox.add_vmss("zonal", 6, zones=["1", "2"], mode="Rolling", rolling_policy=policy)
    bump(sandbox, "zonal")
    clock.sleep(60)
    upgraded = {
        vm["zones"][0] for vm in views(sandbox, "zonal") if vm["properties"]["latestModelApplied"]
    }
    assert upgraded == {"1", "2"}


def test_a_batch_that_fails_ends_a_rolling_upgrade(sandbox: Sandbox, clock: Clock) -> None:
    """It is Faulted with Azure's code, counts the failed instance, and starts no other batch."""
    sandbox.add_vmss("rolls", 10, mode="Rolling")
    sandbox.break_upgrade("rolls", "2")
    bump(sandbox, "rolls")
    clock.sleep(3600)
    properties = az.get_rolling_upgrade(*sandbox.where("rolls"))["properties"]
    assert properties["runningStatus"]["code"] == "Faulted"
    assert properties["error"]["code"] == "RollingUpgradeInProgressWithFailedUpgradedVMs"
    assert properties["progress"] == {
        "successfulInstanceCount": 3,
        "failedInstanceCount": 1,
        "inProgressInstanceCount": 0,
        "pendingInstanceCount": 6,
    }


@pytest.mark.parametrize("mode", ["Automatic", "Rolling"])
def test_a_stuck_instance_blocks_a_rolling_upgrade(
    sandbox: Sandbox, clock: Clock, mode: str
) -> None:
    """It stays Updating until it is fixed; then the upgrade finishes."""
    sandbox.add_vmss("stuck", 4, mode=mode)
    sandbox.break_upgrade("stuck", "0", "stick")
    where = sandbox.where("stuck")
    az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=NEW))
    clock.sleep(36_000)
    assert az.get_vmss_vm(*where, 0)["properties"]["provisioningState"] == "Updating"
    with pytest.raises(az.Conflict):
        az.restart_vmss(*where)
    sandbox.break_upgrade("stuck", "0", "none")
    clock.sleep(3600)
    assert {az.get_image(vm)["exact_version"] for vm in views(sandbox, "stuck")} == {NEW}


def test_the_history_has_the_last_five_upgrades(sandbox: Sandbox) -> None:
    """The newest is first, each with its target image."""
    where = sandbox.where()
    versions = ["22.04.202409120", "22.04.202410020", NEW] * 2
    for version in versions:
        bump(sandbox, "web", version)
        az.wait(where[0], az.start_os_upgrade(*where))
    history = az.get_os_upgrade_history(*where)
    assert [
        entry["properties"]["targetImageReference"]["version"] for entry in history
    ] == versions[:0:-1]


@pytest.mark.parametrize("name", ["legacy", "custom"])
def test_an_os_upgrade_needs_an_image_with_versions(sandbox: Sandbox, name: str) -> None:
    """An image without versions is rejected; an upgrade of extensions is not."""
    with pytest.raises(az.Conflict, match="cannot be used") as caught:
        az.start_os_upgrade(*sandbox.where(name))
    assert caught.value.code == "OperationNotAllowed"
    az.wait(sandbox.access_token, az.start_extension_upgrade(*sandbox.where(name)))


# One instance


def test_a_reimage_installs_the_version_it_names(sandbox: Sandbox) -> None:
    """Without `exactVersion` it installs the version of the instance's own model."""
    where = sandbox.where()
    provider = f"/subscriptions/{where[1]}/resourceGroups/{where[2]}/providers/Microsoft.Compute"
    path = f"{provider}/virtualMachineScaleSets/web"
    whole_set = rest.url(f"{path}/reimage", {}, "2024-11-01")
    single = rest.url(f"{path}/virtualMachines/4/reimage", {}, "2024-11-01")

    def versions() -> dict[str, str]:
        seen = {vm["instanceId"]: az.get_image(vm)["exact_version"] for vm in views(sandbox, "web")}
        return {
            instance_id: version
            for instance_id, version in seen.items()
            if version != "22.04.202410020"
        }

    body: Any = {
        "instanceIds": ["2"],
        "exactVersion": NEW,
        "osProfile": {"adminPassword": "canary"},
    }
    az.wait(where[0], rest.send(where[0], "POST", whole_set, body=body))
    az.wait(where[0], rest.send(where[0], "POST", single, body={"exactVersion": "22.04.202409120"}))
    assert versions() == {"2": NEW, "4": "22.04.202409120"}
    assert "canary" not in str([views(sandbox, "web"), sandbox.journal])
    az.wait(where[0], az.reimage_vmss(*where, [2, 4]))
    assert versions() == {}
    with pytest.raises(az.NotFound, match="is not available"):
        rest.send(where[0], "POST", single, body={"exactVersion": "1.2.3"})


def test_an_instance_can_fail_with_one_image_only(sandbox: Sandbox) -> None:
    """Other versions succeed; a failed instance is reinstalled even if its model is current."""
    where = sandbox.where("web")
    sandbox.break_upgrade("web", "7", image=NEW)
    bump(sandbox, "web")
    with pytest.raises(az.OperationFailed):
        az.wait(where[0], az.manual_upgrade(*where, "7"))
    bump(sandbox, "web", "22.04.202410020")
    az.wait(where[0], az.manual_upgrade(*where, "7"))
    properties = az.get_vmss_vm(*where, 7)["properties"]
    assert (properties["latestModelApplied"], properties["provisioningState"]) == (
        True,
        "Succeeded",
    )


# Scale-in policies

# The ids in each zone, from the examples in Azure's documentation of scale-in policies.
DOCUMENTED = {"1": [3, 4, 5, 10], "2": [2, 6, 9, 11], "3": [1, 7, 8]}


@pytest.mark.parametrize(
    ("rule", "order"), [("OldestVM", [2, 3, 1, 4, 6, 5]), ("NewestVM", [11, 10, 9, 8, 5, 7])]
)
def test_scaling_in_follows_the_policy(sandbox: Sandbox, rule: str, order: list[int]) -> None:
    """It deletes the oldest or the newest instance in the largest zone."""
    sandbox.add_vmss("zonal", 36, zones=["1", "2", "3"])
    vmss = sandbox.cloud.scale_set("sandbox", "zonal")
    found = {number: zone for zone, numbers in DOCUMENTED.items() for number in numbers}
    for instance_id in [entry for entry in vmss.instances if int(entry) not in found]:
        del vmss.instances[instance_id]
    for instance in vmss.instances.values():
        instance.zone = found[instance.number]
    vmss.properties["scaleInPolicy"] = {"rules": [rule]}
    assert [entry.number for entry in placement.pick_for_scale_in(vmss, len(order))] == order


def test_scaling_in_spares_protected_instances(sandbox: Sandbox) -> None:
    """The oldest instance is protected, so the next oldest is deleted."""
    where = sandbox.where("custom")
    az.wait(
        where[0], az.patch_vmss(*where, {"properties": {"scaleInPolicy": {"rules": ["OldestVM"]}}})
    )
    az.wait(where[0], az.protect_vmss_vm(*where, 0, from_scale_in=True))
    az.wait(where[0], az.scale_vmss(*where, 4))
    assert [vm["instanceId"] for vm in az.list_vmss_vms(*where)] == ["0", "3", "4", "5"]


# Flexible sets


def test_a_flexible_set_scales_and_upgrades(sandbox: Sandbox, clock: Clock) -> None:
    """A scale-out adds new names; Azure's own rolling upgrade works in batches."""
    sandbox.add_vmss("flex", 5, zones=["1", "2"], orchestration="Flexible", mode="Rolling")
    where = sandbox.where("flex")
    before = [vm["instanceId"] for vm in az.list_vmss_vms(*where)]
    az.wait(where[0], az.scale_vmss(*where, 7))
    after = [vm["instanceId"] for vm in az.list_vmss_vms(*where)]
    assert (after[:5], len(set(after))) == (before, 7)
    az.wait(where[0], az.scale_vmss(*where, 4))
    assert [vm["instanceId"] for vm in az.list_vmss_vms(*where)] == after[:4]
    bump(sandbox, "flex")
    clock.sleep(3600)
    assert az.get_rolling_upgrade(*where)["properties"]["progress"]["successfulInstanceCount"] == 4
    running = {
        vm.exact_version for vm in sandbox.cloud.scale_set("sandbox", "flex").instances.values()
    }
    assert running == {NEW}


def test_a_flexible_set_may_have_a_thousand_instances(sandbox: Sandbox) -> None:
    """It has no placement groups."""
    sandbox.add_vmss("flex", 1, orchestration="Flexible")
    where = sandbox.where("flex")
    with pytest.raises(az.Conflict, match="total limit of '1000'"):
        az.scale_vmss(*where, 1001)
    az.wait(where[0], az.scale_vmss(*where, 150))
    assert len(az.list_vmss_vms(*where)) == 150
