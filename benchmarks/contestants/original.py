"""azurerm 0.10.0, the original."""

from __future__ import annotations

from typing import Any

import azurerm
import harness


def get_vmss(name: str) -> Any:
    """Return the model of a scale set."""
    return azurerm.get_vmss("token", "s", "g", name)


def get_instance_views(name: str) -> list[Any]:
    """Return every instance."""
    return azurerm.list_vmss_vm_instance_view("token", "s", "g", name)["value"]


harness.serve({"get_vmss": get_vmss, "get_instance_views": get_instance_views})
