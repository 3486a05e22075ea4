"""The public names with their signatures, as text.

`python tests/support/public_api.py` writes tests/public_api.txt.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.heatmap import Cell, Heatmap, Style, Table
from azurerm_lite.sandbox import Sandbox

LISTING = Path(__file__).parents[1] / "public_api.txt"
RELEASED = Path(__file__).parents[1] / "public_api_released.txt"
"""The listing of the last release; empty before the first release."""


def listing() -> dict[str, str]:
    """Return the public names, sorted: `{name: signature}`."""
    return dict(sorted([*_names(), *_rest(), *_heatmap(), *_sandbox()]))


def _names() -> Iterator[tuple[str, str]]:
    for name in az.__all__:
        yield name, _signature(getattr(az, name))


def _signature(found: object) -> str:
    """Return the signature of a function or an exception, or the fields of a type."""
    if inspect.isclass(found) and issubclass(found, BaseException):
        made = str(inspect.signature(found)) if "__init__" in vars(found) else ""
        return f"{made} is a {', '.join(base.__name__ for base in found.__bases__)}".strip()
    if inspect.isclass(found):
        fields = getattr(found, "_fields", None) or found.__annotations__
        return f"({', '.join(fields)})"
    return str(inspect.signature(found)) if callable(found) else type(found).__name__


def _rest() -> Iterator[tuple[str, str]]:
    for name in ("get", "get_list", "send", "url"):
        yield f"rest.{name}", str(inspect.signature(getattr(rest, name)))


def _heatmap() -> Iterator[tuple[str, str]]:
    for name in ("FLAG_SIGNS", "STYLES"):
        yield f"heatmap.{name}", "dict"
    for shape in (Cell, Style, Table):
        yield f"heatmap.{shape.__name__}", _signature(shape)
        for name, text in _members(shape):
            if name not in shape._fields:
                yield f"heatmap.{shape.__name__}.{name}", text
    yield "heatmap.Heatmap", str(inspect.signature(Heatmap))
    for name in sorted(vars(Heatmap(()))):
        yield f"heatmap.Heatmap.{name}", "attribute"
    for name, text in _members(Heatmap):
        yield f"heatmap.Heatmap.{name}", text


def _sandbox() -> Iterator[tuple[str, str]]:
    yield "sandbox.Sandbox", str(inspect.signature(Sandbox))
    for name, text in _members(Sandbox):
        yield f"sandbox.Sandbox.{name}", text


def _members(shape: type) -> Iterator[tuple[str, str]]:
    """Yield the public members of a class: a method with its signature, or `attribute`."""
    for name, found in vars(shape).items():
        if not name.startswith("_"):
            yield name, str(inspect.signature(found)) if callable(found) else "attribute"


def read(path: Path) -> dict[str, str]:
    """Return a listing from its file."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("  ", 1) for line in lines if line and not line.startswith("#"))


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the names that were added, removed, or have another signature."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def missing(names: list[str], changelog: str) -> list[str]:
    """Return the names that are not in backticks in the section Unreleased of the changelog.

    A method may be named with or without its class.
    """
    (section,) = re.findall(
        r"^## Unreleased$(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    ) or [""]
    found = {
        word for code in re.findall(r"`([^`]+)`", section) for word in re.findall(r"\w+", code)
    }
    return [name for name in names if name.rpartition(".")[2] not in found]


if __name__ == "__main__":
    head = (
        "# The public names and their signatures: python tests/support/public_api.py. "
        "List every change in CHANGELOG.md.\n"
    )
    LISTING.write_text(
        head + "".join(f"{name}  {text}\n" for name, text in listing().items()),
        "utf-8",
        newline="\n",
    )
