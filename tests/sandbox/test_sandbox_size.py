"""Fifty scale sets of a thousand instances, read by many clients."""

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
        print(f"\n{SETS} x {INSTANCES} instances created in {time.perf_counter() - started:.2f} s")
        yield sandbox


@pytest.fixture(autouse=True)
def point_environment_at_sandbox(
    clean_environment: None, large: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the environment of the sandbox again, after each test's environment was cleaned."""
    for name, value in large.environment.items():
        monkeypatch.setenv(name, value)


def first_ids(count: int = INSTANCES) -> list[str]:
    """Return the ids of the first instances of a set, in order."""
    return [str(entry) for entry in range(count)]


def test_all_sets_are_listed_with_their_capacity(large: Sandbox) -> None:
    """There are fifty sets with a thousand instances each."""
    listed = az.list_vmss_sub(large.access_token, large.subscription_id)
    assert sorted(entry["name"] for entry in listed) == sorted(
        f"set-{number}" for number in range(SETS)
    )
    assert {entry["sku"]["capacity"] for entry in listed} == {INSTANCES}


@pytest.mark.parametrize("name", ["set-0", f"set-{SETS - 1}"])
def test_a_thousand_instance_views_are_listed(large: Sandbox, name: str) -> None:
    """Each is listed once, in order; the test prints how long that took."""
    started = time.perf_counter()
    views = az.get_instance_views(*large.where(name))
    print(
        f"\n{len(views)} instance views of {name} listed in {time.perf_counter() - started:.2f} s"
    )
    assert [entry["instanceId"] for entry in views] == first_ids()
    assert all(entry["properties"]["instanceView"]["statuses"] for entry in views)
    domains = az.by_update_domain(views)
    assert {domain: len(ids) for domain, ids in domains.items()} == dict.fromkeys(
        range(5), INSTANCES // 5
    )


def test_all_pages_of_the_default_size_are_read() -> None:
    """There are twenty pages of fifty instances."""
    with Sandbox(demo=False) as sandbox:
        sandbox.add_vmss("web", INSTANCES)
        views = az.get_instance_views(*sandbox.where())
        lists = [entry for entry in sandbox.journal if entry.path.endswith("/virtualMachines")]
    assert [entry["instanceId"] for entry in views] == first_ids()
    assert len(lists) == 20


def test_readers_see_consistent_lists_during_writes(large: Sandbox) -> None:
    """Every list of a changing set has each remaining instance exactly once.

    A list of several pages is not a snapshot: it may or may not have an instance that is created
    or deleted between two pages.
    """
    where = large.where("set-7")
    staying = first_ids(900)
    wrong: list[str] = []
    put = threading.Event()
    lists: list[int] = []

    def read() -> None:
        """List the set repeatedly, and collect errors in the lists."""
        for _ in range(LISTS_EACH):
            is_put = put.is_set()
            views = az.get_instance_views(*where)
            ids = [entry["instanceId"] for entry in views]
            lists.append(len(ids))
            if len(set(ids)) != len(ids):
                wrong.append(f"{len(ids) - len(set(ids))} instances are in a list twice")
            if missing := set(staying) - set(ids):
                wrong.append(f"{len(missing)} instances are missing, such as {min(missing)}")
            for view in views:
                version = az.get_image(view)["exact_version"]
                if view["properties"]["latestModelApplied"] is not (version == NEW) and is_put:
                    wrong.append(
                        f"{view['instanceId']} runs {version}, but latestModelApplied differs"
                    )

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
    """A link to the next page continues after the last entry of the page before."""
    with Sandbox(demo=False, page_size=7, upgrade_seconds=0) as sandbox, requests.Session() as http:
        sandbox.add_vmss("web", 20)
        headers = {"Authorization": f"Bearer {sandbox.access_token}"}
        path = f"/subscriptions/{sandbox.subscription_id}/resourceGroups/{sandbox.resource_group}"
        path += "/providers/Microsoft.Compute/virtualMachineScaleSets/web"
        path += "/virtualMachines?api-version=2024-11-01"
        first = http.get(sandbox.url + path, headers=headers, timeout=10).json()
        az.wait(sandbox.access_token, az.delete_vmss_vms(*sandbox.where(), [0, 1]))
        second = http.get(first["nextLink"], headers=headers, timeout=10).json()
        assert [entry["instanceId"] for entry in first["value"] + second["value"]] == first_ids(14)


def test_a_connection_serves_more_than_one_request(large: Sandbox) -> None:
    """Connections are kept alive, as on Azure, because a TLS handshake is slow."""
    with requests.Session() as http:
        for _ in range(3):
            answer = http.get(
                f"{large.url}/subscriptions?api-version=2022-12-01",
                headers={"Authorization": f"Bearer {large.access_token}"},
                timeout=10,
            )
            assert answer.status_code == 200
            assert answer.headers.get("Connection", "").lower() != "close"
