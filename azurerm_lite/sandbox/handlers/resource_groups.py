"""What the sandbox answers to requests for resource groups."""

from __future__ import annotations

import re

from .. import errors
from ..model.resources import SUBSCRIPTION, Json
from . import render
from .scale_sets import Answer, Call, begun, check_stays, page

_TAGGED = re.compile(r"tagName eq '([^']*)'(?: and tagValue eq '([^']*)')?", re.IGNORECASE)


def list_groups(call: Call) -> Answer:
    """Resource Groups - List."""
    groups = list(call.cloud.groups.values())
    if text := call.query.get("$filter"):
        found = _TAGGED.fullmatch(text.strip())
        if not found:
            raise errors.Refusal(
                400,
                "InvalidFilterInQueryString",
                f"Invalid $filter '{text}' specified in the query.",
            )
        groups = [each for each in groups if _has_tag(each, found[1], found[2])]
    return page(call, [render.group(each) for each in groups])


def get_group(call: Call) -> Answer:
    """Resource Groups - Get."""
    return Answer(200, render.group(call.cloud.group(call.names["rg"])))


def check_group(call: Call) -> Answer:
    """Resource Groups - Check Existence."""
    return Answer(204 if call.names["rg"].lower() in call.cloud.groups else 404)


def put_group(call: Call) -> Answer:
    """Resource Groups - Create Or Update."""
    name = call.names["rg"]
    current = call.cloud.groups.get(name.lower())
    location = call.body.get("location") or (current or {}).get("location")
    if not location:
        raise errors.Refusal(
            400, "LocationRequired", "The location property is required for this definition."
        )
    check_stays(call)
    group = {"name": (current or {}).get("name", name), "location": location}
    if call.body.get("tags"):
        group["tags"] = call.body["tags"]
    call.cloud.groups[name.lower()] = group
    return Answer(200 if current else 201, render.group(group))


def delete_group(call: Call) -> Answer:
    """Resource Groups - Delete: with all that is in it."""
    name = call.names["rg"].lower()
    group = call.cloud.group(name)
    check_stays(call)

    def end() -> None:
        call.cloud.groups.pop(name, None)
        prefix = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}/"
        call.cloud.images -= {each for each in call.cloud.images if each.lower().startswith(prefix)}

    for key in [each for each in call.cloud.sets if each[0] == name]:
        call.cloud.delete(call.cloud.sets[key])
    job = group["deletion"] = call.cloud.begin(None, call.cloud.upgrade_seconds, end)
    answer = begun(call, job)
    del answer.headers[
        "Azure-AsyncOperation"
    ]  # of groups there is a Location alone, and it is another
    version = call.query["api-version"]
    place = f"{call.base_url}/subscriptions/{SUBSCRIPTION}/operationresults/{job.id}"
    answer.headers["Location"] = f"{place}?api-version={version}"
    return answer


def _has_tag(group: Json, name: str, value: str | None) -> bool:
    tags = group.get("tags") or {}
    return name in tags and value in (None, tags[name])
