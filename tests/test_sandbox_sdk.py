"""Azure's own SDK works against the sandbox, unchanged but for endpoint and CA, and knows every field it is given."""

from __future__ import annotations

import datetime
import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox

pytest.importorskip("azure.mgmt.compute", reason="needs the extra conformance (azure-mgmt-compute)")
pytest.importorskip("azure.identity", reason="needs the extra conformance (azure-identity)")

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient, models

# azure-identity and azure-core leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
GROUP = "sandbox"


@pytest.fixture
def live(clean_environment: None) -> Iterator[Sandbox]:
    """A sandbox that does everything at once, with small pages."""
    with Sandbox(upgrade_seconds=0, page_size=6) as sandbox:
        yield sandbox


@pytest.fixture
def sdk(live: Sandbox) -> Iterator[ComputeManagementClient]:
    """The SDK's client, signed in by azure-identity with the secret."""
    credential = ClientSecretCredential(
        live.tenant_id,
        live.application_id,
        live.application_secret,
        authority=live.url.removeprefix("https://"),
        disable_instance_discovery=True,
        connection_verify=live.ca_file,
    )
    with ComputeManagementClient(
        credential,
        live.subscription_id,
        base_url=live.url,
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=live.ca_file,
        polling_interval=0,
    ) as client:
        yield client
    credential.close()


def ids(*numbers: int) -> Any:
    """The body that names instances."""
    return models.VirtualMachineScaleSetVMInstanceRequiredIDs(instance_ids=[str(each) for each in numbers])


def test_scale_sets_are_read_listed_and_changed(sdk: ComputeManagementClient, live: Sandbox) -> None:
    """Lists over several pages, a PUT of what a GET gave with another image, a PATCH, a create and a delete."""
    sets = sdk.virtual_machine_scale_sets
    for number in range(5):
        live.add_vmss(f"more{number}", 1)
    assert len(list(sets.list(GROUP))) == len(list(sets.list_all())) == len(list(sets.list_by_location("eastus"))) == 9
    model = sets.get(GROUP, "web")
    model.virtual_machine_profile.storage_profile.image_reference.version = "22.04.202411010"
    put = sets.begin_create_or_update(
        GROUP, "web", model, etag=model.etag, match_condition=MatchConditions.IfNotModified
    ).result()
    assert put.virtual_machine_profile.storage_profile.image_reference.version == "22.04.202411010"
    with pytest.raises(HttpResponseError) as caught:
        sets.begin_create_or_update(GROUP, "web", model, etag=model.etag, match_condition=MatchConditions.IfNotModified)
    assert caught.value.status_code == 412
    assert sets.begin_update(GROUP, "web", {"sku": {"capacity": 22}}).result().sku.capacity == 22
    model.etag = None
    assert sets.begin_create_or_update(GROUP, "fresh", model).result().name == "fresh"
    sets.begin_delete(GROUP, "fresh").result()
    with pytest.raises(ResourceNotFoundError):
        sets.get(GROUP, "fresh")
    assert sets.get_instance_view(GROUP, "web").virtual_machine.statuses_summary[0].count == 22
    assert [each.sku.name for each in sets.list_skus(GROUP, "web")]


@pytest.mark.parametrize(
    "action",
    ["start", "restart", "power_off", "deallocate", "reimage", "reimage_all", "redeploy", "reapply"],
)
def test_actions_on_a_scale_set_are_polled_to_their_end(sdk: ComputeManagementClient, action: str) -> None:
    """The SDK's own pollers follow them; afterwards every instance is settled."""
    assert getattr(sdk.virtual_machine_scale_sets, f"begin_{action}")(GROUP, "custom").result() is None
    instances = list(sdk.virtual_machine_scale_set_vms.list(GROUP, "custom", expand="instanceView"))
    assert {each.provisioning_state for each in instances} == {"Succeeded"}


@pytest.mark.parametrize(
    "action", ["start", "restart", "power_off", "deallocate", "reimage", "reimage_all", "redeploy"]
)
def test_actions_on_an_instance_are_polled_to_their_end(sdk: ComputeManagementClient, action: str) -> None:
    """The same for one instance."""
    assert getattr(sdk.virtual_machine_scale_set_vms, f"begin_{action}")(GROUP, "custom", "2").result() is None


def test_instances_are_listed_upgraded_protected_and_deleted(sdk: ComputeManagementClient, live: Sandbox) -> None:
    """Over pages, with $filter, $select and $expand; manual upgrade, protection with an etag, deletion."""
    sets, vms = sdk.virtual_machine_scale_sets, sdk.virtual_machine_scale_set_vms
    live.set_image("web", version="22.04.202411010")
    sets.begin_update_instances(GROUP, "web", ids(0, 1, 2)).result()
    assert len(list(vms.list(GROUP, "web", expand="instanceView"))) == 20
    latest = vms.list(GROUP, "web", filter="properties/latestModelApplied eq true")
    assert [each.instance_id for each in latest] == ["0", "1", "2"]
    running = vms.list(GROUP, "web", filter="startswith(instanceView/statuses/code, 'PowerState') eq true")
    assert len(list(running)) == 20
    chosen = next(iter(vms.list(GROUP, "web", expand="instanceView", select="instanceView")))
    assert (chosen.latest_model_applied, chosen.instance_view.platform_update_domain) == (None, 0)
    with pytest.raises(HttpResponseError, match="InvalidParameter"):
        list(vms.list(GROUP, "web", filter="nonsense"))
    one = vms.get(GROUP, "web", "3", expand="instanceView")
    policy = {"location": "eastus", "properties": {"protectionPolicy": {"protectFromScaleIn": True}}}
    changed = vms.begin_update(
        GROUP, "web", "3", policy, etag=one.etag, match_condition=MatchConditions.IfNotModified
    ).result()
    assert changed.protection_policy.protect_from_scale_in is True
    assert vms.get_instance_view(GROUP, "web", "3").vm_health.status.code == "HealthState/healthy"
    sets.begin_delete_instances(GROUP, "web", ids(4)).result()
    vms.begin_delete(GROUP, "web", "5").result()
    assert sets.get(GROUP, "web").sku.capacity == 18
    with pytest.raises(HttpResponseError, match="performMaintenance"):
        sets.begin_perform_maintenance(GROUP, "web")


def test_extensions_are_a_part_of_the_model(sdk: ComputeManagementClient) -> None:
    """Added, changed, listed and removed; instances lag behind meanwhile, and secrets are never given back."""
    extensions = sdk.virtual_machine_scale_set_extensions
    new = {
        "properties": {
            "publisher": "Microsoft.Azure.Extensions",
            "type": "CustomScript",
            "typeHandlerVersion": "2.1",
            "settings": {"a": 1},
            "protectedSettings": {"secret": "canary"},
        }
    }
    made = extensions.begin_create_or_update(GROUP, "web", "script", new).result()
    assert (made.name, made.provisioning_state, made.protected_settings) == ("script", "Succeeded", None)
    assert not next(iter(sdk.virtual_machine_scale_set_vms.list(GROUP, "web"))).latest_model_applied
    patched = extensions.begin_update(GROUP, "web", "script", {"properties": {"settings": {"b": 2}}}).result()
    assert patched.settings == {"a": 1, "b": 2}
    assert [each.name for each in extensions.list(GROUP, "web")] == ["health", "script"]
    extensions.begin_delete(GROUP, "web", "script").result()
    with pytest.raises(ResourceNotFoundError):
        extensions.get(GROUP, "web", "script")


def test_rolling_upgrades_and_their_history(sdk: ComputeManagementClient, live: Sandbox) -> None:
    """Started, looked at, and found in the history; with none running, a cancel is refused."""
    upgrades = sdk.virtual_machine_scale_set_rolling_upgrades
    live.set_image("web", version="22.04.202411010")
    upgrades.begin_start_os_upgrade(GROUP, "web").result()
    assert upgrades.get_latest(GROUP, "web").progress.successful_instance_count == 20
    upgrades.begin_start_extension_upgrade(GROUP, "web").result()
    history = list(sdk.virtual_machine_scale_sets.get_os_upgrade_history(GROUP, "web"))
    assert history[0].properties.running_status.code == "Completed"
    with pytest.raises(HttpResponseError, match="no rolling upgrade"):
        upgrades.begin_cancel(GROUP, "web")


def test_platform_and_gallery_images(sdk: ComputeManagementClient) -> None:
    """From publisher to version, and the versions of a gallery image."""
    images = sdk.virtual_machine_images
    path: tuple[str, ...] = ("eastus", "Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")
    assert "Canonical" in [each.name for each in images.list_publishers(path[0])]
    assert path[2] in [each.name for each in images.list_offers(*path[:2])]
    assert path[3] in [each.name for each in images.list_skus(*path[:3])]
    (newest,) = images.list(*path, top=1, orderby="name desc")
    assert images.get(*path, newest.name).os_disk_image.operating_system == "Linux"
    versions = sdk.gallery_image_versions.list_by_gallery_image(GROUP, "demo", "web")
    assert [each.name for each in versions] == ["1.0.0", "1.0.1"]


# Every field is one that the SDK knows


def fields(model: Any) -> dict[str, Any]:
    """The fields of a model as Azure writes them, each with the type that the SDK gives it."""
    model.__new__(model)  # the SDK gathers the fields of a model when it is first made
    hints = typing.get_type_hints(model, localns={"_models": models})
    declared = getattr(model, "_attr_to_rest_field", {})
    return {field._rest_name: hints.get(name, Any) for name, field in declared.items()}


def _is_model(kind: Any) -> bool:
    ours = isinstance(kind, type) and kind.__module__.startswith("azure.mgmt.compute")
    return ours and not issubclass(kind, enum.Enum)


def strange(body: Any, kind: Any, path: str = "") -> list[str]:
    """Where JSON has a field that the SDK does not declare, or another type than the SDK gives it."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if Any in kinds or body is None:
        return []
    if isinstance(body, list):
        inner = [typing.get_args(each)[0] for each in kinds if typing.get_origin(each) is list]
        return (
            [told for each in body for told in strange(each, inner[0], path + "[]")] if inner else [f"{path} is a list"]
        )
    found = [each for each in kinds if _is_model(each)]
    if isinstance(body, dict) and found:
        declared = fields(found[0])
        told = [f"{path}.{key} is not declared" for key in body if key not in declared]
        return told + [
            each for key in body if key in declared for each in strange(body[key], declared[key], f"{path}.{key}")
        ]
    fits = {dict: (dict,), bool: (bool,), int: (int, float), float: (float,), str: (str, datetime.datetime, enum.Enum)}
    allowed = fits[type(body)]
    plain = [typing.get_origin(each) or each for each in kinds]
    good = any(isinstance(each, type) and issubclass(each, allowed) for each in plain)
    return [] if good else [f"{path} is {type(body).__name__}, not {kind}"]


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("", "VirtualMachineScaleSet"),
        ("/instanceView", "VirtualMachineScaleSetInstanceView"),
        ("/virtualMachines/1?$expand=instanceView", "VirtualMachineScaleSetVM"),
        ("/virtualMachines/1/instanceView", "VirtualMachineScaleSetVMInstanceView"),
        ("/extensions/health", "VirtualMachineScaleSetExtension"),
        ("/rollingUpgrades/latest", "RollingUpgradeStatusInfo"),
        ("/osUpgradeHistory", "UpgradeOperationHistoricalStatusInfo"),
        ("/skus", "VirtualMachineScaleSetSku"),
    ],
)
def test_no_field_is_invented(sdk: ComputeManagementClient, live: Sandbox, path: str, model: str) -> None:
    """Walked through the models' declared fields, nothing in an answer is unknown to the SDK."""
    live.set_image("web", version="22.04.202411010")
    sdk.virtual_machine_scale_set_rolling_upgrades.begin_start_os_upgrade(GROUP, "web").result()
    body = raw(live, path)
    entries = body.get("value", [body])
    assert fields(getattr(models, model)), "the SDK declares its models in another way: mend fields()"
    for entry in entries:
        assert strange(entry, getattr(models, model)) == []


def test_no_field_of_an_image_is_invented(live: Sandbox) -> None:
    """The same for platform and gallery images."""
    who = (live.access_token, live.subscription_id)
    path = ("eastus", "Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts")
    newest = az.list_sku_versions(*who, *path, top=1)[0]
    version = az.list_gallery_image_versions(*who, GROUP, "demo", "web")[0]
    image = rest.get(who[0], f"{live.url}{newest['id']}?api-version=2024-11-01")
    assert strange(newest, models.VirtualMachineImageResource) == []
    # Azure sends this one, as the recordings show; the SDK passes over it.
    assert strange(image, models.VirtualMachineImage) == [".properties.osDiskImage.sizeInGb is not declared"]
    assert strange(version, models.GalleryImageVersion) == []


def test_an_invented_field_would_be_found() -> None:
    """The check itself: a strange field at the top, one deep inside, and a number where a text belongs are told."""
    storage = {"odd": 2, "imageReference": {"version": 1}}
    body = {"strange": 1, "properties": {"virtualMachineProfile": {"storageProfile": storage}}}
    told = strange(body, models.VirtualMachineScaleSet)
    assert [each.partition(" ")[0].rpartition(".")[2] for each in told] == ["strange", "odd", "version"]


def raw(live: Sandbox, path: str) -> Any:
    """The JSON of an answer, at the api-version that the SDK speaks."""
    group = f"/subscriptions/{live.subscription_id}/resourceGroups/{GROUP}"
    base = f"{live.url}{group}/providers/Microsoft.Compute/virtualMachineScaleSets/web{path}"
    answer = rest.send(live.access_token, "GET", f"{base}{'&' if '?' in base else '?'}api-version=2024-11-01")
    return json.loads(answer.content)
