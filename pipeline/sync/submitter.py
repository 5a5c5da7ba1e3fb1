"""What leaves, and when it must not: slots in the air, the pace, and the rules for stopping.

Whatever has come back and whatever may go next meet in one *turn* of the worker thread, so that
many rows share a commit, and each intent is on disk before its request leaves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from pipeline.core.errors import NotSent, StoreError, StoreFull, WireError
from pipeline.core.model import JobKey
from pipeline.core.planning import Line
from pipeline.core.protocol import Verdict, verdict
from pipeline.core.states import Accepted, Failed, Lost, Postponed, Succeeded
from pipeline.store import Fact, Refusal, Store
from pipeline.sync.book import Book, Sending
from pipeline.sync.breaker import CircuitBreaker, Stop
from pipeline.sync.in_flight import InFlight, Place
from pipeline.sync.ports import HASTY_TRIES, PATIENCE, Pace, Wire
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: How often an API that cannot be reached is tried again, ever later, before a pass gives up.
REACH_TRIES = 8
#: Seconds that what is on disk as sent may wait for a place in the air; then it was not sent.
SOON = 0.5
#: Seconds between two turns, so that many rows share a commit: alone it costs as much as ten rows.
GATHERING = 0.015


class Submitter:
    """Sends the lines that it is offered, as fast as the pace allows and no faster."""

    def __init__(
        self,
        book: Book,
        worker: Worker,
        wire: Wire,
        pace: Pace,
        *,
        now: Callable[[], datetime],
        limit: int | None,
        patient: bool,
        on_answer: Callable[[Sending, Verdict], None],
        on_stale: Callable[[], None],
    ) -> None:
        self.breaker = CircuitBreaker(book.sheet.title, pace.stop_after, self._wake)
        #: Why the last submission could not leave, as a sentence; empty once one was answered.
        self.trouble = ""
        #: The store is full or out of reach: nothing that is heard from now on reaches the sheet.
        self.broken = False
        self.sent = 0
        self._in_flight = InFlight(pace.in_flight, pace.give_up_after, now)
        self._book, self._worker, self._wire, self._pace = book, worker, wire, pace
        self._now, self._limit, self._patient = now, limit, patient
        self._on_answer, self._on_stale = on_answer, on_stale
        self._queue: deque[Line] = deque()
        self._postponed: set[JobKey] = set()
        self._answers: list[tuple[Sending, Verdict]] = []
        self._air: set[asyncio.Task[None]] = set()
        #: On disk as sent, without a place in the air so far, and until when they wait for one.
        self._ready: deque[tuple[float, Sending]] = deque()
        #: Seconds that a turn takes, and an answer, lately.
        self._turn_took, self._answer_took = 0.0, 0.0
        self._news = asyncio.Event()
        self._turning = False
        #: Loop times before which nothing is begun, and before which nothing leaves at all.
        self._open_at, self._quiet_until = 0.0, 0.0
        self._unreached = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is in the air or unrecorded, and nothing more may leave for now."""
        if self._air or self._ready or self._answers or self._turning:
            return False
        full = not self._patient and self._in_flight.room <= 0
        return full or not self._sendable()

    @property
    def in_air(self) -> int:
        """Requests that have left and are not answered."""
        return len(self._air)

    @property
    def waiting(self) -> int:
        """Lines whose turn has not come."""
        return len(self._queue)

    def found(self, at_work: Mapping[Place, datetime]) -> None:
        """Take over which attempts a look found at the API."""
        self._in_flight.replace(at_work)

    def offer(self, lines: Iterable[Line]) -> None:
        """These, in this order, are what a look just now asks for; older offers are forgotten."""
        self._queue = deque(
            line
            for line in lines
            if line.job is not None and (self._patient or line.job.key not in self._postponed)
        )
        self._news.set()

    def end(self, stop: Stop | None = None) -> None:
        """Stop sending; what has left is still awaited and recorded."""
        self.breaker.open(stop)

    def _wake(self) -> None:
        self._news.set()

    def ended(self, key: JobKey, number: int, *, succeeded: bool) -> None:
        """A task has ended: its place in flight is free for the next row."""
        self._in_flight.end((key, number))
        self.breaker.finished(succeeded=succeeded)
        self._news.set()

    def slow_down(self, seconds: float) -> None:
        """Send nothing under this API key for so many seconds, in any process, as the API asked.

        A pass that does not wait ends if that is more than a minute.
        """
        until = self._now() + timedelta(seconds=seconds)
        self._worker.submit(self._book.store.slow_down, self._book.limits.api_key, until)
        self._pause(seconds)
        if not self._patient and seconds > PATIENCE:
            api = self._book.rules.provider.title
            self.end(Stop(f"{api} asked to wait {seconds:.0f} s. The next run goes on.", False))

    async def run(self) -> None:
        """Send until cancelled. What is in the air when `end` was called is still recorded."""
        while True:
            self._news.clear()
            self._let_leave()
            answers, self._answers = self._answers, []
            lines = self._next_lines()
            if answers or lines:
                if lines:
                    self._wire.open()
                self._turning = True
                await self._turn(answers, lines)
                self._turning = False
                if self._air:
                    await asyncio.sleep(GATHERING)
                continue
            try:
                async with asyncio.timeout_at(self._next_time()):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _next_time(self) -> float | None:
        """When, by the loop's clock, something is to be done although nothing has come."""
        times = [self._ready[0][0]] if self._ready else []
        if self._queue and self._open_at > asyncio.get_running_loop().time():
            times.append(self._open_at)
        return min(times, default=None)

    async def drain(self) -> None:
        """Record what is in the air although the pass has ended badly: an answer is not lost.

        Where the store takes nothing, the answers go to its rescue file.
        """
        self.end()
        self._let_leave()
        if self._air:
            await asyncio.wait(self._air)
        if facts := [Fact(s.key, s.attempt.number, v.event) for s, v in self._answers]:
            self._answers = []
            await self._worker.run(_kept, self._book.store, facts)

    async def _turn(self, answers: list[tuple[Sending, Verdict]], lines: list[Line]) -> None:
        facts = [Fact(s.key, s.attempt.number, v.event) for s, v in answers]
        began = time.monotonic()
        begun, refused, trouble = await self._worker.run(self._both, facts, lines)
        self._turn_took = _lately(self._turn_took, time.monotonic() - began)
        if trouble:
            self.broken = True
            self.end(Stop(str(trouble), True))
        until = asyncio.get_running_loop().time() + SOON
        for sending in begun:
            self.sent += 1
            self._in_flight.begin((sending.key, sending.attempt.number), sending.attempt.sent_at)
            self._ready.append((until, sending))
        self._let_leave()
        for line, why in refused:
            await self._refused(line, why)
        for sending, told in answers:
            self._on_answer(sending, told)

    def _both(
        self, facts: list[Fact], lines: list[Line]
    ) -> tuple[list[Sending], list[tuple[Line, Refusal | None]], StoreError | None]:
        """Record and begin. Where the store cannot do both, what was heard is kept all the same."""
        if not lines:
            return [], [], self._recorded(facts)
        try:
            return (*self._book.turn(facts, lines), None)
        except StoreError as trouble:
            return [], [], self._recorded(facts) or trouble

    def _recorded(self, facts: list[Fact]) -> StoreError | None:
        """Record what was heard, in the store or else beside it: what the trouble is, if any."""
        try:
            if facts:
                self._book.record(facts)
        except StoreFull as full:  # it has kept them itself
            return full
        except StoreError as trouble:
            self._book.store.rescue(facts)
            return trouble
        return None

    def _let_leave(self) -> None:
        """Give the places in the air that are free to what is on disk as sent, or take it back."""
        now = asyncio.get_running_loop().time()
        why = "the sending was stopped before it could leave"
        is_open = not self.breaker.is_open and now >= self._quiet_until
        while self._ready and is_open and len(self._air) < self._pace.concurrency:
            _, sending = self._ready.popleft()
            task = asyncio.create_task(self._submit(sending))
            self._air.add(task)
            task.add_done_callback(self._landed)
        while self._ready and not (is_open and now < self._ready[0][0]):
            if is_open:
                why = "no answer came in time to make room for it"
            _, sending = self._ready.popleft()
            self._answered(sending, Verdict(Postponed(why)))

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._air.discard(task)
        self._let_leave()
        self._news.set()

    async def _submit(self, sending: Sending) -> None:
        """Send once; whatever comes of it is one verdict."""
        provider = self._book.rules.provider
        endpoint = provider.endpoints[sending.line.endpoint]
        began = time.monotonic()
        try:
            left = (sending.attempt.deadline - self._now()).total_seconds()
            if left <= 0:
                raise NotSent("its time was over before it could leave")
            response = await self._wire.submit(sending.request, left)
            self._answer_took = _lately(self._answer_took, time.monotonic() - began)
            told = verdict(provider, endpoint, response, self._now())
            self._unreached, self.trouble = 0, ""
        except NotSent as e:
            told = Verdict(Postponed(str(e)))
            self._back_off(str(e))
        except WireError as e:
            told = Verdict(Lost(str(e)))
        except asyncio.CancelledError:
            self._answers.append((sending, Verdict(Lost("the program was stopped"))))
            raise
        except Exception as e:  # whatever it was, it may have been taken
            log.exception("a submission ended in an unforeseen way")
            told = Verdict(Lost(f"unforeseen: {type(e).__name__}"))
        self._answered(sending, told)

    def _answered(self, sending: Sending, told: Verdict) -> None:
        self._answers.append((sending, told))
        self._learn(sending, told)

    def _learn(self, sending: Sending, told: Verdict) -> None:
        """What one answer means for all that follow."""
        place = sending.key, sending.attempt.number
        match told.event:
            case Accepted():
                self.breaker.accepted()
            case Succeeded():
                self.breaker.accepted()
                self._in_flight.end(place)
                self.breaker.finished(succeeded=True)
            case Failed(reason):
                self._in_flight.end(place)
                self.breaker.finished(succeeded=False)
                self.breaker.refused(reason)
            case Postponed():
                self._in_flight.end(place)
                self._postponed.add(sending.key)
        if told.stop:
            self.end(Stop(told.stop, True))
        if told.pause:
            self.slow_down(told.pause)

    def _back_off(self, why: str) -> None:
        """Try again ever later; a whole burst that could not leave counts as one try."""
        if asyncio.get_running_loop().time() >= self._open_at:
            self._unreached += 1
            self._pause(min(2.0 ** (self._unreached - 1), 30.0))
        api = self._book.rules.provider.title
        self.trouble = f"{api} cannot be reached: {why}. Nothing was sent or paid."
        if self._unreached >= (REACH_TRIES if self._patient else HASTY_TRIES):
            self.end(Stop(self.trouble, True))

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._quiet_until = max(self._quiet_until, loop.time() + seconds)
        self._open_at = max(self._open_at, self._quiet_until)

    async def _refused(self, line: Line, why: Refusal | None) -> None:
        if why in (Refusal.PACE, Refusal.SLOW):
            self._queue.appendleft(line)
            limits = self._book.limits
            wait = await self._worker.run(
                self._book.store.ready_in, limits.api_key, limits.per_minute
            )
            self._open_at = asyncio.get_running_loop().time() + max(wait, 0.05)
        else:
            if why in (Refusal.PAUSED, None):
                self._queue.clear()
            self._on_stale()

    def _sendable(self) -> bool:
        return bool(self._queue) and not self.breaker.is_open and self._room_by_limit() > 0

    def _room_by_limit(self) -> int:
        return self._limit - self.sent if self._limit is not None else len(self._queue)

    def _next_lines(self) -> list[Line]:
        """The lines that may be begun now; none while anything stands against it."""
        if not self._sendable() or asyncio.get_running_loop().time() < self._open_at:
            return []
        room = min(
            self._pace.concurrency + self._landing() - len(self._air) - len(self._ready),
            self._in_flight.room,
            self._room_by_limit(),
        )
        first = self.breaker.room(len(self._air) + len(self._ready))
        if first is not None:
            room = min(room, first)
        return [self._queue.popleft() for _ in range(min(room, len(self._queue)))]

    def _landing(self) -> int:
        """How many of those in the air may have been answered when the next turn is on disk.

        As many more are begun, so that no place stays empty for the length of a commit. Answers
        come in bursts, so twice as many as come in that time; where an API takes seconds to answer
        these are none or a few.
        """
        if not self.breaker.has_accepted:
            return 0
        share = 2 * (self._turn_took + GATHERING) / self._answer_took
        return int(self._pace.concurrency * min(share, 1.0))


def _lately(before: float, seconds: float) -> float:
    return before + (seconds - before) / 8 if before else seconds


def _kept(store: Store, facts: list[Fact]) -> None:
    try:
        store.record(facts)
    except StoreFull:
        return  # rescued already
    except StoreError:
        store.rescue(facts)
