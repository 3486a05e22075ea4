"""What the sandbox answers to each request: parse, ask the model, render."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from . import catalog, errors, render, rolling
from .cloud import Cloud
from .model import SUBSCRIPTION, Instance, Operation, ScaleSet

Json = dict[str, Any]
ETAG_SINCE = "2023-09-01"


@dataclass
class Call:
    """A request, taken apart."""

    cloud: Cloud
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
        """The instance that the path names."""
        try:
            return self.vmss.instances[self.names["vm"]]
        except KeyError:
            raise errors.no_entity() from None

    @property
    def has_etags(self) -> bool:
        """Whether the api-version knows etags."""
        return self.query["api-version"] >= ETAG_SINCE

    @property
    def ids(self) -> list[str] | None:
        """The instance ids in the body; `None` where there are none."""
        given = self.body.get("instanceIds")
        if given is not None and (not isinstance(given, list) or not all(isinstance(each, str) for each in given)):
            raise errors.bad_body("instanceIds must be an array of strings.")
        return given or None


@dataclass
class Answer:
    """An answer: status, JSON or nothing, headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]


# Subscriptions, locations, groups


def list_subscriptions(call: Call) -> Answer:
    """Subscriptions - List."""
    return Answer(200, {"value": [render.subscription()], "count": {"type": "Total", "value": 1}})


def list_locations(call: Call) -> Answer:
    """Subscriptions - List Locations."""
    base = f"/subscriptions/{SUBSCRIPTION}/locations"
    entries = [
        {"id": f"{base}/{name}", "name": name, "type": "Region", "displayName": shown, "regionalDisplayName": shown}
        for name, shown in catalog.LOCATIONS.items()
    ]
    return Answer(200, {"value": entries})


def list_groups(call: Call) -> Answer:
    """Resource Groups - List."""
    return _page(call, [_group(each) for each in call.cloud.groups.values()])


def _group(group: Json) -> Json:
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group['name']}"
    kind = "Microsoft.Resources/resourceGroups"
    return {"id": base, "type": kind, **group, "properties": {"provisioningState": "Succeeded"}}


# Images


def list_image_entries(call: Call) -> Answer:
    """Virtual Machine Images - List Publishers, Offers, Skus, and versions: bare arrays, as Azure's."""
    location = call.names["location"]
    levels = [(kind, call.names[kind]) for kind in ("publishers", "offers", "skus") if kind in call.names]
    found = catalog.find(catalog.IMAGES, *(name for _, name in levels))
    if found is None:
        raise errors.Refusal(404, "NotFound", f"Artifact: {'/'.join(name for _, name in levels)} was not found.")
    if call.query.get("$orderby", "").lower() == "name desc":
        found.sort(reverse=True)
    found = found[: int(call.query.get("$top", len(found)))]
    path = f"/Subscriptions/{SUBSCRIPTION}/Providers/Microsoft.Compute/Locations/{location}/Publishers"
    if levels:
        path += f"/{levels[0][1]}/ArtifactTypes/VMImage/Offers"
    path += "".join(f"/{name}/{kind}" for (_, name), kind in zip(levels[1:], ("Skus", "Versions"), strict=False))
    return Answer(200, [{"location": location, "name": name, "id": f"{path}/{name}"} for name in found])


def list_gallery_versions(call: Call) -> Answer:
    """Gallery Image Versions - List By Gallery Image: those ids that the sandbox was told of."""
    call.cloud.group(call.names["rg"])
    prefix = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{call.names['rg']}/providers/Microsoft.Compute/galleries/"
        f"{call.names['gallery']}/images/{call.names['image']}/versions/"
    )
    ids = sorted(each for each in call.cloud.images if each.startswith(prefix.lower()))
    entries = [
        {
            "id": prefix + each.rpartition("/")[2],
            "name": each.rpartition("/")[2],
            "type": "Microsoft.Compute/galleries/images/versions",
            "location": "eastus",
            "properties": {"provisioningState": "Succeeded"},
        }
        for each in ids
    ]
    return _page(call, entries)


# Scale sets


def list_scale_sets(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List, List All, List By Location."""
    wanted: Iterable[ScaleSet] = call.cloud.sets.values()
    if "rg" in call.names:
        call.cloud.group(call.names["rg"])
        wanted = [each for each in wanted if each.group.lower() == call.names["rg"].lower()]
    if "location" in call.names:
        wanted = [each for each in wanted if each.location.lower() == call.names["location"].lower()]
    return _page(call, [render.scale_set(each, call.has_etags) for each in wanted])


def get_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get."""
    return Answer(200, render.scale_set(call.vmss, call.has_etags))


def put_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Create Or Update."""
    call.cloud.group(call.names["rg"])
    _check_etag(call, call.cloud.sets.get((call.names["rg"].lower(), call.names["vmss"].lower())))
    vmss, job, is_new = call.cloud.put(call.names["rg"], call.names["vmss"], call.body)
    return _begun(call, job, 201 if is_new else 200, render.scale_set(vmss, call.has_etags))


def patch_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update."""
    vmss = call.vmss
    _check_etag(call, vmss)
    job = call.cloud.patch(vmss, call.body)
    return _begun(call, job, 200, render.scale_set(vmss, call.has_etags))


def delete_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete."""
    call.cloud.group(call.names["rg"])
    if (call.names["rg"].lower(), call.names["vmss"].lower()) not in call.cloud.sets:
        return Answer(204)
    return _begun(call, call.cloud.delete(call.vmss))


def get_scale_set_view(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get Instance View."""
    return Answer(200, render.scale_set_view(call.vmss))


def list_scale_set_skus(call: Call) -> Answer:
    """Virtual Machine Scale Sets - List Skus."""
    call.vmss  # noqa: B018 - a set that is not there is refused
    capacity = {"minimum": 0, "maximum": 1000, "defaultCapacity": 1, "scaleType": "Automatic"}
    kind = "Microsoft.Compute/virtualMachineScaleSets"
    names = ("Standard_D2s_v5", "Standard_D4s_v5", "Standard_D8s_v5")
    skus = [{"resourceType": kind, "sku": {"name": name, "tier": "Standard"}, "capacity": capacity} for name in names]
    return _page(call, skus)


def act_on_scale_set(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Start, Restart, Power Off, Deallocate, Reimage, Redeploy, and so on."""
    return _begun(call, call.cloud.act(call.vmss, call.names["action"], call.ids))


def upgrade_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Update Instances."""
    job, charge = call.cloud.upgrade(call.vmss, _required_ids(call))
    answer = _begun(call, job)
    answer.headers["x-ms-request-charge"] = str(charge)
    return answer


def delete_instances(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Delete Instances."""
    return _begun(call, call.cloud.delete_instances(call.vmss, _required_ids(call)))


def list_nics(call: Call) -> Answer:
    """Network Interfaces - List Virtual Machine Scale Set Network Interfaces."""
    return _page(call, [render.nic(call.vmss, each) for each in call.vmss.instances.values()])


def list_public_ips(call: Call) -> Answer:
    """Public IP Addresses - List Virtual Machine Scale Set Public IP Addresses: the sandbox's VMs have none."""
    call.vmss  # noqa: B018 - a set that is not there is refused
    return _page(call, [])


# Instances


def list_instances(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - List."""
    vmss = call.vmss
    with_view = "instanceview" in call.query.get("$expand", "").lower()
    return _page(call, list(vmss.instances.values()), lambda each: render.instance(vmss, each, with_view=with_view))


def get_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get."""
    with_view = "instanceview" in call.query.get("$expand", "").lower()
    return Answer(200, render.instance(call.vmss, call.instance, with_view=with_view))


def get_instance_view(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Get Instance View."""
    return Answer(200, render.instance_view(call.vmss, call.instance))


def put_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Update: its protection alone; other changes of an instance are not played."""
    policy = (call.body.get("properties") or {}).get("protectionPolicy")
    instance = call.instance
    job = call.cloud.protect(call.vmss, instance, policy if isinstance(policy, dict) else instance.protection or {})
    return _begun(call, job, 200, render.instance(call.vmss, instance, with_view=False))


def delete_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Delete."""
    if call.names["vm"] not in call.vmss.instances:
        return Answer(204)
    return _begun(call, call.cloud.delete_instances(call.vmss, [call.names["vm"]]))


def act_on_instance(call: Call) -> Answer:
    """Virtual Machine Scale Set VMs - Start, Restart, Power Off, Deallocate, Reimage, Redeploy."""
    return _begun(call, call.cloud.act(call.vmss, call.names["action"], [call.instance.id]))


# Rolling upgrades


def start_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Start OS Upgrade, Start Extension Upgrade."""
    vmss = call.vmss
    call.cloud.check_idle(vmss)
    return _begun(call, rolling.start(call.cloud, vmss))


def get_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Get Latest."""
    vmss = call.vmss
    if vmss.rolling is None:
        raise errors.no_entity()
    return Answer(200, render.rolling_upgrade(vmss, vmss.rolling))


def cancel_rolling_upgrade(call: Call) -> Answer:
    """Virtual Machine Scale Set Rolling Upgrades - Cancel."""
    return _begun(call, rolling.cancel(call.cloud, call.vmss))


def list_upgrade_history(call: Call) -> Answer:
    """Virtual Machine Scale Sets - Get OS Upgrade History."""
    vmss = call.vmss
    return _page(call, [render.upgrade_history(vmss, vmss.rolling)] if vmss.rolling else [])


# Long-running operations


def get_operation(call: Call) -> Answer:
    """The state of an operation; with `monitor=true` what stands at its `Location`."""
    job = call.cloud.operations.get(call.names["operation"])
    if job is None:
        raise errors.no_entity()
    retry_after = {} if job.ended else _retry_after(call.cloud)
    if call.query.get("monitor") == "true":
        return Answer(200 if job.ended else 202, None, retry_after)
    return Answer(200, render.operation(job), retry_after)


def _begun(call: Call, job: Operation, status: int = 202, body: Json | None = None) -> Answer:
    """The first answer of a long-running operation. Without a body it has a `Location` too."""
    path = (
        f"{call.base_url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/{job.location}/operations"
    )
    version = f"api-version={call.query['api-version']}"
    headers = {"Azure-AsyncOperation": f"{path}/{job.id}?{version}", **_retry_after(call.cloud)}
    if body is None:
        headers["Location"] = f"{path}/{job.id}?monitor=true&{version}"
    else:
        headers["Azure-AsyncNotification"] = "Enabled"
    return Answer(status, body, headers)


def _retry_after(cloud: Cloud) -> dict[str, str]:
    """Whole seconds, as Azure's; none where upgrades are too short for it to make sense."""
    return {"Retry-After": str(min(10, int(cloud.upgrade_seconds)))} if cloud.upgrade_seconds >= 1 else {}


def _required_ids(call: Call) -> list[str]:
    if not call.ids:
        raise errors.bad_parameter("Required parameter 'instanceIds' is missing (null).", "instanceIds")
    return call.ids


def _check_etag(call: Call, vmss: ScaleSet | None) -> None:
    """If-Match and If-None-Match, as Azure's contract has them."""
    wanted, current = call.headers.get("if-match"), f'"{vmss.etag}"' if vmss else ""
    if wanted and (not vmss or wanted not in ("*", current)):
        raise errors.wrong_etag(wanted, current)
    if vmss and call.headers.get("if-none-match") == "*":
        raise errors.Refusal(412, "PreconditionFailed", "The resource exists already.")


def _page(call: Call, entries: list[Any], shown: Callable[[Any], Json] | None = None) -> Answer:
    """A page of a list, with the link to the next where there is one."""
    token = call.query.get("$skiptoken", "0")
    if not re.fullmatch(r"[0-9]{1,9}", token):
        raise errors.bad_parameter("The provided skip token is invalid.", "$skiptoken")
    start, end = int(token), int(token) + call.page_size
    page = entries[start:end]
    body: Json = {"value": [shown(each) for each in page] if shown else page}
    if end < len(entries):
        query = {**call.query, "$skiptoken": str(end)}
        parameters = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        body["nextLink"] = f"{call.base_url}{call.names['path']}?{parameters}"
    return Answer(200, body)
