"""Handlers for managed images, which scale sets reference by id."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model import catalog
from ..model.resources import SUBSCRIPTION
from ._call import Call, Json, accept, check_group_is_not_deleting, page

_TYPE = "Microsoft.Compute/images"
_MARK = "/providers/microsoft.compute/images/"


def list_images(call: Call) -> Answer:
    """Images - List, List By Resource Group."""
    ids = sorted(image_id for image_id in call.cloud.images if _MARK in image_id)
    if "rg" in call.names:
        prefix = _image_id(call, "").lower()
        ids = [image_id for image_id in ids if image_id.startswith(prefix)]
    return page(call, [_body(call, image_id) for image_id in ids])


def get_image(call: Call) -> Answer:
    """Images - Get."""
    return Answer(200, _body(call, _existing_id(call)))


def put_image(call: Call) -> Answer:
    """Images - Create Or Update."""
    name = call.names["image"]
    image_id = _image_id(call, name)
    check_group_is_not_deleting(call)
    if not call.body.get("location"):
        raise errors.location_required()
    location = catalog.region_name(str(call.body["location"]))
    if location is None:
        raise errors.location_not_available(str(call.body["location"]), _TYPE)
    properties = call.body.get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.invalid_request_content("'properties' must be an object.")
    if not properties.get("storageProfile") and not properties.get("sourceVirtualMachine"):
        message = "Required parameter 'storageProfile' is missing (null)."
        raise errors.invalid_parameter(message, "storageProfile")
    images = call.cloud.other.images
    is_new = image_id.lower() not in call.cloud.images
    state = "Creating" if is_new else "Updating"
    stored: Json = {
        "hyperVGeneration": "V1",
        "storageProfile": _default_storage(),
        **properties,
        "provisioningState": state,
    }
    body: Json = {
        "name": name,
        "id": image_id,
        "type": _TYPE,
        "location": location,
        "tags": call.body.get("tags") or {},
        "properties": stored,
    }
    images[image_id.lower()] = body

    def end() -> None:
        stored["provisioningState"] = "Succeeded"
        call.cloud.images.add(image_id.lower())

    job = call.cloud.start_operation(None, call.cloud.upgrade_seconds * 0.1, end)
    return accept(call, job, 201 if is_new else 200, _copy(body))


def delete_image(call: Call) -> Answer:
    """Images - Delete: also succeeds if the image does not exist."""
    image_id = _image_id(call, call.names["image"]).lower()
    if image_id not in call.cloud.images:
        return Answer(204)

    def end() -> None:
        call.cloud.images.discard(image_id)
        call.cloud.other.images.pop(image_id, None)

    job = call.cloud.start_operation(None, call.cloud.upgrade_seconds * 0.1, end)
    return accept(call, job)


def _body(call: Call, image_id: str) -> Json:
    """Return an image, with defaults if no client created it."""
    body = call.cloud.other.images.get(image_id.lower())
    if body is not None:
        return _copy(body)
    group = image_id.split("/")[4]
    group_name = call.cloud.groups.get(group.lower(), {}).get("name", group)
    name = image_id.rpartition("/")[2]
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group_name}/providers/{_TYPE}/{name}"
    return {
        "name": name,
        "id": path,
        "type": _TYPE,
        "location": "eastus",
        "tags": {},
        "properties": {
            "hyperVGeneration": "V2",
            "storageProfile": _default_storage(),
            "provisioningState": "Succeeded",
        },
    }


def _default_storage() -> Json:
    disk = {
        "osType": "Linux",
        "osState": "Generalized",
        "caching": "ReadWrite",
        "diskSizeGB": 30,
        "storageAccountType": "Standard_LRS",
    }
    return {"osDisk": disk, "dataDisks": [], "zoneResilient": False}


def _copy(body: Json) -> Json:
    return {**body, "properties": dict(body["properties"])}


def _image_id(call: Call, name: str) -> str:
    group = call.cloud.resource_group(call.names["rg"])["name"]
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{_TYPE}/{name}"


def _existing_id(call: Call) -> str:
    image_id = _image_id(call, call.names["image"])
    if image_id.lower() in call.cloud.images or image_id.lower() in call.cloud.other.images:
        return image_id
    raise errors.resource_not_found(_TYPE, call.names["image"], call.names["rg"])
