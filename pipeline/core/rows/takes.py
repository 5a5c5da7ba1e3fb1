"""Which take a row asks for, what is wrong with it, and how to ask for another one.

A mistake in the cell `take` costs nothing and hides nothing: the row still shows the results of its
latest take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from pipeline.core.cell_errors import is_value
from pipeline.core.inputs import without_decimals
from pipeline.core.language import Said
from pipeline.core.messages import row_notes
from pipeline.core.model import Job, KnownRow, RowKind, State
from pipeline.core.rows.known import Seen
from pipeline.core.sheet.header import Columns
from pipeline.core.states import shown
from pipeline.core.statuses import Status, StatusAndNote

#: More digits than any take has; Python reads no number of more than 4,300.
_MOST_DIGITS = 6


def take_of(cell: str, extra_takes: int) -> int | None:
    """Which take a row asks for: the number in its take cell, and what the page asked for.

    None if the cell holds no whole number from 1; an empty one counts as 1.
    """
    text = without_decimals(cell.strip())
    if not text:
        return 1 + extra_takes
    if not (text.isascii() and text.isdecimal()) or len(text) > _MOST_DIGITS or int(text) < 1:
        return None
    return int(text) + extra_takes


def mistake_in_take(
    seen: Seen, memory: KnownRow, take: int | None, takes: Collection[int], columns: Columns
) -> StatusAndNote | None:
    """Why the take that a row asks for cannot be made; None if it can.

    `takes` are the takes of the row's jobs.
    """
    title, text, extra = columns.title("take"), seen.marked.take, memory.extra_takes
    if not is_value(text):
        return StatusAndNote(Status.WAITING, row_notes.not_a_value(title, text))
    if take is None:
        return StatusAndNote(Status.INVALID, row_notes.bad_take(title, text, is_new=not takes))
    is_row = seen.standing is RowKind.ROW
    highest = max(takes, default=take) if is_row else memory.first_take
    if take > highest + 1:
        return StatusAndNote(Status.INVALID, row_notes.jumped_take(title, highest, take, extra))
    if is_row and take < min(takes, default=1):
        return StatusAndNote(Status.INVALID, row_notes.no_such_take(take, min(takes), extra))
    return None


def latest_shown(jobs: Iterable[Job]) -> Job | None:
    """The job of the latest take of one row that has something to show; None if none has."""
    for job in sorted(jobs, key=lambda job: job.key.take, reverse=True):
        attempt = shown(job)
        if attempt is not None and attempt.state is not State.RETURNED:
            return job
    return None


def how_to_ask(columns: Columns, take: int) -> Said:
    """How a person asks for that take in this sheet, for a note."""
    return _how_to_ask(take, columns.title("take"), "take" in columns.index)


@lru_cache(maxsize=1000)  # most rows of a sheet need the same
def _how_to_ask(take: int, title: str, is_there: bool) -> Said:
    return row_notes.write_take(take, title, is_there=is_there)
