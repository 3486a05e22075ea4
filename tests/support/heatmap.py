"""Instances and terminals for the tests of the heat map."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import Any

from azurerm_lite.heatmap import Heatmap

SVG = "{http://www.w3.org/2000/svg}"


IMAGE = {"publisher": "P", "offer": "O", "sku": "K", "version": "latest", "exactVersion": "22.4.1"}


def instance(
    number: int | str,
    update_domain: int | None = 0,
    fault_domain: int | None = 0,
    *,
    power: str | None = "running",
    group: str | None = "group-a",
    health: str | None = None,
    zone: str | None = None,
    **properties: Any,
) -> Any:
    """Return an instance as Azure lists it; `None` omits a part."""
    view = {
        "platformUpdateDomain": update_domain,
        "platformFaultDomain": fault_domain,
        "placementGroupId": group,
        "statuses": [{"code": f"PowerState/{power}"}] if power else None,
        "vmHealth": {"status": {"code": f"HealthState/{health}"}} if health else None,
    }
    defaults = {"latestModelApplied": True, "provisioningState": "Succeeded"}
    storage = {"imageReference": IMAGE}
    view = {key: value for key, value in view.items() if value is not None}
    made: dict[str, Any] = {
        "instanceId": str(number),
        "name": f"web_{number}",
        "id": f"/virtualMachines/{number}",
    }
    made |= {
        "properties": {**defaults, "storageProfile": storage, "instanceView": view, **properties}
    }
    return made | ({"zones": [zone]} if zone else {})


def spread(count: int, **values: Any) -> list[Any]:
    """Return instances in five update domains and five fault domains."""
    return [instance(number, number % 5, number // 5 % 5, **values) for number in range(count)]


class Terminal(io.StringIO):
    """A standard output with a given encoding, which may be a terminal."""

    def __init__(self, encoding: str | None = "utf-8", tty: bool = True) -> None:
        super().__init__()
        self._encoding, self._tty = encoding, tty

    @property
    def encoding(self) -> str | None:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


def without_colours(text: str) -> str:
    """Return a text without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def drawn_instances(heat_map: Heatmap) -> list[ET.Element]:
    """Return the instances of the SVG."""
    return [
        group
        for group in ET.fromstring(heat_map.to_svg()).iter(f"{SVG}g")
        if group.get("data-instance")
    ]


STATES = {
    "running": ("●", "○", "*", "-"),
    "starting": ("▲", "△", "S", "s"),
    "stopping": ("▼", "▽", "P", "p"),
    "stopped": ("■", "□", "X", "x"),
    "deallocating": ("◆", "◇", "G", "g"),
    "deallocated": ("▬", "▭", "D", "d"),
    "unknown": ("★", "☆", "U", "u"),
}


def one_element_per_line(svg: str) -> str:
    """Return an SVG with one element per line; the added spaces are not visible."""
    return re.sub(r"><(?!tspan)", ">\n<", svg) + "\n"
