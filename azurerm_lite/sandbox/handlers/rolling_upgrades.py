"""Handlers for Azure's own rolling upgrades of a scale set."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model import rolling_upgrade
from ..model.resources import image_of
from . import render
from ._call import Call, accept, page


def start_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Start OS Upgrade, Start Extension Upgrade."""
    vmss = call.vmss
    call.cloud.check_profile(vmss)
    kind, name = image_of(vmss.profile)
    has_versions = kind == "platform" or "/galleries/" in name.lower()
    if call.names["path"].lower().endswith("/osrollingupgrade") and not has_versions:
        message = (
            f"OS Rolling Upgrade API cannot be used on Virtual Machine Scale Set '{vmss.name}' "
            "unless it uses a Platform Image or an image of a gallery."
        )
        raise errors.operation_not_allowed(message)
    call.cloud.resolve_conflict(vmss)
    return accept(call, rolling_upgrade.start(call.cloud, vmss))


def get_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Get Latest."""
    vmss = call.vmss
    if vmss.rolling_upgrade is None:
        raise errors.entity_not_found()
    return Answer(200, render.rolling_upgrade(vmss, vmss.rolling_upgrade))


def cancel_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Cancel."""
    return accept(call, rolling_upgrade.cancel(call.cloud, call.vmss))


def list_upgrade_history(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get OS Upgrade History."""
    vmss = call.vmss
    history = reversed(vmss.rolling_upgrades)
    return page(call, [render.upgrade_history(vmss, rolling) for rolling in history])
