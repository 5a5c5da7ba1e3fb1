"""A web service on a real socket, with failures on demand.

A function decides what it accepts and answers. A failure is used up by one call:
either nothing was accepted, or the message was accepted and its answer is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Call:
    """One request: header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    #: The port that it came from: the same for all requests over one connection.
    port: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """What goes wrong with one call."""

    #: The answer in place of the real one; None: the connection is closed without one.
    reply: Reply | None = None
    #: True if the message is accepted first.
    is_accepted: bool = False
    #: True if there is no answer, and the connection stays open.
    hangs: bool = False


def answers(status: int, body: bytes = b"", **headers: str) -> Failure:
    """This answer instead, and nothing is accepted. In header names `_` means `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failure(Reply(status, body, named))


#: Accepted, and the connection breaks before the answer.
LOST = Failure(is_accepted=True)
#: Read, not accepted, and the connection breaks.
DROPPED = Failure()
#: Accepted, and no answer comes.
HANGS = Failure(is_accepted=True, hangs=True)


class Service:
    """A running server: its address, its calls, and what goes wrong next."""

    def __init__(self, accept: Callable[[Call], Reply]) -> None:
        self.accept = accept
        self.calls: list[Call] = []
        self.failures: deque[Failure] = deque()
        #: Most calls that were answered at the same time.
        self.most_at_once = 0
        self.url = ""
        self.stopped = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()

    def fail(self, *failures: Failure) -> None:
        """The next calls fail in this way, in this order."""
        self.failures.extend(failures)

    def answer(self, call: Call) -> Reply | None:
        """The answer to a call; None if the connection is to be closed without one."""
        with self._lock:
            self.calls.append(call)
            failure = self.failures.popleft() if self.failures else None
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply: Reply | None = None
            if failure is None or failure.is_accepted:
                with self._lock:
                    reply = self.accept(call)
            if failure:
                reply = failure.reply
                if failure.hangs:
                    self.stopped.wait(60)
            return reply
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def serving(accept: Callable[[Call], Reply]) -> Iterator[Service]:
    """A server on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            port = self.client_address[1]
            reply = service.answer(Call(self.command, self.path, headers, body, port))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if "content-length" in reply.headers:  # a false one: the body breaks off
                self.close_connection = True
            else:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """A client may go away at any time."""

    server, service = Server(("127.0.0.1", 0), Handler), Service(accept)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        service.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
