"""A pass with outlets, compared with one without: seconds and CPU of the whole process.

    python -m tests.benchmarks.outlets [ROWS] [PAIRS]

The tasks take 2 s. The outlets are signed pushes to a receiver on this machine, and an SQL table in
a file. Both forms run in turns, each with a new folder and a new stand-in for the API.
"""

from __future__ import annotations

import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.outbox import SECRET, receiver
from tests.fakes.program import KEY
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

TABLE = "create table results (row_id text primary key, prompt text, status text, image_urls text)"


class Cost(NamedTuple):
    """Seconds and seconds of CPU of one run."""

    seconds: float
    cpu: float


def main(rows: int, pairs: int) -> None:
    """Print each pair and the medians."""
    with receiver() as url:
        ratios = [_pair(url, rows) for _ in range(pairs)]
    print(f"{rows} rows with outlets, of those without (medians of {pairs} pairs):")
    for name, index in (("seconds", 0), ("CPU", 1)):
        each = [pair[index] for pair in ratios]
        listed = ", ".join(f"{ratio:.3f}" for ratio in each)
        print(f"  {name}: {statistics.median(each):.3f} ({listed})")


def _pair(url: str, rows: int) -> tuple[float, float]:
    without, with_outlets = _measured("", rows), _measured(url, rows)
    return with_outlets.seconds / without.seconds, with_outlets.cpu / without.cpu


def _measured(receiver_url: str, rows: int) -> Cost:
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, task_seconds=2) as sandbox:
        team = Team(Path(place), sandbox.url)
        team.write("prompt", *(f"a fox number {number}" for number in range(rows)))
        config = team.configured(name="promptsheet", tables={"pace": {"in_flight": rows}})
        results = team.folder / "results.db"
        if receiver_url:
            (team.folder / "hook").write_text(f"{receiver_url}/hook")
            (team.folder / "secret").write_text(SECRET)
            (team.folder / "table").write_text(f"sqlite:///{results}")
            with closing(sqlite3.connect(results)) as table:
                table.execute(TABLE)
            with config.open("a") as text:
                text.write(
                    '\n[[outlets]]\nkind = "push"\nurl = "file:hook"\nsecret = "file:secret"\n'
                    "allow_private = true\n"
                    '[[outlets]]\nkind = "sql"\nurl = "file:table"\ntable = "results"\n'
                )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        ended = team.start("run", config, "--wait", fresh=True)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert ended.code == 0, ended.err
        if receiver_url:
            with closing(sqlite3.connect(results)) as table:
                assert table.execute("select count(*) from results").fetchall() == [(rows,)]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if sys.argv[1:] else 1000,
        int(sys.argv[2]) if sys.argv[2:] else 5,
    )
