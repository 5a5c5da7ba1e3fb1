"""The command line at a Google Sheet, with a stand-in for Google and one for the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google.account import EMAIL
from tests.fakes.google.faults import Fault
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_studio import Studio
from tests.fakes.sandbox_process import sandbox_process


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        yield sandbox


@pytest.fixture
def studio(tmp_path: Path, api: Sandbox) -> Iterator[Studio]:
    api.reset()
    with google_sheets() as google:
        book = google.new_book("Spring", [["prompt", "remark"], ["a fox", "=1+1"], ["=an owl", ""]])
        book.sheets[0].enter(2, 0, "=an owl")
        studio = Studio(google, book, tmp_path, api)
        studio.configure()
        yield studio


def test_a_run_fills_the_sheet_and_a_second_one_pays_nothing(studio: Studio) -> None:
    first = studio.run("--wait")

    assert (first.code, first.is_plain) == (0, True), first.said
    rows = studio.rows()
    assert [row["status"] for row in rows] == ["done", "done"]
    assert [row["prompt"] for row in rows] == ["a fox", "=an owl"]
    assert studio.book.sheets[0].cell(1, 1).formula == "=1+1"
    asked = studio.google.reads, studio.google.writes

    assert studio.run().code == 0
    # Nothing new: one reading shows the grid, the tab and the claim.
    assert (studio.google.reads, studio.google.writes) == (asked[0] + 1, asked[1])
    assert studio.rows() == rows
    assert studio.api.state()["tasks_taken"] == 2


def test_a_plan_changes_nothing(studio: Studio) -> None:
    said = studio.run("--plan")

    assert said.code == 0
    assert "2 requests" in said.said
    assert studio.google.writes == 0


def test_of_two_stores_on_one_sheet_the_second_neither_mints_nor_sends(studio: Studio) -> None:
    studio.run("--wait")
    studio.book.sheets[0].enter(3, 0, "a wolf")
    second = studio.run("--wait", config=studio.configure("second"))

    assert second.code == 1
    assert "belongs to another store" in second.said
    assert "row_id" not in studio.rows()[2]
    assert studio.api.state()["tasks_taken"] == 2


def test_a_sheet_that_is_not_shared_ends_with_what_to_do(studio: Studio) -> None:
    studio.google.faults.when(lambda asked: True, Fault.FORBIDDEN)

    said = studio.run()

    assert (said.code, said.is_plain) == (3, True)
    assert f"Share the sheet with {EMAIL} as Editor." in " ".join(said.said.split())


def test_a_wrong_tab_lists_the_tabs(studio: Studio) -> None:
    said = studio.run(config=studio.configure(tab="Nope"))

    assert said.code == 3
    assert 'has no tab "Nope"; there is Sheet1' in " ".join(said.said.split())


def test_two_tabs_of_one_spreadsheet_are_two_sheets(studio: Studio) -> None:
    ideas = studio.book.add_sheet("Ideas", 10, 10)
    for place, text in enumerate(("prompt", "a heron")):
        ideas.enter(place, 0, text)

    first = studio.run("--wait")
    second = studio.run("--wait", config=studio.configure("second", tab="Ideas"))

    assert (first.code, second.code) == (0, 0), second.said
    header, row = studio.google.table(studio.book, "Ideas")
    assert row[header.index("status")] == "done"
    assert studio.api.state()["tasks_taken"] == 3
    assert studio.run().code == 0
    assert studio.api.state()["tasks_taken"] == 3
