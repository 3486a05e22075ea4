"""Handlers for the instances of a scale set."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model.resources import Instance
from . import odata, render
from ._call import Call, Json, accepted, check_etag, check_uniform, page
from .scale_sets import requested_version

# A PUT of an instance with any of these in its properties gives it a model of its own.
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
    selection = call.query.get("$select", "")
    filter_text = call.query.get("$filter", "")
    with_view = call.expands("instanceview") or "instanceview" in selection.lower()
    if with_view or "instanceview" in filter_text.lower():
        check_uniform(vmss, "virtualMachines.GET")
    instances = list(vmss.instances.values())
    if filter_text:
        matches = odata.parse_filter(filter_text)
        instances = [vm for vm in instances if matches(render.instance(vmss, vm, with_view=True))]

    def entry(vm: Instance) -> Json:
        body = render.instance(vmss, vm, with_view=with_view, with_etag=call.has_etags)
        return odata.select_properties(body, selection)

    return page(call, instances, entry)


def get_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get."""
    body = render.instance(
        call.vmss,
        call.instance,
        with_view=call.expands("instanceview"),
        with_etag=call.has_etags,
        with_user_data=call.expands("userdata"),
    )
    return Answer(200, body)


def get_instance_view(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get Instance View."""
    return Answer(200, render.instance_view(call.vmss, call.instance))


def put_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Update: protection, or a model of the instance's own."""
    vmss = call.vmss
    instance = call.instance
    check_etag(call, instance)
    properties = call.body.get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.invalid_request_content("'properties' must be an object.")
    job = None
    if properties.keys() & _MODEL_PROPERTIES:
        job = call.cloud.give_own_model(vmss, instance)
    if isinstance(properties.get("protectionPolicy"), dict):
        job = call.cloud.protect(vmss, instance, properties["protectionPolicy"])
    job = job or call.cloud.start_operation(vmss, 0.0, lambda: None)
    body = render.instance(vmss, instance, with_view=False, with_etag=call.has_etags)
    body["properties"]["provisioningState"] = "Updating"
    return accepted(call, job, 200, body)


def delete_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Delete: an instance that does not exist is no error."""
    vmss = call.vmss
    if vmss.is_flexible:
        raise errors.instance_id_not_a_number()
    instance_id = call.names["vm"]
    ids = [instance_id] if instance_id in vmss.instances else []
    return accepted(call, call.cloud.delete_instances(vmss, ids))


def run_action_on_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Start, Restart, Power Off, Deallocate, Reimage, Redeploy."""
    action = call.names["action"]
    version = requested_version(call)
    return accepted(call, call.cloud.run_action(call.vmss, action, [call.instance.id], version))
