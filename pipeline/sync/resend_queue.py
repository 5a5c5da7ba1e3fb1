"""The lost submissions that wait to be sent again at one API, and when each is sent next.

In: attempts whose answer was lost, as looks and answers show them. Out: those that are due. The
queue owns how often and when this pass has sent each.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.core.model import Attempt, State
from pipeline.core.states import shown, state_of
from pipeline.sync.clock import Clock
from pipeline.sync.in_flight import Place
from pipeline.sync.ports import HASTY_TRIES
from pipeline.sync.sheet_sync import SheetSync

#: How often a pass that waits sends one attempt again.
TRIES = 8
#: Seconds before the first time; then twice as long each time, up to the longest.
FIRST, LONGEST = 1.0, 60.0
#: Passes that do not wait send an attempt again after this part of its age, if that is a minute or
#: more, and at the latest after an hour. Otherwise a request that the API never answers would be
#: sent thousands of times in a day.
SHARE_OF_AGE, LEAST_REST, MOST_REST = 1 / 8, timedelta(minutes=1), timedelta(hours=1)
#: Requests under way at once.
AT_ONCE = 10


@dataclass(slots=True)
class Waiting:
    """An attempt that is to be sent again."""

    attempt: Attempt
    next_at: datetime
    tries: int = 0


class ResendQueue:
    """Place -> the attempt that waits there.

    `may_send` says if submissions may be sent at all, as far as the last look knows.
    """

    def __init__(
        self, sync: SheetSync, clock: Clock, may_send: Callable[[], bool], *, patient: bool
    ) -> None:
        self._sync, self._clock, self._may_send = sync, clock, may_send
        self._is_patient, self._tries = patient, TRIES if patient else HASTY_TRIES
        self._waiting: dict[Place, Waiting] = {}

    @property
    def has_more(self) -> bool:
        """True if this pass sends an attempt again, now or later."""
        return self._may_send() and any(one.tries < self._tries for one in self._waiting.values())

    def take(self, place: Place, attempt: Attempt) -> None:
        """Send this attempt again soon, if the API still makes the same task of it."""
        now = self._clock.now()
        if self._may_be_resent(place, attempt, now) and not self._rests(attempt, now):
            wait = timedelta(seconds=FIRST)
            self._waiting.setdefault(place, Waiting(attempt, now + wait))

    def keep_only(self, rows: Container[str]) -> None:
        """Forget the attempts of all other rows."""
        for place in [place for place in self._waiting if place[0].row_id not in rows]:
            del self._waiting[place]

    def forget(self, place: Place) -> None:
        """The attempt is not lost any more."""
        self._waiting.pop(place, None)

    def due(self) -> list[Place]:
        """The attempts to send again now."""
        if not self._waiting or not self._may_send():
            return []
        now = self._clock.now()
        for place, one in [*self._waiting.items()]:
            if not self._may_be_resent(place, one.attempt, now):
                del self._waiting[place]
        return [
            place
            for place, one in self._waiting.items()
            if one.next_at <= now and one.tries < self._tries
        ][:AT_ONCE]

    def begin(self, places: Iterable[Place], most: int) -> dict[Place, Attempt]:
        """The first of these that still wait: each is sent now, and the next time later."""
        still = [place for place in places if place in self._waiting][:most]
        begun = {place: self._waiting[place] for place in still}
        for one in begun.values():
            one.tries += 1
            wait = min(FIRST * 2**one.tries, LONGEST)
            one.next_at = self._clock.now() + timedelta(seconds=wait)
        return {place: one.attempt for place, one in begun.items()}

    def give_up(self, place: Place) -> None:
        """This pass does not send the attempt again: another answer cannot be expected."""
        if one := self._waiting.get(place):
            one.tries = self._tries

    def _may_be_resent(self, place: Place, attempt: Attempt, now: datetime) -> bool:
        """True if it may be sent again, and no later attempt takes its place.

        If a person asked for another attempt, sending both would pay twice. One that was refused
        or failed takes no place: the row then says that the lost one is sent again.
        """
        key, number = place
        job = self._sync.state.jobs.all.get(key)
        if job is None or state_of(job) is not State.UNKNOWN:
            return False
        one = shown(job)
        its_turn = one is not None and one.number == number
        return its_turn and self._sync.rules.may_be_resent(attempt, now)

    def _rests(self, attempt: Attempt, now: datetime) -> bool:
        """True if an earlier pass sent it again without success, not long ago for its age."""
        last = attempt.early_poll
        if last is None or self._is_patient:
            return False
        rest = (last - attempt.sent_at) * SHARE_OF_AGE
        return rest >= LEAST_REST and now < last + min(rest, MOST_REST)
