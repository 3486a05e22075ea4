"""What the sandbox answers to requests for the extensions of a scale set, which are a part of its model."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..model.redaction import without_secrets
from ..model.resources import Json, merged
from .scale_sets import Answer, Call, begun


def list_extensions(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - List."""
    return Answer(200, {"value": [_body(call, each) for each in _all(call)]})


def get_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Get."""
    return Answer(200, _body(call, _found(call)))


def put_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Create Or Update."""
    name = call.names["extension"]
    properties = _properties(call)
    if not properties.get("publisher") or not properties.get("type"):
        raise errors.bad_parameter(
            "Required parameter 'publisher' or 'type' is missing (null).", name
        )
    others = [each for each in _all(call) if each["name"].lower() != name.lower()]
    is_new = len(others) == len(_all(call))
    return _changed(call, others, {"name": name, "properties": properties}, 201 if is_new else 200)


def patch_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Update."""
    current = _found(call)
    others = [each for each in _all(call) if each is not current]
    changed = {**current, "properties": merged(current["properties"], _properties(call))}
    return _changed(call, others, changed, 200)


def delete_extension(call: Call) -> Answer:
    """Virtual Machine Scale Set Extensions - Delete."""
    if not any(each["name"].lower() == call.names["extension"].lower() for each in _all(call)):
        return Answer(204)
    current = _found(call)
    return begun(
        call,
        call.cloud.patch(call.vmss, _model([each for each in _all(call) if each is not current])),
    )


def _changed(call: Call, others: list[Json], extension: Json, status: int) -> Answer:
    job = call.cloud.patch(call.vmss, _model([*others, extension]))
    state = "Updating" if status == 200 else "Creating"
    return begun(call, job, status, _body(call, without_secrets(extension), state))


def _properties(call: Call) -> Json:
    properties = call.body.get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.bad_body("'properties' must be an object.")
    return properties


def _all(call: Call) -> list[Json]:
    profile: dict[str, Any] = call.vmss.profile.get("extensionProfile") or {}
    return profile.get("extensions") or []


def _found(call: Call) -> Json:
    name = call.names["extension"]
    found = next((each for each in _all(call) if each["name"].lower() == name.lower()), None)
    if found is None:
        raise errors.no_entity()
    return found


def _model(extensions: list[Json]) -> Json:
    return {
        "properties": {"virtualMachineProfile": {"extensionProfile": {"extensions": extensions}}}
    }


def _body(call: Call, extension: Json, state: str = "Succeeded") -> Json:
    kind = "Microsoft.Compute/virtualMachineScaleSets/extensions"
    properties = {**extension["properties"], "provisioningState": state}
    return {
        "name": extension["name"],
        "id": f"{call.vmss.id}/extensions/{extension['name']}",
        "type": kind,
    } | {"properties": properties}
