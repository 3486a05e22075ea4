"""The kinds of events: the code, the docstring and the reference name the same."""

from __future__ import annotations

import ast
import re
import typing
from pathlib import Path

import pytest
from support.pages import ROOT
from support.rollout import bump

import azurerm_lite as az
from azurerm_lite.fleet.events import FleetEventKind
from azurerm_lite.rollout.events import EventKind
from azurerm_lite.sandbox import Sandbox

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


# The events of a run as they are printed


@pytest.fixture
def small(sandbox: Sandbox) -> Sandbox:
    """A set of four instances in two domains, whose model has the new image."""
    sandbox.add_vmss("small", 4, update_domains=2)
    bump(sandbox, "small")
    return sandbox


def test_a_dry_run_is_reported_step_by_step(small: Sandbox) -> None:
    """What was checked, what is planned, and how many requests it takes."""
    events = list(az.rollout(*small.where("small"), dry_run=True))
    assert [(event.kind, event.message, event.instance_ids) for event in events] == [
        ("started", "small: 4 instances, 4 to upgrade in 2 batches", ("0", "2", "1", "3")),
        ("checked", "small is in upgrade mode Manual and Succeeded", ()),
        ("checked", "no instance is being updated", ()),
        ("planned", "update domain 0: 2 instances (0, 2)", ("0", "2")),
        ("planned", "update domain 1: 2 instances (1, 3)", ("1", "3")),
        ("checked", "update domain 0: enough instances outside it are healthy to start", ()),
        (
            "finished",
            "dry run: nothing was changed; a rollout would send 10 requests, and poll while Azure"
            " works",
            (),
        ),
    ]
    assert events[-1].summary is not None
    assert (events[-1].summary.upgraded, events[-1].summary.requests) == (0, 2)


def test_a_dry_run_with_extra_capacity_is_reported_step_by_step(small: Sandbox) -> None:
    """With the instances that it creates and deletes."""
    events = list(az.rollout(*small.where("small"), surge=1, dry_run=True))
    assert [event.message for event in events if event.kind == "planned"] == [
        "new instances: 1 instance",
        "update domain 0, part 1: 1 instance (0)",
        "update domain 0, part 2: 1 instance (2)",
        "update domain 1: 1 instance (1)",
        "deletion: 1 instance (3)",
    ]
    assert events[1].message.startswith("small: 1 new instance first (4 to 5)")
    assert events[2].message.startswith("up to 5 instances, 1 of them extra, for about 6 min")
    assert "would send 26 requests" in events[-1].message


def test_a_dry_run_waits_for_nothing_and_says_for_what_a_rollout_would(small: Sandbox) -> None:
    """Another client's upgrade is in progress."""
    az.manual_upgrade(*small.where("small"), [1])
    events = list(az.rollout(*small.where("small"), dry_run=True))
    (busy,) = [event for event in events if event.instance_ids == ("1",) and not event.batch]
    assert (busy.kind, "would wait" in busy.message) == ("checked", True)


def test_a_stop_is_the_last_event(small: Sandbox) -> None:
    """The caller's function ends the run after the first batch."""
    *_, pausing, stopped = az.rollout(*small.where("small"), pause=lambda _: False)
    assert (pausing.kind, stopped.kind) == ("pausing", "stopped")
    assert stopped.message.startswith("small: stopped after update domain 0")
    assert stopped.summary is not None
    assert stopped.summary.upgraded == 2
