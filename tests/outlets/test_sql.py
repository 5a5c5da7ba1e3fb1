"""A table in an SQL database gets one line for each row: in SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config.outlets import COMMON_DATABASE
from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Result,
    Trouble,
    Undelivered,
)
from pipeline.outlets import sql
from pipeline.outlets.sql import SqlOutlet
from pipeline.outlets.sql_table import usable
from tests.fakes.cases import each
from tests.fakes.databases import HAS_MARIADB, HAS_POSTGRESQL, PASSWORD, mariadb
from tests.fakes.outlets.messages import notice
from tests.fakes.outlets.rows import AT, row
from tests.fakes.outlets.use import using
from tests.fakes.service import free_port

TEXTS = "row_id VARCHAR(32) PRIMARY KEY, prompt TEXT, status TEXT"


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The address of a database of each server, which starts when it is first asked for."""

    def postgresql() -> AbstractContextManager[str]:
        server = request.getfixturevalue("postgresql_server")
        return nullcontext(server.make_database(f"outlets_{os.getpid()}"))

    starts: dict[str, Callable[[], Any]] = {"postgresql": postgresql, "mariadb": mariadb}
    opened: dict[str, Any] = {}

    class Started(dict[str, str]):
        def __missing__(self, kind: str) -> str:
            opened[kind] = starts[kind]()
            self[kind] = opened[kind].__enter__()
            return self[kind]

    yield Started()
    for one in opened.values():
        one.__exit__(None, None, None)


class Database:
    """A database with one table."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url)
        self.kind = self.engine.dialect.name

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def rows(self, what: str = "*", table: str = "pictures") -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT {what} FROM {table} ORDER BY 1")
            return [tuple(one) for one in found]

    def deliver(self, *messages: Message, **settings: Any) -> Sequence[Result]:
        return deliver(self.url, *messages, **settings)


def deliver(url: str, *messages: Message, **settings: Any) -> Sequence[Result]:
    """The results of one delivery by a new outlet."""
    opened = partial(outlet_for, url, **settings)
    return using(opened, lambda outlet: outlet.deliver(messages))


def check(url: str, **settings: Any) -> Sequence[str]:
    return using(partial(outlet_for, url, **settings), lambda outlet: outlet.check())


def outlet_for(url: str, **settings: Any) -> SqlOutlet:
    return SqlOutlet(url, **({"table": "pictures", "key": ("row_id",)} | settings))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """An SQLite file."""
    database = Database(f"sqlite:///{tmp_path}/results.db")
    database.run("CREATE TABLE made (n INTEGER)")
    yield database
    database.engine.dispose()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=pytest.mark.skipif(not HAS_POSTGRESQL, reason="no PostgreSQL server here"),
        ),
        pytest.param(
            "mariadb", marks=pytest.mark.skipif(not HAS_MARIADB, reason="no MariaDB server here")
        ),
    ]
)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, servers: dict[str, str]
) -> Iterator[Database]:
    """A database of each kind, without the table."""
    if request.param == "sqlite":
        (tmp_path / "results.db").touch()
        its = Database(f"sqlite:///{tmp_path}/results.db")
    else:
        its = Database(servers[request.param])
        its.run("DROP TABLE IF EXISTS pictures")
    yield its
    its.engine.dispose()


@pytest.fixture(params=["upsert", "update, then insert"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the upsert of the database, and as for a database without one."""
    if request.param != "upsert":
        monkeypatch.setattr(sql, "UPSERTS", {})


@pytest.mark.usefixtures("either_way")
def test_each_row_has_one_line_and_a_later_take_overwrites_it(database: Database) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS}, take INTEGER)")
    first = [row(f"r_{n:09}", prompt=f"prompt {n}") for n in range(3)]

    assert database.deliver(*first) == [Delivered()] * 3
    assert database.deliver(*first) == [Delivered()] * 3
    assert database.deliver(row("r_000000001", 2, prompt="changed")) == [Delivered()]

    assert database.rows("row_id, prompt, take") == [
        ("r_000000000", "prompt 0", 1),
        ("r_000000001", "changed", 2),
        ("r_000000002", "prompt 2", 1),
    ]


@pytest.mark.usefixtures("either_way")
def test_with_the_take_in_the_key_every_take_has_its_line(database: Database) -> None:
    database.run(
        "CREATE TABLE pictures (row_id VARCHAR(32), take INTEGER, prompt TEXT, "
        "PRIMARY KEY (row_id, take))"
    )
    for take in (1, 2, 2):
        database.deliver(row(take=take, prompt=f"prompt {take}"), key=("row_id", "take"))

    assert database.rows("take, prompt") == [(1, "prompt 1"), (2, "prompt 2")]


def test_values_become_what_the_columns_take(database: Database) -> None:
    moment = {"postgresql": "TIMESTAMPTZ", "sqlite": "TIMESTAMP"}.get(database.kind, "DATETIME")
    database.run(
        f"CREATE TABLE pictures (row_id VARCHAR(32) PRIMARY KEY, Credits NUMERIC(12,4), "
        f"`Finished At` {moment}, image_urls TEXT, prompt TEXT, `day` DATE, wanted BOOLEAN, "
        "pieces INTEGER, empty TEXT)".replace("`", '"' if database.kind != "mysql" else "`")
    )
    message = row(
        urls=("https://a.example/1.png", "https://a.example/2.png"),
        prompt="fox 🦊 'and' %s :name\x00",
        day="2026-05-12",
        wanted="yes",
        pieces="7",
        empty="",
    )

    assert database.deliver(message) == [Delivered()]

    [(_, credits_, finished, urls, prompt, day, wanted, pieces, empty)] = database.rows()
    assert float(credits_) == 1.5
    if isinstance(finished, str):
        finished = datetime.fromisoformat(finished)
    assert finished.replace(tzinfo=finished.tzinfo or UTC) == AT
    assert urls == "https://a.example/1.png\nhttps://a.example/2.png"
    assert prompt == "fox 🦊 'and' %s :name\N{REPLACEMENT CHARACTER}"
    assert (str(day), bool(wanted), pieces, empty) == ("2026-05-12", True, 7, None)


@pytest.mark.skipif(not HAS_POSTGRESQL, reason="no PostgreSQL server here")
def test_lists_go_into_arrays_and_json_of_postgresql(servers: dict[str, str]) -> None:
    database = Database(servers["postgresql"])
    database.run(
        "DROP TABLE IF EXISTS pictures",
        "CREATE TABLE pictures (row_id TEXT PRIMARY KEY, image_urls TEXT[], files JSONB, "
        "credits JSON, place POINT, number INTEGER GENERATED ALWAYS AS IDENTITY)",
    )
    links = ("https://a.example/1.png", "https://a.example/2.png")

    assert database.deliver(row(urls=links, files=(Path("a.png"),))) == [Delivered()]

    assert database.rows("image_urls, files, credits") == [([*links], ["a.png"], 1.5)]
    database.engine.dispose()


def test_only_columns_that_exist_are_written_and_none_is_added(database: Database) -> None:
    database.run(
        "CREATE TABLE pictures (row_id VARCHAR(32) PRIMARY KEY, status TEXT, owner VARCHAR(20) "
        "NOT NULL DEFAULT 'anna')"
    )
    database.run("INSERT INTO pictures VALUES ('r_000000001', 'new', 'berta')")

    database.deliver(row(), row("r_000000002"))

    assert database.rows() == [
        ("r_000000001", "done", "berta"),
        ("r_000000002", "done", "anna"),
    ]


def test_fields_say_which_column_gets_what(database: Database) -> None:
    database.run("CREATE TABLE pictures (id VARCHAR(32) PRIMARY KEY, Words TEXT, status TEXT)")

    message = row(campaign="Spring")
    assert database.deliver(message, key=("id",), fields={"Words": "Campaign"}) == [Delivered()]

    assert database.rows() == [("r_000000001", "Spring", None)]


@pytest.mark.usefixtures("either_way")
def test_a_row_that_is_refused_does_not_stop_the_others(database: Database) -> None:
    database.run(
        f"CREATE TABLE pictures ({TEXTS}, pieces INTEGER, CHECK (pieces < 1000))",
    )
    rows = [row(f"r_{n:09}", pieces=str(5000 if n == 3 else n)) for n in range(8)]
    rows.append(row("r_000000009", pieces="many"))

    results = database.deliver(*rows, notice())

    assert [type(one) for one in results] == [Delivered] * 3 + [Undelivered] + [Delivered] * 4 + [
        Undelivered,
        Undelivered,
    ]
    assert _troubles(results) == [Trouble.REFUSED] * 3
    assert [one.reason for one in results if isinstance(one, Undelivered)] == [
        "The database refuses a value of this row: it breaks a rule of the table. Compare the row "
        "with the table.",
        'The column "pieces" takes whole numbers, and pieces of this row is "many". Correct the '
        "cell, or the type of the column.",
        'A table holds rows, and this message is about a whole sheet. Leave only "done", "failed" '
        'and "check needed" in when.',
    ]
    assert len(database.rows()) == 7


def test_five_hundred_rows_are_written_together(database: Database) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS})")

    results = database.deliver(*(row(f"r_{n:09}") for n in range(sql.MOST)))

    assert results == [Delivered()] * sql.MOST
    assert database.rows("count(*)") == [(sql.MOST,)]


def test_a_second_unique_column_never_turns_one_row_into_another(database: Database) -> None:
    database.run(
        "CREATE TABLE pictures (row_id VARCHAR(32) PRIMARY KEY, name VARCHAR(40) UNIQUE, take "
        "INTEGER)"
    )
    first, second = row("r_000000001", name="Fox"), row("r_000000002", 5, name="Fox")
    database.deliver(first)

    results = database.deliver(second, row("r_000000003", name="Wolf"))

    assert _troubles(results) == [Trouble.REFUSED]
    assert database.rows() == [("r_000000001", "Fox", 1), ("r_000000003", "Wolf", 1)]


def test_a_missing_table_is_named_with_a_statement_that_fits_and_is_not_made(
    database: Database,
) -> None:
    [said] = check(database.url)
    head, _, statement = said.partition("for example with: ")

    assert head == 'There is no table "pictures". Correct its name, or create it yourself, '
    assert not sa.inspect(database.engine).has_table("pictures")
    [result] = database.deliver(row())
    assert result == Undelivered(Trouble.CLOSED, said)

    database.run(statement)
    assert check(database.url) == ()
    assert database.deliver(row()) == [Delivered()]
    [(prompt, status, number)] = database.rows("prompt, status, credits")
    assert (prompt, status, float(number)) == ("a red fox", "done", 1.5)


def test_the_statement_for_a_missing_table_has_the_configured_columns(file: Database) -> None:
    [said] = check(file.url, key=("id", "take"), fields={"Words": "prompt", "id": "row_id"})
    assert said.endswith(
        "example with: CREATE TABLE pictures ( id VARCHAR(32) NOT NULL, take INTEGER NOT NULL, "
        '"Words" TEXT, PRIMARY KEY (id, take) );'
    )


def test_a_key_that_is_not_unique_is_named_with_the_statement_that_helps(
    database: Database,
) -> None:
    database.run("CREATE TABLE pictures (row_id VARCHAR(32), status TEXT)")

    [said] = check(database.url)
    head, _, statement = said.partition(" Run: ")

    assert head == '"row_id" must be unique in the table, so that each row has one line.'
    assert _troubles(database.deliver(row())) == [Trouble.CLOSED]
    database.run(statement)
    assert check(database.url) == ()
    assert database.deliver(row(), row()) == [Delivered()] * 2
    assert database.rows() == [("r_000000001", "done")]


@pytest.mark.parametrize(
    ("columns", "settings", "problems"),
    [
        (
            "id TEXT PRIMARY KEY, status INTEGER",
            {},
            [
                'There is no column "row_id" to identify rows by. Add it as text, or name another '
                "column in key.",
                'The column "status" (INTEGER) takes whole numbers, and status is something else. '
                "Make it text, or say in fields what goes where.",
            ],
        ),
        (
            f"{TEXTS}, pictures BLOB",
            {"fields": {"Pictures": "image_urls", "promt": "prompt"}},
            [
                'There is no column "promt"; did you mean "prompt"? Add it, or correct fields.',
                'The column "pictures" (BLOB) cannot be written. Name another column in fields.',
            ],
        ),
        (
            f"{TEXTS}, owner TEXT NOT NULL",
            {"fields": {"prompt": "prompt"}},
            [
                'The column "owner" must have a value, and nothing is written into it. Give it a '
                "default, or let it be empty."
            ],
        ),
        (
            "row_id TEXT, status TEXT",
            {},
            [
                '"row_id" must be unique in the table, so that each row has one line. Run: CREATE '
                "UNIQUE INDEX pictures_row_id ON pictures (row_id);"
            ],
        ),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_row(
    file: Database, columns: str, settings: dict[str, Any], problems: list[str]
) -> None:
    file.run(f"CREATE TABLE pictures ({columns})")
    if "row_id TEXT, status" in columns:  # An index of some lines only does not count.
        file.run("CREATE UNIQUE INDEX some ON pictures (row_id) WHERE status = 'done'")

    assert list(check(file.url, **settings)) == problems
    [result] = file.deliver(row(), **settings)
    assert result == Undelivered(Trouble.CLOSED, " ".join(problems))
    assert file.rows() == []


def test_a_column_that_is_added_or_removed_later_is_seen(database: Database) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS})")

    async def changed() -> list[Sequence[Result]]:
        outlet = outlet_for(database.url)
        results = [await outlet.deliver([row()])]
        database.run("ALTER TABLE pictures DROP COLUMN prompt")
        results += [await outlet.deliver([row("r_000000002")]) for _ in range(2)]
        await outlet.close()
        return results

    first, failed, again = asyncio.run(changed())
    assert (first, again) == ([Delivered()], [Delivered()])
    assert _troubles(failed) == [Trouble.LATER]
    assert len(database.rows()) == 2


def test_a_locked_table_is_tried_later(file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    file.run(f"CREATE TABLE pictures ({TEXTS})")
    monkeypatch.setattr(sql, "PATIENCE", 0.05)
    with closing(sqlite3.connect(file.url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        results = file.deliver(row())
        assert results == [Undelivered(Trouble.LATER, "The table is locked by another program.")]
    assert file.deliver(row()) == [Delivered()]


@pytest.mark.parametrize(
    "database",
    [
        pytest.param(
            "postgresql",
            marks=pytest.mark.skipif(not HAS_POSTGRESQL, reason="no PostgreSQL server here"),
        ),
        pytest.param(
            "mariadb", marks=pytest.mark.skipif(not HAS_MARIADB, reason="no MariaDB server here")
        ),
    ],
    indirect=True,
)
def test_a_server_that_is_not_there_is_tried_later_and_a_wrong_password_is_not(
    database: Database,
) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS})")
    good = sa.make_url(database.url)
    wrong = [good.set(password="s3cr3t-x"), good.set(database="another")]
    away = good.set(port=free_port())

    for url, trouble in [(away, Trouble.LATER), *((one, Trouble.CLOSED) for one in wrong)]:
        text = url.render_as_string(hide_password=False)
        [result] = deliver(text, row())
        assert isinstance(result, Undelivered)
        assert (result.trouble, url.render_as_string()) == (trouble, url.render_as_string())
        told = f"{result.reason} {check(text)} {outlet_for(text)!r}"
        assert not any(part in told for part in ("s3cr3t", PASSWORD, "127.0.0.1", "anna"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_user_who_may_not_write_is_named(database: Database) -> None:
    database.run(
        f"CREATE TABLE pictures ({TEXTS})",
        "DROP OWNED BY reader" if _has_reader(database) else "SELECT 1",
        "DROP ROLE IF EXISTS reader",
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        "GRANT SELECT ON pictures TO reader",
    )
    url = sa.make_url(database.url).set(username="reader")
    [result] = deliver(url.render_as_string(hide_password=False), row())

    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.CLOSED
    assert "SELECT, INSERT and UPDATE" in result.reason


def _has_reader(database: Database) -> bool:
    return bool(database.rows("rolname", "pg_roles WHERE rolname = 'reader'"))


def test_a_missing_sqlite_file_is_not_created(tmp_path: Path) -> None:
    [said] = check(f"sqlite:///{tmp_path}/missing.db")
    assert said.startswith("There is no such SQLite file.")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are no tables. " * 100)
    [result] = deliver(f"sqlite:///{tmp_path}/notes.txt", row())
    assert isinstance(result, Undelivered)
    assert (result.trouble, result.reason[:30]) == (
        Trouble.CLOSED,
        "The file is no SQLite database",
    )


@each(
    ("url", "becomes"),
    [
        ("postgres://anna:x@db/shop", "postgresql://anna:***@db/shop"),
        ("mysql://anna:x@db/shop", "mysql+pymysql://anna:***@db/shop"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
    ],
)
def test_usual_spellings_of_addresses_are_understood(url: str, becomes: str) -> None:
    assert str(usable(url)) == becomes


@each(
    "url", ["https://db.example", "s3cr3t", "sqlite://", "postgresql+asyncpg://a:s3cr3t@db/x", ""]
)
def test_other_addresses_are_refused_without_quoting_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|driver|file") as refused:
        usable(url)
    assert "s3cr3t" not in str(refused.value)


@given(st.from_regex(COMMON_DATABASE, fullmatch=True))
@example("postgres://anna:s3cr3t%40@db.example:5432/shop?sslmode=require")
@example("sqlite:////data/my results.db")
def test_sqlalchemy_takes_each_address_that_is_loaded_without_asking_it(url: str) -> None:
    assert usable(url).get_backend_name() in {"postgresql", "mysql", "mariadb", "sqlite"}


#: A program that delivers two rows, and is killed at a step of SQLAlchemy.
KILLED = """
import asyncio, os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool
from pipeline.outlets.sql import SqlOutlet
from tests.fakes.outlets.rows import row

url, step = sys.argv[1:]
outlet = SqlOutlet(url, "pictures", ("row_id",))
assert not asyncio.run(outlet.check())
def end(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
event.listen(Pool if step == "checkin" else Engine, step, end)
asyncio.run(outlet.deliver([row("r_1"), row("r_2")]))
"""


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(("step", "written"), [("after_cursor_execute", 0), ("checkin", 2)])
def test_a_kill_before_or_after_the_end_of_a_transaction_doubles_and_loses_no_line(
    database: Database, step: str, written: int
) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS})")

    command = [sys.executable, "-c", KILLED, database.url, step]
    assert subprocess.run(command, timeout=60).returncode == -9
    assert len(database.rows()) == written

    again = [row(name, is_repeat=True) for name in ("r_1", "r_2")]
    assert database.deliver(*again) == [Delivered()] * 2
    assert database.rows("row_id") == [("r_1",), ("r_2",)]


def _troubles(results: Sequence[Result]) -> list[Trouble]:
    return [one.trouble for one in results if isinstance(one, Undelivered)]


def test_a_failed_row_keeps_its_note(database: Database) -> None:
    database.run(f"CREATE TABLE pictures ({TEXTS}, note TEXT)")
    database.deliver(row(kind=MessageKind.FAILED, urls=(), note="The prompt was refused."))
    assert database.rows("status, note") == [("failed", "The prompt was refused.")]
