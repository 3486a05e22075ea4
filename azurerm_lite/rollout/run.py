"""One run of a rollout or of a rollback: its steps, each an iterator of events."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import cast

from .. import _clock, _retry, images, rest, vmss
from .._text import join_ids, plural
from ..errors import AzureError, PreconditionFailed, RolloutHalted
from ..instances import provisioning_state
from ..types import Batch, Image, Instance, ScaleSet, Token
from . import plan
from .events import Event
from .observing import Events, image_of, what_counts
from .upgrading import Options, Upgrade, is_too_late, may_be_repeated

_STALE = 5.0
"""Seconds after which what was read of a scale set is read again before anything is done."""
_REQUESTS = 3
"""What a batch takes beside its polls and the pages of the instances: the upgrade, its result, the model again."""

_NO_WAY_BACK = (
    "a failure will halt and not roll back: the instances that are due run the model's image already, and other "
    "changes of a model are not put back"
)


class Run(Upgrade):
    """One run: batch after batch to the model, or an image back into it first."""

    def __init__(
        self,
        access_token: Token,
        where: tuple[str, str, str],
        options: Options,
        watch: rest.RequestHooks | None = None,
    ) -> None:
        super().__init__(access_token, where, options, watch)
        self._is_back = False
        self._old: Image = {}

    # The whole

    def forward(self) -> Events:
        """The rollout: the instances to the model; and back, where that was asked for and the new image fails."""
        while (yield from self.step()):
            pass

    def step(self) -> Generator[Event, None, bool]:
        """The next part of the rollout: to the end of a batch, and of the pause after it; whether there is more.

        What is known stands in the attributes alone, so that the run may be pickled and go on in
        another process.
        """
        try:
            return (yield from self.halting(self._step()))
        except RolloutHalted as halt:
            if not self._old or not self.is_at_fault:
                raise
            yield from self._undone(halt)
            return False

    def back(self) -> Events:
        """The rollback: the image into the model, and the instances to it."""
        self._is_back = True
        yield from self.halting(self._back())

    def _step(self) -> Generator[Event, None, bool]:
        if self.begun:
            yield from self._refreshed()
            return (yield from self._next())
        yield from self._look()
        self._old = self._find_old()
        batches = self._plan()
        yield from self._introduced(batches)
        if self.options.dry_run:
            yield from self._rehearsed(batches)
            return False
        return (yield from self._next())

    def _back(self) -> Generator[Event, None, None]:
        yield from self._look()
        # With the old image in the model these have the latest one: they would not be due, and
        # would halt the way back.
        self.again |= {
            each["instanceId"] for each in self.instances if provisioning_state(each) == "failed"
        }
        image = self.options.rollback_image or self._way_back()
        why = f"{self.reason}: " if self.reason else ""
        yield self.event(
            "rolling_back", f"{self.name}: {why}going back to {images.image_name(image)}"
        )
        yield from self._put_image(image)
        yield from self._look()
        yield from self._introduced(self._plan())
        while (yield from self._next()):
            yield from self._refreshed()

    def _undone(self, halt: RolloutHalted) -> Events:
        """The rollback after a failure. It ends in a halt as well: the caller is to know that the new image failed."""
        options = self.options._replace(
            cut=self.options.cut._replace(canary=None),
            pause=0 if callable(self.options.pause) else self.options.pause,
            canary_bake=None,
            rollback_image=self._old,
        )
        back = Run(self.where[0], self.where[1:], options, self.watch)
        back.model, back.instances, back.by_id = self.model, self.instances, self.by_id
        back.has_changed_something, back.reason = True, self.reason
        back.again = frozenset(halt.unhealthy)
        try:
            yield from back.back()
        except RolloutHalted as second:
            message = (
                f"{self.reason}. The rollback halted too: {second.message} {back.runs_what()}."
            )
            raise RolloutHalted(
                message, second.batch, second.unhealthy, False, back.summary()
            ) from halt
        summary = back.summary()._replace(upgraded=len(self.upgraded), failed=len(halt.unhealthy))
        message = f"{self.reason}. Rolled back: {back.runs_what()}."
        raise RolloutHalted(message, halt.batch, halt.unhealthy, True, summary) from halt

    def _look(self) -> Events:
        """The model and the instances, when nothing is under way on them; a dry run takes them as they are."""
        is_first = not self.has_read
        yield from self.unmoved()
        yield from self.read_instances()
        if is_first:  # what `only` names may vanish later
            plan.check(self.instances, self.options.cut)
        if isinstance(self.options.dry_run, Mapping):
            self._pretend(cast("ScaleSet", self.options.dry_run))
        if not self.options.dry_run:
            yield from self.calm()

    def _pretend(self, model: ScaleSet) -> None:
        """For a dry run: as if this were the model, and every instance behind it."""
        self.model = model
        self.instances = tuple(
            cast(
                "Instance",
                {**each, "properties": {**each["properties"], "latestModelApplied": False}},
            )
            for each in self.instances
        )
        self.by_id = {instance["instanceId"]: instance for instance in self.instances}

    def _next(self) -> Generator[Event, None, bool]:
        """The next batch, if any is left, and the pause after it; whether there is more."""
        batches = self._plan()
        if batches:
            self.batch = batches[0]
            self.begun.append(self.batch.name)
            self.batches = len(self.begun) + len(batches) - 1
            yield from self._checked_others(self.batch)
            yield from self.upgrade(self.batch)
            yield from self.unmoved()
            batches = self._plan()
        if not batches or self.batch is None:
            kind = "rolled_back" if self._is_back else "finished"
            yield self.event(kind, self._ended(), ids=self.upgraded, summary=self.summary())
            return False
        if not (yield from self._paused(self.batch, batches[0])):
            yield self.event(
                "stopped", self._ended(f"stopped after {self.batch.name}"), summary=self.summary()
            )
            return False
        return True

    def _plan(self) -> list[Batch]:
        return plan.plan(self.instances, self.options.cut, begun=self.begun, again=self.again)

    # Before and between batches

    def _checked_others(self, batch: Batch) -> Events:
        """Halts while too many of the instances outside the batch are unhealthy to take any more out of service."""
        limit, looks = _clock.monotonic() + self.patience, 0
        while True:
            unhealthy = self._unhealthy_outside(batch)
            allowed = plan.share(self.options.max_unhealthy, len(self.instances), "max_unhealthy")
            if len(unhealthy) <= allowed:
                return
            told = f"{plural(len(unhealthy), 'instance')} outside {batch.name} unhealthy, where {allowed} may be"
            # An instance that autoscale has just made says nothing for a while.
            is_new = any(why.endswith((" unknown", " initializing")) for why in unhealthy.values())
            if not is_new or _clock.monotonic() >= limit or self.options.dry_run:
                self.is_at_fault = not unhealthy.keys().isdisjoint(self.upgraded)
                raise self.halted(told, self.since(unhealthy))
            yield self.event(
                "waiting",
                f"{told}: waiting for them",
                batch,
                list(unhealthy),
                self.since(unhealthy),
            )
            _clock.sleep(self.interval(looks))
            looks += 1
            yield from self.unmoved()
            yield from self.read_instances()

    def _unhealthy_outside(self, batch: Batch) -> dict[str, str]:
        """The unhealthy instances outside a batch; on the way back without those that are due: those it is to mend."""
        unhealthy = {}
        for instance in self.instances:
            each = instance["instanceId"]
            is_other = each not in batch.instance_ids and not (self._is_back and self.is_due(each))
            if is_other and (why := plan.unhealthy(instance)):
                unhealthy[each] = why
        return unhealthy

    def _paused(self, done: Batch, following: Batch) -> Generator[Event, None, bool]:
        """The pause between two batches; whether to go on."""
        pause = self.options.pause
        if callable(pause):
            yield self.event("pausing", f"{done.name} is done: asking whether to go on", done)
            return bool(pause(done))
        ends = _clock.monotonic() + pause
        while (left := ends - _clock.monotonic()) > 0:
            yield self.event("pausing", f"pausing {left:.0f} s before {following.name}", following)
            _clock.sleep(min(left, 60.0))
        return True

    def _refreshed(self) -> Events:
        """A look at what may have changed between two batches: by a pause, or since the loop took its time."""
        if _clock.monotonic() - self.read_at >= _STALE:
            yield from self.unmoved()
            yield from self.read_instances()
        yield from self.calm()

    # The way back

    def _find_old(self) -> Image:
        """The image to go back to: the one given, or that of the instances that are due; empty where there is none."""
        due, image = plan.due(self.instances, self.options.cut), self.options.rollback_image
        if self.options.on_failure != "rollback" or not due:
            return {}
        found = self.images_of(due)
        if image is None and len(found) > 1:
            told = "; ".join(f"{len(ids)} on {name}" for name, ids in found.items())
            raise ValueError(
                f"on_failure: the instances run require_instances images ({told}): name one as rollback_image"
            )
        image = image or image_of(due[0])
        try:
            changed = images.with_image(self.model, image)
        except ValueError as error:
            raise ValueError(f"rollback_image: {error}") from None
        return image if images.get_image(changed) != images.get_image(self.model) else {}

    def _way_back(self) -> Image:
        """The image that instances behind the model still run, when that is one, and an older one."""
        current = images.get_image(self.model)
        behind = [
            each for each in self.instances if not each["properties"].get("latestModelApplied")
        ]
        old = {images.image_name(image_of(each)): image_of(each) for each in behind}
        old.pop(images.image_name(current), None)
        if len(old) != 1:
            found = f"run {', '.join(old)}" if old else "run no other image than the model's"
            raise ValueError(f"image must be given: the instances behind the model {found}")
        image = next(iter(old.values()))
        if images.is_newer(image, current):
            raise ValueError(
                f"image must be given: the model has {images.image_name(current)}, which is older than what the "
                "instances behind it run. It seems to be put back already: rollout() brings the instances to it."
            )
        return image

    def _put_image(self, image: Image) -> Events:
        """The image into the model, where it is not there yet; never over somebody else's change."""
        limit, looks = _clock.monotonic() + self.patience, 0
        while images.get_image(changed := images.with_image(self.model, image)) != images.get_image(
            self.model
        ):
            self.has_changed_something = True
            try:
                with rest.request_hooks(self.watch):
                    response = vmss.put_vmss(*self.where, changed)
                yield from self.followed(response, limit)
            except (AzureError, *_retry.CONNECTION_ERRORS) as error:
                if not (
                    may_be_repeated(error) or isinstance(error, PreconditionFailed)
                ) or is_too_late(error, limit):
                    raise
                yield from self.put_off(error, looks)
                looks += 1
            model = yield from self.settled()
            if what_counts(model) != what_counts(changed):
                self.check_model(model)
            self.model = model
        self.advice = (
            f"The model asks for {images.image_name(image)} again: rollout() brings the rest to it"
        )

    # Telling

    def _introduced(self, batches: Sequence[Batch]) -> Events:
        """What is to be done, what ought to be known, and what is left out."""
        ids = [each for batch in batches for each in batch.instance_ids]
        told = f"{self.name}: {plural(len(self.instances), 'instance')}, {len(ids)} to upgrade"
        yield self.event(
            "started", told + (f" in {plural(len(batches), 'batch')}" if batches else ""), ids=ids
        )
        for notice in plan.notices(self.model, self.instances, self.options.cut):
            yield self.event("notice", f"{self.name}: {notice}")
        if (
            batches
            and self.options.on_failure == "rollback"
            and not self._old
            and not self._is_back
        ):
            yield self.event("notice", f"{self.name}: {_NO_WAY_BACK}")
        for why, ids in plan.skipped(self.instances, self.options.cut, self.again).items():
            self.skipped += len(ids)
            yield self.event(
                "skipped",
                f"skipping {plural(len(ids), 'instance')} {why}: {join_ids(ids)}",
                ids=ids,
            )

    def _rehearsed(self, batches: Sequence[Batch]) -> Events:
        """A dry run: the batches and what stands in the way of the first; it halts where the rollout would."""
        now = str(self.model["properties"].get("provisioningState") or "Succeeded")
        busy = [
            each["instanceId"] for each in self.instances if provisioning_state(each) == "updating"
        ]
        yield self.event("checked", f"{self.name} is in upgrade mode Manual and {now}")
        wait = f"{plural(len(busy), 'instance')} being updated ({join_ids(busy)}): the rollout would wait for that to end"
        yield self.event("checked", wait if busy else "no instance is being updated", ids=busy)
        if self._old:
            yield self.event(
                "checked", f"after a failure it would go back to {images.image_name(self._old)}"
            )
        for batch in batches:
            ids = batch.instance_ids
            yield self.event(
                "planned", f"{batch.name}: {plural(len(ids), 'instance')} ({join_ids(ids)})", batch
            )
        if batches:
            yield from self._checked_others(batches[0])
            yield self.event(
                "checked", f"{batches[0].name}: what is outside it is healthy enough to begin"
            )
        requests = 1 + self.pages + len(batches) * (_REQUESTS + self.pages)
        told = f"dry run: nothing was changed; a rollout would send {requests} requests, and polls while Azure works"
        yield self.event("finished", told, summary=self.summary())

    def _ended(self, how: str = "") -> str:
        """How far it came, for the last event."""
        lag = len(self.instances) - self.latest()
        told = f"{self.latest()} of {plural(len(self.instances), 'instance')} have the latest model"
        told += f", {lag} still an older one" if lag else ""
        done = f"{len(self.upgraded)} upgraded in {_clock.monotonic() - self.began:.0f} s"
        return f"{self.name}: {how + '; ' if how else ''}{told}; {done}"
