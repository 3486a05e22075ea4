"""Scale sets, instances, operations and rolling upgrades of the sandbox."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from .. import errors
from .redaction import Secrets

Json = dict[str, Any]

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
FLEXIBLE = "flexible"
# The power state after each action, and during it.
POWER_AFTER = {
    "start": "running",
    "restart": "running",
    "poweroff": "stopped",
    "deallocate": "deallocated",
}
POWER_DURING = {
    "start": "starting",
    "restart": "starting",
    "poweroff": "stopping",
    "deallocate": "deallocating",
}
# The power state in which each transition ends.
POWER_ENDS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
PLACEMENT_GROUP_SIZE = 100
MAX_MODELS = 10
# The tag that Azure writes on the VMs that a Flexible set creates.
PROFILE_TAG = "VirtualMachineProfileTimeCreated"
# The members of an image reference with the id of an image; a reference has only one of them.
IMAGE_IDS = ("id", "sharedGalleryImageId", "communityGalleryImageId")
VERSION_OF_ID = re.compile(r"/versions/(\d+\.\d+\.\d+)$", re.IGNORECASE)
# Objects that a PUT replaces as a whole.
_REPLACED = ("tags", "plan", "identity")
_NO_PROFILE: Json = {}


def now_utc() -> str:
    """Return the current time in Azure's format."""
    return datetime.now(UTC).isoformat()


def second_after(earlier: str) -> str:
    """Return the current time, but at least one second after an earlier one.

    The tag of a member has whole seconds, so two changes of a profile must not share a second.
    """
    minimum = datetime.fromisoformat(earlier) + timedelta(seconds=1)
    return max(minimum, datetime.now(UTC)).isoformat()


class CommandOutcome(NamedTuple):
    """The output of a script, and the result of its operation.

    Attributes:
        code: Azure's error code if the operation fails; empty if it succeeds. It also succeeds for
            a script with an exit code other than 0.
    """

    stdout: str = ""
    stderr: str = ""
    code: str = ""


_NO_OUTPUT = CommandOutcome()


@dataclass
class Instance:
    """One VM of a scale set.

    Attributes:
        secrets: The secrets of the profile, stored apart from it.
        has_own_model: Whether the instance itself was changed. It keeps this model until it is
            upgraded to the set's.
        model_version: The set's model version when the instance got its model.
        fault: The fault of its upgrades, or `None`.
        fault_image: Part of an image name; only upgrades to such an image have the fault.
        provisioned: When its provisioning state last changed.
        command: The outcome of its scripts from now on.
    """

    id: str
    number: int
    profile: Json
    secrets: Secrets
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
    fault_image: str = ""
    created: str = field(default_factory=now_utc)
    vm_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    placement_group: str = ""
    etag: int = 1
    has_agent: bool = True
    has_own_model: bool = False
    model_version: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    provisioned: str = field(default_factory=now_utc)
    command: CommandOutcome = _NO_OUTPUT

    @property
    def is_protected(self) -> bool:
        """Whether actions on the whole set skip this instance."""
        return bool((self.protection or {}).get("protectFromScaleSetActions"))

    def fault_with(self, profile: Json) -> str | None:
        """Return the fault of an upgrade to a model, or `None`."""
        return self.fault if self.fault_image in image_of(profile)[1] else None


@dataclass
class Operation:
    """A long-running operation.

    Attributes:
        due: The time of the clock, in seconds, at which it ends.
        end: Does the work at the end of the operation; returns an error or `None`.
        targets: The instances that it changes.
        forced_ending: A status and an error with which it ends without doing its work.
        output: Output of the operation, which is set at its end.
        is_model_write: Whether it writes the model of a scale set.
        is_command: Whether it runs a script.
        render_outcome: Converts the outcome of a script to `output`.
    """

    id: str
    location: str
    scale_set: ScaleSet | None
    due: float
    end: Callable[[], Json | None]
    started: str = field(default_factory=now_utc)
    ended: str | None = None
    status: str = "InProgress"
    error: Json | None = None
    targets: list[Instance] = field(default_factory=list)
    forced_ending: tuple[str, Json] | None = None
    output: Json | None = None
    is_model_write: bool = False
    is_command: bool = False
    render_outcome: Callable[[CommandOutcome], Json] | None = None


class Change(NamedTuple):
    """A change of a state of an instance."""

    seconds: float
    scale_set: str
    instance_id: str
    what: str
    before: str
    after: str


@dataclass
class RollingUpgrade:
    """A rolling upgrade that the sandbox runs batch by batch, as Azure does.

    Attributes:
        target: The image reference that the instances get.
        done: How many batches have ended.
        final: The progress at its end; `None` before it.
    """

    batches: list[list[str]]
    policy: Json
    target: Json
    status: str = "RollingForward"
    last_action: str = "Start"
    started: str = field(default_factory=now_utc)
    changed: str = field(default_factory=now_utc)
    done: int = 0
    upgraded: list[str] = field(default_factory=list)
    final: Json | None = None
    error: Json | None = None


@dataclass
class ScaleOutFault:
    """A fault of scale-outs.

    Attributes:
        how: `quota`, `subnet`, `allocation`, `fail` or `unhealthy`.
        made: How many instances come up anyway; `None` if the request itself is rejected.
    """

    how: str
    made: int | None = None


@dataclass
class ScaleSet:
    """A scale set: its model and its instances.

    Attributes:
        extras: The other parts of the model: tags, zones, plan and identity.
        profile_created: When the profile last changed.
        model_version: Number of the model, which increases with each change if
            `Assumptions.reverted_model_is_latest` is false.
    """

    name: str
    group: str
    location: str
    sku: Json
    properties: Json
    extras: Json
    secrets: Secrets = field(default_factory=dict)
    update_domains: int = 5
    fault_domains: int = 5
    instances: dict[str, Instance] = field(default_factory=dict)
    etag: int = 1
    next_id: int = 0
    provisioning: str = "Creating"
    unique_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    placement_groups: list[str] = field(default_factory=list)
    created: str = field(default_factory=now_utc)
    profile_created: str = field(default_factory=now_utc)
    model_version: int = 1
    rolling_upgrades: list[RollingUpgrade] = field(default_factory=list)
    deletion: Operation | None = None
    scale_out_fault: ScaleOutFault | None = None

    @property
    def id(self) -> str:
        """The resource id."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{self.name}"

    @property
    def profile(self) -> Json:
        """The model of the instances; empty for a set without one."""
        profile: Json = self.properties.get("virtualMachineProfile", _NO_PROFILE)
        return profile

    @property
    def has_profile(self) -> bool:
        """Whether it has a model; a Flexible set without one has only attached VMs."""
        return "virtualMachineProfile" in self.properties

    @property
    def mode(self) -> str:
        """The upgrade mode, in lower case."""
        return str((self.properties.get("upgradePolicy") or {}).get("mode", "Manual")).lower()

    @property
    def capacity(self) -> int:
        """The number of instances in the model; older clients write it as text."""
        return int(self.sku.get("capacity", len(self.instances)))

    @property
    def zones(self) -> list[str]:
        """The availability zones; empty for a regional set."""
        return list(self.extras.get("zones") or [])

    @property
    def is_single(self) -> bool:
        """Whether all instances are in one placement group."""
        return bool(self.properties.get("singlePlacementGroup", not self.is_flexible))

    @property
    def is_flexible(self) -> bool:
        """Whether its orchestration mode is Flexible."""
        return str(self.properties.get("orchestrationMode")).lower() == FLEXIBLE

    @property
    def rolling_upgrade(self) -> RollingUpgrade | None:
        """The newest rolling upgrade, or `None`."""
        return self.rolling_upgrades[-1] if self.rolling_upgrades else None

    def name_of(self, instance: Instance) -> str:
        """Return the name of an instance, which is its id in a Flexible set."""
        return instance.id if self.is_flexible else f"{self.name}_{instance.id}"

    def is_latest(self, instance: Instance) -> bool:
        """Return whether an instance has the current model."""
        if instance.has_own_model or instance.sku != self.sku.get("name"):
            return False
        if instance.model_version != self.model_version:
            return False
        # Comparing identities first keeps this cheap in large sets.
        if instance.profile is not self.profile and instance.profile != self.profile:
            return False
        return instance.secrets is self.secrets or instance.secrets == self.secrets

    def select(self, ids: Iterable[str] | None) -> list[Instance]:
        """Return the instances with these ids; all of them for `None` and for `*`.

        Raises:
            ApiError: The set does not have one of the ids.
        """
        if ids is None or list(ids) == ["*"]:
            return list(self.instances.values())
        found = {}
        for instance_id in ids:
            if not instance_id.isdecimal() and not self.is_flexible:
                raise errors.invalid_instance_id(instance_id)
            instance = self.find(instance_id)
            if instance is None:
                raise errors.instance_not_active(instance_id)
            found[instance.id] = instance
        return list(found.values())

    def find(self, instance_id: str) -> Instance | None:
        """Return the instance with an id, or `None`; names of VMs match in any case."""
        if instance_id in self.instances or not self.is_flexible:
            return self.instances.get(instance_id)
        name = instance_id.lower()
        return next((vm for vm in self.instances.values() if vm.id.lower() == name), None)


def profile_tag(created: str) -> str:
    """Return the time of a profile as in the tag of a VM: in US English."""
    moment = datetime.fromisoformat(created)
    hour = moment.strftime("%I").lstrip("0")
    date = f"{moment.month}/{moment.day}/{moment.year}"
    return f"{date} {hour}:{moment:%M:%S %p} +00:00"


def image_of(profile: Json) -> tuple[str, str]:
    """Return the kind of the image in a model (`platform`, `id` or `uri`) and its name."""
    storage = profile.get("storageProfile") or {}
    reference = storage.get("imageReference") or {}
    for key in IMAGE_IDS:
        if reference.get(key):
            return "id", str(reference[key])
    if reference:
        parts = [str(reference.get(key, "")) for key in ("publisher", "offer", "sku", "version")]
        return "platform", ":".join(parts)
    disk = storage.get("osDisk") or {}
    return "uri", str((disk.get("image") or {}).get("uri", ""))


def has_ephemeral_disk(profile: Json) -> bool:
    """Return whether a model has ephemeral OS disks."""
    disk = (profile.get("storageProfile") or {}).get("osDisk") or {}
    return bool(disk.get("diffDiskSettings"))


def has_health_reports(profile: Json) -> bool:
    """Return whether a model has the application-health extension or a health probe."""
    if "healthProbe" in (profile.get("networkProfile") or {}):
        return True
    extensions = (profile.get("extensionProfile") or {}).get("extensions") or []
    types = [str((extension.get("properties") or {}).get("type")) for extension in extensions]
    return any("ApplicationHealth" in name for name in types)


def merge_patch(current: Json, patch: Json) -> Json:
    """Return a body with a merge patch applied in Azure's way.

    `null` removes a key. Objects are merged, but `storageProfile` is replaced as a whole.
    """
    result = copy.copy(current)
    for key, value in patch.items():
        is_merged = isinstance(value, dict) and isinstance(result.get(key), dict)
        if value is None:
            result.pop(key, None)
        elif is_merged and key != "storageProfile":
            result[key] = merge_patch(result[key], value)
        else:
            result[key] = value
    return result


def merge_put(current: Json, given: Json) -> Json:
    """Return the body of a PUT, completed with the current values that it leaves out.

    Objects are merged; null counts as left out. Lists, tags, plans and identities are replaced.
    """
    result = copy.copy(current)
    for key, value in given.items():
        before = current.get(key)
        if value is None:
            continue
        if not isinstance(value, dict) or not isinstance(before, dict) or key in _REPLACED:
            result[key] = value
            continue
        base = _without_other_image(before, value) if key == "storageProfile" else before
        result[key] = merge_put(base, value)
    return result


def _without_other_image(current: Json, given: Json) -> Json:
    """Return a set's storage profile, without its image if the given one has another image.

    Only a version means another version of the same image.
    """
    reference = given.get("imageReference") or {}
    has_uri = bool((given.get("osDisk") or {}).get("image"))
    has_image = any(reference.get(key) for key in (*IMAGE_IDS, "publisher"))
    if not has_image and (reference or not has_uri):
        return current
    return {key: value for key, value in current.items() if key != "imageReference"}
