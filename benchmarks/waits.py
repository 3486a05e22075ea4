"""`wait` on operations of several lengths: how late the end of one is noticed, and by how many requests.

The server is a stub on which an operation takes as long as it is told; sleeps take no time but
count, here and there.
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
"""What each length is multiplied by in turn, for an end that happens to meet a poll would tell nothing."""


class Operations:
    """A server on which every POST begins an operation that takes `seconds`."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.seconds, self.ends, self.url = clock, 0.0, 0.0, ""
        self.retry_after: int | None = None
        self.requests = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests += 1
        headers = [("Content-Type", "application/json")]
        status, body = "200 OK", b""
        if environ["REQUEST_METHOD"] == "POST":
            self.ends, status = self.clock() + self.seconds, "202 Accepted"
            path = (
                f"{self.url}/subscriptions/s/providers/Microsoft.Compute/locations/l/operations/1"
            )
            headers += [("Azure-AsyncOperation", path), ("Location", f"{path}?output")]
        elif environ["QUERY_STRING"] != "output":
            told = "Succeeded" if self.clock() >= self.ends else "InProgress"
            body = json.dumps({"name": "1", "status": told}).encode()
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


def waiting(pythons: Mapping[str, str], rounds: int) -> list[Row]:
    """`wait` beside the SDK's poller at its defaults, where Azure does not say when to look again and where it does."""
    clock = Clock()
    rows = []
    scripts = {"ours": "ours", "sdk": "sdk"}
    with _serving(clock) as (operations, here), stub(1) as answers:
        with contestants(pythons, scripts, {**answers, **here}, clock) as who:
            for seconds in SECONDS:
                for retry_after in (None, 10) if seconds > 10 else (None,):
                    operations.retry_after = retry_after
                    taken: dict[str, list[tuple[float, int]]] = {each: [] for each in who}
                    for factor in _SPREAD:
                        operations.seconds = seconds * factor
                        for each, contestant in who.items():
                            before = operations.requests
                            late = contestant("wait", "web")["seconds"] - operations.seconds
                            taken[each].append((late, operations.requests - before))
                    rows.append(_row(seconds, retry_after, taken))
    return rows


def _row(
    seconds: float, retry_after: int | None, taken: Mapping[str, list[tuple[float, int]]]
) -> Row:
    told = {
        each: f"{statistics.median(late for late, _ in found):.1f} s, at worst {max(found)[0]:.1f} s; "
        f"{max(requests for _, requests in found)} requests"
        for each, found in taken.items()
    }
    says = f"`Retry-After: {retry_after}`" if retry_after else "Azure does not say when"
    what = f"`wait`, {seconds} s, {says}: late by"
    share = statistics.median(late for late, _ in taken["ours"]) / seconds
    reach = (
        f"≤ {max(1.0, seconds * 0.05):g} s, ≤ 60 requests" if not retry_after else "as Azure says"
    )
    return Row(
        what,
        told["ours"],
        "the operation itself",
        f"{1 + share:.2f}",
        reach,
        "",
        told.get("sdk", ""),
    )
