"""What the sandbox answers to requests for the rolling upgrades of a scale set."""

from __future__ import annotations

from .. import errors
from ..model import rolling_upgrade
from ..model.resources import image_of
from . import render
from .scale_sets import Answer, Call, begun, page


def start_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Start OS Upgrade, Start Extension Upgrade."""
    vmss = call.vmss
    kind, name = image_of(vmss.profile)
    has_versions = kind == "platform" or "/galleries/" in name.lower()
    if call.names["path"].lower().endswith("/osrollingupgrade") and not has_versions:
        message = f"OS Rolling Upgrade API cannot be used on Virtual Machine Scale Set '{vmss.name}' unless it uses a "
        raise errors.not_allowed(message + "Platform Image or an image of a gallery.")
    call.cloud.check_idle(vmss)
    return begun(call, rolling_upgrade.start(call.cloud, vmss))


def get_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Get Latest."""
    vmss = call.vmss
    if vmss.rolling is None:
        raise errors.no_entity()
    return Answer(200, render.rolling_upgrade(vmss, vmss.rolling))


def cancel_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Cancel."""
    return begun(call, rolling_upgrade.cancel(call.cloud, call.vmss))


def list_upgrade_history(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get OS Upgrade History."""
    vmss = call.vmss
    return page(call, [render.upgrade_history(vmss, each) for each in reversed(vmss.rollings)])
