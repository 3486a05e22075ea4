"""Handlers for Azure Monitor's autoscale settings."""

from __future__ import annotations

from .._answer import Answer
from ._call import Call, page


def list_all_settings(call: Call) -> Answer:
    """Autoscale Settings - List By Subscription."""
    return page(call, call.cloud.autoscale_settings)


def list_settings(call: Call) -> Answer:
    """Autoscale Settings - List By Resource Group."""
    group = call.cloud.resource_group(call.names["rg"])["name"]
    prefix = f"/resourcegroups/{group}/".lower()
    found = [
        setting for setting in call.cloud.autoscale_settings if prefix in setting["id"].lower()
    ]
    return page(call, found)
