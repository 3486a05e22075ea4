"""`examples/patch_in_place.py` on the sandbox, in both orchestration modes."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.clock import Clock
from support.pages import ROOT

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.resources import CommandOutcome

PROGRAM = ROOT / "examples" / "patch_in_place.py"
example = SimpleNamespace(**runpy.run_path(str(PROGRAM)))


@pytest.fixture(params=["Uniform", "Flexible"])
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """Start a sandbox with a set `web`; two of three instances need a restart."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, orchestration=request.param)
        sandbox.cloud.on_command = run
        yield sandbox


def run(vmss: Any, vm: Any, script: str) -> CommandOutcome:
    """Return the output of the script on an instance."""
    assert script == example.PATCH.strip() or "apt-get" in script
    return CommandOutcome("PATCHED" if vm.number % 3 == 0 else "RESTART\nPATCHED")


def names(sandbox: Sandbox) -> tuple[str, str, str]:
    """Return the arguments of the example."""
    return sandbox.where()[1:]


def restarts(sandbox: Sandbox) -> Counter[str]:
    """Return the number of restarts of each instance."""
    return Counter(
        change.instance_id
        for change in sandbox.changes
        if change.what == "power" and change.after == "starting"
    )


def test_each_instance_is_patched_and_restarted_if_needed(both: Sandbox) -> None:
    """It is patched once, and restarted at most once."""
    example.patch_in_place(lambda: both.access_token, *names(both))
    instances = both.cloud.scale_set("sandbox", "web").instances.values()
    patched = Counter(each.instance_id for each in both.changes if each.what == "command")
    assert patched == Counter(vm.id for vm in instances)
    assert restarts(both) == Counter(vm.id for vm in instances if vm.number % 3)


def test_a_failed_patch_halts_the_rollout(both: Sandbox) -> None:
    """The error has the output; the other instances are not changed."""
    both.cloud.on_command = lambda *_: CommandOutcome("", "E: no space left on device")
    with pytest.raises(az.RolloutHalted, match="is not patched: E: no space left on device"):
        example.patch_in_place(lambda: both.access_token, *names(both))
    assert len([each for each in both.changes if each.what == "command"]) == 1
    assert restarts(both) == Counter()
