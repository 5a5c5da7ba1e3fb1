"""Finds the rows whose words and results may be removed: nothing more is to come of them.

It reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select, text

from pipeline.core.model import Attempt, Job, JobKey, State
from pipeline.core.rows.forgetting import is_over
from pipeline.store.outbox_lines import OPEN
from pipeline.store.schema import attempts, files, jobs, known_rows, orders, outbox, wanted_rows
from pipeline.store.serialization import from_forgotten
from pipeline.store.transactions import chunks, number_of


@dataclass(frozen=True, slots=True)
class OldRows:
    """The rows of a sheet whose words and results can be removed."""

    row_ids: tuple[str, ...] = ()
    #: How many of them were sent, and were not forgotten before; their results and saved files.
    rows: int = 0
    results: int = 0
    files: int = 0
    #: Old rows that stay because something is still to be done with their results.
    waiting: int = 0


def old_rows(connection: Connection, sheet: str, before: datetime) -> OldRows:
    """The rows of which each take is finished, and was before this moment.

    A row that is not in the sheet, and was never sent, counts by when it was first seen.
    """
    number = number_of(connection, sheet)
    ids = select(orders.c.ids).where(orders.c.sheet == number)
    in_sheet = frozenset(connection.execute(ids).scalar() or ())
    busy = _busy(connection, number)
    words = _with_words(connection, number)
    sent, row_ids, rows, results, waiting = set[str](), list[str](), 0, 0, 0
    for row_id, its in _rows_of(connection, number, sheet):
        sent.add(row_id)
        if not _is_old(its, before) or not is_over(its, is_in_sheet=row_id in in_sheet):
            continue
        new = [a for job in its for a in job.attempts if a.forgotten is None]
        if not new and row_id not in words:
            continue
        if row_id in busy:
            waiting += 1
            continue
        row_ids.append(row_id)
        rows += bool(new)
        results += sum(a.state is State.SUCCEEDED for a in new)
    row_ids += _unsent(connection, number, words - sent - in_sheet, before)
    saved = sum(map(len, saved_files(connection, number, row_ids).values()))
    return OldRows(tuple(row_ids), rows, results, saved, waiting)


def _rows_of(connection: Connection, number: int, sheet: str) -> Iterator[tuple[str, list[Job]]]:
    """Each row that was ever to be sent, with its jobs; of attempts, only what tells their age."""
    its = attempts.c
    asked = (
        select(jobs.c.id, jobs.c.row_id, jobs.c.take, jobs.c.part, jobs.c.asked, jobs.c.made_at)
        .add_columns(its.number, its.state, its.sent_at, its.ended_at, its.remade, its.forgotten)
        .select_from(jobs.outerjoin(attempts))
        .where(jobs.c.sheet == number)
        .order_by(jobs.c.row_id, jobs.c.take, jobs.c.part, its.number)
    )
    found = connection.execute(asked, execution_options={"yield_per": 5_000})
    for row_id, lines in groupby(found, key=lambda line: line.row_id):
        by_job = (list(its) for _, its in groupby(lines, key=lambda line: line.id))
        yield row_id, [_job(sheet, its) for its in by_job]


def _unsent(
    connection: Connection, number: int, row_ids: Collection[str], before: datetime
) -> Iterator[str]:
    """Those of these rows that were first seen before this moment."""
    since = known_rows.c.since
    here = known_rows.c.sheet == number, (since < before) | since.is_(None)
    for chunk in chunks(sorted(row_ids)):
        asked = select(known_rows.c.row_id).where(*here, known_rows.c.row_id.in_(chunk))
        yield from connection.execute(asked).scalars()


def _job(sheet: str, lines: Sequence[Row[Any]]) -> Job:
    first = lines[0]
    tried = tuple(
        Attempt(
            number=one.number,
            state=State(one.state),
            inputs="{}",
            columns=(),
            endpoint="",
            price=0,
            sent_at=one.sent_at,
            deadline=one.sent_at,
            ended_at=one.ended_at,
            remade=one.remade,
            forgotten=from_forgotten(one.forgotten),
        )
        for one in lines
        if one.number is not None
    )
    key = JobKey(sheet, first.row_id, first.take, first.part)
    return Job(key, first.asked, tried, first.made_at)


def _is_old(its: Iterable[Job], before: datetime) -> bool:
    moments = [job.made_at for job in its if job.made_at]
    moments += [a.ended_at or a.sent_at for job in its for a in job.attempts]
    return all(at < before for at in moments)


def _busy(connection: Connection, number: int) -> set[str]:
    """Rows whose messages or pictures are still under way, or that a wanted row follows."""
    here = jobs.c.sheet == number
    told = select(jobs.c.row_id).select_from(outbox.join(jobs, jobs.c.id == outbox.c.job))
    saving = select(jobs.c.row_id).select_from(files.join(jobs))
    wanted = select(wanted_rows.c.parent).where(wanted_rows.c.sheet == number)
    asked = (
        told.where(here, outbox.c.state.in_(OPEN)),
        saving.where(here, files.c.next_at.is_not(None)),
        wanted.where(text("added_at IS NULL")),
    )
    return {row_id for one in asked for row_id in connection.execute(one).scalars()}


def _with_words(connection: Connection, number: int) -> set[str]:
    """The known rows whose texts are in the store."""
    here = select(known_rows.c.row_id).where(known_rows.c.sheet == number)
    words = ~known_rows.c.inputs.like("%forgotten#%"), known_rows.c.inputs != "{}"
    return set(connection.execute(here.where(*words)).scalars())


def saved_files(
    connection: Connection, number: int, row_ids: Collection[str]
) -> Mapping[int, list[str]]:
    """The jobs of these rows -> the paths of their saved files."""
    found: dict[int, list[str]] = {}
    asked = select(files.c.job, files.c.path).select_from(files.join(jobs))
    for chunk in chunks(sorted(row_ids)):
        its = jobs.c.sheet == number, jobs.c.row_id.in_(chunk), files.c.path != ""
        for job, path in connection.execute(asked.where(*its)):
            found.setdefault(job, []).append(path)
    return found
