"""How often a page token may be tried: one count for sign-in, links and metrics.

A try is counted when its head has arrived, before its body is read, so that late bodies cannot
bypass the count. Wrong tries never lock out the right token: after a few, the answer says so, and
only a flood is refused without being read, for the rest of a second.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

#: Wrong tries of one caller in a minute that are answered without a warning.
TRIES: Final = 5
MINUTE: Final = 60.0
#: Tries of one caller that are checked in one second. A token has at least 16 characters, so ten a
#: second find none in a lifetime, and a person on the same network gets in with another press.
EACH_SECOND: Final = 10
#: Callers whose tries are remembered; the one that was silent longest is forgotten first.
MOST_CALLERS: Final = 1000


class Tries:
    """The tries of all callers. `now` gives seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        #: Caller -> moments of its tries that were not right, the latest last.
        self._made: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made)

    def begin(self, caller: str) -> bool:
        """Count a try, and return whether to check it."""
        now = self._now()
        made = [at for at in self._made.get(caller, ()) if 0 <= now - at < MINUTE]
        if sum(now - at < 1 for at in made) >= EACH_SECOND:
            return False
        # More than these decide nothing.
        self._made[caller] = [*made, now][-max(TRIES + 1, EACH_SECOND) :]
        self._made.move_to_end(caller)
        while len(self._made) > MOST_CALLERS:
            self._made.popitem(last=False)
        return True

    def was_right(self, caller: str) -> None:
        """Do not count the caller's last try: it was the right token."""
        if made := self._made.get(caller):
            made.pop()

    def are_many(self, caller: str) -> bool:
        """Whether the caller made more wrong tries in the last minute than a person does."""
        now = self._now()
        return sum(now - at < MINUTE for at in self._made.get(caller, ())) > TRIES
