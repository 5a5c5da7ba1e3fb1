"""`watch` on several machines that share a store on PostgreSQL. The API counts what is paid."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.scheduler import SCHEMA
from tests.fakes.postgresql import PostgresqlServer
from tests.fakes.program import KEY, Program, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import service
from tests.fakes.team import Team
from tests.system.test_postgresql import keep_in

NAMES = ("one", "two", "three", "four")


def prompts_of(name: str, numbers: range) -> list[str]:
    return [f"{name} fox, number {number}" for number in numbers]


@pytest.fixture
def url(postgresql_server: PostgresqlServer, worker_id: str) -> str:
    """The address of an empty database."""
    return postgresql_server.make_database(f"fleet_{worker_id}")


def is_dropped(server: PostgresqlServer, url: str) -> bool:
    """Drop the tables of the engine. False if a machine was using them just then."""
    try:
        with server.connected(url.rpartition("/")[2]) as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    except OperationalError:
        return False
    return True


def done(team: Team) -> Counter[str]:
    """How the rows of all sheets are."""
    found: Counter[str] = Counter()
    for name in NAMES:
        found += Counter(team.statuses(f"{name}.csv"))
    return found


def test_three_machines_share_the_sheets_and_go_on_when_one_is_killed_and_the_engine_is_lost(
    tmp_path: Path, url: str, postgresql_server: PostgresqlServer
) -> None:
    with sandbox_process(KEY, task_seconds=0.3) as sandbox, ExitStack() as stack:
        team = Team(tmp_path, sandbox.url)
        configs = []
        for name in NAMES:
            team.write_prompts(prompts_of(name, range(5)), f"{name}.csv")
            configs.append(service(team, name, schedule={"every": "2s"}, sheet=f"{name}.csv"))
        keep_in(url, *configs)
        machines = [stack.enter_context(Program("watch", *configs)) for _ in range(3)]

        until(lambda: done(team) == {"done": 20}, "the rows are done", 60)
        machines[0].kill()
        for name in NAMES:
            team.add_prompts(prompts_of(name, range(5, 8)), f"{name}.csv")
        until(lambda: done(team) == {"done": 32}, "the rows after the kill are done", 90)
        until(lambda: is_dropped(postgresql_server, url), "the engine's tables are gone", every=0.1)
        for name in NAMES:
            team.add_prompts(prompts_of(name, range(8, 10)), f"{name}.csv")
        until(lambda: done(team) == {"done": 40}, "the rows after the loss are done", 90)
        for one in machines[1:]:
            one.signal(signal.SIGTERM)
        ended = [one.end() for one in machines[1:]]

        rows = [prompt for name in NAMES for prompt in prompts_of(name, range(10))]
        assert sandbox.state()["tasks"] == dict.fromkeys(rows, 1)
        assert all(one.is_plain for one in ended), ended
