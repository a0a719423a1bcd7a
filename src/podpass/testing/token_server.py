"""The documents of a `TokenIssuer` on a loopback port, for recipients that fetch them by HTTP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from podpass.testing.token_issuer import TokenIssuer
from podpass.workload.discovery import CONFIGURATION_PATH, JWKS_PATH
from podpass.workload.refusal import IssuerUnavailable

_POLL = 0.01
"""Seconds until the server notices that it shall end."""


@contextlib.contextmanager
def serving(tokens: TokenIssuer) -> Iterator[str]:
    """Serve discovery and keys; the issuer takes the URL as its name for that time.

    Yields:
        The URL, which is the issuer.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in {CONFIGURATION_PATH, JWKS_PATH}:
                self.send_error(404)
                return
            try:
                answer = tokens.document(self.path)
            except IssuerUnavailable:
                self.send_error(503)
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: a test's output is its own."""

    before = tokens.issuer
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tokens.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
        thread.start()
        try:
            yield tokens.issuer
        finally:
            server.shutdown()
            thread.join()
            tokens.issuer = before
