"""Eight hours of rollouts in one process: tokens, polls, throttling, memory, threads, sockets.

The library runs in a process of its own, so that what the sandbox keeps does not count. Sleeps are
skipped, but their seconds count in both processes.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import pytest
from support.rollout import NEW, OLD

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.handlers import _call, operations

HOURS = 8
POLLS = 10_000
SIZE = 6
TOKEN_SECONDS = 3600
POLICIES = ["GetOperation", "HighCostGetVMScaleSet", "VMScaleSetActions", "GetVMScaleSet"]
STORM = 500
"""The number of requests from one storm of throttled requests to the next."""


class Left(NamedTuple):
    """What the process holds after a rollout.

    Attributes:
        seconds: The time since the beginning.
        blocks: The blocks of memory that Python has allocated.
        threads: The threads.
        sockets: The open sockets.
    """

    seconds: float
    blocks: int
    threads: int
    sockets: int


def measure(started: float) -> Left:
    """What the process holds now."""
    gc.collect()
    found = (each for each in gc.get_objects() if isinstance(each, socket.socket))
    sockets = sum(1 for each in found if each.fileno() != -1)
    seconds = _clock.monotonic() - started
    return Left(seconds, sys.getallocatedblocks(), threading.active_count(), sockets)


def skip_sleeps(slept: Any) -> None:
    """Let sleeps take no time; `slept` tells both processes how long they were."""

    def sleep(seconds: float) -> None:
        slept.value += seconds

    real_time = time.time
    time.time = lambda: real_time() + slept.value  # type: ignore[assignment]
    _clock.monotonic = lambda: time.monotonic() + slept.value
    _clock.sleep = sleep


def roll_for_hours(slept: Any, environment: dict[str, str], results: Connection) -> None:
    """Roll a set to the new image and back, again and again; send what is left after each time."""
    os.environ.update(environment)
    skip_sleeps(slept)
    provider = az.token_provider()
    where = (provider, os.environ["AZURE_SUBSCRIPTION_ID"], "sandbox", "web")
    started = _clock.monotonic()
    versions = [NEW, OLD]
    while _clock.monotonic() - started < HOURS * 3600:
        model = az.set_image(az.get_vmss(*where), version=versions[0])
        az.wait(provider, az.put_vmss(*where, model))
        *_, last = az.rollout(*where, by=1, bake=30)
        assert last.latest == SIZE
        versions.reverse()
        results.send(measure(started))
    results.send(None)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox not say when to poll, so that the library polls by its own schedule."""
    for module in (_call, operations):
        monkeypatch.setattr(module, "retry_after", lambda _: {})


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_eight_hours_leave_nothing_behind() -> None:
    """Tokens are renewed, throttling is waited out, and memory, threads and sockets stay flat."""
    processes = multiprocessing.get_context("spawn")
    slept = processes.Value("d", 0.0)
    ours, theirs = processes.Pipe()

    def clock() -> float:
        return time.monotonic() + float(slept.value)

    sandbox = Sandbox(upgrade_seconds=60, demo=False, clock=clock, token_seconds=TOKEN_SECONDS)
    sandbox.add_vmss("web", SIZE)
    storms = 0

    def storm() -> None:
        nonlocal storms
        sandbox.throttle(POLICIES[storms % len(POLICIES)])
        storms += 1
        sandbox.at_request(STORM, storm)

    sandbox.at_request(STORM, storm)
    with sandbox:
        arguments = (slept, sandbox.environment, theirs)
        worker = processes.Process(target=roll_for_hours, args=arguments)
        worker.start()
        theirs.close()
        left = list(iter(ours.recv, None))
        worker.join()
    journal = sandbox.journal
    # By then everything is loaded, and each cache is full.
    warm = left[len(left) // 4]
    counts = {
        "rollouts": len(left),
        "polls": sum("/operations/" in each.path for each in journal),
        "tokens": sum(each.path.endswith("/token") for each in journal),
        "throttled": sum(each.status == 429 for each in journal),
    }
    print(counts, warm, left[-1], sep="\n")
    assert left[-1].seconds >= HOURS * 3600
    assert counts["polls"] >= POLLS
    assert counts["tokens"] >= HOURS
    assert counts["throttled"] >= storms - 1
    assert left[-1].blocks <= warm.blocks * 1.02
    assert left[-1][2:] == warm[2:] == (1, 1)
