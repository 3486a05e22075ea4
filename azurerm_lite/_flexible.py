"""Read the members of a Flexible scale set in the shape of a Uniform set's instances.

Azure's own list of a Flexible set has little more than the names. The models of the members are in
the list of virtual machines, their states in the same list with `$expand=instanceView`. So reading
a set needs three lists. It also needs one instance view for each member whose view is missing from
the lists, or lacks the application health that the set's health extension reports.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from . import _clock, _retry, _shapes, rest, settings
from ._ids import fold_id, runs_image
from .errors import AzureError, NotFound, Throttled
from .types import Instance, ScaleSet, Token

PAGE_SIZE = 200
"""Approximate number of entries per page."""
LISTS = 3
"""Number of lists of a reading."""
PARALLEL_READS = 8
"""The most instance views that are read at the same time."""
_ATTEMPTS = 3
"""The most attempts to read one view if it fails for a transient reason."""

_GROUP = (
    "/subscriptions/{subscription_id}/resourceGroups/{resource_group}/providers/Microsoft.Compute"
)
_SET = _GROUP + "/virtualMachineScaleSets/{vmss_name}"
_SET_MEMBERS = _SET + "/virtualMachines"
_MACHINES = _GROUP + "/virtualMachines"
_MACHINE = _MACHINES + "/{instance_id}"

_REJECTED = 400
"""The HTTP status of Azure's error for a call that only Uniform sets support."""
_NOT_FOR_FLEXIBLE = "BadRequest"
"""The code of that error."""
_PROFILE_TAG = "VirtualMachineProfileTimeCreated"
_HEALTH_EXTENSIONS = ("applicationhealthlinux", "applicationhealthwindows")


class SetPath(NamedTuple):
    """The names in the path of a scale set."""

    subscription_id: str
    resource_group: str
    vmss_name: str


class Members(NamedTuple):
    """The three lists of a Flexible set."""

    listed: list[dict[str, Any]]
    machines: list[dict[str, Any]]
    expanded: list[dict[str, Any]]


def is_flexible(model: Mapping[str, Any]) -> bool:
    """Return whether a scale set is in Flexible orchestration.

    Args:
        model: A scale set as `get_vmss` returns it.

    Returns:
        `True` for Flexible; `False` for Uniform, and for a set without an orchestration mode.
    """
    mode = model.get("properties", {}).get("orchestrationMode")
    return isinstance(mode, str) and mode.lower() == "flexible"


def has_profile(model: Mapping[str, Any]) -> bool:
    """Return whether a scale set has a virtual machine profile, which upgrades require.

    Args:
        model: A scale set as `get_vmss` returns it.

    Returns:
        Whether `properties.virtualMachineProfile` is present.
    """
    return bool(model.get("properties", {}).get("virtualMachineProfile"))


def read_instances(access_token: Token, path: SetPath, model: ScaleSet) -> list[Instance]:
    """Read all members of a Flexible scale set.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.
        model: The scale set as `get_vmss` returns it, to derive which members are current.

    Returns:
        A list of instances: `instanceId` (the VM's name), `zones`, `tags` and `properties` with
        `provisioningState`, `storageProfile`, `instanceView`, `protectionPolicy` and, if it can
        be derived, `latestModelApplied`.

    Raises:
        AzureError: Azure returned an error, or listed members of the set but no virtual machines.
    """
    members = read_lists(access_token, path)
    merged = _shapes.require(_shapes.list_of(_shapes.INSTANCE), merge(members))
    return _complete(access_token, path, model, merged)


def read_again(
    access_token: Token, path: SetPath, model: ScaleSet, instances: Iterable[Instance]
) -> list[Instance]:
    """Read some members again, each in one or two requests.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.
        model: The scale set as `get_vmss` returns it, to derive which members are current.
        instances: The members, as `read_instances` returns them.

    Returns:
        A list of instances, as `read_instances` returns them, without those that no longer exist.
        Their protection policy is the one given, as only the set's own list has it.

    Raises:
        AzureError: Azure returned an error, with its code and message.
    """
    return _complete(access_token, path, model, [_as_listed(instance) for instance in instances])


def _as_listed(instance: Instance) -> Instance:
    """Return what only the set's own list has of a member: the protection policy."""
    policy = instance["properties"].get("protectionPolicy")
    kept = {} if policy is None else {"protectionPolicy": policy}
    return cast("Instance", {**instance, "properties": kept})


def _complete(
    access_token: Token, path: SetPath, model: ScaleSet, listed: Sequence[Instance]
) -> list[Instance]:
    """Return members with what the lists lack: machine, view, and whether they are current."""
    instances = _read_missing_machines(access_token, path, listed)
    _read_missing_views(access_token, path, model, instances)
    for instance in instances:
        current = is_current(instance, model)
        if current is not None:
            instance["properties"]["latestModelApplied"] = current
    return instances


def read_instances_unless_uniform(
    access_token: Token, path: SetPath, rejection: AzureError
) -> list[Instance]:
    """Read the members if Azure rejected the list with views because the set is Flexible.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.
        rejection: Azure's error for the list with views, which only Uniform sets have.

    Returns:
        A list of instances, as `read_instances` returns them.

    Raises:
        AzureError: The rejection itself if the set is not Flexible; or as for `read_instances`.
    """
    if rejection.status_code != _REJECTED:
        raise rejection
    try:
        url = _url(_SET, path._asdict())
        model: ScaleSet = rest.get_object(access_token, url, _shapes.SCALE_SET)
    except AzureError:
        raise rejection from None
    if not is_flexible(model):
        raise rejection
    return read_instances(access_token, path, model)


def with_alternative(rejection: AzureError, alternative: str) -> AzureError:
    """Return an error, with the function to call instead if the set is Flexible.

    Args:
        rejection: Azure's error.
        alternative: The function to call instead.

    Returns:
        The same error.
    """
    if rejection.status_code == _REJECTED and rejection.code == _NOT_FOR_FLEXIBLE:
        rejection.message += f" (Azure supports this only for Uniform sets: use {alternative}.)"
    return rejection


def read_member(access_token: Token, path: SetPath, name: str) -> Instance:
    """Read one member with its instance view, in one request.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.
        name: The name of the member's virtual machine.

    Returns:
        The instance, without its protection policy, which only the set's own list has.

    Raises:
        NotFound: The virtual machine does not exist.
        AzureError: Azure returned an error, with its code and message.
    """
    url = machine_url(path, name, expand="instanceView")
    machine = rest.get_object(access_token, url, _shapes.MACHINE)
    instance: Instance = _shapes.require(
        _shapes.INSTANCE, to_instance({}, machine, machine), url=url
    )
    return instance


def is_member_name(instance_id: str) -> bool:
    """Return whether an instance id belongs to a member of a Flexible set.

    Args:
        instance_id: An instance id.

    Returns:
        `True` for a name, `False` for a number (a Uniform set's) and for `*`.
    """
    return instance_id != "*" and not instance_id.isdecimal()


def read_lists(access_token: Token, path: SetPath) -> Members:
    """Read the set's own list, and its virtual machines without and with their instance views.

    Both lists of machines are needed: it is not documented whether the list with views also has the
    models of the machines.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.

    Returns:
        The three lists.

    Raises:
        AzureError: Azure returned an error, or the set has members but the list of machines is
            empty.
    """
    listed = rest.get_objects(access_token, _url(_SET_MEMBERS, path._asdict()), _shapes.MACHINE)
    machines = rest.get_objects(access_token, _machines_url(path), _shapes.MACHINE)
    if listed and not machines:
        # Azure returns an empty list, not an error, if it interprets the filter differently.
        raise AzureError(
            f"Azure lists {len(listed)} members of {path.vmss_name}, but no virtual machine that"
            " belongs to it",
            code="InvalidResponse",
            method="GET",
            url=_machines_url(path).partition("?")[0],
        )
    expanded = []
    if machines:
        url = _machines_url(path, expand="instanceView")
        expanded = rest.get_objects(access_token, url, _shapes.MACHINE)
    return Members(listed, machines, expanded)


def merge(members: Members) -> list[Instance]:
    """Return one instance for each member of the three lists, matched by name without case.

    Args:
        members: The lists.

    Returns:
        A list of instances in the order of the set's list, followed by those that are only in the
        machines' list. A member that is being deleted may have neither view nor machine.
    """
    machines = _by_name(members.machines)
    expanded = _by_name(members.expanded)
    names = list(dict.fromkeys([*_by_name(members.listed), *machines]))
    listed = _by_name(members.listed)
    return [
        to_instance(listed.get(name, {}), machines.get(name, {}), expanded.get(name, {}))
        for name in names
    ]


def to_instance(
    listed: Mapping[str, Any], machine: Mapping[str, Any], expanded: Mapping[str, Any]
) -> Instance:
    """Return a member in the shape of a Uniform set's instance.

    Args:
        listed: The member in the set's own list; empty if it is missing.
        machine: The virtual machine; empty if it is missing.
        expanded: The virtual machine with its view; empty if it is missing.

    Returns:
        The instance. Values that several lists have are taken from the machine.
    """
    source = listed or machine
    instance: dict[str, Any] = {
        "id": source.get("id") or machine.get("id") or "",
        "name": source.get("name") or "",
        "instanceId": listed.get("instanceId") or source.get("name") or "",
    }
    for key in ("type", "location", "tags", "etag", "identity", "plan", "resources"):
        value = machine.get(key, expanded.get(key, listed.get(key)))
        if value is not None:
            instance[key] = value
    zones = _zones(machine) or _zones(expanded) or _zones(listed)
    if zones:
        instance["zones"] = zones
    properties: dict[str, Any] = {
        **_properties(listed),
        **_properties(expanded),
        **_properties(machine),
    }
    view = _properties(expanded).get("instanceView") or _properties(machine).get("instanceView")
    if view:
        properties["instanceView"] = view
    instance["properties"] = properties
    return cast("Instance", instance)


def is_current(instance: Mapping[str, Any], model: Mapping[str, Any]) -> bool | None:
    """Return whether a member is current, if that can be derived.

    Azure does not report it. A member with another image or size than the model's is outdated. A
    member with the model's image is current if its tag `VirtualMachineProfileTimeCreated` equals
    the profile's `timeCreated`. Azure sets the tag when it creates a member. It is not documented
    whether an upgrade updates the tag, and other writers may delete it. So a missing or older tag
    proves nothing.

    Args:
        instance: The member, as `read_instances` returns it.
        model: The scale set.

    Returns:
        `True`, `False`, or `None` if it cannot be derived.
    """
    profile = model.get("properties", {}).get("virtualMachineProfile") or {}
    properties = instance.get("properties", {})
    reference = (properties.get("storageProfile") or {}).get("imageReference") or {}
    wanted = (profile.get("storageProfile") or {}).get("imageReference") or {}
    if not reference or not wanted:
        return None
    has_image = runs_image(reference, wanted)
    if has_image is False or not _has_size(properties, model):
        return False
    made_from = parse_tag_time((instance.get("tags") or {}).get(_PROFILE_TAG))
    if has_image and made_from is not None and made_from == _parse_time(profile.get("timeCreated")):
        return True
    return None


def parse_tag_time(text: object) -> datetime | None:
    """Return the time in a member's tag, such as `4/28/2024 6:28:48 AM +00:00`.

    Args:
        text: The value of the tag.

    Returns:
        The time in whole seconds; `None` if the text has another form.
    """
    found = re.fullmatch(
        r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) ([AP])M \+00:00",
        str(text),
        re.IGNORECASE,
    )
    if found is None:
        return None
    month, day, year, hour, minute, second = (int(part) for part in found.groups()[:6])
    hour = hour % 12 + (12 if found[7].upper() == "P" else 0)
    return _utc(year, month, day, hour, minute, second)


def _parse_time(text: object) -> datetime | None:
    """Return a time such as `2024-04-28T06:28:48.0987218+00:00` in whole seconds."""
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", str(text))
    return _utc(*(int(part) for part in found.groups())) if found else None


def _utc(*parts: int) -> datetime | None:
    year, month, day, hour, minute, second = parts
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _has_size(properties: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether a member has the model's size; `Mix` means several sizes."""
    size = (properties.get("hardwareProfile") or {}).get("vmSize")
    wanted = (model.get("sku") or {}).get("name")
    if not size or not wanted or wanted.lower() == "mix":
        return True
    return bool(size.lower() == wanted.lower())


def needs_single_view(instance: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether a member's own view must be read because the lists do not show its state.

    Args:
        instance: The member, merged from the lists.
        model: The scale set.

    Returns:
        `True` if there is no view, or one without the application health that the member reports.
    """
    view = instance["properties"].get("instanceView") or {}
    if not view.get("statuses"):
        return True
    return "vmHealth" not in view and _reports_health(instance, model)


def _reports_health(instance: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether the model or the member has the application health extension."""
    profile = model.get("properties", {}).get("virtualMachineProfile") or {}
    wanted = (profile.get("extensionProfile") or {}).get("extensions") or []
    extensions = [*wanted, *(instance.get("resources") or [])]
    kinds = {
        str((extension.get("properties") or {}).get("type")).lower() for extension in extensions
    }
    return not kinds.isdisjoint(_HEALTH_EXTENSIONS)


def _read_missing_machines(
    access_token: Token, path: SetPath, instances: Sequence[Instance]
) -> list[Instance]:
    """Return the members, reading machines missing from the list; omit deleted members."""

    def read(instance: Instance) -> Any:
        url = machine_url(path, instance["instanceId"], expand="instanceView")
        return _get_or_none(access_token, url, _shapes.MACHINE)

    lacking = [instance for instance in instances if not _has_machine(instance)]
    machines = read_each(lacking, read)
    complete = []
    for instance in instances:
        if _has_machine(instance):
            complete.append(instance)
            continue
        machine = machines[instance["instanceId"]]
        if machine is not None:
            complete.append(to_instance(instance, machine, machine))
    return complete


def _read_missing_views(
    access_token: Token, path: SetPath, model: ScaleSet, instances: Sequence[Instance]
) -> None:
    """Read the instance views that the lists lack, and put them into the members.

    A member that is being deleted has no view.
    """

    def read(instance: Instance) -> Any:
        url = machine_url(path, instance["instanceId"], "/instanceView")
        return _get_or_none(access_token, url, _shapes.INSTANCE_VIEW)

    lacking = [instance for instance in instances if needs_single_view(instance, model)]
    views = read_each(lacking, read)
    for instance in lacking:
        view = views[instance["instanceId"]]
        if view:
            instance["properties"]["instanceView"] = view


def _get_or_none(access_token: Token, url: str, shape: _shapes.Shape) -> Any:
    try:
        return rest.get_object(access_token, url, shape)
    except NotFound:
        return None


def _has_machine(instance: Instance) -> bool:
    return "storageProfile" in instance["properties"]


def read_each(instances: Iterable[Instance], read: Callable[[Instance], Any]) -> dict[str, Any]:
    """Call `read` for each instance, in parallel, and retry transient failures.

    Args:
        instances: The instances.
        read: Function that reads something for one instance.

    Returns:
        A dict `{instance id: result}`.

    Raises:
        AzureError: A read failed permanently, too often, or because Azure throttles.
        requests.ConnectionError, requests.Timeout: Too many reads got no response.
    """
    waiting = list(instances)
    results: dict[str, Any] = {}
    attempt = 0
    while waiting:
        attempt += 1
        failures: dict[str, Exception] = {}
        for instance, result, error in _read_in_parallel(waiting, read):
            if error is None:
                results[instance["instanceId"]] = result
            else:
                failures[instance["instanceId"]] = error
        for error in failures.values():
            is_too_much = attempt >= _ATTEMPTS or len(failures) > PARALLEL_READS
            if is_too_much or isinstance(error, Throttled) or not _retry.is_transient(error):
                raise error
        waiting = [instance for instance in waiting if instance["instanceId"] in failures]
        if waiting:
            _clock.sleep(_retry.delay(attempt))
    return results


def _read_in_parallel(
    instances: Sequence[Instance], read: Callable[[Instance], Any]
) -> list[tuple[Instance, Any, Exception | None]]:
    """Return each instance with its result or its error.

    After more failures than threads, no further read is started: the network may be down.
    """
    from concurrent.futures import ThreadPoolExecutor

    outcomes: list[tuple[Instance, Any, Exception | None]] = []
    failed = 0
    pool = ThreadPoolExecutor(min(PARALLEL_READS, len(instances)), "instance-views")
    try:
        futures = [
            # A copy of the context carries the caller's request hooks into the thread.
            pool.submit(contextvars.copy_context().run, read, instance)
            for instance in instances
        ]
        for instance, future in zip(instances, futures, strict=True):
            try:
                outcomes.append((instance, future.result(), None))
            except Exception as error:
                outcomes.append((instance, None, error))
                failed += 1
            if failed > PARALLEL_READS:
                break
    finally:
        pool.shutdown(cancel_futures=True)
    return outcomes


def _by_name(entries: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the entries of a list by name in lower case; the first entry of a name wins."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name = entry.get("name") or fold_id(entry.get("id")).rpartition("/")[2]
        if name:
            found.setdefault(name.lower(), entry)
    return found


def _properties(entry: Mapping[str, Any]) -> dict[str, Any]:
    return entry.get("properties") or {}


def _zones(entry: Mapping[str, Any]) -> list[str]:
    """Return the zones of an entry; some API versions send `[null]` for no zone."""
    return [zone for zone in entry.get("zones") or () if zone]


def _url(path: str, names: Mapping[str, str], query: Mapping[str, str | None] | None = None) -> str:
    return rest.url(path, names, settings.COMPUTE_API, query)


def _machines_url(path: SetPath, expand: str | None = None) -> str:
    names = {"subscription_id": path.subscription_id, "resource_group": path.resource_group}
    set_id = _SET.format(**path._asdict())
    # The left side is quoted as well.
    query = {"$filter": f"'virtualMachineScaleSet/id' eq '{set_id}'", "$expand": expand}
    return _url(_MACHINES, names, query)


def machine_url(path: SetPath, name: str, action: str = "", expand: str | None = None) -> str:
    """Return the URL of a member's virtual machine.

    Args:
        path: Subscription id, resource group and name of the set. The machine is in that group.
        name: The name of the machine.
        action: The rest of the path, such as `/restart`.
        expand: The value of `$expand`, or `None`.

    Returns:
        A string: the URL at the configured endpoint.

    Raises:
        ValueError: A name is invalid.
    """
    names = {
        "subscription_id": path.subscription_id,
        "resource_group": path.resource_group,
        "instance_id": name,
    }
    return _url(_MACHINE + action, names, {"$expand": expand})
