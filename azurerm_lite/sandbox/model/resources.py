"""What the sandbox holds: scale sets, instances, operations, rolling upgrades, and what can be read off a model."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from .. import errors
from . import catalog
from .redaction import Secrets

Json = dict[str, Any]

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
FLEXIBLE = "flexible"
# What a change of power leaves an instance in.
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
# Where a power state ends that is none to stay in.
POWER_ENDS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
PLACEMENT_GROUP_SIZE = 100
MOST_MODELS = 10


def now_utc() -> str:
    """The time as Azure writes it."""
    return datetime.now(timezone.utc).isoformat()


@dataclass
class Instance:
    """One VM of a scale set.

    `secrets` belong to the profile, and are kept apart from all that is shown. `is_own` says that
    it was changed by itself, and follows its own model ever since, until an upgrade brings it back
    to the set's.
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
    is_own: bool = False

    @property
    def is_protected(self) -> bool:
        """Whether it is protected from actions on the whole set."""
        return bool((self.protection or {}).get("protectFromScaleSetActions"))

    def fault_with(self, profile: Json) -> str | None:
        """What goes wrong when it is brought to a model: some images are sound, others are not."""
        return self.fault if self.fault_image in image_of(profile)[1] else None


@dataclass
class Operation:
    """A long-running operation; `end` is what happens when it is over, and may return an error.

    `forced` is a status and an error with which it ends instead, whatever it was to do to its
    `targets`.
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
    forced: tuple[str, Json] | None = None


class Change(NamedTuple):
    """Something that happened to an instance: one of its states went from something to something else."""

    seconds: float
    scale_set: str
    instance_id: str
    what: str
    before: str
    after: str


@dataclass
class RollingUpgrade:
    """A rolling upgrade that the sandbox runs as Azure would: batch after batch."""

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
class ScaleSet:
    """A scale set: its model, its instances."""

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
    rollings: list[RollingUpgrade] = field(default_factory=list)
    deletion: Operation | None = None

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
    def capacity(self) -> int:
        """How many instances there shall be; older clients write the number as text."""
        return int(self.sku.get("capacity", len(self.instances)))

    @property
    def zones(self) -> list[str]:
        """The availability zones that instances are spread over; none for a regional set."""
        return list(self.extras.get("zones") or [])

    @property
    def is_single(self) -> bool:
        """Whether all instances are in one placement group, as Azure has it where nothing else is said."""
        return bool(self.properties.get("singlePlacementGroup", not self.is_flexible))

    @property
    def is_flexible(self) -> bool:
        """Whether its instances are VMs like others: with names for ids, and no update domains."""
        return str(self.properties.get("orchestrationMode")).lower() == FLEXIBLE

    @property
    def rolling(self) -> RollingUpgrade | None:
        """The newest rolling upgrade."""
        return self.rollings[-1] if self.rollings else None

    def name_of(self, instance: Instance) -> str:
        """The name of an instance, which in a Flexible set is its id."""
        return instance.id if self.is_flexible else f"{self.name}_{instance.id}"

    def is_latest(self, instance: Instance) -> bool:
        """Whether an instance has the current model."""
        if instance.is_own or instance.sku != self.sku.get("name"):
            return False
        same = instance.profile is self.profile or instance.profile == self.profile
        return same and (instance.secrets is self.secrets or instance.secrets == self.secrets)

    def chosen(self, ids: Iterable[str] | None) -> list[Instance]:
        """The instances with these ids; all for `None` and for `*`."""
        if ids is None or list(ids) == ["*"]:
            return list(self.instances.values())
        for each in ids:
            if not each.isdecimal() and not self.is_flexible:
                raise errors.bad_instance_id(each)
            if each not in self.instances:
                raise errors.not_active(each)
        return [self.instances[each] for each in dict.fromkeys(ids)]


def image_of(profile: Json) -> tuple[str, str]:
    """The kind of image in a model (`platform`, `id`, `uri`) and its name."""
    storage = profile.get("storageProfile") or {}
    reference = storage.get("imageReference") or {}
    if reference.get("id"):
        return "id", reference["id"]
    if reference:
        return "platform", ":".join(
            str(reference.get(key, "")) for key in ("publisher", "offer", "sku", "version")
        )
    return "uri", str(((storage.get("osDisk") or {}).get("image") or {}).get("uri", ""))


def exact_version(profile: Json) -> str | None:
    """The version of a platform image that an instance made now would run."""
    reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
    version = reference.get("version")
    if version != "latest":
        return version
    return catalog.newest(*(str(reference.get(key)) for key in ("publisher", "offer", "sku")))


def reports_health(profile: Json) -> bool:
    """Whether a model has the application-health extension, or the health probe of a load balancer."""
    extensions = (profile.get("extensionProfile") or {}).get("extensions") or []
    kinds = [str((each.get("properties") or {}).get("type")) for each in extensions]
    return "healthProbe" in (profile.get("networkProfile") or {}) or any(
        "ApplicationHealth" in kind for kind in kinds
    )


def merged(current: Json, patch: Json) -> Json:
    """A merge patch as Azure does it: `null` removes, objects merge, but inside `storageProfile` nothing does."""
    result = copy.copy(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif (
            isinstance(value, dict)
            and isinstance(result.get(key), dict)
            and key != "storageProfile"
        ):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
