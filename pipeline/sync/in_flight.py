"""The attempts that the API may still be working on, and how many more it may be given.

Owned by the submitter: nothing else adds or removes an attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pipeline.core.model import JobKey

#: A job and the number of its attempt.
Place = tuple[JobKey, int]


class InFlight:
    """At most `most` attempts at once; one older than `give_up_after` takes no place any more."""

    def __init__(self, most: int, give_up_after: timedelta, now: Callable[[], datetime]) -> None:
        self._most, self._give_up_after, self._now = most, give_up_after, now
        self._sent_at: dict[Place, datetime] = {}

    @property
    def room(self) -> int:
        """How many more attempts may be begun; below 0 if other passes have begun more."""
        young = self._now() - self._give_up_after
        return self._most - sum(sent_at > young for sent_at in self._sent_at.values())

    def cap(self, most: int) -> None:
        """Allow at most so many, or fewer."""
        self._most = min(self._most, most)

    def replace(self, sent_at: Mapping[Place, datetime]) -> None:
        """Take over what a look found: every open attempt, and when it was sent."""
        self._sent_at = dict(sent_at)

    def begin(self, place: Place, sent_at: datetime) -> None:
        """An attempt was begun."""
        self._sent_at[place] = sent_at

    def end(self, place: Place) -> None:
        """An attempt ended, or never reached the API."""
        self._sent_at.pop(place, None)
