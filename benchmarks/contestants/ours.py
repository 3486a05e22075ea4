"""azurerm-lite: each call as the README has it."""

from __future__ import annotations

import os
from typing import Any

import harness  # first: it may replace the clocks

import azurerm_lite as az

ANSWERS = harness.answers()
PLACE = (os.environ.get("AZURE_SUBSCRIPTION_ID", "s"), os.environ.get("BENCHMARK_GROUP", "g"))
TOKEN = os.environ.get("BENCHMARK_TOKEN", "token")


def get_vmss(name: str) -> Any:
    """The model of a scale set."""
    return az.get_vmss(TOKEN, *PLACE, name)


def get_instance_views(name: str) -> list[Any]:
    """Every instance."""
    return az.get_instance_views(TOKEN, *PLACE, name)


def set_image() -> Any:
    """A model with another image."""
    return az.set_image(ANSWERS["model"], version="22.04.202411010")


def by_update_domain() -> Any:
    """The instances by update domain."""
    return az.by_update_domain(ANSWERS["views"])


def heatmap() -> None:
    """The picture, before anybody looks at it."""
    az.heatmap(ANSWERS["views"])


def heatmap_text() -> str:
    """The picture for a terminal."""
    return str(az.heatmap(ANSWERS["views"]))


def heatmap_svg() -> str:
    """The picture for a page."""
    return az.heatmap(ANSWERS["views"]).to_svg()


def wait(name: str) -> None:
    """An upgrade of an instance, to its end."""
    az.wait(TOKEN, az.manual_upgrade(TOKEN, *PLACE, name, "0"))


def rollout(name: str) -> int:
    """The whole set to its model; how many instances have it."""
    latest = 0
    for event in az.rollout(TOKEN, *PLACE, name):
        latest = event.latest
    return latest


provider = None


def token() -> str:
    """A token that is at hand."""
    global provider
    provider = provider or az.token_provider()
    return provider()


harness.serve(
    {
        each.__name__: each
        for each in (
            *(get_vmss, get_instance_views, set_image, by_update_domain),
            *(heatmap, heatmap_text, heatmap_svg, wait, rollout, token),
        )
    }
)
