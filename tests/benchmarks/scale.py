"""`make bench-scale`: how the cost of a pass grows with the sheets and with the finished jobs.

Prints two tables. `--jobs` is how many finished jobs the largest store has. Statements are counted
in SQLite itself, by its trace.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.benchmarks.__main__ import KEY, ROOT, make
from tests.benchmarks.big import fill
from tests.fakes.sandbox_process import sandbox_process

#: A pass over so many sheets of 1,000 rows, of which ten are new.
SHEETS, ROWS, NEW = (1, 10, 100), 1_000, 10
#: The variable with the file for the number of statements, in the measured process.
COUNT = "BENCH_STATEMENTS"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, peak memory in MB, and statements of one start of the program."""

    cpu: float
    peak: float
    statements: int


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    most = parser.parse_args().jobs
    console = Console()
    with sandbox_process(KEY, task_seconds=0) as sandbox:
        console.print(
            table(
                f"A pass over sheets of {ROWS:,} rows, {NEW} of them new",
                "sheets",
                over_sheets(sandbox.url),
            )
        )
        sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= most]
        console.print(
            table(
                f"{NEW} new rows in a sheet of {NEW}, beside another sheet's finished jobs",
                "finished jobs",
                beside_jobs(sandbox.url, sizes),
            )
        )


def table(title: str, what: str, lines: Iterator[tuple[int, Cost]]) -> Table:
    """The costs as a table, each beside that of the first line."""
    made = Table(title=title)
    for column in (what, "CPU s", "times", "peak MB", "statements", "times"):
        made.add_column(column, justify="right")
    first: Cost | None = None
    for size, cost in lines:
        first = first or cost
        made.add_row(
            f"{size:,}",
            f"{cost.cpu:.2f}",
            f"{cost.cpu / first.cpu:.1f}",
            f"{cost.peak:.0f}",
            f"{cost.statements:,}",
            f"{cost.statements / first.statements:.1f}",
        )
    return made


def over_sheets(url: str) -> Iterator[tuple[int, Cost]]:
    """Number of sheets -> the cost of one pass over all of them."""
    for count in SHEETS:
        with tempfile.TemporaryDirectory() as place:
            configs = [_configured(Path(place), f"s{number}", url) for number in range(count)]
            sheets = [fill(config, ROWS - NEW) for config in configs]
            run(configs)  # the first look at finished rows is not what is measured
            for sheet in sheets:
                _add_new(sheet)
            yield count, run(configs)


def beside_jobs(url: str, sizes: Sequence[int]) -> Iterator[tuple[int, Cost]]:
    """Number of finished jobs of one sheet -> the cost of a pass over another one."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            fill(_configured(Path(place), "big", url), size)
            small = _configured(Path(place), "small", url)
            sheet = small.with_suffix(".csv")
            sheet.write_text("prompt\n")
            _add_new(sheet)
            yield size, run([small])


def run(configs: Sequence[Path]) -> Cost:
    """The cost of `run --wait` over these configurations."""
    with tempfile.NamedTemporaryFile() as file:
        words = [sys.executable, "-m", "tests.benchmarks.scale", "run", "--wait"]
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.cost", *words, *map(str, configs)],
            cwd=ROOT,
            env={**os.environ, "BENCH_KEY": KEY, COUNT: file.name},
            capture_output=True,
            check=True,
        )
        cost = json.loads(done.stdout)
        if cost["code"] not in (0, 1):
            raise SystemExit(f"a run ended with {cost['code']}")
        return Cost(cost["cpu"], cost["peak"], int(Path(file.name).read_text()))


def counted(file: str) -> None:
    """Run the command line in this process, and write the number of statements into a file."""
    from pipeline.cli.commands import main as program

    statements = 0

    def count(statement: str) -> None:
        nonlocal statements
        statements += 1

    def connected(connection: Any, entry: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(count)

    event.listen(Pool, "connect", connected)
    try:
        program()
    finally:
        Path(file).write_text(str(statements))


def _configured(folder: Path, name: str, url: str) -> Path:
    its = folder / name
    its.mkdir()
    config = make(its, 0, url, "poll_every = '1s'\nwrite_every = '5s'")
    config.write_text(config.read_text() + f'[store]\nurl = "sqlite:///{folder}/store.db"\n')
    named = its / f"{name}.toml"
    named.write_text(config.read_text().replace("rows.csv", f"{name}.csv"))
    return named


def _add_new(sheet: Path) -> None:
    width = len(sheet.read_text("utf-8").split("\n", 1)[0].split(","))
    with sheet.open("a", newline="", encoding="utf-8") as file:
        rows = ([f"a new fox, number {n} of {sheet.stem}"] for n in range(NEW))
        csv.writer(file).writerows([*row, *[""] * (width - 1)] for row in rows)


if __name__ == "__main__":
    if COUNT in os.environ:
        counted(os.environ[COUNT])
    else:
        main()
