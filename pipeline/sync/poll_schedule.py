"""Which tasks are open, and which of them to poll now.

An interval decides (`poll_intervals`), or how long earlier tasks took (`task_durations`).
The schedule owns the open tasks. It knows no API and no store, and raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.core.api.poll_times import PER_ROW, is_due, overgrown, worthwhile
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.states import Event, Progressed, Succeeded
from pipeline.sync.clock import Clock
from pipeline.sync.poll_intervals import Intervals
from pipeline.sync.ports import Pace
from pipeline.sync.task_durations import TaskDurations

#: The wait after a poll that found out nothing about a task.
NOTHING_SAID = timedelta(seconds=2)


@dataclass(slots=True)
class OpenTask:
    """A task that the API has, and when to poll it next."""

    key: JobKey
    attempt: Attempt
    next_at: datetime
    #: When its progress may be recorded again: not more often than the sheet is written.
    news_at: datetime
    #: True if this pass must not end before this task was polled.
    is_owed: bool = False
    #: Its age in seconds when an answer last said that it was running; 0 before that.
    asked: float = 0.0
    #: True if a poll about it is under way.
    is_asked: bool = False
    #: When to poll it because of an unproved call, if no poll has left since.
    early: datetime | None = None
    #: Not before this moment, because the API asked to wait.
    not_before: datetime | None = None

    def age(self, now: datetime) -> float:
        """Seconds since its submission."""
        return (now - self.attempt.sent_at).total_seconds()

    def owe(self, at: datetime, now: datetime) -> None:
        """If it was not polled yet, poll it at this time, and have the pass wait if that is now."""
        if not (self.asked or self.is_asked):
            self.next_at = min(self.next_at, at)
            self.is_owed = self.next_at <= now

    def hasten(self) -> None:
        """Poll it early if an unproved call asked for it and the API does not ask to wait."""
        if self.early:
            self.next_at = min(self.next_at, max(self.early, self.not_before or self.early))


class PollSchedule:
    """The open tasks of one pass. `patient` is whether the pass waits for their ends."""

    def __init__(self, pace: Pace, clock: Clock, *, patient: bool) -> None:
        self.intervals = Intervals(pace)
        #: How long tasks take: it says when to poll those that have no fixed time.
        self.durations = TaskDurations(clock.now())
        self._clock, self._patient = clock, patient
        self._write_every, self._give_up_after = pace.write_every, pace.give_up_after
        #: Tasks that are polled in a request of their own.
        self.alone: frozenset[str] = frozenset()
        self._tasks: dict[str, OpenTask] = {}
        self._followed = self._questions = 0

    # -- which tasks are open --------------------------------------------------------------------

    def follow(self, key: JobKey, attempt: Attempt, soon: bool = False) -> None:
        """Poll the attempt's task from now on.

        With `soon`, poll it in the next round, and have the pass wait for the answer. A task that
        is followed already is polled early if a webhook asks for it since.
        """
        if not attempt.task_id:
            return
        now = self._clock.now()
        if one := self._tasks.get(attempt.task_id):
            if soon:  # the store named it before the first look did
                one.owe(self.intervals.first(attempt, now, soon), now)
            if attempt.early_poll != one.attempt.early_poll:
                one.attempt, one.early = attempt, attempt.early_poll
                one.hasten()
            return
        next_at = self.intervals.first(attempt, now, soon)
        self._followed += 1
        one = OpenTask(key, attempt, next_at, now + self._write_every, soon and next_at <= now)
        if not self.intervals.is_late(attempt, now):
            one.early = attempt.early_poll
            one.hasten()
        self._tasks[attempt.task_id] = one

    def get(self, task: str) -> OpenTask | None:
        """The open task with this id; None if it is not open, or not any more."""
        return self._tasks.get(task)

    def ended(self, attempt: Attempt) -> None:
        """Stop polling an attempt whose end another process recorded."""
        self._tasks.pop(attempt.task_id, None)
        if attempt.state is State.SUCCEEDED and attempt.ended_at:
            took = attempt.ended_at - attempt.sent_at
            self._learn(attempt.endpoint, took, took)

    def remove(self, attempt: Attempt) -> bool:
        """Stop polling an attempt that was found ended. False if it was removed before."""
        return self._tasks.pop(attempt.task_id, None) is not None

    def expecting(self) -> int:
        """How many open tasks are not overdue: those that are worth waiting for."""
        young = self._clock.now() - self._give_up_after
        return sum(one.attempt.sent_at >= young for one in self._tasks.values())

    def newer_than(self, tasks: Iterable[str]) -> int:
        """How many open tasks were sent after the oldest of these."""
        sent_at = [one.attempt.sent_at for one in filter(None, map(self._tasks.get, tasks))]
        oldest = min(sent_at, default=self._clock.now())
        return sum(one.attempt.sent_at > oldest for one in self._tasks.values())

    @property
    def must_wait(self) -> bool:
        """True if the pass must not end yet, because of a task followed `soon`."""
        return any(one.is_owed for one in self._tasks.values())

    @property
    def is_polling(self) -> bool:
        """True if a poll about an open task is under way."""
        return any(one.is_asked for one in self._tasks.values())

    def stop_waiting_for(self, tasks: Iterable[str] | None = None) -> None:
        """The pass may end without an answer about these tasks; by default, about any."""
        for task in [*self._tasks] if tasks is None else tasks:
            if one := self._tasks.get(task):
                one.is_owed = False

    # -- when to poll ----------------------------------------------------------------------------

    def due(self, most: int) -> list[str]:
        """The tasks to poll now: those with a fixed time, then those that have likely ended.

        `most` is how many tasks fit into one request. No poll about any of them is under way.
        """
        now = self._clock.now()
        fixed, likely, unknown = [], [], []
        grown: list[tuple[float, str]] = []
        guided, spare = 0, PER_ROW * self._followed - self._questions
        for task, one in self._tasks.items():
            if not (self._patient or one.is_owed):
                continue  # The next run polls it: this one ends as soon as it can.
            is_guided = self._is_guided(one, now)
            guided += is_guided
            if one.next_at > now or one.is_asked:
                continue
            age = one.age(now)
            if not is_guided:
                fixed.append(task)
            elif known := self.durations.of(one.attempt.endpoint):
                likely.append((known.chance(age, one.asked), task))
                grown.append((known.growth(age, one.asked), task))
            elif is_due(age, max(one.asked, self.durations.running_age(one.attempt)), spare):
                unknown.append(task)
        unknown = sorted(unknown, key=lambda task: self._tasks[task].attempt.sent_at)[:most]
        self.durations.note_running((self._tasks[task].attempt for task in unknown), now)
        found = worthwhile(likely, guided, most, spare) or overgrown(grown, most)
        return fixed + unknown + found

    def begin(self, tasks: Iterable[str]) -> None:
        """Polls about these tasks are under way."""
        now = self._clock.now()
        for one in filter(None, map(self._tasks.get, tasks)):
            one.is_asked = True
            if one.early and one.early <= now:
                one.early = None

    def end(self, tasks: Iterable[str]) -> None:
        """No polls about these tasks are under way any more."""
        for one in filter(None, map(self._tasks.get, tasks)):
            one.is_asked = False

    def sent(self, questions: int) -> None:
        """Count this number of requests as sent."""
        self._questions += questions

    def unanswered(self, tasks: Iterable[str]) -> None:
        """A poll about these tasks got no answer."""
        self.stop_waiting_for(tasks)
        for one in filter(None, map(self._tasks.get, tasks)):
            one.next_at = self._clock.now() + NOTHING_SAID
            one.hasten()

    def answered(
        self, one: OpenTask, event: Event | None, asked_at: datetime, wait: timedelta
    ) -> None:
        """A poll at `asked_at` was answered, and said `event` about this task.

        `wait` is how long the API asked to wait; zero if it did not.
        """
        now = self._clock.now()
        if isinstance(event, Succeeded):
            took, at_work = asked_at - one.attempt.sent_at, timedelta(seconds=one.asked)
            # At a first look the age says only how long ago the last pass was.
            self._learn(one.attempt.endpoint, took, None if one.is_owed else at_work)
        else:
            # Also without an event about it: it is then polled less and less often.
            one.asked = max(one.asked, one.age(asked_at))
        if self._is_guided(one, now):
            one.next_at = now + (wait or (timedelta(0) if event else NOTHING_SAID))
        else:
            one.next_at = max(self.intervals.next(one.attempt, asked_at), now + wait)
        one.not_before = now + wait
        one.hasten()

    def newly_alone(self, missing: Collection[str]) -> frozenset[str]:
        """An answer for many left these out: each gets a request of its own from now on.

        Returns those that had none before.
        """
        newly = frozenset(missing) - self.alone
        self.alone |= newly
        return newly

    def poll_now(self, tasks: Collection[str]) -> None:
        """Poll these tasks at once if the pass waits for them."""
        for one in filter(None, map(self._tasks.get, tasks)):
            if one.is_owed:
                one.next_at = self._clock.now()

    def is_news(self, one: OpenTask, event: Event) -> bool:
        """Returns whether to record it: a percentage no more often than the sheet is written."""
        if not isinstance(event, Progressed) or one.attempt.state is not State.RUNNING:
            return True
        now = self._clock.now()
        if event.percent is None or now < one.news_at:
            return False
        one.news_at = now + self._write_every
        return True

    def _learn(self, endpoint: str, took: timedelta, at_work: timedelta | None) -> None:
        """Learn from a task that was done at age `took` and still running at age `at_work`.

        None for `at_work`: it is not known when it was last running.
        """
        if at_work is not None:
            self.durations.learn(endpoint, at_work, took)
        if self.intervals.usual.learn(endpoint, took):
            now = self._clock.now()
            for one in self._tasks.values():
                if one.attempt.endpoint == endpoint and not self._is_guided(one, now):
                    one.next_at = min(one.next_at, self.intervals.next(one.attempt, now))

    def _is_guided(self, one: OpenTask, now: datetime) -> bool:
        """Returns whether what was learnt says when to poll, and not an interval."""
        return not (one.is_owed or self.intervals.decide(one.attempt, now))
