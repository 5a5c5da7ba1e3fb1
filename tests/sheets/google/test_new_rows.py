"""New rows in a Google Sheet that people edit: whole, in their columns, once, in few requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid
from pipeline.core.sheet.new_rows import NewRow
from pipeline.sheets.google.sheet import GoogleSheet
from tests.fakes.google.a1 import Area
from tests.fakes.google.faults import Fault
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Protected
from tests.fakes.google_desk import NOW, columns_of, open_spreadsheet
from tests.fakes.google_sheets import Asked, GoogleSheets, google_sheets

TABLE = [["prompt", "owner", "row_id"], ["a fox", "Zoë", "r_aaaaaaaaa"], ["an owl", "", ""]]
WANTED = [("a wolf", "Ben"), ("=a hare", "Ben"), ("a bear", "Zoë")]


@pytest.fixture
def google() -> Iterator[GoogleSheets]:
    with google_sheets() as google:
        yield google


def sheet_of(google: GoogleSheets, book: Book) -> GoogleSheet:
    access = open_spreadsheet(google, book)
    return GoogleSheet(access, columns_of, now=lambda: NOW, pause=lambda _: None)


def missing(grid: Grid) -> list[NewRow]:
    """The wanted rows that the grid lacks, under its titles."""
    prompt, owner = grid[0].index("prompt"), grid[0].index("owner")
    there = {(row[prompt], row[owner]) for row in grid[1:] if len(row) > max(prompt, owner)}
    return [{prompt: one[0], owner: one[1]} for one in WANTED if one not in there]


def rows(google: GoogleSheets, book: Book) -> list[tuple[str, str]]:
    header, *lines = google.table(book)
    at = header.index("prompt"), header.index("owner")
    wide = [[*line, *[""] * len(header)] for line in lines if any(line)]
    return [(line[at[0]], line[at[1]]) for line in wide]


def before_the_write(google: GoogleSheets, act: Callable[[], object]) -> None:
    """Do this once, when the request that adds rows arrives."""
    acts = iter([act])

    def between(asked: Asked) -> None:
        if asked.is_write and (it := next(acts, None)):
            it()

    google.between(between)


OLD = [("a fox", "Zoë"), ("an owl", "")]


@pytest.mark.parametrize("height", [3, 4, 1000])
def test_rows_are_added_with_one_reading_and_one_write(google: GoogleSheets, height: int) -> None:
    book = google.new_book("Spring", TABLE, rows=height)

    answer = sheet_of(google, book).append(missing)

    assert (google.reads, google.writes) == (1, 1)
    assert rows(google, book) == [*OLD, *WANTED]
    assert [row[0] for row in answer[3:]] == [one[0] for one in WANTED]
    # A text that begins like a formula is a text.
    assert book.sheets[0].cell(4, 0).formula is None
    assert sheet_of(google, book).append(missing) == sheet_of(google, book).read()
    assert google.writes == 1


def test_what_people_type_below_the_last_row_meanwhile_is_kept(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    tab = book.sheets[0]

    def type_rows() -> None:
        book.insert(tab, ROWS, 1)
        tab.enter(1, 0, "a hen")
        for place in range(4, 9):
            tab.enter(place, 0, f"a cat {place}")
            tab.enter(place, 1, "Ann")

    before_the_write(google, type_rows)
    sheet_of(google, book).append(missing)

    cats = [(f"a cat {place}", "Ann") for place in range(4, 9)]
    assert sorted(rows(google, book)) == sorted([("a hen", ""), *OLD, *WANTED, *cats])


@pytest.mark.parametrize("gesture", ["insert", "move"])
def test_columns_that_are_moved_meanwhile_have_their_cells_all_the_same(
    google: GoogleSheets, gesture: str
) -> None:
    book = google.new_book("Spring", TABLE)
    tab = book.sheets[0]

    def move() -> None:
        if gesture == "insert":
            book.insert(tab, COLUMNS, 0)
        else:
            book.move(tab, COLUMNS, 0, 1, 3)

    before_the_write(google, move)
    sheet_of(google, book).append(missing)

    assert sorted(rows(google, book)) == sorted([*OLD, *WANTED])
    header, *lines = google.table(book)
    at = header.index("row_id")
    assert [line[at] for line in lines if len(line) > at and line[at]] == ["r_aaaaaaaaa"]


def test_a_request_without_an_answer_is_never_repeated(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    google.faults.when(lambda asked: asked.is_write, Fault.RESET_AFTER, times=1)

    sheet_of(google, book).append(missing)

    assert rows(google, book) == [*OLD, *WANTED]
    assert google.writes == 1


def test_a_request_that_was_lost_ends_with_what_to_do(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    google.faults.when(lambda asked: asked.is_write, Fault.RESET_BEFORE, times=1)

    with pytest.raises(SheetError, match="it adds only what is missing"):
        sheet_of(google, book).append(missing)
    assert rows(google, book) == OLD

    sheet_of(google, book).append(missing)
    assert rows(google, book) == [*OLD, *WANTED]


def test_a_busy_google_is_asked_again(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    google.faults.when(lambda asked: asked.is_write, Fault.BUSY, times=2)

    sheet_of(google, book).append(missing)

    assert rows(google, book) == [*OLD, *WANTED]


def test_many_long_rows_are_added_in_requests_of_less_than_two_megabytes(
    google: GoogleSheets,
) -> None:
    book = google.new_book("Spring", TABLE, rows=100)
    long = "a fox " * 5_000

    sheet_of(google, book).append(
        lambda grid: [{0: f"{number} {long}"} for number in range(150) if len(grid) < 100]
    )

    sizes = [len(json.dumps(asked.body)) for asked in google.log if asked.is_write]
    assert len(sizes) == 3
    assert max(sizes) < 2 * 1024 * 1024
    numbers = [prompt.split(" ", 1)[0] for prompt, _ in rows(google, book)[2:]]
    assert numbers == [str(number) for number in range(150)]


def test_a_protected_tab_says_who_must_be_allowed(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    book.sheets[0].protected[7] = Protected(Area(), {"editors": {"users": ["boss@example.com"]}})

    with pytest.raises(SheetError, match="so no rows can be added"):
        sheet_of(google, book).append(missing)
    assert rows(google, book) == OLD
