"""Image drift: the image version of each instance, compared with the newest version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import images, resource_graph, vmss
from ._text import plural
from .types import Image, Instance, InstanceDrift, Token

_HEADER = ("scale set", "instance", "image", "version", "newest", "behind")
_UNKNOWN = "?"


class ImageDrift(list[InstanceDrift]):
    """Instances with their image versions: a list of dicts that prints as a table."""

    def __str__(self) -> str:
        rows = [_HEADER, *(_cells(entry) for entry in self)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        behind = sum(1 for entry in self if entry["behind"])
        unknown = sum(1 for entry in self if entry["behind"] is None)
        end = f"{behind} of {plural(len(self), 'instance')} behind the newest version"
        if unknown:
            end += f", {unknown} unknown"
        return "\n".join([*lines, end])


class _Member(NamedTuple):
    """An instance, with the facts that are needed to find the versions of its image."""

    subscription_id: str
    resource_group: str
    vmss_name: str
    location: str
    instance_id: str
    image: Image


def image_drift(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> ImageDrift:
    """Return the image version of each instance, and the number of newer versions.

    It sends the requests of `get_instance_views`, one for the model and one for each image. Only
    versions that `latest` could mean in the region count as newer.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of dicts that prints as a table: `subscription_id`, `resource_group`, `vmss_name`,
        `instance_id`, `image` (its name without the version), `version` (`""` if Azure does not
        report it), `newest` (`""` for an image without versions) and `behind`, the number of newer
        versions (`None` if unknown).

    Raises:
        NotFound: The scale set does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Get; Virtual Machine Scale Set VMs - List; and those of
        `newest_image_version`.
    """
    where = (subscription_id, resource_group, vmss_name)
    model = vmss.get_vmss(access_token, *where)
    location = str(model.get("location") or "")
    instances = vmss.get_instance_views(access_token, *where)
    members = [
        _Member(*where, location, instance["instanceId"], _image_of(instance))
        for instance in instances
    ]
    return _compare(access_token, members)


def find_image_drift(
    access_token: Token,
    *,
    subscriptions: Sequence[str] | None = None,
    location: str | Sequence[str] | None = None,
) -> ImageDrift:
    """Return the image versions of the members of all Flexible scale sets, with one query.

    The query is sent to Azure Resource Graph, which is about a minute behind. It has the exact
    version of virtual machines, and so of members of Flexible sets. Whether it has the version of
    instances of Uniform sets is not documented: call `image_drift` for each Uniform set. Listing
    the available versions needs one more request for each image and region.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscriptions: Subscription ids; `None` for all that the token can see.
        location: Region, such as `westeurope`. Also a list of regions; `None` for all.

    Returns:
        A list of dicts: the instances of all sets, as `image_drift` returns them.

    Raises:
        ValueError: An argument is invalid; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Resource Graph - Resources; and those of `newest_image_version`.
    """
    regions = resource_graph.parse_scope(subscriptions, location)
    text = resource_graph.query_members(regions)
    rows = resource_graph.rows(access_token, text, subscriptions)
    return _compare(access_token, [_member(row) for row in rows])


def _member(row: Mapping[str, Any]) -> _Member:
    set_id = str(row.get("vmss") or "")
    storage = {"imageReference": row.get("reference") or {}}
    return _Member(
        str(row.get("subscriptionId") or ""),
        str(row.get("resourceGroup") or ""),
        set_id.rpartition("/")[2],
        str(row.get("location") or ""),
        str(row.get("name") or ""),
        _image_of({"properties": {"storageProfile": storage}}),
    )


def _image_of(instance: Instance | Mapping[str, Any]) -> Image:
    try:
        return images.get_image(instance)
    except ValueError:
        return {}


def _compare(access_token: Token, members: Iterable[_Member]) -> ImageDrift:
    """Return the drift of the members; read the versions once for each image and region."""
    known: dict[tuple[str, str, str], list[str]] = {}
    drift = ImageDrift()
    for member in members:
        name = images.name_without_version(member.image)
        key = (member.subscription_id.lower(), member.location.lower(), name.lower())
        if key not in known:
            known[key] = _versions(access_token, member)
        drift.append(_entry(member, name, known[key]))
    return drift


def _versions(access_token: Token, member: _Member) -> list[str]:
    """Return the versions of an image in ascending order; empty for an image without versions."""
    if not images.has_versions(member.image):
        return []
    versions = images.usable_versions(
        access_token, member.subscription_id, member.location, member.image
    )
    return sorted(versions, key=images.version_order)


def _entry(member: _Member, name: str, versions: Sequence[str]) -> InstanceDrift:
    version = images.exact_version(member.image)
    behind = None
    if version and versions:
        order = images.version_order(version)
        behind = sum(1 for other in versions if images.version_order(other) > order)
    return {
        "subscription_id": member.subscription_id,
        "resource_group": member.resource_group,
        "vmss_name": member.vmss_name,
        "instance_id": member.instance_id,
        "image": name,
        "version": version,
        "newest": versions[-1] if versions else "",
        "behind": behind,
    }


def _cells(entry: InstanceDrift) -> tuple[str, ...]:
    return (
        entry["vmss_name"],
        entry["instance_id"],
        entry["image"],
        entry["version"] or _UNKNOWN,
        entry["newest"] or _UNKNOWN,
        _UNKNOWN if entry["behind"] is None else str(entry["behind"]),
    )
