"""A team at a Google Sheet while the program writes results into it, and who ends up with what.

The words of a row are in the address of every picture made from them, so that a picture in a wrong
row is seen without asking the program. The same person, with the same seed, works at a sheet that
is written in the common way: the row numbers are kept from the reading.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pipeline.book import Book, Header
from pipeline.core.columns import letters, parsed
from pipeline.core.errors import SheetError
from pipeline.core.model import Grid, Patch, Result
from pipeline.core.placing import Raw, Target
from pipeline.core.plan import Rules
from pipeline.core.states import Accepted, Succeeded
from pipeline.sheets import google_dress as dress
from pipeline.sheets.google import GoogleSheet
from pipeline.store import Fact, Limits, Store
from tests.core.build import PROVIDER
from tests.fakes.google.grid import Book as Spreadsheet
from tests.fakes.google.person import Person
from tests.fakes.google_desk import columns_of, open_spreadsheet
from tests.fakes.google_sheets import Asked, GoogleSheets

OURS = ("row_id", "status", "task_id", "image_urls", "note", "preview")
#: Gestures that may happen between any two requests.
GESTURES = (
    *("sort_rows", "shuffle_rows", "insert_row", "append_row", "delete_row", "move_rows"),
    *("copy_row", "edit_prompt", "sort_one_column", "hide_row", "set_filter"),
)


def picture_of(prompt: str) -> str:
    """The address of the picture that is made from these words."""
    return f"https://cdn.example/{hashlib.sha256(prompt.encode()).hexdigest()[:16]}.png"


class RowNumbers(GoogleSheet):
    """The common way, to compare with: a row is where it was when the sheet was read."""

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        grid = self.read()
        patch = patch_for(grid)
        titles = [text for (row, _), text in patch.items() if row == 0]
        if titles:
            self.google_change(dress.new_columns(0, len(grid[0]), titles, 26))
        by_row: dict[int, dict[int, Raw]] = defaultdict(dict)
        for (row, at), text in patch.items():
            if row:
                by_row[row][at] = text
        found = [Target(row, cells, {}) for row, cells in by_row.items()]
        if found:
            self.google_write(found)
        return self.read()

    def google_change(self, wanted: list[dict[str, Any]]) -> None:
        self._sheets.change(wanted)

    def google_write(self, found: list[Target]) -> None:
        ranges = [
            {"range": f"{letters(at)}{one.row + 1}", "values": [[text]]}
            for one in found
            for at, text in one.cells.items()
        ]
        body = {"valueInputOption": "RAW", "data": ranges}
        self._sheets._client.values_batch_update(self._sheets.id, body=body)


@dataclass
class Office:
    """One sheet, one store, one person."""

    google: GoogleSheets
    spreadsheet: Spreadsheet
    store: Store
    person: Person
    most: int
    chance: Random
    now: datetime = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    pause: Callable[[float], None] = lambda _: None
    kind: type[GoogleSheet] = GoogleSheet
    written: int = 0
    refused: int = 0
    gestures_in_between: int = 0
    #: Text of people's cells -> how often it was lost, less how often it came about.
    lost: Counter[object] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new start of the program, which remembers nothing but the store."""
        access = open_spreadsheet(self.google, self.spreadsheet, pause=self.pause)
        self.sheet = self.kind(access, columns_of, key="sheet", now=self.clock, pause=self.pause)
        self.book = Book(
            self.sheet,
            self.store,
            Rules(sheet="sheet", provider=PROVIDER, endpoint="imagine"),
            Header({}, (), frozenset({"prompt"})),
            Limits(api_key="key", run="run", day="today"),
            config="promptsheet.toml",
            now=self.clock,
            chance=self.chance,
        )

    def clock(self) -> datetime:
        return self.now

    def disturb(self, asked: Asked) -> None:
        """The person acts before a request is applied, now and then."""
        if self.chance.random() < 0.5:
            before = self.person.done.total()
            self.person.most = self.most
            self.person.act(asked)
            self.gestures_in_between += self.person.done.total() - before
        else:
            self.person.look()
            self.person.most = 0
            self.person.act(asked)
        self._count_lost()

    def _count_lost(self) -> None:
        for one in self.person.changed:
            self.lost[one.before] += 1
            self.lost[one.now] -= 1
        self.person.changed.clear()

    def pass_by(self, quiet: bool = False) -> None:
        """One look, with the person at work or away; then the API answers what is asked of it."""
        self.now += timedelta(seconds=30)
        self.google.between(self._only_look if quiet else self.disturb)
        before = Counter(self.results())
        try:
            self.book.look()
        except SheetError:
            self.refused += 1
        else:
            self._answer()
        self.written += (Counter(self.results()) - before).total()

    def _only_look(self, asked: Asked) -> None:
        self.person.most = 0
        self.person.act(asked)
        self._count_lost()

    def _answer(self) -> None:
        begun, _ = self.book.begin([line for line in self.book.plan.to_send if line.job])
        for one in begun:
            prompt = parsed(one.attempt.inputs)["prompt"]
            task = f"task-{one.key.row_id}-{one.key.take}-{one.attempt.number}"
            self.book.record([Fact(one.key, one.attempt.number, Accepted(task))])
            done = Succeeded(Result((picture_of(prompt),)))
            self.book.record([Fact(one.key, one.attempt.number, done)])

    def rows(self) -> list[dict[str, str]]:
        """The lines of the sheet, by their titles."""
        table = self.google.table(self.spreadsheet)
        if not table:
            return []
        header = table[0]
        return [
            dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=False))
            for row in table[1:]
        ]

    def results(self) -> list[tuple[str, str]]:
        """Row ids with the pictures that stand beside them."""
        return [
            (row.get("row_id", ""), url) for row in self.rows() if (url := row.get("image_urls"))
        ]

    def wrong(self) -> list[dict[str, str]]:
        """The rows that show a picture of other words than theirs, and do not say so.

        Not those that the program takes for somebody else's: it never writes into them.
        """
        strangers = {line.seen.place for line in self.book.plan.lines if line.foreign}
        return [
            row
            for place, row in enumerate(self.rows(), start=1)
            if (url := row.get("image_urls", ""))
            and (words := row.get("prompt", "").strip())
            and url != picture_of(words)
            and place not in strangers
            and row.get("status") not in ("edited", "check needed")
        ]


def office(
    google: GoogleSheets,
    folder: Path,
    rows: int,
    seed: int,
    most: int,
    kind: type[GoogleSheet] = GoogleSheet,
) -> Office:
    """A sheet with so many prompts, formulas beside them, and somebody at work."""
    table = [["prompt", "remark"]]
    table += [[f"a tree, number {n}", f'=UPPER("r{n}")'] for n in range(rows)]
    book = google.new_book("Prompts", table)
    chance = Random(seed)
    person = Person(
        book,
        seed=seed,
        ours=OURS,
        most=most,
        gestures=GESTURES,
        fewest=rows // 2,
        greatest=rows * 2,
    )
    store = Store(f"sqlite:///{folder / f'{seed}.db'}", now=lambda: made.now)
    made = Office(google, book, store, person, most, chance, kind=kind)
    return made
