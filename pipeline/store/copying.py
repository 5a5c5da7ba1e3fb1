"""Copies a store, table by table, between SQLite and PostgreSQL.

The values are copied as they are kept. Raises StoreError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from pipeline.core.errors import StoreError
from pipeline.core.text import counted, one_line
from pipeline.store.column_types import Listed, Moment, Words, to_number
from pipeline.store.connection import place_of
from pipeline.store.errors import store_errors
from pipeline.store.schema import VERSION, meta, metadata, sheets
from pipeline.store.transactions import Database

#: Lines that are read and written together.
_LINES: Final = 2_000
_PLAIN = MetaData()


def _as_kept(column: Column[Any]) -> TypeEngine[Any]:
    kept = column.type
    if isinstance(kept, Words | Listed):
        return Text()
    return BigInteger() if isinstance(kept, Moment) else kept


#: The tables with values as they are kept, those first that others refer to.
TABLES: Final = [
    Table(one.name, _PLAIN, *(Column(c.name, _as_kept(c)) for c in one.columns))
    for one in metadata.sorted_tables
]
_LEASES: Final = _PLAIN.tables["leases"]


class Fingerprint(NamedTuple):
    """What a table holds: its number of lines, and a sum over their digests."""

    lines: int
    digest: str


class CopiedStore(NamedTuple):
    """The outcome of copying a store: table -> what it holds, in both stores."""

    tables: dict[str, Fingerprint]
    #: True if the target held the same already, so that nothing was written.
    was_there: bool


def copy_store(source: Database, target: Database) -> CopiedStore:
    """Move all contents of a store into an empty one, and compare both afterwards.

    All of it is one transaction: if it breaks off, the target is as empty as before. Nothing is
    written to the source meanwhile. The target then has the id of the source. Raises StoreError if
    a pass is at work in one of them, or if the target holds anything else.
    """
    with source.writing() as of, target.writing() as into:
        for database, connection in ((source, of), (target, into)):
            _refuse_busy(database, connection)
        contents = fingerprints(of)
        if fingerprints(into) == contents:
            return CopiedStore(contents, was_there=True)
        _refuse_other(target, into)
        copy_tables(of, into)
        there = fingerprints(into)
        if wrong := [name for name, its in contents.items() if there[name] != its]:
            raise StoreError(
                f"The copy in {target.place} differs in {', '.join(wrong)}, so nothing was copied."
            )
    target.id = source.id
    return CopiedStore(contents, was_there=False)


def copy_tables(of: Connection, into: Connection) -> None:
    """Add all lines of one store to another one, which is empty, and take over its id."""
    into.execute(delete(meta))
    for table in TABLES:
        for lines in _read(of, table):
            into.execute(insert(table), [one._asdict() for one in lines])
    if into.dialect.name == "postgresql":
        for table in metadata.sorted_tables:
            if table.autoincrement_column is not None:
                # Otherwise it would count from 1 again.
                its = f"'{table.name}', 'id'), max(id)) FROM {table.name} HAVING max(id) > 0"
                into.execute(text(f"SELECT setval(pg_get_serial_sequence({its}"))


def fingerprints(connection: Connection) -> dict[str, Fingerprint]:
    """Table -> what it holds. The order of the lines does not matter."""
    return {table.name: _fingerprint(connection, table) for table in TABLES}


def _fingerprint(connection: Connection, table: Table) -> Fingerprint:
    count = total = 0
    for lines in _read(connection, table):
        for line in lines:
            name = hashlib.blake2b(repr(tuple(line)).encode(), digest_size=16).digest()
            total += int.from_bytes(name)
        count += len(lines)
    return Fingerprint(count, f"{total % (1 << 128):032x}")


def _read(connection: Connection, table: Table) -> Iterator[list[Row[*tuple[object, ...]]]]:
    in_parts = {"yield_per": _LINES}
    with store_errors(place_of(connection.engine.url)):
        found = connection.execute(select(table), execution_options=in_parts)
        for lines in found.partitions():
            yield list(lines)


def _refuse_busy(database: Database, connection: Connection) -> None:
    busy = select(_LEASES.c.holder).where(_LEASES.c.until > to_number(database.now()))
    if holder := connection.execute(busy.limit(1)).scalar():
        raise StoreError(
            f"A run or watch ({one_line(holder)}) works with the store {database.place}. Stop "
            "watch, serve and cron on all machines, wait until they have ended, and copy again."
        )


def _refuse_other(target: Database, into: Connection) -> None:
    marks = {row.name for row in into.execute(select(meta.c.name))}
    holds = {name: its.lines for name, its in fingerprints(into).items() if name != meta.name}
    if marks - {"version", "id"} or any(holds.values()):
        known = into.execute(select(func.count()).select_from(sheets)).scalar_one()
        raise StoreError(
            f"The store {target.place} is not empty: it has {counted(known, 'sheet')} of its own. "
            f"Copy to an empty database, or to a new file. (Both stores have version {VERSION}.)"
        )
