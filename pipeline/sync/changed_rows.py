"""Which rows of a reading have to be looked at, and which are as the last pass left them.

The rule is in `core.cells.unchanged_rows`; this class applies it to what the store knows. If only a
look at all rows can tell what a reading means, all rows are looked at.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from pipeline import __version__
from pipeline.core.cells.settled_rows import can_settle, settled_rows
from pipeline.core.cells.unchanged_rows import (
    Parted,
    Unchanged,
    depends,
    is_usual,
    lines_with_results,
    may_hold_results,
    needs_all_rows,
    parted,
    parted_by,
    unchanged_digests,
)
from pipeline.core.model import Grid
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, Header, Marked
from pipeline.sync.look import Look
from pipeline.sync.sheet_state import SheetState


class ChangedRows:
    """Divides each reading into unchanged rows and others. Owns the division of the last one."""

    def __init__(self, state: SheetState, rules: Rules, header: Header) -> None:
        self._state = state
        self._rules = rules
        self._header = header
        self._parted: Parted | None = None
        self._earlier: tuple[Grid, Parted] | None = None

    @property
    def is_partial(self) -> bool:
        """True if not all rows have to be looked at."""
        return self._parted is not None

    @property
    def unchanged(self) -> Mapping[str, int]:
        """Id -> place of the unchanged rows."""
        return self._parted.unchanged if self._parted else {}

    @property
    def statuses(self) -> Counter[str]:
        """The statuses of the unchanged rows; they are correct."""
        return self._parted.statuses if self._parted else Counter()

    @property
    def others(self) -> Sequence[int] | None:
        """Places of all other lines; None if all rows have to be looked at."""
        return self._parted.others if self._parted else None

    def rows(self, columns: Columns, grid: Grid) -> list[Marked]:
        """The rows that have to be looked at, with all that is known of them loaded."""
        parts = self._in_parts(columns, grid)
        if parts is None:
            return self.all_rows(columns, grid)
        self._parted, self._earlier = parts, (grid, parts)
        rows = list(columns.rows(grid, parts.others))
        self._state.load(self._state.rows.ids.difference(parts.unchanged))
        self._state.recall(rows)
        known, left = self._state.rows.memory.known, self._state.rows.unchanged
        if may_hold_results(grid, columns, parts, rows, left) or needs_all_rows(rows, known):
            return self.all_rows(columns, grid)
        return rows

    def _in_parts(self, columns: Columns, grid: Grid) -> Parted | None:
        """The reading in two parts; None if all rows have to be looked at.

        Unchanged are the rows that an earlier pass left so under the present rules. If none is
        known to, those that are plainly done.
        """
        if not is_usual(columns, self._state.record.ours):
            return None
        rows, under = self._state.rows, self._under(columns)
        if rows.unchanged.rows and rows.unchanged.under == under:
            return parted(grid, columns, rows.unchanged, rows.changed_ids, self._earlier)
        if rows.is_complete or not can_settle(columns, self._rules):
            return None
        places, digests = settled_rows(grid, columns, self._rules, rows.plainly_done())
        others = frozenset(rows.ids.difference(digests))
        if len(digests) <= len(others):
            return None  # All rows are loaded faster than most of them.
        rows.settle(Unchanged(under, self._state.jobs.version, digests, others))
        for one in rows.changed_ids:
            places.pop(one, None)
        return parted_by(grid, columns, places)

    def all_rows(self, columns: Columns, grid: Grid) -> list[Marked]:
        """All rows, with all that is known of any loaded."""
        self._state.complete()
        self._parted = None
        rows = list(columns.rows(grid))
        self._state.recall(rows)
        return rows

    def keep(self, look: Look) -> None:
        """Keep which rows need no look the next time."""
        state, lines = self._state, look.plan.lines
        if not is_usual(look.columns, state.record.ours):
            return
        jobs = defaultdict(list)
        for key, job in state.jobs.all.items():
            jobs[key.row_id].append(job)
        rows = unchanged_digests(lines, look.grid, jobs, look.outdated, self._rules.saves_files)
        before = state.rows.unchanged.rows
        rows |= {row_id: before[row_id] for row_id in self.unchanged}
        state.rows.add_ids(line.seen.row_id for line in lines)
        now = Unchanged(
            self._under(look.columns),
            state.jobs.version,
            rows,
            frozenset(state.rows.ids.difference(rows)),
            lines_with_results(look.grid, look.columns, lines, self._parted, look.outdated),
        )
        state.rows.keep_unchanged(now)

    def _under(self, columns: Columns) -> str:
        """A digest of what decides about every row alike."""
        record = self._state.record
        return depends(
            self._fixed,
            self._rules.files,
            columns.header,
            record.ours and sorted(record.ours),
            record.columns,
            columns.inputs,
        )

    @cached_property
    def _fixed(self) -> str:
        """The part of `_under` that stays the same: the rules with a whole provider file."""
        header = self._header
        return depends(
            __version__,
            time.tzname,
            replace(self._rules, files=None),
            sorted(header.titles.items()),
            list(header.ignore),
            sorted(header.fields),
        )
