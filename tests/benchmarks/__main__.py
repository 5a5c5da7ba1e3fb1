"""`make bench`: print a table of costs, each compared with a baseline measured at the same time.

The numbers are medians of several runs, and ratios instead of limits: a slow machine is slow for
both sides. The sandbox runs in its own process, so that its CPU is not counted as ours.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow
from pipeline.sandbox import Sandbox
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sync.quick_check import digest
from tests.benchmarks import http_calls, intake
from tests.fakes.google_sheets import google_sheets
from tests.fakes.sandbox_process import sandbox_process
from tests.system.whole.google_office import office

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "run.py")]
KEY = "bench"
#: Requests at the same time, twice and a half the usual, so that the API is not the bound.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    ours: float
    baseline: float
    beside: str
    unit: str = "s"


def main() -> None:
    """Measure everything and print the table."""
    lines = [*starts(), *reading(), *idle(), *submissions(), *passes(), *called(), *google()]
    table = Table(title="What things cost (medians)")
    for column in ("what", "ours", "baseline", "ratio", "beside"):
        table.add_column(column, justify="left" if column in ("what", "beside") else "right")
    for line in lines:
        ratio = f"{line.ours / line.baseline:.2f}" if line.baseline else "–"
        table.add_row(
            line.what,
            f"{line.ours:.3f} {line.unit}",
            f"{line.baseline:.3f} {line.unit}",
            ratio,
            line.beside,
        )
    Console(width=120).print(table)


def starts() -> Iterator[Line]:
    """Whole processes: help, and a pass with nothing to do."""
    bare = median(lambda: run([sys.executable, "-c", "pass"]), 7)
    yield Line("--help", median(lambda: run([*PROGRAM, "--help"]), 7), bare, "python -c pass")
    asked = {"_PROMPTSHEET_COMPLETE": "complete_bash", "COMP_WORDS": "promptsheet run "}
    tab = ["env", *(f"{name}={value}" for name, value in asked.items()), "COMP_CWORD=2", *PROGRAM]
    yield Line("Tab after `promptsheet run`", median(lambda: run(tab), 7), bare, "python -c pass")
    with tempfile.TemporaryDirectory() as folder, sandbox_process(KEY, task_seconds=0) as sandbox:
        config = make(Path(folder), 10, sandbox.url)
        run([*PROGRAM, "run", str(config), "--wait"])
        idle = median(lambda: run([*PROGRAM, "run", str(config)]), 7)
    yield Line("a pass over 10 rows with nothing to do", idle, bare, "python -c pass")


def reading() -> Iterator[Line]:
    """A CSV of 100,000 rows: read as a grid, and patched in one cell."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["prompt", "a", "b", "c", "d", "e", "f", "g"])
            writer.writerows([f"row {n}, a fox", *"abcdefg"] for n in range(100_000))

        def bare() -> float:
            began = time.perf_counter()
            with path.open(newline="") as file:
                tuple(map(tuple, csv.reader(file)))
            return time.perf_counter() - began

        def ours() -> float:
            began = time.perf_counter()
            CsvSheet(path).read()
            return time.perf_counter() - began

        yield Line("read 100,000 rows", median(ours, 5), median(bare, 5), "csv.reader")


def idle() -> Iterator[Line]:
    """100,000 done rows: unchanged, sorted, and with one changed cell in the last row.

    The baseline is a loop of `csv.reader` over the same file plus a start of the program.
    """
    with tempfile.TemporaryDirectory() as place:
        config = make(Path(place), 0, "http://127.0.0.1:9")
        sheet = Path(place) / "rows.csv"
        run([sys.executable, "-m", "tests.benchmarks.big", str(config), "100000"])
        made = digest(sheet.read_bytes())
        first = process_cost([*PROGRAM, "run", str(config)])
        if digest(sheet.read_bytes()) != made:
            raise SystemExit("the big sheet was not made as a run leaves it")
        yield Line("100,000 rows, looked at for the first time", first.seconds, 0, "")
        for what, disturb, times in (
            ("as they were", lambda sheet: None, 5),
            ("one cell changed in the last", _change_the_last, 3),
            ("sorted", _sort, 3),
        ):
            bases, costs = [], []
            for _ in range(times):
                disturb(sheet)
                bases.append(run([*PROGRAM, "--help"]) + _bare_reading(sheet))
                costs.append(process_cost([*PROGRAM, "run", str(config)]))
            seconds = statistics.median(one.seconds for one in costs)
            yield Line(f"100,000 rows, {what}", seconds, statistics.median(bases), _BESIDE)
            peak = max(one.peak for one in costs)
            yield Line(f"100,000 rows, {what}: memory", peak, 0, "", "MB")


_BESIDE = "a start and a csv.reader loop"


def _sort(sheet: Path) -> None:
    with sheet.open(newline="") as file:
        header, *rows = csv.reader(file)
    with sheet.open("w", newline="") as file:
        csv.writer(file).writerows([header, *reversed(rows)])


def _change_the_last(sheet: Path) -> None:
    content = sheet.read_bytes()
    at = content.rindex(b"a fox") if b"a fox" in content[-2000:] else content.rindex(b"a hen")
    new = b"a hen" if content.startswith(b"a fox", at) else b"a fox"
    sheet.write_bytes(content[:at] + new + content[at + len(new) :])


def _bare_reading(path: Path) -> float:
    began = time.perf_counter()
    with path.open(newline="") as file:
        for _ in csv.reader(file):
            pass
    return time.perf_counter() - began


def passes() -> Iterator[Line]:
    """1,000 rows until all are done: tasks of 2 s, answers after 50 ms, 50 requests in flight."""
    least = 1000 / 50 * 0.05 + 2 + 0.05
    for what, spread in (("", 0.0), (", answers that vary", 0.5)):
        # All tasks take the same time, their maximum.
        slow = {"task_seconds": 4, "max_seconds": 2, "answer_seconds": 0.05}
        many = [_thousand(1000, **slow, answer_spread=spread) for _ in range(3)]
        whole = statistics.median(one.seconds for one in many)
        yield Line(f"1,000 rows of 2 s{what}: the whole process", whole, least, _LEAST)
        yield Line(f"1,000 rows of 2 s{what}: the same", whole, _bare(2), _KNOWING)
        inner = statistics.median(one.sending for one in many)
        yield Line(f"1,000 rows of 2 s{what}: first sent to last written", inner, least, _LEAST)
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, task_seconds=0) as sandbox:
        sheet = Path(place) / "rows.csv"
        make(Path(place), 1000, sandbox.url)
        script = [sys.executable, "-m", "tests.benchmarks.script", str(sheet), sandbox.url, KEY]
        theirs = _measured(script, sandbox)
    few = [_thousand(10, task_seconds=0) for _ in range(3)]
    many = [_thousand(1000, task_seconds=0) for _ in range(3)]
    ours = statistics.median(one.seconds for one in many)
    requests = statistics.median(one.requests for one in many)
    per_row = statistics.median(b.cpu - a.cpu for a, b in zip(few, many, strict=True)) / 990
    peak = max(one.peak for one in many)
    yield Line("1,000 rows, answered at once", ours, theirs.seconds, "the 40-line script")
    yield Line("requests a row", requests / 1000, theirs.requests / 1000, "the script", "")
    yield Line("CPU of one row", per_row * 1000, theirs.cpu, "the script, its start included", "ms")
    yield Line("memory at its peak", peak, theirs.peak, "the script", "MB")


def _bare(takes: float) -> float:
    """Seconds for the same work by a process that stores nothing and knows when to poll."""
    spent = []
    for _ in range(3):
        with sandbox_process(
            KEY, task_seconds=2 * takes, max_seconds=takes, answer_seconds=0.05
        ) as sandbox:
            spent.append(process_cost([*_bare_loop(sandbox), str(takes)]).seconds)
    return statistics.median(spent)


def _bare_loop(sandbox: Sandbox) -> list[str]:
    """The command that sends 1,000 rows and stores nothing."""
    where = sandbox.url, KEY, str(AT_ONCE)
    return [sys.executable, "-m", "tests.benchmarks.bare", "1000", *where]


_LEAST = "the least possible"
_KNOWING = "a bare loop that knows when to ask"


def called() -> Iterator[Line]:
    """2,000 webhook calls over 32 connections, each on disk before it is answered."""
    ours, bare = intake.measured()
    yield Line("calls of the API a second", ours.per_second, bare.per_second, _NOTHING, "")
    yield Line("95 of 100 are answered within", ours.p95, bare.p95, _NOTHING, "ms")


_NOTHING = "a bare route that keeps nothing"


def google() -> Iterator[Line]:
    """10,000 new rows of a Google Sheet, from the first sync to the one that writes all results.

    The cost of the sheet (requests, reading, finding rows, writing, verifying) is compared with the
    time that the fake Google takes to answer. Then whole syncs, with all decisions.
    """
    looks: dict[str, list[tuple[float, float]]] = {"first look": [], "all results written": []}
    looks["nothing new"] = []
    spent: list[tuple[float, float]] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder, google_sheets() as sheets:
            made = office(sheets, Path(folder), 10_000, seed=1, most=0, at_a_time=10**6)
            edge = SheetEdge(made.sync.sheet)
            made.sync.sheet = made.sync.ownership.sheet = edge
            for what, times in looks.items():
                began, theirs = time.process_time(), sheets.spent
                made.sync.look()
                theirs = sheets.spent - theirs
                times.append((time.process_time() - began - theirs, theirs))
                if what == "all results written":
                    spent.append((edge.ours, edge.theirs))
                made.answer_all()
            made.store.close()
    ours, theirs = (statistics.median(one) for one in zip(*spent, strict=True))
    yield Line("Google, 10,000 new rows: spent on the sheet", ours, theirs, _ANSWERING)
    for what, times in looks.items():
        ours, theirs = (statistics.median(one) for one in zip(*times, strict=True))
        yield Line(f"Google, 10,000 rows: {what}", ours, theirs, _ANSWERING)


_ANSWERING = "the stand-in for Google"


class SheetEdge:
    """A sheet that measures our CPU time and the seconds spent waiting for answers."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.key, self.title = sheet.key, sheet.title
        self.ours = self.theirs = 0.0

    @property
    def fingerprint(self) -> str:
        """As the sheet has it."""
        return self._sheet.fingerprint

    @property
    def left_out(self) -> str:
        """As the sheet has it."""
        return self._sheet.left_out

    @property
    def read_as(self) -> str:
        """As the sheet has it."""
        return self._sheet.read_as

    @property
    def delimiter(self) -> str:
        """As the sheet has it."""
        return self._sheet.delimiter

    @property
    def elsewhere(self) -> str:
        """As the sheet has it."""
        return self._sheet.elsewhere

    def read(self) -> Grid:
        """As the sheet does."""
        with self._counted(1):
            return self._sheet.read()

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """As the sheet does, without the time for deciding what to write."""

        def decided(grid: Grid) -> Patch:
            with self._counted(-1):
                return patch_for(grid)

        with self._counted(1):
            return self._sheet.write(decided)

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        """As the sheet does."""
        with self._counted(1):
            return self._sheet.append(rows_for)

    def objection(self, text: str) -> str:
        """As the sheet does."""
        return self._sheet.objection(text)

    def read_claim(self) -> Claim | None:
        """As the sheet does."""
        with self._counted(1):
            return self._sheet.read_claim()

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """As the sheet does."""
        with self._counted(1):
            return self._sheet.write_claim(claim, instead_of)

    @contextmanager
    def _counted(self, sign: int) -> Iterator[None]:
        cpu, wall = time.thread_time(), time.perf_counter()
        yield
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.ours += sign * cpu
        self.theirs += sign * (wall - cpu)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a process."""

    seconds: float
    cpu: float
    peak: float
    requests: int = 0
    #: Seconds from the first submission to the last write of the sheet.
    sending: float = 0.0


def _thousand(rows: int, **switches: Any) -> Cost:
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **switches) as sandbox:
        config = make(Path(place), rows, sandbox.url, "poll_every = '1s'")
        cost = _measured([*PROGRAM, "run", str(config), "--wait"], sandbox)
        with closing(sqlite3.connect(Path(place) / "promptsheet.db")) as store:
            (first,) = store.execute("select min(sent_at) / 1e6 from attempts").fetchone()
        cost = replace(cost, sending=(Path(place) / "rows.csv").stat().st_mtime - first)
        taken = sandbox.state()["tasks_taken"]
        if taken != rows:
            raise SystemExit(f"the API took {taken} tasks for {rows} rows")
        return cost


def _measured(command: list[str], sandbox: Sandbox) -> Cost:
    cost = process_cost(command)
    return replace(cost, requests=sum(sandbox.state()["requests"].values()))


def process_cost(command: Sequence[str], good: Sequence[int] = (0, 1)) -> Cost:
    """What a process cost, its start included. Ends the benchmark if its exit code is not good."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.cost", *command],
        cwd=ROOT,
        env={**os.environ, "BENCH_KEY": KEY},
        capture_output=True,
        check=True,
    )
    cost = json.loads(done.stdout)
    if cost.pop("code") not in good:
        raise SystemExit(f"{command} came to a bad end")
    return Cost(**cost)


def submissions() -> Iterator[Line]:
    """Submissions per second, with 50 in flight and 50 ms per answer."""
    with sandbox_process(KEY, task_seconds=60, answer_seconds=0.05) as sandbox:
        bare = _bare_loop(sandbox)
        done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=True)
    with (
        tempfile.TemporaryDirectory() as place,
        sandbox_process(KEY, task_seconds=60, answer_seconds=0.05) as sandbox,
    ):
        config = make(Path(place), 1000, sandbox.url, "poll_every = '10s'")
        run([*PROGRAM, "run", str(config)])
        with closing(sqlite3.connect(Path(place) / "promptsheet.db")) as store:
            # As in the plain loop: from the first request to the last answer.
            asked = "select (max(at) - min(at)) / 1e6, sum(kind = 'accepted') from events"
            span, count = store.execute(f"{asked} where kind in ('sent', 'accepted')").fetchone()
    yield Line("submissions a second", count / span, float(done.stdout), "a bare aiohttp loop", "")
    ours, theirs = http_calls.measured()
    yield Line("CPU of one request", ours.cpu, theirs.cpu, "a bare aiohttp loop", "ms")
    rates = ours.per_second, theirs.per_second
    yield Line("the client alone, submissions a second", *rates, "a bare aiohttp loop", "")


def make(folder: Path, rows: int, url: str, pace: str = "", at_once: int = AT_ONCE) -> Path:
    """A sheet and its configuration, with `at_once` requests at the same time."""
    text = io.StringIO()
    csv.writer(text).writerows([["prompt"], *([f"a fox, number {n}"] for n in range(rows))])
    (folder / "rows.csv").write_text(text.getvalue())
    config = folder / "bench.toml"
    config.write_text(
        f"""
        [sheet]
        source = "rows.csv"
        [provider]
        api_key = "env:BENCH_KEY"
        base_url = "{url}"
        [pace]
        concurrency = {at_once}
        in_flight = 10000
        per_minute = 0
        {pace}
        [budget]
        per_run = 1000000
        per_day = 1000000
        [media]
        save_to = ""
        """
    )
    return config


def run(command: list[str]) -> float:
    """Seconds that a whole process takes."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "BENCH_KEY": KEY}, capture_output=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode() + done.stdout.decode())
    return time.perf_counter() - began


def median(measure: Callable[[], float], times: int) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(times))


if __name__ == "__main__":
    main()
