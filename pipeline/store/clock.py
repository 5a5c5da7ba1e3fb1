"""The time of a store. Machines that share a server share the server's time.

Leases and limits compare moments that several machines have written, and a machine's clock may be
wrong by minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

#: A smaller difference is left alone: the answer took its time, too.
_LEAST: Final = timedelta(seconds=1)


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class StoreClock:
    """This machine's clock `now`, corrected by its difference to the server's."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The present moment."""
        return self._now() + self._ahead

    def heard(self, server: datetime) -> None:
        """The server said just now what time it is there."""
        ahead = server - utc_now()
        self._ahead = ahead if abs(ahead) >= _LEAST else timedelta(0)
