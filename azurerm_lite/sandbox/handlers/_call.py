"""Shared parts of handlers: parsed request, long-running operations, pages, common checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .. import errors
from .._answer import Answer
from ..model.cloud import Cloud
from ..model.resources import SUBSCRIPTION, Instance, Operation, ScaleSet
from . import render

Json = dict[str, Any]
# The rate limits that count VMs: VMs that a write changes, and VMs that a read returns.
BATCHED_VMS = "VMScaleSetBatchedVMRequests"
VM_VIEWS = "VMScaleSetVMViews"
# The number of slashes in the path of a whole scale set.
_SCALE_SET_DEPTH = 8


@dataclass
class Call:
    """A parsed request.

    Attributes:
        names: The names in the path by placeholder of the route, and `path`, the whole path.
        headers: The headers by name in lower case.
    """

    cloud: Cloud
    method: str
    base_url: str
    names: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: Json
    page_size: int

    @property
    def vmss(self) -> ScaleSet:
        """The scale set in the path."""
        return self.cloud.scale_set(self.names["rg"], self.names["vmss"])

    @property
    def instance(self) -> Instance:
        """The instance in the path by its number, which Flexible sets do not have."""
        vmss = self.vmss
        if vmss.is_flexible:
            raise errors.instance_id_not_a_number()
        try:
            return vmss.instances[self.names["vm"]]
        except KeyError:
            raise errors.entity_not_found() from None

    @property
    def api_version(self) -> str:
        """The api-version."""
        return self.query["api-version"]

    @property
    def has_etags(self) -> bool:
        """Whether bodies contain etags in this api-version."""
        return self.api_version >= render.ETAG_SINCE

    @property
    def has_notifications(self) -> bool:
        """Whether the answer has `Azure-AsyncNotification`, as for a write of a scale set."""
        is_write = self.method in ("PUT", "PATCH", "DELETE")
        return is_write and self.names["path"].count("/") == _SCALE_SET_DEPTH

    @property
    def url(self) -> str:
        """The URL of the request, with no parameter except the api-version."""
        return f"{self.base_url}{self.names['path']}?api-version={self.api_version}"

    @property
    def instance_ids(self) -> list[str] | None:
        """The instance ids in the body, or `None`."""
        given = self.body.get("instanceIds")
        if given is None:
            return None
        is_list = isinstance(given, list)
        if not is_list or not all(isinstance(instance_id, str) for instance_id in given):
            raise errors.invalid_request_content("instanceIds must be an array of strings.")
        return given or None

    @property
    def required_instance_ids(self) -> list[str]:
        """The instance ids in the body.

        Raises:
            ApiError: The body has no instance ids.
        """
        if not self.instance_ids:
            message = "Required parameter 'instanceIds' is missing (null)."
            raise errors.invalid_parameter(message, "instanceIds")
        return self.instance_ids

    def expands(self, part: str) -> bool:
        """Return whether `$expand` contains a part, given in lower case."""
        return part in self.query.get("$expand", "").lower()


Handler = Callable[[Call], Answer]


def accept(call: Call, job: Operation, status: int = 202, body: Json | None = None) -> Answer:
    """Return the first answer of a long-running operation; without a body, with a `Location`."""
    base = f"{call.base_url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"
    path = f"{base}/locations/{job.location}/operations/{job.id}"
    version = f"api-version={call.api_version}"
    headers = {"Azure-AsyncOperation": f"{path}?{version}", **retry_after(call.cloud)}
    if body is None:
        headers["Location"] = f"{path}?monitor=true&{version}"
    if call.has_notifications:
        headers["Azure-AsyncNotification"] = "Enabled"
    return Answer(status, body, headers)


def accept_for_vms(
    call: Call, job: Operation, status: int = 202, body: Json | None = None
) -> Answer:
    """Return the first answer of an operation on VMs of a scale set.

    A rate limit counts the VMs that the operation changes, except on a Flexible set.
    """
    answer = accept(call, job, status, body)
    vmss = job.scale_set
    if vmss and not vmss.is_flexible:
        answer.vm_policy = BATCHED_VMS
        answer.vm_count = len(job.targets)
    return answer


def etag_header(etag: int) -> dict[str, str]:
    """Return the header with the etag of a single resource."""
    return {"ETag": f'"{etag}"'}


def retry_after(cloud: Cloud) -> dict[str, str]:
    """Return the header `Retry-After`; none if upgrades take less than a second."""
    if cloud.upgrade_seconds < 1:
        return {}
    return {"Retry-After": str(min(10, int(cloud.upgrade_seconds)))}


def page(call: Call, entries: list[Any], render: Callable[[Any], Json] | None = None) -> Answer:
    """Return a page of a list, with a link to the next page if there is one.

    The link contains the last entry of the page. So no entry is skipped or repeated if others are
    added or deleted in the meantime.

    Args:
        call: The request.
        entries: All entries, as JSON or as instances.
        render: Converts an entry to JSON; called for the entries of the page only.
    """
    start = _start_of_page(call, entries)
    end = start + call.page_size
    part = entries[start:end]
    body: Json = {"value": [render(entry) for entry in part] if render else part}
    if end < len(entries):
        query = {**call.query, "$skiptoken": f"{start}~{_entry_id(part[-1])}"}
        parameters = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        body["nextLink"] = f"{call.base_url}{call.names['path']}?{parameters}"
    return Answer(200, body)


def check_uniform(vmss: ScaleSet, operation: str) -> None:
    """Reject an operation that Flexible sets do not support."""
    if vmss.is_flexible:
        raise errors.operation_not_allowed_on_flexible(operation, vmss.name)


def check_group_is_not_deleting(call: Call) -> None:
    """Reject a write in a resource group that is being deleted."""
    deletion = call.cloud.groups.get(call.names["rg"].lower(), {}).get("deletion")
    if deletion and not deletion.ended:
        raise errors.resource_group_being_deleted(call.names["rg"])


def check_etag(call: Call, resource: ScaleSet | Instance | None) -> None:
    """Reject a write if its If-Match or If-None-Match is not fulfilled."""
    expected = call.headers.get("if-match")
    current = f'"{resource.etag}"' if resource else ""
    if expected and (not resource or expected not in ("*", current)):
        raise errors.etag_mismatch(expected, current)
    if resource and call.headers.get("if-none-match") == "*":
        raise errors.resource_exists()


def read_object(parent: Json, key: str) -> Json:
    """Return a member of a body that must be an object; empty if it is missing."""
    value = parent.get(key) or {}
    if not isinstance(value, dict):
        raise errors.invalid_request_content(f"'{key}' is not an object.")
    return value


def find_by_name(entries: list[Json], name: str) -> Json:
    """Return the entry with a name, ignoring case.

    Raises:
        ApiError: The entry does not exist.
    """
    for entry in entries:
        if entry["name"].lower() == name.lower():
            return entry
    raise errors.entity_not_found()


def _start_of_page(call: Call, entries: list[Any]) -> int:
    token = call.query.get("$skiptoken")
    if token is None:
        return 0
    if not re.fullmatch(r"\d+~.+", token):
        raise errors.invalid_parameter("The provided skip token is invalid.", "$skiptoken")
    position, _, last = token.partition("~")
    ids = [_entry_id(entry) for entry in entries]
    return ids.index(last) + 1 if last in ids else min(int(position), len(entries))


def _entry_id(entry: Any) -> str:
    if isinstance(entry, Instance):
        return entry.id
    return str(entry.get("id") or entry.get("name"))
