"""How many requests may be sent: counted by API key, for all processes of this store together.

Requests are counted by the second in which they were let go; they may arrive up to two seconds
later. Sixty seconds of arrivals touch at most sixty-three of these, so a sum over sixty-three that
stays within the limit keeps every window of sixty within it.

Only this module changes the table `paces`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from pipeline.store.column_types import escaped, from_number, to_number
from pipeline.store.prepared import Prepared
from pipeline.store.schema import paces
from pipeline.store.transactions import StorePart, upsert

_WINDOW: Final = 62


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """The requests of the last minute under one API key, as of `at`."""

    at: datetime
    #: Second -> requests that left in it.
    counts: Mapping[int, int]
    #: The API asked that nothing leaves until then.
    not_before: datetime | None = None

    @property
    def second(self) -> int:
        """The second that it is now."""
        return math.floor(self.at.timestamp())

    def settled(self) -> RequestCounts:
        """Without requests that are older than a minute.

        Requests in the future (the clock was set back) count as sent now: they must not be
        forgotten, and must not block others for as long as the clock was set back.
        """
        kept: Counter[int] = Counter()
        for second, count in self.counts.items():
            if second >= self.second - _WINDOW:
                kept[min(second, self.second)] += count
        return replace(self, counts=dict(kept))

    @property
    def is_slowed(self) -> bool:
        """True if the API asked to wait, and the time is not over."""
        return self.not_before is not None and self.at < self.not_before

    def room(self, wanted: int, per_minute: int | None) -> int:
        """How many of the wanted requests may leave now."""
        if self.is_slowed:
            return 0
        if per_minute is None:
            return wanted
        return max(0, min(wanted, per_minute - sum(self.counts.values())))

    def after(self, left: int) -> RequestCounts:
        """When this many more have left."""
        if not left:
            return self
        return replace(
            self, counts={**self.counts, self.second: self.counts.get(self.second, 0) + left}
        )

    def ready_in(self, per_minute: int | None) -> float:
        """Seconds until one more may leave; infinite where none ever may."""
        waits = [0.0]
        if self.not_before is not None:
            waits.append((self.not_before - self.at).total_seconds())
        if per_minute is not None:
            waits.append(self._freed(per_minute) - self.at.timestamp())
        return max(waits)

    def _freed(self, per_minute: int) -> float:
        """The second from which one more is within the limit."""
        if per_minute < 1:
            return math.inf
        left = sum(self.counts.values())
        freed = -math.inf
        for second in sorted(self.counts):
            if left < per_minute:
                break
            left -= self.counts[second]
            freed = second + _WINDOW + 1
        return freed


_ASKED = Prepared(
    select(paces.c.counts, paces.c.not_before).where(paces.c.api_key == bindparam("its_key")),
    "its_key",
)
_KEPT = Prepared(
    update(paces)
    .where(paces.c.api_key == bindparam("its_key"))
    .values(counts=bindparam("its_counts"), not_before=bindparam("until")),
    "its_key",
    "its_counts",
    "until",
)


class RateLimit(StorePart):
    """True if requests may be sent."""

    def permits(self, api_key: str, wanted: int, per_minute: int | None) -> int:
        """How many of the wanted requests may be sent now. They are counted as sent."""
        with self._database.writing() as connection:
            pace = pace_of(connection, api_key, self._database.now())
            left = pace.room(wanted, per_minute)
            keep_pace(connection, api_key, pace.after(left))
        return left

    def ready_in(self, api_key: str, per_minute: int | None) -> float:
        """Seconds until one more request may leave (0 if now); infinite where none ever may."""
        with self._database.reading() as connection:
            found = _ASKED.first(connection, escaped(api_key))
        return _read(found or ("{}", None), self._database.now()).ready_in(per_minute)

    def slow_down(self, api_key: str, until: datetime) -> None:
        """Send nothing under this API key until then, or until an earlier, longer wait is over."""
        with self._database.writing() as connection:
            pace = pace_of(connection, api_key, self._database.now())
            latest = max(until, pace.not_before or until)
            keep_pace(connection, api_key, replace(pace, not_before=latest))


def pace_of(connection: Connection, api_key: str, at: datetime) -> RequestCounts:
    """The pace of an API key, which has a line then, in a transaction that writes."""
    found = _ASKED.first(connection, escaped(api_key))
    if found is None:
        new = upsert(connection, paces).values(api_key=api_key, counts="{}")
        connection.execute(new.on_conflict_do_nothing())
        return pace_of(connection, api_key, at)
    return _read(found, at)


def keep_pace(connection: Connection, api_key: str, pace: RequestCounts) -> None:
    """Write the pace back."""
    kept = escaped(api_key), json.dumps(pace.counts), to_number(pace.not_before)
    _KEPT.each(connection, [kept])


def _read(found: Sequence[Any], at: datetime) -> RequestCounts:
    counts, not_before = found
    seconds = {int(second): count for second, count in json.loads(counts).items()}
    return RequestCounts(at, seconds, from_number(not_before)).settled()
