"""Benchmarks of `wait`: its delay after the end of an operation, and its requests.

A stub server runs operations of a given duration. Sleeps are skipped, but their seconds count,
both here and at the server.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calls import stub
from measure import Clock, Row, contestants

from azurerm_lite.sandbox.server.https_server import Server

SECONDS = (2, 20, 200)
_SPREAD = (0.93, 0.95, 0.97, 1.0, 1.02, 1.04, 1.06)
"""Factors of each duration, because an operation may happen to end just before a poll."""


class Operations:
    """WSGI app on which every POST starts an operation that takes `seconds`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.ends = 0.0
        self.url = ""
        self.retry_after: int | None = None
        self.requests = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a WSGI request."""
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests += 1
        headers = [("Content-Type", "application/json")]
        status = "200 OK"
        body = b""
        if environ["REQUEST_METHOD"] == "POST":
            self.ends = self.clock() + self.seconds
            status = "202 Accepted"
            provider = f"{self.url}/subscriptions/s/providers/Microsoft.Compute"
            path = f"{provider}/locations/l/operations/1"
            headers += [("Azure-AsyncOperation", path), ("Location", f"{path}?output")]
        elif environ["QUERY_STRING"] != "output":
            state = "Succeeded" if self.clock() >= self.ends else "InProgress"
            body = json.dumps({"name": "1", "status": state}).encode()
        if self.retry_after and self.clock() < self.ends:
            headers.append(("Retry-After", str(self.retry_after)))
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def _serving(clock: Clock) -> Iterator[tuple[Operations, dict[str, str]]]:
    operations = Operations(clock)
    server = Server(operations)
    operations.url = server.url
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ca.pem"
        file.write_bytes(server.ca_pem)
        yield (
            operations,
            {
                "AZURE_RM_ENDPOINT": server.url,
                "REQUESTS_CA_BUNDLE": str(file),
                "NO_PROXY": "127.0.0.1",
            },
        )
    server.stop()


def measure_waits(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """Measure `wait`, compared with the SDK's poller, with and without `Retry-After`."""
    clock = Clock()
    rows = []
    scripts = {"ours": "ours", "sdk": "sdk"}
    with _serving(clock) as (operations, here), stub(1) as answers:
        with contestants(pythons, scripts, {**answers, **here}, clock) as who:
            for seconds in SECONDS:
                for retry_after in (None, 10) if seconds > 10 else (None,):
                    operations.retry_after = retry_after
                    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in who}
                    for factor in _SPREAD:
                        operations.seconds = seconds * factor
                        for name, contestant in who.items():
                            before = operations.requests
                            late = contestant("wait", "web")["seconds"] - operations.seconds
                            taken[name].append((late, operations.requests - before))
                    rows.append(_row(seconds, retry_after, taken))
    return rows


def _row(
    seconds: float, retry_after: int | None, taken: Mapping[str, list[tuple[float, int]]]
) -> Row:
    texts = {}
    for name, found in taken.items():
        median = statistics.median(late for late, _ in found)
        requests = max(requests for _, requests in found)
        worst = max(found)[0]
        texts[name] = f"{median:.1f} s, at worst {worst:.1f} s; {requests} requests"
    header = f"`Retry-After: {retry_after}`" if retry_after else "no `Retry-After`"
    what = f"`wait`, {seconds} s, {header}: delay"
    delay = statistics.median(late for late, _ in taken["ours"]) / seconds
    target = "as `Retry-After`"
    if not retry_after:
        target = f"≤ {max(1.0, seconds * 0.05):g} s, ≤ 60 requests"
    return Row(
        what,
        texts["ours"],
        "the operation itself",
        f"{1 + delay:.2f}",
        target,
        "",
        texts.get("sdk", ""),
    )
