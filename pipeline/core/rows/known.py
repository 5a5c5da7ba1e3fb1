"""The known rows, from earlier readings and from the cells of this one.

A `Seen` is a row of a reading with its id, `Memory` is what the store knows of a sheet. The results
that stand in a row tell whether they were made here (`made_by_us`, `own_results`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from pipeline.core.model import Grid, Job, KnownRow, RowKind
from pipeline.core.pictures.cell_links import page_link_of, row_and_take
from pipeline.core.rows.chains import as_written
from pipeline.core.sheet.header import ROW_ID, Columns, Marked
from pipeline.core.statuses import is_ours

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of a reading with its id."""

    marked: Marked
    row_id: str
    standing: RowKind
    #: What the store remembers of it from earlier readings; None for a new row.
    known: KnownRow | None = None
    #: The row whose id is in it, if that is another one: its other cells may have come with the id.
    origin: KnownRow | None = None

    @property
    def place(self) -> int:
        """Its row in the grid of this reading."""
        return self.marked.place


@dataclass(frozen=True, slots=True)
class Memory:
    """The rows of one sheet that the store knows, and other ids in it."""

    known: Mapping[str, KnownRow]
    #: Ids by their place at the last accepted reading.
    order: Mapping[str, int]
    #: Inputs that an id had earlier.
    past: Mapping[str, Sequence[str]]
    #: Ids of other sheets of this store, with their inputs.
    foreign: Mapping[str, str]
    #: Input columns of the last accepted reading: a column that was added since does not count.
    columns: frozenset[str] | None = None
    #: Places without an id that show results of this sheet's own, and the inputs of those.
    results: Mapping[int, Sequence[str]] = field(default_factory=dict)


def new_id(chance: Random) -> str:
    """An id that no spreadsheet takes for a number or a date: `r_` and nine letters and digits."""
    return "r_" + "".join(chance.choices(_LETTERS, k=9))


def is_id(text: str) -> bool:
    """Returns whether the text has the shape of an id of ours."""
    return ROW_ID.fullmatch(text) is not None


def made_by_us(columns: Columns, grid: Grid) -> frozenset[str]:
    """Our columns in a sheet that the store does not know: a copy, or its store was lost.

    Other programs do not make ids of our shape. But a status column with other words than ours, or
    a note column left of the ids, is a person's.
    """
    marks = {mark for row in grid[1:] if (mark := columns.cell(row, "row_id").strip())}
    if not marks or not all(map(is_id, marks)):
        return frozenset()
    ours = set(columns.ours)
    said = {columns.cell(row, "status").strip() for row in grid[1:]}
    if not all(is_ours(word) for word in said if word):
        ours.discard("status")
    if columns.index.get("note", 0) < columns.index["row_id"]:
        ours.discard("note")
    return frozenset(ours)


def own_results(
    rows: Sequence[Marked], grid: Grid, columns: Columns, jobs: Iterable[Job]
) -> dict[int, tuple[str, ...]]:
    """Rows without an id whose results are no sign of another tool: place -> inputs of the results.

    At least one of the results is of these jobs (if cells were filled down, the number at the end
    of a task id may have been counted up), or the cells hold other text, which a person wrote.
    """
    shown = {
        row.place: {page_link_of(one) or one for one in _results_in(columns, grid[row.place])}
        for row in rows
        if row.has_results and not row.mark
    }
    if not shown:
        return {}
    made_from: dict[object, str] = {
        text: as_written(attempt.inputs)
        for job in jobs
        for attempt in job.attempts
        for text in (
            attempt.task_id,
            *attempt.result.urls,
            *job.links.values(),
            row_and_take(job.key),
        )
    }
    return {
        place: tuple(made_from[text] for text in texts if text in made_from)
        for place, texts in shown.items()
        if not texts or not texts.isdisjoint(made_from)
    }


def _results_in(columns: Columns, row: Sequence[str]) -> Iterator[str]:
    """Texts that may come from an API: addresses, and a task id, which has a digit in it."""
    task = columns.cell(row, "task_id").strip().removeprefix("'")
    if len(task.split()) == 1 and any(c.isdigit() for c in task):
        yield task
    for text in columns.cell(row, "image_urls").split():
        if text.casefold().startswith(("http://", "https://")):
            yield text


def remembered(seen: Seen, take: int | None, since: datetime) -> KnownRow:
    """The row as the store should remember it from now on; `planning.plan` adds the approval.

    A copy stays one until its inputs change or its take is raised by one. An unrecognized row stays
    one until its take is. `take` is the number in its take cell, None if there is no usable one.
    """
    row, known = seen.marked, seen.known
    if known is None:
        return KnownRow(
            row_id=seen.row_id,
            inputs=row.inputs,
            first_take=take or 0,
            standing=seen.standing,
            since=since,
            others=row.others,
            pick=row.pick,
            feedback=row.feedback,
        )
    # What the first program that reads the column finds in it was not meant for a prompt.
    first = known.old_feedback is None
    old = row.feedback if first or row.feedback == known.old_feedback else ""
    beside = row.others, row.pick, row.feedback, old
    same = known.inputs == row.inputs
    # Until its cell holds a usable number, it is not known which take it asked for first.
    first_take = known.first_take or take or 0
    raised = take == first_take + 1
    released = raised or (seen.standing is RowKind.COPY and not same)
    standing = RowKind.ROW if released else seen.standing
    was = known.others, known.pick, known.feedback, known.old_feedback
    same_take = first_take == known.first_take
    if same and same_take and standing is known.standing and beside == was:
        return known
    return replace(
        known,
        inputs=row.inputs,
        first_take=first_take,
        standing=standing,
        since=known.since if same else since,
        others=row.others,
        pick=row.pick,
        feedback=row.feedback,
        old_feedback=old,
    )
