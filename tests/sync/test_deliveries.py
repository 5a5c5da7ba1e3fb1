"""Deliveries: every message arrives, in order for each row, whatever the outlet and the process do.

The outlet here counts what it accepted, by the ids of the messages. `Killed` is a kill of the
process: the next deliveries know only what is in the store.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.model import JobKey, Result
from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    RowMessage,
    Trouble,
    Undelivered,
)
from pipeline.core.outlets.outbox import Result as Outcome
from pipeline.core.states import Failed, Succeeded
from pipeline.outlets import Outlet, Pace
from pipeline.store import Fact, Line, OutletEntry, OutletState, Store
from pipeline.sync.clock import Clock as LoopClock
from pipeline.sync.deliveries import CALL_SECONDS, CLOSED_PAUSE, Deliveries, Route
from pipeline.sync.lease import this_process
from tests.store.build import LIMITS, Clock, intent

ALL = tuple(kind for kind in MessageKind if kind is not MessageKind.TEST)
FAULTS = ("lost", "late", "raises", "killed before", "killed after", "short")


class Killed(BaseException):
    """The process is gone."""


class Place:
    """An outlet with faults, one for each call; what it accepted outlives every process."""

    def __init__(
        self,
        faults: Sequence[str] = (),
        *,
        most: int = 3,
        poison: str = "",
        problems: Sequence[str] = (),
        wait: float = 1,
    ) -> None:
        self.faults, self.poison, self.problems = list(faults), poison, list(problems)
        self.wait = wait
        self.pace = Pace(most=most)
        #: Ids in the order in which they were accepted, and those that were said to be repeats.
        self.accepted: list[str] = []
        self.rows: list[tuple[str, str]] = []
        self.repeats: set[str] = set()
        self.calls = self.checks = 0

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "killed before":
            raise Killed
        if fault == "late":
            return [Undelivered(Trouble.LATER, "The service is busy.", wait=self.wait)] * len(
                messages
            )
        if self.poison and any(self.poison in _row(one) for one in messages):
            return [Undelivered(Trouble.REFUSED, "A text is too long.")] * len(messages)
        for one in messages:
            self.accepted.append(one.id)
            self.rows.append((_row(one), str(one.kind)))
            if one.is_repeat:
                self.repeats.add(one.id)
        match fault:
            case "killed after":
                raise Killed
            case "half":
                busy = Undelivered(Trouble.LATER, "The service is busy.", wait=self.wait)
                return [Delivered(), *[busy] * (len(messages) - 1)]
            case "gone":
                return [Undelivered(Trouble.CLOSED, "The address is wrong.")] * len(messages)
            case "lost":
                return [Undelivered(Trouble.UNSURE, "No answer came.")] * len(messages)
            case "raises":
                raise OSError("https://hooks.example/SECRET")
            case "short":
                return [Delivered()] * (len(messages) - 1)
        return [Delivered()] * len(messages)

    async def check(self) -> Sequence[str]:
        self.checks += 1
        return self.problems

    async def close(self) -> None:
        pass


class Away(Place):
    """An outlet whose check fails."""

    async def check(self) -> Sequence[str]:
        await super().check()
        raise TimeoutError


def _row(message: Message) -> str:
    return message.row_id if isinstance(message, RowMessage) else message.sentence


class Sender:
    """A store with one outlet, and processes that deliver to it one after another."""

    def __init__(self, folder: Path, place: Place, digest: timedelta | None = None) -> None:
        self.clock, self.place = Clock(), place
        self.store = Store(f"sqlite:///{folder / 'store.db'}", self.clock)
        self.store.sheets.get("sheet")
        entry = OutletEntry("place", ALL, "1")
        self.number = self.store.outlets.configure("sheet", [entry], "")["place"]
        self.digest, self.opened = digest, 0
        #: A row for which no message can be made.
        self.unspeakable = ""
        self.process = self._started()

    def _started(self) -> Deliveries:
        def opening() -> Outlet:
            self.opened += 1
            return self.place

        route = Route(self.number, "sheet", "place", opening, self.digest, timedelta(days=3))
        loop_clock = LoopClock(self.clock)
        return Deliveries(self.store, route, self._rendered, loop_clock, Random(1))

    def _rendered(self, lines: Sequence[Line]) -> list[Message | None]:
        for line in lines:
            if self.unspeakable and line.key and self.unspeakable in line.key.row_id:
                raise KeyError(self.unspeakable)
        return [
            RowMessage(
                str(line.id),
                line.kind,
                line.made_at,
                "sheet",
                line.key.row_id if line.key else "",
                1,
                {},
                is_repeat=line.is_unsure,
            )
            for line in lines
        ]

    def happened(self, row: str, *, failed: bool = False, take: int = 1) -> None:
        """A row's task ended."""
        key = JobKey("sheet", f"r_{row:0>9}", take)
        if self.store.jobs.get(key) is None:
            self.store.jobs.add([key])
            self.store.attempts.begin([intent(key, price=0)], LIMITS)
        event = Failed("no", "t1") if failed else Succeeded(Result(("https://x.example/1",)), "t1")
        self.store.attempts.record([Fact(key, 1, event)])

    def deliver(self, *, is_last: bool = True) -> int:
        """Deliver once, as a process does; a killed one is replaced."""

        async def once() -> int:
            until = asyncio.get_running_loop().time() + 60 if is_last else None
            return await self.process.deliver(until=until)

        try:
            return asyncio.run(once())
        except Killed:
            # Nothing that the dead process held in memory is left, its lease included.
            if lease := self.store.leases.of(f"outlet {self.number}"):
                self.store.leases.end(lease.sheet, lease.word)
            self.process = self._started()
            return 0

    def deliver_all(self) -> None:
        """Deliver until nothing waits, while the time passes."""
        for _ in range(60):
            self.deliver()
            if not self.state.waiting:
                return
            self.clock.forward(4 * 3600)
        raise AssertionError(f"{self.state.waiting} messages still wait")

    @property
    def state(self) -> OutletState:
        """The outlet as the store has it."""
        (state,) = self.store.outbox.states("sheet")
        return state


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Callable[..., Sender]]:
    opened: list[Sender] = []

    def make(place: Place, digest: timedelta | None = None) -> Sender:
        opened.append(Sender(tmp_path, place, digest))
        return opened[-1]

    yield make
    for one in opened:
        one.store.close()


@settings(max_examples=14, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    # With more faults a message could be given up, because its pauses become days.
    faults=st.lists(st.sampled_from(("", *FAULTS)), max_size=8),
    rows=st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), min_size=1, max_size=12),
    each=st.integers(1, 5),
)
def test_every_message_arrives_in_order_and_twice_only_as_a_possible_repeat(
    tmp_path_factory: pytest.TempPathFactory,
    faults: list[str],
    rows: list[tuple[str, bool]],
    each: int,
) -> None:
    place = Place(faults, most=each)
    sender = Sender(tmp_path_factory.mktemp("sender"), place)
    with sender.store:
        told: dict[str, list[str]] = {}
        for row, failed in rows:
            name = f"r_{row:0>9}"
            before = told.setdefault(name, [])
            # A job succeeds or fails once; a success may follow a failure.
            if (kind := "failed" if failed else "done") not in before and "done" not in before:
                before.append(kind)
            sender.happened(row, failed=failed)
            sender.deliver()
        sender.deliver_all()

        first = dict.fromkeys(place.rows)
        assert {name: [k for n, k in first if n == name] for name in told} == told
        twice = {one for one, times in Counter(place.accepted).items() if times > 1}
        assert twice <= place.repeats
        assert sender.state.parked == 0


def test_one_refused_message_among_many_is_found_and_parked_and_all_others_arrive(
    sender: Callable[..., Sender],
) -> None:
    place = Place(most=100, poison="33")
    its = sender(place, timedelta())
    for number in range(64):
        its.happened(str(number))
    its.deliver()

    assert len(set(place.accepted)) == 63
    assert len(place.accepted) == 63
    assert its.store.outbox.parked(its.number) == [("done r_000000033", "A text is too long.")]
    assert place.calls < 20


def test_a_closed_outlet_is_not_called_again_before_an_hour_and_then_delivers(
    sender: Callable[..., Sender],
) -> None:
    place = Place(problems=["The table has no column Picture. Add it."])
    its = sender(place)
    its.happened("a")
    for _ in range(5):
        its.deliver()
        its.clock.forward(60)
    assert (place.checks, place.calls) == (1, 0)
    assert its.state.closed == "The table has no column Picture. Add it."

    place.problems = []
    its.clock.forward(CLOSED_PAUSE.total_seconds())
    its.deliver()
    assert (place.checks, len(place.accepted)) == (2, 1)
    assert its.state.closed == ""


def test_a_place_that_is_away_is_tried_again_after_seconds_and_not_after_an_hour(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Away(["late"]))
    its.happened("a")
    its.deliver()
    assert (its.state.closed, its.state.reason) == ("", "The service is busy.")

    its.clock.forward(10)
    its.deliver()
    assert (place.checks, len(place.accepted)) == (1, 1)


def test_a_place_that_has_taken_messages_is_not_checked_by_every_process(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place())
    for row in "abc":
        its.happened(row)
        its.deliver()
        its.process = its._started()
    assert (place.checks, len(place.accepted)) == (1, 3)


def test_the_wait_that_an_outlet_asks_for_is_kept_also_for_new_messages(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(["late"], wait=600))
    its.happened("a")
    its.deliver()
    its.happened("b")
    for _ in range(10):
        its.deliver()
        its.clock.forward(59)
    assert (place.calls, place.accepted) == (1, [])
    its.clock.forward(11)
    its.deliver()
    assert len(place.accepted) == 2


def test_processes_that_are_killed_while_they_deliver_make_no_pause_longer(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(["killed before"] * 6 + ["late"]))
    its.happened("a")
    for _ in range(7):
        its.deliver()
    its.clock.forward(10)
    its.deliver()

    assert (place.calls, len(place.accepted)) == (8, 1)


def test_after_an_outage_everything_is_delivered_within_half_an_hour(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(["late"] * 1000, most=2))
    for number in range(20):
        its.happened(str(number))
    for _ in range(10 * 12):  # ten hours, with a look every five minutes
        its.deliver()
        its.clock.forward(300)
    assert place.calls < 40
    place.faults.clear()
    for _ in range(31):
        its.deliver()
        its.clock.forward(60)

    assert len(place.accepted) == len({*place.accepted}) == 20


def test_a_message_that_always_fails_holds_up_no_other(sender: Callable[..., Sender]) -> None:
    class Picky(Place):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            if any("0a" in _row(one) for one in messages):
                self.faults.insert(0, "late")
            return await super().deliver(messages)

    its = sender(place := Picky(most=1))
    for row in "abcdefgh":
        its.happened(row)
    for _ in range(12):
        its.deliver()
        its.clock.forward(60)

    assert len(place.accepted) == 7
    assert place.calls < 7 + 6


def test_a_message_that_nobody_takes_for_three_days_is_parked_with_the_reason(
    sender: Callable[..., Sender],
) -> None:
    its = sender(Place(["late"] * 100))
    its.happened("a")
    for _ in range(40):
        its.deliver()
        its.clock.forward(4 * 3600)
    assert its.state.waiting == 0
    assert its.store.outbox.parked(its.number) == [
        ("done r_00000000a", "Given up after 3 days. The service is busy.")
    ]


def test_no_reason_holds_the_text_of_an_exception(sender: Callable[..., Sender]) -> None:
    its = sender(Place(["raises"]))
    its.happened("a")
    its.deliver()
    assert its.state.reason == "The delivery failed (OSError)."


def test_two_processes_never_deliver_the_same_messages(sender: Callable[..., Sender]) -> None:
    its = sender(place := Place())
    its.happened("a")
    lease = its.store.leases.take(f"outlet {its.number}", "other-machine:1", 60)
    assert lease is not None
    assert its.deliver() == 0
    its.store.leases.release(lease)
    assert its.deliver() == 1
    assert len(place.accepted) == 1


def test_a_digest_waits_for_quiet_or_for_the_end_and_has_everything(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(), timedelta(minutes=5))
    for row in "abcdef":
        its.happened(row)
        its.deliver(is_last=False)
        its.clock.forward(5)
    assert place.calls == 0

    its.clock.forward(10)
    its.deliver(is_last=False)
    assert (place.calls, len(place.accepted)) == (1, 6)

    its.happened("g")
    its.deliver(is_last=True)
    assert place.calls == 1  # Five minutes between two digests, also at the end of a process.
    its.clock.forward(300)
    its.deliver(is_last=True)
    assert (place.calls, len(place.accepted)) == (2, 7)


def test_a_digest_does_not_wait_longer_for_quiet_than_for_the_next_one(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(), timedelta(minutes=1))
    for number in range(20):
        its.happened(str(number))
        its.deliver(is_last=False)
        its.clock.forward(5)
    assert place.calls == 1


def test_a_thousand_rows_are_one_digest(sender: Callable[..., Sender]) -> None:
    its = sender(place := Place(), timedelta(minutes=5))
    keys = [JobKey("sheet", f"r_{number:09d}", 1) for number in range(1000)]
    its.store.jobs.add(keys)
    its.store.attempts.begin([intent(key, price=0) for key in keys], LIMITS)
    done = Succeeded(Result(("https://x.example/1",)), "t1")
    its.store.attempts.record([Fact(key, 1, done) for key in keys])
    its.deliver()

    assert (place.calls, len(place.accepted)) == (1, 1000)


def test_a_stop_does_not_wait_for_a_digest(sender: Callable[..., Sender]) -> None:
    its = sender(place := Place(), timedelta(minutes=5))
    its.store.outbox.announce("sheet", MessageKind.STOPPED, "1", {"sentence": "Stopped."})
    its.deliver(is_last=False)
    assert place.calls == 1


def test_each_message_that_is_refused_by_itself_is_posted_once(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(most=100, poison="r_"))
    for number in range(64):
        its.happened(str(number))
    its.deliver()
    assert (place.calls, its.state.parked) == (1, 64)


def test_a_row_of_which_no_message_can_be_made_is_parked_and_all_others_arrive(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(most=100))
    for number in range(40):
        its.happened(str(number))
    its.unspeakable = "r_000000033"
    its.deliver()

    assert len(place.accepted) == 39
    assert its.store.outbox.parked(its.number) == [
        ("done r_000000033", "The message could not be made (KeyError).")
    ]


def test_an_outlet_that_cannot_be_opened_is_reported_and_not_opened_every_second(
    sender: Callable[..., Sender],
) -> None:
    its = sender(Place())

    def broken() -> Outlet:
        its.opened += 1
        raise ValueError("https://hooks.example/SECRET")

    route = Route(its.number, "place", "push", broken, None, timedelta(days=3))
    its.process = Deliveries(its.store, route, its._rendered, LoopClock(its.clock), Random(1))
    its.happened("a")
    for _ in range(5):
        its.deliver()
    assert its.opened == 1
    assert its.state.closed == "It could not be opened (ValueError)."


def test_a_possible_repeat_is_marked_also_after_the_outlet_was_closed(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(["lost", "gone"]))
    its.happened("a")
    its.deliver_all()
    assert len(place.accepted) == 3
    assert place.repeats == set(place.accepted)


@pytest.mark.parametrize("wait", [float("inf"), float("nan"), 1e300, -5.0])
def test_no_wait_that_an_outlet_names_can_stop_the_deliveries(
    sender: Callable[..., Sender], wait: float
) -> None:
    its = sender(place := Place(["late"], wait=wait))
    its.happened("a")
    its.deliver()
    its.clock.forward(2 * 86400)
    its.deliver()
    assert len(place.accepted) == 1


def test_the_wait_that_an_outlet_asks_for_counts_for_all_messages_also_if_it_took_some(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place(["half"], most=2, wait=60))
    for row in "abcd":
        its.happened(row)
    its.deliver()
    assert place.calls == 1
    its.clock.forward(61)
    its.deliver()
    assert its.state.sent == 4
    assert its.state.failures == 0


def test_the_lease_of_an_outlet_lasts_longer_than_a_check_and_a_call(
    sender: Callable[..., Sender],
) -> None:
    lasted: list[timedelta] = []

    class Slow(Place):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            lease = its.store.leases.of(f"outlet {its.number}")
            assert lease is not None
            lasted.append(lease.until - its.clock())
            return await super().deliver(messages)

    its = sender(Slow(most=1))
    its.happened("a")
    its.happened("b")
    its.deliver()
    assert [one > timedelta(seconds=2 * CALL_SECONDS) for one in lasted] == [True, True]


def test_a_lease_that_this_process_could_not_release_ends_like_any_other(
    sender: Callable[..., Sender],
) -> None:
    its = sender(place := Place())
    its.clock.moment = datetime.now(UTC)
    assert its.store.leases.take(f"outlet {its.number}", this_process(), 45)
    its.happened("a")
    assert its.deliver() == 0
    its.clock.forward(46)
    assert its.deliver() == 1
    assert len(place.accepted) == 1


def test_no_log_holds_the_text_of_an_exception(
    sender: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    its = sender(Place(["raises"]))
    its.happened("a")
    its.deliver()
    assert "OSError" in caplog.text
    assert "SECRET" not in caplog.text.replace('OSError("https://hooks.example/SECRET")', "")
