"""Benchmarks of single calls: on a stub server, and without requests."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from measure import (
    Contestant,
    Row,
    compare,
    contestants,
    interleave,
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
"""Number of calls per contestant and round."""


def record_flexible(members: int) -> dict[str, tuple[int, str]]:
    """Return what the sandbox answers when a Flexible set is read, by path and query."""
    recorded: dict[str, tuple[int, str]] = {}
    send = requests.Session.send

    def record(
        self: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        response = send(self, request, **options)
        text = response.text.replace(sandbox.url, "SERVER")
        recorded[request.path_url] = (response.status_code, text)
        return response

    with Sandbox(upgrade_seconds=0, demo=False) as sandbox:
        sandbox.add_vmss("flex", members, orchestration="Flexible")
        with mock.patch.object(requests.Session, "send", record):
            az.get_instance_views(*sandbox.where("flex"))
    return recorded


@contextmanager
def stub(
    instances: int = INSTANCES, recorded: Mapping[str, tuple[int, str]] | None = None
) -> Iterator[dict[str, str]]:
    """Run a stub in its own process, and yield the environment variables for its clients."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        with Sandbox(upgrade_seconds=0, demo=False, page_size=instances) as sandbox:
            sandbox.add_vmss("web", instances)
            answers = {
                "model": az.get_vmss(*sandbox.where()),
                "views": az.get_instance_views(*sandbox.where()),
                "recorded": dict(recorded or {}),
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
    """Return the number of connections and requests of each contestant, from the server."""
    url = environment["AZURE_RM_ENDPOINT"] + "/counts"
    response = requests.get(url, verify=environment["REQUESTS_CA_BUNDLE"], timeout=10)
    counts: dict[str, list[int]] = response.json()
    return counts


def measure_reads(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure `get_vmss` and `get_instance_views`, compared with a plain session."""
    with stub() as environment, contestants(pythons, _SCRIPTS, environment) as who:
        rows = [*_get_vmss(environment, who, rounds), *_get_instance_views(who, rounds)]
    return [*rows, *_get_flexible_views(pythons, rounds)]


def _get_vmss(
    environment: Mapping[str, str], who: Mapping[str, Contestant], rounds: int
) -> list[Row]:
    """Measure `get_vmss`, and count its connections."""
    taken = interleave(rounds, who, lambda name: [name], "get_vmss", times=_CALLS)
    counts = _counts(environment)
    rows = [compare("`get_vmss`", medians(taken), milliseconds, "≤ 1.10", "`session.get().json()`")]
    texts = {name: f"{counts[name][0]:,} for {counts[name][1]:,} calls" for name in taken}
    row = Row(
        "`get_vmss`, TCP connections",
        texts["ours"],
        texts["bare"],
        "",
        "1 in all",
        texts.get("original", ""),
        texts.get("sdk", ""),
    )
    return [*rows, row]


def _get_instance_views(who: Mapping[str, Contestant], rounds: int) -> list[Row]:
    """Measure time and peak memory of `get_instance_views`, with one page and with many."""
    rows = []
    for name, pages in (("whole", "one page"), ("paged", f"{INSTANCES // 50} pages")):
        what = f"`get_instance_views` of {INSTANCES:,}, {pages}"
        arguments = [name]
        taken = interleave(rounds, who, lambda _, given=arguments: given, "get_instance_views")
        rows.append(
            compare(
                f"{what}, time",
                medians(taken),
                milliseconds,
                "≤ 1.10",
                "a session following `nextLink`",
            )
        )
        peaks = interleave(
            1, who, lambda _, given=arguments: given, "get_instance_views", how="memory"
        )
        rows.append(
            compare(f"{what}, memory", medians(peaks, "peak"), megabytes, "≤ 1.10", "the same")
        )
    return rows


def _get_flexible_views(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure the reading of a Flexible set, whose members are in several lists."""
    recorded = record_flexible(INSTANCES)
    scripts = {"bare": "ours", "ours": "ours"}
    place = {
        "AZURE_SUBSCRIPTION_ID": Sandbox.subscription_id,
        "BENCHMARK_GROUP": Sandbox.resource_group,
    }
    with (
        stub(1, recorded) as environment,
        contestants(pythons, scripts, {**environment, **place}) as who,
    ):
        taken = interleave(min(rounds, 5), who, None, "get_flexible_views")
        before = _counts(environment)["recorded"][1]
        who["ours"]("get_flexible_views")
        sent = _counts(environment)["recorded"][1] - before
    what = f"`get_instance_views` of {INSTANCES:,} members of a Flexible set"
    floor = "a session, the same requests, 8 at a time"
    rows = [compare(f"{what}, time", medians(taken), milliseconds, "≤ 1.10", floor)]
    floor = f"{len(recorded) - 1:,}, without the one that Azure rejects"
    return [*rows, Row(f"{what}: requests", f"{sent:,}", floor, "", "")]


def measure_functions(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure functions that work on a model or on instances, without requests."""
    with (
        stub() as environment,
        contestants(pythons, {"bare": "ours", "ours": "ours"}, environment) as who,
    ):

        def measure(call: str, times: int = 10) -> dict[str, float]:
            return medians(interleave(rounds, who, None, call, times=times))

        rows = [
            compare("`set_image`", measure("set_image", 100), microseconds, "≤ 2", "one `deepcopy`")
        ]
        one_pass = "one pass that reads domain and id"
        what = f"`by_update_domain` of {INSTANCES:,}"
        rows.append(compare(what, measure("by_update_domain"), microseconds, "≤ 2", one_pass))
        what = f"`heatmap` of {INSTANCES:,}"
        rows.append(
            compare(
                what,
                measure("heatmap", 2),
                milliseconds,
                "≤ 2",
                "one pass that makes what it shows",
            )
        )
        for name, target in (("text", "< 20 ms"), ("svg", "< 50 ms")):
            seconds = measure(f"heatmap_{name}", 1)["ours"]
            rows.append(Row(f"{what}, as {name}", milliseconds(seconds), "", "", target))
        return rows


def measure_tokens(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure a cached token, compared with a plain function call."""
    with Sandbox(upgrade_seconds=0, demo=False) as sandbox, stub(1) as environment:
        scripts = {"bare": "ours", "ours": "ours", "sdk": "sdk"}
        with contestants(pythons, scripts, {**environment, **sandbox.environment}) as who:
            taken = medians(interleave(rounds, who, None, "token", times=1000))
    return [
        compare("token provider, cached token", taken, microseconds, "≤ 20 µs", "a function call")
    ]


def measure_growth(
    pythons: Mapping[str, str], rounds: int, sizes: list[int]
) -> dict[str, list[tuple[float, float]]]:
    """Return the duration of some calls by size: `{call: [(instances, milliseconds), …]}`."""
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
                taken = interleave(rounds, one, lambda _, given=arguments: given, call)
                found.setdefault(name, []).append((size, medians(taken)[contestant] * 1e3))
    return found
