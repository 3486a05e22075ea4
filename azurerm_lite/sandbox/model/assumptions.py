"""Settings for behaviour of Azure that is not known, so that tests can cover each case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SecondWrite = Literal["accept_upgrade", "reject", "preempt"]


@dataclass
class Assumptions:
    """How the sandbox behaves if Azure's behaviour is not known.

    Attributes:
        expanded_list_has_model: Whether a list of VMs with `$expand=instanceView` contains the
            models as well as the views. One client reads both from it, another merges two lists.
        expanded_list_has_health: Whether that list contains `vmHealth`. Only the view of a single
            VM is documented to have it.
        expanded_list_needs_filter: Whether that list is rejected without a `$filter`, as the
            reference says.
        upgrade_moves_tag: Whether a manual upgrade updates the tag
            `VirtualMachineProfileTimeCreated` of the VMs of a Flexible set. It is known that
            Azure writes the tag when it creates a VM.
        deleting_vm_has_id: Whether a VM that is being deleted has an `id` in a list. One client
            has received empty ids.
        flexible_set_has_power_actions: Whether a Flexible set accepts `start`, `restart` and
            `powerOff` for many VMs at once. Two pages of the documentation contradict each other.
        vm_has_reimage: Whether a VM of a Flexible set accepts `reimage`. The reference has an
            example, but a page of the documentation says that it is for ephemeral disks only.
        later_pages_count: Whether the second and later pages of a list count against the limit of
            the scale set. Recorded lists have one page. Azure's page size is not known either.
        overprovisioned_vms_are_listed: Whether the extra VMs of a scale-out with `overprovision`
            are listed until Azure deletes them, some time after the end of the operation. Recorded
            traffic only shows that `x-ms-request-charge` counts them.
        upgrade_needs_policy: Whether a manual upgrade of a set without an `upgradePolicy` is
            rejected.
        put_back_makes_own_model: Whether an instance that is written exactly as it was read gets a
            model of its own and is outdated. In recorded traffic it does not. One user reports it.
        reverted_model_is_latest: Whether an instance that was never upgraded is current again if
            the model of its set is changed back. In recorded traffic it is not, because Azure
            counts the changes of a model.
        second_write: What happens to a write on a scale set while another one is in progress.
            `accept_upgrade`: a manual upgrade is accepted during a change of the model, unless
            that changes the same instances; other writes are rejected with 409 `Conflict`.
            azurerm's scripts upgrade immediately after they put a model, and Azure accepted that.
            `reject`: every second write is rejected. `preempt`: the newer write is accepted, and
            the older operation ends `Canceled` with the code `OperationPreempted`. Azure is
            reported to do both.
        reimage_takes_newest: Whether a reimage without an exact version installs the newest version
            of `latest`. That is reported, but the reference says that it keeps the installed one.
        commands_run_in_parallel: Whether scripts may run on several instances of a set at once.
            Microsoft's examples start one on each instance. No recording shows two that overlap.
        scale_out_adds: Whether the `capacity` of `scaleOut` is how many VMs to add. The reference
            calls it the number of VMs in the scale set.
    """

    expanded_list_has_model: bool = True
    expanded_list_has_health: bool = False
    expanded_list_needs_filter: bool = True
    upgrade_moves_tag: bool = False
    deleting_vm_has_id: bool = True
    flexible_set_has_power_actions: bool = False
    vm_has_reimage: bool = True
    later_pages_count: bool = False
    overprovisioned_vms_are_listed: bool = True
    upgrade_needs_policy: bool = False
    scale_out_adds: bool = False
    reimage_takes_newest: bool = True
    commands_run_in_parallel: bool = True
    put_back_makes_own_model: bool = False
    reverted_model_is_latest: bool = True
    second_write: SecondWrite = "accept_upgrade"

    def __setattr__(self, name: str, value: object) -> None:
        """Set an assumption.

        Raises:
            ValueError: `second_write` has another value.
        """
        if name == "second_write" and value not in get_args(SecondWrite):
            allowed = ", ".join(get_args(SecondWrite))
            raise ValueError(f"second_write must be one of {allowed}, got {value!r}")
        super().__setattr__(name, value)
