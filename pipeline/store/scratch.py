"""The view of a store on a server as of one moment, in which what is written stays nowhere.

A preview reads some of many rows, so nothing is copied: all of it is one transaction, which is
rolled back. The small tables that a preview may write to, for a sheet that no run has seen or to
count what is asked of Google, become temporary copies with the same names when it does. All else
can only be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import RLock
from typing import Any, Final

from sqlalchemy import Connection, Engine

from pipeline.store.errors import store_errors
from pipeline.store.schema import meta, paces, sheets
from pipeline.store.transactions import Database

#: A preview may wait for an API meanwhile; no other program waits for it.
_BEGIN: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"


def _copies() -> Iterator[str]:
    """Statements that put temporary copies in the place of the tables that may be written to."""
    for table in (meta, sheets, paces):
        name = table.name
        like = "INCLUDING DEFAULTS INCLUDING INDEXES"
        yield f"CREATE TEMPORARY TABLE its_{name} (LIKE {name} {like}) ON COMMIT DROP"
        yield f"INSERT INTO its_{name} TABLE {name}"
        yield f"ALTER TABLE its_{name} RENAME TO {name}"
    # A new sheet gets a number that no other has.
    yield "CREATE TEMPORARY SEQUENCE its_ids START 1000000000"
    yield f"ALTER TABLE pg_temp.{sheets.name} ALTER id SET DEFAULT nextval('its_ids')"
    yield "SET TRANSACTION READ ONLY"


class Scratch(Database):
    """One transaction of one connection, which any thread may use in its turn."""

    def __init__(self, engine: Engine, place: str, now: Callable[[], datetime]) -> None:
        super().__init__(engine, place, None, now)
        self._turn = RLock()
        self._connection: Connection | None = None
        self._has_copies = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The transaction. Raises StoreError."""
        with self._turn, store_errors(self.place):
            yield self._opened()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The transaction; what is written is never committed. Raises StoreError."""
        with self._turn, store_errors(self.place):
            connection = self._opened()
            if not self._has_copies:
                for statement in _copies():
                    connection.exec_driver_sql(statement)
                self._has_copies = True
            yield connection

    def close(self) -> None:
        """End the transaction."""
        with self._turn, store_errors(self.place):
            if self._connection is not None:
                self._connection.close()

    def _opened(self) -> Connection:
        if self._connection is None:
            engine = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=False
            )
            self._connection = engine.connect()
            # A statement that the server has prepared would go on reading the other table.
            driver: Any = self._connection.connection.driver_connection
            driver.prepare_threshold = None
            self._connection.exec_driver_sql(_BEGIN)
        return self._connection
