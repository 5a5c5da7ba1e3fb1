"""A real PostgreSQL server: one that all workers of a test run share, or one of a test's own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from pipeline.store.schema import meta, metadata
from tests.fakes.databases import PASSWORD, account, done, is_up, place_of_servers, tool
from tests.fakes.service import free_port


class PostgresqlServer:
    """A server in a folder, with its data. It asks for a password."""

    def __init__(self, folder: Path, port: int = 0, *, safe: bool = False) -> None:
        self.folder, self.port = folder, port or free_port()
        # Only a test that kills the server needs to wait for its disk. Tests share tables: what the
        # server learnt of the lines of one test would decide how it reads those of the next.
        self._settings = {
            "fsync": "on" if safe else "off",
            "full_page_writes": "off",
            "autovacuum": "off",
        }

    def url(self, database: str = "postgres", user: str = "anna", password: str = PASSWORD) -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Make its data."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        made = ("-A", "scram-sha-256", "-U", "anna", f"--pwfile={secret}", "-E", "UTF8", "-N")
        data = str(self.folder / "data")
        done(*account("postgres"), tool("initdb"), "-D", data, "--no-locale", *made)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._control("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """End it: its connections break. `immediate` is a crash, from which it recovers."""
        self._control("stop", "-m", mode)

    def be_standby(self) -> None:
        """Let it be a standby from its next start: it can only be read."""
        (self.folder / "data/standby.signal").touch()

    def _control(self, *words: str) -> None:
        data, quiet = str(self.folder / "data"), subprocess.DEVNULL
        # A session of its own: the Ctrl-C that ends the tests ends it in its turn.
        command = (*account("postgres"), tool("pg_ctl"), "-D", data, "-w", *words)
        subprocess.run(
            command, stdout=quiet, stderr=quiet, cwd="/", start_new_session=True, check=True
        )

    @contextmanager
    def connected(self, database: str = "postgres") -> Iterator[Connection]:
        """A connection whose statements are committed at once."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def make_database(self, name: str, more: str = "") -> str:
        """The address of a new, empty database."""
        with self.connected() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name} {more}"))
        return self.url(name)


@contextmanager
def own_server(*, safe: bool = False) -> Iterator[PostgresqlServer]:
    """A server for one test."""
    with tempfile.TemporaryDirectory(
        prefix="pg", dir=place_of_servers(), ignore_cleanup_errors=True
    ) as folder:
        server = PostgresqlServer(Path(folder), safe=safe)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def shared_server(place: Path) -> Iterator[PostgresqlServer]:
    """The server of this test run. The first worker that needs it starts it, the last ends it."""
    notes = place / "postgresql.json"
    with (place / "postgresql.users").open("a") as users:
        with _locked(place):
            found = _noted(notes)
            if found is None:
                folder = Path(tempfile.mkdtemp(prefix="pg", dir=place_of_servers()))
                found = PostgresqlServer(folder)
                found.make()
                found.start()
                notes.write_text(json.dumps([str(folder), found.port]))
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield found
        finally:
            with _locked(place), suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_UN)
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                notes.unlink()
                found.stop()
                shutil.rmtree(found.folder, ignore_errors=True)


def _noted(notes: Path) -> PostgresqlServer | None:
    try:
        folder, port = json.loads(notes.read_text())
    except (OSError, ValueError):
        return None
    server = PostgresqlServer(Path(folder), port)
    return server if is_up(server.url()) else None


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    with (place / "postgresql.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Emptied:
    """Empties a store, which takes a tenth of the time that a new database takes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        tables = [one for one in reversed(metadata.sorted_tables) if one is not meta]
        numbered = [one for one in tables if one.autoincrement_column is not None]
        self._statements = "; ".join(
            [
                *(f"DELETE FROM {one.name}" for one in tables),
                *(f"ALTER SEQUENCE {one.name}_id_seq RESTART" for one in numbered),
                "DELETE FROM promptsheet WHERE name NOT IN ('id', 'version')",
                "UPDATE promptsheet SET value = md5(random()::text) WHERE name = 'id'",
            ]
        )

    def __call__(self) -> str:
        with self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute(self._statements, prepare=False)
        return self._url

    def __enter__(self) -> Emptied:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()
