"""Benchmarks of importing and installing the library."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import environments
from measure import Row, compare, medians, megabytes, milliseconds

_CODE = """
import {modules}, sys, time
cpu = time.process_time()
try:  # ru_maxrss would start at the peak of the parent process
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
except OSError:
    import resource
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(cpu, peak)
"""
_MODULES = {
    "bare": ("ours", "requests"),
    "ours": ("ours", "azurerm_lite"),
    "original": ("azurerm", "azurerm"),
    "sdk": ("sdk", "azure.mgmt.compute, azure.identity"),
}


def measure_imports(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure `import azurerm_lite` in new interpreters, compared with `import requests`."""
    taken: dict[str, list[dict[str, float]]] = {}
    for number in range(rounds + 1):
        for name, (home, modules) in _MODULES.items():
            if home not in pythons:
                continue
            command = [pythons[home], "-I", "-W", "ignore", "-c", _CODE.format(modules=modules)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            cpu, peak = map(float, done.stdout.split())
            if number:
                taken.setdefault(name, []).append({"cpu": cpu, "peak": peak})
    floor = "`import requests`"
    return [
        compare(
            "`import`, CPU of the process", medians(taken, "cpu"), milliseconds, "≤ 1.10", floor
        ),
        compare(
            "`import`, memory of the process", medians(taken, "peak"), megabytes, "≤ 1.10", floor
        ),
    ]


def measure_installs(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure the installed size, compared with the dependencies without the library."""
    if "floor" not in pythons:
        return []
    found = {name: environments.list_installed(python) for name, python in pythons.items()}
    texts = {
        name: f"{count}, {packed:.1f} MB ({size:.1f} MB with bytecode)"
        for name, (count, packed, size, _) in found.items()
    }
    more, more_packed, more_size = (
        ours - floor for ours, floor in zip(found["ours"][:3], found["floor"][:3], strict=True)
    )
    ratio = f"+ {more}, + {more_packed:.1f} MB (+ {more_size:.1f} MB with bytecode)"
    floor_is = f"{texts['floor']}: {', '.join(environments.FLOOR)}"
    peers = (texts.get("azurerm", ""), texts.get("sdk", ""))
    return [Row("installed distributions", texts["ours"], floor_is, ratio, "+ 1, + 1 MB", *peers)]
