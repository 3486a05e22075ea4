"""Whose fault a failure is: only what the new image or the upgrade itself did is rolled back."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import OperationFailed

UPGRADE_FAULTS = frozenset(
    {
        "osprovisioningclienterror",
        "osprovisioningtimedout",
        "vmagentstatuscommunicationerror",
        "vmextensionhandlernontransienterror",
        "vmextensionprovisioningerror",
        "vmextensionprovisioningtimeout",
        "vmstarttimedout",
    }
)
"""Azure's codes, in lower case, for an OS or an extension that does not come up.

All others have other causes: allocation, quota, internal errors, network, storage, policy.
"""

_PREEMPTED = "operationpreempted"


def is_preempted(error: OperationFailed) -> bool:
    """Return whether another write ended an operation, which says nothing of the image.

    Args:
        error: How the operation ended.

    Returns:
        `True` for `OperationPreempted` and for an operation that was canceled.
    """
    return error.code.lower() == _PREEMPTED or error.status.lower() in ("canceled", "cancelled")


def is_upgrade_fault(code: str) -> bool:
    """Return whether an error code blames the new image or the upgrade itself.

    Args:
        code: Azure's error code.

    Returns:
        `False` also for a code that is not known.
    """
    return code.lower() in UPGRADE_FAULTS


def is_batch_at_fault(operation_code: str, instance_codes: Iterable[str]) -> bool:
    """Return whether a failed operation was the fault of what was upgraded.

    Args:
        operation_code: The code of the operation; a status such as `Failed` if Azure gave none.
        instance_codes: The codes of the instances of the batch that failed; `""` without one.

    Returns:
        `True` if the operation or an instance blames the upgrade; also if Azure gives no code at
        all, and an instance failed.
    """
    codes = list(instance_codes)
    if is_upgrade_fault(operation_code) or any(is_upgrade_fault(code) for code in codes):
        return True
    has_reason = operation_code.lower() not in ("", "failed") or any(codes)
    return bool(codes) and not has_reason
