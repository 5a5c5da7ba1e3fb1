"""When the next attempt may be begun, and when a begun one may leave.

Owned by the submitter. It owns the times, and raises StoreError if the store cannot say them.
"""

from __future__ import annotations

from datetime import timedelta

from pipeline.sync.clock import Clock
from pipeline.sync.request_pace import RequestPace

#: The longest wait, in seconds, before an API that cannot be reached is tried again.
LONGEST_WAIT = 30.0
#: The shortest wait, in seconds, before the store is asked again whether the pace allows more.
SHORTEST_WAIT = 0.05


class Throttle:
    """Two moments of a monotonic clock, and how often in a row the API could not be reached.

    After `tries` such failures a pass sends nothing more.
    """

    def __init__(self, pace: RequestPace, clock: Clock, tries: int) -> None:
        self._pace, self._clock, self._tries = pace, clock, tries
        self._begin_at = self._leave_at = 0.0
        self._unreached = 0

    @property
    def may_begin(self) -> bool:
        """True if an attempt may be begun now."""
        return self._clock.monotonic() >= self._begin_at

    @property
    def may_leave(self) -> bool:
        """True if an attempt that was begun may leave now."""
        return self._clock.monotonic() >= self._leave_at

    @property
    def begins_in(self) -> float:
        """Seconds until an attempt may be begun; 0 if it may now."""
        return max(self._begin_at - self._clock.monotonic(), 0.0)

    def pause(self, seconds: float) -> None:
        """Send nothing and begin nothing for at least this many seconds."""
        self._leave_at = max(self._leave_at, self._clock.monotonic() + seconds)
        self._begin_at = max(self._begin_at, self._leave_at)

    def slow_down(self, seconds: float) -> None:
        """Send nothing with this API key for so many seconds, in any process."""
        self._pace.pause(self._clock.now() + timedelta(seconds=seconds))
        self.pause(seconds)

    async def begin_within_pace(self) -> None:
        """Begin nothing until the pace allows it. Attempts that were begun may still be sent."""
        wait = max(await self._pace.ready_in(), SHORTEST_WAIT)
        self._begin_at = max(self._clock.monotonic() + wait, self._leave_at)

    def unreached(self) -> bool:
        """The API could not be reached: pause, twice as long each time. False after all tries.

        Requests that fail together, during one pause, count as one failure.
        """
        if self.may_begin:
            self._unreached += 1
            self.pause(min(2.0 ** (self._unreached - 1), LONGEST_WAIT))
        return self._unreached < self._tries

    def reached(self) -> None:
        """The API has answered."""
        self._unreached = 0
