"""A proxy between program and API that can be stopped at a chosen moment of a submission.

It forwards HTTP, request by request, and knows nothing about either side. At the chosen moment of
the chosen submission it stops: no byte is forwarded in either direction until `cut`, which closes
every connection. So a test can kill the program *there*, and the stopped bytes never arrive.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from threading import Event, Lock, Thread
from urllib.parse import urlsplit


class Moment(Enum):
    """A moment in the course of a submission."""

    BEFORE = "the program has sent it, the API has not read it"
    TAKEN = "the API has answered, the program has not received it"
    ANSWERED = "the program has just been sent the answer"


class PausingProxy:
    """Listens on a free loopback port; made by `pausing_proxy`."""

    def __init__(self, listener: socket.socket, upstream: tuple[str, int]) -> None:
        self._listener, self._upstream = listener, upstream
        self._lock = Lock()
        self._open = Event()
        self._open.set()
        self._moment: Moment | None = None
        self._left = 0
        self._then: Callable[[], None] = lambda: None
        self._sockets: set[socket.socket] = set()
        #: Bodies of the submissions whose answer was forwarded to the program.
        self.answered: list[bytes] = []

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._listener.getsockname()[:2])

    @property
    def is_paused(self) -> bool:
        return not self._open.is_set()

    def pause_at(
        self, moment: Moment, number: int = 1, then: Callable[[], None] = lambda: None
    ) -> None:
        """Stop when this number of submissions from now on have reached this moment.

        `then` is called at that moment.
        """
        with self._lock:
            self._moment, self._left, self._then = moment, number, then

    def cut(self) -> None:
        """Close every connection, so that the stopped bytes never arrive; new ones are forwarded
        again.
        """
        with self._lock:
            self._moment = None
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._open.set()

    def serve(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._follow, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Accept no more connections, and cut."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()

    def _follow(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), closing(client):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with closing(socket.create_connection(self._upstream, 20)) as api:
                api.settimeout(None)
                api.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._kept(client), self._kept(api):
                    while True:
                        self._pass_on(client, api)

    def _pass_on(self, client: socket.socket, api: socket.socket) -> None:
        request = _message(client)
        submits = request.startswith((b"POST /imagine ", b"POST /v2/images/generate "))
        self._reach(Moment.BEFORE, submits)
        api.sendall(request)
        answer = _message(api)
        self._reach(Moment.TAKEN, submits)
        client.sendall(answer)
        if submits:
            self.answered.append(request.partition(b"\r\n\r\n")[2])
        self._reach(Moment.ANSWERED, submits)

    def _reach(self, moment: Moment, submits: bool) -> None:
        if submits:
            with self._lock:
                if self._open.is_set() and self._moment is moment:
                    self._left -= 1
                    if not self._left:
                        self._then()
                        self._open.clear()
        self._open.wait()

    @contextmanager
    def _kept(self, one: socket.socket) -> Iterator[None]:
        with self._lock:
            self._sockets.add(one)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(one)


@contextmanager
def pausing_proxy(url: str) -> Iterator[PausingProxy]:
    """A proxy before the API at `url`, closed at the end."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with closing(socket.create_server(("127.0.0.1", 0), backlog=256)) as listener:
        proxy = PausingProxy(listener, (parts.hostname, parts.port))
        thread = Thread(target=proxy.serve, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.close()
            thread.join(20)


def _message(source: socket.socket) -> bytes:
    """One complete request or answer, with a known length. Raises EOFError if none arrives."""
    read = bytearray()
    while (end := read.find(b"\r\n\r\n")) < 0:
        read += _more(source)
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", read[: end + 2])
    length = end + 4 + (int(found[1]) if found else 0)
    while len(read) < length:
        read += _more(source)
    return bytes(read)


def _more(source: socket.socket) -> bytes:
    if not (chunk := source.recv(65536)):
        raise EOFError
    return chunk
