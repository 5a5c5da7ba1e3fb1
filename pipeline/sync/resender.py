"""Sends lost submissions again, if the API makes one task of them however often they are sent.

In: attempts whose answer was lost. Out: what the API answered, recorded. Such a request pays for
nothing twice: it has the same idempotency key and the same body as the first. The resender owns
the attempts that wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.core.apis import endpoint_of
from pipeline.core.errors import StoreError, WireError
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.protocol import Verdict, verdict
from pipeline.core.states import WHEN_SENT_AGAIN, Event, Failed, Lost, Postponed, shown, state_of
from pipeline.store import Fact
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.ports import HASTY_TRIES, ApiAccess
from pipeline.sync.request_pace import RequestPace
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.with_addresses import WithAddresses
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: How often a pass that waits sends one attempt again.
TRIES = 8
#: Seconds before the first time; then twice as long each time, up to the longest.
FIRST, LONGEST = 1.0, 60.0
#: Passes that do not wait send an attempt again after this part of its age, if that is a minute or
#: more, and at the latest after an hour. Otherwise a request that the API never answers would be
#: sent thousands of times in a day.
SHARE_OF_AGE, LEAST_REST, MOST_REST = 1 / 8, timedelta(minutes=1), timedelta(hours=1)
#: Requests under way at once.
AT_ONCE = 10
#: Seconds between two looks at the attempts that wait.
TICK = 0.1


@dataclass(slots=True)
class _Waiting:
    """An attempt that is to be sent again."""

    attempt: Attempt
    next_at: datetime
    tries: int = 0


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
        self._is_patient, self._tries = patient, TRIES if patient else HASTY_TRIES
        self._may_send, self._on_event, self._on_order = may_send, on_event, on_order
        self._on_stale = on_stale
        self._waiting: dict[Place, _Waiting] = {}
        self._is_sending = False

    @property
    def is_idle(self) -> bool:
        """True if no answer is awaited or unrecorded, and this pass sends nothing again later."""
        has_more = any(one.tries < self._tries for one in self._waiting.values())
        return not (self._is_sending or (has_more and self._may_send()))

    def take(self, key: JobKey, attempt: Attempt) -> None:
        """Send this attempt again soon, if the API still makes the same task of it."""
        now, place = self._clock.now(), (key, attempt.number)
        if self._may_be_resent(place, attempt, now) and not self._rests(attempt, now):
            wait = timedelta(seconds=FIRST)
            self._waiting.setdefault(place, _Waiting(attempt, now + wait))

    def found(self, attempts: Mapping[Place, Attempt], rows: Container[str]) -> None:
        """Take over which attempts a look found. Only those of these rows are sent again."""
        now = self._clock.now()
        for place in [place for place in self._waiting if place[0].row_id not in rows]:
            del self._waiting[place]
        for (key, _), attempt in attempts.items():
            if self._sync.rules.is_key_useless(attempt, now):
                self._worker.submit(self._submissions.forget_key, key, attempt.number)
            elif key.row_id in rows:
                self.take(key, attempt)

    def answered(self, key: JobKey, number: int) -> None:
        """The attempt is not lost any more: a webhook or a poll said what became of it."""
        self._waiting.pop((key, number), None)

    async def run(self) -> None:
        """Send again whatever is due, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(TICK)

    async def round(self) -> None:
        """Send again, once, whatever is due."""
        if due := self._due():
            self._is_sending = True
            try:
                await self._send(due)
            finally:
                self._is_sending = False

    def _due(self) -> list[Place]:
        if not self._waiting or not self._may_send():
            return []
        now = self._clock.now()
        for place, one in [*self._waiting.items()]:
            if not self._may_be_resent(place, one.attempt, now):
                del self._waiting[place]
        return [
            place
            for place, one in self._waiting.items()
            if one.next_at <= now and one.tries < self._tries
        ][:AT_ONCE]

    def _may_be_resent(self, place: Place, attempt: Attempt, now: datetime) -> bool:
        """True if it may be sent again, and no later attempt takes its place.

        If a person asked for another attempt, sending both would pay twice. One that was refused
        or failed takes no place: the row then says that the lost one is sent again.
        """
        key, number = place
        job = self._sync.state.jobs.all.get(key)
        if job is None or state_of(job) is not State.UNKNOWN:
            return False
        one = shown(job)
        its_turn = one is not None and one.number == number
        return its_turn and self._sync.rules.may_be_resent(attempt, now)

    def _rests(self, attempt: Attempt, now: datetime) -> bool:
        """True if an earlier pass sent it again without success, not long ago for its age."""
        last = attempt.early_poll
        if last is None or self._is_patient:
            return False
        rest = (last - attempt.sent_at) * SHARE_OF_AGE
        return rest >= LEAST_REST and now < last + min(rest, MOST_REST)

    async def _send(self, due: Collection[Place]) -> None:
        if await self._worker.run(lambda: self._submissions.is_paused):
            self._on_stale()
            return
        permits = await self._pace.permits(len(due))
        # Some may have been answered while the store was asked.
        places = [place for place in due if place in self._waiting][:permits]
        if not places:
            return
        self._access.wire.open()
        sent = [(key, self._waiting[key, number]) for key, number in places]
        answers = await asyncio.gather(*(self._once(key, one) for key, one in sent))
        facts = [
            Fact(*place, one.event)
            for place, one in zip(places, answers, strict=True)
            if not isinstance(one.event, Lost | Postponed)
        ]
        if facts:
            await self._worker.run(self._submissions.record, facts)
        told = {(fact.key, fact.number) for fact in facts}
        if lost := [place for place in places if place not in told]:
            await self._worker.run(self._sync.store.jobs.sent_again, lost)
        for fact in facts:
            self.answered(fact.key, fact.number)
            self._on_event(fact.key, fact.number, fact.event)
        for one in answers:
            self._on_order(one.stop, one.pause)

    async def _once(self, key: JobKey, one: _Waiting) -> Verdict:
        api = self._access.api
        one.tries += 1
        wait = min(FIRST * 2**one.tries, LONGEST)
        one.next_at = self._clock.now() + timedelta(seconds=wait)
        try:
            endpoint = endpoint_of(api.provider, one.attempt.endpoint, api.prefix)
            request = await self._worker.run(self._submissions.again, key, one.attempt, api)
            request = await self._addresses.request(key, one.attempt, request, endpoint.deadline)
            response = await self._access.wire.submit(request, endpoint.deadline)
        except KeyError:  # The provider file has no such endpoint any more.
            one.tries = self._tries
            return Verdict(Lost("its endpoint is not known any more"))
        except WireError as error:
            return Verdict(Lost(str(error)))
        except StoreError:
            raise
        except Exception as error:  # It stays lost; the others are still sent.
            log.exception("a submission that was sent again ended in an unforeseen way")
            return Verdict(Lost(f"unforeseen: {type(error).__name__}"))
        log.info("row %s, take %d: sent again with its key", key.row_id, key.take)
        answer = verdict(api.provider, endpoint, response, self._clock.now())
        if isinstance(answer.event, Failed) and answer.event.refused:
            # The first request may have been accepted all the same: its price is not given back.
            reason = f"{WHEN_SENT_AGAIN}{answer.event.reason}"
            answer = replace(answer, event=replace(answer.event, reason=reason, refused=False))
        if response.status == 409 and isinstance(answer.event, Failed):
            # The key was used with another body: that says nothing about the task it made.
            one.tries = self._tries
            return Verdict(Lost("its key belongs to another request"))
        return answer
