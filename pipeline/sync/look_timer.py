"""When a pass has to look at its sheet again.

It looks because something happened that the sheet does not show, because an attempt became late or
rows have settled, or because what is sent must still be in a sheet that was read within the last
minute.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from pipeline.sync.clock import Clock

#: After a look, wait at least this many times as long as it took: at most 25 % of the time is spent
#: looking.
SHARE = 3
#: While sending, look after so many seconds at the latest: well before a look is too old to send on
#: (`FRESH`).
READ_EVERY = 40.0
#: A sheet that reads differently after so many writes in a row is left to the next usual look.
MOST_DISTURBED = 3


class LookTimer:
    """The time of the last look, and of the next. It also wakes the pass when something happens."""

    def __init__(self, clock: Clock, write_every: timedelta) -> None:
        self._clock, self._write_every = clock, write_every.total_seconds()
        self._looked: float | None = None
        self._next = self._soonest = 0.0
        self._late_at: datetime | None = None
        self._has_news = self._is_urgent = False
        #: Looks in a row during which others saved the sheet.
        self._disturbed = 0
        self._waker = asyncio.Event()

    @property
    def has_looked(self) -> bool:
        """True if a look was finished in this pass."""
        return self._looked is not None

    @property
    def has_news(self) -> bool:
        """True if something happened that the sheet does not show: an event, or a late attempt."""
        return self._has_news or self._is_late

    @property
    def is_old(self) -> bool:
        """True if the last look will soon be too old to send on."""
        return self._looked is None or self._clock.monotonic() - self._looked >= READ_EVERY

    @property
    def is_due(self) -> bool:
        """True if it is time to look, for a pass that waits."""
        is_next = self.has_news and self._clock.monotonic() >= self._next
        return self.is_old or is_next or self.is_overdue

    @property
    def is_urgent(self) -> bool:
        """True if a look is needed before a row can be sent that waited for another one."""
        return self._is_urgent

    @property
    def is_overdue(self) -> bool:
        """True if such a look may be made now."""
        return self._is_urgent and self._clock.monotonic() >= self._soonest

    def changed(self) -> None:
        """Something happened that the sheet does not show: look soon."""
        self._has_news = True
        self.wake()

    def disturbed(self, *, by_others: bool) -> None:
        """A look has written. If others saved the sheet meanwhile, it does not show everything:
        look again soon.
        """
        self._disturbed = self._disturbed + 1 if by_others else 0
        if 1 <= self._disturbed <= MOST_DISTURBED:
            self.changed()

    def hurry(self) -> None:
        """A row can be sent now that waited for another one: do not wait for `write_every`."""
        self._has_news = self._is_urgent = True

    def wake(self) -> None:
        """Have the pass see at once what is to be done: something happened."""
        self._waker.set()

    async def wait(self, seconds: float) -> None:
        """Wait until something has happened since the last call, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waker.wait()
        self._waker.clear()

    def begin(self) -> float:
        """A look begins: the moment, for `end`. What happens from now on is for the next look."""
        self._has_news = self._is_urgent = False
        return self._clock.monotonic()

    def end(self, began: float, late_at: datetime | None) -> None:
        """A look has ended. `late_at` is when an attempt becomes late, or rows have settled."""
        self._late_at = late_at
        self._looked = self._clock.monotonic()
        spent = self._looked - began
        self._soonest = self._looked + SHARE * spent
        self._next = max(self._looked + self._write_every - spent, self._soonest)

    @property
    def _is_late(self) -> bool:
        return self._late_at is not None and self._clock.now() > self._late_at
