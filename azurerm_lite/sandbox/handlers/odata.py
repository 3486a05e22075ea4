"""`$filter` and `$select` on the instances of a scale set: the few forms that Azure documents."""

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
# The keys that an entry keeps whatever is selected.
_ALWAYS = ("id", "name", "instanceId", "type", "location")


def parse_filter(text: str) -> Callable[[Json], bool]:
    """Return a function that says whether an instance, with its view, matches a filter.

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
    """Return an instance with the selected properties; with all if nothing is selected."""
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
