"""Addresses at which a request never reaches a server; each is a base URL."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.fakes.raw_server import RawServer, answer, speaks_first


@asynccontextmanager
async def no_listener() -> AsyncIterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def no_accept() -> AsyncIterator[str]:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@asynccontextmanager
async def unknown_host() -> AsyncIterator[str]:
    yield "http://api.apiframe.invalid"


@asynccontextmanager
async def no_tls() -> AsyncIterator[str]:
    async with RawServer(speaks_first(answer(400))) as server:
        yield f"https://127.0.0.1:{server.port}"
        assert server.read == 0
