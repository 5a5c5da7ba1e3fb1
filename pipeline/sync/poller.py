"""Polls the API about open tasks, and records the answers.

The schedule owns the tasks and says which are due. The poller owns the requests under way, and
whether the API answers at all. It knows no submitter: `on_order` is called with the reason to stop
and the seconds to pause that the API asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

from pipeline import telemetry
from pipeline.core.api.accounts import Api, reading
from pipeline.core.api.protocol import Answers, poll_answer, polls
from pipeline.core.api.provider import Endpoint
from pipeline.core.api.task_list import Page, page_answers, page_of, page_request
from pipeline.core.errors import WireError
from pipeline.core.model import JobKey, Request, Response
from pipeline.core.states import Event, Progressed
from pipeline.sync.clock import Clock
from pipeline.sync.poll_health import PollHealth
from pipeline.sync.poll_recorder import PollRecorder
from pipeline.sync.poll_schedule import OpenTask, PollSchedule
from pipeline.sync.ports import PATIENCE, ApiAccess
from pipeline.sync.request_pace import RequestPace
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.task_list import TaskList
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Seconds between two rounds if no fixed interval is set.
TICK = 0.05
#: After a round, wait so many times as long as it took.
REST = 10
#: Seconds for one poll, repeats included.
WITHIN = 30.0
#: Polls under way at once.
QUESTIONS = 10
#: Seconds until the store is asked again whether the pace allows a poll.
NO_ROOM = 0.5


class Poller:
    """Polls open tasks, many at a time, until each has ended."""

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        worker: Worker,
        access: ApiAccess,
        clock: Clock,
        *,
        patient: bool,
        on_event: Callable[[JobKey, int, Event], None],
        on_order: Callable[[str, float], None],
    ) -> None:
        self.health = PollHealth(access.api.title)
        pace = access.pace
        self.schedule = PollSchedule(pace, clock, patient=patient)
        self._recorder = PollRecorder(sync.store, submissions, worker, self.schedule, on_event)
        self._access, self._clock, self._patient = access, clock, patient
        self._pace = RequestPace(sync, worker, access.api)
        poll_every = pace.poll_every
        self._every = min(poll_every.total_seconds() / 20, 0.5) if poll_every else TICK
        self._on_order = on_order
        self._gate = asyncio.Semaphore(QUESTIONS)
        self._list = TaskList(self.schedule) if access.api.provider.poll.list else None

    def expecting(self) -> int:
        """How many tasks are worth waiting for."""
        return 0 if self.health.is_stopped else self.schedule.expecting()

    @property
    def has_polled(self) -> bool:
        """True if all tasks followed `soon` were polled, and all answers are recorded."""
        return not self.schedule.is_polling and (
            self.health.is_stopped or not self.schedule.must_wait
        )

    async def run(self, on_round: Callable[[], None]) -> None:
        """Poll, round by round, until cancelled. `on_round` is called after each poll."""
        while True:
            began = self._clock.monotonic()
            if await self.round():
                on_round()
            spent = self._clock.monotonic() - began
            await asyncio.sleep(max(self._every - spent, min(REST * spent, self._every), 0.01))

    async def round(self) -> bool:
        """Poll every task that is due, once, as far as the pace allows.

        Returns whether any was due. Rounds may run at the same time: no task is polled by two.
        """
        poll = self._api.provider.poll
        most = poll.most if poll.many or poll.list else 1
        due = [] if self.health.is_stopped else self.schedule.due(most)
        if due:
            self.schedule.begin(due)
            try:
                answered = await self._poll(due)
            finally:
                self.schedule.end(due)
            self.health.end_round(answered)
        return bool(due)

    async def _poll(self, tasks: list[str]) -> list[bool]:
        """For each request that the pace allowed: whether the API answered it."""
        answered: list[bool] = []
        if self._list:
            tasks = await self._list.poll(tasks, partial(self._read_page, answered))
        open_tasks = {
            task: one.attempt.poll_at for task in tasks if (one := self.schedule.get(task))
        }
        questions = list(polls(self._api.provider.poll, tasks, self.schedule.alone, open_tasks))
        permits = await self._permits(len(questions))
        answered += await asyncio.gather(*(self._ask(*one) for one in questions[:permits]))
        if permits < len(questions):
            await asyncio.sleep(NO_ROOM)
        return answered

    async def _permits(self, wanted: int) -> int:
        """How many of the requests may leave now. If not all may, the next run polls the rest."""
        permits = min(await self._pace.permits(wanted), wanted) if wanted else 0
        self.schedule.sent(permits)
        if permits < wanted and not self._patient and await self._pace.ready_in() > PATIENCE:
            self.schedule.stop_waiting_for()
        return permits

    async def _ask(self, request: Request, tasks: Collection[str]) -> bool:
        """Send one poll. Returns whether the API answered."""
        asked_at, response = await self._answer(request, tasks)
        if response is None:
            return False
        asked = {task: one for task in tasks if (one := self.schedule.get(task))}
        title, now = self._api.provider.title, self._clock.now()
        answers = poll_answer(self._api.provider, self._endpoints(asked), response, now)
        for task in answers.strange:
            log.info("%s answered about task %s, which was not polled", title, task)
        await self._take_in(answers, asked, asked_at)
        return self.health.answered(response.status)

    async def _read_page(
        self, answered: list[bool], cursor: str, wanted: Collection[str]
    ) -> Page | None:
        """Read one page of the API's list because of these tasks (see `ReadPage`).

        Ends of other open tasks on it are recorded too. Adds to `answered` whether the API did.
        """
        provider = self._api.provider
        if not await self._permits(1):
            await asyncio.sleep(NO_ROOM)
            return None
        asked_at, response = await self._answer(page_request(provider.poll, cursor), wanted)
        answered.append(response is not None and self.health.answered(response.status))
        page = page_of(provider, response) if response else None
        names = wanted if page is None else page.tasks
        asked = {task: one for task in names if (one := self.schedule.get(task))}
        if page:
            answers = page_answers(provider, self._endpoints(asked), page)
            await self._take_in(answers, asked, asked_at, wanted)
            page = page._replace(unclear=frozenset(answers.missing))
        elif response:
            answers = poll_answer(provider, {}, response, self._clock.now())
            await self._take_in(answers, asked, asked_at)
        return page

    async def _answer(
        self, request: Request, tasks: Collection[str]
    ) -> tuple[datetime, Response | None]:
        """When a poll about these tasks left, and its answer; None if there was none."""
        async with self._gate:
            asked_at = self._clock.now()
            try:
                with telemetry.span("poll", tasks=len(tasks)):
                    return asked_at, await self._access.wire.ask(request, WITHIN)
            except WireError as e:
                self.health.unreached(e)
                self.schedule.unanswered(tasks)
                return asked_at, None

    @property
    def _api(self) -> Api:
        return self._access.api

    def _endpoints(self, asked: Mapping[str, OpenTask]) -> dict[str, Endpoint]:
        """What reads the result of each task."""
        names = {task: one.attempt.endpoint for task, one in asked.items()}
        read = {n: reading(self._api.provider, n, self._api.prefix) for n in {*names.values()}}
        return {task: read[name] for task, name in names.items()}

    async def _take_in(
        self,
        answers: Answers,
        asked: Mapping[str, OpenTask],
        asked_at: datetime,
        wanted: Collection[str] | None = None,
    ) -> None:
        """Act on the answers to a poll at `asked_at`, and record what is news.

        With `wanted`, the progress of other tasks is no news.
        """
        alone = self.schedule.newly_alone(answers.missing)
        self._heed(answers)
        now, is_late = self._clock.now(), self.schedule.intervals.is_late
        late = [one for one in asked.values() if is_late(one.attempt, now)]
        await self._recorder.note_polled(late)
        for task, one in asked.items():
            event = answers.events.get(task)
            self.schedule.answered(one, event, asked_at, timedelta(seconds=answers.pause))
            if isinstance(event, Progressed) and wanted is not None and task not in wanted:
                continue
            # Another process may have recorded its end while this answer was on its way.
            if event and self.schedule.get(task) and self.schedule.is_news(one, event):
                self._recorder.add(one, event)
        self.schedule.poll_now(alone)
        await self._recorder.flush()
        if not self.health.is_worth_waiting(answers.pause):
            self.schedule.stop_waiting_for(asked.keys() - alone)

    def _heed(self, answers: Answers) -> None:
        """Stop or pause, if the API asked for it."""
        self.health.obey(answers.stop, answers.pause)
        self._on_order(answers.stop, answers.pause)
