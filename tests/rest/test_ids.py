"""Resource ids and image references are compared as Azure does it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azurerm_lite._ids import fold_id, is_same_id, runs_image

GALLERY = (
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/galleries/gal/images/ubuntu"
)
PLATFORM = {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "18.04-LTS"}


@given(st.text(min_size=1).map(lambda text: "/" + text.replace("/", "")))
def test_case_does_not_distinguish_ids(name: str) -> None:
    """An id equals itself in any case, with or without a slash at the end."""
    assert is_same_id(name, name + "/")
    if name.upper().lower() == name.lower():
        assert is_same_id(name, name.upper())


@pytest.mark.parametrize("value", [None, "", 7, [], {}])
def test_an_invalid_id_equals_no_id(value: Any) -> None:
    """Two missing ids are not the same resource."""
    assert fold_id(value) == ""
    assert not is_same_id(value, value)
    assert not is_same_id("/a", value)


@pytest.mark.parametrize(
    ("instance", "model", "expected"),
    [
        ({"version": "1.0"}, {"version": "1.0"}, True),
        ({"version": "1.0"}, {"version": "2.0"}, False),
        ({"version": "latest", "exactVersion": "1.0"}, {"version": "1.0"}, True),
        ({"version": "latest", "exactVersion": "1.0"}, {"version": "2.0"}, False),
        ({"version": "latest", "exactVersion": "1.0"}, {"version": "latest"}, True),
        ({"version": "1.0", "exactVersion": "1.0"}, {"version": "latest"}, False),
        ({"version": "1.0", "publisher": "CANONICAL"}, {"version": "1.0"}, True),
        ({"version": "1.0", "sku": "20.04-LTS"}, {"version": "1.0"}, False),
    ],
)
def test_a_platform_image_runs_by_its_exact_version(
    instance: dict[str, str], model: dict[str, str], expected: bool
) -> None:
    """Publisher, offer and SKU are compared without case, with either version of the instance."""
    assert runs_image({**PLATFORM, **instance}, {**PLATFORM, **model}) is expected


@pytest.mark.parametrize("key", ["id", "sharedGalleryImageId", "communityGalleryImageId"])
def test_an_image_id_is_compared_without_case(key: str) -> None:
    """Azure changes the case of the resource group in ids."""
    assert runs_image({key: GALLERY.upper()}, {key: GALLERY}) is True
    assert runs_image({key: GALLERY + "2"}, {key: GALLERY}) is False
    assert (
        runs_image({key: GALLERY + "/versions/1.0.0"}, {key: GALLERY + "/versions/1.0.1"}) is False
    )


def test_a_gallery_image_without_a_version_is_undecided() -> None:
    """The model does not contain the version."""
    assert runs_image({"id": GALLERY + "/versions/1.0.0"}, {"id": GALLERY}) is None


def test_an_image_of_another_kind_is_another_image() -> None:
    """A platform image and an image id always differ."""
    assert runs_image({**PLATFORM, "version": "1.0"}, {"id": GALLERY}) is False
    assert runs_image({"id": GALLERY}, {**PLATFORM, "version": "1.0"}) is False
