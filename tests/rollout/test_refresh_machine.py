"""A refresh against everything at once, played at random: new versions, faults, autoscale, deaths.

The rules and the judge are those of `test_rollout_machine.py`; instead of the model the versions of
its image change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from support.rollout import OLD

import azurerm_lite as az
from azurerm_lite.sandbox.model.cloud import Cloud
from azurerm_lite.sandbox.model.resources import Operation, ScaleSet
from azurerm_lite.sandbox.model.templates import UBUNTU

from .test_rollout_machine import POLL, READ, SETTINGS, Judge, Rollouts

NAME = UBUNTU.rpartition(":")[0]
FIRST = "22.04.202411010"


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

    settings = settings(SETTINGS, max_examples=6)


class TestFlexibleRefreshes(FlexibleRefreshes.TestCase):  # type: ignore[name-defined]
    """A few games on Flexible sets in every run."""

    settings = settings(SETTINGS, max_examples=4)


@pytest.mark.slow
class TestManyRefreshes(Refreshes.TestCase):  # type: ignore[name-defined]
    """And many, longer ones."""

    settings = settings(SETTINGS, max_examples=100, stateful_step_count=40)
