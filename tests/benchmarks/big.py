"""A big sheet of finished rows, made in seconds: file and store as after a run.

Sending this number of rows would take far longer than the measurement. So the store's own functions
add rows, jobs and attempts, many at a time. The first run of the program then checks every row, and
finds nothing to do or to write, or reports it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from pipeline import wiring
from pipeline.config import load
from pipeline.core.model import Attempt, Grid, JobKey, KnownRow, Result, State
from pipeline.core.rows.known import new_id
from pipeline.core.sheet.header import ALWAYS, Marked, believed
from pipeline.open_sheet import open_sheet
from pipeline.store import Store
from pipeline.store.history import history_line, write_history
from pipeline.store.schema import jobs
from pipeline.store.serialization import NEW_ATTEMPT, to_plain

BATCH = 50_000
TITLES = ("prompt", "remark", *ALWAYS)
NOW = datetime.now(UTC)


def fill(config: Path, rows: int) -> Path:
    """Fill the sheet of a configuration with this number of done rows."""
    settings = load(config)
    sheet = Path(str(settings.source))
    chance = Random(rows)
    ids = [new_id(chance) for _ in range(rows)]
    with sheet.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(TITLES)
        out.writerows(_cells(row_id, number) for number, row_id in enumerate(ids))
    with wiring.open_store(settings) as store:
        ours = open_sheet(settings, store)
        columns = settings.header.read_line(TITLES)
        store.sheets.update(ours.key, ours=frozenset(ALWAYS), config=str(config.resolve()))
        assert ours.write_claim(store.sheets.raise_claim(ours.key, "big"), ours.read_claim())
        with store._database.reading() as connection:
            before = connection.execute(select(func.coalesce(func.max(jobs.c.id), 0))).scalar_one()
        for first in range(0, rows, BATCH):
            batch = range(first, min(first + BATCH, rows))
            grid = (TITLES, *(tuple(_cells(ids[number], number)) for number in batch))
            seen = list(columns.rows(grid))
            store.rows.note(ours.key, (_known(row) for row in seen))
            store.jobs.add(JobKey(ours.key, row.mark, 1) for row in seen)
            _put_attempts(store, before + first, seen, grid, columns.inputs)
        store.rows.note(ours.key, (), ["", *ids], believed(columns))
    return sheet


def _cells(row_id: str, number: int) -> list[str]:
    addresses = "\n".join(f"https://cdn.example/{row_id}/{n}.png" for n in range(1, 5))
    words = f"a fox in the snow, number {number}"
    return [words, f"batch {number % 50}", row_id, "done", f"task-{row_id}", addresses, ""]


def _known(row: Marked) -> KnownRow:
    return KnownRow(row.mark, row.inputs, 1, since=NOW, others=row.others)


def _put_attempts(
    store: Store, first: int, seen: list[Marked], grid: Grid, columns: tuple[str, ...]
) -> None:
    # Jobs are numbered in the order of their insertion: nothing else uses the store meanwhile.
    made = list(enumerate(_attempts(seen, grid, columns), start=first + 1))
    with store._database.writing() as connection:
        NEW_ATTEMPT.each(
            connection, [(job, *to_plain(one), "{}", "", "", 0, "", "", "") for job, one in made]
        )
        write_history(connection, [history_line(job, a, NOW, "sent") for job, a in made])


def _attempts(seen: list[Marked], grid: Grid, columns: tuple[str, ...]) -> Iterator[Attempt]:
    for row in seen:
        _, _, _, _, task_id, addresses, _ = grid[row.place]
        yield Attempt(
            number=1,
            state=State.SUCCEEDED,
            inputs=row.inputs,
            columns=columns,
            endpoint="imagine",
            price=4,
            sent_at=NOW,
            deadline=NOW + timedelta(minutes=2),
            task_id=task_id,
            result=Result(tuple(addresses.split())),
            ended_at=NOW,
        )


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
