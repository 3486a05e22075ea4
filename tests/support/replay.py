"""Send recorded Azure requests to a sandbox with the recorded sets, and compare the responses."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import requests

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model import catalog
from azurerm_lite.sandbox.model.resources import Instance, ScaleSet
from support.clock import Clock

RECORDED_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
SET_PATH = re.compile(
    r"(?i)/resourcegroups/([^/?]+)/providers/microsoft\.compute/virtualmachinescalesets/([^/?]+)"
)
VM_PATH = re.compile(
    r"(?i)/resourcegroups/([^/?]+)/providers/microsoft\.compute/virtualmachines/([^/?]+)"
)
IMAGE_PATH = re.compile(
    r"(?i)/publishers/([^/]+)/.*?/offers/([^/]+)/skus/([^/]+)/versions(?:/([^/?]+))?"
)
_READ_ONLY = ("name", "id", "type", "etag")
_POLICY = re.compile(r"Microsoft\.Compute/(\w+);")
# Headers whose presence is compared, and headers whose value is compared.
_PRESENT = ("azure-asyncoperation", "location", "azure-asyncnotification", "retry-after")
_EQUAL = ("etag", "x-ms-request-charge")
Recorded = dict[str, Any]


def known_images(interactions: list[Recorded]) -> dict[str, Any]:
    """Return the sandbox's image catalog, with the recorded images."""
    images = copy.deepcopy(catalog.IMAGES)
    for interaction in interactions:
        if match := IMAGE_PATH.search(interaction["path"]):
            _add_image(images, match[1], match[2], match[3], match[4])
        for reference in _image_references([interaction["body"], interaction["response"]]):
            names = [str(reference.get(key)) for key in ("publisher", "offer", "sku")]
            _add_image(images, *names, reference.get("exactVersion"))
    for offers in images.values():
        for skus in offers.values():
            for versions in skus.values():
                versions[:] = versions or ["1.0.0"]
    return images


def _image_references(body: Any) -> list[Recorded]:
    if isinstance(body, list):
        return [reference for entry in body for reference in _image_references(entry)]
    if not isinstance(body, dict):
        return []
    found = [reference for value in body.values() for reference in _image_references(value)]
    reference = body.get("imageReference")
    return [*found, reference] if reference and "publisher" in reference else found


def _add_image(images: Any, publisher: str, offer: str, sku: str, version: str | None) -> None:
    """Add an image; reuse existing names that differ only in case."""
    level = images
    for name in (publisher, offer):
        key = next((key for key in level if key.lower() == name.lower()), name)
        level = level.setdefault(key, {})
    key = next((key for key in level if key.lower() == sku.lower()), sku)
    versions = level.setdefault(key, [])
    if version and version not in versions:
        versions.append(version)


class Replay:
    """The requests of a file, sent to a sandbox in which the recorded sets already exist."""

    def __init__(
        self, sandbox: Sandbox, clock: Clock, session: requests.Session, file: list[Recorded]
    ) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.session = session
        self.file = file
        self.headers = {name for interaction in file for name in interaction["headers"]}
        # Before 2024 the rate limit headers had other names.
        self.has_new_policies = "SubscriptionMaximum" in str([entry["headers"] for entry in file])
        self.operations: dict[str, str] = {}
        # The recorded names of disks, with the names that the sandbox generates.
        self.disks: dict[str, str] = {}
        self.known: set[tuple[str, str]] = set()

    def can_send(self, interaction: Recorded) -> bool:
        """Return whether the sandbox can respond: a poll needs the operation that was started."""
        operation = _operation(interaction["path"])
        return not operation or operation in self.operations

    def answer(self, interaction: Recorded) -> requests.Response:
        """Send a recorded request to a sandbox that has the required sets; return the response."""
        self._prepare(interaction)
        answer = self._send(interaction)
        if interaction["status"] == answer.status_code == 201:
            self._rename_created(interaction["path"])
        return answer

    def differences(self, interaction: Recorded) -> list[str]:
        """Send a recorded request; return where its response differs from the recorded one."""
        answer = self.answer(interaction)
        path = interaction["path"].partition("?")[0].rpartition("/Microsoft.Compute/")[2]
        where = f"{interaction['method']} {path}"
        if answer.status_code != interaction["status"]:
            return [f"{where}: {answer.status_code}, not {interaction['status']}: {answer.text}"]
        lines = self._header_differences(interaction, answer)
        body = json.loads(answer.content) if answer.content else None
        lines += sorted(shape_differences(interaction["response"], body))
        return [f"{where}: {line}" for line in lines]

    def _send(self, interaction: Recorded) -> requests.Response:
        path = interaction["path"]
        for theirs, ours in self.operations.items():
            path = path.replace(theirs, ours)
        path = path.replace(RECORDED_SUBSCRIPTION, self.sandbox.subscription_id)
        response = interaction["response"]
        is_ended = isinstance(response, dict) and response.get("status") == "Succeeded"
        if is_ended or "monitor=true" in path:
            self.clock.sleep(100_000)
        text = json.dumps(_request_body(interaction)).replace(
            RECORDED_SUBSCRIPTION, self.sandbox.subscription_id
        )
        for theirs_name, our_name in self.disks.items():
            text = text.replace(theirs_name, our_name)
        answer = self.session.request(
            interaction["method"],
            self.sandbox.url + path,
            json=json.loads(text),
            headers={"Authorization": f"Bearer {self.sandbox.access_token}"},
            timeout=10,
        )
        self._record_disk(response, answer)
        theirs = _operation(interaction["headers"].get("azure-asyncoperation", ""))
        ours = _operation(answer.headers.get("Azure-AsyncOperation", ""))
        if theirs and ours:
            self.operations[theirs] = ours
        return answer

    def _record_disk(self, response: Any, answer: requests.Response) -> None:
        """Record the sandbox's name for the disk of an instance."""
        if not isinstance(response, dict) or not answer.ok or not answer.content:
            return
        names = [
            ((body.get("properties") or {}).get("storageProfile") or {})
            .get("osDisk", {})
            .get("name")
            for body in (response, answer.json())
        ]
        if all(names):
            self.disks[names[0]] = names[1]

    def _header_differences(self, interaction: Recorded, answer: requests.Response) -> list[str]:
        theirs = interaction["headers"]
        lines = [
            f"header {name} {'missing' if name in theirs else 'added'}"
            for name in _PRESENT
            if name in self.headers and (name in theirs) != (name in answer.headers)
        ]
        lines += [
            f"header {name} is {answer.headers.get(name)}, not {theirs.get(name)}"
            for name in _EQUAL
            if name in self.headers and theirs.get(name) != answer.headers.get(name)
        ]
        limits = "x-ms-ratelimit-remaining-resource"
        policies = [
            set(_POLICY.findall(headers.get(limits, ""))) for headers in (theirs, answer.headers)
        ]
        if not self.has_new_policies:
            return lines
        lines += [f"policy {name} missing" for name in sorted(policies[0] - policies[1])]
        lines += [f"policy {name} added" for name in sorted(policies[1] - policies[0])]
        return lines

    # Content of the sandbox

    def _prepare(self, interaction: Recorded) -> None:
        path = interaction["path"]
        if match := SET_PATH.search(path):
            self._make_group(match[1])
            if not self._is_created_later(match[2]):
                self._make_set(match[1], match[2])
            if path.partition("?")[0].lower().endswith("/virtualmachines"):
                self._rename_new(match[1], match[2], interaction["response"])
        elif match := VM_PATH.search(path):
            self._make_vm(match[1], match[2])
        elif match := re.search(r"(?i)/resourcegroups/([^/?]+)/", path):
            self._make_group(match[1])
            for set_id in re.findall(r"virtualMachineScaleSets(?:%2F|/)([\w-]+)", path):
                self._make_set(match[1], set_id)
        elif path.partition("?")[0].endswith("/virtualMachineScaleSets"):
            for other in self.file:
                if match := SET_PATH.search(other["path"]):
                    self._make_set(match[1], match[2])

    def _is_created_later(self, name: str) -> bool:
        """Return whether a PUT in the file creates the set."""
        tail = f"/{name}".lower()
        return any(
            interaction["status"] == 201
            and interaction["path"].partition("?")[0].lower().endswith(tail)
            for interaction in self.file
        )

    def _rename_created(self, path: str) -> None:
        """Give the recorded ids to the instances of a set that a request created."""
        if match := SET_PATH.search(path):
            with self.sandbox.cloud.lock:
                vmss = self.sandbox.cloud.scale_set(match[1], match[2])
                _rename(vmss, self._instance_ids(match[2]))

    def _rename_new(self, group: str, name: str, response: Recorded) -> None:
        """Give the recorded ids to new instances of the sandbox."""
        vmss = self.sandbox.cloud.scale_set(group, name)
        recorded = [entry["instanceId"] for entry in response["value"]]
        free = [entry for entry in recorded if entry not in vmss.instances]
        others = [vm for vm in vmss.instances.values() if vm.id not in recorded]
        with self.sandbox.cloud.lock:
            for instance, instance_id in zip(others, free, strict=False):
                instance.id = instance_id
            vmss.instances = {vm.id: vm for vm in vmss.instances.values()}

    def _make_group(self, group: str) -> None:
        with self.sandbox.cloud.lock:
            found = {"name": group, "location": "westus"}
            self.sandbox.cloud.groups.setdefault(group.lower(), found)

    def _make_set(self, group: str, name: str) -> None:
        """Create a set from its first recorded GET, or else from the list of its instances."""
        if (group, name) in self.known:
            return
        self.known.add((group, name))
        self._make_group(group)
        tail = f"/{name}".lower()
        gets = [
            interaction
            for interaction in self.file
            if interaction["method"] == "GET"
            and interaction["status"] == 200
            and interaction["path"].partition("?")[0].lower().endswith(tail)
        ]
        ids = self._instance_ids(name)
        listed = self._listed(name)
        if gets:
            vmss = self._put(group, name, gets[0]["response"])
        elif listed and "properties" in listed[0]:
            vmss = self._put(group, name, _model_of(listed))
        else:
            vmss = self._add(group, name, max(2, len(ids)))
        with self.sandbox.cloud.lock:
            _rename(vmss, ids)
            self._set_etags(vmss)

    def _put(self, group: str, name: str, response: Recorded) -> ScaleSet:
        text = json.dumps(response).replace(RECORDED_SUBSCRIPTION, self.sandbox.subscription_id)
        body = {key: value for key, value in json.loads(text).items() if key not in _READ_ONLY}
        with self.sandbox.cloud.lock:
            vmss, job, _ = self.sandbox.cloud.put(group, name, body)
            job.due = self.clock()
            self.sandbox.cloud.apply_due_changes()
            vmss.etag = int(str(response.get("etag", "1")).strip('"'))
        return vmss

    def _add(self, group: str, name: str, instances: int) -> ScaleSet:
        self.sandbox.add_vmss(
            name,
            instances,
            image="Canonical:ubuntu-24_04-lts:server:latest",
            health=False,
            orchestration="Flexible",
            resource_group=group,
            location="westus",
        )
        return self.sandbox.cloud.scale_set(group, name)

    def _listed(self, name: str) -> list[Recorded]:
        tail = f"/{name}/virtualmachines".lower()
        lists = [
            interaction["response"]["value"]
            for interaction in self.file
            if interaction["path"].partition("?")[0].lower().endswith(tail)
        ]
        return lists[0] if lists else []

    def _instance_ids(self, name: str) -> list[str]:
        """Return the recorded ids of a set's instances; those that remain longest come first."""
        found: dict[str, int] = {}
        for position, interaction in enumerate(self.file):
            path = interaction["path"].partition("?")[0]
            if f"/{name}" not in path or interaction["status"] >= 400:
                continue
            ids = re.findall(r"(?i)/virtualmachines/([\w-]+)", path)
            body = interaction["body"] or {}
            ids += [entry for entry in body.get("instanceIds") or [] if entry != "*"]
            if path.lower().endswith("/virtualmachines"):
                ids += [entry["instanceId"] for entry in interaction["response"]["value"]]
            found.update(dict.fromkeys(ids, position))
        return sorted(found, key=lambda entry: -found[entry])

    def _set_etags(self, vmss: ScaleSet) -> None:
        for entry in self._listed(vmss.name):
            if "etag" in entry and entry["instanceId"] in vmss.instances:
                vmss.instances[entry["instanceId"]].etag = int(entry["etag"].strip('"'))

    def _make_vm(self, group: str, name: str) -> None:
        """Create a VM outside of a set's control, attached to a set without a model."""
        self._make_group(group)
        cloud = self.sandbox.cloud
        if any(vm.id == name for vmss in cloud.sets.values() for vm in vmss.instances.values()):
            return
        tail = f"/virtualmachines/{name}".lower()
        body = next(
            interaction["response"]
            for interaction in self.file
            if interaction["method"] == "GET"
            and interaction["path"].partition("?")[0].lower().endswith(tail)
        )
        properties = body["properties"]
        set_id = (properties.get("virtualMachineScaleSet") or {}).get("id", "/attached")
        set_name = set_id.rpartition("/")[2]
        if (group.lower(), set_name.lower()) not in cloud.sets:
            self.sandbox.add_vmss(
                set_name,
                0,
                orchestration="Flexible",
                mode=None,
                profile=False,
                resource_group=group,
                location=body["location"],
            )
        vmss = cloud.scale_set(group, set_name)
        with cloud.lock:
            vmss.instances[name] = _attached(name, properties)


def _request_body(interaction: Recorded) -> Any:
    """Return the body of a request.

    A policy of the recorded subscription added extensions and tags to each new set: here the
    request contains them.
    """
    body = copy.deepcopy(interaction["body"])
    if interaction["status"] == 201 and SET_PATH.search(interaction["path"]):
        profile = interaction["response"]["properties"]["virtualMachineProfile"]
        if "extensionProfile" in profile:
            added = {"extensionProfile": profile["extensionProfile"]}
            body["properties"]["virtualMachineProfile"] |= added
        if "tags" in interaction["response"]:
            body["tags"] = interaction["response"]["tags"]
    return body


def _model_of(instances: list[Recorded]) -> Recorded:
    """Return the model of a Uniform set of which only instances were recorded."""
    instance = copy.deepcopy(instances[0])
    properties = instance["properties"]
    storage = properties["storageProfile"]
    storage["imageReference"].pop("exactVersion", None)
    storage["osDisk"].pop("name")
    storage["osDisk"]["managedDisk"].pop("id")
    system = properties["osProfile"]
    system["computerNamePrefix"] = system.pop("computerName")[:-6]
    profile = {
        "storageProfile": storage,
        "osProfile": system,
        "networkProfile": properties["networkProfileConfiguration"],
    }
    return {
        "location": instance["location"],
        "tags": instance["tags"],
        "sku": {**instance["sku"], "capacity": len(instances)},
        "properties": {"virtualMachineProfile": profile},
    }


def _attached(name: str, properties: Recorded) -> Instance:
    nics = [
        {"name": entry["id"].rpartition("/")[2], "properties": entry.get("properties", {})}
        for entry in properties["networkProfile"]["networkInterfaces"]
    ]
    profile = {
        "osProfile": properties["osProfile"],
        "storageProfile": properties["storageProfile"],
        "networkProfile": {"networkInterfaceConfigurations": nics},
    }
    return Instance(
        id=name,
        number=0,
        profile=profile,
        secrets={},
        sku=properties["hardwareProfile"]["vmSize"],
        exact_version=properties["storageProfile"]["imageReference"].get("exactVersion"),
        update_domain=None,
        fault_domain=0,
        zone=None,
        provisioning="Succeeded",
        power="running",
    )


def _rename(vmss: ScaleSet, ids: list[str]) -> None:
    """Give the recorded ids to the instances of a set, as far as they suffice."""
    instances = list(vmss.instances.values())
    for instance, name in zip(instances, ids, strict=False):
        instance.id = name
    vmss.instances = {instance.id: instance for instance in instances}


def _operation(link: str) -> str:
    found = re.search(r"/operations/([^?]+)", link)
    return found[1] if found else ""


def shape_differences(theirs: Any, ours: Any, path: str = "") -> set[str]:
    """Return the differences between two JSONs: keys of only one, and values of another type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        lines = {f"{path}.{key} missing" for key in theirs.keys() - ours.keys()}
        lines |= {f"{path}.{key} added" for key in ours.keys() - theirs.keys()}
        for key in theirs.keys() & ours.keys():
            lines |= shape_differences(theirs[key], ours[key], f"{path}.{key}")
        return lines
    if isinstance(theirs, list) and isinstance(ours, list):
        lines = set()
        if bool(theirs) != bool(ours):
            lines.add(f"{path} {'empty' if theirs else 'not empty'}")
        for pair in zip(theirs, ours, strict=False):
            lines |= shape_differences(*pair, f"{path}[]")
        return lines
    if type(theirs) is type(ours):
        return set()
    return {f"{path}: {type(ours).__name__}, not {type(theirs).__name__}"}
