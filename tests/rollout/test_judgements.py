"""What is wrong with an instance, and whose fault a failure is: pure functions, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.clock import Clock

from azurerm_lite.errors import AzureError, OperationFailed, OperationTimeout, Throttled
from azurerm_lite.rollout import batch as batch_module
from azurerm_lite.rollout.batch import back_off, is_too_late
from azurerm_lite.rollout.events import Event
from azurerm_lite.rollout.faults import is_batch_at_fault, is_preempted
from azurerm_lite.rollout.health import (
    InstanceBefore,
    Problem,
    problem_of_answer,
    problem_of_any,
    problem_of_upgraded,
    snapshot,
)
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.state import (
    BatchFailed,
    Halt,
    Preempted,
    RolloutState,
    ScaleSetRef,
)
from azurerm_lite.rollout.waiting import pause, poll_interval
from azurerm_lite.types import Batch

RUNNING = InstanceBefore("running", reported_health=True)


def instance(
    provisioning: str = "Succeeded",
    power: str | None = "running",
    health: str | None = "healthy",
    failure: str = "",
) -> Any:
    """An instance in some states; `None` where Azure reports none."""
    statuses: list[dict[str, str]] = []
    if failure:
        code, _, message = failure.partition(": ")
        statuses.append({"code": f"ProvisioningState/failed/{code}", "message": message})
    if power:
        statuses.append({"code": f"PowerState/{power}"})
    view: dict[str, Any] = {"statuses": statuses}
    if health:
        view["vmHealth"] = {"status": {"code": f"HealthState/{health}"}}
    return {
        "instanceId": "1",
        "properties": {"provisioningState": provisioning, "instanceView": view},
    }


FAILED = instance("Failed", failure="OSProvisioningTimedOut: It did not start.")
HAS_FAILED = Problem(
    "failed",
    "provisioning failed: OSProvisioningTimedOut: It did not start.",
    "OSProvisioningTimedOut",
)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (instance(), None),
        (FAILED, HAS_FAILED),
        (instance("Failed"), Problem("failed", "provisioning failed")),
        (instance("Updating"), None),
        (instance(health=None), None),
        (instance(health="unhealthy"), Problem("unhealthy", "application health unhealthy")),
        (instance(health="unknown"), Problem("health_unknown", "application health unknown")),
        (
            instance(health="initializing"),
            Problem("health_unknown", "application health initializing"),
        ),
        (
            instance(power=None, health="unhealthy"),
            Problem("unhealthy", "application health unhealthy"),
        ),
        (instance(power="stopped", health="unhealthy"), None),
    ],
)
def test_an_instance_outside_the_batch_is_unhealthy(found: Any, problem: Problem | None) -> None:
    """By a failed provisioning, or by its health while it runs."""
    assert problem_of_any(found) == problem


@pytest.mark.parametrize(
    ("found", "before", "problem"),
    [
        (instance(), RUNNING, None),
        (FAILED, RUNNING, HAS_FAILED),
        (instance("Updating"), RUNNING, Problem("not_provisioned", "provisioning updating")),
        (
            instance(power="stopped"),
            RUNNING,
            Problem("power", "power state stopped, was running"),
        ),
        (
            instance(power=None),
            RUNNING,
            Problem("power_unknown", "power state unknown, was running"),
        ),
        (
            instance(power="updating"),
            RUNNING,
            Problem("power_unknown", "power state unknown, was running"),
        ),
        (instance(power="stopped"), InstanceBefore("stopping"), None),
        (instance(power="running"), InstanceBefore("starting"), None),
        (instance(power="deallocated"), InstanceBefore("deallocating"), None),
        (instance(power="stopped"), InstanceBefore(None), None),
        (
            instance(health=None),
            RUNNING,
            Problem("health_unknown", "application health not reported yet"),
        ),
        (instance(health=None), InstanceBefore("running"), None),
        (instance(power="stopped", health=None), InstanceBefore("stopped", True), None),
        (
            instance(health="unhealthy"),
            RUNNING,
            Problem("unhealthy", "application health unhealthy"),
        ),
    ],
)
def test_an_upgraded_instance_comes_back_to_what_it_was(
    found: Any, before: InstanceBefore, problem: Problem | None
) -> None:
    """Provisioned, in its power state, and with the health that it reported."""
    judged = problem_of_upgraded(found, before, is_current=True, is_pending=False, outdated="old")
    assert judged == problem


def test_an_upgraded_instance_is_on_the_latest_model() -> None:
    """Unless it is not to be upgraded, as a protected one."""

    def judge(*, is_pending: bool) -> Problem | None:
        return problem_of_upgraded(
            instance(health="unhealthy"),
            RUNNING,
            is_current=False,
            is_pending=is_pending,
            outdated="old model",
        )

    assert judge(is_pending=True) == Problem("outdated", "old model")
    assert judge(is_pending=False) is None


@pytest.mark.parametrize(
    ("kind", "may_pass"),
    [
        ("failed", False),
        ("not_provisioned", True),
        ("outdated", False),
        ("power", False),
        ("power_unknown", True),
        ("health_unknown", True),
        ("unhealthy", False),
        ("check", False),
    ],
)
def test_what_is_not_known_may_pass(kind: Any, may_pass: bool) -> None:
    """Another reading may show that all is well."""
    assert Problem(kind, "").may_pass is may_pass


def test_a_snapshot_has_the_states_that_last() -> None:
    """Power and health, by the id of the instance."""
    assert snapshot([instance()]) == {"1": RUNNING}
    assert snapshot([instance(power="creating", health=None)]) == {"1": InstanceBefore(None, False)}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, None),
        (True, None),
        ("", None),
        (0, None),
        (False, Problem("check", "check: not passed")),
        ("no route", Problem("check", "check: no route")),
        (ValueError("no\nroute"), Problem("check", "check: no route")),
    ],
)
def test_a_check_fails_by_its_answer(answer: Any, problem: Problem | None) -> None:
    """By `False`, by a reason, or by an error."""

    def ask() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert problem_of_answer(ask) == problem


@pytest.mark.parametrize(
    ("operation", "instances", "is_at_fault"),
    [
        ("VMExtensionProvisioningError", [], True),
        ("vmstarttimedout", ["AllocationFailed"], True),
        ("AllocationFailed", ["OSProvisioningTimedOut"], True),
        ("AllocationFailed", [], False),
        ("AllocationFailed", [""], False),
        ("", ["AllocationFailed"], False),
        ("", ["", "QuotaExceeded"], False),
        ("", [""], True),
        ("Failed", [""], True),
        ("", [], False),
        ("Failed", [], False),
    ],
)
def test_a_batch_is_at_fault_by_azures_codes(
    operation: str, instances: list[str], is_at_fault: bool
) -> None:
    """A code of the image or the upgrade; or no code at all, and an instance that failed."""
    assert is_batch_at_fault(operation, iter(instances)) is is_at_fault


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("OperationPreempted", "Failed", True),
        ("operationpreempted", "Failed", True),
        ("Failed", "Canceled", True),
        ("Failed", "cancelled", True),
        ("AllocationFailed", "Failed", False),
    ],
)
def test_an_operation_that_another_write_ended(code: str, status: str, expected: bool) -> None:
    """It says nothing of the image."""
    error = OperationFailed("ended", code=code)
    error.status = status
    assert is_preempted(error) is expected


# Waiting


def state_of(**values: Any) -> RolloutState:
    """A run that has read nothing yet."""
    return RolloutState(ScaleSetRef("token", "s", "g", "web"), RolloutOptions(), **values)


def test_a_pause_is_reported_each_minute(clock: Clock) -> None:
    """With what is left of it; about the batch, or about the set."""
    batch = Batch("update domain 1", ("1",))
    state = state_of(batch=batch)
    events = list(pause(state, "throttled", 130.5))
    assert clock.slept == [60, 60, 10.5]
    assert [event.kind for event in events] == ["waiting"] * 3
    assert {event.batch for event in events} == {batch}
    assert [event.message.count("throttled") for event in events] == [1, 1, 1]
    assert list(pause(state, "throttled", 0.5))
    (of_set,) = pause(state, "throttled", 1, of_set=True)
    assert of_set.message == f"web: {of_set.text}"
    assert events[0].message == events[0].text


@pytest.mark.parametrize(
    ("attempt", "pages", "requests", "single_reads", "seconds"),
    [
        (0, 1, 1, None, 6),
        (1, 1, 1, None, 7.5),
        (2, 1, 1, None, 11.25),
        (5, 1, 1, None, 30),
        (500, 1, 1, None, 30),
        (0, 20, 20, None, 120),
        (0, 1, 2000, None, 50),
        (0, 20, 20, 4, 5),
        (0, 20, 20, 50, 50),
        (5, 20, 20, 4, 30),
    ],
)
def test_the_interval_of_polls(
    attempt: int, pages: int, requests: int, single_reads: int | None, seconds: float
) -> None:
    """It grows to half a minute; readings of many requests are rarer."""
    state = state_of(pages=pages, requests_per_reading=requests)
    assert poll_interval(state, attempt, single_reads) == seconds


def test_a_repetition_is_too_late_if_azure_asks_for_a_longer_pause(clock: Clock) -> None:
    """The limit itself is too late."""
    throttled = Throttled("slow down")
    throttled.retry_after = 30
    assert not is_too_late(throttled, clock.now + 30.5)
    assert is_too_late(throttled, clock.now + 30)
    assert not is_too_late(ConnectionError(), clock.now + 0.5)
    assert is_too_late(ConnectionError(), clock.now)


def test_before_a_write_is_sent_again_there_is_a_pause(clock: Clock) -> None:
    """As long as Azure asks, and never shorter than between two polls."""
    error = Throttled("slow down")
    state = state_of()
    (event,) = back_off(state, error, 1)
    assert event.message.startswith("web: ")
    error.retry_after = 40
    state.batch = BATCH
    (event,) = back_off(state, error, 3)
    assert event.message.startswith("update domain 1: ")
    assert "slow down" in event.message
    assert clock.slept == [6, 40]


# A failed operation

BATCH = Batch("update domain 1", ("1", "2"))
ALLOCATION = instance("Failed", failure="AllocationFailed: No capacity.")


def judge(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    instances: list[Any],
    batch: Batch | None = BATCH,
    reading: Exception | None = None,
) -> Halt:
    """What a failed operation on a batch ends with, where the instances read as given."""

    def read(state: RolloutState) -> Iterator[Event]:
        if reading is not None:
            raise reading
        numbered = enumerate(instances, 1)
        state.instances = tuple({**each, "instanceId": str(number)} for number, each in numbered)
        state.current = frozenset(BATCH.instance_ids)
        yield from ()

    monkeypatch.setattr(batch_module, "read_instances", read)
    with pytest.raises(Halt) as halt:
        list(batch_module._judge_failed_operation(state_of(), error, batch))
    assert halt.value.__cause__ is error
    return halt.value


@pytest.mark.parametrize(
    ("code", "instances", "kind"),
    [
        ("OSProvisioningTimedOut", [instance()], BatchFailed),
        ("Failed", [ALLOCATION, instance()], Halt),
        ("Failed", [FAILED, instance()], BatchFailed),
        ("AllocationFailed", [FAILED], BatchFailed),
        ("AllocationFailed", [instance("Updating")], Halt),
        ("Failed", [instance("Failed")], BatchFailed),
        ("Failed", [instance("Updating")], Halt),
        ("OperationPreempted", [FAILED], Preempted),
    ],
)
def test_a_failed_operation_is_judged_by_the_instances(
    monkeypatch: pytest.MonkeyPatch, code: str, instances: list[Any], kind: type[Halt]
) -> None:
    """Only the codes of those that failed say whose fault it is."""
    halt = judge(monkeypatch, OperationFailed("It did not work.", code=code), instances)
    assert type(halt) is kind
    assert "It did not work." in halt.reason
    bad = [
        str(number)
        for number, each in enumerate(instances, 1)
        if each["properties"]["provisioningState"] != "Succeeded"
    ]
    assert set(halt.unhealthy) == set(bad)


@pytest.mark.parametrize("reading", [AzureError("no"), requests.ConnectionError("no")])
def test_a_reading_that_fails_does_not_hide_the_operation(
    monkeypatch: pytest.MonkeyPatch, reading: Exception
) -> None:
    """What the operation ended with is reported, with what was known before."""
    error = OperationFailed("It did not work.", code="OSProvisioningTimedOut")
    halt = judge(monkeypatch, error, [], reading=reading)
    assert type(halt) is BatchFailed
    assert "OSProvisioningTimedOut" in halt.reason


@pytest.mark.parametrize(("code", "kind"), [("OperationPreempted", Preempted), ("Failed", Halt)])
def test_a_failed_operation_on_the_set_is_no_failure_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: type[Halt]
) -> None:
    """It changes the capacity, or the model."""
    halt = judge(monkeypatch, OperationFailed("No.", code=code), [FAILED], batch=None)
    assert type(halt) is kind
    assert "No." in halt.reason


def test_an_operation_that_does_not_end_is_judged_by_the_instances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that are done prove that it did its work."""
    error = OperationTimeout("30 min passed.")
    assert type(judge(monkeypatch, error, [instance("Updating")])) is BatchFailed
    state = state_of(instances=(instance(),), current=frozenset("1"))
    monkeypatch.setattr(batch_module, "read_instances", lambda _: iter(()))
    assert list(batch_module._judge_failed_operation(state, error, BATCH)) == []
