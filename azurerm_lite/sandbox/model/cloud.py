"""The state of the sandbox: what a request changes, when, and what Azure rejects. No HTTP.

Nothing runs in the background. Every request first calls `Cloud.apply_due_changes`, which applies
all changes that are due.
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
from . import catalog, defaults, members, placement, rolling_upgrade, validation
from .assumptions import Assumptions
from .other_resources import OtherResources
from .redaction import Secrets, find_secrets, merge_secrets, without_secrets
from .resources import (
    FLEXIBLE,
    POWER_AFTER,
    POWER_DURING,
    POWER_ENDS,
    PROFILE_TAG,
    VERSION_OF_ID,
    Change,
    CommandOutcome,
    Instance,
    Json,
    Operation,
    ScaleSet,
    has_ephemeral_disk,
    image_of,
    merge_patch,
    merge_put,
    now_utc,
    profile_tag,
    second_after,
)

# The parts of a body, besides sku and properties, that a PATCH may change.
_EXTRAS = ("tags", "plan", "identity")
# Recorded: a change of only the model takes less than this.
_MODEL_SECONDS = 0.5
_HEALTH_AFTER = {"unhealthy": "unhealthy", "silent": "", "agentless": ""}


class Cloud:
    """The state of the sandbox: the resources of one subscription.

    Attributes:
        upgrade_seconds: How many seconds the upgrade of a VM takes.
        clock: A monotonic clock: a function that returns seconds.
        lock: Held while the state is read or changed.
        groups: The resource groups, by name in lower case.
        sets: The scale sets, by group and name in lower case.
        operations: All long-running operations, by id.
        running: The operations in progress and their inner steps, by id.
        images: The ids of managed images and gallery versions, in lower case.
        platform_images: The platform images: publisher, offer, SKU and versions.
        gallery_versions: The publishing profiles of gallery versions, by id.
        other: Managed images, networks, deployments and run commands.
        changes: What happened to the instances.
        autoscale_settings: The autoscale settings, as Azure Monitor returns them.
        graph_queries: When Resource Graph's current window started, and the queries in it.
        endings: The forced endings of the next operations: a status and an error each.
        assumptions: How the sandbox behaves if Azure's behaviour is not known.
        on_upgrade: A test hook, called with the scale set, the ids and the operation just after a
            manual upgrade has started.
        on_command: A test hook, called with the scale set, the instance and the script after a
            command has run; it may return the outcome.
    """

    def __init__(
        self, *, upgrade_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.upgrade_seconds = upgrade_seconds
        self.clock = clock
        self.lock: threading.RLock = threading.RLock()
        self.groups: dict[str, Json] = {}
        self.sets: dict[tuple[str, str], ScaleSet] = {}
        self.operations: dict[str, Operation] = {}
        self.running: dict[str, Operation] = {}
        self.images: set[str] = set()
        self.platform_images: catalog.Images = copy.deepcopy(catalog.IMAGES)
        self.gallery_versions: dict[str, catalog.GalleryVersion] = {}
        self.other: OtherResources = OtherResources()
        self.changes: list[Change] = []
        self.endings: list[tuple[str, Json]] = []
        self.autoscale_settings: list[Json] = []
        self.graph_queries: tuple[float, int] = (-math.inf, 0)
        self.assumptions: Assumptions = Assumptions()
        self.on_upgrade: Callable[[ScaleSet, Sequence[str], Operation], object] | None = None
        self.on_command: Callable[[ScaleSet, Instance, str], CommandOutcome | None] | None = None
        self._moment: float | None = None

    # Lookup

    def resource_group(self, name: str) -> Json:
        """Return a resource group.

        Raises:
            ApiError: It does not exist.
        """
        try:
            return self.groups[name.lower()]
        except KeyError:
            raise errors.resource_group_not_found(name) from None

    def scale_set(self, group: str, name: str) -> ScaleSet:
        """Return a scale set.

        Raises:
            ApiError: It does not exist.
        """
        self.resource_group(group)
        try:
            return self.sets[group.lower(), name.lower()]
        except KeyError:
            kind = "Microsoft.Compute/virtualMachineScaleSets"
            raise errors.resource_not_found(kind, name, group) from None

    # Time

    def now(self) -> float:
        """Return the current time; while a due change is applied, the time it was due."""
        return self.clock() if self._moment is None else self._moment

    def apply_due_changes(self) -> None:
        """Apply all changes that are due, in order, each at its own time."""
        while due := [job for job in self.running.values() if job.due <= self.clock()]:
            job = min(due, key=lambda job: job.due)
            del self.running[job.id]
            self._moment = job.due
            if job.forced_ending:
                self._force_end(job, *job.forced_ending)
            else:
                job.error = job.end()
                job.status = "Failed" if job.error else "Succeeded"
            job.ended = now_utc()
            self._moment = None

    def start_operation(
        self,
        vmss: ScaleSet | None,
        seconds: float,
        end: Callable[[], Json | None],
        targets: Sequence[Instance] = (),
        *,
        is_inner: bool = False,
    ) -> Operation:
        """Start a long-running operation.

        Args:
            vmss: The scale set that it changes, or `None`.
            seconds: How many seconds it takes.
            end: Does the work at the end of the operation; returns an error or `None`.
            targets: The instances that it changes.
            is_inner: Whether it is a step of another operation, which clients do not see.
        """
        location = vmss.location if vmss else next(iter(catalog.LOCATIONS))
        due = self.now() + seconds
        job = Operation(str(uuid.uuid4()), location, vmss, due, end, targets=list(targets))
        if not is_inner:
            self.operations[job.id] = job
            if self.endings:
                job.forced_ending = self.endings.pop(0)
                # This also ends an operation that waits for others.
                job.due = min(job.due, self.now() + self.upgrade_seconds)
        self.running[job.id] = job
        return job

    def resolve_conflict(self, vmss: ScaleSet, upgraded: Sequence[Instance] | None = None) -> None:
        """Reject a write during another write on the same set, or end the other one.

        `Assumptions.second_write` decides which. Call it after a write is validated, and before it
        changes anything.

        Args:
            vmss: The scale set.
            upgraded: The instances that a manual upgrade changes; `None` for other writes.

        Raises:
            ApiError: The write is rejected.
        """
        running = [job for job in self.running.values() if job.scale_set is vmss]
        if not running:
            return
        second_write = self.assumptions.second_write
        is_deleting = vmss.deletion is not None
        if second_write == "preempt" and not is_deleting:
            self._preempt(vmss, running)
            return
        is_accepted = second_write == "accept_upgrade" and upgraded is not None
        if not is_accepted or not _can_upgrade_during(vmss, running, upgraded or ()):
            raise errors.concurrent_request_conflict(vmss.name)

    def check_profile(self, vmss: ScaleSet) -> None:
        """Reject an upgrade of a set without a model; Azure's message is not known."""
        if not vmss.has_profile:
            message = f"Scale set '{vmss.name}' has no virtualMachineProfile."
            raise errors.operation_not_allowed(message, "virtualMachineProfile")

    def set_states(self, vmss: ScaleSet, instance: Instance, **states: str) -> None:
        """Change states of an instance and record the changes."""
        for what, after in states.items():
            before = getattr(instance, what)
            if before != after:
                setattr(instance, what, after)
                if what == "provisioning":
                    instance.provisioned = now_utc()
                self.changes.append(Change(self.now(), vmss.name, instance.id, what, before, after))

    def _force_end(self, job: Operation, status: str, error: Json) -> None:
        """End an operation with another status, without doing its work."""
        job.status = status
        job.error = error
        vmss = job.scale_set
        if vmss is None:
            return
        if vmss.provisioning != "Succeeded":
            vmss.provisioning = status
        steps = [step for step in self.running.values() if step.scale_set is vmss]
        targets = [*job.targets, *(vm for step in steps for vm in step.targets)]
        state = "Failed" if status == "Failed" else "Succeeded"
        for vm in targets:
            power = POWER_ENDS.get(vm.power, vm.power)
            self.set_states(vmss, vm, provisioning=state, power=power)
        for step in steps:
            del self.running[step.id]
        rolling_upgrade.abort(vmss, status, error)

    def _preempt(self, vmss: ScaleSet, running: Iterable[Operation]) -> None:
        """End the operations in progress on a set because of a newer one.

        Only the end of the older operation is reported. What happens to its instances is assumed:
        they keep their models, and those that it was deleting are deleted.
        """
        error = errors.operation_preempted()
        for job in running:
            del self.running[job.id]
            job.status = "Canceled"
            job.error = error
            job.ended = now_utc()
            self.remove(vmss, [vm for vm in job.targets if vm.provisioning == "Deleting"])
            for vm in job.targets:
                if vm.provisioning in ("Creating", "Updating"):
                    power = POWER_ENDS.get(vm.power, vm.power)
                    self.set_states(vmss, vm, provisioning="Succeeded", power=power)
        vmss.provisioning = "Succeeded"
        rolling_upgrade.abort(vmss, "Canceled", error)

    # The model

    def put(self, group: str, name: str, body: Json) -> tuple[ScaleSet, Operation, bool]:
        """Create a scale set, or change the members in the body.

        Returns:
            A tuple: the scale set, the operation, and whether the set is new.
        """
        self.resource_group(group)
        body = members.respell(body, "VirtualMachineScaleSet")
        validation.check_shape(body)
        current = self.sets.get((group.lower(), name.lower()))
        given = find_secrets((body.get("properties") or {}).get("virtualMachineProfile"))
        body = without_secrets(body)
        given_properties = body.get("properties") or {}
        if current is None:
            is_flexible = str(given_properties.get("orchestrationMode")).lower() == FLEXIBLE
            properties = defaults.fill_defaults(given_properties, is_flexible=is_flexible)
            vmss = self._create(group, name, body, properties, given)
            return vmss, self._reconcile(vmss), True
        _check_place(current, body)
        merged = merge_put(current.properties, given_properties)
        properties = defaults.fill_defaults(merged, is_flexible=current.is_flexible)
        sku = defaults.fill_sku(merge_put(current.sku, body.get("sku") or {}))
        given_extras = {key: body[key] for key in _EXTRAS if key in body}
        extras = merge_put(current.extras, given_extras)
        job = self._update(current, sku, properties, extras, given)
        if "virtualMachineProfile" in given_properties and current.is_flexible:
            # Recorded: a PUT with a profile changes this even if the profile is the same.
            current.profile_created = second_after(current.profile_created)
        return current, job, False

    def patch(self, vmss: ScaleSet, body: Json) -> Operation:
        """Change parts of a model with a merge patch."""
        body = members.respell(body, "VirtualMachineScaleSet")
        validation.check_shape(body)
        given = find_secrets((body.get("properties") or {}).get("virtualMachineProfile"))
        patch = without_secrets(body)
        sku = defaults.fill_sku({**vmss.sku, **(patch.get("sku") or {})})
        merged = merge_patch(vmss.properties, patch.get("properties") or {})
        extras = {**vmss.extras, **{key: patch[key] for key in _EXTRAS if key in patch}}
        properties = defaults.fill_defaults(merged, is_flexible=vmss.is_flexible)
        return self._update(vmss, sku, properties, extras, given)

    def delete(self, vmss: ScaleSet) -> Operation:
        """Delete a scale set; operations in progress on it are canceled."""
        if vmss.deletion and not vmss.deletion.ended:
            return vmss.deletion
        vmss.provisioning = "Deleting"

        def end() -> None:
            key = vmss.group.lower(), vmss.name.lower()
            if self.sets.get(key) is vmss:
                del self.sets[key]
            message = f"Scale set '{vmss.name}' was deleted during the operation."
            for job in [job for job in self.running.values() if job.scale_set is vmss]:
                del self.running[job.id]
                job.status = "Canceled"
                job.ended = now_utc()
                job.error = {"code": "OperationPreempted", "message": message}

        instances = list(vmss.instances.values())
        vmss.deletion = self.start_operation(vmss, self.upgrade_seconds, end, instances)
        return vmss.deletion

    def _create(
        self, group: str, name: str, body: Json, properties: Json, secrets: Secrets
    ) -> ScaleSet:
        if not body.get("location"):
            raise errors.location_required()
        location = catalog.region_name(str(body["location"]))
        if location is None:
            raise errors.location_not_available(str(body["location"]))
        sku = defaults.fill_sku(body.get("sku") or {})
        extras = {key: body[key] for key in _EXTRAS if body.get(key) is not None}
        if body.get("zones"):
            extras["zones"] = body["zones"]
        group_name = self.resource_group(group)["name"]
        vmss = ScaleSet(name, group_name, location, sku, properties, extras, secrets)
        spread = 1 if vmss.zones or vmss.is_flexible else 5
        fault_domains = properties.get("platformFaultDomainCount") or spread
        vmss.fault_domains = validation.parse_whole_number(
            fault_domains, "platformFaultDomainCount"
        )
        if vmss.is_flexible:
            vmss.update_domains = 0
        images = (self.images, self.platform_images)
        validation.check_model(vmss, sku, properties, secrets, *images, is_new=True)
        self.sets[group.lower(), name.lower()] = vmss
        return vmss

    def _update(
        self, vmss: ScaleSet, sku: Json, properties: Json, extras: Json, given: Secrets
    ) -> Operation:
        profile = properties.get("virtualMachineProfile") or {}
        secrets = merge_secrets(vmss.secrets, profile, given)
        images = (self.images, self.platform_images)
        validation.check_model(vmss, sku, properties, secrets, *images)
        _check_scale_out(vmss, sku)
        self.resolve_conflict(vmss)
        if vmss.zones:
            extras = {**extras, "zones": vmss.zones}
        before = (vmss.sku, vmss.properties, vmss.extras, vmss.secrets)
        is_changed = (sku, properties, extras, secrets) != before
        if profile == vmss.profile and vmss.has_profile:
            # Keep the object, so that comparing instances with the model stays fast.
            properties = {**properties, "virtualMachineProfile": vmss.profile}
        elif profile:
            vmss.profile_created = second_after(vmss.profile_created)
        is_new_model = properties.get("virtualMachineProfile") is not vmss.profile
        if is_new_model and vmss.has_profile and not self.assumptions.reverted_model_is_latest:
            vmss.model_version += 1
        vmss.sku = sku
        vmss.properties = properties
        vmss.extras = extras
        vmss.secrets = secrets
        vmss.etag += is_changed
        return self._reconcile(vmss)

    def _reconcile(self, vmss: ScaleSet) -> Operation:
        """Start the scaling and the upgrades that a changed model requires."""
        if vmss.provisioning != "Creating":
            vmss.provisioning = "Updating"
        if not vmss.has_profile:
            return self._finish_without_profile(vmss)
        vmss.sku = {**vmss.sku, "capacity": vmss.capacity}
        counts = Counter(vm.placement_group for vm in vmss.instances.values())
        missing = vmss.capacity - len(vmss.instances)
        version = self.resolve_version(vmss.location, vmss.profile)
        added = [placement.add_instance(vmss, counts, version) for _ in range(missing)]
        additional = self._overprovision(vmss, counts, len(added))
        excess = len(vmss.instances) - len(additional) - vmss.capacity
        removed = placement.pick_for_scale_in(vmss, excess)
        # Higher than requested if protected instances stay.
        vmss.sku["capacity"] = len(vmss.instances) - len(additional) - len(removed)
        for instance in removed:
            self.set_states(vmss, instance, provisioning="Deleting")
        outdated = [
            vm for vm in vmss.instances.values() if not vmss.is_latest(vm) and not vm.is_protected
        ]
        upgraded = outdated if vmss.mode == "automatic" else []
        self.start_reinstall(vmss, upgraded)

        def end() -> Json | None:
            failure = self._finish_scale_out(vmss, added, additional)
            self.remove(vmss, removed)
            vmss.provisioning = "Failed" if failure else "Succeeded"
            if failure:
                return failure
            if vmss.mode == "rolling" and outdated:
                rolling_upgrade.start(self, vmss)
            return self.apply_model(vmss, upgraded, vmss.profile)

        targets = [*added, *removed, *upgraded]
        seconds = min(_MODEL_SECONDS, self.upgrade_seconds * 0.1)
        if targets:
            seconds = self.seconds_for(upgraded, vmss.profile)
        job = self.start_operation(vmss, seconds, end, targets)
        job.is_model_write = True
        return job

    def _overprovision(self, vmss: ScaleSet, members: Counter[str], number: int) -> list[Instance]:
        """Start a fifth more VMs than requested if `overprovision` is on and the set is not new."""
        is_on = vmss.properties.get("overprovision") and vmss.provisioning == "Updating"
        if not is_on or not number or not self.assumptions.overprovisioned_vms_are_listed:
            return []
        version = self.resolve_version(vmss.location, vmss.profile)
        extra = math.ceil(number / 5)
        return [placement.add_instance(vmss, members, version) for _ in range(extra)]

    def _finish_scale_out(
        self, vmss: ScaleSet, added: Sequence[Instance], additional: Sequence[Instance]
    ) -> Json | None:
        """Finish a scale-out, with its fault; return the error of the operation, or `None`.

        Instances that could not be allocated or started stay, in state Failed. Instances beyond
        the quota or the subnet are removed. The capacity stays as requested.
        """
        fault = vmss.scale_out_fault if added else None
        how = fault.how if fault else ""
        made = len(added)
        if fault and how != "unhealthy":
            made = min(made, fault.made or 0)
        for instance in [*added[:made], *additional]:
            self.set_states(vmss, instance, provisioning="Succeeded", power="running")
            if how == "unhealthy":
                self.set_states(vmss, instance, health="unhealthy")
        if additional:
            seconds = self.upgrade_seconds / 2
            self.start_operation(
                vmss, seconds, lambda: self.remove(vmss, additional), is_inner=True
            )
        rest = added[made:]
        if not rest:
            return None
        if how in ("quota", "subnet"):
            self.remove(vmss, rest)
        else:
            for instance in rest:
                self.set_states(vmss, instance, provisioning="Failed", power="stopped")
        return _scale_out_error(vmss, how, len(rest))

    def _finish_without_profile(self, vmss: ScaleSet) -> Operation:
        """Start the operation of a write on a set without a model; no instance changes."""

        def end() -> None:
            vmss.provisioning = "Succeeded"

        seconds = min(_MODEL_SECONDS, self.upgrade_seconds * 0.1)
        return self.start_operation(vmss, seconds, end)

    # The instances

    def upgrade(self, vmss: ScaleSet, ids: Sequence[str]) -> tuple[Operation, int]:
        """Upgrade instances to the model, all at once.

        A failed instance is reinstalled even if its model is current. Other current instances are
        skipped. On a Uniform set the set's etag increases by two, which is recorded: here by one
        at the start and by one at the end.

        Returns:
            A tuple: the operation, and how many instances it changes.
        """
        self.check_profile(vmss)
        if "upgradePolicy" not in vmss.properties and self.assumptions.upgrade_needs_policy:
            message = f"Scale set '{vmss.name}' has no upgrade policy."
            raise errors.operation_not_allowed(message, "upgradePolicy")
        targets = [
            vm for vm in vmss.select(ids) if not vmss.is_latest(vm) or vm.provisioning == "Failed"
        ]
        self.resolve_conflict(vmss, targets)
        profile = vmss.profile
        self.start_reinstall(vmss, targets)
        # Recorded: an upgrade that changes no instance takes some time too.
        seconds = self.upgrade_seconds * 0.1
        if targets:
            seconds = self.seconds_for(targets, profile)
        vmss.etag += not vmss.is_flexible

        def end() -> Json | None:
            vmss.etag += not vmss.is_flexible
            return self.apply_model(vmss, targets, profile)

        job = self.start_operation(vmss, seconds, end, targets)
        if self.on_upgrade:
            self.on_upgrade(vmss, ids, job)
        return job, len(targets)

    def run_action(
        self,
        vmss: ScaleSet,
        action: str,
        ids: Iterable[str] | None,
        version: str | None = None,
        *,
        is_ephemeral_forced: bool = False,
    ) -> Operation:
        """Change the power state of instances, or redeploy or reimage them.

        Args:
            vmss: The scale set.
            action: The last segment of the path, in lower case.
            ids: Instance ids; `None` for all that are not protected.
            version: The image version that a reimage installs, or `None`.
            is_ephemeral_forced: Whether a reimage changes the version of ephemeral OS disks.
        """
        targets = [vm for vm in vmss.select(ids) if ids is not None or not vm.is_protected]
        self.resolve_conflict(vmss)
        return self._start_action(vmss, action, targets, version, is_ephemeral_forced)

    def run_action_on_vm(
        self,
        vmss: ScaleSet,
        vm: Instance,
        action: str,
        version: str | None = None,
        *,
        is_ephemeral_forced: bool = False,
    ) -> Operation:
        """Change the power state of a VM of a Flexible set, or redeploy or reimage it.

        This works as `run_action`, but operations on other VMs of the set may be in progress.
        """
        if any(vm in job.targets for job in self.running.values()):
            raise errors.concurrent_request_conflict(vm.id)
        return self._start_action(vmss, action, [vm], version, is_ephemeral_forced)

    def resolve_version(self, location: str, profile: Json) -> str | None:
        """Return the image version of an instance that is created or reimaged now, or `None`.

        `latest` is the newest version of a platform image. A gallery image without a version means
        its newest version that is replicated to the region and not excluded from latest.
        """
        kind, name = image_of(profile)
        reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
        if kind == "platform":
            version: str | None = reference.get("version")
            if version != "latest":
                return version
            names = [str(reference.get(key)) for key in ("publisher", "offer", "sku")]
            return catalog.newest_version(self.platform_images, *names)
        version_of_id = VERSION_OF_ID.search(name)
        if kind == "id" and version_of_id:
            return version_of_id[1]
        if kind != "id" or "/galleries/" not in name.lower():
            return None
        prefix = f"{name.lower()}/versions/"
        usable = [
            image_id.removeprefix(prefix)
            for image_id in self.images
            if image_id.startswith(prefix) and self._is_latest_in(location, image_id)
        ]
        return catalog.newest(usable)

    def _is_latest_in(self, location: str, image_id: str) -> bool:
        """Return whether `latest` may resolve to a gallery version in a region."""
        version = self.gallery_versions.get(image_id, catalog.GalleryVersion())
        regions = [catalog.region_name(region) for region in version.regions]
        return location in regions and not version.exclude_from_latest

    def _check_versions(self, instances: Iterable[Instance], version: str) -> None:
        """Reject a reimage to a version that the image of an instance does not have."""
        for instance in instances:
            if image_of(instance.profile)[0] != "platform":
                message = "'exactVersion' is only allowed for platform images."
                raise errors.invalid_parameter(message, "exactVersion")
            reference = instance.profile["storageProfile"]["imageReference"]
            validation.check_platform_image(self.platform_images, reference, version)

    def _start_action(
        self,
        vmss: ScaleSet,
        action: str,
        targets: list[Instance],
        version: str | None,
        is_ephemeral_forced: bool,
    ) -> Operation:
        if version:
            self._check_versions(targets, version)
        is_reimage = action in ("reimage", "reimageall")
        seconds = self.upgrade_seconds
        if action in POWER_DURING:
            for vm in targets:
                self.set_states(vmss, vm, provisioning="Updating", power=POWER_DURING[action])
        else:
            self.start_reinstall(vmss, targets)
        if is_reimage and any(self._reimage_fault(vmss, vm, version) == "stick" for vm in targets):
            seconds = math.inf

        def end() -> Json | None:
            if is_reimage:
                return self._finish_reimage(vmss, targets, version, is_ephemeral_forced)
            for vm in targets:
                power = POWER_AFTER.get(action, POWER_ENDS.get(vm.power, vm.power))
                self.set_states(vmss, vm, provisioning="Succeeded", power=power)
            return None

        return self.start_operation(vmss, seconds, end, targets)

    def _installed_version(self, vmss: ScaleSet, vm: Instance, version: str | None) -> str | None:
        """Return the version that a reimage installs."""
        if version:
            return version
        if not self.assumptions.reimage_takes_newest:
            return vm.exact_version
        return self.resolve_version(vmss.location, vm.profile)

    def _reimage_fault(self, vmss: ScaleSet, vm: Instance, version: str | None) -> str | None:
        """Return the fault of a reimage of an instance, or `None`."""
        installed = self._installed_version(vmss, vm, version) or ""
        name = f"{image_of(vm.profile)[1]}:{installed}"
        return vm.fault if vm.fault_image in name else None

    def _finish_reimage(
        self, vmss: ScaleSet, targets: Iterable[Instance], version: str | None, is_forced: bool
    ) -> Json | None:
        """Finish a reimage; return the error of the operation, or `None`."""
        failed = []
        for vm in targets:
            self.set_states(vmss, vm, power=POWER_ENDS.get(vm.power, vm.power))
            fault = self._reimage_fault(vmss, vm, version)
            if fault == "fail":
                self.set_states(vmss, vm, provisioning="Failed")
                failed.append(vm)
                continue
            before = vm.exact_version or ""
            if is_forced or not has_ephemeral_disk(vm.profile):
                vm.exact_version = self._installed_version(vmss, vm, version)
            vm.has_agent = fault != "agentless"
            health = _HEALTH_AFTER.get(fault or "", "healthy")
            self.set_states(vmss, vm, provisioning="Succeeded", health=health)
            change = Change(self.now(), vmss.name, vm.id, "image", before, vm.exact_version or "")
            self.changes.append(change)
        return _provisioning_error(vmss, failed)

    def run_command(self, vmss: ScaleSet, vm: Instance, script: str) -> Operation:
        """Run a script on an instance; the outcome is what a test has set.

        Scripts may run on several instances at once if `Assumptions.commands_run_in_parallel`.
        """
        busy = [job for job in self.running.values() if job.scale_set is vmss]
        others = [job for job in busy if not job.is_command or vm in job.targets]
        is_blocked = others if self.assumptions.commands_run_in_parallel else busy
        if is_blocked:
            raise errors.concurrent_request_conflict(vmss.name)
        self.set_states(vmss, vm, provisioning="Updating")

        def end() -> Json | None:
            self.set_states(vmss, vm, provisioning="Succeeded")
            outcome = vm.command
            if self.on_command:
                outcome = self.on_command(vmss, vm, script) or outcome
            self.changes.append(Change(self.now(), vmss.name, vm.id, "command", "", script))
            if outcome.code:
                return {"code": outcome.code, "message": "The command could not be run."}
            if job.render_outcome:
                job.output = job.render_outcome(outcome)
            return None

        job = self.start_operation(vmss, self.upgrade_seconds, end, [vm])
        job.is_command = True
        return job

    def delete_instances(self, vmss: ScaleSet, ids: Iterable[str]) -> Operation:
        """Delete instances, and lower the capacity by their number."""
        targets = vmss.select(ids)
        self.resolve_conflict(vmss)
        for instance in targets:
            self.set_states(vmss, instance, provisioning="Deleting")
        vmss.sku = {**vmss.sku, "capacity": len(vmss.instances) - len(targets)}
        vmss.etag += 1
        seconds = self.upgrade_seconds * (0.5 if targets else 0.1)
        return self.start_operation(vmss, seconds, lambda: self.remove(vmss, targets), targets)

    def remove(self, vmss: ScaleSet, instances: Iterable[Instance]) -> None:
        """Remove instances from a set."""
        for instance in instances:
            self.set_states(vmss, instance, provisioning="Deleted")
            vmss.instances.pop(instance.id, None)

    def give_own_model(self, vmss: ScaleSet, instance: Instance) -> Operation:
        """Give an instance a model of its own, as a PUT of its model does."""
        self.resolve_conflict(vmss)
        profile = copy.deepcopy(instance.profile)
        (profile.get("networkProfile") or {}).pop("healthProbe", None)
        instance.profile = profile
        instance.has_own_model = True
        instance.etag += 1
        return self.start_operation(vmss, 0.0, lambda: None)

    def protect(self, vmss: ScaleSet, instance: Instance, policy: Json) -> Operation:
        """Set the protection of an instance."""
        if policy.get("protectFromScaleSetActions") and policy.get("protectFromScaleIn") is False:
            message = "protectFromScaleIn cannot be false while protectFromScaleSetActions is true."
            raise errors.invalid_parameter(message, "protectionPolicy")
        instance.etag += policy != instance.protection
        instance.protection = policy
        return self.start_operation(vmss, 0.0, lambda: None)

    # Upgrades

    def seconds_for(self, targets: Iterable[Instance], profile: Json) -> float:
        """Return how many seconds the upgrade of instances takes; infinite if one is stuck."""
        if any(vm.fault_with(profile) == "stick" for vm in targets):
            return math.inf
        return self.upgrade_seconds

    def release(self, instance: Instance) -> None:
        """Unblock the operations that an instance has blocked."""
        for job in self.running.values():
            if job.due == math.inf and job.scale_set and instance in job.targets:
                job.due = self.now() + self.seconds_for(job.targets, job.scale_set.profile)

    def start_reinstall(self, vmss: ScaleSet, targets: Sequence[Instance]) -> None:
        """Start replacing the OS of instances; running ones stop, and start at half time."""
        running = [vm for vm in targets if vm.power == "running"]
        for vm in targets:
            self.set_states(vmss, vm, provisioning="Updating")
        for vm in running:
            self.set_states(vmss, vm, power="stopping")

        def start_again() -> None:
            for vm in running:
                self.set_states(vmss, vm, power="starting")

        if running:
            self.start_operation(vmss, self.upgrade_seconds / 2, start_again, is_inner=True)

    def apply_model(
        self, vmss: ScaleSet, targets: Iterable[Instance], profile: Json
    ) -> Json | None:
        """Finish replacing the OS of instances; return the operation's error, or `None`."""
        failed = []
        for vm in targets:
            self.set_states(vmss, vm, power=POWER_ENDS.get(vm.power, vm.power))
            fault = vm.fault_with(profile)
            if fault == "fail":
                self.set_states(vmss, vm, provisioning="Failed")
                failed.append(vm)
                continue
            vm.profile = profile
            vm.secrets = vmss.secrets
            vm.has_own_model = False
            vm.model_version = vmss.model_version
            vm.sku = vmss.sku.get("name", "")
            vm.exact_version = self.resolve_version(vmss.location, profile)
            vm.etag += 1
            if vmss.is_flexible and self.assumptions.upgrade_moves_tag:
                vm.tags = {**vm.tags, PROFILE_TAG: profile_tag(vmss.profile_created)}
            vm.has_agent = fault != "agentless"
            health = _HEALTH_AFTER.get(fault or "", "healthy")
            self.set_states(vmss, vm, provisioning="Succeeded", health=health)
            image = image_of(profile)[1]
            self.changes.append(Change(self.now(), vmss.name, vm.id, "model", "", image))
        return _provisioning_error(vmss, failed)


def _provisioning_error(vmss: ScaleSet, failed: Sequence[Instance]) -> Json | None:
    """Return the error of an operation with failed instances; `None` if there are none."""
    if not failed:
        return None
    names = ", ".join(vmss.name_of(vm) for vm in failed)
    message = f"OS Provisioning for VM '{names}' did not finish in the allotted time."
    return {"code": "OSProvisioningTimedOut", "message": message}


def _can_upgrade_during(
    vmss: ScaleSet, running: Iterable[Operation], upgraded: Sequence[Instance]
) -> bool:
    """Return whether a manual upgrade may start while these operations are in progress.

    They must be changes of the model that do not change the same instances. In mode Rolling a
    change of the model upgrades the instances itself, so an upgrade may not start.
    """
    if vmss.mode == "rolling":
        return False
    return all(
        job.is_model_write and not any(vm in job.targets for vm in upgraded) for job in running
    )


def _check_place(vmss: ScaleSet, body: Json) -> None:
    """Reject a PUT that changes a set's region or zones; it may omit them."""
    location = str(body.get("location") or vmss.location)
    if catalog.region_name(location) != vmss.location:
        raise errors.invalid_resource_location(vmss.name, vmss.group, vmss.location, location)
    if "zones" in body and sorted(body["zones"] or []) != sorted(vmss.zones):
        raise errors.property_change_not_allowed("zones")


def _check_scale_out(vmss: ScaleSet, sku: Json) -> None:
    """Reject more instances if the quota or the subnet is too small for them."""
    fault = vmss.scale_out_fault
    number = validation.parse_capacity(sku) - len(vmss.instances)
    if fault is None or number <= 0 or fault.made is not None:
        return
    if fault.how == "quota":
        raise errors.quota_exceeded(vmss.location, 2 * len(vmss.instances), 2 * number)
    if fault.how == "subnet":
        raise errors.subnet_is_full(number)


def _scale_out_error(vmss: ScaleSet, how: str, number: int) -> Json:
    """Return the error of a scale-out."""
    if how == "quota":
        return errors.quota_exceeded(vmss.location, 2 * len(vmss.instances), 2 * number).error
    if how == "subnet":
        return errors.subnet_is_full(number).error
    if how == "allocation":
        return errors.allocation_failed().error
    message = f"OS Provisioning for {number} VMs did not finish in the allotted time."
    return {"code": "OSProvisioningTimedOut", "message": message}
