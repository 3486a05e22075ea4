"""The check of the api-version and the region of a request."""

from __future__ import annotations

import re
from datetime import date

from .. import errors
from ..model import catalog
from ..model.api_versions import COMPUTE, GALLERIES, SKUS

# The resource types that have their own versions.
_OF_TYPE = {"galleries": GALLERIES, "skus": SKUS}
_OLDEST = date(2014, 4, 1)
_RESOURCE_TYPE = re.compile(r"/providers/microsoft\.compute/(?:locations/([^/]+)/)?([^/]+)")
# These have the versions of another provider, or accept any version.
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
        kind = resource[2]
        known = _OF_TYPE.get(kind, COMPUTE)
        is_known = version in known or version > max(known)
        if not is_known or catalog.region_name(location) is None:
            raise errors.provider_not_found(location, version, kind, list(known))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text) >= _OLDEST
    except ValueError:
        return False
