"""Redaction: secrets of a model are stored apart from it, and never returned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
# Path in the profile of a scale set, in which list entries are named by their names -> secret.
Secrets = dict[tuple[str, ...], Any]

_SECRET_KEYS = frozenset(
    {
        *("adminPassword", "customData", "protectedSettings", "userData"),
        *("protectedParameters", "runAsPassword"),  # of run commands
    }
)
# Settings of Windows setup, which contain the password of the first logon.
_UNATTENDED = "additionalUnattendContent"
# Azure returns everything in these members, whatever its name: none of it is defined as secret.
_FREE_FORM = frozenset({"settings", "tags"})


def without_secrets(body: Any, parent: str = "") -> Any:
    """Return a copy of a body without the secrets, which Azure accepts but never returns."""
    if isinstance(body, list):
        return [without_secrets(entry, parent) for entry in body]
    if not isinstance(body, dict) or parent in _FREE_FORM:
        return body
    if "template" in body and isinstance(body.get("parameters"), dict):
        body = {**body, "parameters": _without_secure_values(body)}
    return {
        key: without_secrets(value, key)
        for key, value in body.items()
        if not _is_secret(key, parent)
    }


def find_secrets(profile: Any) -> Secrets:
    """Return the secrets in the profile of a scale set."""
    return dict(_walk(profile, ()))


def merge_secrets(current: Secrets, profile: Json, given: Secrets) -> Secrets:
    """Return the secrets of a set whose profile is replaced.

    Args:
        current: The secrets so far. They stay if their parent is still in the profile.
        profile: The new profile.
        given: The secrets in the request, which replace the current ones.

    Returns:
        A dict of secrets by path; `current` itself if nothing changed.
    """
    remaining = {path: value for path, value in current.items() if _has_path(profile, path[:-1])}
    merged = remaining | given
    return current if merged == current else merged


def _without_secure_values(deployment: Json) -> Json:
    """Return the parameters of a deployment without the secure ones of its template."""
    template = deployment["template"] if isinstance(deployment["template"], dict) else {}
    declared = template.get("parameters")
    declared = declared if isinstance(declared, dict) else {}
    return {
        name: value
        for name, value in deployment["parameters"].items()
        if not is_secure(declared.get(name))
    }


def is_secure(parameter: Any) -> bool:
    """Return whether a parameter of a template has a type for secrets."""
    kind = parameter.get("type") if isinstance(parameter, dict) else None
    return str(kind).lower() in ("securestring", "secureobject")


def _is_secret(key: str, parent: str) -> bool:
    return key in _SECRET_KEYS or (key == "content" and parent == _UNATTENDED)


def _walk(
    body: Any, path: tuple[str, ...], parent: str = ""
) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(body, list):
        for name, entry in _entries_by_name(body).items():
            yield from _walk(entry, (*path, name), parent)
    elif isinstance(body, dict) and parent not in _FREE_FORM:
        for key, value in body.items():
            if not _is_secret(key, parent):
                yield from _walk(value, (*path, key), key)
            elif value is not None:
                yield (*path, key), value


def _has_path(body: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        parts = _entries_by_name(body) if isinstance(body, list) else body or {}
        body = parts.get(part)
    return body is not None


def _entries_by_name(entries: list[Any]) -> dict[str, Any]:
    """Return the entries of a list by name, or by position if they have no name."""
    named = {}
    for position, entry in enumerate(entries):
        name = (entry.get("name") or entry.get("settingName")) if isinstance(entry, dict) else None
        named[str(name or position)] = entry
    return named
