"""A sample before a large batch: the first rows are sent, the others wait until a person looked.

A row belongs to the sample until a person has looked at one that it could have been in: its present
inputs were first seen after that (`[rules] sample`). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from pipeline.core.planning import Line, with_waits
from pipeline.core.statuses import Status
from pipeline.core.text import counted

#: The beginning of the note of a row that waits for a person to look at the sample.
SAMPLE: Final = "Waiting: the first "


def look_at_sample(size: int) -> str:
    """The row waits until a person has looked at the rows that were sent first."""
    first, pictures = counted(size, "new row"), "its" if size == 1 else "their"
    verb = "is" if size == 1 else "are"
    return (
        f"{SAMPLE}{first} {verb} a sample. Look at {pictures} pictures, then press Continue on the "
        "page, or run the command continue."
    )


def sample_done(waiting: int) -> str:
    """The sample has ended, and so many rows wait for a person to look at it."""
    wait = "waits" if waiting == 1 else "wait"
    return (
        f"The sample is done, and {counted(waiting, 'row')} {wait}. Look at its pictures. Then "
        "press Continue on the page, or run the command continue."
    )


def within_sample(
    lines: Sequence[Line], size: int, looked_at: datetime | None, sent: Callable[[], int]
) -> tuple[Line, ...]:
    """The lines, of which no more than the sample is sent.

    `size` is the number of rows in a sample, `looked_at` when a person last looked at one, and
    `sent` returns how many rows that are newer than that were sent. Rows that follow others count.
    """
    waiting = [line for line in lines if _may_be_sent(line) and not _is_free(line, looked_at)]
    if not waiting:
        return tuple(lines)
    left = max(size - sent(), 0)
    held = {line.seen.row_id for line in waiting[left:]}
    if not held:
        return tuple(lines)
    return with_waits([_held(line, size) if line.seen.row_id in held else line for line in lines])


def is_held(line: Line) -> bool:
    """True if a row waits for a person to look at the sample."""
    return line.status == Status.WAITING and line.note.startswith(SAMPLE)


def _may_be_sent(line: Line) -> bool:
    return bool(line.endpoint) or line.waits_for_parent


def _is_free(line: Line, looked_at: datetime | None) -> bool:
    """True if a person has released the row or asked for another take, or it was sent before."""
    if line.job is not None and line.job.attempts:
        return True
    if line.take is not None and line.take > line.memory.first_take:
        return True
    since = line.memory.since
    return looked_at is not None and since is not None and since <= looked_at


def _held(line: Line, size: int) -> Line:
    note = look_at_sample(size)
    return replace(line, status=Status.WAITING, note=note, endpoint="", parent=None)
