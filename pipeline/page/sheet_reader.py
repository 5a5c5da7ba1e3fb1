"""Reads the cells of the sheet, again after each change of the file.

If the sheet cannot be read, the last reading is used and `Reading.trouble` has the reason.
`Reading` owns the last reading.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.config import GoogleSource
from pipeline.core.errors import PromptsheetError
from pipeline.core.model import Grid
from pipeline.core.rows.forgetting import Recalled
from pipeline.core.rows.known import Memory
from pipeline.core.sheet.header import Columns
from pipeline.open_sheet import open_sheet
from pipeline.reports.results import RowCells, recalled_by, row_cells
from pipeline.sheets import Sheet
from pipeline.sync.configured_sheet import Campaign

#: Seconds between two readings of a Google Sheet.
GOOGLE_EVERY: Final = 60.0


class Reading:
    """The sheet of a campaign when it was last read."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._sheet: Sheet | None = None
        self._seen: object = None
        self._read_at = -GOOGLE_EVERY
        #: Why the last reading failed, as a sentence; empty if it did not.
        self.trouble = ""
        #: The grid, and the places of each id in it.
        self._found: tuple[Grid, Mapping[str, Sequence[int]]] = (), {}

    @property
    def columns(self) -> Columns:
        """The columns of the last reading; none before the first one."""
        grid, _ = self._found
        return self._campaign.settings.header.read(grid)

    def refresh(self) -> set[str]:
        """Read the sheet if it has changed. Returns the ids of the rows that differ."""
        if (grid := self._changed()) is None:
            return set()
        before, places_before = self._found
        places = self._places(grid)
        self._found = grid, places
        if grid[:1] != before[:1]:
            return {*places, *places_before}
        gone = places_before.keys() - places.keys()
        return gone | {
            one
            for one, here in places.items()
            if [grid[at] for at in here] != [before[at] for at in places_before.get(one, ())]
        }

    def said(self, ids: Iterable[str], memory: Memory) -> dict[str, RowCells]:
        """The cells of these rows, if id and inputs still match the store."""
        grid, _ = self._found
        return row_cells(grid, self.columns, memory, self._at(ids))

    def recalled(self, ids: Iterable[str]) -> Recalled:
        """The texts of these rows that the store has forgotten."""
        grid, _ = self._found
        return recalled_by(grid, self.columns, self._campaign.store, self._at(ids))

    def _at(self, ids: Iterable[str]) -> list[int]:
        _, places = self._found
        return [at for one in ids for at in places.get(one, ())]

    def _changed(self) -> Grid | None:
        """The sheet if it has changed; None if it has not, or cannot be read."""
        source, now = self._campaign.settings.source, time.monotonic()
        try:
            if isinstance(source, GoogleSource):
                if now - self._read_at < GOOGLE_EVERY:
                    return None
                seen: object = now
            elif (seen := _version(source)) == self._seen and seen:
                self.trouble = ""
                return None
            self._read_at = now
            if self._sheet is None:
                self._sheet = open_sheet(self._campaign.settings, self._campaign.store)
            grid = self._sheet.read()
        except PromptsheetError as error:
            self.trouble = str(error)
            return None
        self._seen, self.trouble = seen, ""
        return grid

    def _places(self, grid: Grid) -> dict[str, list[int]]:
        columns = self._campaign.settings.header.read(grid)
        places: dict[str, list[int]] = defaultdict(list)
        for at in range(1, len(grid)):
            if row_id := columns.cell(grid[at], "row_id").strip():
                places[row_id].append(at)
        return dict(places)


def _version(file: Path) -> object:
    """A value that changes with each save of the file; None if it cannot be read."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
