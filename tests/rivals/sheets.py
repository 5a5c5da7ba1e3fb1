"""The sheet of a comparison: a CSV file or a tab of the fake Google, with the same columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from tests.fakes.google.a1 import Area
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets

#: The columns that results need stand there already, and are empty: n8n does not make them.
HEADER = ("prompt", "status", "task_id", "image_urls")
#: Results by row, in the order of the sheet: the prompt, and the addresses beside it.
Results = list[tuple[str, str]]


class Sheet(Protocol):
    """A sheet that a person sorts."""

    @property
    def rows(self) -> int:
        """How many rows it was made with."""

    def results(self) -> Results:
        """Each row's prompt and addresses; the addresses are "" where there are none."""

    def shuffle(self, chance: Random) -> None:
        """Put the rows into another order, whole, as a person who sorts them."""

    def requests(self) -> int:
        """Requests to the service that has the sheet; 0 for a file."""


def prompts(rows: int) -> list[str]:
    """Different prompts."""
    return [f"a fox, number {number}" for number in range(rows)]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file."""

    path: Path
    rows: int

    @classmethod
    def new(cls, folder: Path, rows: int) -> CsvFile:
        """A file with this number of rows."""
        file = cls(folder / "prompts.csv", rows)
        file._save([list(HEADER), *([text, "", "", ""] for text in prompts(rows))])
        return file

    def results(self) -> Results:
        """Each row's prompt and addresses."""
        header, *rows = self._grid()
        return results_of(header, rows)

    def shuffle(self, chance: Random) -> None:
        """Save the rows in another order, with what the file holds at this moment."""
        header, *rows = self._grid()
        chance.shuffle(rows)
        self._save([header, *rows])

    def requests(self) -> int:
        """None: it is a file."""
        return 0

    def _grid(self) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.path.read_text("utf-8"), newline="")))

    def _save(self, grid: Sequence[Sequence[str]]) -> None:
        beside = self.path.with_name("saving.tmp")
        with beside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(grid)
        beside.replace(self.path)


@dataclass(frozen=True)
class GoogleTab:
    """The only tab of a spreadsheet of the fake Google."""

    google: GoogleSheets
    book: Book
    rows: int

    @classmethod
    def new(cls, google: GoogleSheets, rows: int) -> GoogleTab:
        """A spreadsheet with this number of rows."""
        table = [HEADER, *((text,) for text in prompts(rows))]
        return cls(google, google.new_book("Prompts", table, rows=rows + 100), rows)

    def results(self) -> Results:
        """Each row's prompt and addresses."""
        header, *rows = self.google.table(self.book)
        return results_of(header, rows)

    def shuffle(self, chance: Random) -> None:
        """Put the rows into another order, between two requests."""
        with self.google.paused():
            tab = self.book.sheets[0]
            order = list(range(1, tab.filled))
            chance.shuffle(order)
            self.book.rearrange(tab, Area(1, tab.filled, 0, len(tab.columns)), order)

    def requests(self) -> int:
        """Requests to Google since the start."""
        return len(self.google.log)


def results_of(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Results:
    """The columns `prompt` and `image_urls` of a table."""
    named = (dict(zip(header, row, strict=False)) for row in rows)
    return [(row.get("prompt", ""), row.get("image_urls", "")) for row in named]
