"""The dialogs of the editor: confirmation, menu, form, rolling upgrade, list of sets, help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, DataTable, Input, Label, OptionList, Select, Static
from textual.widgets.option_list import Option

import azurerm_lite as az
from azurerm_lite.heatmap import FLAG_SIGNS, STYLES

from ..text import join_ids
from .actions import (
    Action,
    group_of,
    in_thread,
    parse_count,
    parse_seconds,
    sentence,
    version_of,
)


class Dialog(ModalScreen[Any]):
    """A dialog over the heat map. Escape closes it with the result `None`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def action_leave(self) -> None:
        """Close the dialog without a result."""
        self.dismiss(None)


class ConfirmDialog(Dialog):
    """A confirmation of a disruptive action. Every answer except yes means no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n", "answer(False)", "No"),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__()
        self._heading = title
        self._text = text
        self._yes = yes

    def compose(self) -> ComposeResult:
        """Yield the consequences and two buttons, the safe one first."""
        with Vertical(classes="window danger") as window:
            window.border_title = self._heading
            with VerticalScroll(classes="text", can_focus=False):
                yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("No, cancel", id="no", compact=True)
                yield Button(self._yes, id="yes", variant="error", compact=True)
                yield Label("n / y", classes="hint")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer with a key."""
        self.dismiss(answer)


class MenuDialog(Dialog):
    """A menu of actions, for keys and mouse."""

    def __init__(self, title: str, actions: Sequence[Action]) -> None:
        super().__init__()
        self._heading = title
        self._actions = actions

    def compose(self) -> ComposeResult:
        """Yield the list of actions with their keys."""
        with Vertical(classes="window menu") as window:
            window.border_title = self._heading
            yield OptionList(
                *(
                    Option(f"[b]{action.key}[/b]  {action.name}", action.name)
                    for action in self._actions
                )
            )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._actions[event.option_index])

    def on_key(self, event: Any) -> None:
        """Choose an action by its key."""
        for action in self._actions:
            if event.key == action.key:
                event.stop()
                self.dismiss(action)


class FormDialog(Dialog):
    """A form that is checked before it closes. A choice from its list fills the first field."""

    def __init__(
        self,
        title: str,
        fields: Sequence[tuple[str, str, str]],
        check: Callable[[dict[str, str]], object],
        choices: Callable[[], list[str]] | None = None,
    ) -> None:
        super().__init__()
        self._heading = title
        self._fields = fields
        self._check = check
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Yield the fields, the choices, a line for errors, and the buttons."""
        with Vertical(classes="window form") as window:
            window.border_title = self._heading
            for name, label, value in self._fields:
                with Horizontal(classes="field"):
                    yield Label(label)
                    yield Input(value, id=name, compact=True)
            if self._choices:
                yield OptionList(id="choices")
            yield Static("", id="wrong", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Continue", id="yes", variant="primary", compact=True)
                yield Label("Enter continues, Escape cancels", classes="hint")

    def on_mount(self) -> None:
        """Load the choices."""
        if self._choices:
            self._fetch(self._choices)

    @work(exit_on_error=False)
    async def _fetch(self, choices: Callable[[], list[str]]) -> None:
        self._show_error("loading the choices from Azure …")
        try:
            found = await in_thread(choices)
        except Exception as error:
            self._show_error(sentence(error))
            return
        self.query_one("#choices", OptionList).add_options(found)
        self._show_error("")

    def _show_error(self, text: str) -> None:
        self.query_one("#wrong", Static).update(text)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        field = self.query(Input).first()
        field.value = str(event.option.prompt)
        field.focus()

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _done(self) -> None:
        values = {name: self.query_one(f"#{name}", Input).value for name, _, _ in self._fields}
        try:
            self._check(values)
        except ValueError as error:
            self._show_error(sentence(error))
        else:
            self.dismiss(values)


_GROUPINGS = (
    ("update domains", "update_domain"),
    ("fault domains", "fault_domain"),
    ("zones", "zone"),
    ("size", "size"),
)


class Box(Checkbox):
    """A checkbox that is empty until it is ticked, so that it is readable without colour."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802 - Textual's name
        """The tick."""
        return "X" if self.value else " "


class RollDialog(Dialog):
    """The options of a rolling upgrade, and the resulting plan."""

    def __init__(self, name: str, instances: Sequence[Any], picked: Sequence[str]) -> None:
        super().__init__()
        self._set_name = name
        self._instances = instances
        self._picked = picked

    def compose(self) -> ComposeResult:
        """Yield the fields, the plan below them, and the buttons."""
        with Vertical(classes="window roll") as window:
            window.border_title = f"Rolling upgrade of {self._set_name}"
            with Grid(classes="fields"):
                yield Label("Batches by")
                yield Select(
                    _GROUPINGS, value="update_domain", allow_blank=False, id="by", compact=True
                )
                yield Label("Largest batch (8, 20%)")
                yield Input(id="most", placeholder="no limit", compact=True)
                yield Label("Canary (1, 5%)")
                yield Input(id="canary", placeholder="no canary", compact=True)
                yield Label("Pause in seconds")
                yield Input("0", id="pause", compact=True)
            yield Box("Roll back automatically if a batch fails", id="back", compact=True)
            picked = join_ids(self._picked, 12) or "none"
            yield Box(
                f"Only picked instances ({picked})",
                id="only",
                value=False,
                disabled=not self._picked,
                compact=True,
            )
            with VerticalScroll(classes="text", can_focus=False):
                yield Static("", id="plan", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Start", id="yes", variant="primary", compact=True)
                yield Label("Escape cancels", classes="hint")

    def on_mount(self) -> None:
        """Show the first plan."""
        self._show_plan()

    def _options(self) -> dict[str, Any]:
        """Return the options of `plan_rollout`."""
        by = self.query_one("#by", Select).value
        most = parse_count(self.query_one("#most", Input).value)
        if by == "size" and most is None:
            raise ValueError("enter the largest batch: a count or a percentage such as 20%")
        batches = {"by": most} if by == "size" else {"by": by, "max_batch": most}
        only = list(self._picked) if self.query_one("#only", Checkbox).value else None
        canary = parse_count(self.query_one("#canary", Input).value)
        return {**batches, "canary": canary, "only": only}

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Checkbox.Changed)
    def _show_plan(self) -> None:
        """Show the plan, or the error in the options."""
        plan: list[az.Batch] = []
        try:
            parse_seconds(self.query_one("#pause", Input).value)
            plan = az.plan_rollout(self._instances, **self._options())
        except ValueError as error:
            text = sentence(error)
        else:
            lines = [
                f"{number}. {batch.name}: {join_ids(batch.instance_ids, 30)}"
                for number, batch in enumerate(plan, 1)
            ]
            text = "\n".join(lines) or "Nothing to do: every instance has the latest model."
        self.query_one("#plan", Static).update(text)
        self.query_one("#yes", Button).disabled = not plan

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _done(self) -> None:
        if not self.query_one("#yes", Button).disabled:
            pause = parse_seconds(self.query_one("#pause", Input).value)
            on_failure = "rollback" if self.query_one("#back", Checkbox).value else "stop"
            self.dismiss({**self._options(), "pause": pause, "on_failure": on_failure})


class ChooseDialog(Dialog):
    """The list of scale sets of the subscription, to open one."""

    def __init__(self, subscription_id: str, fetch: Callable[[], list[Any]]) -> None:
        super().__init__()
        self._subscription_id = subscription_id
        self._fetch = fetch
        self._found: list[Any] = []

    def compose(self) -> ComposeResult:
        """Yield a table, and a line for errors."""
        with Vertical(classes="window choose") as window:
            window.border_title = f"Scale sets of subscription {self._subscription_id}"
            yield DataTable(cursor_type="row", zebra_stripes=True)
            yield Static("loading scale sets from Azure …", id="wrong", markup=False)
            yield Label("Enter opens, Escape cancels", classes="hint")

    def on_mount(self) -> None:
        """Load the scale sets."""
        self.query_one(DataTable).add_columns(
            "name", "group", "location", "VMs", "size", "upgrades", "state", "image"
        )
        self._fill()

    @work(exit_on_error=False)
    async def _fill(self) -> None:
        table = self.query_one(DataTable)
        error_line = self.query_one("#wrong", Static)
        try:
            self._found = await in_thread(self._fetch)
            for model in self._found:
                table.add_row(*_row(model))
        except Exception as error:
            error_line.update(sentence(error))
            return
        error_line.update("" if self._found else "This subscription has no scale sets.")
        table.focus()

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        chosen = self._found[event.cursor_row]
        self.dismiss((group_of(chosen), chosen["name"]))


def _row(model: Any) -> list[str]:
    """Return the table row of a scale set."""
    sku = model.get("sku") or {}
    values = (
        model["name"],
        group_of(model),
        model["location"],
        sku.get("capacity", ""),
        sku.get("name", ""),
        az.upgrade_mode(model),
        model["properties"].get("provisioningState", ""),
        version_of(model),
    )
    return [str(value) for value in values]


HELP = """\
[b]Pick[/b]   arrows   move over instances and headings
       space    pick or unpick the tile under the cursor; or click it
       d  f  z  the cursor's update domain, fault domain, zone
       a        all            escape  none

[b]Act[/b]    enter    upgrade, reimage, start, power off, restart,
                deallocate or delete picked instances, or the cursor's
       w        start, restart, power off or deallocate the whole set
       c        change the capacity
       i  v     change the image, the VM size in the model
       r        rolling upgrade     x  stop it     b  roll it back

[b]See[/b]    g        poll now       l  another scale set
       ?        help           q  quit

[b]Tiles[/b]  filled: on the latest model       outlined: on an older one
"""
_FLAG_COLOUR = "#ffd33d"


def _help() -> str:
    """Return the keys and the coloured signs of the heat map."""
    states = [f"[{style.ink}]{style.signs[0]}[/] {style.name:<13}" for style in STYLES.values()]
    flags = [f"[{_FLAG_COLOUR}]{signs[0]}[/] {flag:<13}" for flag, signs in FLAG_SIGNS.items()]
    lines = ["".join(signs).rstrip() for signs in (states[:4], states[4:], flags)]
    return HELP + "\n".join(f"       {line}" for line in lines)


class HelpDialog(Dialog):
    """The help: keys, and signs of the heat map."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,enter,q", "leave", "Back")]

    def compose(self) -> ComposeResult:
        """Yield the text."""
        with VerticalScroll(classes="window help") as window:
            window.border_title = "Help"
            yield Static(_help())
