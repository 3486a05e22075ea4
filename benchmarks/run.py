"""What the library costs beside a bare session, as ratios measured in one run: `python benchmarks/run.py`.

Interleaved rounds, medians. It needs the extra `sandbox`; the server is a stub that gives one answer always, so that
its own cost does not drown the figures.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import requests

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.server import Server


def interleaved(rounds: int, *functions: Callable[[], Any]) -> list[float]:
    """The median seconds of each function, called in turn."""
    taken: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, times in zip(functions, taken, strict=True):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def row(name: str, ours: float, floor: float, floor_name: str) -> None:
    """A line of the table."""
    print(f"| {name} | {ours * 1000:.2f} ms | {floor * 1000:.2f} ms | {floor_name} | {ours / floor:.2f} |")


def imported(module: str) -> Callable[[], Any]:
    """Imports a module in a fresh interpreter."""
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def stub(answer: bytes) -> Callable[[Any, Any], Iterable[bytes]]:
    """A server that always gives the same answer."""

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    return app


def requests_row(name: str, answer: Any, ours: Callable[[tuple[str, ...]], Any], rounds: int) -> None:
    """Our function beside one session that gets the same answer and reads its JSON."""
    server = Server(stub(json.dumps(answer).encode()))
    server.start()
    with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
        ca = Path(folder) / "ca.pem"
        ca.write_bytes(server.ca_pem)
        os.environ |= {"AZURE_RM_ENDPOINT": server.url, "REQUESTS_CA_BUNDLE": str(ca), "NO_PROXY": "127.0.0.1"}
        where = ("token", "subscription", "group", "web")
        headers = {"Authorization": "Bearer token"}
        times = interleaved(rounds, lambda: ours(where), lambda: session.get(server.url, headers=headers).json())
        row(name, *times, "session.get().json()")
        rest.session.close()
    server.stop()


def tokens_row(rounds: int) -> None:
    """A token that is at hand: ours beside azure-identity's, where that is installed; in microseconds."""
    with Sandbox(upgrade_seconds=0, demo=False) as sandbox:
        me = (sandbox.tenant_id, sandbox.application_id, sandbox.application_secret)
        ours = az.token_provider(*me)
        scope = "https://management.azure.com/.default"
        calls: list[Callable[[], Any]] = [ours]
        try:
            from azure.identity import ClientSecretCredential
        except ImportError:
            print("(azure-identity is not installed)", file=sys.stderr)
        else:
            peer = ClientSecretCredential(*me, disable_instance_discovery=True)
            calls.append(lambda: peer.get_token(scope))
        for call in calls:
            call()
        taken = interleaved(rounds, *(lambda call=call: [call() for _ in range(100)] for call in calls))
    micros = [seconds * 1e6 / 100 for seconds in taken]
    beside = (
        f"{micros[1]:.2f} µs | azure-identity's `get_token` | {micros[0] / micros[1]:.3f}" if micros[1:] else "| | "
    )
    print(f"| token provider, cached token | {micros[0]:.2f} µs | {beside} |")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="calls of each (default: 300)")
    rounds = parser.parse_args().rounds
    with Sandbox(upgrade_seconds=0) as sandbox:
        sandbox.add_vmss("big", 1000)
        model = az.get_vmss(*sandbox.where("big"))
        views = az.get_instance_views(*sandbox.where("big"))
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {threading.active_count()} thread")
    print("| what | ours | floor | the floor is | ratio |\n|---|---|---|---|---|")
    row("import", *interleaved(max(7, rounds // 20), imported("azurerm_lite"), imported("requests")), "import requests")
    requests_row("`get_vmss`", model, lambda where: az.get_vmss(*where), rounds)
    page = {"value": views}
    requests_row("`get_instance_views`, 1,000", page, lambda where: az.get_instance_views(*where), max(7, rounds // 20))
    times = interleaved(rounds, lambda: az.set_image(model, version="22.04.202411010"), lambda: copy.deepcopy(model))
    row("`set_image`", *times, "one deepcopy")
    times = interleaved(rounds, lambda: az.by_update_domain(views), lambda: [vm["properties"] for vm in views])
    row("`by_update_domain`, 1,000", *times, "one pass over the list")
    tokens_row(rounds)
    for name, draw in (("text", str), ("SVG", lambda picture: picture.to_svg())):
        (seconds,) = interleaved(max(7, rounds // 20), lambda draw=draw: draw(az.heatmap(views)))
        print(f"| `heatmap`, 1,000, {name} | {seconds * 1000:.2f} ms | | | |")


if __name__ == "__main__":
    main()
