"""None of our cells becomes a formula, whatever is in prompts and in answers of the API.

One corpus is used with every kind of sheet: in prompts, refusals and failures, task ids, texts and
addresses. People's cells, including formulas, are unchanged.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.core.api.protocol import task_event, verdict
from pipeline.core.model import JobKey, Response
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import ALWAYS, Header
from pipeline.core.states import Accepted, Event, Progressed
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.excel.sheet import ExcelSheet
from pipeline.sheets.google.sheet import GoogleSheet
from pipeline.store import Fact, Limits, Store
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from tests.fakes.formulas import FORMULAS, SIGNS
from tests.fakes.google import entering
from tests.fakes.google.grid import Cell
from tests.fakes.google_desk import columns_of, open_spreadsheet
from tests.fakes.google_sheets import GoogleSheets, google_sheets
from tests.system.whole.api import IMAGINE, V1

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ENDPOINT = replace(IMAGINE, grid_url=("grid",))
V1 = replace(V1, endpoints={"imagine": ENDPOINT})
TITLES = ("prompt", "name", "theirs")
OURS = (*ALWAYS, "image_1", "image_2", "grid_url", "preview")
#: The outcome of a row at the API.
ENDS = ("succeeds", "fails", "is refused", "is asked after")


class Desk(Protocol):
    """A sheet of one kind."""

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        """Write text into the first columns and a formula into the third, as people do."""

    def sheet(self) -> Sheet:
        """The program's view of it."""

    def written(self) -> list[list[str]]:
        """Its rows, the header first."""

    def formulas(self) -> set[tuple[int, int]]:
        """The cells that are formulas, by row and column, both from 0."""


class CsvDesk:
    """A CSV file: everything is text, and the program that opens it decides."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "prompts.csv"

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    def sheet(self) -> Sheet:
        return CsvSheet(self._path)

    def written(self) -> list[list[str]]:
        with self._path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def formulas(self) -> set[tuple[int, int]]:
        return {
            (row, at)
            for row, cells in enumerate(self.written())
            for at, text in enumerate(cells)
            if text.strip(" \u00a0\u200b\ufeff").startswith(SIGNS)
        }


class ExcelDesk:
    """A workbook."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "prompts.xlsx"

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        book = Workbook()
        tab = book.worksheets[0]
        for number, row in enumerate(rows, start=1):
            for column, text in enumerate(row, start=1):
                cell = tab.cell(number, column)
                if column == 3:
                    cell.value = text
                elif text:
                    cell.value, cell.data_type = text.replace("\r", "_x000D_"), "s"
        book.save(self._path)

    def sheet(self) -> Sheet:
        return ExcelSheet(self._path)

    def written(self) -> list[list[str]]:
        tab = load_workbook(self._path).worksheets[0]
        return [
            [str(cell or "").replace("_x000D_", "\r") for cell in row]
            for row in tab.iter_rows(values_only=True)
        ]

    def formulas(self) -> set[tuple[int, int]]:
        tab = load_workbook(self._path).worksheets[0]
        return {
            (row, at)
            for row, cells in enumerate(tab.iter_rows())
            for at, cell in enumerate(cells)
            if cell.data_type == "f"
        }


class GoogleDesk:
    """A Google Sheet; each of our texts is also entered again by a person."""

    def __init__(self, google: GoogleSheets) -> None:
        self._google = google
        self._book = google.new_book("Prompts", columns=30)

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        for row, cells in enumerate(rows):
            for column, text in enumerate(cells):
                self._book.sheets[0].enter(row, column, text, locale="en" if column == 2 else None)

    def sheet(self) -> Sheet:
        access = open_spreadsheet(self._google, self._book)
        return GoogleSheet(access, columns_of, now=lambda: NOW)

    def written(self) -> list[list[str]]:
        return [[str(cell.formula or cell.value or "") for cell in row] for row in self._cells()]

    def formulas(self) -> set[tuple[int, int]]:
        return {
            (row, at)
            for row, cells in enumerate(self._cells())
            for at, cell in enumerate(cells)
            if cell.formula or (at >= len(TITLES) and entering.typed(str(cell.value or ""))[1])
        }

    def _cells(self) -> list[list[Cell]]:
        tab = self._book.sheets[0]
        return [row.cells for row in tab.rows[: tab.filled]]


@contextmanager
def at_a_csv_file(folder: Path) -> Iterator[Desk]:
    yield CsvDesk(folder)


@contextmanager
def at_a_workbook(folder: Path) -> Iterator[Desk]:
    yield ExcelDesk(folder)


@contextmanager
def at_a_google_sheet(folder: Path) -> Iterator[Desk]:
    with google_sheets(reads=1000, writes=1000) as google:
        yield GoogleDesk(google)


DESKS: dict[str, Callable[[Path], AbstractContextManager[Desk]]] = {
    "csv": at_a_csv_file,
    "excel": at_a_workbook,
    "google": at_a_google_sheet,
}


def answer(text: str, end: str) -> Event:
    """An answer of the API with the text in every possible place."""
    urls = [text, f"https://cdn.example/{text}", f" {text}", "https://cdn.example/a.png"]
    body: dict[str, object] = {"task_id": text, "message": text, "percentage": text, "grid": text}
    body |= {"status": "processing", "image_urls": urls}
    if end == "is refused":
        response = Response(400, {}, json.dumps(body).encode())
        return verdict(V1, ENDPOINT, response, NOW).event
    status = {"succeeds": "finished", "fails": "failed"}.get(end, "processing")
    return task_event(V1, ENDPOINT, body | {"status": status}, text)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", DESKS)
def test_none_of_our_cells_becomes_a_formula(tmp_path: Path, kind: str, end: str) -> None:
    rows = [
        [f"{text} [{n}]" if n % 2 else text, text, f"={n}*2"] for n, text in enumerate(FORMULAS)
    ]
    with (
        DESKS[kind](tmp_path) as desk,
        Store(f"sqlite:///{tmp_path / 'store.db'}", now=lambda: NOW) as store,
    ):
        desk.fill([[*TITLES, *OURS[5:]], *rows])
        before = [row[:3] for row in desk.written()]
        sync = SheetSync(
            desk.sheet(),
            store,
            Rules(sheet="sheet", provider=V1, endpoint="imagine"),
            Header(frozenset({"prompt"})),
            Limits(api_key="key", run="run", day="today"),
            config="promptsheet.toml",
            clock=Clock(lambda: NOW),
            chance=Random(1),
        )
        submissions = Submissions(sync, clock=Clock(lambda: NOW), chance=Random(1))
        sync.look()
        ready = [line for line in sync.last.plan.to_send if line.job]
        begun = submissions.commit_batch((), ready).begun
        facts: dict[JobKey, Fact] = {}
        place = {sync.job_key(line): line.seen.place for line in ready}
        for one in begun:
            text = FORMULAS[place[one.key] - 1]
            event = answer(text, end)
            if isinstance(event, Progressed):
                submissions.record(
                    [Fact(one.key, one.attempt.number, Accepted(text.strip() or "task"))]
                )
            facts[one.key] = Fact(one.key, one.attempt.number, event)
        submissions.record(list(facts.values()))
        sync.look()
        written = desk.written()
        header = written[0]
        shown = {
            header[at]: [row[at] for row in written[1:] if at < len(row)]
            for at in range(len(header))
        }
        theirs, images = header.index("theirs"), header.index("preview")
        live = {(row, at) for row, at in desk.formulas() if at >= len(TITLES)}

        assert len(begun) >= len(FORMULAS) - 1, "what shows an error waits, all others are sent"
        assert [row[:3] for row in written] == before
        assert {at for _, at in desk.formulas()} >= {theirs}
        assert {(row, at) for row, at in live if at != images} == set()
        for row, at in live:
            assert written[row][at].startswith('=IMAGE("https://cdn.example/')
        if end == "is refused":
            assert sum('refused the prompt: "' in note for note in shown["note"]) == len(begun)
        if end == "fails":
            assert sum("could not generate it" in note for note in shown["note"]) == len(begun)
        if end == "succeeds":
            assert shown["status"].count("done") == len(begun)
            assert any("=cmd|" in url for url in shown["image_urls"])
