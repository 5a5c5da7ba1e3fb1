"""The time of a sheet with mixed endpoints and chains that are three rows deep.

    python -m tests.benchmarks.chains [ROWS]

Of each four rows, three are a chain: a picture, a variation of it, one picture of the variation.
The fourth stands alone. The least possible time is that of the critical path: all rows that wait
for no other are sent, `concurrency` at once; then the last chain passes through its three tasks.
"""

from __future__ import annotations

import csv
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.fakes.program import KEY, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

#: Seconds of a task, and of an answer.
TASK, ANSWER = 2.0, 0.05
AT_ONCE, DEPTH = 50, 3
ALONE = ("ideogram-imagine", "shorten", "luma-imagine", "imagine")
HEADER = ("name", "prompt", "endpoint", "parent", "index")


def main(rows: int) -> None:
    """Measure both versions of the API and print a table."""
    table = Table(title=f"{rows} rows over mixed endpoints, chains {DEPTH} deep")
    for column in ("API", "seconds", "critical path", "ratio", "requests a row"):
        table.add_column(column, justify="left" if column == "API" else "right")
    least = rows / 2 / AT_ONCE * ANSWER + DEPTH * (TASK + ANSWER)
    for version in (1, 2):
        seconds, requests = measured(rows, version)
        cells = f"{seconds:.1f}", f"{least:.1f}", f"{seconds / least:.2f}", f"{requests:.2f}"
        table.add_row(f"version {version}", *cells)
    Console(width=120).print(table)


def measured(rows: int, version: int) -> tuple[float, float]:
    """Seconds from the first submission to the last written cell, and requests for each row."""
    slow: dict[str, Any] = {"task_seconds": 2 * TASK, "max_seconds": TASK, "answer_seconds": ANSWER}
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **slow) as sandbox:
        team = Team(Path(place), sandbox.url, version)
        with team.sheet.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *sheet(rows, version)])
        pace = {"in_flight": 10_000, "concurrency": AT_ONCE, "poll_every": "", "write_every": "1s"}
        config = team.configured(tables={"pace": {**pace, "per_minute": 0}})
        ended = call("run", config, "--wait", within=900)
        statuses = Counter(row["status"] for row in team.rows())
        taken = sandbox.state()["tasks_taken"]
        if ended.code or statuses != {"done": rows} or taken != rows:
            raise SystemExit(f"{statuses}, {taken} tasks\n{ended.said}")
        with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store:
            (first,) = store.execute("select min(sent_at) / 1e6 from attempts").fetchone()
        seconds = team.sheet.stat().st_mtime - first
        return seconds, sum(sandbox.state()["requests"].values()) / rows


def sheet(rows: int, version: int) -> list[tuple[str, str, str, str, str]]:
    """The rows, each chain beside a row that stands alone."""
    vary, single, alone = (
        ("variations", "upscale-1x", ALONE) if version == 1 else ("vary", "upscale", ("imagine",))
    )
    lines = []
    for number in range(rows // 4):
        root, second = f"fox {number}", f"other fox {number}"
        lines += [
            (root, f"a fox, number {number}", "imagine", "", ""),
            (second, "", vary, root, str(number % 4 + 1)),
            (f"big fox {number}", "", single, second, "2"),
            ("", f"a hen, number {number}", alone[number % len(alone)], "", ""),
        ]
    return lines


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
