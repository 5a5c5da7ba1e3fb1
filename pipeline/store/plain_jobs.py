"""The jobs of a sheet in columns, without an object for each job and attempt.

A job is plain if its only attempt succeeded and nobody has changed anything since. A few columns
tell all that such a job shows. Of the other jobs, only the row and the take are of use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnClause,
    ColumnElement,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    type_coerce,
)

from pipeline.core.model import State
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, files, jobs, known_rows
from pipeline.store.transactions import StorePart, number_of

#: So many lines are in memory as Python values at a time.
_AT_ONCE: Final = 20_000
#: Between two texts in one: no text of the store holds it (see `column_types.escaped`).
SEPARATOR: Final = "\x1a,"
_SHEET: BindParameter[int] = bindparam("its_sheet")
_BETWEEN = literal_column(f"'{SEPARATOR}'", Text)
_JOBS, _TRIED, _KNOWN, _FILES = jobs.c, attempts.c, known_rows.c, files.c


def _joined(*texts: Any) -> Any:
    """These columns of texts as one text."""
    whole: ColumnElement[str] = type_coerce(texts[0], Text)
    for one in texts[1:]:
        whole = whole.concat(_BETWEEN).concat(type_coerce(one, Text))
    return whole


_SAVED = (
    select(
        func.aggregate_strings(
            _joined(_FILES.url, _FILES.path, _FILES.link, _FILES.findings),
            _BETWEEN,  # type: ignore[arg-type]  # as a parameter it would have no name
        )
    )
    .where(_FILES.job == _JOBS.id)
    .correlate(jobs)
    .scalar_subquery()
)
_NONE: ColumnClause[str] = literal_column("''", Text)
_ONE: ColumnClause[int] = literal_column("1")
_MORE = attempts.alias("more")
_IS_PLAIN = and_(
    _JOBS.part == _NONE,
    _JOBS.asked == _ONE,
    _JOBS.picked == _NONE,
    _TRIED.state == literal_column(f"'{State.SUCCEEDED.value}'", Text),
    _TRIED.remade == _NONE,
    _TRIED.forgotten == _NONE,
    # Not as a list: PostgreSQL would search a long one from its beginning for each job.
    ~exists().where(_MORE.c.job == _JOBS.id, _MORE.c.number != _ONE),
)
_ALL_JOBS = Prepared(
    select(
        type_coerce(_JOBS.row_id, Text),
        _JOBS.take,
        _IS_PLAIN,
        *(type_coerce(one, Text) for one in (_JOBS.made_at, _TRIED.sent_at, _TRIED.ended_at)),
        *(type_coerce(_TRIED[name], Text) for name in ("inputs", "task_id", "result", "prompt")),
        *(_TRIED.price, _TRIED.reported),
        _joined(*(_TRIED[name] for name in ("endpoint", "provider", "base_url", "api_key"))),
        _SAVED,
    )
    .select_from(jobs)
    .outerjoin(attempts, and_(_TRIED.job == _JOBS.id, _TRIED.number == _ONE))
    .where(_JOBS.sheet == _SHEET),
    "its_sheet",
)
# The rows are read by themselves: to look each one up among a million takes longer than all else.
_ALL_ROWS = Prepared(
    select(
        type_coerce(_KNOWN.row_id, Text),
        type_coerce(_KNOWN.inputs, Text),
        and_(_KNOWN.extra_takes == literal_column("0"), _KNOWN.pick == _NONE),
    ).where(_KNOWN.sheet == _SHEET),
    "its_sheet",
)


class JobBatch(NamedTuple):
    """Some jobs of a sheet: in every column one value for each.

    Texts are as the store keeps them (`column_types.escaped`), moments are microseconds since 1970.
    """

    row_id: tuple[str, ...]
    take: tuple[int, ...]
    #: What follows is only of use for plain jobs. 1 and 0 stand for True and False, also below.
    is_plain: tuple[bool | None, ...]
    made_at: tuple[int | None, ...]
    sent_at: tuple[int | None, ...]
    ended_at: tuple[int | None, ...]
    #: Canonical text of what was sent.
    inputs: tuple[str | None, ...]
    task_id: tuple[str | None, ...]
    #: JSON as `serialization.to_text` makes it; empty for an empty result.
    result: tuple[str | None, ...]
    prompt: tuple[str | None, ...]
    price: tuple[float | None, ...]
    reported: tuple[float | None, ...]
    #: Endpoint, provider, base URL and account, with SEPARATOR between them.
    sent_to: tuple[str | None, ...]
    #: URL, path, link and findings of each saved file, one after the other; None without files.
    saved: tuple[str | None, ...]


class RowBatch(NamedTuple):
    """Some rows of a sheet as they were last read: in every column one value for each."""

    row_id: tuple[str, ...]
    inputs: tuple[str, ...]
    #: True if nothing was picked and no take was asked for on the page.
    is_plain: tuple[bool, ...]


class PlainJobs(StorePart):
    """What the store has of the jobs of a sheet, in columns. It reads only."""

    def jobs(self, sheet: str) -> Iterator[JobBatch]:
        """All jobs of the sheet. The connection is in use until the last batch is taken."""
        return (JobBatch(*some) for some in self._asked(_ALL_JOBS, sheet))

    def rows(self, sheet: str) -> Iterator[RowBatch]:
        """All known rows of the sheet; as `jobs`."""
        return (RowBatch(*some) for some in self._asked(_ALL_ROWS, sheet))

    def _asked(self, question: Prepared, sheet: str) -> Iterator[Any]:
        with self._database.reading() as connection:
            yield from question.columns(connection, _AT_ONCE, number_of(connection, sheet))
