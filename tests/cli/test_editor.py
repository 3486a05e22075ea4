"""The editor, driven by keys and mouse on the sandbox, whose journal has each request."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cli import run
from support.editor import Driver, cell, drive, hurry, roll
from textual.widgets import Button, Checkbox, DataTable, Input, OptionList, Select, Static

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.cli.editor import actions, tiles
from azurerm_lite.cli.editor.dialogs import (
    ChooseDialog,
    ConfirmDialog,
    FormDialog,
    MenuDialog,
    RollDialog,
)
from azurerm_lite.heatmap import STYLES, Heatmap
from azurerm_lite.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
OLD, NEW = "22.04.202410020", "22.04.202411010"


@pytest.fixture
def live(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Start a sandbox without delays, and shorten the sleeps of the library."""
    monkeypatch.setattr(_clock, "sleep", lambda seconds: time.sleep(min(seconds, 0.01)))
    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the drawing, which takes half of the time and is covered by other tests."""
    hurry(monkeypatch)
    monkeypatch.setattr(
        "textual._compositor.Compositor.render_update", lambda *_, **__: None, raising=False
    )


# Picking


def test_picking_by_mouse(live: Sandbox) -> None:
    """Single instances, a row, a column, all; a second click unpicks."""

    async def story(driver: Driver) -> None:
        await driver.click("instance 7", "instance 12")
        assert driver.view.targets == ("7", "12")
        await driver.click("instance 7", "instance 12", "update domain 3")
        assert list(driver.view.targets) == az.by_update_domain(driver.editor.instances)[3]
        await driver.click("update domain 3", "fault domain 2")
        assert list(driver.view.targets) == az.by_fault_domain(driver.editor.instances)[2]
        await driver.click("all")
        assert len(driver.view.targets) == 20
        await driver.click("all")
        assert not driver.view.picked

    drive(live, story)


def test_picking_by_keyboard(live: Sandbox) -> None:
    """The arrows reach instances and headings; d, f, z, a and Escape pick several."""
    live.add_vmss("zonal", 9, zones=["1", "2", "3"], fault_domains=3)

    async def story(driver: Driver) -> None:
        instances = driver.editor.instances
        await driver.press("home", "d")
        assert list(driver.view.targets) == az.by_update_domain(instances)[0]
        await driver.press("escape", "f")
        assert list(driver.view.targets) == az.by_fault_domain(instances)[0]
        await driver.press("escape", "z")
        assert list(driver.view.targets) == az.by_zone(instances)["1"]
        await driver.press("escape", *["left"] * 5)
        assert driver.view.here.name.startswith("update domain 0")
        await driver.press(*["up"] * 9)
        await driver.press("right", "right", "space")
        assert list(driver.view.targets) == az.by_zone(instances)[driver.view.here.name[-1]]
        await driver.press("a")
        assert len(driver.view.targets) == 9
        await driver.press("escape", "end")
        assert driver.view.targets == driver.view.here.ids

    drive(live, story, "zonal")


# Actions


def test_every_action_changes_only_the_picked_instances(live: Sandbox) -> None:
    """Seven actions by key: each request has exactly the picked ids."""
    live.set_image("web", version=NEW)
    turns = [
        ("u", "manualupgrade", ["update domain 0"], ["0", "5", "10", "15"]),
        ("i", "reimage", ["instance 7"], ["7"]),
        ("p", "poweroff", ["instance 2", "instance 3"], ["2", "3"]),
        ("s", "start", ["instance 2"], ["2"]),
        ("r", "restart", ["instance 2", "instance 6"], ["2", "6"]),
        ("d", "deallocate", ["fault domain 4"], ["4", "8", "12", "16"]),
        ("x", "delete", ["instance 19", "instance 13"], ["13", "19"]),
    ]

    async def story(driver: Driver) -> None:
        for key, path, clicked, ids in turns:
            before = len(live.changes)
            await driver.press("escape")
            await driver.click(*clicked)
            await driver.press("enter")
            await driver.dialog(MenuDialog)
            await driver.press(key)
            if key != "s":
                confirm = await driver.dialog(ConfirmDialog)
                assert ", ".join(ids) in str(confirm.query_one(Static).content)
                await driver.press("y")
            await driver.until(lambda path=path: any(path in each.path for each in live.journal))
            await driver.done()
            assert driver.writes() == [(path, ids)]
            assert {each.instance_id for each in live.changes[before:]} <= set(ids)
        await driver.until(lambda: len(driver.cells) == 18)
        await driver.sees(lambda cell: cell.has_latest_model, "0", "5", "10", "15")
        await driver.sees(lambda cell: cell.power_state == "stopped", "3")
        await driver.sees(lambda cell: cell.power_state == "deallocated", "4", "8", "12", "16")
        assert any("Delete 13, 19: done" in line for line in driver.log)

    drive(live, story)


def test_nothing_is_sent_without_a_confirmation(live: Sandbox) -> None:
    """The key n, Escape, and Enter on the focused button mean no."""

    async def story(driver: Driver) -> None:
        for key in ("n", "escape", "enter"):
            await driver.click("instance 7")
            await driver.press("enter")
            await driver.dialog(MenuDialog)
            await driver.press("x")
            await driver.dialog(ConfirmDialog)
            await driver.press(key)
            await driver.done()
            await driver.press("escape")
        assert driver.writes() == []

    drive(live, story)


def test_actions_on_the_whole_set_send_one_request_without_ids(live: Sandbox) -> None:
    """Power off, start, restart, deallocate; the confirmation counts all instances."""

    async def story(driver: Driver) -> None:
        for number, (key, path) in enumerate(
            [("p", "poweroff"), ("s", "start"), ("r", "restart"), ("d", "deallocate")]
        ):
            await driver.press("w")
            menu = await driver.dialog(MenuDialog)
            if number == 1:  # by mouse: Start is the first entry
                await driver.pilot.click(menu.query_one(OptionList), offset=(4, 0))
            else:
                await driver.press(key)
            if key != "s":
                confirm = await driver.dialog(ConfirmDialog)
                assert "20 instances of web" in str(confirm.query_one(Static).content)
                await driver.press("y")
            await driver.until(lambda path=path: any(path in each.path for each in live.journal))
            await driver.done()
            assert driver.writes() == [(path, None)]
        await driver.sees(lambda cell: cell.power_state == "deallocated", *map(str, range(20)))

    drive(live, story)


def test_only_scaling_in_asks_for_confirmation(live: Sandbox) -> None:
    """The confirmation has the number of instances; the form rejects invalid text."""

    async def story(driver: Driver) -> None:
        await driver.press("c")
        await driver.dialog(FormDialog)
        await driver.fill(capacity="many")
        assert driver.shown("#wrong") == "capacity must be a whole number, got 'many'."
        await driver.fill(capacity="23")
        await driver.until(lambda: len(driver.cells) == 23)
        await driver.done()
        await driver.press("c")
        await driver.dialog(FormDialog)
        await driver.fill(capacity="21")
        confirm = await driver.dialog(ConfirmDialog)
        assert "2 instances of web will be deleted permanently" in str(
            confirm.query_one(Static).content
        )
        await driver.press("y")
        await driver.until(lambda: len(driver.cells) == 21)
        await driver.done()
        assert [body["sku"]["capacity"] for _, body in driver.writes()] == [23, 21]

    drive(live, story)


def test_image_and_size_of_the_model_can_be_changed(live: Sandbox) -> None:
    """A version from Azure's list, a SKU, a VM size; the form rejects invalid versions."""

    async def story(driver: Driver) -> None:
        await driver.press("i")
        form = await driver.dialog(FormDialog)
        choices = form.query_one("#choices", OptionList)
        await driver.until(lambda: choices.option_count)
        assert choices.get_option_at_index(0).prompt == NEW
        await driver.fill(version="new")
        assert "version must be Major.Minor.Build" in driver.shown("#wrong")
        choices.focus()
        await driver.press("down", "enter")
        assert form.query_one("#version", Input).value in (NEW, OLD)
        await driver.fill(version=NEW, sku="22_04-lts")
        confirm = await driver.dialog(ConfirmDialog)
        assert f"22_04-lts:{NEW}" in str(confirm.query_one(Static).content)
        await driver.press("y")
        await driver.until(
            lambda: driver.editor.model and az.get_image(driver.editor.model)["version"] == NEW
        )
        await driver.done()
        assert az.get_image(driver.editor.model)["sku"] == "22_04-lts"
        await driver.press("v")
        form = await driver.dialog(FormDialog)
        await driver.until(lambda: form.query_one("#choices", OptionList).option_count)
        await driver.fill(size="Standard_D4s_v5")
        await driver.dialog(ConfirmDialog)
        await driver.press("y")
        await driver.until(lambda: driver.editor.model["sku"]["name"] == "Standard_D4s_v5")
        await driver.done()
        assert [path for path, _ in driver.writes()] == ["web", "web"]
        await driver.sees(lambda cell: cell.has_latest_model)

    drive(live, story)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("legacy", "image_uri", "https://sandboxstorage.blob.core.windows.net/images/web-2.vhd"),
        (
            "custom",
            "image_id",
            "/subscriptions/{}/resourceGroups/sandbox/providers/Microsoft.Compute/images/web-3",
        ),
    ],
)
def test_the_other_kinds_of_image_can_be_set(
    live: Sandbox, name: str, field: str, value: str
) -> None:
    """An unmanaged image by its URI, a managed image by its id."""
    value = value.format(live.subscription_id)

    async def story(driver: Driver) -> None:
        await driver.press("i")
        await driver.dialog(FormDialog)
        await driver.fill(**{field: value})
        await driver.dialog(ConfirmDialog)
        await driver.press("y")
        await driver.until(lambda: az.get_image(driver.editor.model)[field] == value)
        assert [path for path, _ in driver.writes()] == [name]

    drive(live, story, name)


def test_in_mode_automatic_the_confirmation_warns_of_automatic_upgrades(live: Sandbox) -> None:
    """In this mode Azure upgrades the instances after a change of the model."""

    async def story(driver: Driver) -> None:
        await driver.press("i")
        await driver.dialog(FormDialog)
        await driver.fill(version=NEW)
        confirm = await driver.dialog(ConfirmDialog)
        text = str(confirm.query_one(Static).content)
        assert "auto is in upgrade mode Automatic" in text
        assert "Azure upgrades its 4 instances automatically" in text

    drive(live, story, "auto")


# Rolling upgrades


def sent_batches(driver: Driver) -> list[list[str]]:
    """Return the ids of each upgrade request."""
    return [ids for path, ids in driver.writes() if path == "manualupgrade"]


def test_a_rolling_upgrade_can_be_stopped_resumed_and_rolled_back(live: Sandbox) -> None:
    """A stop ends the pause after the first domain; the next run upgrades the others."""
    domains = [[str(number + each) for number in (0, 5, 10, 15)] for each in range(5)]

    async def story(driver: Driver) -> None:
        await driver.press("i")
        await driver.dialog(FormDialog)
        await driver.fill(version=NEW)
        await driver.dialog(ConfirmDialog)
        await driver.press("y")
        await driver.until(lambda: az.get_image(driver.editor.model)["version"] == NEW)
        await driver.done()
        driver.writes()
        await roll(driver, pause="600")
        await driver.until(lambda: "asking whether to continue" in driver.status)
        assert driver.status.startswith("▰▰▱▱▱▱▱▱▱▱ 4/20")
        await driver.press("x")
        await driver.done()
        assert sent_batches(driver) == domains[:1]
        assert any("stopped after update domain 0" in line for line in driver.log)
        await roll(driver)
        await driver.sees(lambda cell: cell.has_latest_model, *map(str, range(20)))
        await driver.done()
        assert sent_batches(driver) == domains[1:]
        await driver.press("b")
        confirm = await driver.dialog(ConfirmDialog)
        assert OLD in str(confirm.query_one(Static).content)
        await driver.press("y")
        await driver.until(lambda: az.get_image(driver.editor.model)["version"] == OLD)
        await driver.done()
        assert sent_batches(driver) == domains

    drive(live, story)
    assert {az.get_image(vm)["exact_version"] for vm in az.get_instance_views(*live.where())} == {
        OLD
    }


def test_picked_instances_are_upgraded_in_batches_of_a_size(live: Sandbox) -> None:
    """The dialog shows the batches that are then sent, and rejects a missing size."""
    live.set_image("web", version=NEW)

    async def story(driver: Driver) -> None:
        await driver.click("update domain 1", "instance 3")
        await driver.press("r")
        dialog = await driver.dialog(RollDialog)
        dialog.query_one("#by", Select).value = "size"
        await driver.settle()
        assert "enter the largest batch" in driver.shown("#plan")
        assert dialog.query_one("#yes", Button).disabled
        dialog.query_one("#most", Input).value = "2"
        dialog.query_one("#canary", Input).value = "1"
        dialog.query_one("#only", Checkbox).value = True
        await driver.until(lambda: driver.shown("#plan").endswith("3. batch 2: 11, 16"))
        await driver.fill(pause="0")
        await driver.sees(lambda cell: cell.has_latest_model, "1", "3", "6", "11", "16")
        await driver.done()
        assert sent_batches(driver) == [["1"], ["3", "6"], ["11", "16"]]

    drive(live, story)


def test_a_batch_that_fails_is_logged_and_can_be_rolled_back(live: Sandbox) -> None:
    """The log names the instance; with the option, the second run rolls back automatically."""
    live.set_image("web", version=NEW)
    live.break_upgrade("web", "6", image=NEW)

    async def story(driver: Driver) -> None:
        await roll(driver)
        await driver.until(
            lambda: any("instance 6: provisioning failed" in line for line in driver.log)
        )
        await driver.done()
        assert len(sent_batches(driver)) == 2
        await roll(driver, back="yes")
        await driver.until(
            lambda: any("Rolled back: all 20 instances" in line for line in driver.log)
        )
        await driver.done()

    drive(live, story)
    assert {az.get_image(vm)["exact_version"] for vm in az.get_instance_views(*live.where())} == {
        OLD
    }


# One action at a time; errors


@pytest.fixture
def frozen(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Start a sandbox with a stopped clock, so that operations stay in progress."""
    over = threading.Event()
    monkeypatch.setattr(_clock, "sleep", lambda _: over.wait(60) and time.sleep(0.01))
    monkeypatch.setattr(_clock, "monotonic", lambda: 0.0)
    with Sandbox(upgrade_seconds=60, clock=lambda: 0.0) as sandbox:
        yield sandbox
        over.set()


def test_a_second_action_is_rejected_while_one_is_in_progress(frozen: Sandbox) -> None:
    """The heat map shows the restart, and the status line names it."""

    async def story(driver: Driver) -> None:
        await driver.click("instance 7")
        await driver.press("enter")
        await driver.dialog(MenuDialog)
        await driver.press("r")
        await driver.dialog(ConfirmDialog)
        await driver.press("y")
        await driver.sees(tiles.is_busy, "7")
        driver.writes()
        for key in ("enter", "w", "c", "i", "v", "r", "b", "l"):
            await driver.press(key)
            assert driver.status == "One action at a time: Restart 7 is in progress."
        await driver.press("x")
        assert driver.status == "No rolling upgrade is in progress."
        assert driver.writes() == []
        await driver.press("q")
        await driver.dialog(ConfirmDialog)
        await driver.press("y")

    drive(frozen, story)


def test_read_only_writes_nothing(live: Sandbox) -> None:
    """No key that changes something has an effect; the journal has no write."""

    async def story(driver: Driver) -> None:
        await driver.press("a")
        for key in ("enter", "w", "c", "i", "v", "r", "b", "x"):
            await driver.press(key)
            await driver.pilot.pause(0.02)
            assert len(driver.editor.screen_stack) == 1
        driver.editor.start_job("restart", lambda: az.restart_vmss(*driver.editor.where))
        assert driver.status == "The editor is read-only: nothing can be changed."
        assert not driver.editor.job
        assert driver.writes() == []

    drive(live, story, read_only=True)
    assert {each.method for each in live.journal if "virtualMachineScaleSets" in each.path} == {
        "GET"
    }


def test_a_scale_set_is_chosen_from_a_list(live: Sandbox) -> None:
    """Without a name, the editor opens with the list; l opens it again."""
    live.add_vmss("far", 3, resource_group="other", location="westeurope")

    async def story(driver: Driver) -> None:
        for name in ("custom", "far"):
            dialog = await driver.dialog(ChooseDialog)
            table = dialog.query_one(DataTable)
            await driver.until(lambda table=table: table.row_count == 5)
            row = next(row for row in range(5) if table.get_cell_at((row, 0)) == name)
            table.move_cursor(row=row)
            await driver.press("enter")
            await driver.until(
                lambda name=name: driver.editor.model and driver.editor.model["name"] == name
            )
            await driver.press("l")
        await driver.dialog(ChooseDialog)
        await driver.press("escape")
        assert driver.editor.opened == ("other", "far")
        assert len(driver.cells) == 3

    drive(live, story, None)


def test_nothing_is_read_while_azure_asks_to_wait(live: Sandbox) -> None:
    """The status line says so, and g does not send a request earlier."""

    async def story(driver: Driver) -> None:
        live.fail_next(429, retry_after=600, path="virtualMachines")
        await driver.press("g")
        await driver.until(
            lambda: any("Fault injected by the sandbox" in line for line in driver.log)
        )
        before = len(live.journal)
        await driver.press("g")
        await driver.until(
            lambda: driver.status.startswith("Azure asked to wait: polling again in")
        )
        await driver.press("g", "g")
        assert len(live.journal) == before
        assert len(driver.cells) == 20

    drive(live, story)


def test_waits_of_the_library_are_lines_of_the_log(live: Sandbox) -> None:
    """The library's warnings are not printed over the screen."""

    async def story(driver: Driver) -> None:
        live.fail_next(429, retry_after=2, path="virtualMachines")
        await driver.press("g")
        await driver.until(lambda: any("retrying in 2" in line for line in driver.log))

    drive(live, story)


def test_a_deleted_scale_set_is_reported_and_another_can_be_opened(live: Sandbox) -> None:
    """The error is logged, and actions are rejected."""

    async def story(driver: Driver) -> None:
        where = live.where()
        az.wait(where[0], az.delete_vmss(*where))
        driver.writes()
        await driver.press("g")
        await driver.until(lambda: any("was not found" in line for line in driver.log))
        assert driver.cells == ()
        for key in ("enter", "w", "c", "i", "v", "r", "b"):
            await driver.press(key)
            assert driver.status == "No scale set to work on: press l to choose one."
        assert driver.writes() == []
        await driver.press("l")
        dialog = await driver.dialog(ChooseDialog)
        await driver.until(lambda: dialog.query_one(DataTable).row_count == 3)
        await driver.press("enter")
        await driver.until(lambda: driver.editor.model)

    drive(live, story)


def test_the_editor_survives_a_network_failure(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is logged, the last heat map stays, and polling resumes."""

    async def story(driver: Driver) -> None:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://127.0.0.1:9")
        await driver.press("g")
        await driver.until(
            lambda: any("No response from 127.0.0.1:9" in line for line in driver.log)
        )
        assert len(driver.cells) == 20
        await driver.click("instance 7")
        await driver.press("enter", "s")
        await driver.until(lambda: any("Start 7: No response" in line for line in driver.log))
        await driver.press("l")
        dialog = await driver.dialog(ChooseDialog)
        await driver.until(lambda: "No response" in str(dialog.query_one("#wrong", Static).content))
        await driver.press("escape")
        monkeypatch.setenv("AZURE_RM_ENDPOINT", live.url)
        await driver.press("g")
        await driver.until(lambda: any("polling web works again" in line for line in driver.log))

    drive(live, story)


def test_a_failed_operation_is_logged(live: Sandbox) -> None:
    """The line has Azure's message and code; the next action works."""

    async def story(driver: Driver) -> None:
        live.end_next("Failed", code="AllocationFailed", message="No capacity.")
        for text in ("Start 7: No capacity (AllocationFailed).", "Start 7: done"):
            await driver.press("escape")
            await driver.click("instance 7")
            await driver.press("enter", "s")
            await driver.until(lambda text=text: any(text in line for line in driver.log))
            await driver.done()

    drive(live, story)


def test_the_token_is_renewed(live: Sandbox) -> None:
    """If Azure rejects an expired token, a new one is requested, without an error."""
    requested: list[float] = []

    def token() -> str:
        requested.append(time.monotonic())
        return live.access_token

    async def story(driver: Driver) -> None:
        live.fail_next(401, code="ExpiredAuthenticationToken", path="virtualMachines")
        before = len(requested)
        requests = len(live.journal)
        await driver.press("g")
        await driver.until(lambda: len(live.journal) >= requests + 3)
        assert len(requested) > before + 2
        assert not any("✗" in line for line in driver.log)

    drive(live, story, token=token)


def test_a_rejected_token_is_logged(live: Sandbox) -> None:
    """While polling and while acting; nothing is changed, and a valid token fixes it."""
    held = [live.access_token]

    async def story(driver: Driver) -> None:
        held[0] = "canary-token-7f3a9c"
        await driver.press("g")
        await driver.until(lambda: any("AuthenticationToken" in line for line in driver.log))
        before = len(live.changes)
        await driver.click("instance 7")
        await driver.press("enter", "s")
        await driver.until(lambda: any("✗ Start 7: " in line for line in driver.log))
        assert len(live.changes) == before
        assert not any(held[0] in line for line in driver.log)
        held[0] = live.access_token
        await driver.press("g")
        await driver.until(lambda: any("polling web works again" in line for line in driver.log))

    drive(live, story, token=lambda: held[0])


def test_a_failed_sign_in_is_logged(live: Sandbox) -> None:
    """The editor logs the error of the sign-in, and stays open."""
    failing: list[bool] = []

    def token() -> str:
        if failing:
            raise az.AuthenticationFailed("The client secret has expired.")
        return live.access_token

    async def story(driver: Driver) -> None:
        failing.append(True)
        await driver.press("g")
        await driver.until(
            lambda: any("✗ The client secret has expired." in line for line in driver.log)
        )
        assert len(driver.cells) == 20

    drive(live, story, token=token)


def test_an_unexpected_error_is_logged_and_polling_continues(
    live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours does not close the editor."""

    async def story(driver: Driver) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(az, "heatmap", lambda _: 1 / 0)
            await driver.press("g")
            await driver.until(lambda: any("ZeroDivisionError" in line for line in driver.log))
        await driver.press("g")
        await driver.until(lambda: any("works again" in line for line in driver.log))

    drive(live, story)


def test_polls_become_less_frequent() -> None:
    """The interval grows with time and size, within Azure's limits for 1,000 instances."""
    assert actions.poll_interval(20, 0) == 2
    assert actions.poll_interval(20, 99) == actions.poll_interval(20, 10**6) == 6
    assert actions.poll_interval(1000, 99) == 120
    assert all(
        actions.poll_interval(n, 5) <= actions.poll_interval(n + 50, 5) for n in range(1, 1000, 50)
    )


# The heat map


CELLS = st.lists(
    st.tuples(
        st.tuples(st.integers(-1, 19), st.integers(-1, 4)),
        st.sampled_from(["1", "2", "unknown"]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(list(STYLES)),
        st.booleans(),
    ),
    max_size=120,
)


@given(CELLS, st.integers(20, 200), st.integers(1, 80))
def test_every_instance_has_one_tile_and_no_two_overlap(
    found: list[Any], width: int, height: int
) -> None:
    """For all domains, zones, placement groups and window sizes."""
    heat_map = Heatmap([cell(number, *values) for number, values in enumerate(found)])
    laid_out = tiles.lay_out(heat_map, width, height)
    ids = sorted(tile.cell.instance_id for tile in laid_out if tile.cell)
    assert ids == sorted(cell.instance_id for cell in heat_map.cells)
    taken: set[tuple[int, int]] = set()
    for tile in laid_out:
        assert len(tile.text) <= tile.width - 2
        area = {(tile.x + x, tile.y + y) for x in range(tile.width) for y in range(tile.height)}
        assert not area & taken, tile
        taken |= area
    assert len({tile.name for tile in laid_out}) == len(laid_out)


def test_a_thousand_instances_can_be_shown_and_picked(live: Sandbox) -> None:
    """The heat map scrolls with the cursor."""
    live.add_vmss("large", 1000, update_domains=20)

    async def story(driver: Driver) -> None:
        assert len(driver.cells) == 1000
        await driver.press("end")
        assert driver.view.scroll_offset.y > 0
        await driver.press("a")
        assert len(driver.view.targets) == 1000

    drive(live, story, "large", size=(80, 24))


def test_a_flexible_set_can_be_shown_and_picked(live: Sandbox) -> None:
    """Its ids are names; domains and instance views are unknown."""
    live.add_vmss("flex", 4, orchestration="Flexible")

    async def story(driver: Driver) -> None:
        assert len(driver.cells) == 4
        await driver.press("a")
        assert len(driver.view.targets) == 4

    drive(live, story, "flex")


# From the command line


def test_invalid_arguments_and_a_missing_extra_print_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name without its group is invalid; without Textual the error names the extra."""
    done = run("editor", "-s", "web")
    assert (done.returncode, "together, or neither" in done.stderr) == (2, True)
    monkeypatch.delitem(sys.modules, "azurerm_lite.cli.editor.app")
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setitem(sys.modules, "textual.binding", None)
    done = run("editor", "--sandbox")
    assert done.returncode == 1
    assert 'pip install "azurerm-lite[editor]"' in done.stderr
