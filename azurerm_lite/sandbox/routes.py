"""Which method and path goes to which handler, and which of Azure's rate limits it counts against."""

from __future__ import annotations

from typing import NamedTuple

from werkzeug.routing import Map, Rule

from . import commands, extensions, graph, groups, handlers, images, machines, networks, upgrades
from .handlers import Handler

SUB = "/subscriptions/<sub>"
RG = SUB + "/resourcegroups/<rg>"
COMPUTE = "/providers/microsoft.compute"
PLACE = SUB + COMPUTE + "/locations/<location>"
SETS = COMPUTE + "/virtualmachinescalesets"
VMSS = RG + SETS + "/<vmss>"
VM = VMSS + "/virtualmachines/<vm>"
MACHINES = RG + COMPUTE + "/virtualmachines"
IMAGES = PLACE + "/publishers"
GALLERY = RG + COMPUTE + "/galleries/<gallery>"
NICS = VM + "/networkinterfaces"
PUBLIC_IPS = NICS + "/<nic>/ipconfigurations/<ipconfiguration>/publicipaddresses"
ACTIONS = "<any(start, restart, reimage, reimageall, redeploy, reapply):action>"
POWER_ACTIONS = "<any(poweroff, deallocate):action>"


class Route(NamedTuple):
    """A row of the table below."""

    method: str
    path: str
    handler: Handler
    policy: str = ""


# Paths in lower case: Azure's match without regard to it.
ROUTES = [
    Route("GET", "/subscriptions", handlers.list_subscriptions),
    Route("GET", SUB, handlers.get_subscription),
    Route("POST", "/providers/microsoft.resourcegraph/resources", graph.query_resources),
    Route("GET", SUB + "/locations", handlers.list_locations),
    Route("GET", SUB + "/resourcegroups", groups.list_groups),
    Route(
        "HEAD", RG, groups.check_group
    ),  # before GET, which werkzeug would take a HEAD for as well
    Route("GET", RG, groups.get_group),
    Route("PUT", RG, groups.put_group),
    Route("DELETE", RG, groups.delete_group),
    Route("GET", IMAGES, images.list_image_entries, "GetVMImageFromLocation"),
    Route("GET", IMAGES + "/<publishers>/artifacttypes/vmimage/offers", images.list_image_entries),
    Route(
        "GET",
        IMAGES + "/<publishers>/artifacttypes/vmimage/offers/<offers>/skus",
        images.list_image_entries,
    ),
    Route(
        "GET",
        IMAGES + "/<publishers>/artifacttypes/vmimage/offers/<offers>/skus/<skus>/versions",
        images.list_image_entries,
        "ListVMImagesVersionsFromLocation",
    ),
    Route(
        "GET",
        IMAGES
        + "/<publishers>/artifacttypes/vmimage/offers/<offers>/skus/<skus>/versions/<version>",
        images.get_image_version,
        "GetVMImageFromLocation",
    ),
    Route("GET", GALLERY, images.get_gallery, "GetGallery"),
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
    Route("GET", SUB + SETS, handlers.list_scale_sets, "HighCostGetVMScaleSet"),
    Route(
        "GET", PLACE + "/virtualmachinescalesets", handlers.list_scale_sets, "HighCostGetVMScaleSet"
    ),
    Route("GET", RG + SETS, handlers.list_scale_sets, "HighCostGetVMScaleSet"),
    Route("GET", VMSS, handlers.get_scale_set, "GetVMScaleSet"),
    Route("PUT", VMSS, handlers.put_scale_set, "CreateVMScaleSet"),
    Route("PATCH", VMSS, handlers.patch_scale_set, "VMScaleSetActions"),
    Route("DELETE", VMSS, handlers.delete_scale_set, "DeleteVMScaleSet"),
    Route("GET", VMSS + "/instanceview", handlers.get_scale_set_view, "HighCostGetVMScaleSet"),
    Route("GET", VMSS + "/skus", handlers.list_scale_set_skus, "GetVMScaleSet"),
    Route("GET", VMSS + "/osupgradehistory", upgrades.list_upgrade_history, "GetVMScaleSet"),
    Route("GET", VMSS + "/networkinterfaces", networks.list_nics),
    Route("GET", VMSS + "/publicipaddresses", networks.list_public_ips),
    Route("POST", VMSS + "/manualupgrade", handlers.upgrade_instances, "VMScaleSetActions"),
    Route("POST", VMSS + "/delete", handlers.delete_instances, "VMScaleSetActions"),
    Route("POST", f"{VMSS}/{ACTIONS}", handlers.act_on_scale_set, "VMScaleSetActions"),
    Route("POST", f"{VMSS}/{POWER_ACTIONS}", handlers.act_on_scale_set, "DeleteVMScaleSet"),
    Route("POST", VMSS + "/performmaintenance", handlers.refuse_maintenance, "VMScaleSetActions"),
    Route("POST", VM + "/performmaintenance", handlers.refuse_maintenance, "VMScaleSetVMActions"),
    Route("GET", VMSS + "/extensions", extensions.list_extensions, "LowCostGet"),
    Route("GET", VMSS + "/extensions/<extension>", extensions.get_extension, "LowCostGet"),
    Route("PUT", VMSS + "/extensions/<extension>", extensions.put_extension, "VMScaleSetActions"),
    Route(
        "PATCH", VMSS + "/extensions/<extension>", extensions.patch_extension, "VMScaleSetActions"
    ),
    Route(
        "DELETE", VMSS + "/extensions/<extension>", extensions.delete_extension, "VMScaleSetActions"
    ),
    Route("GET", NICS, networks.list_nics),
    Route("GET", NICS + "/<nic>", networks.get_nic),
    Route("GET", PUBLIC_IPS, networks.list_public_ips),
    Route("GET", PUBLIC_IPS + "/<ip>", networks.get_public_ip),
    Route("POST", VMSS + "/osrollingupgrade", upgrades.start_rolling_upgrade, "VMScaleSetActions"),
    Route(
        "POST",
        VMSS + "/extensionrollingupgrade",
        upgrades.start_rolling_upgrade,
        "VMScaleSetActions",
    ),
    Route("GET", VMSS + "/rollingupgrades/latest", upgrades.get_rolling_upgrade, "GetVMScaleSet"),
    Route(
        "POST",
        VMSS + "/rollingupgrades/cancel",
        upgrades.cancel_rolling_upgrade,
        "VMScaleSetActions",
    ),
    Route("GET", VMSS + "/virtualmachines", handlers.list_instances, "HighCostGetVMScaleSet"),
    Route("GET", VM, handlers.get_instance, "GetVMScaleSetVM"),
    Route("PUT", VM, handlers.put_instance, "VMScaleSetActions"),
    Route("DELETE", VM, handlers.delete_instance, "DeleteVMScaleSetVM"),
    Route("GET", VM + "/instanceview", handlers.get_instance_view, "GetVMScaleSetVM"),
    Route("POST", f"{VM}/{ACTIONS}", handlers.act_on_instance, "VMScaleSetVMActions"),
    Route("POST", f"{VM}/{POWER_ACTIONS}", handlers.act_on_instance, "DeleteVMScaleSetVM"),
    Route("POST", VM + "/runcommand", commands.run_command, "VMScaleSetVMActions"),
    Route("GET", MACHINES, machines.list_machines, "LowCostGet"),
    Route("GET", MACHINES + "/<vm>", machines.get_machine, "LowCostGet"),
    Route("GET", MACHINES + "/<vm>/instanceview", machines.get_machine_view, "LowCostGet"),
    Route("GET", SUB + "/operationresults/<operation>", handlers.get_operation_result),
    Route("GET", PLACE + "/operations/<operation>", handlers.get_operation, "GetOperation"),
]

URLS = Map(
    [Rule(each.path, methods=[each.method], endpoint=each) for each in ROUTES], strict_slashes=False
)
