"""Images of the marketplace and of galleries, and the image of a model."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from . import _shapes, rest, settings
from ._arguments import check_flag
from ._ids import fold_region
from .errors import AzureError
from .types import Image, ImageEntry, Token

Model = TypeVar("Model", bound=Mapping[str, Any])

_VMIMAGE = (
    "/subscriptions/{subscription_id}/providers/Microsoft.Compute/locations/{location}/publishers"
)
# The keys of an imageReference for an id, each with the start of such ids.
_ID_KEYS = {
    "id": "/subscriptions/",
    "sharedGalleryImageId": "/sharedgalleries/",
    "communityGalleryImageId": "/communitygalleries/",
}
_GALLERY_ID = (
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute"
    r"/galleries/([^/]+)/images/([^/]+)"
)
_SHARED_ID = r"/(shared|community)Galleries/([^/]+)/images/([^/]+)"
# The kinds of image, as messages describe them.
_KINDS = {
    "platform": "a platform image; pass version or sku",
    "image_id": "a custom or gallery image by its id; pass image_id",
    "image_uri": "an unmanaged image; pass image_uri",
}


def list_publishers(access_token: Token, subscription_id: str, location: str) -> list[ImageEntry]:
    """Return the publishers of platform images in a region.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        location: Region, such as `westeurope`.

    Returns:
        A list of publishers as `{"name", "id", "location"}`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Images - List Publishers.
    """
    return _entries(access_token, "", {"subscription_id": subscription_id, "location": location})


def list_offers(
    access_token: Token, subscription_id: str, location: str, publisher: str
) -> list[ImageEntry]:
    """Return the offers of a publisher.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        location: Region, such as `westeurope`.
        publisher: Publisher, such as `Canonical`.

    Returns:
        A list of offers as `{"name", "id", "location"}`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Images - List Offers.
    """
    names = {"subscription_id": subscription_id, "location": location, "publisher": publisher}
    return _entries(access_token, "/{publisher}/artifacttypes/vmimage/offers", names)


def list_skus(
    access_token: Token, subscription_id: str, location: str, publisher: str, offer: str
) -> list[ImageEntry]:
    """Return the SKUs of an offer.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        location: Region, such as `westeurope`.
        publisher: Publisher, such as `Canonical`.
        offer: Offer of the publisher.

    Returns:
        A list of SKUs as `{"name", "id", "location"}`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Images - List Skus.
    """
    names = {
        "subscription_id": subscription_id,
        "location": location,
        "publisher": publisher,
        "offer": offer,
    }
    return _entries(access_token, "/{publisher}/artifacttypes/vmimage/offers/{offer}/skus", names)


def list_sku_versions(
    access_token: Token,
    subscription_id: str,
    location: str,
    publisher: str,
    offer: str,
    sku: str,
    *,
    top: int | None = None,
    newest_first: bool = False,
) -> list[ImageEntry]:
    """Return the versions of a platform image.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        location: Region, such as `westeurope`.
        publisher: Publisher, such as `Canonical`.
        offer: Offer of the publisher.
        sku: SKU of the offer.
        top: The most versions to return; `None` for all.
        newest_first: Whether to return the newest version first, compared part by part as numbers;
            if not, Azure's order is kept.

    Returns:
        A list of versions as `{"name", "id", "location"}`; `name` is the `version` argument of
        `set_image`.

    Raises:
        ValueError: `top` is not a whole number of 1 or more, or `newest_first` is not a bool.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Images - List.
    """
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise ValueError(f"top must be a whole number of 1 or more, or None, not {top!r}")
    check_flag("newest_first", newest_first)
    names = {
        "subscription_id": subscription_id,
        "location": location,
        "publisher": publisher,
        "offer": offer,
        "sku": sku,
    }
    path = "/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
    # Azure sorts and limits versions as text, with 1.10 before 1.9, so both are done here.
    query = {"$top": None if newest_first else top}
    versions = _entries(access_token, path, names, query)
    if newest_first:
        versions.sort(key=lambda entry: version_order(entry["name"]), reverse=True)
    return versions[:top]


def list_gallery_image_versions(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    gallery_name: str,
    image_name: str,
) -> list[dict[str, Any]]:
    """Return the versions of an image in an Azure Compute Gallery.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name of the gallery.
        gallery_name: Gallery name.
        image_name: Name of the image definition.

    Returns:
        A list of image versions, all pages; `id` is the `image_id` argument of `set_image`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Gallery Image Versions - List By Gallery Image.
    """
    path = (
        "/subscriptions/{subscription_id}/resourceGroups/{resource_group}/providers/Microsoft.Compute"
        "/galleries/{gallery_name}/images/{image_name}/versions"
    )
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "gallery_name": gallery_name,
        "image_name": image_name,
    }
    url = rest.url(path, names, settings.GALLERY_API)
    return rest.get_objects(access_token, url, _shapes.GALLERY_IMAGE_VERSION)


def newest_image_version(
    access_token: Token, subscription_id: str, location: str, image: Image
) -> str:
    """Return the newest version of an image in a region: what `latest` currently means there.

    Versions are compared part by part as numbers. A version of a gallery image counts only if it is
    provisioned, replicated to the region and not excluded from latest. For galleries shared
    directly or with the community, Azure lists the versions in the region.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        location: Region, such as `westeurope`.
        image: A platform image or a gallery image, as `get_image` returns it; its version is
            ignored.

    Returns:
        A string: the version, such as `22.04.202411010`.

    Raises:
        ValueError: `image` is another kind of image, which has no versions.
        NotFound: The image does not exist.
        AzureError: Azure returned an error, with its code and message; or no version is usable
            (code `NoImageVersion`).

    Azure: Virtual Machine Images - List; Gallery Image Versions - List By Gallery Image; Shared
        Gallery Image Versions - List; Community Gallery Image Versions - List.
    """
    versions = usable_versions(access_token, subscription_id, location, image)
    if not versions:
        raise AzureError(
            f"{image_name(image)} has no usable version in {location}", code="NoImageVersion"
        )
    return max(versions, key=version_order)


def usable_versions(
    access_token: Token, subscription_id: str, location: str, image: Image
) -> list[str]:
    """Return the versions of an image that `latest` could mean in a region, in any order.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id of the scale set.
        location: Region.
        image: As for `newest_image_version`.

    Returns:
        A list of versions.

    Raises:
        ValueError: `image` is another kind of image.
        AzureError: Azure returned an error, with its code and message.
    """
    check_image("image", image)
    names = {"subscription_id": subscription_id, "location": location}
    if image.get("kind") == "platform":
        parts = (image["publisher"], image["offer"], image["sku"])
        entries = list_sku_versions(access_token, subscription_id, location, *parts)
        versions = [entry["name"] for entry in entries]
    else:
        versions = _gallery_versions(access_token, names, image)
    return [version for version in versions if re.fullmatch(r"[0-9]+(\.[0-9]+)*", version)]


def _gallery_versions(access_token: Token, names: Mapping[str, str], image: Image) -> list[str]:
    """Return the versions of a gallery image that `latest` could mean in a region."""
    image_id = image.get("image_id") or ""
    own = re.match(_GALLERY_ID, image_id, re.IGNORECASE)
    shared = re.match(_SHARED_ID, image_id, re.IGNORECASE)
    if own:
        found = list_gallery_image_versions(access_token, *own.groups())
        return [entry["name"] for entry in found if _is_replicated_to(entry, names["location"])]
    if not shared:
        raise ValueError(f"image: {image_name(image)} is not an image with versions")
    kind = shared[1].lower()
    path = (
        "/subscriptions/{subscription_id}/providers/Microsoft.Compute/locations/{location}/"
        f"{kind}Galleries/{{gallery_name}}/images/{{image_name}}/versions"
    )
    where = {**names, "gallery_name": shared[2], "image_name": shared[3]}
    url = rest.url(path, where, settings.GALLERY_API)
    found = rest.get_objects(access_token, url, _shapes.SHARED_IMAGE_VERSION)
    return [
        entry["name"]
        for entry in found
        if not (entry.get("properties") or {}).get("excludeFromLatest")
    ]


def _is_replicated_to(version: Mapping[str, Any], location: str) -> bool:
    """Return whether `latest` could mean this gallery image version in a region."""
    properties = version.get("properties") or {}
    profile = properties.get("publishingProfile") or {}
    is_provisioned = str(properties.get("provisioningState") or "Succeeded") == "Succeeded"
    if not is_provisioned or profile.get("excludeFromLatest"):
        return False
    regions = [
        region
        for region in profile.get("targetRegions") or ()
        if fold_region(region.get("name")) == fold_region(location)
    ]
    return any(not region.get("excludeFromLatest") for region in regions)


def get_image(model: Mapping[str, Any]) -> Image:
    """Return the image of a scale set's model or of an instance.

    Args:
        model: A scale set as `get_vmss` returns it, or an instance.

    Returns:
        A dict: `{"kind": "platform", "publisher", "offer", "sku", "version"}`, with `exact_version`
        for an instance; or `{"kind": "image_id", "image_id"}`, with `exact_version` for an instance
        that has one; or `{"kind": "image_uri", "image_uri"}`.

    Raises:
        ValueError: `model` has no image.
    """
    storage = _storage(model)
    reference = storage.get("imageReference") or {}
    key = _id_key(reference)
    if key:
        custom: Image = {"kind": "image_id", "image_id": reference[key]}
        if reference.get("exactVersion"):
            custom["exact_version"] = reference["exactVersion"]
        return custom
    if reference.get("publisher"):
        image: Image = {
            "kind": "platform",
            "publisher": reference["publisher"],
            "offer": reference.get("offer") or "",
            "sku": reference.get("sku") or "",
            "version": reference.get("version") or "",
        }
        if reference.get("exactVersion"):
            image["exact_version"] = reference["exactVersion"]
        return image
    uri = ((storage.get("osDisk") or {}).get("image") or {}).get("uri")
    if uri:
        return {"kind": "image_uri", "image_uri": uri}
    raise ValueError(
        "model has no image: its storageProfile has neither imageReference nor osDisk.image.uri"
    )


def set_image(
    model: Model,
    *,
    version: str | None = None,
    sku: str | None = None,
    image_id: str | None = None,
    image_uri: str | None = None,
) -> Model:
    """Return a copy of a scale set's model with another image; nothing is sent.

    Args:
        model: A scale set as `get_vmss` returns it.
        version: Version of a platform image, such as `22.04.202411010`. `latest` is accepted, but
            Azure resolves it when it creates or upgrades an instance: for a rollout, pass the
            version itself.
        sku: SKU of a platform image.
        image_id: Id of a managed custom image, of a gallery image or of a gallery image version.
        image_uri: URL of the VHD of an unmanaged image.

    Returns:
        A dict: the new model, for `put_vmss`. `model` itself is not changed.

    Raises:
        ValueError: No new image is given, a value is malformed, or the model has another kind of
            image (Azure does not let a scale set change the kind).
    """
    options = {"version": version, "sku": sku, "image_id": image_id, "image_uri": image_uri}
    changes = {argument: value for argument, value in options.items() if value is not None}
    kind = get_image(model)["kind"]
    allowed = {
        "platform": {"version", "sku"},
        "image_id": {"image_id"},
        "image_uri": {"image_uri"},
    }[kind]
    wrong = ", ".join(sorted(set(changes) - allowed))
    if wrong or not changes:
        reason = f"{wrong} cannot be set" if wrong else "no new image is given"
        raise ValueError(
            f"{reason}: the model of {model.get('name', 'this scale set')!r} has {_KINDS[kind]}"
        )
    for argument, value in changes.items():
        _check_value(argument, value)
    changed = copy.deepcopy(model)
    storage = _storage(changed)
    if kind == "image_uri":
        storage["osDisk"]["image"]["uri"] = image_uri
    elif kind == "image_id":
        _set_image_id(storage["imageReference"], str(image_id))
    else:
        storage["imageReference"].update(changes)
        storage["imageReference"].pop("exactVersion", None)
    return changed


def with_image(model: Model, image: Image) -> Model:
    """Return a copy of a scale set's model with the image that an instance runs.

    Args:
        model: A scale set as `get_vmss` returns it.
        image: An image as `get_image` returns it, of the same kind as the model's.

    Returns:
        A dict: the new model, for `put_vmss`. A platform image has its exact version in it.

    Raises:
        ValueError: The image has another kind, or is malformed.
    """
    if image.get("kind") != "platform":
        return set_image(model, image_id=exact_image_id(image), image_uri=image.get("image_uri"))
    changed = set_image(
        model, sku=image.get("sku"), version=image.get("exact_version") or image.get("version")
    )
    _storage(changed)["imageReference"].update(
        {key: image[key] for key in ("publisher", "offer") if key in image}
    )
    return changed


def image_name(image: Image) -> str:
    """Return the name of an image on one line.

    Args:
        image: An image as `get_image` returns it.

    Returns:
        A string: `publisher:offer:sku:version`, with the exact version if it is known. For other
        kinds of image it is the id or the URL; for an empty dict it is `no image`.

    Raises:
        ValueError: `image` is not an image.
    """
    given: object = image
    if given != {}:
        check_image("image", given)
    if image.get("kind") != "platform":
        # The query of a URL may contain a signature.
        uri = image.get("image_uri", "").partition("?")[0]
        return exact_image_id(image) or uri or "no image"
    version = image.get("exact_version") or image.get("version", "")
    parts = [image.get("publisher", ""), image.get("offer", ""), image.get("sku", ""), version]
    return ":".join(parts)


def check_image(argument: str, image: object) -> None:
    """Check that a value is an image as `get_image` returns it.

    Args:
        argument: Name of the argument, for the error.
        image: The caller's value.

    Raises:
        ValueError: It is not an image. The message does not show a dict, since a model may contain
            a password.
    """
    is_image = (
        isinstance(image, Mapping)
        and image.get("kind") in _KINDS
        and all(isinstance(part, str) for part in image.values())
    )
    if not is_image:
        # The query of a URL may contain a signature.
        is_text = isinstance(image, str)
        shown = repr(str(image).partition("?")[0]) if is_text else f"a {type(image).__name__}"
        raise ValueError(f"{argument} must be an image as get_image() returns it, not {shown}")


def exact_image_id(image: Image) -> str | None:
    """Return the id of an image, with its version if that is known.

    Args:
        image: An image as `get_image` returns it.

    Returns:
        The id. A gallery image id without a version is completed by the exact version of the
        instance. `None` for an image without an id.
    """
    image_id = image.get("image_id")
    exact = image.get("exact_version")
    if image_id and exact and is_gallery_image(image_id) and not has_version(image_id):
        return f"{image_id}/versions/{exact}"
    return image_id


def is_gallery_image(image_id: str) -> bool:
    """Return whether an id is the id of a gallery image or of a gallery image version."""
    return (
        re.search(r"/(galleries|sharedgalleries|communitygalleries)/", image_id, re.IGNORECASE)
        is not None
    )


def subscription_of(image: Image) -> str:
    """Return the subscription id in the id of an image, or `""`."""
    found = re.match(r"/subscriptions/([^/]+)/", image.get("image_id", ""), re.IGNORECASE)
    return found[1] if found else ""


def reference_key(image_id: str) -> str:
    """Return the member of an image reference for this kind of id."""
    folded = image_id.lower()
    return next((key for key, start in _ID_KEYS.items() if folded.startswith(start)), "id")


def version_in(image_id: str) -> str:
    """Return the version at the end of a gallery image id, or `""`."""
    found = re.search(r"/versions/([^/]+)$", image_id, re.IGNORECASE)
    return found[1] if found else ""


def has_version(image_id: str) -> bool:
    """Return whether the id of a gallery image ends in a version other than `latest`."""
    return version_in(image_id).lower() not in ("", "latest")


def has_versions(image: Image) -> bool:
    """Return whether an image has versions: a platform or gallery image."""
    image_id = image.get("image_id") or ""
    return image.get("kind") == "platform" or is_gallery_image(image_id)


def name_without_version(image: Image) -> str:
    """Return the name of an image without its version, on one line."""
    if image.get("kind") == "platform":
        return ":".join([image.get("publisher", ""), image.get("offer", ""), image.get("sku", "")])
    name = image_name({**image, "exact_version": ""})
    return re.sub(r"/versions/[^/]+$", "", name, flags=re.IGNORECASE)


def exact_version(image: Image) -> str:
    """Return the version that an instance runs, or `""` if Azure does not report it."""
    if image.get("exact_version"):
        return image["exact_version"]
    if is_floating(image):
        return ""
    if image.get("kind") == "platform":
        return image.get("version", "")
    return version_in(image.get("image_id", ""))


def is_floating(image: Image) -> bool:
    """Return whether the version of an image is unknown, as with `latest`.

    Args:
        image: An image as `get_image` returns it.

    Returns:
        `True` for `latest` and for a gallery image without a version, unless the exact version is
        known.
    """
    if image.get("exact_version"):
        return False
    if image.get("kind") == "platform":
        return image.get("version", "").lower() == "latest"
    image_id = image.get("image_id")
    return bool(image_id) and is_gallery_image(image_id or "") and not has_version(image_id or "")


def is_same_image(image: Image, other: Image) -> bool:
    """Return whether two images are the same, without regard to case.

    Args:
        image: An image as `get_image` returns it.
        other: Another image.

    Returns:
        Whether their names are equal, with the exact versions if they are known.
    """
    return image_name(image).lower() == image_name(other).lower()


def is_version_of(image: Image, other: Image) -> bool:
    """Return whether two platform images have the same publisher, offer and SKU."""
    return all(
        str(image.get(key)).lower() == str(other.get(key)).lower()
        for key in ("kind", "publisher", "offer", "sku")
    )


def is_newer(image: Image, other: Image) -> bool:
    """Return whether an image is known to be a newer version of the same platform image."""
    versions = [each.get("exact_version") or each.get("version", "") for each in (image, other)]
    if any(each.get("kind") != "platform" for each in (image, other)):
        return False
    return (
        is_version_of(image, other)
        and "latest" not in versions
        and version_order(versions[0]) > version_order(versions[1])
    )


def _set_image_id(reference: dict[str, Any], image_id: str) -> None:
    """Put an id into a reference; raise if it belongs to another kind of gallery."""
    key = str(_id_key(reference))
    if not image_id.lower().startswith(_ID_KEYS[key]):
        raise ValueError(
            f"image_id must start with {_ID_KEYS[key]!r} for this model ({key}), not {image_id!r}"
        )
    reference[key] = image_id
    reference.pop("exactVersion", None)


def _check_value(argument: str, value: str | None) -> None:
    patterns = {
        "version": (r"latest|[0-9]+\.[0-9]+\.[0-9]+", "Major.Minor.Build in digits, or latest"),
        "sku": (r"[^\s/?#]+", "a SKU name"),
        "image_id": (r"/[^\s?#]+", "a resource id that starts with /"),
        "image_uri": (r"https?://[^\s/]+/\S+", "the URL of a VHD"),
    }
    pattern, expected = patterns[argument]
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(f"{argument} must be {expected}, not {value!r}")


def _storage(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the storage profile of a scale set or an instance, not a copy."""
    properties = None
    reason = ""
    try:
        properties = model["properties"]
        storage: dict[str, Any] = properties.get("virtualMachineProfile", properties)[
            "storageProfile"
        ]
        _shapes.STORAGE_PROFILE.check(storage)
    except (KeyError, TypeError, AttributeError):
        pass
    except _shapes.WrongShape as wrong:
        reason = f": {wrong.inside('storageProfile')}"
    else:
        return storage
    if isinstance(properties, dict) and "orchestrationMode" in properties and not reason:
        name = model.get("name")
        raise ValueError(f"model: the scale set {name} has no virtualMachineProfile, so no image")
    raise ValueError(
        "model must be a scale set or an instance with a storageProfile, as Azure returns it"
        f"{reason}"
    )


def _id_key(reference: Mapping[str, Any]) -> str | None:
    return next((key for key in _ID_KEYS if reference.get(key)), None)


def version_order(version: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that compares versions part by part as numbers."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in version.split("."))


def _entries(
    access_token: Token,
    path: str,
    names: Mapping[str, str],
    query: Mapping[str, int | None] | None = None,
) -> list[ImageEntry]:
    url = rest.url(_VMIMAGE + path, names, settings.COMPUTE_API, query)
    return rest.get_objects(access_token, url, _shapes.IMAGE_ENTRY)
