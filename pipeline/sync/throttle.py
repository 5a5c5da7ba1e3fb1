"""When the next attempt may be begun, and when a begun one may leave.

Owned by the submitter. It knows no API and no store: others tell it how long to wait.
"""

from __future__ import annotations

from collections.abc import Callable

#: The longest wait, in seconds, before an API that cannot be reached is tried again.
LONGEST_WAIT = 30.0


class Throttle:
    """Two moments of a monotonic clock, and how often in a row the API could not be reached."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._begin_at = self._leave_at = 0.0
        self._unreached = 0

    @property
    def may_begin(self) -> bool:
        """Whether an attempt may be begun now."""
        return self._monotonic() >= self._begin_at

    @property
    def may_leave(self) -> bool:
        """Whether an attempt that was begun may leave now."""
        return self._monotonic() >= self._leave_at

    @property
    def begins_in(self) -> float:
        """Seconds until an attempt may be begun; 0 if it may now."""
        return max(self._begin_at - self._monotonic(), 0.0)

    def pause(self, seconds: float) -> None:
        """Send nothing and begin nothing for at least this many seconds."""
        self._leave_at = max(self._leave_at, self._monotonic() + seconds)
        self._begin_at = max(self._begin_at, self._leave_at)

    def begin_later(self, seconds: float) -> None:
        """Begin nothing for this many seconds. Attempts that were begun may still be sent."""
        self._begin_at = max(self._monotonic() + seconds, self._leave_at)

    def unreached(self) -> int:
        """The API could not be reached: pause, twice as long each time. The failures in a row.

        Requests that fail together, during one pause, count as one failure.
        """
        if self.may_begin:
            self._unreached += 1
            self.pause(min(2.0 ** (self._unreached - 1), LONGEST_WAIT))
        return self._unreached

    def reached(self) -> None:
        """The API has answered."""
        self._unreached = 0
