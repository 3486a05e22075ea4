"""Helpers for the fleet's tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import azurerm_lite as az
from azurerm_lite.fleet.events import FleetEvent
from azurerm_lite.sandbox import Sandbox

NEW = "22.04.202411010"


REGIONS = ["westcentralus", "eastus", "westeurope"]


def fill(
    sandbox: Sandbox, number: int, instances: int = 4, domains: int = 2, behind: bool = True
) -> list[str]:
    """Add scale sets `s0`, `s1` … in three regions in turn, with a new image in their models."""
    names = [f"s{each}" for each in range(number)]
    for each, name in enumerate(names):
        sandbox.add_vmss(
            name,
            instances,
            update_domains=domains,
            location=REGIONS[each % 3],
            tags={"ring": str(each)},
        )
        if behind:
            sandbox.set_image(name, version=NEW)
    return names


def fleet(sandbox: Sandbox, **more: Any) -> list[Any]:
    """Return the sets of `fill`, found by a query."""
    return az.find_scale_sets(sandbox.access_token, tag="ring", **more)


def upgrade_counts(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """Return how often each instance was upgrade_counts to the model."""
    return Counter(
        (each.scale_set, each.instance_id) for each in sandbox.changes if each.what == "model"
    )


def upgraded_sets(sandbox: Sandbox) -> list[str]:
    """Return the sets of the accepted upgrades, in order."""
    paths = [
        each.path for each in sandbox.journal if "manualupgrade" in each.path and each.status == 202
    ]
    return [path.split("/")[-2] for path in paths]


def events_until_halt(events: Iterator[FleetEvent]) -> tuple[list[FleetEvent], az.FleetHalted]:
    """Return the events up to the halt, and the halt."""
    seen: list[FleetEvent] = []
    with pytest.raises(az.FleetHalted) as caught:
        seen.extend(events)
    return seen, caught.value
