"""A pass with outlets, compared with one without: seconds and CPU of the whole process.

    python -m tests.benchmarks.outlets [ROWS] [ROUNDS]

The tasks take 2 s. The outlets are signed pushes to a receiver on this machine, an SQL table in a
file, and both. The forms run in turns, each with a new folder and a new stand-in for the API.
"""

from __future__ import annotations

import resource
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.outbox import SECRET, asked, receiver
from tests.fakes.program import KEY
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

TABLE = "create table results (row_id text primary key, prompt text, status text, image_urls text)"
PUSH = """
[[outlets]]
kind = "push"
url = "file:hook"
secret = "file:secret"
allow_private = true
"""
SQL = """
[[outlets]]
kind = "sql"
url = "file:database"
table = "results"
"""
FORMS = {"without outlets": "", "a push": PUSH, "an SQL table": SQL, "both": PUSH + SQL}


class Cost(NamedTuple):
    """Seconds and seconds of CPU of one run."""

    seconds: float
    cpu: float


def main(rows: int, rounds: int) -> None:
    """Print the medians of each form, and their ratios to those without outlets."""
    costs: dict[str, list[Cost]] = {form: [] for form in FORMS}
    with receiver() as url:
        for _ in range(rounds):
            for form, tables in FORMS.items():
                costs[form].append(_measured(url, tables, rows))
    medians = {form: Cost(*map(median, zip(*its, strict=True))) for form, its in costs.items()}
    least = medians["without outlets"]
    table = Table(title=f"{rows} rows with outlets, medians of {rounds} rounds")
    for column in ("form", "seconds", "ratio", "CPU", "its ratio"):
        table.add_column(column, justify="left" if column == "form" else "right")
    for form, (seconds, cpu) in medians.items():
        ratios = f"{seconds / least.seconds:.3f}", f"{cpu / least.cpu:.2f}"
        table.add_row(form, f"{seconds:.2f}", ratios[0], f"{cpu:.2f}", ratios[1])
    Console(width=100).print(table)


def _measured(receiver_url: str, tables: str, rows: int) -> Cost:
    """Run the program with these outlets until all rows are done; each outlet gets all rows."""
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, task_seconds=2) as sandbox:
        team = Team(Path(place), sandbox.url)
        team.write("prompt", *(f"a fox number {number}" for number in range(rows)))
        config = team.configured(name="promptsheet", tables={"pace": {"in_flight": rows}})
        with config.open("a") as text:
            text.write(f"\n{tables}")
        results = team.folder / "results.db"
        (team.folder / "hook").write_text(f"{receiver_url}/hook")
        (team.folder / "secret").write_text(SECRET)
        (team.folder / "database").write_text(f"sqlite:///{results}")
        with closing(sqlite3.connect(results)) as database:
            database.execute(TABLE)
        asked(f"{receiver_url}/reset")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        ended = team.start("run", config, "--wait", fresh=True)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert ended.code == 0, ended.err
        with closing(sqlite3.connect(results)) as database:
            [(written,)] = database.execute("select count(*) from results")
        assert written == (rows if SQL in tables else 0)
        assert asked(f"{receiver_url}/seen")["ids"] == (rows if PUSH in tables else 0)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if sys.argv[1:] else 1000,
        int(sys.argv[2]) if sys.argv[2:] else 5,
    )
