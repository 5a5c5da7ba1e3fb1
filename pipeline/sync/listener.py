"""Takes over what webhooks reported: the receiver recorded it, here or in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.states import Event, Failed, Succeeded, is_open
from pipeline.sync.lane import Lanes
from pipeline.sync.sheet_state import SheetState
from pipeline.sync.worker import Worker

#: Seconds between two looks into the store.
LISTEN_EVERY = 0.25


class Listener:
    """Looks into the store while the API sends webhooks.

    `on_event` is called with each end that was reported, `on_change` after each look that found
    something to show in the sheet.
    """

    def __init__(
        self,
        state: SheetState,
        worker: Worker,
        lanes: Lanes,
        *,
        on_event: Callable[[JobKey, int, Event], None],
        on_change: Callable[[], None],
    ) -> None:
        self._state, self._worker, self._lanes = state, worker, lanes
        self._on_event, self._on_change = on_event, on_change

    async def run(self) -> None:
        """Listen until cancelled; at once done if the API sends no webhooks."""
        while self._state.is_called:
            moved = await self._worker.run(self._state.moved_by_others)
            for one in moved:
                self._take_over(one.key, one.attempt)
            if any(one.is_shown for one in moved):
                self._on_change()
            await asyncio.sleep(LISTEN_EVERY)

    def _take_over(self, key: JobKey, attempt: Attempt) -> None:
        if attempt.state in (State.SUCCEEDED, State.FAILED):
            self._lanes.ended(key, attempt)
            self._on_event(key, attempt.number, _end_of(attempt))
        elif is_open(attempt):
            self._lanes.follow(key, attempt)


def _end_of(attempt: Attempt) -> Event:
    if attempt.state is State.SUCCEEDED:
        return Succeeded(attempt.result, reported=attempt.reported)
    return Failed(attempt.reason, reported=attempt.reported)
