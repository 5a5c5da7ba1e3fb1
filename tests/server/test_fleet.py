"""What a machine of a fleet does with the orders that it is given. The engine is a list here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.config.settings import ScheduleSettings
from pipeline.core.errors import StoreError
from pipeline.core.model import JobKey
from pipeline.core.planning.causes import AFTER_EDIT
from pipeline.core.states import Accepted
from pipeline.schedule import Schedule
from pipeline.server import fleet as fleets
from pipeline.server.fleet import Fleet
from pipeline.server.orders import Order, order_of
from pipeline.server.pass_requests import PassRequest
from pipeline.store import Fact, Intent, Limits, Store, Turn
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Outcome
from tests.store.build import NOON, Clock

SHEET = "a.csv"


class Engine:
    """Keeps what is requested."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    async def request(self, sheet: str, order: str, name: str) -> None:
        self.requests.append((sheet, order))

    async def close(self) -> None:
        """Nothing."""


class Watcher:
    """Runs passes that end in the given ways."""

    key = SHEET

    schedule = Schedule(every=timedelta(hours=1))
    is_stopped = interrupted = False
    is_noted = True
    passes = 0
    running_since: datetime | None = NOON

    def __init__(self, *ends: Outcome | Busy) -> None:
        self.settings = SimpleNamespace(schedule=ScheduleSettings("", None))
        self.request: PassRequest | None = None
        #: What the fleet has this machine do about edits.
        self.edits: list[str] = []
        self.ends = list(ends)
        self.turns: list[PassRequest] = []
        self.looks = 0

    def join(self, machine: str) -> None:
        self.machine = machine

    def waits(self) -> float | None:
        return None

    def take_request(self) -> PassRequest | None:
        taken, self.request = self.request, None
        return taken

    def learn(self, turn: Turn) -> None:
        self.is_stopped = bool(turn.stopped)

    @asynccontextmanager
    async def watching_for_edits(self) -> AsyncIterator[None]:
        self.edits.append("begin")
        try:
            yield
        finally:
            self.edits.append("end")

    def look_again(self) -> None:
        self.looks += 1

    async def turn(self, request: PassRequest) -> Outcome | Busy:
        self.passes += 1
        await asyncio.sleep(0)  # as a pass: what began before it goes on meanwhile
        self.edits.append("pass")
        self.turns.append(request)
        return self.ends.pop(0)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/a.db", clock, rescue=tmp_path / "a.db.rescue") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "BUSY_EVERY", 0.0)


def performed(store: Store, watcher: Watcher | None, *orders: Order) -> Engine:
    """Give these orders to a machine. Returns its engine."""
    engine = Engine()

    async def perform() -> None:
        fleet = fleet_of(store, watcher, engine)
        for order in orders:
            await fleet._perform(SHEET, order.to_text())

    asyncio.run(perform())
    return engine


def fleet_of(store: Store, watcher: Watcher | None, engine: Engine) -> Fleet:
    """A machine with one sheet."""
    watchers: Any = [watcher] if watcher else []
    fleet = Fleet(watchers, store, "", lambda sentence: None)
    fleet._engine = engine  # type: ignore[assignment]
    return fleet


def rounds(store: Store, watcher: Watcher, engine: Engine, count: int) -> None:
    """Let a machine read so many times in the store what is due."""

    async def read() -> None:
        fleet = fleet_of(store, watcher, engine)
        for _ in range(count):
            await fleet._order()

    asyncio.run(read())


async def nothing() -> None:
    """A duty without an effect."""


def order(at: datetime, request: PassRequest | None = None) -> Order:
    return Order(f"due {at}", at, request or PassRequest())


def test_a_pass_waits_until_another_run_over_the_sheet_has_ended(store: Store) -> None:
    busy = Busy(SHEET, "other:1", NOON)
    watcher = Watcher(busy, busy, Outcome())

    performed(store, watcher, order(NOON))

    assert len(watcher.turns) == 3


def test_a_pass_whose_end_the_store_did_not_take_is_asked_for_again_once_it_answers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, engine = Watcher(Outcome()), Engine()
    watcher.is_noted, watcher.running_since = False, None
    store.turns.looked(SHEET, NOON - timedelta(minutes=1), 0)
    asked = order(NOON, PassRequest(by=AFTER_EDIT))

    async def perform() -> None:
        fleet = fleet_of(store, watcher, engine)
        await fleet._perform(SHEET, asked.to_text())
        with monkeypatch.context() as patch:
            patch.setattr(store.turns._database, "writing", gone)
            with pytest.raises(StoreError):
                await fleet._order()
        for _ in range(2):
            await fleet._order()

    asyncio.run(perform())

    ((_, text),) = engine.requests
    assert order_of(text).name.startswith("asked ")
    assert order_of(text).request.by == AFTER_EDIT


def test_an_order_that_could_not_be_compared_with_the_store_is_given_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, engine = Watcher(), Engine()
    watcher.running_since = None

    async def perform() -> None:
        fleet = fleet_of(store, watcher, engine)
        with monkeypatch.context() as patch:
            patch.setattr(store.turns._database, "reading", gone)
            await fleet._perform(SHEET, order(NOON).to_text())
        await fleet._order()

    asyncio.run(perform())

    assert [order_of(text).name[:6] for _, text in engine.requests] == ["asked "]


def test_a_pass_that_an_error_of_the_program_ended_is_not_given_again(store: Store) -> None:
    watcher = Watcher()  # Its first pass raises IndexError.
    watcher.running_since = None

    async def perform() -> None:
        fleet = fleet_of(store, watcher, Engine())
        with pytest.raises(IndexError):
            await fleet._perform(SHEET, order(NOON).to_text())
        await fleet._order()

    asyncio.run(perform())

    assert store.turns.of(SHEET).asked_at is None


def test_a_pass_with_a_limit_is_not_given_again(store: Store) -> None:
    watcher = Watcher(Outcome())
    watcher.is_noted, watcher.running_since = False, None

    async def perform() -> None:
        fleet = fleet_of(store, watcher, Engine())
        await fleet._perform(SHEET, order(NOON, PassRequest(limit=3)).to_text())
        await fleet._order()

    asyncio.run(perform())

    assert len(watcher.turns) == 1
    assert store.turns.of(SHEET).asked_at is None


def test_an_order_is_not_carried_out_if_the_sheet_was_looked_at_since(store: Store) -> None:
    store.turns.looked(SHEET, NOON, 0)
    limited = PassRequest(limit=2)
    watcher = Watcher(Outcome(), Outcome())

    performed(
        store,
        watcher,
        order(NOON - timedelta(minutes=5)),
        order(NOON - timedelta(minutes=5), limited),
        order(NOON + timedelta(seconds=1)),
    )

    assert watcher.turns == [limited, PassRequest()]


def test_an_order_for_an_unknown_sheet_goes_to_another_machine_until_it_is_too_old(
    store: Store, clock: Clock
) -> None:
    new, old = order(clock()), order(clock() - timedelta(minutes=11))

    engine = performed(store, None, new, old)

    assert engine.requests == [(SHEET, new.to_text())]


def test_a_running_pass_looks_again_for_each_pass_that_others_ask_for(
    store: Store, clock: Clock
) -> None:
    watcher, looks = Watcher(), list[int]()

    async def read() -> None:
        fleet = fleet_of(store, watcher, Engine())
        for asks in (False, True, False, True):
            clock.forward(1)
            if asks:
                store.turns.ask(SHEET)
            await fleet._order()
            looks.append(watcher.looks)

    store.sheets.get(SHEET)
    asyncio.run(read())

    assert looks == [0, 1, 1, 2]


def test_who_asked_for_a_pass_is_known_on_the_machine_that_runs_it(store: Store) -> None:
    watcher, engine = Watcher(), Engine()
    watcher.running_since, watcher.request = None, PassRequest(by=AFTER_EDIT)
    store.sheets.get(SHEET)

    rounds(store, watcher, engine, 2)

    ((_, text),) = engine.requests
    assert order_of(text).request.by == AFTER_EDIT


def test_what_was_asked_for_at_a_machine_that_ends_is_left_to_the_others(store: Store) -> None:
    watcher, engine = Watcher(), Engine()
    watcher.interrupted, watcher.request = False, PassRequest(by=AFTER_EDIT)

    async def leave() -> None:
        await fleet_of(store, watcher, engine)._leave()

    asyncio.run(leave())

    assert store.turns.of(SHEET).asked_by == AFTER_EDIT


def test_a_pass_is_ordered_once_if_the_machine_is_gone_that_watched_for_edits(
    store: Store, clock: Clock
) -> None:
    here = Watcher()
    here.running_since = None
    lease = store.leases.take(store.turns.name_of_machine("m1"), "elsewhere:1", 45)
    store.turns.looked(SHEET, clock(), 0, "m1")
    before, after = Engine(), Engine()

    rounds(store, here, before, 3)
    assert lease
    store.leases.release(lease)
    rounds(store, here, after, 3)

    assert before.requests == []
    ((_, text),) = after.requests
    assert order_of(text).name == f"after m1 {clock().isoformat()}"


def test_a_lease_that_this_machine_could_not_release_is_ended_once_the_store_answers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    watcher.running_since = None
    lease = store.leases.take(SHEET, "here:1", 45)
    assert lease
    with monkeypatch.context() as patch:
        patch.setattr(store.leases._database, "writing", gone)
        with pytest.raises(StoreError):
            store.leases.release(lease)
    assert store.leases.of(SHEET) == lease

    rounds(store, watcher, Engine(), 1)

    assert store.leases.take(SHEET, "elsewhere:1", 45)


def test_answers_kept_while_the_store_was_away_are_recorded_before_another_machine_has_the_sheet(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, key = Watcher(), JobKey(SHEET, "r_000000001", 1)
    watcher.running_since = None
    store.jobs.add([key])
    limits = Limits(api_key="key", run="run", day="2026-03-01")
    store.attempts.begin([Intent(key, 1, "{}", (), "imagine", 8, 120)], limits)
    store.attempts.rescue([Fact(key, 1, Accepted("task-1"))])
    seen: list[str] = []

    def end() -> None:
        (attempt,) = store.jobs.all(SHEET)[key].attempts
        seen.append(attempt.task_id)

    monkeypatch.setattr(store.leases, "end_given_up", end)

    rounds(store, watcher, Engine(), 1)

    assert seen == ["task-1"]


@contextmanager
def gone() -> Iterator[None]:
    """A transaction with a server that is gone."""
    raise StoreError("the connection is lost")
    yield


def test_a_machine_watches_for_edits_from_before_its_pass_until_another_machine_has_run_one(
    store: Store, clock: Clock
) -> None:
    watcher = Watcher(Outcome())
    watcher.running_since = None

    async def perform() -> None:
        fleet = fleet_of(store, watcher, Engine())
        await fleet._perform(SHEET, order(NOON).to_text())
        store.turns.looked(SHEET, clock(), 0, watcher.machine)
        await fleet._order()
        assert watcher.edits == ["begin", "pass"]
        store.turns.looked(SHEET, clock(), 0, "another")
        await fleet._order()
        await asyncio.sleep(0)

    asyncio.run(perform())

    assert watcher.edits == ["begin", "pass", "end"]


def test_a_stop_on_one_machine_stops_the_sheet_on_all(store: Store) -> None:
    watcher = Watcher()
    watcher.running_since = None
    store.turns.stop(SHEET, "a configuration", "")

    rounds(store, watcher, Engine(), 1)

    assert watcher.is_stopped


def test_an_engine_that_cannot_be_used_is_told_with_the_reason_once(store: Store) -> None:
    said: list[str] = []
    fleet = Fleet([], store, "", said.append)

    for _ in range(2):
        fleet._report(OperationalError("", {}, RuntimeError("the disk is gone")))

    assert said == [
        f"The store {store.place} answered: the disk is gone. New passes cannot be handed out now. "
        "It is tried again every second."
    ]


def test_the_end_of_a_trouble_is_told_once_and_only_after_the_trouble(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "ROUND_EVERY", 0.0)
    said: list[str] = []
    answers = iter([None, OperationalError("", {}, RuntimeError("lost")), None, None, None])

    async def perform() -> None:
        fleet = Fleet([], store, "", said.append)

        async def duty() -> None:
            answer = next(answers, "the last")
            if isinstance(answer, Exception):
                raise answer
            if answer:
                fleet.end()

        for name in ("_stay_alive", "_open", "_rescue", "_tidy"):
            monkeypatch.setattr(fleet, name, duty if name == "_open" else nothing)
        await fleet.run()

    asyncio.run(perform())

    assert [sentence.rpartition("The store")[2] for sentence in said] == [
        f" {store.place} answered: lost. New passes cannot be handed out now. It is tried again "
        "every second.",
        f" {store.place} answers. Passes are handed out again.",
    ]


def test_only_an_order_without_a_limit_may_be_repeated_after_a_machine_has_died() -> None:
    may = [
        fleets._may_repeat(order(NOON, request).to_text())
        for request in (PassRequest(), PassRequest(limit=2), PassRequest(row="r_1"))
    ]

    assert may == [True, False, False]
