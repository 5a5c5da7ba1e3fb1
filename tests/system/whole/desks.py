"""The storage of the team's sheet: a CSV file, a workbook, or a Google Sheet.

A desk saves whole tables, as people do, and gives the program its view of the sheet. An action of a
person can happen in the middle of a write.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from openpyxl import Workbook, load_workbook

from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.header import Header
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.excel.sheet import ExcelSheet
from pipeline.sheets.files.swap import exchange
from pipeline.sheets.google.client import GoogleAccount, Json, Spreadsheet, account
from pipeline.sheets.google.sheet import GoogleSheet
from tests.fakes.google.entering import Value
from tests.fakes.google.grid import COLUMNS
from tests.fakes.google.grid import Sheet as Tab
from tests.fakes.google_sheets import GoogleSheets, google_sheets

SHEET = "the sheet"
Happens = Callable[[], None] | None


class Watched(Protocol):
    """The program's view of the sheet; `before` and `after` happen once in the next write."""

    #: Actions between our reading and the write, and right after it.
    before: Happens
    after: Happens
    disturbed: bool

    @property
    def sheet(self) -> Sheet:
        """What the program works with."""


class Desk(Protocol):
    """One stored sheet."""

    def rows(self) -> list[list[str]]:
        """Its rows, the header first."""

    def save(self, rows: list[list[str]]) -> None:
        """Save it like this, as a person does."""

    def version(self) -> object:
        """The whole content, to be restored later."""

    def put_back(self, version: object) -> None:
        """Restore this content."""

    def claim(self) -> Claim | None:
        """The claim stored with the sheet."""

    def watched(self, now: Callable[[], datetime]) -> Watched:
        """The program's view of it."""


# -- files -----------------------------------------------------------------------------------------


class FileDesk:
    """A CSV file or a workbook."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: The content at the last reading, because the file is read much more often than changed.
        self._lying = b""
        self._rows: list[list[str]] = []

    def rows(self) -> list[list[str]]:
        lying = self.path.read_bytes()
        if lying != self._lying:
            self._lying, self._rows = lying, self._unpacked(lying)
        return [list(row) for row in self._rows]

    def _unpacked(self, lying: bytes) -> list[list[str]]:
        if self.path.suffix == ".csv":
            return list(csv.reader(io.StringIO(lying.decode(), newline="")))
        book = load_workbook(io.BytesIO(lying), read_only=True)
        return [
            [str(value or "").replace("_x000D_", "\r") for value in row]
            for row in book.worksheets[0].iter_rows(values_only=True)
        ]

    def save(self, rows: list[list[str]]) -> None:
        self.path.write_bytes(self._packed(rows))

    def _packed(self, rows: list[list[str]]) -> bytes:
        if self.path.suffix == ".csv":
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\r\n").writerows(rows)
            return text.getvalue().encode()
        book = Workbook()
        for number, row in enumerate(rows, start=1):
            for column, text_of_cell in enumerate(row, start=1):
                if text_of_cell:
                    cell = book.worksheets[0].cell(number, column)
                    cell.value = text_of_cell.replace("\r", "_x000D_")
                    cell.data_type = "s"
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def version(self) -> object:
        return self.path.read_bytes()

    def put_back(self, version: object) -> None:
        assert isinstance(version, bytes)
        self.path.write_bytes(version)

    def claim(self) -> Claim | None:
        return CsvSheet(self.path).read_claim()

    def watched(self, now: Callable[[], datetime]) -> Watched:
        return _WatchedFile(self.path)


class _WatchedFile:
    """A file that a person may save in the middle of a write."""

    def __init__(self, path: Path) -> None:
        kind = ExcelSheet if path.suffix == ".xlsx" else CsvSheet
        self._sheet = kind(path, key=SHEET, exchange=self._exchanged, pause=lambda seconds: None)
        self.key, self.title = self._sheet.key, self._sheet.title
        self.read, self.read_claim = self._sheet.read, self._sheet.read_claim
        self.write_claim = self._sheet.write_claim
        self.append, self.objection = self._sheet.append, self._sheet.objection
        self.before: Happens = None
        self.after: Happens = None
        self.disturbed = False

    @property
    def sheet(self) -> Sheet:
        return self

    @property
    def fingerprint(self) -> str:
        """As the file has it."""
        return self._sheet.fingerprint

    @property
    def left_out(self) -> str:
        """As the file has it."""
        return self._sheet.left_out

    @property
    def read_as(self) -> str:
        """As the file has it."""
        return self._sheet.read_as

    @property
    def delimiter(self) -> str:
        """As the file has it."""
        return self._sheet.delimiter

    @property
    def elsewhere(self) -> str:
        """As the file has it."""
        return self._sheet.elsewhere

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Write as usual; the planned actions in between happen once."""

        def asked(grid: Grid) -> Patch:
            patch = patch_for(grid)
            happens, self.before = self.before, None
            self._let(happens)
            return patch

        return self._sheet.write(asked)

    def _exchanged(self, incoming: Path, target: Path) -> Path:
        came_out = exchange(incoming, target)
        happens, self.after = self.after, None
        if not self.disturbed:  # a program that saves twice has its own first save in memory
            self._let(happens)
        return came_out

    def _let(self, happens: Happens) -> None:
        if happens:
            self.disturbed = True
            happens()


# -- Google ----------------------------------------------------------------------------------------


class GoogleDesk:
    """A tab of a Google Sheet; people see each write at once."""

    def __init__(self) -> None:
        self._google, self._account = _google()
        self._google.books.clear()
        self._google.log.clear()
        self._book = self._google.new_book("Prompts", rows=24, columns=20)

    def rows(self) -> list[list[str]]:
        with self._google.paused():
            tab = self._book.sheets[0]
            table = [[_text(cell.value) for cell in row.cells] for row in tab.rows[: tab.filled]]
        wide = max(map(len, table), default=0)
        while wide and not any(row[wide - 1 : wide] not in ([], [""]) for row in table):
            wide -= 1
        table = [[*row[:wide], *[""] * (wide - len(row))] for row in table]
        header = table[0] if table else []
        return [row[: len(header)] for row in table]

    def save(self, rows: list[list[str]]) -> None:
        with self._google.paused():
            tab = self._book.sheets[0]
            self._fit_columns(rows[0])
            for at in range(max(tab.filled, len(rows))):
                row = rows[at] if at < len(rows) else []
                for column in range(max(len(row), len(tab.rows[at].cells))):
                    tab.enter(at, column, row[column] if column < len(row) else "")

    def _fit_columns(self, titles: list[str]) -> None:
        """Delete and insert whole columns, as people do."""
        tab = self._book.sheets[0]
        there = [_text(cell.value) for cell in tab.rows[0].cells]
        for at in reversed(range(len(there))):
            if there[at] and there[at] not in titles:
                self._book.delete(tab, COLUMNS, at, at + 1)
        for at, title in enumerate(titles):
            if there and title not in there:
                self._book.insert(tab, COLUMNS, at)

    def version(self) -> object:
        with self._google.paused():
            return self._book.sheets[0].clone()

    def put_back(self, version: object) -> None:
        assert isinstance(version, Tab)
        with self._google.paused():
            vars(self._book.sheets[0]).update(vars(version.clone()))

    def claim(self) -> Claim | None:
        with self._google.paused():
            lying = [json.loads(one.value or "{}") for one in self._book.metadata]
        return Claim(**lying[0]) if lying else None

    def watched(self, now: Callable[[], datetime]) -> Watched:
        return _WatchedGoogle(self._book.id, self._account, self._google.url, now)


class _WatchedGoogle(Spreadsheet):
    """Access to a spreadsheet in which a person may act right before or after one of our writes.

    `before` happens between reading the formulas and writing the cells: only the answer to the
    write shows that the rows have moved.
    """

    def __init__(
        self, book: str, who: GoogleAccount, url: str, now: Callable[[], datetime]
    ) -> None:
        super().__init__(book, who, base=url, pause=_no_pause)
        self.before: Happens = None
        self.after: Happens = None
        self.disturbed = False
        self._tab = GoogleSheet(self, _columns_of, key=SHEET, now=now, pause=_no_pause)

    @property
    def sheet(self) -> Sheet:
        return self._tab

    def write(self, ranges: list[Json], entered: bool = False) -> Json:
        """Write as usual; the planned actions around it happen once."""
        happens, self.before = self.before, None
        self._let(happens)
        answer = super().write(ranges, entered)
        happens, self.after = self.after, None
        if not self.disturbed:
            self._let(happens)
        return answer

    def _let(self, happens: Happens) -> None:
        if happens:
            self.disturbed = True
            happens()


@cache
def _google() -> tuple[GoogleSheets, GoogleAccount]:
    """The fake Google of this process, and one account that already has its token."""
    google = _until_the_end.enter_context(google_sheets(reads=10**9, writes=10**9))
    return google, account(json.dumps(google.key))


_until_the_end = ExitStack()


def stop_google() -> None:
    """Stop the fake Google of this process."""
    _until_the_end.close()
    _google.cache_clear()


def _columns_of(header: Sequence[str]) -> Any:
    return Header(frozenset({"prompt"})).read_line(header)


def _text(value: Value) -> str:
    return "" if value is None else str(value)


def _no_pause(_: float) -> None:
    """Do not wait."""
