"""Which instances need nothing any more: what a run reads from Azure, and asks the caller."""

from __future__ import annotations

from .._text import one_line
from ..images import version_order
from ..instances import has_latest_model, last_operation_time, provisioning_state
from ..types import Instance
from . import messages
from .state import Halt, RolloutState, exact_version_of


def note_current(state: RolloutState) -> None:
    """Note which of the instances need nothing, as they were read."""
    state.current = frozenset(
        instance["instanceId"] for instance in state.instances if is_current(state, instance)
    )


def is_current(state: RolloutState, instance: Instance) -> bool:
    """Return whether an instance needs nothing any more.

    Args:
        state: The run.
        instance: The instance as last read.

    Returns:
        `False` also for an instance of which that is not known, unless this run has acted on it.

    Raises:
        Halt: The caller's own `pending` raised an error.
    """
    action = state.options.action
    if action.name == "upgrade":
        return has_latest_model(instance)
    if action.name == "refresh":
        return _has_version(state, instance)
    if action.pending is not None:
        try:
            return not action.pending(instance)
        except Exception as error:
            reason = messages.pending_failed(instance["instanceId"], one_line(error))
            raise Halt(reason) from error
    if instance["instanceId"] in state.accepted:
        return True
    return action.has_times and _was_done_since(state, instance)


def _has_version(state: RolloutState, instance: Instance) -> bool:
    """Return whether an instance runs the wanted version; or, in a rollback, an older one."""
    if not state.version:
        return False
    found = exact_version_of(instance)
    if not found:
        return instance["instanceId"] in state.accepted
    if state.is_rollback:
        return version_order(found) <= version_order(state.version)
    return version_order(found) >= version_order(state.version)


def _was_done_since(state: RolloutState, instance: Instance) -> bool:
    """Return whether the last operation on an instance ended well since the given time."""
    time = last_operation_time(instance)
    return provisioning_state(instance) == "succeeded" and time is not None and time >= state.since
