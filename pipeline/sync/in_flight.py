"""The attempts that an API may still be working on, and how many more it may be given.

Each lane has its own: only its submitter adds or removes an attempt. Lanes whose APIs are one
account share its places, because the account limits what all of them have in flight together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pipeline.core.model import JobKey

#: A job and the number of its attempt.
Place = tuple[JobKey, int]


class InFlight:
    """At most `most` attempts at once; one older than `give_up_after` takes no place any more.

    `on_room` is called when a place at the account has become free.
    """

    def __init__(
        self,
        most: int,
        give_up_after: timedelta,
        now: Callable[[], datetime],
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._most, self._give_up_after, self._now = most, give_up_after, now
        self._on_room = on_room
        self._sent_at: dict[Place, datetime] = {}
        #: How many attempts are being begun.
        self._coming = 0
        #: All lanes of the account, this one included. One list for all of them.
        self._account = [self]

    def share(self, other: InFlight) -> None:
        """Count the attempts of both together: their APIs are one account."""
        if self._account is not other._account:
            self._account.extend(other._account)
            for one in other._account:
                one._account = self._account

    @property
    def most(self) -> int:
        """How many attempts the account may have at once, as far as is known."""
        return self._most

    @property
    def room(self) -> int:
        """How many more attempts may be begun; below 0 if other passes have begun more."""
        return self._most - sum(one._taken for one in self._account)

    @property
    def _taken(self) -> int:
        young = self._now() - self._give_up_after
        return self._coming + sum(sent_at > young for sent_at in self._sent_at.values())

    def cap(self, most: int) -> None:
        """Allow the account at most so many, or fewer."""
        for one in self._account:
            one._most = min(one._most, most)

    def replace(self, sent_at: Mapping[Place, datetime]) -> None:
        """Take over what a look found: every open attempt, and when it was sent."""
        self._sent_at = dict(sent_at)

    def expect(self, attempts: int) -> None:
        """So many attempts are being begun: each takes a place from now on."""
        self._coming = attempts

    def begin(self, place: Place, sent_at: datetime) -> None:
        """An attempt was begun."""
        self._sent_at[place] = sent_at

    def end(self, place: Place) -> None:
        """An attempt ended, or never reached the API."""
        if self._sent_at.pop(place, None):
            for one in self._account:
                one._on_room()
