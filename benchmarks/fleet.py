"""Measure a fleet rollout: 500 scale sets on the sandbox, every second one a Flexible set.

It is compared with the duration of the Azure operations, and with a rollout of one scale set.

    python benchmarks/fleet.py
    python benchmarks/fleet.py --sets 50 --parallel 10 --speed 20

Time runs faster, both for the sandbox and for the library. The sandbox has its own process, so that
its CPU time is measured separately. The floor is the duration of the operations: rounds of
`--parallel` sets with five batches each, 60 s per batch. `--modes Uniform` measures Uniform sets
alone.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.sandbox import Sandbox

UPGRADE, DOMAINS, NEW = 60.0, 5, "22.04.202411010"
BY = "20%"
"""The batches: a fifth of each set, as a Flexible set has no update domains."""
REGIONS = (
    "eastus", "eastus2", "centralus", "westus2", "northeurope", "westeurope", "uksouth",
    "japaneast", "eastasia",
    "australiaeast",
)  # fmt: skip


def serve(pipe: Connection, sets: int, instances: int, speed: float, modes: Sequence[str]) -> None:
    """Run the sandbox until a message arrives; then send upgrade counts and CPU time."""
    with Sandbox(
        upgrade_seconds=UPGRADE, clock=lambda: time.monotonic() * speed, demo=False
    ) as sandbox:
        for number in range(sets + 1):
            name = f"set{number:04}"
            sandbox.add_vmss(
                name,
                instances,
                update_domains=DOMAINS,
                location=REGIONS[number % len(REGIONS)],
                orchestration=modes[number % len(modes)],
            )
            sandbox.set_image(name, version=NEW)
        pipe.send(sandbox.environment)
        before = time.process_time()
        pipe.recv()
        upgrades = [
            (each.scale_set, each.instance_id) for each in sandbox.changes if each.what == "model"
        ]
        pipe.send(
            {
                "upgrades": len(upgrades),
                "instances": len(set(upgrades)),
                "cpu": time.process_time() - before,
            }
        )


def speed_up(speed: float) -> None:
    """Speed up the clock of the library."""
    _clock.monotonic = lambda: time.monotonic() * speed
    _clock.sleep = lambda seconds: time.sleep(seconds / speed)


def roll_one(target: Any) -> Any:
    """Roll out one scale set with `rollout`, and return its summary."""
    names = (target["subscription_id"], target["resource_group"], target["vmss_name"])
    return list(az.rollout(az.token_provider(), *names, by=BY))[-1].summary


def peak_memory() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def roll_fleet(targets: list[Any], parallel: int) -> tuple[Any, list[int]]:
    """Roll out the fleet; return its summary and the number of requests of each set."""
    requests = []
    for event in az.rollout_fleet(az.token_provider(), targets, max_parallel=parallel, by=BY):
        if event.event and event.event.kind == "finished":
            requests.append(event.event.summary.requests)
        if event.kind in ("set_failed", "stopping"):
            print(event)
    return event.summary, requests


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--modes", nargs="+", default=["Uniform", "Flexible"])
    parser.add_argument("--parallel", type=int, default=100)
    parser.add_argument("--speed", type=float, default=10.0, help="sandbox seconds per real second")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    arguments = (theirs, options.sets, options.instances, options.speed, options.modes)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=arguments)
    server.start()
    os.environ.update(ours.recv())
    speed_up(options.speed)
    targets = az.find_scale_sets(az.token_provider())
    one = roll_one(targets.pop())
    before = peak_memory()
    cpu = time.process_time()
    started = time.monotonic()
    summary, requests = roll_fleet(targets, options.parallel)
    cpu = time.process_time() - cpu
    real = time.monotonic() - started
    peak = peak_memory()
    ours.send("end")
    measured = ours.recv()
    server.join()
    rounds = math.ceil(len(targets) / options.parallel)
    floor = rounds * DOMAINS * UPGRADE
    print(
        f"{len(targets)} sets ({', '.join(options.modes)}) of {options.instances} instances,"
        f" {options.parallel} in parallel,"
        f" clock {options.speed:g} times as fast"
    )
    print(
        f"upgrades: {measured['upgrades']}, of {measured['instances']} instances;"
        f" throttled requests: {summary.throttled}"
    )
    print("| what | measured | compared with | ratio |\n|---|---|---|---|")
    print(
        f"| duration, s | {summary.seconds:.0f} | floor {floor:.0f} |"
        f" {summary.seconds / floor:.3f} |"
    )
    set_floor = DOMAINS * UPGRADE
    print(
        f"| one set alone, s | {one.seconds:.0f} | floor {set_floor:.0f} |"
        f" {one.seconds / set_floor:.3f} |"
    )
    median = statistics.median(requests)
    print(
        f"| requests per set, median | {median:.0f} | alone {one.requests} |"
        f" {median / one.requests:.3f} |"
    )
    print(
        "| memory per parallel set, MB |"
        f" {(peak - before) / min(options.parallel, len(targets)):.2f} | | |"
    )
    print(
        f"| CPU of the library, real s | {cpu:.0f} |"
        f" of {real:.0f} s; sandbox {measured['cpu']:.0f} s | |"
    )
    print(f"| requests per second | {summary.requests / summary.seconds:.1f} | limit 25 | |")


if __name__ == "__main__":
    main()
