"""Addresses at which a request never gets as far as a server: each is a base URL for a while."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.fakes.raw_server import RawServer, answer, speaks_first


@asynccontextmanager
async def nobody_listens() -> AsyncIterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def nobody_accepts() -> AsyncIterator[str]:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@asynccontextmanager
async def nobody_has_that_name() -> AsyncIterator[str]:
    yield "http://api.apiframe.invalid"


@asynccontextmanager
async def nobody_speaks_tls() -> AsyncIterator[str]:
    async with RawServer(speaks_first(answer(400))) as server:
        yield f"https://127.0.0.1:{server.port}"
        assert server.read == 0
