"""Lines of the plan before that a new plan would repeat: these rows need not be planned again.

Most rows of a reading are as they were in the reading before, and so are their jobs. The line of a
row depends on its `Basis`, on what is the same for all rows (`Terms`), and on the time. If none of
these gives another line, the earlier one is used. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pipeline.core.model import Attempt, Job, KnownRow, RowKind, State
from pipeline.core.planning.job_status import is_overdue
from pipeline.core.rows.following import Followed
from pipeline.core.rows.known import Seen
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, folded
from pipeline.core.states import shown
from pipeline.core.statuses import INDEPENDENT, Status

if TYPE_CHECKING:
    from pipeline.core.planning.lines import Line


class Terms(NamedTuple):
    """What the lines of all rows depend on."""

    columns: Columns
    rules: Rules
    #: Changes with the files that cells may name.
    files: str
    now: datetime

    @classmethod
    def of(cls, columns: Columns, rules: Rules, now: datetime) -> Terms:
        """The terms of a plan that is made now."""
        return cls(columns, rules, repr(rules.files) if rules.files else "", now)

    def hold_after(self, then: Terms) -> bool:
        """True if they are those of an earlier moment of the same day."""
        # On another day endpoints may have ended. If the clock was set back, times are unknown.
        same_day = self.now.date() == then.now.date() and self.now >= then.now
        return same_day and self[:3] == then[:3]


class LineBasis(NamedTuple):
    """What the line of one row depends on. Its place and its id cell decide nothing."""

    inputs: str
    take: str
    others: str
    is_filled: bool
    standing: RowKind
    known: KnownRow | None
    #: The other cells that say something about it (`deciding_cells`).
    cells: tuple[str, ...]
    jobs: tuple[Job, ...]
    followed: Followed | None

    @classmethod
    def of(
        cls, seen: Seen, cells: tuple[str, ...], jobs: Iterable[Job], followed: Followed | None
    ) -> LineBasis:
        """The basis of a row with all its jobs."""
        row = seen.marked
        wrote = row.inputs, row.take, row.others, row.is_filled
        return cls(*wrote, seen.standing, seen.known, cells, tuple(jobs), followed)


@dataclass(frozen=True, slots=True)
class Made:
    """What a plan was made from."""

    terms: Terms | None = None
    #: Row id -> the basis of its line, and the line.
    lines: Mapping[str, tuple[LineBasis, Line]] = field(default_factory=dict)

    def under(self, terms: Terms) -> Made:
        """What can be used of it for a plan under these terms."""
        return self if self.terms and terms.hold_after(self.terms) else Made()

    def repeated(self, seen: Seen, basis: LineBasis, now: datetime) -> Line | None:
        """The earlier line of a row, if a new one would be the same; else None."""
        was, line = self.lines.get(seen.row_id, (None, None))
        if line is None or self.terms is None or was != basis:
            return None
        # A row that was new or changed then has been noted since.
        is_noted = line.memory == seen.known and line.memory.standing is seen.standing
        if not (is_noted and _stays(line, basis.followed, self.terms.rules, self.terms.now, now)):
            return None
        return line if line.seen == seen else line.at(seen)


def is_kept(line: Line, followed: Followed | None) -> bool:
    """True if the line may be needed again: the next reading plans its row even if it is unchanged.

    Others are left out by `cells.unchanged_rows`, and need no memory here.
    """
    return followed is not None or any(one.status not in INDEPENDENT for one in line.each)


def deciding_cells(
    columns: Columns, budgeted: Iterable[str] = ()
) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Returns a function that gives the cells of a row that decide about it, besides its inputs.

    They are the cells of the controls and of the columns with a budget, and all that are in no
    named column.
    """
    named = ("approved", "skip", "name")
    places = [columns.index[name] for name in named if name in columns.index]
    wide = len(columns.header)
    titles = {"", *(folded(columns.titles.get(name, name)) for name in budgeted)}
    places += [at for at, title in enumerate(columns.header) if folded(title) in titles]

    def cells(row: Sequence[str]) -> tuple[str, ...]:
        end = len(row)
        its = [row[at] if at < end else "" for at in places]
        return (*its, *row[wide:]) if end > wide else tuple(its)

    return cells


def _stays(
    line: Line, followed: Followed | None, rules: Rules, then: datetime, now: datetime
) -> bool:
    """True if the time since has not changed what the line says."""
    if rules.settle and line.status == Status.WAITING and line.parent is None:
        return False
    # The addresses of a parent's results may work for some time only.
    # A row waits only for some time until the pictures of its parent are checked.
    timed = (Status.QUEUED, Status.INVALID, *([Status.WAITING] if rules.remake else []))
    if followed and followed.is_done and line.status in timed:
        return False
    return all(
        _attempt_stays(one.job, attempt, rules, then, now)
        for one in line.each
        if one.job and (attempt := shown(one.job))
    )


def _attempt_stays(job: Job, attempt: Attempt, rules: Rules, then: datetime, now: datetime) -> bool:
    match attempt.state:
        case State.SUCCEEDED:
            return not rules.saves_files or all(url in job.files for url in attempt.result.urls)
        case State.RUNNING:
            late = rules.give_up_after
            return is_overdue(attempt, late, then) == is_overdue(attempt, late, now)
        case State.UNKNOWN:
            return not attempt.resend_key
        case _:
            return True
