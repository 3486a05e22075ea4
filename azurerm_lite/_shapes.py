"""The shapes of Azure's responses, checked once, when a response is read.

A shape has a check function, which receives JSON and returns it. Callers can then rely on the
types: an object is never a list, an id is never a number. A part that is `null` counts as missing.
Parts that the shape does not name are returned unchanged. Only what changes is copied, since a
response may have thousands of parts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from ._ids import IMAGE_ID_KEYS
from .errors import AzureError

Check: TypeAlias = Callable[[Any], Any]
"""Checks a value that is not null; returns it or raises `WrongShape`."""

_ABSENT = object()
_OBJECTS = (dict, Mapping)


class WrongShape(Exception):
    """A part is missing or has another type; the message names it and shows no value.

    Attributes:
        problem: What is wrong with the part, such as `is missing`.
        place: Where the part is in the checked value; empty for the value itself.
    """

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(problem, place)
        self.problem = problem
        self.place = place

    def __str__(self) -> str:
        return f"{self.place or 'the body'} {self.problem}"

    def inside(self, name: str) -> WrongShape:
        """Return the same problem, in the value of which the checked value is a part.

        Args:
            name: The name of the part, or its number such as `[0]`.

        Returns:
            Another `WrongShape`.
        """
        separator = "." if self.place and not self.place.startswith("[") else ""
        return WrongShape(self.problem, f"{name}{separator}{self.place}")


class Shape(NamedTuple):
    """The required shape of a response.

    Attributes:
        name: The name for messages, such as `a scale set`.
        check: The function that checks and returns it.
    """

    name: str
    check: Check


def require(shape: Shape, value: Any, method: str = "GET", url: str = "") -> Any:
    """Return JSON after checking its shape.

    Args:
        shape: The required shape.
        value: JSON from Azure.
        method: HTTP method of the request, for the error.
        url: URL of the request, for the error.

    Returns:
        The JSON; a copy without the parts that are null if there are any.

    Raises:
        AzureError: It has another shape. The code is `InvalidResponse`; the message names the part.
    """
    try:
        return shape.check(value)
    except WrongShape as wrong:
        message = f"The response is not what Azure documents for {shape.name}: {wrong}"
    raise AzureError(message, code="InvalidResponse", method=method, url=url.partition("?")[0])


def list_of(shape: Shape) -> Shape:
    """Return the shape of a list whose entries have this shape."""
    return Shape(f"a list ({shape.name})", _list(shape.check))


def _object(members: Mapping[str, Check], required: Collection[str] = ()) -> Check:
    """Return a check for an object with these members, which are optional unless required."""

    def check(value: Any) -> Any:
        if not isinstance(value, _OBJECTS):
            raise _wrong("an object", value)
        changes: dict[str, Any] | None = None
        for name, check_member in members.items():
            member = value.get(name, _ABSENT)
            if member is _ABSENT or member is None:
                if name in required:
                    raise WrongShape("is missing", name)
                checked = member
            else:
                try:
                    checked = check_member(member)
                except WrongShape as wrong:
                    raise wrong.inside(name) from None
            if checked is not member or checked is None:
                changes = {**(changes or {}), name: checked}
        return value if changes is None else _with_changes(value, changes)

    return check


def _with_changes(value: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an object with other parts, and without those that are now null."""
    changed = {**value, **changes}
    return {name: part for name, part in changed.items() if part is not None or name not in changes}


def _list(check_entry: Check) -> Check:
    """Return a check for a list, which removes entries that are null."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong("a list", value)
        entries = []
        is_changed = False
        for number, entry in enumerate(value):
            if entry is None:
                is_changed = True
                continue
            try:
                checked = check_entry(entry)
            except WrongShape as wrong:
                raise wrong.inside(f"[{number}]") from None
            is_changed = is_changed or checked is not entry
            entries.append(checked)
        return entries if is_changed else value

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong("a string", value)
    return value


def _name(value: Any) -> str:
    """Check an id or a name; return a number as a string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not _text(value):
        raise WrongShape("is empty")
    return str(value)


def _whole_number(value: Any) -> int:
    """Check a whole number; return digits in a string and floats such as 3.0 as an int."""
    is_whole = isinstance(value, float) and value.is_integer()
    is_digits = isinstance(value, str) and value.isascii() and value.isdecimal()
    if isinstance(value, bool) or not (isinstance(value, int) or is_whole or is_digits):
        raise _wrong("a whole number", value)
    return int(value)


def _domain(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong("a number", value)
    return value


def _statuses(value: Any) -> list[Any]:
    """Check statuses; remove those without a code, which have no meaning."""
    statuses: list[Any] = _status_list(value)
    if all("code" in status for status in statuses):
        return statuses
    return [status for status in statuses if "code" in status]


def _or_blank(check_part: Check) -> Check:
    """Return a check for a column of Resource Graph, where an empty string means no value."""

    def check(value: Any) -> Any:
        return None if value == "" else check_part(value)

    return check


def _wrong(wanted: str, value: Any) -> WrongShape:
    return WrongShape(f"must be {wanted}, not {_kind(value)}")


def _kind(value: Any) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "a bool"),
        (int, "a number"),
        (float, "a number"),
        (str, "a string"),
        (list, "a list"),
        (dict, "an object"),
    )
    if value is None:
        return "null"
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


_status_list = _list(_object({"code": _text}))
_IMAGE_PARTS = ("publisher", "offer", "sku", "version", "exactVersion", *IMAGE_ID_KEYS)
_REFERENCE = _object(dict.fromkeys(_IMAGE_PARTS, _text))
_OS_DISK = _object({"image": _object({"uri": _text})})
_STORAGE = _object({"imageReference": _REFERENCE, "osDisk": _OS_DISK})
_EXTENSIONS = _list(_object({"properties": _object({"type": _text})}))
_SKU = _object({"name": _text, "capacity": _whole_number})

_PROFILE = _object(
    {
        "storageProfile": _STORAGE,
        "securityProfile": _object({"securityType": _text}),
        "extensionProfile": _object({"extensions": _EXTENSIONS}),
    }
)
_UPGRADE_POLICY = _object({"mode": _text, "automaticOSUpgradePolicy": _object({})})
_SCALE_SET_PROPERTIES = _object(
    {
        "provisioningState": _text,
        "orchestrationMode": _text,
        "upgradePolicy": _UPGRADE_POLICY,
        "automaticRepairsPolicy": _object({}),
        "virtualMachineProfile": _PROFILE,
    }
)
_VIEW = _object(
    {
        "statuses": _statuses,
        "vmHealth": _object({"status": _object({"code": _text})}),
        "platformUpdateDomain": _domain,
        "platformFaultDomain": _domain,
        "placementGroupId": _text,
    }
)
_INSTANCE_PROPERTIES = _object(
    {
        "provisioningState": _text,
        "storageProfile": _STORAGE,
        "hardwareProfile": _object({"vmSize": _text}),
        "protectionPolicy": _object({}),
        "instanceView": _VIEW,
    }
)
_INSTANCE_MEMBERS: dict[str, Check] = {
    "id": _text,
    "name": _text,
    "instanceId": _name,
    "etag": _text,
    "location": _text,
    "zones": _list(_name),
    "tags": _object({}),
    "sku": _SKU,
    "resources": _EXTENSIONS,
    "properties": _INSTANCE_PROPERTIES,
}

STORAGE_PROFILE = Shape("a storage profile", _STORAGE)
SCALE_SET = Shape(
    "a scale set",
    _object(
        {
            "id": _text,
            "name": _text,
            "location": _text,
            "etag": _text,
            "tags": _object({}),
            "sku": _SKU,
            "plan": _object(dict.fromkeys(("publisher", "product", "name"), _text)),
            "properties": _SCALE_SET_PROPERTIES,
        },
        required=("properties",),
    ),
)
INSTANCE = Shape("an instance", _object(_INSTANCE_MEMBERS, required=("instanceId",)))
MACHINE = Shape("a virtual machine", _object(_INSTANCE_MEMBERS))
INSTANCE_VIEW = Shape("an instance view", _VIEW)
SCALE_SET_VIEW = Shape(
    "the instance view of a scale set",
    _object(
        {
            "statuses": _statuses,
            "virtualMachine": _object({"statusesSummary": _statuses}),
            "extensions": _list(_object({"name": _text, "statusesSummary": _statuses})),
        }
    ),
)
_COUNTS = ("successful", "failed", "inProgress", "pending")
ROLLING_UPGRADE = Shape(
    "a rolling upgrade",
    _object(
        {
            "properties": _object(
                {
                    "policy": _object({}),
                    "runningStatus": _object({"code": _text}),
                    "progress": _object(
                        {f"{count}InstanceCount": _whole_number for count in _COUNTS}
                    ),
                    "error": _object({}),
                }
            )
        }
    ),
)
IMAGE_ENTRY = Shape(
    "an image", _object({"name": _name, "id": _text, "location": _text}, required=("name",))
)
_PUBLISHING = _object({"targetRegions": _list(_object({"name": _text}))})
_IMAGE_VERSION = _object({"provisioningState": _text, "publishingProfile": _PUBLISHING})
GALLERY_IMAGE_VERSION = Shape(
    "an image version",
    _object({"name": _name, "id": _name, "properties": _IMAGE_VERSION}, required=("name", "id")),
)
SHARED_IMAGE_VERSION = Shape(
    "a version of a shared image",
    _object({"name": _name, "properties": _object({})}, required=("name",)),
)
SUBSCRIPTION = Shape(
    "a subscription",
    _object({"subscriptionId": _name, "displayName": _text}, required=("subscriptionId",)),
)
LOCATION = Shape("a region", _object({"name": _name, "displayName": _text}, required=("name",)))
RESOURCE_GROUP = Shape(
    "a resource group",
    _object({"name": _name, "location": _text, "properties": _object({})}, required=("name",)),
)
AUTOSCALE_SETTING = Shape(
    "an autoscale setting",
    _object({"name": _text, "properties": _object({"targetResourceUri": _text})}),
)
RESOURCE = Shape("a resource", _object({"properties": _object({})}))
"""A list entry whose content the library does not read."""
OPERATION = Shape(
    "an operation",
    _object({"status": _text, "properties": _object({"provisioningState": _text})}),
)
GRAPH_PAGE = Shape(
    "a page of Resource Graph",
    _object(
        {
            "$skipToken": _text,
            "data": _list(
                _object(
                    {
                        "id": _name,
                        "name": _name,
                        "subscriptionId": _name,
                        "resourceGroup": _name,
                        "location": _text,
                        "tags": _or_blank(_object({})),
                        "capacity": _or_blank(_whole_number),
                        "mode": _text,
                        "reference": _or_blank(_REFERENCE),
                        "uri": _text,
                    },
                    required=("id", "name", "subscriptionId", "resourceGroup"),
                )
            ),
        },
        required=("data",),
    ),
)
