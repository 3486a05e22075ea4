"""Handlers for the extensions in the model of a scale set."""

from __future__ import annotations

from typing import Any

from .. import errors
from .._answer import Answer
from ..model import members
from ..model.redaction import without_secrets
from ..model.resources import Json, merge_patch
from . import render
from ._call import Call, accept, find_by_name


def list_extensions(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - List."""
    bodies = [_body(call, extension) for extension in _extensions(call)]
    return Answer(200, {"value": bodies})


def get_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Get."""
    return Answer(200, _body(call, _find(call)))


def list_instance_extensions(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Extensions - List."""
    return Answer(200, {"value": render.instance_extensions(call.vmss, call.instance)})


def get_instance_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set VM Extensions - Get."""
    found = render.instance_extensions(call.vmss, call.instance)
    return Answer(200, find_by_name(found, call.names["extension"]))


def put_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Create Or Update."""
    name = call.names["extension"]
    properties = _given_properties(call)
    if not properties.get("publisher") or not properties.get("type"):
        message = "Required parameter 'publisher' or 'type' is missing (null)."
        raise errors.invalid_parameter(message, name)
    others = _others(call)
    is_new = len(others) == len(_extensions(call))
    extension = {"name": name, "properties": properties}
    return _write(call, others, extension, 201 if is_new else 200)


def patch_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Update."""
    current = _find(call)
    properties = merge_patch(current["properties"], _given_properties(call))
    return _write(call, _others(call), {**current, "properties": properties}, 200)


def delete_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Delete."""
    others = _others(call)
    if len(others) == len(_extensions(call)):
        return Answer(204)
    return accept(call, call.cloud.patch(call.vmss, _patch(others)))


def _write(call: Call, others: list[Json], extension: Json, status: int) -> Answer:
    job = call.cloud.patch(call.vmss, _patch([*others, extension]))
    state = "Updating" if status == 200 else "Creating"
    return accept(call, job, status, _body(call, without_secrets(extension), state))


def _given_properties(call: Call) -> Json:
    body = members.respell(call.body, "VirtualMachineScaleSetExtension")
    properties = body.get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.invalid_request_content("'properties' must be an object.")
    return properties


def _extensions(call: Call) -> list[Json]:
    profile: dict[str, Any] = call.vmss.profile.get("extensionProfile") or {}
    return profile.get("extensions") or []


def _others(call: Call) -> list[Json]:
    """Return all extensions except the one in the path."""
    name = call.names["extension"].lower()
    return [extension for extension in _extensions(call) if extension["name"].lower() != name]


def _find(call: Call) -> Json:
    return find_by_name(_extensions(call), call.names["extension"])


def _patch(extensions: list[Json]) -> Json:
    profile = {"extensionProfile": {"extensions": extensions}}
    return {"properties": {"virtualMachineProfile": profile}}


def _body(call: Call, extension: Json, state: str = "Succeeded") -> Json:
    return {
        "name": extension["name"],
        "id": f"{call.vmss.id}/extensions/{extension['name']}",
        "type": "Microsoft.Compute/virtualMachineScaleSets/extensions",
        "properties": {**extension["properties"], "provisioningState": state},
    }
