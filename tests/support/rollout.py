"""Helpers of the rollout's tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

NEW = "22.04.202411010"


OLD = "22.04.202410020"


def bump(sandbox: Sandbox, name: str = "web", **image: str) -> None:
    """Puts a new image into a scale set's model, as the first lines of every rollout do."""
    where = sandbox.where(name)
    az.wait(
        where[0],
        az.put_vmss(*where, az.set_image(az.get_vmss(*where), **(image or {"version": NEW}))),
    )


def posted(sandbox: Sandbox) -> list[list[str]]:
    """The ids of each upgrade that Azure took, in order."""
    return [
        each.body["instanceIds"]
        for each in sandbox.journal
        if "manualupgrade" in each.path and each.status == 202
    ]


def running(sandbox: Sandbox, name: str = "web") -> dict[str, str]:
    """What each instance runs."""
    views = az.get_instance_views(*sandbox.where(name))
    return {vm["instanceId"]: az.get_image(vm).get("exact_version", "") for vm in views}


def on(kind: str, number: int, act: Callable[[], Any], events: Any) -> list[Any]:
    """Goes through the events and does something at the first of a kind and number."""
    seen, is_done = [], False
    for event in events:
        seen.append(event)
        if (event.kind, event.number) == (kind, number) and not is_done:
            is_done = True
            act()
    return seen


def reasons(halt: az.RolloutHalted) -> dict[str, str]:
    """Why which instance is unhealthy, less the time since when, which each has."""
    told = {
        vm_id: re.fullmatch(r"(.+) since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", why)
        for vm_id, why in halt.unhealthy.items()
    }
    return {vm_id: found[1] for vm_id, found in told.items() if found}


IMAGE = {"kind": "platform", "publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy"}


OLD_IMAGE: Any = {**IMAGE, "sku": "22_04-lts-gen2", "version": OLD}


def least_serving(sandbox: Sandbox, name: str = "web") -> int:
    """The fewest instances that served at any moment, by the sandbox's record of changes.

    One serves if it is provisioned, runs and is healthy. Those that the record does not show being
    made were there from the beginning.
    """
    changes = [each for each in sandbox.changes if each.scale_set == name]
    made = {each.instance_id for each in changes if each.before == "Creating"}
    touched = {each.instance_id for each in changes}
    untouched = set(sandbox.cloud.scale_set("sandbox", name).instances) - touched
    good = {"provisioning": "Succeeded", "power": "running", "health": "healthy"}
    states = {each: dict(good) for each in (touched - made) | untouched}
    least = len(states)
    for each in changes:
        if each.what not in good:
            continue
        new = {"provisioning": "Creating", "power": "running", "health": "healthy"}
        states.setdefault(each.instance_id, new)[each.what] = each.after
        least = min(least, sum(1 for state in states.values() if state == good))
    return least


def deleted(sandbox: Sandbox) -> list[list[str]]:
    """The ids of each deletion that Azure took, in order."""
    return [
        each.body["instanceIds"]
        for each in sandbox.journal
        if each.path.endswith("/delete") and each.status == 202
    ]


def capacities(sandbox: Sandbox) -> list[int]:
    """The capacities that were asked for by PATCH and that Azure took, in order."""
    return [
        each.body["sku"]["capacity"]
        for each in sandbox.journal
        if each.method == "PATCH" and each.status == 200
    ]


class DyingToken:
    """A provider of tokens that kills the run after some requests."""

    def __init__(self, sandbox: Sandbox, requests: int) -> None:
        self.sandbox = sandbox
        self.left = requests

    def __call__(self) -> str:
        """Return a token, or end the run."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.sandbox.access_token
