"""The public names of azurerm-lite: functions over the Azure REST API for VM scale sets."""

from typing import TYPE_CHECKING, Any

from .auth import (
    get_access_token,
    get_access_token_from_cli,
    get_subscription_from_cli,
    token_provider,
)
from .errors import (
    AuthenticationFailed,
    AzureError,
    Conflict,
    FleetHalted,
    NotFound,
    OperationFailed,
    OperationTimeout,
    PreconditionFailed,
    RolloutHalted,
    Throttled,
)
from .fleet import find_scale_sets, rollout_fleet
from .fleet.events import FleetEvent
from .heatmap import heatmap
from .image_drift import find_image_drift, image_drift
from .images import (
    get_image,
    image_name,
    list_gallery_image_versions,
    list_offers,
    list_publishers,
    list_sku_versions,
    list_skus,
    newest_image_version,
    set_image,
)
from .instances import (
    by_fault_domain,
    by_update_domain,
    by_zone,
    health,
    in_batches,
    power_state,
    provisioning_state,
    upgrade_mode,
)
from .operations import wait
from .rollout import follow_rolling_upgrade, plan_rollout, roll, rollback, rollout
from .rollout.events import Event
from .settings import VERSION as __version__  # noqa: N811 - the name that Python expects
from .subscriptions import list_locations, list_resource_groups, list_subscriptions
from .types import (
    Batch,
    CommandOutput,
    FoundScaleSet,
    Image,
    Instance,
    InstanceDrift,
    ScaleSet,
    Summary,
    Target,
)
from .vmss import (
    cancel_rolling_upgrade,
    delete_vmss,
    delete_vmss_vms,
    get_instance_views,
    get_os_upgrade_history,
    get_rolling_upgrade,
    get_vmss,
    get_vmss_instance_view,
    get_vmss_nics,
    get_vmss_public_ips,
    get_vmss_vm,
    get_vmss_vm_instance_view,
    list_vmss,
    list_vmss_skus,
    list_vmss_sub,
    list_vmss_vms,
    manual_upgrade,
    patch_vmss,
    poweroff_vmss,
    protect_vmss_vm,
    put_vmss,
    redeploy_vmss,
    reimage_vmss,
    restart_vmss,
    run_command,
    scale_vmss,
    start_extension_upgrade,
    start_os_upgrade,
    start_vmss,
    stopdealloc_vmss,
)

if TYPE_CHECKING:
    from .compat import install_as_azurerm

_LAZY = {"install_as_azurerm": "compat"}
"""Names whose modules are slow to import; they are loaded at the first use."""

__all__ = [
    "AuthenticationFailed",
    "AzureError",
    "Batch",
    "CommandOutput",
    "Conflict",
    "Event",
    "FleetEvent",
    "FleetHalted",
    "FoundScaleSet",
    "Image",
    "Instance",
    "InstanceDrift",
    "NotFound",
    "OperationFailed",
    "OperationTimeout",
    "PreconditionFailed",
    "RolloutHalted",
    "ScaleSet",
    "Summary",
    "Target",
    "Throttled",
    "__version__",
    "by_fault_domain",
    "by_update_domain",
    "by_zone",
    "cancel_rolling_upgrade",
    "delete_vmss",
    "delete_vmss_vms",
    "find_image_drift",
    "find_scale_sets",
    "follow_rolling_upgrade",
    "get_access_token",
    "get_access_token_from_cli",
    "get_image",
    "get_instance_views",
    "get_os_upgrade_history",
    "get_rolling_upgrade",
    "get_subscription_from_cli",
    "get_vmss",
    "get_vmss_instance_view",
    "get_vmss_nics",
    "get_vmss_public_ips",
    "get_vmss_vm",
    "get_vmss_vm_instance_view",
    "health",
    "heatmap",
    "image_drift",
    "image_name",
    "in_batches",
    "install_as_azurerm",
    "list_gallery_image_versions",
    "list_locations",
    "list_offers",
    "list_publishers",
    "list_resource_groups",
    "list_sku_versions",
    "list_skus",
    "list_subscriptions",
    "list_vmss",
    "list_vmss_skus",
    "list_vmss_sub",
    "list_vmss_vms",
    "manual_upgrade",
    "newest_image_version",
    "patch_vmss",
    "plan_rollout",
    "power_state",
    "poweroff_vmss",
    "protect_vmss_vm",
    "provisioning_state",
    "put_vmss",
    "redeploy_vmss",
    "reimage_vmss",
    "restart_vmss",
    "roll",
    "rollback",
    "rollout",
    "rollout_fleet",
    "run_command",
    "scale_vmss",
    "set_image",
    "start_extension_upgrade",
    "start_os_upgrade",
    "start_vmss",
    "stopdealloc_vmss",
    "token_provider",
    "upgrade_mode",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Load and return a name that is slow to import."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return all public names, also those that are not loaded yet."""
    return sorted(__all__)
