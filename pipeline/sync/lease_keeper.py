"""Renews the lease on the sheet while a pass runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeline.sync.worker import Worker

#: Seconds between two renewals.
LEASE_EVERY = 10.0


async def keep_lease(
    worker: Worker, renew: Callable[[], bool], on_lost: Callable[[], None]
) -> None:
    """Renew the lease until cancelled, or until another pass has it: then call `on_lost` once."""
    while True:
        await asyncio.sleep(LEASE_EVERY)
        if not await worker.run(renew):
            on_lost()
            return
