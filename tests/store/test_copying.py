"""A store moves between SQLite and PostgreSQL, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.core.cells.unchanged_rows import Unchanged
from pipeline.core.errors import StoreError
from pipeline.core.model import Attempt, JobKey, KnownRow, Result, Unsaved
from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.states import Accepted, Failed, Succeeded
from pipeline.store import Fact, OutletEntry, Store
from pipeline.store.copying import TABLES
from tests.fakes.postgresql import PostgresqlServer
from tests.store.build import LIMITS, NOON, Clock, intent, save

KEYS = [JobKey('my "sheet"\0', f"r_{number:09d}", 1) for number in range(30)]
#: From and to.
WAYS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite")]
Place = Callable[[str], str]


@pytest.fixture
def place(tmp_path: Path, postgresql_server: PostgresqlServer) -> Place:
    """The address of a new place for a store, of this kind."""
    made = iter(range(9))

    def place(kind: str) -> str:
        name = f"copy_{tmp_path.parent.name[-9:].replace('-', '_')}_{next(made)}"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{name}.db"
        return postgresql_server.make_database(name)

    return place


def fill(store: Store) -> None:
    """Put at least one line into every table."""
    sheet = KEYS[0].sheet
    store.sheets.update(sheet, title="A \ud800 title", ours=["Status"], columns=("a", "b"))
    store.outlets.configure(sheet, [OutletEntry("push", (MessageKind.DONE,), "1")], "/a.toml")
    rows = [KnownRow(key.row_id, '{"prompt":"a cat"}', 1, since=NOON) for key in KEYS]
    store.rows.note(sheet, rows, ["", *(key.row_id for key in KEYS)])
    store.rows.note(sheet, [replace(rows[0], inputs='{"prompt":"a dog"}')])
    store.rows.approve(sheet, KEYS[1].row_id, rows[1].inputs, "1 x", 1, "Ann")
    store.wanted_rows.ask(sheet, "r_wanted000", KEYS[0].row_id, {"prompt": "x"}, 0, "Ann")
    store.jobs.add(KEYS)
    store.attempts.begin([intent(key, price=0.5) for key in KEYS[:20]], LIMITS)
    done = Succeeded(Result(("https://x/1.png",), text="a \0"), "t", reported=4.25)
    store.attempts.record([Fact(key, 1, done) for key in KEYS[:9]])
    store.attempts.record([Fact(KEYS[9], 1, Failed("no")), Fact(KEYS[10], 1, Accepted("t10"))])
    save(store, KEYS[0], 1, "https://x/1.png", "a.png", sha256="5a")
    store.files.miss(KEYS[1], 1, "https://x/1.png", Unsaved("gone", 3, None, True))
    store.rate_limit.permits("key", 7, 60)
    store.unchanged.keep(sheet, Unchanged("u", 3, {"r_000000001": b"12345678"}), 2)
    store.turns.looked(sheet, NOON, 3)
    lease = store.leases.take(sheet, "gone:1", 1)
    assert lease


def contents(store: Store) -> dict[str, list[str]]:
    """Every line of every table, as it is kept."""
    with store._database.reading() as connection:
        return {
            table.name: sorted(str(tuple(line)) for line in connection.execute(select(table)))
            for table in TABLES
        }


@pytest.mark.parametrize(("of", "to"), WAYS)
def test_a_copied_store_has_every_line_of_every_table_and_goes_on(
    place: Place, clock: Clock, of: str, to: str
) -> None:
    with Store(place(of), clock) as first, Store(place(to), clock) as second:
        fill(first)
        clock.forward(60)
        before = contents(first)

        copied = first.copy_to(second)
        again = first.copy_to(second)

        assert [name for name, lines in before.items() if not lines] == []
        assert {name: its.lines for name, its in copied.tables.items()} == {
            name: len(lines) for name, lines in before.items()
        }
        assert contents(first) == contents(second) == before
        assert second.id == first.id
        assert (copied.was_there, again.was_there) == (False, True)
        assert second.jobs.all(KEYS[0].sheet) == first.jobs.all(KEYS[0].sheet)
        # What is new does not get a number that is taken.
        second.jobs.add([KEYS[0]._replace(take=2)])
        (begun,) = second.attempts.begin([intent(KEYS[0]._replace(take=2))], LIMITS)
        assert isinstance(begun, Attempt)
        assert len(second.jobs.all(KEYS[0].sheet)) == len(KEYS) + 1


def test_a_store_is_not_copied_while_a_pass_works_or_over_another_one(
    place: Place, clock: Clock
) -> None:
    with (
        Store(place("sqlite"), clock) as first,
        Store(place("postgresql"), clock) as second,
    ):
        fill(first)
        with pytest.raises(StoreError, match=r"A run or watch \(gone:1\) works with the store"):
            first.copy_to(second)
        clock.forward(60)
        second.sheets.get("another")
        with pytest.raises(StoreError, match="is not empty: it has 1 sheet of its own"):
            first.copy_to(second)
        assert [one.key for one in second.sheets.all()] == ["another"]


def test_a_copy_that_breaks_off_leaves_nothing_and_can_be_made_again(
    place: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Store(place("sqlite"), clock) as first,
        Store(place("postgresql"), clock) as second,
    ):
        fill(first)
        clock.forward(60)
        mine = second.id
        with monkeypatch.context() as broken:
            broken.setattr("pipeline.store.copying.select", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                first.copy_to(second)
        assert second.id == mine
        assert second.sheets.all() == []

        first.copy_to(second)
        assert contents(first) == contents(second)


def test_a_line_that_is_changed_on_its_way_is_noticed(place: Place, clock: Clock) -> None:
    change = "BEGIN NEW.inputs := upper(NEW.inputs); RETURN NEW; END"
    with (
        Store(place("sqlite"), clock) as first,
        Store(place("postgresql"), clock) as second,
    ):
        fill(first)
        clock.forward(60)
        with second._database.writing() as connection:
            connection.exec_driver_sql(
                f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ {change} $$"
            )
            connection.exec_driver_sql(
                "CREATE TRIGGER t BEFORE INSERT ON past FOR EACH ROW EXECUTE FUNCTION change()"
            )

        with pytest.raises(StoreError, match="differs in past, so nothing was copied"):
            first.copy_to(second)
        assert second.sheets.all() == []


def test_reports_that_wait_in_the_rescue_file_are_copied_as_well(
    place: Place, clock: Clock, tmp_path: Path
) -> None:
    with (
        Store(place("sqlite"), clock) as first,
        Store(place("postgresql"), clock) as second,
    ):
        first.jobs.add(KEYS)
        first.attempts.begin([intent(KEYS[0])], LIMITS)
        first.attempts.rescue([Fact(KEYS[0], 1, Accepted("t"))])
        clock.moment += timedelta(seconds=9)

        first.copy_to(second)

        job = second.jobs.get(KEYS[0])
        assert job
        assert job.attempts[0].task_id == "t"
