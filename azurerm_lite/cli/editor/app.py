"""The editor: the screen, the polling of the scale set, and one job at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState

import azurerm_lite as az
from azurerm_lite.heatmap import FLAG_SIGNS, STYLES, Heatmap

from ..text import duration, join_ids, plural
from . import actions
from .actions import Action, describe_image, in_thread, sentence
from .dialogs import ChooseDialog, Dialog, FormDialog, HelpDialog, MenuDialog
from .heat_map import HeatMapView
from .rolling import Rolling
from .state import Job, Log
from .tiles import facts, is_busy

_WRITES = ("act", "whole_set", "capacity", "image", "size", "roll", "undo")
_IDLE_SECONDS = 30.0
"""Seconds between two polls while nothing is being changed; longer for large sets."""
_ENDED = ("", "succeeded", "failed", "canceled")
_FLAG_COLOUR = "#ffd33d"


class Editor(Rolling):
    """The editor of one subscription's scale sets."""

    CSS_PATH = "editor.tcss"
    TITLE = "azurerm-lite"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's type
    VERTICAL_BREAKPOINTS = [(0, "-low"), (40, "-tall")]  # noqa: RUF012 - Textual's type
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "act", "Act"),
        Binding("w", "whole_set", "Whole set"),
        Binding("c", "capacity", "Scale"),
        Binding("i", "image", "Image"),
        Binding("v", "size", "Size", show=False),
        Binding("r", "roll", "Roll"),
        Binding("x", "stop", "Stop"),
        Binding("b", "undo", "Back", show=False),
        Binding("g", "poll", "Poll", show=False),
        Binding("l", "choose", "Sets"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
    ]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._not_before = 0.0
        self._poll_error = ""
        self._hide_warnings: Callable[[], None] = lambda: None

    # The screen

    def compose(self) -> ComposeResult:
        """Yield the title, the heat map next to the facts, the status line, the log, the keys."""
        yield Static(id="title")
        with Horizontal(id="main"):
            yield HeatMapView(id="map")
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="facts")
        yield Static(id="legend")
        yield Static("", id="status", markup=False)
        yield Log(id="log", wrap=True, min_width=20, max_lines=2000)
        keys = Footer(show_command_palette=False)
        keys.compact = True
        yield keys

    def on_mount(self) -> None:
        """Open the scale set, or show the list to choose from."""
        self.query_one("#log", Log).border_title = "log"
        self.query_one("#log", Log).can_focus = False
        self.query_one("#map", HeatMapView).focus()
        self._show_warnings()
        self._draw()
        if self.opened:
            self._open()
        else:
            self.action_choose()

    def _open(self) -> None:
        self.log_line(f"opened {self.set_name}; press ? for help")
        self.watch_set()

    def _show_warnings(self) -> None:
        """Send the library's warnings, for example about waits, to the log of the editor."""
        loop = asyncio.get_running_loop()
        app = self

        class LogHandler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(app.log_line, record.getMessage(), "warning")

        logger = logging.getLogger("azurerm_lite")
        handler = LogHandler(logging.WARNING)
        propagated = logger.propagate

        def stop() -> None:
            logger.removeHandler(handler)
            logger.propagate = propagated

        logger.addHandler(handler)
        logger.propagate = False
        self._hide_warnings = stop

    def on_unmount(self) -> None:
        """Restore the library's logger, and stop a rollout before its next batch."""
        self._hide_warnings()
        if self.job:
            self.job.stop.set()

    def _draw(self) -> None:
        """Draw the title, the heat map and the legend."""
        title = Text()
        title.append(" azurerm-lite ", "bold #ffffff on #1f6feb")
        title.append(f"  {self.set_name}", "bold #f0f6fc")
        if self.model:
            title.append(f"  {self.model['location']} / {actions.group_of(self.model)}", "#8b949e")
        if self.read_only:
            title.append("  ").append(" READ-ONLY ", "bold #0d1117 on #d29922")
        self.query_one("#title", Static).update(title)
        view = self.query_one("#map", HeatMapView)
        view.show(self.heat_map)
        view.border_title = actions.summary(self.heat_map) if self.model else "no scale set"
        self.query_one("#side").border_title = self.set_name
        self.query_one("#legend", Static).update(self._legend())

    def _facts(self) -> Text:
        """Return the facts about the scale set, then those about the instance at the cursor."""
        text = Text()
        for name, value in actions.facts(self.model) if self.model else ():
            text.append(f"{name:<9} ", "#8b949e").append(f"{value}\n", "#f0f6fc")
        here = self.query_one("#map", HeatMapView).here
        if here and here.cell:
            text.append(f"\n{here.cell.name or here.name}\n", f"bold {here.cell.style.ink}")
            text.append("\n".join(facts(here.cell)), "#c9d1d9")
        return text

    def _legend(self) -> Text:
        """Return the signs of the heat map with their counts, broken between entries only."""
        cells = self.heat_map.cells
        parts = [Text("filled: latest model, outlined: older", "#8b949e")]
        for name, style in STYLES.items():
            if count := sum(cell.style.name == name for cell in cells):
                part = Text(f"{style.signs[0]} ", style.ink)
                parts.append(part.append(f"{count} {name}", "#8b949e"))
        for flag, signs in FLAG_SIGNS.items():
            if count := sum(flag in cell.flags for cell in cells):
                part = Text(f"{signs[0]} ", _FLAG_COLOUR)
                parts.append(part.append(f"{count} {flag}", "#8b949e"))
        return _join_in_lines(parts, self.size.width - 2)

    def on_resize(self) -> None:
        """Break the lines of the legend for the new width."""
        self.query_one("#legend", Static).update(self._legend())

    @on(HeatMapView.SelectionChanged)
    def _selection_changed(self) -> None:
        """Show the picked instances, or the tile at the cursor, in the frame of the heat map."""
        view = self.query_one("#map", HeatMapView)
        view.border_subtitle = self._selection(view)
        self.query_one("#facts", Static).update(self._facts())

    def _selection(self, view: HeatMapView) -> str:
        """Return a description of the picked instances, or of the tile at the cursor."""
        if view.picked:
            return f"picked {len(view.targets)}: {join_ids(view.targets, 8)}"
        here = view.here
        if not here:
            return ""
        if here.cell:
            return f"{here.cell.name or here.name}: {facts(here.cell)[0]}"
        return f"{here.name} · {plural(len(here.ids), 'instance')}"

    # Polling

    @work(exclusive=True, group="watch", exit_on_error=False)
    async def watch_set(self) -> None:
        """Poll the scale set, more often while something is being changed."""
        polls = 0
        failures = 0
        while True:
            self.refresh_soon.clear()
            failures = 0 if await self._poll() else failures + 1
            is_changing = bool(self.job) or self._is_busy()
            polls = polls + 1 if is_changing else 0
            size = len(self.heat_map.cells)
            if is_changing:
                pause = actions.poll_interval(size, polls)
            else:
                pause = max(_IDLE_SECONDS, 2 * actions.poll_interval(size, 99))
            await self._sleep(min(300.0, pause * 2 ** min(failures, 10)))

    async def _sleep(self, pause: float) -> None:
        """Sleep until the next poll is due or requested, at least until Azure's Retry-After."""
        loop = asyncio.get_running_loop()
        seconds = max(pause, self._not_before - loop.time())
        try:
            await asyncio.wait_for(self.refresh_soon.wait(), seconds)
        except TimeoutError:
            return
        while (left := self._not_before - loop.time()) > 0:
            self.status(f"Azure asked to wait: polling again in {duration(left)}", "warning")
            await asyncio.sleep(min(left, 1.0))

    def _is_busy(self) -> bool:
        """Return whether Azure is changing the scale set or an instance."""
        if any(is_busy(cell) for cell in self.heat_map.cells):
            return True
        state = self.model["properties"].get("provisioningState") if self.model else ""
        return str(state or "").lower() not in _ENDED

    async def _poll(self) -> bool:
        """Read and draw the scale set; log a new error once. Return whether that worked."""
        try:
            self.model, self.instances = await in_thread(actions.read, self.where)
            self.heat_map = az.heatmap(self.instances)
            self._draw()
        except Exception as error:
            retry_after = getattr(error, "retry_after", None) or 0
            self._not_before = asyncio.get_running_loop().time() + retry_after
            if isinstance(error, az.NotFound):
                self._forget()
                self._draw()
            if sentence(error) != self._poll_error:
                self._poll_error = sentence(error)
                self.log_line(self._poll_error, "error")
            return False
        if self._poll_error:
            self.log_line(f"polling {self.set_name} works again", "done")
            self._poll_error = ""
        return True

    def _forget(self) -> None:
        """Clear the model, the instances and the heat map."""
        self.model = None
        self.instances = []
        self.heat_map = Heatmap(())

    def action_poll(self) -> None:
        """Poll now."""
        self.refresh_soon.set()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_choose(self) -> None:
        """Open another scale set."""
        if self.job:
            self.show_busy()
            return
        chosen = await self.push_screen_wait(
            ChooseDialog(
                self.subscription_id,
                lambda: az.list_vmss_sub(self.access_token, self.subscription_id),
            )
        )
        if chosen:
            self.opened = chosen
            self._poll_error = ""
            self._forget()
            self.query_one("#map", HeatMapView).action_pick_none()
            self._draw()
            self._open()
        elif not self.opened:
            self.status("Press l to choose a scale set, q to quit.")

    # Jobs

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's signature
        """Grey out the keys that are disabled."""
        return None if self.read_only and action in (*_WRITES, "stop") else True

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Log an error that was not handled elsewhere."""
        if event.state is WorkerState.ERROR and event.worker.error:
            self.log_line(sentence(event.worker.error), "error")

    def start_job(self, title: str, call: Callable[[], Any]) -> None:
        """Start a job that sends a request and waits for its operation."""
        if self.is_free():
            self.job = Job(title)
            self._run_job(self.job, call)

    @work(group="write", exit_on_error=False)
    async def _run_job(self, job: Job, call: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()

        def on_poll(state: str, seconds: float) -> None:
            if not loop.is_closed():
                text = f"↻ {job.title}: {state}, {duration(seconds)}"
                loop.call_soon_threadsafe(self.status, text)

        self.log_line(f"{job.title} …", "work")
        try:
            response = await in_thread(call)
            self.refresh_soon.set()
            await in_thread(lambda: az.wait(self.access_token, response, on_poll=on_poll))
        except Exception as error:
            self.log_line(f"{job.title}: {sentence(error)}", "error")
        else:
            self.log_line(f"{job.title}: done", "done")
        finally:
            self.job = None
            self.refresh_soon.set()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_act(self) -> None:
        """Choose an action for the picked instances, or for those under the cursor."""
        ids = self.query_one("#map", HeatMapView).targets
        if not self.is_free() or not ids:
            return
        title = f"{plural(len(ids), 'instance')}: {join_ids(ids, 12)}"
        action = await self.push_screen_wait(MenuDialog(title, actions.ON_INSTANCES))
        noun = "instance" if len(ids) == 1 else "instances"
        if action and await self._confirm_action(action, ids, f"{noun} {join_ids(ids)}"):
            where = self.where
            title = f"{action.name} {join_ids(ids, 12)}"
            self.start_job(title, lambda: action.run(*where, list(ids)))

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_whole_set(self) -> None:
        """Choose an action for the whole scale set."""
        if not self.is_free():
            return
        title = f"All instances of {self.set_name}"
        action = await self.push_screen_wait(MenuDialog(title, actions.ON_SET))
        if action and await self._confirm_action(
            action, self._all_ids(), f"all of {self.set_name}"
        ):
            where = self.where
            self.start_job(f"{action.name} all of {self.set_name}", lambda: action.run(*where))

    def _all_ids(self) -> list[str]:
        return [cell.instance_id for cell in self.heat_map.cells]

    async def _confirm_action(self, action: Action, ids: Sequence[str], targets: str) -> bool:
        """Ask for confirmation if an action needs it; return whether to continue."""
        if not action.needs_confirmation:
            return True
        text = (
            f"{plural(len(ids), 'instance')} of {self.set_name} will be {action.meaning}:"
            f"\n\n{join_ids(ids, 200)}"
        )
        title = f"{action.name} {targets}?"[:60]
        return await self.confirm(title, text, f"{action.name} {len(ids)}")

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_capacity(self) -> None:
        """Change the capacity."""
        if not self.is_free():
            return
        now = int((self.model.get("sku") or {}).get("capacity") or 0)

        def check(values: dict[str, str]) -> None:
            if not values["capacity"].strip().isdecimal():
                raise ValueError(f"capacity must be a whole number, got {values['capacity']!r}")

        title = f"Scale {self.set_name} (now {now})"
        fields = [("capacity", "Instances", str(now))]
        values = await self.push_screen_wait(FormDialog(title, fields, check))
        if not values or int(values["capacity"]) == now:
            return
        wanted = int(values["capacity"])
        where = self.where
        if wanted > now or await self._confirm_scale_in(now, wanted):
            self.start_job(f"scale from {now} to {wanted}", lambda: az.scale_vmss(*where, wanted))

    async def _confirm_scale_in(self, now: int, wanted: int) -> bool:
        """Ask before instances are deleted; return whether to continue."""
        text = (
            f"{plural(now - wanted, 'instance')} of {self.set_name} will be deleted permanently. "
            f"Azure chooses them among:\n\n{join_ids(self._all_ids(), 200)}"
        )
        title = f"Scale in from {now} to {wanted}?"
        return await self.confirm(title, text, f"Delete {now - wanted}")

    def _consequence(self, change: str) -> str:
        """Return the effect of a model change on the instances, by the upgrade mode."""
        mode = az.upgrade_mode(self.model)
        if mode.lower() == "manual":
            return (
                f"The model of {self.set_name} gets {change}. "
                "No instance changes until you upgrade it."
            )
        return (
            f"{self.set_name} is in upgrade mode {mode}: after the change to {change}, "
            f"Azure upgrades its {plural(len(self.heat_map.cells), 'instance')} automatically."
        )

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_image(self) -> None:
        """Change the image in the model."""
        if not self.is_free():
            return
        model = self.model
        where = self.where
        image = az.get_image(model)
        dialog = FormDialog(
            f"Image of {self.set_name}",
            _image_fields(image),
            lambda values: az.set_image(model, **actions.non_empty(values)),
            (lambda: actions.images_to_choose(where, model))
            if image["kind"] == "platform"
            else None,
        )
        values = actions.non_empty(await self.push_screen_wait(dialog) or {})
        if not values:
            return
        changes = {key: value for key, value in values.items() if value != image.get(key)}
        if not changes:
            self.status("The model already has this image.", "warning")
            return
        wanted = az.set_image(model, **changes)
        text = self._consequence(f"the image {describe_image(az.get_image(wanted))}")
        if await self.confirm("Change the model's image?", text, "Change it"):
            self.images_before[self.opened or ("", "")] = image
            title = f"image {actions.version_of(wanted)}"
            self.start_job(title, lambda: actions.change_image(where, changes))

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_size(self) -> None:
        """Change the VM size in the model."""
        if not self.is_free():
            return
        where = self.where
        now = str((self.model.get("sku") or {}).get("name", ""))

        def check(values: dict[str, str]) -> None:
            if not values["size"].strip():
                raise ValueError("size must not be empty")

        dialog = FormDialog(
            f"VM size of {self.set_name}",
            [("size", "Size", now)],
            check,
            lambda: actions.sizes_to_choose(where),
        )
        values = await self.push_screen_wait(dialog)
        size = values["size"].strip() if values else now
        if size == now:
            return
        text = self._consequence(f"the size {size}")
        if await self.confirm("Change the VM size?", text, "Change it"):
            self.start_job(f"VM size {size}", lambda: actions.change_size(where, size))

    # Help and quitting

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpDialog())

    async def action_quit(self) -> None:
        """Quit by Textual's own key; a second press quits without asking."""
        if isinstance(self.screen, Dialog):
            self.exit()
        else:
            self.action_leave()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_leave(self) -> None:
        """Quit; ask first while a job is in progress."""
        if not self.job:
            self.exit()
            return
        text = "Azure finishes the operation in progress."
        if self.job.is_rollout:
            text += " The rolling upgrade then stops. Start it again to resume it."
        if await self.confirm(f"Quit? {self.job.title} is in progress", text, "Quit"):
            self.exit()


def _join_in_lines(parts: Sequence[Text], width: int) -> Text:
    """Return parts joined by two spaces, with line breaks between parts only."""
    text = parts[0]
    used = len(parts[0])
    for part in parts[1:]:
        used += 2 + len(part)
        separator = "  "
        if used > width:
            separator = "\n"
            used = len(part)
        text.append(separator).append(part)
    return text


def _image_fields(image: az.Image) -> list[tuple[str, str, str]]:
    """Return the fields for an image of the same kind: name, label and value."""
    if image["kind"] == "platform":
        return [
            ("version", "Version", image.get("version", "")),
            ("sku", "SKU", image.get("sku", "")),
        ]
    if image["kind"] == "image_id":
        return [("image_id", "Image id", image.get("image_id", ""))]
    return [("image_uri", "Image URL", image.get("image_uri", ""))]
