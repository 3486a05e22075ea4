"""`$filter` and `$select` of instances, in the forms that Azure documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .. import errors

Json = dict[str, Any]

_STATUS = re.compile(
    r"startswith\(instanceView/statuses/code,\s*'([^']*)'\)\s+eq\s+(true|false)", re.IGNORECASE
)
_PROPERTY = re.compile(
    r"properties/(latestModelApplied|provisioningState|vmId|modelDefinitionApplied)"
    r"\s+eq\s+(true|false|'[^']*')",
    re.IGNORECASE,
)
# The members that `$select` never removes.
_ALWAYS = ("id", "name", "instanceId", "type", "location")


def parse_filter(text: str) -> Callable[[Json], bool]:
    """Return a predicate for instances with their views.

    Raises:
        ApiError: The filter has another form.
    """
    if match := _STATUS.fullmatch(text.strip()):
        prefix = match[1].lower()
        is_wanted = match[2].lower() == "true"
        return lambda entry: any(code.startswith(prefix) for code in _codes(entry)) is is_wanted
    if match := _PROPERTY.fullmatch(text.strip()):
        name = match[1].lower()
        value = match[2].strip("'").lower()
        return lambda entry: _plain_values(entry["properties"])[name] == value
    raise errors.invalid_parameter(f"The filter '{text}' is not supported.", "$filter")


def select_properties(entry: Json, text: str) -> Json:
    """Return an instance with the selected properties; all of them without `$select`."""
    if not text:
        return entry
    names = {path.strip().rpartition("/")[2].lower() for path in text.split(",")}
    selected = {key: value for key, value in entry["properties"].items() if key.lower() in names}
    return {**{key: entry[key] for key in _ALWAYS if key in entry}, "properties": selected}


def _codes(entry: Json) -> list[str]:
    statuses = entry["properties"]["instanceView"]["statuses"]
    return [status["code"].lower() for status in statuses]


def _plain_values(properties: Json) -> dict[str, str]:
    return {
        key.lower(): str(value).lower()
        for key, value in properties.items()
        if not isinstance(value, (dict, list))
    }
