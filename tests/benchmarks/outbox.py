"""Messages through the outbox to a receiver of signed pushes: how many a second, and the memory.

    python -m tests.benchmarks.outbox [MESSAGES]

The messages wait in the store, as a pass leaves them; the real program delivers them. The receiver
runs in its own process, stores nothing but ids, and measures from the first call to the last. A
bare aiohttp loop that stores nothing posts as many bodies to the same receiver.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from pipeline import wiring
from pipeline.config import load
from pipeline.core.model import State
from pipeline.open_sheet import open_sheet
from pipeline.outlets.push import AT_ONCE
from pipeline.server import event_loop
from pipeline.store.outbox_messages import Ended
from pipeline.store.outbox_messages import fill as fill_outbox
from pipeline.sync.outlet_entries import entries
from tests.benchmarks.big import NOW, fill

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "run.py")]
MESSAGES = 10_000
SECRET = "whsec_" + "c2VjcmV0IG9mIGJlbmNobWFya3MsIDI0IGJ5dGVzIGFuZCBtb3Jl"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the receiver saw, and what the program used."""

    per_second: float
    #: Milliseconds for each message, without those of a run that delivers nothing.
    cpu: float
    #: Megabytes, and those of a run that delivers nothing.
    peak: float
    idle: float


def measured(url: str, messages: int) -> Delivery:
    """The program delivers this number of messages, in as many runs as it needs."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = _waiting(folder, url, messages)
        asked(f"{url}/reset")
        used = [_run(config)]
        while (seen := asked(f"{url}/seen"))["ids"] < messages:
            used.append(_run(config))
        assert seen["calls"] == messages, seen
        idle = _run(config)
    cpu = sum(one.cpu - idle.cpu for one in used)
    peak = max(one.peak for one in used)
    return Delivery(messages / seen["seconds"], cpu / messages * 1000, peak, idle.peak)


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver in its own process, while it runs; it takes `/hook`."""
    serve = [sys.executable, "-m", "tests.benchmarks.outbox", "serve"]
    with subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@dataclass(frozen=True, slots=True)
class _Used:
    """CPU seconds and megabytes of one run."""

    cpu: float
    peak: float


def _run(config: Path) -> _Used:
    process = subprocess.Popen([*PROGRAM, "run", str(config)], cwd=config.parent)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return _Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _waiting(folder: Path, url: str, messages: int) -> Path:
    """A configuration whose outlet has not been told of this number of done rows."""
    config = folder / "promptsheet.toml"
    (folder / "url").write_text(f"{url}/hook")
    (folder / "secret").write_text(SECRET)
    (folder / "key").write_text("bench")
    config.write_text(
        '[sheet]\nsource = "rows.csv"\n[media]\nsave_to = ""\n'
        '[provider]\napi_key = "file:key"\nbase_url = "http://127.0.0.1:9"\n'
        '[[outlets]]\nkind = "push"\nurl = "file:url"\nsecret = "file:secret"\n'
        "allow_private = true\n"
    )
    fill(config, messages)
    _run(config)  # the first look at each row is no part of it; nothing waits yet
    settings = load(config)
    with wiring.open_store(settings) as store:
        key = open_sheet(settings, store).key
        store.outlets.configure(key, entries(settings), str(config))
        ids = [job.row_id for job in store.jobs.all(key)]
        with store._database.writing() as connection:
            # Jobs are numbered in the order of their insertion, and so is what is read of them.
            fill_outbox(
                connection,
                (
                    Ended(1, number, row_id, 1, State.SUCCEEDED, NOW)
                    for number, row_id in enumerate(ids, start=1)
                ),
            )
    return config


async def _bare(url: str, messages: int) -> float:
    """Posts a second of a bare loop."""
    body = json.dumps({"type": "row.done", "data": {"prompt": "a fox", "x": "y" * 500}}).encode()
    numbers = iter(range(messages))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def sender() -> None:
            for number in numbers:
                headers = {"webhook-id": f"bare-{number}", "content-type": "application/json"}
                async with session.post(f"{url}/hook", data=body, headers=headers) as answer:
                    assert answer.status == 204

        began = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return messages / (time.perf_counter() - began)


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


async def _serve() -> None:
    ids: set[str] = set()
    times = [0.0, 0.0]
    calls = 0

    async def hook(request: web.Request) -> web.Response:
        nonlocal calls
        await request.read()
        times[1] = time.perf_counter()
        times[0] = times[0] or times[1]
        calls += 1
        ids.add(request.headers["webhook-id"])
        return web.Response(status=204)

    async def seen(request: web.Request) -> web.Response:
        seconds = times[1] - times[0]
        return web.json_response({"ids": len(ids), "calls": calls, "seconds": seconds})

    async def reset(request: web.Request) -> web.Response:
        nonlocal calls
        ids.clear()
        times[:], calls = [0.0, 0.0], 0
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/hook", hook)
    app.router.add_get("/seen", seen)
    app.router.add_get("/reset", reset)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Print rate, CPU and memory, for a tenth of the messages and for all."""
    messages = int(sys.argv[1]) if sys.argv[1:] else MESSAGES
    with receiver() as url:
        few, all_of_them = measured(url, messages // 10), measured(url, messages)
        bare = event_loop.run(_bare(url, messages))
    print(f"messages a second: {all_of_them.per_second:,.0f}, the bare loop {bare:,.0f}")
    print(f"CPU of a message:  {all_of_them.cpu:.2f} ms")
    for number, one in ((messages // 10, few), (messages, all_of_them)):
        print(f"memory, {number:,} messages: {one.peak:.0f} MB, without any {one.idle:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        event_loop.run(_serve())
    else:
        main()
