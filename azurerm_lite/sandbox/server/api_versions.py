"""The api-versions and regions that Azure knows: requests for others are rejected."""

from __future__ import annotations

import re
from datetime import date

from .. import errors
from ..model import catalog

# The versions of scale sets and images; galleries have others. A version newer than all of these
# is accepted. What the newer ones brought to scale sets, and what answers contain from them on
# (handlers/render.py):
#   2023-09-01  etag and If-Match; protection of the members of a Flexible set
#   2024-07-01  resilientVMDeletionStatus of a single instance; maxSurge in upgrade policies
#   2024-11-01  members of Flexible sets without `zones: [null]`; scaleOut
#   2025-04-01  highSpeedInterconnectPlacement; zoneAllocationPolicy
#   2025-11-01  virtualMachineResourceId of a member; lifecycle hooks
#   2026-04-01  migration between zones; enums with more words
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
_RESOURCE_TYPE = re.compile(r"/providers/microsoft\.compute/(?:locations/([^/]+)/)?([^/]+)")
# These have the versions of another provider, or accept any.
_OTHER_VERSIONS = re.compile(r"/(networkinterfaces|publicipaddresses|operations)(/|$)")


def check(path: str, version: str | None) -> None:
    """Reject a missing or unknown api-version, and an unknown region in a path."""
    if not version:
        raise errors.missing_api_version()
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(-preview)?", version)
    if not match or not _is_day(match[1]):
        raise errors.invalid_api_version(version)
    resource = _RESOURCE_TYPE.search(path.lower())
    if resource and not _OTHER_VERSIONS.search(path.lower()):
        location = resource[1] or "eastus"
        is_known = version in COMPUTE or version > max(COMPUTE)
        if not is_known or catalog.region_name(location) is None:
            known = sorted(COMPUTE, reverse=True)
            raise errors.provider_not_found(location, version, resource[2], known)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text) >= _OLDEST
    except ValueError:
        return False
