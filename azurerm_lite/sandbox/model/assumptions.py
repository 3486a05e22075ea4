"""What nobody could show about Azure: each answer can be set, so that a client can meet both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SecondWrite = Literal["accept_upgrade", "reject", "preempt"]


@dataclass
class Assumptions:
    """How the sandbox answers where Azure's behaviour is not known.

    Attributes:
        expanded_list_has_model: Whether a list of VMs with `$expand=instanceView` contains the
            model beside the view. One client reads both from it, another merges two lists.
        expanded_list_has_health: Whether that list contains `vmHealth`. Only the view of a single
            VM is documented to have it.
        expanded_list_needs_filter: Whether that list is rejected without a `$filter`, as the
            reference says.
        upgrade_moves_tag: Whether a manual upgrade moves the tag `VirtualMachineProfileTimeCreated`
            of the VMs of a Flexible set. It is known to be written when a VM is created.
        deleting_vm_has_id: Whether a VM that is being deleted has an `id` in a list. One client
            has met empty ones.
        flexible_set_has_power_actions: Whether a Flexible set accepts `start`, `restart` and
            `powerOff` for many VMs at once. One page of the documentation says so, another does
            not.
        vm_has_reimage: Whether a VM of a Flexible set accepts `reimage`. The reference has an
            example, a page of the documentation says that only ephemeral disks have it.
        later_pages_count: Whether the second and later pages of a list count against the limit of
            the scale set. Recorded lists have one page, and how many entries Azure puts on one is
            not known either.
        overprovisioned_vms_are_listed: Whether the additional VMs that a scale-out of a set with
            `overprovision` starts are listed until Azure deletes them, some time after the
            operation has ended. Recorded is that they are charged for.
        upgrade_needs_policy: Whether a manual upgrade of a set without an `upgradePolicy` is
            rejected.
        put_back_makes_own_model: Whether an instance that is put back as it was read gets a model
            of its own, and is outdated then. In recorded traffic it does not; it is reported once.
        reverted_model_is_latest: Whether an instance that was never upgraded is current again when
            the model of its set is changed back. In recorded traffic it is not: Azure counts the
            changes of a model.
        second_write: What happens to a write on a scale set while another one is in progress.
            `accept_upgrade`: a manual upgrade is accepted while a change of the model is in
            progress, unless that changes the same instances; other writes are rejected with 409
            `Conflict`. azurerm's scripts put a model and upgrade at once, and Azure accepted that.
            `reject`: every second write is rejected. `preempt`: the newer write is accepted, and
            the older operation ends `Canceled` with the code `OperationPreempted`. Azure is
            reported to do both.
        reimage_takes_newest: Whether a reimage without an exact version installs the newest version
            of `latest`, as is reported; the reference says that it keeps the one there is.
        commands_run_in_parallel: Whether scripts may run on several instances of a set at once.
            Microsoft's examples start one on each instance; no recording shows two that overlap.
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
            raise ValueError(f"second_write must be one of {allowed}, not {value!r}")
        super().__setattr__(name, value)
