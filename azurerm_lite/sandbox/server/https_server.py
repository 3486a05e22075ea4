"""Sockets and TLS: a WSGI application served over HTTPS on 127.0.0.1, with a throw-away CA."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import sys
import threading
from typing import Any

import trustme
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app


class Server(ThreadedWSGIServer):
    """A thread for each connection; the TLS handshake is done there, so that a slow client holds up nobody else."""

    ca_pem = b""
    thumbprint = ""

    def __init__(self, app: Any, port: int = 0, tls: bool = True) -> None:
        super().__init__("127.0.0.1", port, app, handler=_Handler)
        if tls:
            self._set_up_tls()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.02,), name="azure-sandbox", daemon=True
        )

    def _set_up_tls(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        own = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        self.ca_pem, self.thumbprint = authority.cert_pem.bytes(), hashlib.sha1(own).hexdigest()
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.ssl_context)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.ssl_context else 'http'}://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Begins to serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ends serving, and every connection."""
        self.shutdown()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """A connection, from its handshake to its end."""
        tls = self.ssl_context
        with (
            tls.wrap_socket(request, server_side=True)
            if isinstance(tls, ssl.SSLContext)
            else request as connection
        ):
            self._connections.add(connection)
            try:
                super().finish_request(connection, client_address)
            finally:
                self._connections.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up, or that do not trust us, are their own business; anything else is a bug to be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    """Keeps connections alive, answers without delay, writes no log (the journal is the log)."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """A request, answered without werkzeug's closing of every connection: `App` leaves no body unread."""
        chunks, status, headers = run_wsgi_app(self.server.app, self.make_environ())
        self.send_response(int(status.partition(" ")[0]), status.partition(" ")[2])
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(chunk)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing."""
