"""The sandbox is large enough: fifty scale sets of a thousand instances, read by many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

pytestmark = pytest.mark.slow

SETS, INSTANCES = 50, 1000
NEW = "22.04.202411010"
READERS, LISTS_EACH = 10, 4


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    """Fifty scale sets of a thousand instances each, in one sandbox with large pages."""
    with Sandbox(demo=False, page_size=500, upgrade_seconds=0.01) as sandbox:
        started = time.perf_counter()
        for number in range(SETS):
            sandbox.add_vmss(f"set-{number}", INSTANCES)
        print(f"\n{SETS} x {INSTANCES} instances made in {time.perf_counter() - started:.2f} s")
        yield sandbox


@pytest.fixture(autouse=True)
def pointed_there(clean_environment: None, large: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment of the sandbox again, after each test's environment was cleaned."""
    for name, value in large.environment.items():
        monkeypatch.setenv(name, value)


def everyone(count: int = INSTANCES) -> list[str]:
    """The ids of instances that were made at once, in order."""
    return [str(entry) for entry in range(count)]


def test_all_sets_are_listed_with_their_capacity(large: Sandbox) -> None:
    """Fifty sets, fifty thousand instances."""
    listed = az.list_vmss_sub(large.access_token, large.subscription_id)
    assert sorted(entry["name"] for entry in listed) == sorted(
        f"set-{number}" for number in range(SETS)
    )
    assert {entry["sku"]["capacity"] for entry in listed} == {INSTANCES}


@pytest.mark.parametrize("name", ["set-0", f"set-{SETS - 1}"])
def test_a_thousand_instance_views_are_listed(large: Sandbox, name: str) -> None:
    """Each once, in order, on the first and on the last set; prints how long that took."""
    started = time.perf_counter()
    views = az.get_instance_views(*large.where(name))
    print(
        f"\n{len(views)} instance views of {name} listed in {time.perf_counter() - started:.2f} s"
    )
    assert [entry["instanceId"] for entry in views] == everyone()
    assert all(entry["properties"]["instanceView"]["statuses"] for entry in views)
    domains = az.by_update_domain(views)
    assert {domain: len(ids) for domain, ids in domains.items()} == dict.fromkeys(
        range(5), INSTANCES // 5
    )


def test_all_pages_of_the_default_size_are_read() -> None:
    """Twenty pages of fifty, in a sandbox as it comes."""
    with Sandbox(demo=False) as sandbox:
        sandbox.add_vmss("web", INSTANCES)
        views = az.get_instance_views(*sandbox.where())
        lists = [entry for entry in sandbox.journal if entry.path.endswith("/virtualMachines")]
    assert [entry["instanceId"] for entry in views] == everyone()
    assert len(lists) == 20


def test_many_read_while_one_writes(large: Sandbox) -> None:
    """Ten threads list a set that changes: instances that stay are in every list, none twice.

    A list of several pages is not a snapshot: an instance that is created or deleted between two
    pages may be in it or not.
    """
    where = large.where("set-7")
    staying = everyone(900)
    wrong: list[str] = []
    put = threading.Event()
    lists: list[int] = []

    def read() -> None:
        """Lists the set over and over, and notes what is wrong with a list."""
        for _ in range(LISTS_EACH):
            is_put = put.is_set()
            views = az.get_instance_views(*where)
            ids = [entry["instanceId"] for entry in views]
            lists.append(len(ids))
            if len(set(ids)) != len(ids):
                wrong.append(f"{len(ids) - len(set(ids))} instances stand twice in a list")
            if missing := set(staying) - set(ids):
                wrong.append(f"{len(missing)} instances are missing, such as {min(missing)}")
            for view in views:
                version = az.get_image(view)["exact_version"]
                if view["properties"]["latestModelApplied"] is not (version == NEW) and is_put:
                    wrong.append(f"{view['instanceId']} runs {version}, and says otherwise")

    def write() -> None:
        """Upgrade a hundred instances at a time, and scale in and out by a hundred."""
        az.wait(
            where[0],
            az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=NEW)),
            interval=0.01,
        )
        put.set()
        for start in range(0, 900, 100):
            az.wait(
                where[0], az.manual_upgrade(*where, staying[start : start + 100]), interval=0.01
            )
        for capacity in (900, INSTANCES, 900, INSTANCES):
            az.wait(where[0], az.scale_vmss(*where, capacity), interval=0.01)

    threads = [threading.Thread(target=read) for _ in range(READERS)] + [
        threading.Thread(target=write)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    assert len(lists) == READERS * LISTS_EACH, "a reader raised"
    views = az.get_instance_views(*where)
    assert len({entry["instanceId"] for entry in views}) == len(views) == INSTANCES
    assert {az.get_image(entry)["exact_version"] for entry in views} == {NEW}
    assert all(entry["properties"]["latestModelApplied"] for entry in views)


def test_a_deletion_between_two_pages_hides_no_other_instance() -> None:
    """A link to the next page continues after the last entry, wherever that is by then."""
    with Sandbox(demo=False, page_size=7, upgrade_seconds=0) as sandbox, requests.Session() as http:
        sandbox.add_vmss("web", 20)
        headers = {"Authorization": f"Bearer {sandbox.access_token}"}
        path = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/{sandbox.resource_group}"
        path += "/providers/Microsoft.Compute/virtualMachineScaleSets/web"
        path += "/virtualMachines?api-version=2024-11-01"
        first = http.get(sandbox.url + path, headers=headers, timeout=10).json()
        az.wait(sandbox.access_token, az.delete_vmss_vms(*sandbox.where(), [0, 1]))
        second = http.get(first["nextLink"], headers=headers, timeout=10).json()
        assert [entry["instanceId"] for entry in first["value"] + second["value"]] == everyone(14)


def test_a_connection_serves_more_than_one_request(large: Sandbox) -> None:
    """Connections are kept alive, as Azure's: a TLS handshake costs more than most answers."""
    with requests.Session() as http:
        for _ in range(3):
            answer = http.get(
                f"{large.url}/subscriptions?api-version=2022-12-01",
                headers={"Authorization": f"Bearer {large.access_token}"},
                timeout=10,
            )
            assert answer.status_code == 200
            assert answer.headers.get("Connection", "").lower() != "close"
