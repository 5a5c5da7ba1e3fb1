"""One worksheet of a workbook: where each cell is in its XML, and how cells are changed there.

openpyxl's save loses the computed values of formulas, and everything it does not know. So we do not
save with it: `worksheet_reader` finds the places of rows and cells in the bytes of the part, our
cells are inserted there, and every other byte stays as the other program wrote it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline.sheets.excel.a1 import box_of, holds_any, name_of
from pipeline.sheets.excel.xml_text import escaped

#: How many columns all array formulas of a worksheet may fill together.
MOST_FILLED = 20_000_000


class Unreadable(Exception):
    """The part is not what a spreadsheet program writes. The message says why in a few words."""


class SharedFormula(Exception):
    """A cell contains, or is covered by, a formula that other cells depend on."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        super().__init__(f"{ref} holds a formula that other cells share")


class _Edit(NamedTuple):
    """Bytes of the part from `start` up to `end`, and what takes their place."""

    start: int
    end: int
    new: bytes


@dataclass(slots=True)
class Cell:
    """One cell as it is written; `value` is None if it has none."""

    start: int
    end: int = 0
    kind: str = "n"
    style: str = ""
    value: str | None = None
    has_formula: bool = False
    #: True if its value comes from a formula: its own, or an array formula of another cell.
    is_computed: bool = False
    #: The cells that its formula answers for, and whether each of these takes it from here alone.
    answers_for: str = ""
    is_shared: bool = False


@dataclass(slots=True)
class RowXml:
    """One row in the bytes: where its start tag begins and ends, and where it is closed."""

    start: int
    inside: int
    #: Where the next cell goes, and None for a row that is written as one empty tag.
    close: int | None
    cells: dict[int, Cell] = field(default_factory=dict)


@dataclass(slots=True)
class Worksheet:
    """The rows of a worksheet part, by number counted from 0, in the order of the part."""

    content: bytes
    prefix: str = ""
    rows: dict[int, RowXml] = field(default_factory=dict)
    close: int = 0
    #: Where the value of the dimension's ref is, and the value.
    dimension: tuple[int, int] | None = None
    merged: list[str] = field(default_factory=list)
    #: Column -> the style that a new cell in it gets, where the column has one.
    styles: dict[int, str] = field(default_factory=dict)
    #: True if a formula may fill other cells than its own.
    has_arrays: bool = False

    def holds_formula(self, places: Mapping[tuple[int, int], str]) -> bool:
        """Returns whether one of these cells contains a formula now."""
        return any(
            (row := self.rows.get(number)) and (cell := row.cells.get(column)) and cell.has_formula
            for number, column in places
        )

    def patched(self, cells: Mapping[tuple[int, int], str], like: int | None = None) -> bytes:
        """The part with these cells as text, each in its place. Raises SharedFormula.

        A new cell looks like its column, or like the one of row `like`.
        """
        self._refuse_shared(cells)
        if like is not None and (above := self.rows.get(like)) and like:
            styled = {at: cell.style for at, cell in above.cells.items() if cell.style}
            return replace(self, styles={**self.styles, **styled}).patched(cells)
        by_row: dict[int, dict[int, str]] = defaultdict(dict)
        for (number, column), text in sorted(cells.items()):
            by_row[number][column] = text
        numbers = list(self.rows)
        edits: list[_Edit] = []
        for number, changes in by_row.items():
            row = self.rows.get(number)
            if row is not None:
                edits += self._in_row(row, number, changes)
            elif fresh := self._cells(number, changes):
                after = bisect_left(numbers, number)
                at = self.rows[numbers[after]].start if after < len(numbers) else self.close
                tag = f"{self.prefix}row".encode()
                edits.append(_Edit(at, at, b'<%b r="%d">%b</%b>' % (tag, number + 1, fresh, tag)))
        edits += self._wider(cells)
        return _spliced(self.content, edits)

    def _refuse_shared(self, cells: Mapping[tuple[int, int], str]) -> None:
        places = sorted(cells)
        work = 0
        for number, row in self.rows.items():
            for column, cell in row.cells.items():
                box = box_of(cell.answers_for) if cell.answers_for else None
                if box is None or box[:2] == box[2:]:
                    continue
                # If a formula was filled down, only its first cell has the text.
                if cell.is_shared:
                    hit = (number, column) in cells
                else:
                    within = places[
                        bisect_left(places, box[:2]) : bisect_left(places, (box[2] + 1,))
                    ]
                    work += len(within)
                    if work > MOST_FILLED:
                        raise Unreadable("its array formulas overlap")
                    hit = holds_any(box, within)
                if hit:
                    raise SharedFormula(name_of(number, column))

    def _in_row(self, row: RowXml, number: int, changes: Mapping[int, str]) -> Iterator[_Edit]:
        added = {column: text for column, text in changes.items() if column not in row.cells}
        for column, text in changes.items():
            if cell := row.cells.get(column):
                yield _Edit(cell.start, cell.end, self._cell(number, column, text, cell.style))
        columns = list(row.cells)
        at_end = b""
        for column in added:
            fresh = self._cells(number, {column: added[column]})
            after = bisect_left(columns, column)
            if after < len(columns):
                at = row.cells[columns[after]].start
                yield _Edit(at, at, fresh)
            else:
                at_end += fresh
        if at_end:
            yield from self._at_end(row, at_end)

    def _at_end(self, row: RowXml, fresh: bytes) -> Iterator[_Edit]:
        # `spans` gives the first and last column. It may be left out, but must not be wrong.
        tag = re.sub(rb"""\sspans=(?:"[^"]*"|'[^']*')""", b"", self.content[row.start : row.inside])
        if row.close is None:
            opened = tag[:-1].rstrip(b"/ \r\n\t") + b">"
            closed = opened + fresh + f"</{self.prefix}row>".encode()
            yield _Edit(row.start, row.inside, closed)
            return
        yield _Edit(row.start, row.inside, tag)
        yield _Edit(row.close, row.close, fresh)

    def _cells(self, number: int, changes: Mapping[int, str]) -> bytes:
        return b"".join(
            self._cell(number, column, text, self.styles.get(column, ""))
            for column, text in changes.items()
            if text
        )

    def _cell(self, number: int, column: int, text: str, style: str) -> bytes:
        p = self.prefix
        head = f'{p}c r="{name_of(number, column)}"' + (f' s="{style}"' if style else "")
        if not text:
            return f"<{head}/>".encode()
        shown = escaped(text)
        return (
            f'<{head} t="inlineStr"><{p}is><{p}t xml:space="preserve">{shown}</{p}t></{p}is></{p}c>'
        ).encode()

    def _wider(self, cells: Mapping[tuple[int, int], str]) -> Iterator[_Edit]:
        if self.dimension is None:
            return
        start, end = self.dimension
        box = box_of(self.content[start:end].decode("utf-8", "replace"))
        filled = [place for place, text in cells.items() if text]
        if box is None or not filled:
            return
        top, left, bottom, right = box
        rows, columns = zip(*filled, strict=True)
        wide = (
            *(min(top, *rows), min(left, *columns)),
            *(max(bottom, *rows), max(right, *columns)),
        )
        if wide != box:
            top, left, bottom, right = wide
            yield _Edit(start, end, f"{name_of(top, left)}:{name_of(bottom, right)}".encode())


def _spliced(content: bytes, edits: list[_Edit]) -> bytes:
    parts, at = [], 0
    for start, end, fresh in sorted(edits, key=lambda edit: edit[:2]):
        parts += [content[at:start], fresh]
        at = end
    return b"".join([*parts, content[at:]])
