"""Filling a new outlet: what it lacks is added once, and nothing comes after something newer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.core.model import JobKey, Result
from pipeline.core.outlets.filling import untold
from pipeline.core.outlets.outbox import LineState, MessageKind
from pipeline.core.states import Event, Failed, Lost, Succeeded
from pipeline.store import Delivery, Fact, Filled, OutletEntry, Store
from tests.core.build import RULES
from tests.store.build import LIMITS, Clock, intent

ROWS = (MessageKind.DONE, MessageKind.FAILED, MessageKind.CHECK_NEEDED)


class Sheet:
    """A store with one sheet, its rows, and what an outlet accepted."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self.store = Store(url, clock)
        self.store.sheets.get("sheet")
        self.number = 0
        #: Row, take and kind of each accepted message.
        self.accepted: list[tuple[str, int, str]] = []

    def configure(self, *kinds: MessageKind) -> None:
        self.clock.forward(1)
        entry = OutletEntry("place", kinds or ROWS, "1")
        self.number = self.store.outlets.configure("sheet", [entry], "/team/a.toml")["place"]

    def ended(self, row: str, take: int, event: str = "done") -> None:
        """A take of a row ended."""
        self.clock.forward(1)
        key = JobKey("sheet", f"r_00000000{row}", take)
        if self.store.jobs.get(key) is None:
            self.store.jobs.add([key])
            self.store.attempts.begin([intent(key, price=0)], LIMITS)
        events: dict[str, Event] = {
            "done": Succeeded(Result(("https://x.example/1",)), "t1"),
            "failed": Failed("no", "t1"),
            "check needed": Lost("no answer"),
        }
        self.store.attempts.record([Fact(key, 1, events[event])])

    def lacking(self, *, each_take: bool = False, since: datetime | None = None) -> list[Filled]:
        jobs, told = self.store.jobs.all("sheet"), self.store.filling.told(self.number)
        now = self.clock()
        return [
            Filled(message, {"team": row})
            for row in sorted({key.row_id for key in jobs})
            for message in untold(
                [job for key, job in jobs.items() if key.row_id == row],
                told,
                RULES,
                now,
                each_take=each_take,
                since=since,
            )
        ]

    def fill(
        self, *, each_take: bool = False, since: datetime | None = None, file_wait: int = 0
    ) -> int:
        found = self.lacking(each_take=each_take, since=since)
        return self.store.filling.add(self.number, found, since, file_wait)

    def deliver(self, most: int = 100) -> None:
        while lines := self.store.outbox.claim(self.number, most):
            for line in lines:
                assert line.key
                told = line.key.row_id[-1], line.key.take, str(line.kind)
                self.accepted.append(told)
            ended = [Delivery(line.id, LineState.SENT) for line in lines]
            self.store.outbox.record(self.number, ended, delivered=True)


@pytest.fixture
def sheet(url: str, clock: Clock) -> Iterator[Sheet]:
    sheet = Sheet(url, clock)
    with sheet.store:
        yield sheet


def test_a_new_outlet_is_told_of_the_newest_take_of_each_row_once(sheet: Sheet) -> None:
    sheet.ended("a", 1)
    sheet.ended("b", 1, "failed")
    sheet.ended("b", 2)
    sheet.ended("c", 1, "failed")
    sheet.configure()
    sheet.deliver()
    assert sheet.accepted == []

    assert [sheet.fill(), sheet.fill(), sheet.fill()] == [3, 0, 0]
    sheet.deliver()
    assert sheet.accepted == [("a", 1, "done"), ("b", 2, "done"), ("c", 1, "failed")]
    assert sheet.fill() == 0


def test_a_table_with_a_line_for_each_take_is_told_of_all_in_their_order(sheet: Sheet) -> None:
    for take in (1, 2, 3):
        sheet.ended("a", take)
    sheet.configure()
    assert sheet.fill(each_take=True) == 3
    sheet.deliver(1)

    assert sheet.accepted == [("a", take, "done") for take in (1, 2, 3)]


def test_a_row_of_which_the_outlet_has_a_newer_message_is_left_out(
    sheet: Sheet, clock: Clock
) -> None:
    for row in "abc":
        sheet.ended(row, 1)
    sheet.configure()
    sheet.ended("a", 2, "failed")
    sheet.deliver()
    sheet.ended("b", 2)
    assert [one.message.key.row_id[-1] for one in sheet.lacking(each_take=True)] == ["c"]

    clock.forward(40 * 86400)
    sheet.ended("d", 1)
    sheet.deliver()
    sheet.store.outlets.tidy("sheet")
    assert sheet.fill() == 1, "also after the delivered messages are deleted"
    sheet.deliver()
    assert sheet.accepted[-1] == ("c", 1, "done")


def test_a_message_that_ends_between_the_question_and_the_filling_wins(sheet: Sheet) -> None:
    sheet.ended("a", 1)
    sheet.configure()
    found = sheet.lacking()
    sheet.ended("a", 2)

    assert sheet.store.filling.add(sheet.number, found, None, 0) == 0
    sheet.deliver()
    assert sheet.accepted == [("a", 2, "done")]


def test_filling_again_after_a_month_repeats_nothing(sheet: Sheet, clock: Clock) -> None:
    sheet.ended("a", 1)
    clock.forward(86400)
    middle = clock()
    sheet.ended("b", 1)
    clock.forward(86400)
    sheet.configure()
    assert sheet.fill(since=middle) == 1
    sheet.deliver()
    clock.forward(60 * 86400)
    sheet.ended("c", 1)
    sheet.deliver()
    sheet.store.outlets.tidy("sheet")
    assert sheet.store.outbox.states("sheet")[0].sent == 1

    assert sheet.fill(since=middle) == 0
    assert sheet.fill() == 1, "the row from before that day"
    sheet.deliver()
    assert sheet.accepted == [("b", 1, "done"), ("c", 1, "done"), ("a", 1, "done")]


def test_what_an_outlet_was_not_told_of_then_can_be_filled_later(sheet: Sheet) -> None:
    sheet.configure(MessageKind.DONE)
    sheet.ended("a", 1, "failed")
    sheet.ended("b", 1, "check needed")
    sheet.ended("c", 1)
    assert sheet.fill() == 0
    sheet.configure()

    assert sheet.fill() == 2
    sheet.deliver()
    assert sheet.accepted == [("c", 1, "done"), ("a", 1, "failed"), ("b", 1, "check needed")]


def test_a_forgotten_outlet_can_be_filled_as_a_new_one(sheet: Sheet, clock: Clock) -> None:
    sheet.configure()
    sheet.ended("a", 1)
    sheet.deliver()
    sheet.store.outlets.forget("sheet", "place")
    clock.forward(40 * 86400)
    sheet.configure()

    assert sheet.fill() == 1
    sheet.deliver()
    assert sheet.accepted == [("a", 1, "done")] * 2


def test_labels_of_now_fill_what_the_attempt_was_sent_without(sheet: Sheet) -> None:
    sheet.ended("a", 1)
    sheet.configure()
    sheet.fill()

    (line,) = sheet.store.outbox.claim(sheet.number, 10)
    assert (line.labels, line.body) == ({"team": "r_00000000a"}, {})


def test_a_filled_message_waits_for_files_that_are_being_saved(sheet: Sheet, clock: Clock) -> None:
    sheet.ended("a", 1)
    sheet.configure()
    sheet.fill(file_wait=60)
    assert sheet.store.outbox.claim(sheet.number, 10) == []
    clock.forward(61)

    assert len(sheet.store.outbox.claim(sheet.number, 10)) == 1


STEPS = st.one_of(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["done", "failed", "next take"])),
    st.tuples(st.sampled_from(["configure", "fill", "fill lately", "deliver"]), st.just("")),
    st.tuples(st.just("days"), st.sampled_from(["1", "20", "40"])),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=20), st.booleans())
@example([("a", "done"), ("configure", ""), ("a", "next take"), ("fill", "")], True)
def test_whenever_it_is_filled_an_outlet_ends_with_the_newest_of_each_row_and_no_row_goes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], each_take: bool
) -> None:
    clock = Clock()
    # On SQLite alone: many examples, and no statement that the tests above do not make on both.
    sheet = Sheet(f"sqlite:///{tmp_path_factory.mktemp('sheet')}/store.db", clock)
    with sheet.store:
        newest: dict[str, tuple[int, str]] = {}
        for what, word in [*steps, ("configure", ""), ("fill", ""), ("days", "1"), ("deliver", "")]:
            if what == "days":
                clock.forward(int(word) * 86400)
                sheet.store.outlets.tidy("sheet")
            elif what == "configure":
                sheet.configure()
            elif what in ("fill", "fill lately") and sheet.number:
                begin = clock() - timedelta(days=2) if "lately" in what else None
                sheet.fill(each_take=each_take, since=begin)
            elif what == "deliver" and sheet.number:
                sheet.deliver(2)
            elif what in "abc":
                take, kind = newest.get(what, (1, ""))
                if kind and word == "next take":
                    take, kind = take + 1, ""
                if not kind or (kind, word) == ("failed", "done"):
                    newest[what] = take, "failed" if word == "failed" else "done"
                    sheet.ended(what, *newest[what])

        for row, last in newest.items():
            its = [(take, kind) for name, take, kind in sheet.accepted if name == row]
            assert its == sorted(set(its), key=lambda one: (one[0], one[1] == "done"))
            assert its[-1] == last
