"""A team that uses `watch` or `serve`: its webhook address, its page token, its history."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.team import Team

TOKEN = "a page token for tests"
SECRET = "a secret for tests, long enough to be one"


def free_port() -> int:
    """A free port, below those that the system gives to outgoing connections: none takes it."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def service(
    team: Team,
    name: str = "pipeline",
    *,
    hooks: int = 0,
    page: int = 0,
    public_url: str = "",
    schedule: dict[str, object] | None = None,
    budget: dict[str, object] | None = None,
    **more: object,
) -> Path:
    """The configuration of a service, with webhooks on the port `hooks`; 0: without webhooks."""
    for file, text in {"token": TOKEN, "secret": SECRET}.items():
        (team.folder / file).write_text(text)
        (team.folder / file).chmod(0o600)
    webhook = {
        "public_url": public_url or f"http://127.0.0.1:{hooks}",
        "secret": "file:secret",
        "listen": f"127.0.0.1:{hooks}",
    }
    tables: dict[str, dict[str, object]] = {
        "schedule": schedule or {"every": "1s"},
        "page": {"token": "file:token", "listen": f"127.0.0.1:{page}"},
    }
    if budget:
        tables["budget"] = budget
    if hooks:
        tables["webhook"] = dict(webhook)
    return team.configured(name, tables=tables, **more)  # type: ignore[arg-type]


def get(url: str, token: str = "") -> tuple[int, str]:
    """Status and text of the answer."""
    parts = urlsplit(url)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with closing(HTTPConnection(parts.netloc, timeout=10)) as connection:
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def is_up(port: int) -> bool:
    """True if a service answers there."""
    try:
        return get(f"http://127.0.0.1:{port}/healthz")[0] == 200
    except OSError:
        return False


def passed_at(team: Team) -> int:
    """When the last pass ended, in microseconds; 0 before the first."""
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection:
        return int(connection.execute("select max(passed_at) from sheets").fetchone()[0] or 0)


def is_at_rest(team: Team) -> bool:
    """True if no pass is running on the sheet, and the last pass left nothing to do."""
    asked = (
        "select (select count(*) from leases) = 0 and "
        "(select count(*) from promptsheet where name like 'rest of %') > 0"
    )
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection:
        return bool(connection.execute(asked).fetchone()[0])


def history(team: Team, store: str = "promptsheet.db") -> dict[tuple[int, int], list[str]]:
    """The kinds of event of each attempt, in the order in which they were recorded."""
    words: dict[tuple[int, int], list[str]] = {}
    with closing(sqlite3.connect(team.folder / store)) as connection:
        asked = "select job, number, kind, body from events order by id"
        for job, number, kind, body in connection.execute(asked):
            percent = (json.loads(body) or {}).get("percent")
            word = kind if percent is None else f"{kind} {percent}"
            words.setdefault((job, number), []).append(word)
    return words


def backward_moves(team: Team) -> int:
    """How often an attempt went back to an earlier state."""
    order = {
        "sent": 0,
        "lost": 1,
        "postponed": 1,
        "accepted": 1,
        "progressed": 2,
        "failed": 3,
        "succeeded": 4,
    }
    back = 0
    for kinds in history(team).values():
        ranks = [order[kind.split()[0]] for kind in kinds]
        back += sum(b < a for a, b in pairwise(ranks))
        back += max(Counter(ranks).get(4, 0) - 1, 0)
    return back
