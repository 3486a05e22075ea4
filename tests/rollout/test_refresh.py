"""`rollout(method="reimage")`: sets on `latest`, and on a gallery image without a version."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.clock import Clock
from support.rollout import DyingToken, running

import azurerm_lite as az
from azurerm_lite.instances import sorted_ids
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.templates import UBUNTU

NAME = UBUNTU.rpartition(":")[0]
BEFORE = "22.04.202411010"
NEW = "22.04.202512010"
SIZE = 6
MODES = ["Uniform", "Flexible"]


def make(clock: Clock, mode: str, image: str = f"{NAME}:latest") -> Sandbox:
    """A sandbox with a set `web` on a floating image."""
    sandbox = Sandbox(upgrade_seconds=60, clock=clock, demo=False)
    path = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox/providers"
    image = image.replace("GALLERY", f"{path}/Microsoft.Compute/galleries/demo")
    if image.startswith("/"):
        sandbox.publish(f"{image}/versions/1.0.9")
    sandbox.add_vmss("web", SIZE, image=image, orchestration=mode)
    return sandbox


@pytest.fixture(params=MODES)
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """A set on `latest` of six instances, in either mode, behind a version that is new."""
    with make(clock, request.param) as sandbox:
        sandbox.publish(f"{NAME}:{NEW}")
        yield sandbox


def refresh(sandbox: Sandbox, **options: Any) -> Iterator[az.Event]:
    """A refresh in batches of two."""
    return az.rollout(*sandbox.where(), method="reimage", by=2, **options)


def bodies(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The bodies of the reimages that Azure accepted."""
    return [
        entry.body
        for entry in sandbox.journal
        if entry.path.endswith("/reimage") and entry.status == 202
    ]


def reimages(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How often each instance got which version."""
    return Counter(
        (change.instance_id, change.after) for change in sandbox.changes if change.what == "image"
    )


def names(sandbox: Sandbox) -> list[str]:
    """The ids of all instances."""
    return [vm["instanceId"] for vm in az.get_instance_views(*sandbox.where())]


def test_every_instance_gets_the_newest_version_once_and_two_at_a_time(both: Sandbox) -> None:
    """It is named to Azure, so that all get the same, whatever is published meanwhile."""
    for event in refresh(both):
        if event.kind == "batch_started" and event.number == 2:
            both.publish(f"{NAME}:22.04.202612010")
        vmss = both.cloud.scale_set("sandbox", "web")
        busy = [vm for vm in vmss.instances.values() if vm.provisioning == "Updating"]
        assert len(busy) <= 2
    assert set(running(both).values()) == {NEW}
    assert reimages(both) == Counter({(name, NEW): 1 for name in names(both)})
    assert [body["exactVersion"] for body in bodies(both)] == [NEW] * (SIZE // 2)
    assert not any("forceUpdateOSDiskForEphemeral" in body for body in bodies(both))


def test_a_current_set_is_not_changed(both: Sandbox) -> None:
    """A second run finds nothing to do."""
    list(refresh(both))
    sent = len(bodies(both))
    events = list(refresh(both))
    assert len(bodies(both)) == sent
    assert [event.message for event in events if event.kind == "skipped"]
    assert events[-1].latest == SIZE


def test_a_canary_bakes_and_the_messages_say_what_happens(both: Sandbox) -> None:
    """The same events as of a rollout, in the words of a reimage."""
    events = list(refresh(both, canary=1, canary_bake=60))
    messages = [event.message for event in events]
    assert f"web: the wanted version is {NEW}" in messages
    assert any(event.kind == "baking" and event.number == 1 for event in events)
    assert any("reimaging 1 instance" in message for message in messages)
    assert f"{SIZE} of {SIZE} instances have the wanted version" in messages[-1]


@pytest.mark.parametrize("mode", MODES)
def test_a_gallery_image_without_a_version_is_refreshed(clock: Clock, mode: str) -> None:
    """Without an exact version, which Azure documents for platform images."""
    with make(clock, mode, "GALLERY/images/web") as sandbox:
        image = az.get_image(az.get_vmss(*sandbox.where()))["image_id"]
        sandbox.publish(f"{image}/versions/1.0.10")
        sandbox.publish(f"{image}/versions/2.0.0", regions=["West US"])
        list(refresh(sandbox))
        assert set(running(sandbox).values()) == {"1.0.10"}
        assert not any("exactVersion" in body for body in bodies(sandbox))


def test_ephemeral_disks_are_moved_by_their_flag(both: Sandbox) -> None:
    """Otherwise their content would be reset only."""
    profile = both.cloud.scale_set("sandbox", "web").profile
    profile["storageProfile"]["osDisk"]["diffDiskSettings"] = {"option": "Local"}
    list(refresh(both))
    assert set(running(both).values()) == {NEW}
    assert all(body["forceUpdateOSDiskForEphemeral"] for body in bodies(both))


@pytest.mark.parametrize("how", ["fail", "unhealthy", "silent"])
def test_a_bad_version_halts_at_the_first_batch(both: Sandbox, how: str) -> None:
    """The halt names the instance; no other batch is started."""
    bad = names(both)[0]
    both.break_upgrade("web", bad, how, image=NEW)
    with pytest.raises(az.RolloutHalted) as caught:
        list(refresh(both, only=[bad], health_timeout=600))
    assert bad in caught.value.unhealthy
    assert len(bodies(both)) == 1


def test_a_version_that_azure_does_not_install_halts(clock: Clock) -> None:
    """If a reimage without an exact version keeps the one there is, as the reference has it."""
    with make(clock, "Uniform", "GALLERY/images/web") as sandbox:
        sandbox.assumptions.reimage_takes_newest = False
        image = az.get_image(az.get_vmss(*sandbox.where()))["image_id"]
        sandbox.publish(f"{image}/versions/1.0.10")
        with pytest.raises(az.RolloutHalted, match="not on the wanted version"):
            list(refresh(sandbox, health_timeout=300))
        assert len(bodies(sandbox)) == 1


@pytest.mark.parametrize("number", [0, 2])
def test_a_failure_is_rolled_back_to_the_version_before(both: Sandbox, number: int) -> None:
    """By its exact version, only what was reimaged; the model stays, and a notice says so."""
    order = sorted_ids(names(both))
    bad = order[2 * number]
    both.break_upgrade("web", bad, image=NEW)
    seen: list[az.Event] = []
    with pytest.raises(az.RolloutHalted, match="Rolled back") as caught:
        seen.extend(refresh(both, on_failure="rollback"))
    assert caught.value.rolled_back
    start = next(place for place, event in enumerate(seen) if event.kind == "rolling_back")
    assert seen[start].message.startswith("web: ")
    assert seen[start].message.endswith(f": rolling back to {BEFORE}")
    assert seen[start + 1].kind == "notice"
    assert seen[start + 1].message.startswith("web: the model still asks for the newest")
    assert set(running(both).values()) == {BEFORE}
    touched = {name for name, _ in reimages(both)}
    assert touched <= set(order[: 2 * number + 2])
    assert az.get_image(az.get_vmss(*both.where()))["version"] == "latest"
    vmss = both.cloud.scale_set("sandbox", "web")
    assert {vm.provisioning for vm in vmss.instances.values()} == {"Succeeded"}


def test_a_rollback_that_azure_does_not_document_is_refused_beforehand(clock: Clock) -> None:
    """Gallery images have no exact version to go back to; nothing was changed."""
    with make(clock, "Uniform", "GALLERY/images/web") as sandbox:
        image = az.get_image(az.get_vmss(*sandbox.where()))["image_id"]
        sandbox.publish(f"{image}/versions/1.0.10")
        with pytest.raises(ValueError, match="on_failure='rollback' is not possible"):
            list(refresh(sandbox, on_failure="rollback"))
        assert bodies(sandbox) == []


def test_a_rollback_to_another_image_or_to_one_of_several_is_refused(both: Sandbox) -> None:
    """One must be named if the pending instances run several."""
    names_of_other = {"publisher": "P", "offer": "O", "sku": "K"}
    other: Any = {"kind": "platform", **names_of_other, "version": "1.2.3"}
    with pytest.raises(ValueError, match="must be a version of the model's image"):
        list(refresh(both, on_failure="rollback", rollback_image=other))
    first = names(both)[0]
    both.cloud.scale_set("sandbox", "web").instances[first].exact_version = "22.04.202410020"
    with pytest.raises(ValueError, match="several images"):
        list(refresh(both, on_failure="rollback"))
    assert bodies(both) == []


def test_a_model_with_a_version_is_refused(sandbox: Sandbox) -> None:
    """The method upgrade is for those."""
    with pytest.raises(ValueError, match="method='reimage' needs a model without an image version"):
        list(az.rollout(*sandbox.where(), method="reimage"))
    with pytest.raises(ValueError, match="method must be 'upgrade' or 'reimage', not 'replace'"):
        az.rollout(*sandbox.where(), method="replace")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dry_run: a model"):
        az.rollout(*sandbox.where(), method="reimage", dry_run={"properties": {}})


def test_instances_on_another_image_than_the_model_are_refused(clock: Clock) -> None:
    """A reimage would install theirs again."""
    with make(clock, "Uniform", f"{NAME}:22.04.202410020") as sandbox:
        sandbox.set_image("web", version="latest")
        with pytest.raises(ValueError, match="upgrade these first"):
            list(refresh(sandbox))
        assert bodies(sandbox) == []


def test_a_dry_run_reads_alone(both: Sandbox) -> None:
    """And says which version is wanted."""
    events = list(refresh(both, dry_run=True))
    assert [event.kind for event in events].count("planned") == SIZE // 2
    assert not [entry for entry in both.journal if entry.method != "GET"]


def test_a_protected_instance_is_left_out_unless_it_is_named(both: Sandbox) -> None:
    """As in a rollout."""
    name = names(both)[0]
    response = az.protect_vmss_vm(
        *both.where(), name, from_scale_in=True, from_scale_set_actions=True
    )
    az.wait(both.access_token, response)
    list(refresh(both))
    assert {vm for vm, version in running(both).items() if version == BEFORE} == {name}


def test_an_instance_of_unknown_version_is_reimaged_once_in_a_run(both: Sandbox) -> None:
    """And a notice says which they are."""
    unknown = names(both)[0]
    vmss = both.cloud.scale_set("sandbox", "web")
    resolve = both.cloud._installed_version

    def hide(*arguments: Any) -> str | None:
        return None if arguments[1].id == unknown else resolve(*arguments)

    both.cloud._installed_version = hide  # type: ignore[method-assign]
    vmss.instances[unknown].exact_version = None
    events = list(refresh(both))
    assert any("does not report the image version of 1 instance" in each.message for each in events)
    assert reimages(both)[unknown, ""] == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_reimage_whose_answer_is_lost_is_not_sent_twice(both: Sandbox, drop: str) -> None:
    """The instances say whether it took effect."""
    both.fail_next(method="POST", path="web/reimage", drop=drop)
    list(refresh(both))
    assert reimages(both) == Counter({(name, NEW): 1 for name in names(both)})


@pytest.mark.parametrize("is_answer_lost", [False, True])
@pytest.mark.parametrize(
    "step", [17, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_refresh_killed_at_any_request_is_finished_by_the_next(
    clock: Clock, mode: str, step: int, is_answer_lost: bool
) -> None:
    """Before the request, or after it but before its answer; each is reimaged exactly once."""
    number = 1
    was_killed = True
    while was_killed:
        with make(clock, mode) as sandbox:
            sandbox.publish(f"{NAME}:{NEW}")
            token = DyingToken(sandbox, number)
            if is_answer_lost:
                sandbox.at_request(number, lambda: sandbox.fail_next(drop="after"))
            where = (token, *sandbox.where()[1:])
            with contextlib.suppress(KeyboardInterrupt):
                list(az.rollout(*where, method="reimage", by=2))
            was_killed = token.left < 0
            sandbox.app.hooks.clear()
            sandbox.app.faults.clear()
            list(refresh(sandbox))
            assert set(running(sandbox).values()) == {NEW}
            assert reimages(sandbox) == Counter({(name, NEW): 1 for name in names(sandbox)})
        number += step
    assert number > 2 * step
