"""The newest version of platform, gallery and shared gallery images, and in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
import responses

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.templates import UBUNTU

HOST = "https://management.azure.com"
GROUP = "/subscriptions/s2/resourceGroups/g2/providers/Microsoft.Compute"
DEFINITION = f"{GROUP}/galleries/gal/images/web"
PLATFORM: Any = {
    "kind": "platform",
    "publisher": "P",
    "offer": "O",
    "sku": "K",
    "version": "latest",
}
LOCATION = f"{HOST}/subscriptions/s1/providers/Microsoft.Compute/locations/westeurope"


def newest(image: Any) -> str:
    """The newest version in West Europe."""
    return az.newest_image_version("t", "s1", "westeurope", image)


def gallery_version(name: str, *regions: Any, state: str = "Succeeded", **profile: Any) -> Any:
    """A version of a gallery image, as Azure lists it."""
    target = [{"name": each} if isinstance(each, str) else each for each in regions]
    publishing = {"targetRegions": target, **profile}
    return {
        "id": f"/subscriptions/s2/versions/{name}",
        "name": name,
        "properties": {"provisioningState": state, "publishingProfile": publishing},
    }


@responses.activate
def test_platform_versions_are_compared_as_numbers() -> None:
    """1.10 is newer than 1.9, in any order of Azure's list."""
    path = "/publishers/P/artifacttypes/vmimage/offers/O/skus/K/versions"
    names = ["1.9.0", "1.10.0", "1.2.99999"]
    responses.get(LOCATION + path, json=[{"name": name} for name in names])
    assert newest(PLATFORM) == "1.10.0"


@responses.activate
def test_gallery_versions_count_if_latest_can_mean_them_in_the_region() -> None:
    """They are replicated to the region, provisioned and not excluded."""
    versions = [
        gallery_version("1.0.9", "West Europe"),
        gallery_version("1.0.10", "westeurope", "East US"),
        gallery_version("2.0.0", "East US"),
        gallery_version("3.0.0", "West Europe", excludeFromLatest=True),
        gallery_version("4.0.0", {"name": "West Europe", "excludeFromLatest": True}),
        gallery_version("5.0.0", "West Europe", state="Creating"),
        {"id": "/subscriptions/s2/versions/6.0.0", "name": "6.0.0"},
    ]
    responses.get(f"{HOST}{DEFINITION}/versions", json={"value": versions})
    for image_id in (DEFINITION, f"{DEFINITION}/versions/latest", f"{DEFINITION}/versions/1.0.9"):
        assert newest({"kind": "image_id", "image_id": image_id}) == "1.0.10"


@responses.activate
@pytest.mark.parametrize("kind", ["Shared", "Community"])
def test_versions_of_shared_galleries_are_listed_in_the_region(kind: str) -> None:
    """With the scale set's subscription; versions excluded from latest do not count."""
    versions = [
        {"name": "1.0.0", "properties": {"excludeFromLatest": False}},
        {"name": "1.1.0"},
        {"name": "2.0.0", "properties": {"excludeFromLatest": True}},
    ]
    path = f"/{kind.lower()}Galleries/gal-1/images/web/versions"
    responses.get(LOCATION + path, json={"value": versions})
    assert newest({"kind": "image_id", "image_id": f"/{kind}Galleries/gal-1/Images/web"}) == "1.1.0"


@responses.activate
def test_an_image_without_a_usable_version_is_an_error() -> None:
    """It has a code; other kinds of image have no versions."""
    responses.get(f"{HOST}{DEFINITION}/versions", json={"value": []})
    with pytest.raises(az.AzureError, match=r"has no usable version in westeurope") as caught:
        newest({"kind": "image_id", "image_id": DEFINITION})
    assert caught.value.code == "NoImageVersion"
    for image in (
        {"kind": "image_id", "image_id": f"{GROUP}/images/web-1"},
        {"kind": "image_uri", "image_uri": "https://x/y.vhd"},
    ):
        with pytest.raises(ValueError, match="not an image with versions"):
            newest(image)


def versions(sandbox: Sandbox, name: str) -> dict[str, str]:
    """The exact version that each instance runs."""
    views = az.get_instance_views(*sandbox.where(name))
    return {vm["instanceId"]: az.get_image(vm).get("exact_version", "") for vm in views}


def test_the_sandbox_resolves_latest_on_creation_and_reimage(sandbox: Sandbox) -> None:
    """A new version alone changes no instance, and the instances keep the latest model."""
    sandbox.add_vmss("floating", 2, image=UBUNTU.rpartition(":")[0] + ":latest")
    sandbox.publish(UBUNTU.rpartition(":")[0] + ":22.04.202512010")
    where = sandbox.where("floating")
    assert versions(sandbox, "floating") == {"0": "22.04.202411010", "1": "22.04.202411010"}
    az.wait(where[0], az.reimage_vmss(*where, "0"))
    az.wait(where[0], az.scale_vmss(*where, 3))
    new = "22.04.202512010"
    assert versions(sandbox, "floating") == {"0": new, "1": "22.04.202411010", "2": new}
    az.wait(where[0], az.reimage_vmss(*where, "0", exact_version="22.04.202410020"))
    assert versions(sandbox, "floating")["0"] == "22.04.202410020"
    assert all(vm["properties"]["latestModelApplied"] for vm in az.get_instance_views(*where))
    assert az.newest_image_version(*where[:2], "eastus", az.get_image(az.get_vmss(*where))) == new


def test_the_sandbox_resolves_a_gallery_definition_as_azure_does(sandbox: Sandbox) -> None:
    """To the newest version in the region that is not excluded, like the library."""
    path = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox/providers"
    definition = f"{path}/Microsoft.Compute/galleries/demo/images/web"
    sandbox.add_vmss("floating", 2, image=definition)
    assert set(versions(sandbox, "floating").values()) == {"1.0.1"}
    sandbox.publish(f"{definition}/versions/1.0.10")
    sandbox.publish(f"{definition}/versions/2.0.0", regions=["West US"])
    sandbox.publish(f"{definition}/versions/3.0.0", exclude_from_latest=True)
    where = sandbox.where("floating")
    image = az.get_image(az.get_vmss(*where))
    assert az.newest_image_version(*where[:2], "eastus", image) == "1.0.10"
    az.wait(where[0], az.reimage_vmss(*where, "1"))
    assert versions(sandbox, "floating") == {"0": "1.0.1", "1": "1.0.10"}


@pytest.mark.parametrize("is_forced", [True, False])
def test_an_ephemeral_disk_is_moved_only_on_request(sandbox: Sandbox, is_forced: bool) -> None:
    """Otherwise its content is reset."""
    sandbox.add_vmss("floating", 1, image=UBUNTU.rpartition(":")[0] + ":latest")
    profile = sandbox.cloud.scale_set("sandbox", "floating").profile
    profile["storageProfile"]["osDisk"]["diffDiskSettings"] = {"option": "Local"}
    sandbox.publish(UBUNTU.rpartition(":")[0] + ":22.04.202512010")
    where = sandbox.where("floating")
    response = az.reimage_vmss(*where, "0", force_update_os_disk_for_ephemeral=is_forced)
    az.wait(where[0], response)
    expected = "22.04.202512010" if is_forced else "22.04.202411010"
    assert versions(sandbox, "floating") == {"0": expected}


@pytest.mark.parametrize("version", ["", "latest", "1", 5, "1.2.3/x"])
def test_a_version_to_reimage_to_is_checked(version: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="exact_version must be"):
        az.reimage_vmss("t", "s1", "g1", "web", "0", exact_version=version)


@pytest.mark.parametrize("image", ["a:b", "/subscriptions/s/images/x"])
def test_the_sandbox_publishes_only_versions(sandbox: Sandbox, image: str) -> None:
    """Other values are rejected."""
    with pytest.raises(ValueError, match="image must be"):
        sandbox.publish(image)
