"""Names that many tests use: a subscription, a scale set, URLs."""

from __future__ import annotations

import re

SUB = "00000000-0000-0000-0000-000000000001"


WHERE = (SUB, "myrg", "web")


BASE = "https://management.azure.com"


GROUP = f"{BASE}/subscriptions/{SUB}/resourceGroups/myrg"
VMSS = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/web"


def value_id(value: object) -> str:
    """Return a value as a test id, without memory addresses, which differ by process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
