"""Writes messages into the outbox, in the transaction of what they tell.

So neither a crash nor a lost webhook loses or doubles one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from pipeline.core.model import State
from pipeline.core.outlets.outbox import TOLD, LineState, MessageKind
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, files, outbox, outlets
from pipeline.store.serialization import result_from
from pipeline.store.transactions import upsert

_LISTENING = Prepared(
    select(outlets.c.id, outlets.c.kinds, outlets.c.file_wait).where(
        outlets.c.sheet == bindparam("its_sheet")
    ),
    "its_sheet",
)


class Ended(NamedTuple):
    """An attempt that has just got another state."""

    sheet: int
    job: int
    row_id: str
    number: int
    state: State
    at: datetime
    #: True if there are files to save of it.
    has_files: bool = False


def fill(connection: Connection, ended: Iterable[Ended]) -> None:
    """Write the messages about these attempts. The sheets must be locked."""
    found: dict[int, list[tuple[int, frozenset[str], int]]] = {}
    lines = []
    for one in ended:
        kind = TOLD.get(one.state)
        if kind is None:
            continue
        if one.sheet not in found:
            rows = _LISTENING.rows(connection, one.sheet)
            found[one.sheet] = [(outlet, _kinds(kinds), wait) for outlet, kinds, wait in rows]
        for outlet, kinds, wait in found[one.sheet]:
            if kind in kinds:
                waits = wait if one.has_files else 0
                lines.append(
                    {
                        "outlet": outlet,
                        "subject": subject_of(kind, one.job, one.number),
                        "kind": kind,
                        "row_id": one.row_id,
                        "job": one.job,
                        "number": one.number,
                        "made_at": one.at,
                        "state": LineState.WAITING,
                        "not_before": one.at + timedelta(seconds=waits) if waits else None,
                    }
                )
    add(connection, lines)


def subject_of(kind: MessageKind, job: int, number: int) -> str:
    """What a message about an attempt is about: the same for the same message."""
    return f"{kind} {job}.{number}"


def release(connection: Connection, sheet: int, job: int, row_id: str, number: int) -> None:
    """Let the message about an attempt be delivered if all of its files are saved, or lost.

    It was to wait for them (see `fill`).
    """
    waiting = [outlet for outlet, _, wait in _LISTENING.rows(connection, sheet) if wait]
    if not waiting:
        return
    its = attempts.c.job == job, attempts.c.number == number
    result = connection.execute(select(attempts.c.result).where(*its)).scalar_one_or_none()
    noted = select(files.c.url).where(
        files.c.job == job,
        files.c.number == number,
        or_(files.c.path != "", and_(files.c.next_at.is_(None), files.c.tries > 0)),
    )
    ended = {*connection.execute(noted).scalars()}
    if result is None or not ended >= {*result_from(result).urls}:
        return
    connection.execute(
        update(outbox)
        .where(
            outbox.c.outlet.in_(waiting),
            outbox.c.row_id == row_id,
            outbox.c.job == job,
            outbox.c.number == number,
            outbox.c.kind == MessageKind.DONE,
            outbox.c.state == LineState.WAITING,
            outbox.c.tries == 0,
        )
        .values(not_before=None)
    )


def announce(
    connection: Connection,
    sheet: int,
    kind: MessageKind,
    subject: str,
    body: Mapping[str, Any],
    at: datetime,
    row_id: str = "",
) -> None:
    """Write a message about the sheet. Another one with the same subject is not written."""
    add(
        connection,
        [
            {
                "outlet": outlet,
                "subject": f"{kind} {subject}",
                "kind": kind,
                "row_id": row_id,
                "body": json.dumps(body),
                "made_at": at,
                "state": LineState.WAITING,
            }
            for outlet, kinds, _ in _LISTENING.rows(connection, sheet)
            if kind in _kinds(kinds)
        ],
    )


def add(connection: Connection, lines: Sequence[Mapping[str, object]]) -> None:
    """Add these messages, but none a second time."""
    if lines:
        connection.execute(upsert(connection, outbox).on_conflict_do_nothing(), lines)


@lru_cache(maxsize=64)
def _kinds(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))
