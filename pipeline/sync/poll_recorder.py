"""Records what polls found out. The answers that come during a commit are the next commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pipeline.core.model import JobKey
from pipeline.core.states import Event, Failed, Succeeded
from pipeline.store import Fact, Store
from pipeline.sync.poll_schedule import OpenTask, PollSchedule
from pipeline.sync.submissions import Submissions
from pipeline.sync.worker import Worker


class PollRecorder:
    """Owns the events that are not recorded yet. `on_event` is called with each that is."""

    def __init__(
        self,
        store: Store,
        submissions: Submissions,
        worker: Worker,
        schedule: PollSchedule,
        on_event: Callable[[JobKey, int, Event], None],
    ) -> None:
        self._store, self._submissions = store, submissions
        self._worker, self._schedule, self._on_event = worker, schedule, on_event
        self._events: list[tuple[OpenTask, Event]] = []
        self._recording = asyncio.Lock()

    async def note_polled(self, late: Sequence[OpenTask]) -> None:
        """Record that these overdue tasks were polled now: the next poll is hours away."""
        if late:
            places = [(task.key, task.attempt.number) for task in late]
            await self._worker.run(self._store.jobs.asked, places)

    def add(self, task: OpenTask, event: Event) -> None:
        """Have this event recorded with the next commit."""
        self._events.append((task, event))

    async def flush(self) -> None:
        """Record all events so far."""
        async with self._recording:
            events, self._events = self._events, []
            if not events:
                return
            facts = [Fact(task.key, task.attempt.number, event) for task, event in events]
            await self._worker.run(self._submissions.record, facts)
            for task, event in events:
                is_end = isinstance(event, Succeeded | Failed)
                if is_end and not self._schedule.remove(task.attempt):
                    continue  # A webhook reported it meanwhile, and it was counted then.
                self._on_event(task.key, task.attempt.number, event)
