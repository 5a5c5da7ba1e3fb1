"""The contract of every kind of sheet: one suite, with a desk for each kind.

A *desk* is a sheet and a person who edits it. For a new kind of sheet, add a desk to `DESKS`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from openpyxl import Workbook

from pipeline.core.errors import SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.excel.sheet import ExcelSheet
from pipeline.sheets.google.sheet import GoogleSheet
from tests.fakes.google_desk import NOW, columns_of, open_spreadsheet
from tests.fakes.google_sheets import GoogleSheets, google_sheets


class Desk(Protocol):
    """One sheet, the edits of a person, and whether it was written."""

    def save(self, grid: Grid) -> None:
        """Save these rows, as the person does."""

    def sheet(self) -> Sheet:
        """The program's view of the sheet, as after a new start."""

    def take_away(self) -> None:
        """Delete the sheet, as the person does."""

    def spoil_claim(self) -> None:
        """Overwrite the claim with something else."""

    def version(self) -> object:
        """Equal as long as the sheet was not written."""

    @property
    def longest(self) -> int:
        """The maximum length of a cell."""


class FileDesk:
    """A file in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take_away(self) -> None:
        self._path.unlink()

    def spoil_claim(self) -> None:
        self._path.with_name(f"{self._path.name}.promptsheet").write_text('{"sheet": ')

    def version(self) -> object:
        stat = self._path.stat()
        return stat.st_ino, stat.st_mtime_ns, sorted(self._path.parent.iterdir())


class CsvDesk(FileDesk):
    """A CSV file."""

    longest = 50_000

    def save(self, grid: Grid) -> None:
        fresh = self._path.with_name("saved by a person")
        with fresh.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(grid)
        fresh.replace(self._path)

    def sheet(self) -> Sheet:
        return CsvSheet(self._path, pause=no_pause)


class ExcelDesk(FileDesk):
    """A workbook, saved as another program does."""

    longest = 32_767

    def save(self, grid: Grid) -> None:
        book = Workbook()
        tab = book.worksheets[0]
        for number, row in enumerate(grid, start=1):
            for column, text in enumerate(row, start=1):
                if text:
                    tab.cell(number, column, text).data_type = "s"
        fresh = self._path.with_name("saved by a person")
        book.save(fresh)
        fresh.replace(self._path)

    def sheet(self) -> Sheet:
        return ExcelSheet(self._path, pause=no_pause)


class GoogleDesk:
    """A Google Sheet that the person edits in a browser."""

    longest = 50_000

    def __init__(self, google: GoogleSheets) -> None:
        self._google = google
        self._book = google.new_book("Prompts")

    def save(self, grid: Grid) -> None:
        with self._google.paused():
            sheet = self._book.sheets[0]
            sheet.delete("ROWS", 0, len(sheet.rows))
            sheet.insert("ROWS", 0, 1000)
            for row, cells in enumerate(grid):
                for column, text in enumerate(cells):
                    sheet.enter(row, column, text)

    def sheet(self) -> Sheet:
        access = open_spreadsheet(self._google, self._book)
        return GoogleSheet(access, columns_of, now=lambda: NOW, pause=no_pause)

    def take_away(self) -> None:
        with self._google.paused():
            del self._google.books[self._book.id]

    def spoil_claim(self) -> None:
        with self._google.paused():
            (claim,) = self._book.metadata
            self._book.metadata[:] = [claim._replace(value='{"sheet": ')]

    def version(self) -> object:
        return self._google.writes


def no_pause(_: float) -> None:
    """Waits for others return at once."""


@contextmanager
def at_a_csv_file(folder: Path) -> Iterator[Desk]:
    yield CsvDesk(folder / "prompts.csv")


@contextmanager
def at_a_workbook(folder: Path) -> Iterator[Desk]:
    yield ExcelDesk(folder / "prompts.xlsx")


@contextmanager
def at_a_google_sheet(folder: Path) -> Iterator[Desk]:
    with google_sheets() as google:
        yield GoogleDesk(google)


DESKS: dict[str, Callable[[Path], AbstractContextManager[Desk]]] = {
    "csv": at_a_csv_file,
    "excel": at_a_workbook,
    "google": at_a_google_sheet,
}

GRID: Grid = (
    ("Prompt", "Status"),
    ("a fox in the snow", ""),
    ('a "quoted" owl, by night', "old"),
    ("=1+1\nin two lines", ""),
)
CLAIM = Claim(sheet="a sheet", store="store-1", counter=1, word="amber")


@pytest.fixture(params=DESKS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    with DESKS[request.param](tmp_path) as desk:
        desk.save(GRID)
        yield desk


def always(patch: Patch) -> Callable[[Grid], Patch]:
    return lambda grid: patch


def with_cell(grid: Grid, row: int, column: int, text: str) -> Grid:
    record = (*grid[row], *[""] * (column + 1 - len(grid[row])))
    return (*grid[:row], (*record[:column], text, *record[column + 1 :]), *grid[row + 1 :])


def test_a_reading_shows_every_cell_as_text(desk: Desk) -> None:
    assert desk.sheet().read() == GRID


def test_a_reading_shows_the_current_content(desk: Desk) -> None:
    sheet = desk.sheet()
    sheet.read()
    edited = with_cell(GRID, 1, 0, "a wolf")

    desk.save(edited)

    assert sheet.read() == edited


def test_exactly_the_cells_of_the_patch_change(desk: Desk) -> None:
    sheet = desk.sheet()

    answer = sheet.write(always({(1, 1): "done", (2, 1): ""}))

    expected = with_cell(with_cell(GRID, 1, 1, "done"), 2, 1, "")
    assert answer == expected
    assert desk.sheet().read() == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn/1.png\nhttps://cdn/2.png",
        'Apiframe refused the prompt: "banned; word", again',
        " with spaces ",
        "naïve café 日本 🦊",
        "x" * 50_000,
        "0012",
        "TRUE",
    ],
)
def test_text_is_read_back_as_written(desk: Desk, text: str) -> None:
    text = text[: desk.longest]

    desk.sheet().write(always({(3, 1): text}))

    assert desk.sheet().read() == with_cell(GRID, 3, 1, text)


def test_new_columns_are_added_at_the_right(desk: Desk) -> None:
    answer = desk.sheet().write(always({(0, 2): "row_id", (0, 3): "note", (2, 3): "hello"}))

    header, _, row, _ = answer
    assert header == (*GRID[0], "row_id", "note")
    assert row == (*GRID[2], "", "hello")
    assert desk.sheet().read() == answer


def test_the_patch_is_computed_from_a_fresh_reading(desk: Desk) -> None:
    sheet = desk.sheet()
    sheet.read()
    turned = (GRID[0], *reversed(GRID[1:]))
    desk.save(turned)

    answer = sheet.write(lambda grid: {(rows_of(grid)["a fox in the snow"], 1): "done"})

    assert answer == with_cell(turned, 3, 1, "done")


def test_a_save_between_reading_and_writing_is_kept_and_gets_our_cells(desk: Desk) -> None:
    turned = (GRID[0], ("a new row", ""), *reversed(GRID[1:]))
    seen: list[Grid] = []

    def patch_for(grid: Grid) -> Patch:
        seen.append(grid)
        if len(seen) == 1:
            desk.save(turned)
        return {(rows_of(grid)["a fox in the snow"], 1): "done"}

    answer = desk.sheet().write(patch_for)

    assert seen == [GRID, turned]
    assert answer == with_cell(turned, 4, 1, "done")
    assert desk.sheet().read() == answer


def test_three_consecutive_saves_are_kept(desk: Desk) -> None:
    saves = iter([with_cell(GRID, 1, 0, f"a fox, draft {draft}") for draft in (1, 2, 3)])
    last = with_cell(GRID, 1, 0, "a fox, draft 3")

    def patch_for(grid: Grid) -> Patch:
        if save := next(saves, None):
            desk.save(save)
        return {(1, 1): "done"}

    assert desk.sheet().write(patch_for) == with_cell(last, 1, 1, "done")


def test_the_last_save_is_kept_when_a_person_never_stops_saving(desk: Desk) -> None:
    drafts: list[Grid] = []

    def patch_for(grid: Grid) -> Patch:
        drafts.append(with_cell(GRID, 1, 0, f"a fox, draft {len(drafts)}"))
        desk.save(drafts[-1])
        return {(1, 1): "done"}

    with pytest.raises(SheetError):
        desk.sheet().write(patch_for)

    assert desk.sheet().read() == drafts[-1]


@pytest.mark.parametrize("patch", [{}, {(2, 1): "old"}, {(1, 1): ""}, {(1, 7): ""}])
def test_a_patch_that_changes_nothing_writes_nothing(desk: Desk, patch: Patch) -> None:
    before = desk.version()

    answer = desk.sheet().write(always(patch))

    assert answer == GRID
    assert desk.version() == before


def test_a_patch_that_cannot_be_computed_changes_nothing(desk: Desk) -> None:
    before = desk.version()

    with pytest.raises(ZeroDivisionError):
        desk.sheet().write(lambda grid: {(1, 1): str(1 // 0)})

    assert desk.version() == before


def test_a_missing_sheet_is_reported_in_a_clear_sentence(desk: Desk) -> None:
    sheet = desk.sheet()
    desk.take_away()

    with pytest.raises(SheetError, match=r"\.$"):
        sheet.read()
    with pytest.raises(SheetError, match=r"\.$"):
        sheet.write(always({(0, 0): "x"}))


def test_two_starts_have_the_same_key_for_a_sheet(desk: Desk) -> None:
    assert desk.sheet().key == desk.sheet().key
    assert desk.sheet().title


def test_a_new_sheet_has_no_claim(desk: Desk) -> None:
    assert desk.sheet().read_claim() is None


def test_a_claim_is_read_back_by_another_start(desk: Desk) -> None:
    assert desk.sheet().write_claim(CLAIM, None)

    assert desk.sheet().read_claim() == CLAIM
    assert desk.sheet().read() == GRID


def test_a_claim_is_replaced_only_if_the_current_one_is_known(desk: Desk) -> None:
    sheet = desk.sheet()
    second, third = replace(CLAIM, counter=2), replace(CLAIM, counter=3, word="birch")
    sheet.write_claim(CLAIM, None)

    assert not sheet.write_claim(second, None)
    assert not sheet.write_claim(third, second)
    assert sheet.write_claim(second, CLAIM)
    assert not sheet.write_claim(third, CLAIM)
    assert sheet.read_claim() == second


def test_a_deleted_claim_is_not_replaced(desk: Desk) -> None:
    assert not desk.sheet().write_claim(replace(CLAIM, counter=2), CLAIM)

    assert desk.sheet().read_claim() is None


def test_a_damaged_claim_is_neither_read_nor_replaced(desk: Desk) -> None:
    desk.sheet().write_claim(CLAIM, None)
    desk.spoil_claim()
    sheet = desk.sheet()

    with pytest.raises(SheetError, match=r"\.$"):
        sheet.read_claim()
    with pytest.raises(SheetError, match=r"\.$"):
        sheet.write_claim(replace(CLAIM, counter=2), CLAIM)
    assert not sheet.write_claim(CLAIM, None)


@pytest.mark.parametrize("first", [None, CLAIM])
def test_of_many_simultaneous_claims_one_succeeds(desk: Desk, first: Claim | None) -> None:
    if first:
        desk.sheet().write_claim(first, None)
    rivals = [replace(CLAIM, store=f"rival-{number}", counter=2) for number in range(8)]

    with ThreadPoolExecutor(len(rivals)) as threads:
        won = list(threads.map(lambda rival: desk.sheet().write_claim(rival, first), rivals))

    assert won.count(True) == 1
    assert desk.sheet().read_claim() == rivals[won.index(True)]


def rows_of(grid: Grid) -> dict[str, int]:
    return {record[0]: number for number, record in enumerate(grid)}


def names(*texts: str) -> Callable[[Grid], list[NewRow]]:
    """New rows with these prompts, as far as the grid has none of them."""
    return lambda grid: [{0: text} for text in texts if text not in rows_of(grid)]


def test_new_rows_go_below_the_last_one_and_change_no_other_cell(desk: Desk) -> None:
    answer = desk.sheet().append(names("a wolf", "a hare, running"))

    assert answer == (*GRID, ("a wolf", ""), ("a hare, running", ""))
    assert desk.sheet().read() == answer


def test_a_second_call_adds_nothing_and_writes_nothing(desk: Desk) -> None:
    answer = desk.sheet().append(names("a wolf"))
    before = desk.version()

    assert desk.sheet().append(names("a wolf")) == answer
    assert desk.version() == before


def test_rows_are_added_to_what_a_person_saved_in_between(desk: Desk) -> None:
    more = (*GRID, ("a hare", "theirs"))
    seen: list[Grid] = []

    def rows_for(grid: Grid) -> list[NewRow]:
        seen.append(grid)
        if len(seen) == 1:
            desk.save(more)
        return names("a wolf", "a hare")(grid)

    answer = desk.sheet().append(rows_for)

    # A Google Sheet has no compare-and-swap: there the row of the person is only moved.
    assert [row for row in answer if row[0] == "a wolf"] == [("a wolf", "")]
    read = desk.sheet().read()
    assert {row for row in more if row[0] != "a wolf"} <= {*read}
    assert len([row for row in read if row[0] == "a wolf"]) == 1


def test_new_rows_go_above_a_line_of_unticked_boxes(desk: Desk) -> None:
    boxes = (*GRID, ("", "FALSE"), ("", "FALSE"))
    desk.save(boxes)

    desk.sheet().append(names("a wolf"))

    read = desk.sheet().read()
    assert read[4][0] == "a wolf"
    assert {cell for row in read[4:] for cell in row[1:]} <= {"", "FALSE"}


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-a", "@home", '=HYPERLINK("x")', "＝1"])
def test_no_text_becomes_a_formula(desk: Desk, text: str) -> None:
    sheet = desk.sheet()
    grid = sheet.read()
    if sheet.objection(text):
        with pytest.raises(SheetError, match="formula"):
            sheet.append(names(text))
        assert desk.sheet().read() == grid
    else:
        assert sheet.append(names(text))[-1] == (text, "")
        assert desk.sheet().read()[-1] == (text, "")


@pytest.mark.parametrize("text", ["-5", "+3,5", "16:9", "0012", 'a "b"; c\nd', "TRUE", "日本 🦊"])
def test_a_new_cell_is_read_back_as_written(desk: Desk, text: str) -> None:
    sheet = desk.sheet()
    sheet.read()

    assert sheet.objection(text) == ""
    assert sheet.append(names(text, "a wolf"))[-2] == (text, "")
    assert desk.sheet().read()[-2] == (text, "")
