"""Brings the cells of a sheet up to date: reads it, plans, writes, and reads back.

In: nothing but the sheet and what the store knows. Out: a `Look`. Owns no state. Raises SheetError
if the sheet cannot be read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pipeline.core.model import Grid, Patch
from pipeline.sheets import Sheet
from pipeline.store import Store
from pipeline.sync.clock import Clock
from pipeline.sync.corrections import Corrections, Draft
from pipeline.sync.hold import Hold
from pipeline.sync.look import Look, RowEnd, WrittenEnd
from pipeline.sync.ownership import Ownership
from pipeline.sync.planner import Planner
from pipeline.sync.readings import noted
from pipeline.sync.sheet_state import SheetState


class SheetUpdater:
    """One sheet in one pass.

    `on_planned` is called with each look before its cells are written: it counts although the write
    may fail.
    """

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        state: SheetState,
        ownership: Ownership,
        planner: Planner,
        corrections: Corrections,
        clock: Clock,
        on_planned: Callable[[Look], None],
    ) -> None:
        self._sheet, self._store, self._state, self._ownership = sheet, store, state, ownership
        self._planner, self._corrections, self._clock = planner, corrections, clock
        self._on_planned = on_planned

    def update(self, refused: Hold | None = None, planned: Look | None = None) -> Look:
        """Read and write once. `refused` is why the claim could not be raised.

        `planned` is an earlier look at this sheet; it is used if its grid is read again. If rows
        need a claim first, nothing is written.

        The plan is made inside the sheet's `write`, because it must be made for exactly the grid
        that is changed.
        """
        drafts: list[Draft] = []
        read_at = self._clock.now()

        def patch_for(grid: Grid) -> Patch:
            nonlocal read_at
            read_at = self._clock.now()
            if planned and planned.grid == grid:
                look = planned.with_hold(refused)
            else:
                look = self._planner.look(grid).with_hold(refused)
            drafts.append(self._draft(look))
            self._on_planned(drafts[-1].look)
            return drafts[-1].patch

        grid = self._sheet.write(patch_for)
        draft = drafts[-1]
        now = self._clock.now()
        written = tuple(WrittenEnd(end, _since(end, now)) for end in draft.ends)
        look = draft.look if grid is draft.look.grid else self._after_write(draft, grid, refused)
        return replace(look, written=written, read_at=read_at)

    def out_of_date(self, look: Look) -> Patch:
        """The cells of a look that differ from what the store knows, with the right text."""
        return self._corrections.out_of_date(look)

    def _draft(self, look: Look) -> Draft:
        if self._ownership.must_claim(look):
            return Draft(look, {})
        return self._corrections.draft(noted(look, self._state, self._store))

    def _after_write(self, draft: Draft, grid: Grid, refused: Hold | None) -> Look:
        as_written = draft.as_written(grid, self._planner.columns(grid))
        return as_written or self._read_back(grid, refused)

    def _read_back(self, grid: Grid, refused: Hold | None) -> Look:
        """The look at a sheet that others changed while it was written."""
        look = self._planner.look(grid).with_hold(refused)
        if self._ownership.must_claim(look):
            return look
        return self._corrections.checked(noted(look, self._state, self._store))


def _since(end: RowEnd, now: datetime) -> float:
    """Seconds since a row ended."""
    return (now - (end.attempt.ended_at or now)).total_seconds()
