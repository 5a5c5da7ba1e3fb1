"""What a row knows of the row that it follows: of the take that it names, and of the part.

In: the line of the row that is followed, and that row's jobs. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.core.language import Said, say
from pipeline.core.model import Job, State
from pipeline.core.planning.lines import Line
from pipeline.core.rows.following import Followed
from pipeline.core.rows.generations import cannot_be_followed
from pipeline.core.rows.named_takes import NamedTake, name_of_take
from pipeline.core.states import state_of
from pipeline.core.statuses import Status
from pipeline.core.text import quoted

#: The status of an earlier take, which has no line of its own.
_STATUS: Final = {
    State.SUCCEEDED: Status.DONE,
    State.FAILED: Status.FAILED,
    State.UNKNOWN: Status.CHECK_NEEDED,
    State.RUNNING: Status.IN_PROGRESS,
    State.SUBMITTING: Status.SENDING,
}
#: So many takes and parts does a note name.
_MOST_NAMED: Final = 8


def followed_row(parent: Line, named: NamedTake | None, jobs: Iterable[Job]) -> Followed:
    """What a row that follows this line knows of it; `jobs` are all jobs of the row.

    `named` is the take or part that the row names; None if it names none.
    """
    row_id, take = parent.seen.row_id, parent.take
    there: dict[str, tuple[Job | None, str]] = {}
    if named:
        take = named.take or take
        its = [job for job in jobs if job.key.take == take]
        there = {job.key.part: (job, _STATUS.get(state_of(job), Status.QUEUED)) for job in its}
    if take == parent.take:
        there |= {one.part: (one.job, one.status) for one in parent.each}
    part = named.part if named else None
    if part is None and there.keys() - {""}:
        row = parent.name or row_id
        return Followed(cannot_be_followed(row, name_of_take(row, take or 1, max(there))))
    if (found := there.get(part or "")) is None:
        assert named, "a line always has a part"
        return Followed(_missing(named, jobs))
    job, status = found
    its_inputs = parent.memory.inputs
    return Followed("", row_id, its_inputs, take, job, status, parent.remade, part or "")


def _missing(named: NamedTake, jobs: Iterable[Job]) -> Said:
    keys = sorted(job.key for job in jobs)
    several = {key.take for key in keys if key.part}
    names = [
        name_of_take(named.row, key.take, key.part, has_parts=key.take in several)
        for key in keys[-_MOST_NAMED:]
    ]
    row = quoted(named.row, 40)
    if not names:
        return say("the row {row} has no such take or part: name the row alone", row=row)
    return say(
        "the row {row} has no such take or part: write one of {takes}",
        row=row,
        takes=", ".join(names),
    )
