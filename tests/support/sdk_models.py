"""Compare JSON with the models of Azure's SDK: fields, types and values."""

from __future__ import annotations

import datetime
import enum
import functools
import sys
import types
import typing
from typing import Any


@functools.cache
def fields(model: Any) -> dict[str, Any]:
    """Return the fields of a model by Azure's names, with the types that the SDK declares."""
    model.__new__(model)  # the SDK collects the fields of a model at its first creation
    hints = typing.get_type_hints(
        model, localns={"_models": sys.modules[model.__module__.rpartition(".")[0]]}
    )
    found = {field._rest_name: hints[name] for name, field in model._attr_to_rest_field.items()}
    assert found, "the SDK declares its models in another way: fix fields()"
    return found


def undeclared(body: Any, kind: Any, path: str = "") -> list[str]:
    """Return each field, type or value in JSON that the SDK does not declare, as text."""
    if kind is None or body is None:
        return [] if body is None else [f"{path} is {body!r:.40}, not nothing"]
    kinds = (
        typing.get_args(kind)
        if typing.get_origin(kind) in (typing.Union, types.UnionType)
        else (kind,)
    )
    if Any in kinds:
        return []
    if any(
        _is_enum(entry) for entry in kinds
    ):  # the types are `str | Enum`, which would accept any string
        kinds = tuple(entry for entry in kinds if entry is not str)
    return min((_against(body, entry, path) for entry in kinds if entry is not type(None)), key=len)


def _against(body: Any, kind: Any, path: str) -> list[str]:
    whole, parts = typing.get_origin(kind) or kind, typing.get_args(kind)
    if isinstance(body, list) and whole is list:
        return [line for entry in body for line in undeclared(entry, parts[0], path + "[]")]
    if isinstance(body, dict) and whole is dict:
        return [
            line
            for key, entry in body.items()
            for line in undeclared(entry, parts[1], f"{path}.{key}")
        ]
    if isinstance(body, dict) and getattr(kind, "_is_model", False):
        known = fields(kind)
        lines = [f"{path}.{key} is not declared" for key in body if key not in known]
        return lines + [
            line
            for key in body
            if key in known
            for line in undeclared(body[key], known[key], f"{path}.{key}")
        ]
    return [] if _is_plain(body, kind) else [f"{path} is {body!r:.40}, not {kind}"]


def unsent(body: Any, kind: Any, path: str = "") -> set[str]:
    """Return the paths of the SDK models' read-only fields that are missing in JSON."""
    if isinstance(body, list):
        return {
            line
            for entry in body
            for part in typing.get_args(_without_none(kind))
            for line in unsent(entry, part, f"{path}[]")
        }
    model = _without_none(kind)
    if not isinstance(body, dict) or not getattr(model, "_is_model", False):
        return set()
    known = fields(model)
    read_only = {
        field._rest_name
        for field in model._attr_to_rest_field.values()
        if field._visibility == ["read"]
    }
    missing = {f"{path}.{name}" for name in read_only - body.keys()}
    for name in known.keys() & body.keys():
        missing |= unsent(body[name], known[name], f"{path}.{name}")
    return missing


def _without_none(kind: Any) -> Any:
    """Return the type of an optional field."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    return next(entry for entry in typing.get_args(kind) if entry is not type(None))


def _is_plain(body: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return body in typing.get_args(kind)
    if _is_enum(kind):
        return str(body).lower() in [entry.value.lower() for entry in kind]
    if kind is datetime.datetime:
        return isinstance(body, str) and datetime.datetime.fromisoformat(body).tzinfo is not None
    allowed = {
        bool: (bool,),
        int: (int,),
        float: (int, float),
        str: (str,),
        datetime.timedelta: (str,),
    }
    return type(body) in allowed.get(kind, ())


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)
