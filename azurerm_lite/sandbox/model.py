"""What the sandbox holds and how it behaves: scale sets, instances, operations. No HTTP, no JSON of answers.

Time moves nothing by itself: whoever asks first calls `Cloud.settle`, which lets happen what was due by then.
"""

from __future__ import annotations

import copy
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from . import catalog, errors

Json = dict[str, Any]

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SECRET_KEYS = frozenset({"adminPassword", "customData", "protectedSettings"})
# What a change of power leaves an instance in.
POWER_AFTER = {"start": "running", "restart": "running", "poweroff": "stopped", "deallocate": "deallocated"}
POWER_DURING = {"start": "starting", "restart": "starting", "poweroff": "stopping", "deallocate": "deallocating"}


def now_utc() -> str:
    """The time as Azure writes it."""
    return datetime.now(timezone.utc).isoformat()


@dataclass
class Instance:
    """One VM of a scale set."""

    id: str
    profile: Json
    sku: str
    exact_version: str | None
    update_domain: int | None
    fault_domain: int | None
    zone: str | None
    provisioning: str = "Creating"
    power: str = "starting"
    health: str = "healthy"
    protection: Json | None = None
    fault: str | None = None
    created: str = field(default_factory=now_utc)
    vm_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Operation:
    """A long-running operation; `end` is what happens when it is over, and may return an error."""

    id: str
    location: str
    scale_set: str
    due: float
    end: Callable[[], Json | None]
    started: str = field(default_factory=now_utc)
    ended: str | None = None
    status: str = "InProgress"
    error: Json | None = None


@dataclass
class RollingUpgrade:
    """A rolling upgrade that the sandbox runs as Azure would: batch after batch."""

    batches: list[list[str]]
    policy: Json
    status: str = "RollingForward"
    last_action: str = "Start"
    started: str = field(default_factory=now_utc)
    changed: str = field(default_factory=now_utc)
    done: int = 0
    error: Json | None = None


@dataclass
class ScaleSet:
    """A scale set: its model, its instances."""

    name: str
    group: str
    location: str
    sku: Json
    properties: Json
    extras: Json
    update_domains: int = 5
    fault_domains: int = 5
    instances: dict[str, Instance] = field(default_factory=dict)
    etag: int = 1
    next_id: int = 0
    provisioning: str = "Creating"
    unique_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    placement_group: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=now_utc)
    rolling: RollingUpgrade | None = None

    @property
    def id(self) -> str:
        """The resource id."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{self.name}"

    @property
    def profile(self) -> Json:
        """What instances are made from."""
        profile: Json = self.properties["virtualMachineProfile"]
        return profile

    @property
    def mode(self) -> str:
        """The upgrade mode."""
        return str((self.properties.get("upgradePolicy") or {}).get("mode", "Manual"))

    @property
    def reports_health(self) -> bool:
        """Whether the model has the application-health extension."""
        extensions = (self.profile.get("extensionProfile") or {}).get("extensions") or []
        return any("ApplicationHealth" in str(each.get("properties", {}).get("type")) for each in extensions)

    def is_latest(self, instance: Instance) -> bool:
        """Whether an instance has the current model."""
        same = instance.profile is self.profile or instance.profile == self.profile
        return same and instance.sku == self.sku.get("name")

    def chosen(self, ids: Iterable[str] | None) -> list[Instance]:
        """The instances with these ids; all for `None` and for `*`."""
        if ids is None or list(ids) == ["*"]:
            return list(self.instances.values())
        for each in ids:
            if not each.isdecimal():
                raise errors.bad_instance_id(each)
            if each not in self.instances:
                raise errors.not_active(each)
        return [self.instances[each] for each in dict.fromkeys(ids)]


class Cloud:
    """Everything that the sandbox holds: one subscription."""

    def __init__(self, *, upgrade_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.upgrade_seconds = upgrade_seconds
        self.clock = clock
        self.lock = threading.RLock()
        self.groups: dict[str, Json] = {}
        self.sets: dict[tuple[str, str], ScaleSet] = {}
        self.operations: dict[str, Operation] = {}
        self.images: set[str] = set()

    # Finding

    def group(self, name: str) -> Json:
        """A resource group, or the refusal that Azure gives."""
        try:
            return self.groups[name.lower()]
        except KeyError:
            raise errors.no_group(name) from None

    def scale_set(self, group: str, name: str) -> ScaleSet:
        """A scale set, or the refusal that Azure gives."""
        self.group(group)
        try:
            return self.sets[group.lower(), name.lower()]
        except KeyError:
            raise errors.no_resource("Microsoft.Compute/virtualMachineScaleSets", name, group) from None

    # Time

    def settle(self) -> None:
        """Lets happen what was due by now, in order."""
        due = [each for each in self.operations.values() if each.ended is None and each.due <= self.clock()]
        for operation in sorted(due, key=lambda each: each.due):
            operation.error = operation.end()
            operation.status = "Failed" if operation.error else "Succeeded"
            operation.ended = now_utc()
        if due:
            self.settle()  # an end may have begun something that is due as well

    def begin(self, vmss: ScaleSet, seconds: float, end: Callable[[], Json | None]) -> Operation:
        """A long-running operation on a scale set."""
        operation = Operation(str(uuid.uuid4()), vmss.location, vmss.id, self.clock() + seconds, end)
        self.operations[operation.id] = operation
        return operation

    def check_idle(self, vmss: ScaleSet) -> None:
        """Refuses a write while another one on the same set is under way."""
        if any(each.ended is None and each.scale_set == vmss.id for each in self.operations.values()):
            raise errors.concurrent(vmss.name)

    # The model

    def put(self, group: str, name: str, body: Json) -> tuple[ScaleSet, Operation, bool]:
        """Creates a scale set or replaces its model; also says whether it is new."""
        self.group(group)
        current = self.sets.get((group.lower(), name.lower()))
        body = without_secrets(body)
        properties = body.get("properties") or {}
        sku = dict(body.get("sku") or (current.sku if current else {}))
        if "virtualMachineProfile" not in properties:
            raise errors.bad_parameter("Required parameter 'virtualMachineProfile' is missing (null).")
        self._check_image(body.get("location", ""), properties["virtualMachineProfile"], current)
        extras = {key: body[key] for key in ("tags", "zones", "plan", "identity") if body.get(key)}
        if current is not None:
            self.check_idle(current)
            return current, self._update(current, sku, properties, extras), False
        if not body.get("location"):
            raise errors.bad_parameter("The location property is required for this definition.", "location")
        vmss = ScaleSet(name, self.group(group)["name"], body["location"], sku, properties, extras)
        self.sets[group.lower(), name.lower()] = vmss
        return vmss, self._fill(vmss), True

    def patch(self, vmss: ScaleSet, body: Json) -> Operation:
        """Changes parts of a model: a merge patch that, as Azure's, replaces `storageProfile` whole."""
        self.check_idle(vmss)
        patch = without_secrets(body)
        sku = {**vmss.sku, **(patch.get("sku") or {})}
        properties = merged(vmss.properties, patch.get("properties") or {})
        self._check_image(vmss.location, properties["virtualMachineProfile"], vmss)
        extras = {**vmss.extras, **{key: patch[key] for key in ("tags", "plan", "identity") if key in patch}}
        return self._update(vmss, sku, properties, extras)

    def _update(self, vmss: ScaleSet, sku: Json, properties: Json, extras: Json) -> Operation:
        changed = (sku, properties, extras) != (vmss.sku, vmss.properties, vmss.extras)
        if properties.get("virtualMachineProfile") == vmss.profile:
            properties = {**properties, "virtualMachineProfile": vmss.profile}  # keeps is_latest cheap
        vmss.sku, vmss.properties, vmss.extras = sku, properties, extras
        vmss.etag += changed
        return self._fill(vmss)

    def _fill(self, vmss: ScaleSet) -> Operation:
        """The operation after a change of the model: instances to the capacity, upgrades as the mode has them."""
        vmss.provisioning = "Creating" if vmss.provisioning == "Creating" else "Updating"
        capacity = int(vmss.sku.get("capacity", len(vmss.instances)))
        made = [self._new_instance(vmss) for _ in range(capacity - len(vmss.instances))]
        surplus = sorted(vmss.instances.values(), key=lambda each: int(each.id), reverse=True)
        free = [each for each in surplus if not (each.protection or {}).get("protectFromScaleIn")]
        gone = free[: max(0, len(vmss.instances) - capacity)]
        for instance in gone:
            instance.provisioning = "Deleting"
        outdated = [each for each in vmss.instances.values() if not vmss.is_latest(each)]
        upgraded = outdated if vmss.mode.lower() == "automatic" else []
        for instance in upgraded:
            instance.provisioning = "Updating"

        def end() -> Json | None:
            for instance in made:
                instance.provisioning, instance.power = "Succeeded", "running"
            for instance in gone:
                vmss.instances.pop(instance.id, None)
            vmss.provisioning = "Succeeded"
            if vmss.mode.lower() == "rolling" and outdated:
                self.start_rolling(vmss)
            return self._apply(vmss, upgraded, vmss.profile)

        busy = made or gone or upgraded
        return self.begin(vmss, self.upgrade_seconds * (1.0 if busy else 0.1), end)

    def _new_instance(self, vmss: ScaleSet) -> Instance:
        number = vmss.next_id
        vmss.next_id += 1
        zones = vmss.extras.get("zones") or []
        instance = Instance(
            id=str(number),
            profile=vmss.profile,
            sku=vmss.sku.get("name", ""),
            exact_version=exact_version(vmss.profile),
            update_domain=number % vmss.update_domains if vmss.update_domains else None,
            # Shifted row by row, so that update and fault domains cross.
            fault_domain=(number + number // vmss.update_domains) % vmss.fault_domains if vmss.update_domains else None,
            zone=zones[number % len(zones)] if zones else None,
        )
        vmss.instances[instance.id] = instance
        return instance

    def _check_image(self, location: str, profile: Json, current: ScaleSet | None) -> None:
        """Azure's rules for the image in a model."""
        kind, name = image_of(profile)
        reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
        if current is not None and image_of(current.profile)[0] != kind:
            raise errors.not_allowed(
                "The image type of a virtual machine scale set may not be changed.", "imageReference"
            )
        if kind == "id" and "version" in reference:
            message = "The property 'imageReference.id' cannot be used together with property 'imageReference.version'."
            raise errors.bad_parameter(message, "imageReference")
        if kind == "id" and name.lower() not in self.images:
            raise errors.no_image(name, location)
        if kind == "platform":
            keys = [str(reference.get(key, "")) for key in ("publisher", "offer", "sku")]
            versions = catalog.find(catalog.IMAGES, *keys) or []
            if not versions or reference.get("version") not in [*versions, "latest"]:
                raise errors.no_platform_image(name)

    # The instances

    def delete(self, vmss: ScaleSet) -> Operation:
        """Deletes a scale set."""
        vmss.provisioning = "Deleting"

        def end() -> None:
            self.sets.pop((vmss.group.lower(), vmss.name.lower()), None)

        return self.begin(vmss, self.upgrade_seconds, end)

    def upgrade(self, vmss: ScaleSet, ids: Iterable[str]) -> tuple[Operation, int]:
        """Brings instances to the model, all at once; also says how many VMs that touches."""
        targets = [each for each in vmss.chosen(ids) if not vmss.is_latest(each)]
        self.check_idle(vmss)
        for instance in targets:
            instance.provisioning = "Updating"
        profile = vmss.profile
        seconds = self.upgrade_seconds if targets else 0.0
        if any(each.fault == "stick" for each in targets):
            seconds = math.inf
        return self.begin(vmss, seconds, lambda: self._apply(vmss, targets, profile)), len(targets)

    def _apply(self, vmss: ScaleSet, targets: Iterable[Instance], profile: Json) -> Json | None:
        failed = []
        for instance in targets:
            if instance.fault == "fail":
                instance.provisioning = "Failed"
                failed.append(instance.id)
                continue
            instance.profile, instance.sku = profile, vmss.sku.get("name", "")
            instance.exact_version = exact_version(profile)
            instance.provisioning = "Succeeded"
            instance.health = {"unhealthy": "unhealthy", "silent": ""}.get(instance.fault or "", "healthy")
        if not failed:
            return None
        names = ", ".join(f"{vmss.name}_{each}" for each in failed)
        message = f"OS Provisioning for VM '{names}' did not finish in the allotted time."
        return {"code": "OSProvisioningTimedOut", "message": message}

    def act(self, vmss: ScaleSet, action: str, ids: Iterable[str] | None) -> Operation:
        """A change of power, a reimage or a redeploy of instances."""
        targets = vmss.chosen(ids)
        self.check_idle(vmss)
        for instance in targets:
            instance.provisioning = "Updating"
            instance.power = POWER_DURING.get(action, instance.power)

        def end() -> None:
            for instance in targets:
                instance.provisioning = "Succeeded"
                instance.power = POWER_AFTER.get(action, instance.power)
                if action in ("reimage", "reimageall"):
                    instance.exact_version = exact_version(instance.profile)

        return self.begin(vmss, self.upgrade_seconds / 2, end)

    def delete_instances(self, vmss: ScaleSet, ids: Iterable[str]) -> Operation:
        """Deletes instances; the capacity goes down with them."""
        targets = vmss.chosen(ids)
        self.check_idle(vmss)
        for instance in targets:
            instance.provisioning = "Deleting"
        vmss.sku = {**vmss.sku, "capacity": len(vmss.instances) - len(targets)}
        vmss.etag += 1

        def end() -> None:
            for instance in targets:
                vmss.instances.pop(instance.id, None)

        return self.begin(vmss, self.upgrade_seconds / 2, end)

    def protect(self, vmss: ScaleSet, instance: Instance, policy: Json) -> Operation:
        """Sets the protection of an instance."""
        if policy.get("protectFromScaleSetActions") and policy.get("protectFromScaleIn") is False:
            message = "protectFromScaleIn cannot be false while protectFromScaleSetActions is true."
            raise errors.bad_parameter(message, "protectionPolicy")
        instance.protection = policy
        return self.begin(vmss, 0.0, lambda: None)

    # Rolling upgrades

    def start_rolling(self, vmss: ScaleSet) -> Operation:
        """A rolling upgrade of what is not on the model, in batches by the set's policy, one after the other."""
        policy = {**DEFAULT_ROLLING, **((vmss.properties.get("upgradePolicy") or {}).get("rollingUpgradePolicy") or {})}
        ids = [each.id for each in vmss.instances.values() if not vmss.is_latest(each)]
        size = max(1, len(vmss.instances) * int(policy["maxBatchInstancePercent"]) // 100)
        batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        vmss.rolling = rolling = RollingUpgrade(batches, policy)
        whole = self.begin(vmss, math.inf, lambda: rolling.error)
        self._next_rolling(vmss, rolling, whole)
        return whole

    def _next_rolling(self, vmss: ScaleSet, rolling: RollingUpgrade, whole: Operation) -> None:
        batch = rolling.batches[rolling.done] if rolling.batches else []
        targets = [vmss.instances[each] for each in batch if each in vmss.instances]
        for instance in targets:
            instance.provisioning = "Updating"

        def end() -> None:
            rolling.error = self._apply(vmss, targets, vmss.profile)
            rolling.done += bool(batch)
            rolling.changed = now_utc()
            if rolling.status == "RollingForward" and not rolling.error and rolling.done < len(rolling.batches):
                self._next_rolling(vmss, rolling, whole)
                return
            if rolling.status == "RollingForward":
                rolling.status = "Faulted" if rolling.error else "Completed"
            whole.due = self.clock()

        self.begin(vmss, self.upgrade_seconds if batch else 0.0, end)

    def cancel_rolling(self, vmss: ScaleSet) -> Operation:
        """Stops a rolling upgrade; the batch under way is finished."""
        if vmss.rolling is None or vmss.rolling.status != "RollingForward":
            raise errors.not_allowed("There is no rolling upgrade in progress on this scale set.")
        vmss.rolling.status, vmss.rolling.last_action = "Cancelled", "Cancel"
        vmss.rolling.changed = now_utc()
        return self.begin(vmss, 0.0, lambda: None)


DEFAULT_ROLLING = {
    "maxBatchInstancePercent": 20,
    "maxUnhealthyInstancePercent": 20,
    "maxUnhealthyUpgradedInstancePercent": 20,
    "pauseTimeBetweenBatches": "PT0S",
}


def image_of(profile: Json) -> tuple[str, str]:
    """The kind of image in a model (`platform`, `id`, `uri`) and its name."""
    storage = profile.get("storageProfile") or {}
    reference = storage.get("imageReference") or {}
    if reference.get("id"):
        return "id", reference["id"]
    if reference:
        return "platform", ":".join(str(reference.get(key, "")) for key in ("publisher", "offer", "sku", "version"))
    return "uri", str(((storage.get("osDisk") or {}).get("image") or {}).get("uri", ""))


def exact_version(profile: Json) -> str | None:
    """The version of a platform image that an instance made now would run."""
    reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
    version = reference.get("version")
    if version != "latest":
        return version
    return catalog.newest(*(str(reference.get(key)) for key in ("publisher", "offer", "sku")))


def without_secrets(body: Any) -> Any:
    """A copy of a body without what Azure takes and never gives back."""
    if isinstance(body, dict):
        return {key: without_secrets(value) for key, value in body.items() if key not in SECRET_KEYS}
    return [without_secrets(each) for each in body] if isinstance(body, list) else body


def merged(current: Json, patch: Json) -> Json:
    """A merge patch as Azure does it: `null` removes, objects merge, but inside `storageProfile` nothing does."""
    result = copy.copy(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict) and key != "storageProfile":
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
