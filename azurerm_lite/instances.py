"""Group instances by domain or batch, and read their states and ids: pure functions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ._arguments import is_list
from .types import Domain, Instance, InstanceIds

UNKNOWN = "unknown"
"""The domain of instances for which Azure reports none."""

_NOTHING: dict[str, Any] = {}
# A dict is found sooner by itself.
_MAPPINGS = (dict, Mapping)
_ZONES = (list, type(None))
# Digits in a Uniform set, a VM's name in a Flexible one.
_ID = re.compile(r"[0-9]+|[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def by_update_domain(instances: Iterable[Instance]) -> dict[Domain, list[str]]:
    """Return instance ids by update domain.

    Args:
        instances: Instances with their instance views, as `get_instance_views` returns them.

    Returns:
        A dict `{update domain: [instance id, …]}`, domains ascending, ids in numeric order.
        Instances without an update domain (for example in Flexible sets) are under `"unknown"`,
        last. In a set with several placement groups or zones, instances of all of them with the
        same domain number are grouped together.

    Raises:
        ValueError: `instances` is not a list of instances.
    """
    return _by_view(instances, "platformUpdateDomain")


def by_fault_domain(instances: Iterable[Instance]) -> dict[Domain, list[str]]:
    """Return instance ids by fault domain.

    Args:
        instances: Instances with their instance views, as `get_instance_views` returns them.

    Returns:
        A dict `{fault domain: [instance id, …]}`, domains ascending, ids in numeric order;
        instances without one are under `"unknown"`, last.

    Raises:
        ValueError: `instances` is not a list of instances.
    """
    return _by_view(instances, "platformFaultDomain")


def by_zone(instances: Iterable[Instance]) -> dict[Domain, list[str]]:
    """Return instance ids by availability zone.

    Args:
        instances: Instances, with or without their instance views.

    Returns:
        A dict `{zone: [instance id, …]}`, zones (strings, as in Azure) ascending, ids in
        numeric order; instances without a zone are under `"unknown"`, last.

    Raises:
        ValueError: `instances` is not a list of instances.
    """
    groups: dict[Domain, list[str]] = {}
    for instance in require_instances(instances):
        zones = instance.get("zones") or [""]
        groups.setdefault(zones[0] or UNKNOWN, []).append(instance["instanceId"])
    return _in_order(groups)


def in_batches(instances: Iterable[Instance], size: int) -> list[list[str]]:
    """Return instance ids in batches of a fixed size, regardless of domains.

    Args:
        instances: Instances, with or without their instance views.
        size: Instances per batch, 1 or more.

    Returns:
        A list of lists of ids: the batches, ids in numeric order; the last batch may be smaller.

    Raises:
        ValueError: `size` is not a whole number of 1 or more, or `instances` is not a list of
            instances.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a whole number of 1 or more, not {size!r}")
    ids = sorted_ids(instance["instanceId"] for instance in require_instances(instances))
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def require_instances(instances: Iterable[Instance]) -> list[Instance]:
    """Return instances as a list; raise for a single instance or a model.

    Args:
        instances: The caller's value.

    Returns:
        A list of the same instances.

    Raises:
        ValueError: It is not a list of instances. The message does not show it, since a model may
            contain a password.
    """
    known = _as_list(instances)
    for number, instance in enumerate(known):
        if not _is_instance(instance) or not isinstance(instance.get("instanceId"), str):
            raise ValueError(
                "instances must be a list of instances, as get_instance_views() returns it:"
                f" number {number} is not an instance"
            )
    return known


def _as_list(instances: Iterable[Instance]) -> list[Instance]:
    if not is_list(instances):
        raise ValueError(
            "instances must be a list of instances, as get_instance_views() returns it, not a"
            f" {type(instances).__name__}"
        )
    return list(instances)


def _is_instance(given: Any) -> bool:
    """Return whether a value has the shape that the functions of this module read."""
    if not isinstance(given, _MAPPINGS):
        return False
    properties = given.get("properties") or _NOTHING
    if not isinstance(properties, _MAPPINGS):
        return False
    view = properties.get("instanceView") or _NOTHING
    return isinstance(view, _MAPPINGS) and isinstance(given.get("zones"), _ZONES)


def _by_view(instances: Iterable[Instance], name: str) -> dict[Domain, list[str]]:
    """Return instance ids by a domain of the instance views."""
    known = _as_list(instances)
    groups: dict[Domain, list[str]] = defaultdict(list)
    try:
        for instance in known:
            # Same as view(); the call would take a third of the time for a thousand instances.
            properties = instance.get("properties") or _NOTHING
            domain: Any = (properties.get("instanceView") or _NOTHING).get(name)
            groups[UNKNOWN if domain is None else domain].append(instance["instanceId"])
        return _in_order(groups)
    except (AttributeError, KeyError, TypeError):
        # Checking each instance beforehand would take longer than grouping them.
        require_instances(known)
        raise


def _in_order(groups: Mapping[Domain, Iterable[str]]) -> dict[Domain, list[str]]:
    return {domain: sorted_ids(groups[domain]) for domain in sorted(groups, key=_domain_order)}


def _domain_order(domain: Domain) -> tuple[bool, tuple[int, str]]:
    return domain == UNKNOWN, id_sort_key(str(domain))


def id_sort_key(instance_id: str) -> tuple[int, str]:
    """Return a sort key: numbers in numeric order, names after them."""
    return (int(instance_id), "") if instance_id.isdecimal() else (2**63, instance_id)


def sorted_ids(ids: Iterable[str]) -> list[str]:
    """Return ids in numeric order, names after them."""
    ids = sorted(ids)
    # Azure writes no leading zeros, so the shorter number is the smaller one.
    return sorted(ids, key=len if "".join(ids).isdecimal() else id_sort_key)


def parse_instance_ids(instance_ids: InstanceIds, argument: str = "instance_ids") -> list[str]:
    """Return instance ids as Azure expects them, without duplicates, in the order given.

    Args:
        instance_ids: One id or several, as strings or whole numbers; or `"*"` for all.
        argument: Name of the argument, for the error.

    Returns:
        A list of strings; `["*"]` for all.

    Raises:
        ValueError: The list is empty or contains an invalid id. (For Azure an empty list means all
            instances.)
    """
    # Iterating over a dict would yield its keys, such as domains, and over bytes numbers.
    given: list[Any] = list(instance_ids) if is_list(instance_ids) else [instance_ids]  # type: ignore[arg-type]
    if not given:
        raise ValueError(f"{argument} is empty: name at least one instance, or '*' for all")
    ids = list(dict.fromkeys(_id(value, argument) for value in given))
    if "*" in ids and len(ids) > 1:
        raise ValueError(f"{argument} mixes '*' with other ids: {ids!r}")
    return ids


def parse_instance_id(instance_id: str | int, argument: str = "instance_id") -> str:
    """Return one instance id as Azure expects it.

    Args:
        instance_id: The id, as a string or a whole number.
        argument: Name of the argument, for the error.

    Returns:
        The id as a string.

    Raises:
        ValueError: It is not a valid instance id.
    """
    if instance_id == "*":
        raise ValueError(f"{argument} must be one instance id, not '*'")
    return _id(instance_id, argument)


def _id(value: str | int, argument: str) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text == "*" or _ID.fullmatch(text)):
        raise ValueError(
            f"{argument} must be an instance id such as '3', or a list of ids, not {value!r}"
        )
    return text


def properties_of(instance: Instance) -> dict[str, Any]:
    """Return the properties of an instance.

    Args:
        instance: An instance as Azure lists it. In the list of a Flexible set it has no properties.

    Returns:
        A dict; empty if there are none.
    """
    return instance.get("properties") or {}  # type: ignore[return-value]


def view(instance: Instance) -> dict[str, Any]:
    """Return the instance view inside an instance; empty if there is none."""
    return properties_of(instance).get("instanceView") or {}


def power_state(instance: Instance) -> str | None:
    """Return the power state of an instance.

    Args:
        instance: One instance as `get_instance_views` returns it.

    Returns:
        A string in lower case, such as `running`, `stopped` or `deallocated`; `None` if Azure does
        not report one.

    Raises:
        ValueError: `instance` is not an instance.
    """
    return _status(_require_instance(instance), "powerstate")


def provisioning_state(instance: Instance) -> str:
    """Return the provisioning state of an instance.

    Args:
        instance: One instance, with or without its instance view.

    Returns:
        A string in lower case, such as `succeeded`, `updating` or `failed`; `unknown` if Azure does
        not report one.

    Raises:
        ValueError: `instance` is not an instance.
    """
    properties = properties_of(_require_instance(instance))
    return str(properties.get("provisioningState") or "unknown").lower()


def health(instance: Instance) -> str | None:
    """Return the application health of an instance.

    Args:
        instance: One instance as `get_instance_views` returns it.

    Returns:
        A string in lower case, such as `healthy` or `unhealthy`; `None` if the instance reports no
        health, because it has no health extension or probe.

    Raises:
        ValueError: `instance` is not an instance.
    """
    reported = view(_require_instance(instance)).get("vmHealth") or {}
    code = (reported.get("status") or {}).get("code")
    return code.rpartition("/")[2].lower() if code else None


def upgrade_mode(model: Mapping[str, Any]) -> str:
    """Return the upgrade mode of a scale set.

    Args:
        model: A scale set as `get_vmss` returns it.

    Returns:
        A string: `Manual`, `Automatic` or `Rolling`. A set without an upgrade policy, such as some
        Flexible sets, is `Manual`.

    Raises:
        ValueError: `model` is not a scale set.
    """
    if not isinstance(model, Mapping) or not isinstance(model.get("properties"), Mapping):
        kind = type(model).__name__
        raise ValueError(f"model must be a scale set as get_vmss() returns it, not a {kind}")
    policy = model["properties"].get("upgradePolicy") or {}
    return str(policy.get("mode") or "Manual")


def _require_instance(instance: Instance) -> Instance:
    if not _is_instance(instance):
        kind = type(instance).__name__
        raise ValueError(f"instance must be one instance from get_instance_views(), not a {kind}")
    return instance


def has_latest_model(instance: Instance) -> bool:
    """Return whether an instance is known to have the latest model.

    Args:
        instance: An instance, with or without its instance view.

    Returns:
        A bool; `False` also if Azure does not report it.
    """
    return bool(properties_of(instance).get("latestModelApplied"))


def provisioning_status(instance: Instance) -> str | None:
    """Return the provisioning status in the instance view in lower case, such as `succeeded`.

    Members of a Flexible set have it in place of a provisioning state.

    Args:
        instance: An instance with its instance view.

    Returns:
        A string such as `failed/allocationfailed`; `None` if the view has none.
    """
    return _status(instance, "provisioningstate")


def last_operation_time(instance: Instance) -> datetime | None:
    """Return when the last operation on an instance ended, or the current one started.

    It is the time of the provisioning status, which changes for example with a restart.

    Args:
        instance: An instance with its instance view.

    Returns:
        The time, in UTC; `None` if Azure does not report one.
    """
    for entry in view(instance).get("statuses") or ():
        if str(entry.get("code") or "").lower().startswith("provisioningstate/"):
            return _parse_time(entry.get("time"))
    return None


def _parse_time(text: object) -> datetime | None:
    """Return a parsed time in UTC; `None` for another text, or a time without an offset."""
    try:
        time = datetime.fromisoformat(str(text))
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def failure(instance: Instance) -> tuple[str, str]:
    """Return why the provisioning of an instance failed, from its instance view.

    Args:
        instance: An instance with its instance view.

    Returns:
        A tuple of Azure's error code, such as `AllocationFailed`, and its message; each `""` if it
        is missing.
    """
    prefix = "provisioningstate/failed"
    for entry in view(instance).get("statuses") or ():
        code = str(entry.get("code") or "")
        if code.lower().startswith(prefix):
            return code[len(prefix) :].strip("/"), str(entry.get("message") or "")
    return "", ""


def _status(instance: Instance, family: str) -> str | None:
    """Return the status of a family such as `powerstate` in lower case, or `None`."""
    prefix = family + "/"
    for entry in view(instance).get("statuses") or ():
        code = str(entry.get("code") or "").lower()
        if code.startswith(prefix):
            return code[len(prefix) :]
    return None
