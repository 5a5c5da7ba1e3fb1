"""The result of one look at a sheet, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.core.model import Attempt, Grid, JobKey
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.samples import Sample
from pipeline.core.sheet.header import Columns, Header, folded
from pipeline.core.statuses import Status
from pipeline.sync.hold import Hold

#: A line is sent only if a look of the last minute asked for it.
FRESH = timedelta(seconds=60)


class RowEnd(NamedTuple):
    """The end of a row: its attempt that ended last."""

    key: JobKey
    attempt: Attempt


class WrittenEnd(NamedTuple):
    """An end that the cells of its row now show, and the seconds from the one to the other."""

    end: RowEnd
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """The grid as it was read, what its columns mean, and what is to be done about its rows."""

    grid: Grid = ()
    columns: Columns = field(default_factory=lambda: Header(frozenset()).read(()))
    #: The lines that were looked at. Unchanged rows are not among them; see `unchanged`.
    plan: Plan = field(default_factory=Plan)
    #: Why nothing is sent; None if nothing is in the way.
    hold: Hold | None = None
    #: Id -> place in the grid of the rows that are as an earlier pass left them.
    unchanged: Mapping[str, int] = field(default_factory=dict)
    #: Places of rows with an out-of-date cell.
    outdated: frozenset[int] = frozenset()
    #: A sentence for each empty column of the team that became ours in this pass.
    notices: tuple[str, ...] = ()
    #: The ends that were written.
    written: tuple[WrittenEnd, ...] = ()
    #: When the look began; None before it was finished.
    began_at: datetime | None = None
    #: When the sheet was read: later, if the reading had to wait for its turn.
    read_at: datetime | None = None
    #: Id -> the name that people gave the row, for the lines.
    names: Mapping[str, str] = field(default_factory=dict)
    #: The sample that it was planned with, and ids of the rows that are in it; None: all are sent.
    sample: Sample | None = None
    sampled: frozenset[str] = frozenset()

    @property
    def has_new_rows(self) -> bool:
        """True if there are rows that the store does not know yet."""
        return any(line.seen.known is None for line in self.plan.lines)

    def is_fresh(self, now: datetime) -> bool:
        """Returns whether its lines may be sent: it is finished, and read in the last minute."""
        is_finished = self.began_at is not None
        return is_finished and self.read_at is not None and now - self.read_at <= FRESH

    def is_settling(self, now: datetime, settle: timedelta) -> bool:
        """Returns whether rows wait only because they were edited a moment ago."""
        return bool(settle) and any(
            line.status == Status.WAITING and now - (line.memory.since or now) < settle * 2
            for line in self.plan.lines
        )

    def settled_at(self, now: datetime, settle: timedelta) -> datetime | None:
        """When all rows have settled that were edited a moment ago; None if there are none."""
        ends = (
            (line.memory.since or now) + settle
            for line in self.plan.lines
            if line.status == Status.WAITING
        )
        return max((end for end in ends if end > now), default=None) if settle else None

    def with_hold(self, hold: Hold | None) -> Look:
        """The same with a hold, if there is one and it had none."""
        return replace(self, hold=self.hold or hold)

    def with_lines(self, lines: tuple[Line, ...]) -> Look:
        """The same with other lines."""
        return replace(self, plan=replace(self.plan, lines=lines))

    def cell(self, place: int, name: str) -> str:
        """The text of a named cell."""
        return self.columns.cell(self.grid[place], name)

    def places(self) -> dict[str, int]:
        """Id -> place in the grid, of all rows of this reading."""
        lines = self.plan.lines
        return {line.seen.row_id: line.seen.place for line in lines} | dict(self.unchanged)

    def text_at(self, place: int, field: str) -> str:
        """The text of a column, by our name for it or by its title; empty if there is none."""
        if field in self.columns.index:
            return self.cell(place, field).strip()
        row, title = self.grid[place], folded(field)
        cells = zip(self.columns.header, row, strict=False)
        return next((cell.strip() for one, cell in cells if folded(one) == title), "")

    def name_of(self, key: JobKey) -> str:
        """The name of the row; empty if it has none in this reading."""
        place = self.unchanged.get(key.row_id)
        if place is not None:
            return self.cell(place, "name").strip()
        return self.names.get(key.row_id, "")
