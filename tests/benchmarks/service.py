"""The cost of webhooks compared with polling: requests, seconds, and a thousand calls at once.

    python -m tests.benchmarks.service [ROWS]

Each number is compared with another from the same machine and time: polling alone with webhooks,
and a thousand calls with a receiver that only answers.
"""

from __future__ import annotations

import asyncio
import csv
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from rich.console import Console
from rich.table import Table

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Program, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import free_port, service
from tests.fakes.team import Team

#: The intervals of writing and polling in seconds, as in the configurations.
WRITE, ASK = 1.0, 5.0
PACE: dict[str, Any] = {
    "write_every": f"{WRITE:g}s",
    "poll_every": f"{ASK:g}s",
    "concurrency": 50,
    "in_flight": 10_000,
}


def main(rows: int) -> None:
    """Measure all of it and print two tables."""
    ways = Table(title=f"{rows} rows, tasks of 6 to 14 s; written every {WRITE:g} s")
    for column in ("", "requests for 1,000 rows", "end to cells: median", "95 %", "done"):
        ways.add_column(column, justify="right" if column else "left")
    for name, called, asks, lost in (
        ("asking alone", False, f"{ASK:g}s", 0.0),
        ("called back alone", True, "1h", 0.0),
        ("both", True, f"{ASK:g}s", 0.0),
        ("both, 30 % of the calls lost", True, f"{ASK:g}s", 0.3),
    ):
        ways.add_row(name, *_way(rows, called, asks, lost))
    Console(width=120).print(ways)
    _at_once(rows)


def _way(rows: int, called: bool, asks: str, lost: float) -> Iterator[str]:
    port = free_port()
    switches: dict[str, Any] = {"task_seconds": 10, "webhook_drop": lost, "webhook_progress": 1}
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **switches) as sandbox:
        team = _team(place, sandbox, rows)
        config = service(team, hooks=port if called else 0, **{**PACE, "poll_every": asks})
        with Program("watch", config) as program:
            shown = _cells(team, rows, program)
        state = sandbox.state(ends=True)
        waits = [shown[task] - ends for task, ends in state["ends"].items()]
        yield f"{1000 * sum(state['requests'].values()) / rows:.0f}"
        yield f"{statistics.median(waits):.2f} s"
        yield f"{statistics.quantiles(waits, n=20)[-1]:.2f} s"
        yield f"{team.statuses()['done']}"


def _at_once(rows: int) -> None:
    """Tasks that all end at the same moment: seconds until all calls are answered and all cells are
    right.

    The least possible is the time of a receiver that only answers plus one wait for the next sync.
    """
    bare = statistics.median(_answered_by_bare(rows) for _ in range(3))
    port, wait = free_port(), 20 + rows / 50
    switches: dict[str, Any] = {"together_at": wait, "webhook_progress": 0}
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **switches) as sandbox:
        team = _team(place, sandbox, rows)
        config = service(team, hooks=port, **{**PACE, "poll_every": "1h"})
        with Program("watch", config) as program:
            program.until(lambda: sandbox.state()["tasks_taken"] == rows, "all are sent")
            state = sandbox.state(ends=True)
            ends = max(state["ends"].values())
            assert state["now"] < ends, "sending took longer than the tasks"
            shown: dict[str, float] = {}
            thread = threading.Thread(
                target=lambda: shown.update(_cells(team, rows, program)), daemon=True
            )
            thread.start()
            until(lambda: sandbox.state()["webhooks"].get("accepted") == rows, "all answered", 300)
            answered = time.monotonic() - ends
            thread.join()
        ours = max(shown.values()) - ends
    Console(width=120).print(
        f"{rows} tasks that end at once: calls answered after {answered:.2f} s "
        f"({answered / bare:.2f} times a receiver that only answers, {bare:.2f} s); in their cells "
        f"after {ours:.2f} s ({ours / (bare + WRITE):.2f} times the least possible, "
        f"{bare + WRITE:.2f} s)"
    )


def _answered_by_bare(rows: int) -> float:
    """Seconds from the end of the tasks until a bare receiver has answered all calls."""
    switches: dict[str, Any] = {"together_at": 5 + rows / 150, "webhook_progress": 0}
    with sandbox_process(KEY, **switches) as sandbox, _bare() as address:
        asyncio.run(_submitted(sandbox, rows, address))
        ends: float = max(sandbox.state(ends=True)["ends"].values())
        until(lambda: sandbox.state()["webhooks"].get("accepted") == rows, "all answered", 300)
        return time.monotonic() - ends


async def _submitted(sandbox: Sandbox, rows: int, address: str) -> None:
    async with ClientSession(headers={"Authorization": KEY}, trust_env=False) as session:
        slots = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            said = {"prompt": f"row {number}", "webhook_url": f"{address}/hooks/{number}"}
            async with slots, session.post(f"{sandbox.url}/imagine", json=said) as answer:
                await answer.read()

        await asyncio.gather(*map(one, range(rows)))


@contextmanager
def _bare() -> Iterator[str]:
    """A receiver that only answers."""
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    address = ""

    async def serve() -> None:
        nonlocal address

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        app = web.Application()
        app.router.add_post("/hooks/{token}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    def live() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=live)
    thread.start()
    started.wait(10)
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _team(place: str, sandbox: Sandbox, rows: int) -> Team:
    team = Team(Path(place), sandbox.url)
    team.write_prompts([f"a heron, number {n}" for n in range(rows)])
    return team


def _cells(team: Team, rows: int, program: Program) -> dict[str, float]:
    """By task, the time when its cells in the file said `done`."""
    shown: dict[str, float] = {}
    pause, seen = threading.Event(), 0
    while len(shown) < rows:
        assert not program.is_over, program.end()
        written = team.sheet.stat().st_mtime_ns
        if written == seen:
            pause.wait(0.02)
            continue
        # The modification time of the file, converted from CLOCK_REALTIME to CLOCK_MONOTONIC.
        at = time.monotonic() - (time.time() - written / 1e9)
        with team.sheet.open(newline="") as file:
            for row in csv.DictReader(file):
                if row.get("status") == "done":
                    shown.setdefault(row["task_id"], at)
        seen = written
    return shown


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
