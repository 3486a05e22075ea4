"""The platform images and regions of the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Images = dict[str, dict[str, dict[str, list[str]]]]
# publisher -> offer -> SKU -> versions, oldest first, in a new sandbox
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


class Region(NamedTuple):
    """A region as Azure lists it, with coordinates as text."""

    display_name: str
    geography_group: str
    longitude: str
    latitude: str


class GalleryVersion(NamedTuple):
    """The publishing profile of a gallery image version.

    Attributes:
        regions: Display names of the regions that it is replicated to.
        exclude_from_latest: Whether `latest` never resolves to it.
    """

    regions: tuple[str, ...] = ("East US",)
    exclude_from_latest: bool = False


_REGIONS = (
    Region("East US", "US", "-79.8164", "37.3719"),
    Region("East US 2", "US", "-78.3889", "36.6681"),
    Region("Central US", "US", "-93.6208", "41.5908"),
    Region("North Central US", "US", "-87.6278", "41.8819"),
    Region("South Central US", "US", "-98.5", "29.4167"),
    Region("West Central US", "US", "-110.234", "40.89"),
    Region("West US", "US", "-122.417", "37.783"),
    Region("West US 2", "US", "-119.852", "47.233"),
    Region("West US 3", "US", "-112.074036", "33.448376"),
    Region("Canada Central", "Canada", "-79.383", "43.653"),
    Region("Canada East", "Canada", "-71.217", "46.817"),
    Region("Brazil South", "South America", "-46.633", "-23.55"),
    Region("Mexico Central", "Mexico", "-100.389888", "20.588818"),
    Region("North Europe", "Europe", "-6.2597", "53.3478"),
    Region("West Europe", "Europe", "4.9", "52.3667"),
    Region("UK South", "Europe", "-0.799", "50.941"),
    Region("UK West", "Europe", "-3.084", "53.427"),
    Region("France Central", "Europe", "2.3730", "46.3772"),
    Region("Germany West Central", "Europe", "8.682127", "50.110924"),
    Region("Italy North", "Europe", "9.18109", "45.46888"),
    Region("Norway East", "Europe", "10.752245", "59.913868"),
    Region("Poland Central", "Europe", "21.01666", "52.23334"),
    Region("Spain Central", "Europe", "3.4209", "40.4259"),
    Region("Sweden Central", "Europe", "17.14127", "60.67488"),
    Region("Switzerland North", "Europe", "8.564572", "47.451542"),
    Region("Qatar Central", "Middle East", "51.439327", "25.551462"),
    Region("UAE North", "Middle East", "55.316666", "25.266666"),
    Region("Israel Central", "Middle East", "33.4506633", "31.2655698"),
    Region("South Africa North", "Africa", "28.21837", "-25.73134"),
    Region("Central India", "Asia Pacific", "73.9197", "18.5822"),
    Region("South India", "Asia Pacific", "80.1636", "12.9822"),
    Region("Japan East", "Asia Pacific", "139.77", "35.68"),
    Region("Japan West", "Asia Pacific", "135.5022", "34.6939"),
    Region("Korea Central", "Asia Pacific", "126.978", "37.5665"),
    Region("East Asia", "Asia Pacific", "114.188", "22.267"),
    Region("Southeast Asia", "Asia Pacific", "103.833", "1.283"),
    Region("Australia East", "Asia Pacific", "151.2094", "-33.86"),
    Region("Australia Southeast", "Asia Pacific", "144.9631", "-37.8136"),
    Region("New Zealand North", "Asia Pacific", "174.76349", "-36.84853"),
)
LOCATIONS = {region.display_name.replace(" ", "").lower(): region for region in _REGIONS}


def find_entries(images: Images, *path: str) -> list[str] | None:
    """Return the names below a path in the catalog; for a SKU, its versions.

    Args:
        images: The catalog.
        path: Publisher, offer and SKU, or only the first ones, in any case.

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
    """Return the newest version, compared number by number; `None` without versions."""
    return max(versions, key=_order, default=None)


def add_version(images: Images, publisher: str, offer: str, sku: str, version: str) -> None:
    """Publish a version of a platform image."""
    images.setdefault(publisher, {}).setdefault(offer, {}).setdefault(sku, []).append(version)


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
