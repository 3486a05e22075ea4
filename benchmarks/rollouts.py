"""Benchmarks of rollouts on the sandbox: duration and number of requests.

Sleeps are skipped, but their seconds count, both here and in the sandbox.
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

DOMAINS = 5
PAGE = 50
SURGED = 100
EXTRA = 20
"""Number of instances, and of extra instances, in the rollout with extra capacity."""
BAKED = 1000
BAKED_BATCH = 50
BAKE_SECONDS = 300
RETRY_AFTER = 10
_SHOWN = ("GetOperation", "HighCostGetVMScaleSet")
"""The limits that have a row of their own."""
_SHAPES = ((100, (60,)), (100, (55, 57, 59, 61, 63, 65)), (1000, (60,)))
"""Numbers of instances, with seconds per upgrade; most are not a multiple of Retry-After."""


class Measured(NamedTuple):
    """The cost of a rollout: seconds, their ratio to those of its operations, and requests."""

    seconds: float
    ratio: float
    requests: Sequence[JournalEntry]


def measure_rollouts(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure rollouts of 100 and 1,000 instances with five domains, one minute per domain."""
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
                taken: dict[str, list[Measured]] = {contestant: [] for contestant in who}
                times = min(rounds, 3) if len(lengths) == 1 else 1
                for number, seconds in enumerate(lengths * times):
                    sandbox.cloud.upgrade_seconds = seconds
                    for contestant, process in who.items():
                        name = f"{contestant}-{shape}-{number}"
                        measured = _rollout(sandbox, process, name, instances, seconds)
                        taken[contestant].append(measured)
                rows += _rows(instances, lengths, taken)
            rows += _measure_bakes(sandbox, who["ours"])
            rows += _measure_surge(sandbox, who["ours"])
    return rows


def _measure_bakes(sandbox: Sandbox, ours: Contestant) -> list[Row]:
    """Measure small batches of a large set, which are read again and again while they bake."""
    sandbox.cloud.upgrade_seconds = 60
    sandbox.add_vmss("bake", BAKED, update_domains=DOMAINS)
    sandbox.set_image("bake", version="22.04.202411010")
    before = len(sandbox.journal)
    left = ours("bake", "bake", BAKED_BATCH, BAKE_SECONDS)["result"]
    assert left == BAKED - BAKED // DOMAINS, f"{left} of {BAKED} instances are outdated"
    sent = sandbox.journal[before:]
    what = f"rollout of 200 of {BAKED:,}, batches of {BAKED_BATCH}, {BAKE_SECONDS} s bake"
    lists = _percentage_used(sent, ["HighCostGetVMScaleSet"])
    single_reads = _percentage_used(sent, ["GetVMScaleSetVM"])
    return [
        Row(f"{what}: requests", f"{len(sent):,}", "", "", ""),
        Row(f"{what}: lists of instances, of their limit", lists, "", "", ""),
        Row(f"{what}: single reads, of their limit", single_reads, "", "", "< 10 %"),
    ]


def _measure_surge(sandbox: Sandbox, ours: Contestant) -> list[Row]:
    """Measure a rollout that creates extra instances, upgrades the others, deletes the extra."""
    seconds = 60
    sandbox.cloud.upgrade_seconds = seconds
    sandbox.add_vmss("surge", SURGED, update_domains=DOMAINS)
    vmss = sandbox.cloud.scale_set(sandbox.resource_group, "surge")
    # One placement group holds a hundred instances.
    vmss.properties["singlePlacementGroup"] = False
    sandbox.set_image("surge", version="22.04.202411010")
    before = len(sandbox.journal)
    answer = ours("surge", "surge", EXTRA)
    current = answer["result"]
    assert current == SURGED, f"{current} of {SURGED} instances have the latest model"
    upgrades = SURGED // EXTRA - 1
    # In the sandbox, a creation takes as long as an upgrade, a deletion half as long.
    operations = seconds * (1 + upgrades + 0.5)
    ratio = answer["seconds"] / operations
    pages = math.ceil((SURGED + EXTRA) / PAGE)
    limit = _bound(upgrades + 2, pages, seconds) + 2 + 2 * pages
    requests = len(sandbox.journal) - before
    what = f"rollout of {SURGED}, surge {EXTRA}, {seconds} s each"
    floor = f"{operations:g} s: its operations"
    return [
        Row(what, f"{answer['seconds']:.1f} s", floor, f"{ratio:.2f}", "≤ 1.05", "", ""),
        Row(f"{what}: requests", str(requests), "", "", f"≤ {limit}, the formula", "", ""),
    ]


def _rollout(
    sandbox: Sandbox, contestant: Contestant, name: str, instances: int, seconds: float
) -> Measured:
    sandbox.add_vmss(name, instances, update_domains=DOMAINS)
    sandbox.set_image(name, version="22.04.202411010")
    before = len(sandbox.journal)
    answer = contestant("rollout", name)
    current = answer["result"]
    assert current == instances, f"{current} of {instances} instances have the latest model"
    ratio = answer["seconds"] / (DOMAINS * seconds)
    return Measured(answer["seconds"], ratio, sandbox.journal[before:])


def bound(instances: int, seconds: float) -> int:
    """Return the largest number of requests of a rollout, by the formula of docs/rollout.md."""
    pages = math.ceil(instances / PAGE)
    return _bound(DOMAINS, pages, seconds)


def _bound(batches: int, pages: int, seconds: float) -> int:
    polls = 2 + int(seconds / RETRY_AFTER)
    return 1 + pages + batches * (3 + pages + polls)


def _rows(
    instances: int, lengths: Sequence[float], taken: Mapping[str, Sequence[Measured]]
) -> list[Row]:
    most = {
        name: max((measured.requests for measured in found), key=len)
        for name, found in taken.items()
    }
    length = f"{min(lengths)} s" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)} s"
    what = f"rollout of {instances:,}, {DOMAINS} domains, {length} each"
    texts = {
        name: f"{statistics.median(measured.seconds for measured in found):.1f} s"
        for name, found in taken.items()
    }
    ratio = f"{statistics.median(measured.ratio for measured in taken['ours']):.2f}"
    floor = f"{DOMAINS * statistics.median(lengths):g} s: its operations"
    target = "≤ 1.05" if len(lengths) == 1 else ""
    rows = [Row(what, texts["ours"], floor, ratio, target, "", texts.get("sdk", ""))]
    counts = {name: str(len(entries)) for name, entries in most.items()}
    limit = f"≤ {bound(instances, max(lengths))}, the formula"
    rows.append(Row(f"{what}: requests", counts["ours"], "", "", limit, "", counts.get("sdk", "")))
    if len(lengths) > 1:
        return rows
    for what_for, policies in (
        ("polls", ["GetOperation"]),
        ("lists of instances", ["HighCostGetVMScaleSet"]),
    ):
        percentages = {name: _percentage_used(entries, policies) for name, entries in most.items()}
        spent = f"{what}: {what_for}, of their limit"
        target = "< 10 %" if what_for == "polls" else ""
        rows.append(Row(spent, percentages["ours"], "", "", target, "", percentages.get("sdk", "")))
    others = [policy for policy in LIMITS if policy not in _SHOWN]
    percentages = {name: _percentage_used(entries, others) for name, entries in most.items()}
    rows.append(
        Row(
            f"{what}: any other limit",
            percentages["ours"],
            "",
            "",
            "< 10 %",
            "",
            percentages.get("sdk", ""),
        )
    )
    return rows


def _percentage_used(entries: Sequence[JournalEntry], policies: Sequence[str]) -> str:
    """Return the largest percentage of a subscription's limits that is used in 3 minutes."""
    percentages = [0.0]
    for policy in policies:
        seconds = [entry.seconds for entry in entries if _policy(entry) == policy]
        for start in seconds:
            spent = sum(start <= second < start + 180 for second in seconds)
            percentages.append(100 * spent / LIMITS[policy].subscription)
    return f"{max(percentages):.1f} %"


def _policy(entry: JournalEntry) -> str:
    """Return the Azure rate limit that a request counts against."""
    path = entry.path.lower()
    if "/operations/" in path:
        return "GetOperation"
    if path.endswith("/virtualmachines"):
        return "HighCostGetVMScaleSet"
    if "/virtualmachines/" in path:
        return "GetVMScaleSetVM"
    return "VMScaleSetActions" if entry.method == "POST" else "GetVMScaleSet"
