"""Database errors as sentences for people.

Raises StoreFull if no space is left, else StoreError. Both name the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from pipeline.core.errors import StoreError, StoreFull

_SENTENCES: Final = {
    sqlite3.SQLITE_BUSY: "has been locked by another program for too long. Try again later",
    sqlite3.SQLITE_LOCKED: "has been locked by another program for too long. Try again later",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Does its folder exist, and is it writable?",
    sqlite3.SQLITE_READONLY: "cannot be written. Give this user the right to write it "
    "and its folder",
    sqlite3.SQLITE_PERM: "cannot be read by this user",
    sqlite3.SQLITE_NOTADB: "is not a store of Promptsheet. Set [store] url to another file",
    sqlite3.SQLITE_CORRUPT: "is damaged. Put a backup in its place, then run `doctor`",
}
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
#: PostgreSQL's own number for "disk full".
_PG_FULL: Final = "53100"


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn database errors into StoreError about the store at `place`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise trouble(place, error) from error


def trouble(place: str, error: Exception) -> StoreError:
    """The StoreError for a database error."""
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    # The low byte is the kind of error; the rest is a detail of SQLite.
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL or getattr(cause, "sqlstate", "") == _PG_FULL:
        return StoreFull(f"No space is left for the store {place} ({_first_line(cause)}).")
    if code in _SENTENCES:
        sentence = _SENTENCES[code]
        return StoreError(f"The store {place} {sentence}{'' if sentence.endswith('?') else '.'}")
    where = "answered" if isinstance(error, DBAPIError | sqlite3.Error) else "could not be used"
    return StoreError(f"The store {place} {where}: {_first_line(cause)}.")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
