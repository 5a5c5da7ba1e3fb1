"""Everything that a pass does at one API: submissions, lost submissions, polls.

A broken API stops its own lane and no other. The runner has a lane for each API of the sheet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from pipeline.core.errors import WireError
from pipeline.core.model import Attempt, JobKey, Request
from pipeline.core.paths import first_text
from pipeline.core.planning import Line
from pipeline.core.protocol import Verdict
from pipeline.core.provider import Account
from pipeline.core.states import Event, Lost
from pipeline.sync.breaker import Stop
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.outcome import Asked
from pipeline.sync.poller import Poller
from pipeline.sync.ports import ApiAccess
from pipeline.sync.resender import Resender
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Sending, Submissions
from pipeline.sync.submitter import Submitter
from pipeline.sync.worker import Worker

#: Rounds of polls at once: a task that becomes due does not wait for a slow answer about others.
ROUNDS = 2
#: Seconds for asking what the account allows; without an answer the configuration alone counts.
ACCOUNT_WITHIN = 5.0


class Lane:
    """One API in one pass.

    `on_answer` is called with each recorded answer to a submission, `on_event` with each event that
    a poll or a repeated submission reported, `on_stale` when a new look must decide about lines.
    """

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        worker: Worker,
        access: ApiAccess,
        clock: Clock,
        asked: Asked,
        *,
        on_answer: Callable[[Sending, Verdict], None],
        on_event: Callable[[JobKey, int, Event], None],
        on_stale: Callable[[], None],
    ) -> None:
        self.api, self._wire = access.api, access.wire
        self._sync, self._on_answer, self._on_event = sync, on_answer, on_event
        self.submitter = Submitter(
            sync,
            submissions,
            worker,
            access,
            clock,
            limit=asked.limit,
            patient=asked.wait,
            on_answer=self._answered,
            on_stale=on_stale,
        )
        self.poller = Poller(
            sync,
            submissions,
            worker,
            access,
            clock,
            patient=asked.wait,
            on_event=self._reported,
            on_order=self.submitter.heed,
        )
        self.resender = Resender(
            sync,
            submissions,
            worker,
            access,
            clock,
            patient=asked.wait,
            may_send=lambda: not (self.submitter.breaker.is_open or sync.last.hold),
            on_event=self._reported,
            on_order=self.submitter.heed,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, and nothing more may leave for now."""
        return self.submitter.is_idle and self.resender.is_idle

    async def prepare(self) -> None:
        """Load what earlier passes learnt; if rows wait, ask how many tasks the account allows."""
        await self.poller.recall()
        account = self.api.provider.account
        is_asked = account and account.at_once and self.submitter.waiting
        if account and is_asked and (most := await self._allowed(account)):
            self.submitter.cap(most)

    async def _allowed(self, account: Account) -> int:
        """How many tasks the account may have at once; 0 if the API does not say."""
        try:
            response = await self._wire.ask(Request("GET", account.path), ACCOUNT_WITHIN)
            text = first_text(json.loads(response.body), account.at_once)
        except (WireError, ValueError):
            return 0
        return int(text) if text.isdecimal() else 0

    def offer(self, lines: Iterable[Line]) -> None:
        """Send these instead of the lines of earlier looks."""
        self.submitter.offer(lines)

    def found(self, attempts: Mapping[Place, Attempt]) -> None:
        """Take over which attempts a look found at this API."""
        sent_at: dict[Place, datetime] = {}
        for place, attempt in attempts.items():
            sent_at[place] = attempt.sent_at
            self.resender.take(place[0], attempt)
        self.submitter.found(sent_at)

    def follow(self, key: JobKey, attempt: Attempt, soon: bool = False) -> None:
        """Poll the attempt's task from now on."""
        self.poller.schedule.follow(key, attempt, soon)

    def ended(self, key: JobKey, attempt: Attempt) -> None:
        """Another process recorded the end of this attempt."""
        self.poller.schedule.ended(attempt)
        self.resender.answered(key, attempt.number)

    def end(self, stop: Stop | None = None) -> None:
        """Stop sending; what has left is still awaited and recorded."""
        self.submitter.end(stop)

    def helpers(self, on_round: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the sending, until it is cancelled."""
        return [*(self.poller.run(on_round) for _ in range(ROUNDS)), self.resender.run()]

    def _answered(self, sending: Sending, told: Verdict) -> None:
        if isinstance(told.event, Lost):
            attempt = self._sync.state.jobs.attempt(sending.key, sending.attempt.number)
            if attempt:
                self.resender.take(sending.key, attempt)
        self._on_answer(sending, told)

    def _reported(self, key: JobKey, number: int, event: Event) -> None:
        self.resender.answered(key, number)
        self._on_event(key, number, event)


class Lanes:
    """The lanes of a pass, the sheet's own API first; answers what the pass asks of all of them."""

    def __init__(self, sync: SheetSync, lanes: Iterable[Lane], limit: int | None) -> None:
        self.all = [*lanes]
        self._rules, self._limit = sync.rules, limit
        self._by_prefix = {lane.api.prefix: lane for lane in reversed(self.all) if lane.api.sends}

    def of(self, attempt: Attempt) -> Lane | None:
        """The lane of the API that has the attempt's task; None if there is no key for it."""
        if len(self.all) == 1 and attempt.account in ("", self.all[0].api.account):
            return self.all[0]
        api = self._rules.api_of(attempt)
        return next((lane for lane in self.all if lane.api == api), None)

    def offer(self, lines: Iterable[Line]) -> None:
        """Give each lane the lines for its API, instead of those of earlier looks."""
        split: dict[str, list[Line]] = {prefix: [] for prefix in self._by_prefix}
        left = None if self._limit is None else max(self._limit - self.sent, 0)
        for line in islice(lines, left):
            split[self._rules.api_named(line.endpoint).prefix].append(line)
        for prefix, its in split.items():
            self._by_prefix[prefix].offer(its)

    def found(self, attempts: Mapping[Place, Attempt]) -> None:
        """Take over which attempts a look found at the APIs."""
        split: dict[int, dict[Place, Attempt]] = {id(lane): {} for lane in self.all}
        for place, attempt in attempts.items():
            if lane := self.of(attempt):
                split[id(lane)][place] = attempt
        for lane in self.all:
            lane.found(split[id(lane)])

    def follow(self, key: JobKey, attempt: Attempt, soon: bool = False) -> None:
        """Poll the attempt's task from now on, if there is a key for its API."""
        if lane := self.of(attempt):
            lane.follow(key, attempt, soon)

    def ended(self, key: JobKey, attempt: Attempt) -> None:
        """Another process recorded the end of this attempt."""
        if lane := self.of(attempt):
            lane.ended(key, attempt)

    def finished(self, key: JobKey, attempt: Attempt, *, succeeded: bool) -> None:
        """A task has ended: its place at the API is free for the next row."""
        if lane := self.of(attempt):
            lane.submitter.ended(key, attempt.number, succeeded=succeeded)

    def helpers(self, on_round: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the sending, until it is cancelled."""
        return [helper for lane in self.all for helper in lane.helpers(on_round)]

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
        """Whether nothing is in the air, and nothing more may leave for now."""
        return all(lane.is_idle for lane in self.all)

    @property
    def is_broken(self) -> bool:
        """Whether the store is full or out of reach."""
        return any(lane.submitter.is_broken for lane in self.all)

    @property
    def is_heard(self) -> bool:
        """Whether all tasks that were to be polled soon were polled."""
        return all(lane.poller.is_heard for lane in self.all)

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
        """Load what earlier passes learnt, and what the accounts allow."""
        for lane in self.all:
            await lane.prepare()

    async def remember(self) -> None:
        """Keep how long tasks took in this pass."""
        for lane in self.all:
            await lane.poller.remember()

    async def send(self) -> None:
        """Send until `end` is called and everything that has left is recorded."""
        await asyncio.gather(*(lane.submitter.run() for lane in self.all))

    async def drain(self) -> None:
        """Record what is in the air although the pass ended badly."""
        for lane in self.all:
            await lane.submitter.drain()
