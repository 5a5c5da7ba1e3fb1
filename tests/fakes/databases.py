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


def tool(name: str) -> str:
    """The path of a program; empty if it is not installed."""
    found = [str(path) for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    return shutil.which(name) or max(found, default="") or shutil.which(f"/usr/sbin/{name}") or ""


HAS_POSTGRESQL = bool(tool("initdb") and find_spec("psycopg"))
HAS_MARIADB = bool(tool("mariadbd") and tool("mariadb-install-db") and find_spec("pymysql"))


def account(name: str) -> tuple[str, ...]:
    """What runs a server as an account that may run one: the servers refuse root."""
    return ("runuser", "-u", name, "--") if os.geteuid() == 0 else ()


def place_of_servers() -> str:
    """Where the folders of servers are."""
    # Paths of sockets are short, and other accounts may not look into folders of tests. In memory
    # a server starts five times as fast.
    return next(one for one in ("/dev/shm", "/tmp") if os.access(one, os.W_OK))


@contextmanager
def _folder(owner: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="db", dir=place_of_servers(), ignore_cleanup_errors=True
    ) as made:
        if os.geteuid() == 0:
            shutil.chown(made, owner)
        yield Path(made)


@contextmanager
def mariadb() -> Iterator[str]:
    """The address of the empty database of a MariaDB server that asks for a password."""
    with _folder("mysql") as folder:
        user, data, port = account("mysql"), folder / "data", free_port()
        made = (f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db")
        done(*user, tool("mariadb-install-db"), "--no-defaults", *made)
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
        with _running(*user, tool("mariadbd"), "--no-defaults", *options):
            wait(lambda: is_up(url))
            yield url


def done(*command: str) -> None:
    """Run a program that must succeed."""
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


def is_up(url: str) -> bool:
    """Returns whether a database can be connected to."""
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


def wait(is_so: Callable[[], bool]) -> None:
    """Wait until a server is as it should be."""
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "the database server did not do it in 30 seconds"
        time.sleep(0.05)
