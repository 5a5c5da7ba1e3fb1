"""Messages about rows that ended before an outlet was there, added when a person asks for them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, and_, select, update

from pipeline.core.model import JobKey
from pipeline.core.outlets.filling import PastMessage, Told
from pipeline.core.outlets.outbox import LineState
from pipeline.store.column_types import from_number, to_number
from pipeline.store.outbox_messages import add, subject_of
from pipeline.store.outlets import KEPT, told_since
from pipeline.store.schema import attempts, jobs, outbox, outlets
from pipeline.store.transactions import StorePart


class Filled(NamedTuple):
    """A message to add, with its row's labels of now: the attempt may have been sent without."""

    message: PastMessage
    labels: Mapping[str, str]


class OutboxFilling(StorePart):
    """Adds messages about what ended earlier. The outlet must have kinds of messages."""

    def told(self, outlet: int) -> Told:
        """What an outlet was told of, or will be."""
        with self._database.reading() as connection:
            return _told(connection, outlet, self._database.now() - KEPT)

    def add(
        self, outlet: int, filled: Sequence[Filled], since: datetime | None, file_wait: int
    ) -> int:
        """Add these messages in their order, and return their number.

        Those are left out that would come after a newer one by now. From then on the outlet counts
        as told of all that ended since then. `file_wait` is in seconds, for files that are still to
        be saved.
        """
        now = self._database.now()
        with self._database.writing() as connection:
            told = _told(connection, outlet, now - KEPT)
            wanted = [one for one in filled if not told.has_line(one.message)]
            known = _attempts(connection, outlet, (one.message.key for one in wanted))
            lines = []
            for message, labels in wanted:
                job, kept = known[message.key, message.number]
                own = json.loads(kept) if kept else {}
                more = {title: text for title, text in labels.items() if title not in own}
                waits = now + timedelta(seconds=file_wait) if message.is_saving else None
                lines.append(
                    {
                        "outlet": outlet,
                        "subject": subject_of(message.kind, job, message.number),
                        "kind": message.kind,
                        "row_id": message.key.generation,
                        "job": job,
                        "number": message.number,
                        "body": json.dumps(more, ensure_ascii=False) if more else "",
                        "made_at": now,
                        "state": LineState.WAITING,
                        "not_before": waits if file_wait else None,
                    }
                )
            add(connection, lines)
            first = to_number(since) or 0
            begun = {kind: min(to_number(at) or 0, first) for kind, at in told.since.items()}
            its = update(outlets).where(outlets.c.id == outlet)
            connection.execute(its.values(told_since=json.dumps(begun)))
        return len(lines)


def _told(connection: Connection, outlet: int, kept_since: datetime) -> Told:
    its = connection.execute(select(outlets).where(outlets.c.id == outlet)).one()
    lines = defaultdict[str, list[tuple[int, int, str]]](list)
    asked = select(outbox.c.row_id, jobs.c.take, outbox.c.number, outbox.c.kind).join_from(
        outbox, jobs, jobs.c.id == outbox.c.job
    )
    for row_id, *line in connection.execute(asked.where(outbox.c.outlet == outlet)):
        lines[row_id].append((line[0], line[1], line[2]))
    since = told_since(its.told_since, its.kinds, its.since)
    return Told(lines, {kind: from_number(at) for kind, at in since.items()}, kept_since)


def _attempts(
    connection: Connection, outlet: int, keys: Iterable[JobKey]
) -> dict[tuple[JobKey, int], tuple[int, str]]:
    """Job and attempt -> the number of the job inside the store, and the attempt's labels."""
    wanted = {(key.row_id, key.take, key.part): key for key in keys}
    its = attempts.c.job == jobs.c.id, jobs.c.sheet == outlets.c.sheet, outlets.c.id == outlet
    key = jobs.c.row_id, jobs.c.take, jobs.c.part
    asked = select(*key, attempts.c.number, jobs.c.id, attempts.c.labels).where(and_(*its))
    return {
        (wanted[row_id, take, part], number): (job, labels)
        for row_id, take, part, number, job, labels in connection.execute(asked)
        if (row_id, take, part) in wanted
    }
