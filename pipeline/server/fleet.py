"""`watch` on as many machines as a team needs, which share a store on PostgreSQL.

Once a second, each machine reads in the store what is known about all sheets, and orders the passes
that are due. The engine gives each order to one machine. The machine that ran the last pass over a
sheet also watches for edits of it. A machine shows by a lease that it is alive; what a dead one had
begun is given to another. `Fleet` is this machine's part of it, and owns the engine.

The store alone decides what is paid. If the engine's tables are gone, they are made again, and the
passes are ordered again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.errors import StoreError
from pipeline.scheduler import Engine
from pipeline.server.orders import Order, order_due, order_of
from pipeline.server.watcher import Watcher
from pipeline.store import Lease, Store, Turn, trouble
from pipeline.sync import quick_check
from pipeline.sync.lease import LEASE_SECONDS, Busy, is_dead, this_process
from pipeline.sync.lease_keeper import LEASE_EVERY

log = logging.getLogger("promptsheet")

#: Seconds between two readings of what is known about the sheets.
ROUND_EVERY: Final = 1.0
#: Seconds between two looks for machines that have died, and between two times of tidying.
RESCUE_EVERY: Final = 5.0
TIDY_EVERY: Final = 60.0
#: Seconds until a pass is tried again whose sheet another run works on.
BUSY_EVERY: Final = 2.0
#: After this time, an order is dropped that no machine has the configuration for.
GIVEN_UP: Final = timedelta(minutes=10)


class Fleet:
    """This machine's part. `say` is called with a sentence about the engine."""

    def __init__(
        self, watchers: Sequence[Watcher], store: Store, url: str, say: Callable[[str], None]
    ) -> None:
        self._watchers = {watcher.key: watcher for watcher in watchers}
        self._store, self._say = store, say
        self._name = secrets.token_hex(8)
        for watcher in watchers:
            watcher.join(self._name)
        self._engine = Engine(url, self._name, self._perform)
        self._is_open = False
        self._lease: Lease | None = None
        self._ending = asyncio.Event()
        #: Sheet -> the order that this machine has passed on last.
        self._ordered: dict[str, str] = {}
        #: Sheet with a running pass -> when a pass was last asked for, as far as that pass knows.
        self._told: dict[str, datetime | None] = {}
        #: The machines that were alive at the last look.
        self._known = {self._name}
        #: A pass over a sheet begins here only after the one before.
        self._locks = defaultdict[str, asyncio.Lock](asyncio.Lock)
        #: Sheet -> who asked for its last pass here, whose end the store does not know.
        self._owed: dict[str, str] = {}
        #: Sheet -> the task that watches for edits of it.
        self._edits: dict[str, asyncio.Task[None]] = {}
        self._has_trouble = False

    def end(self) -> None:
        """Take no more passes. `run` ends once those that run have ended."""
        self._ending.set()

    async def run(self) -> None:
        """Take part, until `end` is called."""
        duties = [
            (self._stay_alive, LEASE_EVERY),
            (self._open, ROUND_EVERY),
            (self._order, ROUND_EVERY),
            (self._rescue, RESCUE_EVERY),
            (self._tidy, TIDY_EVERY),
        ]
        due = [0.0] * len(duties)
        while not self._ending.is_set():
            try:
                for number, (duty, every) in enumerate(duties):
                    if due[number] <= time.monotonic():
                        await duty()
                        due[number] = time.monotonic() + every
                self._report_end_of_trouble()
            except Exception as e:
                self._report(e)
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_EVERY):
                    await self._ending.wait()
        await self._leave()

    async def _leave(self) -> None:
        for task in self._edits.values():
            task.cancel()
        for lock in list(self._locks.values()):
            async with lock:  # until the pass has ended
                pass
        try:
            for watcher in self._watchers.values():
                await self._hand_in(watcher)
                if watcher.interrupted:  # another machine goes on with it
                    await asyncio.to_thread(self._store.turns.ask, watcher.key)
            await self._engine.close()
            if self._lease:
                its = self._lease
                await asyncio.to_thread(self._store.leases.end, its.sheet, its.word)
        except Exception as e:  # the other machines notice that this one is gone
            log.info("the end of a machine was not recorded: %r", e)

    def _report(self, error: Exception) -> None:
        """Say that no passes are handed out, once until they are again."""
        log.info("The traceback:", exc_info=error)
        if not isinstance(error, StoreError):
            self._is_open = False  # its tables may be gone: opening makes them again
        if not self._has_trouble:
            self._has_trouble = True
            why = error if isinstance(error, StoreError) else trouble(self._store.place, error)
            self._say(f"{why} New passes cannot be handed out now. It is tried again every second.")

    def _report_end_of_trouble(self) -> None:
        """Say that passes are handed out again, if it was said that they are not."""
        if self._has_trouble:
            self._has_trouble = False
            self._say(f"The store {self._store.place} answers. Passes are handed out again.")

    # -- duties of each machine ------------------------------------------------------------------

    async def _stay_alive(self) -> None:
        await asyncio.to_thread(self._keep_lease)

    async def _open(self) -> None:
        """Open the engine if it is not, and order a pass for each configuration that is new."""
        if self._is_open:
            return
        await self._engine.close()
        await self._engine.open()
        self._is_open = True
        self._ordered.clear()
        for sheet, watcher in self._watchers.items():
            its = await asyncio.to_thread(quick_check.settings_of, watcher.settings.sources)
            await self._pass_on(sheet, Order(f"settings {its[:16]}", self._store.now()))

    async def _order(self) -> None:
        """Order the passes that are due or were asked for, and look after the others."""
        await asyncio.to_thread(self._make_up)
        # What is read about the sheet of a pass that ends meanwhile is out of date.
        at_rest = {key: one.passes for key, one in self._watchers.items() if not one.running_since}
        turns = await asyncio.to_thread(self._store.turns.all)
        now = self._store.now()
        for sheet, watcher in self._watchers.items():
            turn = turns.get(sheet, Turn())
            watcher.learn(turn)
            if turn.machine == self._name:
                self._watch_edits(watcher)
            elif at_rest.get(sheet) == watcher.passes and not watcher.running_since:
                self._leave_edits(sheet)
            # `None` if nothing was asked for; 0 if it may begin now.
            if not watcher.waits() and await self._hand_in(watcher):
                continue
            if watcher.running_since is not None:
                if self._told.setdefault(sheet, turn.asked_at) != turn.asked_at:
                    watcher.look_again()
                    self._told[sheet] = turn.asked_at
                continue
            self._told.pop(sheet, None)
            order = order_due(
                turn, watcher.schedule, now, is_watched=await self._is_watched(watcher, turn)
            )
            if order:
                await self._pass_on(sheet, order)

    def _make_up(self) -> None:
        """Do what the store could not take when it was due.

        The engine gives each order once. So without its end, a pass would be due and never ordered.
        """
        # First, because another machine that has the sheet takes missing answers for lost.
        self._store.attempts.rescued()
        self._store.leases.end_given_up()
        for sheet, by in [*self._owed.items()]:
            self._store.turns.ask(sheet, by)
            self._owed.pop(sheet, None)

    async def _hand_in(self, watcher: Watcher) -> bool:
        """Pass on what was asked for at this machine. Returns whether anything was."""
        request, now = watcher.take_request(), self._store.now()
        if request is None:
            return False
        if request.is_plain:
            await asyncio.to_thread(self._store.turns.ask, watcher.key, request.by)
        else:
            name = f"asked {now.isoformat()} {self._name}"
            await self._pass_on(watcher.key, Order(name, now, request))
        return True

    async def _pass_on(self, sheet: str, order: Order) -> None:
        if self._ordered.get(sheet) != order.name:
            await self._engine.request(sheet, order.to_text(), f"{order.name} of {sheet}")
            self._ordered[sheet] = order.name

    async def _is_watched(self, watcher: Watcher, turn: Turn) -> bool:
        """Returns whether the machine is alive that watches for edits, if anybody wants that."""
        if turn.machine not in self._known and watcher.settings.schedule.wants_edits:
            await asyncio.to_thread(self._alive)  # it may be new
            return turn.machine in self._known
        return True

    def _watch_edits(self, watcher: Watcher) -> None:
        """Watch for edits here, from before the first look of a pass, so that none is missed."""
        task = self._edits.get(watcher.key)
        if task is None or task.done():
            self._edits[watcher.key] = asyncio.create_task(_watched(watcher))

    def _leave_edits(self, sheet: str) -> None:
        """Another machine has run a pass over the sheet: it watches for edits now."""
        if task := self._edits.pop(sheet, None):
            task.cancel()

    async def _rescue(self) -> None:
        """Give what dead machines had begun to others."""
        alive = await asyncio.to_thread(self._alive)
        if handed := await self._engine.hand_over(alive, _may_repeat):
            log.info("passes of machines that have ended, handed to others: %d", handed)

    def _alive(self) -> set[str]:
        """The names of the machines that are alive. The leases of the others are ended."""
        begin, alive = self._store.turns.name_of_machine(""), {self._name}
        for lease in self._store.turns.machines():
            if self._store.leases.has_ended(lease) or is_dead(lease.holder):
                self._store.leases.end(lease.sheet, lease.word)
            else:
                alive.add(lease.sheet.removeprefix(begin))
        self._known = alive
        return alive

    async def _tidy(self) -> None:
        machines = len(await asyncio.to_thread(self._alive))
        # One more than its share, so that a long pass keeps no other waiting.
        share = -(-len(self._watchers) // machines) + 1
        await self._engine.tidy(share, self._store.now())

    def _keep_lease(self) -> None:
        leases = self._store.leases
        if self._lease is None or not leases.renew(self._lease, LEASE_SECONDS):
            name = self._store.turns.name_of_machine(self._name)
            self._lease = leases.take(name, this_process(), LEASE_SECONDS)

    # -- passes that the engine hands out --------------------------------------------------------

    async def _perform(self, sheet: str, text: str) -> None:
        """Carry out an order, unless a pass has done what it was for."""
        order, watcher = order_of(text), self._watchers.get(sheet)
        if watcher is None or self._ending.is_set():
            # A machine that ends, or whose configurations do not have the sheet: maybe another has.
            if self._store.now() - order.at > GIVEN_UP:
                return
            await asyncio.sleep(BUSY_EVERY)
            await self._engine.request(
                sheet, text, f"{order.name} of {sheet} {secrets.token_hex(4)}"
            )
            return
        async with self._locks[sheet]:
            if not await self._carry_out(order, watcher) and order.request.is_plain:
                self._owed[sheet] = order.request.by

    async def _carry_out(self, order: Order, watcher: Watcher) -> bool:
        """Run the pass. False if the store did not answer, or does not know the end of the pass."""
        while not self._ending.is_set():
            try:
                turn = await asyncio.to_thread(self._store.turns.of, watcher.key)
            except StoreError:
                return False
            if order.is_out_of_date(turn):
                break
            self._watch_edits(watcher)
            if not isinstance(await watcher.turn(order.request), Busy):
                return watcher.is_noted
            await asyncio.sleep(BUSY_EVERY)
        return True


def _may_repeat(text: str) -> bool:
    """Returns whether an order may be carried out twice: one with a limit would send more."""
    return order_of(text).request.is_plain


async def _watched(watcher: Watcher) -> None:
    async with watcher.watching_for_edits():
        await asyncio.Event().wait()
