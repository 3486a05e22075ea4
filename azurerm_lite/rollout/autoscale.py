"""Whether Azure's autoscale may change the number of instances during a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _retry, _shapes, rest, settings
from .._ids import is_same_id
from ..errors import AzureError
from . import messages
from .reading import known_model
from .state import RolloutState

_SETTINGS = (
    "/subscriptions/{subscription_id}/resourceGroups/{resource_group}/providers/Microsoft.Insights"
    "/autoscaleSettings"
)


def read_autoscale(state: RolloutState) -> str:
    """Return what should be known of the autoscale settings of a set; it never fails.

    Args:
        state: A run that has read the model.

    Returns:
        A sentence for people; `""` if the set has no setting.
    """
    names = {
        "subscription_id": state.scale_set.subscription_id,
        "resource_group": state.scale_set.resource_group,
    }
    url = rest.url(_SETTINGS, names, settings.INSIGHTS_API)
    try:
        with rest.request_hooks(state.hooks):
            found = rest.get_objects(state.scale_set.access_token, url, _shapes.AUTOSCALE_SETTING)
    except AzureError as error:
        return messages.autoscale_unknown(error.code or str(error.status_code))
    except _retry.CONNECTION_ERRORS as error:
        return messages.autoscale_unknown(type(error).__name__)
    set_id = known_model(state).get("id", "")
    names_of_active = [str(setting.get("name")) for setting in found if _is_active(setting, set_id)]
    return messages.autoscaled(names_of_active) if names_of_active else ""


def _is_active(setting: Mapping[str, Any], set_id: str) -> bool:
    """Return whether a setting is on, and is about this set."""
    properties = setting.get("properties") or {}
    is_of_set = is_same_id(properties.get("targetResourceUri"), set_id)
    return is_of_set and properties.get("enabled") is not False
