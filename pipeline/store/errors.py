"""Database errors as sentences for people.

Raises StoreFull if no space is left, else StoreError. Both name the store.
"""

from __future__ import annotations

import sqlite3
import sys
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
    sqlite3.SQLITE_CORRUPT: "is damaged. Put a backup in its place, then run promptsheet doctor",
}
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)

_LOST: Final = (
    "cannot be reached: the connection is lost. Is the server running? The next pass goes on"
)
_REFUSED: Final = (
    "refuses the access. Check the user name and the password in the address, and pg_hba.conf of "
    "the server"
)
#: The same for PostgreSQL: SQLSTATEs, or how they begin.
#: The pooler hands out transactions, and not whole sessions.
POOLED: Final = (
    "is behind a connection pooler that changes the session between two transactions. Set "
    "pool_mode = session in PgBouncer, or name the server itself in [store] url"
)
_NO_RIGHT: Final = (
    "cannot be written: its user lacks a right. Let the user own the database, or GRANT it CREATE "
    "on the database (for watch) and on the schema, and all rights on the tables"
)
_OF_POSTGRESQL: Final = {
    "55P03": _SENTENCES[sqlite3.SQLITE_BUSY],
    "57014": "has stopped a statement that took longer than its statement_timeout, or that someone "
    "cancelled. Give its user more time: ALTER ROLE NAME SET statement_timeout = '60s'",
    "25006": "cannot be written: the server is a standby, or read-only. Name the primary server in "
    "[store] url",
    "42501": _NO_RIGHT,
    "3F000": _NO_RIGHT,  # no schema in which it may create a table
    "3D000": "does not exist. Make the database with: createdb -E UTF8 NAME",
    "28": _REFUSED,
    "26000": POOLED,
    "42P05": POOLED,
    "53300": "has no connection left. Raise max_connections of the server, or the CONNECTION LIMIT "
    "of its user or database, or run fewer processes",
    "53": "has a server without enough memory. Try again later",
    "57P03": "cannot be reached yet: the server is starting or stopping. Try again later",
    "57P": _LOST,
    "25P03": _LOST,
    "08": _LOST,
    "XX001": "is damaged. Put a backup in its place, then run promptsheet doctor",
    "XX002": "is damaged. Put a backup in its place, then run promptsheet doctor",
}
_PG_FULL: Final = ("53100", "58030")
#: Words of a connection that failed: the driver tells no SQLSTATE then.
_WORDS: Final = {
    "too many c": _OF_POSTGRESQL["53300"],  # clients already; connections for role "…"
    "password authentication failed": _REFUSED,
    "no password supplied": _REFUSED,
    "no pg_hba.conf entry": _REFUSED,
    "authentication failed": _REFUSED,
    'role "': _REFUSED,
    'database "': _OF_POSTGRESQL["3D000"],
    "starting up": _OF_POSTGRESQL["57P03"],
    "shutting down": _OF_POSTGRESQL["57P03"],
    "in recovery mode": _OF_POSTGRESQL["57P03"],
    "not yet accepting connections": _OF_POSTGRESQL["57P03"],
    "remaining connection slots": _OF_POSTGRESQL["53300"],
    "certificate": "cannot be reached safely: its certificate is not accepted. Check sslmode and "
    "sslrootcert in the address",
    "translate host name": "cannot be reached: its host name is unknown. Check the address",
    "resolve host": "cannot be reached: its host name is unknown. Check the address",
    "Connection refused": "cannot be reached: nothing listens there. Is the server running, and "
    "is the port in the address right?",
    "closed the connection": _LOST,
    "pipeline mode": _LOST,  # It was lost in the middle of many statements at once.
    "timeout expired": "cannot be reached: no answer came. Check the address, and a firewall",
}


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn database errors into StoreError about the store at `place`."""
    try:
        yield
    except _database_errors() as error:
        raise trouble(place, error) from error


def _database_errors() -> tuple[type[Exception], ...]:
    """SQLAlchemy's errors and those of the drivers; one that is not loaded has raised none."""
    psycopg = sys.modules.get("psycopg")
    return SQLAlchemyError, sqlite3.Error, *([psycopg.Error] if psycopg else ())


def trouble(place: str, error: Exception) -> StoreError:
    """The StoreError for a database error."""
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    # The low byte is the kind of error; the rest is a detail of SQLite.
    code, state = getattr(cause, "sqlite_errorcode", 0) & 0xFF, getattr(cause, "sqlstate", None)
    if code in _FULL or state in _PG_FULL:
        return StoreFull(f"No space is left for the store {place} ({_first_line(cause)}).")
    if sentence := _SENTENCES.get(code) or _of_postgresql(error, cause, state):
        return StoreError(f"The store {place} {sentence}{'' if sentence.endswith('?') else '.'}")
    is_of_driver = isinstance(error, DBAPIError) or not isinstance(error, SQLAlchemyError)
    where = "answered" if is_of_driver else "could not be used"
    return StoreError(f"The store {place} {where}: {_first_line(cause)}.")


def _of_postgresql(error: Exception, cause: BaseException, state: str | None) -> str:
    """What an error of PostgreSQL says, without its place; empty for another one."""
    if "during recovery" in str(cause):
        return _OF_POSTGRESQL["25006"]
    if state:
        known = (state, state[:3], state[:2])
        return next((_OF_POSTGRESQL[one] for one in known if one in _OF_POSTGRESQL), "")
    if not type(cause).__module__.startswith("psycopg"):
        return ""
    text = str(cause)
    if told := next((sentence for words, sentence in _WORDS.items() if words in text), ""):
        return told
    return _LOST if isinstance(error, DBAPIError) and error.connection_invalidated else ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
