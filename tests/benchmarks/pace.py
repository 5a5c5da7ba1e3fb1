"""The cost of the default polling, and of webhooks: seconds and requests per row, compared with a
fixed interval and the bound.

    python -m tests.benchmarks.pace [ROWS]

The bound is the least time that `in_flight` allows: the necessary number of groups, each as long as
a task. The store has the times of the first submission and the last result. The API counts the
requests; submissions are among them.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.fakes.program import KEY, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import SECRET, free_port
from tests.fakes.team import Team

IN_FLIGHT = 50
#: Options of the sandbox, and the average duration of its tasks.
TASKS: dict[str, tuple[dict[str, Any], float]] = {
    "2 s": ({"task_seconds": 4, "max_seconds": 2}, 2.0),
    "1.2 to 2.8 s": ({"task_seconds": 2}, 2.0),
}


class Way(NamedTuple):
    """One way to learn of the ends of tasks."""

    title: str
    poll_every: str = ""
    version: int = 1
    with_webhooks: bool = False


WAYS = (
    Way("default"),
    Way("default, a later run"),
    Way('poll_every = "5s"', "5s"),
    Way('version 2, poll_every = "2s"', "2s", version=2),
    Way("version 2, default", version=2),
    Way("version 2, webhooks", version=2, with_webhooks=True),
)


def main(rows: int) -> None:
    """Measure all of it and print a table."""
    table = Table(title=f"{rows} rows, {IN_FLIGHT} at once, no limit by the minute")
    for column in ("tasks of", "way", "seconds", "of the bound", "requests a row"):
        table.add_column(column, justify="right" if column[-1] in "sdw" else "left")
    for tasks, (switches, lasting) in TASKS.items():
        bound = -(-rows // IN_FLIGHT) * lasting
        with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, **switches) as sandbox:
            for number, way in enumerate(WAYS):
                team = Team(Path(place), sandbox.url, way.version)
                sandbox.reset()
                sheet = f"sheet-{number}.csv"
                team.write_prompts([f"a heron, {number}.{row}" for row in range(rows)], sheet)
                seconds = took(team, f"way-{number}", sheet, way)
                requests = sum(sandbox.state()["requests"].values()) / rows
                table.add_row(
                    tasks, way.title, f"{seconds:.1f}", f"{seconds / bound:.2f}", f"{requests:.3f}"
                )
    Console(width=120).print(table)


def took(team: Team, name: str, sheet: str, way: Way) -> float:
    """Seconds from the first submission to the last result of a run that waits."""
    tables: dict[str, dict[str, object]] = {
        "pace": {"poll_every": way.poll_every, "write_every": "5s", "in_flight": IN_FLIGHT}
    }
    if way.with_webhooks:
        (team.folder / "secret").write_text(SECRET)
        (team.folder / "secret").chmod(0o600)
        address = f"127.0.0.1:{free_port()}"
        tables["webhook"] = {
            "public_url": f"http://{address}",
            "secret": "file:secret",
            "listen": address,
        }
    ended = call("run", team.configured(name, sheet, tables=tables), "--wait", within=900)
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
