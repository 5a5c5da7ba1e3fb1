"""Whether the place for saved files takes any now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

#: After a refusal, the place is not tried again for this long.
REST: Final = timedelta(minutes=1)


class Place:
    """Checks the place with `check` before the first file, and again after a refusal."""

    def __init__(self, check: Callable[[], Awaitable[None]], now: Callable[[], datetime]) -> None:
        self._check, self._now = check, now
        self._checking: asyncio.Future[None] | None = None
        self._resting_until: datetime | None = None

    @property
    def rests(self) -> bool:
        """True if it has just refused: nothing should be tried now."""
        return self._resting_until is not None and self._now() < self._resting_until

    async def checked(self) -> None:
        """Returns when files can be saved. One check serves all callers.

        Raises PromptsheetError if no file can be saved now.
        """
        if self._checking is None:
            self._checking = asyncio.ensure_future(self._check())
            # If all callers were cancelled, no one reads the error; asyncio would print it.
            self._checking.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._checking)

    def refused(self) -> None:
        """Note that it refuses files until a person acts, or a while has passed."""
        self._checking = None
        self._resting_until = self._now() + REST
