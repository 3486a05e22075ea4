"""What a fleet costs: 500 scale sets rolled out on the sandbox.

Beside the physical floor and beside one set alone.

    python benchmarks/fleet.py
    python benchmarks/fleet.py --sets 50 --parallel 10 --speed 20

Time runs fast, for the sandbox and for the library alike; the sandbox is a process of its own, so
that its CPU is told apart. The floor is what the operations alone take: rounds of `--parallel`
sets, five batches each, 60 s a batch.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.sandbox import Sandbox

UPGRADE, DOMAINS, NEW = 60.0, 5, "22.04.202411010"
REGIONS = (
    "eastus", "eastus2", "centralus", "westus2", "northeurope", "westeurope", "uksouth", "japaneast", "eastasia",
    "australiaeast",
)  # fmt: skip


def serve(pipe: Connection, sets: int, instances: int, speed: float) -> None:
    """The sandbox, until it is told to end.

    Then how often each instance was upgraded, and the CPU it took.
    """
    with Sandbox(
        upgrade_seconds=UPGRADE, clock=lambda: time.monotonic() * speed, demo=False
    ) as sandbox:
        for number in range(sets + 1):
            name = f"set{number:04}"
            sandbox.add_vmss(
                name, instances, update_domains=DOMAINS, location=REGIONS[number % len(REGIONS)]
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


def hurry(speed: float) -> None:
    """Lets the library live in the fast time."""
    _clock.monotonic = lambda: time.monotonic() * speed
    _clock.sleep = lambda seconds: time.sleep(seconds / speed)


def alone(target: Any) -> Any:
    """One set by itself, with `rollout`."""
    names = (target["subscription_id"], target["resource_group"], target["vmss_name"])
    return list(az.rollout(az.token_provider(), *names))[-1].summary


def memory() -> float:
    """The most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def roll(targets: list[Any], parallel: int) -> tuple[Any, list[int]]:
    """The fleet; its summary, and the requests of each set."""
    requests = []
    for event in az.rollout_fleet(az.token_provider(), targets, max_parallel=parallel):
        if event.event and event.event.kind == "finished":
            requests.append(event.event.summary.requests)
        if event.kind in ("set_failed", "stopping"):
            print(event)
    return event.summary, requests


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=100)
    parser.add_argument(
        "--speed", type=float, default=10.0, help="seconds of the sandbox in a real one"
    )
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    arguments = (theirs, options.sets, options.instances, options.speed)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=arguments)
    server.start()
    os.environ.update(ours.recv())
    hurry(options.speed)
    targets = az.find_scale_sets(az.token_provider())
    one = alone(targets.pop())
    before, cpu, began = memory(), time.process_time(), time.monotonic()
    summary, requests = roll(targets, options.parallel)
    cpu, real, peak = time.process_time() - cpu, time.monotonic() - began, memory()
    ours.send("end")
    told = ours.recv()
    server.join()
    rounds = math.ceil(len(targets) / options.parallel)
    floor = rounds * DOMAINS * UPGRADE
    print(
        f"{len(targets)} sets of {options.instances}, {options.parallel} at a time, time"
        f" {options.speed:g} x fast"
    )
    print(
        f"upgrades: {told['upgrades']}, of {told['instances']} instances; refused for the pace:"
        f" {summary.throttled}"
    )
    print("| what | here | beside | ratio |\n|---|---|---|---|")
    print(
        f"| wall, s | {summary.seconds:.0f} | floor {floor:.0f} | {summary.seconds / floor:.3f} |"
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
        "| memory per set at a time, MB |"
        f" {(peak - before) / min(options.parallel, len(targets)):.2f} | | |"
    )
    print(
        f"| CPU of the library, real s | {cpu:.0f} | of {real:.0f} s; sandbox {told['cpu']:.0f} s |"
        " |"
    )
    print(
        f"| requests a second of the fleet | {summary.requests / summary.seconds:.1f} | limit 25 |"
        " |"
    )


if __name__ == "__main__":
    main()
