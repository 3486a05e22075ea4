"""The rollout of a fleet on Dask, with a local cluster of worker processes."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from support import fast_time
from support.fleet import events_until_halt, fill, fleet, upgrade_counts, upgraded_sets

import azurerm_lite as az
from azurerm_lite.fleet import rate_limit
from azurerm_lite.sandbox import Sandbox

distributed = pytest.importorskip(
    "distributed", reason="the extra fleet (distributed) is not installed"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Dask's own warnings


@pytest.fixture
def client(fast: Sandbox) -> Iterator[Any]:
    """A client of two worker processes on loopback.

    They run in fast time and can reach the sandbox.
    """
    rate_limit.reset()
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )
    with cluster, distributed.Client(cluster) as client:
        client.register_worker_callbacks(fast_time.hurry)
        yield client
    rate_limit.reset()


def test_dask_rolls_out_a_fleet(fast: Sandbox, client: Any) -> None:
    """Both workers take part, events arrive during the run, every instance is upgraded once."""
    fill(fast, 6, instances=4, domains=2)
    executor = client.get_executor()
    kinds, seen_running = [], False
    for event in az.rollout_fleet(
        az.token_provider(), fleet(fast), executor=executor, max_parallel=4, canary=1
    ):
        kinds.append(event.event.kind if event.event else event.kind)
        seen_running = seen_running or (
            kinds[-1] == "batch_done" and len(upgrade_counts(fast)) < 24
        )
    assert len(upgrade_counts(fast)) == 24
    assert set(upgrade_counts(fast).values()) == {1}
    assert kinds.count("batch_done") == 18
    assert kinds[-1] == "fleet_ended"
    assert seen_running
    assert event.summary.upgraded == 24


def test_a_halt_on_a_worker_is_the_same_here(fast: Sandbox, client: Any) -> None:
    """With instance and reason; later waves are not started."""
    fill(fast, 4)
    fast.break_upgrade("s0", "0")
    _, halt = events_until_halt(
        az.rollout_fleet(
            az.token_provider(),
            fleet(fast),
            executor=client.get_executor(),
            waves=[1],
            max_parallel=2,
        )
    )
    assert set(halt.unhealthy) == {"sandbox/s0 0"}
    assert set(upgraded_sets(fast)) == {"s0"}
    assert [target.vmss_name for target in halt.not_started] == ["s1", "s2", "s3"]


def test_a_worker_that_dies_is_replaced_and_nothing_is_upgraded_twice(
    fast: Sandbox, client: Any
) -> None:
    """Dask gives its step to another worker, which continues the upgrade in progress."""
    fill(fast, 4, instances=6, domains=3)
    targets = fleet(fast)
    victim = multiprocessing.active_children()[0]
    fast.at_request(12, victim.kill)
    events = list(
        az.rollout_fleet(
            az.token_provider(), targets, executor=client.get_executor(), max_parallel=4
        )
    )
    assert not victim.is_alive()
    assert events[-1].done == 4
    assert len(upgrade_counts(fast)) == 24
    assert set(upgrade_counts(fast).values()) == {1}


def test_no_token_is_sent_to_workers(fast: Sandbox, client: Any) -> None:
    """A plain token is rejected; a provider is sent without its token."""
    fill(fast, 2)
    with pytest.raises(ValueError, match="must be a token provider"):
        az.rollout_fleet(fast.access_token, fleet(fast), executor=client.get_executor())
    provider = az.token_provider()
    token = provider()
    assert token.encode() not in pickle.dumps(provider)
    sign_ins = sum(each.path.endswith("/token") for each in fast.journal)
    list(az.rollout_fleet(provider, fleet(fast), executor=client.get_executor()))
    assert sum(each.path.endswith("/token") for each in fast.journal) > sign_ins
