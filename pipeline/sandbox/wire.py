"""Below HTTP: answers that are sent whole, and the real ways in which an answer gets lost."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.sandbox.answers import Reply

#: Windows has shorts where POSIX has ints: (on, seconds) = (1, 0) makes close() send a reset.
RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
#: A trickling body is drawn out to this size by spaces, which JSON allows at its end.
TRICKLE_BYTES = 600


class Protocol(H11Protocol):
    """uvicorn's HTTP over h11, which lets the application reach the connection below it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; the application finds the transport in the state of the scope."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol. Without it a head waits 40 ms
        # for its body: Nagle's algorithm against delayed acknowledgements.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


def is_gone(scope: Scope) -> bool:
    """Whether the client has left, so that nobody hears the answer."""
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
        transport.write(_head(answer.body) + answer.body[: len(answer.body) // 2])
        transport.close()
    elif answer.loss == "trickle":
        await _trickle(transport, answer.body.ljust(TRICKLE_BYTES), pause)
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        # Left before the connection is seen to be closed, uvicorn would answer 500 for us.
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


async def _trickle(transport: asyncio.Transport, body: bytes, pause: Callable[[], float]) -> None:
    transport.write(_head(body))
    for byte in body:
        await asyncio.sleep(pause())
        if transport.is_closing():
            return
        transport.write(bytes([byte]))
    transport.close()


def _head(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )


def _transport(scope: Scope) -> asyncio.Transport | None:
    # Not asked for its class: uvloop's transports do what asyncio's do and descend from nothing.
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    return transport
