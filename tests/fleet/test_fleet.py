"""The rollout of a fleet on the sandbox over HTTPS: waves, halts, rate limits and workers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import logging
import multiprocessing
import pickle
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support import fast_time
from support.clock import Clock
from support.fleet import (
    NEW,
    REGIONS,
    events_until_halt,
    fill,
    fleet,
    upgrade_counts,
    upgraded_sets,
)

import azurerm_lite as az
from azurerm_lite import _clock, _flexible, errors
from azurerm_lite.fleet import rate_limit, scheduler, worker
from azurerm_lite.fleet import targets as wave_plan
from azurerm_lite.fleet.events import FleetEvent
from azurerm_lite.rollout.events import Event
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.run import advance
from azurerm_lite.rollout.state import RolloutState, ScaleSetRef
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.types import Batch, Summary, Target


def new_state(access_token: Any, sandbox: Sandbox, name: str = "s0") -> RolloutState:
    """Return the state of a run that has not started."""
    hooks = rate_limit.RateLimitedRequests(sandbox.subscription_id, REGIONS[0])
    scale_set = ScaleSetRef(access_token, *sandbox.where(name)[1:])
    return RolloutState(scale_set, RolloutOptions(), hooks=hooks)


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> Iterator[None]:
    """Isolate the rate limits of each test."""
    rate_limit.reset()
    yield
    rate_limit.reset()


def wave_events(sets: int) -> list[str]:
    """Return the kinds of the events of a wave, without those of its running sets."""
    return ["wave_started", *["set_started"] * sets, "wave_done"]


# Complete rollouts


def test_every_instance_of_every_set_is_upgraded_once(sandbox: Sandbox) -> None:
    """The sets are found by one query and rolled out in parallel; the last event has the counts."""
    names = fill(sandbox, 5)
    events = list(az.rollout_fleet(sandbox.access_token, fleet(sandbox)))
    assert upgrade_counts(sandbox) == {(name, str(each)): 1 for name in names for each in range(4)}
    kinds = [event.kind for event in events if event.kind != "set_event"]
    assert Counter(kinds)["set_done"] == Counter(kinds)["set_started"] == 5
    assert (kinds[0], kinds[-1]) == ("fleet_started", "fleet_ended")
    last = events[-1]
    assert (last.done, last.failed, last.total, last.summary.upgraded) == (5, 0, 5, 20)
    sent = [entry.path for entry in sandbox.journal]
    own = [path for path in sent if "/virtualMachineScaleSets/" in path or "/operations/" in path]
    assert last.summary.requests == len(own)


def test_a_wave_starts_when_the_one_before_is_done(sandbox: Sandbox) -> None:
    """A canary region is first: no other set changes before its last event."""
    fill(sandbox, 6)
    first = {"s0", "s3"}
    events = list(
        az.rollout_fleet(
            sandbox.access_token, fleet(sandbox), waves=lambda each: each["location"] != REGIONS[0]
        )
    )
    order = upgraded_sets(sandbox)
    assert set(order[:4]) == first
    assert not first & set(order[4:])
    kinds = [event.kind for event in events]
    starts = [kind for kind in kinds if kind in ("wave_started", "set_started", "wave_done")]
    assert starts == [
        "wave_started",
        *["set_started"] * 2,
        "wave_done",
        "wave_started",
        *["set_started"] * 4,
        "wave_done",
    ]


def test_an_event_of_a_set_has_the_set_and_its_event(sandbox: Sandbox) -> None:
    """The set's own event has no instances.

    Both events print as lines and can be logged as JSON.
    """
    fill(sandbox, 2)
    events = list(az.rollout_fleet(sandbox.access_token, fleet(sandbox)))
    of_one = [event for event in events if event.scale_set and event.scale_set.vmss_name == "s1"]
    kinds = [event.event.kind for event in of_one if event.event and event.event.kind != "progress"]
    assert kinds == ["started", *["batch_started", "batch_done"] * 2, "finished"]
    assert not [event for event in of_one if event.event and event.event.instances]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d  \S.*", str(event)) for event in events)
    logged = json.loads(json.dumps(of_one[1].to_dict()))
    assert logged["scale_set"] == {
        "subscription_id": sandbox.subscription_id,
        "resource_group": "sandbox",
        "vmss_name": "s1",
        "location": "eastus",
    }
    assert logged["event"]["kind"] == "started"


def test_a_set_needs_the_same_requests_in_a_fleet_and_alone(sandbox: Sandbox) -> None:
    """In the same order: continuing step by step reads nothing twice."""
    fill(sandbox, 2)
    before = len(sandbox.journal)
    list(az.rollout(*sandbox.where("s0")))
    alone = [each.method + each.path.replace("/s0", "") for each in sandbox.journal[before:]]
    before = len(sandbox.journal)
    list(az.rollout_fleet(sandbox.access_token, [(sandbox.subscription_id, "sandbox", "s1")]))
    in_fleet = [each.method + each.path.replace("/s1", "") for each in sandbox.journal[before:]]

    def without_ids(paths: list[str]) -> list[str]:
        return [re.sub(r"[0-9a-f-]{36}|locations/\w+", "", path) for path in paths]

    assert without_ids(in_fleet) == without_ids(alone)


def test_a_canary_is_only_the_first_batch_of_each_set(sandbox: Sandbox) -> None:
    """The state of a run is kept from step to step."""
    fill(sandbox, 2)
    list(az.rollout_fleet(sandbox.access_token, fleet(sandbox), canary=1))
    sizes = [
        len(each.body["instanceIds"]) for each in sandbox.journal if "s1/manualupgrade" in each.path
    ]
    assert sizes == [1, 1, 2]


def test_a_dry_run_changes_nothing(sandbox: Sandbox) -> None:
    """Each set reports what would be done."""
    fill(sandbox, 2)
    events = list(az.rollout_fleet(sandbox.access_token, fleet(sandbox), dry_run=True))
    assert not upgraded_sets(sandbox)
    assert sum(event.event.kind == "planned" for event in events if event.event) == 4


def test_an_empty_fleet_is_done_at_once(sandbox: Sandbox) -> None:
    """Nothing is sent, and the events report it."""
    events = list(az.rollout_fleet(sandbox.access_token, []))
    assert [event.kind for event in events] == ["fleet_started", "fleet_ended"]
    assert not sandbox.journal


# Halts


def test_no_wave_starts_after_one_that_halts(sandbox: Sandbox) -> None:
    """The failure is reported with its reason; the sets of later waves do not change.

    Running it again resumes.
    """
    fill(sandbox, 4)
    sandbox.break_upgrade("s0", "0")
    events, halt = events_until_halt(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox), waves=[1, 2])
    )
    assert [target.vmss_name for target in halt.failed] == ["s0"]
    assert isinstance(next(iter(halt.failed.values())), az.RolloutHalted)
    assert [target.vmss_name for target in halt.not_started] == ["s1", "s2", "s3"]
    assert set(halt.unhealthy) == {"sandbox/s0 0"}
    assert "OSProvisioningTimedOut" in str(halt)
    assert str(halt).endswith("Run it again to resume.")
    assert set(upgraded_sets(sandbox)) == {"s0"}
    assert [event.kind for event in events][-2:] == ["stopping", "fleet_ended"]

    sandbox.break_upgrade("s0", "0", "none")
    list(az.rollout_fleet(sandbox.access_token, fleet(sandbox), waves=[1, 2]))
    assert set(upgrade_counts(sandbox).values()) == {1}
    assert len(upgrade_counts(sandbox)) == 16


def test_running_sets_finish_their_batch_when_another_halts(sandbox: Sandbox) -> None:
    """No batch stays in progress, no set is started, and the remaining sets are reported."""
    fill(sandbox, 6, instances=20, domains=5)
    sandbox.break_upgrade("s0", "0")
    events, halt = events_until_halt(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox), max_parallel=3)
    )
    ended = [*halt.failed, *halt.paused, *halt.not_started]
    done = {event.scale_set for event in events if event.kind == "set_done"}
    assert len(ended) + len(done) == 6
    assert [target.vmss_name for target in halt.not_started][-1] == "s5"
    busy = {
        vm.provisioning for vmss in sandbox.cloud.sets.values() for vm in vmss.instances.values()
    }
    assert busy == {"Succeeded", "Failed"}
    assert events[-1].summary == halt.summary


def test_max_failed_limits_how_many_sets_may_fail(sandbox: Sandbox) -> None:
    """An allowed failure stops neither its wave nor the next.

    It is raised at the end.
    """
    fill(sandbox, 4)
    sandbox.break_upgrade("s0", "0")
    events, halt = events_until_halt(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox), waves=[1], max_failed="25%")
    )
    assert [target.vmss_name for target in halt.failed] == ["s0"]
    assert not halt.not_started
    assert (events[-1].done, events[-1].failed) == (3, 1)
    assert "stopping" not in [event.kind for event in events]


def test_a_set_that_cannot_be_read_fails_alone(sandbox: Sandbox) -> None:
    """A wrong name is the failure of that set, with Azure's message.

    A set in mode Automatic is rejected.
    """
    fill(sandbox, 1)
    targets = [(sandbox.subscription_id, "sandbox", name) for name in ("nosuch", "auto", "s0")]
    _, halt = events_until_halt(az.rollout_fleet(sandbox.access_token, targets, max_failed=2))
    reasons = {target.vmss_name: type(error) for target, error in halt.failed.items()}
    assert reasons == {"nosuch": az.NotFound, "auto": az.RolloutHalted}
    assert len(upgrade_counts(sandbox)) == 4


def test_sets_that_fail_may_be_rolled_back(sandbox: Sandbox) -> None:
    """With `on_failure="rollback"` each failed set is rolled back.

    The halt reports that all were.
    """
    fill(sandbox, 2)
    sandbox.break_upgrade("s0", "1", image=NEW)
    _, halt = events_until_halt(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox)[:1], on_failure="rollback")
    )
    assert halt.rolled_back
    views = az.get_instance_views(*sandbox.where("s0"))
    assert {az.get_image(vm)["exact_version"] for vm in views} == {"22.04.202410020"}


def test_a_pause_that_returns_false_stops_its_set(sandbox: Sandbox) -> None:
    """The set is reported as paused, which is not a failure; the others continue."""
    fill(sandbox, 2)
    asked = []

    def pause(batch: Batch) -> bool:
        asked.append(batch)
        return len(asked) > 1

    events = list(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox), pause=pause, max_parallel=1)
    )
    assert [event.kind for event in events if event.kind in ("set_paused", "set_done")] == [
        "set_paused",
        "set_done",
    ]


# Interruptions


def test_leaving_the_loop_ends_between_two_batches(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The batches in progress end before the loop is left, and nothing else is started.

    Running it again does the rest.
    """
    fill(sandbox, 5, instances=10, domains=5)
    for event in az.rollout_fleet(sandbox.access_token, fleet(sandbox), max_parallel=2):
        if event.event and event.event.kind == "batch_started":
            break
    del event
    assert not sandbox.cloud.running
    assert set(upgraded_sets(sandbox)) <= {"s0", "s1"}
    before = upgrade_counts(sandbox)
    assert 0 < len(before) <= 4
    assert "stopping: waiting for the current batch of" in caplog.text
    list(az.rollout_fleet(sandbox.access_token, fleet(sandbox)))
    assert len(upgrade_counts(sandbox)) == 50
    assert set(upgrade_counts(sandbox).values()) == {1}


def test_ctrl_c_ends_like_leaving_the_loop(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It interrupts the waiting loop, and is raised after the batches in progress have ended."""
    fill(sandbox, 2, instances=10, domains=5)
    events = az.rollout_fleet(sandbox.access_token, fleet(sandbox))
    for event in events:
        if event.event and event.event.kind == "batch_started":
            break

    def interrupt(self: object) -> Iterator[FleetEvent]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(scheduler.FleetScheduler, "_receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert not sandbox.cloud.running
    assert len(upgrade_counts(sandbox)) <= 4


def test_nothing_is_sent_before_the_first_event(sandbox: Sandbox) -> None:
    """Creating the iterator does nothing."""
    fill(sandbox, 1)
    targets = fleet(sandbox)
    before = len(sandbox.journal)
    az.rollout_fleet(sandbox.access_token, targets)
    assert len(sandbox.journal) == before


# Arguments


@pytest.mark.parametrize(
    ("targets", "options", "told"),
    [
        ("web", {}, "targets must be a list of scale sets, not str"),
        ([("sub", "group")], {}, "targets: each must be"),
        ([("s", "", "web")], {}, "targets: each must be a dict from find_scale_sets()"),
        ([("s", "g", 5)], {}, "targets: each must be"),
        ([5], {}, "targets: each must be"),
        ([{"subscription_id": "s", "vmss_name": "web"}], {}, "targets: each must be"),
        (["/subscriptions/x/resourceGroups/y"], {}, "targets: each must be"),
        ([("s", "g", "web"), ("S", "G", "WEB")], {}, "is given twice"),
        ([("s", "g", "web", "eastus"), ("s", "g", "web")], {}, "is given twice"),
        ([("s", "g", "web")], {"max_parallel": 0}, "max_parallel must be"),
        ([("s", "g", "web")], {"max_failed": -1}, "max_failed must be a number of scale sets"),
        ([("s", "g", "web")], {"waves": [0]}, "waves must be a number of scale sets"),
        ([("s", "g", "web")], {"waves": ["many"]}, "waves must be a number of scale sets"),
        ([("s", "g", "web")], {"waves": "location"}, "waves: g/web has no 'location'"),
        ([("s", "g", "web")], {"waves": "ring"}, "waves: g/web has no 'ring'"),
        ([("s", "g", "web")], {"waves": 5}, "waves must be a key, a function or a list of sizes"),
        (
            [("s", "g", "web"), ("s", "g", "x")],
            {"waves": lambda each: 1 if "x" in each else "1"},
            "waves: the keys",
        ),
        ([("s", "g", "web")], {"executor": 4}, "executor must be"),
        ([("s", "g", "web")], {"by": "rack"}, "by must be"),
        ([("s", "g", "web")], {"on_failure": "cry"}, "on_failure must be"),
        ([("s", "g", "web")], {"bake": -1}, "bake must be"),
    ],
)
def test_unusable_arguments_are_rejected_at_once(
    targets: Any, options: dict[str, Any], told: str
) -> None:
    """By the call itself, with the name of the argument."""
    with pytest.raises(ValueError, match=re.escape(told)):
        az.rollout_fleet("token", targets, **options)


def test_a_target_may_be_given_in_three_ways() -> None:
    """As found, as a resource id, or by its names."""
    path = (
        "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachinescalesets/web"
    )
    found = {
        "subscription_id": "s",
        "resource_group": "g",
        "vmss_name": "web",
        "location": "West Europe",
    }
    assert (
        wave_plan.parse_target(path)
        == wave_plan.parse_target(("s", "g", "web"))
        == Target("s", "g", "web")
    )
    assert wave_plan.parse_target(found) == Target("s", "g", "web", "westeurope")
    del found["location"]
    assert wave_plan.parse_target(found) == wave_plan.parse_target(("s", "g", "web", ""))


def test_waves_by_a_key_ascend() -> None:
    """The key is in what the caller gave, or is a name of a target."""
    names = {"subscription_id": "s", "resource_group": "g"}
    given: list[Any] = [
        {**names, "vmss_name": "web", "ring": 2},
        {**names, "vmss_name": "api", "ring": 1},
        {**names, "vmss_name": "db", "ring": 2},
    ]
    waves = wave_plan.split_into_waves(given, "ring")
    assert [[target.vmss_name for target in wave] for wave in waves] == [["api"], ["web", "db"]]
    tuples: list[Any] = [("s", "g", "web", "westus"), ("s", "g", "api", "eastus")]
    waves = wave_plan.split_into_waves(tuples, "location")
    assert [[target.vmss_name for target in wave] for wave in waves] == [["api"], ["web"]]


# Invariants of the waves


class FakeExecutor:
    """An executor whose steps only fail or end.

    It counts the steps in progress.
    """

    def __init__(self, fails: set[str]) -> None:
        self.fails = fails
        self.pool = ThreadPoolExecutor(4)

    def submit(self, function: Callable[..., Any], request: worker.StepRequest, state: Any) -> Any:
        error = ValueError("no") if request.target.vmss_name in self.fails else None
        return self.pool.submit(lambda: worker.StepResult(Summary(upgraded=1), error=error))


sizes = st.lists(
    st.integers(1, 5) | st.integers(1, 100).map(lambda percent: f"{percent}%"), max_size=4
)


@given(
    number=st.integers(0, 12),
    cut=st.none() | sizes | st.integers(1, 4).map(lambda by: lambda each: int(each[2]) % by),
    max_parallel=st.integers(1, 5),
    failing=st.sets(st.integers(0, 11), max_size=3),
    max_failed=st.integers(0, 3),
)
def test_waves_go_in_order_each_target_once_and_never_too_many(
    number: int, cut: Any, max_parallel: int, failing: set[int], max_failed: int
) -> None:
    """For any waves, failures and limits: in order, at most `max_parallel`, each target once."""
    targets = [("s", "g", str(each)) for each in range(number)]
    planned = wave_plan.split_into_waves(targets, cut)
    assert sorted(int(each.vmss_name) for wave in planned for each in wave) == list(range(number))
    executor: Any = FakeExecutor({str(each) for each in failing})
    seen, running, raised = [], 0, None
    events = az.rollout_fleet(
        lambda: "token",
        targets,
        waves=cut,
        max_parallel=max_parallel,
        max_failed=max_failed,
        executor=executor,
    )
    try:
        for event in events:
            running += event.kind == "set_started"
            running -= event.kind in ("set_done", "set_failed")
            assert 0 <= running <= max_parallel
            seen.append(event)
    except az.FleetHalted as halt:
        raised = halt
    executor.pool.shutdown()
    started = [event.scale_set for event in seen if event.kind == "set_started"]
    assert len(set(started)) == len(started)
    place = {target: at for at, wave in enumerate(planned) for target in wave}
    assert [place[each] for each in started] == sorted(place[each] for each in started)
    ended = Counter(event.kind for event in seen)
    assert ended["set_done"] + ended["set_failed"] == len(started)
    assert ended["set_done"] == seen[-1].done == seen[-1].summary.upgraded - ended["set_failed"]
    fail = sum(str(each) in executor.fails for each in range(number))
    assert (raised is not None) == bool(ended["set_failed"])
    assert fail > max_failed or len(started) == number
    assert raised is None or len(raised.not_started) == number - len(started)


# Rate limits


def test_a_429_of_one_set_delays_sets_in_the_same_region(fast: Sandbox) -> None:
    """For as long as Azure asks, no set in that region sends such requests.

    Another region continues.
    """
    for name, location in (("a", "eastus"), ("b", "eastus"), ("c", "westeurope")):
        fast.add_vmss(name, 4, update_domains=2, location=location, tags={"ring": "1"})
        fast.set_image(name, version=NEW)
    fast.fail_next(429, method="POST", path="a/manualupgrade", retry_after=800)
    told = list(az.rollout_fleet(fast.access_token, fleet(fast)))
    asked = [each for each in fast.journal if "manualupgrade" in each.path]
    (refused,) = (each.seconds for each in asked if each.status == 429)
    times = {
        name: [each.seconds - refused for each in asked if f"/{name}/" in each.path]
        for name in "abc"
    }
    # Requests that were already sent when the 429 arrived could not be delayed.
    assert not [seconds for name in "ab" for seconds in times[name] if 30 < seconds < 800]
    assert max(times["b"]) >= 800
    assert max(times["c"]) < max(times["a"])
    assert told[-1].summary.throttled == 1
    held_back = [
        event.scale_set.vmss_name
        for event in told
        if event.event and "Delayed for" in event.message
    ]
    assert set(held_back) == {"b"}


def test_a_blocked_bucket_delays_requests_and_reports_it(clock: Clock) -> None:
    """A short wait is done; for a long one `Throttled` is raised, and nothing was sent."""
    watch = rate_limit.RateLimitedRequests("sub", "eastus")
    url = "https://management.azure.com/subscriptions/sub/resourceGroups/g/x"
    rate_limit.limiter_of("SUB").block({("actions", "eastus"): 4.0})
    watch.before_send("POST", url)
    assert clock.slept == [pytest.approx(4.0)]
    rate_limit.limiter_of("sub").block({("actions", "eastus"): 100.0})
    with pytest.raises(az.Throttled, match="Delayed for 1 min 40 s") as caught:
        watch.before_send("POST", url)
    assert caught.value.retry_after == pytest.approx(100, abs=1)
    assert watch.requests == 1
    watch.before_send("GET", url)
    rate_limit.RateLimitedRequests("sub", "westeurope").before_send("POST", url)
    assert len(clock.slept) == 1


def test_the_requests_of_many_flexible_sets_wait_in_a_queue(clock: Clock) -> None:
    """A hundred sets read eight members each at a time: none is rejected, and none waits long.

    A rejected request would let a set send all requests of its reading again.
    """
    limiter = rate_limit.limiter_of("sub")
    kinds = ("reads", ""), ("gets", "eastus")
    waits = [limiter.take(*kinds) for _ in range(100 * _flexible.PARALLEL_READS)]
    assert waits == sorted(waits)
    assert 20 < waits[-1] <= rate_limit.LONGEST_SILENT_SECONDS


@pytest.mark.parametrize(
    ("text", "headers", "closed"),
    [
        (
            '{"error": {"code": "SubscriptionRequestsThrottled"}}',
            {"Retry-After": "7"},
            {("writes", ""): 7},
        ),
        (
            '{"error": {"code": "OperationNotAllowed"}}',
            {"Retry-After": "40"},
            {("actions", "eastus"): 40},
        ),
        ("", {}, {("actions", "eastus"): 15}),
    ],
)
def test_a_throttled_response_blocks_its_kind_of_requests(
    clock: Clock, text: str, headers: dict[str, str], closed: dict[rate_limit.Kind, float]
) -> None:
    """For the Resource Manager in the whole subscription, for Compute in the region.

    Some responses have no `Retry-After`.
    """
    answer = requests.Response()
    answer.status_code, answer._content = 429, text.encode()
    answer.headers.update(headers)
    watch = rate_limit.RateLimitedRequests("sub", "eastus")
    watch.after_response("POST", "https://management.azure.com/subscriptions/sub/x", answer)
    assert watch.throttled == 1
    assert rate_limit.limiter_of("sub").blocked_seconds() == closed


@given(
    asks=st.lists(
        st.tuples(st.sampled_from(["GET", "POST"]), st.floats(0, 3), st.booleans()), max_size=400
    ),
    share=st.sampled_from([1.0, 0.5, 0.01]),
)
def test_the_request_rate_stays_below_the_limits(
    asks: list[tuple[str, float, bool]], share: float
) -> None:
    """For any requests.

    No period has more than the bucket's capacity and its refill in the period.
    """
    clock, before = Clock(), (_clock.monotonic, _clock.sleep)
    _clock.monotonic, _clock.sleep = clock, clock.sleep
    rate_limit.reset()
    sent: dict[str, list[float]] = {"GET": [], "POST": []}
    waits: list[float] = []
    try:
        rate_limit.limiter_of("sub").resize(share)
        watch = rate_limit.RateLimitedRequests("sub", "eastus")
        for method, gap, burst in asks:
            clock.now += 0 if burst else gap
            try:
                for _ in range(20):
                    watch.before_send(method, "https://management.azure.com/subscriptions/sub/x")
                    sent[method].append(clock.now)
            except az.Throttled as error:
                waits.append(error.retry_after or 0)
    finally:
        _clock.monotonic, _clock.sleep = before
        rate_limit.reset()
    assert all(seconds > 5 for seconds in waits)
    for method, kind in (("GET", "reads"), ("POST", "writes")):
        rate, depth = (each * share for each in rate_limit.LIMITS[kind])
        times = sent[method]
        for start in range(0, len(times), 50):
            for end in range(start, len(times), 50):
                assert end - start <= max(1.0, depth) + rate * (times[end] - times[start])


def test_a_remote_worker_keeps_its_share_of_the_limits(sandbox: Sandbox) -> None:
    """The limits of the request apply in its process; blocked buckets return with its result."""
    fill(sandbox, 1)
    target = Target(sandbox.subscription_id, "sandbox", "s0", REGIONS[0])
    state = new_state(az.token_provider(), sandbox)
    request = worker.StepRequest(
        "elsewhere", -1, target, 0.25, {("lists", "eastus"): time.time() + 50}
    )
    sandbox.fail_next(429, method="POST", path="s0/manualupgrade", retry_after=40)
    result = worker.run_step(request, state)
    assert rate_limit.limiter_of(target.subscription_id).share == 0.25
    assert result.state is state
    assert [event.kind for event in result.events].count("batch_done") == 1
    assert not [event for event in result.events if event.instances]
    assert result.summary.throttled == 1
    request = dataclasses.replace(request, blocked={("polls", "x"): 1e12, ("gets", "x"): 5.0})
    again = worker.run_step(request, state)
    assert (again.state, again.error, again.events[-1].kind) == (None, None, "finished")
    assert set(again.blocked) == {("polls", "x")}


def test_a_storm_of_429s_only_takes_longer(sandbox: Sandbox) -> None:
    """Every third request of all sets is throttled for a while.

    Each instance is upgraded once, and no set fails.
    """
    fill(sandbox, 4)
    for at in range(3, 120, 3):
        sandbox.at_request(at, lambda: sandbox.fail_next(429, retry_after=20))
    targets = fleet(sandbox)
    events = list(az.rollout_fleet(sandbox.access_token, targets))
    assert events[-1].summary.throttled >= 20
    assert len(upgrade_counts(sandbox)) == 16
    assert set(upgrade_counts(sandbox).values()) == {1}


# Other processes


def test_every_error_can_be_pickled() -> None:
    """An error from a worker is the same in this process."""
    response = requests.Response()
    response.status_code, response._content, response.url = (
        409,
        b"{}",
        "https://management.azure.com/x?sig=1",
    )
    response.request = requests.Request("PUT", "https://management.azure.com/x").prepare()
    kinds = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, az.AzureError)
    ]
    for kind in kinds:
        error = kind(
            "m",
            code="C",
            status_code=409,
            details=[{"code": "D"}],
            retry_after=3.0,
            response=response,
        )
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert (str(again), again.details, again.retry_after) == (str(error), ({"code": "D"},), 3.0)
    halt = az.RolloutHalted("m", Batch("b", ("1",)), {"1": "why"}, True, Summary(1))
    both = az.FleetHalted(
        "m", {Target("s", "g", "n"): halt}, [Target("s", "g", "p")], [], Summary(2)
    )
    again = pickle.loads(pickle.dumps(both))
    assert str(again.failed[Target("s", "g", "n")]) == "m"
    assert (again.paused, again.rolled_back, again.unhealthy, again.summary) == (
        (Target("s", "g", "p"),), True, {"g/n 1": "why"}, Summary(2)
    )  # fmt: skip
    timeout = pickle.loads(pickle.dumps(az.OperationTimeout("late")))
    assert str(timeout) == "late"


def test_every_event_can_be_pickled(sandbox: Sandbox) -> None:
    """An event from a worker is the same in this process."""
    fill(sandbox, 1)
    for event in az.rollout_fleet(sandbox.access_token, fleet(sandbox)):
        assert pickle.loads(pickle.dumps(event)) == event


@pytest.mark.parametrize("workers", [None, 2])
def test_sets_on_latest_are_refreshed(sandbox: Sandbox, workers: int | None) -> None:
    """To the newest version of their images, in threads of this process or of the caller."""
    name = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2"
    for vmss_name in ("one", "two"):
        sandbox.add_vmss(vmss_name, 4, image=f"{name}:latest")
    sandbox.publish(f"{name}:22.04.202512010")
    targets = [sandbox.where(vmss_name)[1:] for vmss_name in ("one", "two")]
    executor = ThreadPoolExecutor(workers) if workers else None
    with contextlib.ExitStack() as stack:
        if executor:
            stack.enter_context(executor)
        token = az.token_provider()
        list(az.rollout_fleet(token, targets, method="reimage", executor=executor))
    for vmss_name in ("one", "two"):
        rows = az.image_drift(*sandbox.where(vmss_name))
        assert {row["version"] for row in rows} == {"22.04.202512010"}


def test_an_error_that_cannot_be_pickled_becomes_text() -> None:
    """The worker does not crash."""

    class Local(Exception):
        """An exception that cannot be pickled."""

    told = worker.make_portable(Local("what\nhappened"))
    assert (type(told), str(told)) == (RuntimeError, "Local: what happened")


def test_a_run_continues_in_another_process_at_the_same_point(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Pickled between two batches, it reads only the model again, and contains no token."""
    fill(sandbox, 1)
    provider = az.token_provider()
    state = new_state(provider, sandbox)
    list(advance(state))
    request = worker.StepRequest("f", 0, Target("s", "g", "n"), 1.0, {})
    crossing = pickle.dumps((request, state))
    assert provider() not in crossing.decode("latin1")
    assert provider()[:20] not in crossing.decode("latin1")
    before = len(sandbox.journal)
    _, again = pickle.loads(crossing)
    events = list(advance(again))
    assert again.scale_set.access_token is not provider
    paths = [
        each.path.rsplit("/", 1)[-1] for each in sandbox.journal[before:] if "/s0" in each.path
    ]
    assert paths == ["manualupgrade", "virtualMachines", "s0"]
    assert events[-1].kind == "finished"
    assert events[-1].summary.upgraded == 4


def test_a_run_that_waited_long_for_a_worker_reads_again(sandbox: Sandbox, clock: Clock) -> None:
    """Old readings are not used."""
    fill(sandbox, 1)
    state = new_state(az.token_provider(), sandbox)
    list(advance(state))
    state = pickle.loads(pickle.dumps(state))
    clock.now += 60
    sandbox.scale("s0", 6)
    assert list(advance(state))[-1].total == 6


class OwnThreads(ThreadPoolExecutor):
    """A caller's class of a thread executor."""


class OwnProcesses(ProcessPoolExecutor):
    """A caller's class of a process executor."""


def test_threads_of_a_subclass_work_with_a_plain_token(sandbox: Sandbox) -> None:
    """Nothing leaves this process, so the token need not be renewable."""
    fill(sandbox, 1)
    with OwnThreads(1) as executor:
        list(az.rollout_fleet(sandbox.access_token, fleet(sandbox), executor=executor))
    assert len(upgrade_counts(sandbox)) == 4


@pytest.mark.parametrize("kind", [ProcessPoolExecutor, OwnProcesses])
@pytest.mark.parametrize(
    ("token", "options", "told"),
    [
        ("canary-token", {}, "access_token must be a token provider"),
        (
            None,
            {"check": lambda instances: True},
            "access_token, check and pause must be picklable",
        ),
    ],
)
def test_arguments_that_cannot_be_sent_to_workers_are_rejected(
    kind: Any, token: str | None, options: dict[str, Any], told: str, sandbox: Sandbox
) -> None:
    """A plain token, and a function that only this process has; nothing was sent."""
    with kind(1) as executor, pytest.raises(ValueError, match=told) as caught:
        az.rollout_fleet(
            token or az.token_provider(),
            [(sandbox.subscription_id, "g", "n")],
            executor=executor,
            **options,
        )
    assert "canary" not in str(caught.value)
    assert not sandbox.journal


def test_no_token_is_printed_or_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """In no event, error or log line."""
    caplog.set_level(logging.DEBUG)
    fill(sandbox, 2)
    sandbox.break_upgrade("s0", "0")
    token = sandbox.access_token
    events, halt = events_until_halt(az.rollout_fleet(token, fleet(sandbox), max_failed=1))
    shown = [caplog.text, repr(events), repr(halt), str(halt), *map(repr, halt.failed.values())]
    assert not [text for text in shown if token in text]


# Executors


def test_an_executor_that_is_shut_down_ends_the_fleet(sandbox: Sandbox) -> None:
    """Nothing was started, nothing is running, and the reason is reported."""
    fill(sandbox, 2)
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    _, halt = events_until_halt(
        az.rollout_fleet(sandbox.access_token, fleet(sandbox), executor=executor, max_failed=2)
    )
    assert "after shutdown" in str(halt)
    assert len(halt.failed) + len(halt.not_started) == 2
    assert not upgraded_sets(sandbox)


class Lost(Executor):
    """An executor without workers: it accepts steps, emits nothing, and cancels them in the end."""

    def __init__(self) -> None:
        self.taken: Future[Any] = Future()

    def submit(self, *_: Any, **__: Any) -> Future[Any]:  # type: ignore[override]
        """Takes a step."""
        return self.taken


def test_an_idle_executor_is_reported(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute. A cancelled step fails with a reason."""
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)
    times = itertools.count(0, 30)
    monkeypatch.setattr(_clock, "monotonic", lambda: next(times))
    fill(sandbox, 1)
    executor, told = Lost(), []

    def listen() -> None:
        for event in az.rollout_fleet(az.token_provider(), fleet(sandbox), executor=executor):
            told.append(event)
            if [each.kind for each in told].count("waiting") == 2:
                executor.taken.cancel()

    with pytest.raises(
        az.FleetHalted,
        match=r"s0: the executor cancelled the step: its workers may be gone. Run it again",
    ):
        listen()
    assert all(
        "1 scale set in progress; no event for" in each.message
        for each in told
        if each.kind == "waiting"
    )


def test_an_executor_of_the_caller_is_left_open(sandbox: Sandbox) -> None:
    """With fewer threads than parallel sets, the steps take turns.

    The caller can use it afterwards.
    """
    fill(sandbox, 3)
    with ThreadPoolExecutor(1) as executor:
        list(az.rollout_fleet(sandbox.access_token, fleet(sandbox), executor=executor))
        assert executor.submit(int, "3").result() == 3
    assert len(upgrade_counts(sandbox)) == 12
    order = upgraded_sets(sandbox)
    assert order[:3] == ["s0", "s1", "s2"], (
        "one set's second batch was taken before another's first"
    )


def processes(number: int) -> ProcessPoolExecutor:
    """Workers in separate processes in fast time."""
    return ProcessPoolExecutor(
        number, multiprocessing.get_context("spawn"), initializer=fast_time.hurry
    )


def test_a_process_pool_rolls_out_a_fleet(fast: Sandbox) -> None:
    """Steps go from worker to worker, events come back, and each instance is upgraded once."""
    fill(fast, 2)
    with processes(2) as executor:
        events = list(
            az.rollout_fleet(az.token_provider(), fleet(fast), executor=executor, canary=1)
        )
    assert len(upgrade_counts(fast)) == 8
    assert set(upgrade_counts(fast).values()) == {1}
    of_one = [
        event.event.kind for event in events if event.event and event.scale_set.vmss_name == "s1"
    ]
    assert of_one.count("batch_done") == 3
    assert of_one[-1] == "finished"
    assert isinstance(next(event.event for event in events if event.event), Event)
    first = next(
        at for at, event in enumerate(events) if event.event and event.event.kind == "batch_done"
    )
    assert any(event.kind == "set_event" for event in events[first + 1 :]), "all came at the end"


@pytest.mark.slow
@pytest.mark.parametrize("at", [8, 20, 35])
def test_a_killed_worker_halts_the_fleet_without_damage(fast: Sandbox, at: int) -> None:
    """Run again, the fleet has upgraded every instance exactly once."""
    fill(fast, 4, instances=6, domains=3)
    targets = fleet(fast)
    with processes(2) as executor:
        list(executor.map(abs, range(4)))  # the workers have started
        victim = multiprocessing.active_children()[0]
        fast.at_request(at, victim.kill)
        _, halt = events_until_halt(
            az.rollout_fleet(az.token_provider(), targets, executor=executor, max_parallel=2)
        )
    assert {type(error) for error in halt.failed.values()} == {BrokenProcessPool}
    assert len(halt.failed) + len(halt.not_started) >= 3
    with processes(2) as executor:
        list(az.rollout_fleet(az.token_provider(), targets, executor=executor, max_parallel=2))
    assert len(upgrade_counts(fast)) == 24
    assert set(upgrade_counts(fast).values()) == {1}


def test_a_fleet_may_mix_uniform_and_flexible_sets(sandbox: Sandbox) -> None:
    """Both are rolled out in their own way, and the query finds both."""
    fill(sandbox, 1)
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    sandbox.set_image("flex", version=NEW)
    found = az.find_scale_sets(sandbox.access_token)
    targets = [target for target in found if target["vmss_name"] in ("s0", "flex")]
    assert len(targets) == 2
    events = list(az.rollout_fleet(sandbox.access_token, targets))
    assert (events[-1].kind, events[-1].done) == ("fleet_ended", 2)
    views = az.get_instance_views(*sandbox.where("flex"))
    assert {az.get_image(view)["exact_version"] for view in views} == {NEW}
