"""Handlers for the one subscription and its regions."""

from __future__ import annotations

from .._answer import Answer
from ..model import catalog
from . import render
from ._call import Call


def list_subscriptions(call: Call) -> Answer:
    """Subscriptions - List."""
    return Answer(200, {"value": [render.subscription()], "count": {"type": "Total", "value": 1}})


def get_subscription(call: Call) -> Answer:
    """Subscriptions - Get."""
    return Answer(200, render.subscription())


def list_locations(call: Call) -> Answer:
    """Subscriptions - List Locations."""
    entries = [
        render.location(name, region, call.api_version)
        for name, region in catalog.LOCATIONS.items()
    ]
    return Answer(200, {"value": entries})
