"""Handlers for platform images and galleries; galleries are derived from known image ids."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model import catalog
from ..model.resources import SUBSCRIPTION, Json
from ._call import Call, page

_AUTOMATIC: Json = {"automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": True}}
_LEVELS = ("publishers", "offers", "skus")
_PUBLISHED = "2024-11-01T00:00:00+00:00"
_COLLECTIONS = {"gallery": "galleries", "image": "images", "version": "versions"}


# Platform images


def list_image_entries(call: Call) -> Answer:
    """Virtual Machine Images - List Publishers, List Offers, List Skus, List: plain arrays."""
    names = [call.names[level] for level in _LEVELS if level in call.names]
    found = catalog.find_entries(call.cloud.platform_images, *names)
    if found is None:
        raise errors.ApiError(404, "NotFound", f"Artifact: {'/'.join(names)} was not found.")
    if call.query.get("$orderby", "").lower() == "name desc":
        found.sort(reverse=True)
    entries = [_entry(call, *names, name) for name in found[: _top(call, len(found))]]
    properties: Json = {}
    if len(names) == 2:  # SKUs have a property in addition
        properties = {"properties": _AUTOMATIC}
    if len(names) == 3 and call.query.get("$expand", "").lower() == "properties":
        properties = {"properties": _version_properties(names[1])}
    return Answer(200, [{**entry, **properties} for entry in entries])


def get_image_version(call: Call) -> Answer:
    """Virtual Machine Images - Get."""
    names = [call.names[level] for level in _LEVELS]
    version = call.names["version"]
    if version not in (catalog.find_entries(call.cloud.platform_images, *names) or []):
        raise errors.platform_image_not_found(":".join([*names, version]))
    body = {**_entry(call, *names, version), "properties": _version_properties(names[1])}
    return Answer(200, body)


def _top(call: Call, most: int) -> int:
    given = call.query.get("$top", str(most))
    if not given.isdecimal():
        raise errors.invalid_parameter(f"'{given}' is not a number of versions.", "$top")
    return int(given)


def _entry(call: Call, *names: str) -> Json:
    """Return a publisher, offer, SKU or version; the id has Azure's spelling."""
    location = call.names["location"]
    kinds = ("Publishers", "ArtifactTypes/VMImage/Offers", "Skus", "Versions")
    place = f"/Subscriptions/{SUBSCRIPTION}/Providers/Microsoft.Compute/Locations/{location}"
    parts = [f"/{kind}/{name}" for kind, name in zip(kinds, names, strict=False)]
    return {"location": location, "name": names[-1], "id": place + "".join(parts)}


def _version_properties(offer: str) -> Json:
    system = "Windows" if "windows" in offer.lower() else "Linux"
    return {
        "hyperVGeneration": "V2",
        "architecture": "x64",
        **_AUTOMATIC,
        "dataDiskImages": [],
        "osDiskImage": {
            "operatingSystem": system,
            "sizeInGb": 127 if system == "Windows" else 30,
        },
    }


# Galleries


def list_galleries(call: Call) -> Answer:
    """Galleries - List, List By Resource Group."""
    return page(call, [_gallery(call, path) for path in _paths(call, "/galleries/")])


def list_gallery_images(call: Call) -> Answer:
    """Gallery Images - List By Gallery."""
    prefix = f"{_existing_path(call, 'gallery')}/images/".lower()
    paths = [path for path in _paths(call, "/images/") if path.lower().startswith(prefix)]
    return page(call, [_gallery_image(path) for path in paths])


def get_gallery(call: Call) -> Answer:
    """Galleries - Get."""
    return Answer(200, _gallery(call, _existing_path(call, "gallery")))


def get_gallery_image(call: Call) -> Answer:
    """Gallery Images - Get."""
    return Answer(200, _gallery_image(_existing_path(call, "gallery", "image")))


def get_gallery_version(call: Call) -> Answer:
    """Gallery Image Versions - Get."""
    return Answer(200, _gallery_version(call, _existing_path(call, "gallery", "image", "version")))


def list_gallery_versions(call: Call) -> Answer:
    """Gallery Image Versions - List By Gallery Image: versions with known ids."""
    path = _path(call, "gallery", "image")
    prefix = f"{path}/versions/".lower()
    ids = [image_id for image_id in call.cloud.images if image_id.startswith(prefix)]
    names = sorted(image_id.rpartition("/")[2] for image_id in ids)
    return page(call, [_gallery_version(call, f"{path}/versions/{name}") for name in names])


def _gallery(call: Call, path: str) -> Json:
    unique_name = f"{SUBSCRIPTION}-{path.rpartition('/')[2].upper()}"
    return _gallery_resource(path, "galleries", {"identifier": {"uniqueName": unique_name}})


def _gallery_image(path: str) -> Json:
    parts = path.split("/")
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "sandbox", "offer": parts[-3], "sku": parts[-1]},
    }
    return _gallery_resource(path, "galleries/images", properties)


def _gallery_version(call: Call, path: str) -> Json:
    version = call.cloud.gallery_versions.get(path.lower(), catalog.GalleryVersion())
    regions = [
        {"name": name, "regionalReplicaCount": 1, "storageAccountType": "Standard_LRS"}
        for name in version.regions
    ]
    profile = {
        "targetRegions": regions,
        "replicaCount": 1,
        "excludeFromLatest": version.exclude_from_latest,
        "publishedDate": _PUBLISHED,
    }
    return _gallery_resource(path, "galleries/images/versions", {"publishingProfile": profile})


def _gallery_resource(path: str, kind: str, properties: Json) -> Json:
    return {
        "name": path.rpartition("/")[2],
        "id": path,
        "type": f"Microsoft.Compute/{kind}",
        "location": "eastus",
        "properties": {**properties, "provisioningState": "Succeeded"},
    }


def _paths(call: Call, mark: str) -> list[str]:
    """Return the paths of the galleries, or of their images, to which known image ids belong.

    Args:
        call: The request; a resource group in its path restricts the result.
        mark: The segment before the name: `/galleries/`, or `/images/` in a gallery.
    """
    found = {}
    for image_id in sorted(call.cloud.images):
        base, galleries, rest = image_id.partition("/galleries/")
        if not galleries:
            continue
        group = call.cloud.groups.get(base.split("/")[4])
        wanted = call.names.get("rg")
        if group is None or (wanted and wanted.lower() != group["name"].lower()):
            continue
        base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group['name']}"
        path = f"{base}/providers/Microsoft.Compute/galleries/{rest}"
        before, _, after = path.partition(mark)
        found[f"{before}{mark}{after.partition('/')[0]}"] = True
    return list(found)


def _path(call: Call, *kinds: str) -> str:
    group = call.cloud.resource_group(call.names["rg"])["name"]
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute"
    return base + "".join(f"/{_COLLECTIONS[kind]}/{call.names[kind]}" for kind in kinds)


def _existing_path(call: Call, *kinds: str) -> str:
    """Return the path of a gallery or a part of it.

    Raises:
        ApiError: No known image id belongs to it.
    """
    path = _path(call, *kinds)
    prefix = f"{path}/".lower()
    if not any(f"{image_id}/".startswith(prefix) for image_id in call.cloud.images):
        kind, name = path.split("/providers/")[1].rsplit("/", 1)
        raise errors.resource_not_found(kind, name, call.names["rg"])
    return path
