"""Handlers for the instances of a scale set, in the scale set's API."""

from __future__ import annotations

from typing import Any

from .. import errors
from .._answer import Answer
from ..model import members
from ..model.redaction import without_secrets
from ..model.resources import Instance, Operation, ScaleSet, merge_put
from . import odata, render
from ._call import (
    VM_VIEWS,
    Call,
    Json,
    accept,
    accept_for_vms,
    check_etag,
    check_uniform,
    etag_header,
    page,
)
from .scale_sets import forces_ephemeral, requested_version

# A PUT of an instance that changes any of these properties gives it a model of its own.
_MODEL_PROPERTIES = frozenset(
    {
        *("storageProfile", "osProfile", "networkProfile", "hardwareProfile"),
        *("diagnosticsProfile", "securityProfile", "networkProfileConfiguration"),
        *("additionalCapabilities", "licenseType", "userData"),
    }
)


def list_instances(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - List."""
    vmss = call.vmss
    if vmss.is_flexible:
        return _list_members(call, vmss)
    selection = call.query.get("$select", "")
    filter_text = call.query.get("$filter", "")
    with_view = call.expands("instanceview") or "instanceview" in selection.lower()
    instances = list(vmss.instances.values())
    if filter_text:
        matches = odata.parse_filter(filter_text)
        instances = [
            vm
            for vm in instances
            if matches(render.instance(vmss, vm, call.api_version, with_view=True))
        ]

    def entry(vm: Instance) -> Json:
        body = render.instance(vmss, vm, call.api_version, with_view=with_view)
        return odata.select_properties(body, selection)

    return _count_views(page(call, instances, entry))


def get_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get."""
    vmss = call.vmss
    if vmss.is_flexible:
        return _get_member(call, vmss)
    instance = call.instance
    body = render.instance(
        vmss,
        instance,
        call.api_version,
        with_view=call.expands("instanceview"),
        with_user_data=call.expands("userdata"),
        is_single=True,
    )
    headers = etag_header(instance.etag) if call.has_etags else {}
    return Answer(200, body, headers, vm_policy=VM_VIEWS, vm_count=1)


def get_instance_view(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get Instance View."""
    view = render.instance_view(call.vmss, call.instance)
    return Answer(200, view, vm_policy=VM_VIEWS, vm_count=1)


def put_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Update: set the protection, or an own model.

    What the body leaves out does not change.
    """
    vmss = call.vmss
    instance = _find_member(call, vmss) if vmss.is_flexible else call.instance
    check_etag(call, instance)
    properties = members.respell(call.body, "VirtualMachineScaleSetVM").get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.invalid_request_content("'properties' must be an object.")
    model = {key: value for key, value in properties.items() if key in _MODEL_PROPERTIES}
    if model:
        # Only the protection is documented for a Flexible set.
        check_uniform(vmss, "virtualMachines.PUT")
    has_own_model = bool(model) and _changes_model(call, vmss, instance, model)
    job = _write_instance(call, vmss, instance, properties, has_own_model)
    if vmss.is_flexible:
        return accept(call, job, 200, render.member(vmss, instance, call.api_version))
    body = render.instance(vmss, instance, call.api_version, with_view=False, is_single=True)
    body["properties"]["provisioningState"] = "Updating"
    answer = accept_for_vms(call, job, 200, body)
    answer.vm_count = 1
    if call.has_etags:
        answer.headers |= etag_header(instance.etag)
    return answer


def reject_patch(call: Call) -> Answer:
    """Reject a PATCH of an instance; the status is reported, but not the message."""
    message = "The requested resource does not support http method 'PATCH'."
    raise errors.ApiError(405, "MethodNotAllowed", message)


def delete_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Delete: also succeeds if the instance does not exist."""
    vmss = call.vmss
    if vmss.is_flexible:
        raise errors.instance_id_not_a_number()
    instance_id = call.names["vm"]
    ids = [instance_id] if instance_id in vmss.instances else []
    return accept_for_vms(call, call.cloud.delete_instances(vmss, ids))


def run_action_on_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Start, Restart, Power Off, Deallocate, Reimage, Redeploy.

    Azure accepts `*` for the id.
    """
    vmss = call.vmss
    action = call.names["action"]
    version = requested_version(call)
    is_all = call.names["vm"] == "*" and not vmss.is_flexible
    ids = ["*"] if is_all else [call.instance.id]
    return accept_for_vms(
        call,
        call.cloud.run_action(
            vmss, action, ids, version, is_ephemeral_forced=forces_ephemeral(call)
        ),
    )


def _write_instance(
    call: Call, vmss: ScaleSet, instance: Instance, properties: Json, has_model: bool
) -> Operation:
    etag = instance.etag
    job = call.cloud.give_own_model(vmss, instance) if has_model else None
    if isinstance(properties.get("protectionPolicy"), dict):
        job = call.cloud.protect(vmss, instance, properties["protectionPolicy"])
    instance.etag = min(instance.etag, etag + 1)
    return job or call.cloud.start_operation(vmss, 0.0, lambda: None)


def _changes_model(call: Call, vmss: ScaleSet, instance: Instance, model: Json) -> bool:
    """Return whether the body of a PUT changes the model that an instance has.

    Recorded: writing an instance exactly as it was read, or without its image, changes nothing.
    """
    if call.cloud.assumptions.put_back_makes_own_model:
        return True
    version = max(call.api_version, render.VM_SIZE_SINCE)
    current = render.instance(vmss, instance, version, with_view=False)["properties"]
    merged = merge_put(current, without_secrets(model))
    return any(
        _with_small_ids(merged.get(key)) != _with_small_ids(current.get(key)) for key in model
    )


def _with_small_ids(body: Any) -> Any:
    """Return JSON with its resource ids in lower case, because their case does not matter."""
    if isinstance(body, dict):
        return {key: _with_small_ids(value) for key, value in body.items()}
    if isinstance(body, list):
        return [_with_small_ids(entry) for entry in body]
    return body.lower() if isinstance(body, str) and body.startswith("/") else body


def _count_views(answer: Answer) -> Answer:
    answer.vm_policy = VM_VIEWS
    answer.vm_count = len(answer.body["value"])
    return answer


# Members of a Flexible set


def _list_members(call: Call, vmss: ScaleSet) -> Answer:
    """Return names and ids; reject views, selections and filters."""
    options = [call.query.get(name, "") for name in ("$expand", "$select", "$filter")]
    if any(options):
        check_uniform(vmss, "virtualMachines.GET")
    members = list(vmss.instances.values())
    answer = page(call, members, lambda vm: render.member(vmss, vm, call.api_version))
    return _count_views(answer)


def _get_member(call: Call, vmss: ScaleSet) -> Answer:
    if call.expands("instanceview"):
        check_uniform(vmss, "virtualMachines.GET")
    member = _find_member(call, vmss)
    body = render.member(
        vmss,
        member,
        call.api_version,
        is_single=True,
        with_resiliency=call.expands("resiliencyview"),
    )
    return Answer(200, body, vm_policy=VM_VIEWS, vm_count=1)


def _find_member(call: Call, vmss: ScaleSet) -> Instance:
    member = vmss.find(call.names["vm"])
    if member is None:
        raise errors.entity_not_found()
    return member
