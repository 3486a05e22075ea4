"""Scale sets and their instances: one function for each Azure operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from requests import Response

from . import _flexible, _run_command, _shapes, rest, settings
from ._arguments import check_json, check_text, check_whole_number
from ._flexible import SetPath
from ._ids import check_version
from .errors import AzureError
from .instances import parse_instance_id, parse_instance_ids
from .operations import wait
from .types import (
    CommandOutput,
    Instance,
    InstanceIds,
    InstanceView,
    RollingUpgrade,
    ScaleSet,
    ScaleSetInstanceView,
    Token,
)

_PROVIDER = "/providers/Microsoft.Compute/virtualMachineScaleSets"
_GROUP = "/subscriptions/{subscription_id}/resourceGroups/{resource_group}" + _PROVIDER
_VMSS = _GROUP + "/{vmss_name}"
_VM = _VMSS + "/virtualMachines/{instance_id}"


def list_vmss(access_token: Token, subscription_id: str, resource_group: str) -> list[ScaleSet]:
    """Return the scale sets of a resource group.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.

    Returns:
        A list of scale sets, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - List.
    """
    names = {"subscription_id": subscription_id, "resource_group": resource_group}
    return rest.get_objects(access_token, _url(_GROUP, names), _shapes.SCALE_SET)


def list_vmss_sub(access_token: Token, subscription_id: str) -> list[ScaleSet]:
    """Return the scale sets of a subscription.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.

    Returns:
        A list of scale sets, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - List All.
    """
    path = "/subscriptions/{subscription_id}" + _PROVIDER
    url = _url(path, {"subscription_id": subscription_id})
    return rest.get_objects(access_token, url, _shapes.SCALE_SET)


def get_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> ScaleSet:
    """Return a scale set's model.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A dict: the model. It never contains secrets such as passwords.

    Raises:
        NotFound: The scale set does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Get.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name)
    model: ScaleSet = rest.get_object(access_token, url, _shapes.SCALE_SET)
    return model


def put_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    vmss_body: Mapping[str, Any],
    *,
    if_match: str | None = None,
    auxiliary_tokens: Sequence[Token] = (),
) -> Response:
    """Create a scale set, or replace its model.

    In upgrade mode Manual, no instance changes.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        vmss_body: The whole model, such as `set_image` returns. Its `etag` and `provisioningState`
            are not sent.
        if_match: The etag that the scale set must still have; `None` for the one in `vmss_body`, if
            it has one; `"*"` for any, which overwrites changes made in the meantime.
        auxiliary_tokens: At most three tokens of other tenants. Azure requires one if the image
            belongs to another tenant. They are sent, but never logged or stored.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `vmss_body` is not a dict of JSON, `if_match` is not a string, or
            `auxiliary_tokens` is not a list of tokens; nothing was sent.
        PreconditionFailed: The scale set has changed since it was read; nothing was
            overwritten.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Create Or Update.
    """
    body = _without_read_only(vmss_body)
    etag = (vmss_body.get("etag") or None) if if_match is None else if_match
    return rest.send(
        access_token,
        "PUT",
        _vmss_url(subscription_id, resource_group, vmss_name),
        body,
        _if_match(etag),
        auxiliary_tokens=auxiliary_tokens,
    )


def patch_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    vmss_body: Mapping[str, Any],
    *,
    if_match: str | None = None,
    auxiliary_tokens: Sequence[Token] = (),
) -> Response:
    """Change parts of a scale set's model.

    Do not use it for images: Azure does not merge inside `storageProfile`, so a patch with only the
    image drops data disks. Send the whole model with `put_vmss` instead.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        vmss_body: The changes, as a JSON merge patch.
        if_match: The etag that the scale set must still have; `None` for any.
        auxiliary_tokens: At most three tokens of other tenants. Azure requires one if the image
            belongs to another tenant. They are sent, but never logged or stored.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `vmss_body` is not a dict of JSON, `if_match` is not a string, or
            `auxiliary_tokens` is not a list of tokens; nothing was sent.
        PreconditionFailed: The scale set has changed since it was read; nothing was changed.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Update.
    """
    return rest.send(
        access_token,
        "PATCH",
        _vmss_url(subscription_id, resource_group, vmss_name),
        _without_read_only(vmss_body),
        _if_match(if_match),
        auxiliary_tokens=auxiliary_tokens,
    )


def delete_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Delete a scale set with all its instances.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Delete.
    """
    return rest.send(access_token, "DELETE", _vmss_url(subscription_id, resource_group, vmss_name))


def scale_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, capacity: int
) -> Response:
    """Set the number of instances of a scale set.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        capacity: The new number of instances, 0 or more.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `capacity` is not a whole number of 0 or more; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Update.
    """
    check_whole_number("capacity", capacity, 0)
    return patch_vmss(
        access_token, subscription_id, resource_group, vmss_name, {"sku": {"capacity": capacity}}
    )


def get_vmss_instance_view(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> ScaleSetInstanceView:
    """Return a scale set's instance view: its instances counted by status.

    The call is expensive (rate-limited): do not poll it.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A dict: `{"virtualMachine": {"statusesSummary": [{"code", "count"}]}, "statuses",
        "extensions", …}`.

    Raises:
        NotFound: The scale set does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Get Instance View.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/instanceView")
    try:
        view: ScaleSetInstanceView = rest.get_object(access_token, url, _shapes.SCALE_SET_VIEW)
    except AzureError as error:
        raise _flexible.with_alternative(error, "get_instance_views()") from None
    return view


def list_vmss_skus(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[dict[str, Any]]:
    """Return the VM sizes that a scale set can change to.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of SKUs with the capacity that each allows, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - List Skus.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/skus")
    return rest.get_objects(access_token, url, _shapes.RESOURCE)


def get_vmss_nics(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[dict[str, Any]]:
    """Return the network interfaces of a scale set's instances.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of network interfaces, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Network Interfaces - List Virtual Machine Scale Set Network Interfaces.
    """
    url = _vmss_url(
        subscription_id, resource_group, vmss_name, "/networkInterfaces", settings.NETWORK_API
    )
    return rest.get_objects(access_token, url, _shapes.RESOURCE)


def get_vmss_public_ips(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[dict[str, Any]]:
    """Return the public IP addresses of a scale set's instances.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of public IP addresses, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Public IP Addresses - List Virtual Machine Scale Set Public IP Addresses.
    """
    url = _vmss_url(
        subscription_id, resource_group, vmss_name, "/publicipaddresses", settings.NETWORK_API
    )
    return rest.get_objects(access_token, url, _shapes.RESOURCE)


def start_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
) -> Response:
    """Start instances.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Start.
    """
    path = SetPath(subscription_id, resource_group, vmss_name)
    return _act_on_instances(access_token, path, "/start", instance_ids)


def restart_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
) -> Response:
    """Restart instances.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Restart.
    """
    path = SetPath(subscription_id, resource_group, vmss_name)
    return _act_on_instances(access_token, path, "/restart", instance_ids)


def poweroff_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
) -> Response:
    """Power off instances; they stay allocated and are still billed.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Power Off.
    """
    path = SetPath(subscription_id, resource_group, vmss_name)
    return _act_on_instances(access_token, path, "/poweroff", instance_ids)


def stopdealloc_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
) -> Response:
    """Power off and deallocate instances, which are then not billed.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Deallocate.
    """
    return _act(
        access_token,
        _vmss_url(subscription_id, resource_group, vmss_name, "/deallocate"),
        instance_ids,
    )


def reimage_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
    *,
    exact_version: str | None = None,
    force_update_os_disk_for_ephemeral: bool = False,
) -> Response:
    """Reimage instances: reinstall the image of the model that they have; this does not upgrade.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.
        exact_version: The image version to install, such as `22.04.202411010`; `None` to let Azure
            choose.
        force_update_os_disk_for_ephemeral: Whether an ephemeral OS disk is moved to another version
            of its image; if not, only its content is reset.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id, or `exact_version` is not a
            version; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Reimage.
    """
    options: dict[str, Any] = {}
    if exact_version is not None:
        check_version("exact_version", exact_version)
        options["exactVersion"] = exact_version
    if force_update_os_disk_for_ephemeral:
        options["forceUpdateOSDiskForEphemeral"] = True
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/reimage")
    return _act(access_token, url, instance_ids, options)


def redeploy_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds | None = None,
) -> Response:
    """Redeploy instances: move them to other host machines.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers); `None` for the whole
            set.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id, or they are several members
            of a Flexible set, which Azure redeploys one at a time; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Redeploy.
    """
    path = SetPath(subscription_id, resource_group, vmss_name)
    ids = None if instance_ids is None else parse_instance_ids(instance_ids)
    if ids and len(ids) > 1 and any(_flexible.is_member_name(name) for name in ids):
        raise ValueError(
            "instance_ids: Azure redeploys members of a Flexible set one at a time: call"
            f" redeploy_vmss for each of {', '.join(ids)}"
        )
    return _act_on_instances(access_token, path, "/redeploy", ids)


def run_command(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
    script: str,
    *,
    parameters: Mapping[str, str] | None = None,
    command_id: str = "RunShellScript",
    timeout: float | None = None,
) -> CommandOutput:
    """Run a script on one instance, and wait until it ends.

    Azure runs it as root (Linux) or as System (Windows), one script at a time, for at most 90
    minutes. The instance needs the VM agent. Azure does not return the exit code, and the operation
    succeeds even if the script fails: let the script print what you need to know.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_id: Instance id, as a string or a whole number.
        script: Text of the script.
        parameters: Parameters of the script, `{name: value}`, strings. They are never logged.
        command_id: `RunShellScript`, or `RunPowerShellScript` for Windows.
        timeout: Seconds to wait at most; `None` for two hours.

    Returns:
        A tuple `(stdout, stderr)` of strings.

    Raises:
        ValueError: An argument is malformed; nothing was sent.
        NotFound: The instance does not exist.
        OperationFailed: Azure could not run the script, with its code and message.
        OperationTimeout: The timeout passed; the script continues to run.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - Run Command; Virtual Machines - Run Command.
    """
    _run_command.check(script, parameters, command_id)
    path = SetPath(subscription_id, resource_group, vmss_name)
    response = _run_command.start(access_token, path, instance_id, script, parameters, command_id)
    return _run_command.read_output(wait(access_token, response, timeout=timeout))


def get_instance_views(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[Instance]:
    """Return every instance of a scale set with its instance view.

    The members of a Flexible set are read from the list of virtual machines, and have the same
    shape. Azure does not report whether they have the current model: `latestModelApplied` is
    derived, and missing if it cannot be derived.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of instances, all pages. `properties.latestModelApplied` is whether the instance has
        the current model, `properties.instanceView` its state.

    Raises:
        NotFound: The scale set does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - List.
    """
    url = _vmss_url(
        subscription_id, resource_group, vmss_name, "/virtualMachines", expand="instanceView"
    )
    path = SetPath(subscription_id, resource_group, vmss_name)
    try:
        return rest.get_objects(access_token, url, _shapes.INSTANCE)
    except AzureError as error:
        return _flexible.read_instances_unless_uniform(access_token, path, error)


def list_vmss_vms(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[Instance]:
    """Return every instance of a scale set, without the instance views.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of instances, all pages.

    Raises:
        NotFound: The scale set does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - List.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/virtualMachines")
    return rest.get_objects(access_token, url, _shapes.INSTANCE)


def get_vmss_vm(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Instance:
    """Return one instance with its instance view.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_id: Instance id, as a string or a whole number.

    Returns:
        A dict: the instance.

    Raises:
        ValueError: `instance_id` is not an id; nothing was sent.
        NotFound: The instance does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - Get.
    """
    name = parse_instance_id(instance_id)
    if _flexible.is_member_name(name):
        path = SetPath(subscription_id, resource_group, vmss_name)
        return _flexible.read_member(access_token, path, name)
    url = _vm_url(subscription_id, resource_group, vmss_name, name, expand="instanceView")
    instance: Instance = rest.get_object(access_token, url, _shapes.INSTANCE)
    return instance


def get_vmss_vm_instance_view(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> InstanceView:
    """Return the instance view of one instance.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_id: Instance id, as a string or a whole number.

    Returns:
        A dict: only the instance view, which does not show whether the instance has the latest
        model.

    Raises:
        ValueError: `instance_id` is not an id; nothing was sent.
        NotFound: The instance does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - Get Instance View.
    """
    name = parse_instance_id(instance_id)
    path = SetPath(subscription_id, resource_group, vmss_name)
    if _flexible.is_member_name(name):
        url = _flexible.machine_url(path, name, "/instanceView")
    else:
        url = _vm_url(subscription_id, resource_group, vmss_name, name, "/instanceView")
    view: InstanceView = rest.get_object(access_token, url, _shapes.INSTANCE_VIEW)
    return view


def delete_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds,
) -> Response:
    """Delete instances, which also reduces the capacity of the set.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers), or `"*"` for all.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Delete Instances.
    """
    return _act(
        access_token,
        _vmss_url(subscription_id, resource_group, vmss_name, "/delete"),
        parse_instance_ids(instance_ids),
    )


def manual_upgrade(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: InstanceIds,
) -> Response:
    """Upgrade instances to the scale set's current model, all of them at the same time.

    Azure skips instances that already have the current model. `rollout` does this domain by domain,
    with checks.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_ids: One instance id or several (strings or whole numbers), or `"*"` for all.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_ids` is empty or contains an invalid id; nothing was sent.
        AzureError: Azure returned an error, with its code and message. It rejects the whole request
            if one instance no longer exists.

    Azure: Virtual Machine Scale Sets - Update Instances.
    """
    return _act(
        access_token,
        _vmss_url(subscription_id, resource_group, vmss_name, "/manualupgrade"),
        parse_instance_ids(instance_ids),
    )


def protect_vmss_vm(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
    *,
    from_scale_in: bool | None = None,
    from_scale_set_actions: bool | None = None,
) -> Response:
    """Protect an instance from actions of its scale set, or remove the protection.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        instance_id: Instance id, as a string or a whole number.
        from_scale_in: Whether scaling in must not delete it; `None` to omit this option.
        from_scale_set_actions: Whether actions on the whole set, including upgrades and scaling in,
            skip it; `None` to omit this option.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        ValueError: `instance_id` is not an id, both options are `None`, one is not a bool, or
            `from_scale_set_actions=True` is combined with `from_scale_in=False`; nothing was sent.
        NotFound: The instance does not exist.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set VMs - Update.
    """
    options = {
        "protectFromScaleIn": from_scale_in,
        "protectFromScaleSetActions": from_scale_set_actions,
    }
    policy = {name: value for name, value in options.items() if value is not None}
    are_bools = all(isinstance(value, bool) for value in policy.values())
    is_contradiction = from_scale_set_actions and from_scale_in is False
    if not policy or not are_bools or is_contradiction:
        raise ValueError(
            f"from_scale_in={from_scale_in!r} and from_scale_set_actions={from_scale_set_actions!r}"
            " is not a valid combination: pass True or False for at least one; protection from"
            " actions includes protection from scaling in"
        )
    # Only the policy: a PUT of the whole instance is reported to detach it from the set's model.
    body = {"properties": {"protectionPolicy": policy}}
    return rest.send(
        access_token, "PUT", _vm_url(subscription_id, resource_group, vmss_name, instance_id), body
    )


def start_os_upgrade(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Start Azure's rolling upgrade of all instances to the newest platform image.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.
        Its success does not mean that the instances are upgraded: check `get_rolling_upgrade`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Start OS Upgrade.
    """
    return _act(
        access_token, _vmss_url(subscription_id, resource_group, vmss_name, "/osRollingUpgrade")
    )


def start_extension_upgrade(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Start Azure's rolling upgrade of all instances to the newest extensions.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.
        Its success does not mean that the instances are upgraded: check `get_rolling_upgrade`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Start Extension Upgrade.
    """
    return _act(
        access_token,
        _vmss_url(subscription_id, resource_group, vmss_name, "/extensionRollingUpgrade"),
    )


def get_rolling_upgrade(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> RollingUpgrade:
    """Return the latest rolling upgrade by Azure, running or finished.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A dict: `properties` with `policy`, `runningStatus`, `progress` and, after a failure,
        `error`.

    Raises:
        NotFound: The scale set has had no rolling upgrade.
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Get Latest.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/rollingUpgrades/latest")
    upgrade: RollingUpgrade = rest.get_object(access_token, url, _shapes.ROLLING_UPGRADE)
    return upgrade


def cancel_rolling_upgrade(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Cancel Azure's rolling upgrade; instances that are already upgraded stay upgraded.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A `requests.Response`, immediately; Azure continues the operation. Pass it to `wait`.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Cancel.
    """
    return _act(
        access_token,
        _vmss_url(subscription_id, resource_group, vmss_name, "/rollingUpgrades/cancel"),
    )


def get_os_upgrade_history(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> list[dict[str, Any]]:
    """Return the latest OS upgrades by Azure (at most five, of the last two months).

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.

    Returns:
        A list of upgrades, all pages.

    Raises:
        AzureError: Azure returned an error, with its code and message.

    Azure: Virtual Machine Scale Sets - Get OS Upgrade History.
    """
    url = _vmss_url(subscription_id, resource_group, vmss_name, "/osUpgradeHistory")
    return rest.get_objects(access_token, url, _shapes.RESOURCE)


def _url(
    path: str, names: Mapping[str, str], api_version: str | None = None, expand: str | None = None
) -> str:
    return rest.url(path, names, api_version or settings.COMPUTE_API, {"$expand": expand})


def _vmss_url(
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    tail: str = "",
    api_version: str | None = None,
    expand: str | None = None,
) -> str:
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "vmss_name": vmss_name,
    }
    return _url(_VMSS + tail, names, api_version, expand)


def _vm_url(
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
    tail: str = "",
    expand: str | None = None,
) -> str:
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "vmss_name": vmss_name,
    }
    return _url(_VM + tail, {**names, "instance_id": parse_instance_id(instance_id)}, None, expand)


def _act(
    access_token: Token,
    url: str,
    instance_ids: InstanceIds | None = None,
    options: Mapping[str, Any] | None = None,
) -> Response:
    """Send an action for these instances, or for the whole set if no ids are given."""
    body = dict(options or {})
    if instance_ids is not None:
        body["instanceIds"] = parse_instance_ids(instance_ids)
    return rest.send(access_token, "POST", url, body or None)


def _act_on_instances(
    access_token: Token, path: SetPath, action: str, instance_ids: InstanceIds | None
) -> Response:
    """Send an action to instances, which may be members of a Flexible set.

    Azure documents two calls for such members: a batch call to the set, and a call to the virtual
    machine. One member gets the machine's call, on which all of Azure's pages agree. Several
    members get the batch call, which needs one request.
    """
    ids = None if instance_ids is None else parse_instance_ids(instance_ids)
    if ids and len(ids) == 1 and _flexible.is_member_name(ids[0]):
        return _act(access_token, _flexible.machine_url(path, ids[0], action))
    return _act(access_token, _vmss_url(*path, action), ids)


def _if_match(etag: str | None) -> dict[str, str]:
    if etag is not None:
        check_text("if_match", etag)
    return {"If-Match": etag} if etag else {}


def _without_read_only(vmss_body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model without the members that only Azure sets."""
    if not isinstance(vmss_body, Mapping):
        raise ValueError(
            f"vmss_body must be a dict such as get_vmss returns, not {type(vmss_body).__name__}"
        )
    check_json("vmss_body", vmss_body)
    body = {key: value for key, value in vmss_body.items() if key != "etag"}
    if isinstance(body.get("properties"), Mapping):
        body["properties"] = {
            key: value for key, value in body["properties"].items() if key != "provisioningState"
        }
    return body
