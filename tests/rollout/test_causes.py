"""Whose fault a failure is: only what the new image or the upgrade did is rolled back."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from support.rollout import NEW, OLD, bump, on, posted, running

import azurerm_lite as az
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.refusals import refusal
from azurerm_lite.rollout.rollback_image import find_previous_image, infer_rollback_image
from azurerm_lite.rollout.state import RolloutState, ScaleSetRef
from azurerm_lite.sandbox import Sandbox

OTHERS_FAULTS = [
    "AllocationFailed",
    "ZonalAllocationFailed",
    "OverconstrainedAllocationRequest",
    "SkuNotAvailable",
    "QuotaExceeded",
    "InternalOperationError",
    "InternalExecutionError",
    "NetworkingInternalOperationError",
    "SubnetIsFull",
    "SomethingNew",
]
OWN_FAULTS = [
    "OSProvisioningTimedOut",
    "OSProvisioningClientError",
    "VMExtensionProvisioningError",
    "vmextensionprovisioningtimeout",
]
GALLERY = (
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/galleries/gal/images/ubuntu"
)
MANAGED = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/images/web"


@pytest.mark.parametrize("code", OTHERS_FAULTS)
def test_a_failure_of_the_platform_halts_and_rolls_nothing_back(
    sandbox: Sandbox, code: str
) -> None:
    """The halt repeats Azure's reason; the instances that were upgraded stay upgraded."""
    bump(sandbox)
    end = partial(sandbox.end_next, "Failed", code=code, message="Azure's own reason.")
    with pytest.raises(az.RolloutHalted, match=rf"Azure's own reason.*{code}") as caught:
        on("batch_done", 1, end, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert not caught.value.rolled_back
    assert sorted(running(sandbox).values()) == [OLD] * 16 + [NEW] * 4


@pytest.mark.parametrize("code", OWN_FAULTS)
def test_a_failure_of_the_image_is_rolled_back(sandbox: Sandbox, code: str) -> None:
    """An OS or an extension that does not come up."""
    bump(sandbox)
    end = partial(sandbox.end_next, "Failed", code=code, message="No boot.")
    with pytest.raises(az.RolloutHalted, match=r"No boot\..*Rolled back") as caught:
        on("batch_done", 1, end, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert caught.value.rolled_back
    assert set(running(sandbox).values()) == {OLD}


@pytest.mark.parametrize(
    ("status", "code"),
    [("Failed", "OperationPreempted"), ("Canceled", "OperationPreempted"), ("Canceled", "Other")],
)
@pytest.mark.parametrize("on_failure", ["stop", "rollback"])
def test_an_upgrade_that_another_write_ended_is_started_again_once(
    sandbox: Sandbox, status: str, code: str, on_failure: Any
) -> None:
    """Nothing says that the image is bad: the rollout ends well."""
    bump(sandbox)
    end = partial(sandbox.end_next, status, code=code, message="A newer operation came.")
    events = on("batch_done", 1, end, az.rollout(*sandbox.where(), on_failure=on_failure))
    assert events[-1].kind == "finished"
    assert set(running(sandbox).values()) == {NEW}
    assert posted(sandbox).count(["1", "6", "11", "16"]) == 2


def test_an_upgrade_that_is_ended_twice_halts(sandbox: Sandbox) -> None:
    """Two writers that end each other's operations are for a person to look at."""
    bump(sandbox)

    def end() -> None:
        for _ in range(2):
            sandbox.end_next("Failed", code="OperationPreempted", message="A newer operation.")

    with pytest.raises(az.RolloutHalted, match="OperationPreempted") as caught:
        on("batch_done", 1, end, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert not caught.value.rolled_back


def test_a_rollback_continues_after_its_put_was_preempted(sandbox: Sandbox) -> None:
    """The put of the old image is sent again once."""
    bump(sandbox)
    sandbox.break_upgrade("web", "1", image=NEW)
    end = partial(sandbox.end_next, "Failed", code="OperationPreempted", message="Newer.")
    with pytest.raises(az.RolloutHalted) as caught:
        on("rolling_back", 2, end, az.rollout(*sandbox.where(), on_failure="rollback"))
    assert caught.value.rolled_back
    assert set(running(sandbox).values()) == {OLD}


@pytest.mark.parametrize("state", ["unknown", "creating", "updating"])
@pytest.mark.parametrize("on_failure", ["stop", "rollback"])
def test_an_unknown_power_state_is_not_expected_after_the_upgrade(
    sandbox: Sandbox, state: str, on_failure: Any
) -> None:
    """An instance that was in such a state before its upgrade runs afterwards."""
    bump(sandbox)
    vmss = sandbox.cloud.scale_set("sandbox", "web")
    vmss.instances["0"].power = state
    events: list[Any] = []
    for event in az.rollout(*sandbox.where(), on_failure=on_failure, health_timeout=600):
        events.append(event)
        if event.kind == "progress" and "Succeeded" in event.message:
            vmss.instances["0"].power = "running"
    assert events[-1].kind == "finished"


def test_a_power_state_that_is_unknown_for_a_while_is_read_again_while_baking(
    sandbox: Sandbox,
) -> None:
    """One reading without a state is no failure."""
    bump(sandbox)
    vmss = sandbox.cloud.scale_set("sandbox", "web")
    events = []
    for event in az.rollout(*sandbox.where(), bake=120, on_failure="rollback"):
        events.append(event)
        if event.kind == "baking" and event.number == 1:
            was_unknown = vmss.instances["0"].power == "unknown"
            vmss.instances["0"].power = "running" if was_unknown else "unknown"
        elif event.kind == "progress":
            vmss.instances["0"].power = "running"
    assert events[-1].kind == "finished"


# Instances that are being created


def set_creating(sandbox: Sandbox, *ids: str) -> dict[str, Any]:
    """Let instances be in creation, of which Azure does not report the model yet."""
    instances: dict[str, Any] = sandbox.cloud.scale_set("sandbox", "web").instances
    for instance_id in ids:
        instances[instance_id].provisioning = "Creating"
    return instances


def test_an_instance_in_creation_is_upgraded_when_it_is_there(sandbox: Sandbox) -> None:
    """It began before the put of the model, so that it has the older one."""
    bump(sandbox)
    instances = set_creating(sandbox, "1")
    events = []
    for event in az.rollout(*sandbox.where()):
        events.append(event)
        if event.kind == "waiting" and "being created" in event.message:
            instances["1"].provisioning = "Succeeded"
    assert events[-1].kind == "finished"
    assert posted(sandbox)[-1] == ["1"]
    assert set(running(sandbox).values()) == {NEW}


def test_an_instance_in_creation_for_ever_halts_and_rolls_nothing_back(sandbox: Sandbox) -> None:
    """All others are upgraded; which model it will have, nobody knows."""
    bump(sandbox)
    set_creating(sandbox, "1", "2")
    with pytest.raises(
        az.RolloutHalted, match=r"2 instances still being created .*\(1, 2\)"
    ) as halt:
        list(az.rollout(*sandbox.where(), on_failure="rollback", health_timeout=60))
    assert not halt.value.rolled_back
    assert sorted(halt.value.unhealthy) == ["1", "2"]
    assert sum(len(ids) for ids in posted(sandbox)) == 18


def test_a_dry_run_reports_an_instance_in_creation(sandbox: Sandbox) -> None:
    """It is planned for when it is there."""
    bump(sandbox)
    set_creating(sandbox, "1")
    events = list(az.rollout(*sandbox.where(), dry_run=True))
    skipped = [event for event in events if event.kind == "skipped"]
    assert [event.instance_ids for event in skipped] == [("1",)]
    assert "still being created" in skipped[0].message


# Images


def instance(number: int, reference: dict[str, Any], *, is_latest: bool = False) -> Any:
    """An instance that runs an image."""
    return {
        "instanceId": str(number),
        "name": f"web_{number}",
        "properties": {
            "latestModelApplied": is_latest,
            "provisioningState": "Succeeded",
            "storageProfile": {"imageReference": reference},
        },
    }


def state_of(model_reference: dict[str, Any], references: list[dict[str, Any]]) -> RolloutState:
    """A run that has read a model and instances."""
    return RolloutState(
        ScaleSetRef("token", "s", "g", "web"),
        RolloutOptions(on_failure="rollback"),
        model=model_of(model_reference),
        instances=tuple(instance(number, each) for number, each in enumerate(references)),
    )


def model_of(reference: dict[str, Any], **properties: Any) -> Any:
    """A scale set that asks for an image."""
    profile = {"storageProfile": {"imageReference": reference}}
    return {"name": "web", "properties": {"virtualMachineProfile": profile, **properties}}


def test_ids_that_differ_in_case_are_one_image() -> None:
    """Azure gives the resource group in other letters on some instances."""
    old = {"id": MANAGED + "-1"}
    state = state_of({"id": MANAGED + "-2"}, [old, {"id": (MANAGED + "-1").upper()}])
    assert find_previous_image(state) == {"kind": "image_id", "image_id": MANAGED + "-1"}
    assert infer_rollback_image(state)["image_id"] == MANAGED + "-1"


def test_the_models_image_in_other_letters_is_nothing_to_go_back_to() -> None:
    """The instances run it already."""
    state = state_of({"id": MANAGED}, [{"id": MANAGED.upper()}])
    assert find_previous_image(state) == {}


def test_a_gallery_image_without_a_version_is_rolled_back_to_the_exact_one() -> None:
    """Azure reports on the instance which version it was."""
    state = state_of({"id": GALLERY}, [{"id": GALLERY, "exactVersion": "1.0.0"}])
    image = find_previous_image(state)
    assert image["exact_version"] == "1.0.0"
    assert az.image_name(image) == f"{GALLERY}/versions/1.0.0"


@pytest.mark.parametrize(
    "reference",
    [{"id": GALLERY}, {"publisher": "P", "offer": "O", "sku": "S", "version": "latest"}],
)
def test_a_rollback_to_an_image_of_unknown_version_is_rejected_beforehand(
    reference: dict[str, Any],
) -> None:
    """It is refused before anything is sent."""
    newer = {**reference, "version": "2.0"} if "version" in reference else {"id": GALLERY + "2"}
    state = state_of(newer, [reference])
    with pytest.raises(ValueError, match="Azure does not report the exact version"):
        find_previous_image(state)
    with pytest.raises(ValueError, match="Azure does not report the exact version"):
        infer_rollback_image(state)


PLATFORM: Any = {"kind": "platform", "publisher": "P", "offer": "O", "sku": "S", "version": "1.0"}
AUTOMATIC = {"upgradePolicy": {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}}


@pytest.mark.parametrize(
    ("model", "image", "reason"),
    [
        (model_of({}, **AUTOMATIC), PLATFORM, "rejects an image with an explicit version"),
        (model_of({}, **AUTOMATIC), {**PLATFORM, "version": "latest"}, None),
        (
            model_of({}, **AUTOMATIC),
            {**PLATFORM, "version": "latest", "exact_version": "1.0"},
            "rejects an image with an explicit version",
        ),
        *(
            (
                {**model_of({}), "plan": {"publisher": "p", "product": "o", "name": "S"}},
                {**PLATFORM, part: "other"},
                "purchase plan",
            )
            for part in ("publisher", "offer", "sku")
        ),
        ({**model_of({}), "plan": {"publisher": "p"}}, {**PLATFORM, "sku": "other"}, None),
        (
            {**model_of({}), "plan": {"publisher": "p"}},
            {"kind": "image_id", "image_id": MANAGED},
            None,
        ),
        (
            {**model_of({}), "plan": {"publisher": "p", "product": "o", "name": "S"}},
            PLATFORM,
            None,
        ),
        (model_of({}), {"kind": "image_id", "image_id": MANAGED}, None),
    ],
)
def test_what_azure_would_reject_is_rejected_beforehand(
    model: Any, image: Any, reason: str | None
) -> None:
    """Automatic OS upgrades, purchase plans."""
    found = refusal(model, image)
    assert (found is None) if reason is None else reason in str(found)


def test_a_managed_image_is_refused_on_trusted_launch() -> None:
    """As Azure answers in recorded traffic; an image of a gallery is not."""
    model = model_of({})
    profile = model["properties"]["virtualMachineProfile"]
    profile["securityProfile"] = {"securityType": "TrustedLaunch"}
    assert "rejects managed images" in str(
        refusal(model, {"kind": "image_id", "image_id": MANAGED})
    )
    assert refusal(model, {"kind": "image_id", "image_id": GALLERY}) is None


def test_a_dry_run_reports_what_azure_would_reject(sandbox: Sandbox) -> None:
    """Before the model is put."""
    where = sandbox.where()
    model: Any = az.set_image(az.get_vmss(*where), version=NEW)
    model["properties"]["upgradePolicy"] = {"mode": "Manual", **AUTOMATIC["upgradePolicy"]}
    with pytest.raises(ValueError, match=r"^dry_run: automatic OS upgrades are on"):
        list(az.rollout(*where, dry_run=model))
