"""What the editor asks: yes or no, one of a list, a few fields, a rollout, and the help that it gives."""

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

from .actions import Action, group_of, in_thread, mode_of, number, seconds, sentence
from .picture import listed, version


class Dialog(ModalScreen[Any]):
    """A window over the map; Escape leaves it with `None`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def action_leave(self) -> None:
        """Leaves without an answer."""
        self.dismiss(None)


class Confirm(Dialog):
    """Asks before something that cannot be taken back; anything but a yes is a no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n", "answer(False)", "No"),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__()
        self._heading, self._text, self._yes = title, text, yes

    def compose(self) -> ComposeResult:
        """A title, what will be touched, and two buttons, the safe one first."""
        with Vertical(classes="window danger") as window:
            window.border_title = self._heading
            with VerticalScroll(classes="text", can_focus=False):
                yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("No, leave it", id="no", compact=True)
                yield Button(self._yes, id="yes", variant="error", compact=True)
                yield Label("n / y", classes="hint")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answers by key."""
        self.dismiss(answer)


class Menu(Dialog):
    """One of a few actions, by its key, with the arrows, or with the mouse."""

    def __init__(self, title: str, actions: Sequence[Action]) -> None:
        super().__init__()
        self._heading, self._actions = title, actions

    def compose(self) -> ComposeResult:
        """The actions, each with its key."""
        with Vertical(classes="window menu") as window:
            window.border_title = self._heading
            yield OptionList(
                *(Option(f"[b]{each.key}[/b]  {each.name}", each.name) for each in self._actions)
            )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._actions[event.option_index])

    def on_key(self, event: Any) -> None:
        """Takes an action's key."""
        for action in self._actions:
            if event.key == action.key:
                event.stop()
                self.dismiss(action)


class Form(Dialog):
    """A few fields; what was given is checked before the window closes. Choices fill the first field."""

    def __init__(
        self,
        title: str,
        fields: Sequence[tuple[str, str, str]],
        check: Callable[[dict[str, str]], object],
        choices: Callable[[], list[str]] | None = None,
    ) -> None:
        super().__init__()
        self._heading, self._fields, self._check, self._choices = title, fields, check, choices

    def compose(self) -> ComposeResult:
        """A line for each field, the choices below, and what is wrong with what was given."""
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
                yield Button("Go on", id="yes", variant="primary", compact=True)
                yield Label("Enter goes on, Escape leaves", classes="hint")

    def on_mount(self) -> None:
        """Fetches the choices."""
        if self._choices:
            self._fetch(self._choices)

    @work(exit_on_error=False)
    async def _fetch(self, choices: Callable[[], list[str]]) -> None:
        self._tell("asking Azure what there is to choose from …")
        try:
            found = await in_thread(choices)
        except Exception as error:
            self._tell(sentence(error))
            return
        self.query_one("#choices", OptionList).add_options(found)
        self._tell("")

    def _tell(self, text: str) -> None:
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
            self._tell(sentence(error))
        else:
            self.dismiss(values)


_BY = (
    ("update domains", "update_domain"),
    ("fault domains", "fault_domain"),
    ("zones", "zone"),
    ("size", "size"),
)


class Box(Checkbox):
    """A box that is empty until it is ticked: colour alone would not tell."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]
        """The tick."""
        return "X" if self.value else " "


class Roll(Dialog):
    """How to roll: what makes a batch, how many at a time, pauses; with the plan that this comes to."""

    def __init__(self, name: str, instances: Sequence[Any], picked: Sequence[str]) -> None:
        super().__init__()
        self._set_name, self._instances, self._picked = name, instances, picked

    def compose(self) -> ComposeResult:
        """The fields in two columns, and the plan below."""
        with Vertical(classes="window roll") as window:
            window.border_title = f"Rolling upgrade of {self._set_name}"
            with Grid(classes="fields"):
                yield Label("Batches by")
                yield Select(_BY, value="update_domain", allow_blank=False, id="by", compact=True)
                yield Label("Most at a time (8, 20%)")
                yield Input(id="most", placeholder="no limit", compact=True)
                yield Label("First batch at most")
                yield Input(id="canary", placeholder="like the others", compact=True)
                yield Label("Pause between, seconds")
                yield Input("0", id="pause", compact=True)
            yield Box("Roll back by itself when a batch fails", id="back", compact=True)
            yield Box(f"Only what is picked ({listed(self._picked, 12) or 'nothing is'})", id="only",
                           value=False, disabled=not self._picked, compact=True)  # fmt: skip
            with VerticalScroll(classes="text", can_focus=False):
                yield Static("", id="plan", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Start", id="yes", variant="primary", compact=True)
                yield Label("Escape leaves", classes="hint")

    def on_mount(self) -> None:
        """Shows the first plan."""
        self._plan()

    def _options(self) -> dict[str, Any]:
        by, most = self.query_one("#by", Select).value, number(self.query_one("#most", Input).value)
        if by == "size" and most is None:
            raise ValueError("say how many at a time: a number, or a share such as 20%")
        batches = {"by": most} if by == "size" else {"by": by, "max_batch": most}
        only = list(self._picked) if self.query_one("#only", Checkbox).value else None
        return {**batches, "canary": number(self.query_one("#canary", Input).value), "only": only}

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Checkbox.Changed)
    def _plan(self) -> None:
        """The plan anew, or what is wrong with what was given."""
        try:
            seconds(self.query_one("#pause", Input).value)
            plan = az.plan_rollout(self._instances, **self._options())
            lines = [
                f"{number}. {batch.name}: {listed(batch.instance_ids, 30)}"
                for number, batch in enumerate(plan, 1)
            ]
            text = "\n".join(lines) or "Nothing to do: every instance has the latest model."
        except ValueError as error:
            plan, text = [], sentence(error)
        self.query_one("#plan", Static).update(text)
        self.query_one("#yes", Button).disabled = not plan

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _done(self) -> None:
        if not self.query_one("#yes", Button).disabled:
            pause = seconds(self.query_one("#pause", Input).value)
            failing = "rollback" if self.query_one("#back", Checkbox).value else "stop"
            self.dismiss({**self._options(), "pause": pause, "on_failure": failing})


class Choose(Dialog):
    """The subscription's scale sets, one of which to open."""

    def __init__(self, subscription_id: str, fetch: Callable[[], list[Any]]) -> None:
        super().__init__()
        self._subscription_id, self._fetch = subscription_id, fetch
        self._found: list[Any] = []

    def compose(self) -> ComposeResult:
        """A table, and a line for what goes wrong."""
        with Vertical(classes="window choose") as window:
            window.border_title = f"Scale sets of subscription {self._subscription_id}"
            yield DataTable(cursor_type="row", zebra_stripes=True)
            yield Static("asking Azure …", id="wrong", markup=False)
            yield Label("Enter opens it, Escape leaves", classes="hint")

    def on_mount(self) -> None:
        """Fetches the sets."""
        self.query_one(DataTable).add_columns(
            "name", "group", "location", "VMs", "size", "upgrades", "state", "image"
        )
        self._fill()

    @work(exit_on_error=False)
    async def _fill(self) -> None:
        table, told = self.query_one(DataTable), self.query_one("#wrong", Static)
        try:
            self._found = await in_thread(self._fetch)
            for each in self._found:
                sku, state = each.get("sku") or {}, each["properties"].get("provisioningState", "")
                row = (
                    each["name"],
                    group_of(each),
                    each["location"],
                    sku.get("capacity", ""),
                    sku.get("name", ""),
                )
                table.add_row(*(str(cell) for cell in (*row, mode_of(each), state, version(each))))
        except Exception as error:
            told.update(sentence(error))
            return
        told.update("" if self._found else "There is no scale set in this subscription.")
        table.focus()

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        chosen = self._found[event.cursor_row]
        self.dismiss((group_of(chosen), chosen["name"]))


HELP = """\
[b]Pick[/b]   arrows   walk the map, its headings too
       space    pick what the cursor is on, or put it back; so a click
       d  f  z  the cursor's update domain, fault domain, zone
       a        all            escape  none

[b]Do[/b]     enter    upgrade, reimage, start, power off, restart,
                deallocate, delete what is picked, else the cursor's
       w        start, restart, power off, deallocate the whole set
       c        scale in and out
       i  v     another image, another VM size in the model
       r        rolling upgrade     x  stop it     b  roll it back

[b]See[/b]    g        look now       l  another scale set
       ?        help           q  quit

[b]Tiles[/b]  filled: on the latest model       outlined: on an older one
       [#3fb950]●[/] running       [#58a6ff]▲[/] starting    [#f0883e]▼[/] stopping    [#ff7b72]■[/] stopped
       [#d2a8ff]◆[/] deallocating  [#9aa4af]▬[/] deallocated [#ff7eb6]★[/] unknown
       [#ffd33d]↻[/] updating      [#ffd33d]✗[/] failed      [#ffd33d]✚[/] unhealthy\
"""


class Help(Dialog):
    """The keys, and how to read the map; any of a few keys leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,enter,q", "leave", "Back")]

    def compose(self) -> ComposeResult:
        """One text."""
        with VerticalScroll(classes="window help") as window:
            window.border_title = "Help"
            yield Static(HELP)
