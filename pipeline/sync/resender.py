"""Sends lost submissions again, if the API makes one task of them however often they are sent.

In: attempts whose answer was lost. Out: what the API answered, recorded. Such a request pays for
nothing twice: it has the same idempotency key and the same body as the first. The queue owns the
attempts that wait; the resender only knows if requests are under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import replace

from pipeline.core.api.accounts import endpoint_of
from pipeline.core.api.protocol import Verdict, verdict
from pipeline.core.errors import StoreError, WireError
from pipeline.core.messages import reasons
from pipeline.core.model import Attempt, JobKey
from pipeline.core.states import WHEN_SENT_AGAIN, Event, Failed, Lost, Postponed
from pipeline.store import Fact
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.ports import ApiAccess
from pipeline.sync.request_pace import RequestPace
from pipeline.sync.resend_queue import ResendQueue
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.with_addresses import WithAddresses
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Seconds between two looks at the attempts that wait.
TICK = 0.1


class Resender:
    """The lost submissions of one pass at one API.

    `may_send` says if submissions may be sent at all, as far as the last look knows. `on_event` is
    called with each answer that is recorded, `on_order` with the reason to stop and the seconds to
    pause, `on_stale` when a new look must decide.
    """

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        worker: Worker,
        access: ApiAccess,
        clock: Clock,
        *,
        patient: bool,
        may_send: Callable[[], bool],
        on_event: Callable[[JobKey, int, Event], None],
        on_order: Callable[[str, float], None],
        on_stale: Callable[[], None],
    ) -> None:
        self._sync, self._submissions, self._worker = sync, submissions, worker
        self._access, self._clock = access, clock
        self._addresses = WithAddresses(access.wire, submissions, worker)
        self._pace = RequestPace(sync, worker, access.api)
        self._queue = ResendQueue(sync, clock, may_send, patient=patient)
        self._on_event, self._on_order, self._on_stale = on_event, on_order, on_stale
        self._is_sending = False

    @property
    def is_idle(self) -> bool:
        """True if no answer is awaited or unrecorded, and this pass sends nothing again later."""
        return not (self._is_sending or self._queue.has_more)

    def take(self, key: JobKey, attempt: Attempt) -> None:
        """Send this attempt again soon, if the API still makes the same task of it."""
        self._queue.take((key, attempt.number), attempt)

    def found(self, attempts: Mapping[Place, Attempt], rows: Container[str]) -> None:
        """Take over which attempts a look found. Only those of these rows are sent again."""
        now = self._clock.now()
        self._queue.keep_only(rows)
        for (key, _), attempt in attempts.items():
            if self._sync.rules.is_key_useless(attempt, now):
                self._worker.submit(self._submissions.forget_key, key, attempt.number)
            elif key.row_id in rows:
                self.take(key, attempt)

    def answered(self, key: JobKey, number: int) -> None:
        """The attempt is not lost any more: a webhook or a poll said what became of it."""
        self._queue.forget((key, number))

    async def run(self) -> None:
        """Send again whatever is due, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(TICK)

    async def round(self) -> None:
        """Send again, once, whatever is due."""
        if due := self._queue.due():
            self._is_sending = True
            try:
                await self._send(due)
            finally:
                self._is_sending = False

    async def _send(self, due: Collection[Place]) -> None:
        if await self._worker.run(lambda: self._submissions.is_paused):
            self._on_stale()
            return
        permits = await self._pace.permits(len(due))
        # Some may have been answered while the store was asked.
        sent = self._queue.begin(due, permits)
        if not sent:
            return
        self._access.wire.open()
        answers = await asyncio.gather(*(self._once(*place, one) for place, one in sent.items()))
        facts = [
            Fact(*place, one.event)
            for place, one in zip(sent, answers, strict=True)
            if not isinstance(one.event, Lost | Postponed)
        ]
        if facts:
            await self._worker.run(self._submissions.record, facts)
        told = {(fact.key, fact.number) for fact in facts}
        if lost := [place for place in sent if place not in told]:
            await self._worker.run(self._sync.store.jobs.sent_again, lost)
        for fact in facts:
            self.answered(fact.key, fact.number)
            self._on_event(fact.key, fact.number, fact.event)
        for one in answers:
            self._on_order(one.stop, one.pause)

    async def _once(self, key: JobKey, number: int, attempt: Attempt) -> Verdict:
        api = self._access.api
        try:
            endpoint = endpoint_of(api.provider, attempt.endpoint, api.prefix)
            request = await self._worker.run(self._submissions.again, key, attempt, api)
            request = await self._addresses.request(key, attempt, request, endpoint.deadline)
            response = await self._access.wire.submit(request, endpoint.deadline)
        except KeyError:  # The provider file has no such endpoint any more.
            self._queue.give_up((key, number))
            return Verdict(Lost(reasons.ENDPOINT_GONE))
        except WireError as error:
            return Verdict(Lost(str(error)))
        except StoreError:
            raise
        except Exception as error:  # It stays lost; the others are still sent.
            log.exception("a submission that was sent again ended in an unforeseen way")
            return Verdict(Lost(reasons.UNFORESEEN.format(error=type(error).__name__)))
        log.info("row %s, take %d: sent again with its key", key.generation, key.take)
        answer = verdict(api.provider, endpoint, response, self._clock.now())
        if isinstance(answer.event, Failed) and answer.event.refused:
            # The first request may have been accepted all the same: its price is not given back.
            reason = f"{WHEN_SENT_AGAIN}{answer.event.reason}"
            answer = replace(answer, event=replace(answer.event, reason=reason, refused=False))
        if response.status == 409 and isinstance(answer.event, Failed):
            # The key was used with another body: that says nothing about the task it made.
            self._queue.give_up((key, number))
            return Verdict(Lost(reasons.OTHER_REQUEST))
        return answer
