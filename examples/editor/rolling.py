"""The rolling upgrade and the rollback, as the editor does them: begun by a dialog, followed, stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from textual import work

import azurerm_lite as az

from .actions import in_thread, sentence
from .dialogs import Roll
from .heat import Heat
from .picture import counted, image, listed


class Job:
    """What is being done to the set."""

    def __init__(self, told: str, rolls: bool = False) -> None:
        self.told, self.rolls = told, rolls
        self.stop = threading.Event()


class Rolling:
    """The part of the editor that rolls."""

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_roll(self) -> None:
        """A rolling upgrade to the model."""
        if not self._is_free():
            return
        heat = self.query_one("#map", Heat)
        options = await self.push_screen_wait(
            Roll(self.set_name, self.instances, heat.targets if heat.picked else ())
        )
        if options and self._is_free():
            self.job = Job(f"rolling upgrade of {self.set_name}", rolls=True)
            pause = self._pause(self.job, options.pop("pause"))
            self._roll(self.job, az.rollout(*self.where, **options, pause=pause))

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def action_undo(self) -> None:
        """Puts the old image back, into the model and batch by batch onto the instances."""
        if not self._is_free():
            return
        before = self.images_before.get(self.opened or ("", ""))
        behind = sorted(
            {
                image(each)
                for each in self.instances
                if not each["properties"].get("latestModelApplied")
            }
        )
        told = (
            image(self.model)
            if before == az.get_image(self.model)
            else " or ".join(behind) or "an older image"
        )
        if before and before != az.get_image(self.model):
            told = ":".join(str(value) for key, value in before.items() if key != "kind")
        ids = [spot.id for spot in self.spots if spot.latest]
        text = f"The model of {self.set_name} gets {told}, and {counted(len(ids))} go back to it, batch by batch:\n\n"
        if (
            await self._confirmed(
                f"Roll {self.set_name} back?", text + listed(ids, 200), "Roll back"
            )
            and self._is_free()
        ):
            self.job = Job(f"rollback of {self.set_name}", rolls=True)
            now = before if before != az.get_image(self.model) else None
            self._roll(
                self.job, az.rollback(*self.where, image=now, pause=self._pause(self.job, 0))
            )

    def _pause(self, job: Job, seconds: float) -> Callable[[Any], bool]:
        """The pause between two batches, which a stop ends at once."""

        def pause(_: Any) -> bool:
            return not job.stop.wait(seconds)

        return pause

    @work(group="write", exit_on_error=False)
    async def _roll(self, job: Job, events: Iterator[Any]) -> None:
        self.say(f"{job.told} …", "work")
        try:
            while (event := await in_thread(next, events, None)) is not None:
                self._follow(event)
                if job.stop.is_set() and event.kind not in ("stopped", "finished", "rolled_back"):
                    batch = f": Azure finishes {event.batch.name}" if event.batch else ""
                    self.say(
                        f"{job.told}: stopped{batch}; {event.latest} of {event.total} on the latest model",
                        "warning",
                    )
                    break
        except Exception as error:
            self.say(f"{job.told}: {sentence(error)}", "error")
        finally:
            self.job = None
            self._poked.set()

    def _follow(self, event: Any) -> None:
        """An event of a rollout: those that only say that something goes on stay out of the log."""
        done = round(10 * event.latest / event.total) if event.total else 0
        bar = "▰" * done + "▱" * (10 - done)
        if event.kind in ("progress", "waiting", "baking", "pausing"):
            self.status(f"{bar} {event.latest}/{event.total}  {event.message}")
            return
        self.say(
            event.message,
            "done" if event.kind in ("batch_done", "finished", "rolled_back") else "work",
        )
        self.status(f"{bar} {event.latest}/{event.total}  {event.message}")
        if event.kind in ("batch_started", "batch_done", "finished", "rolled_back", "stopped"):
            self._poked.set()

    def action_stop(self) -> None:
        """Stops a rolling upgrade before its next batch."""
        if self.job and self.job.rolls:
            self.job.stop.set()
            self.say(f"{self.job.told}: stopping", "warning")
        else:
            self.status("No rolling upgrade is under way.", "warning")
