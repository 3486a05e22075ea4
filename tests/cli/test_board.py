"""The board of a rollout on terminals of several widths, with and without colour."""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite.cli import display
from azurerm_lite.cli.board import Board, estimate_seconds_left, state_of
from azurerm_lite.cli.main import main
from azurerm_lite.cli.text import duration
from azurerm_lite.sandbox import Sandbox

rich = pytest.importorskip("rich.console")
NEW = "22.04.202411010"
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def draw(board: Board, width: int, **options: Any) -> str:
    """Return a board as text on a terminal."""
    console = rich.Console(file=io.StringIO(), width=width, **options)
    console.print(board)
    text: str = console.file.getvalue()
    return text


def partial_board(sandbox: Sandbox, clock: Clock, name: str = "web", done: int = 2) -> Board:
    """Return the board of a rollout during the batch that follows `done` finished batches."""
    where = sandbox.where(name)
    sandbox.set_image(name, version=NEW)
    board = Board(now=lambda: BEGIN + timedelta(seconds=clock.now))
    batches = 0
    for event in az.rollout(*where):
        board.add(event._replace(time=BEGIN + timedelta(seconds=clock.now)))
        batches += event.kind == "batch_done"
        if batches == done and event.kind == "progress":
            return board
    return board


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_board_shows_progress_times_and_the_current_batch(
    sandbox: Sandbox, clock: Clock, width: int
) -> None:
    """Each line fits the terminal, and nothing is cut."""
    text = draw(partial_board(sandbox, clock), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "8 of 20 instances done" in text
    assert "batch 3 of 5: update domain 2" in text
    assert "update domain 2: InProgress" in text
    assert "~2 ~7 ~12 ~17" in text
    assert "+0 +5 +10 +15" in text
    assert ".4 .9 .14 .19" in text


def test_elapsed_and_estimated_time_come_from_this_run(sandbox: Sandbox, clock: Clock) -> None:
    """Two of five batches took two fifths of the time."""
    began = clock.now
    board = partial_board(sandbox, clock)
    elapsed = clock.now - began
    left = duration(elapsed / 8 * 12)
    assert f"elapsed {duration(elapsed)}, about {left} left" in draw(board, 100)


def test_no_time_is_estimated_before_the_first_batch_is_done(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Its speed is not known yet."""
    assert "time left unknown" in draw(partial_board(sandbox, clock, done=0), 80)


def test_state_is_shown_without_colour(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR removes the colours; the signs stay, with a legend."""
    board = partial_board(sandbox, clock)
    options = {"force_terminal": True, "color_system": "truecolor"}
    assert "\x1b[32m" in draw(board, 80, **options)
    monkeypatch.setenv("NO_COLOR", "1")
    text = draw(board, 80, **options)
    assert "[32m" not in text
    assert "+ upgraded  ~ upgrading  . pending  ! failed" in text


def test_a_large_set_is_shown_as_counts(sandbox: Sandbox, clock: Clock) -> None:
    """The board is not higher than the terminal."""
    sandbox.add_vmss("large", 200)
    text = draw(partial_board(sandbox, clock, "large", done=1), 60)
    assert "+ 40 upgraded" in text
    assert "~ 40 upgrading" in text
    assert len(text.splitlines()) < 24


def test_a_flexible_set_counts_what_this_run_upgraded(sandbox: Sandbox, clock: Clock) -> None:
    """Azure does not always report whether a member has the model."""
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    text = draw(partial_board(sandbox, clock, "flex", done=99), 60)
    assert "6 of 6 instances done" in text
    assert text.count("+flex_") == 6


@pytest.mark.parametrize(
    ("upgraded", "left", "elapsed", "seconds"),
    [(0, 20, 5.0, None), (4, 16, 10.0, 40.0), (20, 0, 50.0, 0.0), (0, 0, 1.0, 0.0)],
)
def test_the_time_left_is_estimated_from_the_speed_so_far(
    upgraded: int, left: int, elapsed: float, seconds: float | None
) -> None:
    """It is unknown until an instance has been upgraded."""
    assert estimate_seconds_left(upgraded, left, elapsed) == seconds


def test_durations_have_no_parts_that_are_zero() -> None:
    """Seconds below an hour, whole minutes from an hour on."""
    times = [duration(seconds) for seconds in (None, 0, 59.6, 61, 3599.9, 3661)]
    assert times == ["-", "0 s", "1 min", "1 min 1 s", "1 h", "1 h 1 min"]


def test_a_terminal_shows_lines_above_the_board(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress events appear only on the board, which remains at the end."""
    terminal = io.StringIO()
    monkeypatch.setattr(display, "is_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["rollout", "-r", "sandbox", "-s", "web", "-n", NEW, "-y"]) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "update domain 0: done; 4 of 20 instances have the latest model" in text
    assert "+4 +9 +14 +19" in text
    assert "  update domain 0: InProgress" not in text


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_dumb_terminal_gets_lines(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot redraw lines."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert display.is_terminal() is (term != "dumb")


def test_without_rich_events_are_lines_and_a_warning_names_the_extra(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rollout itself is not affected."""
    monkeypatch.setattr(display, "is_terminal", lambda: True)
    monkeypatch.delitem(sys.modules, "azurerm_lite.cli.board")
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["rollout", "-r", "sandbox", "-s", "web", "-n", NEW, "-y"]) == 0
    out, error = capsys.readouterr()
    assert "update domain 4: done" in out
    assert error.startswith("warning: rich is not installed")
    assert 'pip install "azurerm-lite[cli]"' in error


def test_each_state_of_an_instance_has_its_sign() -> None:
    """A failure has priority; if Azure does not report the model, the run decides."""

    def instance(state: str, latest: bool | None) -> Any:
        properties = {"provisioningState": state, "latestModelApplied": latest}
        return {"instanceId": "1", "properties": properties}

    assert state_of(instance("Failed", True)) == "failed"
    for state in ("Updating", "Creating", "Deleting"):
        assert state_of(instance(state, True)) == "upgrading"
    assert state_of(instance("Succeeded", True)) == "upgraded"
    assert state_of(instance("Succeeded", False), {"1"}) == "pending"
    assert state_of(instance("Succeeded", None), {"1"}) == "upgraded"
    assert state_of(instance("Succeeded", None)) == "pending"
