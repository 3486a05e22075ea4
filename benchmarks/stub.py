"""A fast HTTPS server on 127.0.0.1 with fixed answers, in its own process.

`python stub.py ANSWERS` serves a JSON file with a `model`, `views` and `recorded`. The views have
one page, or several for the scale set `paged`. `recorded` has an HTTP status and a text for each
path with its query. `/counts` returns the number of connections and requests for each scale set.
"""

from __future__ import annotations

import collections
import json
import socket
import ssl
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import trustme

PAGE = 50


class Stub:
    """The fixed answers, and the counts of connections and requests."""

    def __init__(self, model: Any, views: list[Any], recorded: dict[str, list[Any]]) -> None:
        self.connections: dict[str, set[int]] = collections.defaultdict(set)
        self.requests: dict[str, int] = collections.Counter()
        self.model = _answer(model)
        self.whole = _answer({"value": views})
        self.views = views
        self.pages = [self.whole]
        self.texts = recorded
        self.recorded: dict[str, bytes] = {}

    def make_pages(self, url: str) -> None:
        """Split the views into pages with links to this server, and link the recorded pages."""
        for target, (status, text) in self.texts.items():
            self.recorded[target] = _respond(status, text.replace("SERVER", url).encode())
        parts = [self.views[start : start + PAGE] for start in range(0, len(self.views), PAGE)]
        links = [
            f"{url}/?set=paged&list=/virtualMachines&page={number}"
            for number in range(1, len(parts))
        ]
        pages = [
            {"value": part, "nextLink": link} for part, link in zip(parts, links, strict=False)
        ]
        self.pages = [_answer(page) for page in (*pages, {"value": parts[-1]})]

    def answer(self, target: str, connection: int) -> bytes:
        """Return the answer to a request, given its path and query."""
        if target in self.recorded:
            self.requests["recorded"] += 1
            return self.recorded[target]
        if target == "/counts":
            counts = {
                name: (len(self.connections[name]), count) for name, count in self.requests.items()
            }
            return _answer(counts)
        name = "paged"
        if "set=paged" not in target:
            name = target.partition("Sets/")[2].partition("/")[0].partition("?")[0]
        self.connections[name].add(connection)
        self.requests[name] += 1
        if "/virtualMachines" not in target:
            return self.model
        page = target.partition("page=")[2].partition("&")[0]
        return self.pages[int(page or 0)] if name == "paged" else self.whole

    def serve(self, connection: ssl.SSLSocket, number: int) -> None:
        """Answer the requests of a connection until the client closes it."""
        buffer = b""
        with connection:
            while chunk := connection.recv(65536):
                buffer += chunk
                while b"\r\n\r\n" in buffer:
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    connection.sendall(self.answer(head.split(b" ", 2)[1].decode(), number))


def _answer(body: Any) -> bytes:
    return _respond(200, json.dumps(body).encode())


def _respond(status: int, content: bytes) -> bytes:
    head = [
        f"HTTP/1.1 {status} OK",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


def main() -> None:
    """Print the URL and the CA file, and serve until standard input ends."""
    stub = Stub(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    stub.make_pages(url)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ca.pem"
        file.write_bytes(authority.cert_pem.bytes())
        threading.Thread(target=_accept, args=(stub, listener, context), daemon=True).start()
        print(json.dumps([url, str(file)]), flush=True)
        sys.stdin.read()


def _accept(stub: Stub, listener: socket.socket, context: ssl.SSLContext) -> None:
    number = 0
    while True:
        raw, _ = listener.accept()
        number += 1
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_handshake, args=(stub, raw, context, number), daemon=True).start()


def _handshake(stub: Stub, raw: socket.socket, context: ssl.SSLContext, number: int) -> None:
    try:
        stub.serve(context.wrap_socket(raw, server_side=True), number)
    except OSError:  # the client closed the connection
        raw.close()


if __name__ == "__main__":
    main()
