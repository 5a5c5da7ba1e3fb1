"""Renews the lease on the sheet while a pass runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

from pipeline.sync.worker import Worker

#: Seconds between two renewals.
LEASE_EVERY = 10.0


async def keep_lease(renew: Callable[[], bool], on_lost: Callable[[], None]) -> None:
    """Renew the lease until cancelled, or until another pass has it: then call `on_lost` once.

    It has a thread of its own: in that of the pass, a Google Sheet may wait for its turn for longer
    than the lease lasts.
    """
    with closing(Worker()) as worker:
        while True:
            await asyncio.sleep(LEASE_EVERY)
            if not await worker.run(renew):
                on_lost()
                return
