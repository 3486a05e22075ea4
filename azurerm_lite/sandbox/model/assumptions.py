"""What nobody could show about Azure: each answer can be set, so that a client can meet both."""

from __future__ import annotations

from dataclasses import dataclass


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
        upgrade_needs_policy: Whether a manual upgrade of a set without an `upgradePolicy` is
            rejected.
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
    upgrade_needs_policy: bool = False
    scale_out_adds: bool = False
