"""The cost of the default polling: seconds and requests per row, compared with a fixed interval and
the bound.

    python -m tests.benchmarks.pace [ROWS]

The bound is the least time that `in_flight` allows: the necessary number of groups, each as long as
a task. The store has the times of the first submission and the last result.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.fakes.program import KEY, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

IN_FLIGHT = 50
#: Options of the sandbox, and the average duration of its tasks.
TASKS: dict[str, tuple[dict[str, Any], float]] = {
    "2 s": ({"task_seconds": 4, "max_seconds": 2}, 2.0),
    "1.2 to 2.8 s": ({"task_seconds": 2}, 2.0),
}
WAYS: dict[str, dict[str, object]] = {
    "default": {},
    "default, a later run": {},
    'poll_every = "5s"': {"poll_every": "5s"},
}


def main(rows: int) -> None:
    """Measure all of it and print a table."""
    table = Table(title=f"{rows} rows, {IN_FLIGHT} at once, no limit by the minute")
    for column in ("tasks of", "way", "seconds", "of the bound", "requests a row"):
        table.add_column(column, justify="right" if column[-1] in "sdw" else "left")
    for tasks, (switches, lasting) in TASKS.items():
        bound = -(-rows // IN_FLIGHT) * lasting
        with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **switches) as sandbox:
            team = Team(Path(place), sandbox.url)
            for number, (way, pace) in enumerate(WAYS.items()):
                sandbox.reset()
                sheet = f"sheet-{number}.csv"
                team.write_prompts([f"a heron, {number}.{row}" for row in range(rows)], sheet)
                seconds = took(team, f"way-{number}", sheet, pace)
                requests = sum(sandbox.state()["requests"].values()) / rows
                table.add_row(
                    tasks, way, f"{seconds:.1f}", f"{seconds / bound:.2f}", f"{requests:.3f}"
                )
    Console(width=120).print(table)


def took(team: Team, name: str, sheet: str, pace: dict[str, object]) -> float:
    """Seconds from the first submission to the last result of a run that waits."""
    whole = {"poll_every": "", "write_every": "5s", "in_flight": IN_FLIGHT, **pace}
    ended = call("run", team.configured(name, sheet, tables={"pace": whole}), "--wait", within=900)
    if ended.code:
        raise SystemExit(ended.said)
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store:
        asked = (
            "select (max(ended_at) - min(sent_at)) / 1e6 from attempts join jobs on jobs.id = "
            "attempts.job join sheets on sheets.id = jobs.sheet where sheets.place like ?"
        )
        (seconds,) = store.execute(asked, (f"%{sheet}",)).fetchone()
    return float(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
