"""The kinds of events: the code, the docstring and the reference name the same."""

from __future__ import annotations

import ast
import re
import typing
from pathlib import Path

import pytest
from support.pages import ROOT

import azurerm_lite as az
from azurerm_lite.fleet.events import FleetEventKind
from azurerm_lite.rollout.events import EventKind

ROLLOUT = ROOT / "azurerm_lite" / "rollout"
FLEET = ROOT / "azurerm_lite" / "fleet"


def emitted(folder: Path, function: str, position: int) -> set[str]:
    """The kinds that the code of a package passes to what makes its events."""
    kinds = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                kinds |= {
                    value.value
                    for value in ast.walk(node.args[position])
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                }
    return kinds


def test_the_kinds_of_a_rollout_are_those_that_it_emits() -> None:
    """`EventKind` lists no kind too many and none too few."""
    assert emitted(ROLLOUT, "event", 1) == set(typing.get_args(EventKind))


def test_the_kinds_of_a_fleet_are_those_that_it_emits() -> None:
    """`FleetEventKind` lists no kind too many and none too few."""
    kinds = emitted(FLEET, "self._event", 0) | emitted(FLEET, "self._set_event", 0)
    assert kinds == set(typing.get_args(FleetEventKind))


@pytest.mark.parametrize(
    ("event", "kinds"), [(az.Event, EventKind), (az.FleetEvent, FleetEventKind)]
)
def test_the_docstring_names_every_kind(event: type, kinds: object) -> None:
    """Under the attribute `kind`."""
    documented = (event.__doc__ or "").partition("kind:")[2].partition("message:")[0]
    assert set(re.findall(r"`(\w+)`", documented)) == set(typing.get_args(kinds))


def test_the_reference_names_every_kind() -> None:
    """The table of events has a row for each."""
    text = (ROOT / "docs" / "reference-rollouts.md").read_text("utf-8")
    table = text.partition("| kind | when |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == set(typing.get_args(EventKind))


def test_on_failure_is_one_of_two_words() -> None:
    """Type checkers find a third."""
    hints = typing.get_type_hints(az.rollout)
    assert set(typing.get_args(hints["on_failure"])) == {"stop", "rollback"}
