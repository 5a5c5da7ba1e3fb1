"""A store with very many finished jobs, made in seconds by a few statements.

One job is finished by the program. Its lines are then copied inside the database, with other ids.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from pipeline.store import Store
from pipeline.store.schema import metadata

#: Jobs of one sheet, and jobs that one transaction adds.
OF_SHEET, BATCH = 1_000, 50_000
#: Far from the numbers that the program gives.
SHEET, JOB, ROW = 1_000_000, 1_000_000_000, 100_000_000
#: Table -> what its copies have instead; `n` counts the jobs. Numbers of events are given anew.
_OTHER: Final = {
    "known_rows": {"sheet": f"{SHEET} + n / {OF_SHEET}", "row_id": f"'r_' || ({ROW} + n)"},
    "jobs": {
        "sheet": f"{SHEET} + n / {OF_SHEET}",
        "row_id": f"'r_' || ({ROW} + n)",
    },
    "attempts": {"task_id": "'task ' || n", "hook": "''"},
    "events": {},
}
_SHEET: Final = {"id": f"{SHEET} + n", "key": "'finished ' || n", "place": "''"}


def add_finished(store: Store, begin: int, end: int) -> None:
    """Add so many copies of the first job of the store, the one with number `begin` first.

    `begin` must be divisible by `OF_SHEET`. Between two calls the program may add as many jobs as
    are there: the numbers of the copies leave room for them. Afterwards the database counts its
    lines, as it does by itself sooner or later.
    """
    for first in range(begin, end, BATCH):
        with store._database.writing() as connection:
            _copy(connection, first, min(first + BATCH, end), JOB + begin)
    with store._database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")


def _copy(connection: Connection, begin: int, end: int, numbered_from: int) -> None:
    found = connection.exec_driver_sql("SELECT sheet, row_id, id FROM jobs ORDER BY id LIMIT 1")
    sheet, row_id, job = found.one()
    _add(connection, "sheets", _SHEET, f"id = {sheet}", begin // OF_SHEET, -(-end // OF_SHEET))
    its = {
        "known_rows": f"sheet = {sheet} AND row_id = '{row_id}'",
        "jobs": f"id = {job}",
        "attempts": f"job = {job}",
        "events": f"job = {job}",
    }
    for table, where in its.items():
        other = {"job": f"{numbered_from} + n", **_OTHER[table]}
        if table == "jobs":
            other["id"] = other["job"]
        _add(connection, table, other, where, begin, end)


def _add(
    connection: Connection, table: str, other: dict[str, str], where: str, begin: int, end: int
) -> None:
    """Copy these lines of a table once for each `n` from `begin`, before `end`."""
    names = [column.name for column in metadata.tables[table].columns]
    if table == "events":
        names.remove("id")
    shown = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(other.get(name, f'"{name}"') for name in names)
    connection.exec_driver_sql(
        f"WITH RECURSIVE series (n) AS (SELECT {begin} UNION ALL "
        f"SELECT n + 1 FROM series WHERE n + 1 < {end}) "
        f"INSERT INTO {table} ({shown}) SELECT {values} FROM {table}, series WHERE {where}"
    )
