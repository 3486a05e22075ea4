"""PUT requests: members that are left out stay, and responses have Azure's spelling."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from support.clock import Clock
from support.sdk_models import fields

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model import members

OLD, NEW = "22.04.202410020", "22.04.202411010"
IMAGE = ("properties", "virtualMachineProfile", "storageProfile", "imageReference")
GALLERY = (
    f"/subscriptions/{Sandbox.subscription_id}/resourceGroups/sandbox/providers"
    "/Microsoft.Compute/galleries/demo/images/web"
)


def set_url(sandbox: Sandbox, name: str = "web", tail: str = "") -> str:
    """Return the URL of a scale set, or of a part of it."""
    path = (
        f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox/providers"
        f"/Microsoft.Compute/virtualMachineScaleSets/{name}{tail}"
    )
    return rest.url(path, {}, "2024-11-01")


def put(sandbox: Sandbox, body: Any, name: str = "web", tail: str = "") -> Any:
    """Send a PUT, wait for it, and return the body of a GET after it."""
    token = sandbox.access_token
    url = set_url(sandbox, name, tail)
    az.wait(token, rest.send(token, "PUT", url, body=body))
    return rest.get(token, url)


def expect_rejection(
    sandbox: Sandbox, body: Any, name: str = "web", tail: str = ""
) -> az.AzureError:
    """Send a PUT that is rejected, and return the error."""
    with pytest.raises(az.AzureError) as caught:
        rest.send(sandbox.access_token, "PUT", set_url(sandbox, name, tail), body=body)
    return caught.value


def read(sandbox: Sandbox, name: str = "web") -> Any:
    """Return a scale set."""
    return rest.get(sandbox.access_token, set_url(sandbox, name))


def at(body: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        body = body[key]
    return body


def objects(body: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each member of each object in a body, except objects in lists."""
    for key, value in body.items():
        yield (*path, key)
        if isinstance(value, dict) and key != "tags":
            yield from objects(value, (*path, key))


def model_of(body: Any) -> Any:
    """Return a body without read-only members."""
    body = copy.deepcopy(body)
    body.pop("etag", None)
    for part in (body["properties"], body["properties"]["virtualMachineProfile"]):
        part.pop("timeCreated", None)
    return body


# What a PUT leaves out


def test_a_put_of_location_and_sku_scales(sandbox: Sandbox) -> None:
    """The rest of the model stays, as for `az vmss scale` and the cluster autoscaler."""
    before = put(sandbox, {"tags": {"env": "prod"}})
    sku = {**before["sku"], "capacity": 23}
    after = put(sandbox, {"location": before["location"], "sku": sku})
    assert len(az.get_instance_views(*sandbox.where())) == 23
    assert model_of(after) == model_of({**before, "sku": sku})


def test_a_put_of_a_version_changes_only_the_version(sandbox: Sandbox) -> None:
    """Publisher, offer and SKU of the image and everything else stay."""
    before = read(sandbox)
    body: Any = {"location": "eastus", "properties": {}}
    storage = {"imageReference": {"version": NEW}}
    body["properties"]["virtualMachineProfile"] = {"storageProfile": storage}
    after = put(sandbox, body)
    assert at(after, IMAGE) == {**at(before, IMAGE), "version": NEW}
    assert at(after, IMAGE[:-1])["osDisk"] == at(before, IMAGE[:-1])["osDisk"]
    assert after["sku"] == before["sku"]


@pytest.mark.parametrize("value", ["left out", None])
def test_a_set_that_is_written_without_its_image_keeps_it(
    sandbox: Sandbox, value: str | None
) -> None:
    """Only the mode changes, as for `az vmss update`."""
    before = read(sandbox)
    body = copy.deepcopy(before)
    del at(body, IMAGE[:-1])["imageReference"]
    if value is None:
        at(body, IMAGE[:-1])["imageReference"] = None
    body["properties"]["upgradePolicy"]["mode"] = "Automatic"
    after = put(sandbox, body)
    assert at(after, IMAGE) == at(before, IMAGE)
    assert after["properties"]["upgradePolicy"]["mode"] == "Automatic"


def test_a_member_that_is_left_out_stays() -> None:
    """Each member of each object is left out or null, and the model does not change."""
    with Sandbox(upgrade_seconds=0) as sandbox:  # without the rate limits of single sets
        leave_out_each_member(sandbox)


def leave_out_each_member(sandbox: Sandbox) -> None:
    """Put a model without each of its members, and with null for it."""
    full = {
        "tags": {"env": "prod"},
        "properties": {
            "automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT30M"},
            "scaleInPolicy": {"rules": ["OldestVM"]},
            "upgradePolicy": {"mode": "Manual", "rollingUpgradePolicy": {"maxSurge": False}},
        },
    }
    before = put(sandbox, full, "custom")
    sent = model_of(before)
    for path in objects(sent):
        body = copy.deepcopy(sent)
        del at(body, path[:-1])[path[-1]]
        assert model_of(put(sandbox, body, "custom")) == sent, path
        at(body, path[:-1])[path[-1]] = None
        assert model_of(put(sandbox, body, "custom")) == sent, path


def test_lists_and_tags_are_replaced(sandbox: Sandbox) -> None:
    """Entries that the new list or tags do not have are removed."""
    put(sandbox, {"tags": {"env": "prod", "ring": "0"}})
    profile = {"extensionProfile": {"extensions": []}}
    body = {"tags": {"ring": "1"}, "properties": {"virtualMachineProfile": profile}}
    after = put(sandbox, body)
    assert after["tags"] == {"ring": "1"}
    extensions = after["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert extensions == []


@pytest.mark.parametrize(
    ("name", "storage"),
    [
        ("web", {"imageReference": {"id": f"{GALLERY}/versions/1.0.0"}}),
        ("web", {"osDisk": {"createOption": "FromImage", "image": {"uri": "https://x/y.vhd"}}}),
        ("legacy", {"imageReference": {"id": f"{GALLERY}/versions/1.0.0"}}),
        ("custom", {"imageReference": {"publisher": "Canonical", "offer": "o", "sku": "s"}}),
    ],
)
def test_an_image_of_another_kind_replaces_the_reference(
    sandbox: Sandbox, name: str, storage: dict[str, Any]
) -> None:
    """So it is a change of the image type, which Azure rejects."""
    body = {"properties": {"virtualMachineProfile": {"storageProfile": storage}}}
    error = expect_rejection(sandbox, body, name)
    assert (error.status_code, error.code) == (409, "OperationNotAllowed")
    assert "image type" in str(error)


# The response


def test_members_and_values_are_returned_in_azures_spelling(sandbox: Sandbox) -> None:
    """The case of the request does not matter, for a new set either."""
    body: Any = read(sandbox)
    body = {key: body[key] for key in ("location", "sku")}
    body["sku"] = {"NAME": "Standard_D2s_v5", "Capacity": 1, "tier": "standard"}
    disk = {"createOption": "fromImage", "caching": "readwrite"}
    disk_parameters = {"ManagedDisk": {"storageaccounttype": "premium_lrs"}}
    reference = at(read(sandbox), IMAGE)
    body["Properties"] = {
        "orchestrationmode": "uniform",
        "upgradePolicy": {"mode": "manual"},
        "virtualmachineprofile": {
            "storageProfile": {
                "osDisk": {**disk, **disk_parameters},
                "imagereference": {**reference, "version": OLD},
            }
        },
    }
    after = put(sandbox, body, "fresh")
    assert after["sku"] == {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 1}
    properties = after["properties"]
    assert properties["orchestrationMode"] == "Uniform"
    assert properties["upgradePolicy"] == {"mode": "Manual"}
    assert at(after, IMAGE[:-1])["osDisk"] == {
        "osType": "Linux",
        "createOption": "FromImage",
        "caching": "ReadWrite",
        "managedDisk": {"storageAccountType": "Premium_LRS"},
    }
    assert at(after, IMAGE)["version"] == OLD


def test_a_set_without_tags_has_empty_ones(sandbox: Sandbox) -> None:
    """`az vmss update --set tags.a=b` needs them; older api-versions omit them."""
    body = read(sandbox)
    del body["tags"]
    fresh = put(sandbox, body, "fresh")
    assert fresh["tags"] == {}
    older = set_url(sandbox, "fresh").replace("2024-11-01", "2019-03-01")
    assert "tags" not in rest.get(sandbox.access_token, older)


def test_the_tier_and_the_operating_system_are_filled_in(sandbox: Sandbox) -> None:
    """They are derived from the name of the size and from the image."""
    body = read(sandbox)
    body["sku"] = {"name": "Standard_D2s_v5", "capacity": 1}
    del at(body, IMAGE[:-1])["osDisk"]["osType"]
    names = ("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter", "latest")
    windows = dict(zip(("publisher", "offer", "sku", "version"), names, strict=True))
    linux = put(sandbox, body, "linux")
    at(body, IMAGE).update(windows)
    body["sku"]["name"] = "Basic_A1"
    other = put(sandbox, body, "windows")
    assert (linux["sku"]["tier"], other["sku"]["tier"]) == ("Standard", "Basic")
    systems = [at(each, IMAGE[:-1])["osDisk"]["osType"] for each in (linux, other)]
    assert systems == ["Linux", "Windows"]


def test_network_interfaces_have_ip_configurations(sandbox: Sandbox) -> None:
    """The sandbox's own sets have them, with Azure's default IP version."""
    profile = read(sandbox)["properties"]["virtualMachineProfile"]
    (nic,) = profile["networkProfile"]["networkInterfaceConfigurations"]
    (configuration,) = nic["properties"]["ipConfigurations"]
    assert configuration["properties"]["subnet"]["id"].startswith("/subscriptions/")
    assert configuration["properties"]["privateIPAddressVersion"] == "IPv4"


# What Azure rejects


@pytest.mark.parametrize(
    ("tail", "body", "code", "message"),
    [
        ("", {"colour": "blue"}, "InvalidRequestContent", "Path 'colour'."),
        (
            "",
            {"properties": {"colour": "blue"}},
            "BadRequest",
            "Could not find member 'colour' on object of type 'Properties'. "
            "Path 'properties.colour'.",
        ),
        (
            "",
            {"properties": {"virtualMachineProfile": {"storageProfile": {"image": {}}}}},
            "BadRequest",
            "'image' on object of type 'StorageProfile'",
        ),
        (
            "",
            {"properties": {"scheduledEventsPolicy": {"allInstancesDown": {"x": 1}}}},
            "BadRequest",
            "Path 'properties.scheduledEventsPolicy.allInstancesDown.x'.",
        ),
        ("/virtualMachines/1", {"properties": {"protection": {}}}, "BadRequest", "'protection'"),
        ("/extensions/health", {"properties": {"kind": "x"}}, "BadRequest", "'kind'"),
    ],
)
def test_an_unknown_member_is_rejected(
    sandbox: Sandbox, tail: str, body: Any, code: str, message: str
) -> None:
    """The message is Azure's, and nothing changes."""
    before = read(sandbox)
    error = expect_rejection(sandbox, body, tail=tail)
    assert (error.status_code, error.code) == (400, code)
    assert message in str(error)
    assert read(sandbox) == before


@pytest.mark.parametrize("properties", [{"primary": True}, {"ipConfigurations": []}])
def test_a_network_interface_needs_ip_configurations(
    sandbox: Sandbox, properties: dict[str, Any]
) -> None:
    """A PUT replaces the list of network interfaces, so each entry must be complete."""
    nics = [{"name": "nic", "properties": properties}]
    network = {"networkProfile": {"networkInterfaceConfigurations": nics}}
    error = expect_rejection(sandbox, {"properties": {"virtualMachineProfile": network}})
    assert (error.status_code, error.code) == (400, "InvalidParameter")
    assert "'ipConfigurations' is missing" in str(error)


def test_settings_and_tags_have_members_of_any_name(sandbox: Sandbox) -> None:
    """Azure does not check their members."""
    settings = {"Colour": {"mode": "manual"}}
    properties = {"publisher": "p", "type": "t", "typeHandlerVersion": "1.0", "settings": settings}
    put(sandbox, {"tags": {"Colour": "blue"}})
    after = put(sandbox, {"properties": properties}, tail="/extensions/own")
    assert after["properties"]["settings"] == settings
    assert read(sandbox)["tags"] == {"Colour": "blue"}


def test_every_type_of_a_member_is_in_the_table() -> None:
    """A missing type would be accepted with any member."""
    kinds = {member.kind for known in members.TYPES.values() for member in known.values()}
    assert kinds - {""} <= members.TYPES.keys() | members.VALUES.keys()


def test_the_members_are_those_of_azures_sdk() -> None:
    """Names, types and values are those of the SDK for the newest api-version."""
    models = pytest.importorskip("azure.mgmt.compute").models
    for name, known in members.TYPES.items():
        declared = fields(getattr(models, name))
        assert {member.name for member in known.values()} == set(declared), name
    for name, values in members.VALUES.items():
        declared = getattr(models, name)
        assert set(values.values()) == {str(value.value) for value in declared}, name


# Instances


def instance_body(sandbox: Sandbox) -> Any:
    """Return instance 3 of the set `custom`."""
    return az.get_vmss_vm(*sandbox.where("custom"), 3)


def model_state(body: Any) -> tuple[bool, str]:
    """Return whether an instance has the latest model, and whose model it has."""
    properties = body["properties"]
    return properties["latestModelApplied"], properties["modelDefinitionApplied"]


@pytest.mark.parametrize("has_image", [True, False])
def test_writing_an_instance_as_it_was_read_changes_nothing(
    sandbox: Sandbox, has_image: bool
) -> None:
    """This is recorded; `az vmss update --instance-id` leaves out the image."""
    body = instance_body(sandbox)
    if not has_image:
        del body["properties"]["storageProfile"]["imageReference"]
    body["properties"]["protectionPolicy"] = {"protectFromScaleIn": True}
    after = put(sandbox, body, "custom", "/virtualMachines/3")
    assert model_state(after) == (True, "VirtualMachineScaleSet")
    assert after["properties"]["protectionPolicy"] == {"protectFromScaleIn": True}


def test_writing_an_instance_as_it_was_read_can_make_it_outdated(sandbox: Sandbox) -> None:
    """One user reports this."""
    sandbox.assumptions.put_back_makes_own_model = True
    after = put(sandbox, instance_body(sandbox), "custom", "/virtualMachines/3")
    assert model_state(after) == (False, "VirtualMachine")


def test_a_changed_instance_has_its_own_model(sandbox: Sandbox) -> None:
    """An upgrade gives it the set's model again."""
    body = {"properties": {"diagnosticsProfile": {"bootDiagnostics": {"enabled": True}}}}
    after = put(sandbox, body, "custom", "/virtualMachines/3")
    assert model_state(after) == (False, "VirtualMachine")
    where = sandbox.where("custom")
    az.wait(where[0], az.manual_upgrade(*where, "3"))
    assert model_state(instance_body(sandbox)) == (True, "VirtualMachineScaleSet")


@pytest.mark.parametrize("is_latest", [True, False])
def test_a_model_that_is_changed_back_can_count_as_new(sandbox: Sandbox, is_latest: bool) -> None:
    """If it does, its instances are outdated until they are upgraded."""
    sandbox.assumptions.reverted_model_is_latest = is_latest
    before = read(sandbox)
    changed = copy.deepcopy(before)
    at(changed, IMAGE)["version"] = NEW
    for body in (changed, before):
        body.pop("etag")
        put(sandbox, body)
    where = sandbox.where()
    outdated = [vm for vm in az.get_instance_views(*where) if not model_state(vm)[0]]
    assert len(outdated) == (0 if is_latest else 20)
    az.wait(where[0], az.manual_upgrade(*where, "*"))
    assert all(model_state(vm)[0] for vm in az.get_instance_views(*where))


# Images of galleries


def exact_versions(sandbox: Sandbox, name: str) -> set[str | None]:
    """Return the versions that the instances of a set run."""
    views = az.get_instance_views(*sandbox.where(name))
    return {(az.get_image(vm) or {}).get("exact_version") for vm in views}


def test_a_gallery_image_without_a_version_is_its_newest(sandbox: Sandbox) -> None:
    """Instances that are created or reimaged later run a later version."""
    body = put(sandbox, with_id(sandbox, "custom", GALLERY), "custom")
    assert at(body, IMAGE) == {"id": GALLERY}
    where = sandbox.where("custom")
    az.wait(where[0], az.manual_upgrade(*where, "*"))
    assert exact_versions(sandbox, "custom") == {"1.0.1"}
    sandbox.cloud.images |= {f"{GALLERY}/versions/1.0.{number}".lower() for number in (9, 10)}
    az.wait(where[0], az.reimage_vmss(*where, ["0"]))
    az.wait(where[0], az.scale_vmss(*where, 7))
    assert exact_versions(sandbox, "custom") == {"1.0.1", "1.0.10"}
    put(sandbox, with_id(sandbox, "custom", f"{GALLERY}/versions/1.0.0"), "custom")
    az.wait(where[0], az.manual_upgrade(*where, "*"))
    assert exact_versions(sandbox, "custom") == {"1.0.0"}


def with_id(sandbox: Sandbox, name: str, image: str) -> Any:
    """Return a set with the id of an image."""
    body = read(sandbox, name)
    at(body, IMAGE[:-1])["imageReference"] = {"id": image}
    return body


def test_a_gallery_image_without_any_version_is_not_found(sandbox: Sandbox) -> None:
    """An image definition without a version cannot be used."""
    error = expect_rejection(sandbox, with_id(sandbox, "custom", f"{GALLERY}-empty"), "custom")
    assert (error.status_code, error.code) == (404, "NotFound")


@pytest.mark.parametrize(
    ("member", "image"),
    [
        ("sharedGalleryImageId", "/SharedGalleries/one/Images/web/Versions/2.0.3"),
        ("communityGalleryImageId", "/CommunityGalleries/one/Images/web/Versions/2.0.3"),
    ],
)
def test_images_of_shared_and_community_galleries_are_accepted(
    sandbox: Sandbox, member: str, image: str
) -> None:
    """They are accepted in a PUT and in `add_vmss()`."""
    sandbox.add_vmss("shared", 2, image=image)
    assert at(read(sandbox, "shared"), IMAGE) == {member: image}
    assert exact_versions(sandbox, "shared") == {"2.0.3"}
    body = read(sandbox, "custom")
    newer = image.replace("2.0.3", "2.0.4")
    at(body, IMAGE[:-1])["imageReference"] = {member: newer}
    assert at(put(sandbox, body, "custom"), IMAGE) == {member: newer}


# How long it takes


def test_a_change_of_only_the_model_ends_within_half_a_second(clock: Clock) -> None:
    """`upgrade_seconds` does not matter, unless an instance is added."""
    with Sandbox(upgrade_seconds=3600, clock=clock) as sandbox:
        where = sandbox.where()
        az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=NEW))
        assert read(sandbox)["properties"]["provisioningState"] == "Updating"
        clock.sleep(0.5)
        assert read(sandbox)["properties"]["provisioningState"] == "Succeeded"
        az.scale_vmss(*where, 21)
        clock.sleep(600)
        assert read(sandbox)["properties"]["provisioningState"] == "Updating"
