"""An Excel workbook as a sheet: one tab of it is read, and only our cells change in it."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline.core.cell_errors import NOT_COMPUTED, FormulaZero, error_text
from pipeline.core.errors import MissingExtra, SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow, place_below
from pipeline.sheets.excel.a1 import MAX_COLUMNS, MAX_ROWS, box_of, width_of
from pipeline.sheets.excel.number_formats import shown_moment, shown_number
from pipeline.sheets.excel.package import MOST_LETTERS, TOO_LONG, Workbook, WorkbookTab
from pipeline.sheets.excel.worksheet import Cell, SharedFormula, Unreadable, Worksheet
from pipeline.sheets.excel.worksheet_reader import read_worksheet
from pipeline.sheets.excel.xml_text import unescaped, whole, whole_number
from pipeline.sheets.files.claim import read_claim, write_claim
from pipeline.sheets.files.recovery import Pause
from pipeline.sheets.files.replace import after_a_kill, read_file, rewrite
from pipeline.sheets.files.swap import Exchange, exchange

_MOST_CELLS = 20_000_000


class ExcelSheet:
    """One tab of an .xlsx or .xlsm file. A link is followed once, when the sheet is made.

    Values are those that the last program computed. `write` keeps a save by another program (see
    `replace`), and does not change a workbook that is open in a spreadsheet program (see
    `open_elsewhere`).
    """

    def __init__(
        self,
        path: Path,
        *,
        tab: str = "",
        key: str | None = None,
        exchange: Exchange = exchange,
        pause: Pause = time.sleep,
    ) -> None:
        self._path = path.resolve()
        self._tab = tab
        self._exchange = exchange
        self._pause = pause
        self.key = key or str(self._path)
        self.title = f"{path.name}, {tab}" if tab else path.name
        self._content = b""
        #: There is only one way to read a workbook.
        self.read_as = self.delimiter = ""

    @property
    def fingerprint(self) -> str:
        """A digest of the file's bytes at the last reading."""
        return hashlib.sha256(self._content).hexdigest()

    @property
    def left_out(self) -> str:
        """Always empty: a file is written whole, or not at all."""
        return ""

    @property
    def elsewhere(self) -> str:
        """The names of the other tabs, if the configuration names none."""
        tabs = Workbook.of(self._content).tabs if self._content and not self._tab else ()
        others = [f'"{tab.name}"' for tab in tabs if not tab.is_hidden][1:]
        if not others:
            return ""
        return f"Or set [sheet] tab, or use promptsheet init --tab: there is {', '.join(others)}."

    def read(self) -> Grid:
        """The tab as it is now."""
        need_openpyxl()
        after_a_kill(self._path, self._exchange)
        with self._workbook_errors():
            self._content = read_file(self._path, pause=self._pause)
            return _Page.of(self._content, self._tab).grid

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Change the cells that `patch_for` names in the grid just read. Returns the grid read
        back.

        The file is left unchanged if every named cell already has its new value.
        """

        def change_of(page: _Page) -> _Change:
            cells = page.changes(patch_for(page.grid))
            return _Change(cells, page.patched(cells))

        return self._changed(change_of)

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        """Read the tab, add the rows that `rows_for` names, and return the grid read back.

        They go below the last row that is not empty, look like it, and belong to its table.
        """

        def change_of(page: _Page) -> _Change:
            cells = page.added(rows_for(page.grid))
            return _Change(cells, page.extended(cells))

        return self._changed(change_of)

    def objection(self, text: str) -> str:
        """Why a cell of a workbook cannot hold this text, as the end of a sentence; else empty."""
        return (
            ""
            if _fitting(text) == text
            else f"is longer than the {MOST_LETTERS} characters of a cell"
        )

    def _changed(self, change_of: Callable[[_Page], _Change]) -> Grid:
        """Change the file as `change_of` says. Returns the grid read back."""
        need_openpyxl()
        page_of = lru_cache(maxsize=2)(lambda content: _Page.of(content, self._tab))

        def change(content: bytes) -> bytes:
            cells, fresh = change_of(page_of(content))
            if not cells:
                return content
            # Read back before it replaces the file, because a mistake could not be undone.
            if not page_of(fresh).says(cells):
                raise Unreadable("its cells would not be where they belong: save it again")
            return fresh

        with self._workbook_errors():
            self._content = rewrite(self._path, change, exchange=self._exchange, pause=self._pause)
            return page_of(self._content).grid

    def read_claim(self) -> Claim | None:
        """The claim in `NAME.promptsheet` next to the file, or None."""
        return read_claim(self._path)

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Store `claim` next to the file if its claim is `instead_of`. Returns whether it did."""
        return write_claim(self._path, claim, instead_of)

    @contextmanager
    def _workbook_errors(self) -> Iterator[None]:
        try:
            yield
        except SharedFormula as formula:
            raise SheetError(
                f"{formula.ref} of {self._path} holds a formula that other cells depend on, where"
                " results go. Move it to a column of its own. Results are kept and will be written"
                " then."
            ) from formula
        except Unreadable as why:
            raise SheetError(f"{self._path} cannot be used: {why}.") from why


def need_openpyxl() -> None:
    """Raise ConfigError if the library for workbooks is not installed."""
    if importlib.util.find_spec("openpyxl") is None:
        raise MissingExtra("An Excel file", "excel")


class _Change(NamedTuple):
    """The cells that differ, and the new file; it is empty if none do."""

    cells: Patch
    content: bytes


@dataclass(frozen=True)
class _Page:
    """One tab of one workbook, both read."""

    book: Workbook
    tab: WorkbookTab
    sheet: Worksheet

    @classmethod
    def of(cls, content: bytes, tab: str) -> _Page:
        book = Workbook.of(content)
        chosen = _chosen(book, tab)
        return cls(book, chosen, read_worksheet(book.part(chosen.part)))

    @cached_property
    def grid(self) -> Grid:
        """All rows by number. Each is as wide as the header, or wider if it contains more.

        The header is as wide as merged cells in it and below: our cells inside them would be
        invisible. The totals of a table are left out, because they are not a row of it.
        """
        filled = {number: self._texts(row.cells) for number, row in self.sheet.rows.items()}
        for ref in self.book.totals(self.tab.part):
            if box := box_of(ref):
                _, left, number, right = box
                there = filled.get(number, ())
                without = ("",) * len(there[left : right + 1])
                filled[number] = (*there[:left], *without, *there[right + 1 :])
        last = max((number for number, texts in filled.items() if any(texts)), default=-1)
        width = max(len(filled.get(0, ())), width_of(self.sheet.merged, last))
        if last >= 0 and width * len(filled) > _MOST_CELLS:
            raise Unreadable("it has too many cells: delete the columns that are not needed")
        blank = ("",) * width
        return tuple(
            (*texts, *blank[len(texts) :]) if (texts := filled.get(number)) else blank
            for number in range(last + 1)
        )

    def changes(self, patch: Patch) -> dict[tuple[int, int], str]:
        """The cells whose shown value would change. Raises IndexError beyond the rows."""
        cells: dict[tuple[int, int], str] = {}
        for (number, column), text in patch.items():
            if number >= len(self.grid):
                raise IndexError(f"there is no row {number}")
            if column >= MAX_COLUMNS:
                raise Unreadable("it has no room at its right: delete the content of column XFD")
            text = _fitting(text)
            if text != self._at(number, column):
                cells[number, column] = text
        return cells

    def patched(self, cells: Patch) -> bytes:
        if not cells:
            return b""
        fresh = self.sheet.patched(cells)
        return self.book.with_parts({self.tab.part: fresh}, recount=self.sheet.holds_formula(cells))

    def added(self, rows: Sequence[NewRow]) -> Patch:
        """The cells of new rows below the last one."""
        at = place_below(self.grid)
        if at + len(rows) > MAX_ROWS:
            raise Unreadable("it has no room for so many rows: delete empty ones")
        return {
            (at + n, column): text for n, row in enumerate(rows) for column, text in row.items()
        }

    def extended(self, cells: Patch) -> bytes:
        """The file with these cells in rows below the last one, also within its table."""
        if not cells:
            return b""
        last = min(number for number, _ in cells) - 1
        fresh = self.sheet.patched(cells, like=last)
        tables = self.book.longer_tables(self.tab.part, last, max(number for number, _ in cells))
        return self.book.with_parts(
            {**tables, self.tab.part: fresh}, recount=self.sheet.holds_formula(cells)
        )

    def says(self, cells: Patch) -> bool:
        return all(self._at(*place) == text for place, text in cells.items())

    def _at(self, number: int, column: int) -> str:
        # A sheet is one row shorter if its last row was emptied.
        row = self.grid[number] if number < len(self.grid) else ()
        return row[column] if column < len(row) else ""

    def _texts(self, cells: dict[int, Cell]) -> tuple[str, ...]:
        texts = [""] * (max(cells, default=-1) + 1)
        for column, cell in cells.items():
            texts[column] = self._text(cell)
        while texts and not texts[-1]:
            texts.pop()
        return tuple(texts)

    def _text(self, cell: Cell) -> str:
        value = cell.value
        if cell.kind == "e":
            return error_text(value or "")
        if value is None or (not value and cell.kind != "str"):
            return NOT_COMPUTED if cell.has_formula else ""
        match cell.kind:
            case "s":
                return self._shared(value)
            case "str" | "inlineStr":
                if len(text := unescaped(value)) > MOST_LETTERS:
                    raise Unreadable(TOO_LONG)
                return text
            case "b":
                return "TRUE" if value.strip() in ("1", "true") else "FALSE"
            case "d":
                return self._moment(value.strip(), cell)
        text = shown_number(value.strip(), self._format(cell), from_1904=self.book.from_1904)
        return FormulaZero(text) if cell.is_computed and _is_zero(value) else text

    def _shared(self, value: str) -> str:
        number = whole_number(value.strip(), -1)
        if not 0 <= number < len(self.book.texts):
            raise Unreadable("it refers to a text that is not there: save it again")
        return self.book.texts[number]

    def _moment(self, value: str, cell: Cell) -> str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return shown_moment(moment, self._format(cell))

    def _format(self, cell: Cell) -> str:
        formats = self.book.formats
        number = whole_number(cell.style)
        return formats[number] if number < len(formats) else "General"


def _chosen(book: Workbook, name: str) -> WorkbookTab:
    for tab in book.tabs:
        if name and tab.name.casefold() == name.casefold():
            return tab
    if name:
        known = ", ".join(f'"{tab.name}"' for tab in book.tabs)
        raise Unreadable(
            f'there is no tab "{name}" in it; write one of these names into the configuration '
            f"instead: {known}"
        )
    seen = [tab for tab in book.tabs if not tab.is_hidden] or list(book.tabs)
    if not seen:
        raise Unreadable("there is no worksheet in it: let [sheet] source name another file")
    return seen[0]


def _is_zero(value: str) -> bool:
    try:
        return float(value) == 0
    except ValueError:
        return False


def _fitting(text: str) -> str:
    """Text cut to the length that a cell can hold."""
    units = whole(text).encode("utf-16-le")
    return units[: 2 * MOST_LETTERS].decode("utf-16-le", "ignore")
