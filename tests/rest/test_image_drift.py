"""Image drift: dicts and table, for one scale set and for all Flexible scale sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite.image_drift import ImageDrift
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.templates import UBUNTU

NAME = UBUNTU.rpartition(":")[0]


@pytest.fixture(params=["Uniform", "Flexible"])
def both(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Sandbox]:
    """A set `web` of two instances on `latest`; one is two versions behind."""
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 2, image=f"{NAME}:latest", orchestration=request.param)
        sandbox.publish(f"{NAME}:22.04.202511010")
        sandbox.publish(f"{NAME}:22.04.202512010")
        first = az.get_instance_views(*sandbox.where())[0]["instanceId"]
        az.wait(sandbox.access_token, az.reimage_vmss(*sandbox.where(), first))
        yield sandbox


def test_each_instance_has_the_number_of_newer_versions(both: Sandbox) -> None:
    """With its version and the newest version."""
    rows = az.image_drift(*both.where())
    found = [(row["version"], row["newest"], row["behind"]) for row in rows]
    new = "22.04.202512010"
    assert found == [(new, new, 0), ("22.04.202411010", new, 2)]
    assert {row["image"] for row in rows} == {NAME}
    assert {(row["resource_group"], row["vmss_name"]) for row in rows} == {("sandbox", "web")}


def test_it_prints_as_a_table(both: Sandbox) -> None:
    """The last line has the counts."""
    lines = str(az.image_drift(*both.where())).splitlines()
    assert lines[0].split() == ["scale", "set", "instance", "image", "version", "newest", "behind"]
    assert lines[2].endswith("22.04.202411010  22.04.202512010  2")
    assert lines[-1] == "1 of 2 instances behind the newest version"
    assert str(ImageDrift()).endswith("0 of 0 instances behind the newest version")


def test_each_image_is_read_once(both: Sandbox) -> None:
    """The number of instances does not matter."""
    before = len(both.journal)
    az.image_drift(*both.where())
    sent = [entry.path for entry in both.journal[before:]]
    assert len([path for path in sent if path.endswith("/versions")]) == 1


def test_an_unknown_state_is_none(sandbox: Sandbox) -> None:
    """For an image without versions, and an instance without an exact version."""
    rows = az.image_drift(*sandbox.where("legacy"))
    assert {(row["version"], row["newest"], row["behind"]) for row in rows} == {("", "", None)}
    assert str(rows).endswith("0 of 6 instances behind the newest version, 6 unknown")
    sandbox.set_image("web", version="latest")
    sandbox.cloud.scale_set("sandbox", "web").instances["3"].profile = sandbox.cloud.scale_set(
        "sandbox", "web"
    ).profile
    sandbox.cloud.scale_set("sandbox", "web").instances["3"].exact_version = None
    (row,) = [row for row in az.image_drift(*sandbox.where()) if row["instance_id"] == "3"]
    assert (row["version"], row["newest"], row["behind"]) == ("", "22.04.202411010", None)


def test_a_version_by_its_id_is_compared_with_its_definition(sandbox: Sandbox) -> None:
    """For a model with the id of an image version."""
    path = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/sandbox/providers"
    definition = f"{path}/Microsoft.Compute/galleries/demo/images/web"
    sandbox.add_vmss("by-id", 1, image=f"{definition}/versions/1.0.0")
    (row,) = az.image_drift(*sandbox.where("by-id"))
    assert row["image"] == definition
    assert (row["version"], row["newest"], row["behind"]) == ("1.0.0", "1.0.1", 1)


def test_one_query_finds_the_members_of_all_flexible_sets(sandbox: Sandbox) -> None:
    """Listing the versions needs one request for each image and region."""
    sandbox.add_vmss("one", 2, image=f"{NAME}:latest", orchestration="Flexible")
    sandbox.add_vmss("two", 3, image=f"{NAME}:22.04.202409120", orchestration="Flexible")
    before = len(sandbox.journal)
    rows = az.find_image_drift(sandbox.access_token)
    assert len(sandbox.journal) - before == 2
    behind = {(row["vmss_name"], row["version"], row["behind"]) for row in rows}
    assert behind == {("one", "22.04.202411010", 0), ("two", "22.04.202409120", 2)}
    assert len(rows) == 5
    assert sorted(row["instance_id"] for row in az.image_drift(*sandbox.where("one"))) == sorted(
        row["instance_id"] for row in rows if row["vmss_name"] == "one"
    )
    assert az.find_image_drift(sandbox.access_token, location="West US") == []
    assert len(az.find_image_drift(sandbox.access_token, location=["eastus"])) == 5


def test_a_region_with_control_characters_is_rejected() -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="cannot be used in a query"):
        az.find_image_drift("t", location="west\neurope")
