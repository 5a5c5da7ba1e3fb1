"""The attempts that an API may still be working on, and how many more it may be given.

Each lane has its own: only its submitter adds or removes an attempt. Lanes whose APIs are one
account share its places, because the account limits what all of them have in flight together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.core.model import JobKey
from pipeline.core.text import counted

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
        #: Those without an answer, at the last look.
        self._lost: Collection[Place] = ()
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
    def full(self) -> str:
        """That lost submissions take all places at the account; empty if they do not."""
        young = self._now() - self._give_up_after
        each = (one._sent_at.get(place) for one in self._account for place in one._lost)
        lost = [sent_at for sent_at in each if sent_at and sent_at > young]
        return why_full(lost, self._most, self._give_up_after)

    @property
    def _taken(self) -> int:
        young = self._now() - self._give_up_after
        return self._coming + sum(sent_at > young for sent_at in self._sent_at.values())

    def cap(self, most: int) -> None:
        """Allow the account at most so many, or fewer."""
        for one in self._account:
            one._most = min(one._most, most)

    def replace(self, sent_at: Mapping[Place, datetime], lost: Collection[Place] = ()) -> None:
        """Take over what a look found: every open attempt, when it was sent, and which are lost."""
        self._sent_at, self._lost = dict(sent_at), lost

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


def why_full(lost: Sequence[datetime], most: int, patience: timedelta) -> str:
    """That lost submissions take all places at an account; empty if they do not.

    `lost` is when they were sent, `most` how many places there are; each is taken for `patience`.
    """
    if len(lost) < most:
        return ""
    until = (sorted(lost)[len(lost) - most] + patience).astimezone()
    return (
        f"{counted(len(lost), 'submission')} without an answer may be at work, and only {most} may "
        f"be at once: nothing more is sent until {until:%Y-%m-%d %H:%M}. promptsheet doctor looks "
        "for them. To send before that, raise [pace] in_flight, if the account allows it."
    )
