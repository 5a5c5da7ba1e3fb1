"""The store keeps sheets, leases, rows, jobs and their history."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.core.model import (
    Attempt,
    Claim,
    Job,
    JobKey,
    KnownRow,
    Result,
    RowKind,
    State,
    Unsaved,
)
from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.rows.feedback import of_page, on_page
from pipeline.core.sheet.header import ROW_ID
from pipeline.core.states import Accepted, Event, Failed, Progressed, Succeeded, state_of
from pipeline.store import (
    Fact,
    HistoryLine,
    Intent,
    Lease,
    NewFile,
    SavedFile,
    SheetRecord,
    Store,
)
from pipeline.store.files import _SAME_CONTENT
from pipeline.store.saved_files import Twin
from pipeline.store.schema import attempts
from tests.fakes.statements import plan_of
from tests.store.build import KEY, LIMITS, NOON, Clock, intent, save
from tests.store.conftest import NewStore


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store(url, now=clock) as opened:
        yield opened


def row(number: int, inputs: str = '{"prompt":"a cat"}') -> KnownRow:
    return KnownRow(f"r_{number:09d}", inputs, 1, since=NOON)


def test_a_sheet_is_known_once_it_was_read_from_the_store(store: Store) -> None:
    assert store.sheets.get("sheet") == SheetRecord("sheet")
    assert store.sheets.all() == [SheetRecord("sheet")]


def test_only_the_named_fields_of_a_sheet_change(store: Store) -> None:
    store.sheets.update("sheet", config="/a.toml", title="Prompts", ours={"Status", "Note"})
    store.sheets.update("sheet", paused=True, hold="Column C is gone.", columns=("prompt", "take"))

    assert store.sheets.get("sheet") == SheetRecord(
        key="sheet",
        config="/a.toml",
        title="Prompts",
        paused=True,
        hold="Column C is gone.",
        ours=frozenset({"Status", "Note"}),
        columns=("prompt", "take"),
    )


def test_each_claim_has_a_higher_counter_than_the_last_and_the_found_one(store: Store) -> None:
    first = store.sheets.raise_claim("sheet", "tulip")
    second = store.sheets.raise_claim("sheet", "rose", at_least=41)

    assert first == Claim("sheet", store.id, 1, "tulip")
    assert second == Claim("sheet", store.id, 42, "rose")
    assert (store.sheets.get("sheet").counter, store.sheets.get("sheet").word) == (
        42,
        "rose",
    )


def test_many_requests_to_make_a_row_again_count_once_and_survive_a_reading(
    store: Store,
) -> None:
    store.rows.note("sheet", [row(1), row(2)])
    version = store.jobs.version("sheet")

    assert [store.rows.ask_again("sheet", row(1).row_id, extra) for extra in (0, 0, 2)] == [
        True,
        False,
        False,
    ]
    assert not store.rows.ask_again("sheet", "r_unheard_of", 0)
    assert store.jobs.version("sheet") == version + 1
    store.rows.note("sheet", [row(1, '{"prompt":"a dog"}')])
    assert store.rows.extra_takes("sheet") == {row(1).row_id: 1}
    assert store.rows.memory("sheet").known[row(1).row_id].extra_takes == 1


def test_feedback_of_the_page_is_kept_with_the_take_that_it_is_for_and_survives_a_reading(
    store: Store,
) -> None:
    store.rows.note("sheet", [row(1), row(2)])

    assert store.rows.ask_again("sheet", row(1).row_id, 0, on_page(2, "warmer"))
    assert not store.rows.ask_again("sheet", row(1).row_id, 0, on_page(2, "cooler"))
    store.rows.note("sheet", [row(1, '{"prompt":"a dog"}')])
    assert store.rows.feedback("sheet") == {row(1).row_id: "2 warmer"}
    assert of_page(store.rows.memory("sheet").known[row(1).row_id].feedback_on_page, 2) == "warmer"
    assert store.rows.ask_again("sheet", row(1).row_id, 1)
    assert store.rows.feedback("sheet") == {row(1).row_id: ""}


def test_two_people_who_pick_at_once_pick_once_and_the_history_says_who_and_when(
    store: Store,
) -> None:
    store.jobs.add([KEY, JobKey("sheet", "r_unpicked1", 1)])
    version = store.jobs.version("sheet")

    assert store.picks.set(KEY, [3, 1], (), "on the page by anna")
    assert not store.picks.set(KEY, [2], (), "on the page")
    assert store.picks.of("sheet") == {KEY: (1, 3)}
    assert store.jobs.changed("sheet", version).keys == {KEY}
    assert store.picks.set(KEY, [], (1, 3))
    assert not store.picks.set(KEY, [], ())
    assert store.picks.of("sheet") == {}
    assert [(one.at, one.kind, one.text) for one in store.jobs.history(KEY)] == [
        (NOON, "picked", "picture 1, 3, on the page by anna"),
        (NOON, "picked", "none"),
    ]
    assert not store.picks.set(JobKey("sheet", "r_unheard_of", 1), [1], ())


def test_a_dismissed_row_is_remembered_and_can_be_restored(store: Store) -> None:
    store.jobs.add([KEY])

    assert store.jobs.dismiss(KEY, away=True)
    assert store.jobs.all("sheet")[KEY].dismissed == NOON
    assert store.jobs.dismiss(KEY, away=False)
    assert store.jobs.all("sheet")[KEY].dismissed is None
    assert not store.jobs.dismiss(JobKey("sheet", "r_unheard_of", 1), away=True)


def test_a_lease_keeps_others_out_until_it_expires(store: Store, clock: Clock) -> None:
    taken = store.leases.take("sheet", "here:1", 60)
    assert taken
    assert store.leases.take("sheet", "here:2", 60) is None
    assert store.leases.of("sheet") == taken

    clock.forward(61)

    late = store.leases.take("sheet", "here:2", 60)
    assert late
    assert not store.leases.renew(taken, 60)
    assert not store.leases.release(taken)
    assert store.leases.of("sheet") == late


def test_a_renewed_lease_does_not_expire(store: Store, clock: Clock) -> None:
    taken = store.leases.take("sheet", "here:1", 60)
    assert taken
    clock.forward(59)
    assert store.leases.renew(taken, 60)
    clock.forward(59)

    assert store.leases.take("sheet", "here:2", 60) is None
    assert store.leases.of("sheet") == Lease(
        "sheet", taken.word, "here:1", NOON, NOON + timedelta(seconds=119)
    )


def test_a_holder_can_take_its_lease_again_which_ends_the_earlier_one(store: Store) -> None:
    first = store.leases.take("sheet", "here:1", 60)
    second = store.leases.take("sheet", "here:1", 60)

    assert first
    assert second
    assert not store.leases.renew(first, 60)
    assert store.leases.renew(second, 60)
    assert store.leases.release(second)
    assert store.leases.of("sheet") is None


def test_only_the_lease_that_was_checked_is_broken(store: Store) -> None:
    dead = store.leases.take("sheet", "here:1", 60)
    assert dead
    assert store.leases.end("sheet", dead.word)
    assert store.leases.take("sheet", "here:2", 60)

    assert not store.leases.end("sheet", dead.word)


def test_the_earlier_inputs_of_a_changed_row_are_kept_in_its_past(store: Store) -> None:
    for text in ("a cat", "a dog", "a cat", "a cow"):
        store.rows.note("sheet", [row(1, text), row(2)])

    memory = store.rows.memory("sheet")
    assert memory.known == {row(1).row_id: row(1, "a cow"), row(2).row_id: row(2)}
    assert memory.past == {row(1).row_id: ["a cat", "a dog"]}


def test_order_and_columns_are_kept_until_new_ones_are_noted(store: Store) -> None:
    store.rows.note("sheet", [row(1), row(2)], ["", row(2).row_id, "", row(1).row_id], ("prompt",))
    store.rows.note("sheet", [row(2, "a dog")])

    memory = store.rows.memory("sheet")
    assert memory.order == {row(2).row_id: 1, row(1).row_id: 3}
    assert memory.columns == frozenset({"prompt"})
    assert store.rows.memory("another").columns is None


def test_the_mark_of_a_row_changes_exactly_when_the_row_changes(store: Store) -> None:
    store.rows.note("sheet", [row(1), row(2)], ["", row(1).row_id, row(2).row_id], ("prompt",))
    before, order = store.rows.marks("sheet"), store.rows.written_order("sheet")
    store.rows.note("sheet", [row(1)], ["", row(2).row_id, row(1).row_id])
    assert store.rows.marks("sheet") == before
    assert store.rows.written_order("sheet") != order
    store.rows.note("sheet", [row(2, "a dog")])
    store.rows.ask_again("sheet", row(1).row_id, 0)

    after = store.rows.marks("sheet")
    assert before.keys() == after.keys()
    assert all(before[one] != after[one] for one in before)
    rows = store.rows.some("sheet", [row(2).row_id, "r_nobody000"]).known
    assert rows == {row(2).row_id: row(2, "a dog")}


def test_only_ids_of_other_sheets_are_foreign(store: Store) -> None:
    store.rows.note("sheet", [row(1)])
    store.rows.note("another", [row(2, "a dog")])

    asked = [row(number).row_id for number in (1, 2, 3)]
    assert store.rows.foreign("sheet", asked) == {row(2).row_id: "a dog"}
    assert store.rows.foreign("unheard of", asked[:1]) == {row(1).row_id: row(1).inputs}


#: Other ids of rows and parts never reach the store.
row_ids = st.from_regex(ROW_ID, fullmatch=True)
parts = st.from_regex(r"[a-z0-9]{0,9}(_[2-9])?", fullmatch=True)
texts = st.text(st.characters(), max_size=12)
moments = st.datetimes(timezones=st.just(UTC))
known = st.builds(
    KnownRow,
    row_id=row_ids,
    inputs=texts,
    first_take=st.integers(1, 2**40),
    standing=st.sampled_from(RowKind),
    since=st.none() | moments,
    approved=texts,
    approved_for=texts,
    others=texts,
)


@settings(max_examples=12, deadline=None)
@given(st.lists(known, max_size=6), st.lists(known, max_size=6), texts)
def test_a_noted_row_is_read_back_unchanged(
    new_store: NewStore, first: list[KnownRow], second: list[KnownRow], sheet: str
) -> None:
    expected = {one.row_id: one for one in (*first, *second)}
    order = list(expected)
    with Store(new_store()) as store:
        store.rows.note(sheet, first)
        store.rows.note(sheet, second, order, order)
        memory = store.rows.memory(sheet)

    assert memory.known == expected
    assert memory.order == {one: place for place, one in enumerate(order) if one}
    assert memory.columns == frozenset(order)


@settings(max_examples=12, deadline=None)
@given(
    st.builds(
        Attempt,
        number=st.integers(1, 99),
        state=st.sampled_from([state for state in State if state is not State.PENDING]),
        inputs=texts,
        columns=st.lists(texts, max_size=3).map(tuple),
        endpoint=texts,
        price=st.just(0),
        sent_at=moments,
        deadline=moments,
        task_id=texts,
        progress=st.none() | st.integers(0, 100),
        result=st.builds(Result, st.lists(texts, max_size=4).map(tuple), texts, st.integers(0, 99)),
        reason=texts,
        ended_at=st.none() | moments,
        reported=st.none() | st.integers(0, 2**40),
    ),
    st.builds(JobKey, texts, row_ids, st.integers(1, 2**40), parts),
)
def test_an_added_job_is_read_back_unchanged(
    new_store: NewStore, attempt: Attempt, key: JobKey
) -> None:
    with Store(new_store(), now=lambda: NOON) as store:
        store.jobs.adopt(key, attempt)

        assert store.jobs.all(key.sheet) == {key: Job(key, 1, (attempt,), NOON)}
        assert store.jobs.get(key) == Job(key, 1, (attempt,), NOON)


def test_adding_an_existing_job_again_changes_nothing(store: Store) -> None:
    store.jobs.add([KEY])
    store.jobs.ask(KEY, 2)
    store.jobs.add([KEY, KEY._replace(take=2)])

    assert {key: job.asked for key, job in store.jobs.all("sheet").items()} == {
        KEY: 2,
        KEY._replace(take=2): 1,
    }


def test_of_two_requests_for_the_same_attempt_one_counts(store: Store) -> None:
    store.jobs.add([KEY])

    assert [store.jobs.ask(KEY, 2), store.jobs.ask(KEY, 2), store.jobs.ask(KEY, 4)] == [
        True,
        False,
        False,
    ]
    assert not store.jobs.ask(KEY._replace(take=9), 2)


def test_an_adopted_attempt_counts_and_costs_nothing(store: Store) -> None:
    found = Attempt(1, State.UNKNOWN, "{}", (), "imagine", 8, NOON, NOON, task_id="t1")

    assert store.jobs.adopt(KEY, found)
    assert not store.jobs.adopt(KEY, found)

    job = store.jobs.get(KEY)
    assert job
    assert (state_of(job), job.attempts[0].price) == (State.UNKNOWN, 0)
    assert store.attempts.record([Fact(KEY, 1, Succeeded(Result(("u",)), reported=9))]) == [True]
    assert [line.kind for line in store.jobs.history(KEY)] == ["adopted", "succeeded"]


def test_saved_files_are_returned_in_the_order_of_their_urls(store: Store) -> None:
    store.jobs.add([KEY])
    store.attempts.begin([intent()], LIMITS)
    store.attempts.record([Fact(KEY, 1, Succeeded(Result(("b", "a", "c"), "grid")))])
    for url in ("grid", "a", "b", "b"):
        save(store, KEY, 1, url, f"{url}.png")

    job = store.jobs.get(KEY)
    assert job
    assert list(job.files.items()) == [("b", "b.png"), ("a", "a.png"), ("grid", "grid.png")]
    assert not save(store, KEY._replace(take=2), 1, "a", "a.png")


def test_the_id_reserved_for_a_file_is_kept_until_the_file_is_forgotten(store: Store) -> None:
    store.jobs.add([KEY])
    store.files.reserve(KEY, 1, "a", "id-1")
    reserved = store.jobs.get(KEY)
    store.files.miss(KEY, 1, "a", Unsaved("busy", 1, None, lost=False))
    missed = store.jobs.get(KEY)
    save(store, KEY, 1, "a", "a.png", link="https://x/a", sha256="5a")
    saved = store.jobs.get(KEY)
    store.files.forget(KEY, "a")
    forgotten = store.jobs.get(KEY)

    assert reserved
    assert missed
    assert saved
    assert forgotten
    assert (reserved.reserved, reserved.unsaved, reserved.files) == ({"a": "id-1"}, {}, {})
    assert (missed.reserved, list(missed.unsaved)) == ({"a": "id-1"}, ["a"])
    assert saved.files == {"a": "a.png"}
    assert (forgotten.reserved, forgotten.files) == ({}, {})


def test_a_forgotten_file_is_saved_again(store: Store) -> None:
    store.jobs.add([KEY])
    save(store, KEY, 1, "a", "a.png")
    save(store, KEY, 1, "b", "b.png")
    version = store.jobs.version("sheet")

    assert store.files.forget(KEY, "a")
    assert not store.files.forget(KEY, "a")
    assert not store.files.forget(KEY._replace(take=9), "a")
    job = store.jobs.get(KEY)
    assert job
    assert job.files == {"b": "b.png"}
    assert store.jobs.changed("sheet", version)[1] == {KEY}


def test_the_request_is_kept_exactly_as_sent(store: Store, url: str) -> None:
    store.jobs.add([KEY])
    asked = Intent(KEY, 1, "{}", (), "imagine", 8, 120, {"prompt": "a \ud800 cat", "n": [1, None]})
    store.attempts.begin([asked], LIMITS)

    with store._database.reading() as connection:
        body = connection.execute(select(attempts.c.body)).scalar_one()
    assert json.loads(body) == asked.body


def test_the_history_has_each_event_once(store: Store, clock: Clock) -> None:
    store.jobs.add([KEY])
    store.attempts.begin([intent()], LIMITS)
    clock.forward(5)
    events: list[Event] = [
        Accepted("t1"),
        Progressed(40),
        Progressed(40),
        Progressed(None),
        Failed("banned word"),
    ]
    changed = store.attempts.record([Fact(KEY, 1, event) for event in events])

    later = NOON + timedelta(seconds=5)
    assert changed == [True, True, False, False, True]
    assert store.jobs.history(KEY) == [
        HistoryLine(NOON, 1, "sent", "imagine, 8 credits"),
        HistoryLine(later, 1, "accepted", "task t1"),
        HistoryLine(later, 1, "progressed", "40 %"),
        HistoryLine(later, 1, "failed", "banned word"),
    ]


def test_each_change_of_a_job_is_reported_once_after_a_cursor(store: Store, url: str) -> None:
    keys = [KEY._replace(take=take) for take in range(1, 7)]
    store.jobs.add(keys)
    version = store.jobs.version("sheet")

    with Store(url) as other:
        other.jobs.ask(keys[0], 2)
        other.attempts.begin([intent(keys[1]), intent(keys[2])], LIMITS)
        other.attempts.record([Fact(keys[2], 1, Accepted("t"))])
        save(other, keys[3], 1, "u", "p")
        other.jobs.add([keys[4], KEY._replace(take=9)])

    then, changed = store.jobs.changed("sheet", version)
    assert changed == {*keys[:4], KEY._replace(take=9)}
    assert store.jobs.changed("sheet", then) == (then, set())
    assert set(store.jobs.all("sheet", changed)) == changed
    assert store.jobs.changed("unheard of", 0) == (0, set())


def test_an_attempt_without_an_answer_expires_at_its_deadline(store: Store, clock: Clock) -> None:
    other = KEY._replace(take=2)
    store.jobs.add([KEY, other])
    store.attempts.begin([intent(), intent(other)], LIMITS)
    store.attempts.record([Fact(other, 1, Accepted("t"))])

    clock.forward(120)
    assert store.attempts.expired("sheet") == []
    clock.forward(1)
    assert store.attempts.expired("sheet") == [(KEY, 1)]
    assert store.attempts.expired("another") == []


def test_a_file_with_the_same_content_is_found_without_a_look_at_all_files(store: Store) -> None:
    store.jobs.add([KEY])
    save(store, KEY, 1, "a", "a.png", sha256="5a")
    with store._database.reading() as connection:
        statement, order = _SAME_CONTENT._for(connection.dialect)
        values = (1, "5a") if order else {"its_sheet": 1, "its_sha256": "5a"}
        driver = connection.connection.driver_connection
        assert driver
        plan = plan_of(driver.cursor(), statement, values)

    found = Twin(SavedFile("a.png", "", "5a"), KEY, 1, "a")
    assert store.files.with_content("sheet", "5a") == found
    assert "files_by_sha256" in plan


def test_a_receipt_reads_every_attempt_and_the_words_of_its_own_sheet_only(store: Store) -> None:
    long, others = '{"prompt":"' + "ä" * 10_000 + '"}', [KEY._replace(sheet="s")]
    others += [KEY._replace(sheet="s", take=take) for take in range(2, 301)]
    store.jobs.add([KEY, *others])
    store.attempts.begin([replace(intent(key), inputs=long) for key in others], LIMITS)
    store.attempts.begin([replace(intent(), prompt="a fine cat")], LIMITS)
    store.charges.sent("sheet")
    tracemalloc.start()
    sent = store.charges.sent("sheet")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    (own,) = (one for one in sent if one.sheet == "sheet")
    assert (own.row_id, own.inputs, own.made_prompt) == (KEY.row_id, intent().inputs, "a fine cat")
    assert len(sent) == 301
    assert most < 1_000_000, "the words of the others are 3 MB"
    assert {one.inputs for one in store.charges.sent("s") if one.sheet == "s"} == {long}


def test_files_are_noted_together_and_those_without_a_job_are_left_out(store: Store) -> None:
    store.jobs.add([KEY])
    saved = [NewFile(KEY, 1, url, SavedFile(f"{url}.png", "", url)) for url in ("a", "b")]
    unknown = NewFile(KEY._replace(take=2), 1, "a", SavedFile("c.png", "", "c"))

    assert store.files.save([saved[0], unknown, saved[1]]) == 2
    job = store.jobs.get(KEY)
    assert job
    assert job.files == {"a": "a.png", "b": "b.png"}


def test_a_service_is_called_and_an_alarm_is_told_once_until_something_changes(
    url: str, clock: Clock
) -> None:
    minute = timedelta(minutes=1)
    with Store(url, clock) as store:
        store.sheets.get("sheet")
        called = [store.heartbeats.take("heartbeat", minute) for _ in range(2)]
        told = [
            store.alarms.set("sheet", "credits", state, MessageKind.ATTENTION, "Few credits.")
            for state in ("few", "few", "")
        ]
        clock.forward(61)
        later = store.heartbeats.take("heartbeat", minute)

    assert (called, later) == ([True, False], True)
    assert told == [True, False, True]
