"""Makes the tables of a new store, and brings those of an older store up to date.

Runs once when a store is opened. Raises StoreError for a store of a newer program.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, create_mock_engine, func, insert, select, update
from sqlalchemy.engine.mock import MockConnection

from pipeline.core.errors import StoreError
from pipeline.store.clock import StoreClock, utc_now
from pipeline.store.connection import is_server, opened, parsed_url, place_of, writer
from pipeline.store.errors import store_errors
from pipeline.store.schema import VERSION, meta, metadata


def prepare(engine: Engine, place: str) -> str:
    """Create or upgrade the tables, and return the store's id.

    Raises StoreError if a newer program made the store.
    """
    with engine.connect() as connection:
        found = _marks(connection)
    if not found or int(found["version"]) < VERSION:
        with writer(engine).begin() as connection:
            found = _upgraded(connection, _created(connection), place)
    if int(found["version"]) > VERSION:
        raise StoreError(
            f"The store {place} was made by a newer Promptsheet (its version is "
            f"{found['version']}, this program knows {VERSION}); upgrade Promptsheet."
        )
    return found["id"]


def _marks(connection: Connection) -> dict[str, str]:
    if not connection.dialect.has_table(connection, meta.name):
        return {}
    return {row.name: row.value for row in connection.execute(select(meta))}


def _created(connection: Connection) -> dict[str, str]:
    if found := _marks(connection):
        return found
    for statement in _tables(connection.dialect.name):
        connection.exec_driver_sql(statement)
    marks = {"version": str(VERSION), "id": secrets.token_hex(8)}
    connection.execute(insert(meta), [{"name": n, "value": v} for n, v in marks.items()])
    return marks


@cache
def _tables(dialect: str) -> tuple[str, ...]:
    """The statements that make all tables and indexes. Compiling them takes longer than the rest.

    `dialect` is "sqlite" or "postgresql".
    """
    statements: list[str] = []

    def spell(ddl: Any, *_: object) -> None:
        statements.append(str(ddl.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(f"{dialect}://", spell)
    metadata.create_all(engine, checkfirst=False)
    return tuple(statements)


def _upgraded(connection: Connection, found: dict[str, str], place: str) -> dict[str, str]:
    """Upgrade the tables within this transaction, and return the marks of the store."""
    before = int(found["version"])
    if before >= VERSION:
        return found
    if is_server(connection.engine):
        _refuse_others(connection, before, place)
    from pipeline.store.upgrading import upgrade

    upgrade(connection, before)
    metadata.create_all(connection)  # tables that are new
    mark = update(meta).where(meta.c.name == "version")
    connection.execute(mark.values(value=str(VERSION)))
    return {**found, "version": str(VERSION)}


def _refuse_others(connection: Connection, before: int, place: str) -> None:
    """Raise StoreError if a process of the older version is at work: it would not know the tables.

    Each connection shares the lock of its version. None can be made until this transaction ends.
    """
    from pipeline.store.postgresql import LOCK

    alone = select(func.pg_try_advisory_xact_lock(LOCK, before))
    if not connection.execute(alone).scalar():
        raise StoreError(
            f"Programs of an older version (its tables: {before}, now: {VERSION}) still work with "
            f"the store {place}. Stop them all, then run promptsheet migrate."
        )


def version_of(url: str) -> int | None:
    """The version of the tables of the store at an address; None if it has none yet.

    Nothing is made or upgraded. Raises StoreError.
    """
    address = parsed_url(url)
    engine = opened(address, 30.0, StoreClock(utc_now))
    try:
        with store_errors(place_of(address)), engine.connect() as connection:
            found = _marks(connection)
    finally:
        engine.dispose()
    return int(found["version"]) if found else None
