"""A web server that keeps the posted requests, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue


@dataclass(frozen=True)
class Posted:
    """One request: header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Inbox:
    """Its address, and the posted requests."""

    url: str
    _posted: Queue[Posted] = field(default_factory=Queue)

    def next(self) -> Posted:
        """The next request, within ten seconds. Raises queue.Empty."""
        return self._posted.get(timeout=10)

    def keep(self, posted: Posted) -> None:
        self._posted.put(posted)


@contextmanager
def inbox() -> Iterator[Inbox]:
    """A server on a free loopback port that answers 204."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.casefold(): value for name, value in self.headers.items()}
            kept.keep(Posted(self.path, headers, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept = Inbox(f"http://127.0.0.1:{server.server_port}/hooks/abc")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
