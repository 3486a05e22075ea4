"""HTTPS server for a WSGI app on 127.0.0.1, with a temporary CA."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import sys
import threading
from typing import Any

import trustme
from typing_extensions import override
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app


class Server(ThreadedWSGIServer):
    """Server with a thread for each connection.

    The TLS handshake takes place in that thread, so that a slow client does not delay others.

    Attributes:
        ca_pem: The CA's certificate; empty without TLS.
        thumbprint: SHA-1 digest of the server's certificate, for Service Fabric.
    """

    ca_pem = b""
    thumbprint = ""

    def __init__(self, app: Any, port: int = 0, has_tls: bool = True) -> None:
        super().__init__("127.0.0.1", port, app, handler=_Handler)
        if has_tls:
            self._set_up_tls()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.02,), name="azure-sandbox", daemon=True
        )

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        return f"{'https' if self.ssl_context else 'http'}://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Start serving, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and close every connection."""
        self.shutdown()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection from the handshake to its end."""
        connection = request
        if isinstance(self.ssl_context, ssl.SSLContext):
            connection = self.ssl_context.wrap_socket(request, server_side=True)
        with connection:
            self._connections.add(connection)
            try:
                super().finish_request(connection, client_address)
            finally:
                self._connections.discard(connection)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the sandbox's errors, but not clients that disconnect or do not trust the CA."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _set_up_tls(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        certificate = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        self.ca_pem = authority.cert_pem.bytes()
        self.thumbprint = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.ssl_context)


class _Handler(WSGIRequestHandler):
    """Request handler that keeps connections alive and writes no log; the journal is the log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @override
    def run_wsgi(self) -> None:
        """Answer a request and keep the connection open; werkzeug would close it.

        This is safe because `App` reads every body to its end.
        """
        chunks, status, headers = run_wsgi_app(self.server.app, self.make_environ())
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(chunk)

    @override
    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Write nothing."""
