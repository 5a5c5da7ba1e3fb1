"""A table in an SQL database: one line for each row of the sheet.

The table is read once and never changed. Up to 500 lines are written in one transaction, so a
delivery that broke off has written nothing, or all. A second delivery writes the same again.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL

from pipeline.core.outlets.outbox import Delivered, Message, Result, Trouble, Undelivered
from pipeline.core.text import quoted
from pipeline.outlets import Pace
from pipeline.outlets.mapping import (
    Column,
    FieldMap,
    Line,
    Unfit,
    has_one_take,
    in_halves,
    in_order,
)
from pipeline.outlets.sql_errors import (
    UNSURE,
    is_about_values,
    is_locked,
    refusal_of,
    trouble_of,
)
from pipeline.outlets.sql_table import (
    column_of,
    has_default,
    statement_for_index,
    statement_for_table,
    unique_sets,
    usable,
)

#: Lines in one transaction.
MOST: Final = 500
#: Seconds for a connection, and for one statement or the wait for a lock.
CONNECT: Final = 10
PATIENCE: Final = 30


@dataclass(frozen=True, slots=True)
class _Place:
    """The table as it was read."""

    table: sa.Table
    columns: tuple[Column, ...]
    problems: tuple[str, ...]


class SqlOutlet:
    """A table. Raises ModuleNotFoundError if the driver of the database is not installed.

    `key` are the columns that identify a line, and `fields` is their column -> our field.
    """

    def __init__(
        self, url: str, table: str, key: Sequence[str], fields: Mapping[str, str] | None = None
    ) -> None:
        its = usable(url)
        self._schema, _, self._name = table.rpartition(".")
        one_take = has_one_take(key, fields or {})
        self.pace = Pace(MOST, is_repeatable=True, has_one_take=one_take)
        self._map = FieldMap(key, fields or {})
        self._key, self._fields = tuple(key), dict(fields or {})
        self._place: _Place | None = None
        is_file = its.get_backend_name() == "sqlite"
        engine = sa.create_engine(
            its,
            hide_parameters=True,
            connect_args=_timeouts(its),
            **({} if is_file else {"pool_size": 1, "pool_pre_ping": True}),
        )
        # In a function, because an engine's repr shows a password in the query of its address.
        self._hidden: Callable[[], sa.Engine] = lambda: engine

    def __repr__(self) -> str:
        return f"SqlOutlet({self._engine.dialect.name}, {self._name})"

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """Write the lines of these messages."""
        return await asyncio.to_thread(self._deliver, messages)

    async def check(self) -> Sequence[str]:
        """What is wrong with the table: a sentence each that says what to do."""
        return await asyncio.to_thread(self._check)

    async def close(self) -> None:
        """End the connections."""
        await asyncio.to_thread(self._engine.dispose)

    @property
    def _engine(self) -> sa.Engine:
        return self._hidden()

    def _check(self) -> Sequence[str]:
        place = self._read()
        self._place = place if isinstance(place, _Place) and not place.problems else None
        return place.problems

    def _deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        place = self._place or self._read()
        if isinstance(place, _Place) and place.problems:
            place = Undelivered(Trouble.CLOSED, " ".join(place.problems))
        if isinstance(place, Undelivered):
            return [place] * len(messages)
        self._place = place
        lines, results = self._map.lines(place.columns, messages)
        # Of two lines with the same key, the later one counts.
        of_key = {line.key: line for line in lines}
        sent: dict[tuple[object, ...], Result] = {}
        if of_key:
            unique = list(of_key.values())
            told = in_halves(lambda some: self._write(place, some), unique)
            sent = {line.key: result for line, result in zip(unique, told, strict=True)}
        return in_order(messages, results, lines, sent)

    def _read(self) -> _Place | Undelivered:
        """Read the table, or say why that failed."""
        file = self._engine.url.database or ""
        if self._engine.dialect.name == "sqlite" and not Path(file).is_file():
            # SQLite would create the file.
            return Undelivered(
                Trouble.CLOSED,
                "There is no such SQLite file. Create it, or correct the address that url names: "
                "sqlite:// and the full path.",
            )
        try:
            with warnings.catch_warnings(), self._engine.connect() as connection:
                # Types that SQLAlchemy does not know are no problem: they are not written.
                warnings.simplefilter("ignore", exc.SAWarning)
                table = sa.Table(
                    self._name,
                    sa.MetaData(),
                    schema=self._schema or None,
                    autoload_with=connection,
                    resolve_fks=False,
                )
        except exc.NoSuchTableError:
            return Undelivered(Trouble.CLOSED, self._no_table())
        except exc.DBAPIError as error:
            return trouble_of(error)
        columns = tuple(column_of(one, self._engine.dialect) for one in table.columns)
        problems = self._map.problems(columns) or [*self._unusable(table, columns)]
        return _Place(table, columns, tuple(problems))

    def _unusable(self, table: sa.Table, columns: Sequence[Column]) -> list[str]:
        """What stands in the way of writing, besides missing columns and types."""
        problems = []
        written = [column.name for column, *_ in self._map.assigned(columns)]
        keys = self._keys_of(columns)
        if set(keys) not in unique_sets(table):
            statement = statement_for_index(table, keys, self._engine.dialect)
            problems.append(
                f"{' and '.join(map(quoted, keys))} must be unique in the table, so that each row "
                f"has one line. Run: {statement};"
            )
        problems += [
            f"The column {quoted(one.name)} must have a value, and nothing is written into it. "
            "Give it a default, or let it be empty."
            for one in table.columns
            if not one.nullable and one.name not in written and not has_default(one)
        ]
        return problems

    def _no_table(self) -> str:
        dialect = self._engine.dialect
        statement = statement_for_table(self._name, self._schema, self._key, self._fields, dialect)
        return (
            f"There is no table {quoted(self._name)}. Correct its name, or create it yourself, for "
            f"example with: {statement};"
        )

    def _keys_of(self, columns: Sequence[Column]) -> list[str]:
        return [column.name for column, _, is_key in self._map.assigned(columns) if is_key]

    def _write(self, place: _Place, lines: Sequence[Line]) -> Sequence[Result]:
        """Write all lines in one transaction, or none. Raises Unfit if a value is refused."""
        is_ending = False
        try:
            with self._engine.connect() as connection:
                transaction = connection.begin()
                self._limit(connection)
                for names, rows in _by_columns(place.table, lines).items():
                    self._upsert(connection, place, names, rows)
                is_ending = True
                transaction.commit()
        except exc.DBAPIError as error:
            if is_about_values(error):
                raise Unfit(refusal_of(error)) from None
            self._place = None
            if is_ending and not is_locked(error):
                return [Undelivered(Trouble.UNSURE, UNSURE)] * len(lines)
            return [trouble_of(error)] * len(lines)
        except (exc.StatementError, UnicodeError):
            # The driver could not convert a value.
            raise Unfit(
                "The database cannot take a value of this row. Compare the row with the types of "
                "the columns."
            ) from None
        return [Delivered()] * len(lines)

    def _limit(self, connection: sa.Connection) -> None:
        """Let no statement wait for minutes, such as for the lock of another program."""
        match self._engine.dialect.name:
            case "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            case "mysql" | "mariadb":
                connection.exec_driver_sql(f"SET innodb_lock_wait_timeout = {PATIENCE}")

    def _upsert(
        self,
        connection: sa.Connection,
        place: _Place,
        names: tuple[str, ...],
        rows: list[dict[str, object]],
    ) -> None:
        table, keys = place.table, self._keys_of(place.columns)
        others = [name for name in names if name not in keys]
        upsert = UPSERTS.get(self._engine.dialect.name)
        if upsert is _upsert_of_mysql and len(unique_sets(table)) > 1:
            # With a second unique key, MySQL could update the line of another row.
            upsert = None
        if upsert:
            connection.execute(upsert(table, keys, others), rows)
            return
        for row in rows:
            _update_or_insert(connection, table, keys, others, row)


def _upsert_of_postgresql(
    table: sa.Table, keys: Sequence[str], others: Sequence[str], insert: Any = postgresql.insert
) -> sa.Insert:
    new = insert(table)
    where = [table.c[name] for name in keys]
    changed = {name: new.excluded[name] for name in others or keys}
    upsert: sa.Insert = new.on_conflict_do_update(index_elements=where, set_=changed)
    return upsert


def _upsert_of_sqlite(table: sa.Table, keys: Sequence[str], others: Sequence[str]) -> sa.Insert:
    return _upsert_of_postgresql(table, keys, others, sqlite.insert)


def _upsert_of_mysql(table: sa.Table, keys: Sequence[str], others: Sequence[str]) -> sa.Insert:
    new = mysql.insert(table)
    return new.on_duplicate_key_update({name: new.inserted[name] for name in others or keys})


#: Name of a dialect -> its upsert. Other databases get an update, and an insert if that finds none.
UPSERTS: Final[Mapping[str, Callable[[sa.Table, Sequence[str], Sequence[str]], sa.Insert]]] = {
    "postgresql": _upsert_of_postgresql,
    "sqlite": _upsert_of_sqlite,
    "mysql": _upsert_of_mysql,
    "mariadb": _upsert_of_mysql,
}


def _timeouts(url: URL) -> dict[str, object]:
    """Arguments of the driver, so that no call waits without end."""
    match url.get_backend_name(), url.get_driver_name():
        case "sqlite", _:
            return {"timeout": PATIENCE}
        case "postgresql", ("psycopg" | "psycopg2"):
            return {"connect_timeout": CONNECT, "tcp_user_timeout": PATIENCE * 1000}
        case (("mysql" | "mariadb"), "pymysql"):
            more = 2 * PATIENCE  # longer than a lock may take
            return {"connect_timeout": CONNECT, "read_timeout": more, "write_timeout": more}
    return {}


def _by_columns(
    table: sa.Table, lines: Sequence[Line]
) -> dict[tuple[str, ...], list[dict[str, object]]]:
    """Rows for one statement each: those that fill the same columns."""
    found: dict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    for line in lines:
        row = {one.name: _value(table.c[one.name].type, value) for one, value in line.cells.items()}
        found[tuple(row)].append(row)
    return found


def _value(its: sa.types.TypeEngine[Any], value: object) -> object:
    """A moment without its time zone (UTC) for a column that keeps none."""
    keeps_zone = getattr(its, "timezone", False) or "OFFSET" in type(its).__name__
    if isinstance(value, datetime) and not keeps_zone:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _update_or_insert(
    connection: sa.Connection,
    table: sa.Table,
    keys: Sequence[str],
    others: Sequence[str],
    row: Mapping[str, object],
) -> None:
    """For databases whose upsert SQLAlchemy does not know: update, else insert, else update."""
    where = [table.c[name] == row[name] for name in keys]
    changes = {name: row[name] for name in others or keys}
    change = sa.update(table).where(*where).values(changes)
    if connection.execute(change).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table).values(dict(row)))
    except exc.IntegrityError:
        # Another program may have inserted it meanwhile.
        if not connection.execute(change).rowcount:
            raise
