"""The secrets in a model: taken out of it, kept beside it, and never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
# Where each stands in the profile of a scale set (a name where a list has named entries), and what
# it is.
Secrets = dict[tuple[str, ...], Any]

_SECRET = frozenset({"adminPassword", "customData", "protectedSettings", "userData"})
_UNATTENDED = "additionalUnattendContent"  # Windows' answers to its own questions: a password for the first logon
# What a client may put anything into: there is no secret of Azure's in it, whatever it is called.
_ANYTHING = frozenset({"settings", "tags"})


def without_secrets(body: Any, inside: str = "") -> Any:
    """A copy of a body without what Azure takes and never gives back."""
    if isinstance(body, list):
        return [without_secrets(each, inside) for each in body]
    if not isinstance(body, dict) or inside in _ANYTHING:
        return body
    return {
        key: without_secrets(value, key)
        for key, value in body.items()
        if not _is_secret(key, inside)
    }


def secrets_of(profile: Any) -> Secrets:
    """The secrets in the profile of a scale set."""
    return dict(_found(profile, ()))


def kept(secrets: Secrets, profile: Json, given: Secrets) -> Secrets:
    """The secrets of a set whose profile is replaced: those given, and those before whose place is still there."""
    result = {
        path: value for path, value in secrets.items() if _is_there(profile, path[:-1])
    } | given
    return secrets if result == secrets else result


def _is_secret(key: str, inside: str) -> bool:
    return key in _SECRET or (key == "content" and inside == _UNATTENDED)


def _found(
    body: Any, path: tuple[str, ...], inside: str = ""
) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(body, list):
        for label, each in _labelled(body):
            yield from _found(each, (*path, label), inside)
    elif isinstance(body, dict) and inside not in _ANYTHING:
        for key, value in body.items():
            if not _is_secret(key, inside):
                yield from _found(value, (*path, key), key)
            elif value is not None:
                yield (*path, key), value


def _is_there(body: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        body = dict(_labelled(body)).get(part) if isinstance(body, list) else (body or {}).get(part)
    return body is not None


def _labelled(entries: list[Any]) -> list[tuple[str, Any]]:
    """The entries of a list by their names, or their places where they have none."""
    return [
        (
            str(each.get("name") or each.get("settingName") or place)
            if isinstance(each, dict)
            else str(place),
            each,
        )
        for place, each in enumerate(entries)
    ]
