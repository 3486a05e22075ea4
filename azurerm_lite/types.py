"""Azure's JSON as TypedDicts, and the shapes that the functions share.

The keys that the library reads are named, others pass through. At run time these are plain dicts.
Azure adds keys at any time, so none of these lists is complete; keys that Azure may leave out are
`NotRequired`. An enumeration of Azure's is a `str` here, as it may grow.
"""

# Not `from __future__ import annotations`: the TypedDicts would be compiled from text at import,
# and NotRequired would not be seen.
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NotRequired, Protocol, TypeAlias, TypedDict


class _AccessToken(Protocol):
    @property
    def token(self) -> str: ...


class Credential(Protocol):
    """A credential of azure-identity."""

    def get_token(self, *scopes: str) -> _AccessToken:
        """Return a token for these scopes."""


class Executor(Protocol):
    """What runs tasks: a `concurrent.futures.Executor`, or another library's with that method."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run a function elsewhere, and return a future."""


Token: TypeAlias = str | Callable[[], str] | Credential
"""A bearer token, or a zero-argument callable that returns one; a credential of azure-identity
counts as such."""

InstanceIds: TypeAlias = str | int | Iterable[str | int]
"""One instance id or several, as strings or whole numbers."""

Domain: TypeAlias = int | str
"""An update or fault domain (a number), a zone (a string), or `"unknown"`."""

CountOrPercentage: TypeAlias = int | str
"""A number of instances, or a percentage of the set such as `"20%"`."""

Only: TypeAlias = str | int | Iterable[str | int]
"""Domains (whole numbers) or instance ids (strings), one or several."""

TargetLike: TypeAlias = Mapping[str, Any] | Sequence[str] | str
"""A scale set of a fleet: a dict as `find_scale_sets` returns it, a resource id, or subscription,
resource group and name."""

Waves: TypeAlias = str | Callable[[Any], Any] | Sequence[int | str] | None
"""What makes the waves of a fleet: a key, a function of a target, or sizes."""

Method: TypeAlias = Literal["upgrade", "reimage"]
"""How a rollout brings instances to an image."""
OnFailure: TypeAlias = Literal["stop", "rollback"]
"""What a rollout does when a batch fails."""


class Batch(NamedTuple):
    """Instances that are upgraded together.

    Attributes:
        name: What they have in common, such as `update domain 2`.
        instance_ids: Their ids, in order.
    """

    name: str
    instance_ids: tuple[str, ...]


class Target(NamedTuple):
    """A scale set of a fleet.

    Attributes:
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        location: Region, in lower case; empty if it is not known.
    """

    subscription_id: str
    resource_group: str
    vmss_name: str
    location: str = ""

    def __str__(self) -> str:
        return f"{self.resource_group}/{self.vmss_name}"


class Summary(NamedTuple):
    """The result counters of a rollout.

    Attributes:
        upgraded: Number of instances that it upgraded.
        skipped: Number of instances that were current already, protected, being created, or being
            deleted.
        failed: Number of instances that failed or were unhealthy.
        seconds: Duration in seconds.
        requests: Number of requests that it sent.
        throttled: Number of requests that Azure throttled (HTTP 429).
    """

    upgraded: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    requests: int = 0
    throttled: int = 0


class ImageReference(TypedDict, total=False):
    """The image of a model, or of an instance (then with `exactVersion`)."""

    publisher: str
    offer: str
    sku: str
    version: str
    exactVersion: str
    id: str
    sharedGalleryImageId: str
    communityGalleryImageId: str


class Image(TypedDict, total=False):
    """An image as `get_image` returns it: `kind`, and the values that this kind has."""

    kind: str
    publisher: str
    offer: str
    sku: str
    version: str
    exact_version: str
    image_id: str
    image_uri: str


class FoundScaleSet(TypedDict):
    """A scale set as `find_scale_sets` finds it."""

    id: str
    subscription_id: str
    resource_group: str
    vmss_name: str
    location: str
    capacity: int
    mode: str
    tags: dict[str, str]
    image: Image
    version: str


class StorageProfile(TypedDict, total=False):
    """Disks and image of a model or an instance."""

    imageReference: ImageReference
    osDisk: dict[str, Any]
    dataDisks: list[dict[str, Any]]


class Sku(TypedDict, total=False):
    """VM size and number of instances."""

    name: str
    tier: str
    capacity: int


class VirtualMachineProfile(TypedDict, total=False):
    """The template of new instances."""

    storageProfile: StorageProfile
    osProfile: dict[str, Any]
    networkProfile: dict[str, Any]
    extensionProfile: dict[str, Any]


class UpgradePolicy(TypedDict, total=False):
    """How instances are upgraded when the model changes."""

    mode: str
    rollingUpgradePolicy: dict[str, Any]
    automaticOSUpgradePolicy: dict[str, Any]


class ScaleSetProperties(TypedDict, total=False):
    """The properties of a scale set."""

    provisioningState: str
    upgradePolicy: UpgradePolicy
    virtualMachineProfile: VirtualMachineProfile
    orchestrationMode: str
    overprovision: bool
    singlePlacementGroup: bool
    platformFaultDomainCount: int
    uniqueId: str


class ScaleSet(TypedDict):
    """A scale set's model."""

    id: str
    name: str
    location: str
    type: NotRequired[str]
    sku: NotRequired[Sku]
    etag: NotRequired[str]
    zones: NotRequired[list[str]]
    tags: NotRequired[dict[str, str]]
    plan: NotRequired[dict[str, str]]
    properties: ScaleSetProperties


class Status(TypedDict, total=False):
    """One status of an instance: a code such as `PowerState/running`."""

    code: str
    level: str
    displayStatus: str
    message: str
    time: str


class CommandOutput(NamedTuple):
    """What a script printed that `run_command` ran.

    Attributes:
        stdout: Its standard output: of a long one Azure returns the last 4,096 bytes.
        stderr: Its standard error, likewise.
    """

    stdout: str
    stderr: str


class InstanceDrift(TypedDict):
    """Which version of its image an instance runs; `image_drift` describes the members."""

    subscription_id: str
    resource_group: str
    vmss_name: str
    instance_id: str
    image: str
    version: str
    newest: str
    behind: int | None


class InstanceView(TypedDict, total=False):
    """The current state of an instance."""

    placementGroupId: str
    platformUpdateDomain: int
    platformFaultDomain: int
    computerName: str
    statuses: list[Status]
    vmHealth: dict[str, Status]
    vmAgent: dict[str, Any]


class ProtectionPolicy(TypedDict, total=False):
    """The actions of its scale set from which an instance is protected."""

    protectFromScaleIn: bool
    protectFromScaleSetActions: bool


class InstanceProperties(TypedDict, total=False):
    """The properties of an instance."""

    latestModelApplied: bool
    provisioningState: str
    storageProfile: StorageProfile
    instanceView: InstanceView
    protectionPolicy: ProtectionPolicy
    modelDefinitionApplied: str
    vmId: str


class Instance(TypedDict):
    """One instance of a scale set."""

    id: str
    name: str
    instanceId: str
    location: NotRequired[str]
    etag: NotRequired[str]
    zones: NotRequired[list[str]]
    sku: NotRequired[Sku]
    properties: InstanceProperties


class ScaleSetInstanceView(TypedDict, total=False):
    """The current state of a scale set: its instances counted by status."""

    virtualMachine: dict[str, Any]
    extensions: list[dict[str, Any]]
    statuses: list[Status]
    orchestrationServices: list[dict[str, str]]


class RollingUpgrade(TypedDict, total=False):
    """The newest rolling upgrade that Azure ran by itself; it has no id and no name."""

    type: str
    location: str
    properties: dict[str, Any]


class ImageEntry(TypedDict):
    """A publisher, offer, SKU or version of a platform image."""

    id: str
    name: str
    location: str


class Subscription(TypedDict, total=False):
    """A subscription that the token can see."""

    id: str
    subscriptionId: str
    displayName: str
    state: str
    tenantId: str


class Location(TypedDict, total=False):
    """A region of a subscription."""

    id: str
    name: str
    displayName: str
    regionalDisplayName: str


class ResourceGroup(TypedDict, total=False):
    """A resource group."""

    id: str
    name: str
    location: str
    tags: dict[str, str]
    properties: dict[str, Any]
