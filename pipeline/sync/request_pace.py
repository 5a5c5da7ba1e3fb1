"""How many requests may leave now with the API key of one API, over all processes.

The store counts them (`store.rate_limit`); this is the way to it for the parts of a pass. It owns
no state.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core.api.accounts import Api
from pipeline.store import Limits
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker


class RequestPace:
    """The pace of one API in one pass. Each method raises StoreError if the store cannot say."""

    def __init__(self, sync: SheetSync, worker: Worker, api: Api) -> None:
        self._sync, self._worker, self._api = sync, worker, api

    async def permits(self, wanted: int) -> int:
        """Take up to this many permits for requests that leave now. Returns how many there were."""
        limits, pace = self._limits, self._sync.store.rate_limit
        return await self._worker.run(pace.permits, limits.api_key, wanted, limits.per_minute)

    async def ready_in(self) -> float:
        """Seconds until the next request may leave; 0 if it may now."""
        limits, pace = self._limits, self._sync.store.rate_limit
        return await self._worker.run(pace.ready_in, limits.api_key, limits.per_minute)

    def pause(self, until: datetime) -> None:
        """Let no process send anything with this API key before `until`. Does not wait for it."""
        slow_down = self._sync.store.rate_limit.slow_down
        self._worker.submit(slow_down, self._limits.api_key, until)

    @property
    def _limits(self) -> Limits:
        return self._sync.spending.of(self._api)
