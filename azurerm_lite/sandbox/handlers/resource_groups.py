"""Handlers for resource groups."""

from __future__ import annotations

import re

from .. import errors
from .._answer import Answer
from ..model.resources import SUBSCRIPTION, Json
from . import render
from ._call import Call, accept, check_group_is_not_deleting, page

_TAG_FILTER = re.compile(r"tagName eq '([^']*)'(?: and tagValue eq '([^']*)')?", re.IGNORECASE)


def list_groups(call: Call) -> Answer:
    """Resource Groups - List."""
    groups = list(call.cloud.groups.values())
    if text := call.query.get("$filter"):
        match = _TAG_FILTER.fullmatch(text.strip())
        if not match:
            message = f"Invalid $filter '{text}' specified in the query."
            raise errors.ApiError(400, "InvalidFilterInQueryString", message)
        groups = [group for group in groups if _has_tag(group, match[1], match[2])]
    return page(call, [render.group(group) for group in groups])


def get_group(call: Call) -> Answer:
    """Resource Groups - Get."""
    return Answer(200, render.group(call.cloud.resource_group(call.names["rg"])))


def check_group(call: Call) -> Answer:
    """Resource Groups - Check Existence."""
    return Answer(204 if call.names["rg"].lower() in call.cloud.groups else 404)


def put_group(call: Call) -> Answer:
    """Resource Groups - Create Or Update."""
    name = call.names["rg"]
    current = call.cloud.groups.get(name.lower())
    location = call.body.get("location") or (current or {}).get("location")
    if not location:
        raise errors.location_required()
    check_group_is_not_deleting(call)
    group = {"name": (current or {}).get("name", name), "location": location}
    if call.body.get("tags"):
        group["tags"] = call.body["tags"]
    call.cloud.groups[name.lower()] = group
    return Answer(200 if current else 201, render.group(group))


def delete_group(call: Call) -> Answer:
    """Resource Groups - Delete: with all its resources."""
    cloud = call.cloud
    name = call.names["rg"].lower()
    group = cloud.resource_group(name)
    check_group_is_not_deleting(call)

    def end() -> None:
        cloud.groups.pop(name, None)
        prefix = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}/"
        cloud.images = {image for image in cloud.images if not image.lower().startswith(prefix)}

    for vmss in [vmss for (group_name, _), vmss in cloud.sets.items() if group_name == name]:
        cloud.delete(vmss)
    job = cloud.start_operation(None, cloud.upgrade_seconds, end)
    group["deletion"] = job
    answer = accept(call, job)
    # Resource groups return only a Location, at another path.
    del answer.headers["Azure-AsyncOperation"]
    path = f"/subscriptions/{SUBSCRIPTION}/operationresults/{job.id}"
    answer.headers["Location"] = f"{call.base_url}{path}?api-version={call.api_version}"
    return answer


def _has_tag(group: Json, name: str, value: str | None) -> bool:
    tags = group.get("tags") or {}
    return name in tags and value in (None, tags[name])
