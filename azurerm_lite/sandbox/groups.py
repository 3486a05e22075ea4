"""What the sandbox answers to requests for a resource group."""

from __future__ import annotations

from . import errors, render
from .handlers import Answer, Call, begun
from .model import Operation


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
        raise errors.Refusal(400, "LocationRequired", "The location property is required for this definition.")
    group = {"name": (current or {}).get("name", name), "location": location}
    if call.body.get("tags"):
        group["tags"] = call.body["tags"]
    call.cloud.groups[name.lower()] = group
    return Answer(200 if current else 201, render.group(group))


def delete_group(call: Call) -> Answer:
    """Resource Groups - Delete: with all that is in it."""
    answer = begun(call, delete(call))
    del answer.headers["Azure-AsyncOperation"]  # groups have a Location alone
    return answer


def delete(call: Call) -> Operation:
    """Deletes the sets of a group, and then the group."""
    name = call.names["rg"].lower()
    call.cloud.group(name)
    for key in [each for each in call.cloud.sets if each[0] == name]:
        call.cloud.delete(call.cloud.sets[key])

    def end() -> None:
        call.cloud.groups.pop(name, None)

    return call.cloud.begin(None, call.cloud.upgrade_seconds, end)
