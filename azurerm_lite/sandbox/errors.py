"""How the sandbox says no: Azure's statuses, codes and messages, each written once."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is no success."""

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
        self.headers = headers or {}
        self.error: dict[str, Any] = {"code": code, "message": message}
        if target:
            self.error["target"] = target


def missing_api_version() -> Refusal:
    """No api-version in the query."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return Refusal(400, "MissingApiVersionParameter", message)


def bad_api_version(value: str) -> Refusal:
    """An api-version that is none."""
    return Refusal(400, "InvalidApiVersionParameter", f"The api-version '{value}' is invalid.")


def no_provider(location: str, version: str, kind: str, known: list[str]) -> Refusal:
    """An api-version that the provider of a resource does not know, or a region where there is none."""
    message = (
        f"No registered resource provider found for location '{location}' and API version '{version}' for type "
        f"'{kind}'. The supported api-versions are '{', '.join(known)}'."
    )
    return Refusal(400, "NoRegisteredProviderFound", message)


def no_location(location: str) -> Refusal:
    """A region that there is not, in a resource to be made."""
    message = (
        f"The provided location '{location}' is not available for resource type "
        "'Microsoft.Compute/virtualMachineScaleSets'."
    )
    return Refusal(400, "LocationNotAvailableForResourceType", message)


def bad_parameter(message: str, target: str | None = None) -> Refusal:
    """A parameter or a part of the body that Azure does not take."""
    return Refusal(400, "InvalidParameter", message, target=target)


def bad_body(message: str) -> Refusal:
    """A body that is no JSON object."""
    return Refusal(400, "InvalidRequestContent", f"The request content was invalid: {message}")


def unauthorized(code: str, message: str) -> Refusal:
    """No token, or one that is no good."""
    challenge = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{message}"'}
    return Refusal(401, code, message, headers=challenge)


def no_subscription(subscription_id: str) -> Refusal:
    """A subscription that the sandbox does not have."""
    return Refusal(
        404, "SubscriptionNotFound", f"The subscription '{subscription_id}' could not be found."
    )


def no_group(name: str) -> Refusal:
    """A resource group that is not there."""
    return Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def no_resource(kind: str, name: str, group: str) -> Refusal:
    """A resource that is not there."""
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return Refusal(404, "ResourceNotFound", message)


def no_entity() -> Refusal:
    """An instance, a rolling upgrade or an operation that is not there."""
    return Refusal(404, "NotFound", "The entity was not found in this Azure location.")


def no_path(path: str) -> Refusal:
    """A path that the sandbox does not play."""
    return Refusal(404, "InvalidResourceType", f"The sandbox has nothing at '{path}'.")


def no_platform_image(image: str) -> Refusal:
    """A platform image that is gone, or never was."""
    message = (
        f"The platform image '{image}' is not available. Verify that all fields in the storage profile are correct. "
        "For more details about storage profile information, please refer to https://aka.ms/storageprofile"
    )
    return Refusal(404, "PlatformImageNotFound", message, target="imageReference")


def no_image(image_id: str, location: str) -> Refusal:
    """A managed image that is not there."""
    return Refusal(
        404, "NotFound", f"The Image '{image_id}' cannot be found in '{location}' region."
    )


def not_allowed(message: str, target: str | None = None) -> Refusal:
    """What the scale set does not allow as it is; waiting does not help."""
    return Refusal(409, "OperationNotAllowed", message, target=target)


def concurrent(name: str) -> Refusal:
    """A write while another one is under way."""
    message = f"The request failed due to conflict with a concurrent request. Scale set '{name}' is being changed."
    return Refusal(409, "Conflict", message)


def deleting_group(name: str) -> Refusal:
    """A write in a resource group that is about to go."""
    message = (
        f"The resource group '{name}' is in deprovisioning state and cannot perform this operation."
    )
    return Refusal(409, "ResourceGroupBeingDeleted", message)


def fixed(name: str) -> Refusal:
    """A property that was decided at creation."""
    return Refusal(
        409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", target=name
    )


def elsewhere(name: str, group: str, there: str, wanted: str) -> Refusal:
    """A PUT that would move a resource."""
    message = (
        f"The resource '{name}' already exists in location '{there}' in resource group '{group}'. "
        f"A resource with the same name cannot be created in location '{wanted}'. Please select a new resource name."
    )
    return Refusal(409, "InvalidResourceLocation", message)


def not_for_flexible(operation: str, name: str) -> Refusal:
    """What Azure does with Uniform sets alone."""
    message = f"Operation 'VirtualMachineScaleSets.{operation}' is not allowed on Virtual Machine Scale Set '{name}'."
    return Refusal(400, "BadRequest", message)


def no_number() -> Refusal:
    """The id of an instance of a Flexible set, where Azure wants a number."""
    return bad_parameter("Virtual Machine Scale Set VM instanceId must be a number.", "instanceId")


def wrong_etag(given: str, current: str) -> Refusal:
    """An If-Match that does not match."""
    message = f"Etag provided in if-match header {given} does not match etag {current} of resource."
    return Refusal(412, "PreconditionFailed", message)


def not_active(instance_id: str) -> Refusal:
    """An instance id, in a list of ids, that the set does not have."""
    message = f"The provided instanceId {instance_id} is not an active Virtual Machine Scale Set VM instanceId."
    return bad_parameter(message, "instanceIds")


def bad_instance_id(instance_id: str) -> Refusal:
    """An instance id that cannot be one."""
    message = f"The provided instanceId {instance_id} is invalid. It must be a non-negative integer or the character "
    return bad_parameter(message + '"*".', "instanceIds")
