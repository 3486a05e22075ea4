"""How the sandbox behaves: what a request changes, how long that takes, and what Azure would refuse. No HTTP, no JSON.

Time moves nothing by itself: whoever asks first calls `Cloud.settle`, which lets happen what was due by then.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from . import catalog, defaults, errors, rolling
from .model import (
    MOST_MODELS,
    PLACEMENT_GROUP_SIZE,
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
    without_secrets,
)


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
        self.changes: list[Change] = []
        self.endings: list[tuple[str, Json]] = []
        self.running: dict[str, Operation] = {}
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
            raise errors.no_resource("Microsoft.Compute/virtualMachineScaleSets", name, group) from None

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
        job = Operation(str(uuid.uuid4()), location, vmss, self.now() + seconds, end, targets=list(targets))
        if not inner:
            self.operations[job.id] = job
            job.forced = self.endings.pop(0) if self.endings else None
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
        for instance in job.targets:
            self.move(vmss, instance, provisioning=state, power=POWER_ENDS.get(instance.power, instance.power))
        for step in [each for each in self.running.values() if each.scale_set is vmss]:
            del self.running[step.id]

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
        properties = defaults.filled(properties)
        if current is not None:
            self.check_idle(current)
            kept = {key: current.properties[key] for key in _FIXED if key in current.properties}
            extras = {key: body[key] for key in _EXTRAS if body.get(key)}
            return current, self._update(current, sku, {**kept, **properties}, extras), False
        if not body.get("location"):
            raise errors.bad_parameter("The location property is required for this definition.", "location")
        extras = {key: body[key] for key in (*_EXTRAS, "zones") if body.get(key)}
        vmss = ScaleSet(name, self.group(group)["name"], body["location"], sku, properties, extras)
        vmss.fault_domains = int(properties.get("platformFaultDomainCount") or (1 if vmss.zones else 5))
        self._check(vmss, sku, properties, is_new=True)
        self.sets[group.lower(), name.lower()] = vmss
        return vmss, self._fill(vmss), True

    def patch(self, vmss: ScaleSet, body: Json) -> Operation:
        """Changes parts of a model: a merge patch that, as Azure's, replaces `storageProfile` whole."""
        self.check_idle(vmss)
        patch = without_secrets(body)
        sku = {**vmss.sku, **(patch.get("sku") or {})}
        properties = defaults.filled(merged(vmss.properties, patch.get("properties") or {}))
        extras = {**vmss.extras, **{key: patch[key] for key in _EXTRAS if key in patch}}
        return self._update(vmss, sku, properties, extras)

    def _update(self, vmss: ScaleSet, sku: Json, properties: Json, extras: Json) -> Operation:
        self._check(vmss, sku, properties)
        extras = {**extras, **({"zones": vmss.zones} if vmss.zones else {})}
        changed = (sku, properties, extras) != (vmss.sku, vmss.properties, vmss.extras)
        if properties.get("virtualMachineProfile") == vmss.profile:
            properties = {**properties, "virtualMachineProfile": vmss.profile}  # keeps is_latest cheap
        vmss.sku, vmss.properties, vmss.extras = sku, properties, extras
        vmss.etag += changed
        return self._fill(vmss)

    def _fill(self, vmss: ScaleSet) -> Operation:
        """The operation after a change of the model: instances to the capacity, upgrades as the mode has them."""
        vmss.provisioning = "Creating" if vmss.provisioning == "Creating" else "Updating"
        vmss.sku = {**vmss.sku, "capacity": vmss.capacity}
        members = Counter(each.placement_group for each in vmss.instances.values())
        made = [self._new_instance(vmss, members) for _ in range(vmss.capacity - len(vmss.instances))]
        gone = scale_in(vmss, len(vmss.instances) - vmss.capacity)
        vmss.sku["capacity"] = len(vmss.instances) - len(gone)  # more than was asked for, where some are protected
        for instance in gone:
            self.move(vmss, instance, provisioning="Deleting")
        outdated = [each for each in vmss.instances.values() if not vmss.is_latest(each) and not each.is_protected]
        upgraded = outdated if vmss.mode.lower() == "automatic" else []
        self.set_up_anew(vmss, upgraded)

        def end() -> Json | None:
            for instance in made:
                self.move(vmss, instance, provisioning="Succeeded", power="running")
            for instance in gone:
                vmss.instances.pop(instance.id, None)
            vmss.provisioning = "Succeeded"
            if vmss.mode.lower() == "rolling" and outdated:
                rolling.start(self, vmss)
            return self.apply(vmss, upgraded, vmss.profile)

        busy = [*made, *gone, *upgraded]
        return self.begin(vmss, self.upgrade_seconds * (1.0 if busy else 0.1), end, busy)

    def _new_instance(self, vmss: ScaleSet, members: Counter[str]) -> Instance:
        number = vmss.next_id
        vmss.next_id += 1
        # Domains are counted within a zone, and shifted row by row, so that update and fault domains cross.
        place = number // max(1, len(vmss.zones))
        domains, faults = vmss.update_domains, vmss.fault_domains
        instance = Instance(
            id=str(number),
            profile=vmss.profile,
            sku=vmss.sku.get("name", ""),
            exact_version=exact_version(vmss.profile),
            update_domain=place % domains if domains else None,
            fault_domain=(place + place // domains) % faults if domains else None,
            zone=vmss.zones[number % len(vmss.zones)] if vmss.zones else None,
            placement_group=_placement_group(vmss, members),
        )
        vmss.instances[instance.id] = instance
        return instance

    # What Azure refuses

    def _check(self, vmss: ScaleSet, sku: Json, properties: Json, *, is_new: bool = False) -> None:
        """Azure's rules for a new model of a set."""
        profile = properties["virtualMachineProfile"]
        self._check_image(vmss.location, profile, None if is_new else vmss.profile)
        single = bool(properties.get("singlePlacementGroup", True))
        most = PLACEMENT_GROUP_SIZE if single else {"platform": 1000, "id": 600, "uri": 100}[image_of(profile)[0]]
        if _capacity(sku) > most:
            message = f"The requested number exceeds the total limit of '{most}' Virtual Machine instances."
            raise errors.not_allowed(message)
        if is_new:
            return
        if single and not vmss.is_single:
            raise _fixed("singlePlacementGroup")
        if properties.get("platformFaultDomainCount", vmss.fault_domains) != vmss.fault_domains:
            raise _fixed("platformFaultDomainCount")
        models = {id(each.profile) for each in vmss.instances.values() if each.profile != profile}
        if len(models) >= MOST_MODELS and profile != vmss.profile:
            message = (
                f"Scale set '{vmss.name}' has reached its limit of {MOST_MODELS} models that may be referenced by one "
                "or more VMs belonging to it. Upgrade the VMs to the latest model of the scale set first."
            )
            raise errors.not_allowed(message)

    def _check_image(self, location: str, profile: Json, current: Json | None) -> None:
        kind, name = image_of(profile)
        reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
        if current is not None and image_of(current)[0] != kind:
            message = "The image type of a virtual machine scale set may not be changed."
            raise errors.not_allowed(message, "imageReference")
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
        """Deletes a scale set; what is under way on it is over with it."""
        if vmss.deletion:
            return vmss.deletion
        vmss.provisioning = "Deleting"

        def end() -> None:
            if self.sets.get((vmss.group.lower(), vmss.name.lower())) is vmss:
                del self.sets[vmss.group.lower(), vmss.name.lower()]
            for job in [each for each in self.running.values() if each.scale_set is vmss]:
                del self.running[job.id]
                job.status, job.ended = "Canceled", now_utc()
                job.error = {"code": "OperationPreempted", "message": f"Scale set '{vmss.name}' was deleted meanwhile."}

        vmss.deletion = self.begin(vmss, self.upgrade_seconds, end)
        return vmss.deletion

    def upgrade(self, vmss: ScaleSet, ids: Iterable[str]) -> tuple[Operation, int]:
        """Brings instances to the model, all at once; also says how many VMs that touches."""
        targets = [each for each in vmss.chosen(ids) if not vmss.is_latest(each)]
        self.check_idle(vmss)
        profile = vmss.profile
        self.set_up_anew(vmss, targets)
        seconds = self.upgrade_seconds if targets else 0.0
        if any(each.fault == "stick" for each in targets):
            seconds = math.inf
        return self.begin(vmss, seconds, lambda: self.apply(vmss, targets, profile), targets), len(targets)

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
            if instance.fault == "fail":
                self.move(vmss, instance, provisioning="Failed")
                failed.append(instance.id)
                continue
            instance.profile, instance.sku = profile, vmss.sku.get("name", "")
            instance.exact_version = exact_version(profile)
            instance.etag += 1
            instance.has_agent = instance.fault != "agentless"
            health = {"unhealthy": "unhealthy", "silent": "", "agentless": ""}.get(instance.fault or "", "healthy")
            self.move(vmss, instance, provisioning="Succeeded", health=health)
            self.changes.append(Change(self.now(), vmss.name, instance.id, "model", "", image_of(profile)[1]))
        if not failed:
            return None
        names = ", ".join(f"{vmss.name}_{each}" for each in failed)
        message = f"OS Provisioning for VM '{names}' did not finish in the allotted time."
        return {"code": "OSProvisioningTimedOut", "message": message}

    def act(self, vmss: ScaleSet, action: str, ids: Iterable[str] | None) -> Operation:
        """A change of power, a reimage or a redeploy; on the whole set it leaves protected instances alone."""
        targets = [each for each in vmss.chosen(ids) if ids is not None or not each.is_protected]
        self.check_idle(vmss)
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
                    instance.exact_version = exact_version(instance.profile)

        return self.begin(vmss, self.upgrade_seconds, end, targets)

    def delete_instances(self, vmss: ScaleSet, ids: Iterable[str]) -> Operation:
        """Deletes instances; the capacity goes down with them."""
        targets = vmss.chosen(ids)
        self.check_idle(vmss)
        for instance in targets:
            self.move(vmss, instance, provisioning="Deleting")
        vmss.sku = {**vmss.sku, "capacity": len(vmss.instances) - len(targets)}
        vmss.etag += 1

        def end() -> None:
            for instance in targets:
                vmss.instances.pop(instance.id, None)

        return self.begin(vmss, self.upgrade_seconds / 2, end, targets)

    def protect(self, vmss: ScaleSet, instance: Instance, policy: Json) -> Operation:
        """Sets the protection of an instance."""
        if policy.get("protectFromScaleSetActions") and policy.get("protectFromScaleIn") is False:
            message = "protectFromScaleIn cannot be false while protectFromScaleSetActions is true."
            raise errors.bad_parameter(message, "protectionPolicy")
        instance.etag += policy != instance.protection
        instance.protection = policy
        return self.begin(vmss, 0.0, lambda: None)


# What a PUT may leave out without changing it, and what of a body stands beside the properties.
_FIXED = ("singlePlacementGroup", "platformFaultDomainCount", "overprovision")
_EXTRAS = ("tags", "plan", "identity")


def scale_in(vmss: ScaleSet, number: int) -> list[Instance]:
    """The instances that scaling in takes by Azure's default policy.

    From the fullest zone, in it from the fullest fault domain, there the highest id; never one that is protected.
    """
    left = [each for each in vmss.instances.values() if not (each.protection or {}).get("protectFromScaleIn")]
    left = [each for each in left if not each.is_protected]
    zones = Counter(each.zone for each in vmss.instances.values())
    faults = Counter((each.zone, each.fault_domain) for each in vmss.instances.values())
    taken = []
    for _ in range(min(number, len(left))):
        one = max(left, key=lambda each: (zones[each.zone], faults[each.zone, each.fault_domain], int(each.id)))
        left.remove(one)
        zones[one.zone] -= 1
        faults[one.zone, one.fault_domain] -= 1
        taken.append(one)
    return taken


def _placement_group(vmss: ScaleSet, members: Counter[str]) -> str:
    """The placement group for one more instance: the first that has room, or a new one."""
    group = next((each for each in vmss.placement_groups if members[each] < PLACEMENT_GROUP_SIZE), None)
    if group is None:
        group = str(uuid.uuid4())
        vmss.placement_groups.append(group)
    members[group] += 1
    return group


def _capacity(sku: Json) -> int:
    try:
        capacity = int(sku.get("capacity", 0))
    except (TypeError, ValueError):
        capacity = -1
    if capacity < 0:
        raise errors.bad_parameter(f"'{sku.get('capacity')}' is no number of instances.", "sku.capacity")
    return capacity


def _fixed(name: str) -> errors.Refusal:
    message = f"Changing property '{name}' is not allowed."
    return errors.Refusal(409, "PropertyChangeNotAllowed", message, target=name)
