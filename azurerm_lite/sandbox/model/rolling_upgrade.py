"""The rolling upgrades that Azure runs by itself: batch after batch, by the policy of the set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import errors
from .defaults import ROLLING_POLICY
from .resources import Instance, Json, Operation, RollingUpgrade, ScaleSet, now_utc, reports_health
from .validation import seconds_of

if TYPE_CHECKING:
    from .cloud import Cloud

REMEMBERED = 5  # in the history


def start(cloud: Cloud, vmss: ScaleSet) -> Operation:
    """Begins a rolling upgrade of what is not on the model; the operation lasts as long as the upgrade."""
    policy = {
        **ROLLING_POLICY,
        **((vmss.properties.get("upgradePolicy") or {}).get("rollingUpgradePolicy") or {}),
    }
    target = (vmss.profile.get("storageProfile") or {}).get("imageReference") or {}
    rolling = RollingUpgrade(_batches(vmss, policy), policy, target)
    vmss.rollings = [*vmss.rollings[1 - REMEMBERED :], rolling]
    whole = cloud.begin(vmss, math.inf, lambda: rolling.error)
    rolling.error = _excess(
        vmss, policy, "maxUnhealthyInstancePercent", list(vmss.instances.values()), "Before"
    )
    if rolling.error:
        _end(cloud, vmss, rolling, whole)
    elif rolling.batches:
        _next(cloud, vmss, rolling, whole)
    else:  # finding out that there is nothing to do takes time as well
        cloud.begin(
            vmss, cloud.upgrade_seconds, lambda: _end(cloud, vmss, rolling, whole), inner=True
        )
    return whole


def cancel(cloud: Cloud, vmss: ScaleSet) -> Operation:
    """Stops a rolling upgrade; the batch under way is finished."""
    if vmss.rolling is None or vmss.rolling.status != "RollingForward":
        raise errors.not_allowed("There is no rolling upgrade in progress on this scale set.")
    vmss.rolling.status, vmss.rolling.last_action, vmss.rolling.changed = (
        "Cancelled",
        "Cancel",
        now_utc(),
    )
    return cloud.begin(vmss, 0.0, lambda: None)


def break_off(vmss: ScaleSet, status: str, error: Json) -> None:
    """Ends what is under way, if anything is, because its operation ended in another way."""
    rolling = vmss.rolling
    if rolling is None or rolling.status != "RollingForward":
        return
    rolling.status, rolling.error, rolling.changed = (
        "Cancelled" if status == "Canceled" else "Faulted",
        error,
        now_utc(),
    )
    rolling.final = progress(vmss, rolling)


def _batches(vmss: ScaleSet, policy: Json) -> list[list[str]]:
    """Instances not on the model: unhealthy ones first if the policy says so; zone after zone, unless it does not."""
    size = max(1, len(vmss.instances) * int(policy["maxBatchInstancePercent"]) // 100)
    due = [
        each
        for each in vmss.instances.values()
        if not vmss.is_latest(each) and not each.is_protected
    ]
    if policy.get("prioritizeUnhealthyInstances"):
        due.sort(key=lambda each: each.health == "healthy")
    zones = (
        [None]
        if policy.get("enableCrossZoneUpgrade")
        else sorted({each.zone or "" for each in due})
    )
    batches = []
    for zone in zones:
        ids = [each.id for each in due if zone is None or (each.zone or "") == zone]
        batches += [ids[start : start + size] for start in range(0, len(ids), size)]
    return batches


def _next(cloud: Cloud, vmss: ScaleSet, rolling: RollingUpgrade, whole: Operation) -> None:
    """Upgrades the next batch, then pauses and goes on, or ends."""
    targets = [
        vmss.instances[each] for each in rolling.batches[rolling.done] if each in vmss.instances
    ]
    cloud.set_up_anew(vmss, targets)

    def end() -> None:
        failure = cloud.apply(vmss, targets, vmss.profile)
        rolling.done += 1
        rolling.changed = now_utc()
        rolling.upgraded += [each.id for each in targets]
        rolling.error = (failure and _failed(failure)) or _unhealthy(vmss, rolling)
        if (
            rolling.error
            or rolling.status != "RollingForward"
            or rolling.done == len(rolling.batches)
        ):
            _end(cloud, vmss, rolling, whole)
            return
        cloud.begin(vmss, seconds_of(rolling.policy["pauseTimeBetweenBatches"]), go_on, inner=True)

    def go_on() -> None:
        if rolling.status == "RollingForward":
            _next(cloud, vmss, rolling, whole)
        else:
            _end(cloud, vmss, rolling, whole)

    cloud.begin(vmss, cloud.seconds_for(targets, vmss.profile), end, targets, inner=True)


def progress(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """How many instances are how far; of an upgrade that is over, as it was then."""
    if rolling.final is not None:
        return rolling.final
    counts = {
        f"{state}InstanceCount": 0 for state in ("successful", "failed", "inProgress", "pending")
    }
    for vm in (
        vmss.instances[each]
        for batch in rolling.batches
        for each in batch
        if each in vmss.instances
    ):
        state = {"Failed": "failed", "Updating": "inProgress"}.get(vm.provisioning)
        counts[
            (state or ("successful" if vmss.is_latest(vm) else "pending")) + "InstanceCount"
        ] += 1
    return counts


def _end(cloud: Cloud, vmss: ScaleSet, rolling: RollingUpgrade, whole: Operation) -> None:
    if rolling.status == "RollingForward":
        rolling.status = "Faulted" if rolling.error else "Completed"
    rolling.final = progress(vmss, rolling)
    rolling.changed = now_utc()
    whole.due = cloud.now()


def _unhealthy(vmss: ScaleSet, rolling: RollingUpgrade) -> Json | None:
    upgraded = [vmss.instances[each] for each in rolling.upgraded if each in vmss.instances]
    return _excess(
        vmss, rolling.policy, "maxUnhealthyUpgradedInstancePercent", upgraded, "In"
    ) or _excess(
        vmss, rolling.policy, "maxUnhealthyInstancePercent", list(vmss.instances.values()), "In"
    )


def _excess(
    vmss: ScaleSet, policy: Json, limit: str, instances: list[Instance], when: str
) -> Json | None:
    """Azure's error where more of the instances are unhealthy than the policy allows."""
    has_health = reports_health(vmss.profile)
    bad = [
        each
        for each in instances
        if each.provisioning == "Failed" or (has_health and _is_ill(each))
    ]
    if not instances or 100 * len(bad) / len(instances) <= int(policy[limit]):
        return None
    message = f"{len(bad)} of {len(instances)} instances are unhealthy, where the policy allows {policy[limit]} percent."
    return {
        "code": f"{limit[0].upper()}{limit[1:]}Exceeded{when}RollingUpgrade",
        "message": message,
    }


def _is_ill(instance: Instance) -> bool:
    return instance.power == "running" and instance.health != "healthy"


def _failed(failure: Json) -> Json:
    return {"code": "RollingUpgradeInProgressWithFailedUpgradedVMs", "message": failure["message"]}
