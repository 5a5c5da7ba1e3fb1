"""How long tasks take, as far as this pass and earlier ones know.

What it means for the next poll is decided in `core.api.poll_times`. This class owns what is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pipeline.core.api.poll_times import DurationEstimate
from pipeline.core.model import Attempt


class TaskDurations:
    """The durations by endpoint. `began` is when the pass began."""

    def __init__(self, began: datetime) -> None:
        #: True if something was learnt that the store does not have.
        self.has_news = False
        self._began = began
        self._known: dict[str, DurationEstimate] = {}
        #: Endpoint of which nothing is known -> the greatest age of a running task in this pass.
        self._running_age: dict[str, float] = defaultdict(float)

    def recall(self, durations: Mapping[str, tuple[tuple[float, float], ...]]) -> None:
        """Start from what earlier passes learnt: endpoint -> the two ages of each task."""
        self._known = {name: DurationEstimate(seen) for name, seen in durations.items()}

    def to_keep(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """What later passes need: endpoint -> the two ages of each task."""
        return {name: one.seen for name, one in self._known.items()}

    def of(self, endpoint: str) -> DurationEstimate | None:
        """The durations of the tasks of this endpoint; None if none has ended yet."""
        return self._known.get(endpoint)

    def learn(self, endpoint: str, running_at: timedelta, done_at: timedelta) -> None:
        """A task was still running at one age, and done at another."""
        known = self._known.get(endpoint, DurationEstimate())
        done_seconds = max(done_at.total_seconds(), 0.01)
        self._known[endpoint] = known.with_one(running_at.total_seconds(), done_seconds)
        self.has_news = True

    def running_age(self, attempt: Attempt) -> float:
        """The greatest age in seconds at which a task like this one was running; 0 if unknown.

        Tasks of one pass are alike; one of an earlier pass says nothing about them.
        """
        return self._running_age[attempt.endpoint] if self._is_ours(attempt) else 0.0

    def note_running(self, attempts: Iterable[Attempt], now: datetime) -> None:
        """These tasks have not ended, as far as is known: they are polled now."""
        for attempt in filter(self._is_ours, attempts):
            age, endpoint = (now - attempt.sent_at).total_seconds(), attempt.endpoint
            self._running_age[endpoint] = max(self._running_age[endpoint], age)

    def _is_ours(self, attempt: Attempt) -> bool:
        """True if this pass sent the attempt."""
        return attempt.sent_at >= self._began
