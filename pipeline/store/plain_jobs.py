"""The jobs of a sheet in columns, without an object for each job, attempt or value.

A job is plain if its only attempt succeeded and nothing was changed since. A few columns
tell all that such a job shows. Of the other jobs, only the row and the take are of use.

The database joins the values of a column to one text for some thousands of jobs, and Arrow takes
that text apart: a million jobs as Python values take longer than all else.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)

from pipeline.core.model import State
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, files, jobs, known_rows
from pipeline.store.transactions import StorePart, number_of

#: So many lines are joined at a time. A text of a database has a gigabyte at most, so on average
#: a value may have 100,000 characters: twice the most that a cell holds.
_AT_ONCE: Final = 10_000
#: Between two values of a column: no text of the store holds it (see `column_types.escaped`).
SEPARATOR: Final = "\x1a,"
#: The same between two texts in one value.
WITHIN: Final = "\x1a;"
_SHEET: BindParameter[int] = bindparam("its_sheet")
_JOBS, _TRIED, _KNOWN, _FILES = jobs.c, attempts.c, known_rows.c, files.c


def _word(text: str) -> ColumnElement[str]:
    # As a parameter it would have no name in a prepared statement.
    return literal_column(f"'{text}'", Text)


_NONE = _word("")
_NOTHING: ColumnElement[int] = literal_column("0", Integer)


def _joined(*texts: Any) -> Any:
    """These columns of texts as one text."""
    whole: ColumnElement[str] = type_coerce(texts[0], Text)
    for one in texts[1:]:
        whole = whole.concat(_word(WITHIN)).concat(type_coerce(one, Text))
    return whole


def _strings(column: Any, between: str) -> Any:
    """The values of all lines as one text."""
    its: Any = _word(between)
    return func.aggregate_strings(column, its)


class _Paged:
    """The columns of all lines of a sheet, of some thousands of lines at a time.

    The first statement gives the last keys of the pages. A limit would need no such keys, but a
    server without statistics then sorts all that is left of the table for each page.
    """

    def __init__(self, key: Any, source: FromClause, where: Any, columns: Iterable[Any]) -> None:
        number = func.row_number().over(order_by=key).label("number")
        numbered = select(key, number).where(where).subquery()
        is_last = numbered.c.number % literal_column(str(_AT_ONCE), Integer) == _NOTHING
        ends = select(numbered.c[0]).where(is_last).union(select(func.max(key)))
        self._ends = Prepared(ends.order_by(literal_column("1")), "its_sheet")
        # All columns have the values in the same order: one walk through the lines gives them all.
        texts = (func.coalesce(cast(one, Text), _NONE) for one in columns)
        page = select(*(_strings(one, SEPARATOR) for one in texts)).select_from(source)
        until: BindParameter[Any] = bindparam("its_until")
        page = page.where(where, key > bindparam("its_after"), key <= until)
        self._page = Prepared(page, "its_sheet", "its_after", "its_until")

    def pages(
        self, connection: Connection, sheet: int, after: object
    ) -> Generator[Sequence[str], None, None]:
        """For each page, a text for each column. `after` is less than any key."""
        for (until,) in self._ends.rows(connection, sheet):
            if until is not None:
                page = self._page.first(connection, sheet, after, until)
                assert page, "one line is the answer"
                if page[0] is not None:
                    yield page
                after = until


def _if(condition: Any) -> Any:
    return case((condition, _word("1")), else_=_NONE)


_SAVED = (
    select(_strings(_joined(_FILES.url, _FILES.path, _FILES.link, _FILES.findings), WITHIN))
    .where(_FILES.job == _JOBS.id)
    .correlate(jobs)
    .scalar_subquery()
)
_MORE = attempts.alias("more")
_IS_PLAIN = and_(
    _JOBS.part == _NONE,
    _JOBS.asked == literal_column("1"),
    _JOBS.picked == _NONE,
    _TRIED.state == _word(State.SUCCEEDED.value),
    _TRIED.remade == _NONE,
    _TRIED.forgotten == _NONE,
    select(func.max(_MORE.c.number))
    .where(_MORE.c.job == _JOBS.id)
    .correlate(jobs)
    .scalar_subquery()
    == literal_column("1"),
)
_ALL_JOBS = _Paged(
    _JOBS.id,
    jobs.outerjoin(attempts, and_(_TRIED.job == _JOBS.id, _TRIED.number == literal_column("1"))),
    # Not by an index of the sheet's jobs: these are in the order of their random ids.
    _JOBS.sheet + _NOTHING == _SHEET,
    (
        type_coerce(_JOBS.row_id, Text),
        _JOBS.take,
        _if(_IS_PLAIN),
        *(_JOBS.made_at, _TRIED.sent_at, _TRIED.ended_at),
        *(type_coerce(_TRIED[name], Text) for name in ("inputs", "task_id", "result", "prompt")),
        _joined(
            cast(_TRIED.price, Text),
            func.coalesce(cast(_TRIED.reported, Text), _NONE),
            *(_TRIED[name] for name in ("endpoint", "provider", "base_url", "api_key")),
        ),
        _SAVED,
    ),
)
# The rows are read by themselves: to look each one up among a million takes longer than all else.
_ALL_ROWS = _Paged(
    _KNOWN.row_id,
    known_rows,
    _KNOWN.sheet == _SHEET,
    (
        type_coerce(_KNOWN.row_id, Text),
        type_coerce(_KNOWN.inputs, Text),
        _if(and_(_KNOWN.extra_takes == _NOTHING, _KNOWN.pick == _NONE)),
    ),
)


class JobTexts(NamedTuple):
    """Some jobs of a sheet: for every column one text, with SEPARATOR between the values.

    Texts are as the store keeps them (`column_types.escaped`), numbers have decimal digits, moments
    are microseconds since 1970. An empty text stands for nothing.
    """

    row_id: str
    take: str
    #: "1" for a plain job. What follows is only of use for these.
    is_plain: str
    made_at: str
    sent_at: str
    ended_at: str
    #: Canonical text of what was sent.
    inputs: str
    task_id: str
    #: JSON as `serialization.to_text` makes it; empty for an empty result.
    result: str
    prompt: str
    #: Price, reported price, endpoint, provider, base URL and account, with WITHIN between them.
    sent_to: str
    #: URL, path, link and findings of each saved file, one after the other, likewise.
    saved: str


class RowTexts(NamedTuple):
    """Some rows of a sheet as they were last read: as `JobTexts`."""

    row_id: str
    inputs: str
    #: "1" if nothing was picked and no take was asked for on the page.
    is_plain: str


class PlainJobs(StorePart):
    """What the store has of the jobs of a sheet, in columns. It reads only."""

    def jobs(self, sheet: str) -> Generator[JobTexts, None, None]:
        """All jobs of the sheet. The connection is in use until the last ones are taken."""
        return (JobTexts(*some) for some in self._asked(_ALL_JOBS, sheet, 0))

    def rows(self, sheet: str) -> Generator[RowTexts, None, None]:
        """All known rows of the sheet; as `jobs`."""
        return (RowTexts(*some) for some in self._asked(_ALL_ROWS, sheet, ""))

    def _asked(
        self, paged: _Paged, sheet: str, after: object
    ) -> Generator[Sequence[str], None, None]:
        with self._database.reading() as connection:
            yield from paged.pages(connection, number_of(connection, sheet), after)
