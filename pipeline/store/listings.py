"""All of a sheet at once, for tables. It reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import bindparam, select

from pipeline.store.attempt_events import event_text
from pipeline.store.schema import events, jobs
from pipeline.store.transactions import StorePart, number_of

#: So many lines are in memory at a time.
_AT_ONCE = 5_000
_EVENTS = (
    select(
        *(jobs.c.row_id, jobs.c.take, jobs.c.part),
        *(events.c.number, events.c.at, events.c.kind, events.c.body),
    )
    .select_from(events.join(jobs))
    .where(jobs.c.sheet == bindparam("sheet"))
    .order_by(events.c.id)
)


class ToldEvent(NamedTuple):
    """One thing that happened to a job, and to which attempt of it; see `HistoryLine`."""

    row_id: str
    take: int
    part: str
    number: int
    at: datetime
    kind: str
    text: str


class Listings(StorePart):
    """What the store has of all jobs of a sheet."""

    def events(self, sheet: str) -> Iterator[ToldEvent]:
        """The history of every job, in the order in which it was recorded."""
        # Many events say the same: what was sent, and how far it is.
        text_of = lru_cache(_AT_ONCE)(lambda kind, body: event_text(kind, json.loads(body)))
        with self._database.reading() as connection:
            about = {"sheet": number_of(connection, sheet)}
            found = connection.execute(_EVENTS, about, execution_options={"yield_per": _AT_ONCE})
            for row_id, take, part, number, at, kind, body in found:
                yield ToldEvent(row_id, take, part, number, at, kind, text_of(kind, body))
