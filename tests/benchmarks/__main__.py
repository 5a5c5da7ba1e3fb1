"""`make bench`: prints a table of what things cost, each beside a baseline of the same moment.

Medians of several runs, and ratios rather than limits: a slow machine is slow for both sides. The
sandbox runs in a process of its own, so that its CPU is not counted as ours.
"""

from __future__ import annotations

import csv
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.sheets.csv_file import CsvSheet
from tests.fakes.sandbox_process import sandbox_process

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "run.py")]
KEY = "bench"


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
    lines = [*starts(), *reading(), *passes()]
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
    with tempfile.TemporaryDirectory() as folder, sandbox_process(KEY, task_seconds=0) as sandbox:
        config = make(Path(folder), 10, sandbox.url)
        run([*PROGRAM, "run", str(config), "--wait"])
        idle = median(lambda: run([*PROGRAM, "run", str(config)]), 7)
    yield Line("a pass over 10 rows with nothing to do", idle, bare, "python -c pass")


def reading() -> Iterator[Line]:
    """A CSV of 100,000 rows: as a grid, and with one cell changed."""
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


def passes() -> Iterator[Line]:
    """1,000 rows to the end: tasks of 2 s, an answer after 50 ms, 50 in the air."""
    least = 1000 / 50 * 0.05 + 2 + 0.05
    totals, cpus = [], []
    for _ in range(3):
        with (
            tempfile.TemporaryDirectory() as folder,
            sandbox_process(KEY, task_seconds=2, answer_seconds=0.05) as sandbox,
        ):
            config = make(Path(folder), 1000, sandbox.url, "poll_every = '500ms'")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            totals.append(run([*PROGRAM, "run", str(config), "--wait"]))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            taken = sandbox.state()["tasks_taken"]
            if taken != 1000:
                raise SystemExit(f"the API took {taken} tasks for 1,000 rows")
    yield Line("1,000 rows, from start to end", statistics.median(totals), least, "least possible")
    yield Line("CPU of one row", statistics.median(cpus), 0.0, "", "ms")


def make(folder: Path, rows: int, url: str, pace: str = "") -> Path:
    """A sheet and its configuration."""
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
        concurrency = 50
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
        command, env={**os.environ, "BENCH_KEY": KEY}, capture_output=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode() + done.stdout.decode())
    return time.perf_counter() - began


def median(measure: Callable[[], float], times: int) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(times))


if __name__ == "__main__":
    main()
