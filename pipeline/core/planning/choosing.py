"""What the columns `pick` and `feedback` say about the line of a row, for `plan`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.core.messages import feedback_notes
from pipeline.core.model import Job, KnownRow
from pipeline.core.pictures.picks import (
    NOTHING_PICKED,
    PICK,
    Picked,
    Picture,
    newest_pictures,
    picked_of,
    pictures_of,
)
from pipeline.core.planning.lines import Line, gathered_row
from pipeline.core.rows.feedback import NAME, feedback_for, is_old, is_unused
from pipeline.core.rows.generations import AskedGenerations, generations_of, has_several, several
from pipeline.core.sheet.header import Columns
from pipeline.core.statuses import Status
from pipeline.core.text import joined


def picked_before(row: KnownRow, take: int | None, jobs: Sequence[Job]) -> Picked:
    """What is picked of the pictures of an earlier take, if this take is made with feedback.

    `jobs` are all jobs of the row.
    """
    if not feedback_for(row, take):
        return NOTHING_PICKED
    asked = generations_of(row.inputs, [job for job in jobs if job.key.take == take])
    return picked_of(row.pick, newest_pictures(jobs, take, _order(asked)))


def with_pick(
    lines: Sequence[Line], jobs: Sequence[Job], asked: AskedGenerations, columns: Columns
) -> Line:
    """The line of a row with these generations, and with what is picked of its pictures.

    `jobs` are all jobs of the row.
    """
    first, cell = lines[0], lines[0].memory.pick
    if not (cell or any(job.picked for job in jobs)):
        return gathered_row(lines)
    there = pictures_of(one.job for one in lines if one.job)
    there = there or newest_pictures(jobs, first.take, _order(asked))
    found, said = picked_of(cell, there), ""
    if found.is_wrong and there:
        said = feedback_notes.bad_pick(columns.title(PICK), cell, len(there))
    return gathered_row(
        [replace(one, picked=found.pictures, note=joined(one.note, said)) for one in lines]
    )


def picked_now(row: KnownRow, jobs: Iterable[Job], take: int | None) -> tuple[Picture, ...]:
    """The picked pictures of a row with these jobs, whose cells ask for this take."""
    parts = several(row.inputs).generations if has_several(row.inputs) else ()
    order = {one.part: at for at, one in enumerate(parts)}
    there = newest_pictures(jobs, take + 1 if take else None, order)
    return picked_of(row.pick, there).pictures


def _order(asked: AskedGenerations) -> Mapping[str, int]:
    return {one.part: at for at, one in enumerate(asked.generations) if one}


def unused_feedback(row: KnownRow, job: Job, status: str, columns: Columns, redo: str) -> str:
    """The note about feedback that the last take, which is finished, was not made with.

    A remark about a first take that failed is no feedback about a picture.
    """
    if status == Status.FAILED and job.key.take <= row.first_take:
        return ""
    return feedback_notes.feedback_unused(columns.title(NAME), redo) if is_unused(row, job) else ""


def early_feedback(row: KnownRow, take: int | None, columns: Columns) -> str:
    """The warning about feedback in a row whose first take is not sent yet; empty if none."""
    is_first = take is not None and take <= row.first_take
    if not (is_first and row.feedback) or is_old(row):
        return ""
    return feedback_notes.feedback_too_early(columns.title(NAME))
