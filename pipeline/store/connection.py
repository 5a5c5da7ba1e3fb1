"""Opening the store: a file of this machine, or a PostgreSQL server (see `postgresql`).

Gives an engine for an address. Raises StoreError for a store that cannot be used.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from pipeline.core.errors import StoreError
from pipeline.store.clock import StoreClock
from pipeline.store.compiled import COMPILED
from pipeline.store.errors import store_errors

#: Files there are seen by several machines, and locks by one: two passes would both be alone.
NETWORK: Final = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre"),
    *("ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse"),
    *("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs"),
}
#: RETURNING came with it.
_OLDEST: Final = (3, 35)
#: The execution option of the engine whose transactions write.
WRITES: Final = "promptsheet_writes"
#: Whether it writes -> the kind of transaction on PostgreSQL. Both are named, so that no setting of
#: the server changes what they see.
_OF_POSTGRESQL: Final[dict[bool, dict[str, Any]]] = {
    False: {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    True: {"isolation_level": "READ COMMITTED", "postgresql_readonly": False},
}
_WRITE: Final = "sqlite:///FILE, or postgresql://USER@HOST/DATABASE"


def parsed_url(url: str) -> URL:
    """The address of a store. Raises StoreError for any other text, without quoting it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, also where it cannot be taken apart.
        raise StoreError(f"[store] url is not an address; write {_WRITE}.") from None
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise StoreError(f"[store] url begins with {kind}; write {_WRITE}.")
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError("[store] url names no file; write sqlite:///FILE.")
    return parsed


def place_of(url: URL) -> str:
    """The store's path or address for messages: without a password, or settings that may be one."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    named = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return named.render_as_string()


def opened(url: URL, patience: float, clock: StoreClock) -> Engine:
    """An engine whose writing transactions (option WRITES) come one after the other."""
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, patience)
    # Costs a tenth of a second to import, so only those pay who have one.
    from pipeline.store.postgresql import open_postgresql

    return open_postgresql(url, patience, clock)


def reader(engine: Engine) -> Engine:
    """The engine for transactions that see one moment, and change nothing."""
    return engine.execution_options(**_OF_POSTGRESQL[False]) if is_server(engine) else engine


def writer(engine: Engine) -> Engine:
    """The engine for transactions that write: one after the other."""
    more = _OF_POSTGRESQL[True] if is_server(engine) else {}
    return engine.execution_options(**{WRITES: True}, **more)


def is_server(engine: Engine) -> bool:
    """True for a store on a PostgreSQL server."""
    return engine.dialect.name == "postgresql"


def _open_sqlite(url: URL, patience: float) -> Engine:
    """All that is SQLite's own: the file, its modes, when a transaction takes the lock."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreError(
            f"SQLite here is {sqlite3.sqlite_version}; Promptsheet needs 3.35 or newer."
        )
    path = Path(url.database or "")
    _refuse_network(path)
    _make_private(path)
    with store_errors(str(path)):
        _turn_to_wal(path, patience)
    engine = create_engine(
        url,
        connect_args={"timeout": patience},
        hide_parameters=True,
        execution_options={"compiled_cache": COMPILED},
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, entry: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions by itself: it would take the lock too late.
        connection.isolation_level = None
        # The default of WAL may lose the last commits when the power goes: a paid attempt.
        connection.execute("PRAGMA synchronous = FULL").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_private(path: Path) -> None:
    """Create the file if there is none. SQLite gives the -wal and -shm files the mode of this one.

    A file that is there is never opened: to close it would end all locks that other connections of
    this process hold on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not path.is_file():  # SQLite would wait at a pipe without end
            raise OSError(errno.EINVAL, "It is no plain file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be opened: {error.strerror}. Is its folder there, and may "
            "this account write in it? Or set [store] url to another place."
        ) from error


def _turn_to_wal(path: Path, patience: float) -> None:
    """Many readers beside one writer. SQLite does not wait by itself while another turns it."""
    until = time.monotonic() + patience
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=patience)) as connection:
                connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _refuse_network(path: Path) -> None:
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return
    if kind := network_file_system(path.resolve(), mounts):
        raise StoreError(
            f"The store {path} is on a network file system ({kind}), where locks cannot be "
            "trusted. Put it on a disk of this machine, or on a PostgreSQL server: write "
            'url = "env:PROMPTSHEET_STORE", with its address in that variable.'
        )


def network_file_system(path: Path, mountinfo: str) -> str:
    """The kind of network file system that holds an absolute path; empty if it is a local disk."""
    place, best, kind = str(path), "", ""
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        above = point.rstrip("/") + "/"
        # Of two mounts on one point, the later one hides the other.
        if f"{place}/".startswith(above) and len(above) >= len(best):
            best, kind = above, right.split(" ")[0]
    return kind if kind in NETWORK else ""


def copied(file: Path, to: Path) -> None:
    """Copy a SQLite store as it is now, without leaving new files next to it.

    Raises StoreError if it cannot be read.
    """
    with (
        store_errors(str(file)),
        closing(sqlite3.connect(reading_address(file), uri=True)) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)


def reading_address(file: Path) -> str:
    """The address under which SQLite reads a store, without leaving new files next to it.

    Raises StoreError for what is no file.
    """
    if not file.is_file():
        raise StoreError(
            f"The store {file} is not a regular file. Set [store] url to another place."
        )
    # Without a -wal file no process is writing, and SQLite need not make its side files.
    has_no_wal = not Path(f"{file}-wal").exists()
    return f"{file.resolve().as_uri()}?{'immutable=1' if has_no_wal else 'mode=ro'}"
