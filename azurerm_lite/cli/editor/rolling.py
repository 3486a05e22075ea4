"""The rolling upgrade and the rollback: start, follow, stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from textual import work

import azurerm_lite as az

from ..text import join_ids, plural
from .actions import describe_image, image_of, in_thread, sentence
from .dialogs import RollDialog
from .heat_map import HeatMapView
from .state import EditorState, Job

_ENDINGS = ("stopped", "finished", "rolled_back")
_PROGRESS = ("progress", "waiting", "baking", "pausing")
_CHANGES = ("batch_started", "batch_done", *_ENDINGS)


class Rolling(EditorState):
    """The part of the editor for rolling upgrades and rollbacks."""

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_roll(self) -> None:
        """Upgrade the instances to the model, batch by batch."""
        if not self.is_free():
            return
        view = self.query_one("#map", HeatMapView)
        options = await self.push_screen_wait(
            RollDialog(self.set_name, self.instances, view.targets if view.picked else ())
        )
        if options and self.is_free():
            self.job = Job(f"rolling upgrade of {self.set_name}", is_rollout=True)
            pause = self._pause(self.job, options.pop("pause"))
            self._roll(self.job, az.rollout(*self.where, **options, pause=pause))

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_undo(self) -> None:
        """Restore the old image in the model, then on the instances batch by batch."""
        if not self.is_free():
            return
        image_before = self.images_before.get(self.opened or ("", ""))
        if image_before == az.get_image(self.model):
            image_before = None
        ids = [cell.instance_id for cell in self.heat_map.cells if cell.has_latest_model]
        text = (
            f"The model of {self.set_name} gets {self._image_to_restore()}, "
            f"and {plural(len(ids), 'instance')} are rolled back to it, batch by batch:"
            f"\n\n{join_ids(ids, 200)}"
        )
        title = f"Roll {self.set_name} back?"
        if await self.confirm(title, text, "Roll back") and self.is_free():
            self.job = Job(f"rollback of {self.set_name}", is_rollout=True)
            pause = self._pause(self.job, 0)
            self._roll(self.job, az.rollback(*self.where, image=image_before, pause=pause))

    def _image_to_restore(self) -> str:
        """Return the image that a rollback restores, or a guess from the outdated instances."""
        image_before = self.images_before.get(self.opened or ("", ""))
        if image_before == az.get_image(self.model):
            return image_of(self.model)
        if image_before:
            return describe_image(image_before)
        outdated = {
            image_of(instance)
            for instance in self.instances
            if not instance["properties"].get("latestModelApplied")
        }
        return " or ".join(sorted(outdated)) or "an older image"

    def _pause(self, job: Job, seconds: float) -> Callable[[Any], bool]:
        """Return a pause between batches that ends immediately when the job is stopped."""

        def pause(_: Any) -> bool:
            return not job.stop.wait(seconds)

        return pause

    @work(group="write", exit_on_error=False)
    async def _roll(self, job: Job, events: Iterator[Any]) -> None:
        self.log_line(f"{job.title} …", "work")
        try:
            while (event := await in_thread(next, events, None)) is not None:
                self._follow(event)
                if job.stop.is_set() and event.kind not in _ENDINGS:
                    batch = f"; Azure finishes {event.batch.name}" if event.batch else ""
                    self.log_line(
                        f"{job.title}: stopped{batch}; "
                        f"{event.latest} of {event.total} on the latest model",
                        "warning",
                    )
                    break
        except Exception as error:
            self.log_line(f"{job.title}: {sentence(error)}", "error")
        finally:
            self.job = None
            self.refresh_soon.set()

    def _follow(self, event: Any) -> None:
        """Show an event of a rollout; progress is not written to the log."""
        if event.kind not in _PROGRESS:
            is_done = event.kind in ("batch_done", "finished", "rolled_back")
            self.log_line(event.message, "done" if is_done else "work")
        tenths = round(10 * event.latest / event.total) if event.total else 0
        bar = "▰" * tenths + "▱" * (10 - tenths)
        self.status(f"{bar} {event.latest}/{event.total}  {event.message}")
        if event.kind in _CHANGES:
            self.refresh_soon.set()

    def action_stop(self) -> None:
        """Stop a rolling upgrade before its next batch."""
        if self.job and self.job.is_rollout:
            self.job.stop.set()
            self.log_line(f"{self.job.title}: stopping", "warning")
        else:
            self.status("No rolling upgrade is in progress.", "warning")
