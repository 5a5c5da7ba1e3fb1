"""Which cells of a sheet to write while people move its rows, and which rows a write has hit.

A Google Sheet has no compare-and-swap: between our reading and our write, people may move any row.
(Columns are safe: each is written under a name that moves with the column.) So each row is written
together with its *proof*: other cells of the row, which the answer to the write shows. The proof is
the id, or the inputs if the id is only being written. If the proof fails, the row was *misplaced*:
the earlier cells are put back (see `misplaced`), and the row is written again from a new reading.

`Raw` values are what was entered (a formula as its text); a *snapshot* is a grid of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from pipeline.core.model import Grid, Patch
from pipeline.core.sheet.header import Columns

Raw = str | int | float | bool
Snapshot = tuple[tuple[Raw, ...], ...]


@dataclass(frozen=True, slots=True)
class RowWrite:
    """The cells to write into one row, and the other cells that prove that it is this row."""

    row: int
    cells: Mapping[int, Raw]
    proof: Mapping[int, Raw]

    @property
    def columns(self) -> frozenset[int]:
        """The columns that are written or are a part of the proof."""
        return frozenset((*self.cells, *self.proof))

    def is_proved_by(self, row: Sequence[Raw]) -> bool:
        """Returns whether a row has the cells of the proof."""
        return all(at_column(row, at) == says for at, says in self.proof.items())

    def stands_in(self, row: Sequence[Raw]) -> bool:
        """Returns whether a row has all cells that were written."""
        return all(at_column(row, at) == says for at, says in self.cells.items())


@dataclass(frozen=True, slots=True)
class Unverified:
    """Rows that were written and not proved, and the sheet as it was just before."""

    before: Snapshot
    unproved: tuple[RowWrite, ...]
    #: The titles that the columns had at the moment of the write, in the order of `before`.
    header: tuple[Raw, ...]
    #: By which name each column was written.
    names: Mapping[int, int]


class Located(NamedTuple):
    """The rows of a patch that were found in a snapshot, and how many were not."""

    found: list[RowWrite]
    missing: int


class Judgement(NamedTuple):
    """The answer to a write: rows that are not proved, and the titles at that moment."""

    unproved: tuple[RowWrite, ...]
    header: tuple[Raw, ...]


def at_column(row: Sequence[Raw], at: int) -> Raw:
    """The cell of a row that may be short."""
    return row[at] if 0 <= at < len(row) else ""


def agree(grid: Grid, snapshot: Snapshot) -> bool:
    """Returns whether a reading and a later snapshot show the same, as far as can be known."""
    height = max(len(grid), len(snapshot))
    return all(
        _row_agrees(
            grid[place] if place < len(grid) else (),
            snapshot[place] if place < len(snapshot) else (),
        )
        for place in range(height)
    )


def with_text_marked(grid: Grid, snapshot: Snapshot, columns: Columns) -> Snapshot:
    """The snapshot with a `'` before text in our columns that looks like a formula.

    A snapshot may show such text like a formula. But a cell that shows in the reading what was
    entered is text: a formula shows its value. `grid` must agree with the snapshot.
    """
    ours = {at for name, at in columns.ours.items() if name != "row_id"}
    return tuple(
        tuple(
            f"'{cell}" if at in ours and is_formula(cell) and at_column(shown, at) == cell else cell
            for at, cell in enumerate(row)
        )
        if any(map(is_formula, row))
        else row
        for shown, row in zip_longest(grid[: len(snapshot)], snapshot, fillvalue=())
    )


def row_writes(grid: Grid, patch: Patch, snapshot: Snapshot, columns: Columns) -> Located:
    """The places of a patch's rows in the snapshot.

    The patch was made from `grid`. A row is found by its id and inputs, or by its inputs alone.
    Columns are not searched: if the header differs, no row is found.
    """
    by_row: dict[int, dict[int, str]] = defaultdict(dict)
    for (row, at), text in patch.items():
        by_row[row][at] = text
    if not _row_agrees(grid[0] if grid else (), snapshot[0] if snapshot else ()):
        return Located([], len(by_row))
    places = _Places(grid, snapshot, columns)
    found: list[RowWrite] = []
    for row, cells in sorted(by_row.items()):
        place = places.find(row)
        if place is not None:
            found.append(_row_write(place, cells, snapshot, columns, places.marks))
    return Located(found, len(by_row) - len(found))


def judge(
    part: Sequence[RowWrite], shown: Mapping[int, Sequence[Raw]], before: Snapshot
) -> Judgement | None:
    """Which rows were written and are not proved; None if the answer does not show it.

    `shown` are the columns of the answer, each from the header down.
    """
    header = list(before[0]) if before else []
    entitled = {at for one in part if one.row == 0 for at in one.cells}
    titled = {at: title for at in shown if at not in entitled and (title := at_column(header, at))}
    titles = {at: at_column(shown[at], 0) for at in titled}
    if titled and not any(titles.values()):
        return None  # the answer shows nothing but what was written
    shifted = {at for at, title in titled.items() if titles[at] != title}
    for at in shifted & {at for one in part for at in one.cells}:
        header[at] = titles[at]
    unproved = tuple(
        one
        for one in part
        if (shifted and not shifted.isdisjoint(one.columns))
        or any(at_column(shown.get(at, ()), one.row) != says for at, says in one.proof.items())
    )
    return Judgement(unproved, tuple(header))


def is_formula(value: Raw) -> bool:
    """Returns whether what was entered is a formula; no text of ours begins like one."""
    return isinstance(value, str) and value.startswith("=")


def _row_agrees(shown: Sequence[str], entered: Sequence[Raw]) -> bool:
    filled = len(entered)
    if tuple(shown[:filled]) == tuple(entered) and not any(shown[filled:]):
        return True
    wide = max(len(shown), len(entered))
    return all(
        _agrees(shown[at] if at < len(shown) else "", at_column(entered, at)) for at in range(wide)
    )


def _agrees(shown: str, entered: Raw) -> bool:
    # What was entered does not say how a number, a date or the value of a formula is shown;
    # a formula, and a number in a format made for it, may show nothing at all.
    if not isinstance(entered, str):
        return True
    return shown == entered or entered.startswith(("=", "'="))


class _Places:
    """The places of the rows of a reading in a later snapshot."""

    def __init__(self, grid: Grid, snapshot: Snapshot, columns: Columns) -> None:
        self._grid, self._snapshot, self._columns = grid, snapshot, columns
        self._id = columns.index.get("row_id", -1)
        ours = set(columns.ours.values())
        self._theirs = [at for at in range(len(columns.header)) if at not in ours]
        self._taken: set[int] = set()
        self._whole = agree(grid, snapshot)
        #: Id -> how many rows of the snapshot have it.
        self.marks: dict[Raw, int] = defaultdict(int)
        self._by_id: dict[Raw, list[int]] = defaultdict(list)
        for place in range(1, len(snapshot)):
            mark = at_column(snapshot[place], self._id)
            self.marks[mark] += 1
            self._by_id[mark].append(place)
        self._plain: dict[tuple[Raw, ...], list[int]] = defaultdict(list)
        if not self._whole:
            for place in self._by_id.get("", ()):
                self._plain[self._words(snapshot[place])].append(place)

    def find(self, row: int) -> int | None:
        """The place in the snapshot, or None; no place is given twice."""
        if row == 0 or self._whole:
            return row
        shown = self._grid[row] if row < len(self._grid) else ()
        mark = at_column(shown, self._id)
        near = [row] if row < len(self._snapshot) else []
        # Equal rows without an id cannot be distinguished: the first free one is taken.
        others: Sequence[int] = self._by_id.get(mark, [])
        if not mark:
            others = self._plain.get(self._words(shown), [])
        for place in (*near, *others):
            if place not in self._taken and self._is_same(shown, self._snapshot[place]):
                self._taken.add(place)
                return place
        return None

    def _is_same(self, shown: Sequence[str], entered: Sequence[Raw]) -> bool:
        return at_column(shown, self._id) == at_column(entered, self._id) and all(
            _agrees(str(at_column(shown, at)), at_column(entered, at)) for at in self._theirs
        )

    def _words(self, row: Sequence[Raw]) -> tuple[Raw, ...]:
        return tuple(at_column(row, at) for at in self._theirs)


def _row_write(
    place: int,
    cells: Mapping[int, str],
    snapshot: Snapshot,
    columns: Columns,
    marks: Mapping[Raw, int],
) -> RowWrite:
    return RowWrite(place, cells, proof_of(place, cells, snapshot, columns, marks))


def proof_of(
    place: int,
    cells: Mapping[int, Raw],
    snapshot: Snapshot,
    columns: Columns,
    marks: Mapping[Raw, int],
) -> dict[int, Raw]:
    """Only the id, if it is unique and not written now; else the inputs of the row as well."""
    row = snapshot[place] if place < len(snapshot) else ()
    if place == 0:
        return {at: at_column(row, at) for at in range(len(row)) if at not in cells}
    at_id = columns.index.get("row_id", -1)
    mark = at_column(row, at_id)
    proof: dict[int, Raw] = {}
    if at_id >= 0 and at_id not in cells:
        proof[at_id] = mark
        if mark != "" and marks.get(mark) == 1:
            return proof
    inputs = (columns.index[name] for name in columns.inputs)
    return proof | {at: at_column(row, at) for at in inputs if at not in cells}
