"""azurerm 0.10.0's names and shapes; as a program, run a script of azurerm's.

Reads give JSON and writes a `Response`, whatever Azure said: both stand in one place each, `_read`
and `_write`.
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

from . import auth as _auth
from . import images as _images
from . import rest as _rest
from . import settings as _settings
from . import subscriptions as _subscriptions
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

BASE_API = _settings.SUBSCRIPTIONS_API
COMP_API = _settings.COMPUTE_API
NETWORK_API = _settings.NETWORK_API
RESOURCE_API = _settings.RESOURCES_API

_SUBSCRIPTION = "/subscriptions/{subscription_id}"
_GROUP = _SUBSCRIPTION + "/resourceGroups/{resource_group}"
_VM = _GROUP + "/providers/Microsoft.Compute/virtualMachineScaleSets/{vmss_name}/virtualMachines"

# azurerm's modules whose names are here: each is this module, so that `from azurerm.restfns import
# do_get` works.
_MODULES = "adalfns computerp resourcegroups restfns settings subfns vmimages"
# What else azurerm has, by what it is for.
_OUTSIDE = {
    "availability sets": "create_as delete_as get_as list_as list_as_sub",
    "single virtual machines": """
        create_vm deallocate_vm delete_vm get_vm get_vm_extension get_vm_instance_view list_vms
        list_vms_sub restart_vm start_vm stop_vm update_vm""",
    "networks": """
        networkrp create_lb_with_nat_pool create_nic create_nsg create_nsg_rule create_public_ip
        create_vnet delete_load_balancer delete_nic delete_nsg delete_nsg_rule delete_public_ip
        delete_vnet get_lb_nat_rule get_load_balancer get_network_usage get_nic get_public_ip
        get_vnet list_asgs list_asgs_all list_lb_nat_rules list_load_balancers
        list_load_balancers_rg list_nics list_nics_rg list_nsgs list_nsgs_all list_public_ips
        list_vnets list_vnets_rg update_load_balancer""",
    "storage accounts": """
        storagerp STORAGE_API create_storage_account delete_storage_account get_storage_account
        get_storage_account_keys get_storage_usage list_storage_accounts_rg
        list_storage_accounts_sub""",
    "containers": """
        acs container ACS_API CONTAINER_API create_container_service delete_container_service
        get_container_service list_acs_operations list_container_services
        list_container_services_sub create_container_definition create_container_instance_group
        delete_container_instance_group get_container_instance_group get_container_instance_logs
        list_container_instance_groups list_container_instance_groups_sub""",
    "Media Services": """
        amsrp MEDIA_API ams_auth_endpoint ams_rest_endpoint charset dsversion_max dsversion_min
        json_acceptformat json_only_acceptformat xml_acceptformat xmsversion do_ams_auth
        do_ams_delete do_ams_get do_ams_get_url do_ams_patch do_ams_post do_ams_put
        do_ams_sto_put get_url add_authorization_policy check_media_service_name_availability
        create_asset_accesspolicy create_asset_delivery_policy
        create_contentkey_authorization_policy create_contentkey_authorization_policy_options
        create_media_asset create_media_assetfile create_media_service_rg
        create_ondemand_streaming_locator create_sas_locator create_streaming_endpoint
        delete_asset_accesspolicy delete_asset_delivery_policy delete_content_key
        delete_contentkey_authorization_policy delete_contentkey_authorization_policy_options
        delete_media_asset delete_media_service_rg delete_sas_locator delete_streaming_endpoint
        encode_mezzanine_asset get_ams_access_token get_key_delivery_url helper_add
        helper_delete helper_list link_asset_content_key link_asset_delivery_policy
        link_contentkey_authorization_policy list_asset_accesspolicy list_asset_delivery_policy
        list_content_key list_contentkey_authorization_policy
        list_contentkey_authorization_policy_options list_media_asset list_media_endpoint_keys
        list_media_job list_media_processor list_media_services list_media_services_rg
        list_sas_locator list_streaming_endpoint scale_streaming_endpoint
        translate_asset_options translate_job_state update_media_assetfile upload_block_blob
        validate_mp4_asset""",
    "Cosmos DB": "cosmosdbrp COSMOSDB_API create_cosmosdb_account get_cosmosdb_account_keys",
    "Key Vault": """
        keyvault KEYVAULT_API create_keyvault delete_keyvault delete_keyvault_secret
        get_keyvault list_keyvaults list_keyvaults_sub set_keyvault_secret""",
    "Microsoft Graph": "graphfns GRAPH_RESOURCE_HOST get_graph_token_from_msi"
    " get_object_id_from_graph",
    "autoscale and metrics": """
        insightsrp INSIGHTS_API INSIGHTS_COMPONENTS_API INSIGHTS_METRICS_API
        INSIGHTS_PREVIEW_API create_autoscale_rule create_autoscale_setting
        get_events_for_subscription get_metrics_for_resource list_autoscale_settings
        list_insights_components list_metric_defs_for_resource""",
    "templates and deployments": """
        deployments templates DEPLOYMENTS_API deploy_template deploy_template_uri
        deploy_template_uri_param_uri list_deployment_operations show_deployment""",
}


def __getattr__(name: str) -> Any:
    """Azurerm's modules; and for a name that is not here, whether azurerm has it."""
    if name in _MODULES.split():
        return importlib.import_module("azurerm_lite.compat")
    for what, names in _OUTSIDE.items():
        if name in names.split():
            raise AttributeError(
                f"azurerm's {name!r} is outside azurerm-lite, which is for scale sets: it has"
                f" nothing for {what}"
            )
    raise AttributeError(f"azurerm_lite.compat has no {name!r}, and neither has azurerm 0.10.0")


# How azurerm differs, each difference in one place


def _read(function: Callable[_P, Any]) -> Callable[_P, Any]:
    """Make a function return JSON, that of the error if Azure refuses."""

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


def _write(function: Callable[_P, Response]) -> Callable[_P, Response]:
    """Make a function return Azure's response, also if it is an error."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        try:
            return function(*args, **kwargs)
        except _AzureError as error:
            if error.response is None:
                raise
            return error.response

    return wrapped


def _from_cli(function: Callable[_P, str]) -> Callable[_P, str | None]:
    """Make a function print why the Azure CLI gives nothing, and return `None`."""

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
    }
    names["instance_id"] = _parse_instance_id(instance_id)
    return _url(
        _VM + "/{instance_id}" + tail,
        _settings.NETWORK_API if tail else _settings.COMPUTE_API,
        **names,
    )


def _parsed(argument: str, value: Any) -> Any:
    """Return parsed JSON text; anything but text as it is.

    The message does not show it: there may be a password in it.
    """
    if not isinstance(value, str | bytes):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"{argument} must be JSON, or what JSON stands for: {error}") from None


def _ids(instance_ids: Ids, argument: str = "instance_ids") -> list[str]:
    """Return ids as the new functions take them; `None` would mean the whole set there."""
    return _parse_instance_ids(_parsed(argument, instance_ids), argument)


def _model(vmss_body: Body, argument: str) -> dict[str, Any]:
    """Return a model without its etag: azurerm's api-version let scripts put it more than once."""
    body = _parsed(argument, vmss_body)
    return {**body, "etag": None} if isinstance(body, Mapping) else body


def _sent(access_token: Token, method: str, endpoint: str, body: Body) -> Response:
    return _rest.send(
        access_token, method, endpoint, None if body in (None, "", b"") else _parsed("body", body)
    )


# Tokens and endpoints


def get_access_token(tenant_id: str, application_id: str, application_secret: str) -> str:
    """Return a token for a service principal. New: `get_access_token` or `token_provider`."""
    return _auth.get_access_token(tenant_id, application_id, application_secret)


@_from_cli
def get_access_token_from_cli() -> str:
    """Return a token from the Azure CLI, or `None`. New: `get_access_token_from_cli`."""
    return _auth.get_access_token_from_cli()


@_from_cli
def get_subscription_from_cli(name: str | None = None) -> str:
    """Return a subscription id from the Azure CLI, or `None`. New: `get_subscription_from_cli`."""
    return _auth.get_subscription_from_cli(name)


def get_rm_endpoint() -> str:
    """Return the resource manager's URL, without a slash at the end. New: `settings.cloud`."""
    return _settings.cloud().resource_manager


def get_auth_endpoint() -> str:
    """Return the sign-in URL, with a slash at the end. New: `settings.cloud`."""
    return _settings.cloud().authority + "/"


def get_resource_endpoint() -> str:
    """Return the audience of tokens. New: `settings.cloud`."""
    return _settings.cloud().resource


def get_user_agent() -> str:
    """Return the User-Agent header. New: `rest.session`, in its headers."""
    return str(_rest.session.headers["User-Agent"])


# HTTP


@_read
def do_get(endpoint: str, access_token: Token) -> Any:
    """Return the JSON at a URL of the resource manager. New: `rest.get`."""
    return _rest.get(access_token, endpoint)


@_read
def do_get_next(endpoint: str, access_token: Token) -> Any:
    """Return all pages of a list as `{"value": […]}`; other JSON as it is. New: `rest.get_list`."""
    page = _rest.get(access_token, endpoint)
    if not isinstance(page, dict) or "value" not in page:
        return page
    link = page.get("nextLink")
    return {"value": page["value"] + (_rest.get_list(access_token, link) if link else [])}


@_write
def do_delete(endpoint: str, access_token: Token) -> Response:
    """Send a DELETE. New: `rest.send`."""
    return _rest.send(access_token, "DELETE", endpoint)


@_write
def do_patch(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a PATCH. New: `rest.send`."""
    return _sent(access_token, "PATCH", endpoint, body)


@_write
def do_post(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a POST. New: `rest.send`."""
    return _sent(access_token, "POST", endpoint, body)


@_write
def do_put(endpoint: str, body: Body, access_token: Token) -> Response:
    """Send a PUT. New: `rest.send`."""
    return _sent(access_token, "PUT", endpoint, body)


# Subscriptions, locations, resource groups


@_read
def list_subscriptions(access_token: Token) -> Any:
    """Return the subscriptions that the token can see. New: `list_subscriptions`."""
    return {"value": _subscriptions.list_subscriptions(access_token)}


@_read
def list_locations(access_token: Token, subscription_id: str) -> Any:
    """Return the regions of a subscription. New: `list_locations`."""
    return {"value": _subscriptions.list_locations(access_token, subscription_id)}


def list_tenants(access_token: Token) -> Any:
    """Return the tenants that the token can see. New: `rest.get_list`."""
    return do_get_next(_url("/tenants", _settings.SUBSCRIPTIONS_API), access_token)


@_read
def list_resource_groups(access_token: Token, subscription_id: str) -> Any:
    """Return the resource groups of a subscription. New: `list_resource_groups`."""
    return {"value": _subscriptions.list_resource_groups(access_token, subscription_id)}


def create_resource_group(
    access_token: Token, subscription_id: str, rgname: str, location: str
) -> Response:
    """Create a resource group. New: `rest.send`."""
    return do_put(_group_url(subscription_id, rgname), {"location": location}, access_token)


def delete_resource_group(access_token: Token, subscription_id: str, rgname: str) -> Response:
    """Delete a resource group with all that is in it. New: `rest.send`."""
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
    return _url(_GROUP + tail, _settings.RESOURCES_API, **names)


# Images, quotas


@_read
def list_publishers(access_token: Token, subscription_id: str, location: str) -> Any:
    """Return the publishers of platform images, a bare list. New: `list_publishers`."""
    return _images.list_publishers(access_token, subscription_id, location)


@_read
def list_offers(access_token: Token, subscription_id: str, location: str, publisher: str) -> Any:
    """Return the offers of a publisher, a bare list. New: `list_offers`."""
    return _images.list_offers(access_token, subscription_id, location, publisher)


@_read
def list_skus(
    access_token: Token, subscription_id: str, location: str, publisher: str, offer: str
) -> Any:
    """Return the SKUs of an offer, a bare list. New: `list_skus`."""
    return _images.list_skus(access_token, subscription_id, location, publisher, offer)


@_read
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
    """Return the quotas of a region and their use. New: `rest.get_list`."""
    path = _SUBSCRIPTION + "/providers/Microsoft.Compute/locations/{location}/usages"
    return do_get_next(
        _url(path, _settings.COMPUTE_API, subscription_id=subscription_id, location=location),
        access_token,
    )


# Scale sets


@_write
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
    """Create a scale set of a platform image. New: `put_vmss`, with a model of your own."""
    disk = {
        "createOption": "fromImage",
        "managedDisk": {"storageAccountType": storage_type},
        "caching": "ReadWrite",
    }
    image = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    addresses = _addresses(subnet_id, be_pool_id, lb_pool_id, public_ip_per_vm)
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
    """Return the user of the instances, with password, key or both."""
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


def _addresses(
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


@_write
def put_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, vmss_body: Body
) -> Response:
    """Put a model over anybody's change. New: `put_vmss`, which sends `If-Match`."""
    body = _model(vmss_body, "vmss_body")
    return _vmss.put_vmss(access_token, subscription_id, resource_group, vmss_name, body)


@_write
def update_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, body: Body
) -> Response:
    """Put a model over anybody's change. New: `put_vmss`, which sends `If-Match`."""
    return _vmss.put_vmss(
        access_token, subscription_id, resource_group, vmss_name, _model(body, "body")
    )


@_write
def scale_vmss(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    capacity: int | str,
) -> Response:
    """Set the number of instances, given as a number or as text. New: `scale_vmss`."""
    number: Any = int(capacity) if str(capacity).isdecimal() else capacity
    return _vmss.scale_vmss(access_token, subscription_id, resource_group, vmss_name, number)


@_write
def delete_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Delete a scale set. New: `delete_vmss`."""
    return _vmss.delete_vmss(access_token, subscription_id, resource_group, vmss_name)


@_read
def get_vmss(access_token: Token, subscription_id: str, resource_group: str, vmss_name: str) -> Any:
    """Return a scale set's model. New: `get_vmss`."""
    return _vmss.get_vmss(access_token, subscription_id, resource_group, vmss_name)


@_read
def get_vmss_instance_view(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return a scale set's instance view. New: `get_vmss_instance_view`."""
    return _vmss.get_vmss_instance_view(access_token, subscription_id, resource_group, vmss_name)


@_read
def get_vmss_nics(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the network interfaces of the instances. New: `get_vmss_nics`."""
    return {"value": _vmss.get_vmss_nics(access_token, subscription_id, resource_group, vmss_name)}


@_read
def get_vmss_public_ips(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the public IP addresses of the instances. New: `get_vmss_public_ips`."""
    return {
        "value": _vmss.get_vmss_public_ips(access_token, subscription_id, resource_group, vmss_name)
    }


@_read
def get_vmss_rolling_upgrades(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the newest rolling upgrade that Azure ran. New: `get_rolling_upgrade`."""
    return _vmss.get_rolling_upgrade(access_token, subscription_id, resource_group, vmss_name)


@_read
def list_vmss(access_token: Token, subscription_id: str, resource_group: str) -> Any:
    """Return the scale sets of a resource group. New: `list_vmss`."""
    return {"value": _vmss.list_vmss(access_token, subscription_id, resource_group)}


@_read
def list_vmss_sub(access_token: Token, subscription_id: str) -> Any:
    """Return the scale sets of a subscription. New: `list_vmss_sub`."""
    return {"value": _vmss.list_vmss_sub(access_token, subscription_id)}


@_read
def list_vmss_skus(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the VM sizes that a scale set can change to. New: `list_vmss_skus`."""
    return {"value": _vmss.list_vmss_skus(access_token, subscription_id, resource_group, vmss_name)}


@_write
def start_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Start all instances. New: `start_vmss`."""
    return _vmss.start_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_write
def restart_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Restart all instances. New: `restart_vmss`."""
    return _vmss.restart_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_write
def poweroff_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Stop all instances; they are still charged. New: `poweroff_vmss`."""
    return _vmss.poweroff_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


@_write
def stopdealloc_vmss(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Response:
    """Stop and deallocate all instances. New: `stopdealloc_vmss`."""
    return _vmss.stopdealloc_vmss(access_token, subscription_id, resource_group, vmss_name, "*")


# Instances


@_read
def list_vmss_vms(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the instances. New: `list_vmss_vms`."""
    return {"value": _vmss.list_vmss_vms(access_token, subscription_id, resource_group, vmss_name)}


@_read
def list_vmss_vm_instance_view(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str
) -> Any:
    """Return the instances with their instance views, all pages. New: `get_instance_views`."""
    return {
        "value": _vmss.get_instance_views(access_token, subscription_id, resource_group, vmss_name)
    }


@_read
def list_vmss_vm_instance_view_pg(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    link: str | None = None,
) -> Any:
    """Return a page of them; its `nextLink` is the next `link`. New: `get_instance_views`."""
    names = {
        "subscription_id": subscription_id,
        "resource_group": resource_group,
        "vmss_name": vmss_name,
    }
    first = _rest.url(_VM, names, _settings.COMPUTE_API, {"$expand": "instanceView"})
    return _rest.get(access_token, first if link is None else link)


@_read
def get_vmss_vm(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Any:
    """Return an instance. New: `get_vmss_vm`."""
    return _vmss.get_vmss_vm(access_token, subscription_id, resource_group, vmss_name, instance_id)


@_read
def get_vmss_vm_instance_view(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_id: str | int,
) -> Any:
    """Return an instance's view. New: `get_vmss_vm_instance_view`."""
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
    """Put an instance. New: `protect_vmss_vm`; a whole instance makes it outdated."""
    return do_put(_vm_url(subscription_id, resource_group, vmss_name, vm_id), vm_body, access_token)


@_write
def upgrade_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Bring instances to the model. New: `manual_upgrade`; `rollout` does it domain by domain."""
    return _vmss.manual_upgrade(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


@_write
def reimage_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Reimage instances. New: `reimage_vmss`."""
    return _vmss.reimage_vmss(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


@_write
def delete_vmss_vms(
    access_token: Token, subscription_id: str, resource_group: str, vmss_name: str, vm_ids: Ids
) -> Response:
    """Delete instances. New: `delete_vmss_vms`."""
    ids = _ids(vm_ids, "vm_ids")
    return _vmss.delete_vmss_vms(access_token, subscription_id, resource_group, vmss_name, ids)


@_write
def start_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Start instances. New: `start_vmss`."""
    return _vmss.start_vmss(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


@_write
def restart_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Restart instances. New: `restart_vmss`."""
    return _vmss.restart_vmss(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


@_write
def poweroff_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Stop instances; they are still charged. New: `poweroff_vmss`."""
    return _vmss.poweroff_vmss(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


@_write
def stopdealloc_vmss_vms(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    instance_ids: Ids,
) -> Response:
    """Stop and deallocate instances. New: `stopdealloc_vmss`."""
    return _vmss.stopdealloc_vmss(
        access_token, subscription_id, resource_group, vmss_name, _ids(instance_ids)
    )


# Standing in for azurerm


def install_as_azurerm() -> None:
    """Make `import azurerm` find `azurerm_lite.compat` in this process.

    It does not matter whether azurerm is installed. `python -m azurerm_lite.compat script.py` does
    this and runs a script.

    Returns:
        Nothing. Calling it again does no harm.
    """
    # Run as a script, this module is a copy: what is installed must be the original.
    module = importlib.import_module("azurerm_lite.compat")
    sys.modules["azurerm"] = module
    for name in _MODULES.split():
        sys.modules[f"azurerm.{name}"] = module


def _main() -> None:
    """Run a script, as `python script.py args...` would."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).exists():
        missing = f"there is no {sys.argv[1]!r}\n" if sys.argv[1:] else ""
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
