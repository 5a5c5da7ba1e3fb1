"""Hears each statement that a store asks of its database, through SQLAlchemy or past it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy.event import listen

#: A statement, and a function that tells how the database executes it.
Heard = Callable[[str, Callable[[], str]], None]


def hear_statements(target: Any, heard: Heard) -> None:
    """Call `heard` before each statement on connections of an engine, or of all pools.

    The plan must be asked for at once.
    """

    def checked_out(connection: Any, *_: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(None)
            file = connection.execute("PRAGMA database_list").fetchone()[2]
            connection.set_trace_callback(
                lambda statement: heard(statement, lambda: _plan_of_file(file, statement))
            )
        else:
            connection.cursor_factory = _hearing(heard)

    listen(target, "checkout", checked_out)


def _plan_of_file(file: str, statement: str) -> str:
    # A connection of its own: this one is in the middle of the statement.
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return plan_of(connection.cursor(), statement, ())


def _hearing(heard: Heard) -> type[Any]:
    import psycopg

    class Hearing(psycopg.Cursor[Any]):
        """A cursor of PostgreSQL's driver."""

        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            """Tell of the statement, then execute it."""
            heard(query, lambda: plan_of(psycopg.Cursor(self.connection), query, params))
            return super().execute(query, params, **more)

        def executemany(self, query: Any, params_seq: Any, **more: Any) -> None:
            """Tell of the statement once, then execute it for all values."""
            its: Sequence[Any] = params_seq
            heard(query, lambda: plan_of(psycopg.Cursor(self.connection), query, its[0]))
            super().executemany(query, its, **more)

    return Hearing


def plan_of(cursor: Any, statement: str, values: Any) -> str:
    """How a database would execute a statement."""
    if isinstance(cursor, sqlite3.Cursor):
        steps = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        return "\n".join(step[3] for step in steps)
    # It would read a small table as a whole, which costs less.
    cursor.execute("SET LOCAL enable_seqscan = off")
    return "\n".join(step[0] for step in cursor.execute(f"EXPLAIN {statement}", values))
