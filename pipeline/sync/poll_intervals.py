"""How long to wait between two polls of a task, where an interval decides and not what was learnt.

That is so if the configuration sets an interval, if the API sends webhooks (then polls are a safety
net), and for an overdue task.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import datetime, timedelta
from statistics import median_low

from pipeline.core.model import Attempt
from pipeline.sync.ports import Pace

#: The interval for tasks with a webhook if the configuration sets none.
INTERVAL = timedelta(seconds=5)
#: A task with a webhook is polled so many times less often, until it has taken so many times longer
#: than tasks of its kind usually do.
SELDOM, LONGER = 12, 1.5
#: How many tasks that ended say what is usual.
LATELY = 100


class Usual:
    """How long the tasks of each endpoint take, from those that succeeded in this pass."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[timedelta]] = defaultdict(lambda: deque(maxlen=LATELY))
        self._quickest: dict[str, timedelta] = {}
        self._learnt: Counter[str] = Counter()

    def learn(self, endpoint: str, took: timedelta) -> bool:
        """Note how long one task took at most. Returns whether much of what is known is new."""
        seen = self._seen[endpoint]
        seen.append(took)
        self._quickest[endpoint] = min(seen)
        self._learnt[endpoint] += 1
        # After the first, second, fourth, eighth task, …: the caller then goes through all tasks.
        return self._learnt[endpoint].bit_count() == 1

    def of(self, endpoint: str) -> timedelta | None:
        """The median; None before any task has ended."""
        seen = self._seen.get(endpoint)
        return median_low(seen) if seen else None

    def quickest(self, endpoint: str) -> timedelta | None:
        """The shortest; None before any task has ended."""
        return self._quickest.get(endpoint)


class Intervals:
    """When to poll a task next. Owns what is usual."""

    def __init__(self, pace: Pace) -> None:
        self._poll_every, self._give_up_after = pace.poll_every, pace.give_up_after
        self.usual = Usual()

    def is_late(self, attempt: Attempt, now: datetime) -> bool:
        """Returns whether the task is overdue."""
        return now - attempt.sent_at > self._give_up_after

    def decide(self, attempt: Attempt, now: datetime) -> bool:
        """Returns whether an interval decides when to poll the task."""
        return bool(self._poll_every or attempt.hook or self.is_late(attempt, now))

    def first(self, attempt: Attempt, now: datetime, soon: bool) -> datetime:
        """When to poll a task for the first time in this pass: with `soon`, now.

        An overdue task keeps its slow rhythm, whatever `soon` says, until a call asks for a poll.
        """
        if self.is_late(attempt, now):
            early, asked = attempt.early_poll, attempt.asked_at
            if early and (asked is None or asked < early):
                return early
            interval = self._interval(attempt, now)
            return (attempt.asked_at or now - interval) + interval
        return self.next(attempt, now) if self.decide(attempt, now) and not soon else now

    def next(self, attempt: Attempt, now: datetime) -> datetime:
        """When to poll a task that was polled now.

        Without a webhook also at the age at which the quickest of its kind ended. With one, seldom
        at first, and at the interval once it takes longer than is usual.
        """
        interval = self._interval(attempt, now)
        if self.is_late(attempt, now):
            return now + interval
        if not attempt.hook:
            quickest = self.usual.quickest(attempt.endpoint)
            due = attempt.sent_at + quickest if quickest else now
            return due if now < due < now + interval else now + interval
        usual = self.usual.of(attempt.endpoint)
        if usual is None:
            return now + interval * SELDOM
        return max(now + interval, min(now + interval * SELDOM, attempt.sent_at + usual * LONGER))

    def _interval(self, attempt: Attempt, now: datetime) -> timedelta:
        """The wait between two polls; an overdue task is polled every hour, later every day."""
        late = now - attempt.sent_at - self._give_up_after
        if late <= timedelta(0):
            return self._poll_every or INTERVAL
        return timedelta(hours=1) if late < timedelta(days=1) else timedelta(days=1)
