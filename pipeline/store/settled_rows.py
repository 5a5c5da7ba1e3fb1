"""The rows of a sheet that are plainly done, without an object for each job and attempt.

A row is plainly done if its one job has one attempt, a success of its first take that was made from
the inputs that the row has now, and if nothing else was asked for (see `core.cells.settled_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Text,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
    type_coerce,
    union,
)

from pipeline.core.cells.settled_rows import DoneRow
from pipeline.core.model import Result, RowKind, State
from pipeline.store.attempt_events import result_fields
from pipeline.store.schema import attempts, files, jobs, known_rows
from pipeline.store.transactions import StorePart, number_of

_decoded = json.JSONDecoder().decode
_NOTHING: Mapping[str, Any] = result_fields(Result())
#: So many rows are in memory at a time.
_AT_ONCE = 5_000
_SHEET: BindParameter[int] = bindparam("sheet")
_KNOWN, _JOBS = known_rows.c, jobs.c
_WORDS = ("approved_on_page", "pick", "feedback", "old_feedback", "feedback_on_page")
_IS_USUAL = and_(
    _KNOWN.standing == RowKind.ROW.value,
    _KNOWN.extra_takes == 0,
    *(_KNOWN[name] == "" for name in _WORDS),
)
_UNUSUAL_ROWS = select(_KNOWN.row_id).where(_KNOWN.sheet == _SHEET, not_(_IS_USUAL))
_UNUSUAL_JOBS = select(_JOBS.row_id).where(
    _JOBS.sheet == _SHEET,
    or_(_JOBS.take != 1, _JOBS.part != "", _JOBS.asked != 1, _JOBS.picked != ""),
)
# Only those of the sheet: a store may hold a thousand sheets.
_UNUSUAL_ATTEMPTS = (
    select(attempts.c.job)
    .join(jobs, _JOBS.id == attempts.c.job)
    .where(
        _JOBS.sheet == _SHEET,
        or_(
            attempts.c.number != 1,
            attempts.c.state != State.SUCCEEDED.value,
            attempts.c.remade != "",
            attempts.c.forgotten != "",
        ),
    )
)
_UNUSUAL_FILES = (
    select(files.c.job)
    .join(jobs, _JOBS.id == files.c.job)
    .where(
        _JOBS.sheet == _SHEET,
        or_(files.c.path == "", files.c.link != "", files.c.findings != ""),
    )
)


_SAVED = (
    select(func.aggregate_strings(files.c.url, "\n"))
    .where(files.c.job == attempts.c.job)
    .correlate(attempts)
    .scalar_subquery()
)
_ASKED = (
    *(_KNOWN[n] for n in ("row_id", "inputs", "others", "approved", "approved_for")),
    *(attempts.c[name] for name in ("columns", "task_id", "result")),
    _SAVED,
)
_DONE = (
    select(*(type_coerce(column, Text) for column in _ASKED))
    .select_from(known_rows)
    .join(jobs, (_JOBS.sheet == _KNOWN.sheet) & (_JOBS.row_id == _KNOWN.row_id))
    .join(attempts, attempts.c.job == _JOBS.id)
    .where(
        _KNOWN.sheet == _SHEET,
        _IS_USUAL,
        attempts.c.inputs == _KNOWN.inputs,
        _KNOWN.row_id.not_in(_UNUSUAL_JOBS),
        # As a list, which a database makes once.
        attempts.c.job.not_in(_UNUSUAL_ATTEMPTS),
        attempts.c.job.not_in(_UNUSUAL_FILES),
    )
)
_IDS = union(
    select(_KNOWN.row_id).where(_KNOWN.sheet == _SHEET),
    select(_JOBS.row_id).where(_JOBS.sheet == _SHEET),
)
_UNUSUAL_IDS = union(
    _UNUSUAL_ROWS,
    _UNUSUAL_JOBS,
    *(
        select(_JOBS.row_id).where(_JOBS.id.in_(some))
        for some in (_UNUSUAL_ATTEMPTS, _UNUSUAL_FILES)
    ),
)


class SettledRows(StorePart):
    """What the store has of the rows of a sheet that are plainly done."""

    def all(self, sheet: str) -> Iterator[DoneRow]:
        """Every row that is plainly done. Within a snapshot, for a loop that asks nothing else."""
        for row_id, inputs, others, approved, approved_for, *rest in self._asked(_DONE, sheet):
            columns, task_id, text, saved = rest
            result = _decoded(text) if text else _NOTHING
            if "left_out" in result:
                continue
            # A text with characters that a database refuses is not unescaped: it equals no cell.
            yield DoneRow(
                row_id,
                inputs,
                others,
                approved,
                approved_for,
                _listed(columns),
                task_id,
                "\n".join(result["urls"]),
                saved or "",
                result["grid_url"],
            )

    def ids(self, sheet: str) -> tuple[set[str], set[str]]:
        """The ids of all rows that the store knows, and of those that are not done at first sight.

        More rows may not be plainly done; nothing is under way in these.
        """
        every, unusual = (
            {row_id for (row_id,) in self._asked(question, sheet)}
            for question in (_IDS, _UNUSUAL_IDS)
        )
        return every, unusual

    def _asked(self, question: Any, sheet: str) -> Iterator[Any]:
        with self._database.reading() as connection:
            about = {"sheet": number_of(connection, sheet)}
            found = connection.execute(question, about, execution_options={"yield_per": _AT_ONCE})
            for some in found.partitions():
                yield from some


@lru_cache(maxsize=256)
def _listed(columns: str) -> tuple[str, ...]:
    return tuple(json.loads(columns))
