"""Renews the lease on the sheet while a pass runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Seconds between two renewals.
LEASE_EVERY = 10.0


async def keep_lease(renew: Callable[[], bool], on_lost: Callable[[], None]) -> None:
    """Renew the lease until cancelled, or until another pass has it: then call `on_lost` once.

    This does not wait for the thread of the pass, where a Google Sheet may wait for its turn for
    longer than the lease lasts.
    """
    while True:
        await asyncio.sleep(LEASE_EVERY)
        if not await asyncio.to_thread(renew):
            on_lost()
            return
