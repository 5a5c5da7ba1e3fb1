"""Limits how often a page token may be tried: one count for sign-in, links and metrics.

A try is counted when the head of the request has arrived, before its body is read, so that slow
bodies cannot bypass the count. Wrong tries never lock out the right token. After a few wrong tries
the answer contains a warning. More than EACH_SECOND tries in a second are refused unread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

#: Wrong tries per caller and minute before the answer contains a warning.
TRIES: Final = 5
MINUTE: Final = 60.0
#: Tries per caller and second that are checked. A token has at least 16 characters, so ten tries a
#: second cannot find it, and a person on the same network can still sign in at the next try.
EACH_SECOND: Final = 10
#: Most callers whose tries are remembered; the least recent one is forgotten first.
MOST_CALLERS: Final = 1000


class Tries:
    """The recent tries of all callers. `now` returns the time in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        #: Caller -> times of its wrong tries, the latest last.
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def begin(self, caller: str) -> bool:
        """Count a try. Returns whether to check the token."""
        now = self._now()
        made = [at for at in self._wrong.get(caller, ()) if 0 <= now - at < MINUTE]
        if sum(now - at < 1 for at in made) >= EACH_SECOND:
            return False
        # Older tries have no effect on any answer.
        self._wrong[caller] = [*made, now][-max(TRIES + 1, EACH_SECOND) :]
        self._wrong.move_to_end(caller)
        while len(self._wrong) > MOST_CALLERS:
            self._wrong.popitem(last=False)
        return True

    def try_succeeded(self, caller: str) -> None:
        """Remove the caller's last try from the count, because its token was right."""
        if made := self._wrong.get(caller):
            made.pop()

    def has_many_failures(self, caller: str) -> bool:
        """Returns whether the caller made more than TRIES wrong tries in the last minute."""
        now = self._now()
        return sum(now - at < MINUTE for at in self._wrong.get(caller, ())) > TRIES
