"""Removes old words and results from the store, and keeps what prevents a second payment.

What stays of a row is its id, its takes, what it cost, the ids of its tasks, and traces of its
texts (`core.traces`): they tell whether a text in the sheet is the one that was sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    select,
    update,
)

from pipeline.core.cells.forgotten_results import forgotten_now
from pipeline.core.model import Job, State
from pipeline.core.outlets.outbox import LineState
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.pictures.picks import numbers_in
from pipeline.core.rows.forgetting import Stays, reason_left
from pipeline.core.traces import Tracer
from pipeline.store.attempt_events import body_left
from pipeline.store.column_types import to_number
from pipeline.store.connection import is_server
from pipeline.store.errors import store_errors
from pipeline.store.history import write_history
from pipeline.store.jobs import jobs_of, raise_jobs
from pipeline.store.old_rows import OldRows, old_rows, saved_files
from pipeline.store.schema import (
    attempts,
    events,
    files,
    known_rows,
    meta,
    outbox,
    outlets,
    past,
    row_events,
    wanted_rows,
)
from pipeline.store.serialization import to_forgotten
from pipeline.store.traces import made_tracer, tracer_of
from pipeline.store.transactions import (
    StorePart,
    chunks,
    digest,
    keep_value,
    made,
    number_of,
    raise_versions,
)
from pipeline.store.unchanged_rows import disturb

_GONE: Final = "forgotten"


class Terms(NamedTuple):
    """What the configuration says about what stays."""

    #: The texts of inputs that say nothing of their own.
    stays: Stays
    #: Which addresses cells show: traces of them stay.
    links: CellLinks


class Forgetting(StorePart):
    """Removes words and results of old rows."""

    def tracer(self) -> Tracer | None:
        """What makes the traces of this store; None if nothing was ever forgotten."""
        with self._database.reading() as connection:
            return tracer_of(connection)

    def old(self, sheet: str, before: datetime) -> OldRows:
        """The rows of a sheet that can be forgotten: see `old_rows`."""
        with self._database.reading() as connection:
            return old_rows(connection, sheet, before)

    def files_of(self, sheet: str, row_ids: Collection[str]) -> set[str]:
        """The paths of the saved files of these rows that no other row uses."""
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            theirs = saved_files(connection, number, row_ids)
            paths = {path for its in theirs.values() for path in its}
            shared = set[str]()
            for chunk in chunks(sorted(paths)):
                asked = select(files.c.path, files.c.job).where(files.c.path.in_(chunk))
                shared |= {path for path, job in connection.execute(asked) if job not in theirs}
            return paths - shared

    def forget(self, sheet: str, row_ids: Sequence[str], terms: Terms) -> None:
        """Remove the words and the results of these rows, in one transaction.

        They must be old (`old`). Prices, task ids and counters stay.
        """
        now = self._database.now()
        with self._database.writing() as connection:
            number = made(connection, sheet)
            tracer = made_tracer(connection)
            version = raise_versions(connection, [number])[number]
            disturb(connection, number)
            for chunk in chunks(row_ids):
                found = jobs_of(connection, number, chunk)
                _forget_sentences(connection, number, found.values())
                _forget_attempts(connection, found, terms, tracer, now)
                for ids in chunks([*found]):
                    _forget_events(connection, ids)
                    connection.execute(delete(files).where(files.c.job.in_(ids)))
                    _forget_messages(connection, outbox.c.job.in_(ids), now)
                raise_jobs(connection, dict.fromkeys(found, version))
                takes = dict[str, int]()
                for key in sorted(job.key for job in found.values()):
                    takes[key.row_id] = key.take
                _forget_rows(connection, number, chunk, takes, tracer, terms.stays)

    def forget_messages(self, sheet: str, before: datetime) -> int:
        """Remove what delivered messages about the whole sheet said. Returns their number."""
        with self._database.writing() as connection:
            its = outlets.c.sheet == number_of(connection, sheet)
            old = outbox.c.outlet.in_(select(outlets.c.id).where(its)), outbox.c.job.is_(None)
            sent = outbox.c.state == LineState.SENT, outbox.c.done_at < before
            emptied = update(outbox).where(*old, *sent, outbox.c.body != "").values(body="")
            return connection.execute(emptied).rowcount

    def compact(self) -> bool:
        """Overwrite the space of what was removed. Returns False if another process prevents it."""
        engine = self._database.engine
        with store_errors(self._database.place):
            if is_server(engine):
                with engine.connect() as server:
                    server.execution_options(isolation_level="AUTOCOMMIT")
                    for table in (attempts, events, files, known_rows, past, outbox):
                        server.exec_driver_sql(f"VACUUM {table.name}")
                return True
            driver = engine.raw_connection()
            try:
                cursor = driver.cursor()
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                found = cursor.fetchone()
                cursor.close()
            finally:
                driver.close()
        return not (found and found[0])


def _forget_sentences(connection: Connection, sheet: int, jobs: Iterable[Job]) -> None:
    """What is kept of a stop quotes why rows failed. The stop stays, without these words."""
    failed = (one for job in jobs for one in job.attempts if one.state is State.FAILED)
    reasons = {one.reason for one in failed if one.reason}
    of_sheet = meta.c.name.in_((f"why stopped of {sheet}", f"last pass of {sheet}"))
    asked = select(meta.c.name, meta.c.value).where(of_sheet | meta.c.name.startswith("reported "))
    for name, value in connection.execute(asked).all():
        left = value
        for reason in reasons:
            pairs = zip(_as_kept(reason), _as_kept(reason_left(reason)), strict=True)
            for words, instead in pairs:
                left = left.replace(words, instead)
        if left != value:
            keep_value(connection, name, left)


def _as_kept(reason: str) -> tuple[str, str]:
    """The reason in quotes: as a sentence has it, and as JSON text has it."""
    quoted = f'"{reason}"'
    return quoted, json.dumps(quoted)[1:-1]


def _forget_attempts(
    connection: Connection, made: Mapping[int, Job], terms: Terms, tracer: Tracer, now: datetime
) -> None:
    its = attempts.c
    here = and_(its.job == bindparam("its_job"), its.number == bindparam("its_number"))
    nothing = {"result": "", "labels": "", "body": "null", "poll_at": "", "resend_key": ""}
    names = ("inputs", "prompt", "reason", "forgotten")
    words: dict[str, Any] = {name: bindparam(f"its_{name}") for name in names}
    new = dict[int, int]()
    lines = []
    for number, job in made.items():
        for one in job.attempts:
            if (left := one.forgotten) is None:
                left = forgotten_now(job, one, tracer, terms.links, now)
                new[number] = one.number
            lines.append(
                {
                    "its_job": number,
                    "its_number": one.number,
                    "its_inputs": tracer.of_inputs(one.inputs, terms.stays(one.inputs)),
                    "its_prompt": tracer.trace(one.prompt),
                    "its_reason": reason_left(one.reason),
                    "its_forgotten": to_forgotten(left),
                }
            )
    if lines:
        connection.execute(update(attempts).where(here).values(**nothing, **words), lines)
    at = to_number(now)
    write_history(connection, [(job, number, at, _GONE, "{}") for job, number in new.items()])


def _forget_events(connection: Connection, ids: Sequence[int]) -> None:
    asked = select(events.c.id, events.c.kind, events.c.body).where(events.c.job.in_(ids))
    left = [
        {"its_id": number, "its_body": json.dumps(body_left(kind, json.loads(body)))}
        for number, kind, body in connection.execute(asked)
    ]
    if left:
        changed = update(events).where(events.c.id == bindparam("its_id"))
        connection.execute(changed.values(body=bindparam("its_body")), left)


def _forget_messages(connection: Connection, its: ColumnElement[bool], now: datetime) -> None:
    """Messages that were set aside are never sent any more: there is nothing left to tell."""
    state, reason = outbox.c.state, outbox.c.reason
    left = {
        "body": "",
        "done_at": case((state == LineState.SENT, outbox.c.done_at), else_=to_number(now)),
        "reason": case((and_(state == LineState.SENT, reason == ""), ""), else_=_GONE),
        "state": LineState.SENT,
    }
    connection.execute(update(outbox).where(its).values(left))


def _forget_rows(
    connection: Connection,
    number: int,
    row_ids: Sequence[str],
    takes: Mapping[str, int],
    tracer: Tracer,
    stays: Stays,
) -> None:
    """What is known of these rows; `takes` has the highest take of each that was sent."""
    its = known_rows.c
    names = ("inputs", "approved_for", "approved_on_page", "pick", "feedback", "old_feedback")
    asked = select(its.row_id, *(its[name] for name in names), its.feedback_on_page)
    here = its.sheet == number
    lines = []
    for one in connection.execute(asked.where(here, its.row_id.in_(row_ids))):
        # Feedback of the page for a take that is not made yet is nowhere else.
        take, _, words = one.feedback_on_page.partition(" ")
        is_used = take.isdecimal() and int(take) <= takes.get(one.row_id, 0)
        on_page = f"{take} {tracer.trace(words)}" if is_used else one.feedback_on_page
        lines.append(
            {
                "its_row": one.row_id,
                "its_inputs": tracer.of_inputs(one.inputs, stays(one.inputs)),
                "its_approved_for": _approval_left(one.approved_for, tracer, stays),
                "its_approved_on_page": _approval_left(one.approved_on_page, tracer, stays),
                "its_pick": one.pick if numbers_in(one.pick) else tracer.trace(one.pick),
                "its_feedback": tracer.trace(one.feedback),
                "its_old_feedback": one.old_feedback and tracer.trace(one.old_feedback),
                "its_feedback_on_page": on_page,
            }
        )
    if lines:
        values: dict[str, Any] = {
            name: bindparam(f"its_{name}") for name in (*names, "feedback_on_page")
        }
        changed = update(known_rows).where(here, its.row_id == bindparam("its_row"))
        connection.execute(changed.values(**values, dismissed=""), lines)
    _forget_past(connection, number, row_ids, tracer, stays)
    done = row_events.c.sheet == number, row_events.c.row_id.in_(row_ids)
    connection.execute(update(row_events).where(*done).values(person=""))
    added = wanted_rows.c.sheet == number, wanted_rows.c.row_id.in_(row_ids)
    nothing = {"cells": "{}", "person": "", "reason": ""}
    connection.execute(
        update(wanted_rows).where(*added, wanted_rows.c.added_at.is_not(None)).values(nothing)
    )


def _approval_left(covers: str, tracer: Tracer, stays: Stays) -> str:
    """What an approval covers (`core.rows.approval.asked_for`, then the cell), without texts."""
    take, _, wrote = covers.partition(" ")
    if not wrote:
        return covers
    _, end = json.JSONDecoder().raw_decode(wrote)
    inputs = wrote[:end]
    return f"{take} {tracer.of_inputs(inputs, stays(inputs))}{wrote[end:]}"


def _forget_past(
    connection: Connection, number: int, row_ids: Sequence[str], tracer: Tracer, stays: Stays
) -> None:
    here = past.c.sheet == number, past.c.row_id.in_(row_ids)
    asked = select(past.c.id, past.c.row_id, past.c.inputs).where(*here)
    lines, seen, twice = [], set[tuple[str, str]](), list[int]()
    for one in connection.execute(asked.order_by(past.c.id.desc())):
        left = tracer.of_inputs(one.inputs, stays(one.inputs))
        if (one.row_id, left) in seen:  # kept once with its words and once without them
            twice.append(one.id)
            continue
        seen.add((one.row_id, left))
        lines.append({"its_id": one.id, "its_inputs": left, "its_digest": digest(left)})
    connection.execute(delete(past).where(past.c.id.in_(twice)))
    if lines:
        changed = update(past).where(past.c.id == bindparam("its_id"))
        values: dict[str, Any] = {
            "inputs": bindparam("its_inputs"),
            "digest": bindparam("its_digest"),
        }
        connection.execute(changed.values(**values), lines)
