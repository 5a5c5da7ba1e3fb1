"""Statements for single rows, compiled once and given plain values.

SQLAlchemy converts every value by the type of its column. For a statement that runs for each row,
that takes most of the time on SQLite: one look-up takes 8 µs this way and 35 µs that way, and 5,000
changed attempts 50 ms and 115 ms. On PostgreSQL the way to the server (180 µs) hides it. Only this
module goes around SQLAlchemy, and the statements are SQLAlchemy's here as well.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import JSON, Connection, Dialect, Insert, Select, bindparam, func, select
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from pipeline.store.column_types import escaped


class Prepared:
    """A statement that is compiled once for each dialect, and given plain values in the order of
    `names`: numbers for moments, escaped texts, JSON. For SQLite, the driver is called directly.
    """

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        self._statement = statement
        self._names = names
        self._spelled: dict[str, tuple[str, tuple[int, ...] | None]] = {}

    def each(self, connection: Connection, lines: Sequence[Sequence[object]]) -> int:
        """Execute it for each line. Returns how many rows were changed in all."""
        if not lines:
            return 0
        text, order = self._for(connection.dialect)
        if order is None:
            named = [dict(zip(self._names, line, strict=True)) for line in lines]
            # Several are sent together, which costs one more way to the server.
            return connection.exec_driver_sql(text, named if named[1:] else named[0]).rowcount
        placed = [tuple([line[at] for at in order]) for line in lines]
        with closing(_sqlite(connection).cursor()) as cursor:
            return cursor.executemany(text, placed).rowcount

    def first(self, connection: Connection, *values: object) -> Sequence[Any] | None:
        """The first row that it finds for these values, as plain values; None if there is none."""
        return next(iter(self.rows(connection, *values)), None)

    def rows(self, connection: Connection, *values: object) -> Sequence[Sequence[Any]]:
        """All rows that it finds for these values, as plain values."""
        text, order = self._for(connection.dialect)
        if order is None:
            named = dict(zip(self._names, values, strict=True))
            return connection.exec_driver_sql(text, named).all()
        with closing(_sqlite(connection).cursor()) as cursor:
            return cursor.execute(text, [values[at] for at in order]).fetchall()

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


def one_of(name: str) -> Select[Any]:
    """The texts that `listed` made one value of, under this name: as many as there are."""
    return select(func.json_each(bindparam(name, type_=JSON)).table_valued("key").c.key)


def listed(texts: Iterable[str]) -> str:
    """Texts as one value of a prepared statement."""
    # The keys of an object: what both dialects take apart by the same name.
    return json.dumps(dict.fromkeys(map(escaped, texts)))


def _sqlite(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection), "only SQLite's values stand in places"
    return driver
