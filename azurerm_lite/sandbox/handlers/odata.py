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
    r"properties/(latestModelApplied|provisioningState|vmId|modelDefinitionApplied)\s+eq\s+(true|false|'[^']*')",
    re.IGNORECASE,
)
# What an entry keeps whatever is selected.
_ALWAYS = ("id", "name", "instanceId", "type", "location")


def filtered(text: str | None) -> Callable[[Json], bool] | None:
    """Whether an instance (with its view) is wanted; `None` where all are."""
    if not text:
        return None
    if status := _STATUS.fullmatch(text.strip()):
        prefix, wanted = status[1].lower(), status[2].lower() == "true"
        return lambda entry: any(code.startswith(prefix) for code in _codes(entry)) is wanted
    if found := _PROPERTY.fullmatch(text.strip()):
        name, value = found[1].lower(), found[2].strip("'").lower()
        return lambda entry: _lower(entry["properties"])[name] == value
    raise errors.bad_parameter(f"The filter '{text}' is not supported.", "$filter")


def selected(entry: Json, text: str | None) -> Json:
    """An instance with nothing but the selected parts of its properties; all of it where nothing is selected."""
    if not text:
        return entry
    names = {each.strip().rpartition("/")[2].lower() for each in text.split(",")}
    kept = {key: value for key, value in entry["properties"].items() if key.lower() in names}
    return {**{key: entry[key] for key in _ALWAYS if key in entry}, "properties": kept}


def _codes(entry: Json) -> list[str]:
    return [each["code"].lower() for each in entry["properties"]["instanceView"]["statuses"]]


def _lower(properties: Json) -> dict[str, str]:
    return {
        key.lower(): str(value).lower()
        for key, value in properties.items()
        if not isinstance(value, (dict, list))
    }
