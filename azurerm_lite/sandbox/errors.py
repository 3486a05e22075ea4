"""Azure's error responses, with their statuses, codes and messages."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error response of the resource manager or of a resource provider."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = headers or {}
        self.error: dict[str, Any] = {"code": code, "message": message}
        if target:
            self.error["target"] = target


# The request as a whole


def missing_api_version() -> ApiError:
    """Return the error for a query without an api-version."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return ApiError(400, "MissingApiVersionParameter", message)


def invalid_api_version(value: str) -> ApiError:
    """Return the error for an api-version that is not a date."""
    return ApiError(400, "InvalidApiVersionParameter", f"The api-version '{value}' is invalid.")


def provider_not_found(location: str, version: str, kind: str, known: list[str]) -> ApiError:
    """Return the error for an api-version or a region that a resource provider does not have."""
    message = (
        f"No registered resource provider found for location '{location}' and API version "
        f"'{version}' for type '{kind}'. The supported api-versions are '{', '.join(known)}'."
    )
    return ApiError(400, "NoRegisteredProviderFound", message)


def unauthorized(code: str, message: str) -> ApiError:
    """Return the error for a missing or invalid token."""
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return ApiError(401, code, message, headers={"WWW-Authenticate": challenge})


def invalid_parameter(message: str, target: str | None = None) -> ApiError:
    """Return the error for a parameter, or a part of the body, that Azure does not accept."""
    return ApiError(400, "InvalidParameter", message, target=target)


def invalid_request_content(message: str) -> ApiError:
    """Return the error for a body that is not the expected JSON."""
    return ApiError(400, "InvalidRequestContent", f"The request content was invalid: {message}")


def unknown_member(name: str, parent: str, path: str) -> ApiError:
    """Return the error for a member of a body that Azure does not know.

    Args:
        name: The member.
        parent: The member that contains it; empty for the whole body, which the resource manager
            itself checks.
        path: The path of that member.
    """
    if not parent:
        message = f"Could not find member '{name}' on object of type 'ResourceDefinition'."
        return invalid_request_content(f"{message} Path '{name}'.")
    kind = parent[0].upper() + parent[1:]
    whole = f"{path}.{name}"
    message = f"Could not find member '{name}' on object of type '{kind}'. Path '{whole}'."
    return ApiError(400, "BadRequest", message, target=f"vmss.{whole}")


def location_required() -> ApiError:
    """Return the error for a new resource without a region."""
    message = "The location property is required for this definition."
    return ApiError(400, "LocationRequired", message)


def location_not_available(
    location: str, kind: str = "Microsoft.Compute/virtualMachineScaleSets"
) -> ApiError:
    """Return the error for a new resource in a region that does not exist."""
    message = f"The provided location '{location}' is not available for resource type '{kind}'."
    return ApiError(400, "LocationNotAvailableForResourceType", message)


# What does not exist


def subscription_not_found(subscription_id: str) -> ApiError:
    """Return the error for a subscription other than the sandbox's own."""
    message = f"The subscription '{subscription_id}' could not be found."
    return ApiError(404, "SubscriptionNotFound", message)


def resource_group_not_found(name: str) -> ApiError:
    """Return the error for a resource group that does not exist."""
    return ApiError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def resource_not_found(kind: str, name: str, group: str) -> ApiError:
    """Return the error for a resource that does not exist."""
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return ApiError(404, "ResourceNotFound", message)


def entity_not_found() -> ApiError:
    """Return the error for an instance, a rolling upgrade or an operation that does not exist."""
    return ApiError(404, "NotFound", "The entity was not found in this Azure location.")


def path_not_implemented(path: str) -> ApiError:
    """Return the error for a path that the sandbox does not implement."""
    return ApiError(404, "InvalidResourceType", f"The sandbox does not implement '{path}'.")


def platform_image_not_found(image: str) -> ApiError:
    """Return the error for a platform image that does not exist."""
    message = (
        f"The platform image '{image}' is not available. Verify that all fields in the storage "
        "profile are correct. For more details about storage profile information, please refer to "
        "https://aka.ms/storageprofile"
    )
    return ApiError(404, "PlatformImageNotFound", message, target="imageReference")


def image_not_found(image_id: str, location: str) -> ApiError:
    """Return the error for a managed image that does not exist."""
    message = f"The Image '{image_id}' cannot be found in '{location}' region."
    return ApiError(404, "NotFound", message)


# Conflicts


def operation_not_allowed(message: str, target: str | None = None) -> ApiError:
    """Return the error for a request that the scale set's state forbids; a retry does not help."""
    return ApiError(409, "OperationNotAllowed", message, target=target)


def concurrent_request_conflict(name: str) -> ApiError:
    """Return the error for a write while another write is in progress."""
    message = (
        "The request failed due to conflict with a concurrent request. "
        f"Scale set '{name}' is being changed."
    )
    return ApiError(409, "Conflict", message)


def operation_preempted() -> dict[str, Any]:
    """Return the error of an operation that a newer operation ended."""
    message = "Operation execution has been preempted by a more recent operation."
    return {"code": "OperationPreempted", "message": message}


def resource_group_being_deleted(name: str) -> ApiError:
    """Return the error for a write in a resource group that is being deleted."""
    message = (
        f"The resource group '{name}' is in deprovisioning state and cannot perform this operation."
    )
    return ApiError(409, "ResourceGroupBeingDeleted", message)


def property_change_not_allowed(name: str) -> ApiError:
    """Return the error for a change of a property that is fixed at creation."""
    message = f"Changing property '{name}' is not allowed."
    return ApiError(409, "PropertyChangeNotAllowed", message, target=name)


def invalid_resource_location(name: str, group: str, current: str, requested: str) -> ApiError:
    """Return the error for a PUT that would move a resource to another region."""
    message = (
        f"The resource '{name}' already exists in location '{current}' in resource group "
        f"'{group}'. A resource with the same name cannot be created in location '{requested}'. "
        "Please select a new resource name."
    )
    return ApiError(409, "InvalidResourceLocation", message)


def etag_mismatch(given: str, current: str) -> ApiError:
    """Return the error for an If-Match that does not match."""
    message = f"Etag provided in if-match header {given} does not match etag {current} of resource."
    return ApiError(412, "PreconditionFailed", message)


def resource_exists() -> ApiError:
    """Return the error for an If-None-Match on a resource that exists."""
    return ApiError(412, "PreconditionFailed", "The resource exists already.")


def quota_exceeded(location: str, current: int, required: int) -> ApiError:
    """Return the error for a scale-out beyond the cores of the subscription.

    Reported: microsoft/onefuzz#605.
    """
    message = (
        "Operation could not be completed as it results in exceeding approved Total Regional Cores"
        f" quota. Additional details - Deployment Model: Resource Manager, Location: {location},"
        f" Current Limit: {current}, Current Usage: {current}, Additional Required: {required},"
        f" (Minimum) New Limit Required: {current + required}."
    )
    return operation_not_allowed(message)


def subnet_is_full(required: int) -> ApiError:
    """Return the error for a scale-out beyond the addresses of the subnet.

    Reported: Azure/AKS#2531, MicrosoftDocs/azure-docs#88211.
    """
    message = (
        "Subnet default with address prefix 10.0.0.0/27 does not have enough capacity for"
        f" {required} IP addresses."
    )
    return ApiError(400, "SubnetIsFull", message)


def allocation_failed() -> ApiError:
    """Return the error for a scale-out if the region has no capacity at the moment."""
    message = (
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this"
        " region."
    )
    return ApiError(409, "AllocationFailed", message)


# Instances


def operation_not_allowed_on_flexible(operation: str, name: str) -> ApiError:
    """Return the error for an operation that only Uniform scale sets support."""
    message = (
        f"Operation 'VirtualMachineScaleSets.{operation}' is not allowed on "
        f"Virtual Machine Scale Set '{name}'."
    )
    return ApiError(400, "BadRequest", message)


def instance_id_not_a_number() -> ApiError:
    """Return the error for an instance name if Azure requires a number."""
    message = "Virtual Machine Scale Set VM instanceId must be a number."
    return invalid_parameter(message, "instanceId")


def instance_not_active(instance_id: str) -> ApiError:
    """Return the error for a list of ids with an id that the scale set does not have."""
    message = (
        f"The provided instanceId {instance_id} is not an active Virtual Machine Scale Set VM "
        "instanceId."
    )
    return invalid_parameter(message, "instanceIds")


def invalid_instance_id(instance_id: str) -> ApiError:
    """Return the error for a list of ids with an id that is neither a number nor `*`."""
    message = (
        f"The provided instanceId {instance_id} is invalid. It must be a non-negative integer or "
        'the character "*".'
    )
    return invalid_parameter(message, "instanceIds")
