"""Rows a second with a store on a PostgreSQL server, compared with a loop that stores nothing.

    python -m tests.benchmarks.postgresql [ROWS [ROUNDS [AT_ONCE]]]

Each round runs whole processes one after the other: one sheet with the store on PostgreSQL, the
same with SQLite, a bare aiohttp loop, and two sheets at once in two processes with one store on
PostgreSQL. AT_ONCE is how many requests are under way at the same time: `concurrency`, which is 20
unless a configuration says otherwise. The stand-in for the API takes 50 ms for an answer, and the
same for a task. Processes, server and stand-in share the cores of this machine; so two processes
are measured again with an API that takes ten times as long, where the cores are not the bound.

Ends with an error unless the API took each row once.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.__main__ import make
from tests.fakes.nursery import ROOT
from tests.fakes.postgresql import PostgresqlServer, own_server
from tests.fakes.program import KEY
from tests.fakes.sandbox_process import sandbox_process

PROGRAM = [sys.executable, "run.py"]
#: Seconds that the API takes for an answer, and for a task.
QUICK, SLOW = 0.05, 0.5


class Way(NamedTuple):
    """One way to send rows."""

    title: str
    takes: float
    #: How many sheets at once, each in a process of its own; 0: the bare loop.
    sheets: int = 1
    on_server: bool = True


ONE = Way("one process", QUICK)
BARE = Way("a bare aiohttp loop", QUICK, 0)
SLOWLY = Way("one process, a slow API", SLOW)
WAYS = (
    *(ONE, Way("one process, SQLite", QUICK, on_server=False), BARE),
    *(Way("two processes", QUICK, 2), SLOWLY, Way("two processes, a slow API", SLOW, 2)),
)


def main(rows: int, rounds: int, at_once: int) -> None:
    """Measure all ways in turn, and print the medians."""
    rates: dict[Way, list[float]] = {way: [] for way in WAYS}
    with own_server(safe=True) as server:
        for number in range(rounds):
            for way, found in rates.items():
                # So that both take about the same time.
                its = rows if way.takes == QUICK else rows // 5
                found.append(_rate(way, its, at_once, server, f"store_{number}"))
    medians = {way: statistics.median(found) for way, found in rates.items()}
    table = Table(title=f"{rows} rows a sheet, {at_once} at once, medians of {rounds}")
    for column in ("way", "rows a second", "compared"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way, rate in medians.items():
        base = SLOWLY if way.takes == SLOW else ONE if way.sheets == 2 else BARE
        ratio = rate / medians[base]
        table.add_row(way.title, f"{rate:.0f}", f"{ratio:.2f} of {base.title}")
    Console(width=100).print(table)


def _rate(way: Way, rows: int, at_once: int, server: PostgresqlServer, database: str) -> float:
    """Rows a second, from the start of the processes to the end of the last one."""
    environ = {**os.environ, "BENCH_KEY": KEY, "STORE": server.make_database(database)}
    api = sandbox_process(
        KEY, task_seconds=2 * way.takes, max_seconds=way.takes, answer_seconds=way.takes
    )
    with tempfile.TemporaryDirectory() as place, api as sandbox:
        commands = [
            _command(Path(place), n, way, rows, at_once, sandbox.url) for n in range(way.sheets)
        ]
        if not way.sheets:
            numbers = str(at_once), str(way.takes)
            bare = ["-m", "tests.benchmarks.bare", str(rows), sandbox.url, KEY, *numbers]
            commands.append([sys.executable, *bare])
        began = time.perf_counter()
        _run(commands, environ)
        seconds = time.perf_counter() - began
        taken, wanted = sandbox.state()["tasks_taken"], rows * len(commands)
        if taken != wanted:
            raise SystemExit(f"{way.title}: the API took {taken} tasks for {wanted} rows")
    return wanted / seconds


def _command(place: Path, number: int, way: Way, rows: int, at_once: int, url: str) -> list[str]:
    folder = place / str(number)
    folder.mkdir()
    config = make(folder, rows, url, at_once=at_once)
    if way.on_server:
        with config.open("a") as file:
            file.write('[store]\nurl = "env:STORE"\n')
    return [*PROGRAM, "run", str(config), "--wait"]


def _run(commands: Sequence[list[str]], environ: dict[str, str]) -> None:
    quiet = subprocess.DEVNULL
    running = [subprocess.Popen(one, cwd=ROOT, env=environ, stdout=quiet) for one in commands]
    codes = [one.wait() for one in running]
    if any(codes):
        raise SystemExit(f"{commands} came to a bad end")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [5000, 3, 20][len(given) :]))
