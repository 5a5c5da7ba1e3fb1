"""The shared base of all parts of the store: engine, clock, and two kinds of transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from threading import Lock, local
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    bindparam,
    delete,
    event,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from pipeline.store.column_types import escaped
from pipeline.store.connection import WRITES, reader, writer
from pipeline.store.errors import store_errors
from pipeline.store.event_lines import described, forget_noted, log
from pipeline.store.prepared import Prepared
from pipeline.store.schema import meta, sheets

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")
#: How many values go into one question: every database has a limit.
CHUNK = 500
#: The execution option of the engine with the numbers of the sheets that it knows.
_NUMBERS: Final = "promptsheet_numbers"


# Built once: building a statement takes longer than running it.
_NUMBER = Prepared(select(sheets.c.id).where(sheets.c.key == bindparam("its_key")), "its_key")
_LOCKED = Prepared(
    select(sheets.c.id, sheets.c.paused, sheets.c.version).where(
        sheets.c.key == bindparam("its_key")
    ),
    "its_key",
)
_RAISED = Prepared(
    update(sheets)
    .where(sheets.c.id == bindparam("its_number"))
    .values(version=sheets.c.version + literal_column("1"))
    .returning(sheets.c.version),
    "its_number",
)


def value_of(connection: Connection, name: str) -> str:
    """The value of this name in the table `promptsheet`; "" if there is none."""
    return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar() or ""


def keep_value(connection: Connection, name: str, value: str) -> None:
    """Keep a value under this name in the table `promptsheet`; an empty one deletes the line."""
    if not value:
        connection.execute(delete(meta).where(meta.c.name == name))
        return
    keeping = upsert(connection, meta).values(name=name, value=value)
    connection.execute(
        keeping.on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


class LockedSheet(NamedTuple):
    """A sheet that this transaction has locked."""

    number: int
    paused: bool
    #: The version of its jobs: every change of one of them raises it.
    version: int


class Versions(NamedTuple):
    """The version of a sheet's jobs before and after a change of its jobs."""

    before: int
    after: int


class Database:
    """The engine and the clock of a store. All parts share one, and any thread may use it."""

    def __init__(
        self, engine: Engine, place: str, rescue: Path | None, now: Callable[[], datetime]
    ) -> None:
        self.engine = engine
        #: The store's path or address, for messages.
        self.place = place
        #: The file that takes what is reported while the store cannot; None if there is none.
        self.rescue = rescue
        self.now = now
        #: The store's own id, made with its tables.
        self.id = ""
        # A sheet keeps its number, so each is asked for once. But the database behind a new
        # connection may have been restored from a backup since.
        numbers = dict[str, int]()
        event.listen(engine, "connect", lambda *_: numbers.clear())
        options: dict[str, Any] = {_NUMBERS: numbers}
        self._reader = reader(engine).execution_options(**options)
        self._writer = writer(engine).execution_options(**options)
        # Threads that wait for each other's file locks sleep too long; here they queue.
        self._queue = Lock()
        self._snapshots = local()

    def close(self) -> None:
        """End what is open besides the connections of the engine; here nothing."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read as of one moment: all reads of this thread in the block share one transaction.

        Nothing may be written in the block.
        """
        if self._snapshot is not None:
            yield
            return
        with self.reading() as connection:
            self._snapshots.connection = connection
            try:
                yield
            finally:
                self._snapshots.connection = None

    @property
    def _snapshot(self) -> Connection | None:
        return getattr(self._snapshots, "connection", None)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment and changes nothing. Raises StoreError."""
        if connection := self._snapshot:
            yield connection
            return
        with store_errors(self.place), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed when the block ends, and rolled back if it raises.

        Raises StoreError, and StoreFull if no space is left.
        """
        assert self._snapshot is None, "a snapshot only reads"
        with self._queue, store_errors(self.place), self._writer.begin() as connection:
            forget_noted(connection)
            yield connection
            events = described(connection)
        log(events)


class StorePart:
    """A part of the store: methods about one subject, each of them one transaction at most."""

    def __init__(self, database: Database) -> None:
        self._database = database


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with an ON CONFLICT clause, which both dialects have."""
    if connection.dialect.name == "postgresql":
        # Costs a tenth of a second to import, so only those pay who have one.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


def number_of(connection: Connection, sheet: str) -> int:
    """The number of a sheet inside the store; 0 if the store does not know it."""
    options = connection.get_execution_options()
    known: dict[str, int] = options.get(_NUMBERS, {})
    if number := known.get(sheet, 0):
        return number
    found = _NUMBER.first(connection, escaped(sheet))
    if found and not options.get(WRITES):  # A sheet that is being added may be rolled back.
        known[sheet] = found[0]
    return found[0] if found else 0


def made(connection: Connection, sheet: str) -> int:
    """The number of a sheet inside the store; a new sheet is added."""
    if found := number_of(connection, sheet):
        return found
    connection.execute(upsert(connection, sheets).values(key=sheet).on_conflict_do_nothing())
    return number_of(connection, sheet)


def locked(connection: Connection, keys: Iterable[str]) -> dict[str, LockedSheet]:
    """Key -> sheet, for those of the keys that exist.

    They stay locked until the transaction ends: no other process can change their jobs. (It
    locks the whole store, so SQLite's lack of FOR UPDATE does not matter.)
    """
    # Always in the same order, so that no two transactions wait for each other.
    found = {key: _LOCKED.first(connection, escaped(key)) for key in sorted(set(keys))}
    return {key: LockedSheet(row[0], bool(row[1]), row[2]) for key, row in found.items() if row}


def raise_versions(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """Raise the version of these sheets: number -> its version, now one more.

    Locks the sheets as `locked` does.
    """
    # Always in the same order, so that no two transactions wait for each other.
    found = {number: _RAISED.first(connection, number) for number in sorted(set(numbers))}
    return {number: row[0] for number, row in found.items() if row}


def chunks(values: Sequence[T]) -> Iterator[list[T]]:
    """The values in lists short enough for one question."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def digest(text: str) -> str:
    """A short name for a text of any length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
