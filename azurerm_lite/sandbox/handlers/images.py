"""What the sandbox answers to requests for images: those of the platform, and galleries made of the ids it knows."""

from __future__ import annotations

from .. import errors
from ..model import catalog
from ..model.resources import SUBSCRIPTION, Json
from .scale_sets import Answer, Call, page

_AUTOMATIC: Json = {"automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": True}}
_LEVELS = ("publishers", "offers", "skus")
_PUBLISHED = "2024-11-01T00:00:00+00:00"


# Platform images


def list_image_entries(call: Call) -> Answer:
    """Virtual Machine Images - List Publishers, Offers, Skus, and versions: bare arrays, as Azure's."""
    names = [call.names[kind] for kind in _LEVELS if kind in call.names]
    found = catalog.find(catalog.IMAGES, *names)
    if found is None:
        raise errors.Refusal(404, "NotFound", f"Artifact: {'/'.join(names)} was not found.")
    if call.query.get("$orderby", "").lower() == "name desc":
        found.sort(reverse=True)
    found = found[: _top(call, len(found))]
    entries = [_entry(call, *names, name) for name in found]
    if len(names) == 2:  # of SKUs Azure says a little more
        entries = [{**each, "properties": _AUTOMATIC} for each in entries]
    if len(names) == 3 and call.query.get("$expand", "").lower() == "properties":
        entries = [{**each, "properties": _version(names[1])} for each in entries]
    return Answer(200, entries)


def get_image_version(call: Call) -> Answer:
    """Virtual Machine Images - Get."""
    names = [call.names[kind] for kind in _LEVELS]
    if call.names["version"] not in (catalog.find(catalog.IMAGES, *names) or []):
        raise errors.no_platform_image(":".join([*names, call.names["version"]]))
    return Answer(
        200, {**_entry(call, *names, call.names["version"]), "properties": _version(names[1])}
    )


def _top(call: Call, most: int) -> int:
    given = call.query.get("$top", str(most))
    if not given.isdecimal():
        raise errors.bad_parameter(f"'{given}' is no number of versions.", "$top")
    return int(given)


def _entry(call: Call, *names: str) -> Json:
    """An image or a part of its name; the capitals in its id are Azure's."""
    kinds = ("Publishers", "ArtifactTypes/VMImage/Offers", "Skus", "Versions")
    path = f"/Subscriptions/{SUBSCRIPTION}/Providers/Microsoft.Compute/Locations/{call.names['location']}"
    path += "".join(f"/{kind}/{name}" for kind, name in zip(kinds, names, strict=False))
    return {"location": call.names["location"], "name": names[-1], "id": path}


def _version(offer: str) -> Json:
    system = "Windows" if "windows" in offer.lower() else "Linux"
    disk = {"operatingSystem": system, "sizeInGb": 127 if system == "Windows" else 30}
    return {
        "hyperVGeneration": "V2",
        "architecture": "x64",
        **_AUTOMATIC,
        "dataDiskImages": [],
        "osDiskImage": disk,
    }


# Galleries


def get_gallery(call: Call) -> Answer:
    """Galleries - Get."""
    path = _found(call, "gallery")
    unique = f"{SUBSCRIPTION}-{call.names['gallery'].upper()}"
    return Answer(200, _resource(path, "galleries", {"identifier": {"uniqueName": unique}}))


def get_gallery_image(call: Call) -> Answer:
    """Gallery Images - Get."""
    path = _found(call, "gallery", "image")
    identifier = {
        "publisher": "sandbox",
        "offer": call.names["gallery"],
        "sku": call.names["image"],
    }
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": identifier,
    }
    return Answer(200, _resource(path, "galleries/images", properties))


def get_gallery_version(call: Call) -> Answer:
    """Gallery Image Versions - Get."""
    path = _found(call, "gallery", "image", "version")
    return Answer(200, _gallery_version(path))


def list_gallery_versions(call: Call) -> Answer:
    """Gallery Image Versions - List By Gallery Image: those ids that the sandbox was told of."""
    path = _path(call, "gallery", "image")
    names = sorted(
        each.rpartition("/")[2]
        for each in call.cloud.images
        if each.startswith(f"{path}/versions/".lower())
    )
    return page(call, [_gallery_version(f"{path}/versions/{each}") for each in names])


def _gallery_version(path: str) -> Json:
    region = {"name": "East US", "regionalReplicaCount": 1, "storageAccountType": "Standard_LRS"}
    profile = {
        "targetRegions": [region],
        "replicaCount": 1,
        "excludeFromLatest": False,
        "publishedDate": _PUBLISHED,
    }
    return _resource(path, "galleries/images/versions", {"publishingProfile": profile})


def _resource(path: str, kind: str, properties: Json) -> Json:
    body: Json = {
        "name": path.rpartition("/")[2],
        "id": path,
        "type": f"Microsoft.Compute/{kind}",
        "location": "eastus",
    }
    return {**body, "properties": {**properties, "provisioningState": "Succeeded"}}


def _path(call: Call, *kinds: str) -> str:
    group = call.cloud.group(call.names["rg"])["name"]
    plural = {"gallery": "galleries", "image": "images", "version": "versions"}
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute"
    return base + "".join(f"/{plural[kind]}/{call.names[kind]}" for kind in kinds)


def _found(call: Call, *kinds: str) -> str:
    """The path of a gallery or a part of it; refused where no id that the sandbox knows is in it."""
    path = _path(call, *kinds)
    if not any(f"{each}/".startswith(f"{path}/".lower()) for each in call.cloud.images):
        kind, name = path.split("/providers/")[1].rsplit("/", 1)
        raise errors.no_resource(kind, name, call.names["rg"])
    return path
