"""One batch of a rollout: posted, followed, proven on the instances themselves, and watched for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

from requests import Response

from .. import _clock, _retry, operations, rest, vmss
from .._text import join_ids, one_line, plural
from ..errors import AzureError, NotFound, OperationFailed, OperationTimeout
from ..instances import health, power_state, provisioning_state
from ..types import Batch, Image, Instance, ScaleSet, Token
from . import plan
from .events import Event
from .observing import Events, Observer, what_counts
from .plan import Cut, Size

_ENDS_AS = {"starting": "running", "stopping": "stopped", "deallocating": "deallocated"}
_INSTEAD = {
    "automatic": "Azure upgrades all of it at once when its model changes. Set upgradePolicy.mode to Manual first.",
    "rolling": "Azure upgrades it by itself when its model changes: watch that with follow_rolling_upgrade, or set "
    "upgradePolicy.mode to Manual first.",
}


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


class Upgrade(Observer):
    """What brings a batch to the model. What is asked for stands in `options`, what is known in the `Observer`."""

    def __init__(
        self,
        access_token: Token,
        where: tuple[str, str, str],
        options: Options,
        watch: rest.RequestHooks | None = None,
    ) -> None:
        super().__init__(access_token, where, options.health_timeout, watch)
        self.options = options
        self.again: frozenset[str] = (
            frozenset()
        )  # due although they have the latest model, because they failed
        self.is_at_fault = False  # the new image, or what else the model brought

    # The model

    def settled(self) -> Generator[Event, None, ScaleSet]:
        """The scale set, in mode Manual and with no update of its own under way."""
        limit, looks = _clock.monotonic() + self.patience, 0
        while True:
            model = yield from self.read_model()
            mode = str((model["properties"].get("upgradePolicy") or {}).get("mode") or "Manual")
            if mode.lower() in _INSTEAD:
                raise self.halted(
                    f"{self.name} is in upgrade mode {mode}: {_INSTEAD[mode.lower()]}"
                )
            now = str(model["properties"].get("provisioningState") or "Succeeded")
            if now.lower() in ("succeeded", "failed", "canceled") or self.options.dry_run:
                return model
            if _clock.monotonic() >= limit:
                raise self.halted(f"{self.name} is still {now} after {self.patience:g} s")
            yield self.event(
                "waiting", f"{self.name} is {now}: waiting for that to end", self.batch
            )
            _clock.sleep(self.interval(looks))
            looks += 1

    def unmoved(self) -> Events:
        """The model again, which must be the one that this run began with."""
        self.check_model((yield from self.settled()))

    def check_model(self, model: ScaleSet) -> None:
        """Halts when somebody changed the model: going on would bring instances to what nobody asked for."""
        if self.has_read and what_counts(model) != what_counts(self.model):
            raise self.halted("Somebody changed the scale set's model since this rollout began")
        self.model = model

    # The batch

    def upgrade(self, batch: Batch) -> Events:
        """The batch, from posting it to the end of its bake time."""
        before = {
            each["instanceId"]: _Before(power_state(each), bool(health(each)))
            for each in self.instances
        }
        ids = batch.instance_ids
        yield self.event(
            "batch_started",
            f"{batch.name}: upgrading {plural(len(ids), 'instance')} ({join_ids(ids)})",
            batch,
        )
        response = yield from self._posted(batch)
        limit = _clock.monotonic() + self.patience
        if response is not None:
            yield from self.followed(response, limit, batch)
        yield from self._proven(batch, before, limit)
        yield from self._baked(batch, before)
        done = [each for each in ids if each in self.by_id and not self.is_due(each)]
        self.upgraded += done
        gone = f" ({len(ids) - len(done)} vanished)" if len(done) < len(ids) else ""
        told = f"{batch.name}: done; {self.latest()} of {len(self.instances)} instances have the latest model{gone}"
        yield self.event("batch_done", told, batch)

    def _posted(self, batch: Batch) -> Generator[Event, None, Response | None]:
        """Azure's answer to the upgrade of a batch; `None` when nothing of it is left to upgrade."""
        ids, limit, looks = list(batch.instance_ids), _clock.monotonic() + self.patience, 0
        while ids:
            self.has_changed_something = True
            try:
                with rest.request_hooks(self.watch):
                    response = vmss.manual_upgrade(*self.where, ids)
                self.in_flight = frozenset(ids)
                return response
            except (AzureError, *_retry.CONNECTION_ERRORS) as error:
                if not may_be_repeated(error) or is_too_late(error, limit):
                    raise
                refused = _is_refusal_of_ids(error)
                if not refused:
                    yield from self.put_off(error, looks)
                    looks += 1
                # One id that vanished makes Azure refuse all. And where the answer was lost, or
                # another operation had to be waited for, what is asked for may be under way, or
                # done by now.
                yield from self.read_instances()
                yield from self.calm()
                yield from self.unmoved()  # what was waited for may have been a change of the model
                gone = [each for each in ids if not self.is_due(each)]
                if refused and not gone:
                    raise
                if refused:
                    yield self.event(
                        "progress", f"{batch.name}: without {join_ids(gone)}, gone meanwhile", batch
                    )
                ids = [each for each in ids if each not in gone]
        return None

    def put_off(self, error: Exception, looks: int) -> Events:
        """The pause before something is asked for again."""
        pause = max(self.interval(looks), getattr(error, "retry_after", None) or 0)
        name = self.batch.name if self.batch else self.name
        yield from self.waited(f"{name}: {one_line(error)}: asking again", pause)

    def followed(self, response: Response, limit: float, batch: Batch | None = None) -> Events:
        """The operation, to its success; where that cannot be read, what it did will have to tell."""
        name = batch.name if batch else self.name
        looks = operations.polls(
            self.where[0], response, timeout=max(0.0, limit - _clock.monotonic())
        )
        while True:
            try:
                with rest.request_hooks(self.watch):
                    look = next(looks)
            except StopIteration:
                return
            except (OperationFailed, OperationTimeout) as error:
                yield from self._failed(error, batch)
                return
            except (AzureError, *_retry.CONNECTION_ERRORS) as error:
                if not _retry.is_transient(error) and not isinstance(error, NotFound):
                    raise
                yield self.event(
                    "progress", f"{name}: {one_line(error)}: looking at the result instead", batch
                )
                return
            trouble = f" ({look.trouble})" if look.trouble else ""
            yield self.event(
                "progress", f"{name}: {look.status}, {look.seconds:.0f} s{trouble}", batch
            )

    def _failed(self, error: Exception, batch: Batch | None) -> Events:
        """The halt after an operation that failed or did not end; unless the instances say that it did."""
        with contextlib.suppress(AzureError, *_retry.CONNECTION_ERRORS):
            yield from self.read_instances()
        self.is_at_fault = batch is not None
        ids = batch.instance_ids if batch else ()
        unhealthy = {each: why for each in ids if (why := self._lack(each, {}))}
        if ids and not unhealthy and isinstance(error, OperationTimeout):
            return
        words = (
            f"{error.message} ({error.code})" if isinstance(error, AzureError) else one_line(error)
        )
        raise self.halted(words, self.since(unhealthy)) from error

    def _proven(self, batch: Batch, before: dict[str, _Before], limit: float) -> Events:
        """The instances themselves: an operation that succeeded is no proof."""
        looks = 0
        while True:
            yield from self.read_instances()
            lacking = self._lacking(batch, before)
            if not lacking:
                return
            yield from self._owned(lacking)
            failed = {
                each: why for each, why in lacking.items() if why.startswith("provisioning failed")
            }
            if failed or _clock.monotonic() >= limit:
                self.is_at_fault = True
                seconds = f" after {self.patience:g} s" if not failed else ""
                raise self.halted(f"{batch.name} is not healthy{seconds}", failed or lacking)
            told = ", ".join(f"{each}: {why}" for each, why in list(lacking.items())[:3])
            message = f"{batch.name}: waiting for {plural(len(lacking), 'instance')} ({told})"
            yield self.event("progress", message, batch, unhealthy=lacking)
            # At least once more at the limit itself.
            _clock.sleep(min(self.interval(looks), max(0.1, limit - _clock.monotonic())))
            looks += 1

    def _baked(self, batch: Batch, before: dict[str, _Before]) -> Events:
        """The batch stays as it is to be for a while: some images fail only after some minutes."""
        options, is_first = self.options, len(self.begun) == 1
        bake = options.canary_bake if is_first and options.canary_bake is not None else options.bake
        ends = _clock.monotonic() + bake
        while (left := ends - _clock.monotonic()) > 0:
            yield self.event(
                "baking", f"{batch.name}: healthy; watched for {left:.0f} s more", batch
            )
            _clock.sleep(min(left, self.interval(3)))
            yield from self.read_instances()
            if lacking := self._lacking(batch, before):
                yield from self._owned(lacking)
                self.is_at_fault = True
                raise self.halted(f"{batch.name} did not stay healthy for {bake:g} s", lacking)

    def _owned(self, lacking: Mapping[str, str]) -> Events:
        """Halts where instances lag because somebody changed the model, which is not their fault."""
        if any(why.startswith("not on the latest model") for why in lacking.values()):
            yield from self.unmoved()

    def _lacking(self, batch: Batch, before: dict[str, _Before]) -> dict[str, str]:
        """What the instances of a batch still lack, with the time since when; the user's own check comes last."""
        there = [self.by_id[each] for each in batch.instance_ids if each in self.by_id]
        lacking = {
            each["instanceId"]: why
            for each in there
            if (why := self._lack(each["instanceId"], before))
        }
        if (
            not lacking
            and self.options.check
            and there
            and (why := _verdict(self.options.check, there))
        ):
            lacking = {each["instanceId"]: why for each in there}
        return self.since(lacking)

    def _lack(self, instance_id: str, before: dict[str, _Before]) -> str | None:
        """What an upgraded instance still lacks; one that vanished lacks nothing."""
        instance = self.by_id.get(instance_id)
        if instance is None:
            return None
        if provisioning_state(instance) != "succeeded":
            return f"provisioning {provisioning_state(instance)}"
        if not instance["properties"].get("latestModelApplied"):
            # Protected meanwhile, it is left out like one that was protected before.
            return "not on the latest model" if self.is_due(instance_id) else None
        was, now = before.get(instance_id, _Before(None, False)), power_state(instance)
        if was.power and now != _ENDS_AS.get(was.power, was.power):
            return f"power state {now or 'unknown'}, was {was.power}"
        if was.reported and not health(instance) and now == "running":
            return "application health not reported yet"  # the extension is set up anew with the new OS
        return plan.unhealthy(instance)

    def is_due(self, instance_id: str) -> bool:
        """Whether an instance is there and is yet to be upgraded."""
        instance = self.by_id.get(instance_id)
        return instance is not None and plan.skip(instance, self.options.cut, self.again) is None


def _verdict(check: Callable[[list[Instance]], object], instances: list[Instance]) -> str | None:
    """Why the user's check is not content, if it is not: it returned False or a text, or raised."""
    try:
        answer = check(instances)
    except Exception as error:  # whatever it is, the instances are not proven
        return f"check: {one_line(error)}"
    if isinstance(answer, str) and answer:
        return f"check: {answer}"
    return "check: not passed" if answer is False else None


def is_too_late(error: Exception, limit: float) -> bool:
    """Whether asking again after an error would be past a limit, for Azure may ask for a long pause."""
    return _clock.monotonic() + (getattr(error, "retry_after", None) or 0) >= limit


def may_be_repeated(error: Exception) -> bool:
    """Whether asking again may help: no clear answer, another write at work, or an id that Azure no longer knows."""
    return _retry.is_transient(error) or _is_refusal_of_ids(error)


def _is_refusal_of_ids(error: Exception) -> bool:
    return isinstance(error, AzureError) and error.code == "InvalidParameter"
