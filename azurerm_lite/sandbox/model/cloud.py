"""How the sandbox behaves: what a request changes, how long that takes, and what Azure would refuse. No HTTP, no JSON.

Time moves nothing by itself: whoever asks first calls `Cloud.settle`, which lets happen what was
    due by then.
"""

from __future__ import annotations

import copy
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .. import errors
from . import catalog, defaults, placement, rolling_upgrade, validation
from .redaction import Secrets, kept, secrets_of, without_secrets
from .resources import (
    POWER_AFTER,
    POWER_DURING,
    POWER_ENDS,
    Change,
    Instance,
    Json,
    Operation,
    ScaleSet,
    exact_version,
    image_of,
    merged,
    now_utc,
)


class Cloud:
    """Everything that the sandbox holds: one subscription."""

    def __init__(
        self, *, upgrade_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.upgrade_seconds = upgrade_seconds
        self.clock = clock
        self.lock = threading.RLock()
        self.groups: dict[str, Json] = {}
        self.sets: dict[tuple[str, str], ScaleSet] = {}
        self.operations: dict[str, Operation] = {}
        self.images: set[str] = set()
        self.changes: list[Change] = []
        self.endings: list[tuple[str, Json]] = []
        self.running: dict[str, Operation] = {}
        self.queries = (
            -math.inf,
            0,
        )  # to Resource Graph: when the span began, and how many there were in it
        self._moment: float | None = None

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
            raise errors.no_resource(
                "Microsoft.Compute/virtualMachineScaleSets", name, group
            ) from None

    # Time

    def now(self) -> float:
        """The moment that things happen at: while `settle` catches up, the one at which they were due."""
        return self.clock() if self._moment is None else self._moment

    def settle(self) -> None:
        """Lets happen what was due by now, in order, each at its own moment."""
        while due := [each for each in self.running.values() if each.due <= self.clock()]:
            job = min(due, key=lambda each: each.due)
            del self.running[job.id]
            self._moment = job.due
            if job.forced:
                self._force(job, *job.forced)
            else:
                job.error = job.end()
                job.status = "Failed" if job.error else "Succeeded"
            job.ended = now_utc()
            self._moment = None

    def begin(
        self,
        vmss: ScaleSet | None,
        seconds: float,
        end: Callable[[], Json | None],
        targets: Sequence[Instance] = (),
        *,
        inner: bool = False,
    ) -> Operation:
        """A long-running operation, on a scale set if any; an inner one is a step that no client sees."""
        location = vmss.location if vmss else next(iter(catalog.LOCATIONS))
        job = Operation(
            str(uuid.uuid4()), location, vmss, self.now() + seconds, end, targets=list(targets)
        )
        if not inner:
            self.operations[job.id] = job
            if self.endings:
                job.forced = self.endings.pop(0)
                job.due = min(
                    job.due, self.now() + self.upgrade_seconds
                )  # also of one that would wait for others
        self.running[job.id] = job
        return job

    def check_idle(self, vmss: ScaleSet) -> None:
        """Refuses a write while another one on the same set is under way."""
        if any(each.scale_set is vmss for each in self.running.values()):
            raise errors.concurrent(vmss.name)

    def move(self, vmss: ScaleSet, instance: Instance, **states: str) -> None:
        """Changes states of an instance, and remembers that: the one place where either is done."""
        for what, after in states.items():
            before = getattr(instance, what)
            if before != after:
                setattr(instance, what, after)
                self.changes.append(Change(self.now(), vmss.name, instance.id, what, before, after))

    def _force(self, job: Operation, status: str, error: Json) -> None:
        """Ends an operation in another way than it would have; what it was to do is not done."""
        job.status, job.error = status, error
        state = "Failed" if status == "Failed" else "Succeeded"
        vmss = job.scale_set
        if vmss is None:
            return
        vmss.provisioning = status if vmss.provisioning != "Succeeded" else "Succeeded"
        steps = [each for each in self.running.values() if each.scale_set is vmss]
        for instance in [*job.targets, *(each for step in steps for each in step.targets)]:
            self.move(
                vmss,
                instance,
                provisioning=state,
                power=POWER_ENDS.get(instance.power, instance.power),
            )
        for step in steps:
            del self.running[step.id]
        rolling_upgrade.break_off(vmss, status, error)

    # The model

    def put(self, group: str, name: str, body: Json) -> tuple[ScaleSet, Operation, bool]:
        """Creates a scale set or replaces its model; also says whether it is new."""
        self.group(group)
        validation.check_shape(body)
        current = self.sets.get((group.lower(), name.lower()))
        given = secrets_of((body.get("properties") or {}).get("virtualMachineProfile"))
        body = without_secrets(body)
        properties = defaults.filled(body.get("properties") or {})
        if current is None:
            vmss = self._new_set(group, name, body, properties, given)
            return vmss, self._fill(vmss), True
        self.check_idle(current)
        _check_place(current, body)
        sku = dict(body.get("sku") or current.sku)
        properties = {
            key: current.properties[key] for key in _FIXED if key in current.properties
        } | properties
        extras = {key: body[key] for key in _EXTRAS if body.get(key)}
        return current, self._update(current, sku, properties, extras, given), False

    def _new_set(
        self, group: str, name: str, body: Json, properties: Json, secrets: Secrets
    ) -> ScaleSet:
        if not body.get("location"):
            message = "The location property is required for this definition."
            raise errors.Refusal(400, "LocationRequired", message)
        location = catalog.region(str(body["location"]))
        if location is None:
            raise errors.no_location(str(body["location"]))
        sku = dict(body.get("sku") or {})
        extras = {key: body[key] for key in [*_EXTRAS, "zones"] if body.get(key)}
        vmss = ScaleSet(name, self.group(group)["name"], location, sku, properties, extras, secrets)
        spread = 1 if vmss.zones or vmss.is_flexible else 5
        vmss.fault_domains = int(properties.get("platformFaultDomainCount") or spread)
        if vmss.is_flexible:
            vmss.update_domains = 0
        validation.check_model(vmss, sku, properties, secrets, self.images, is_new=True)
        self.sets[group.lower(), name.lower()] = vmss
        return vmss

    def patch(self, vmss: ScaleSet, body: Json) -> Operation:
        """Changes parts of a model: a merge patch that, as Azure's, replaces `storageProfile` whole."""
        self.check_idle(vmss)
        validation.check_shape(body)
        given = secrets_of((body.get("properties") or {}).get("virtualMachineProfile"))
        patch = without_secrets(body)
        sku = {**vmss.sku, **(patch.get("sku") or {})}
        properties = defaults.filled(merged(vmss.properties, patch.get("properties") or {}))
        extras = {**vmss.extras, **{key: patch[key] for key in _EXTRAS if key in patch}}
        return self._update(vmss, sku, properties, extras, given)

    def _update(
        self, vmss: ScaleSet, sku: Json, properties: Json, extras: Json, given: Secrets
    ) -> Operation:
        secrets = kept(vmss.secrets, properties["virtualMachineProfile"], given)
        validation.check_model(vmss, sku, properties, secrets, self.images)
        extras = {**extras, **({"zones": vmss.zones} if vmss.zones else {})}
        changed = (sku, properties, extras, secrets) != (
            vmss.sku,
            vmss.properties,
            vmss.extras,
            vmss.secrets,
        )
        if properties.get("virtualMachineProfile") == vmss.profile:
            properties = {
                **properties,
                "virtualMachineProfile": vmss.profile,
            }  # keeps is_latest cheap
        vmss.sku, vmss.properties, vmss.extras, vmss.secrets = sku, properties, extras, secrets
        vmss.etag += changed
        return self._fill(vmss)

    def _fill(self, vmss: ScaleSet) -> Operation:
        """The operation after a change of the model: instances to the capacity, upgrades as the mode has them."""
        vmss.provisioning = "Creating" if vmss.provisioning == "Creating" else "Updating"
        vmss.sku = {**vmss.sku, "capacity": vmss.capacity}
        members = Counter(each.placement_group for each in vmss.instances.values())
        made = [
            placement.new_instance(vmss, members)
            for _ in range(vmss.capacity - len(vmss.instances))
        ]
        gone = placement.scale_in(vmss, len(vmss.instances) - vmss.capacity)
        vmss.sku["capacity"] = len(vmss.instances) - len(
            gone
        )  # more than was asked for, where some are protected
        for instance in gone:
            self.move(vmss, instance, provisioning="Deleting")
        outdated = [
            each
            for each in vmss.instances.values()
            if not vmss.is_latest(each) and not each.is_protected
        ]
        upgraded = outdated if vmss.mode.lower() == "automatic" else []
        self.set_up_anew(vmss, upgraded)

        def end() -> Json | None:
            for instance in made:
                self.move(vmss, instance, provisioning="Succeeded", power="running")
            self.remove(vmss, gone)
            vmss.provisioning = "Succeeded"
            if vmss.mode.lower() == "rolling" and outdated:
                rolling_upgrade.start(self, vmss)
            return self.apply(vmss, upgraded, vmss.profile)

        busy = [*made, *gone, *upgraded]
        seconds = self.seconds_for(upgraded, vmss.profile) if busy else self.upgrade_seconds * 0.1
        return self.begin(vmss, seconds, end, busy)

    # The instances

    def delete(self, vmss: ScaleSet) -> Operation:
        """Deletes a scale set; what is under way on it is over with it."""
        if vmss.deletion and not vmss.deletion.ended:
            return vmss.deletion
        vmss.provisioning = "Deleting"

        def end() -> None:
            if self.sets.get((vmss.group.lower(), vmss.name.lower())) is vmss:
                del self.sets[vmss.group.lower(), vmss.name.lower()]
            for job in [each for each in self.running.values() if each.scale_set is vmss]:
                del self.running[job.id]
                job.status, job.ended = "Canceled", now_utc()
                job.error = {
                    "code": "OperationPreempted",
                    "message": f"Scale set '{vmss.name}' was deleted meanwhile.",
                }

        vmss.deletion = self.begin(vmss, self.upgrade_seconds, end)
        return vmss.deletion

    def upgrade(self, vmss: ScaleSet, ids: Iterable[str]) -> tuple[Operation, int]:
        """Brings instances to the model, all at once; also says how many VMs that touches."""
        # What failed is set up anew even where the model is the same; what is well and on the model
        # costs nothing.
        targets = [
            each
            for each in vmss.chosen(ids)
            if not vmss.is_latest(each) or each.provisioning == "Failed"
        ]
        self.check_idle(vmss)
        profile = vmss.profile
        self.set_up_anew(vmss, targets)
        seconds = self.seconds_for(targets, profile) if targets else 0.0
        return self.begin(vmss, seconds, lambda: self.apply(vmss, targets, profile), targets), len(
            targets
        )

    def seconds_for(self, targets: Iterable[Instance], profile: Json) -> float:
        """How long bringing instances to a model takes: for ever where one of them is to stick."""
        return (
            math.inf
            if any(each.fault_with(profile) == "stick" for each in targets)
            else self.upgrade_seconds
        )

    def release(self, instance: Instance) -> None:
        """Lets end what an instance has held up that was stuck."""
        for job in self.running.values():
            if job.due == math.inf and job.scale_set and instance in job.targets:
                job.due = self.now() + self.seconds_for(job.targets, job.scale_set.profile)

    def set_up_anew(self, vmss: ScaleSet, targets: Sequence[Instance]) -> None:
        """Begins to replace the OS of instances: those that run go down, and half-way come up again."""
        running = [each for each in targets if each.power == "running"]
        for instance in targets:
            self.move(vmss, instance, provisioning="Updating")
        for instance in running:
            self.move(vmss, instance, power="stopping")

        def come_up() -> None:
            for instance in running:
                self.move(vmss, instance, power="starting")

        if running:
            self.begin(vmss, self.upgrade_seconds / 2, come_up, inner=True)

    def apply(self, vmss: ScaleSet, targets: Iterable[Instance], profile: Json) -> Json | None:
        """Puts a model onto instances, at the end of setting them up; the error of the operation where that fails."""
        failed = []
        for instance in targets:
            self.move(vmss, instance, power=POWER_ENDS.get(instance.power, instance.power))
            fault = instance.fault_with(profile)
            if fault == "fail":
                self.move(vmss, instance, provisioning="Failed")
                failed.append(instance)
                continue
            instance.profile, instance.secrets, instance.is_own = profile, vmss.secrets, False
            instance.sku = vmss.sku.get("name", "")
            instance.exact_version = exact_version(profile)
            instance.etag += 1
            instance.has_agent = fault != "agentless"
            health = {"unhealthy": "unhealthy", "silent": "", "agentless": ""}.get(
                fault or "", "healthy"
            )
            self.move(vmss, instance, provisioning="Succeeded", health=health)
            self.changes.append(
                Change(self.now(), vmss.name, instance.id, "model", "", image_of(profile)[1])
            )
        if not failed:
            return None
        names = ", ".join(vmss.name_of(each) for each in failed)
        message = f"OS Provisioning for VM '{names}' did not finish in the allotted time."
        return {"code": "OSProvisioningTimedOut", "message": message}

    def act(
        self, vmss: ScaleSet, action: str, ids: Iterable[str] | None, version: str | None = None
    ) -> Operation:
        """A change of power, a redeploy or a reimage, to a version of its image if one is given.

        On the whole set it leaves protected instances alone.
        """
        targets = [each for each in vmss.chosen(ids) if ids is not None or not each.is_protected]
        self.check_idle(vmss)
        if version:
            _check_versions(targets, version)
        if action in POWER_DURING:
            for instance in targets:
                self.move(vmss, instance, provisioning="Updating", power=POWER_DURING[action])
        else:
            self.set_up_anew(vmss, targets)

        def end() -> None:
            for instance in targets:
                power = POWER_AFTER.get(action, POWER_ENDS.get(instance.power, instance.power))
                self.move(vmss, instance, provisioning="Succeeded", power=power)
                if action in ("reimage", "reimageall"):
                    instance.exact_version = version or exact_version(instance.profile)

        return self.begin(vmss, self.upgrade_seconds, end, targets)

    def delete_instances(self, vmss: ScaleSet, ids: Iterable[str]) -> Operation:
        """Deletes instances; the capacity goes down with them."""
        targets = vmss.chosen(ids)
        self.check_idle(vmss)
        for instance in targets:
            self.move(vmss, instance, provisioning="Deleting")
        vmss.sku = {**vmss.sku, "capacity": len(vmss.instances) - len(targets)}
        vmss.etag += 1

        seconds = self.upgrade_seconds / 2 if targets else 0.0
        return self.begin(vmss, seconds, lambda: self.remove(vmss, targets), targets)

    def remove(self, vmss: ScaleSet, instances: Iterable[Instance]) -> None:
        """Takes instances out of a set, for good."""
        for instance in instances:
            self.move(vmss, instance, provisioning="Deleted")
            vmss.instances.pop(instance.id, None)

    def customise(self, vmss: ScaleSet, instance: Instance) -> Operation:
        """Gives an instance a model of its own: what a PUT of more than its protection does, whatever is in it."""
        self.check_idle(vmss)
        profile = copy.deepcopy(instance.profile)
        (profile.get("networkProfile") or {}).pop("healthProbe", None)
        instance.profile, instance.is_own = profile, True
        instance.etag += 1
        return self.begin(vmss, 0.0, lambda: None)

    def protect(self, vmss: ScaleSet, instance: Instance, policy: Json) -> Operation:
        """Sets the protection of an instance."""
        if policy.get("protectFromScaleSetActions") and policy.get("protectFromScaleIn") is False:
            message = "protectFromScaleIn cannot be false while protectFromScaleSetActions is true."
            raise errors.bad_parameter(message, "protectionPolicy")
        instance.etag += policy != instance.protection
        instance.protection = policy
        return self.begin(vmss, 0.0, lambda: None)


# What a PUT may leave out without changing it, and what of a body stands beside the properties.
_FIXED = ("singlePlacementGroup", "platformFaultDomainCount", "overprovision", "orchestrationMode")
_EXTRAS = ("tags", "plan", "identity")


def _check_place(vmss: ScaleSet, body: Json) -> None:
    """A PUT may leave a set's region and zones out, but not change them."""
    location = str(body.get("location") or vmss.location)
    if catalog.region(location) != vmss.location:
        raise errors.elsewhere(vmss.name, vmss.group, vmss.location, location)
    if "zones" in body and sorted(body["zones"] or []) != sorted(vmss.zones):
        raise errors.fixed("zones")


def _check_versions(instances: Iterable[Instance], version: str) -> None:
    """Refuses to reimage to a version that the image of an instance does not have."""
    for instance in instances:
        if image_of(instance.profile)[0] != "platform":
            raise errors.bad_parameter(
                "'exactVersion' is for platform images alone.", "exactVersion"
            )
        validation.check_platform_image(
            instance.profile["storageProfile"]["imageReference"], version
        )
