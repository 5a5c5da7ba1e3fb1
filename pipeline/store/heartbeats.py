"""When the service that watches over a configuration was last called.

A line of the table `promptsheet`, so that processes that start one after another, as by cron, keep
to one call a minute together.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import BigInteger, cast, or_

from pipeline.store.column_types import to_number
from pipeline.store.schema import meta
from pipeline.store.transactions import StorePart, upsert


class Heartbeats(StorePart):
    """The times of the last calls, by the name of a configuration's line."""

    def take(self, name: str, least: timedelta) -> bool:
        """Note a call now, unless there was one within `least`. Returns whether it was noted.

        A time in the future is that of a clock that was wrong, and does not count.
        """
        now = to_number(self._database.now()) or 0
        before = cast(meta.c.value, BigInteger)
        is_due = or_(before <= now - int(least.total_seconds() * 1e6), before > now)
        with self._database.writing() as connection:
            line = upsert(connection, meta).values(name=name, value=str(now))
            line = line.on_conflict_do_update(
                index_elements=["name"], set_={"value": str(now)}, where=is_due
            )
            # PostgreSQL's driver does not say how many lines an INSERT has changed.
            return connection.execute(line.returning(meta.c.name)).first() is not None
