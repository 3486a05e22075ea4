"""Every function that sends one request to the Resource Manager: its arguments and its request.

The rows are written from the REST reference, not from the library. `{name}` in a path is the
argument of that name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import responses

import azurerm_lite as az
from support.names import BASE, SUB

COMPUTE = "2024-11-01"
GALLERY = "2024-03-03"
NETWORK = "2018-10-01"
RESOURCES = "2021-04-01"
SUBSCRIPTIONS = "2022-12-01"
GRAPH = "2024-04-01"

NAMES = {
    "subscription_id": SUB,
    "resource_group": "myrg",
    "vmss_name": "web",
    "instance_id": "7",
    "location": "westeurope",
    "publisher": "Canonical",
    "offer": "jammy",
    "sku": "22_04-lts",
    "gallery_name": "gallery",
    "image_name": "golden",
}
"""A value for every argument that stands in a path."""

SUBSCRIPTION = "/subscriptions/{subscription_id}"
GROUP = SUBSCRIPTION + "/resourceGroups/{resource_group}/providers/Microsoft.Compute"
VMSS = GROUP + "/virtualMachineScaleSets/{vmss_name}"
VM = VMSS + "/virtualMachines/{instance_id}"
PUBLISHERS = SUBSCRIPTION + "/providers/Microsoft.Compute/locations/{location}/publishers"
OFFERS = PUBLISHERS + "/{publisher}/artifacttypes/vmimage/offers"
VERSIONS = OFFERS + "/{offer}/skus/{sku}/versions"

MODEL = {"location": "westeurope", "sku": {"name": "Standard_B1s", "capacity": 3}, "properties": {}}
PROTECTED = {"protectFromScaleIn": True, "protectFromScaleSetActions": False}

ITEM = {"name": "web", "instanceId": "0", "properties": {"more": [1, None, "é"]}}
ENTRIES: list[dict[str, Any]] = [
    {"id": f"/{name}", "name": name, "instanceId": name, "subscriptionId": name, "properties": {}}
    for name in ("1", "2")
]
"""Entries with what any of the lists must have."""
ROWS = {"totalRecords": 0, "count": 0, "resultTruncated": "false", "data": []}
QUERY = """Resources
| where type =~ 'microsoft.compute/virtualmachinescalesets'
| project id, name, subscriptionId, resourceGroup, location, tags, capacity = sku.capacity, \
mode = properties.upgradePolicy.mode, \
reference = properties.virtualMachineProfile.storageProfile.imageReference, \
uri = properties.virtualMachineProfile.storageProfile.osDisk.image.uri
| order by id asc"""


@dataclass(frozen=True)
class Wrapper:
    """One call of one function, and its request."""

    function: str
    method: str
    path: str
    body: Any = None
    """JSON that is sent; `None` for no body at all."""
    given: tuple[Any, ...] = ()
    """Arguments behind those that stand in the path."""
    options: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    api: str = COMPUTE
    gives: str = "answer"
    """`answer` (the Response itself), `item` (a JSON object), `list` (pages of values),
    `array` (a bare array) or `rows` (pages of a query)."""

    def url(self, names: dict[str, str] = NAMES) -> str:
        """The full URL of the request."""
        path = self.path.format(**{name: quote(value, safe="") for name, value in names.items()})
        return f"{BASE}{path}?{urlencode({**self.query, 'api-version': self.api}, safe='$')}"

    def call(self, token: Any, names: dict[str, str] = NAMES) -> Any:
        """Call the function."""
        parts = [names[name] for name in NAMES if f"{{{name}}}" in self.path]
        return getattr(az, self.function)(token, *parts, *self.given, **self.options)

    @property
    def status(self) -> int:
        """The HTTP status of a success."""
        return 202 if self.gives == "answer" else 200

    @property
    def json(self) -> Any:
        """The response body of a success."""
        return {
            "answer": None,
            "item": ITEM,
            "list": {"value": ENTRIES},
            "array": ENTRIES,
            "rows": ROWS,
        }[self.gives]

    @property
    def module(self) -> str:
        """The module of the function."""
        return str(getattr(az, self.function).__module__).rpartition(".")[2]


def _actions() -> Iterator[Wrapper]:
    """Return actions on all instances, or on some."""
    for verb, tail in (
        ("start", "start"),
        ("restart", "restart"),
        ("poweroff", "poweroff"),
        ("stopdealloc", "deallocate"),
        ("reimage", "reimage"),
        ("redeploy", "redeploy"),
    ):
        yield Wrapper(f"{verb}_vmss", "POST", f"{VMSS}/{tail}")
        yield Wrapper(
            f"{verb}_vmss",
            "POST",
            f"{VMSS}/{tail}",
            {"instanceIds": ["0", "12"]},
            given=(["0", 12],),
        )


WRAPPERS = [
    Wrapper("list_vmss", "GET", GROUP + "/virtualMachineScaleSets", gives="list"),
    Wrapper(
        "list_vmss_sub",
        "GET",
        SUBSCRIPTION + "/providers/Microsoft.Compute/virtualMachineScaleSets",
        gives="list",
    ),
    Wrapper("get_vmss", "GET", VMSS, gives="item"),
    Wrapper("put_vmss", "PUT", VMSS, MODEL, given=(MODEL,)),
    Wrapper("patch_vmss", "PATCH", VMSS, {"tags": {"a": "b"}}, given=({"tags": {"a": "b"}},)),
    Wrapper("delete_vmss", "DELETE", VMSS),
    Wrapper("scale_vmss", "PATCH", VMSS, {"sku": {"capacity": 5}}, given=(5,)),
    Wrapper("get_vmss_instance_view", "GET", VMSS + "/instanceView", gives="item"),
    Wrapper("list_vmss_skus", "GET", VMSS + "/skus", gives="list"),
    Wrapper("get_vmss_nics", "GET", VMSS + "/networkInterfaces", api=NETWORK, gives="list"),
    Wrapper("get_vmss_public_ips", "GET", VMSS + "/publicipaddresses", api=NETWORK, gives="list"),
    *_actions(),
    Wrapper(
        "get_instance_views",
        "GET",
        VMSS + "/virtualMachines",
        query={"$expand": "instanceView"},
        gives="list",
    ),
    Wrapper("list_vmss_vms", "GET", VMSS + "/virtualMachines", gives="list"),
    Wrapper("get_vmss_vm", "GET", VM, query={"$expand": "instanceView"}, gives="item"),
    Wrapper("get_vmss_vm_instance_view", "GET", VM + "/instanceView", gives="item"),
    Wrapper(
        "reimage_vmss",
        "POST",
        VMSS + "/reimage",
        {
            "instanceIds": ["3"],
            "exactVersion": "22.04.202411010",
            "forceUpdateOSDiskForEphemeral": True,
        },
        given=("3",),
        options={
            "exact_version": "22.04.202411010",
            "force_update_os_disk_for_ephemeral": True,
        },
    ),
    Wrapper("delete_vmss_vms", "POST", VMSS + "/delete", {"instanceIds": ["3"]}, given=("3",)),
    Wrapper(
        "manual_upgrade",
        "POST",
        VMSS + "/manualupgrade",
        {"instanceIds": ["3", "4"]},
        given=(("3", "4"),),
    ),
    Wrapper(
        "protect_vmss_vm",
        "PUT",
        VM,
        {"properties": {"protectionPolicy": PROTECTED}},
        options={"from_scale_in": True, "from_scale_set_actions": False},
    ),
    Wrapper("start_os_upgrade", "POST", VMSS + "/osRollingUpgrade"),
    Wrapper("start_extension_upgrade", "POST", VMSS + "/extensionRollingUpgrade"),
    Wrapper("get_rolling_upgrade", "GET", VMSS + "/rollingUpgrades/latest", gives="item"),
    Wrapper("cancel_rolling_upgrade", "POST", VMSS + "/rollingUpgrades/cancel"),
    Wrapper("get_os_upgrade_history", "GET", VMSS + "/osUpgradeHistory", gives="list"),
    Wrapper("list_publishers", "GET", PUBLISHERS, gives="array"),
    Wrapper("list_offers", "GET", OFFERS, gives="array"),
    Wrapper("list_skus", "GET", OFFERS + "/{offer}/skus", gives="array"),
    Wrapper("list_sku_versions", "GET", VERSIONS, gives="array"),
    Wrapper(
        "list_sku_versions", "GET", VERSIONS, options={"top": 2}, query={"$top": "2"}, gives="array"
    ),
    Wrapper(
        "list_gallery_image_versions",
        "GET",
        GROUP + "/galleries/{gallery_name}/images/{image_name}/versions",
        api=GALLERY,
        gives="list",
    ),
    Wrapper("list_subscriptions", "GET", "/subscriptions", api=SUBSCRIPTIONS, gives="list"),
    Wrapper("list_locations", "GET", SUBSCRIPTION + "/locations", api=SUBSCRIPTIONS, gives="list"),
    Wrapper(
        "find_scale_sets",
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        {"query": QUERY, "options": {"$top": 1000, "resultFormat": "objectArray"}},
        api=GRAPH,
        gives="rows",
    ),
    Wrapper(
        "list_resource_groups", "GET", SUBSCRIPTION + "/resourcegroups", api=RESOURCES, gives="list"
    ),
]


def for_each_wrapper(*modules: str, gives: str = "") -> pytest.MarkDecorator:
    """Run a test for each row, optionally only for some modules or return types."""
    rows = [
        row
        for row in WRAPPERS
        if row.module in (modules or (row.module,)) and row.gives in (gives or row.gives)
    ]
    assert rows
    ids = [
        f"{row.function}{'-' + str(i) if row.given or row.options else ''}"
        for i, row in enumerate(rows)
    ]
    return pytest.mark.parametrize("row", rows, ids=ids)


@contextmanager
def azure(*, expects_requests: bool = True) -> Iterator[responses.RequestsMock]:
    """An Azure with the registered responses.

    Every registered response must be requested, and nothing else.
    """
    with responses.RequestsMock() as wire:
        yield wire
        assert bool(wire.calls) == expects_requests, [call.request.url for call in wire.calls]


def assert_sent_as_written(row: Wrapper, token: str) -> None:
    """Check that the call sends exactly the request of the row, and returns its result."""
    match = [
        responses.matchers.query_param_matcher({**row.query, "api-version": row.api}),
        responses.matchers.header_matcher(
            {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        ),
    ]
    if row.body is not None:
        match.append(responses.matchers.json_params_matcher(row.body))
        match.append(responses.matchers.header_matcher({"Content-Type": "application/json"}))
    with azure() as wire:
        answer = {"json": row.json} if row.json is not None else {"body": b""}
        wire.add(row.method, row.url().partition("?")[0], status=row.status, match=match, **answer)
        given = row.call(token)
        assert len(wire.calls) == 1
        request = wire.calls[0].request
    assert (request.method, request.url) == (row.method, row.url())
    assert "If-Match" not in request.headers
    if row.body is None:
        assert request.body is None
    if row.gives == "answer":
        assert (given.status_code, given.request.method) == (202, row.method)
        assert token not in str(given.request.headers), "the answer holds the token"
    else:
        assert given == (ENTRIES if row.gives in ("list", "array") else ITEM)


def assert_pages_are_followed(row: Wrapper, token: str) -> None:
    """Check that three pages, one of them empty, are one list.

    Each link is requested unchanged, with the token.
    """
    first, second, third = row.url(), row.url() + "&$skiptoken=2", row.url() + "&%24skiptoken=3%3D"
    with azure() as wire:
        bearer = [responses.matchers.header_matcher({"Authorization": f"Bearer {token}"})]
        for url, body in (
            (first, {"value": ENTRIES[:1], "nextLink": second}),
            (second, {"value": [], "nextLink": third}),
            (third, {"value": ENTRIES[1:], "nextLink": None}),
        ):
            wire.get(url, json=body, match=bearer)
        assert row.call(token) == ENTRIES
        sent = [call.request.url for call in wire.calls]
    assert [url.replace("%24", "$") for url in sent] == [
        url.replace("%24", "$") for url in (first, second, third)
    ]
