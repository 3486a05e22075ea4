"""Handlers for deployments of templates with scale sets and networks (`az vmss create`)."""

from __future__ import annotations

from typing import Any

from .. import errors
from .._answer import Answer
from ..errors import ApiError
from ..model.other_resources import Deployment
from ..model.redaction import is_secure
from ..model.resources import SUBSCRIPTION
from ..model.template_expressions import AnyProperties, Expressions
from . import networks, render
from ._call import Call, Json, check_group_is_not_deleting, page, read_object, retry_after

_SET_TYPE = "microsoft.compute/virtualmachinescalesets"
_NETWORK_PREFIX = "microsoft.network/"


def list_deployments(call: Call) -> Answer:
    """Deployments - List By Resource Group."""
    group = call.cloud.resource_group(call.names["rg"])["name"]
    found = [each for each in call.cloud.other.deployments.values() if each.group == group]
    return page(call, [_body(each) for each in found])


def get_deployment(call: Call) -> Answer:
    """Deployments - Get."""
    return Answer(200, _body(_find(call)))


def put_deployment(call: Call) -> Answer:
    """Deployments - Create Or Update: scale sets and networks, in the order of the template."""
    group = call.cloud.resource_group(call.names["rg"])["name"]
    check_group_is_not_deleting(call)
    name = call.names["deployment"]
    deployment, resources = _read_template(call, group, name)
    is_new = (group.lower(), name.lower()) not in call.cloud.other.deployments
    call.cloud.other.deployments[group.lower(), name.lower()] = deployment
    try:
        for resource in resources:
            _create(call, deployment, resource)
    except ApiError as error:
        deployment.error = _deployment_error(error.error)
    path = f"{call.base_url}{_id(deployment)}/operationStatuses/{deployment.id}"
    headers = {"Azure-AsyncOperation": f"{path}?api-version={call.api_version}"}
    body = _body(deployment)
    body["properties"]["provisioningState"] = "Accepted"
    body["properties"].pop("outputs", None)
    body["properties"].pop("error", None)
    return Answer(201 if is_new else 200, body, {**headers, **retry_after(call.cloud)})


def validate_deployment(call: Call) -> Answer:
    """Deployments - Validate: check whether the sandbox supports the template."""
    group = call.cloud.resource_group(call.names["rg"])["name"]
    deployment, _ = _read_template(call, group, call.names["deployment"])
    body = _body(deployment)
    body["properties"].pop("outputs", None)
    return Answer(200, body)


def get_deployment_status(call: Call) -> Answer:
    """Return the state of the operation that a PUT of a deployment started."""
    deployment = _find(call)
    if deployment.id != call.names["operation"].lower():
        raise errors.entity_not_found()
    body: Json = {"status": deployment.state}
    if error := _error(deployment):
        body["error"] = error
    headers = {} if deployment.state != "Running" else retry_after(call.cloud)
    return Answer(200, body, headers)


def _read_template(call: Call, group: str, name: str) -> tuple[Deployment, list[Json]]:
    """Return a deployment and the resources of its template, with all expressions evaluated."""
    properties = call.body.get("properties") or {}
    template = properties.get("template") if isinstance(properties, dict) else None
    if not isinstance(template, dict):
        message = (
            "The request has no 'template'. The sandbox does not support links to templates: send "
            "the template itself."
        )
        raise ApiError(400, "InvalidTemplate", message)
    declared = _objects(template, "parameters")
    given = _objects(properties, "parameters")
    values = {
        key: given[key].get("value") if key in given else parameter.get("defaultValue")
        for key, parameter in declared.items()
    }
    variables = read_object(template, "variables")
    resources = [
        Expressions(values, variables, group).resolve(resource) for resource in _resources(template)
    ]
    for resource in resources:
        _check(resource)

    def reference(resource: str, *_: Any) -> Json:
        return _properties_of(call, group, resource)

    outputs = read_object(template, "outputs")

    # Reject unsupported expressions in outputs before anything is created.
    Expressions(values, variables, group, lambda *_: AnyProperties()).resolve(outputs)

    def evaluate() -> Json:
        evaluated: Json = Expressions(values, variables, group, reference).resolve(outputs)
        return evaluated

    visible = {
        key: {"type": parameter.get("type"), "value": values[key]}
        for key, parameter in declared.items()
        if not is_secure(parameter)
    }
    mode = str(properties.get("mode", "Incremental"))
    return Deployment(name, group, mode, visible, evaluate), resources


def _objects(parent: Json, key: str) -> dict[str, Json]:
    """Return a member that must be an object of objects; empty if it is missing."""
    value = read_object(parent, key)
    if not all(isinstance(entry, dict) for entry in value.values()):
        raise errors.invalid_request_content(f"An entry of '{key}' is not an object.")
    return value


def _resources(template: Json) -> list[Json]:
    """Return the resources of a template."""
    value = template.get("resources") or []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise errors.invalid_request_content("'resources' is not a list of objects.")
    return value


def _check(resource: Json) -> None:
    """Reject a resource that has no name, or that the sandbox cannot create."""
    if not isinstance(resource.get("name"), str):
        message = "A resource of the template has no 'name'."
        raise ApiError(400, "InvalidTemplate", message)
    kind = str(resource.get("type")).lower()
    is_known = kind == _SET_TYPE or _network_type(kind) is not None
    if "copy" in resource or not is_known:
        message = (
            f"The sandbox cannot deploy '{resource.get('name')}' of type '{resource.get('type')}'. "
            "It supports scale sets, virtual networks, network security groups, public IP "
            "addresses and load balancers, without copy loops. Remove the resource from the "
            "template."
        )
        raise ApiError(400, "InvalidTemplateDeployment", message)


def _create(call: Call, deployment: Deployment, resource: Json) -> None:
    name = str(resource["name"])
    kind = str(resource["type"]).lower()
    if kind == _SET_TYPE:
        vmss, job, _ = call.cloud.put(deployment.group, name, resource)
        deployment.parts.append(job)
        deployment.resource_ids.append(vmss.id)
        return
    network_type, part = _network_type(kind) or ("", "")
    where = call.cloud, deployment.group, network_type
    if part:
        body = networks.store_part(*where, part, name, resource)
    else:
        body = networks.store(*where, name, resource)
    deployment.resource_ids.append(body["id"])


def _network_type(kind: str) -> tuple[str, str] | None:
    """Return a type of Microsoft.Network in Azure's spelling, and the kind of part.

    Args:
        kind: The type in a template, in lower case.

    Returns:
        A tuple, whose second entry is empty for a whole resource; `None` for another type.
    """
    if not kind.startswith(_NETWORK_PREFIX):
        return None
    name, _, part = kind.removeprefix(_NETWORK_PREFIX).partition("/")
    network_type = networks.TYPES.get(name)
    if network_type is None:
        return None
    parts = {known.lower(): known for known in networks.PARTS.get(network_type, ())}
    return (network_type, parts.get(part, "")) if part in ("", *parts) else None


def _properties_of(call: Call, group: str, resource: str) -> Json:
    """Return the properties of a resource in the deployment, given its name or id."""
    name = resource.rpartition("/")[2].lower()
    vmss = call.cloud.sets.get((group.lower(), name))
    is_set = "/" not in resource or _SET_TYPE in resource.lower()
    if vmss and is_set:
        properties: Json = render.scale_set(vmss, call.api_version)["properties"]
        return properties
    bodies = call.cloud.other.networks.items()
    found = [body for network_id, body in bodies if network_id.endswith(resource.lower())]
    if found:
        return dict(found[0]["properties"])
    message = f"The resource '{resource}' is not defined in the template."
    raise ApiError(400, "InvalidTemplate", message)


def _find(call: Call) -> Deployment:
    group = call.cloud.resource_group(call.names["rg"])["name"].lower()
    name = call.names["deployment"]
    try:
        return call.cloud.other.deployments[group, name.lower()]
    except KeyError:
        message = f"Deployment '{name}' could not be found."
        raise ApiError(404, "DeploymentNotFound", message) from None


def _id(deployment: Deployment) -> str:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{deployment.group}"
    return f"{group}/providers/Microsoft.Resources/deployments/{deployment.name}"


def _body(deployment: Deployment) -> Json:
    properties: Json = {
        "mode": deployment.mode,
        "parameters": deployment.parameters,
        "provisioningState": deployment.state,
        "timestamp": deployment.started,
        "correlationId": deployment.id,
        "outputResources": [{"id": resource_id} for resource_id in deployment.resource_ids],
    }
    if error := _error(deployment):
        properties["error"] = error
    elif deployment.state == "Succeeded" and deployment.resource_ids:
        properties["outputs"] = deployment.outputs()
    return {
        "id": _id(deployment),
        "name": deployment.name,
        "type": "Microsoft.Resources/deployments",
        "properties": properties,
    }


def _error(deployment: Deployment) -> Json | None:
    """Return the error of a deployment or of its first failed operation, or `None`."""
    if deployment.error:
        return deployment.error
    failed = [part.error for part in deployment.parts if part.error]
    return _deployment_error(failed[0]) if failed else None


def _deployment_error(cause: Json) -> Json:
    message = (
        "At least one resource deployment operation failed. Please list deployment operations for "
        "details. Please see https://aka.ms/arm-deployment-operations for usage details."
    )
    return {"code": "DeploymentFailed", "message": message, "details": [cause]}
