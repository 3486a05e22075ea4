"""The routes: handler and rate limit of each method and path."""

from __future__ import annotations

from typing import Literal, NamedTuple

from werkzeug.routing import Map, Rule

from ..handlers import (
    autoscale,
    deployments,
    extensions,
    images,
    instances,
    managed_images,
    network_interfaces,
    networks,
    operations,
    other_providers,
    resource_graph,
    resource_groups,
    rolling_upgrades,
    run_command,
    scale_sets,
    set_services,
    sizes,
    subscriptions,
    virtual_machines,
)
from ..handlers._call import Handler

SUB = "/subscriptions/<sub>"
RG = SUB + "/resourcegroups/<rg>"
COMPUTE = "/providers/microsoft.compute"
PLACE = SUB + COMPUTE + "/locations/<location>"
SETS = COMPUTE + "/virtualmachinescalesets"
VMSS = RG + SETS + "/<vmss>"
VM = VMSS + "/virtualmachines/<vm>"
MACHINES = COMPUTE + "/virtualmachines"
MACHINE = RG + MACHINES + "/<vm>"
IMAGES = PLACE + "/publishers"
OFFERS = IMAGES + "/<publishers>/artifacttypes/vmimage/offers"
VERSIONS = OFFERS + "/<offers>/skus/<skus>/versions"
GALLERY = RG + COMPUTE + "/galleries/<gallery>"
MANAGED_IMAGE = RG + COMPUTE + "/images/<image>"
PROVIDER = SUB + "/providers/<provider>"
DEPLOYMENTS = RG + "/providers/microsoft.resources/deployments"
DEPLOYMENT = DEPLOYMENTS + "/<deployment>"
NETWORK_TYPES = (
    "/providers/microsoft.network/<any(virtualnetworks, networksecuritygroups, publicipaddresses, "
    "loadbalancers):network_type>"
)
NETWORK = RG + NETWORK_TYPES + "/<network>"
SUBNET = RG + "/providers/microsoft.network/virtualnetworks/<network>/subnets/<subnet>"
LOCKS = "/providers/microsoft.authorization/locks"
AUTOSCALE = "/providers/microsoft.insights/autoscalesettings"
ACTIVITY = "/providers/microsoft.insights/eventtypes/management/values"
EXTENSIONS = VMSS + "/extensions"
HOOKS = VMSS + "/lifecyclehookevents"
RUN_COMMANDS = VM + "/runcommands"
NICS = VM + "/networkinterfaces"
PUBLIC_IPS = NICS + "/<nic>/ipconfigurations/<ipconfiguration>/publicipaddresses"
ACTIONS = "<any(start, restart, reimage, reimageall, redeploy, reapply):action>"
POWER_ACTIONS = "<any(poweroff, deallocate):action>"
MACHINE_ACTIONS = "<any(start, restart, poweroff, redeploy, reimage):action>"


class Route(NamedTuple):
    """A row of the routing table.

    Attributes:
        policy: The rate limit that counts the request; empty for none.
        counts_per: The kind of resource that has its own limit; empty if only the subscription has
            one.
        is_ignored: Whether the request is accepted and answered, but changes nothing.
    """

    method: str
    path: str
    handler: Handler
    policy: str = ""
    counts_per: Literal["", "set", "vm", "operation"] = ""
    is_ignored: bool = False


# Paths are in lower case, because Azure ignores case. The policies are from the headers of recorded
# responses. A route without a recording has the policy that Azure's page on throttling limits names
# for this kind of request.
ROUTES = [
    Route("GET", "/subscriptions", subscriptions.list_subscriptions),
    Route("GET", SUB, subscriptions.get_subscription),
    Route("POST", "/providers/microsoft.resourcegraph/resources", resource_graph.query_resources),
    Route("GET", SUB + "/locations", subscriptions.list_locations),
    Route("GET", SUB + "/resourcegroups", resource_groups.list_groups),
    # Before GET, because werkzeug matches HEAD with a GET route too.
    Route("HEAD", RG, resource_groups.check_group),
    Route("GET", RG, resource_groups.get_group),
    Route("PUT", RG, resource_groups.put_group),
    Route("DELETE", RG, resource_groups.delete_group),
    Route("GET", SUB + AUTOSCALE, autoscale.list_all_settings),
    Route("GET", RG + AUTOSCALE, autoscale.list_settings),
    # Images
    Route("GET", IMAGES, images.list_image_entries, "GetVMImageFromLocation"),
    Route("GET", OFFERS, images.list_image_entries),
    Route("GET", OFFERS + "/<offers>/skus", images.list_image_entries),
    Route("GET", VERSIONS, images.list_image_entries, "ListVMImagesVersionsFromLocation"),
    Route("GET", VERSIONS + "/<version>", images.get_image_version, "GetVMImageFromLocation"),
    Route("GET", SUB + COMPUTE + "/images", managed_images.list_images),
    Route("GET", RG + COMPUTE + "/images", managed_images.list_images),
    Route("GET", MANAGED_IMAGE, managed_images.get_image),
    Route("PUT", MANAGED_IMAGE, managed_images.put_image),
    Route("DELETE", MANAGED_IMAGE, managed_images.delete_image),
    Route("GET", SUB + COMPUTE + "/galleries", images.list_galleries, "GetGallery"),
    Route("GET", RG + COMPUTE + "/galleries", images.list_galleries, "GetGallery"),
    Route("GET", GALLERY, images.get_gallery, "GetGallery"),
    Route("GET", GALLERY + "/images", images.list_gallery_images, "GetGalleryImage"),
    Route("GET", GALLERY + "/images/<image>", images.get_gallery_image, "GetGalleryImage"),
    Route(
        "GET",
        GALLERY + "/images/<image>/versions",
        images.list_gallery_versions,
        "GetGalleryImageVersion",
    ),
    Route(
        "GET",
        GALLERY + "/images/<image>/versions/<version>",
        images.get_gallery_version,
        "GetGalleryImageVersion",
    ),
    # Sizes
    Route("GET", SUB + COMPUTE + "/skus", sizes.list_skus),
    Route("GET", PLACE + "/vmsizes", sizes.list_sizes),
    Route("GET", PLACE + "/usages", sizes.list_usages),
    # Other providers
    Route("GET", SUB + LOCKS, other_providers.list_nothing),
    Route("GET", RG + LOCKS, other_providers.list_nothing),
    Route("GET", VMSS + LOCKS, other_providers.list_nothing),
    Route("GET", SUB + ACTIVITY, other_providers.list_nothing, is_ignored=True),
    Route("GET", SUB + "/providers", other_providers.list_providers),
    Route("GET", PROVIDER, other_providers.get_provider),
    Route("POST", PROVIDER + "/register", other_providers.register_provider),
    Route("GET", SUB + "/tagnames", other_providers.list_tag_names),
    # Networks
    Route("GET", SUB + NETWORK_TYPES, networks.list_networks),
    Route("GET", RG + NETWORK_TYPES, networks.list_networks),
    Route("GET", NETWORK, networks.get_network),
    Route("PUT", NETWORK, networks.put_network, is_ignored=True),
    Route("DELETE", NETWORK, networks.delete_network, is_ignored=True),
    Route("GET", SUBNET, networks.get_subnet),
    # Deployments
    Route("GET", DEPLOYMENTS, deployments.list_deployments),
    Route("GET", DEPLOYMENT, deployments.get_deployment),
    Route("PUT", DEPLOYMENT, deployments.put_deployment),
    Route("POST", DEPLOYMENT + "/validate", deployments.validate_deployment),
    Route("GET", DEPLOYMENT + "/operationstatuses/<operation>", deployments.get_deployment_status),
    # Scale sets. The list of a subscription has no rate limit of Compute, because the resource
    # manager answers it.
    Route("GET", SUB + SETS, scale_sets.list_scale_sets),
    Route(
        "GET",
        PLACE + "/virtualmachinescalesets",
        scale_sets.list_scale_sets,
        "HighCostGetVMScaleSet",
    ),
    Route("GET", RG + SETS, scale_sets.list_scale_sets, "HighCostGetVMScaleSet"),
    Route("GET", VMSS, scale_sets.get_scale_set, "GetVMScaleSet", "set"),
    Route("PUT", VMSS, scale_sets.put_scale_set, "CreateVMScaleSet", "set"),
    Route("PATCH", VMSS, scale_sets.patch_scale_set, "VMScaleSetActions", "set"),
    Route("DELETE", VMSS, scale_sets.delete_scale_set, "DeleteVMScaleSet", "set"),
    Route(
        "GET",
        VMSS + "/instanceview",
        scale_sets.get_scale_set_view,
        "HighCostGetVMScaleSet",
        "set",
    ),
    Route("GET", VMSS + "/skus", scale_sets.list_scale_set_skus, "GetVMScaleSet", "set"),
    Route("GET", VMSS + "/networkinterfaces", network_interfaces.list_nics),
    Route("GET", VMSS + "/publicipaddresses", network_interfaces.list_public_ips),
    Route("POST", VMSS + "/manualupgrade", scale_sets.upgrade_instances, "VMScaleSetActions"),
    Route("POST", VMSS + "/delete", scale_sets.delete_instances, "VMScaleSetActions"),
    Route("POST", f"{VMSS}/{ACTIONS}", scale_sets.run_action_on_scale_set, "VMScaleSetActions"),
    Route(
        "POST", f"{VMSS}/{POWER_ACTIONS}", scale_sets.run_action_on_scale_set, "DeleteVMScaleSet"
    ),
    Route("POST", VMSS + "/performmaintenance", scale_sets.reject_maintenance, "VMScaleSetActions"),
    Route("POST", VM + "/performmaintenance", scale_sets.reject_maintenance, "VMScaleSetVMActions"),
    Route("POST", VMSS + "/scaleout", set_services.scale_out, "VMScaleSetActions"),
    Route(
        "POST",
        VMSS + "/approverollingupgrade",
        set_services.approve_rolling_upgrade,
        "VMScaleSetActions",
        is_ignored=True,
    ),
    Route(
        "POST",
        VM + "/approverollingupgrade",
        set_services.approve_rolling_upgrade,
        "VMScaleSetVMActions",
        is_ignored=True,
    ),
    Route(
        "POST",
        VMSS + "/setorchestrationservicestate",
        set_services.set_service_state,
        "VMScaleSetActions",
        "set",
    ),
    Route(
        "POST",
        VMSS + "/converttosingleplacementgroup",
        set_services.convert_to_single_placement_group,
        "VMScaleSetActions",
    ),
    Route("GET", HOOKS, set_services.list_hook_events, "GetVMScaleSet", "set"),
    Route("GET", HOOKS + "/<event>", set_services.reject_hook_event, "GetVMScaleSet", "set"),
    Route("PATCH", HOOKS + "/<event>", set_services.reject_hook_event, "VMScaleSetActions"),
    # Extensions
    Route("GET", EXTENSIONS, extensions.list_extensions, "GetVMScaleSet", "set"),
    Route("GET", EXTENSIONS + "/<extension>", extensions.get_extension, "GetVMScaleSet", "set"),
    Route("PUT", EXTENSIONS + "/<extension>", extensions.put_extension, "VMScaleSetActions"),
    Route("PATCH", EXTENSIONS + "/<extension>", extensions.patch_extension, "VMScaleSetActions"),
    Route("DELETE", EXTENSIONS + "/<extension>", extensions.delete_extension, "VMScaleSetActions"),
    # Rolling upgrades
    Route(
        "POST",
        VMSS + "/osrollingupgrade",
        rolling_upgrades.start_rolling_upgrade,
        "VMScaleSetActions",
    ),
    Route(
        "POST",
        VMSS + "/extensionrollingupgrade",
        rolling_upgrades.start_rolling_upgrade,
        "VMScaleSetActions",
        "set",
    ),
    Route(
        "GET",
        VMSS + "/rollingupgrades/latest",
        rolling_upgrades.get_rolling_upgrade,
        "GetVMScaleSet",
        "set",
    ),
    Route(
        "POST",
        VMSS + "/rollingupgrades/cancel",
        rolling_upgrades.cancel_rolling_upgrade,
        "VMScaleSetActions",
    ),
    Route(
        "GET",
        VMSS + "/osupgradehistory",
        rolling_upgrades.list_upgrade_history,
        "GetVMScaleSet",
        "set",
    ),
    # Instances
    Route(
        "GET", VMSS + "/virtualmachines", instances.list_instances, "HighCostGetVMScaleSet", "set"
    ),
    Route("GET", VM, instances.get_instance, "GetVMScaleSetVM", "vm"),
    Route("PUT", VM, instances.put_instance, "VMScaleSetVMActions", "vm"),
    Route("PATCH", VM, instances.reject_patch),
    Route("DELETE", VM, instances.delete_instance, "DeleteVMScaleSetVM", "vm"),
    Route("GET", VM + "/instanceview", instances.get_instance_view, "GetVMScaleSetVM", "vm"),
    Route("POST", f"{VM}/{ACTIONS}", instances.run_action_on_instance, "VMScaleSetVMActions", "vm"),
    Route(
        "POST",
        f"{VM}/{POWER_ACTIONS}",
        instances.run_action_on_instance,
        "DeleteVMScaleSetVM",
        "vm",
    ),
    Route("POST", VM + "/runcommand", run_command.run_command, "VMScaleSetVMActions", "vm"),
    Route("POST", VM + "/simulateeviction", set_services.simulate_eviction, "VMScaleSetVMActions"),
    Route("GET", VM + "/extensions", extensions.list_instance_extensions, "GetVMScaleSetVM", "vm"),
    Route(
        "GET",
        VM + "/extensions/<extension>",
        extensions.get_instance_extension,
        "GetVMScaleSetVM",
        "vm",
    ),
    Route("GET", RUN_COMMANDS, run_command.list_run_commands, "GetVMScaleSetVM", "vm"),
    Route("GET", RUN_COMMANDS + "/<command>", run_command.get_run_command, "GetVMScaleSetVM", "vm"),
    Route(
        "PUT", RUN_COMMANDS + "/<command>", run_command.put_run_command, "VMScaleSetVMActions", "vm"
    ),
    Route(
        "DELETE",
        RUN_COMMANDS + "/<command>",
        run_command.delete_run_command,
        "VMScaleSetVMActions",
        "vm",
    ),
    Route("GET", NICS, network_interfaces.list_nics),
    Route("GET", NICS + "/<nic>", network_interfaces.get_nic),
    Route("GET", PUBLIC_IPS, network_interfaces.list_public_ips),
    Route("GET", PUBLIC_IPS + "/<ip>", network_interfaces.get_public_ip),
    # Virtual machines: the members of Flexible sets
    Route("GET", SUB + MACHINES, virtual_machines.list_machines, "HighCostGet"),
    Route("GET", RG + MACHINES, virtual_machines.list_machines, "HighCostGet"),
    Route("GET", MACHINE, virtual_machines.get_machine, "LowCostGet", "vm"),
    Route("GET", MACHINE + "/instanceview", virtual_machines.get_machine_view, "LowCostGet", "vm"),
    Route(
        "POST",
        f"{MACHINE}/{MACHINE_ACTIONS}",
        virtual_machines.run_action_on_machine,
        "UpdateVM",
        "vm",
    ),
    Route(
        "POST",
        MACHINE + "/<any(deallocate):action>",
        virtual_machines.run_action_on_machine,
        "DeleteVM",
        "vm",
    ),
    Route("POST", MACHINE + "/runcommand", run_command.run_command_on_machine, "UpdateVM", "vm"),
    # Operations
    Route("GET", SUB + "/operationresults/<operation>", operations.get_operation_result),
    Route(
        "GET",
        PLACE + "/operations/<operation>",
        operations.get_operation,
        "GetOperation",
        "operation",
    ),
]

URLS: Map = Map(
    [Rule(route.path, methods=[route.method], endpoint=route) for route in ROUTES],
    strict_slashes=False,
)
