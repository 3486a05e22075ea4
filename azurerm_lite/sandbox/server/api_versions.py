"""The api-versions and regions that Azure knows: what is asked for in others is refused."""

from __future__ import annotations

import re
from datetime import date

from .. import errors
from ..model import catalog

# Of scale sets and images; those of galleries have days of their own. What is newer than all of
# these is taken.
_DAYS = {
    "2015": "05-01-preview 06-15",
    "2016": "03-30 04-30-preview 08-30",
    "2017": "03-30 12-01",
    "2018": "04-01 06-01 10-01",
    "2019": "03-01 07-01 12-01",
    "2020": "06-01 09-30 12-01",
    "2021": "03-01 04-01 07-01 10-01 11-01",
    "2022": "01-03 03-01 03-03 08-01 08-03 11-01",
    "2023": "03-01 07-01 07-03 09-01",
    "2024": "03-01 03-03 07-01 11-01",
    "2025": "03-03 04-01 11-01",
    "2026": "03-03 04-01",
}
COMPUTE = frozenset(f"{year}-{day}" for year, days in _DAYS.items() for day in days.split())
_OLDEST = date(2014, 4, 1)
_TYPE = re.compile(r"/providers/microsoft\.compute/(?:locations/([^/]+)/)?([^/]+)")
# Of these the versions are another service's, or any will do.
_NOT_OURS = re.compile(r"/(networkinterfaces|publicipaddresses|operations)(/|$)")


def check(path: str, version: str | None) -> None:
    """Refuses an api-version that is missing, none at all, or none of Compute's, and a region that there is not."""
    if not version:
        raise errors.missing_api_version()
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(-preview)?", version)
    if not found or not _is_day(found[1]):
        raise errors.bad_api_version(version)
    place = _TYPE.search(path.lower())
    if place and not _NOT_OURS.search(path.lower()):
        location, kind = place[1] or "eastus", place[2]
        is_known = version in COMPUTE or version > max(COMPUTE)
        if not is_known or catalog.region(location) is None:
            raise errors.no_provider(location, version, kind, sorted(COMPUTE, reverse=True))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text) >= _OLDEST
    except ValueError:
        return False
