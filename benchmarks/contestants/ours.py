"""azurerm-lite: the calls as in the README."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import harness  # first: it may replace the clocks

import azurerm_lite as az

ANSWERS = harness.answers()
PLACE = (os.environ.get("AZURE_SUBSCRIPTION_ID", "s"), os.environ.get("BENCHMARK_GROUP", "g"))
TOKEN = os.environ.get("BENCHMARK_TOKEN", "token")


def get_vmss(name: str) -> Any:
    """Return the model of a scale set."""
    return az.get_vmss(TOKEN, *PLACE, name)


def get_instance_views(name: str) -> list[Any]:
    """Return every instance."""
    return az.get_instance_views(TOKEN, *PLACE, name)


def get_flexible_views() -> list[Any]:
    """Return every member of the recorded Flexible set."""
    return az.get_instance_views(TOKEN, *PLACE, "flex")


def set_image() -> Any:
    """Return a model with another image."""
    return az.set_image(ANSWERS["model"], version="22.04.202411010")


def by_update_domain() -> Any:
    """Return the instances by update domain."""
    return az.by_update_domain(ANSWERS["views"])


def heatmap() -> None:
    """Create a heat map, without drawing it."""
    az.heatmap(ANSWERS["views"])


def heatmap_text() -> str:
    """Return a heat map as text."""
    return str(az.heatmap(ANSWERS["views"]))


def heatmap_svg() -> str:
    """Return a heat map as SVG."""
    return az.heatmap(ANSWERS["views"]).to_svg()


def wait(name: str) -> None:
    """Upgrade an instance, and wait for the operation."""
    az.wait(TOKEN, az.manual_upgrade(TOKEN, *PLACE, name, "0"))


def rollout(name: str) -> int:
    """Roll out a scale set; return the number of instances with the latest model."""
    latest = 0
    for event in az.rollout(TOKEN, *PLACE, name):
        latest = event.latest
    return latest


def bake(name: str, batch: int, seconds: float) -> int:
    """Roll out a domain in batches that bake; return the number of outdated instances."""
    left = 0
    for event in az.rollout(TOKEN, *PLACE, name, only=0, max_batch=batch, bake=seconds):
        left = event.total - event.latest
    return left


def surge(name: str, extra: int) -> int:
    """Roll out with extra instances; return the number of instances with the latest model."""
    latest = 0
    for event in az.rollout(TOKEN, *PLACE, name, by=extra, surge=extra):
        latest = event.latest
    return latest


@functools.cache
def provider() -> Callable[[], str]:
    """Return the token provider, which the first call creates."""
    return az.token_provider()


def token() -> str:
    """Return a cached token."""
    return provider()()


harness.serve(
    {
        call.__name__: call
        for call in (
            *(get_vmss, get_instance_views, get_flexible_views, set_image, by_update_domain),
            *(heatmap, heatmap_text, heatmap_svg, wait, rollout, bake, surge, token),
        )
    }
)
