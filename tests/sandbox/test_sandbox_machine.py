"""Two clients change two scale sets in any order; the state after that is valid (Hypothesis)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite import _clock, rest
from azurerm_lite.sandbox import Sandbox

VERSIONS = ["22.04.202409120", "22.04.202410020", "22.04.202411010"]
ZONES = {"one": [], "two": ["1", "2"]}
GROUP = "sandbox"

names = st.sampled_from(sorted(ZONES))
clients = st.sampled_from([0, 1])
versions = st.sampled_from(VERSIONS)
sizes = st.sampled_from(["Standard_D2s_v5", "Standard_D4s_v5"])
capacities = st.integers(0, 6)
# Positions in the last list of instances, modulo its length. Some instances may be deleted by now.
picks = st.lists(st.integers(0, 7), min_size=1, max_size=4)
actions = st.sampled_from(
    [
        az.start_vmss,
        az.restart_vmss,
        az.poweroff_vmss,
        az.stopdealloc_vmss,
        az.reimage_vmss,
        az.redeploy_vmss,
    ]
)


def model(name: str, mode: str, size: str, version: str, capacity: int) -> Any:
    """Return the body of a PUT that creates a scale set or replaces its model."""
    image = {
        "publisher": "Canonical",
        "offer": "0001-com-ubuntu-server-jammy",
        "sku": "22_04-lts",
        "version": version,
    }
    health = {
        "publisher": "Microsoft.ManagedServices",
        "type": "ApplicationHealthLinux",
        "typeHandlerVersion": "1.0",
    }
    body = {
        "location": "eastus",
        "sku": {"name": size, "tier": "Standard", "capacity": capacity},
        "properties": {
            "upgradePolicy": {"mode": mode},
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": name, "adminUsername": "azureuser"},
                "storageProfile": {"imageReference": image},
                "extensionProfile": {"extensions": [{"name": "health", "properties": health}]},
            },
        },
    }
    return {**body, "zones": ZONES[name]} if ZONES[name] else body


def image(resource: Any) -> dict[str, str]:
    """Return the image of a model or an instance, without its exact version."""
    properties = resource["properties"]
    reference = properties.get("virtualMachineProfile", properties)["storageProfile"][
        "imageReference"
    ]
    return {key: value for key, value in reference.items() if key != "exactVersion"}


def put_vmss_vm(
    token: Any, subscription_id: str, group: str, name: str, body: Any
) -> requests.Response:
    """Send a PUT of an instance, for which the library has no function."""
    return rest.send(token, "PUT", rest.url(body["id"], {}, "2024-11-01"), body)


class Clients(RuleBasedStateMachine):
    """Two clients and a clock; the state is checked whenever no operation is in progress."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.at_end = ExitStack()
        patch = self.at_end.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(_clock, "monotonic", self.clock)
        patch.setattr(_clock, "sleep", self.clock.sleep)
        self.sandbox = self.at_end.enter_context(
            Sandbox(demo=False, upgrade_seconds=60, clock=self.clock)
        )
        # The clients send more requests than the limit of a scale set allows.
        self.sandbox.app.limits.has_resource_limits = False
        self.http = self.at_end.enter_context(requests.Session())
        self.tokens = [self.sandbox.access_token, self.sandbox.access_token]
        self.unfinished: list[str] = []
        self.seen: dict[str, list[str]] = {name: [] for name in ZONES}
        self.places: dict[tuple[str, str], tuple[str, int, int]] = {}

    def teardown(self) -> None:
        """Wait for all operations, and check the state again."""
        try:
            self.finish_everything()
        finally:
            self.at_end.close()

    def send(
        self, client: int, call: Callable[..., Any], name: str, *arguments: Any, **options: Any
    ) -> Any:
        """Send a call of one client; return `None` if it was rejected with a 4xx."""
        try:
            answer = call(
                self.tokens[client],
                self.sandbox.subscription_id,
                GROUP,
                name,
                *arguments,
                **options,
            )
        except az.AzureError as error:
            gone = error.status_code == 400 and "is not an active" in error.message
            if gone or isinstance(error, (az.Conflict, az.NotFound, az.PreconditionFailed)):
                return None
            raise
        if isinstance(answer, requests.Response) and "Azure-AsyncOperation" in answer.headers:
            self.unfinished.append(answer.headers["Azure-AsyncOperation"])
        return answer

    def pick(self, name: str, picks: list[int]) -> list[str]:
        """Return ids of the last list of instances; an unknown id if it was empty."""
        seen = self.seen[name] or ["999"]
        return sorted({seen[entry % len(seen)] for entry in picks})

    # Actions of the clients

    @initialize(capacity=capacities, version=versions)
    def create_sets(self, capacity: int, version: str) -> None:
        """Create a regional and a zonal scale set."""
        for name in ZONES:
            self.send(
                0, az.put_vmss, name, model(name, "Manual", "Standard_D2s_v5", version, capacity)
            )
        self.finish_everything()

    @rule(
        client=clients,
        name=names,
        mode=st.sampled_from(["Manual", "Automatic", "Rolling"]),
        size=sizes,
        version=versions,
        capacity=capacities,
    )
    def put_a_model(
        self, client: int, name: str, mode: str, size: str, version: str, capacity: int
    ) -> None:
        """Create a set, or replace its model: mode, size, image and capacity."""
        self.send(client, az.put_vmss, name, model(name, mode, size, version, capacity))

    @rule(client=clients, name=names, version=versions)
    def put_an_image(self, client: int, name: str, version: str) -> None:
        """Read the model and write it with another image."""
        current = self.send(client, az.get_vmss, name)
        if current is not None:
            self.send(client, az.put_vmss, name, az.set_image(current, version=version))

    @rule(client=clients, name=names, size=sizes)
    def put_a_size(self, client: int, name: str, size: str) -> None:
        """Read the model and write it with another VM size."""
        current = self.send(client, az.get_vmss, name)
        if current is not None:
            self.send(
                client, az.put_vmss, name, {**current, "sku": {**current["sku"], "name": size}}
            )

    @rule(client=clients, name=names, capacity=capacities)
    def scale(self, client: int, name: str, capacity: int) -> None:
        """Scale a set out or in."""
        self.send(client, az.scale_vmss, name, capacity)

    @rule(client=clients, name=names, picks=picks)
    def upgrade(self, client: int, name: str, picks: list[int]) -> None:
        """Upgrade some instances to the model."""
        self.send(client, az.manual_upgrade, name, self.pick(name, picks))

    @rule(client=clients, name=names, action=actions, picks=picks | st.none())
    def act(
        self, client: int, name: str, action: Callable[..., Any], picks: list[int] | None
    ) -> None:
        """Start, stop, reimage or redeploy some instances or the whole set."""
        self.send(client, action, name, picks and self.pick(name, picks))

    @rule(client=clients, name=names, picks=picks)
    def delete_instances(self, client: int, name: str, picks: list[int]) -> None:
        """Delete some instances, which lowers the capacity."""
        self.send(client, az.delete_vmss_vms, name, self.pick(name, picks))

    @rule(client=clients, name=names, picks=picks, scale_in=st.booleans(), actions=st.booleans())
    def protect(
        self, client: int, name: str, picks: list[int], scale_in: bool, actions: bool
    ) -> None:
        """Protect an instance, or remove its protection."""
        instance_id = self.pick(name, picks)[0]
        options = {"from_scale_in": scale_in or actions, "from_scale_set_actions": actions}
        self.send(client, az.protect_vmss_vm, name, instance_id, **options)

    @rule(client=clients, name=names, picks=picks)
    def put_an_instance(self, client: int, name: str, picks: list[int]) -> None:
        """Read an instance and write it back unchanged."""
        whole = self.send(client, az.get_vmss_vm, name, self.pick(name, picks)[0])
        if whole is not None:
            self.send(client, put_vmss_vm, name, whole)

    @rule(client=clients, name=names)
    def start_rolling_upgrade(self, client: int, name: str) -> None:
        """Start Azure's own rolling upgrade of the outdated instances."""
        self.send(client, az.start_os_upgrade, name)

    @rule(client=clients, name=names)
    def cancel_rolling_upgrade(self, client: int, name: str) -> None:
        """Cancel the rolling upgrade, if there is one."""
        self.send(client, az.cancel_rolling_upgrade, name)

    @rule(client=clients, name=names)
    def delete_set(self, client: int, name: str) -> None:
        """Delete a whole set."""
        self.send(client, az.delete_vmss, name)

    @rule(seconds=st.sampled_from([1, 30, 60, 300, 900]))
    def pass_time(self, seconds: int) -> None:
        """Advance the clock, so that some operations end."""
        self.clock.sleep(seconds)

    @rule()
    def finish_everything(self) -> None:
        """Wait until every operation ends, for an hour at most."""
        for _ in range(60):
            if not self.is_busy():
                break
            self.clock.sleep(60)
        assert not self.unfinished
        for name in ZONES:
            self.check(name)

    # Invariants

    @invariant()
    def idle_sets_are_valid(self) -> None:
        """Check both sets whenever no operation is in progress."""
        if not self.is_busy():
            for name in ZONES:
                self.check(name)

    def is_busy(self) -> bool:
        """Return whether an operation or a rolling upgrade of Azure's is in progress."""
        self.unfinished = [entry for entry in self.unfinished if self.status(entry) == "InProgress"]
        if self.unfinished:
            return True
        upgrades = [self.send(0, az.get_rolling_upgrade, name) for name in ZONES]
        return any(
            entry and entry["properties"]["runningStatus"]["code"] == "RollingForward"
            for entry in upgrades
        )

    def status(self, operation: str) -> str:
        """Return the status of an operation; check that it did not fail."""
        answer = self.http.get(
            operation, headers={"Authorization": f"Bearer {self.tokens[0]}"}, timeout=10
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert ("endTime" in body) == (body["status"] != "InProgress")
        assert body["status"] in ("InProgress", "Succeeded", "Canceled"), body
        return body["status"]

    def check(self, name: str) -> None:
        """Check an idle set: it has as many instances as its capacity, each in a valid state."""
        current = self.send(1, az.get_vmss, name)
        if current is None:
            self.seen[name] = []
            return
        instances = self.send(0, az.get_instance_views, name)
        ids = [entry["instanceId"] for entry in instances]
        self.seen[name] = ids
        assert current["properties"]["provisioningState"] == "Succeeded"
        assert len(set(ids)) == len(ids)
        protected = [
            entry
            for entry in instances
            if entry["properties"].get("protectionPolicy", {}).get("protectFromScaleIn")
        ]
        # Scaling in does not delete protected instances: see the test at the end.
        assert len(ids) == max(current["sku"]["capacity"], len(protected))
        for instance in instances:
            self.check_instance(current, instance)

    def check_instance(self, current: Any, instance: Any) -> None:
        """Check an instance: same VM, same domains, no transition, and correct model flags."""
        properties = instance["properties"]
        view = properties["instanceView"]
        assert view["platformUpdateDomain"] in range(5)
        assert view["platformFaultDomain"] in range(5)
        assert instance.get("zones", []) in (
            [[entry] for entry in current["zones"]] if current.get("zones") else [[]]
        )
        place = (properties["vmId"], view["platformUpdateDomain"], view["platformFaultDomain"])
        key = (current["properties"]["uniqueId"], instance["instanceId"])
        assert self.places.setdefault(key, place) == place, (
            "an id was reused, or an instance has moved"
        )

        assert properties["provisioningState"] == "Succeeded"
        codes = [
            entry["code"] for entry in view["statuses"] if entry["code"].startswith("PowerState/")
        ]
        assert len(codes) == 1
        assert codes[0] in ("PowerState/running", "PowerState/stopped", "PowerState/deallocated")

        same = (image(instance), instance["sku"]["name"]) == (
            image(current),
            current["sku"]["name"],
        )
        is_own = properties["modelDefinitionApplied"] == "VirtualMachine"
        assert properties["latestModelApplied"] is (same and not is_own)


class TestClients(Clients.TestCase):
    """A few short runs; they are short because shrinking takes minutes."""

    settings = settings(
        max_examples=8, stateful_step_count=20, phases=[Phase.reuse, Phase.generate]
    )


@pytest.mark.slow
class TestClientsAtLength(Clients.TestCase):
    """Long runs; more of them with HYPOTHESIS_PROFILE=thorough."""

    settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=40)


# Bugs that these runs have found


@pytest.fixture
def small(clock: Clock) -> Iterator[Sandbox]:
    """Start a sandbox with a small set, on a fake clock."""
    with Sandbox(demo=False, upgrade_seconds=60, clock=clock) as sandbox:
        sandbox.add_vmss("one", 5)
        yield sandbox


def test_the_capacity_after_scaling_in_is_the_number_of_instances(
    small: Sandbox, clock: Clock
) -> None:
    """Protected instances reject the request, or the capacity counts them."""
    where = small.where("one")
    az.wait(where[0], az.protect_vmss_vm(*where, 3, from_scale_in=True))
    with suppress(az.AzureError):
        az.wait(where[0], az.scale_vmss(*where, 0))
    assert len(az.list_vmss_vms(*where)) == az.get_vmss(*where)["sku"]["capacity"]


def test_a_second_deletion_does_not_delete_a_new_set(small: Sandbox, clock: Clock) -> None:
    """The second DELETE refers to the old set, not to the new one of the same name."""
    where = small.where("one")
    az.delete_vmss(*where)
    clock.sleep(30)
    with suppress(az.Conflict):
        az.delete_vmss(*where)
    clock.sleep(31)
    az.put_vmss(*where, model("one", "Manual", "Standard_D2s_v5", VERSIONS[0], 2))
    clock.sleep(600)
    assert len(az.list_vmss_vms(*where)) == 2


def test_a_deleted_set_does_not_block_a_new_one_of_that_name(small: Sandbox, clock: Clock) -> None:
    """Operations on a deleted set end with it."""
    where = small.where("one")
    small.break_upgrade("one", "0", "stick")
    az.wait(where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=VERSIONS[2])))
    az.manual_upgrade(*where, "*")
    az.wait(where[0], az.delete_vmss(*where))
    az.wait(
        where[0], az.put_vmss(*where, model("one", "Manual", "Standard_D2s_v5", VERSIONS[0], 2))
    )
    assert az.restart_vmss(*where).status_code == 202


def test_a_rolling_upgrade_continues_without_requests(small: Sandbox, clock: Clock) -> None:
    """An hour is enough for five batches of a minute, without any poll."""
    where = small.where("one")
    az.wait(where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=VERSIONS[2])))
    az.start_os_upgrade(*where)
    clock.sleep(3600)
    assert az.get_rolling_upgrade(*where)["properties"]["runningStatus"]["code"] == "Completed"


def test_a_finished_rolling_upgrade_does_not_change(small: Sandbox, clock: Clock) -> None:
    """A later change of the model does not change its progress."""
    where = small.where("one")
    az.wait(where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=VERSIONS[2])))
    az.wait(where[0], az.start_os_upgrade(*where))
    before = az.get_rolling_upgrade(*where)["properties"]["progress"]
    az.wait(where[0], az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=VERSIONS[0])))
    assert az.get_rolling_upgrade(*where)["properties"]["progress"] == before
