"""Single calls: over a server that costs next to nothing, and without any."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from measure import (
    Contestant,
    Row,
    beside,
    contestants,
    interleaved,
    medians,
    megabytes,
    microseconds,
    milliseconds,
)

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

INSTANCES = 1000
_SCRIPTS = {"bare": "ours", "ours": "ours", "original": "azurerm", "sdk": "sdk"}
_CALLS = 50
"""How many calls a contestant makes in its turn."""


@contextmanager
def stub(instances: int = INSTANCES) -> Iterator[dict[str, str]]:
    """A stub in a process of its own; the environment variables that point clients there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        with Sandbox(upgrade_seconds=0, demo=False, page_size=instances) as sandbox:
            sandbox.add_vmss("web", instances)
            answers = {
                "model": az.get_vmss(*sandbox.where()),
                "views": az.get_instance_views(*sandbox.where()),
            }
        file.write_text(json.dumps(answers), "utf-8")
        command = [sys.executable, str(Path(__file__).parent / "stub.py"), str(file)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout
            url, ca = json.loads(server.stdout.readline())
            yield {
                "AZURE_RM_ENDPOINT": url,
                "REQUESTS_CA_BUNDLE": ca,
                "NO_PROXY": "127.0.0.1",
                "BENCHMARK_ANSWERS": str(file),
            }
            server.communicate()


def _counts(environment: Mapping[str, str]) -> dict[str, list[int]]:
    """For each scale set, which is each contestant: connections and requests, as the server counted them."""
    url, ca = environment["AZURE_RM_ENDPOINT"], environment["REQUESTS_CA_BUNDLE"]
    counts: dict[str, list[int]] = requests.get(f"{url}/counts", verify=ca, timeout=10).json()
    return counts


def reading(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """`get_vmss` and `get_instance_views`, beside a session that reads the same."""
    with stub() as environment, contestants(pythons, _SCRIPTS, environment) as who:
        return [*_get_vmss(environment, who, rounds), *_get_instance_views(who, rounds)]


def _get_vmss(
    environment: Mapping[str, str], who: Mapping[str, Contestant], rounds: int
) -> list[Row]:
    """`get_vmss` over and over, and how many connections that took."""
    taken = interleaved(rounds, who, lambda each: [each], "get_vmss", times=_CALLS)
    counts = _counts(environment)
    rows = [beside("`get_vmss`", medians(taken), milliseconds, "≤ 1.10", "`session.get().json()`")]
    told = {each: f"{counts[each][0]:,} for {counts[each][1]:,} calls" for each in taken}
    reach = "1 in all"
    row = Row(
        "`get_vmss`, TCP connections",
        told["ours"],
        told["bare"],
        "",
        reach,
        told.get("original", ""),
    )
    return [*rows, row._replace(sdk=told.get("sdk", ""))]


def _get_instance_views(who: Mapping[str, Contestant], rounds: int) -> list[Row]:
    """`get_instance_views` in one page and in many: time, and peak of memory."""
    rows = []
    for name, pages in (("whole", "one page"), ("paged", f"{INSTANCES // 50} pages")):
        what = f"`get_instance_views` of {INSTANCES:,}, {pages}"
        arguments = [name]
        taken = interleaved(rounds, who, lambda _, given=arguments: given, "get_instance_views")
        rows.append(
            beside(
                f"{what}, time",
                medians(taken),
                milliseconds,
                "≤ 1.10",
                "a session following `nextLink`",
            )
        )
        peaks = interleaved(
            1, who, lambda _, given=arguments: given, "get_instance_views", how="memory"
        )
        rows.append(
            beside(f"{what}, memory", medians(peaks, "peak"), megabytes, "≤ 1.10", "the same")
        )
    return rows


def computing(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """What is done to a model or a list of instances without any request."""
    with (
        stub() as environment,
        contestants(pythons, {"bare": "ours", "ours": "ours"}, environment) as who,
    ):

        def took(call: str, times: int = 10) -> dict[str, float]:
            return medians(interleaved(rounds, who, None, call, times=times))

        rows = [
            beside("`set_image`", took("set_image", 100), microseconds, "≤ 2", "one `deepcopy`")
        ]
        one_pass = "one pass that reads domain and id"
        what = f"`by_update_domain` of {INSTANCES:,}"
        rows.append(beside(what, took("by_update_domain"), microseconds, "≤ 2", one_pass))
        what = f"`heatmap` of {INSTANCES:,}"
        rows.append(
            beside(
                what, took("heatmap", 2), milliseconds, "≤ 2", "one pass that makes what it shows"
            )
        )
        for name, reach in (("text", "< 20 ms"), ("svg", "< 50 ms")):
            seconds = took(f"heatmap_{name}", 1)["ours"]
            rows.append(Row(f"{what}, as {name}", milliseconds(seconds), "", "", reach))
        return rows


def tokens(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """A token that is at hand, beside a plain function call."""
    with Sandbox(upgrade_seconds=0, demo=False) as sandbox, stub(1) as environment:
        scripts = {"bare": "ours", "ours": "ours", "sdk": "sdk"}
        with contestants(pythons, scripts, {**environment, **sandbox.environment}) as who:
            taken = medians(interleaved(rounds, who, None, "token", times=1000))
    return [
        beside("token provider, cached token", taken, microseconds, "≤ 20 µs", "a function call")
    ]


def growth(
    pythons: Mapping[str, str], rounds: int, sizes: list[int]
) -> dict[str, list[tuple[float, float]]]:
    """How long some calls take at several sizes: points (instances, milliseconds) by the name of the call."""
    found: dict[str, list[tuple[float, float]]] = {}
    calls = {
        "a bare session": ("bare", "get_instance_views", ["whole"]),
        "get_instance_views": ("ours", "get_instance_views", ["whole"]),
        "by_update_domain": ("ours", "by_update_domain", []),
        "heatmap, text": ("ours", "heatmap_text", []),
        "heatmap, SVG": ("ours", "heatmap_svg", []),
    }
    for size in sizes:
        with (
            stub(size) as environment,
            contestants(pythons, {"bare": "ours", "ours": "ours"}, environment) as who,
        ):
            for name, (contestant, call, arguments) in calls.items():
                one: dict[str, Any] = {contestant: who[contestant]}
                taken = interleaved(rounds, one, lambda _, given=arguments: given, call)
                found.setdefault(name, []).append((size, medians(taken)[contestant] * 1e3))
    return found
