"""A store on PostgreSQL: what may go wrong with the server, and what its settings cannot change."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text

from pipeline.core.errors import MissingExtra, StoreError, StoreFull
from pipeline.core.model import Attempt
from pipeline.core.outlets.outbox import MessageKind
from pipeline.store import Limits, OutletEntry, Refusal, Store, trouble, version_of
from pipeline.store import clock as clocks
from pipeline.store.postgresql import LOCK, _is_readable
from pipeline.store.prepared import Prepared
from pipeline.store.schema import VERSION
from pipeline.sync.announcing import announce_silence
from pipeline.sync.lease import this_process
from tests.fakes.pgbouncer import pgbouncer
from tests.fakes.postgresql import PostgresqlServer, own_server
from tests.fakes.program import until
from tests.fakes.service import free_port
from tests.store.build import KEY, LIMITS, Clock, intent
from tests.store.test_processes import in_processes


@pytest.fixture
def url(postgresql_server: PostgresqlServer, worker_id: str) -> str:
    """The address of an empty database of this test's own."""
    return postgresql_server.make_database(f"alone_{worker_id}")


def end_connections(server: PostgresqlServer, database: str, *stores: Store) -> None:
    """End the connections of these stores, and wait until that has arrived at them."""
    drivers: list[Any] = []
    for store in stores:
        with store._database.engine.connect() as connection:
            drivers.append(connection.connection.driver_connection)
    with server.connected() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(end), {"name": database})
    until(lambda: all(map(_is_readable, drivers)), "all have heard of it")


def change(store: Store, meanwhile: Callable[[], object]) -> None:
    """Change something in one transaction while something else happens."""
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET asked = 9")
        meanwhile()
        connection.exec_driver_sql("UPDATE jobs SET asked = 8")


def cut(connection: Any) -> bool:
    """Cut the link of a driver's connection to the server, without a word to either of them."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        link.shutdown(socket.SHUT_RDWR)
    return False


def sentence_of(url: str) -> str:
    """Why a store cannot be opened."""
    with pytest.raises(StoreError) as caught, Store(url, patience=0.2):
        pass
    return str(caught.value)


def test_an_unusable_server_is_named_with_what_to_do_and_without_its_password(
    postgresql_server: PostgresqlServer,
) -> None:
    server = postgresql_server
    unreachable = server.url().replace(str(server.port), str(free_port()))
    cases = {
        unreachable: "nothing listens there. Is the server running",
        server.url(password="s3cr3t"): "Check the user name and the password",
        server.url(user="nobody"): "Check the user name and the password",
        server.url("absent"): "does not exist. Make the database with: createdb",
        server.url().replace("127.0.0.1", "no.such.host.invalid"): "host name is unknown",
    }
    for url, part in cases.items():
        said = sentence_of(url)
        assert part in said
        assert "The store postgresql://" in said
        assert "s3cr3t" not in said
        assert "a-pass-word" not in said


def test_a_database_that_cannot_keep_every_letter_is_refused(
    postgresql_server: PostgresqlServer, worker_id: str
) -> None:
    latin = postgresql_server.make_database(
        f"latin_{worker_id}", "ENCODING 'LATIN1' TEMPLATE template0"
    )
    assert "keeps texts as LATIN1" in sentence_of(latin)


def test_a_user_without_the_right_to_make_tables_is_told_what_to_grant(
    postgresql_server: PostgresqlServer, url: str, worker_id: str
) -> None:
    user = f"guest_{worker_id}"
    with postgresql_server.connected() as connection:
        connection.execute(text(f"DROP ROLE IF EXISTS {user}"))
        connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD 'x'"))

    name = url.rsplit("/", 1)[1]
    said = [sentence_of(postgresql_server.url(name, user, "x"))]
    with postgresql_server.connected(name) as connection:
        connection.execute(text("REVOKE ALL ON SCHEMA public FROM public"))
    said.append(sentence_of(postgresql_server.url(name, user, "x")))
    with postgresql_server.connected(name) as connection:
        connection.execute(text("GRANT USAGE ON SCHEMA public TO public"))

    for one in said:
        assert "lacks a right. Let the user own the database, or GRANT it CREATE" in one


def test_a_user_and_a_database_without_a_connection_left_are_told_so(
    postgresql_server: PostgresqlServer, url: str, worker_id: str
) -> None:
    user, name = f"few_{worker_id}", url.rsplit("/", 1)[1]
    with postgresql_server.connected() as connection:
        connection.execute(text(f"DROP ROLE IF EXISTS {user}"))
        connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD 'x' CONNECTION LIMIT 0"))
        of_user = sentence_of(postgresql_server.url(name, user, "x"))
        connection.execute(text(f"ALTER ROLE {user} CONNECTION LIMIT -1"))
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT 0"))
        of_database = sentence_of(postgresql_server.url(name, user, "x"))

    assert "has no connection left. Raise max_connections" in of_user
    assert "has no connection left. Raise max_connections" in of_database


def test_the_driver_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r'Install "promptsheet\[postgresql\]" with pip'):
        Store("postgresql://anna@127.0.0.1/team")


def test_four_machines_tell_of_each_trouble_once_also_if_their_clocks_are_wrong(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = (MessageKind.SILENT, MessageKind.BUDGET)

    def ahead() -> datetime:
        return datetime.now(UTC) + timedelta(hours=3)

    monkeypatch.setattr(clocks, "utc_now", ahead)
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url, ahead)) for _ in range(4)]
        stores[0].outlets.configure("sheet", [OutletEntry("push", kinds, "1")], "")
        lease = stores[0].leases.take("sheet", this_process(), 60)
        assert lease
        stores[0].leases.release(lease)  # a pass has ended

        def on_all(tell: Callable[[Store], object]) -> int:
            """Let all machines look at the same time. Returns how many messages wait."""
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(tell, stores))
            return stores[0].outbox.states("sheet")[0].waiting

        def silence(after: timedelta) -> Callable[[Store], object]:
            return lambda store: announce_silence(store, "sheet", lambda last: last + after)

        def account(state: str) -> Callable[[Store], object]:
            told = ("sheet", "account 1", state, MessageKind.BUDGET, "Few credits are left.")
            return lambda store: store.alarms.set(*told)

        told = [
            on_all(silence(timedelta(hours=1))),
            *(on_all(silence(timedelta(seconds=-1))) for _ in range(2)),
            *(on_all(account("low")) for _ in range(2)),
            on_all(account("")),
        ]

    assert told == [0, 1, 1, 2, 2, 3]


def test_a_statement_that_takes_longer_than_the_server_allows_is_told_with_what_to_do(
    url: str,
) -> None:
    with Store(url, Clock()) as store:
        told = pytest.raises(StoreError, match=r"ALTER ROLE NAME SET statement_timeout = '60s'\.$")
        with told, store._database.writing() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 1")
            connection.exec_driver_sql("SELECT pg_sleep(1)")
        assert not store.sheets.get("sheet").paused


def test_no_setting_of_the_server_lets_two_processes_overspend(
    postgresql_server: PostgresqlServer, url: str
) -> None:
    name, keys = url.rsplit("/", 1)[1], [KEY._replace(take=take) for take in range(1, 41)]
    with postgresql_server.connected() as connection:
        connection.execute(
            text(f"ALTER DATABASE {name} SET default_transaction_isolation = serializable")
        )
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    limits = Limits("key", "run", "2026-03-01", per_day=100, per_minute=30)
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url, Clock())) for _ in range(4)]
        stores[0].jobs.add(keys)

        def send(number: int) -> list[Attempt | Refusal]:
            # Each key is tried by two of them.
            mine = [key for at, key in enumerate(keys) if number in (at % 4, (at + 1) % 4)]
            return [stores[number].attempts.begin([intent(key)], limits)[0] for key in mine]

        with ThreadPoolExecutor(4) as threads:
            answers = [one for some in threads.map(send, range(4)) for one in some]
        begun = [one for one in answers if isinstance(one, Attempt)]
        jobs = stores[0].jobs.all("sheet").values()
        with stores[1]._database.writing() as connection:
            commit = connection.exec_driver_sql("SHOW synchronous_commit").scalar()

    assert len(begun) == 12  # of 8 credits each
    assert sum(len(job.attempts) for job in jobs) == 12
    assert max(len(job.attempts) for job in jobs) == 1
    assert stores[0].id
    assert commit == "on"


def test_a_connection_that_is_lost_between_two_passes_is_made_again(
    postgresql_server: PostgresqlServer, url: str
) -> None:
    name = url.rsplit("/", 1)[1]
    with Store(url) as store:
        store.jobs.add([KEY])
        with postgresql_server.connected() as connection:
            end = (
                "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE datname = :name"
            )
            connection.execute(text(end), {"name": name})
        assert isinstance(store.attempts.begin([intent()], LIMITS)[0], Attempt)


@pytest.mark.parametrize("is_told", [False, True])
def test_a_link_lost_at_the_first_statement_of_a_transaction_is_one_sentence_and_made_again(
    postgresql_server: PostgresqlServer,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_told: bool,
) -> None:
    said: list[str] = []
    with Store(url) as store, postgresql_server.connected() as other:

        def end(connection: Any) -> bool:
            """Let the server end the connection, and tell the client."""
            it = f"SELECT pg_terminate_backend({connection.info.backend_pid}, 9000)"
            return not other.execute(text(it)).scalar()

        store.jobs.add([KEY])
        for use in (
            lambda: store.jobs.add([KEY]),  # takes the lock
            lambda: store.callbacks.by_hook(["one"]),
            lambda: store.callbacks.by_hook(["one", "two"]),  # all at once
        ):
            with monkeypatch.context() as patched:
                # The last look at the connection sees nothing: the link is lost after it.
                patched.setattr("pipeline.store.postgresql._is_readable", end if is_told else cut)
                with pytest.raises(StoreError) as caught:
                    use()
            said.append(str(caught.value))
            use()  # works at once

    assert all("the connection is lost. Is the server running?" in one for one in said), said
    assert not [one for one in caplog.records if one.name.startswith(("sqlalchemy", "psycopg"))]


@pytest.mark.parametrize("many", [1, 2])
def test_a_connection_that_the_server_ends_during_a_statement_is_one_sentence_and_made_again(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, many: int
) -> None:
    suicide = Prepared(text("SELECT pg_terminate_backend(pg_backend_pid()), :n"), "n")
    with Store(url) as store:
        # The words of the server can arrive before the end of the link does.
        dialect = store._database.engine.dialect
        monkeypatch.setattr(dialect, "is_disconnect", lambda *_: False)
        with (
            pytest.raises(StoreError, match="the connection is lost"),
            store._database.reading() as connection,
        ):
            suicide.rows_of_each(connection, [(f"{n}",) for n in range(many)])
        assert store.callbacks.by_hook(["one"]) == {}

    assert not [one for one in caplog.records if one.name.startswith("sqlalchemy")]


def test_a_sheet_gets_another_number_if_the_database_was_restored_meanwhile(
    postgresql_server: PostgresqlServer, url: str
) -> None:
    name = url.rsplit("/", 1)[1]
    with Store(url) as store, Store(url) as other:
        store.jobs.add([KEY])
        assert store.jobs.get(KEY) is not None
        with postgresql_server.connected(name) as admin:
            admin.execute(text("TRUNCATE sheets RESTART IDENTITY CASCADE"))
            end = (
                "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE datname = :name"
            )
            admin.execute(text(f"{end} AND pid <> pg_backend_pid()"), {"name": name})
        end_connections(postgresql_server, name, store, other)
        other.sheets.add("a sheet that came after the backup")
        assert store.jobs.get(KEY) is None
        store.jobs.add([KEY])

        assert store.jobs.get(KEY) is not None
        assert not other.jobs.all("a sheet that came after the backup")


def test_a_server_that_crashes_comes_back_and_becomes_a_standby_loses_nothing() -> None:
    with own_server(safe=True) as server, Store(server.url()) as store:
        store.jobs.add([KEY])
        with pytest.raises(StoreError, match="the connection is lost"):
            change(store, lambda: server.stop("immediate"))
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            store.jobs.get(KEY)
        assert not isinstance(caught.value, StoreFull)
        server.start()
        job = store.jobs.get(KEY)
        assert job
        assert job.asked == 1
        assert isinstance(store.attempts.begin([intent()], LIMITS)[0], Attempt)

        server.stop()
        server.be_standby()
        server.start()
        assert store.jobs.get(KEY)
        with pytest.raises(StoreError, match="the server is a standby, or read-only"):
            store.jobs.add([KEY])


@pytest.mark.parametrize(
    "state", ["starting up", "shutting down", "in recovery mode", "not yet accepting connections"]
)
def test_a_server_that_starts_or_recovers_is_told_as_that(state: str) -> None:
    refused = psycopg.OperationalError(f"connection failed: FATAL:  the database system is {state}")

    told = str(trouble("postgresql://anna@127.0.0.1/a", refused))

    assert told.endswith(
        "cannot be reached yet: the server is starting or stopping. Try again later."
    )


def test_a_process_that_hangs_in_a_transaction_does_not_stop_the_others_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(url) as store, Store(url) as hung:
        store.jobs.add([KEY])
        monkeypatch.setattr("pipeline.store.postgresql.SILENT", 1)
        begun: list[Attempt | Refusal] = []
        with pytest.raises(StoreError, match="the connection is lost"):
            # This waits for the lock until the server has ended the other one.
            change(hung, lambda: begun.extend(store.attempts.begin([intent()], LIMITS)))
        assert isinstance(begun[0], Attempt)
        job = store.jobs.get(KEY)
        assert job
        assert job.asked == 1


def test_an_older_store_is_upgraded_once_no_program_of_that_version_works_with_it(
    url: str,
) -> None:
    with Store(url) as store, store._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE wanted_rows")
        for name in ("asked_by", "machine", "stopped"):
            connection.exec_driver_sql(f"ALTER TABLE turns DROP COLUMN {name}")
        connection.exec_driver_sql(
            f"UPDATE promptsheet SET value = '{VERSION - 1}' WHERE name = 'version'"
        )
    older = create_engine(url)
    with older.connect() as connection:  # as a connection of that version does
        connection.exec_driver_sql(f"SELECT pg_advisory_lock_shared({LOCK}, {VERSION - 1})")
        said = sentence_of(url)
        kept = version_of(url)
    older.dispose()

    assert "still work with the store" in said
    assert "Stop them all, then run promptsheet migrate" in said
    with Store(url) as store:
        assert store.wanted_rows.open("sheet") == []
        assert store.turns.of("sheet").machine == ""
    assert (kept, version_of(url)) == (VERSION - 1, VERSION)


def test_eight_processes_make_one_store_in_an_empty_database(url: str) -> None:
    def make(number: int) -> str:
        with Store(url) as store:
            store.sheets.get(f"sheet {number}")
            return store.id

    ids = in_processes(8, make)

    with Store(url) as store:
        assert set(ids) == {store.id}
        assert len(store.sheets.all()) == 8


@pytest.mark.soak  # needs PgBouncer
def test_a_pooler_that_hands_out_sessions_works_and_one_of_transactions_is_refused() -> None:
    def work(url: str, number: int) -> int:
        with Store(url) as store:
            for row in range(20):
                store.jobs.add([KEY._replace(sheet=f"sheet {number}", row_id=f"r_{row:09}")])
            return len(store.jobs.all(f"sheet {number}"))

    with own_server() as server, ExitStack() as stack:
        server.make_database("pooled")
        with pgbouncer(server, "pooled", "session") as url, ThreadPoolExecutor(4) as threads:
            done = [*threads.map(partial(work, url), range(4))]
        shared = stack.enter_context(pgbouncer(server, "pooled", "transaction"))
        store, other = (stack.enter_context(Store(shared)) for _ in range(2))
        with (
            other._database.writing(),
            pytest.raises(StoreError, match="Set pool_mode = session in PgBouncer"),
        ):
            store.sheets.all()  # the other one has its session now

    assert done == [20] * 4
