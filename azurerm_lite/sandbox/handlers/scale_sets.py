"""What the sandbox answers to each request: parse, ask the model, render."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .. import errors
from ..model import catalog
from ..model.cloud import Cloud
from ..model.resources import SUBSCRIPTION, Instance, Operation, ScaleSet
from . import odata, render

Json = dict[str, Any]
ETAG_SINCE = "2023-09-01"
# What Azure takes the names of a Flexible set's instances for; the documentation sends one to the
# VMs for the rest.
_WITH_NAMES = ("reimage", "deallocate")
# With any of these in its body, the PUT of an instance is one of a model.
_OF_A_MODEL = frozenset(
    {
        f"{each}Profile"
        for each in ("storage", "os", "network", "hardware", "diagnostics", "security")
    }
    | {"networkProfileConfiguration", "additionalCapabilities", "licenseType", "userData"}
)


@dataclass
class Call:
    """A request, taken apart."""

    cloud: Cloud
    method: str
    base_url: str
    names: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: Json
    page_size: int

    @property
    def vmss(self) -> ScaleSet:
        """The scale set that the path names."""
        return self.cloud.scale_set(self.names["rg"], self.names["vmss"])

    @property
    def instance(self) -> Instance:
        """The instance that the path names: by its number, so none of a Flexible set."""
        vmss = self.vmss
        if vmss.is_flexible:
            raise errors.no_number()
        try:
            return vmss.instances[self.names["vm"]]
        except KeyError:
            raise errors.no_entity() from None

    @property
    def has_etags(self) -> bool:
        """Whether the api-version knows etags."""
        return self.query["api-version"] >= ETAG_SINCE

    def expands(self, what: str) -> bool:
        """Whether the query asks for a part that is not always there, in lower case."""
        return what in self.query.get("$expand", "").lower()

    @property
    def notifies(self) -> bool:
        """Whether the answer carries `azure-asyncnotification`: to a write of a whole scale set it does."""
        return self.method in ("PUT", "PATCH", "DELETE") and self.names["path"].count("/") == 8

    @property
    def url(self) -> str:
        """The path again, as a URL with the api-version."""
        return f"{self.base_url}{self.names['path']}?api-version={self.query['api-version']}"

    @property
    def ids(self) -> list[str] | None:
        """The instance ids in the body; `None` where there are none."""
        given = self.body.get("instanceIds")
        if given is not None and (
            not isinstance(given, list) or not all(isinstance(each, str) for each in given)
        ):
            raise errors.bad_body("instanceIds must be an array of strings.")
        return given or None


@dataclass
class Answer:
    """An answer: status, JSON or nothing, headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]


# Subscriptions, locations


def list_subscriptions(call: Call) -> Answer:
    """Subscriptions - List."""
    return Answer(200, {"value": [render.subscription()], "count": {"type": "Total", "value": 1}})


def get_subscription(call: Call) -> Answer:
    """Subscriptions - Get."""
    return Answer(200, render.subscription())


def list_locations(call: Call) -> Answer:
    """Subscriptions - List Locations."""
    base = f"/subscriptions/{SUBSCRIPTION}/locations"
    entries = [
        {
            "id": f"{base}/{name}",
            "name": name,
            "type": "Region",
            "displayName": shown,
            "regionalDisplayName": shown,
        }
        for name, shown in catalog.LOCATIONS.items()
    ]
    return Answer(200, {"value": entries})


# Scale sets


def list_scale_sets(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List, List All, List By Location."""
    wanted: Iterable[ScaleSet] = call.cloud.sets.values()
    if "rg" in call.names:
        call.cloud.group(call.names["rg"])
        wanted = [each for each in wanted if each.group.lower() == call.names["rg"].lower()]
    if "location" in call.names:
        wanted = [
            each for each in wanted if each.location.lower() == call.names["location"].lower()
        ]
    return page(call, [render.scale_set(each, call.has_etags) for each in wanted])


def get_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get."""
    return Answer(
        200, render.scale_set(call.vmss, call.has_etags, with_user_data=call.expands("userdata"))
    )


def put_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Create Or Update."""
    call.cloud.group(call.names["rg"])
    check_stays(call)
    check_etag(call, call.cloud.sets.get((call.names["rg"].lower(), call.names["vmss"].lower())))
    vmss, job, is_new = call.cloud.put(call.names["rg"], call.names["vmss"], call.body)
    return begun(call, job, 201 if is_new else 200, render.scale_set(vmss, call.has_etags))


def patch_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update."""
    vmss = call.vmss
    check_etag(call, vmss)
    job = call.cloud.patch(vmss, call.body)
    return begun(call, job, 200, render.scale_set(vmss, call.has_etags))


def delete_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete."""
    call.cloud.group(call.names["rg"])
    if (call.names["rg"].lower(), call.names["vmss"].lower()) not in call.cloud.sets:
        return Answer(204)
    return begun(call, call.cloud.delete(call.vmss))


def get_scale_set_view(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get Instance View."""
    check_uniform(call.vmss, "instanceView.GET")
    return Answer(200, render.scale_set_view(call.vmss))


def list_scale_set_skus(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List Skus."""
    call.vmss  # noqa: B018 - a set that is not there is refused
    capacity = {"minimum": 0, "maximum": 1000, "defaultCapacity": 1, "scaleType": "Automatic"}
    kind = "Microsoft.Compute/virtualMachineScaleSets"
    names = ("Standard_D2s_v5", "Standard_D4s_v5", "Standard_D8s_v5")
    skus = [
        {"resourceType": kind, "sku": {"name": name, "tier": "Standard"}, "capacity": capacity}
        for name in names
    ]
    return page(call, skus)


def act_on_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Start, Restart, Power Off, Deallocate, Reimage, Redeploy, and so on."""
    action = call.names["action"]
    if action not in _WITH_NAMES:
        check_uniform(call.vmss, f"{action}.POST")
    return begun(call, call.cloud.act(call.vmss, action, call.ids, _exact_version(call)))


def upgrade_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update Instances."""
    job, charge = call.cloud.upgrade(call.vmss, _required_ids(call))
    answer = begun(call, job)
    answer.headers["x-ms-request-charge"] = str(charge)
    return answer


def delete_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete Instances."""
    return begun(call, call.cloud.delete_instances(call.vmss, _required_ids(call)))


def refuse_maintenance(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Perform Maintenance: refused, as for most subscriptions."""
    name = f"{call.vmss.name}_{call.names.get('vm', 0)}"
    message = f"Operation 'performMaintenance' is not allowed on VM '{name}' since the Subscription of this VM is not "
    raise errors.not_allowed(message + "eligible.")


# Instances


def list_instances(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - List."""
    vmss = call.vmss
    with_view = (
        "instanceview" in (call.query.get("$expand", "") + call.query.get("$select", "")).lower()
    )
    if with_view or "instanceview" in call.query.get("$filter", "").lower():
        check_uniform(vmss, "virtualMachines.GET")
    keep = odata.filtered(call.query.get("$filter"))
    shown = (
        [render.instance(vmss, each, with_view=True) for each in vmss.instances.values()]
        if keep
        else []
    )
    wanted = {each["instanceId"] for each in shown if keep and keep(each)}
    instances = [each for each in vmss.instances.values() if not keep or each.id in wanted]

    def entry(each: Instance) -> Json:
        body = render.instance(vmss, each, with_view=with_view, with_etag=call.has_etags)
        return odata.selected(body, call.query.get("$select"))

    return page(call, instances, entry)


def get_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get."""
    parts = {"with_view": call.expands("instanceview"), "with_user_data": call.expands("userdata")}
    return Answer(200, render.instance(call.vmss, call.instance, with_etag=call.has_etags, **parts))


def get_instance_view(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get Instance View."""
    return Answer(200, render.instance_view(call.vmss, call.instance))


def put_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Update: its protection alone, or with more of a model one of its own."""
    vmss, instance = call.vmss, call.instance
    check_etag(call, instance)
    properties = call.body.get("properties") or {}
    if not isinstance(properties, dict):
        raise errors.bad_body("'properties' must be an object.")
    job = call.cloud.customise(vmss, instance) if properties.keys() & _OF_A_MODEL else None
    if isinstance(properties.get("protectionPolicy"), dict):
        job = call.cloud.protect(vmss, instance, properties["protectionPolicy"])
    job = job or call.cloud.begin(vmss, 0.0, lambda: None)
    body = render.instance(vmss, instance, with_view=False, with_etag=call.has_etags)
    body["properties"]["provisioningState"] = "Updating"
    return begun(call, job, 200, body)


def delete_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Delete."""
    if call.vmss.is_flexible:
        raise errors.no_number()
    there = [
        each for each in [call.names["vm"]] if each in call.vmss.instances
    ]  # else there is nothing to do
    return begun(call, call.cloud.delete_instances(call.vmss, there))


def act_on_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Start, Restart, Power Off, Deallocate, Reimage, Redeploy."""
    return begun(
        call,
        call.cloud.act(call.vmss, call.names["action"], [call.instance.id], _exact_version(call)),
    )


# Long-running operations


def get_operation(call: Call) -> Answer:
    """The state of an operation; with `monitor=true` what stands at its `Location`."""
    job = call.cloud.operations.get(call.names["operation"])
    if job is None:
        raise errors.no_entity()
    retry_after = {} if job.ended else _retry_after(call.cloud)
    output = getattr(job.end, "output", None)  # what there is to tell of it, beyond that it ended
    if call.query.get("monitor") == "true":
        return _failed(job) or Answer(200 if job.ended else 202, output, retry_after)
    told = {"properties": {"output": output}} if output else {}
    return Answer(200, {**render.operation(job), **told}, retry_after)


def get_operation_result(call: Call) -> Answer:
    """What stands at the `Location` of the deletion of a resource group."""
    job = call.cloud.operations.get(call.names["operation"])
    if job is None:
        raise errors.no_entity()
    if job.ended:
        return _failed(job) or Answer(200)
    return Answer(202, None, {"Location": call.url, **_retry_after(call.cloud)})


def _failed(job: Operation) -> Answer | None:
    """What stands at the `Location` of an operation that failed: the refusal that it came to."""
    return Answer(409, {"error": job.error}) if job.error else None


def begun(call: Call, job: Operation, status: int = 202, body: Json | None = None) -> Answer:
    """The first answer of a long-running operation. Without a body it has a `Location` too."""
    path = f"{call.base_url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/{job.location}/operations"
    version = f"api-version={call.query['api-version']}"
    headers = {"Azure-AsyncOperation": f"{path}/{job.id}?{version}", **_retry_after(call.cloud)}
    if body is None:
        headers["Location"] = f"{path}/{job.id}?monitor=true&{version}"
    if call.notifies:
        headers["Azure-AsyncNotification"] = "Enabled"
    return Answer(status, body, headers)


def _retry_after(cloud: Cloud) -> dict[str, str]:
    """Whole seconds, as Azure's; none where upgrades are too short for it to make sense."""
    return (
        {"Retry-After": str(min(10, int(cloud.upgrade_seconds)))}
        if cloud.upgrade_seconds >= 1
        else {}
    )


def _exact_version(call: Call) -> str | None:
    """The version that a reimage is to bring, if it names one."""
    version = call.body.get("exactVersion") if call.names["action"] == "reimage" else None
    if version is not None and not isinstance(version, str):
        raise errors.bad_body("'exactVersion' must be a string.")
    return version


def _required_ids(call: Call) -> list[str]:
    if not call.ids:
        raise errors.bad_parameter(
            "Required parameter 'instanceIds' is missing (null).", "instanceIds"
        )
    return call.ids


def check_uniform(vmss: ScaleSet, operation: str) -> None:
    """Refuses what Azure does not do with a Flexible set, whose instances are VMs like others."""
    if vmss.is_flexible:
        raise errors.not_for_flexible(operation, vmss.name)


def check_stays(call: Call) -> None:
    """Refuses a write in a resource group that is about to go."""
    deletion = call.cloud.groups.get(call.names["rg"].lower(), {}).get("deletion")
    if deletion and not deletion.ended:
        raise errors.deleting_group(call.names["rg"])


def check_etag(call: Call, resource: ScaleSet | Instance | None) -> None:
    """If-Match and If-None-Match, as Azure's contract has them."""
    wanted, current = call.headers.get("if-match"), f'"{resource.etag}"' if resource else ""
    if wanted and (not resource or wanted not in ("*", current)):
        raise errors.wrong_etag(wanted, current)
    if resource and call.headers.get("if-none-match") == "*":
        raise errors.Refusal(412, "PreconditionFailed", "The resource exists already.")


def page(call: Call, entries: list[Any], shown: Callable[[Any], Json] | None = None) -> Answer:
    """A page of a list, with the link to the next where there is one.

    The link carries what the page ends with, so that entries which come or go meanwhile move nobody
    to another page.
    """
    after = call.query.get("$skiptoken")
    start = 0
    if after is not None:
        names = [_name(each) for each in entries]
        if not re.fullmatch(r"\d+~.+", after):
            raise errors.bad_parameter("The provided skip token is invalid.", "$skiptoken")
        place, _, last = after.partition("~")
        start = names.index(last) + 1 if last in names else min(int(place), len(entries))
    end = start + call.page_size
    part = entries[start:end]
    body: Json = {"value": [shown(each) for each in part] if shown else part}
    if end < len(entries):
        query = {**call.query, "$skiptoken": f"{start}~{_name(part[-1])}"}
        parameters = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        body["nextLink"] = f"{call.base_url}{call.names['path']}?{parameters}"
    return Answer(200, body)


def _name(entry: Any) -> str:
    return entry.id if isinstance(entry, Instance) else str(entry.get("id") or entry.get("name"))
