"""Protected parts of a tab: those that a reading lists, and those that refusals show.

Listed parts cost no request. Other parts are found by halving: a half that is accepted is written,
a half that is refused is divided again, in a limited number of requests. The rest waits for the
next pass, which has less to try.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from pipeline.core.errors import SheetError
from pipeline.core.sheet.verified_writes import RowWrite
from pipeline.sheets.google.client import Json

#: Requests that a search for what is not listed may take.
MOST_TRIES: Final = 30
#: So many rows of a column are tried before all of it counts as protected.
_SAMPLE = 3
_NO_END = 20_000_000

#: A cell: its row and its column.
At = tuple[int, int]
#: Sends these cells: whether they were taken.
Try = Callable[[Sequence[RowWrite]], bool]


class Fenced(SheetError):
    """The cells of the request are protected against us."""


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a tab that we may not edit, and the exceptions in it."""

    rows: range
    columns: range
    but: tuple[Area, ...] = ()

    def holds(self, row: int, at: int) -> bool:
        """Returns whether the cell is protected."""
        return (
            row in self.rows
            and at in self.columns
            and not any(one.holds(row, at) for one in self.but)
        )


class SplitCells(NamedTuple):
    """Cells that may be written, and those that may not."""

    writable: set[At]
    protected: set[At]


class Closed:
    """The cells that are known to be protected, during a pass."""

    def __init__(self) -> None:
        #: As the last reading listed it.
        self.listed: tuple[Area, ...] = ()
        self._found: set[At] = set()
        #: Cells that were to be written and were not.
        self.left_out: set[At] = set()

    def __bool__(self) -> bool:
        return bool(self.listed or self._found)

    def holds(self, row: int, at: int) -> bool:
        """Returns whether the cell is known to be protected."""
        return (row, at) in self._found or any(one.holds(row, at) for one in self.listed)

    def split(self, cells: Iterable[At]) -> SplitCells:
        """The cells that may be written, and those that may not, which are remembered."""
        asked = set(cells)
        closed = {(row, at) for row, at in asked if self.holds(row, at)}
        self.left_out |= closed
        return SplitCells(asked - closed, closed)

    def is_all(self, height: int, columns: Iterable[int]) -> bool:
        """Returns whether no cell of these columns below the header may be written."""
        return all(self.holds(row, at) for at in columns for row in range(1, height))

    def add(self, part: Iterable[RowWrite]) -> None:
        """Note that these cells are protected."""
        cells = {(one.row, at) for one in part for at in one.cells}
        self._found |= cells
        self.left_out |= cells

    def between(self, at: int, above: int, below: int) -> bool:
        """Returns whether a protected cell of the column lies between two rows."""
        return bool(self) and any(self.holds(row, at) for row in range(above + 1, below))


def listed(tab: Json) -> tuple[Area, ...]:
    """The ranges that we may not edit, according to the answer to a reading."""
    return tuple(
        replace(
            _area(one.get("range", {})), but=tuple(map(_area, one.get("unprotectedRanges", ())))
        )
        for one in tab.get("protectedRanges", [])
        if not one.get("warningOnly") and not one.get("requestingUserCanEdit")
    )


def search(part: Sequence[RowWrite], closed: Closed, is_taken: Try) -> list[RowWrite]:
    """Write what can be written, and note the rest. Returns what was written."""
    trial = _Trial(is_taken)
    if trial.takes(part):
        return list(part)
    columns = sorted({at for one in part for at in one.cells})
    refused = [at for at in columns if len(columns) == 1 or not trial.takes(_only(part, {at}))]
    rest = _only(part, set(refused))
    few = random.sample(rest, min(_SAMPLE, len(rest)))
    if len(refused) < len(columns) and not any(trial.takes([one]) for one in few):
        closed.add(rest)
        return trial.written
    doubted = {one.row for one in rest}
    waiting = _runs(rest)
    while waiting:
        # First the pieces next to open rows, because protected cells are mostly one block; of these
        # the larger one, so that most is written early; else at random, so that passes differ.
        piece = max(waiting, key=lambda one: (_borders(one, doubted), len(one), random.random()))  # noqa: S311
        waiting.remove(piece)
        for half in _halves(piece):
            if trial.takes(half):
                doubted -= {one.row for one in half}
            elif trial.left and (len(half) > 1 or len(half[0].cells) > 1):
                waiting.append(half)
            else:
                closed.add(half)
    return trial.written


def cells_in_words(left_out: Iterable[At], titles: Sequence[str], height: int) -> str:
    """The cells in words: "rows 3 to 9 and 12 (status, note), the column task_id"."""
    rows_of: dict[int, set[int]] = defaultdict(set)
    for row, at in left_out:
        rows_of[at].add(row)
    columns_with: dict[frozenset[int], list[str]] = defaultdict(list)
    for at, rows in sorted(rows_of.items()):
        columns_with[frozenset(rows)].append(titles[at] if at < len(titles) else "")
    said = []
    for found, columns in columns_with.items():
        names = ", ".join(filter(None, columns))
        if len(found) >= max(height - 1, 2):
            said.append(f"the column {names}" if len(columns) == 1 else f"the columns {names}")
        else:
            said.append(f"{_in_words(found)} ({names})" if names else _in_words(found))
    return ", ".join(said)


class _Trial:
    """Writing pieces, for as many requests as are allowed."""

    def __init__(self, is_taken: Try) -> None:
        self._is_taken = is_taken
        self.left = MOST_TRIES
        self.written: list[RowWrite] = []

    def takes(self, piece: Sequence[RowWrite]) -> bool:
        if not self.left:
            return False
        self.left -= 1
        if not self._is_taken(piece):
            return False
        self.written += piece
        return True


def _halves(piece: list[RowWrite]) -> list[list[RowWrite]]:
    if len(piece) > 1:
        middle = len(piece) // 2
        return [piece[:middle], piece[middle:]]
    return [[replace(one, cells={at: v})] for one in piece for at, v in one.cells.items()]


def _runs(part: Iterable[RowWrite]) -> list[list[RowWrite]]:
    """Rows that follow each other, together."""
    runs: list[list[RowWrite]] = []
    for one in sorted(part, key=lambda one: one.row):
        if runs and runs[-1][-1].row == one.row - 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _borders(piece: Sequence[RowWrite], doubted: set[int]) -> bool:
    return piece[0].row - 1 not in doubted or piece[-1].row + 1 not in doubted


def _only(part: Iterable[RowWrite], columns: set[int]) -> list[RowWrite]:
    kept = (
        replace(one, cells={at: v for at, v in one.cells.items() if at in columns}) for one in part
    )
    return [one for one in kept if one.cells]


def _area(said: Json) -> Area:
    return Area(
        range(said.get("startRowIndex", 0), said.get("endRowIndex", _NO_END)),
        range(said.get("startColumnIndex", 0), said.get("endColumnIndex", _NO_END)),
    )


def _in_words(rows: Iterable[int]) -> str:
    """Numbers as the sheet shows them, in runs."""
    runs: list[list[int]] = []
    for row in sorted(rows):
        if runs and runs[-1][1] == row - 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    said = [f"{a + 1}" if a == b else f"{a + 1} to {b + 1}" for a, b in runs[:5]]
    said += ["others"] if len(runs) > 5 else []
    words = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    return f"{'row' if words.isdecimal() else 'rows'} {words}"
