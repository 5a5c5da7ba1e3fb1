"""The machines of the day, and who gives them passes.

A machine does what `watch` does: it carries out orders under a lease, and asks for a pass after a
call of Drive. Orders are what `pipeline.server.orders` says about the turns in the store. The
engine between the machines is a list here: it gives an order to the machine with the fewest passes,
and again to another one if a machine has stood still for longer than a lease.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar

from pipeline import wiring
from pipeline.config import Settings
from pipeline.schedule import Schedule
from pipeline.server.orders import Order, order_due
from pipeline.store import Store, Turn
from pipeline.sync.clock import Clock
from pipeline.sync.lease import LEASE_SECONDS
from pipeline.sync.logged import result_of
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.ports import ApiAccess
from pipeline.sync.runner import Runner
from tests.benchmarks.day.api import Api, Way
from tests.benchmarks.day.clock import POWER, DayLoop, Power
from tests.benchmarks.day.google import Book, Google, Requests, Tab

T = TypeVar("T")
Shown = Callable[[Book, int, str], None]


class Machine:
    """One machine, with its own connections to the store."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        store: Store,
        loop: DayLoop,
        google: Google,
        api: Api,
        shown: Shown,
    ) -> None:
        self.name, self.store, self.power = name, store, Power()
        #: Since when it has stood still; None while it runs.
        self.still_since: float | None = None
        #: The passes that run: key of the sheet -> what runs it, once it has begun.
        self.at_work: dict[str, Runner | None] = {}
        self._has_work = asyncio.Event()
        self.passes = 0
        self.troubles = Counter[str]()
        self._settings, self._loop, self._google, self._api = settings, loop, google, api
        self._shown = shown
        self._requests: dict[int, Requests] = {}

    @property
    def is_given_up(self) -> bool:
        """True if its lease is over: others take over what it had begun."""
        return self.still_since is not None and self._loop.time() - self.still_since > LEASE_SECONDS

    async def stand_still(self, at: float, seconds: float) -> None:
        """Stand still from this moment of the day, once it has work, for so long."""
        await asyncio.sleep(at)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_work.wait()
        self.still_since = self._loop.time()
        await self.power.stand_still(seconds)
        self.still_since = None

    async def carry_out(self, book: Book, order: Order) -> None:
        """Run a pass, unless one has done what the order was for, or another machine has a lease.

        A pass that fails is noted as one of `watch`.
        """
        POWER.set(self.power)
        self.at_work[book.key] = None
        self._has_work.set()
        try:
            if order.is_out_of_date(await self._do(self.store.turns.of, book.key)):
                return
            take = self.store.leases.take
            if lease := await self._do(take, book.key, self.name, LEASE_SECONDS):
                try:
                    renew = partial(self.store.leases.renew, lease, LEASE_SECONDS)
                    await self._pass(book, renew)
                finally:
                    await self._do(self.store.leases.release, lease)
        finally:
            del self.at_work[book.key]
            if not self.at_work:
                self._has_work.clear()

    async def _pass(self, book: Book, renew: Callable[[], bool]) -> None:
        self.passes += 1
        clock = Clock(self.store.now, self._loop.time)
        open_sync = partial(wiring.open_sync, clock=clock)
        sync = await self._do(open_sync, self._settings, self.store, self._tab(book))
        way = Way(self._api)
        self.at_work[book.key] = runner = Runner(
            sync,
            wiring.submissions(self._settings, sync, clock),
            [ApiAccess(sync.rules.apis[0], way, wiring.pace(self._settings))],
            None,
            Asked(wait=True),
            clock,
            keep_lease=renew,
        )
        outcome = await runner.run()
        self.troubles.update(outcome.sentences)
        await self._do(self._note, book.key, outcome)

    def _note(self, key: str, outcome: Outcome) -> None:
        turns = self.store.turns
        if outcome.looked_at:
            turns.looked(key, outcome.looked_at, outcome.version)
        elif result_of(outcome) == "failed":
            turns.failed(key, outcome.sentences[0] if outcome.sentences else "")

    def _tab(self, book: Book) -> Tab:
        number = book.account
        if number not in self._requests:
            self._requests[number] = Requests(self._google, number, self.store, self._loop)
        return Tab(book, self._requests[number], self._loop, self._google, self._shown)

    async def told(self, book: Book) -> None:
        """Drive says here that a sheet has changed, as `Watcher.is_told_of_edit` hears it."""
        if runner := self.at_work.get(book.key):
            runner.look_again()
        else:
            await self._do(self.store.turns.ask, book.key)

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        done: T = await self._loop.run_in_executor(None, work, *args)
        return done


class Fleet:
    """All machines. It owns which machine has which order."""

    def __init__(
        self,
        machines: list[Machine],
        books: Mapping[str, Book],
        every: timedelta,
        tick: float,
        chance: Random,
    ) -> None:
        self.machines, self._books, self._tick, self._chance = machines, books, tick, chance
        self._schedule = Schedule(every=every)
        #: Key of the sheet -> the order that is carried out, by whom, and what was asked then.
        self._given: dict[str, tuple[Order, Machine]] = {}
        self._asked: dict[str, object] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        #: How often an order was given to another machine.
        self.handed_over = 0

    async def run(self, is_over: Callable[[], bool], loop: DayLoop) -> None:
        """Give out orders until the day is over, and every pass has ended."""
        while not (is_over() and not self._given):
            turns = await loop.run_in_executor(None, self.machines[0].store.turns.all)
            for key, book in self._books.items():
                self._give(book, turns.get(key, Turn()), loop)
            await asyncio.sleep(self._tick)
        await asyncio.gather(*self._tasks)

    def _give(self, book: Book, turn: Turn, loop: DayLoop) -> None:
        if given := self._given.get(book.key):
            order, machine = given
            if machine.is_given_up:
                self.handed_over += 1
                self._start(book, order)
            elif (runner := machine.at_work.get(book.key)) and (
                self._asked.setdefault(book.key, turn.asked_at) != turn.asked_at
            ):
                self._asked[book.key] = turn.asked_at
                runner.look_again()
        elif due := order_due(turn, self._schedule, loop.now()):
            self._asked[book.key] = turn.asked_at
            self._start(book, due)

    def _start(self, book: Book, order: Order) -> None:
        # One pass of a sheet at a time on each machine, also on one that has just gone on.
        free = [
            one for one in self.machines if one.still_since is None and book.key not in one.at_work
        ]
        machine = min(free, key=lambda one: len(one.at_work))
        self._given[book.key] = order, machine
        self._begin(self._carried_out(book, order, machine))

    async def _carried_out(self, book: Book, order: Order, machine: Machine) -> None:
        await machine.carry_out(book, order)
        if self._given.get(book.key) == (order, machine):
            del self._given[book.key]

    def tell(self, book: Book) -> None:
        """Drive calls one of the machines: a sheet has changed."""
        machine = self._chance.choice([one for one in self.machines if one.still_since is None])
        self._begin(machine.told(book))

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
