"""A server that costs next to nothing: HTTPS on 127.0.0.1, canned answers, in a process of its own.

`python stub.py ANSWERS` serves what the JSON file holds: a `model`, and `views`, in one page or in
several for the scale set called `paged`. `/counts` tells for each scale set how many connections
and requests there were for it.
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
    """The canned answers, and who asked for them."""

    def __init__(self, model: Any, views: list[Any]) -> None:
        self.connections: dict[str, set[int]] = collections.defaultdict(set)
        self.requests: dict[str, int] = collections.Counter()
        self.model = _answer(model)
        self.whole = _answer({"value": views})
        self.views, self.pages = views, [self.whole]

    def paged(self, url: str) -> None:
        """Cuts the views into pages whose links lead back here."""
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
        """The answer to a request for a path with its query."""
        if target == "/counts":
            counts = {
                name: (len(self.connections[name]), count) for name, count in self.requests.items()
            }
            return _answer(counts)
        name = (
            "paged"
            if "set=paged" in target
            else target.partition("Sets/")[2].partition("/")[0].partition("?")[0]
        )
        self.connections[name].add(connection)
        self.requests[name] += 1
        if "/virtualMachines" not in target:
            return self.model
        page = target.partition("page=")[2].partition("&")[0]
        return self.pages[int(page or 0)] if name == "paged" else self.whole

    def serve(self, connection: ssl.SSLSocket, number: int) -> None:
        """A connection, request after request, until the client ends it."""
        buffer = b""
        with connection:
            while chunk := connection.recv(65536):
                buffer += chunk
                while b"\r\n\r\n" in buffer:
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    connection.sendall(self.answer(head.split(b" ", 2)[1].decode(), number))


def _answer(body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def main() -> None:
    """Serves; the first line printed is the URL and the CA's file, and the end of standard input is the end."""
    stub = Stub(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    stub.paged(url)
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
        threading.Thread(target=_handshaken, args=(stub, raw, context, number), daemon=True).start()


def _handshaken(stub: Stub, raw: socket.socket, context: ssl.SSLContext, number: int) -> None:
    try:
        stub.serve(context.wrap_socket(raw, server_side=True), number)
    except OSError:  # a client that hangs up
        raw.close()


if __name__ == "__main__":
    main()
