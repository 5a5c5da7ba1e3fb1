"""Passes on to the log of events what a transaction did to jobs, once it is committed.

What is noted waits with the connection. It is described inside the transaction, which sees what it
wrote, and logged after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select

from pipeline import event_log
from pipeline.store.schema import attempts, jobs, sheets

_NOTED: Final = "events for the log"
_CHUNK: Final = 500
_ABOUT = (
    select(
        jobs.c.id,
        jobs.c.row_id,
        jobs.c.take,
        jobs.c.part,
        sheets.c.title,
        sheets.c.key,
        attempts.c.number,
        attempts.c.task_id,
        attempts.c.endpoint,
        attempts.c.charged,
        attempts.c.sent_at,
    )
    .select_from(jobs.join(sheets).join(attempts, attempts.c.job == jobs.c.id, isouter=True))
    .where(jobs.c.id.in_(bindparam("its_ids", expanding=True)))
)


class Noted(NamedTuple):
    """An event of an attempt: the number of the job inside the store, and of the attempt."""

    job: int
    number: int
    at: datetime
    kind: str
    by: str = ""


class Logged(NamedTuple):
    """An event for the log, with its fields."""

    event: str
    at: datetime
    fields: dict[str, Any]


def note(connection: Connection, events: Iterable[Noted]) -> None:
    """Log these events once the transaction is committed, if events are logged at all."""
    if event_log.is_on():
        connection.info.setdefault(_NOTED, []).extend(events)


def forget_noted(connection: Connection) -> None:
    """Forget what an earlier transaction of this connection noted and did not commit."""
    connection.info.pop(_NOTED, None)


def described(connection: Connection) -> list[Logged]:
    """What was noted in this transaction, in its order, with all fields."""
    noted: list[Noted] = connection.info.pop(_NOTED, [])
    about: dict[tuple[int, int | None], Any] = {}
    ids = sorted({one.job for one in noted})
    for start in range(0, len(ids), _CHUNK):
        for row in connection.execute(_ABOUT, {"its_ids": ids[start : start + _CHUNK]}):
            about[row.id, row.number] = row
            about.setdefault((row.id, None), row)
    return [_described(one, about) for one in noted if (one.job, None) in about]


def _described(one: Noted, about: Mapping[tuple[int, int | None], Any]) -> Logged:
    """A requested attempt is not there yet: it has no task, no price and no time."""
    has_attempt = (one.job, one.number) in about
    row = about[one.job, one.number if has_attempt else None]
    fields = {
        "sheet": row.title or row.key,
        "row_id": f"{row.row_id}-{row.part}" if row.part else row.row_id,
        "take": row.take,
        "attempt": one.number,
        "task_id": row.task_id if has_attempt else "",
        "endpoint": (row.endpoint or "") if has_attempt else "",
        "credits": row.charged if has_attempt else 0,
        "seconds": round((one.at - row.sent_at).total_seconds(), 3) if has_attempt else 0,
        "by": one.by,
    }
    return Logged(one.kind, one.at, fields)


def log(events: Iterable[Logged]) -> None:
    """Log the events of a transaction that is committed."""
    for one in events:
        event_log.of_job(*one)
