"""What every part of the store stands on: an engine, a clock, and two kinds of transaction."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Table, bindparam, select, update
from sqlalchemy.dialects import sqlite

from pipeline.store.opening import WRITES
from pipeline.store.tables import sheets
from pipeline.store.troubles import told

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")
#: How many values go into one question: every database has a limit.
CHUNK = 500

# Built once: building a statement takes longer than running it.
_NUMBER = select(sheets.c.id).where(sheets.c.key == bindparam("key"))
_LOCKED = (
    select(sheets.c.key, sheets.c.id, sheets.c.paused)
    .where(sheets.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(sheets.c.id)
    .with_for_update()
)
_RAISED = (
    update(sheets)
    .where(sheets.c.id == bindparam("number"))
    .values(moved=sheets.c.moved + 1)
    .returning(sheets.c.moved)
)


class LockedSheet(NamedTuple):
    """A sheet that is held against all others: its number inside the store, and its pause."""

    number: int
    paused: bool


class Base:
    """The engine and the clock of a store."""

    #: The store's own id, minted when it was made; it stands in every claim that it raises.
    id: str

    def __init__(self, engine: Engine, place: str, file: Path | None, now: Callable[[], datetime]):
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._place = place
        self._file = file
        self._now = now
        # Threads that wait for each other's file locks sleep too long; here they queue.
        self._turn = Lock()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment and changes nothing."""
        with told(self._place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that is kept whole when the block ends, and not at all if it raises."""
        with self._turn, told(self._place), self._writer.begin() as connection:
            yield connection


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what happens on a conflict: both dialects spell it alike."""
    if connection.dialect.name == "postgresql":
        # Costs a tenth of a second to import, so only those pay who have one.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


def number_of(connection: Connection, sheet: str) -> int:
    """The number of a sheet inside the store; 0, which no sheet has, if it is not known."""
    return connection.execute(_NUMBER, {"key": sheet}).scalar() or 0


def made(connection: Connection, sheet: str) -> int:
    """The number of a sheet inside the store, which knows it from now on."""
    if found := number_of(connection, sheet):
        return found
    connection.execute(upsert(connection, sheets).values(key=sheet).on_conflict_do_nothing())
    return number_of(connection, sheet)


def locked(connection: Connection, keys: Iterable[str]) -> dict[str, LockedSheet]:
    """Key -> sheet, for those of the keys that there are.

    They are held against all others who change jobs until the transaction ends. (In SQLite the
    whole store is: it has no FOR UPDATE, and needs none.)
    """
    rows = connection.execute(_LOCKED, {"keys": sorted(set(keys))})
    return {row.key: LockedSheet(row.id, row.paused) for row in rows}


def stirred(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """Number -> its raised `moved`; holds these sheets as `locked` does."""
    # Always in the same order, so that no two wait for each other.
    return {
        number: connection.execute(_RAISED, {"number": number}).scalar_one()
        for number in sorted(set(numbers))
    }


def chunks(values: Sequence[T]) -> Iterator[list[T]]:
    """The values in lists short enough for one question."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: of a hundred thousand values that all stay, it finds none.

    It would look through them again and again, and take as long as the reading itself.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def digest(text: str) -> str:
    """A short name for a text of any length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
