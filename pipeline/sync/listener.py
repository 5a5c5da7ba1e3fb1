"""Takes over what webhooks reported: the receiver recorded it, here or in another process."""

from __future__ import annotations

import asyncio

from pipeline.sync.lanes import Lanes
from pipeline.sync.sheet_state import SheetState
from pipeline.sync.worker import Worker

#: Seconds between two questions to the store.
LISTEN_EVERY = 0.25


async def listen(state: SheetState, worker: Worker, lanes: Lanes) -> None:
    """Pass on to the lanes what others record, until cancelled.

    Returns at once if the API sends no webhooks.
    """
    while state.is_called:
        for one in await worker.run(state.moved_by_others):
            lanes.moved(one)
        await asyncio.sleep(LISTEN_EVERY)
