"""Asks the API about open tasks, and records the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low

from pipeline.core.asking import PER_ROW, Durations, is_due, overgrown, worthwhile
from pipeline.core.errors import WireError
from pipeline.core.model import Attempt, JobKey, Request, State
from pipeline.core.protocol import Answers, poll_answer, polls
from pipeline.core.states import Event, Failed, Progressed, Succeeded
from pipeline.store import Fact
from pipeline.sync.book import Book
from pipeline.sync.breaker import Stop
from pipeline.sync.ports import HASTY_TRIES, PATIENCE, Pace, Wire
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Seconds for one question about tasks, repeats included.
WITHIN = 30.0
#: Questions in the air at once.
QUESTIONS = 10
#: Seconds until the store is asked again whether the pace allows a question.
NO_ROOM = 0.5
#: How long an API that answers no question is asked again by a pass that waits.
SILENT_TRIES = 8
#: What the API calls back about is asked after so many times less often, until it has taken so much
#: longer than tasks of its kind usually do.
SELDOM, LONGER = 12, 1.5
#: How many tasks that ended tell what is usual.
LATELY = 100
#: The interval for tasks with a webhook if the configuration sets none: polls are a safety net.
INTERVAL = timedelta(seconds=5)
#: The wait after a question that found out nothing about a task.
NOTHING_SAID = timedelta(seconds=2)


@dataclass(slots=True)
class Open:
    """A task that the API has, and when it is asked after next."""

    key: JobKey
    attempt: Attempt
    next_at: datetime
    #: When how far it is may be recorded again: not more often than anybody can see it.
    news_at: datetime
    #: This pass must not end before the API has been asked about it.
    owed: bool = False
    #: Its age in seconds when an answer last said that it was running; 0 before that.
    asked: float = 0.0

    def age(self, now: datetime) -> float:
        """Seconds since its submission."""
        return (now - self.attempt.sent_at).total_seconds()


class Usual:
    """How long the tasks of each endpoint take, learnt from those that succeeded lately."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[timedelta]] = defaultdict(lambda: deque(maxlen=LATELY))
        self._quickest: dict[str, timedelta] = {}
        self._learnt: Counter[str] = Counter()

    def learn(self, endpoint: str, took: timedelta) -> bool:
        """Take note of how long one took at most: whether much of what is known is new."""
        seen = self._seen[endpoint]
        seen.append(took)
        self._quickest[endpoint] = min(seen)
        self._learnt[endpoint] += 1
        # The first, the second, the fourth, …: who acts on it does so a few times in all.
        return self._learnt[endpoint].bit_count() == 1

    def of(self, endpoint: str) -> timedelta | None:
        """The median; None before any has ended."""
        seen = self._seen.get(endpoint)
        return median_low(seen) if seen else None

    def quickest(self, endpoint: str) -> timedelta | None:
        """The least of them; None before any has ended."""
        return self._quickest.get(endpoint)


class Poller:
    """Asks after open tasks, many at a time, until each has its final word."""

    def __init__(
        self,
        book: Book,
        worker: Worker,
        wire: Wire,
        pace: Pace,
        now: Callable[[], datetime],
        on_event: Callable[[JobKey, int, Event], None],
        *,
        on_pause: Callable[[float], None],
        on_stop: Callable[[Stop], None],
        patient: bool = True,
    ) -> None:
        #: Why the last round got no answer, as a sentence; empty if it did.
        self.trouble = ""
        self._patient = patient
        self._busy = 0
        self._book, self._worker, self._wire = book, worker, wire
        self._pace, self._now, self._on_event = pace, now, on_event
        self._on_pause, self._on_stop = on_pause, on_stop
        self._open: dict[str, Open] = {}
        #: The tasks that a question in the air is about.
        self._asking: set[str] = set()
        self._gate = asyncio.Semaphore(QUESTIONS)
        self._alone: frozenset[str] = frozenset()
        self._silent = 0
        self._stopped = False
        self._usual = Usual()
        #: How long the tasks of each endpoint take, and whether that is news for the store.
        self.durations: dict[str, Durations] = {}
        self.has_learnt = False
        #: Endpoint of which nothing is known -> the greatest age of a running task in this pass.
        self._found_running: dict[str, float] = defaultdict(float)
        self._began = now()
        self._followed = self._questions = 0
        self._heard: list[tuple[Open, Fact]] = []
        self._recording = asyncio.Lock()

    def follow(self, key: JobKey, attempt: Attempt, soon: bool = False) -> None:
        """Ask about the attempt's task from now on.

        With `soon`, ask in the next round, and have the pass wait for the answer. An overdue task
        keeps its slow rhythm: it is asked about only when its hour or day has passed.
        """
        if not attempt.task_id or attempt.task_id in self._open:
            return
        now = self._now()
        if self._is_late(attempt, now):
            interval = self._interval(attempt, now)
            next_at = (attempt.asked_at or now - interval) + interval
        else:
            is_fixed = self._pace.poll_every or attempt.hook
            next_at = self._next_at(attempt, now) if is_fixed and not soon else now
        news_at = now + self._pace.write_every
        self._followed += 1
        self._open[attempt.task_id] = Open(key, attempt, next_at, news_at, soon and next_at <= now)

    def ended(self, attempt: Attempt) -> None:
        """Stop asking about an attempt whose end another process recorded."""
        self._open.pop(attempt.task_id, None)
        if attempt.state is State.SUCCEEDED and attempt.ended_at:
            took = attempt.ended_at - attempt.sent_at
            self._learn(attempt.endpoint, took, took)

    def expecting(self) -> int:
        """How many open tasks are not overdue: those that are worth waiting for."""
        if self._stopped:
            return 0
        young = self._now() - self._pace.give_up_after
        return sum(one.attempt.sent_at >= young for one in self._open.values())

    @property
    def is_heard(self) -> bool:
        """Whether all tasks followed `soon` were asked about, and all answers are recorded."""
        if self._asking:
            return False
        return self._stopped or not any(one.owed for one in self._open.values())

    async def round(self) -> bool:
        """Ask once about every task whose time has come, as far as the pace allows.

        Returns whether anything was due. Rounds may run at the same time: none asks about a task
        that another one is asking about.
        """
        due = [] if self._stopped else self._due(self._now())
        if due:
            heard = await self._ask_after(due)
            self._silent = 0 if any(heard) or not heard else self._silent + 1
            self._stopped |= self._silent >= SILENT_TRIES
            if any(heard):
                self.trouble = ""
        return bool(due)

    def _due(self, now: datetime) -> list[str]:
        """The tasks to ask about now: those with a fixed time, then those that likely ended."""
        fixed, likely, unknown = [], [], []
        grown: list[tuple[float, str]] = []
        guided = 0
        for task, one in self._open.items():
            if not (self._patient or one.owed):
                continue  # the next run asks: this one ends as soon as it can
            is_guided = self._is_guided(one, now)
            guided += is_guided
            if one.next_at > now or task in self._asking:
                continue
            if not is_guided:
                fixed.append(task)
            elif known := self.durations.get(one.attempt.endpoint):
                age = one.age(now)
                likely.append((known.chance(age, one.asked), task))
                grown.append((known.growth(age, one.asked), task))
            elif is_due(one.age(now), max(one.asked, self._running_age(one))):
                unknown.append(task)
        poll = self._book.rules.provider.poll
        most = poll.most if poll.many else 1
        unknown = sorted(unknown, key=lambda task: self._open[task].attempt.sent_at)[:most]
        for one in map(self._open.__getitem__, unknown):
            if one.attempt.sent_at >= self._began:
                endpoint = one.attempt.endpoint
                known_age = self._found_running[endpoint]
                self._found_running[endpoint] = max(known_age, one.age(now))
        spare = PER_ROW * self._followed - self._questions
        found = worthwhile(likely, guided, most, spare) or overgrown(grown, most)
        return fixed + unknown + found

    def _is_guided(self, one: Open, now: datetime) -> bool:
        """Whether what was learnt says when to ask, and not a fixed interval."""
        return not (
            self._pace.poll_every or one.owed or one.attempt.hook or self._is_late(one.attempt, now)
        )

    def _running_age(self, one: Open) -> float:
        """The greatest age at which a task like this one was still running; 0 if unknown.

        Tasks of one pass are alike; one of an earlier pass says nothing about them.
        """
        is_ours = one.attempt.sent_at >= self._began
        return self._found_running[one.attempt.endpoint] if is_ours else 0.0

    async def _ask_after(self, tasks: list[str]) -> list[bool]:
        self._asking.update(tasks)
        try:
            questions = list(polls(self._book.rules.provider.poll, tasks, self._alone))
            limits = self._book.limits
            left = await self._worker.run(
                self._book.store.permits, limits.api_key, len(questions), limits.per_minute
            )
            self._questions += min(left, len(questions))
            if left < len(questions) and not self._patient:
                await self._leave_to_the_next_run()
            heard = await asyncio.gather(*(self._ask(*one) for one in questions[:left]))
            if left < len(questions):
                await asyncio.sleep(NO_ROOM)
            return heard
        finally:
            self._asking.difference_update(tasks)

    async def _leave_to_the_next_run(self) -> None:
        """Stop asking in this pass if the pace would delay it by more than a minute."""
        limits = self._book.limits
        wait = await self._worker.run(self._book.store.ready_in, limits.api_key, limits.per_minute)
        if wait > PATIENCE:
            self._forgive(self._open)

    def _forgive(self, tasks: Iterable[str]) -> None:
        """The pass may end without an answer about these tasks."""
        for task in tasks:
            if task in self._open:
                self._open[task].owed = False

    async def _ask(self, request: Request, tasks: tuple[str, ...]) -> bool:
        """Ask one question: whether the API answered."""
        provider = self._book.rules.provider
        async with self._gate:
            asked_at = self._now()
            try:
                response = await self._wire.ask(request, WITHIN)
            except WireError as e:
                self.trouble = f"{provider.title} cannot be reached: {e}. What it has is not lost."
                self._forgive(tasks)
                for one in filter(None, map(self._open.get, tasks)):
                    one.next_at = self._now() + NOTHING_SAID
                return False
        asked = {task: self._open[task] for task in tasks if task in self._open}
        usual = provider.endpoints[self._book.rules.endpoint]
        endpoints = {
            task: provider.endpoints.get(one.attempt.endpoint, usual) for task, one in asked.items()
        }
        answers = poll_answer(provider, endpoints, response, self._now())
        for task in answers.strange:
            log.info("%s spoke of task %s, which nobody asked after", provider.title, task)
        if response.status >= 500:
            self.trouble = f"{provider.title} has trouble (HTTP {response.status})."
        await self._take_in(answers, asked, asked_at)
        return response.status < 500

    async def _take_in(self, answers: Answers, asked: dict[str, Open], asked_at: datetime) -> None:
        alone = frozenset(answers.missing) - self._alone
        self._alone |= alone
        if answers.stop:
            self._stopped = True
            self._on_stop(Stop(answers.stop, True))
        if answers.pause:
            self._busy += 1
            self._on_pause(answers.pause)
        wait = timedelta(seconds=answers.pause)
        now = self._now()
        late = [(o.key, o.attempt.number) for o in asked.values() if self._is_late(o.attempt, now)]
        if late:
            await self._worker.run(self._book.store.asked, late)
        for task, one in asked.items():
            event = answers.events.get(task)
            if isinstance(event, Succeeded):
                took, at_work = asked_at - one.attempt.sent_at, timedelta(seconds=one.asked)
                # At a first look the age says only how long ago the last pass was.
                self._learn(one.attempt.endpoint, took, None if one.owed else at_work)
            else:
                # Also where nothing is said of it: it is asked about ever less often.
                one.asked = max(one.asked, one.age(asked_at))
            if self._is_guided(one, now):
                one.next_at = now + (wait or (timedelta(0) if event else NOTHING_SAID))
            else:
                one.next_at = max(self._next_at(one.attempt, asked_at), now + wait)
            if one.owed and task in alone:
                one.next_at = now  # at once, in a question of its own
            # Another process may have recorded its end while this answer was on its way.
            if event and task in self._open and self._is_news(one, event):
                self._heard.append((one, Fact(one.key, one.attempt.number, event)))
        await self._record()
        if not answers.pause or self._busy >= HASTY_TRIES or answers.pause > PATIENCE:
            self._forgive(asked.keys() - alone)

    async def _record(self) -> None:
        """Record what was heard; the answers that come meanwhile are the next commit."""
        async with self._recording:
            heard, self._heard = self._heard, []
            if not heard:
                return
            await self._worker.run(self._book.record, [fact for _, fact in heard])
            for one, fact in heard:
                is_end = isinstance(fact.event, Succeeded | Failed)
                if is_end and not self._open.pop(one.attempt.task_id, None):
                    continue  # the API has called meanwhile, and that was counted
                self._on_event(fact.key, fact.number, fact.event)

    def _learn(self, endpoint: str, took: timedelta, at_work: timedelta | None) -> None:
        """Learn from a task that was done at age `took` and still running at age `at_work`.

        None for `at_work`: it is not known when it was last running.
        """
        if at_work is not None:
            known = self.durations.get(endpoint, Durations())
            spans = at_work.total_seconds(), max(took.total_seconds(), 0.01)
            self.durations[endpoint] = known.with_one(*spans)
            self.has_learnt = True
        if self._usual.learn(endpoint, took):
            now = self._now()
            for one in self._open.values():
                if one.attempt.endpoint == endpoint and not self._is_guided(one, now):
                    one.next_at = min(one.next_at, self._next_at(one.attempt, now))

    def _is_news(self, one: Open, event: Event) -> bool:
        """Whether to record it: a percentage no more often than the sheet is written."""
        if not isinstance(event, Progressed) or one.attempt.state is not State.RUNNING:
            return True
        now = self._now()
        if event.percent is None or now < one.news_at:
            return False
        one.news_at = now + self._pace.write_every
        return True

    def _is_late(self, attempt: Attempt, now: datetime) -> bool:
        return now - attempt.sent_at > self._pace.give_up_after

    def _next_at(self, attempt: Attempt, now: datetime) -> datetime:
        """When to ask after it next: also when the quickest of its kind have ended.

        Of a task that the API calls back about this is a net for calls that were lost: seldom, but
        as often as of any other once it takes longer than tasks of its kind do.
        """
        interval = self._interval(attempt, now)
        if self._is_late(attempt, now):
            return now + interval
        if not attempt.hook:
            quickest = self._usual.quickest(attempt.endpoint)
            due = attempt.sent_at + quickest if quickest else now
            return due if now < due < now + interval else now + interval
        usual = self._usual.of(attempt.endpoint)
        if usual is None:
            return now + interval * SELDOM
        return max(now + interval, min(now + interval * SELDOM, attempt.sent_at + usual * LONGER))

    def _interval(self, attempt: Attempt, now: datetime) -> timedelta:
        """The wait between two questions: an overdue task is asked after ever less often."""
        late = now - attempt.sent_at - self._pace.give_up_after
        if late <= timedelta(0):
            return self._pace.poll_every or INTERVAL
        return timedelta(hours=1) if late < timedelta(days=1) else timedelta(days=1)
