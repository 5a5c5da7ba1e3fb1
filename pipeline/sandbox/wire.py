"""Below HTTP: sends answers whole, or loses them in the ways that happen on real networks."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.sandbox.answers import Reply

#: Windows has shorts where POSIX has ints: (on, seconds) = (1, 0) makes close() send a reset.
RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
#: A trickling body is padded to this size with spaces, which JSON allows at its end.
TRICKLE_BYTES = 600


class Protocol(H11Protocol):
    """uvicorn's HTTP over h11. The application can reach the connection below it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; the application finds the transport in the state of the scope."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol. Without it a head waits 40 ms
        # for its body: Nagle's algorithm against delayed acknowledgements.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


def is_gone(scope: Scope) -> bool:
    """True if the client has closed the connection."""
    transport = _transport(scope)
    return transport is not None and transport.is_closing()


async def deliver(
    answer: Reply, scope: Scope, receive: Receive, send: Send, *, pause: Callable[[], float]
) -> None:
    """Send the answer, or lose it in the way it says. `pause` is the time between two bytes."""
    if not answer.loss:
        await _send(answer, send)
        return
    transport = _transport(scope)
    if transport is None:
        raise RuntimeError("answers can only be lost under the sandbox's own server")
    if transport.is_closing():
        pass
    elif answer.loss == "rst":
        _reset(transport)
    elif answer.loss == "half":
        transport.write(_head(answer) + answer.body[: len(answer.body) // 2])
        transport.close()
    elif answer.loss == "trickle":
        await _trickle(transport, replace(answer, body=answer.body.ljust(TRICKLE_BYTES)), pause)
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        # If we returned before the disconnect is seen, uvicorn would answer 500.
        pass


async def _send(answer: Reply, send: Send) -> None:
    size = (b"content-length", str(len(answer.body)).encode())
    start = {"status": answer.status, "headers": [*answer.headers, size]}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": answer.body})


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
    )
    transport.abort()


async def _trickle(transport: asyncio.Transport, answer: Reply, pause: Callable[[], float]) -> None:
    transport.write(_head(answer))
    for byte in answer.body:
        await asyncio.sleep(pause())
        if transport.is_closing():
            return
        transport.write(bytes([byte]))
    transport.close()


def _head(answer: Reply) -> bytes:
    """The status line and the headers of an answer that is not sent through uvicorn."""
    size = (b"content-length", b"%d" % len(answer.body))
    lines = [b"%b: %b\r\n" % header for header in (*answer.headers, size)]
    phrase = HTTPStatus(answer.status).phrase.encode()
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (answer.status, phrase, b"".join(lines))


def _transport(scope: Scope) -> asyncio.Transport | None:
    # Its class is not checked: uvloop's transports do not inherit from asyncio's.
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    return transport
