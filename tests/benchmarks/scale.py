"""`make bench-scale`: how costs grow with the sheets and with the finished jobs.

Prints a table for passes over more and more sheets, and then, for each database, a table for each
command beside more and more finished jobs. Statements are counted in SQLite itself, by its trace;
those of PostgreSQL by its driver.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from rich.console import Console
from rich.table import Table
from sqlalchemy.pool import Pool

from pipeline.store import Store
from tests.benchmarks.__main__ import KEY, ROOT, make
from tests.benchmarks.big import fill
from tests.benchmarks.finished import add_finished
from tests.fakes.postgresql import own_server
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.statements import hear_statements

#: A pass over so many sheets of 1,000 rows, of which ten are new.
SHEETS, ROWS, NEW = (1, 10, 100), 1_000, 10
#: The variable with the file for the number of statements, in the measured process.
COUNT = "BENCH_STATEMENTS"
#: The same for the plans of the statements, if they are wanted.
PLANS = "BENCH_PLANS"
SIZES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, CPU seconds, peak memory in MB, and statements of one start of the program."""

    seconds: float
    cpu: float
    peak: float
    statements: int


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=SIZES[-1], help="of the largest store")
    parser.add_argument("--plans", action="store_true", help="print the plan of each statement")
    parser.add_argument("--only-jobs", action="store_true", help="leave out the first table")
    given = parser.parse_args()
    console = Console(width=120)
    with sandbox_process(KEY, task_seconds=0) as sandbox:
        if not given.only_jobs:
            title = f"A pass over sheets of {ROWS:,} rows, {NEW} of them new"
            console.print(table(title, "sheets", over_sheets(sandbox.url)))
        sizes = [size for size in SIZES if size <= given.jobs]
        with tempfile.TemporaryDirectory() as place:
            file = f"sqlite:///{place}/store.db"
            beside_jobs(console, "SQLite", file, sandbox.url, sizes, plans=given.plans)
        with own_server() as server:
            beside_jobs(console, "PostgreSQL", server.url(), sandbox.url, sizes, plans=given.plans)


def beside_jobs(
    console: Console, name: str, store: str, url: str, sizes: Sequence[int], *, plans: bool
) -> None:
    """Print what commands for a small sheet cost beside so many finished jobs of other sheets."""
    columns: dict[str, list[tuple[int, Cost]]] = {what: [] for what in COMMANDS}
    before = 0
    with tempfile.TemporaryDirectory() as folder:
        config = _configured(Path(folder), "small", url, store)
        sheet = config.with_suffix(".csv")
        sheet.write_text("prompt\n")
        _add_new(sheet)
        run([config], store)
        for size in sizes:
            with Store(store) as opened:
                add_finished(opened, before, size)
            before = size
            _add_new(sheet)
            shown = Path(folder) / "plans" if plans and size == sizes[-1] else None
            for what, words in COMMANDS.items():
                columns[what].append((size, run([config], store, words, shown)))
            if shown:
                console.print(f"The plans of all statements in {name}:", style="bold")
                console.print(shown.read_text(), markup=False, highlight=False)
    for what, lines in columns.items():
        title = f"{name}: {what}, beside the finished jobs of other sheets"
        console.print(table(title, "finished jobs", iter(lines)))


#: What is measured, and the words of the command.
COMMANDS = {
    f"a pass with {NEW} new rows": ("run", "--wait"),
    "a pass with nothing to do": ("run", "--wait"),
    "status": ("status",),
    "receipt": ("receipt",),
}


def table(title: str, what: str, lines: Iterator[tuple[int, Cost]]) -> Table:
    """The costs as a table, each beside that of the first line."""
    made = Table(title=title)
    for column in (what, "seconds", "CPU s", "times", "peak MB", "statements", "times"):
        made.add_column(column, justify="right")
    first: Cost | None = None
    for size, cost in lines:
        first = first or cost
        made.add_row(
            f"{size:,}",
            f"{cost.seconds:.2f}",
            f"{cost.cpu:.2f}",
            f"{cost.cpu / first.cpu:.1f}",
            f"{cost.peak:.0f}",
            f"{cost.statements:,}",
            f"{cost.statements / first.statements:.1f}" if first.statements else "–",
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


def run(
    configs: Sequence[Path],
    store: str = "",
    command: Sequence[str] = ("run", "--wait"),
    plans: Path | None = None,
) -> Cost:
    """The cost of a command for these configurations; their store is at the address `store`."""
    with tempfile.NamedTemporaryFile() as file:
        words = [sys.executable, "-m", "tests.benchmarks.scale", *command]
        more = {PLANS: str(plans)} if plans else {}
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.cost", *words, *map(str, configs)],
            cwd=ROOT,
            env={**os.environ, "BENCH_KEY": KEY, "BENCH_STORE": store, COUNT: file.name, **more},
            capture_output=True,
            check=True,
        )
        cost = json.loads(done.stdout)
        if cost["code"] not in (0, 1):
            raise SystemExit(f"{command[0]} ended with {cost['code']}")
        statements = int(Path(file.name).read_text())
        return Cost(cost["seconds"], cost["cpu"], cost["peak"], statements)


def counted(file: str, plans: str) -> None:
    """Run the command line in this process, and write the number of statements into a file.

    Their plans are added to the file `plans`, if there is a name for it.
    """
    from pipeline.cli.start import main as program

    statements = 0
    shown: dict[str, str] = {}

    def heard(statement: str, plan: Callable[[], str]) -> None:
        nonlocal statements
        statements += 1
        if plans and statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            shown[statement] = plan()

    hear_statements(Pool, heard)
    try:
        program()
    finally:
        Path(file).write_text(str(statements))
        if plans:
            with Path(plans).open("a") as out:
                each = shown.items()
                out.writelines(f"{one}\n{indent(plan, '    ')}\n" for one, plan in each)


def _configured(folder: Path, name: str, url: str, store: str = "") -> Path:
    its = folder / name
    its.mkdir()
    config = make(its, 0, url, "poll_every = '1s'\nwrite_every = '5s'")
    address = "env:BENCH_STORE" if store else f"sqlite:///{folder}/store.db"
    config.write_text(config.read_text() + f'[store]\nurl = "{address}"\n')
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
        counted(os.environ[COUNT], os.environ.get(PLANS, ""))
    else:
        main()
