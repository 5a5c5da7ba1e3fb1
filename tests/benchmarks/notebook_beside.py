"""Rows a second of a run, alone and beside a notebook that reads all jobs in a loop.

    python -m tests.benchmarks.notebook_beside [ROWS [ROUNDS]]

With the store in a SQLite file, and on a PostgreSQL server. Run, notebook, server and stand-in for
the API share the cores of this machine. Ends with an error unless the API took each row once, and
the notebook read without an error.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.__main__ import KEY, PROGRAM, ROOT, make
from tests.fakes.postgresql import PostgresqlServer, own_server
from tests.fakes.sandbox_process import sandbox_process

_LOOP = """
import sys
from pipeline import notebook
while True:
    jobs = notebook.open(sys.argv[1]).jobs()
    print(len(jobs), flush=True)
"""
#: Seconds that the API takes for an answer, and for a task.
TAKES = 0.05


def main(rows: int, rounds: int) -> None:
    """Measure both in turn, and print the medians."""
    table = Table(title=f"{rows} rows, medians of {rounds}")
    for column in ("store", "alone", "beside a notebook", "ratio", "readings"):
        table.add_column(column, justify="left" if column == "store" else "right")
    with own_server(safe=True) as server:
        for name, on in (("SQLite", None), ("PostgreSQL", server)):
            alone, beside = [], []
            for number in range(rounds):
                alone.append(_rate(rows, on, f"alone_{number}", reads=False)[0])
                beside.append(_rate(rows, on, f"beside_{number}", reads=True))
            before, after = statistics.median(alone), statistics.median(r for r, _ in beside)
            readings = statistics.median(count for _, count in beside)
            numbers = f"{before:.0f}", f"{after:.0f}", f"{after / before:.2f}", f"{readings:.0f}"
            table.add_row(name, *numbers)
    Console(width=100).print(table)


def _rate(
    rows: int, server: PostgresqlServer | None, name: str, *, reads: bool
) -> tuple[float, int]:
    """Rows a second of a whole process, and how often the notebook read them meanwhile."""
    api = sandbox_process(KEY, task_seconds=2 * TAKES, max_seconds=TAKES, answer_seconds=TAKES)
    with tempfile.TemporaryDirectory() as place, api as sandbox:
        environ = {**os.environ, "BENCH_KEY": KEY}
        config = make(Path(place), rows, sandbox.url)
        if server:
            environ["STORE"] = server.make_database(name)
            config.write_text(config.read_text() + '[store]\nurl = "env:STORE"\n')
        run = [*PROGRAM, "run", str(config)]
        subprocess.run([*run, "--limit", "1"], cwd=ROOT, env=environ, capture_output=True)
        loop = [sys.executable, "-c", _LOOP, str(config)]
        reader = (
            subprocess.Popen(loop, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
            if reads
            else None
        )
        if reader and reader.stdout:
            reader.stdout.readline()  # It has loaded pandas.
        began = time.perf_counter()
        subprocess.run([*run, "--wait"], cwd=ROOT, env=environ, capture_output=True, check=True)
        seconds = time.perf_counter() - began
        readings = _ended(reader) if reader else 0
        taken = sandbox.state()["tasks_taken"]
        if taken != rows:
            raise SystemExit(f"the API took {taken} tasks for {rows} rows")
    return (rows - 1) / seconds, readings


def _ended(reader: subprocess.Popen[str]) -> int:
    """How often it has read. Ends with an error if it could not."""
    if reader.poll() is not None:
        raise SystemExit("the notebook came to a bad end")
    reader.terminate()
    return len(reader.communicate()[0].splitlines())


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [3000, 3][len(given) :]))
