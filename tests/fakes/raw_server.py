"""A misbehaving server, which counts the requests that it read.

It uses plain sockets: each connection follows a script, which reads requests and sends, closes or
resets. `read` counts the requests that were read to their last byte, after which an API can accept
a task and charge for it. The number does not depend on the code under test.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Self


class Peer:
    """The server's end of one connection."""

    def __init__(
        self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer

    async def request(self) -> bytes:
        """The next complete request, head and body; it is counted."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        if re.search(rb"(?i)\r\nexpect: *100-continue", head):
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        self._server.requests.append(head + body)
        await self._server.changed()
        return head + body

    async def send(self, text: bytes) -> None:
        self._writer.write(text)
        await self._writer.drain()

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        wire: socket.socket = self._writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    def drop(self) -> None:
        """Close without sending the rest."""
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Close, and wait until the other side knows."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Listens on a free loopback port; connection number n follows script n, or the last one."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = scripts
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = 0
        self._seen: asyncio.Condition = asyncio.Condition()
        self._peers: list[Peer] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def read(self) -> int:
        """The number of requests that were read to the end."""
        return len(self.requests)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def has(self, wanted: Callable[[RawServer], bool]) -> None:
        """Wait until `wanted` is true for this server."""
        async with self._seen:
            await self._seen.wait_for(lambda: wanted(self))

    async def changed(self) -> None:
        async with self._seen:
            self._seen.notify_all()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._met, "127.0.0.1", 0, backlog=256, ssl=self.tls
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await a_few_turns()  # for connections that are just being accepted
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self._peers:
            peer.drop()
        await a_few_turns()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        peer = Peer(self, reader, writer)
        self._peers.append(peer)
        self._tasks.append(asyncio.ensure_future(self._follow(script, peer)))

    async def _follow(self, script: Script, peer: Peer) -> None:
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the other side has closed the connection, which is allowed
        finally:
            await peer.closed()
            self.ended += 1
            await self.changed()


async def a_few_turns() -> None:
    """Let the loop run what is due: both ends of a loopback connection are in it."""
    for _ in range(5):
        await asyncio.sleep(0)


def answer(status: int, body: object = b"", **headers: str) -> bytes:
    """The bytes of an answer; a body that is not bytes is written as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return head(status, {"Content-Length": str(len(text)), **named}) + text


def head(status: int, headers: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


def answers(*texts: bytes) -> Script:
    """Answer the first request with the first text and so on, the last one for ever."""

    async def script(peer: Peer) -> None:
        for number in range(10_000):
            await peer.request()
            await peer.send(texts[min(number, len(texts) - 1)])

    return script


def answers_then(ending: Script, *texts: bytes) -> Script:
    """Answer a request with each text, then go on with another script on the same connection."""

    async def script(peer: Peer) -> None:
        for text in texts:
            await peer.request()
            await peer.send(text)
        await ending(peer)

    return script


def speaks_first(text: bytes) -> Script:
    """Send the text before any request, like a server that cannot read what it receives."""

    async def script(peer: Peer) -> None:
        await peer.send(text)
        peer.close()

    return script


async def closes_at_once(peer: Peer) -> None:
    peer.close()


async def closes_after_reading(peer: Peer) -> None:
    await peer.request()
    peer.close()


async def resets_after_reading(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def keeps_silent(peer: Peer) -> None:
    await peer.request()
    await asyncio.Event().wait()


def half(text: bytes, *, reset: bool) -> Script:
    """Read the request, send all of the text but its last ten bytes, then end."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(text[:-10])
        if reset:
            peer.reset()

    return script


def trickles(text: bytes, every: float) -> Script:
    """Read the request, send all but the last ten bytes of the text, then those very slowly."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(text[:-10])
        for place in range(len(text) - 10, len(text)):
            await asyncio.sleep(every)
            await peer.send(text[place : place + 1])

    return script
