"""All APIs of a pass: each line, task and event goes to the lane of its API.

The lanes own what happens at their APIs. `Lanes` finds the lane, and answers what the pass asks of
all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Container,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from pipeline.core.api.protocol import Verdict
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.planning.lines import Line
from pipeline.core.states import Accepted, Event, Failed, Succeeded, end_of, is_open
from pipeline.sync.breaker import Stop
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.lane import Lane
from pipeline.sync.outcome import Asked
from pipeline.sync.pass_events import PassEvents
from pipeline.sync.ports import ApiAccess
from pipeline.sync.sheet_state import Moved
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Sending, Submissions
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")


class Lanes:
    """The lanes of a pass, the sheet's own API first. `events` takes what becomes of attempts."""

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        worker: Worker,
        accesses: Sequence[ApiAccess],
        clock: Clock,
        asked: Asked,
        events: PassEvents,
    ) -> None:
        self.all = [
            Lane(
                sync,
                submissions,
                worker,
                access,
                clock,
                asked,
                on_answer=self._answered,
                on_event=self.reported,
                on_stale=events.look_again,
            )
            for access in accesses
        ]
        for number, lane in enumerate(self.all):
            for other in self.all[:number]:
                if lane.api.account and lane.api.account == other.api.account:
                    other.submitter.in_flight.share(lane.submitter.in_flight)
        self._rules, self._jobs, self._limit = sync.rules, sync.state.jobs, asked.limit
        self._events = events
        self._by_prefix = {lane.api.prefix: lane for lane in reversed(self.all) if lane.api.sends}

    def of(self, attempt: Attempt) -> Lane | None:
        """The lane of the API that has the attempt's task; None if there is no key for it."""
        if len(self.all) == 1 and attempt.account in ("", self.all[0].api.account):
            return self.all[0]
        api = self._rules.api_of(attempt)
        return next((lane for lane in self.all if lane.api == api), None)

    def offer(self, lines: Iterable[Line]) -> None:
        """Give each lane the lines for its API, instead of those of earlier looks."""
        for prefix, its in self._split(lines, self.sent).items():
            self._by_prefix[prefix].offer(its)

    def add(self, lines: Iterable[Line]) -> None:
        """Give each lane more lines for its API, to be sent before those that wait."""
        split = self._split(lines, self.sent + self.waiting)
        for prefix, its in split.items():
            self._by_prefix[prefix].submitter.offer(its, also=True)

    def _split(self, lines: Iterable[Line], taken: int) -> dict[str, list[Line]]:
        """The lines by API, up to the limit of the pass. `taken` is how much of it is used."""
        split: dict[str, list[Line]] = {prefix: [] for prefix in self._by_prefix}
        left = None if self._limit is None else max(self._limit - taken, 0)
        for line in islice(lines, left):
            split[self._rules.api_named(line.endpoint).prefix].append(line)
        return split

    def found(self, attempts: Mapping[Place, Attempt], rows: Container[str]) -> None:
        """Take over which attempts a look found at the APIs.

        Lost submissions of these rows are sent again.
        """
        split: dict[int, dict[Place, Attempt]] = {id(lane): {} for lane in self.all}
        for place, attempt in attempts.items():
            if lane := self.of(attempt):
                split[id(lane)][place] = attempt
        for lane in self.all:
            lane.found(split[id(lane)], rows)

    def follow(self, key: JobKey, attempt: Attempt, soon: bool = False) -> None:
        """Poll the attempt's task from now on, if there is a key for its API."""
        if lane := self.of(attempt):
            lane.follow(key, attempt, soon)

    def moved(self, by_others: Moved) -> None:
        """Another process recorded something about this attempt."""
        key, attempt, is_shown = by_others
        if attempt.state in (State.SUCCEEDED, State.FAILED):
            if lane := self.of(attempt):
                lane.ended(key, attempt)
            self.reported(key, attempt.number, end_of(attempt))
        elif is_open(attempt):
            self.follow(key, attempt)
        if is_shown:
            self._events.look_again()

    def reported(self, key: JobKey, number: int, event: Event) -> None:
        """A poll, a webhook or a repeated submission reported an event, and it is recorded."""
        attempt = self._jobs.attempt(key, number)
        lane = self.of(attempt) if attempt else None
        if isinstance(event, Accepted) and attempt and is_open(attempt):
            self.follow(key, attempt, soon=True)
        is_new = self._events.happened(key, number, event)
        if is_new and lane and isinstance(event, Succeeded | Failed):
            # Its place at the API is free for the next row.
            lane.submitter.ended(key, number, succeeded=isinstance(event, Succeeded))

    def background(self, on_round: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled. `on_round` is called after each round of polls."""
        return [job for lane in self.all for job in lane.background(on_round)]

    def end(self, stop: Stop | None = None) -> None:
        """Stop sending everywhere."""
        for lane in self.all:
            lane.end(stop)

    @property
    def waiting(self) -> int:
        """Lines that wait to be sent."""
        return sum(lane.submitter.waiting for lane in self.all)

    @property
    def sent(self) -> int:
        """Attempts that were begun in this pass."""
        return sum(lane.submitter.sent for lane in self.all)

    @property
    def is_idle(self) -> bool:
        """True if no answer is awaited, and nothing more may be sent for now."""
        return all(lane.is_idle for lane in self.all)

    @property
    def is_broken(self) -> bool:
        """True if the store is full or out of reach."""
        return any(lane.submitter.is_broken for lane in self.all)

    @property
    def has_polled(self) -> bool:
        """True if all tasks that were to be polled soon were polled."""
        return all(lane.poller.has_polled for lane in self.all)

    def expecting(self) -> int:
        """How many tasks are worth waiting for."""
        return sum(lane.poller.expecting() for lane in self.all)

    @property
    def stop(self) -> Stop | None:
        """Why the sending was stopped at an API; None if it was not."""
        return next((stop for lane in self.all if (stop := lane.submitter.breaker.stop)), None)

    @property
    def troubles(self) -> list[str]:
        """Sentences about APIs out of reach."""
        return [
            text
            for lane in self.all
            for text in (lane.submitter.trouble, lane.poller.health.trouble)
            if text
        ]

    async def prepare(self) -> None:
        """Load what earlier passes learnt."""
        for lane in self.all:
            await lane.prepare()

    async def remember(self) -> None:
        """Keep for later passes how long tasks took in this one."""
        for lane in self.all:
            await lane.remember()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[asyncio.Task[None]]:
        """Send while the block runs. The task is for its result: an error of the store.

        Whatever ends the block, the sending ends by itself and is awaited: requests in flight may
        be paid for, so what becomes of them is recorded first.
        """
        sending = asyncio.create_task(self._send())
        try:
            yield sending
        finally:
            self.end()
            await asyncio.wait([sending])
            if not sending.cancelled() and (error := sending.exception()):
                log.info("%s: the sending ended: %r", self._events.title, error)

    async def _send(self) -> None:
        await asyncio.gather(*(lane.submitter.run() for lane in self.all))

    def _answered(self, sending: Sending, verdict: Verdict) -> None:
        """A submission was answered, and the answer is recorded."""
        key, number = sending.key, sending.attempt.number
        self._events.answered(sending, verdict.event)
        if isinstance(verdict.event, Accepted):
            # A webhook may have come before the answer, and have reported the end.
            attempt = self._jobs.attempt(key, number)
            if attempt and is_open(attempt):
                self.follow(key, attempt)

    async def drain(self) -> None:
        """Record the answers that are still awaited, although the pass ended badly."""
        for lane in self.all:
            await lane.submitter.drain()
