"""What the sandbox answers to requests for the rolling upgrades of a scale set."""

from __future__ import annotations

from . import errors, render, rolling
from .handlers import Answer, Call, begun, page


def start_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Start OS Upgrade, Start Extension Upgrade."""
    vmss = call.vmss
    call.cloud.check_idle(vmss)
    return begun(call, rolling.start(call.cloud, vmss))


def get_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Get Latest."""
    vmss = call.vmss
    if vmss.rolling is None:
        raise errors.no_entity()
    return Answer(200, render.rolling_upgrade(vmss, vmss.rolling))


def cancel_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Cancel."""
    return begun(call, rolling.cancel(call.cloud, call.vmss))


def list_upgrade_history(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get OS Upgrade History."""
    vmss = call.vmss
    return page(call, [render.upgrade_history(vmss, each) for each in reversed(vmss.rollings)])
