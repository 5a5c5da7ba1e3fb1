"""The kinds of sheet, as a team uses them: with the team's own columns, edited by people."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets

Row = dict[str, str]

#: The text in people's own columns: careless code would change it.
THEIRS = {"Owner": "Zoë", "Remark": 'says "now",\nnot later', "Sum": "=1+1"}
HEADER = ["Owner", "Prompt", "Remark", "Sum"]


def line(prompt: str) -> list[str]:
    """A row as people write it."""
    cells = {**THEIRS, "Prompt": prompt}
    return [cells[title] for title in HEADER]


class Kind(ABC):
    """A sheet of one kind; people write and read it without the program."""

    #: How often `watch` reads it: Google allows few requests per minute.
    every = "250ms"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def source(self) -> dict[str, object]:
        """The keys of the table `[sheet]` in the configuration."""

    @abstractmethod
    def add(self, prompts: Sequence[str]) -> None:
        """Write these prompts into new rows at the end."""

    @abstractmethod
    def table(self) -> list[list[str]]:
        """All cells as text; formulas as they are written."""

    def a_minute_later(self) -> None:  # noqa: B027 (only Google limits requests)
        """Let a minute pass for a sheet whose requests per minute are limited."""

    def rows(self) -> list[Row]:
        """The rows, by column title."""
        header, *rows = self.table()
        wide = len(header)
        return [dict(zip(header, [*row, *[""] * wide][:wide], strict=True)) for row in rows]


class CsvKind(Kind):
    """A CSV file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "team.csv"
        self._save([HEADER])

    def source(self) -> dict[str, object]:
        return {"source": self.path.name}

    def add(self, prompts: Sequence[str]) -> None:
        self._save([*self.table(), *map(line, prompts)])

    def table(self) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.path.read_bytes().decode(), newline="")))

    def _save(self, table: Sequence[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(table)
        beside = self.path.with_name("saving.tmp")
        beside.write_bytes(text.getvalue().encode())
        beside.replace(self.path)


class ExcelKind(Kind):
    """An Excel workbook."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "team.xlsx"
        book = Workbook()
        self._tab(book).append(HEADER)
        book.save(self.path)

    def source(self) -> dict[str, object]:
        return {"source": self.path.name}

    def add(self, prompts: Sequence[str]) -> None:
        book = load_workbook(self.path)
        tab = self._tab(book)
        at = max(number for number, row in enumerate(tab.values, 1) if any(row))
        for number, prompt in enumerate(prompts, at + 1):
            for place, text in enumerate(line(prompt), 1):
                tab.cell(number, place, text)
        beside = self.path.with_name("saving.tmp")
        book.save(beside)
        beside.replace(self.path)

    def table(self) -> list[list[str]]:
        return [list(row) for row in _cells(self.path.read_bytes())]

    @staticmethod
    def _tab(book: Workbook) -> Worksheet:
        tab = book.active
        assert isinstance(tab, Worksheet)
        return tab


@lru_cache(maxsize=4)
def _cells(workbook: bytes) -> list[list[str]]:
    """All cells of a workbook as text. Reading it takes 20 ms, and most checks read it again."""
    tab = ExcelKind._tab(load_workbook(io.BytesIO(workbook)))
    return [["" if cell is None else str(cell) for cell in row] for row in tab.values]


class GoogleKind(Kind):
    """A Google Sheet: the program reaches it with the real gspread."""

    every = "2s"

    def __init__(self, folder: Path, google: GoogleSheets) -> None:
        super().__init__(folder)
        self.google = google
        self.book: Book = google.new_book("Team", [HEADER], rows=20, columns=8)
        (folder / "bot.json").write_text(json.dumps(google.key))

    def source(self) -> dict[str, object]:
        return {
            "source": self.book.url,
            "credentials": "file:bot.json",
            "base_url": self.google.url,
            "settle": "0s",
        }

    def add(self, prompts: Sequence[str]) -> None:
        with self.google.paused():
            at = len(self.google.table(self.book))
            for row, prompt in enumerate(prompts, at):
                for column, text in enumerate(line(prompt)):
                    self.book.sheets[0].enter(row, column, text)

    def a_minute_later(self) -> None:
        store = self.folder / "promptsheet.db"
        if store.exists():
            with closing(sqlite3.connect(store, timeout=20)) as connection, connection:
                connection.execute("delete from paces")

    def table(self) -> list[list[str]]:
        with self.google.paused():
            shown = self.google.table(self.book)
            at = shown[0].index("Sum")
            for row, cells in enumerate(shown[1:], 1):
                cells[at] = self.book.sheets[0].cell(row, at).formula or cells[at]
        return shown
