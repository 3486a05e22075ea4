"""Images: requests for the marketplace and galleries, `get_image` and `set_image`."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from support.clock import Clock
from support.names import BASE, SUB, VMSS
from support.wrappers import (
    COMPUTE,
    Wrapper,
    assert_pages_are_followed,
    assert_sent_as_written,
    azure,
    for_each_wrapper,
)

import azurerm_lite as az
from azurerm_lite import images

LOCATION = (SUB, "westeurope", "Canonical", "jammy", "22_04-lts")
VERSIONS = (
    f"{BASE}/subscriptions/{SUB}/providers/Microsoft.Compute/locations/westeurope"
    "/publishers/Canonical/artifacttypes/vmimage/offers/jammy/skus/22_04-lts/versions"
)
COMPUTE_IDS = f"/subscriptions/{SUB}/resourceGroups/images/providers/Microsoft.Compute"

PLATFORM = {
    "publisher": "Canonical",
    "offer": "jammy",
    "sku": "22_04-lts",
    "version": "22.04.202410010",
}
MANAGED = {"id": f"{COMPUTE_IDS}/images/golden-1"}
GALLERY = {"id": f"{COMPUTE_IDS}/galleries/g/images/golden/versions/1.0.0"}
SHARED = {"sharedGalleryImageId": "/sharedGalleries/unique/images/golden/versions/1.0.0"}
COMMUNITY = {"communityGalleryImageId": "/CommunityGalleries/public/images/golden/versions/1.0.0"}
VHD = "https://store.blob.core.windows.net/vhds/golden-1.vhd"

# A model, another image for it, and what get_image returns for that.
SETTABLE = [
    pytest.param(
        {"imageReference": PLATFORM},
        {"version": "22.04.202411010"},
        {"kind": "platform", **PLATFORM, "version": "22.04.202411010"},
        id="platform-version",
    ),
    pytest.param(
        {"imageReference": PLATFORM},
        {"sku": "24_04"},
        {"kind": "platform", **PLATFORM, "sku": "24_04"},
        id="sku",
    ),
    pytest.param(
        {"imageReference": PLATFORM},
        {"version": "latest", "sku": "24_04"},
        {"kind": "platform", **PLATFORM, "sku": "24_04", "version": "latest"},
        id="platform-version-and-sku",
    ),
    *(
        pytest.param(
            {"imageReference": before},
            {"image_id": after},
            {"kind": "image_id", "image_id": after},
            id=name,
        )
        for name, before, after in (
            ("managed-image", MANAGED, f"{COMPUTE_IDS}/images/golden-2"),
            ("managed-image-to-gallery", MANAGED, GALLERY["id"]),
            ("gallery-version", GALLERY, f"{COMPUTE_IDS}/galleries/g/images/golden/versions/1.1.0"),
            ("gallery-newest", GALLERY, f"{COMPUTE_IDS}/galleries/g/images/golden"),
            (
                "gallery-in-small-letters",
                GALLERY,
                COMPUTE_IDS.lower() + "/galleries/g/images/golden",
            ),
            ("shared-gallery", SHARED, "/SharedGalleries/unique/images/golden/versions/1.1.0"),
            (
                "community-gallery",
                COMMUNITY,
                "/communityGalleries/public/images/golden/versions/latest",
            ),
        )
    ),
    pytest.param(
        {"osDisk": {"image": {"uri": VHD}}},
        {"image_uri": VHD.replace("-1", "-2")},
        {"kind": "image_uri", "image_uri": VHD.replace("-1", "-2")},
        id="unmanaged",
    ),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)
extra = st.dictionaries(st.text(max_size=6).map("x-".__add__), json_values, max_size=3)


def scale_set(storage: dict[str, Any]) -> dict[str, Any]:
    """A scale set's model with this storage profile, and a data disk that must remain."""
    profile = {
        "storageProfile": {"dataDisks": [{"lun": 0, "diskSizeGB": 64}], **copy.deepcopy(storage)}
    }
    return {
        "name": "web",
        "etag": '"2"',
        "sku": {"capacity": 3},
        "properties": {"virtualMachineProfile": profile},
    }


def instance(storage: dict[str, Any]) -> dict[str, Any]:
    """An instance with this storage profile."""
    return {
        "instanceId": "1",
        "properties": {"latestModelApplied": True, "storageProfile": copy.deepcopy(storage)},
    }


def without_image(model: dict[str, Any]) -> dict[str, Any]:
    """A copy of a model in which the image fields are empty."""
    model = copy.deepcopy(model)
    properties = model["properties"]
    storage = properties.get("virtualMachineProfile", properties)["storageProfile"]
    reference = storage.get("imageReference", {})
    for key in (
        "version",
        "sku",
        "exactVersion",
        "id",
        "sharedGalleryImageId",
        "communityGalleryImageId",
    ):
        reference.pop(key, None)
    storage.get("osDisk", {}).get("image", {}).pop("uri", None)
    return model


# Requests


@for_each_wrapper("images")
def test_each_function_sends_the_request_of_the_reference(
    row: Wrapper, token: str, clock: Clock
) -> None:
    """Method, path, query, headers and result are those of the REST reference."""
    assert_sent_as_written(row, token)


@for_each_wrapper("images", gives="list")
def test_each_list_follows_its_pages(row: Wrapper, token: str, clock: Clock) -> None:
    """The result has the entries of all pages in order, with an empty page in between."""
    assert_pages_are_followed(row, token)


@pytest.mark.parametrize(
    ("options", "names", "query"),
    [
        ({}, ["1.10.0", "1.9.0", "2.0.0", "1.9.10"], {}),
        ({"top": 2}, ["1.10.0", "1.9.0"], {"$top": "2"}),
        ({"newest_first": True}, ["2.0.0", "1.10.0", "1.9.10", "1.9.0"], {}),
        ({"newest_first": True, "top": 1}, ["2.0.0"], {}),
        ({"newest_first": True, "top": 9}, ["2.0.0", "1.10.0", "1.9.10", "1.9.0"], {}),
    ],
    ids=repr,
)
def test_versions_come_in_azures_order_or_by_their_numbers(
    options: dict[str, Any], names: list[str], query: dict[str, str], token: str, clock: Clock
) -> None:
    """1.10 is newer than 1.9.

    Azure sorts versions as text, so `top` is applied after sorting, not by Azure.
    """
    match = [responses.matchers.query_param_matcher({**query, "api-version": COMPUTE})]
    with azure() as wire:
        wire.get(
            VERSIONS,
            match=match,
            json=[{"name": name} for name in ("1.10.0", "1.9.0", "2.0.0", "1.9.10")],
        )
        versions = az.list_sku_versions(token, *LOCATION, **options)
    assert [entry["name"] for entry in versions] == names


@given(
    versions=st.lists(st.tuples(*[st.integers(0, 300)] * 3), max_size=12),
    seed=st.randoms(use_true_random=False),
)
def test_newest_first_is_the_order_of_the_numbers(
    versions: list[tuple[int, int, int]], seed: random.Random
) -> None:
    """Whatever the widths of the parts and Azure's order are."""
    names = [".".join(map(str, version)) for version in sorted(versions, reverse=True)]
    answered = seed.sample(names, len(names))
    with azure() as wire:
        wire.get(VERSIONS, json=[{"name": name} for name in answered])
        newest_first = az.list_sku_versions("token", *LOCATION, newest_first=True)
    assert [entry["name"] for entry in newest_first] == names


def test_versions_that_are_not_numbers_are_the_oldest(token: str, clock: Clock) -> None:
    """A version with letters does not break the order and is never the newest."""
    with azure() as wire:
        wire.get(
            VERSIONS, json=[{"name": name} for name in ("1.0.preview", "1.0.0", "beta", "0.9")]
        )
        versions = az.list_sku_versions(token, *LOCATION, newest_first=True)
    assert [entry["name"] for entry in versions] == ["1.0.0", "1.0.preview", "0.9", "beta"]


@pytest.mark.parametrize("top", [0, -1, True, "2", 1.0, [1]], ids=repr)
def test_an_invalid_top_is_a_value_error_before_anything_is_sent(
    top: Any, token: str, clock: Clock
) -> None:
    """Only None or a whole number of 1 or more is valid; `True` and text are not."""
    with (
        azure(expects_requests=False),
        pytest.raises(ValueError, match="top must be a whole number"),
    ):
        az.list_sku_versions(token, *LOCATION, top=top)


# get_image


@pytest.mark.parametrize("model_of", [scale_set, instance])
@pytest.mark.parametrize(
    ("storage", "image"),
    [
        ({"imageReference": PLATFORM}, {"kind": "platform", **PLATFORM}),
        *(
            (
                {"imageReference": reference},
                {"kind": "image_id", "image_id": next(iter(reference.values()))},
            )
            for reference in (MANAGED, GALLERY, SHARED, COMMUNITY)
        ),
        (
            {"imageReference": {**GALLERY, "exactVersion": "1.0.0"}},
            {"kind": "image_id", "image_id": GALLERY["id"], "exact_version": "1.0.0"},
        ),
        (
            {"osDisk": {"osType": "Linux", "image": {"uri": VHD}}},
            {"kind": "image_uri", "image_uri": VHD},
        ),
        (
            {"imageReference": None, "osDisk": {"image": {"uri": VHD}}},
            {"kind": "image_uri", "image_uri": VHD},
        ),
    ],
    ids=repr,
)
def test_get_image_returns_the_kind_and_its_values(
    model_of: Any, storage: dict[str, Any], image: dict[str, Any]
) -> None:
    """For scale sets and instances: platform, by id, or by the URL of a VHD."""
    assert az.get_image(model_of(storage)) == image


def test_get_image_returns_the_exact_version_of_an_instance() -> None:
    """If the model has `latest`, `exactVersion` of the instance is the actual version."""
    reference = {**PLATFORM, "version": "latest", "exactVersion": "22.04.202409010"}
    image = az.get_image(instance({"imageReference": reference}))
    assert image == {
        "kind": "platform",
        **PLATFORM,
        "version": "latest",
        "exact_version": "22.04.202409010",
    }


NO_IMAGE = [
    scale_set({}),
    scale_set({"imageReference": None, "osDisk": None}),
    scale_set({"imageReference": {}, "osDisk": {"image": None}}),
    instance({"osDisk": {"managedDisk": {}}}),
    {"properties": {"virtualMachineProfile": {"storageProfile": None}}},
    {"properties": {"virtualMachineProfile": {}}},
    {"properties": {"virtualMachineProfile": None}},
    {"properties": {"storageProfile": None}},
    {"properties": {}},
    {"properties": None},
    {},
    None,
    "model",
    [],
]


@pytest.mark.parametrize("model", NO_IMAGE, ids=repr)
def test_a_model_without_an_image_is_a_value_error(model: Any) -> None:
    """Without image, without storage profile (as in some Flexible sets), or not a model."""
    with pytest.raises(ValueError, match=r"^model "):
        az.get_image(model)
    with pytest.raises(ValueError, match=r"^model "):
        az.set_image(model, version="1.2.3")


# set_image


@pytest.mark.parametrize("model_of", [scale_set, instance])
@pytest.mark.parametrize(("storage", "change", "image"), SETTABLE)
def test_set_image_sets_each_kind(
    model_of: Any, storage: dict[str, Any], change: dict[str, str], image: dict[str, str]
) -> None:
    """Version and SKU of a platform image, an image id of the same kind, or the URL of a VHD."""
    assert az.get_image(az.set_image(model_of(storage), **change)) == image


@pytest.mark.parametrize(("storage", "change", "image"), SETTABLE)
@given(outer=extra, inner=extra, more=extra)
def test_set_image_changes_the_image_and_nothing_else(
    storage: dict[str, Any],
    change: dict[str, str],
    image: dict[str, str],
    outer: dict[str, Any],
    inner: dict[str, Any],
    more: dict[str, Any],
) -> None:
    """Unknown fields remain, and the given model is unchanged.

    The two models share no mutable object.
    """
    model = scale_set({**storage, **inner})
    model.update(outer)
    model["properties"].update(more)
    for key in ("imageReference", "osDisk"):
        model["properties"]["virtualMachineProfile"]["storageProfile"].get(key, {}).update(inner)
    before = copy.deepcopy(model)
    changed = az.set_image(model, **change)
    assert model == before
    assert without_image(changed) == without_image(before)
    assert az.get_image(changed) == image
    changed["properties"]["virtualMachineProfile"]["storageProfile"].clear()
    changed["sku"]["capacity"] = 99
    assert model == before


@pytest.mark.parametrize(
    ("reference", "change"),
    [
        (PLATFORM, {"version": "1.2.3"}),
        (PLATFORM, {"sku": "other"}),
        (GALLERY, {"image_id": MANAGED["id"]}),
    ],
    ids=repr,
)
def test_set_image_drops_the_exact_version(
    reference: dict[str, str], change: dict[str, str]
) -> None:
    """Only Azure sets it, and it would be that of the old image."""
    changed = az.set_image(
        instance({"imageReference": {**reference, "exactVersion": "9.9.9"}}), **change
    )
    assert "exactVersion" not in changed["properties"]["storageProfile"]["imageReference"]


KINDS = {
    "a platform image; pass version or sku": {"imageReference": PLATFORM},
    "a custom or gallery image by its id; pass image_id": {"imageReference": GALLERY},
    "an unmanaged image; pass image_uri": {"osDisk": {"image": {"uri": VHD}}},
}
VALUES = {
    "version": "1.2.3",
    "sku": "other",
    "image_id": MANAGED["id"],
    "image_uri": VHD.replace("-1", "-2"),
}
FITS = dict(zip(KINDS, ({"version", "sku"}, {"image_id"}, {"image_uri"}), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("argument", VALUES)
def test_the_wrong_kind_of_image_is_a_value_error_with_the_kind(kind: str, argument: str) -> None:
    """Azure does not let a scale set change the kind.

    The message has the argument to pass instead.
    """
    model = scale_set(KINDS[kind])
    if argument in FITS[kind]:
        assert az.set_image(model, **{argument: VALUES[argument]}) != model
        return
    with pytest.raises(
        ValueError, match=f"^{argument} cannot be set: the model of 'web' has {kind}$"
    ):
        az.set_image(model, **{argument: VALUES[argument]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_kind_together_with_a_right_one_is_a_value_error(kind: str) -> None:
    """No model accepts all four arguments; the message names the wrong ones."""
    wrong = ", ".join(sorted(set(VALUES) - FITS[kind]))
    with pytest.raises(ValueError, match=f"^{wrong} cannot be set: .* has {kind}$"):
        az.set_image(scale_set(KINDS[kind]), **VALUES)


@pytest.mark.parametrize("kind", KINDS)
def test_no_image_to_set_is_a_value_error(kind: str) -> None:
    """The message names the arguments for this model."""
    with pytest.raises(ValueError, match=f"^no new image is given: the model of 'web' has {kind}$"):
        az.set_image(scale_set(KINDS[kind]))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(
            ("version", value)
            for value in (
                "",
                "1",
                "1.2",
                "1.2.3.4",
                "v1.2.3",
                "1.2.x",
                "Latest",
                " 1.2.3",
                "1.2.3\n",
            )
        ),
        *(("version", value) for value in ("١.٢.٣", 1.2, 123, b"1.2.3", ["1.2.3"], True)),
        *(("sku", value) for value in ("", " ", "a b", "a/b", "a?b", "a#b", "a\n", 22, False)),
        *(
            ("image_id", value)
            for value in (
                "",
                "golden",
                "subscriptions/x",
                "/sub scriptions",
                "/subscriptions/a?b",
                7,
            )
        ),
        *(("image_id", value) for value in ("/", "/other/x", SHARED["sharedGalleryImageId"])),
        *(
            ("image_uri", value)
            for value in ("", "golden.vhd", "ftp://host/x", "https://host", "https:///x", "x", 7)
        ),
        ("image_uri", "https://host/a b.vhd"),
    ],
    ids=repr,
)
def test_a_malformed_image_is_a_value_error_with_argument_and_value(
    argument: str, value: Any
) -> None:
    """A malformed version, SKU, id or URL is rejected before Azure's operation would fail."""
    kind = next(kind for kind, fits in FITS.items() if argument in fits)
    model = scale_set(KINDS[kind])
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=f"^{argument} must ") as caught:
        az.set_image(model, **{argument: value})
    assert repr(value) in str(caught.value)
    assert model == before


@pytest.mark.parametrize(
    "reference", [GALLERY, SHARED, COMMUNITY], ids=lambda reference: next(iter(reference))
)
@pytest.mark.parametrize(
    "other", [GALLERY, SHARED, COMMUNITY], ids=lambda reference: next(iter(reference))
)
def test_an_id_of_another_sort_of_gallery_is_a_value_error(
    reference: dict[str, str], other: dict[str, str]
) -> None:
    """Each kind of gallery has its own field.

    Azure would reject an id in another field.
    """
    model, image_id = scale_set({"imageReference": reference}), next(iter(other.values()))
    if reference is other:
        assert az.set_image(model, image_id=image_id) == model
        return
    with pytest.raises(
        ValueError,
        match=f"^image_id must start with .* for this model \\({next(iter(reference))}\\)",
    ):
        az.set_image(model, image_id=image_id)


def test_a_model_from_set_image_is_put_on_the_etag_that_was_read(token: str, clock: Clock) -> None:
    """Read, set and put: the whole model is sent with the etag that was read."""
    model = scale_set({"imageReference": PLATFORM})
    url = VMSS
    put = {**scale_set({"imageReference": {**PLATFORM, "version": "1.2.3"}})}
    del put["etag"]
    with azure() as wire:
        wire.get(url, json=model)
        wire.put(
            url,
            json={},
            match=[
                responses.matchers.header_matcher({"If-Match": '"2"'}),
                responses.matchers.json_params_matcher(put),
            ],
        )
        where = (token, SUB, "myrg", "web")
        az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="1.2.3"))


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (
            {"kind": "platform", "publisher": "P", "offer": "O", "sku": "S", "version": "latest"},
            "P:O:S:latest",
        ),
        (
            {
                "kind": "platform",
                "publisher": "P",
                "offer": "O",
                "sku": "S",
                "version": "latest",
                "exact_version": "1.2.3",
            },
            "P:O:S:1.2.3",
        ),
        (
            {"kind": "image_id", "image_id": "/subscriptions/x/images/i"},
            "/subscriptions/x/images/i",
        ),
        ({"kind": "image_uri", "image_uri": "https://x/i.vhd"}, "https://x/i.vhd"),
        ({}, "no image"),
    ],
)
def test_an_image_has_a_name_on_one_line(image: Any, name: str) -> None:
    """With the exact version if it is known; an id or URL is unchanged."""
    assert az.image_name(image) == name


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "a NoneType"), ("P:O:S:1.2.3", "'P:O:S:1.2.3'"), (3, "a int"), ([], "a list")],
)
def test_image_name_rejects_other_values(value: Any, shown: str) -> None:
    """The message shows a string, but only the type of other values."""
    with pytest.raises(ValueError, match=f"^image must be an image .* not {shown}$"):
        az.image_name(value)


def test_a_set_without_a_profile_has_no_image() -> None:
    """A Flexible set can be created without one; machines are attached later."""
    model = {"name": "web", "properties": {"orchestrationMode": "Flexible"}}
    with pytest.raises(ValueError, match="the scale set web has no virtualMachineProfile"):
        az.get_image(model)
    with pytest.raises(ValueError, match="the scale set web has no virtualMachineProfile"):
        az.set_image(model, version="1.0.0")


def test_images_are_compared_without_regard_to_case() -> None:
    """Azure keeps the case of the model's author."""
    older: Any = {"kind": "platform", **PLATFORM}
    newer: Any = {**older, "publisher": "CANONICAL", "version": "22.04.202411010"}
    assert images.is_newer(newer, older)
