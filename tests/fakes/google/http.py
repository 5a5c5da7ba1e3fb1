"""The HTTP server of the fakes of Google: on a free loopback port, in threads of the test."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple, Protocol

from requests.structures import CaseInsensitiveDict

from tests.fakes.google import refusals

_JSON = "application/json; charset=UTF-8"


class Cut(Exception):
    """The connection ends here, without an answer."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset


class Answer(NamedTuple):
    """An answer of the server."""

    status: int
    kind: str
    content: bytes
    headers: Mapping[str, str] = {}


class Service(Protocol):
    """What answers the requests."""

    #: Seconds of CPU that answering took.
    spent: float
    #: Errors of the service itself.
    troubles: list[BaseException]

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        """The answer. `Cut` if there is to be none."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        service = self.server.service
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:  # the client has died: this is no request
            self._cut(reset=True)
            return
        began = time.thread_time()
        try:
            status, kind, content, more = service.answer(
                self.command, self.path, CaseInsensitiveDict(self.headers.items()), raw
            )
        except Cut as cut:
            self._cut(reset=cut.reset)
            return
        except BaseException as trouble:
            service.troubles.append(trouble)
            status, kind, content, more = (
                500,
                _JSON,
                json.dumps(refusals.internal().body).encode(),
                {},
            )
        service.spent += time.thread_time() - began
        with suppress(OSError):
            # As one text: the methods of the base class for this take longer than most answers.
            head = f"HTTP/1.1 {status} {self.responses[status][0]}"
            fields = f"Content-Type: {kind}\r\nContent-Length: {len(content)}"
            fields += "".join(f"\r\n{name}: {value}" for name, value in more.items())
            self.wfile.write(f"{head}\r\n{fields}\r\n\r\n".encode("latin-1") + content)
            self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _cut(self, *, reset: bool) -> None:
        self.close_connection = True
        with suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.rfile.close()
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the tests have the service's own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: Service) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._guard = Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have closed the connection."""

    def cut_all(self) -> None:
        with self._guard:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve it until the end of the `with`. Yields the server's address."""
    server = _Server(service)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.cut_all()
        server.server_close()
        thread.join(20)
