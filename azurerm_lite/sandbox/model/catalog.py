"""The platform images and regions that the sandbox knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Images = dict[str, dict[str, dict[str, list[str]]]]
# publisher -> offer -> SKU -> versions, oldest first: what each sandbox begins with
IMAGES: Images = {
    "Canonical": {
        "0001-com-ubuntu-server-jammy": {
            "22_04-lts": ["22.04.202409120", "22.04.202410020", "22.04.202411010"],
            "22_04-lts-gen2": ["22.04.202409120", "22.04.202410020", "22.04.202411010"],
        },
        "ubuntu-24_04-lts": {"server": ["24.04.202409120", "24.04.202410170", "24.04.202411060"]},
    },
    "MicrosoftWindowsServer": {
        "WindowsServer": {
            "2016-Datacenter": ["14393.3930.2009041537", "14393.7428.241004"],
            "2019-datacenter": ["17763.6293.240905", "17763.6414.241004"],
            "2022-datacenter": ["20348.2700.240905", "20348.2762.241006", "20348.2849.241106"],
        },
    },
}


class GalleryVersion(NamedTuple):
    """What the publishing profile of a gallery image version says beside its id.

    Attributes:
        regions: The display names of the regions that it is replicated to.
    """

    regions: tuple[str, ...] = ("East US",)
    exclude_from_latest: bool = False


_REGIONS = (
    *("East US", "East US 2", "Central US", "North Central US", "South Central US"),
    *("West Central US", "West US", "West US 2", "West US 3"),
    *("Canada Central", "Canada East", "Brazil South", "Mexico Central"),
    *("North Europe", "West Europe", "UK South", "UK West", "France Central"),
    *("Germany West Central", "Italy North", "Norway East", "Poland Central", "Spain Central"),
    *("Sweden Central", "Switzerland North"),
    *("Qatar Central", "UAE North", "Israel Central", "South Africa North"),
    *("Central India", "South India", "Japan East", "Japan West", "Korea Central"),
    *("East Asia", "Southeast Asia", "Australia East", "Australia Southeast", "New Zealand North"),
)
# name -> display name
LOCATIONS = {region.replace(" ", "").lower(): region for region in _REGIONS}


def find_entries(images: Images, *path: str) -> list[str] | None:
    """Return the names below a path into the images, or the versions at its end.

    Args:
        images: The catalog.
        path: Publisher, offer and SKU, or the first of these, in either case.

    Returns:
        A list of names, or `None` if the catalog does not have the path.
    """
    found: object = images
    for name in path:
        if not isinstance(found, dict):
            return None
        matches = (value for key, value in found.items() if key.lower() == name.lower())
        found = next(matches, None)
    return list(found) if isinstance(found, (dict, list)) else None


def region_name(location: str) -> str | None:
    """Return the name of a region given by name or display name; `None` if it does not exist."""
    name = location.replace(" ", "").lower()
    return name if name in LOCATIONS else None


def newest_version(images: Images, publisher: str, offer: str, sku: str) -> str | None:
    """Return the newest version of a platform image; `None` if the image does not exist."""
    versions = find_entries(images, publisher, offer, sku)
    return newest(versions) if versions else None


def newest(versions: Iterable[str]) -> str | None:
    """Return the newest of some versions, part by part as numbers; `None` if there is none."""
    return max(versions, key=_order, default=None)


def add_version(images: Images, publisher: str, offer: str, sku: str, version: str) -> None:
    """Publish a version of a platform image."""
    images.setdefault(publisher, {}).setdefault(offer, {}).setdefault(sku, []).append(version)


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
