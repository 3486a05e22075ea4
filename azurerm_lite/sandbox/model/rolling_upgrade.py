"""Azure's own rolling upgrades: batch by batch, according to the policy of the set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from .. import errors
from .defaults import ROLLING_POLICY
from .resources import (
    Instance,
    Json,
    Operation,
    RollingUpgrade,
    ScaleSet,
    has_health_reports,
    now_utc,
)
from .validation import parse_duration

HISTORY_LENGTH = 5


class Host(Protocol):
    """The methods of `Cloud` that a rolling upgrade calls."""

    upgrade_seconds: float

    def now(self) -> float:
        """Return the current time of the clock, in seconds."""

    def start_operation(
        self,
        vmss: ScaleSet | None,
        seconds: float,
        end: Callable[[], Json | None],
        targets: Sequence[Instance] = (),
        *,
        is_inner: bool = False,
    ) -> Operation:
        """Start a long-running operation."""

    def start_reinstall(self, vmss: ScaleSet, targets: Sequence[Instance]) -> None:
        """Start replacing the OS of instances."""

    def apply_model(
        self, vmss: ScaleSet, targets: Iterable[Instance], profile: Json
    ) -> Json | None:
        """Finish replacing the OS of instances; return the operation's error, or `None`."""

    def seconds_for(self, targets: Iterable[Instance], profile: Json) -> float:
        """Return how many seconds the upgrade of instances takes."""


def start(host: Host, vmss: ScaleSet) -> Operation:
    """Start a rolling upgrade of the outdated instances; return its operation."""
    policy = {**ROLLING_POLICY, **_policy_of(vmss)}
    target = (vmss.profile.get("storageProfile") or {}).get("imageReference") or {}
    rolling = RollingUpgrade(_plan_batches(vmss, policy), policy, target)
    vmss.rolling_upgrades = [*vmss.rolling_upgrades[1 - HISTORY_LENGTH :], rolling]
    whole = host.start_operation(vmss, math.inf, lambda: rolling.error)
    instances = list(vmss.instances.values())
    rolling.error = _check_limit(vmss, policy, "maxUnhealthyInstancePercent", instances, "Before")

    def finish() -> None:
        _finish(host, vmss, rolling, whole)

    if rolling.error:
        finish()
    elif rolling.batches:
        _start_batch(host, vmss, rolling, whole)
    else:  # an upgrade without outdated instances takes time too
        host.start_operation(vmss, host.upgrade_seconds, finish, is_inner=True)
    return whole


def cancel(host: Host, vmss: ScaleSet) -> Operation:
    """Stop a rolling upgrade after the batch in progress."""
    rolling = vmss.rolling_upgrade
    if rolling is None or rolling.status != "RollingForward":
        message = "There is no rolling upgrade in progress on this scale set."
        raise errors.operation_not_allowed(message)
    rolling.status = "Cancelled"
    rolling.last_action = "Cancel"
    rolling.changed = now_utc()
    return host.start_operation(vmss, 0.0, lambda: None)


def abort(vmss: ScaleSet, status: str, error: Json) -> None:
    """End the rolling upgrade in progress, if any, because its operation was ended."""
    rolling = vmss.rolling_upgrade
    if rolling is None or rolling.status != "RollingForward":
        return
    rolling.status = "Cancelled" if status == "Canceled" else "Faulted"
    rolling.error = error
    rolling.changed = now_utc()
    rolling.final = progress(vmss, rolling)


def progress(vmss: ScaleSet, rolling: RollingUpgrade) -> Json:
    """Return the number of instances in each state; after the end, the final numbers."""
    if rolling.final is not None:
        return rolling.final
    states = ("successful", "failed", "inProgress", "pending")
    counts = {f"{state}InstanceCount": 0 for state in states}
    for batch in rolling.batches:
        for vm in _present(vmss, batch):
            state = {"Failed": "failed", "Updating": "inProgress"}.get(vm.provisioning)
            if state is None:
                state = "successful" if vmss.is_latest(vm) else "pending"
            counts[f"{state}InstanceCount"] += 1
    return counts


def _policy_of(vmss: ScaleSet) -> Json:
    policy: Json = vmss.properties.get("upgradePolicy") or {}
    return policy.get("rollingUpgradePolicy") or {}


def _present(vmss: ScaleSet, ids: Iterable[str]) -> list[Instance]:
    return [vmss.instances[instance_id] for instance_id in ids if instance_id in vmss.instances]


def _plan_batches(vmss: ScaleSet, policy: Json) -> list[list[str]]:
    """Return the ids of the outdated instances in batches.

    Unhealthy instances come first if the policy prioritizes them. A batch is in one zone, unless
    the policy allows batches across zones.
    """
    size = max(1, len(vmss.instances) * int(policy["maxBatchInstancePercent"]) // 100)
    outdated = [
        vm for vm in vmss.instances.values() if not vmss.is_latest(vm) and not vm.is_protected
    ]
    if policy.get("prioritizeUnhealthyInstances"):
        outdated.sort(key=lambda vm: vm.health == "healthy")
    zones: Sequence[str | None] = [None]
    if not policy.get("enableCrossZoneUpgrade"):
        zones = sorted({vm.zone or "" for vm in outdated})
    batches = []
    for zone in zones:
        ids = [vm.id for vm in outdated if zone is None or (vm.zone or "") == zone]
        batches += [ids[start : start + size] for start in range(0, len(ids), size)]
    return batches


def _start_batch(host: Host, vmss: ScaleSet, rolling: RollingUpgrade, whole: Operation) -> None:
    """Upgrade the next batch, then pause and continue, or finish."""
    targets = _present(vmss, rolling.batches[rolling.done])
    host.start_reinstall(vmss, targets)

    def end() -> None:
        failure = host.apply_model(vmss, targets, vmss.profile)
        rolling.done += 1
        rolling.changed = now_utc()
        rolling.upgraded += [vm.id for vm in targets]
        rolling.error = _batch_error(failure) if failure else _check_health(vmss, rolling)
        is_last = rolling.done == len(rolling.batches)
        if rolling.error or is_last or rolling.status != "RollingForward":
            _finish(host, vmss, rolling, whole)
            return
        pause = parse_duration(rolling.policy["pauseTimeBetweenBatches"])
        host.start_operation(vmss, pause, start_next, is_inner=True)

    def start_next() -> None:
        if rolling.status == "RollingForward":
            _start_batch(host, vmss, rolling, whole)
        else:
            _finish(host, vmss, rolling, whole)

    seconds = host.seconds_for(targets, vmss.profile)
    host.start_operation(vmss, seconds, end, targets, is_inner=True)


def _finish(host: Host, vmss: ScaleSet, rolling: RollingUpgrade, whole: Operation) -> None:
    if rolling.status == "RollingForward":
        rolling.status = "Faulted" if rolling.error else "Completed"
    rolling.final = progress(vmss, rolling)
    rolling.changed = now_utc()
    whole.due = host.now()


def _check_health(vmss: ScaleSet, rolling: RollingUpgrade) -> Json | None:
    """Return an error if there are more unhealthy instances than the policy allows."""
    upgraded = _present(vmss, rolling.upgraded)
    instances = list(vmss.instances.values())
    policy = rolling.policy
    return _check_limit(
        vmss, policy, "maxUnhealthyUpgradedInstancePercent", upgraded, "In"
    ) or _check_limit(vmss, policy, "maxUnhealthyInstancePercent", instances, "In")


def _check_limit(
    vmss: ScaleSet, policy: Json, limit: str, instances: list[Instance], when: str
) -> Json | None:
    """Return Azure's error if more of the instances are unhealthy than the policy allows."""
    has_health = has_health_reports(vmss.profile)
    bad = [
        vm for vm in instances if vm.provisioning == "Failed" or (has_health and _is_unhealthy(vm))
    ]
    if not instances or 100 * len(bad) / len(instances) <= int(policy[limit]):
        return None
    message = (
        f"{len(bad)} of {len(instances)} instances are unhealthy; the policy allows "
        f"{policy[limit]} percent."
    )
    code = f"{limit[0].upper()}{limit[1:]}Exceeded{when}RollingUpgrade"
    return {"code": code, "message": message}


def _is_unhealthy(vm: Instance) -> bool:
    return vm.power == "running" and vm.health != "healthy"


def _batch_error(failure: Json) -> Json:
    code = "RollingUpgradeInProgressWithFailedUpgradedVMs"
    return {"code": code, "message": failure["message"]}
