"""What a notebook costs that reads a store with very many jobs, compared with `pandas.read_sql`.

    python -m tests.benchmarks.notebook [--most N] [--rounds N] [--keep FOLDER] [--postgresql]

Each line is a process of its own, with its start and its imports; of several rounds the median
counts. `read_sql` gives the columns of the store that the table of jobs is made of, as they are
kept: without the sheet, with JSON for results and inputs, and numbers for times. A store with a
million jobs takes some minutes to make; with `--keep` it is made once, in that folder. With
`--postgresql` the stores are on a server of this machine, whose own CPU seconds are not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.__main__ import KEY, ROOT, make, process_cost
from tests.fakes.postgresql import own_server

SIZES = (100_000, 1_000_000)
#: So many rows are still in the short sheet.
SHORT = 10_000
#: What is measured -> the part, and whether the sheet has only some of the rows.
LINES = {
    "jobs(), all rows in the sheet": ("jobs", False),
    f"jobs(), {SHORT:,} rows in the sheet": ("jobs", True),
    "events()": ("events", True),
    "pandas.read_sql": ("read_sql", True),
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="of the largest store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where the stores are made, and stay")
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    table = Table(title=f"Medians of {given.rounds}")
    for column in ("jobs", "what", "seconds", "CPU s", "peak MB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    with (
        tempfile.TemporaryDirectory() as place,
        own_server() if given.postgresql else nullcontext() as server,
    ):
        # A server is new each time, so there is nothing to keep.
        kept = Path(place) if server or not given.keep else given.keep
        for size in (size for size in SIZES if size <= given.most):
            if server:
                os.environ["BENCH_STORE"] = server.make_database(f"jobs_{size}")
            for line in measured(kept, size, given.rounds):
                table.add_row(*line)
    Console(width=100).print(table)


def measured(place: Path, size: int, rounds: int) -> Iterator[tuple[str, ...]]:
    """The lines of the table for a store of this size."""
    whole, short = _configured(place / str(size), size)
    found: dict[str, list[tuple[float, ...]]] = {what: [] for what in LINES}
    for _ in range(rounds):
        for what, (part, is_short) in LINES.items():
            found[what].append(_cost(part, short if is_short else whole, size))
    for what, costs in found.items():
        seconds, cpu, peak = (statistics.median(one) for one in zip(*costs, strict=True))
        yield f"{size:,}", what, f"{seconds:.1f}", f"{cpu:.1f}", f"{peak:,.0f}"


def _configured(folder: Path, size: int) -> tuple[Path, Path]:
    """Two configurations with one store: one's sheet has all rows, the other's only the last."""
    config, sheet, short = (folder / name for name in ("bench.toml", "rows.csv", "short.csv"))
    if not config.exists():
        folder.mkdir(parents=True)
        make(folder, 0, "http://127.0.0.1:9")
        if "BENCH_STORE" in os.environ:
            config.write_text(f'{config.read_text()}\n[store]\nurl = "env:BENCH_STORE"\n')
        command = [sys.executable, "-m", "tests.benchmarks.big", str(config), str(size)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "BENCH_KEY": KEY}, check=True)
    with sheet.open("rb") as file:
        # Each row has four lines: each of its addresses ends one, the last one with the note.
        lines = file.readlines()
    short.write_bytes(lines[0] + b"".join(lines[-4 * SHORT :]))
    text = config.read_text().replace('"rows.csv"', f'"short.csv"\nid = "{sheet.resolve()}"')
    (folder / "short.toml").write_text(text)
    return config, folder / "short.toml"


def _cost(part: str, config: Path, size: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory in MB of a process that reads one part."""
    words = ["-m", "tests.benchmarks.notebook_reading", part, str(config), str(size)]
    cost = process_cost([sys.executable, *words], good=(0,))
    return cost.seconds, cost.cpu, cost.peak


if __name__ == "__main__":
    main()
