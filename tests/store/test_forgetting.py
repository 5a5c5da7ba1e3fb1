"""Forgetting old rows: what leaves the store, what stays, and which rows are old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.core.model import JobKey, KnownRow, Result
from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.states import Failed, Succeeded
from pipeline.core.traces import is_trace, readable
from pipeline.store import Fact, OutletEntry, Store, Terms
from pipeline.store.schema import metadata
from tests.store.build import KEY, LIMITS, NOON, Clock, intent, save

TERMS = Terms(lambda inputs: {"ratio"}, CellLinks())
OTHER = JobKey("sheet", "r_111111111", 1)
INPUTS = '{"prompt":"a cat","ratio":"1:1"}'
URL = "https://api.example/cat.png"


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store(url, clock) as store:
        store.sheets.get("sheet")
        yield store


def row(store: Store, key: JobKey = KEY, **more: Any) -> None:
    """A row whose take is finished."""
    store.rows.note("sheet", [KnownRow(key.row_id, INPUTS, 1, since=NOON, **more)])
    store.jobs.add([key])
    store.attempts.begin([replace(intent(key), inputs=INPUTS, prompt="a fine cat")], LIMITS)
    store.attempts.record([Fact(key, 1, Succeeded(Result((URL, f"{URL}2"))))])


def old(store: Store, clock: Clock) -> tuple[str, ...]:
    clock.forward(60)
    return store.forgetting.old("sheet", clock()).row_ids


def forget(store: Store, clock: Clock) -> None:
    store.forgetting.forget("sheet", old(store, clock), TERMS)


def content(store: Store) -> str:
    """Everything in the store, as text."""
    with store._database.reading() as connection:
        tables = [table for table in metadata.sorted_tables if table.name != "sheets"]
        return "\n".join(str(row) for t in tables for row in connection.execute(select(t)))


def test_words_addresses_and_names_leave_every_table_and_what_was_paid_stays(
    store: Store, clock: Clock
) -> None:
    entry = OutletEntry("place", (MessageKind.DONE,), "1")
    number = store.outlets.configure("sheet", [entry], "/team/a.toml")["place"]
    beside: dict[str, Any] = {"feedback": "with a hat", "old_feedback": "with a cap"}
    beside |= {"approved": "yes", "approved_for": f"1 {INPUTS}", "pick": "the grey one"}
    row(store, **beside)
    store.rows.note("sheet", [KnownRow(KEY.row_id, '{"prompt":"a red cat"}', 1, **beside)])
    store.rows.ask_again("sheet", KEY.row_id, 0, "2 a blue cat", 2, "Anna B.")
    save(store, KEY, 1, URL, "cat.png", sha256="5a")
    second = KEY._replace(take=2)
    store.jobs.add([second])
    store.attempts.begin([intent(second)], LIMITS)
    store.attempts.record([Fact(second, 1, Failed('refused: "a blue cat"', "t2"))])
    waits = old(store, clock)
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE outbox SET state = 'sent', remote = 'page 7'")
    before, spent = content(store), store.budget.spent("key", "run", "2026-03-01")
    forget(store, clock)

    after, job = content(store), store.jobs.get(KEY)
    assert waits == ()
    # Each has a space or a point: keys of chance have none.
    words = ("a cat", "red cat", "blue cat", "a hat", "a cap", "grey one", "Anna B.", "api.example")
    assert [word for word in words if word not in before] == []
    assert [word for word in words if word in after] == []
    assert "page 7" in after
    assert "1:1" in after
    assert "t2" in after
    assert number
    assert store.budget.spent("key", "run", "2026-03-01") == spent
    assert job
    assert job.attempts[0].price == 8
    assert job.attempts[0].result == Result()
    assert [one.kind for one in store.jobs.history(KEY)][-2:] == ["succeeded", "forgotten"]
    assert old(store, clock) == ()


def test_the_words_of_a_row_have_one_trace_and_comparing_them_finds_them_equal(
    store: Store, clock: Clock
) -> None:
    row(store)
    row(store, OTHER)
    forget(store, clock)
    tracer = store.forgetting.tracer()

    job, other = store.jobs.get(KEY), store.jobs.get(OTHER)
    known = store.rows.some("sheet", [KEY.row_id]).known[KEY.row_id]
    assert tracer
    assert job
    assert other
    assert job.attempts[0].inputs == other.attempts[0].inputs == known.inputs
    assert tracer.is_same(known.inputs, INPUTS)
    assert not tracer.is_same(known.inputs, INPUTS.replace("cat", "dog"))
    assert is_trace(job.attempts[0].prompt)
    assert readable(job.attempts[0].prompt) == "(forgotten)"
    # What the page approves is compared with the row that a person sees.
    assert store.rows.approve("sheet", KEY.row_id, INPUTS, f"2 {INPUTS}")
    assert not store.rows.approve("sheet", OTHER.row_id, INPUTS.replace("cat", "dog"), "2")


def test_a_row_that_changes_in_another_cell_keeps_its_words_forgotten(
    store: Store, clock: Clock
) -> None:
    row(store)
    forget(store, clock)
    store.rows.note("sheet", [KnownRow(KEY.row_id, INPUTS, 1, others="0a0a0a0a")])
    unchanged = content(store)
    store.rows.note("sheet", [KnownRow(KEY.row_id, '{"prompt":"a dog"}', 1)])
    memory = store.rows.memory("sheet")

    assert "0a0a0a0a" in unchanged
    assert "a cat" not in unchanged
    assert memory.known[KEY.row_id].inputs == '{"prompt":"a dog"}'
    assert ["forgotten#" in one for one in memory.past[KEY.row_id]] == [True]


def test_approvals_and_feedback_stay_forgotten_when_another_cell_of_the_row_changes(
    store: Store, clock: Clock
) -> None:
    beside: dict[str, Any] = {"feedback": "a hat", "old_feedback": "a cap", "pick": "the grey one"}
    beside |= {"approved": "yes", "approved_for": f"1 {INPUTS}"}
    row(store, **beside)
    forget(store, clock)
    before = store.rows.some("sheet", [KEY.row_id]).known[KEY.row_id]
    # A reading brings the words back, so a run notes the row with them.
    store.rows.note("sheet", [KnownRow(KEY.row_id, INPUTS, 1, others="0a0a0a0a", **beside)])
    after, kept = content(store), store.rows.some("sheet", [KEY.row_id]).known[KEY.row_id]

    assert [word for word in ("a cat", "a hat", "a cap", "grey") if word in after] == []
    assert kept == replace(before, others="0a0a0a0a", since=kept.since)
    store.rows.note("sheet", [KnownRow(KEY.row_id, INPUTS, 1, feedback="a scarf")])
    assert store.rows.some("sheet", [KEY.row_id]).known[KEY.row_id].feedback == "a scarf"


def test_a_row_stays_as_long_as_something_is_still_to_be_done(store: Store, clock: Clock) -> None:
    store.jobs.add([KEY])
    store.attempts.begin([intent(KEY)], LIMITS)
    store.attempts.record([Fact(KEY, 1, Failed("no", "t1"))])
    store.jobs.ask(KEY, 2)  # a person asked for one more attempt
    store.rows.note("sheet", [], order=["", KEY.row_id])
    asked = old(store, clock)
    store.attempts.begin([intent(KEY, 2)], LIMITS)
    sending = old(store, clock)
    store.attempts.record([Fact(KEY, 2, Failed("no", "t2"))])
    recent = store.forgetting.old("sheet", clock() - timedelta(seconds=30))

    assert (asked, sending, recent.row_ids) == ((), (), ())
    assert old(store, clock) == (KEY.row_id,)


def test_feedback_of_the_page_for_a_take_that_is_not_made_yet_stays(
    store: Store, clock: Clock
) -> None:
    row(store)
    store.rows.ask_again("sheet", KEY.row_id, 0, "2 with a hat", 2)
    forget(store, clock)

    assert store.rows.feedback("sheet") == {KEY.row_id: "2 with a hat"}


def test_a_file_goes_only_with_the_last_row_that_uses_it(store: Store, clock: Clock) -> None:
    for key, path in ((KEY, "cat.png"), (OTHER, "cat.png"), (OTHER, "own.png")):
        if store.jobs.get(key) is None:
            row(store, key)
        save(store, key, 1, f"{URL}{path}", path)
    shared = store.forgetting.files_of("sheet", [KEY.row_id])
    own = store.forgetting.files_of("sheet", [OTHER.row_id])
    store.forgetting.forget("sheet", [KEY.row_id], TERMS)

    assert (shared, own) == (set(), {"own.png"})
    assert store.forgetting.files_of("sheet", [OTHER.row_id]) == {"cat.png", "own.png"}
    assert store.forgetting.compact()


def test_a_late_success_of_a_failed_attempt_is_kept_after_it_was_forgotten(
    store: Store, clock: Clock
) -> None:
    store.jobs.add([KEY])
    store.attempts.begin([intent(KEY)], LIMITS)
    store.attempts.record([Fact(KEY, 1, Failed("no", "t1"))])
    forget(store, clock)
    store.attempts.record([Fact(KEY, 1, Succeeded(Result((URL,)), "t1"))])

    job = store.jobs.get(KEY)
    assert job
    assert job.attempts[0].result.urls == (URL,)
    assert job.attempts[0].forgotten is None
