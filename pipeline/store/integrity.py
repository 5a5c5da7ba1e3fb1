"""Whether the file of a SQLite store is whole, as far as SQLite can tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.core.errors import StoreError
from pipeline.core.text import one_line
from pipeline.store.connection import reading_address
from pipeline.store.errors import store_errors


def damage(file: Path) -> str:
    """What is wrong with the file of a store, in SQLite's words; empty if nothing is.

    A line of a table that belongs to no line of another one is wrong, too. Nothing is changed.
    Raises StoreError for a file that is no database, or cannot be read.
    """
    # Another process may have begun to write during the first look.
    return _look(file) and _look(file)


def _look(file: Path) -> str:
    try:
        with store_errors(str(file)):
            return _problem(file)
    except StoreError as error:
        cause = error.__cause__
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            return one_line(str(cause))
        raise


def _problem(file: Path) -> str:
    with closing(sqlite3.connect(reading_address(file), uri=True)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            return one_line(str(found).removeprefix("*** in database main ***"))
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    return f"a line of the table {orphan[0]} belongs to no line of {orphan[2]}" if orphan else ""
