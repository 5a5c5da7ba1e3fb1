"""Everything that a pass does at one API: submissions, lost submissions, polls.

A broken API stops its own lane and no other. A pass has a lane for each API of the sheet (`Lanes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping
from typing import Any

from pipeline.core.api.paths import first_text
from pipeline.core.api.protocol import Verdict
from pipeline.core.api.provider import Account
from pipeline.core.errors import WireError
from pipeline.core.model import Attempt, JobKey, Request, State
from pipeline.core.planning.lines import Line
from pipeline.core.states import Event, Lost
from pipeline.sync.breaker import Stop
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.outcome import Asked
from pipeline.sync.poller import Poller
from pipeline.sync.ports import ApiAccess
from pipeline.sync.quoting import Speed
from pipeline.sync.request_pace import RequestPace
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
        self.api, self._pace, self._wire = access.api, access.pace, access.wire
        self._sync, self._worker = sync, worker
        self._request_pace = RequestPace(sync, worker, access.api)
        self._on_answer, self._on_event = on_answer, on_event
        self._has_asked = False
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
            prepare=self._ask_how_many,
        )
        self.poller = Poller(
            sync,
            submissions,
            worker,
            access,
            clock,
            patient=asked.wait,
            on_event=self._reported,
            on_order=self.submitter.obey,
        )
        self.resender = Resender(
            sync,
            submissions,
            worker,
            access,
            clock,
            patient=asked.wait,
            may_send=lambda: (
                not (asked.limit == 0 or self.submitter.breaker.is_open or sync.last.hold)
                and sync.last.is_fresh(clock.now())
            ),
            on_event=self._reported,
            on_order=self.submitter.obey,
            on_stale=on_stale,
        )

    @property
    def is_idle(self) -> bool:
        """True if no answer is awaited, and nothing more may be sent for now."""
        return self.submitter.is_idle and self.resender.is_idle

    async def prepare(self) -> None:
        """Load what earlier passes learnt."""
        durations = self.poller.schedule.durations
        durations.recall(await self._worker.run(self._sync.store.durations.get, self._api_key))

    async def speed(self) -> Speed:
        """How fast the API may be used. If lines wait, it is asked what the account allows."""
        if self.submitter.waiting:
            await self._ask_how_many()
        return Speed(self._pace, self.submitter.in_flight.most)

    async def _ask_how_many(self) -> None:
        """Ask how many tasks the account allows, unless that was done, and keep to it.

        If the pace allows no request now, no row is sent either, and it is asked before the next.
        """
        account = self.api.provider.account
        if self._has_asked or not (account and account.at_once):
            return
        if not await self._request_pace.permits(1):
            return
        self._has_asked = True
        if most := await self._allowed(account):
            self.submitter.in_flight.cap(most)

    async def _allowed(self, account: Account) -> int:
        """How many tasks the account may have at once; 0 if the API does not say."""
        try:
            response = await self._wire.ask(Request("GET", account.path), ACCOUNT_WITHIN)
            text = first_text(json.loads(response.body), account.at_once)
        except (WireError, ValueError):
            return 0
        return int(text) if text.isdecimal() else 0

    async def remember(self) -> None:
        """Keep for later passes how long tasks took in this one."""
        durations, store = self.poller.schedule.durations, self._sync.store
        if durations.has_news:
            await self._worker.run(store.durations.keep, self._api_key, durations.to_keep())

    @property
    def _api_key(self) -> str:
        """The account, as the store knows it: a digest."""
        return self._sync.spending.of(self.api).api_key

    def offer(self, lines: Iterable[Line]) -> None:
        """Send these instead of the lines of earlier looks."""
        self.submitter.offer(lines)

    def found(self, attempts: Mapping[Place, Attempt], rows: Container[str]) -> None:
        """Take over which attempts a look found at this API.

        Lost submissions of these rows are sent again.
        """
        self.resender.found(attempts, rows)
        now, again = self._sync.now(), self._sync.rules.may_be_resent
        lost = {place: one for place, one in attempts.items() if one.state is State.UNKNOWN}
        self.submitter.in_flight.replace(
            {place: one.sent_at for place, one in attempts.items()},
            {place for place, one in lost.items() if not again(one, now)},
        )

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

    def background(self, on_round: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled. `on_round` is called after each round of polls."""
        return [*(self.poller.run(on_round) for _ in range(ROUNDS)), self.resender.run()]

    def _answered(self, sending: Sending, verdict: Verdict) -> None:
        if isinstance(verdict.event, Lost):
            attempt = self._sync.state.jobs.attempt(sending.key, sending.attempt.number)
            if attempt:
                self.resender.take(sending.key, attempt)
        self._on_answer(sending, verdict)

    def _reported(self, key: JobKey, number: int, event: Event) -> None:
        self.resender.answered(key, number)
        self._on_event(key, number, event)
