"""A sheet as a person has it open: rows and columns, whatever program shows it.

`CsvSheet` and `ExcelSheet` are files that the person opens, changes and saves. `GoogleSheet` is
changed in the browser. Rows and columns count from 0; row 0 is the header.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from tests.fakes.google.a1 import Area
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Protected
from tests.fakes.google.grid import Sheet as Tab
from tests.fakes.google_sheets import GoogleSheets

Grid = list[list[str]]


class Sheet(ABC):
    """One sheet, which a person reads and changes."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @abstractmethod
    def source(self) -> dict[str, object]:
        """The keys of the table `[sheet]` in a configuration."""

    @abstractmethod
    def copied(self, name: str) -> Sheet:
        """A copy of the whole file, with another name."""

    @contextmanager
    @abstractmethod
    def open(self) -> Iterator[None]:
        """The person has the sheet open: what follows is saved at the end."""

    @abstractmethod
    def read(self) -> Grid:
        """All cells as the person sees them; nothing is saved."""

    @abstractmethod
    def version(self) -> object:
        """Equal as long as nothing was written."""

    # -- what a person sees and changes; only while the sheet is open ------------------------------

    @abstractmethod
    def grid(self) -> Grid:
        """All cells as they are shown, each row as wide as the header."""

    @abstractmethod
    def cell(self, row: int, column: int) -> str:
        """What one cell shows."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """How many rows and columns there are; columns without a title do not count."""

    def row(self, at: int) -> list[str]:
        """What the cells of a row show."""
        return [self.cell(at, column) for column in range(self.size[1])]

    @abstractmethod
    def type(self, row: int, column: int, text: str) -> None:
        """Type into one cell, or empty it."""

    @abstractmethod
    def insert_rows(self, at: int, count: int = 1) -> None:
        """New empty rows above this one."""

    @abstractmethod
    def delete_rows(self, at: int, count: int = 1) -> None:
        """Delete whole rows."""

    @abstractmethod
    def insert_column(self, at: int) -> None:
        """A new empty column left of this one."""

    @abstractmethod
    def delete_column(self, at: int) -> None:
        """Delete a whole column."""

    @abstractmethod
    def move_column(self, at: int, to: int) -> None:
        """Drag a column so that it has the number `to` afterwards."""

    def paste(self, row: int, column: int, cells: Grid) -> None:
        """Paste a block of cells; its first cell goes here."""
        for down, line in enumerate(cells):
            for right, text in enumerate(line):
                self.type(row + down, column + right, text)

    def move_row(self, at: int, to: int) -> None:
        """Drag a row so that it has the number `to` afterwards."""
        cells = self.row(at)
        self.delete_rows(at)
        self.insert_rows(to)
        self.paste(to, 0, [cells])

    def arrange(self, order: Sequence[int], first: int = 0, last: int | None = None) -> None:
        """Put the cells of these rows into that order, where the rows are now.

        Only the columns from `first` to before `last` are arranged; by default all.
        """
        rows = {at: self.row(at)[first:last] for at in order}
        for to, at in zip(sorted(order), order, strict=True):
            self.paste(to, first, [rows[at]])

    # -- what only a spreadsheet can do ------------------------------------------------------------

    def hide(self, rows: Sequence[int] = (), columns: Sequence[int] = ()) -> None:
        """Hide rows and columns."""
        raise NotImplementedError

    def filter(self, hidden: Sequence[int]) -> None:
        """Set a filter over the whole table that shows all rows but these."""
        raise NotImplementedError

    def dress(self) -> None:
        """Freeze the header and the first column, and make columns wider and cells bold."""
        raise NotImplementedError

    def protect(self, column: int) -> None:
        """Forbid others to edit this column (in Excel: the whole tab)."""
        raise NotImplementedError

    def merge(self, row: int, count: int, column: int) -> None:
        """Merge cells of one column: only the first one keeps its text."""
        raise NotImplementedError

    def show_as(self, rows: Sequence[int], column: int, pattern: str) -> None:
        """Change the number format of cells of one column."""
        raise NotImplementedError

    def rename_tab(self, title: str) -> None:
        """Give the tab another name."""
        raise NotImplementedError

    def duplicate_tab(self) -> None:
        """Duplicate the tab; the copy is the second one."""
        raise NotImplementedError


class CsvSheet(Sheet):
    """A CSV file, which a person opens in an editor."""

    _cells: Grid

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.csv"

    def source(self) -> dict[str, object]:
        return {"source": self.path.name}

    def copied(self, name: str) -> CsvSheet:
        copy = CsvSheet(self.folder, name)
        shutil.copy(self.path, copy.path)
        return copy

    def read(self) -> Grid:
        text = self.path.read_bytes().decode("utf-8-sig") if self.path.exists() else ""
        self._delimiter = ";" if ";" in text.partition("\n")[0] else ","
        self._cells = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
        return self.grid()

    @contextmanager
    def open(self) -> Iterator[None]:
        self.read()
        yield
        saved = io.StringIO(newline="")
        csv.writer(saved, delimiter=self._delimiter).writerows(self._cells)
        fresh = self.path.with_name("saved by a person")
        fresh.write_bytes(saved.getvalue().encode())
        fresh.replace(self.path)

    def version(self) -> object:
        return self.path.read_bytes()

    def grid(self) -> Grid:
        wide = max(map(len, self._cells), default=0)
        return [row + [""] * (wide - len(row)) for row in self._cells]

    def cell(self, row: int, column: int) -> str:
        cells = self._cells[row]
        return cells[column] if column < len(cells) else ""

    @property
    def size(self) -> tuple[int, int]:
        return len(self._cells), len(self._cells[0]) if self._cells else 0

    def type(self, row: int, column: int, text: str) -> None:
        self._cells += [[] for _ in range(row + 1 - len(self._cells))]
        cells = self._cells[row]
        cells += [""] * (column + 1 - len(cells))
        cells[column] = text

    def insert_rows(self, at: int, count: int = 1) -> None:
        self._cells[at:at] = [[""] * len(self._cells[0]) for _ in range(count)]

    def delete_rows(self, at: int, count: int = 1) -> None:
        del self._cells[at : at + count]

    def insert_column(self, at: int) -> None:
        self._cells = [[*row[:at], "", *row[at:]] for row in self.grid()]

    def delete_column(self, at: int) -> None:
        self._cells = [[*row[:at], *row[at + 1 :]] for row in self.grid()]

    def move_column(self, at: int, to: int) -> None:
        rows = self.grid()
        for row in rows:
            row.insert(to, row.pop(at))
        self._cells = rows

    def separate_by(self, delimiter: str) -> None:
        """Save the file with this separator from now on, as Excel does in many countries."""
        self._delimiter = delimiter


class ExcelSheet(Sheet):
    """A workbook; openpyxl is the person's spreadsheet program."""

    _book: Workbook
    #: How many rows there are: openpyxl would count them again each time.
    _high: int

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.xlsx"

    @property
    def _tab(self) -> Worksheet:
        return self._book.worksheets[0]

    def source(self) -> dict[str, object]:
        return {"source": self.path.name}

    def copied(self, name: str) -> ExcelSheet:
        copy = ExcelSheet(self.folder, name)
        shutil.copy(self.path, copy.path)
        return copy

    def read(self) -> Grid:
        return [row[:] for row in _cells(self.path.read_bytes())]

    @contextmanager
    def open(self) -> Iterator[None]:
        self._book = load_workbook(self.path) if self.path.exists() else Workbook()
        self._high = self._tab.max_row
        yield
        fresh = self.path.with_name("saved by a person")
        self._book.save(fresh)
        fresh.replace(self.path)

    def version(self) -> object:
        return self.path.read_bytes()

    def grid(self) -> Grid:
        return [list(map(_shown, row)) for row in self._tab.values]

    def cell(self, row: int, column: int) -> str:
        return _shown(self._tab.cell(row + 1, column + 1).value)

    @property
    def size(self) -> tuple[int, int]:
        titles = [cell.value for cell in self._tab[1]]
        return self._high, max((at for at, title in enumerate(titles, 1) if title), default=0)

    def type(self, row: int, column: int, text: str) -> None:
        cell = self._tab.cell(row + 1, column + 1)
        self._high = max(self._high, row + 1)
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            cell.value = float(text) if "." in text else int(text)
        elif text in ("TRUE", "FALSE"):
            cell.value = text == "TRUE"
        elif text.startswith("=") and len(text) > 1:
            cell.value = text
        else:
            cell.value = text or None
            if text:
                cell.data_type = "s"

    def insert_rows(self, at: int, count: int = 1) -> None:
        self._tab.insert_rows(at + 1, count)
        self._high += count

    def delete_rows(self, at: int, count: int = 1) -> None:
        self._tab.delete_rows(at + 1, count)
        self._high -= count

    def insert_column(self, at: int) -> None:
        self._tab.insert_cols(at + 1)

    def delete_column(self, at: int) -> None:
        self._tab.delete_cols(at + 1)

    def move_column(self, at: int, to: int) -> None:
        cells = [self.cell(row, at) for row in range(self.size[0])]
        self.delete_column(at)
        self.insert_column(to)
        for row, text in enumerate(cells):
            self.type(row, to, text)

    def hide(self, rows: Sequence[int] = (), columns: Sequence[int] = ()) -> None:
        for row in rows:
            self._tab.row_dimensions[row + 1].hidden = True
        for column in columns:
            self._tab.column_dimensions[_letter(column)].hidden = True

    def filter(self, hidden: Sequence[int]) -> None:
        self._tab.auto_filter.ref = self._tab.dimensions
        self.hide(hidden)

    def dress(self) -> None:
        self._tab.freeze_panes = "B2"
        self._tab.column_dimensions["B"].width = 60
        for row in self._tab.iter_rows():
            row[1].font = Font(bold=True)

    def protect(self, column: int) -> None:
        self._tab.protection.sheet = True

    def merge(self, row: int, count: int, column: int) -> None:
        for below in range(row + 1, row + count):
            self._tab.cell(below + 1, column + 1).value = None
        letter = _letter(column)
        self._tab.merge_cells(f"{letter}{row + 1}:{letter}{row + count}")

    def show_as(self, rows: Sequence[int], column: int, pattern: str) -> None:
        for row in rows:
            self._tab.cell(row + 1, column + 1).number_format = pattern

    def rename_tab(self, title: str) -> None:
        self._tab.title = title

    def duplicate_tab(self) -> None:
        self._book.copy_worksheet(self._tab)


class GoogleSheet(Sheet):
    """A Google Sheet, changed in the browser; each has an account of its own for the program."""

    def __init__(self, folder: Path, name: str, google: GoogleSheets, book: Book) -> None:
        super().__init__(folder, name)
        self.google, self.book = google, book
        email = f"{name}@local.iam.gserviceaccount.com"
        book.editors.add(email)
        key = folder / f"{name}.json"
        key.write_text(json.dumps(google.key_for(email)))
        key.chmod(0o600)

    @property
    def _tab(self) -> Tab:
        return self.book.sheets[0]

    def source(self) -> dict[str, object]:
        return {
            "source": self.book.url,
            "credentials": f"file:{self.name}.json",
            "base_url": self.google.url,
            "settle": "0s",
        }

    def copied(self, name: str) -> GoogleSheet:
        with self.google.paused():
            book = self.google.new_book(f"Copy of {self.book.title}")
            book.sheets = [one.clone() for one in self.book.sheets]
            book.metadata = self.book.metadata[:]
        return GoogleSheet(self.folder, name, self.google, book)

    def read(self) -> Grid:
        with self.google.paused():
            return self.grid()

    @contextmanager
    def open(self) -> Iterator[None]:
        with self.google.paused():
            yield

    def version(self) -> object:
        return [
            [(cell.value, cell.formula) for cell in row.cells if not cell.is_empty]
            for row in self._tab.rows
        ]

    def grid(self) -> Grid:
        rows = self.google.table(self.book)
        wide = max(map(len, rows), default=0)
        return [row + [""] * (wide - len(row)) for row in rows]

    def cell(self, row: int, column: int) -> str:
        return self.book.shown(self._tab, row, column)

    @property
    def size(self) -> tuple[int, int]:
        header = [cell.value for cell in self._tab.rows[0].cells]
        wide = max((at for at, title in enumerate(header, 1) if title), default=0)
        return self._tab.filled, wide

    def type(self, row: int, column: int, text: str) -> None:
        if row >= len(self._tab.rows):
            self.book.insert(self._tab, ROWS, len(self._tab.rows), row + 9, like_before=True)
        if column >= len(self._tab.columns):
            self.book.insert(self._tab, COLUMNS, len(self._tab.columns), 9, like_before=True)
        self._tab.enter(row, column, text, locale=self.book.locale)

    def insert_rows(self, at: int, count: int = 1) -> None:
        self.book.insert(self._tab, ROWS, at, count, like_before=at > 1)

    def delete_rows(self, at: int, count: int = 1) -> None:
        self.book.delete(self._tab, ROWS, at, at + count)

    def insert_column(self, at: int) -> None:
        self.book.insert(self._tab, COLUMNS, at)

    def delete_column(self, at: int) -> None:
        self.book.delete(self._tab, COLUMNS, at, at + 1)

    def move_column(self, at: int, to: int) -> None:
        self.book.move(self._tab, COLUMNS, at, at + 1, to + (to > at))

    def move_row(self, at: int, to: int) -> None:
        self.book.move(self._tab, ROWS, at, at + 1, to + (to > at))

    def arrange(self, order: Sequence[int], first: int = 0, last: int | None = None) -> None:
        wide = len(self._tab.columns)
        low = min(order)
        assert sorted(order) == list(range(low, low + len(order))), "a sort is over one block"
        area = Area(low, low + len(order), first, wide if last is None else last)
        self.book.rearrange(self._tab, area, order)

    def hide(self, rows: Sequence[int] = (), columns: Sequence[int] = ()) -> None:
        for row in rows:
            self._tab.rows[row].hidden = True
        for column in columns:
            self._tab.columns[column].hidden = True

    def filter(self, hidden: Sequence[int]) -> None:
        self._tab.filter = (self._tab.used, {})
        for row in hidden:
            self._tab.rows[row].filtered = True

    def dress(self) -> None:
        self._tab.frozen_rows = self._tab.frozen_columns = 1
        self._tab.columns[1].size = 400

    def protect(self, column: int) -> None:
        area = Area(0, None, column, column + 1)
        self._tab.protected[self.book.new_id()] = Protected(
            area, {"editors": {"users": ["zoe@example.com"]}, "requestingUserCanEdit": False}
        )

    def merge(self, row: int, count: int, column: int) -> None:
        for below in range(row + 1, row + count):
            self.type(below, column, "")
        self._tab.merged.append(Area(row, row + count, column, column + 1))

    def show_as(self, rows: Sequence[int], column: int, pattern: str) -> None:
        for row in rows:
            self._tab.put(row, column, self._tab.cell(row, column)._replace(pattern=pattern))

    def rename_tab(self, title: str) -> None:
        self.book.rename(self._tab, title)

    def duplicate_tab(self) -> None:
        copy = self._tab.clone()
        copy.id, copy.title = self.book.new_id(), f"Copy of {copy.title}"
        self.book.sheets.insert(1, copy)


@lru_cache(maxsize=40)
def _cells(workbook: bytes) -> Grid:
    """All cells of a workbook. Reading them takes longer than most runs, and is done often."""
    book = load_workbook(io.BytesIO(workbook), read_only=True)
    rows = [list(map(_shown, row)) for row in book.worksheets[0].values]
    wide = max(map(len, rows), default=0)
    return [row + [""] * (wide - len(row)) for row in rows]


def _letter(column: int) -> str:
    assert column < 26
    return chr(ord("A") + column)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
