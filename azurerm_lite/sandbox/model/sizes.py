"""The VM sizes that the sandbox lists; models may have other sizes."""

from __future__ import annotations

import re
from typing import NamedTuple

# A size name has family, number of vCPUs, features and version: Standard_D2s_v5.
_SIZE_NAME = re.compile(r"(?P<tier>[A-Za-z]+)_(?P<family>[A-Z]+)(?P<cores>\d+)(?P<rest>.*)")


class Size(NamedTuple):
    """A VM size, with the numbers from Azure's documentation."""

    name: str
    cores: int
    memory_gib: float
    data_disks: int


SIZES = (
    Size("Standard_B2s", 2, 4, 4),
    Size("Standard_D2s_v3", 2, 8, 4),
    Size("Standard_D4s_v3", 4, 16, 8),
    Size("Standard_D2s_v5", 2, 8, 4),
    Size("Standard_D4s_v5", 4, 16, 8),
    Size("Standard_D8s_v5", 8, 32, 16),
    Size("Standard_F2s_v2", 2, 4, 4),
)


def count_cores(name: str) -> int:
    """Return the number of vCPUs in the name of a size; 1 if the name has none."""
    match = _SIZE_NAME.fullmatch(name)
    return int(match["cores"]) if match else 1


def family_of(name: str) -> str:
    """Return the quota family of a size, such as `standardDSv5Family`."""
    match = _SIZE_NAME.fullmatch(name)
    if match is None:
        return "standardFamily"
    features, _, version = match["rest"].partition("_")
    return f"{match['tier'].lower()}{match['family']}{features.upper()}{version}Family"
