"""The functions of azurerm 0.10.0, with its names and return types; as a program, run a script.

Functions that read return JSON, functions that write a `Response`, also for errors: see
`_returns_json` and `_returns_response`.
"""

from __future__ import annotations

import functools
import importlib
import json
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias

from requests import Response

from . import _azurerm_names
from . import auth as _auth
from . import images as _images
from . import rest as _rest
from . import settings as _settings
from . import vmss as _vmss
from .errors import AuthenticationFailed as _AuthenticationFailed
from .errors import AzureError as _AzureError
from .instances import parse_instance_id as _parse_instance_id
from .instances import parse_instance_ids as _parse_instance_ids
from .types import Token

__all__ = [
    "BASE_API",
    "COMP_API",
    "NETWORK_API",
    "RESOURCE_API",
    "create_resource_group",
    "create_vmss",
    "delete_resource_group",
    "delete_vmss",
    "delete_vmss_vms",
    "do_delete",
    "do_get",
    "do_get_next",
    "do_patch",
    "do_post",
    "do_put",
    "export_template",
    "get_access_token",
    "get_access_token_from_cli",
    "get_auth_endpoint",
    "get_compute_usage",
    "get_resource_endpoint",
    "get_resource_group",
    "get_resource_group_resources",
    "get_rm_endpoint",
    "get_subscription_from_cli",
    "get_user_agent",
    "get_vmss",
    "get_vmss_instance_view",
    "get_vmss_nics",
    "get_vmss_public_ips",
    "get_vmss_rolling_upgrades",
    "get_vmss_vm",
    "get_vmss_vm_instance_view",
    "get_vmss_vm_nics",
    "list_locations",
    "list_offers",
    "list_publishers",
    "list_resource_groups",
    "list_sku_versions",
    "list_skus",
    "list_subscriptions",
    "list_tenants",
    "list_vm_images_sub",
    "list_vmss",
    "list_vmss_skus",
    "list_vmss_sub",
    "list_vmss_vm_instance_view",
    "list_vmss_vm_instance_view_pg",
    "list_vmss_vms",
    "poweroff_vmss",
    "poweroff_vmss_vms",
    "put_vmss",
    "put_vmss_vm",
    "reimage_vmss_vms",
    "restart_vmss",
    "restart_vmss_vms",
    "scale_vmss",
    "start_vmss",
    "start_vmss_vms",
    "stopdealloc_vmss",
    "stopdealloc_vmss_vms",
    "update_vmss",
    "upgrade_vmss_vms",
]

_P = ParamSpec("_P")
Ids: TypeAlias = "str | Iterable[str | int]"
"""Instance ids: JSON text such as `'["1", "2"]'`, as in azurerm, or a list."""
Body: TypeAlias = "str | bytes | Mapping[str, Any] | None"
"""A body: JSON text, as in azurerm, or a dict; `""` and `None` for none."""

# The API versions of azurerm 0.10.0. Newer ones return other shapes, and export templates in the
# background.
BASE_API = "2016-06-01"
RESOURCE_API = "2017-05-10"
# Newer versions than azurerm's: their responses only have additional members.
COMP_API = _settings.COMPUTE_API
NETWORK_API = _settings.NETWORK_API

_SUBSCRIPTION = "/subscriptions/{subscription_id}"
_GROUP = _SUBSCRIPTION + "/resourceGroups/{resource_group}"
_VM = _GROUP + "/providers/Microsoft.Compute/virtualMachineScaleSets/{vmss_name}/virtualMachines"


def __getattr__(name: str) -> Any:
    """Return one of azurerm's modules; raise for other names, with their purpose in azurerm."""
    if name in _azurerm_names.MODULES:
        return importlib.import_module("azurerm_lite.compat")
    if name in _azurerm_names.NOT_SUPPORTED:
        purpose = _azurerm_names.NOT_SUPPORTED[name]
        raise AttributeError(
            f"azurerm-lite does not have azurerm's {name!r}: it supports scale sets, not {purpose}"
        )
    raise AttributeError(f"neither azurerm_lite.compat nor azurerm 0.10.0 has {name!r}")


# How azurerm differs


def _returns_json(function: Callable[_P, Any]) -> Callable[_P, Any]:
    """Make a function return JSON, also the JSON of an error response."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        try:
            return function(*args, **kwargs)
        except _AzureError as error:
            if error.response is None:
                raise
            try:
                return json.loads(error.response.content)
            except ValueError:
                raise error from None

    return wrapped


def _returns_response(function: Callable[_P, Response]) -> Callable[_P, Response]:
    """Make a function return Azure's response, also an error response."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        try:
            return function(*args, **kwargs)
        except _AzureError as error:
            if error.response is None:
                raise
            return error.response

    return wrapped


def _returns_none_without_cli(function: Callable[_P, str]) -> Callable[_P, str | None]:
    """Make a function print an error of the Azure CLI and return `None`."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> str | None:
        try:
            return function(*args, **kwargs)
        except _AuthenticationFailed as error:
            print(f"Error from {function.__name__}(): {error}")
            return None

    return wrapped


def _url(path: str, api_version: str, /, **names: str) -> str:
    return _rest.url(path, names, api_version)


def _vm_url(
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
    tail: str = "",
) -> str:
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "vmss_name": vmss_name,
        "instance_id": _parse_instance_id(instance_id),
    }
    api_version = _settings.NETWORK_API if tail else _settings.COMPUTE_API
    return _rest.url(_VM + "/{instance_id}" + tail, names, api_version)


def _parse_json(argument: str, value: Any) -> Any:
    """Return parsed JSON text; return other values unchanged.

    The error does not show the value, which may contain a password.
    """
    if not isinstance(value, str | bytes):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"{argument} must be JSON text or a Python value: {error}") from None


def _parse_ids(instance_ids: Ids, argument: str = "instance_ids") -> list[str]:
    """Return ids for the new functions, where `None` would mean the whole set."""
    return _parse_instance_ids(_parse_json(argument, instance_ids), argument)


def _parse_model(vmss_body: Body, argument: str) -> dict[str, Any]:
    """Return a model without its etag: with azurerm, scripts can put a model more than once."""
    body = _parse_json(argument, vmss_body)
    return {**body, "etag": None} if isinstance(body, Mapping) else body


def _send(access_token: Token, method: str, endpoint: str, body: Body) -> Response:
    parsed = None if body in (None, "", b"") else _parse_json("body", body)
    return _rest.send(access_token, method, endpoint, parsed)


# Tokens and endpoints


def get_access_token(tenant_id: str, application_id: str, application_secret: str) -> str:
    """Return a token for a service principal. New: `get_access_token` or `token_provider`."""
    return _auth.get_access_token(tenant_id, application_id, application_secret)


@_returns_none_without_cli
def get_access_token_from_cli() -> str:
    """Return a token from the Azure CLI, or `None`. New: `get_access_token_from_cli`."""
    return _auth.get_access_token_from_cli()


@_returns_none_without_cli
def get_subscription_from_cli(name: str | None = None) -> str:
    """Return a subscription id from the Azure CLI, or `None`. New: `get_subscription_from_cli`."""
    return _auth.get_subscription_from_cli(name)


def get_rm_endpoint() -> str:
    """Return the Resource Manager URL, without a slash at the end. New: `settings.cloud`."""
    return _settings.cloud().resource_manager


def get_auth_endpoint() -> str:
    """Return the sign-in URL, with a slash at the end. New: `settings.cloud`."""
    return _settings.cloud().authority + "/"


def get_resource_endpoint() -> str:
    """Return the audience of tokens. New: `settings.cloud`."""
    return _settings.cloud().resource


def get_user_agent() -> str:
    """Return the User-Agent header. New: `rest.session.headers`."""
    return str(_rest.session.headers["User-Agent"])


# HTTP


@_returns_json
def do_get(endpoint: str, access_token: Token) -> Any:
    """Return the JSON at a Resource Manager URL. New: `rest.get`."""
    return _rest.get(access_token, endpoint)


@_returns_json
def do_get_next(endpoint: str, access_token: Token) -> Any:
    """Return a list, all pages, as `{"value": […]}`, or other JSON. New: `rest.get_list`."""
    page = _rest.get(access_token, endpoint)
    if not isinstance(page, dict) or "value" not in page:
        return page
    link = page.get("nextLink")
    return {"value": page["value"] + (_rest.get_list(access_token, link) if link else [])}


@_returns_response
def do_delete(endpoint: str, access_token: Token) -> Response:
    """Send a DELETE. New: `rest.send`."""
    return _rest.send(access_token, "DELETE", endpoint)


@_returns_response
def do_patch(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a PATCH. New: `rest.send`."""
    return _send(access_token, "PATCH", endpoint, body)


@_returns_response
def do_post(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a POST. New: `rest.send`."""
    return _send(access_token, "POST", endpoint, body)


@_returns_response
def do_put(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a PUT. New: `rest.send`."""
    return _send(access_token, "PUT", endpoint, body)


# Subscriptions, locations, resource groups


def list_subscriptions(access_token: Token) -> Any:
    """Return the subscriptions that the token can see. New: `list_subscriptions`."""
    return do_get_next(_url("/subscriptions", BASE_API), access_token)


def list_locations(access_token: Token, subscription_id: str) -> Any:
    """Return the regions of a subscription, with their coordinates. New: `list_locations`."""
    url = _url(_SUBSCRIPTION + "/locations", BASE_API, subscription_id=subscription_id)
    return do_get_next(url, access_token)


def list_tenants(access_token: Token) -> Any:
    """Return the tenants that the token can see. New: `rest.get_list`."""
    return do_get_next(_url("/tenants", BASE_API), access_token)


def list_resource_groups(access_token: Token, subscription_id: str) -> Any:
    """Return the resource groups of a subscription. New: `list_resource_groups`."""
    url = _url(_SUBSCRIPTION + "/resourcegroups", RESOURCE_API, subscription_id=subscription_id)
    return do_get_next(url, access_token)


def create_resource_group(
    access_token: Token, subscription_id: str, rgname: str, location: str
) -> Response:
    """Create a resource group. New: `rest.send`."""
    return do_put(_group_url(subscription_id, rgname), {"location": location}, access_token)


def delete_resource_group(access_token: Token, subscription_id: str, rgname: str) -> Response:
    """Delete a resource group with all its resources. New: `rest.send`."""
    return do_delete(_group_url(subscription_id, rgname), access_token)


def export_template(access_token: Token, subscription_id: str, rgname: str) -> Response:
    """Return a resource group as a template. New: `rest.send`."""
    body = {"options": "IncludeParameterDefaultValue", "resources": ["*"]}
    return do_post(_group_url(subscription_id, rgname, "/exportTemplate"), body, access_token)


def get_resource_group(access_token: Token, subscription_id: str, rgname: str) -> Any:
    """Return a resource group. New: `rest.get`."""
    return do_get(_group_url(subscription_id, rgname), access_token)


def get_resource_group_resources(access_token: Token, subscription_id: str, rgname: str) -> Any:
    """Return the resources of a group. New: `rest.get_list`."""
    return do_get_next(_group_url(subscription_id, rgname, "/resources"), access_token)


def _group_url(subscription_id: str, rgname: str, tail: str = "") -> str:
    names = {"subscription_id": subscription_id, "resource_group": rgname}
    return _url(_GROUP + tail, RESOURCE_API, **names)


# Images, quotas


@_returns_json
def list_publishers(access_token: Token, subscription_id: str, location: str) -> Any:
    """Return the publishers of platform images, a bare list. New: `list_publishers`."""
    return _images.list_publishers(access_token, subscription_id, location)


@_returns_json
def list_offers(access_token: Token, subscription_id: str, location: str, publisher: str) -> Any:
    """Return the offers of a publisher, a bare list. New: `list_offers`."""
    return _images.list_offers(access_token, subscription_id, location, publisher)


@_returns_json
def list_skus(
    access_token: Token, subscription_id: str, location: str, publisher: str, offer: str
) -> Any:
    """Return the SKUs of an offer, a bare list. New: `list_skus`."""
    return _images.list_skus(access_token, subscription_id, location, publisher, offer)


@_returns_json
def list_sku_versions(
    access_token: Token, subscription_id: str, location: str, publisher: str, offer: str, sku: str
) -> Any:
    """Return the versions of a platform image, a bare list. New: `list_sku_versions`."""
    return _images.list_sku_versions(access_token, subscription_id, location, publisher, offer, sku)


def list_vm_images_sub(access_token: Token, subscription_id: str) -> Any:
    """Return the managed images of a subscription. New: `rest.get_list`."""
    path = _SUBSCRIPTION + "/providers/Microsoft.Compute/images"
    return do_get_next(
        _url(path, _settings.COMPUTE_API, subscription_id=subscription_id), access_token
    )


def get_compute_usage(access_token: Token, subscription_id: str, location: str) -> Any:
    """Return the quotas of a region and their usage. New: `rest.get_list`."""
    path = _SUBSCRIPTION + "/providers/Microsoft.Compute/locations/{location}/usages"
    return do_get_next(
        _url(path, _settings.COMPUTE_API, subscription_id=subscription_id, location=location),
        access_token,
    )


# Scale sets


@_returns_response
def create_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    vm_size: str,
    capacity: int,
    publisher: str,
    offer: str,
    sku: str,
    version: str,
    subnet_id: str,
    location: str,
    be_pool_id: str | None = None,
    lb_pool_id: str | None = None,
    storage_type: str = "Standard_LRS",
    username: str = "azure",
    password: str | None = None,
    public_key: str | None = None,
    overprovision: bool = True,
    upgrade_policy: str = "Manual",
    public_ip_per_vm: bool = False,
) -> Response:
    """Create a scale set from a platform image. New: `put_vmss`, with your own model."""
    disk = {
        "createOption": "fromImage",
        "managedDisk": {"storageAccountType": storage_type},
        "caching": "ReadWrite",
    }
    image = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    addresses = _ip_configuration(subnet_id, be_pool_id, lb_pool_id, public_ip_per_vm)
    nic = {"primary": True, "ipConfigurations": [{"name": vmss_name, "properties": addresses}]}
    profile = {
        "osProfile": _os_profile(vmss_name, username, password, public_key),
        "storageProfile": {"osDisk": disk, "imageReference": image},
        "networkProfile": {
            "networkInterfaceConfigurations": [{"name": vmss_name, "properties": nic}]
        },
    }
    properties = {"overprovision": overprovision, "upgradePolicy": {"mode": upgrade_policy}}
    size = {"name": vm_size, "tier": "Standard", "capacity": capacity}
    model = {
        "location": location,
        "sku": size,
        "properties": {**properties, "virtualMachineProfile": profile},
    }
    return _vmss.put_vmss(access_token, subscription_id, resource_group, vmss_name, model)


def _os_profile(
    prefix: str, username: str, password: str | None, public_key: str | None
) -> dict[str, Any]:
    """Return the OS profile of the instances, with a password, a key or both."""
    profile: dict[str, Any] = {"computerNamePrefix": prefix, "adminUsername": username}
    if password is not None:
        profile["adminPassword"] = password
    if public_key is not None:
        key = {"path": f"/home/{username}/.ssh/authorized_keys", "keyData": public_key}
        profile["linuxConfiguration"] = {
            "disablePasswordAuthentication": password is None,
            "ssh": {"publicKeys": [key]},
        }
    return profile


def _ip_configuration(
    subnet_id: str, backend: str | None, nat: str | None, public: bool
) -> dict[str, Any]:
    """Return the network profile of the instances."""
    addresses: dict[str, Any] = {"subnet": {"id": subnet_id}}
    if backend is not None:
        addresses["loadBalancerBackendAddressPools"] = [{"id": backend}]
    if nat is not None:
        addresses["loadBalancerInboundNatPools"] = [{"id": nat}]
    if public:
        addresses["publicIpAddressConfiguration"] = {
            "name": "pubip",
            "properties": {"idleTimeoutInMinutes": 15},
        }
    return addresses


@_returns_response
def put_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, vmss_body: Body
) -> Response:
    """Put a model, overwriting changes by others. New: `put_vmss`, which sends `If-Match`."""
    body = _parse_model(vmss_body, "vmss_body")
    return _vmss.put_vmss(access_token, subscription_id, resource_group, vmss_name, body)


@_returns_response
def update_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, body: Body
) -> Response:
    """Put a model, overwriting changes by others. New: `put_vmss`, which sends `If-Match`."""
    return _vmss.put_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_model(body, "body")
    )


@_returns_response
def scale_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    capacity: int | str,
) -> Response:
    """Set the number of instances, passed as a number or as text. New: `scale_vmss`."""
    number: Any = int(capacity) if str(capacity).isdecimal() else capacity
    return _vmss.scale_vmss(access_token, subscription_id, resource_group, vmss_name, number)


@_returns_response
def delete_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Delete a scale set. New: `delete_vmss`."""
    return _vmss.delete_vmss(access_token, subscription_id, resource_group, vmss_name)


@_returns_json
def get_vmss(access_token: Token, subscription_id: str, resource_group: str, vmss_name: str) -> Any:
    """Return a scale set's model. New: `get_vmss`."""
    return _vmss.get_vmss(access_token, subscription_id, resource_group, vmss_name)


@_returns_json
def get_vmss_instance_view(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return a scale set's instance view. New: `get_vmss_instance_view`."""
    return _vmss.get_vmss_instance_view(access_token, subscription_id, resource_group, vmss_name)


@_returns_json
def get_vmss_nics(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the network interfaces of the instances. New: `get_vmss_nics`."""
    return {"value": _vmss.get_vmss_nics(access_token, subscription_id, resource_group, vmss_name)}


@_returns_json
def get_vmss_public_ips(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the public IP addresses of the instances. New: `get_vmss_public_ips`."""
    return {
        "value": _vmss.get_vmss_public_ips(access_token, subscription_id, resource_group, vmss_name)
    }


@_returns_json
def get_vmss_rolling_upgrades(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the latest rolling upgrade by Azure. New: `get_rolling_upgrade`."""
    return _vmss.get_rolling_upgrade(access_token, subscription_id, resource_group, vmss_name)


@_returns_json
def list_vmss(access_token: Token, subscription_id: str, resource_group: str) -> Any:
    """Return the scale sets of a resource group. New: `list_vmss`."""
    return {"value": _vmss.list_vmss(access_token, subscription_id, resource_group)}


@_returns_json
def list_vmss_sub(access_token: Token, subscription_id: str) -> Any:
    """Return the scale sets of a subscription. New: `list_vmss_sub`."""
    return {"value": _vmss.list_vmss_sub(access_token, subscription_id)}


@_returns_json
def list_vmss_skus(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the VM sizes that a scale set can change to. New: `list_vmss_skus`."""
    return {"value": _vmss.list_vmss_skus(access_token, subscription_id, resource_group, vmss_name)}


@_returns_response
def start_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Start all instances. New: `start_vmss`."""
    return _vmss.start_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_returns_response
def restart_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Restart all instances. New: `restart_vmss`."""
    return _vmss.restart_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_returns_response
def poweroff_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Stop all instances, which are still billed. New: `poweroff_vmss`."""
    return _vmss.poweroff_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_returns_response
def stopdealloc_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Stop and deallocate all instances. New: `stopdealloc_vmss`."""
    return _vmss.stopdealloc_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


# Instances


@_returns_json
def list_vmss_vms(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the instances. New: `list_vmss_vms`."""
    return {"value": _vmss.list_vmss_vms(access_token, subscription_id, resource_group, vmss_name)}


@_returns_json
def list_vmss_vm_instance_view(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the instances with their instance views, all pages. New: `get_instance_views`."""
    return {
        "value": _vmss.get_instance_views(access_token, subscription_id, resource_group, vmss_name)
    }


@_returns_json
def list_vmss_vm_instance_view_pg(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    link: str | None = None,
) -> Any:
    """Return one page of instances; pass its `nextLink` as `link`. New: `get_instance_views`."""
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "vmss_name": vmss_name,
    }
    first = _rest.url(_VM, names, _settings.COMPUTE_API, {"$expand": "instanceView"})
    return _rest.get(access_token, first if link is None else link)


@_returns_json
def get_vmss_vm(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Any:
    """Return an instance. New: `get_vmss_vm`."""
    return _vmss.get_vmss_vm(access_token, subscription_id, resource_group, vmss_name, instance_id)


@_returns_json
def get_vmss_vm_instance_view(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Any:
    """Return the instance view of an instance. New: `get_vmss_vm_instance_view`."""
    return _vmss.get_vmss_vm_instance_view(
        access_token, subscription_id, resource_group, vmss_name, instance_id
    )


def get_vmss_vm_nics(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Any:
    """Return the network interfaces of an instance. New: `get_vmss_nics`, for all instances."""
    url = _vm_url(subscription_id, resource_group, vmss_name, instance_id, "/networkInterfaces")
    return do_get_next(url, access_token)


def put_vmss_vm(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    vm_id: str | int,
    vm_body: Body,
) -> Response:
    """Put an instance; a whole body may make it outdated. New: `protect_vmss_vm`."""
    return do_put(_vm_url(subscription_id, resource_group, vmss_name, vm_id), vm_body, access_token)


@_returns_response
def upgrade_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Upgrade instances to the model. New: `manual_upgrade`, or `rollout` for batches."""
    return _vmss.manual_upgrade(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


@_returns_response
def reimage_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Reimage instances. New: `reimage_vmss`."""
    return _vmss.reimage_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


@_returns_response
def delete_vmss_vms(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, vm_ids: Ids
) -> Response:
    """Delete instances. New: `delete_vmss_vms`."""
    ids = _parse_ids(vm_ids, "vm_ids")
    return _vmss.delete_vmss_vms(access_token, subscription_id, resource_group, vmss_name, ids)


@_returns_response
def start_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Start instances. New: `start_vmss`."""
    return _vmss.start_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


@_returns_response
def restart_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Restart instances. New: `restart_vmss`."""
    return _vmss.restart_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


@_returns_response
def poweroff_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Stop instances, which are still billed. New: `poweroff_vmss`."""
    return _vmss.poweroff_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


@_returns_response
def stopdealloc_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Stop and deallocate instances. New: `stopdealloc_vmss`."""
    return _vmss.stopdealloc_vmss(
        access_token, subscription_id, resource_group, vmss_name, _parse_ids(instance_ids)
    )


# Replacing azurerm


def install_as_azurerm() -> None:
    """Make `import azurerm` import `azurerm_lite.compat` in this process.

    It works with and without azurerm installed. `python -m azurerm_lite.compat script.py` calls
    this function and runs a script.

    Returns:
        None. Repeated calls have no effect.
    """
    # Run as a program, this module is a copy named __main__; the original must be installed.
    module = importlib.import_module("azurerm_lite.compat")
    sys.modules["azurerm"] = module
    for name in _azurerm_names.MODULES:
        sys.modules[f"azurerm.{name}"] = module


def _main() -> None:
    """Run a script, as `python script.py args...` would."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).exists():
        missing = f"{sys.argv[1]!r} does not exist\n" if sys.argv[1:] else ""
        print(
            f"{missing}usage: python -m azurerm_lite.compat script.py [argument ...]",
            file=sys.stderr,
        )
        raise SystemExit(2)
    del sys.argv[0]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    install_as_azurerm()
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _main()
