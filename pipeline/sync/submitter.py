"""Decides which lines are begun and when, within the limits, the pace and the stop rules.

In: the lines that a look found ready. Out: recorded answers, through `on_answer`. The parts own the
state: the queue the lines, the dispatcher the requests, the committer the answers, the breaker the
stop rules, the throttle the waits, and `InFlight` the places at the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from pipeline.core.api.protocol import Verdict
from pipeline.core.model import JobKey
from pipeline.core.planning.lines import Line
from pipeline.core.states import Accepted, Failed, Postponed, Succeeded
from pipeline.store import Refusal
from pipeline.sync.breaker import CircuitBreaker, Stop
from pipeline.sync.clock import Clock
from pipeline.sync.committer import Committer
from pipeline.sync.dispatcher import Dispatcher
from pipeline.sync.in_flight import InFlight
from pipeline.sync.last_pass import was_stopped
from pipeline.sync.line_queue import LineQueue
from pipeline.sync.ports import HASTY_TRIES, PATIENCE, ApiAccess
from pipeline.sync.request_pace import RequestPace
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import RefusedLine, Sending, Submissions
from pipeline.sync.throttle import Throttle
from pipeline.sync.with_addresses import WithAddresses
from pipeline.sync.worker import Worker

#: How often a pass that waits tries an API that cannot be reached.
REACH_TRIES = 8


class Submitter:
    """Sends the lines that it is offered, as fast as the limits allow.

    `limit` is the most to send, `patient` whether the pass waits. `on_answer` is called with each
    recorded answer, `on_stale` when lines were refused that a new look must decide about.
    `prepare` is awaited before lines are begun.
    """

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        worker: Worker,
        access: ApiAccess,
        clock: Clock,
        *,
        limit: int | None,
        patient: bool,
        on_answer: Callable[[Sending, Verdict], None],
        on_stale: Callable[[], None],
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        pace = access.pace
        self._news = asyncio.Event()
        # If the key is still refused, one request tells as much as several.
        self.breaker = CircuitBreaker(
            sync.sheet.title,
            pace.stop_after,
            self._news.set,
            is_careful=was_stopped(sync.store, sync.key),
        )
        self._api_title, self._patient = access.api.title, patient
        self._on_answer, self._on_stale = on_answer, on_stale
        self._prepare = prepare
        self._queue = LineQueue(limit=limit, patient=patient)
        self.in_flight = InFlight(pace.in_flight, pace.give_up_after, clock.now, self._news.set)
        tries = REACH_TRIES if patient else HASTY_TRIES
        self._throttle = Throttle(RequestPace(sync, worker, access.api), clock, tries)
        self._committer = Committer(submissions, access.api, sync.store, worker)
        self._dispatcher = Dispatcher(
            access,
            clock,
            self._throttle,
            self.breaker,
            WithAddresses(access.wire, submissions, worker),
            on_answer=self._answered,
            on_change=self._news.set,
        )

    @property
    def is_idle(self) -> bool:
        """True if every answer is recorded, and nothing more may be sent for now."""
        is_full = not self._patient and self.in_flight.room <= 0
        return self._is_quiet and (is_full or not self._may_send)

    @property
    def is_broken(self) -> bool:
        """True if the store is full or out of reach: nothing more can reach the sheet."""
        return self._committer.is_broken

    @property
    def waiting(self) -> int:
        """Lines that wait to be sent."""
        return len(self._queue)

    @property
    def sent(self) -> int:
        """Attempts that were begun in this pass."""
        return self._queue.begun

    @property
    def trouble(self) -> str:
        """Why the last submission could not leave, as a sentence; empty once one was answered."""
        return self._dispatcher.trouble

    def offer(self, lines: Iterable[Line], *, also: bool = False) -> None:
        """Send these, in this order, instead of the lines of earlier looks; or `also`, before."""
        (self._queue.put_first if also else self._queue.replace)(lines)
        self._news.set()

    def end(self, stop: Stop | None = None) -> None:
        """Stop sending; what has left is still awaited and recorded."""
        self.breaker.open(stop)

    def ended(self, key: JobKey, number: int, *, succeeded: bool) -> None:
        """A task has ended: its place at the API is free for the next row."""
        self.in_flight.end((key, number))
        self.breaker.finished(succeeded=succeeded)
        self._news.set()

    def obey(self, stop: str, pause: float) -> None:
        """Do what the API asked for: stop, with this sentence, or pause for so many seconds.

        A pass that does not wait ends if the pause is longer than a minute.
        """
        if stop:
            self.end(Stop(stop, True))
        if pause:
            self._throttle.slow_down(pause)
        if pause > PATIENCE and not self._patient:
            why = f"{self._api_title} asked to wait {pause:.0f} s. The next run goes on."
            self.end(Stop(why, False))

    async def run(self) -> None:
        """Send until `end` is called and everything that has left is recorded."""
        while not (self.breaker.is_open and self._is_quiet):
            self._news.clear()
            await asyncio.sleep(0)  # Answers that have arrived share the next commit.
            if self._may_send and self._throttle.may_begin:
                await self._prepare()
            lines = self._next_lines()
            if lines or self._committer.has_answers:
                await self._commit(lines)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_in()):
                    await self._news.wait()

    async def drain(self) -> None:
        """Record what is in the air although the pass ended badly.

        Where the store cannot take the answers, they go to its rescue file.
        """
        self.end()
        await self._dispatcher.landed()
        await self._committer.flush()

    async def _commit(self, lines: list[Line]) -> None:
        if lines:
            self._dispatcher.open()
        # The other lanes of the account must not take these places in the meantime.
        self.in_flight.expect(len(lines))
        done = await self._committer.commit(lines)
        self.in_flight.expect(0)
        if done.trouble:
            self.end(Stop(str(done.trouble), True))
        self._queue.began(len(done.batch.begun))
        for sending in done.batch.begun:
            self.in_flight.begin((sending.key, sending.attempt.number), sending.attempt.sent_at)
        self._dispatcher.send(done.batch.begun)
        for answer in done.answers:
            self._on_answer(answer.sending, answer.verdict)
        await self._refused(done.batch.refused)

    async def _refused(self, refused: list[RefusedLine]) -> None:
        """Keep the lines that the pace holds back; leave the others to the next look."""
        held_back = [one.line for one in refused if one.why in (Refusal.PACE, Refusal.SLOW)]
        if any(one.why in (Refusal.PAUSED, None) for one in refused):
            self._queue.clear()
        if len(held_back) < len(refused):
            self._on_stale()
        if held_back:
            self._queue.put_first(held_back)
            await self._throttle.begin_within_pace()

    def _answered(self, sending: Sending, verdict: Verdict) -> None:
        """Have an answer recorded, and act on what it means for the lines that follow."""
        self._committer.add(sending, verdict)
        place = sending.key, sending.attempt.number
        match verdict.event:
            case Accepted():
                self.breaker.accepted()
            case Succeeded():
                self.breaker.accepted()
                self.in_flight.end(place)
                self.breaker.finished(succeeded=True)
            case Failed(reason):
                self.in_flight.end(place)
                self.breaker.finished(succeeded=False)
                self.breaker.refused(reason)
            case Postponed():
                self.in_flight.end(place)
                self._queue.came_back(sending.key)
        self.obey(verdict.stop, verdict.pause)

    @property
    def _is_quiet(self) -> bool:
        """True if every request has its answer, and every answer is recorded."""
        return not self._dispatcher.in_air and self._committer.is_idle

    @property
    def _may_send(self) -> bool:
        return self._queue.room > 0 and not self.breaker.is_open

    def _next_in(self) -> float | None:
        """Seconds until there is something to do although nothing has come; None if never."""
        is_held_back = self._queue and not self._throttle.may_begin
        return self._throttle.begins_in if is_held_back else None

    def _next_lines(self) -> list[Line]:
        """The lines that may be begun now."""
        if not (self._may_send and self._throttle.may_begin):
            return []
        room = min(self._dispatcher.room, self.in_flight.room, self._queue.room)
        first = self.breaker.room(self._dispatcher.in_air)
        return self._queue.take(max(room if first is None else min(room, first), 0))
