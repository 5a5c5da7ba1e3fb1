"""Rows to add below the last one of a sheet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.core.model import Grid
from pipeline.core.sheet.ticks import Tick, box

#: A row to add: column, counted from 0 -> the text of its cell.
NewRow = Mapping[int, str]


def place_below(grid: Grid) -> int:
    """The place below the last row. A line of nothing but unticked boxes is no row."""
    for at in range(len(grid) - 1, 0, -1):
        if any(box(cell) is not Tick.NO for cell in grid[at]):
            return at + 1
    return min(len(grid), 1)


def with_rows(grid: Grid, rows: Sequence[NewRow]) -> Grid:
    """The grid with these rows below its last one."""
    at = place_below(grid)
    return (*grid[:at], *whole(grid, rows), *grid[at:])


def whole(grid: Grid, rows: Iterable[NewRow]) -> Iterator[tuple[str, ...]]:
    """New rows, each as wide as the header."""
    wide = len(grid[0]) if grid else 0
    return (tuple(row.get(at, "") for at in range(max(wide, *row, 0) or 1)) for row in rows)
