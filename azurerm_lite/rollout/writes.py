"""The requests that start an action on instances."""

from __future__ import annotations

from collections.abc import Sequence

from requests import Response

from .. import _flexible, _retry, _run_command, vmss
from .._text import one_line
from ..errors import AzureError
from . import messages, reimage
from .reading import known_model
from .state import Halt, RolloutState, by_id


def split(state: RolloutState, ids: Sequence[str]) -> list[list[str]]:
    """Return which instances one request is for.

    Args:
        state: The run.
        ids: The ids of a batch.

    Returns:
        All of them, or lists of one where Azure has the operation for single instances alone.
    """
    name = state.options.action.name
    is_member_action = name in ("restart", "redeploy") and _flexible.is_flexible(known_model(state))
    if name == "run_command" or is_member_action:
        return [[instance_id] for instance_id in ids]
    return [list(ids)]


def start(state: RolloutState, ids: Sequence[str]) -> Response | None:
    """Start the action of a run on instances.

    Args:
        state: The run.
        ids: Ids of instances, as `split` returns them.

    Returns:
        Azure's answer, of an operation to follow; `None` if there is nothing to follow.

    Raises:
        AzureError: Azure refused; it says whether the request may be sent again.
        Halt: The caller's own function raised an error that is not Azure's.
    """
    action = state.options.action
    where = state.scale_set
    if action.name == "upgrade":
        return vmss.manual_upgrade(*where, ids)
    if action.name == "refresh":
        return reimage.start(state, ids)
    if action.name == "restart":
        return vmss.restart_vmss(*where, ids)
    if action.name == "redeploy":
        return vmss.redeploy_vmss(*where, ids)
    if action.name == "reimage":
        return vmss.reimage_vmss(*where, ids)
    if action.name == "run_command":
        path = _flexible.SetPath(*where[1:])
        token = where.access_token
        return _run_command.start(
            token, path, ids[0], action.script, action.parameters, action.command_id
        )
    return _call(state, ids)


def _call(state: RolloutState, ids: Sequence[str]) -> Response | None:
    """Call the caller's own function with the instances."""
    function = state.options.action.function
    if function is None:
        raise RuntimeError("the action has no function")
    known = by_id(state)
    try:
        response = function([known[instance_id] for instance_id in ids])
    except (AzureError, *_retry.CONNECTION_ERRORS):
        raise
    except Exception as error:
        raise Halt(messages.action_failed(one_line(error))) from error
    given: object = response
    if given is not None and not isinstance(given, Response):
        kind = type(given).__name__
        raise Halt(messages.action_failed(f"it returned a {kind}, not a Response or None"))
    return response
