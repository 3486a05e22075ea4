"""A rollout against everything at once, played at random.

Sets, faults, autoscale, other people, and being cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.clock import Clock
from support.rollout import NEW, OLD, OLD_IMAGE

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.rollout import plan
from azurerm_lite.rollout.options import resolve_count
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.cloud import Cloud
from azurerm_lite.sandbox.model.resources import Operation, ScaleSet
from azurerm_lite.sandbox.model.templates import UBUNTU

NAME = UBUNTU.rpartition(":")[0]
FIRST = "22.04.202411010"
STATUSES = st.sampled_from([429, 500, 502, 503, 504])
READ = ("GET", "/virtualMachineScaleSets/web")
POLL = ("GET", "/operations/")
KINDS = (
    READ,
    ("PATCH", "/virtualMachineScaleSets/web"),
    ("POST", "/manualupgrade"),
    ("POST", "/delete"),
    POLL,
)


class Judge(Cloud):
    """A cloud that looks at each upgrade at the moment that it begins.

    That is when two could overlap.
    """

    upgrades: list[Operation]
    most: int
    is_by_domain: bool
    wrong: list[str]  # and not an exception, which the server would turn into one more fault

    def upgrade(self, vmss: ScaleSet, ids: Any) -> tuple[Operation, int]:
        """Notes two batches at once, too many instances, two domains together.

        Instances outside that are busy.
        """
        job, number = super().upgrade(vmss, ids)
        self.judge(vmss, ids, job)
        return job, number

    def judge(self, vmss: ScaleSet, ids: Any, job: Operation) -> None:
        """Notes what a batch that has just begun does wrong."""
        busy = {each.id for each in vmss.instances.values() if each.provisioning == "Updating"}
        domains = {vmss.instances[each].update_domain for each in ids}
        found = {
            "two batches in flight": any(not each.ended for each in self.upgrades),
            "instances outside the batch are being updated": not busy <= set(ids),
            f"{len(ids)} at once, where {self.most} may be": len(ids) > self.most,
            "two domains together": self.is_by_domain and len(domains) > 1,
        }
        self.wrong += [what for what, is_so in found.items() if is_so]
        self.upgrades.append(job)

    def delete_instances(self, vmss: ScaleSet, ids: Any) -> Operation:
        """Notes a deletion while an upgrade is in flight, and one of a protected instance."""
        job = super().delete_instances(vmss, ids)
        found = {
            "a deletion while an upgrade is in flight": any(
                not each.ended for each in self.upgrades
            ),
            "a protected instance is deleted": any(each.is_protected for each in job.targets),
        }
        self.wrong += [what for what, is_so in found.items() if is_so]
        return job


class Rollouts(RuleBasedStateMachine):
    """Steps of a rollout, between them whatever else happens to a scale set."""

    orchestration = "Uniform"
    method: Any = "upgrade"
    kinds = KINDS

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.seams = _clock.monotonic, _clock.sleep
        _clock.monotonic, _clock.sleep = self.clock, self.clock.sleep
        self.sandbox = Sandbox(upgrade_seconds=60, clock=self.clock, demo=False, page_size=17)
        self.sandbox.cloud.__class__ = Judge
        self.sandbox.cloud.upgrades, self.sandbox.cloud.wrong = [], []
        self.sandbox.__enter__()
        self.events: Iterator[Any] | None = None

    def teardown(self) -> None:
        """Whatever happened: when the trouble is over, a last call finishes."""
        try:
            if self.sandbox.cloud.sets:
                self._finish()
        finally:
            self.sandbox.__exit__()
            _clock.monotonic, _clock.sleep = self.seams

    def _finish(self) -> None:
        self.events = None
        self.sandbox.app.faults.clear()
        self.sandbox.cloud.endings.clear()
        for vm in self.vmss.instances.values():
            vm.fault, vm.protection, vm.health = None, None, "healthy" if vm.health else ""
        for job in [
            each for each in self.sandbox.cloud.running.values() if each.due == float("inf")
        ]:
            job.due = self.clock()
        self.clock.sleep(10_000)
        self.judge_by(most=10**6, is_by_domain=False)
        self.vmss.scale_out_fault = None
        self.finish()
        self.clock.sleep(10_000)
        assert self.sandbox.cloud.wrong == []

    def finish(self) -> None:
        """A last rollout, after which all run the new image, and the set has its capacity."""
        self.sandbox.set_image("web", version=NEW)
        capacity = max(1, len(self.vmss.instances) - 1)
        options: dict[str, Any] = {"by": 7, "max_unhealthy": "100%"}
        list(az.rollout(*self.sandbox.where(), surge=2, capacity=capacity, **options))
        self.clock.sleep(10_000)
        assert (len(self.vmss.instances), self.vmss.sku["capacity"]) == (capacity, capacity)
        left = [vm.id for vm in self.vmss.instances.values() if vm.exact_version != NEW]
        assert left == []

    @property
    def vmss(self) -> ScaleSet:
        """The scale set that all is about."""
        return self.sandbox.cloud.scale_set("sandbox", "web")

    def judge_by(self, most: int, is_by_domain: bool) -> None:
        """What the judge allows from now on."""
        self.sandbox.cloud.most, self.sandbox.cloud.is_by_domain = most, is_by_domain

    @initialize(
        instances=st.integers(1, 60),
        domains=st.integers(0, 20),
        zones=st.sampled_from([(), ("1", "2", "3")]),
        gaps=st.sets(st.integers(0, 59), max_size=20),
    )
    def make(self, instances: int, domains: int, zones: Any, gaps: set[int]) -> None:
        """A set of any shape, with gaps in its ids, and a new image in its model."""
        self.sandbox.add_vmss(
            "web", instances, update_domains=domains, zones=zones, orchestration=self.orchestration
        )
        for each in sorted(gaps)[: instances - 1]:
            self.vmss.instances.pop(str(each), None)
        self.vmss.sku["capacity"] = len(self.vmss.instances)
        assume(self.vmss.instances)
        self.sandbox.set_image("web", version=NEW)

    def begin(self, by: Any, max_batch: Any, canary: Any, on_failure: str, **options: Any) -> None:
        """A rollout, cut in any way."""
        total = len(self.vmss.instances) + 60  # as many as autoscale may add meanwhile
        has_domains = any(vm.update_domain is not None for vm in self.vmss.instances.values())
        limits = [size for size in (max_batch, by if by != "update_domain" else None) if size]
        if by == "update_domain" and not has_domains:
            limits.append(plan.FALLBACK)
        self.judge_by(
            min(
                (resolve_count(each, total, "by", least=1) for each in limits),
                default=total,
            ),
            is_by_domain=by == "update_domain" and has_domains,
        )
        self.events = az.rollout(
            *self.sandbox.where(), by=by, max_batch=max_batch, canary=canary, on_failure=on_failure,
            rollback_image=OLD_IMAGE, health_timeout=600, method=self.method, **options,
        )  # fmt: skip

    @rule(
        options=st.fixed_dictionaries(
            {
                "by": st.sampled_from(["update_domain", "update_domain", 1, 7]),
                "max_batch": st.sampled_from([None, 3]),
                "canary": st.sampled_from([None, 1]),
                "bake": st.sampled_from([0, 45]),
                "pause": st.sampled_from([0, 20]),
                "surge": st.sampled_from([None, None, 2, "30%"]),
                "on_failure": st.sampled_from(["stop", "rollback"]),
            }
        ),
        steps=st.integers(5, 60),
    )
    def go_on(self, options: dict[str, Any], steps: int) -> None:
        """Some steps of a rollout, begun where none is under way.

        It ends by itself, or halts, or stays where it is.
        """
        if self.events is None:
            self.begin(**options)
        try:
            for _ in range(steps):
                next(self.events)
        except (StopIteration, az.RolloutHalted, requests.RequestException):
            self.events = None

    @rule()
    def cut_off(self) -> None:
        """The process dies; what Azure does goes on."""
        self.events = None

    @rule(version=st.sampled_from([OLD, NEW]))
    def change_model(self, version: str) -> None:
        """Somebody puts another image into the model, or the same."""
        self.sandbox.set_image("web", version=version)

    @rule(change=st.integers(-5, 5))
    def autoscale(self, change: int) -> None:
        """Instances come or go."""
        fault, self.vmss.scale_out_fault = self.vmss.scale_out_fault, None
        self.sandbox.scale("web", max(1, min(60, len(self.vmss.instances) + change)))
        self.vmss.scale_out_fault = fault

    @rule(status=STATUSES, number=st.integers(0, 9), times=st.integers(1, 3))
    def fail(self, status: int, number: int, times: int) -> None:
        """Some of the next requests are refused."""
        kind = self.kinds[number % len(self.kinds)]
        self.sandbox.fail_next(status, method=kind[0], path=kind[1], times=times)

    @rule(number=st.integers(0, 9), drop=st.sampled_from(["before", "after", "truncate"]))
    def drop(self, number: int, drop: str) -> None:
        """A connection breaks."""
        kind = self.kinds[number % len(self.kinds)]
        self.sandbox.fail_next(method=kind[0], path=kind[1], drop=drop)

    @rule(how=st.sampled_from(["fail", "unhealthy", "silent", "none"]), data=st.data())
    def break_one(self, how: str, data: st.DataObject) -> None:
        """An instance does not bear the new image."""
        self.sandbox.break_upgrade(
            "web", data.draw(st.sampled_from(sorted(self.vmss.instances))), how, image=NEW
        )

    @rule(data=st.data())
    def restart_one(self, data: st.DataObject) -> None:
        """Somebody else restarts an instance, if Azure lets them."""
        one = data.draw(st.sampled_from(sorted(self.vmss.instances)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.sandbox.app, "faults", [])
            try:
                az.restart_vmss(*self.sandbox.where(), one)
            except az.Conflict:
                return

    @rule(
        how=st.sampled_from(["quota", "subnet", "allocation", "fail", "unhealthy", "none"]),
        made=st.sampled_from([None, 1]),
    )
    def break_scale_out(self, how: str, made: int | None) -> None:
        """Azure cannot make new instances, or they are no good."""
        self.sandbox.break_scale_out("web", how, made=made)

    @rule(seconds=st.integers(1, 300))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clock.sleep(seconds)

    @invariant()
    def nothing_went_wrong(self) -> None:
        """The judge saw nothing; each instance runs the old image or the new one, whole."""
        assert self.sandbox.cloud.wrong == []
        if self.sandbox.cloud.sets:
            assert {vm.exact_version for vm in self.vmss.instances.values()} <= {OLD, NEW}


class FlexibleRollouts(Rollouts):
    """The same on a Flexible set."""

    orchestration = "Flexible"


# Shrinking takes minutes: a failure's own steps tell enough.
SETTINGS = settings(stateful_step_count=20, deadline=None, phases=[Phase.generate])


class TestRollouts(Rollouts.TestCase):  # type: ignore[name-defined]
    """A few games in every run."""

    settings = settings(SETTINGS, max_examples=8)


class TestFlexibleRollouts(FlexibleRollouts.TestCase):  # type: ignore[name-defined]
    """A few games on Flexible sets in every run."""

    settings = settings(SETTINGS, max_examples=2)


@pytest.mark.slow
@pytest.mark.exhaustive
class TestMoreFlexibleRollouts(FlexibleRollouts.TestCase):  # type: ignore[name-defined]
    """And some more; a reading of a Flexible set takes many requests."""

    settings = settings(SETTINGS, max_examples=4)


@pytest.mark.slow
class TestManyRollouts(Rollouts.TestCase):  # type: ignore[name-defined]
    """And many, longer ones."""

    settings = settings(SETTINGS, max_examples=15, stateful_step_count=40)


class ReimageJudge(Judge):
    """Looks at each reimage at the moment that it begins."""

    def run_action(
        self,
        vmss: ScaleSet,
        action: str,
        ids: Iterable[str] | None,
        version: str | None = None,
        *,
        is_ephemeral_forced: bool = False,
    ) -> Operation:
        """Notes what two batches at once, or a reimage without need, would be."""
        job = Cloud.run_action(
            self, vmss, action, ids, version, is_ephemeral_forced=is_ephemeral_forced
        )
        if action == "reimage":
            self.judge(vmss, list(ids or ()), job)
            wrong = [vm.id for vm in job.targets if vm.exact_version == version]
            if any(vmss.instances[name].fault is None for name in wrong):
                self.wrong.append(f"{wrong} had the version already")
        return job


class Refreshes(Rollouts):
    """Steps of a refresh, between them whatever else happens to a scale set."""

    method = "reimage"
    kinds = (READ, ("POST", "/reimage"), POLL)

    def __init__(self) -> None:
        super().__init__()
        self.sandbox.cloud.__class__ = ReimageJudge
        self.versions = [OLD, FIRST]

    def publish(self) -> None:
        """A new version."""
        version = f"22.04.2025{len(self.versions):02}010"
        self.versions.append(version)
        self.sandbox.publish(f"{NAME}:{version}")

    @initialize(
        instances=st.integers(1, 40),
        domains=st.integers(0, 20),
        zones=st.sampled_from([(), ("1", "2", "3")]),
        gaps=st.sets(st.integers(0, 39), max_size=10),
    )
    def make(self, instances: int, domains: int, zones: Any, gaps: set[int]) -> None:
        """A set of any shape on `latest`, and a version that is newer than all run."""
        self.sandbox.add_vmss(
            "web",
            instances,
            image=f"{NAME}:latest",
            update_domains=domains,
            zones=zones,
            orchestration=self.orchestration,
        )
        for number in sorted(gaps)[: instances - 1]:
            self.vmss.instances.pop(str(number), None)
        self.vmss.sku["capacity"] = len(self.vmss.instances)
        assume(self.vmss.instances)
        self.publish()

    @rule()
    def change_model(self) -> None:
        """Somebody publishes another version."""
        if len(self.versions) < 5:
            self.publish()

    @rule(how=st.sampled_from(["fail", "unhealthy", "silent", "none"]), data=st.data())
    def break_one(self, how: str, data: st.DataObject) -> None:
        """An instance does not bear the newest version."""
        name = data.draw(st.sampled_from(sorted(self.vmss.instances)))
        self.sandbox.break_upgrade("web", name, how, image=self.versions[-1])

    def finish(self) -> None:
        """A last refresh."""
        list(az.rollout(*self.sandbox.where(), method="reimage", by=7, max_unhealthy="100%"))
        left = [
            vm.id for vm in self.vmss.instances.values() if vm.exact_version != self.versions[-1]
        ]
        assert left == []

    @invariant()
    def nothing_went_wrong(self) -> None:
        """The judge saw nothing, and the model is as it was."""
        assert self.sandbox.cloud.wrong == []
        if self.sandbox.cloud.sets:
            assert {vm.exact_version for vm in self.vmss.instances.values()} <= set(self.versions)
            assert az.get_image({"properties": self.vmss.properties})["version"] == "latest"


class FlexibleRefreshes(Refreshes):
    """The same on a Flexible set."""

    orchestration = "Flexible"


class TestRefreshes(Refreshes.TestCase):  # type: ignore[name-defined]
    """A few games in every run."""

    settings = settings(SETTINGS, max_examples=4)


class TestFlexibleRefreshes(FlexibleRefreshes.TestCase):  # type: ignore[name-defined]
    """A few games on Flexible sets in every run."""

    settings = settings(SETTINGS, max_examples=2)


@pytest.mark.slow
@pytest.mark.exhaustive
class TestMoreFlexibleRefreshes(FlexibleRefreshes.TestCase):  # type: ignore[name-defined]
    """And some more; a reading of a Flexible set takes many requests."""

    settings = settings(SETTINGS, max_examples=4)


@pytest.mark.slow
class TestManyRefreshes(Refreshes.TestCase):  # type: ignore[name-defined]
    """And many, longer ones."""

    settings = settings(SETTINGS, max_examples=10, stateful_step_count=40)
