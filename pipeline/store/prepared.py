"""Statements for single rows, compiled once and given plain values.

SQLAlchemy converts every value by the type of its column, and calls its listeners. For a statement
that runs for each row, that takes most of the time on SQLite: one look-up takes 8 µs this way and
35 µs that way, and 5,000 changed attempts 50 ms and 115 ms. On PostgreSQL it is a fourth of the CPU
of a batch. Only this module goes around SQLAlchemy, and the statements are SQLAlchemy's here as
well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

#: The rows that a statement found, as plain values.
Rows = Sequence[Sequence[Any]]


class Prepared:
    """A statement that is compiled once for each dialect, and given plain values in the order of
    `names`: numbers for moments, escaped texts, JSON. The driver is called directly.
    """

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        self._statement = statement
        self._names = names
        self._spelled: dict[str, tuple[str, tuple[int, ...] | None]] = {}

    def each(self, connection: Connection, lines: Sequence[Sequence[object]]) -> int:
        """Execute it for each line. Returns how many rows were changed in all."""
        if not lines:
            return 0
        with self._cursor(connection, lines) as (cursor, text, values):
            if len(lines) == 1:
                cursor.execute(text, values[0])
            else:
                cursor.executemany(text, values)
            changed: int = cursor.rowcount
            return changed

    def first(self, connection: Connection, *values: object) -> Sequence[Any] | None:
        """The first row that it finds for these values, as plain values; None if there is none."""
        return next(iter(self.rows(connection, *values)), None)

    def rows(self, connection: Connection, *values: object) -> Rows:
        """All rows that it finds for these values, as plain values."""
        return self.rows_of_each(connection, [values])[0]

    def rows_of_each(
        self, connection: Connection, lines: Sequence[Sequence[object]]
    ) -> Sequence[Rows]:
        """All rows that it finds for each line. A server is asked for all of them at once."""
        if not lines:
            return []
        with self._cursor(connection, lines) as (cursor, text, values):
            if connection.dialect.name == "sqlite" or len(lines) == 1:
                return [cursor.execute(text, its).fetchall() for its in values]
            cursor.executemany(text, values, returning=True)
            found: list[Rows] = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
            return found

    @contextmanager
    def _cursor(
        self, connection: Connection, lines: Sequence[Sequence[object]]
    ) -> Iterator[tuple[Any, str, Sequence[Any]]]:
        """A cursor of the driver, the text of the statement, and the values as the driver wants
        them. Takes a connection that is lost out of the pool: SQLAlchemy has not seen the error.
        """
        text, order = self._for(connection.dialect)
        values: Sequence[Any] = (
            [dict(zip(self._names, line, strict=True)) for line in lines]
            if order is None
            else [tuple([line[at] for at in order]) for line in lines]
        )
        with closing(connection.connection.cursor()) as cursor:
            try:
                yield cursor, text, values
            except connection.dialect.loaded_dbapi.Error as error:
                if not connection.dialect.is_disconnect(error, connection.connection, cursor):
                    raise
                connection.invalidate(error)
                raise OperationalError(
                    text, None, error, hide_parameters=True, connection_invalidated=True
                ) from error

    def _for(self, dialect: Dialect) -> tuple[str, tuple[int, ...] | None]:
        """Its text, and the order of the values; None if they are passed by name."""
        if spelled := self._spelled.get(dialect.name):
            return spelled
        keys = self._names if isinstance(self._statement, Insert) else None
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        assert isinstance(compiled, SQLCompiler)
        places = compiled.positiontup
        order = None if places is None else tuple(self._names.index(name) for name in places)
        self._spelled[dialect.name] = compiled.string, order
        return compiled.string, order
