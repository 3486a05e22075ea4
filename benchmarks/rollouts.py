"""A whole rollout on the sandbox: its time beside that of its operations, and what it spends of Azure's limits.

Sleeps take no time but count, here and at the sandbox; all else takes the time that it takes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from calls import stub
from measure import Clock, Contestant, Row, contestants

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.server.app import JournalEntry
from azurerm_lite.sandbox.server.rate_limits import LIMITS

DOMAINS, PAGE, RETRY_AFTER = 5, 50, 10
_SHAPES = ((100, (60,)), (100, (55, 57, 59, 61, 63, 65)), (1000, (60,)))
"""Instances, and the seconds that an upgrade takes: those that are no multiple of Retry-After end between two polls."""


class Took(NamedTuple):
    """What a rollout took: seconds, how many times those of its operations, and its requests."""

    seconds: float
    ratio: float
    requests: Sequence[JournalEntry]


def rolling(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """A rollout of 100 and of 1,000 instances, in five domains that take a minute each."""
    clock = Clock()
    rows = []
    with (
        Sandbox(upgrade_seconds=60, demo=False, page_size=PAGE, clock=clock) as sandbox,
        stub(1) as answers,
    ):
        token = {"BENCHMARK_TOKEN": sandbox.access_token, "BENCHMARK_GROUP": sandbox.resource_group}
        environment = {**answers, **sandbox.environment, **token}
        with contestants(pythons, {"ours": "ours", "sdk": "sdk"}, environment, clock) as who:
            for shape, (instances, lengths) in enumerate(_SHAPES):
                taken: dict[str, list[Took]] = {each: [] for each in who}
                for number, seconds in enumerate(
                    lengths * (min(rounds, 3) if len(lengths) == 1 else 1)
                ):
                    sandbox.cloud.upgrade_seconds = seconds
                    for each, contestant in who.items():
                        name = f"{each}-{shape}-{number}"
                        taken[each].append(_rollout(sandbox, contestant, name, instances, seconds))
                rows += _rows(instances, lengths, taken)
    return rows


def _rollout(
    sandbox: Sandbox, contestant: Contestant, name: str, instances: int, seconds: float
) -> Took:
    sandbox.add_vmss(name, instances, update_domains=DOMAINS)
    sandbox.set_image(name, version="22.04.202411010")
    before = len(sandbox.journal)
    took = contestant("rollout", name)
    assert took["told"] == instances, (
        f"{took['told']} of {instances} instances have the latest model"
    )
    return Took(took["seconds"], took["seconds"] / (DOMAINS * seconds), sandbox.journal[before:])


def bound(instances: int, seconds: float) -> int:
    """What docs/rollout.md says is the most requests that such a rollout sends."""
    pages, polls = math.ceil(instances / PAGE), 2 + int(seconds / RETRY_AFTER)
    return 1 + pages + DOMAINS * (3 + pages + polls)


def _rows(
    instances: int, lengths: Sequence[float], taken: Mapping[str, Sequence[Took]]
) -> list[Row]:
    most = {each: max((took.requests for took in found), key=len) for each, found in taken.items()}
    length = f"{min(lengths)} s" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)} s"
    what = f"rollout of {instances:,}, {DOMAINS} domains, {length} each"
    told = {
        each: f"{statistics.median(took.seconds for took in found):.1f} s"
        for each, found in taken.items()
    }
    ratio = f"{statistics.median(took.ratio for took in taken['ours']):.2f}"
    floor = f"{DOMAINS * statistics.median(lengths):g} s: its operations"
    reach = "≤ 1.05" if len(lengths) == 1 else ""
    rows = [Row(what, told["ours"], floor, ratio, reach, "", told.get("sdk", ""))]
    counts = {each: str(len(entries)) for each, entries in most.items()}
    limit = f"≤ {bound(instances, max(lengths))}, the formula"
    rows.append(Row(f"{what}: requests", counts["ours"], "", "", limit, "", counts.get("sdk", "")))
    if len(lengths) > 1:
        return rows
    for what_for, policies in (
        ("polls", ["GetOperation"]),
        ("lists of instances", ["HighCostGetVMScaleSet"]),
    ):
        shares = {each: _share(entries, policies) for each, entries in most.items()}
        spent = f"{what}: {what_for}, of their limit"
        reach = "< 10 %" if what_for == "polls" else ""
        rows.append(Row(spent, shares["ours"], "", "", reach, "", shares.get("sdk", "")))
    others = [
        policy for policy in LIMITS if policy not in ("GetOperation", "HighCostGetVMScaleSet")
    ]
    shares = {each: _share(entries, others) for each, entries in most.items()}
    rows.append(
        Row(f"{what}: any other limit", shares["ours"], "", "", "< 10 %", "", shares.get("sdk", ""))
    )
    return rows


def _share(entries: Sequence[JournalEntry], policies: Sequence[str]) -> str:
    """The largest share of a subscription's limits that is spent within 3 minutes, their refill."""
    shares = [0.0]
    for policy in policies:
        seconds = [entry.seconds for entry in entries if _policy(entry) == policy]
        for start in seconds:
            spent = sum(start <= second < start + 180 for second in seconds)
            shares.append(100 * spent / LIMITS[policy].subscription)
    return f"{max(shares):.1f} %"


def _policy(entry: JournalEntry) -> str:
    """Which of Azure's limits a request is charged to."""
    path = entry.path.lower()
    if "/operations/" in path:
        return "GetOperation"
    if path.endswith("/virtualmachines"):
        return "HighCostGetVMScaleSet"
    return "VMScaleSetActions" if entry.method == "POST" else "GetVMScaleSet"
