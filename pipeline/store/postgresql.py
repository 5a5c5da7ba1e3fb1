"""Opening a store on a PostgreSQL server.

The transactions are those of SQLite: one at a time writes, and each that reads sees one moment.

Raises StoreError for a server that cannot be used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, func, select
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from pipeline.core.errors import MissingExtra, StoreError
from pipeline.store.clock import StoreClock
from pipeline.store.connection import WRITES
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
_set = func.set_config
#: One writer at a time, as BEGIN IMMEDIATE gives on SQLite. The statements after it see what the
#: writer before it has committed, because each statement of READ COMMITTED has a new snapshot.
_BEGIN: Final = select(
    _set("idle_in_transaction_session_timeout", bindparam("silent"), True),
    func.pg_advisory_xact_lock(LOCK),
    func.clock_timestamp(),
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
            pool_pre_ping=True,
        )
    except ModuleNotFoundError:
        raise MissingExtra("A store on PostgreSQL", "postgresql") from None

    @event.listens_for(engine, "connect")
    def connected(connection: Driver[Any], entry: ConnectionPoolEntry) -> None:
        clock.heard(_prepare(connection, patience))

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            answer = connection.execute(_BEGIN, {"silent": f"{SILENT}s"})
            clock.heard(answer.one()[2])

    return engine


def _prepare(connection: Driver[Any], patience: float) -> datetime:
    """Make a new connection ready: amounts, patience, and the lock of its version.

    Returns the time on the server.
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
    (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (datetime.now(UTC),)
    connection.autocommit = False
    return now
