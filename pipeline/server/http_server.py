"""Limits for connections: how many there may be, and how long a request may take to arrive.

uvicorn has no limit for the head of a request, for the time until it is complete, or for the
connections of an address. `GuardedProtocol` adds them to its HTTP protocol. `Connections` owns the
counts, for all servers of the process together, so that files and sockets stay free for the passes.
If there is no room for a new connection, the oldest connection without a complete request is
closed, so that real requests are served however many silent connections are open. A connection from
a trusted proxy is counted for the client that the proxy names, once a request names one.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.callers import caller_of, in_both_forms, limited_logger

log = limited_logger("http")

#: Seconds within which a whole request must arrive, head and body, from the start of the connection
#: or from the previous answer.
REQUEST_WITHIN: Final = 10.0
#: Seconds for which a caller may read nothing of an answer. A slow reader is not cut off.
READ_WITHIN: Final = 30.0
#: Seconds between two checks for late connections.
LOOK_EVERY: Final = 0.5
#: Most bytes of one request: twice the longest body that any route accepts.
MOST_BYTES: Final = 2_000_000
#: Most bytes of a request's head, and most requests of one connection that wait for their turn. The
#: parser has no limit of its own.
MOST_HEAD: Final = 16_384
MOST_WAITING: Final = 16
#: Most connections in all, and most that the kernel may queue until they are accepted.
MOST, BACKLOG = 1_000, 2_048
#: Wanted limit of open files, and the part for passes, store, sheets and pictures.
FILES, RESERVED = 8_192, 512
#: The start of the header that offers another protocol.
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many connections this process can serve: in all, from one address, and unaccepted."""

    most: int = MOST
    each: int = MOST // 2
    backlog: int = BACKLOG


def capacity_for(files: int, servers: int = 1) -> Capacity:
    """How many connections fit into a process that may open this number of files.

    RESERVED files, or half of all if there are few, stay free. The others are divided into two
    parts: for open connections, and for those that the loop accepts at once, from all servers,
    before it can count them.
    """
    free = max(files - RESERVED, files // 2)
    most = max(min(MOST, free // 2), 8)
    return Capacity(most, max(most // 2, 4), max(min(BACKLOG, free // 2 // max(servers, 1)), 8))


def most_files() -> int:
    """How many files this process may open. Raises the limit to FILES if the system allows it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows does not count sockets as files
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass  # macOS has a second limit; keep the present one
    return FILES if soft == resource.RLIM_INFINITY else soft


async def _no_app(*_: object) -> None:
    """A placeholder for the app: only the proxy list of the middleware is used."""


class Connections:
    """All open connections of the servers of this process. Use it in one event loop only.

    `proxies` are the networks of the proxies whose `X-Forwarded-For` is trusted.
    """

    def __init__(self, capacity: Capacity, proxies: Iterable[str] = ()) -> None:
        self.capacity = capacity
        self._proxies = ProxyHeadersMiddleware(_no_app, in_both_forms(proxies)).trusted_hosts
        self._callers: dict[GuardedProtocol, str] = {}
        self._each: Counter[str] = Counter()
        #: Connections without a complete request -> since when; the oldest first.
        self._asking: OrderedDict[GuardedProtocol, float] = OrderedDict()
        #: Connections with an unread answer -> since when, and how many bytes are waiting.
        self._unread: dict[GuardedProtocol, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def admit(self, one: GuardedProtocol, host: str) -> bool:
        """Count a new connection; may close an older one. Returns False if there is no room."""
        caller = caller_of(host)
        if host not in self._proxies and not self._has_capacity(caller):
            return False
        if len(self) >= self.capacity.most and not self._close_oldest(self._busiest()):
            return False
        self._callers[one] = caller
        self._each[caller] += 1
        self._asking[one] = time.monotonic()
        return True

    def count_for_client(
        self, one: GuardedProtocol, host: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Count a connection for the client that our own proxy names in the head of the request.

        Closes the connection if that client has too many.
        """
        if host not in self._proxies or one not in self._callers:
            return
        named = b", ".join(value for name, value in headers if name == b"x-forwarded-for")
        client, _ = self._proxies.get_trusted_client_address(named.decode("latin-1"))
        caller, before = caller_of(client or host), self._callers[one]
        if caller == before:
            return
        if not self._has_capacity(caller):
            log.info("a client of a proxy has too many connections: a new one is closed")
            self._close(one)
            return
        self._callers[one] = caller
        self._each[caller] += 1
        self._forget(before)

    def leave(self, one: GuardedProtocol) -> None:
        """Stop counting a connection. A second call has no effect."""
        caller = self._callers.pop(one, None)
        self._asking.pop(one, None)
        self._unread.pop(one, None)
        if caller is not None:
            self._forget(caller)

    def note(self, one: GuardedProtocol, *, whole: bool) -> None:
        """Record whether the request of a connection has arrived completely."""
        if whole:
            self._asking.pop(one, None)
        elif one not in self._asking and one in self._callers:
            self._asking[one] = time.monotonic()

    def note_unread(self, one: GuardedProtocol, *, unread: bool) -> None:
        """Record whether the caller leaves its answer unread."""
        if not unread:
            self._unread.pop(one, None)
        elif one in self._callers and one not in self._unread:
            self._unread[one] = time.monotonic(), one.transport.get_write_buffer_size()

    def close_late(self) -> None:
        """Close the connections that have exceeded a time limit."""
        now = time.monotonic()
        while self._asking and now - next(iter(self._asking.values())) > REQUEST_WITHIN:
            one = next(iter(self._asking))
            if waits := one.transport.get_write_buffer_size():
                # It is still reading the last answer, so it cannot send the next request.
                del self._asking[one]
                self._unread.setdefault(one, (now, waits))
            else:
                self._close(one)
        for one, (since, waited) in list(self._unread.items()):
            waits = one.transport.get_write_buffer_size()
            if not waits:
                del self._unread[one]
                one.note()
            elif waits < waited:
                self._unread[one] = now, waits
            elif now - since > READ_WITHIN:
                self._close(one)

    async def watch(self) -> None:
        """Close late connections, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.close_late()

    def _has_capacity(self, caller: str) -> bool:
        """Returns whether the caller may have one more connection; may close an older one of it."""
        return self._each[caller] < self.capacity.each or self._close_oldest(caller)

    def _forget(self, caller: str) -> None:
        self._each[caller] -= 1
        if not self._each[caller]:
            del self._each[caller]

    def _busiest(self) -> str:
        return self._each.most_common(1)[0][0]

    def _close_oldest(self, caller: str) -> bool:
        """Close the caller's oldest connection without a complete request; False if it has none."""
        oldest = next((one for one in self._asking if self._callers[one] == caller), None)
        if oldest is None:
            return False
        log.info("there are too many connections: the oldest one without a request is closed")
        self._close(oldest)
        return True

    def _close(self, one: GuardedProtocol) -> None:
        self.leave(one)
        one.transport.abort()


class _Refused(Exception):
    """A request that the parser must not go on with; the caller gets status 400."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol within the limits of `Connections`, which a subclass sets."""

    connections_of_all: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Anyone can cause these messages, so each appears at most once a minute.
        self.logger = log
        self._host = ""
        #: Where the parser is: in a request, and in the head of one.
        self._is_within = self._in_head = False
        #: Bytes since the last complete request, and those of a head that is not complete.
        self._received = self._head = 0
        #: Complete requests without a complete answer; -1 if an answer was complete first.
        self._unanswered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._host = self.client[0] if self.client else ""
        if not self.connections_of_all.admit(self, self._host):
            log.info("there are too many connections: a new one is closed")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_all.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data if self._is_within else _without_upgrade(data))
        self._head = self._head + len(data) if self._in_head else 0
        self.note()
        if self._received > MOST_BYTES:
            self.transport.abort()
        elif self._head > MOST_HEAD and not self.transport.is_closing():
            if self._unanswered > 0 or self.transport.get_write_buffer_size():
                # A refusal would stand in the middle of the other answer, or wait behind it for a
                # client that does not read.
                self.transport.abort()
            else:
                self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_within = self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        # The parser would leave out the body before another protocol.
        if self.parser.should_upgrade() or len(self.pipeline) == MOST_WAITING:
            raise _Refused
        super().on_headers_complete()
        self.connections_of_all.count_for_client(self, self._host, self.headers)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_within = False
        self._unanswered += 1

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unanswered -= 1
        self.note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.connections_of_all.note_unread(self, unread=True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.connections_of_all.note_unread(self, unread=False)
        self.note()

    def note(self) -> None:
        """Record whether the request has arrived completely."""
        whole = self._unanswered > 0
        if whole:
            self._received = 0
        self.connections_of_all.note(self, whole=whole)


def _without_upgrade(data: bytes) -> bytes:
    """The first bytes of a request, with an offer of HTTP/2 turned into a header that says nothing.

    Java's own client makes that offer with each request. A server may go on with HTTP/1.1.
    """
    if b"pgrade:" not in data:
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-offer:", head) + end + rest


def protocol_within(connections: Connections) -> type[GuardedProtocol]:
    """The protocol class of servers that share these connections."""
    return type("Guarded", (GuardedProtocol,), {"connections_of_all": connections})
