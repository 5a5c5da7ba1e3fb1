"""Real database servers, each in a folder of its own, for as long as a test needs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.fakes.service import free_port

PASSWORD = "a-pass-word"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")


def _tool(name: str) -> str:
    """The path of a program; empty if it is not installed."""
    found = [str(path) for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    return shutil.which(name) or max(found, default="") or shutil.which(f"/usr/sbin/{name}") or ""


HAS_POSTGRESQL = bool(_tool("initdb") and find_spec("psycopg"))
HAS_MARIADB = bool(_tool("mariadbd") and _tool("mariadb-install-db") and find_spec("pymysql"))


def _account(name: str) -> tuple[str, ...]:
    """What runs a server as an account that may run one: the servers refuse root."""
    return ("runuser", "-u", name, "--") if os.geteuid() == 0 else ()


@contextmanager
def _folder(owner: str) -> Iterator[Path]:
    # Paths of sockets are short, and other accounts may not look into folders of tests. In memory
    # a server starts five times as fast.
    place = next(one for one in ("/dev/shm", "/tmp") if os.access(one, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="db", dir=place, ignore_cleanup_errors=True) as made:
        if os.geteuid() == 0:
            shutil.chown(made, owner)
        yield Path(made)


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of the empty database of a PostgreSQL server that asks for a password."""
    with _folder("postgres") as folder:
        user, data, secret = _account("postgres"), folder / "data", folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        made = ("-A", "scram-sha-256", "-U", "anna", f"--pwfile={secret}", "-E", "UTF8", "-N")
        _done(*user, _tool("initdb"), "-D", str(data), "--no-locale", *made)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "fsync": "off",
            "unix_socket_directories": str(folder),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        url = f"postgresql://anna:{PASSWORD}@127.0.0.1:{port}/postgres"
        with _running(*user, _tool("postgres"), "-D", str(data), *options):
            _wait(lambda: _answers(url))
            yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """The address of the empty database of a MariaDB server that asks for a password."""
    with _folder("mysql") as folder:
        user, data, port = _account("mysql"), folder / "data", free_port()
        made = (f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db")
        _done(*user, _tool("mariadb-install-db"), "--no-defaults", *made)
        start = folder / "start.sql"
        start.write_text(
            "CREATE DATABASE results CHARACTER SET utf8mb4;\n"
            f"CREATE USER anna@'%' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON results.* TO anna@'%';\n"
        )
        start.chmod(0o644)
        options = (
            *(f"--datadir={data}", f"--socket={folder}/socket", f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--init-file={start}", f"--pid-file={folder}/pid"),
            *("--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"),
        )
        url = f"mysql+pymysql://anna:{PASSWORD}@127.0.0.1:{port}/results"
        with _running(*user, _tool("mariadbd"), "--no-defaults", *options):
            _wait(lambda: _answers(url))
            yield url


def _done(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@contextmanager
def _running(*command: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd="/")
    try:
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    engine = create_engine(url)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def _wait(is_up: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_up():
        assert time.monotonic() < until, "the database did not start"
        time.sleep(0.05)
