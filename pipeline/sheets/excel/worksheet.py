"""One worksheet of a workbook, as XML: where each cell is in the bytes, and how it is changed.

openpyxl's save loses the computed values of formulas, and everything it does not know. So we do not
save with it: the places of rows and cells are found in the bytes of the part, our cells are
inserted there, and every other byte stays as the other program wrote it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from pipeline.sheets.excel.a1 import MAX_COLUMNS, MAX_ROWS, box_of, holds_any, name_of, place_of
from pipeline.sheets.excel.xml_text import escaped, whole_number

#: The two names of one vocabulary: as all programs write it, and the strict variant.
NAMESPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
#: How many columns all array formulas of a worksheet may fill together.
_MOST_FILLED = 20_000_000
_TAG = re.compile(rb"""<(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
#: Most cells of a worksheet, and most raw characters of one text.
_MOST_CELLS, _MOST_RAW = 4_000_000, 7 * 32_767


class Unreadable(Exception):
    """The part is not what a spreadsheet program writes. The message says why in a few words."""


class SharedFormula(Exception):
    """A cell contains, or is covered by, a formula that other cells depend on."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        super().__init__(f"{ref} holds a formula that other cells share")


@dataclass(slots=True)
class Cell:
    """One cell as it is written; `value` is None if it has none."""

    start: int
    end: int = 0
    kind: str = "n"
    style: str = ""
    value: str | None = None
    has_formula: bool = False
    #: Whether its value comes from a formula: its own, or an array formula of another cell.
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
    #: Whether a formula may fill other cells than its own.
    has_arrays: bool = False

    @classmethod
    def of(cls, content: bytes) -> Worksheet:
        """The part, read. Raises Unreadable."""
        if content[:2] in (b"\xff\xfe", b"\xfe\xff") or content[:1] == b"\0":
            raise Unreadable("its worksheet is not UTF-8 text")
        sheet = cls(content)
        _Scan(sheet).run()
        if sheet.has_arrays:
            sheet._mark_computed()
        return sheet

    def _mark_computed(self) -> None:
        """Mark the cells that an array formula of another cell fills.

        For each column it keeps the last row that is filled. So the work grows with the width of
        the formulas, not with their height.
        """
        filled_to: dict[int, int] = {}
        work = 0
        for number, row in self.rows.items():
            for column, cell in row.cells.items():
                box = box_of(cell.answers_for) if cell.answers_for and not cell.is_shared else None
                if box and box[:2] != box[2:]:
                    _, left, bottom, right = box
                    work += right + 1 - left
                    if work > _MOST_FILLED:
                        raise Unreadable("its array formulas are too wide")
                    for at in range(left, right + 1):
                        filled_to[at] = max(bottom, filled_to.get(at, bottom))
                cell.is_computed |= filled_to.get(column, -1) >= number

    def holds_formula(self, places: Mapping[tuple[int, int], str]) -> bool:
        """Whether one of these cells contains a formula now."""
        return any(
            (row := self.rows.get(number)) and (cell := row.cells.get(column)) and cell.has_formula
            for number, column in places
        )

    def patched(self, cells: Mapping[tuple[int, int], str]) -> bytes:
        """The part with these cells as text, each in its place. Raises SharedFormula."""
        self._refuse_shared(cells)
        by_row: dict[int, dict[int, str]] = defaultdict(dict)
        for (number, column), text in sorted(cells.items()):
            by_row[number][column] = text
        numbers = list(self.rows)
        edits: list[tuple[int, int, bytes]] = []
        for number, changes in by_row.items():
            row = self.rows.get(number)
            if row is not None:
                edits += self._in_row(row, number, changes)
            elif fresh := self._cells(number, changes):
                after = bisect_left(numbers, number)
                at = self.rows[numbers[after]].start if after < len(numbers) else self.close
                tag = f"{self.prefix}row".encode()
                edits.append((at, at, b'<%b r="%d">%b</%b>' % (tag, number + 1, fresh, tag)))
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
                    if work > _MOST_FILLED:
                        raise Unreadable("its array formulas overlap")
                    hit = holds_any(box, within)
                if hit:
                    raise SharedFormula(name_of(number, column))

    def _in_row(
        self, row: RowXml, number: int, changes: Mapping[int, str]
    ) -> Iterator[tuple[int, int, bytes]]:
        added = {column: text for column, text in changes.items() if column not in row.cells}
        for column, text in changes.items():
            if cell := row.cells.get(column):
                yield cell.start, cell.end, self._cell(number, column, text, cell.style)
        columns = list(row.cells)
        at_end = b""
        for column in added:
            fresh = self._cells(number, {column: added[column]})
            after = bisect_left(columns, column)
            if after < len(columns):
                at = row.cells[columns[after]].start
                yield at, at, fresh
            else:
                at_end += fresh
        if at_end:
            yield from self._at_end(row, at_end)

    def _at_end(self, row: RowXml, fresh: bytes) -> Iterator[tuple[int, int, bytes]]:
        # `spans` gives the first and last column. It may be left out, but must not be wrong.
        tag = re.sub(rb"""\sspans=(?:"[^"]*"|'[^']*')""", b"", self.content[row.start : row.inside])
        if row.close is None:
            opened = tag[:-1].rstrip(b"/ \r\n\t") + b">"
            yield row.start, row.inside, opened + fresh + f"</{self.prefix}row>".encode()
            return
        yield row.start, row.inside, tag
        yield row.close, row.close, fresh

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

    def _wider(self, cells: Mapping[tuple[int, int], str]) -> Iterator[tuple[int, int, bytes]]:
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
            yield start, end, f"{name_of(top, left)}:{name_of(bottom, right)}".encode()


class _Scan:
    """Finds rows and cells from the events of expat, which gives the byte where each begins."""

    def __init__(self, sheet: Worksheet) -> None:
        self._sheet = sheet
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._root
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.XmlDeclHandler = self._declared
        self._names: dict[str, str] = {}
        self._row: RowXml | None = None
        self._cell: Cell | None = None
        self._number = self._column = -1
        self._text: list[str] = []
        self._quiet = self._size = self._count = 0

    def run(self) -> None:
        """Fill the worksheet."""
        try:
            self._parser.Parse(self._sheet.content, True)
        except expat.ExpatError as error:
            raise Unreadable(f"its worksheet is damaged ({error})") from None
        if not self._sheet.close:
            raise Unreadable("its worksheet has no cells")

    def _root(self, name: str, _attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition("}")
        if space not in NAMESPACES or local != "worksheet":
            raise Unreadable("its worksheet is of a kind that is not known here")
        kinds = ("sheetData", "row", "c", "v", "f", "t", "rPh", "dimension", "mergeCell", "col")
        self._names = {f"{space}}}{kind}": kind for kind in kinds}
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        kind = self._names.get(name)
        if kind == "c" and self._row is not None:
            self._start_cell(attributes)
        elif kind in ("v", "t") and self._cell is not None:
            self._text.clear()
            self._size = 0
            if not self._quiet:
                self._parser.CharacterDataHandler = self._add
        elif kind == "row":
            self._start_row(attributes)
        elif kind == "f" and self._cell is not None:
            self._cell.has_formula = self._cell.is_computed = True
            if "ref" in attributes:
                self._cell.answers_for = attributes["ref"]
                self._cell.is_shared = attributes.get("t") == "shared"
                self._sheet.has_arrays |= not self._cell.is_shared
        elif kind == "rPh":
            self._quiet += 1
        elif kind == "sheetData":
            tag = self._tag()
            self._sheet.prefix = _prefix(tag)
            self._sheet.close = self._parser.CurrentByteIndex
        elif kind == "dimension":
            at = self._parser.CurrentByteIndex
            if found := re.search(rb"""\sref=["']([^"']*)["']""", self._tag()):
                self._sheet.dimension = (at + found.start(1), at + found.end(1))
        elif kind == "mergeCell":
            self._sheet.merged.append(attributes.get("ref", ""))
        elif kind == "col":
            self._style_columns(attributes)

    def _add(self, text: str) -> None:
        self._size += len(text)
        if self._size > _MOST_RAW:
            raise Unreadable("a text in it is longer than Excel allows: shorten it")
        self._text.append(text)

    def _end(self, name: str) -> None:
        kind = self._names.get(name)
        if kind in ("v", "t") and self._cell is not None:
            self._parser.CharacterDataHandler = None
            if not self._quiet:
                self._cell.value = (self._cell.value or "") + "".join(self._text)
        elif kind == "c" and self._cell is not None:
            if not self._cell.end:
                at = self._parser.CurrentByteIndex
                self._cell.end = self._sheet.content.index(b">", at) + 1
            self._cell = None
        elif kind == "row" and self._row is not None:
            # The end of an empty tag has no position of its own.
            if not self._sheet.content.endswith(b"/>", self._row.start, self._row.inside):
                self._row.close = self._parser.CurrentByteIndex
            self._row = None
        elif kind == "rPh":
            self._quiet -= 1
        elif kind == "sheetData":
            self._sheet.close = self._parser.CurrentByteIndex

    def _style_columns(self, attributes: Mapping[str, str]) -> None:
        """Note the style of some columns, which come in order (ECMA-376, part 1, 18.3.1.13)."""
        first, last, style = (whole_number(attributes.get(n)) for n in ("min", "max", "style"))
        styles = self._sheet.styles
        # Each column counts once, even if a file names it many times.
        begin = max(first - 1, next(reversed(styles), -1) + 1)
        if style:
            styles.update(dict.fromkeys(range(begin, min(last, MAX_COLUMNS)), str(style)))

    def _start_row(self, attributes: Mapping[str, str]) -> None:
        said = attributes.get("r")
        number = whole_number(said) - 1 if said else self._number + 1
        if not self._number < number < MAX_ROWS:
            raise Unreadable("its rows are not in their order")
        self._number, self._column = number, -1
        at = self._parser.CurrentByteIndex
        self._row = RowXml(at, at + len(self._tag()), None)
        self._sheet.rows[number] = self._row

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        assert self._row is not None, "a cell outside of a row was left out before"
        ref = attributes.get("r")
        place = place_of(ref) if ref else (self._number, self._column + 1)
        if place is None or place[0] != self._number or place[1] <= self._column:
            raise Unreadable("its cells are not in their order")
        self._count += 1
        if self._count > _MOST_CELLS:
            raise Unreadable("it has too many cells: delete the columns that are not needed")
        self._column = place[1]
        at, tag = self._parser.CurrentByteIndex, self._tag()
        self._cell = Cell(at, at + len(tag) if tag.endswith(b"/>") else 0)
        self._cell.kind = attributes.get("t", "n")
        style = attributes.get("s", "")
        self._cell.style = style if style.isdecimal() else ""
        self._row.cells[self._column] = self._cell

    def _tag(self) -> bytes:
        match = _TAG.match(self._sheet.content, self._parser.CurrentByteIndex)
        assert match is not None, "expat has just read that tag"
        return match.group()

    def _refuse_doctype(self, *_: Any) -> None:
        raise Unreadable("its worksheet declares entities, which no spreadsheet program does")

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.casefold().replace("-", "") != "utf8":
            raise Unreadable("its worksheet is not UTF-8 text")


def _prefix(tag: bytes) -> str:
    name = re.match(rb"<([^\s/>]+)", tag)
    assert name is not None, "a tag has a name"
    before, colon, _ = name[1].decode().rpartition(":")
    return before + colon


def _spliced(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts, at = [], 0
    for start, end, fresh in sorted(edits, key=lambda edit: edit[:2]):
        parts += [content[at:start], fresh]
        at = end
    return b"".join([*parts, content[at:]])
