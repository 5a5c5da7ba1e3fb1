"""Which rows of a reading have to be looked at, and which are as the last pass left them.

The rule is in `core.unchanged_rows`; this class applies it to what the store knows. Where only a
look at all rows can tell what a reading means, all rows are looked at.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from pipeline import __version__
from pipeline.core.header import Columns, Header, Marked
from pipeline.core.model import Grid
from pipeline.core.planning import Line, Rules
from pipeline.core.unchanged_rows import (
    Parted,
    Resting,
    depends,
    is_usual,
    left_at_rest,
    may_stray,
    parted,
    stray_lines,
    wander,
)
from pipeline.sync.sheet_state import SheetState


class ChangedRows:
    """The last reading of a sheet in rows at rest and others."""

    def __init__(self, known: SheetState, rules: Rules, header: Header) -> None:
        self._known = known
        self._rules = rules
        self._header = header
        #: None where all rows had to be looked at.
        self.parted: Parted | None = None
        self._earlier: tuple[Grid, Parted] | None = None

    @property
    def resting(self) -> Mapping[str, int]:
        """Id -> place of the rows at rest."""
        return self.parted.resting if self.parted else {}

    @property
    def statuses(self) -> Counter[str]:
        """What the rows at rest say in their status cell, which is the truth."""
        return self.parted.statuses if self.parted else Counter()

    @property
    def others(self) -> Sequence[int] | None:
        """Places of all other lines; None where all rows had to be looked at."""
        return self.parted.others if self.parted else None

    def rows(self, columns: Columns, grid: Grid) -> list[Marked]:
        """The rows that have to be looked at, with all that is known of them loaded."""
        left = self._known.resting
        usual = left.rows and is_usual(columns, self._known.record.ours)
        if not usual or left.under != self._under(columns):
            return self.all_rows(columns, grid)
        parts = parted(grid, columns, left, self._known.stirred, self._earlier)
        self.parted, self._earlier = parts, (grid, parts)
        rows = list(columns.rows(grid, parts.others))
        self._known.load(self._known.ids - parts.resting.keys())
        if may_stray(grid, columns, parts, rows, left) or wander(rows, self._known.memory.known):
            return self.all_rows(columns, grid)
        return rows

    def all_rows(self, columns: Columns, grid: Grid) -> list[Marked]:
        """All rows, with all that is known of any loaded."""
        self._known.complete()
        self.parted = None
        return list(columns.rows(grid))

    def keep(
        self, lines: Sequence[Line], grid: Grid, columns: Columns, untrue: Collection[int]
    ) -> None:
        """Keep which rows need no look the next time.

        `lines` are those looked at, `untrue` the places where a cell does not say the truth.
        """
        left = self._known.resting
        if not is_usual(columns, self._known.record.ours):
            return
        jobs = defaultdict(list)
        for key, job in self._known.jobs.items():
            jobs[key.row_id].append(job)
        rows = left_at_rest(lines, grid, jobs, untrue, self._rules.saves_files)
        rows |= {row_id: left.rows[row_id] for row_id in self.resting}
        self._known.ids |= {line.seen.row_id for line in lines}
        now = Resting(
            self._under(columns),
            self._known.cursor,
            rows,
            frozenset(self._known.ids - rows.keys()),
            stray_lines(grid, columns, lines, self.parted, untrue),
        )
        self._known.keep_resting(now)

    def _under(self, columns: Columns) -> str:
        """A digest of what decides about every row alike."""
        header, record = self._header, self._known.record
        return depends(
            *(
                __version__,
                time.tzname,
                self._rules,
                columns.header,
                record.ours and sorted(record.ours),
            ),
            *(
                record.columns,
                sorted(header.titles.items()),
                list(header.ignore),
                sorted(header.fields),
            ),
        )
