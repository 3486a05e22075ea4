"""Azure Resource Graph: queries, pages, and the sandbox's responses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from support.clock import Clock
from support.names import BASE

import azurerm_lite as az
from azurerm_lite import resource_graph
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.errors import ApiError
from azurerm_lite.sandbox.handlers.resource_graph import Query

URL = BASE + "/providers/Microsoft.ResourceGraph/resources"
UBUNTU = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2"
PROVIDER = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute"
GALLERY_IMAGE = "/g/images/a/versions/1.2.3"
ROW = {
    "id": f"{PROVIDER}/virtualMachineScaleSets/web",
    "name": "web",
    "subscriptionId": "s",
    "resourceGroup": "rg",
    "location": "westeurope",
    "tags": {"env": "prod"},
    "capacity": 3,
    "mode": "Manual",
    "uri": None,
    "reference": {"publisher": "Canonical", "offer": "jammy", "sku": "lts", "version": "22.04.1"},
}
FOUND = {
    "id": ROW["id"],
    "subscription_id": "s",
    "resource_group": "rg",
    "vmss_name": "web",
    "location": "westeurope",
    "capacity": 3,
    "mode": "Manual",
    "tags": {"env": "prod"},
    "version": "22.04.1",
    "image": {
        "kind": "platform",
        "publisher": "Canonical",
        "offer": "jammy",
        "sku": "lts",
        "version": "22.04.1",
    },
}


def names(found: list[Any]) -> list[str]:
    """Return the names of the found sets."""
    return [entry["vmss_name"] for entry in found]


# Requests


def test_one_query_covers_all_subscriptions(token: str) -> None:
    """The request is a POST with query, format and page size, without a subscription."""
    with responses.RequestsMock() as wire:
        wire.post(URL, json={"data": [ROW], "resultTruncated": "false"})
        assert az.find_scale_sets(token) == [FOUND]
        (call,) = wire.calls
    assert call.request.url == URL + "?api-version=2024-04-01"
    body = json.loads(call.request.body)
    assert set(body) == {"query", "options"}
    assert body["options"] == {"$top": 1000, "resultFormat": "objectArray"}
    assert body["query"].endswith("\n| order by id asc")


def test_the_criteria_are_in_the_query(token: str) -> None:
    """Regions, tags and image are conditions; subscriptions are a member of the body."""
    with responses.RequestsMock() as wire:
        wire.post(URL, json={"data": []})
        az.find_scale_sets(
            token,
            subscriptions=["s1", "s2"],
            image="Canonical:jammy",
            tag={"env": "it's", "own\\er": None},
            location=["West Europe", "eastus"],
        )
        body = json.loads(wire.calls[0].request.body)
    assert body["subscriptions"] == ["s1", "s2"]
    reference = "properties.virtualMachineProfile.storageProfile.imageReference"
    assert body["query"].split("\n| ")[2:-2] == [
        "where location in~ ('westeurope', 'eastus')",
        r"where tostring(tags['env']) == 'it\'s'",
        r"where isnotnull(tags['own\\er'])",
        f"where tostring({reference}.publisher) =~ 'Canonical'",
        f"where tostring({reference}.offer) =~ 'jammy'",
    ]


@pytest.mark.parametrize(
    ("image_id", "key"),
    [
        ("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/images/web", "id"),
        ("/SharedGalleries/unique/Images/web", "sharedGalleryImageId"),
        ("/CommunityGalleries/public/Images/web/Versions/1.0.0", "communityGalleryImageId"),
    ],
)
def test_an_image_id_is_compared_with_the_member_for_its_kind(image_id: str, key: str) -> None:
    """An id of a shared or community gallery has its own member."""
    text = resource_graph.query(image_id, None, [])
    assert f"imageReference.{key}) =~ '{image_id}' or" in text


def test_pages_are_followed_by_their_skip_tokens(token: str) -> None:
    """The same query is sent with the token of the previous page, until there is none."""
    with responses.RequestsMock() as wire:
        wire.post(URL, json={"data": [ROW], "$skipToken": "two", "resultTruncated": "true"})
        wire.post(URL, json={"data": [], "$skipToken": "three"})
        wire.post(URL, json={"data": [ROW]})
        assert az.find_scale_sets(token) == [FOUND, FOUND]
        bodies = [json.loads(call.request.body) for call in wire.calls]
    assert [body["options"].get("$skipToken") for body in bodies] == [None, "two", "three"]
    assert len({body["query"] for body in bodies}) == 1


@pytest.mark.parametrize(
    ("pages", "code"),
    [
        ([{"data": [], "$skipToken": "x"}, {"data": [], "$skipToken": "x"}], "NextLinkRepeats"),
        ([{"data": [ROW], "resultTruncated": "true"}], "ResultTruncated"),
        ([{"value": []}], "InvalidResponse"),
        ([[]], "InvalidResponse"),
    ],
)
def test_a_truncated_result_without_a_token_is_an_error(
    token: str, pages: list[Any], code: str
) -> None:
    """An incomplete list is never returned as complete."""
    with responses.RequestsMock() as wire:
        for page in pages:
            wire.post(URL, json=page)
        with pytest.raises(az.AzureError) as caught:
            az.find_scale_sets(token)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("row", "image", "version"),
    [
        (
            {"reference": None, "uri": "https://x/a.vhd"},
            {"kind": "image_uri", "image_uri": "https://x/a.vhd"},
            "",
        ),
        (
            {"reference": {"id": GALLERY_IMAGE}},
            {"kind": "image_id", "image_id": GALLERY_IMAGE},
            "1.2.3",
        ),
        ({"reference": None}, {}, ""),
        ({"capacity": None, "tags": None, "mode": None}, FOUND["image"], "22.04.1"),
    ],
)
def test_each_kind_of_image_is_returned(row: dict[str, Any], image: Any, version: str) -> None:
    """The image has the format of `get_image`; missing values are empty."""
    (found,) = resource_graph.scale_sets([{**ROW, **row}])
    assert (found["image"], found["version"]) == (image, version)
    assert found["mode"] == "Manual"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": ""}, "image must be"),
        ({"image": "a::b"}, "image must be"),
        ({"image": "a:b:c:d:e"}, "image must be"),
        ({"image": "a\nb"}, "cannot be used in a query"),
        ({"tag": ""}, "tag must be"),
        ({"tag": {"a": 1}}, "tag must be"),
        ({"location": ""}, "location must be"),
        ({"location": [3]}, "location must be"),
        ({"subscriptions": "s"}, "subscriptions must be"),
    ],
)
def test_invalid_criteria_are_rejected_before_sending(
    token: str, options: dict[str, Any], message: str
) -> None:
    """The error names the argument."""
    with responses.RequestsMock(), pytest.raises(ValueError, match=message):
        az.find_scale_sets(token, **options)


@given(
    value=st.text(st.characters(blacklist_categories=["C", "Zl", "Zp"]), min_size=1).filter(
        str.isprintable
    )
)
def test_values_are_quoted_in_the_query(value: str) -> None:
    """A query with any tag value finds exactly this value."""
    text = resource_graph.query(None, {"env": value}, [])
    row = {"type": "microsoft.compute/virtualmachinescalesets", "id": "x", "tags": {"env": value}}
    assert len(Query(text).run([row])) == 1
    assert (
        Query(text).run(
            [{**row, "tags": {"env": value + "x"}}, {**row, "tags": None}, {**row, "type": "y"}]
        )
        == []
    )


# On the sandbox


def test_sets_are_found_by_image_tag_and_region(sandbox: Sandbox) -> None:
    """All conditions apply; names of images and regions match in any case."""
    sandbox.add_vmss("a", 2, location="westeurope", tags={"env": "prod", "ring": "0"})
    sandbox.add_vmss("b", 2, location="japaneast", tags={"env": "test"})
    token = sandbox.access_token
    assert names(az.find_scale_sets(token)) == ["a", "auto", "b", "custom", "legacy", "web"]
    assert names(az.find_scale_sets(token, location="West Europe")) == ["a"]
    assert names(az.find_scale_sets(token, location=["westeurope", "japaneast"], tag="env")) == [
        "a",
        "b",
    ]
    assert names(az.find_scale_sets(token, tag="env=prod")) == ["a"]
    assert names(az.find_scale_sets(token, tag={"env": "prod", "ring": "1"})) == []
    assert names(az.find_scale_sets(token, image=UBUNTU.lower())) == ["a", "auto", "b", "web"]
    assert names(az.find_scale_sets(token, image=UBUNTU + ":1.2.3")) == []
    found = az.find_scale_sets(token, image=f"{UBUNTU}:22.04.202410020", tag="ring")[0]
    model = az.get_vmss(*sandbox.where("a"))
    assert (found["image"], found["capacity"], found["id"]) == (az.get_image(model), 2, model["id"])
    assert (found["version"], found["tags"]) == ("22.04.202410020", {"env": "prod", "ring": "0"})
    custom = az.get_image(az.get_vmss(*sandbox.where("custom")))["image_id"]
    assert names(az.find_scale_sets(token, image=custom)) == ["custom"]
    assert names(az.find_scale_sets(token, image=custom.rpartition("/")[0])) == ["custom"]
    assert names(az.find_scale_sets(token, image=custom[:-1])) == []
    uri = az.get_image(az.get_vmss(*sandbox.where("legacy")))["image_uri"]
    assert names(az.find_scale_sets(token, image=uri)) == ["legacy"]


def test_a_change_of_a_model_is_found(sandbox: Sandbox) -> None:
    """A query searches the models."""
    sandbox.set_image("web", version="22.04.202411010")
    assert names(az.find_scale_sets(sandbox.access_token, image=UBUNTU + ":22.04.202411010")) == [
        "web"
    ]


def test_the_sandboxs_pages_contain_each_set_once(clock: Clock) -> None:
    """Sets are ordered by id, and the library waits for the quota."""
    with Sandbox(page_size=3, clock=clock, demo=False) as sandbox:
        for number in range(50):
            sandbox.add_vmss(f"s{number:02}", 0)
        found = az.find_scale_sets(sandbox.access_token)
        statuses = [entry.status for entry in sandbox.journal if "ResourceGraph" in entry.path]
    assert names(found) == [f"s{number:02}" for number in range(50)]
    assert statuses.count(200) == 17
    assert statuses.count(429) == 1
    assert max(clock.slept) >= 5


def post_query(
    sandbox: Sandbox, query: str, version: str = "2024-04-01", **more: Any
) -> requests.Response:
    """Send a query; return the sandbox's response."""
    headers = {"Authorization": f"Bearer {sandbox.access_token}"}
    url = f"{sandbox.url}/providers/Microsoft.ResourceGraph/resources?api-version={version}"
    return requests.post(
        url, json={"query": query, **more}, headers=headers, timeout=10, verify=sandbox.ca_file
    )


def test_an_answer_has_counts_and_the_quota(sandbox: Sandbox) -> None:
    """It has the total, the rows of the page, and the remaining queries."""
    answer = post_query(
        sandbox, "resources | project id, name | order by id desc", options={"$top": 2}
    )
    body = answer.json()
    assert (body["totalRecords"], body["count"], body["resultTruncated"]) == (4, 2, "true")
    assert [row["name"] for row in body["data"]] == ["web", "legacy"]
    assert answer.headers["x-ms-user-quota-remaining"] == "14"
    assert re.fullmatch(r"00:00:0\d", answer.headers["x-ms-user-quota-resets-after"])
    options = {"$top": 2, "$skipToken": body["$skipToken"]}
    last = post_query(
        sandbox, "resources | project id, name | order by id desc", options=options
    ).json()
    assert [row["name"] for row in last["data"]] == ["custom", "auto"]
    assert (last["resultTruncated"], "$skipToken" in last) == ("false", False)
    other = post_query(sandbox, "resources", options=options)
    assert (other.status_code, other.json()["error"]["details"][0]["code"]) == (
        400,
        "InvalidSkipToken",
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "securityresources",
        "resources | summarize count()",
        "resources | where name == web",
        "resources | where name ==",
        "resources | where name has 'web'",
        "resources | where strlen(name) == '3'",
        "resources | where name == 'it's'",
        "resources where name == 'web'",
        "resources | where name in~ ('web'",
        "resources | order id",
    ],
)
def test_a_query_that_cannot_be_parsed_fails_with_azures_code(sandbox: Sandbox, query: str) -> None:
    """It is BadRequest with InvalidQuery and ParserFailure."""
    answer = post_query(sandbox, query)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "BadRequest")
    assert [entry["code"] for entry in error["details"]] == ["InvalidQuery", "ParserFailure"]
    with pytest.raises(ApiError):
        Query(query)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (
            {"subscriptions": ["00000000-0000-0000-0000-000000000000"]},
            "NoValidSubscriptionsInQueryRequest",
        ),
        ({"subscriptions": []}, "NoValidSubscriptionsInQueryRequest"),
        ({"options": {"$top": 1001}}, "InvalidQueryOptions"),
        ({"options": {"$skipToken": "???"}}, "InvalidSkipToken"),
        ({"query": None}, "InvalidQuery"),
    ],
)
def test_invalid_requests_are_rejected(sandbox: Sandbox, more: dict[str, Any], code: str) -> None:
    """Each has its own code."""
    query = more.pop("query", "resources")
    error = post_query(sandbox, query, **more).json()["error"]
    assert error["details"][0]["code"] == code


def test_an_unknown_api_version_is_rejected(sandbox: Sandbox) -> None:
    """The versions of Compute are not valid here."""
    assert (
        post_query(sandbox, "resources", "2024-11-01").json()["error"]["code"]
        == "NoRegisteredProviderFound"
    )


def test_an_error_is_raised_with_its_reason(sandbox: Sandbox) -> None:
    """Azure returns the reason in the details; the exception has it in the message."""
    with pytest.raises(az.AzureError, match="There must be at least one subscription") as caught:
        az.find_scale_sets(
            sandbox.access_token, subscriptions=["00000000-0000-0000-0000-000000000000"]
        )
    assert caught.value.code == "BadRequest"


# Azure's own SDK


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_azures_sdk_queries_the_sandbox(sandbox: Sandbox) -> None:
    """The SDK gets the same rows, and declares every field of the response."""
    identity = pytest.importorskip(
        "azure.identity", reason="needs the extra conformance (azure-identity)"
    )
    sdk = pytest.importorskip("azure.mgmt.resourcegraph", reason="needs azure-mgmt-resourcegraph")
    from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

    credential = identity.ClientSecretCredential(
        sandbox.tenant_id,
        sandbox.application_id,
        sandbox.application_secret,
        authority=sandbox.url.removeprefix("https://"),
        disable_instance_discovery=True,
        connection_verify=sandbox.ca_file,
    )
    scopes = ["https://management.azure.com/.default"]
    with sdk.ResourceGraphClient(
        credential,
        base_url=sandbox.url,
        credential_scopes=scopes,
        connection_verify=sandbox.ca_file,
    ) as client:
        options = QueryRequestOptions(top=3, result_format="objectArray")
        first = client.resources(
            QueryRequest(query=resource_graph.query(None, None, []), options=options)
        )
        options.skip_token = first.skip_token
        second = client.resources(
            QueryRequest(query=resource_graph.query(None, None, []), options=options)
        )
        with pytest.raises(Exception, match="BadRequest"):
            client.resources(QueryRequest(query="resources | summarize count()"))
    credential.close()
    assert (first.total_records, first.count, first.result_truncated, second.skip_token) == (
        4,
        3,
        "true",
        None,
    )
    assert resource_graph.scale_sets([*first.data, *second.data]) == az.find_scale_sets(
        sandbox.access_token
    )
    assert not first.additional_properties
