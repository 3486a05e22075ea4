"""The editor: the screen, the looks at the scale set, and one thing at a time that is done to it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, RichLog, Static
from textual.worker import Worker, WorkerState

import azurerm_lite as az

from . import actions
from .actions import Action, in_thread, sentence
from .dialogs import Choose, Confirm, Dialog, Form, Help, Menu
from .heat import Heat
from .picture import FLAGS, POWER, Spot, counted, image, listed, spots, summary, version
from .rolling import Job, Rolling

_WRITES = ("act", "whole_set", "capacity", "image", "size", "roll", "undo")
_IDLE = 30.0
"""Seconds between two looks while nothing is under way: others may begin something. Longer for large sets."""
_KEPT = {
    "warning": "#d29922",
    "error": "#ff7b72",
    "done": "#3fb950",
    "work": "#58a6ff",
    "": "#8b949e",
}


class Log(RichLog):
    """What was done, wrapped anew where the window gets another width."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._told: deque[Text] = deque(maxlen=self.max_lines)
        self._wide = 0

    def tell(self, line: Text) -> None:
        """Adds a line."""
        self._told.append(line)
        self.write(line, expand=True)

    def on_resize(self, event: events.Resize) -> None:
        """Writes all lines again."""
        if self._wide not in (0, event.size.width):
            self.clear()
            for line in self._told:
                self.write(line, expand=True)
        self._wide = event.size.width


class Editor(Rolling, App[None]):
    """The editor of one subscription's scale sets.

    Args:
        access_token: A callable that returns a token, and renews it.
        subscription_id: Subscription id.
        opened: Resource group and name of the set to open; `None` to choose.
        read_only: Whether to refuse whatever would change something.
        now: The time for the log.
    """

    CSS_PATH = "editor.tcss"
    TITLE = "azurerm-lite"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS: ClassVar = [(0, "-low"), (40, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "act", "Act"),
        Binding("w", "whole_set", "Whole set"),
        Binding("c", "capacity", "Scale"),
        Binding("i", "image", "Image"),
        Binding("v", "size", "Size", show=False),
        Binding("r", "roll", "Roll"),
        Binding("x", "stop", "Stop"),
        Binding("b", "undo", "Back", show=False),
        Binding("g", "look", "Look", show=False),
        Binding("l", "choose", "Sets"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
    ]

    def __init__(
        self,
        access_token: Callable[[], str],
        subscription_id: str,
        opened: tuple[str, str] | None = None,
        *,
        read_only: bool = False,
        now: Callable[[], str] = lambda: f"{datetime.now():%H:%M:%S}",
    ) -> None:
        super().__init__()
        self.access_token, self.subscription_id, self.read_only, self.now = (
            access_token,
            subscription_id,
            read_only,
            now,
        )
        self.opened = opened
        self.job: Job | None = None
        self.model: Any = None
        self.instances: list[Any] = []
        self.spots: list[Spot] = []
        self.images_before: dict[tuple[str, str], Any] = {}
        self._poked = asyncio.Event()
        self._not_before = 0.0
        self._trouble = ""
        self._stop_listening: Callable[[], None] = lambda: None

    # The screen

    def compose(self) -> ComposeResult:
        """A title, the map beside the facts, a line for what goes on, the log, the keys."""
        yield Static(id="title")
        with Horizontal(id="main"):
            yield Heat(id="map")
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="facts")
        yield Static(id="legend")
        yield Static("", id="status", markup=False)
        yield Log(id="log", wrap=True, min_width=20, max_lines=2000)
        keys = Footer(show_command_palette=False)
        keys.compact = True
        yield keys

    def on_mount(self) -> None:
        """Opens a set, or asks which."""
        self.query_one("#log", Log).border_title = "log"
        self.query_one("#log", Log).can_focus = False
        self.query_one("#map", Heat).focus()
        self._listen()
        self._draw()
        if self.opened:
            self._open()
        else:
            self.action_choose()

    def _open(self) -> None:
        self.say(f"opened {self.set_name}; press ? for help")
        self.watch_set()

    def _listen(self) -> None:
        """The library's warnings, of waits for one, go to the log and not across the screen."""
        loop, app = asyncio.get_running_loop(), self

        class Told(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(app.say, record.getMessage(), "warning")

        log, handler = logging.getLogger("azurerm_lite"), Told(logging.WARNING)
        propagated = log.propagate

        def end() -> None:
            log.removeHandler(handler)
            log.propagate = propagated

        log.addHandler(handler)
        log.propagate = False
        self._stop_listening = end

    def on_unmount(self) -> None:
        """Leaves the library's log as it was, and lets no rollout begin another batch."""
        self._stop_listening()
        if self.job:
            self.job.stop.set()

    def say(self, text: str, kind: str = "") -> None:
        """A line in the log, and in the status line."""
        marks = {"error": "✗", "warning": "!", "done": "✓", "work": "↻"}
        self.status(text, kind)
        line = Text(f"{self.now()} ", "#6e7681").append(
            f"{marks.get(kind, '·')} {text}", _KEPT[kind]
        )
        for log in self.query("#log").results(Log):
            log.tell(line)

    def status(self, text: str, kind: str = "work") -> None:
        """The status line alone."""
        for each in self.query("#status").results(
            Static
        ):  # none once the editor closes, and threads still talk
            each.update(Text(text, _KEPT[kind], no_wrap=True, overflow="ellipsis"))

    @property
    def where(self) -> tuple[Any, ...]:
        """The first four arguments of the library's functions."""
        assert self.opened
        return (self.access_token, self.subscription_id, *self.opened)

    @property
    def set_name(self) -> str:
        """The name of the set."""
        return self.opened[1] if self.opened else "no scale set"

    def _draw(self) -> None:
        """Everything that shows what was read."""
        title = (
            Text()
            .append(" azurerm-lite ", "bold #ffffff on #1f6feb")
            .append(f"  {self.set_name}", "bold #f0f6fc")
        )
        if self.model:
            title.append(f"  {self.model['location']} / {actions.group_of(self.model)}", "#8b949e")
        if self.read_only:
            title.append("  ").append(" READ-ONLY ", "bold #0d1117 on #d29922")
        self.query_one("#title", Static).update(title)
        self.query_one("#map", Heat).show(self.spots)
        self.query_one("#map", Heat).border_title = (
            summary(self.spots) if self.model else "no scale set"
        )
        self.query_one("#side").border_title = self.set_name
        self.query_one("#legend", Static).update(self._legend())

    def _facts(self) -> Text:
        """The properties of the set, and below them the instance that the cursor is on."""
        text = Text()
        for name, value in actions.facts(self.model) if self.model else ():
            text.append(f"{name:<9} ", "#8b949e").append(f"{value}\n", "#f0f6fc")
        here = self.query_one("#map", Heat).here
        if here and here.spot:
            text.append(f"\n{here.spot.name or here.name}\n", f"bold {POWER[here.spot.power].ink}")
            text.append("\n".join(here.spot.facts), "#c9d1d9")
        return text

    def _legend(self) -> Text:
        """The signs that are on the map, and how many of each; no sign is parted from its name."""
        parts = [Text("filled: latest model, outlined: older", "#8b949e")]
        for name, look in POWER.items():
            if found := sum(spot.power == name for spot in self.spots):
                parts.append(Text(f"{look.solid} ", look.ink).append(f"{found} {name}", "#8b949e"))
        for name, mark in FLAGS.items():
            if found := sum(name in spot.flags for spot in self.spots):
                parts.append(Text(f"{mark} ", "#ffd33d").append(f"{found} {name}", "#8b949e"))
        text, wide = parts[0], len(parts[0])
        for part in parts[1:]:
            wide += 2 + len(part)
            between = "  " if wide <= self.size.width - 2 else "\n"
            wide = wide if between == "  " else len(part)
            text.append(between).append(part)
        return text

    def on_resize(self) -> None:
        """Breaks the legend's lines anew."""
        self.query_one("#legend", Static).update(self._legend())

    @on(Heat.Moved)
    def _moved(self) -> None:
        """What the cursor is on, and what is picked, stand in the frame of the map."""
        heat = self.query_one("#map", Heat)
        picked, here = heat.targets if heat.picked else (), heat.here
        heat.border_subtitle = (
            f"{here.name} · {counted(len(here.ids))}" if here and not here.spot else ""
        )
        if picked:
            heat.border_subtitle = f"picked {len(picked)}: {listed(picked, 8)}"
        elif here and here.spot:
            heat.border_subtitle = f"{here.spot.name or here.name}: {here.spot.facts[0]}"
        self.query_one("#facts", Static).update(self._facts())

    # Looking

    @work(exclusive=True, group="watch", exit_on_error=False)
    async def watch_set(self) -> None:
        """Looks at the set again and again: soon while something is under way, else now and then."""
        looks = failures = 0
        while True:
            self._poked.clear()
            failures = 0 if await self._look() else failures + 1
            busy = bool(self.job) or self._is_busy()
            looks = looks + 1 if busy else 0
            soon = actions.interval(len(self.spots), looks)
            pause = soon if busy else max(_IDLE, 2 * actions.interval(len(self.spots), 99))
            pause = min(300.0, pause * 2 ** min(failures, 10))
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Until the next look is due, or asked for; never before the time that Azure named."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(self._poked.wait(), max(pause, self._not_before - loop.time()))
        except asyncio.TimeoutError:
            return
        while (left := self._not_before - loop.time()) > 0:
            self.status(f"Azure asks to wait: looking again in {left:.0f} s", "warning")
            await asyncio.sleep(min(left, 1.0))

    def _is_busy(self) -> bool:
        state = str(self.model["properties"].get("provisioningState") or "") if self.model else ""
        return any(spot.is_busy for spot in self.spots) or state.lower() not in (
            "",
            "succeeded",
            "failed",
            "canceled",
        )

    async def _look(self) -> bool:
        """One look; what it found is drawn, or what went wrong is told, once."""
        try:
            self.model, self.instances = await in_thread(actions.read, self.where)
            self.spots = spots(self.instances)
            self._draw()
        except Exception as error:
            self._not_before = asyncio.get_running_loop().time() + (
                getattr(error, "retry_after", None) or 0
            )
            if isinstance(error, az.NotFound):
                self.model, self.instances, self.spots = None, [], []
                self._draw()
            if sentence(error) != self._trouble:
                self._trouble = sentence(error)
                self.say(self._trouble, "error")
            return False
        if self._trouble:
            self.say(f"{self.set_name} answers again.", "done")
            self._trouble = ""
        return True

    def action_look(self) -> None:
        """Looks now."""
        self._poked.set()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_choose(self) -> None:
        """Opens another set."""
        if self.job:
            self._refuse()
            return
        chosen = await self.push_screen_wait(
            Choose(
                self.subscription_id,
                lambda: az.list_vmss_sub(self.access_token, self.subscription_id),
            )
        )
        if chosen:
            self.opened, self.model, self.instances, self.spots, self._trouble = (
                chosen,
                None,
                [],
                [],
                "",
            )
            self.query_one("#map", Heat).action_pick_none()
            self._draw()
            self._open()
        elif not self.opened:
            self.status("Press l to choose a scale set, q to quit.")

    # Doing

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Greys out what cannot be done."""
        return None if self.read_only and action in (*_WRITES, "stop") else True

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Whatever goes wrong where nobody expected it is told, and ends nothing."""
        if event.state is WorkerState.ERROR and event.worker.error:
            self.say(sentence(event.worker.error), "error")

    def _refuse(self) -> None:
        told = self.job.told if self.job else ""
        self.status(f"One thing at a time: {told} is under way.", "warning")

    def _is_free(self) -> bool:
        """Whether something can be begun; says why not."""
        if self.read_only:
            self.status("This is read-only: nothing can be changed.", "warning")
        elif self.job:
            self._refuse()
        elif not self.model:
            self.status("There is no scale set to work on: press l to choose one.", "warning")
        return not self.read_only and not self.job and bool(self.model)

    async def _confirmed(self, title: str, text: str, yes: str) -> bool:
        return bool(await self.push_screen_wait(Confirm(title, text, yes)))

    def _begin(self, told: str, call: Callable[[], Any]) -> None:
        """Does one thing: the request, and the waiting for what Azure makes of it."""
        if self._is_free():
            self.job = Job(told)
            self._do(self.job, call)

    @work(group="write", exit_on_error=False)
    async def _do(self, job: Job, call: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()

        def looked(state: str, seconds: float) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.status, f"↻ {job.told}: {state}, {seconds:.0f} s")

        self.say(f"{job.told} …", "work")
        try:
            response = await in_thread(call)
            self._poked.set()
            await in_thread(lambda: az.wait(self.access_token, response, on_poll=looked))
        except Exception as error:
            self.say(f"{job.told}: {sentence(error)}", "error")
        else:
            self.say(f"{job.told}: done", "done")
        finally:
            self.job = None
            self._poked.set()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_act(self) -> None:
        """Does something to what is picked, or to what the cursor is on."""
        ids = self.query_one("#map", Heat).targets
        if self._is_free() and ids:
            action = await self.push_screen_wait(
                Menu(f"{counted(len(ids))}: {listed(ids, 12)}", actions.ON_INSTANCES)
            )
            if action and await self._agreed(
                action, ids, f"instance{'' if len(ids) == 1 else 's'} {listed(ids)}"
            ):
                where = self.where
                self._begin(
                    f"{action.name} {listed(ids, 12)}", lambda: action.run(*where, list(ids))
                )

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_whole_set(self) -> None:
        """Does something to the whole set."""
        if self._is_free():
            action = await self.push_screen_wait(
                Menu(f"The whole of {self.set_name}", actions.ON_SET)
            )
            every = tuple(spot.id for spot in self.spots)
            if action and await self._agreed(action, every, f"all of {self.set_name}"):
                where = self.where
                self._begin(f"{action.name} all of {self.set_name}", lambda: action.run(*where))

    async def _agreed(self, action: Action, ids: Sequence[str], told: str) -> bool:
        text = f"{counted(len(ids))} of {self.set_name} will be {action.meaning}:\n\n{listed(ids, 200)}"
        return not action.asks or await self._confirmed(
            f"{action.name} {told}?"[:60], text, f"{action.name} {len(ids)}"
        )

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_capacity(self) -> None:
        """Scales in or out."""
        if not self._is_free():
            return
        now = int((self.model.get("sku") or {}).get("capacity") or 0)

        def check(values: dict[str, str]) -> None:
            if not values["capacity"].strip().isdecimal():
                raise ValueError(f"capacity must be a whole number, not {values['capacity']!r}")

        values = await self.push_screen_wait(
            Form(f"Scale {self.set_name} (now {now})", [("capacity", "Instances", str(now))], check)
        )
        if not values or int(values["capacity"]) == now:
            return
        wanted, where = int(values["capacity"]), self.where
        text = f"{counted(now - wanted)} of {self.set_name} will be deleted for good; Azure chooses which of\n\n"
        text += listed([spot.id for spot in self.spots], 200)
        if wanted > now or await self._confirmed(
            f"Scale in from {now} to {wanted}?", text, f"Delete {now - wanted}"
        ):
            self._begin(f"scale from {now} to {wanted}", lambda: az.scale_vmss(*where, wanted))

    def _consequence(self, what: str) -> str:
        """What a change of the model means for the instances, by the upgrade mode."""
        if actions.mode_of(self.model).lower() == "manual":
            return f"The model of {self.set_name} gets {what}. No instance changes before it is upgraded."
        mode, number = actions.mode_of(self.model), counted(len(self.spots))
        return f"{self.set_name} is in upgrade mode {mode}: with {what} Azure itself will upgrade its {number}."

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_image(self) -> None:
        """Another image into the model."""
        if not self._is_free():
            return
        model, where, now = self.model, self.where, az.get_image(self.model)
        platform = [
            ("version", "Version", now.get("version", "")),
            ("sku", "SKU", now.get("sku", "")),
        ]
        fields = {
            "platform": platform,
            "image_id": [("image_id", "Image id", now.get("image_id", ""))],
            "image_uri": [("image_uri", "Image URL", now.get("image_uri", ""))],
        }[now["kind"]]
        choices = (
            (lambda: actions.images_to_choose(where, model)) if now["kind"] == "platform" else None
        )
        values = await self.push_screen_wait(
            Form(
                f"Image of {self.set_name}",
                fields,
                lambda given: az.set_image(model, **actions.given(given)),
                choices,
            )
        )
        if not values:
            return
        values = {
            key: value for key, value in actions.given(values).items() if value != now.get(key)
        }
        if not values:
            self.status("The model has that image already.", "warning")
            return
        wanted = image(az.set_image(model, **values))
        if await self._confirmed(
            "Change the model's image?", self._consequence(f"the image {wanted}"), "Change it"
        ):
            self.images_before[self.opened or ("", "")] = now
            self._begin(
                f"image {version(az.set_image(model, **values))}",
                lambda: actions.change_image(where, values),
            )

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_size(self) -> None:
        """Another VM size into the model."""
        if not self._is_free():
            return
        where, now = self.where, str((self.model.get("sku") or {}).get("name", ""))

        def check(values: dict[str, str]) -> None:
            if not values["size"].strip():
                raise ValueError("say which VM size")

        values = await self.push_screen_wait(
            Form(
                f"VM size of {self.set_name}",
                [("size", "Size", now)],
                check,
                lambda: actions.sizes_to_choose(where),
            )
        )
        size = values["size"].strip() if values else now
        if size != now and await self._confirmed(
            "Change the VM size?", self._consequence(f"the size {size}"), "Change it"
        ):
            self._begin(f"VM size {size}", lambda: actions.change_size(where, size))

    # The rest

    def action_help(self) -> None:
        """Shows the keys."""
        self.push_screen(Help())

    async def action_quit(self) -> None:
        """Quits by Textual's own key: asks too, once."""
        if isinstance(self.screen, Dialog):
            self.exit()
        else:
            self.action_leave()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_leave(self) -> None:
        """Quits; asks while something is under way."""
        text = "Azure goes on with what it was told."
        if self.job and self.job.rolls:
            text += " The rolling upgrade stops after that; the same one begun again goes on from there."
        if not self.job or await self._confirmed(
            f"Quit? {self.job.told} is under way", text, "Quit"
        ):
            self.exit()
