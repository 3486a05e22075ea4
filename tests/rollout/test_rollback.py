"""Going back, on the sandbox over HTTPS: after a batch that fails, and by itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from support.clock import Clock
from support.rollout import NEW, OLD, OLD_IMAGE, bump, on, posted, reasons, running

import azurerm_lite as az
from azurerm_lite import vmss
from azurerm_lite.rollout.state import short_image_name
from azurerm_lite.sandbox import Sandbox

URI = "https://sandboxstorage.blob.core.windows.net/images/web-{}.vhd"


def halted(events: Any) -> tuple[az.RolloutHalted, list[Any]]:
    """The halt that a rollout ends in, and its events before."""
    seen: list[Any] = []
    with pytest.raises(az.RolloutHalted) as caught:
        seen.extend(events)
    return caught.value, seen


# After a failure


@pytest.mark.parametrize("how", ["fail", "unhealthy", "silent"])
def test_a_batch_that_fails_is_rolled_back(sandbox: Sandbox, how: str) -> None:
    """The old image is in the model and on every instance again, in the order of the domains.

    And the halt says so.
    """
    bump(sandbox)
    sandbox.break_upgrade("web", "11", how, image=NEW)
    halt, seen = halted(az.rollout(*sandbox.where(), on_failure="rollback", health_timeout=300))
    assert halt.rolled_back
    assert set(reasons(halt)) == {"11"}
    assert "Rolled back: all 20 instances run" in str(halt)
    assert set(running(sandbox).values()) == {OLD}
    assert az.get_image(az.get_vmss(*sandbox.where()))["version"] == OLD
    assert [ids[0] for ids in posted(sandbox)] == ["0", "1", "0", "1"]
    states = {
        vm["properties"]["provisioningState"] for vm in az.get_instance_views(*sandbox.where())
    }
    assert states == {"Succeeded"}
    kinds = " ".join(event.kind for event in seen if event.kind != "progress")
    assert kinds.endswith(
        "rolling_back started skipped" + " batch_started batch_done" * 2 + " rolled_back"
    )


def test_a_rollback_does_not_touch_instances_that_were_not_upgraded(sandbox: Sandbox) -> None:
    """Domains that the rollout had not come to see neither the new image nor the rollback."""
    bump(sandbox)
    sandbox.break_upgrade("web", "6", image=NEW)
    halted(az.rollout(*sandbox.where(), on_failure="rollback"))
    assert {vm_id for ids in posted(sandbox) for vm_id in ids} == {
        str(n + 5 * row) for n in (0, 1) for row in range(4)
    }


def test_instances_that_become_unhealthy_after_their_batch_are_rolled_back(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A new image may fail while the loop does something else: that is its failure too."""
    bump(sandbox)

    def fall_ill() -> None:
        sandbox.cloud.scale_set("sandbox", "web").instances["0"].health = "unhealthy"
        clock.sleep(60)

    with pytest.raises(
        az.RolloutHalted, match="1 instance outside update domain 2 is unhealthy"
    ) as caught:
        on("batch_done", 2, fall_ill, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert caught.value.rolled_back
    assert set(running(sandbox).values()) == {OLD}


def test_a_failed_operation_is_rolled_back(sandbox: Sandbox) -> None:
    """The operation's own words are the reason; the set ends as it was."""
    bump(sandbox)
    end = partial(sandbox.end_next, "Failed", code="OSProvisioningTimedOut", message="No boot.")
    with pytest.raises(az.RolloutHalted, match=r"No boot\..*Rolled back") as caught:
        on("batch_started", 2, end, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert caught.value.rolled_back
    assert set(running(sandbox).values()) == {OLD}


def test_trouble_that_is_not_the_images_is_not_rolled_back(sandbox: Sandbox) -> None:
    """A right that was taken away, somebody else's change of the model.

    Stop, touch nothing further.
    """
    bump(sandbox)
    fail = partial(sandbox.fail_next, 403, path="manualupgrade", code="AuthorizationFailed")
    with pytest.raises(az.RolloutHalted, match="AuthorizationFailed") as caught:
        on("batch_done", 1, fail, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert not caught.value.rolled_back
    assert sorted(running(sandbox).values()) == [OLD] * 16 + [NEW] * 4


def test_a_failed_rollback_reports_the_image_of_each_instance(sandbox: Sandbox) -> None:
    """It stops; the message has both reasons, each image with its instances.

    And what to call next.
    """
    bump(sandbox)
    sandbox.break_upgrade("web", "11", image=NEW)
    sandbox.break_upgrade("web", "5", image=OLD)
    halt, _ = halted(az.rollout(*sandbox.where(), on_failure="rollback"))
    assert not halt.rolled_back
    assert "The rollback halted too" in str(halt)
    assert "instance 11: provisioning failed" in str(halt)
    assert "instance 5: provisioning failed" in str(halt)
    assert f":{NEW}" in str(halt)
    assert "call rollout() to finish the remaining instances" in str(halt)
    sandbox.break_upgrade("web", "5", "none")
    list(az.rollout(*sandbox.where(), max_unhealthy=1))
    assert set(running(sandbox).values()) == {OLD}


def test_a_manual_rollback_reimages_failed_instances(sandbox: Sandbox) -> None:
    """The instance for whose sake one goes back must not be what halts the way back."""
    bump(sandbox)
    sandbox.break_upgrade("web", "7", image=NEW)
    halted(az.rollout(*sandbox.where()))
    last = list(az.rollback(*sandbox.where()))[-1]
    assert (last.kind, last.latest) == ("rolled_back", 20)
    assert set(running(sandbox).values()) == {OLD}
    states = {
        vm["properties"]["provisioningState"] for vm in az.get_instance_views(*sandbox.where())
    }
    assert states == {"Succeeded"}


def test_without_a_single_rollback_image_nothing_is_started(sandbox: Sandbox) -> None:
    """Where the instances run several images.

    On_failure="rollback" wants to be told which to go back to.
    """
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=[0]))
    bump(sandbox, version="22.04.202409120")
    count = len(posted(sandbox))
    with pytest.raises(
        ValueError,
        match=r"^rollback_image is required .*several images",
    ):
        list(az.rollout(*sandbox.where(), on_failure="rollback"))
    assert len(posted(sandbox)) == count
    sandbox.break_upgrade("web", "1", image="22.04.202409120")
    halt, _ = halted(az.rollout(*sandbox.where(), on_failure="rollback", rollback_image=OLD_IMAGE))
    assert halt.rolled_back
    assert set(running(sandbox).values()) == {OLD}


def test_a_rollback_does_not_overwrite_another_clients_model(sandbox: Sandbox) -> None:
    """Who changed the model meanwhile keeps the change: the rollback halts and says so."""
    bump(sandbox)
    sandbox.break_upgrade("web", "6", image=NEW)
    change = partial(sandbox.set_image, "web", version="22.04.202409120")
    with pytest.raises(
        az.RolloutHalted, match="rollback halted too: Another client changed the scale set's model"
    ) as caught:
        on("rolling_back", 0, change, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert not caught.value.rolled_back
    assert az.get_image(az.get_vmss(*sandbox.where()))["version"] == "22.04.202409120"


def test_an_image_that_never_gets_into_the_model_ends_the_rollback(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure accepts the put, twice, and nothing changes: there is no third one."""
    bump(sandbox)
    puts: list[Any] = []
    put_vmss = vmss.put_vmss

    def put_what_is_there(*given: Any, **options: Any) -> Any:
        puts.append(given)
        return put_vmss(*given[:4], az.get_vmss(*sandbox.where()), **options)

    monkeypatch.setattr(vmss, "put_vmss", put_what_is_there)
    with pytest.raises(az.RolloutHalted, match="the model still has another"):
        list(az.rollback(*sandbox.where(), image=OLD_IMAGE))
    assert len(puts) == 2


def test_autoscale_between_reading_and_putting_back_is_kept(sandbox: Sandbox) -> None:
    """If-Match fails on a capacity that moved.

    The model is read again, and the new capacity stays.
    """
    bump(sandbox)
    sandbox.break_upgrade("web", "6", image=NEW)

    def grow_before_the_put() -> None:
        sandbox.at_request(1, lambda: sandbox.scale("web", 22))

    with pytest.raises(az.RolloutHalted) as caught:
        on(
            "rolling_back",
            0,
            grow_before_the_put,
            az.rollout(*sandbox.where(), on_failure="rollback"),
        )
    assert caught.value.rolled_back
    assert [each.status for each in sandbox.journal if each.method == "PUT"][-2:] == [412, 200]
    assert az.get_vmss(*sandbox.where())["sku"]["capacity"] == 22
    assert set(running(sandbox).values()) == {OLD}


# By itself


def test_a_half_done_rollout_goes_back(sandbox: Sandbox) -> None:
    """The image is read from the instances that still run it; only what was upgraded is touched."""
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=[0, 1]))
    events = list(az.rollback(*sandbox.where()))
    assert events[-1].kind == "rolled_back"
    assert set(running(sandbox).values()) == {OLD}
    assert [ids[0] for ids in posted(sandbox)] == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("web", {"version": NEW}),
        ("web", {"sku": "22_04-lts"}),
        ("legacy", {"image_uri": URI.format(2)}),
        ("custom", {"image_id": "CUSTOM"}),
    ],
)
def test_each_kind_of_image_goes_back(sandbox: Sandbox, name: str, image: dict[str, str]) -> None:
    """Platform version or SKU, managed image id, unmanaged URI.

    Rolled out whole, and back to what was there.
    """
    old = az.get_image(az.get_vmss(*sandbox.where(name)))
    if "image_id" in image:
        image = {"image_id": old["image_id"].replace("web-1", "web-2")}
    bump(sandbox, name, **image)
    list(az.rollout(*sandbox.where(name)))
    list(az.rollback(*sandbox.where(name), image=old))
    assert az.get_image(az.get_vmss(*sandbox.where(name))) == old
    for vm in az.get_instance_views(*sandbox.where(name)):
        assert vm["properties"]["latestModelApplied"] is True
        assert old.items() <= az.get_image(vm).items()


def test_without_another_image_the_image_is_required(sandbox: Sandbox) -> None:
    """After a rollout that is done no instance tells what was there before."""
    bump(sandbox)
    list(az.rollout(*sandbox.where()))
    with pytest.raises(
        ValueError, match="image is required: the outdated instances run the model's image"
    ):
        list(az.rollback(*sandbox.where()))
    list(az.rollback(*sandbox.where(), image=OLD_IMAGE))
    assert set(running(sandbox).values()) == {OLD}


def test_an_interrupted_rollback_never_rolls_forward(sandbox: Sandbox) -> None:
    """Called again half-way it must not take the new image for the old one.

    With the image named it goes on.
    """
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=[0, 1]))
    for event in az.rollback(*sandbox.where()):
        if event.kind == "batch_done":
            break
    with pytest.raises(
        ValueError, match=r"The model already seems to be rolled back: call rollout\(\)"
    ):
        list(az.rollback(*sandbox.where()))
    list(az.rollback(*sandbox.where(), image=OLD_IMAGE))
    assert set(running(sandbox).values()) == {OLD}


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_put_without_a_response_is_checked_before_a_retry(
    sandbox: Sandbox, took_effect: bool
) -> None:
    """Whether the model was put back is read from the model, before it is put again."""
    bump(sandbox)
    list(az.rollout(*sandbox.where(), only=[0]))
    sandbox.fail_next(method="PUT", drop="after" if took_effect else "before")
    before = len(sandbox.journal)
    list(az.rollback(*sandbox.where()))
    puts = [each for each in sandbox.journal[before:] if each.method == "PUT"]
    assert len(puts) == (1 if took_effect else 2)
    assert set(running(sandbox).values()) == {OLD}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image": "22.04.1"},
            r"^image must be an image as get_image\(\) returns it, not '22.04.1'",
        ),
        ({"image": {"kind": "tape"}}, "^image must be"),
        ({"bake": -1}, "^bake must be seconds"),
        ({"max_batch": 0}, "^max_batch must be"),
    ],
)
def test_arguments_are_checked_at_the_call(arguments: dict[str, Any], message: str) -> None:
    """A bad argument is named, with its value, before there is an iterator at all."""
    with pytest.raises(ValueError, match=message):
        az.rollback("token", "sub", "rg", "web", **arguments)


def test_an_image_of_another_kind_is_refused_before_anything_is_changed(sandbox: Sandbox) -> None:
    """Azure does not let a scale set change between kinds of image."""
    with pytest.raises(ValueError, match="cannot be set: the model of 'web' has a platform image"):
        list(az.rollback(*sandbox.where(), image={"kind": "image_uri", "image_uri": URI.format(1)}))
    assert not [each for each in sandbox.journal if each.method == "PUT"]


# What a way back must not stumble over


def test_an_instance_named_by_only_that_vanished_does_not_keep_it_from_going_back(
    sandbox: Sandbox,
) -> None:
    """`only` is checked when a rollout begins; later its instances may go like all others."""
    bump(sandbox)
    sandbox.break_upgrade("web", "11", image=NEW)
    vanish = partial(sandbox.cloud.scale_set("sandbox", "web").instances.pop, "0")
    with pytest.raises(az.RolloutHalted, match="instance 11: provisioning failed") as caught:
        on(
            "batch_done",
            1,
            vanish,
            az.rollout(*sandbox.where(), only=["0", "5", "11"], on_failure="rollback"),
        )
    assert caught.value.rolled_back
    assert set(running(sandbox).values()) == {OLD}


def test_an_image_of_another_kind_is_refused_before_anything_is_done(sandbox: Sandbox) -> None:
    """Not only when it is needed."""
    bump(sandbox)
    image: Any = {"kind": "image_id", "image_id": "/subscriptions/x"}
    with pytest.raises(
        ValueError,
        match="rollback_image: image_id cannot be set: the model of 'web' has a platform",
    ):
        list(az.rollout(*sandbox.where(), on_failure="rollback", rollback_image=image))
    assert posted(sandbox) == []


@pytest.mark.parametrize("how", ["fail", "unhealthy"])
def test_a_change_of_the_model_without_an_image_is_not_rolled_back(
    sandbox: Sandbox, how: str
) -> None:
    """Only images are put back.

    Where there is none, that is said at the beginning, and a failure halts.
    """
    where = sandbox.where()
    model = az.get_vmss(*where)
    model["properties"]["virtualMachineProfile"]["userData"] = "eA=="  # type: ignore[index]
    az.wait(where[0], az.put_vmss(*where, model))
    sandbox.break_upgrade("web", "11", how)
    halt, seen = halted(az.rollout(*where, on_failure="rollback", health_timeout=300))
    assert not halt.rolled_back
    assert [
        event
        for event in seen
        if event.kind == "notice" and "on_failure='rollback' has no effect" in event.message
    ]
    assert len(posted(sandbox)) == 2


def test_an_unhealthy_instance_that_was_not_upgraded_only_halts(
    sandbox: Sandbox, clock: Clock
) -> None:
    """An instance on the old image says nothing of the new one.

    The model and the instances stay as they are.
    """
    bump(sandbox)

    def fall_ill() -> None:
        sandbox.cloud.scale_set("sandbox", "web").instances["4"].health = "unhealthy"
        clock.sleep(60)

    with pytest.raises(
        az.RolloutHalted,
        match=r"outside update domain 1 (is|are) unhealthy \(max_unhealthy allows 0\): instance 4",
    ):
        on("batch_done", 1, fall_ill, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert az.get_image(az.get_vmss(*sandbox.where()))["version"] == NEW
    assert len(posted(sandbox)) == 1


def test_a_model_that_changes_during_the_bake_is_not_a_failure_of_the_batch(
    sandbox: Sandbox,
) -> None:
    """The instances lag because of the change; the halt names that, and nothing is put back."""
    bump(sandbox)
    change = partial(sandbox.set_image, "web", version="22.04.202409120")
    with pytest.raises(
        az.RolloutHalted, match=r"^Another client changed the scale set's model"
    ) as caught:
        on("baking", 2, change, az.rollout(*sandbox.where(), bake=300, on_failure="rollback"))
    assert not caught.value.rolled_back


def test_a_rollback_that_halts_at_once_reports_the_image_of_each_instance(sandbox: Sandbox) -> None:
    """Before it has read anything by itself, what the rollout knew counts."""
    bump(sandbox)
    sandbox.break_upgrade("web", "11", image=NEW)
    change = partial(sandbox.set_image, "web", version="22.04.202409120")
    with pytest.raises(
        az.RolloutHalted, match=rf"halted too: Another client .*\(0, 1, 5.*:{NEW}.*:{OLD}\.$"
    ):
        on("progress", 2, change, az.rollout(*sandbox.where(), on_failure="rollback"))


def test_the_time_that_azure_writes_into_the_model_is_not_a_change(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`virtualMachineProfile.timeCreated` is Azure's own, and moves with each change.

    Our own of the image included.
    """
    read = vmss.get_vmss

    def with_time(*where: Any) -> Any:
        model: Any = read(*where)
        model["properties"]["virtualMachineProfile"]["timeCreated"] = (
            f"2026-01-02T03:04:0{model['etag'][1]}Z"
        )
        return model

    monkeypatch.setattr(vmss, "get_vmss", with_time)
    bump(sandbox)
    sandbox.break_upgrade("web", "11", image=NEW)
    scale = partial(sandbox.scale, "web", 22)
    with pytest.raises(az.RolloutHalted, match="Rolled back: all 22 instances run") as caught:
        on("batch_done", 1, scale, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert caught.value.rolled_back


@pytest.mark.parametrize(
    ("image", "current", "name"),
    [
        ("a:b:c:1", "A:B:C:2", "1"),
        ("a:b:c:1", "a:b:d:2", "c 1"),
        ("a:b:c:1", "a:x:c:2", "a:b:c:1"),
        ("/g/images/web/versions/1", "/G/images/web/versions/2", "1"),
        ("/g/images/web/versions/1", "/g/images/shop/versions/2", "/g/images/web/versions/1"),
        ("/g/images/web/versions/1", "a:b:c:2", "/g/images/web/versions/1"),
        ("a:b:c:1", "/g/images/web/versions/2", "a:b:c:1"),
        ("/g/images/web-1", "/g/images/web-2", "web-1"),
    ],
)
def test_the_short_name_of_an_image_is_what_differs_from_the_model(
    image: str, current: str, name: str
) -> None:
    """So that an event stays on one line of a terminal."""

    def image_of(text: str) -> Any:
        if text.startswith("/"):
            return {"kind": "image_id", "image_id": text}
        keys = ("publisher", "offer", "sku", "version")
        return {"kind": "platform", **dict(zip(keys, text.split(":"), strict=True))}

    def reference(text: str) -> Any:
        if text.startswith("/"):
            return {"id": text}
        return {key: value for key, value in image_of(text).items() if key != "kind"}

    storage = {"storageProfile": {"imageReference": reference(current)}}
    model: Any = {"properties": {"virtualMachineProfile": storage}}
    assert short_image_name(image_of(image), model) == name
