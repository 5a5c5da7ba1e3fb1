"""The outbox: messages are written with what they tell, claimed in order, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen

from pipeline.core.model import JobKey, Result, Unsaved
from pipeline.core.money.currency import Money
from pipeline.core.outlets.outbox import LineState, MessageKind
from pipeline.core.states import Accepted, Event, Failed, Lost, Progressed, Succeeded
from pipeline.store import Delivery, Fact, Limits, Line, OutletEntry, Store
from pipeline.store.outbox_lines import due_lines
from tests.fakes.statements import plan_of
from tests.store.build import LIMITS, Clock, intent, save

ALL = tuple(kind for kind in MessageKind if kind is not MessageKind.TEST)
DONE = Succeeded(Result(("https://cdn.example/1.png",)), "t1")


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store(url, clock) as store:
        store.sheets.get("sheet")
        yield store


def outlet(
    store: Store, name: str = "push", kinds: tuple[MessageKind, ...] = ALL, settings: str = "1"
) -> int:
    """The number of the only outlet of the sheet."""
    return configured(store, OutletEntry(name, kinds, settings))


def configured(store: Store, *entries: OutletEntry, config: str = "/team/promptsheet.toml") -> int:
    """The number of the last outlet that this configuration of the sheet has; 0 if it has none."""
    return [0, *store.outlets.configure("sheet", entries, config).values()][-1]


def sent(store: Store, row: str = "a", take: int = 1, *, limits: Limits = LIMITS) -> JobKey:
    """A job with one attempt under way."""
    key = JobKey("sheet", f"r_00000000{row}", take)
    store.jobs.add([key])
    store.attempts.begin([intent(key)], limits)
    return key


def tell(store: Store, key: JobKey, *events: Event) -> None:
    """Record these events of the job's first attempt."""
    for event in events:
        store.attempts.record([Fact(key, 1, event)])


def taken(store: Store, number: int, lines: list[Line]) -> None:
    """The outlet took all these messages."""
    ended = [Delivery(line.id, LineState.SENT) for line in lines]
    store.outbox.record(number, ended, delivered=True)


def kinds(lines: list[Line]) -> list[tuple[str, str]]:
    """Row and kind of each message."""
    return [(line.key.row_id[-1] if line.key else "", str(line.kind)) for line in lines]


def test_each_end_of_an_attempt_is_one_message_however_often_it_is_reported(store: Store) -> None:
    number = outlet(store)
    first, second, third = (sent(store, row) for row in "abc")
    tell(store, first, Accepted("t1"), Progressed(40), DONE, DONE)
    tell(store, second, Failed("banned word", refused=True))
    tell(store, third, Lost("no answer"))

    assert kinds(store.outbox.claim(number, 10)) == [
        ("a", "done"),
        ("b", "failed"),
        ("c", "check needed"),
    ]


def test_a_result_after_a_failure_is_a_second_message_which_waits_for_the_first(
    store: Store,
) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, Failed("timed out", "t1"), DONE)

    first = store.outbox.claim(number, 10)
    taken(store, number, first)
    second = store.outbox.claim(number, 10)
    taken(store, number, second)

    assert kinds(first) == [("a", "failed")]
    assert kinds(second) == [("a", "done")]
    assert store.outbox.claim(number, 10) == []


def late(store: Store, number: int) -> JobKey:
    """A row whose first take succeeds after the second. The outlet has not got that yet."""
    first, second = sent(store, take=1), sent(store, take=2)
    tell(store, first, Lost("no answer"))
    taken(store, number, store.outbox.claim(number, 10))
    tell(store, second, DONE)
    return first


def takes(lines: list[Line]) -> list[int]:
    return [line.key.take if line.key else 0 for line in lines]


@pytest.mark.parametrize("one_take", [True, False])
def test_an_earlier_take_that_succeeds_late_replaces_no_later_one_where_a_row_has_one_place(
    store: Store, one_take: bool
) -> None:
    number = outlet(store)
    first = late(store, number)
    tell(store, first, DONE)
    claimed = store.outbox.claim(number, 10, one_take=one_take)
    taken(store, number, claimed)

    assert takes(claimed) == [2]
    assert takes(store.outbox.claim(number, 10, one_take=one_take)) == ([] if one_take else [1])


def test_a_later_take_that_was_set_aside_is_sent_after_an_earlier_one_that_succeeded_late(
    store: Store,
) -> None:
    number = outlet(store)
    first = late(store, number)
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, LineState.PARKED, "too long")])
    tell(store, first, DONE)
    taken(store, number, store.outbox.claim(number, 10, one_take=True))

    assert store.outbox.retry(number) == (1, 0)
    assert takes(store.outbox.claim(number, 10, one_take=True)) == [2]


def test_a_digest_gets_all_messages_of_a_row(store: Store) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, Failed("timed out", "t1"), DONE)

    assert len(store.outbox.claim(number, 10, several=True)) == 2


def test_an_outlet_is_told_of_its_kinds_only_and_of_nothing_before_it_was_configured(
    store: Store,
) -> None:
    tell(store, sent(store, "a"), DONE)
    number = outlet(store, kinds=(MessageKind.DONE,))
    tell(store, sent(store, "b"), Failed("banned word", refused=True))
    tell(store, sent(store, "c"), DONE)

    assert kinds(store.outbox.claim(number, 10)) == [("c", "done")]


def test_an_outlet_that_is_taken_out_of_the_configuration_is_told_all_the_same(
    store: Store,
) -> None:
    number = outlet(store)
    tell(store, sent(store, "a"), DONE)
    configured(store)
    (state,) = store.outbox.states("sheet")
    tell(store, sent(store, "b"), DONE)

    assert (state.config, state.waiting) == ("", 1)
    assert outlet(store) == number
    assert kinds(store.outbox.claim(number, 10)) == [("a", "done"), ("b", "done")]


def test_a_configuration_without_an_outlet_does_not_silence_that_of_another(
    store: Store, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.touch()
    number = configured(store, OutletEntry("push", ALL, "1"), config=str(first))
    for row in "abc":
        configured(store, OutletEntry("slack", (MessageKind.FAILED,), "1"), config=str(second))
        tell(store, sent(store, row), DONE)

    assert [(one.name, one.config) for one in store.outbox.states("sheet")] == [
        ("push", str(first)),
        ("slack", str(second)),
    ]
    assert len(store.outbox.claim(number, 10)) == 3

    both = [OutletEntry("push", ALL, "1"), OutletEntry("slack", (MessageKind.FAILED,), "1")]
    assert configured(store, *both, config=str(second))
    assert store.outbox.states("sheet")[0].config == str(first), "both have it"
    first.unlink()
    assert configured(store, *both, config=str(second))
    assert store.outbox.states("sheet")[0].config == str(second), "the other one is gone"


def test_passes_of_configurations_that_do_not_change_write_nothing(
    store: Store, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("first.toml", "second.toml")]
    entries = [OutletEntry("push", ALL, "1", 60, ("team",)), OutletEntry("slack", ALL, "2")]
    for file in files:
        file.touch()
        configured(store, *entries, config=str(file))
    asked: list[str] = []
    listen(store._database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    for file in files * 2:
        configured(store, *entries, config=str(file))

    assert len(asked) >= 4
    assert [one for one in asked if not one.startswith(("SELECT", "BEGIN"))] == []
    assert "BEGIN IMMEDIATE" not in asked


def test_the_columns_that_any_outlet_needs_are_known_to_every_configuration(store: Store) -> None:
    assert store.outlets.columns("sheet") is None
    configured(store, OutletEntry("push", ALL, "1", columns=("team",)), config="/a")
    configured(store, OutletEntry("sql", ALL, "1", columns=("*",)), config="/b")

    assert store.outlets.columns("sheet") == frozenset({"team", "*"})
    store.outlets.forget("sheet", "sql")
    assert store.outlets.columns("sheet") == frozenset({"team"})


def test_a_forgotten_outlet_has_no_messages_and_is_told_of_nothing_until_it_is_back(
    store: Store,
) -> None:
    number = outlet(store, "slack")
    tell(store, sent(store, "a"), DONE)
    taken(store, number, store.outbox.claim(number, 10))
    tell(store, sent(store, "b"), DONE)
    configured(store)
    (state,) = store.outbox.states("sheet")
    assert (state.waiting, state.sent, state.is_told) == (1, 1, True)

    store.outlets.forget("sheet", "slack")
    tell(store, sent(store, "c"), DONE)

    assert store.outbox.states("sheet") == []
    assert store.outbox.next_due(number) is None
    assert outlet(store, "slack") == number
    assert store.outbox.states("sheet")[0].sent == 0
    tell(store, sent(store, "d"), DONE)
    assert kinds(store.outbox.claim(number, 10)) == [("d", "done")]


@pytest.mark.parametrize("way", ["forgotten", "old"])
def test_the_number_of_a_message_is_never_given_again(store: Store, clock: Clock, way: str) -> None:
    # Receivers ignore a message whose number they had.
    number = outlet(store)
    tell(store, sent(store, "a"), DONE)
    (first,) = store.outbox.claim(number, 10)
    taken(store, number, [first])
    if way == "forgotten":
        store.outlets.forget("sheet", "push")
        outlet(store)
    else:
        clock.forward(31 * 86400)
        store.outlets.tidy("sheet")
    tell(store, sent(store, "b"), DONE)

    (second,) = store.outbox.claim(number, 10)
    assert second.id > first.id


def test_a_later_message_of_a_row_waits_for_an_earlier_one_that_is_tried_again(
    store: Store, clock: Clock
) -> None:
    number, key, other = outlet(store), sent(store, "a"), sent(store, "b")
    tell(store, key, Failed("timed out", "t1"))
    (line,) = store.outbox.claim(number, 10)
    later = clock() + timedelta(seconds=30)
    store.outbox.record(number, [Delivery(line.id, LineState.WAITING, "busy", later)])
    tell(store, key, DONE)
    tell(store, other, DONE)

    assert kinds(store.outbox.claim(number, 10)) == [("b", "done")]
    clock.forward(31)
    again = store.outbox.claim(number, 10)
    assert kinds(again)[0] == ("a", "failed")
    assert (again[0].tries, again[0].is_unsure) == (2, False)


def test_a_parked_message_does_not_hold_up_later_ones(store: Store) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, Failed("timed out", "t1"))
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, LineState.PARKED, "too long")])
    tell(store, key, DONE)

    assert kinds(store.outbox.claim(number, 10)) == [("a", "done")]
    (state,) = store.outbox.states("sheet")
    assert (state.waiting, state.parked) == (1, 1)
    assert store.outbox.parked(number) == [("failed r_00000000a", "too long")]
    assert store.outbox.retry(number) == (1, 0)
    assert store.outbox.states("sheet")[0].parked == 0


def test_a_parked_message_is_not_sent_after_a_newer_one_of_its_row(store: Store) -> None:
    number = outlet(store)
    for row in "ab":
        tell(store, sent(store, row), Failed("timed out", "t1"))
    lines = store.outbox.claim(number, 10)
    parked = [Delivery(line.id, LineState.PARKED, "too long") for line in lines]
    store.outbox.record(number, parked)
    tell(store, sent(store, "a", take=2), DONE)
    taken(store, number, store.outbox.claim(number, 10))

    assert store.outbox.retry(number) == (1, 1)
    assert kinds(store.outbox.claim(number, 10)) == [("b", "failed")]


def test_a_parked_message_that_is_tried_again_while_a_newer_one_is_under_way_is_not_sent_after_it(
    store: Store,
) -> None:
    number = outlet(store)
    tell(store, sent(store, "a"), Failed("timed out", "t1"))
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, LineState.PARKED, "too long")])
    tell(store, sent(store, "a", take=2), DONE)
    newer = store.outbox.claim(number, 10)

    assert store.outbox.retry(number) == (1, 0)
    taken(store, number, newer)
    tell(store, sent(store, "b"), DONE)

    assert kinds(store.outbox.claim(number, 10)) == [("b", "done")]
    taken(store, number, [])
    (state,) = store.outbox.states("sheet")
    assert (state.parked, state.sent) == (0, 2)


def test_undelivered_messages_of_an_outlet_that_no_configuration_has_are_kept(
    store: Store, clock: Clock
) -> None:
    outlet(store, "slack")
    tell(store, sent(store), DONE)
    outlet(store, "push")
    clock.forward(400 * 86400)

    store.outlets.tidy("sheet")

    assert [(one.name, one.waiting) for one in store.outbox.states("sheet")] == [
        ("push", 0),
        ("slack", 1),
    ]


def test_a_message_that_was_set_aside_is_not_sent_after_a_newer_one_that_is_long_delivered(
    store: Store, clock: Clock
) -> None:
    number = outlet(store)
    for row in "ab":
        tell(store, sent(store, row), Failed("timed out", "t1"))
    lines = store.outbox.claim(number, 10)
    parked = [Delivery(line.id, LineState.PARKED, "too long") for line in lines]
    store.outbox.record(number, parked)
    tell(store, sent(store, "a", take=2), DONE)
    tell(store, sent(store, "c"), DONE)
    taken(store, number, store.outbox.claim(number, 10))
    clock.forward(31 * 86400)
    tell(store, sent(store, "d"), DONE)
    taken(store, number, store.outbox.claim(number, 10))

    store.outlets.tidy("sheet")

    assert store.outbox.states("sheet")[0].sent == 2, "those of the rows a and d"
    assert store.outbox.retry(number) == (1, 1)
    assert kinds(store.outbox.claim(number, 10)) == [("b", "failed")]


def test_old_delivered_messages_are_deleted_and_no_others(store: Store, clock: Clock) -> None:
    number = outlet(store)
    tell(store, sent(store, "a"), DONE)
    taken(store, number, store.outbox.claim(number, 10))
    clock.forward(31 * 86400)
    tell(store, sent(store, "b"), DONE)
    taken(store, number, store.outbox.claim(number, 10))
    tell(store, sent(store, "c"), DONE)

    store.outlets.tidy("sheet")

    (state,) = store.outbox.states("sheet")
    assert (state.sent, state.waiting) == (1, 1)


def test_a_clock_that_was_set_back_holds_no_message_for_long(store: Store, clock: Clock) -> None:
    number = outlet(store)
    clock.forward(300 * 86400)
    tell(store, sent(store), DONE)
    (line,) = store.outbox.claim(number, 10)
    later = clock() + timedelta(seconds=30)
    store.outbox.record(number, [Delivery(line.id, LineState.WAITING, "busy", later)])
    clock.forward(-300 * 86400)
    assert store.outbox.claim(number, 10) == []

    store.outlets.tidy("sheet")

    assert len(store.outbox.claim(number, 10)) == 1


def test_what_was_being_delivered_when_a_process_died_comes_again_marked_as_unsure(
    store: Store,
) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    (first,) = store.outbox.claim(number, 10)
    (again,) = store.outbox.claim(number, 10)

    assert (first.is_unsure, again.is_unsure) == (False, True)
    assert first.id == again.id


def test_an_outlet_that_fails_as_a_whole_is_due_again_when_it_says(
    store: Store, clock: Clock
) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    (line,) = store.outbox.claim(number, 10)
    later = clock() + timedelta(minutes=5)
    waits = Delivery(line.id, LineState.WAITING, "busy", clock())
    store.outbox.record(number, [waits], failed="busy", not_before=later)

    assert store.outbox.next_due(number) == later
    (state,) = store.outbox.states("sheet")
    assert (state.failures, state.reason, state.delivered_at) == (1, "busy", None)


def test_a_changed_table_opens_a_closed_outlet_and_has_it_checked_again(store: Store) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    taken(store, number, store.outbox.claim(number, 10))
    store.outbox.record(number, (), closed="404: wrong address")
    assert store.outbox.states("sheet")[0].closed == "404: wrong address"

    outlet(store, settings="2")

    (state,) = store.outbox.states("sheet")
    assert (state.closed, state.delivered_at) == ("", None)


def test_what_the_outlet_remembers_of_a_row_comes_with_its_next_message(store: Store) -> None:
    number = outlet(store)
    tell(store, sent(store, take=1), DONE)
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(
        number, [Delivery(line.id, LineState.SENT, remote="page 7")], delivered=True
    )
    tell(store, sent(store, take=2), DONE)

    assert [line.remote for line in store.outbox.claim(number, 10)] == ["page 7"]


def test_a_budget_is_told_of_once_when_80_percent_of_it_are_used(store: Store) -> None:
    number = outlet(store, kinds=(MessageKind.BUDGET,))
    limits = Limits("key", "run", "2026-03-01", per_run=None, per_day=40)
    for row in "abc":
        sent(store, row, limits=limits)
    assert store.outbox.claim(number, 10) == []

    sent(store, "d", limits=limits)
    sent(store, "e", limits=limits)

    (line,) = store.outbox.claim(number, 10)
    assert line.body == {"budget": "day", "used": 32, "cap": 40, "account": "key"}

    raised = replace(limits, per_day=60)
    for row in "fgh":
        sent(store, row, limits=raised)
    told = [(line.body["used"], line.body["cap"]) for line in store.outbox.claim(number, 10)]
    assert told == [(32, 40), (48, 60)]


def test_a_budget_in_money_is_told_of_in_its_currency_and_once_at_two_prices(store: Store) -> None:
    number = outlet(store, kinds=(MessageKind.BUDGET,))
    cap = Money(Decimal("0.50"), "EUR")
    limits = Limits("key", "run", "2026-03-01", per_day=cap, credit_price="0.0125 EUR")
    for row in "abcd":
        sent(store, row, limits=limits)
    sent(store, "e", limits=replace(limits, credit_price="0.012 EUR"))

    (line,) = store.outbox.claim(number, 10)
    used = {"budget": "day", "used": "0.4000", "cap": "0.50", "currency": "EUR"}
    assert line.body == used | {"account": "key"}


def test_a_budget_of_a_run_with_the_numbers_of_the_day_is_not_told_as_well(store: Store) -> None:
    number = outlet(store, kinds=(MessageKind.BUDGET,))
    for row in "abcd":
        sent(store, row, limits=Limits("key", "run", "2026-03-01", per_run=40, per_day=40))
    for row in "efgh":
        sent(store, row, limits=Limits("key", "later", "2026-03-01", per_run=40, per_day=400))

    told = [line.body["budget"] for line in store.outbox.claim(number, 10)]
    assert told == ["day", "run"]


def test_a_notice_is_told_once_for_each_subject(store: Store) -> None:
    number = outlet(store)
    for subject in ("one", "one", "two"):
        store.outbox.announce("sheet", MessageKind.STOPPED, subject, {"sentence": subject})

    bodies = [line.body["sentence"] for line in store.outbox.claim(number, 10)]
    assert bodies == ["one", "two"]


def test_a_batch_that_is_rolled_back_leaves_no_message(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, key = outlet(store), sent(store)

    def broken(*_: object) -> None:
        raise OSError("planted")

    with monkeypatch.context() as planted:
        planted.setattr("pipeline.store.batch.raise_jobs", broken)
        with pytest.raises(OSError, match="planted"):
            tell(store, key, DONE)
    assert store.outbox.claim(number, 10) == []

    tell(store, key, DONE)
    assert kinds(store.outbox.claim(number, 10)) == [("a", "done")]


def test_delivered_messages_are_forgotten_after_30_days_but_not_what_outlets_remember(
    store: Store, clock: Clock
) -> None:
    number = outlet(store)
    for row in "ab":
        tell(store, sent(store, row), DONE)
    lines = store.outbox.claim(number, 10)
    ended = [
        Delivery(line.id, LineState.SENT, remote=remote)
        for line, remote in zip(lines, ("", "page 7"), strict=True)
    ]
    store.outbox.record(number, ended, delivered=True)
    clock.forward(31 * 86400)

    store.outlets.tidy("sheet")

    assert store.outbox.states("sheet")[0].sent == 1


def test_what_was_sent_is_not_read_again_to_find_what_is_due(store: Store, clock: Clock) -> None:
    outlet(store)
    asked: list[str] = []
    with store._database.reading() as connection:

        def plan(_: object, cursor: Any, statement: str, values: Any, *_more: object) -> None:
            asked.append(plan_of(cursor, statement, values))

        listen(connection, "before_cursor_execute", plan)
        connection.execute(due_lines(1, clock(), 10)).all()

    assert "outbox_open" in asked[-1]


@pytest.mark.parametrize("state", [LineState.WAITING, LineState.PARKED])
def test_that_a_try_may_have_arrived_is_kept_until_the_message_is_delivered(
    store: Store, state: LineState
) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, LineState.WAITING, "silence", is_unsure=True)])
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, state, "refused")])
    store.outbox.retry(number)

    assert [one.is_unsure for one in store.outbox.claim(number, 10)] == [True]


def test_what_a_slow_process_has_delivered_is_not_sent_again_by_another(store: Store) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    (slow,) = store.outbox.claim(number, 10)
    (other,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(other.id, LineState.WAITING, "busy")])
    taken(store, number, [slow])

    assert store.outbox.claim(number, 10) == []


def test_a_message_that_waits_for_an_earlier_one_of_its_row_is_not_due_before_it(
    store: Store, clock: Clock
) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, Failed("timed out", "t1"))
    (line,) = store.outbox.claim(number, 10)
    later = clock() + timedelta(seconds=300)
    store.outbox.record(number, [Delivery(line.id, LineState.WAITING, "busy", later)])
    tell(store, key, DONE)

    assert store.outbox.next_due(number) == later


PICTURES = tuple(f"https://cdn.example/{number}.png" for number in (1, 2))


def test_a_message_about_pictures_waits_until_all_are_saved(store: Store, clock: Clock) -> None:
    number = configured(store, OutletEntry("push", ALL, "1", file_wait=60))
    key, text, failed = sent(store), sent(store, "b"), sent(store, "c")
    tell(store, key, Accepted("t1"), Succeeded(Result(PICTURES), "t1"))
    tell(store, text, Accepted("t2"), Succeeded(Result((), text="a line"), "t2"))
    tell(store, failed, Failed("refused"))

    assert kinds(store.outbox.claim(number, 9)) == [("b", "done"), ("c", "failed")]
    save(store, key, 1, PICTURES[0], "1.png")
    store.files.miss(
        key, 1, PICTURES[1], Unsaved("busy", 1, clock() + timedelta(hours=1), lost=False)
    )
    assert kinds(store.outbox.claim(number, 9)) == [("b", "done"), ("c", "failed")]
    save(store, key, 1, PICTURES[1], "2.png")
    assert ("a", "done") in kinds(store.outbox.claim(number, 9))


def test_a_message_does_not_wait_for_a_file_that_is_lost(store: Store, clock: Clock) -> None:
    number = configured(store, OutletEntry("push", ALL, "1", file_wait=60))
    key = sent(store)
    tell(store, key, Accepted("t1"), Succeeded(Result(PICTURES[:1]), "t1"))
    assert store.outbox.claim(number, 9) == []
    store.files.miss(key, 1, PICTURES[0], Unsaved("gone", 1, None, lost=True))

    assert kinds(store.outbox.claim(number, 9)) == [("a", "done")]


def test_a_message_waits_for_files_only_so_long(store: Store, clock: Clock) -> None:
    number = configured(store, OutletEntry("push", ALL, "1", file_wait=60))
    tell(store, sent(store), Accepted("t1"), Succeeded(Result(PICTURES), "t1"))
    assert store.outbox.claim(number, 9) == []
    clock.forward(61)

    assert kinds(store.outbox.claim(number, 9)) == [("a", "done")]


def test_a_saved_file_does_not_shorten_the_pause_after_a_failed_try(
    store: Store, clock: Clock
) -> None:
    number = configured(store, OutletEntry("push", ALL, "1", file_wait=60))
    key = sent(store)
    tell(store, key, Accepted("t1"), Succeeded(Result(PICTURES[:1]), "t1"))
    clock.forward(61)
    [line] = store.outbox.claim(number, 9)
    later = clock() + timedelta(minutes=5)
    store.outbox.record(number, [Delivery(line.id, LineState.WAITING, "busy", later)])
    save(store, key, 1, PICTURES[0], "1.png")

    assert store.outbox.claim(number, 9) == []


def test_a_result_that_was_set_aside_is_not_overtaken_by_a_notice(store: Store) -> None:
    number, key = outlet(store), sent(store)
    tell(store, key, DONE)
    (line,) = store.outbox.claim(number, 10)
    store.outbox.record(number, [Delivery(line.id, LineState.PARKED, "too long")])
    store.outbox.announce("sheet", MessageKind.ATTENTION, "a", {"rows": []}, key.row_id)
    taken(store, number, store.outbox.claim(number, 10))

    store.outbox.retry(number)

    assert kinds(store.outbox.claim(number, 10)) == [("a", "done")]
