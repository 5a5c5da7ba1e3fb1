"""Connections of strangers: how many there may be, and how long each may take to ask.

uvicorn sets no time limit for a request and no limit per address. `GuardedProtocol` adds both to
its HTTP protocol; `Connections` holds the counts, for all servers of the process together, so that
files and sockets stay free for the passes. When there is no room for a new connection, the oldest
one that has not asked for anything yet is closed: a caller with a real request is served however
many silent connections are open.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.callers import caller_of, limited_logger

log = limited_logger("http")

#: Seconds in which a request must be there, head and body, counted from the connection or from the
#: answer before it.
REQUEST_WITHIN: Final = 10.0
#: Seconds for which a caller may leave an answer unread.
READ_WITHIN: Final = 30.0
#: Seconds between two looks for connections whose time is over.
LOOK_EVERY: Final = 0.5
#: Bytes of one request: the longest body that any address takes is half of it.
MOST_BYTES: Final = 2_000_000
#: Bytes of a request's head; uvicorn would keep four times as many of each connection.
MOST_HEAD: Final = 16_384
#: Connections in all, and connections that the kernel may hold until they are accepted.
MOST, BACKLOG = 1_000, 2_048
#: Open files that we ask the system for, and those kept for passes, store, sheets and pictures.
FILES, RESERVED = 8_192, 512


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections this process can afford: in all, from one address, and unaccepted."""

    most: int = MOST
    each: int = MOST // 2
    backlog: int = BACKLOG


def room_for(files: int) -> Room:
    """The room that is left when a process may open so many files.

    Half of few files, else all but RESERVED, are for connections: one part for those that are
    open, one for those that the loop accepts at once before it can count them.
    """
    free = max(files - RESERVED, files // 2)
    most = max(min(MOST, free // 2), 8)
    return Room(most, max(most // 2, 4), max(min(BACKLOG, free // 2), 8))


def most_files() -> int:
    """How many files this process may open, raised to FILES where the system allows it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows: sockets are not counted with files
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass  # macOS has a second limit; what we have is counted with
    return FILES if soft == resource.RLIM_INFINITY else soft


class Connections:
    """All open connections of the servers of this process. To be used in one event loop."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._callers: dict[GuardedProtocol, str] = {}
        self._each: Counter[str] = Counter()
        #: Connections whose request is not there whole -> since when; the oldest first.
        self._asking: OrderedDict[GuardedProtocol, float] = OrderedDict()
        #: Connections whose answer is not read -> since when; the oldest first.
        self._unread: OrderedDict[GuardedProtocol, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def admit(self, one: GuardedProtocol, host: str) -> bool:
        """Count a new connection in, closing an older one if need be; False if there is no room."""
        caller = caller_of(host)
        if self._each[caller] >= self.room.each and not self._close_oldest(caller):
            return False
        if len(self) >= self.room.most and not self._close_oldest(self._busiest()):
            return False
        self._callers[one] = caller
        self._each[caller] += 1
        self._asking[one] = time.monotonic()
        return True

    def leave(self, one: GuardedProtocol) -> None:
        """Count a connection out; nothing happens where it is out already."""
        caller = self._callers.pop(one, None)
        self._asking.pop(one, None)
        self._unread.pop(one, None)
        if caller is not None:
            self._each[caller] -= 1
            if not self._each[caller]:
                del self._each[caller]

    def note(self, one: GuardedProtocol, *, whole: bool) -> None:
        """Whether the request of a connection is there whole now."""
        if whole:
            self._asking.pop(one, None)
        elif one not in self._asking and one in self._callers:
            self._asking[one] = time.monotonic()

    def note_unread(self, one: GuardedProtocol, *, unread: bool) -> None:
        """Whether the caller leaves its answer unread now."""
        if not unread:
            self._unread.pop(one, None)
        elif one in self._callers:
            self._unread.setdefault(one, time.monotonic())

    def close_late(self) -> None:
        """Close the connections whose time is over."""
        now = time.monotonic()
        for late, within in ((self._asking, REQUEST_WITHIN), (self._unread, READ_WITHIN)):
            while late and now - next(iter(late.values())) > within:
                self._close(next(iter(late)))

    async def watch(self) -> None:
        """Close late connections for as long as this runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.close_late()

    def _busiest(self) -> str:
        return self._each.most_common(1)[0][0]

    def _close_oldest(self, caller: str) -> bool:
        """Close the oldest connection of the caller that waits to ask; False if there is none."""
        oldest = next((one for one in self._asking if self._callers[one] == caller), None)
        if oldest is None:
            return False
        log.info("there are too many connections: the oldest that asked for nothing is closed")
        self._close(oldest)
        return True

    def _close(self, one: GuardedProtocol) -> None:
        self.leave(one)
        one.transport.abort()


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol within the limits of `connections`, which a subclass sets."""

    connections_of_all: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Strangers cause what is logged here: it appears once a minute.
        self.logger = log
        self._heard = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if not self.connections_of_all.admit(self, host):
            log.info("there are too many connections: a new one is closed")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_all.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._heard += len(data)
        super().data_received(data)
        self._note()
        if self._heard > MOST_BYTES:
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.connections_of_all.note_unread(self, unread=True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.connections_of_all.note_unread(self, unread=False)

    def _note(self) -> None:
        whole = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if whole:
            self._heard = 0
        self.connections_of_all.note(self, whole=whole)


def protocol_within(connections: Connections) -> type[GuardedProtocol]:
    """The protocol class of servers that share these connections."""
    return type("Guarded", (GuardedProtocol,), {"connections_of_all": connections})
