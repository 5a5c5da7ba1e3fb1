"""Opening a store on a PostgreSQL server.

The transactions are those of SQLite: one at a time writes, and each that reads sees one moment.

Raises StoreError for a server that cannot be used.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from pipeline.core.errors import MissingExtra, StoreError
from pipeline.store.clock import StoreClock
from pipeline.store.connection import WRITES, place_of
from pipeline.store.errors import POOLED
from pipeline.store.prepared import Prepared
from pipeline.store.schema import VERSION, metadata, spell_for_postgresql

if TYPE_CHECKING:
    from psycopg import Connection as Driver

#: The advisory lock of the transaction that writes. With a version of the tables as a second
#: number, it is the lock that each connection of that version shares (see `migrations`).
LOCK: Final = 7261
#: Seconds after which the server ends a writing transaction whose process sends nothing: it hangs,
#: or its link is cut, and all others wait for it.
SILENT: Final = 20
#: When the link to the server counts as cut, in seconds and in milliseconds.
_LINK: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
#: One writer at a time, as BEGIN IMMEDIATE gives on SQLite. The statements after it see what the
#: writer before it has committed, because each statement of READ COMMITTED has a new snapshot.
_BEGIN: Final = Prepared(
    text(
        "SELECT set_config('idle_in_transaction_session_timeout', :silent, true), "
        f"pg_advisory_xact_lock({LOCK}), clock_timestamp()"
    ),
    "silent",
)
_CONNECTED: Final = (
    "SELECT set_config('lock_timeout', %s, false), set_config('synchronous_commit', "
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE "
    "current_setting('synchronous_commit') END, false), pg_advisory_lock_shared(%s, %s)"
)


def open_postgresql(url: URL, patience: float, clock: StoreClock) -> Engine:
    """An engine whose writing transactions (option WRITES) come one after the other."""
    spell_for_postgresql(metadata)
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={**_LINK, "application_name": f"promptsheet {VERSION}", **url.query},
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise MissingExtra("A store on PostgreSQL", "postgresql") from None
    for name in ("psycopg", "sqlalchemy.pool"):  # They log what they also raise.
        logging.getLogger(name).setLevel(logging.CRITICAL)

    @event.listens_for(engine, "connect")
    def connected(connection: Driver[Any], entry: ConnectionPoolEntry) -> None:
        now, server = _prepare(connection, patience)
        clock.heard(now)
        # A pooler tells its clients another number than that of the server's process.
        entry.info["behind_pooler"] = server if server != connection.info.backend_pid else None

    @event.listens_for(engine, "checkout")
    def checked_out(connection: Driver[Any], entry: ConnectionPoolEntry, _: object) -> None:
        # The server speaks to an idle connection when it ends it. To ask the server each time would
        # cost as much as a statement.
        if _is_readable(connection):
            raise InvalidatePoolError("The server has ended the connection.")
        if server := entry.info.get("behind_pooler"):
            _refuse_other_session(connection, server, place_of(url))

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            ((_, _, now),) = _BEGIN.rows(connection, f"{SILENT}s")
            clock.heard(now)

    return engine


def _is_readable(connection: Driver[Any]) -> bool:
    """True if something has arrived at an idle connection, or if it is closed."""
    from psycopg import OperationalError

    with DefaultSelector() as selector:
        try:
            selector.register(connection.fileno(), EVENT_READ)
        except (OSError, OperationalError):
            return True
        return bool(selector.select(0))


def _refuse_other_session(connection: Driver[Any], server: int, place: str) -> None:
    """Raise StoreError if the pooler has given the connection to another process of the server.

    That process has neither the lock of this version nor the settings of this connection.
    """
    connection.autocommit = True
    found = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    connection.autocommit = False
    if found != (server,):
        raise StoreError(f"The store {place} {POOLED}.")


def _prepare(connection: Driver[Any], patience: float) -> tuple[datetime, int]:
    """Make a new connection ready: amounts, patience, and the lock of its version.

    Returns the time on the server, and the number of its process there.
    """
    from psycopg.adapt import Loader

    class Amounts(Loader):
        """Whole amounts as int, others as float: what `core.credits` takes."""

        def load(self, found: bytes | bytearray | memoryview) -> int | float:
            number = Decimal(bytes(found).decode())
            return int(number) if number == int(number) else float(number)

    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"The database of the store keeps texts as {encoding}, which lacks letters that "
            "prompts have. Make one with ENCODING 'UTF8'."
        )
    connection.adapters.register_loader("numeric", Amounts)
    connection.autocommit = True
    connection.execute(_CONNECTED, [f"{patience}s", LOCK, VERSION])
    asked = "SELECT clock_timestamp(), pg_backend_pid()"
    found = connection.execute(asked).fetchone() or (datetime.now(UTC), 0)
    connection.autocommit = False
    return found
