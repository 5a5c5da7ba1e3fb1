"""Writes messages into the outbox, in the transaction of what they tell.

So neither a crash nor a lost webhook loses or doubles one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from pipeline.core.model import State
from pipeline.core.outbox import TOLD, LineState, MessageKind
from pipeline.store.schema import outbox, outlets
from pipeline.store.transactions import Prepared, upsert

_LISTENING = Prepared(
    select(outlets.c.id, outlets.c.kinds).where(outlets.c.sheet == bindparam("its_sheet")),
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


def fill(connection: Connection, ended: Iterable[Ended]) -> None:
    """Write the messages about these attempts. The sheets must be locked."""
    found: dict[int, list[tuple[int, frozenset[str]]]] = {}
    lines = []
    for one in ended:
        kind = TOLD.get(one.state)
        if kind is None:
            continue
        if one.sheet not in found:
            rows = _LISTENING.rows(connection, one.sheet)
            found[one.sheet] = [(outlet, _kinds(kinds)) for outlet, kinds in rows]
        for outlet, kinds in found[one.sheet]:
            if kind in kinds:
                lines.append(
                    {
                        "outlet": outlet,
                        "subject": f"{kind} {one.job}.{one.number}",
                        "kind": kind,
                        "row_id": one.row_id,
                        "job": one.job,
                        "number": one.number,
                        "made_at": one.at,
                        "state": LineState.WAITING,
                    }
                )
    _add(connection, lines)


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
    _add(
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
            for outlet, kinds in _LISTENING.rows(connection, sheet)
            if kind in _kinds(kinds)
        ],
    )


def _add(connection: Connection, lines: Sequence[Mapping[str, object]]) -> None:
    if lines:
        connection.execute(upsert(connection, outbox).on_conflict_do_nothing(), lines)


@lru_cache(maxsize=64)
def _kinds(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))
