"""Reads the XML of one worksheet: where its rows and cells are in the bytes, and what they hold.

In: the bytes of the part. Out: a `Worksheet`. Raises Unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

from pipeline.sheets.excel.a1 import MAX_COLUMNS, MAX_ROWS, box_of, place_of
from pipeline.sheets.excel.worksheet import MOST_FILLED, Cell, RowXml, Unreadable, Worksheet
from pipeline.sheets.excel.xml_text import whole_number

#: The two names of one vocabulary: as all programs write it, and the strict variant.
NAMESPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_TAG = re.compile(rb"""<(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
#: Most cells of a worksheet, and most raw characters of one text.
_MOST_CELLS, _MOST_RAW = 4_000_000, 7 * 32_767


def read_worksheet(content: bytes) -> Worksheet:
    """The rows and cells of a worksheet part. Raises Unreadable."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or content[:1] == b"\0":
        raise Unreadable("its worksheet is not UTF-8 text")
    sheet = Worksheet(content)
    _Scan(sheet).run()
    if sheet.has_arrays:
        _mark_computed(sheet)
    return sheet


def _mark_computed(sheet: Worksheet) -> None:
    """Mark the cells that an array formula of another cell fills.

    For each column it keeps the last row that is filled. So the work grows with the width of
    the formulas, not with their height.
    """
    filled_to: dict[int, int] = {}
    work = 0
    for number, row in sheet.rows.items():
        for column, cell in row.cells.items():
            box = box_of(cell.answers_for) if cell.answers_for and not cell.is_shared else None
            if box and box[:2] != box[2:]:
                _, left, bottom, right = box
                work += right + 1 - left
                if work > MOST_FILLED:
                    raise Unreadable("its array formulas are too wide")
                for at in range(left, right + 1):
                    filled_to[at] = max(bottom, filled_to.get(at, bottom))
            cell.is_computed |= filled_to.get(column, -1) >= number


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
