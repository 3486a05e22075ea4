"""Following a rolling upgrade that Azure runs by itself, in the same events as a rollout of ours."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .. import _clock, vmss
from ..errors import NotFound
from ..types import RollingUpgrade
from . import plan
from .events import Event
from .observing import Events, Observer

_GRACE = 120.0
"""Seconds that Azure may take to begin once the model has changed."""


class Follow(Observer):
    """A rolling upgrade as Azure tells of it; following it changes nothing."""

    def run(self) -> Events:
        """From the newest rolling upgrade as it stands to its end."""
        self.model = yield from self.read_model()
        yield from self.read_instances()
        behind = {
            each["instanceId"]
            for each in self.instances
            if not each["properties"].get("latestModelApplied")
        }
        yield self.event(
            "started",
            f"{self.name}: following the rolling upgrade that Azure runs",
            ids=sorted(behind),
        )
        upgrade = yield from self._followed()
        yield from self.read_instances()
        self.upgraded = [
            each["instanceId"]
            for each in self.instances
            if each["instanceId"] in behind and each["properties"].get("latestModelApplied")
        ]
        status = _status(upgrade)
        if status.lower() not in ("completed", "none"):
            raise self._halted_by(upgrade, status)
        told = f"{self.name}: {status}; {self.latest()} of {len(self.instances)} instances have the latest model"
        yield self.event("finished", told, ids=self.upgraded, summary=self.summary())

    def _followed(self) -> Generator[Event, None, RollingUpgrade]:
        """The rolling upgrade, when it has ended."""
        told, looks, was_running = "", 0, False
        while True:
            upgrade = yield from self.asked(self._newest)
            status = _status(upgrade)
            now = f"{self.name}: {status}{_counts(upgrade)}"
            if now != told:
                yield from self.read_instances()
                told, looks = now, 0
            yield self.event("progress", now)
            is_running = status.lower() in ("rollingforward", "rollingback")
            was_running = was_running or is_running
            seconds = _clock.monotonic() - self.began
            # Just after a change of the model the newest upgrade is still the one before.
            if not is_running and (
                was_running or seconds >= _GRACE or self.latest() == len(self.instances)
            ):
                return upgrade
            if seconds >= self.patience:
                raise self.halted(
                    f"The rolling upgrade of {self.name} is still {status} after {self.patience:g} s"
                )
            _clock.sleep(min(self.interval(looks), max(0.1, self.patience - seconds)))
            looks += 1

    def _newest(self) -> RollingUpgrade:
        try:
            return vmss.get_rolling_upgrade(*self.where)
        except NotFound as error:
            if (
                error.code not in ("NotFound", "ResourceNotFound")
                or "rollingupgrades" in str(error.message).lower()
            ):
                raise
            return {}

    def _halted_by(self, upgrade: RollingUpgrade, status: str) -> Exception:
        """The exception after an upgrade that did not complete, in Azure's words."""
        error = upgrade.get("properties", {}).get("error") or {}
        words = f": {error.get('message')} ({error.get('code')})" if error else ""
        unhealthy = {
            each["instanceId"]: why for each in self.instances if (why := plan.unhealthy(each))
        }
        self.advice = "start_os_upgrade, or any change of the model, begins another"
        return self.halted(
            f"Azure's rolling upgrade of {self.name} ended {status}{words}", unhealthy
        )


def _status(upgrade: RollingUpgrade) -> str:
    return str(_part(upgrade, "runningStatus").get("code") or "None")


def _counts(upgrade: RollingUpgrade) -> str:
    """How many instances are how far: `, 8 successful, 4 in progress`."""
    words = {
        "successful": "successful",
        "failed": "failed",
        "inProgress": "in progress",
        "pending": "pending",
    }
    progress = _part(upgrade, "progress")
    return "".join(
        f", {progress[f'{key}InstanceCount']} {word}"
        for key, word in words.items()
        if progress.get(f"{key}InstanceCount")
    )


def _part(upgrade: RollingUpgrade, name: str) -> dict[str, Any]:
    return upgrade.get("properties", {}).get(name) or {}
