"""Adds rows to a tab that other people edit.

Each request inserts rows and fills them in one step, so a row is whole or not there, and no cell of
a person is overwritten, wherever people move their rows. Only columns may be moved between the
reading and the request; the answer shows the header after it, and the cells are then put under
their titles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid
from pipeline.core.sheet.misplaced import moved
from pipeline.core.sheet.new_rows import NewRow, place_below, whole
from pipeline.sheets.google import formatting
from pipeline.sheets.google.client import Json, Spreadsheet
from pipeline.sheets.google.protected_ranges import Fenced
from pipeline.sheets.google.tab import GoogleTab, TabHeader, TabReading, header
from pipeline.sheets.google.write_requests import LARGEST
from pipeline.sheets.google.writer import ROUNDS, Writing


class Adding:
    """Adds rows to one tab. `title` is what the sheet is called in messages."""

    def __init__(
        self, spreadsheet: Spreadsheet, tab: GoogleTab, writing: Writing, title: str
    ) -> None:
        self._sheets, self._tab, self._writing, self._title = spreadsheet, tab, writing, title

    def add(self, look: TabReading, rows: Sequence[NewRow]) -> Grid | None:
        """Add rows below the last one of a reading. Returns the grid with them.

        None if people moved columns meanwhile: some rows may be missing, and those that are there
        are right. Raises Unsure if a request may have been carried out, and SheetError.
        """
        grid, high, titles = look.grid, look.high, look.header.titles
        for part in _parts_of(rows):
            at = place_below(grid)
            after = self._change(formatting.new_rows(self._tab.gid, at, high, part))
            if after.titles != titles:
                self._put_right(titles, part)
                return None
            grid = (*grid[:at], *whole(grid, part), *grid[at:])
            high = max(high, at) + len(part)
        return grid

    def _put_right(self, was: Sequence[str], rows: Sequence[NewRow]) -> None:
        """Put the cells of rows under their titles, after people have moved columns."""
        for _ in range(ROUNDS):
            look = self._tab.look()
            titles, landed = look.header.titles, moved(was, look.header.titles)
            at = _place_of(rows, look.grid)
            if at is None or not {n for row in rows for n in row} <= landed.keys():
                break
            meant = [{landed[n]: text for n, text in row.items()} for row in rows]
            # The cells in which the texts are now become empty.
            both = [dict.fromkeys(row, "") | right for row, right in zip(rows, meant, strict=True)]
            if self._change([formatting.cells_of_rows(self._tab.gid, at, both)]).titles == titles:
                return
            was, rows = titles, meant
        raise SheetError(
            f"People moved columns of {self._title} while rows were added, so up to {len(rows)} "
            "new rows have cells in wrong columns. Correct or delete them at the end of the sheet."
        )

    def _change(self, wanted: list[Json]) -> TabHeader:
        """Change the tab. Returns the header after that."""
        try:
            said = self._writing.change(wanted, self._tab.first_line)
        except Fenced as e:
            who = self._sheets.account.called
            raise SheetError(
                f"{self._title} is protected against {who}, so no rows can be added. Let {who} "
                "edit all of it: in the sheet, Data, Protect sheets and ranges."
            ) from e
        for tab in said.get("updatedSpreadsheet", {}).get("sheets", []):
            if tab.get("properties", {}).get("sheetId", 0) == self._tab.gid:
                return header(tab)
        return TabHeader((), {}, {})


def _parts_of(rows: Sequence[NewRow]) -> Iterator[list[NewRow]]:
    """The rows divided into as many requests as their size needs."""
    part: list[NewRow] = []
    size = 0
    for row in rows:
        length = len(json.dumps(formatting.cells_of_rows(0, 0, [row])))
        if part and size + length > LARGEST:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _place_of(rows: Sequence[NewRow], grid: Grid) -> int | None:
    """Where these rows are in a grid, one below the other; None if they are not there."""
    wanted = [{n: text for n, text in row.items() if text} for row in rows]
    for at in range(len(grid) - len(rows), 0, -1):
        if all(
            {n: text for n, text in enumerate(line) if text} == row
            for line, row in zip(grid[at:], wanted, strict=False)
        ):
            return at
    return None
