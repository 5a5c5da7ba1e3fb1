"""What a machine of a fleet does with the orders that it is given. The engine is a list here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.schedule import Schedule
from pipeline.server import fleet as fleets
from pipeline.server.fleet import Fleet
from pipeline.server.orders import Order
from pipeline.server.pass_requests import PassRequest
from pipeline.store import Store
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


class Watcher:
    """Runs passes that end in the given ways."""

    key = SHEET

    schedule = Schedule(every=timedelta(hours=1))
    looked_at = None
    running_since: datetime | None = NOON

    def __init__(self, *ends: Outcome | Busy) -> None:
        self.ends = list(ends)
        self.turns: list[PassRequest] = []
        self.looks = 0

    def waits(self) -> float | None:
        return None

    def take_request(self) -> PassRequest | None:
        return None

    def look_again(self) -> None:
        self.looks += 1

    async def turn(self, request: PassRequest) -> Outcome | Busy:
        self.turns.append(request)
        return self.ends.pop(0)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/a.db", clock) as opened:
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
        watchers: Any = [watcher] if watcher else []
        fleet = Fleet(watchers, store, "", lambda sentence: None)
        fleet._engine = engine  # type: ignore[assignment]
        for order in orders:
            await fleet._perform(SHEET, order.to_text())

    asyncio.run(perform())
    return engine


def order(at: datetime, request: PassRequest | None = None) -> Order:
    return Order(f"due {at}", at, request or PassRequest())


def test_a_pass_waits_until_another_run_over_the_sheet_has_ended(store: Store) -> None:
    busy = Busy(SHEET, "other:1", NOON)
    watcher = Watcher(busy, busy, Outcome())

    performed(store, watcher, order(NOON))

    assert len(watcher.turns) == 3


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

    async def rounds() -> None:
        watchers: Any = [watcher]
        fleet = Fleet(watchers, store, "", lambda sentence: None)
        for asks in (False, True, False, True):
            clock.forward(1)
            if asks:
                store.turns.ask(SHEET)
            await fleet._order()
            looks.append(watcher.looks)

    store.sheets.get(SHEET)
    asyncio.run(rounds())

    assert looks == [0, 1, 1, 2]


def test_only_an_order_without_a_limit_may_be_repeated_after_a_machine_has_died() -> None:
    may = [
        fleets._may_repeat(order(NOON, request).to_text())
        for request in (PassRequest(), PassRequest(limit=2), PassRequest(row="r_1"))
    ]

    assert may == [True, False, False]
