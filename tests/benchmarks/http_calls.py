"""The cost of one request: our client, compared with a plain aiohttp loop.

    python -m tests.benchmarks.http_calls [REQUESTS]

The server runs in its own process, stores nothing, and answers after 50 ms. Two numbers are
measured: CPU milliseconds per request, and submissions per second with 50 in flight. Both are
medians of several rounds, and each round of ours is followed by one of the plain loop.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from pipeline.config.provider_files import read_provider
from pipeline.core.model import Request
from pipeline.provider.client import ApiClient
from pipeline.server import event_loop

ROOT = Path(__file__).parents[2]
REQUESTS, IN_FLIGHT, ROUNDS = 2_000, 50, 5
ANSWER_SECONDS = 0.05

Send = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rate:
    """The result of a round: CPU milliseconds per request, and requests per second."""

    cpu: float
    per_second: float


def measured(requests: int = REQUESTS) -> tuple[Rate, Rate]:
    """Medians of several rounds: ours, and those of the plain loop."""
    serve = [sys.executable, "-m", "tests.benchmarks.http_calls", "serve"]
    with subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            rounds = [event_loop.run(_round(url, requests)) for _ in range(ROUNDS)]
        finally:
            server.terminate()
    ours, bare = zip(*rounds, strict=True)
    return _median(ours), _median(bare)


async def _round(url: str, requests: int) -> tuple[Rate, Rate]:
    provider = read_provider("apiframe-v1", None, Path(), ROOT / "configs/providers")
    async with ApiClient(provider, "bench", base_url=url, concurrency=IN_FLIGHT) as api:

        async def submit(number: int) -> None:
            answer = await api.submit(Request("POST", "/imagine", _body(number)), 60.0)
            assert json.loads(answer.body)["task_id"]

        ours = await _timed(submit, requests)
    async with aiohttp.ClientSession(
        headers={"Authorization": "bench"}, connector=aiohttp.TCPConnector(limit=IN_FLIGHT)
    ) as session:

        async def post(number: int) -> None:
            async with session.post(f"{url}/imagine", json=_body(number)) as answer:
                assert (await answer.json())["task_id"]

        return ours, await _timed(post, requests)


def _body(number: int) -> dict[str, Any]:
    return {"prompt": f"a fox in the snow, number {number}"}


async def _timed(send: Send, requests: int) -> Rate:
    numbers = iter(range(requests))

    async def sender() -> None:
        for number in numbers:
            await send(number)

    await send(-1)  # what is made by the first request is not counted
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return Rate(cpu / requests * 1000, requests / seconds)


def _median(rates: tuple[Rate, ...]) -> Rate:
    return Rate(
        statistics.median(one.cpu for one in rates),
        statistics.median(one.per_second for one in rates),
    )


async def _serve() -> None:
    async def accept(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(ANSWER_SECONDS)
        return web.json_response({"task_id": "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"})

    app = web.Application()
    app.router.add_post("/imagine", accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Print both costs and both rates."""
    ours, bare = measured(*map(int, sys.argv[1:]))
    print(f"CPU of a request:     {ours.cpu:.2f} ms, the bare loop {bare.cpu:.2f} ms")
    print(f"submissions a second: {ours.per_second:,.0f}, the bare loop {bare.per_second:,.0f}")
    print(f"ratio:                {ours.per_second / bare.per_second:.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        event_loop.run(_serve())
    else:
        main()
