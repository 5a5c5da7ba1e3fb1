"""Reads the open messages of an outlet: which may be delivered now, in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    and_,
    exists,
    literal_column,
    or_,
    select,
)

from pipeline.core.model import JobKey
from pipeline.core.outlets.outbox import LineState, MessageKind
from pipeline.store.schema import attempts, jobs, outbox, sheets

#: States of a message that is not delivered yet.
OPEN: Final = (LineState.WAITING, LineState.SENDING)
#: In these words SQLite finds the index `outbox_open`, and reads no delivered message.
NOT_SENT: Final = outbox.c.state != literal_column(f"'{LineState.SENT}'")

#: The subject of what is left of a deleted message, so that its number is not given again.
FORGOTTEN: Final = "forgotten"


@dataclass(frozen=True, slots=True)
class Line:
    """A message that was claimed for delivery."""

    id: int
    kind: MessageKind
    made_at: datetime
    #: How often it was tried, with the try that now begins.
    tries: int
    #: True if an earlier try may have arrived.
    is_unsure: bool
    #: The job and the number of the attempt; None for messages about the sheet.
    key: JobKey | None
    number: int | None
    #: The row's labels, as they were when the attempt began; else as when the message was added.
    labels: Mapping[str, str]
    #: What the outlet remembers of the row.
    remote: str
    body: Mapping[str, Any]


def is_open(outlet: int) -> ColumnElement[bool]:
    """The messages of an outlet that wait, or are being delivered."""
    return and_(outbox.c.outlet == outlet, NOT_SENT, outbox.c.state.in_(OPEN))


def may_go(outlet: int, now: datetime) -> ColumnElement[bool]:
    """The messages that may be delivered now: their time has come, and that of earlier ones."""
    earlier = outbox.alias()
    is_blocked = exists().where(
        outbox.c.row_id != "",
        earlier.c.outlet == outlet,
        earlier.c.row_id == outbox.c.row_id,
        earlier.c.id < outbox.c.id,
        earlier.c.state.in_(OPEN),
        earlier.c.not_before > now,
    )
    is_due = or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now)
    return and_(is_open(outlet), is_due, ~is_blocked)


def is_overtaken(outlet: int) -> ColumnElement[bool]:
    """The messages about rows of which the outlet has got a newer one, not of an earlier take."""
    newer = outbox.alias()
    its_take, newer_take = _take_of(outbox), _take_of(newer)
    return _is_delivered(
        outlet,
        newer,
        newer.c.id > outbox.c.id,
        # No notice replaces a result.
        or_(outbox.c.job.is_(None), and_(newer.c.job.is_not(None), newer_take >= its_take)),
    )


def is_of_earlier_take(outlet: int) -> ColumnElement[bool]:
    """The messages about takes of rows of which the outlet has got a later take."""
    newer = outbox.alias()
    return _is_delivered(outlet, newer, _take_of(newer) > _take_of(outbox))


def _is_delivered(
    outlet: int, newer: FromClause, *where: ColumnElement[bool]
) -> ColumnElement[bool]:
    """The messages about rows of which the outlet has got another one, for which this is so."""
    return exists().where(
        outbox.c.row_id != "",
        newer.c.outlet == outlet,
        newer.c.row_id == outbox.c.row_id,
        newer.c.state == LineState.SENT,
        newer.c.reason == "",  # One with a reason was not sent itself.
        *where,
    )


def _take_of(line: FromClause) -> ScalarSelect[int]:
    take = select(jobs.c.take).where(jobs.c.id == line.c.job)
    return take.correlate(line).scalar_subquery()


def due_lines(outlet: int, now: datetime, most: int) -> Any:
    """The lines that may be delivered now, the oldest first, with their rows."""
    return (
        select(
            outbox,
            sheets.c.key,
            jobs.c.row_id.label("job_row"),
            jobs.c.take,
            jobs.c.part,
            attempts.c.labels,
        )
        .select_from(
            outbox.outerjoin(jobs, jobs.c.id == outbox.c.job)
            .outerjoin(sheets, sheets.c.id == jobs.c.sheet)
            .outerjoin(
                attempts,
                and_(attempts.c.job == outbox.c.job, attempts.c.number == outbox.c.number),
            )
        )
        .where(may_go(outlet, now))
        .order_by(outbox.c.id)
        .limit(most)
    )


def remotes(connection: Connection, outlet: int, row_ids: set[str]) -> dict[str, str]:
    """What the outlet last noted of these rows."""
    asked = select(outbox.c.row_id, outbox.c.remote).where(
        outbox.c.outlet == outlet, outbox.c.row_id.in_(row_ids - {""}), outbox.c.remote != ""
    )
    return {row.row_id: row.remote for row in connection.execute(asked.order_by(outbox.c.id))}


def line_of(row: Any, remote: str) -> Line:
    """A message from its line in the store."""
    body = json.loads(row.body) if row.body else {}
    is_of_row = row.job is not None
    return Line(
        id=row.id,
        kind=MessageKind(row.kind),
        made_at=row.made_at,
        tries=row.tries + (row.state != LineState.SENDING),
        is_unsure=row.unsure or row.state == LineState.SENDING,
        key=JobKey(row.key, row.job_row, row.take, row.part) if is_of_row else None,
        number=row.number,
        labels=(body if is_of_row else {}) | (json.loads(row.labels) if row.labels else {}),
        remote=remote,
        body={} if is_of_row else body,
    )
