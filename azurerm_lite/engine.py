"""One run of a rollout or of a rollback: its steps, each an iterator of events."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from requests import Response

from . import images, operations, planning, rest, vmss
from .domains import counted, health, listed, status
from .errors import (
    AzureError,
    NotFound,
    OperationFailed,
    OperationTimeout,
    PreconditionFailed,
    RolloutHalted,
    one_line,
)
from .observing import Events, Observer, image_of, what_counts
from .planning import Cut, Size, state
from .types import Batch, Event, Image, Instance, ScaleSet, Token

_ENDS_AS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
_INSTEAD = {
    "automatic": "Azure upgrades all of it at once when its model changes. Set upgradePolicy.mode to Manual first.",
    "rolling": "Azure upgrades it by itself when its model changes: watch that with follow_rolling_upgrade, or set "
    "upgradePolicy.mode to Manual first.",
}

_STALE = 5.0
"""Seconds after which what was read of a scale set is read again before anything is done."""
_REQUESTS = 3
"""What a batch takes beside its polls and the pages of the instances: the upgrade, its result, the model again."""


class Options(NamedTuple):
    """What a run was asked for, checked; `rollout` says what each means."""

    cut: Cut = Cut()
    pause: float | Callable[[Batch], object] = 0
    bake: float = 0
    canary_bake: float | None = None
    check: Callable[[list[Instance]], object] | None = None
    health_timeout: float = 1800
    max_unhealthy: Size = 0
    on_failure: str = "stop"
    rollback_image: Image | None = None
    dry_run: bool | Mapping[str, Any] = False


class _Before(NamedTuple):
    """How an instance was before its upgrade: its power state, and whether it reported application health."""

    power: str | None
    reported: bool


class Run(Observer):
    """One run. What it is asked for stands in `options`, what it knows in the `Observer`."""

    def __init__(
        self, access_token: Token, where: tuple[str, str, str], options: Options, watch: rest.Watch | None = None
    ) -> None:
        super().__init__(access_token, where, options.health_timeout, watch)
        self._options = options
        self._is_back = False
        self._is_at_fault = False
        self._again: frozenset[str] = frozenset()
        self._old: list[Image] = []

    # The whole

    def forward(self) -> Events:
        """The rollout: the instances to the model; and back, where that was asked for and the new image fails."""
        try:
            yield from self.halting(self._forward())
        except RolloutHalted as halt:
            if self._options.on_failure != "rollback" or not self._is_at_fault:
                raise
            yield from self._undone(halt)

    def back(self) -> Events:
        """The rollback: the image into the model, and the instances to it."""
        self._is_back = True
        yield from self.halting(self._back())

    def _forward(self) -> Events:
        yield from self._look()
        self._old = self._find_old()
        batches = self._plan()
        yield from self._introduced(batches)
        if self._options.dry_run:
            yield from self._rehearsed(batches)
            return
        yield from self._roll(batches)

    def _back(self) -> Events:
        yield from self._look()
        image = self._options.rollback_image or self._way_back()
        yield self.event("rolling_back", f"{self.name}: going back to {images.image_name(image)}")
        yield from self._put_image(image)
        yield from self._look()
        batches = self._plan()
        yield from self._introduced(batches)
        yield from self._roll(batches)

    def _undone(self, halt: RolloutHalted) -> Events:
        """The rollback after a failure. It ends in a halt as well: the caller is to know that the new image failed."""
        options = self._options._replace(
            cut=self._options.cut._replace(canary=None),
            pause=0 if callable(self._options.pause) else self._options.pause,
            rollback_image=self._options.rollback_image or self._old[0],
        )
        back = Run(self.where[0], self.where[1:], options, self.watch)
        back.model, back.has_changed_something = self.model, True
        back._again = frozenset(halt.unhealthy)
        try:
            yield from back.back()
        except RolloutHalted as second:
            message = f"{self.reason}. The rollback halted too: {second.message} {back.runs_what()}."
            raise RolloutHalted(message, second.batch, second.unhealthy, False, back.summary()) from halt
        summary = back.summary()._replace(upgraded=len(self.upgraded), failed=len(halt.unhealthy))
        message = f"{self.reason}. Rolled back: {back.runs_what()}."
        raise RolloutHalted(message, halt.batch, halt.unhealthy, True, summary) from halt

    def _look(self) -> Events:
        """The model and the instances, when nothing is under way on them; a dry run takes them as they are."""
        yield from self._unmoved()
        yield from self.read_instances()
        planning.check(self.instances, self._options.cut)
        if isinstance(self._options.dry_run, Mapping):
            self._pretend(cast("ScaleSet", self._options.dry_run))
        if not self._options.dry_run:
            yield from self.calm()

    def _pretend(self, model: ScaleSet) -> None:
        """For a dry run: as if this were the model, and every instance behind it."""
        self.model = model
        self.instances = tuple(
            cast("Instance", {**each, "properties": {**each["properties"], "latestModelApplied": False}})
            for each in self.instances
        )
        self.by_id = {instance["instanceId"]: instance for instance in self.instances}

    def _roll(self, batches: list[Batch]) -> Events:
        """Batch after batch, until none is left."""
        while batches:
            self.batch = batches[0]
            self.begun.append(self.batch.name)
            self.batches = len(self.begun) + len(batches) - 1
            self._check_others(self.batch)
            yield from self._upgrade(self.batch)
            yield from self._unmoved()
            batches = self._plan()
            if batches and not (yield from self._paused(self.batch, batches[0])):
                yield self.event("stopped", self._ended(f"stopped after {self.batch.name}"), summary=self.summary())
                return
            batches = batches and self._plan()
        kind = "rolled_back" if self._is_back else "finished"
        yield self.event(kind, self._ended(), ids=self.upgraded, summary=self.summary())

    def _plan(self) -> list[Batch]:
        return planning.plan(self.instances, self._options.cut, begun=self.begun, again=self._again)

    # Before and between batches

    def _settled(self) -> Generator[Event, None, ScaleSet]:
        """The scale set, in mode Manual and with no update of its own under way."""
        limit, looks = rest.clock() + self.patience, 0
        while True:
            model = yield from self.read_model()
            mode = str((model["properties"].get("upgradePolicy") or {}).get("mode") or "Manual")
            if mode.lower() in _INSTEAD:
                raise self.halted(f"{self.name} is in upgrade mode {mode}: {_INSTEAD[mode.lower()]}")
            now = str(model["properties"].get("provisioningState") or "Succeeded")
            if now.lower() in ("succeeded", "failed", "canceled") or self._options.dry_run:
                return model
            if rest.clock() >= limit:
                raise self.halted(f"{self.name} is still {now} after {self.patience:g} s")
            yield self.event("waiting", f"{self.name} is {now}: waiting for that to end", self.batch)
            rest.sleep(self.interval(looks))
            looks += 1

    def _unmoved(self) -> Events:
        """The model again, which must be the one that this run began with."""
        self._check_model((yield from self._settled()))

    def _check_model(self, model: ScaleSet) -> None:
        """Halts when somebody changed the model: going on would bring instances to what nobody asked for."""
        if self.has_read and what_counts(model) != what_counts(self.model):
            raise self.halted("Somebody changed the scale set's model since this rollout began")
        self.model = model

    def _check_others(self, batch: Batch) -> None:
        """Halts while too many of the instances outside the batch are unhealthy to take any more out of service."""
        unhealthy = {}
        for instance in self.instances:
            # On the way back those that are due are what the rollback is there to mend.
            due = self._is_back and self._is_due(instance["instanceId"])
            if instance["instanceId"] not in batch.instance_ids and not due and (why := planning.unhealthy(instance)):
                unhealthy[instance["instanceId"]] = why
        allowed = planning.share(self._options.max_unhealthy, len(self.instances), "max_unhealthy")
        if len(unhealthy) > allowed:
            self._is_at_fault = bool(self.upgraded)
            why = f"{counted(len(unhealthy), 'instance')} outside {batch.name} unhealthy, where {allowed} may be"
            raise self.halted(why, self.since(unhealthy))

    def _paused(self, done: Batch, following: Batch) -> Generator[Event, None, bool]:
        """The pause between two batches, and a look at what may have changed; whether to go on."""
        pause = self._options.pause
        if callable(pause):
            yield self.event("pausing", f"{done.name} is done: asking whether to go on", done)
            if not pause(done):
                return False
        ends = rest.clock() + (0 if callable(pause) else pause)
        while (left := ends - rest.clock()) > 0:
            yield self.event("pausing", f"pausing {left:.0f} s before {following.name}", following)
            rest.sleep(min(left, 60.0))
        if rest.clock() - self.read_at >= _STALE:  # by the pause, or since the loop took its time
            yield from self._unmoved()
            yield from self.read_instances()
        yield from self.calm()
        return True

    # A batch

    def _upgrade(self, batch: Batch) -> Events:
        before = {
            each["instanceId"]: _Before(status(each, "PowerState"), bool(health(each))) for each in self.instances
        }
        ids = batch.instance_ids
        yield self.event(
            "batch_started", f"{batch.name}: upgrading {counted(len(ids), 'instance')} ({listed(ids)})", batch
        )
        response = yield from self._posted(batch)
        limit = rest.clock() + self.patience
        if response is not None:
            yield from self._followed(response, limit, batch)
        yield from self._proven(batch, before, limit)
        yield from self._baked(batch, before)
        done = [each for each in ids if each in self.by_id and not self._is_due(each)]
        self.upgraded += done
        gone = f" ({len(ids) - len(done)} vanished)" if len(done) < len(ids) else ""
        told = f"{batch.name}: done; {self.latest()} of {len(self.instances)} instances have the latest model{gone}"
        yield self.event("batch_done", told, batch)

    def _posted(self, batch: Batch) -> Generator[Event, None, Response | None]:
        """Azure's answer to the upgrade of a batch; `None` when nothing of it is left to upgrade."""
        ids, limit, looks = list(batch.instance_ids), rest.clock() + self.patience, 0
        while ids:
            self.has_changed_something = True
            try:
                with rest.watched(self.watch):
                    return vmss.manual_upgrade(*self.where, ids)
            except (AzureError, *rest.BROKEN) as error:
                if not _may_be_repeated(error) or rest.clock() >= limit:
                    raise
                refused = _is_refusal_of_ids(error)
                if not refused:
                    pause = max(self.interval(looks), getattr(error, "retry_after", None) or 0)
                    looks += 1
                    yield self.event(
                        "waiting", f"{batch.name}: {one_line(error)}: asking again in {pause:.0f} s", batch
                    )
                    rest.sleep(pause)
                # One id that vanished makes Azure refuse all. And where the answer was lost, or another operation had
                # to be waited for, what is asked for may be under way, or done by now.
                yield from self.read_instances()
                yield from self.calm()
                gone = [each for each in ids if not self._is_due(each)]
                if refused and not gone:
                    raise
                if refused:
                    yield self.event("progress", f"{batch.name}: without {listed(gone)}, gone meanwhile", batch)
                ids = [each for each in ids if each not in gone]
        return None

    def _put_off(self, error: Exception, looks: int) -> Events:
        """The pause before something is asked for again."""
        pause = max(self.interval(looks), getattr(error, "retry_after", None) or 0)
        name = self.batch.name if self.batch else self.name
        yield self.event("waiting", f"{name}: {one_line(error)}: asking again in {pause:.0f} s", self.batch)
        rest.sleep(pause)

    def _followed(self, response: Response, limit: float, batch: Batch | None = None) -> Events:
        """The operation, to its success; where that cannot be read, what it did will have to tell."""
        name = batch.name if batch else self.name
        looks = operations.polls(self.where[0], response, timeout=max(0.0, limit - rest.clock()))
        while True:
            try:
                with rest.watched(self.watch):
                    look = next(looks)
            except StopIteration:
                return
            except (OperationFailed, OperationTimeout) as error:
                yield from self._failed(error, batch)
                return
            except (AzureError, *rest.BROKEN) as error:
                if not rest.may_pass(error) and not isinstance(error, NotFound):
                    raise
                yield self.event("progress", f"{name}: {one_line(error)}: looking at the result instead", batch)
                return
            trouble = f" ({look.trouble})" if look.trouble else ""
            yield self.event("progress", f"{name}: {look.status}, {look.seconds:.0f} s{trouble}", batch)

    def _failed(self, error: Exception, batch: Batch | None) -> Events:
        """The halt after an operation that failed or did not end; unless the instances say that it did."""
        with contextlib.suppress(AzureError, *rest.BROKEN):
            yield from self.read_instances()
        self._is_at_fault = batch is not None
        ids = batch.instance_ids if batch else ()
        unhealthy = {each: why for each in ids if (why := self._lack(each, {}))}
        if ids and not unhealthy and isinstance(error, OperationTimeout):
            return
        words = f"{error.message} ({error.code})" if isinstance(error, AzureError) else one_line(error)
        raise self.halted(words, self.since(unhealthy)) from error

    def _proven(self, batch: Batch, before: dict[str, _Before], limit: float) -> Events:
        """The instances themselves: an operation that succeeded is no proof."""
        looks = 0
        while True:
            yield from self.read_instances()
            lacking = self._lacking(batch, before)
            if not lacking:
                return
            if any(why.startswith("not on the latest model") for why in lacking.values()):
                yield from self._unmoved()
            failed = {each: why for each, why in lacking.items() if why.startswith("provisioning failed")}
            if failed or rest.clock() >= limit:
                self._is_at_fault = True
                seconds = f" after {self.patience:g} s" if not failed else ""
                raise self.halted(f"{batch.name} is not healthy{seconds}", failed or lacking)
            told = ", ".join(f"{each}: {why}" for each, why in list(lacking.items())[:3])
            message = f"{batch.name}: waiting for {counted(len(lacking), 'instance')} ({told})"
            yield self.event("progress", message, batch, unhealthy=lacking)
            # At least once more at the limit itself.
            rest.sleep(min(self.interval(looks), max(0.1, limit - rest.clock())))
            looks += 1

    def _baked(self, batch: Batch, before: dict[str, _Before]) -> Events:
        """The batch stays as it is to be for a while: some images fail only after some minutes."""
        options, is_canary = self._options, self._options.cut.canary is not None and len(self.begun) == 1
        bake = options.canary_bake if is_canary and options.canary_bake is not None else options.bake
        ends = rest.clock() + bake
        while (left := ends - rest.clock()) > 0:
            yield self.event("baking", f"{batch.name}: healthy; watched for {left:.0f} s more", batch)
            rest.sleep(min(left, self.interval(3)))
            yield from self.read_instances()
            if lacking := self._lacking(batch, before):
                self._is_at_fault = True
                raise self.halted(f"{batch.name} did not stay healthy for {bake:g} s", lacking)

    def _lacking(self, batch: Batch, before: dict[str, _Before]) -> dict[str, str]:
        """What the instances of a batch still lack, with the time since when; the user's own check comes last."""
        there = [self.by_id[each] for each in batch.instance_ids if each in self.by_id]
        lacking = {each["instanceId"]: why for each in there if (why := self._lack(each["instanceId"], before))}
        if not lacking and self._options.check and there and (why := _verdict(self._options.check, there)):
            lacking = {each["instanceId"]: why for each in there}
        return self.since(lacking)

    def _lack(self, instance_id: str, before: dict[str, _Before]) -> str | None:
        """What an upgraded instance still lacks; one that vanished lacks nothing."""
        instance = self.by_id.get(instance_id)
        if instance is None:
            return None
        if state(instance) != "succeeded":
            return f"provisioning {state(instance)}"
        if not instance["properties"].get("latestModelApplied"):
            # Protected meanwhile, it is left out like one that was protected before.
            return "not on the latest model" if self._is_due(instance_id) else None
        was, now = before.get(instance_id, _Before(None, False)), status(instance, "PowerState")
        if was.power and now != _ENDS_AS.get(was.power, was.power):
            return f"power state {now or 'unknown'}, was {was.power}"
        if was.reported and not health(instance) and now == "running":
            return "application health not reported yet"  # the extension is set up anew with the new OS
        return planning.unhealthy(instance)

    def _is_due(self, instance_id: str) -> bool:
        """Whether an instance is there and is yet to be upgraded."""
        instance = self.by_id.get(instance_id)
        return instance is not None and planning.skip(instance, self._options.cut, self._again) is None

    # The way back

    def _find_old(self) -> list[Image]:
        """The images of the instances that are due; where a way back was asked for, there must be one image."""
        due = planning.due(self.instances, self._options.cut)
        old = {images.image_name(image_of(each)): image_of(each) for each in due}
        if self._options.on_failure == "rollback" and self._options.rollback_image is None and len(old) > 1:
            found = "; ".join(f"{len(ids)} on {name}" for name, ids in self.images_of(due).items())
            raise ValueError(f"on_failure: the instances run several images ({found}): name one as rollback_image")
        return list(old.values())

    def _way_back(self) -> Image:
        """The image that instances behind the model still run, when that is one, and an older one."""
        current = images.get_image(self.model)
        behind = [each for each in self.instances if not each["properties"].get("latestModelApplied")]
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
        limit, looks = rest.clock() + self.patience, 0
        while images.get_image(changed := images.with_image(self.model, image)) != images.get_image(self.model):
            self.has_changed_something = True
            try:
                with rest.watched(self.watch):
                    response = vmss.put_vmss(*self.where, changed)
                yield from self._followed(response, limit)
            except (AzureError, *rest.BROKEN) as error:
                if not (_may_be_repeated(error) or isinstance(error, PreconditionFailed)) or rest.clock() >= limit:
                    raise
                yield from self._put_off(error, looks)
                looks += 1
            model = yield from self._settled()
            if what_counts(model) != what_counts(changed):
                self._check_model(model)
            self.model = model
        self.advice = f"The model asks for {images.image_name(image)} again: rollout() brings the rest to it"

    # Telling

    def _introduced(self, batches: Sequence[Batch]) -> Events:
        """What is to be done, what ought to be known, and what is left out."""
        ids = [each for batch in batches for each in batch.instance_ids]
        told = f"{self.name}: {counted(len(self.instances), 'instance')}, {len(ids)} to upgrade"
        yield self.event("started", told + (f" in {counted(len(batches), 'batch')}" if batches else ""), ids=ids)
        for notice in planning.notices(self.model, self.instances, self._options.cut):
            yield self.event("notice", f"{self.name}: {notice}")
        for why, ids in planning.skipped(self.instances, self._options.cut, self._again).items():
            self.skipped += len(ids)
            yield self.event("skipped", f"skipping {counted(len(ids), 'instance')} {why}: {listed(ids)}", ids=ids)

    def _rehearsed(self, batches: Sequence[Batch]) -> Events:
        """A dry run: the batches and what stands in the way of the first; it halts where the rollout would."""
        now = str(self.model["properties"].get("provisioningState") or "Succeeded")
        busy = [each["instanceId"] for each in self.instances if state(each) == "updating"]
        yield self.event("checked", f"{self.name} is in upgrade mode Manual and {now}")
        wait = (
            f"{counted(len(busy), 'instance')} being updated ({listed(busy)}): the rollout would wait for that to end"
        )
        yield self.event("checked", wait if busy else "no instance is being updated", ids=busy)
        if self._options.on_failure == "rollback" and batches:
            image = self._options.rollback_image or self._old[0]
            yield self.event("checked", f"after a failure it would go back to {images.image_name(image)}")
        for batch in batches:
            ids = batch.instance_ids
            yield self.event("planned", f"{batch.name}: {counted(len(ids), 'instance')} ({listed(ids)})", batch)
        if batches:
            self._check_others(batches[0])
            yield self.event("checked", f"{batches[0].name}: what is outside it is healthy enough to begin")
        requests = 1 + self.pages + len(batches) * (_REQUESTS + self.pages)
        told = f"dry run: nothing was changed; a rollout would send {requests} requests, and polls while Azure works"
        yield self.event("finished", told, summary=self.summary())

    def _ended(self, how: str = "") -> str:
        """How far it came, for the last event."""
        lag = len(self.instances) - self.latest()
        told = f"{self.latest()} of {counted(len(self.instances), 'instance')} have the latest model"
        told += f", {lag} still an older one" if lag else ""
        done = f"{len(self.upgraded)} upgraded in {rest.clock() - self.began:.0f} s"
        return f"{self.name}: {how + '; ' if how else ''}{told}; {done}"


def _verdict(check: Callable[[list[Instance]], object], instances: list[Instance]) -> str | None:
    """Why the user's check is not content, if it is not: it returned False or a text, or raised."""
    try:
        answer = check(instances)
    except Exception as error:  # whatever it is, the instances are not proven
        return f"check: {one_line(error)}"
    if isinstance(answer, str) and answer:
        return f"check: {answer}"
    return "check: not passed" if answer is False else None


def _may_be_repeated(error: Exception) -> bool:
    """Whether asking again may help: no clear answer, another write at work, or an id that Azure no longer knows."""
    return rest.may_pass(error) or _is_refusal_of_ids(error)


def _is_refusal_of_ids(error: Exception) -> bool:
    return isinstance(error, AzureError) and error.code == "InvalidParameter"
