"""A real PgBouncer before a PostgreSQL server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.fakes.databases import PASSWORD, account, is_up
from tests.fakes.postgresql import PostgresqlServer
from tests.fakes.program import until
from tests.fakes.service import free_port

PROGRAM: Final = Path("/usr/sbin/pgbouncer")


@contextmanager
def pgbouncer(server: PostgresqlServer, database: str, mode: str) -> Iterator[str]:
    """The address of a database behind a pooler with this `pool_mode`."""
    port, folder = free_port(), server.folder / f"pooler-{mode}"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "users").write_text(f'"anna" "{PASSWORD}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user=anna password={PASSWORD}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users\npool_mode = {mode}\n"
        f"logfile = {folder}/log\npidfile = {folder}/pid\n"
    )
    for file in folder.iterdir():
        file.chmod(0o644)
    quiet, url = subprocess.DEVNULL, f"postgresql://anna:{PASSWORD}@127.0.0.1:{port}/{database}"
    words = (*account("postgres"), str(PROGRAM), str(folder / "ini"))
    with subprocess.Popen(words, stdout=quiet, stderr=quiet, cwd="/") as process:
        try:
            until(lambda: is_up(url), "the pooler is up")
            yield url
        finally:
            process.terminate()
