"""The jobs of a sheet in columns, without an object for each job, attempt or value.

A job is plain if its only attempt succeeded and nobody has changed anything since. A few columns
tell all that such a job shows. Of the other jobs, only the row and the take are of use.

The database joins the values of a column to one text for some thousands of jobs, and Arrow takes
that text apart: a million jobs as Python values take longer than all else.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
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
_AFTER: BindParameter[Any] = bindparam("its_after")
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


def _page(source: Select[Any]) -> Prepared:
    """The next lines after a key, the first column, as the last key and a text for each column."""
    # A limit without an offset would have a parameter.
    lines = source.limit(literal_column(str(_AT_ONCE))).offset(_NOTHING).subquery()
    # All columns have the values in the same order: one walk through the lines gives them all.
    joined = (
        _strings(func.coalesce(cast(one, Text), _NONE), SEPARATOR)
        for one in lines.c
        if one.name != "id"
    )
    return Prepared(select(func.max(lines.c[0]), *joined), "its_sheet", "its_after")


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
_ALL_JOBS = _page(
    select(
        _JOBS.id,
        type_coerce(_JOBS.row_id, Text),
        _JOBS.take,
        _if(_IS_PLAIN),
        *(_JOBS.made_at, _TRIED.sent_at, _TRIED.ended_at),
        *(type_coerce(_TRIED[name], Text) for name in ("inputs", "task_id", "result", "prompt")),
        _joined(
            cast(_TRIED.price, Text),
            func.coalesce(cast(_TRIED.reported, Text), _NONE),
            *(_TRIED[name] for name in ("endpoint", "provider", "base_url", "api_key")),
        ).label("sent_to"),
        _SAVED.label("saved"),
    )
    .select_from(jobs)
    # The second bound helps a server that walks through both tables side by side.
    .outerjoin(
        attempts,
        and_(_TRIED.job == _JOBS.id, _TRIED.number == literal_column("1"), _TRIED.job > _AFTER),
    )
    # Not by an index of the sheet's jobs: these are in the order of their random ids.
    .where(_JOBS.sheet + _NOTHING == _SHEET, _JOBS.id > _AFTER)
    .order_by(_JOBS.id)
)
# The rows are read by themselves: to look each one up among a million takes longer than all else.
_ALL_ROWS = _page(
    select(
        type_coerce(_KNOWN.row_id, Text),
        type_coerce(_KNOWN.inputs, Text),
        _if(and_(_KNOWN.extra_takes == _NOTHING, _KNOWN.pick == _NONE)),
    )
    .where(_KNOWN.sheet == _SHEET, _KNOWN.row_id > _AFTER)
    .order_by(_KNOWN.row_id)
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

    def _asked(self, page: Prepared, sheet: str, after: Any) -> Generator[list[str], None, None]:
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            while (found := page.first(connection, number, after)) and found[0] is not None:
                after, *columns = found
                yield columns
