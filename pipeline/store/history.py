"""The history of each job: lines are added and never changed.

Only this module adds lines to the table `events`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from pipeline import event_log
from pipeline.core.model import Attempt
from pipeline.store.column_types import from_number, to_number
from pipeline.store.event_lines import Noted, note
from pipeline.store.prepared import Prepared
from pipeline.store.schema import events

#: Job (its number inside the store), attempt, moment, kind and body of one line of history.
HistoryValues = tuple[int, int, int | None, str, str]
_TOLD = Prepared(insert(events).inline(), "job", "number", "at", "kind", "body")


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to a job.

    `kind` is as in `states`, or `sent`, `asked`, `adopted` or `picked`.
    """

    at: datetime
    number: int
    kind: str
    text: str


def history_line(
    job: int, attempt: Attempt, at: datetime, kind: str, because: str = "", by: str = ""
) -> HistoryValues:
    """The line that begins an attempt's history: why it was made, and who or what did it."""
    begun: dict[str, object] = {
        "endpoint": attempt.endpoint,
        "price": attempt.price,
        "task_id": attempt.task_id,
    }
    begun |= {name: text for name, text in (("because", because), ("by", by)) if text}
    return job, attempt.number, to_number(at), kind, json.dumps(begun)


def asked_line(job: int, number: int, at: datetime, by: str) -> HistoryValues:
    """The line that says by whom or what one more attempt was requested."""
    return job, number, to_number(at), "asked", json.dumps({"by": by})


def picked_line(
    job: int, attempt: int, at: datetime, by: str, numbers: Sequence[int]
) -> HistoryValues:
    """The line that says who picked which pictures of a take, or none of them."""
    return job, attempt, to_number(at), "picked", json.dumps({"pictures": numbers, "by": by})


def write_history(connection: Connection, lines: Sequence[HistoryValues]) -> None:
    """Add lines to the history. They are logged once they are committed."""
    _TOLD.each(connection, lines)
    if event_log.is_on():
        note(connection, map(_noted, lines))


def _noted(line: HistoryValues) -> Noted:
    job, number, at, kind, body = line
    return Noted(job, number, from_number(at or 0), kind, json.loads(body).get("by", ""))
