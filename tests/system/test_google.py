"""The command line with a Google Sheet, a fake Google and the sandbox API."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.page.sheet_status import sheet_status_of
from pipeline.sandbox import Sandbox
from pipeline.wiring import campaigns
from tests.fakes.google.a1 import Area
from tests.fakes.google.account import EMAIL
from tests.fakes.google.faults import Fault
from tests.fakes.google.grid import Protected
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.outlets.chat_services import channel
from tests.fakes.program import call


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets() as google:
        book = google.new_book("Spring", [["prompt", "remark"], ["a fox", "=1+1"], ["=an owl", ""]])
        book.sheets[0].enter(2, 0, "=an owl")
        team = GoogleTeam(google, book, tmp_path, api)
        team.configure()
        yield team


def test_a_run_fills_the_sheet_and_a_second_one_pays_nothing(team: GoogleTeam) -> None:
    first = team.run("--wait")

    assert (first.code, first.is_plain) == (0, True), first.said
    rows = team.rows()
    assert [row["status"] for row in rows] == ["done", "done"]
    assert [row["prompt"] for row in rows] == ["a fox", "=an owl"]
    assert team.book.sheets[0].cell(1, 1).formula == "=1+1"
    asked = team.google.reads, team.google.writes

    assert team.run().code == 0
    # Nothing new: one reading shows the grid, the tab and the claim.
    assert (team.google.reads, team.google.writes) == (asked[0] + 1, asked[1])
    assert team.rows() == rows
    assert team.api.state()["tasks_taken"] == 2


def test_a_new_table_is_filled_with_earlier_rows_for_one_reading(team: GoogleTeam) -> None:
    team.run("--wait")
    with closing(sqlite3.connect(team.folder / "shop.db")) as file:
        file.execute("CREATE TABLE pictures (row_id TEXT PRIMARY KEY, prompt, status, remark)")
    (team.folder / "db").write_text(f"sqlite:///{team.folder}/shop.db")
    config = team.configure()
    table = '[[outlets]]\nkind = "sql"\nurl = "file:db"\ntable = "pictures"\n'
    config.write_text(config.read_text() + table)
    asked = team.google.reads, team.google.writes

    assert call("outlets", "fill", "sql", config, "--yes").code == 0
    assert (team.google.reads, team.google.writes) == (asked[0] + 1, asked[1])
    with closing(sqlite3.connect(team.folder / "shop.db")) as file:
        lines = file.execute("SELECT prompt, status, remark FROM pictures ORDER BY prompt DESC")
        assert lines.fetchall() == [("a fox", "done", "2"), ("=an owl", "done", None)]


def test_a_result_is_told_under_the_title_of_the_spreadsheet(team: GoogleTeam) -> None:
    config = team.configure()
    with campaigns([load(config)]) as (campaign,):
        assert campaign.title == "Google Sheet"
    with channel("slack") as (place, _, url):
        (team.folder / "slack.url").write_text(url)
        config.write_text(
            f'{config.read_text()}[[outlets]]\nkind = "slack"\nurl = "file:slack.url"\n'
        )
        team.run("--wait")

    assert place.shown().startswith("Spring / Sheet1: 2 done")
    with campaigns([load(config)]) as (campaign,):
        assert campaign.title == "Spring / Sheet1"
        assert sheet_status_of(campaign, "").title == "Spring / Sheet1"


def test_rows_that_follow_others_are_sent_after_them(team: GoogleTeam) -> None:
    rows = [
        ["endpoint", "name", "parent", "prompt", "index"],
        ["describe", "", "second", "", ""],
        ["upscale-1x", "second", "fox", "", "2"],
        ["", "fox", "", "a fox", ""],
    ]
    book = team.google.new_book("Chain", rows)
    team.book = book
    team.configure()

    ended = team.run("--wait")

    assert (ended.code, [row["status"] for row in team.rows()]) == (0, ["done"] * 3), ended.said
    assert team.api.state()["tasks_taken"] == 3
    writes = team.google.writes
    assert team.run().code == 0
    assert (team.google.writes, team.api.state()["tasks_taken"]) == (writes, 3)


def test_a_plan_changes_nothing(team: GoogleTeam) -> None:
    said = team.run("--plan")

    assert said.code == 0
    assert "2 requests" in said.said
    assert team.google.writes == 0


def test_a_plan_in_a_file_is_sent_once_also_if_its_rows_must_settle_first(team: GoogleTeam) -> None:
    team.configure(settle="1s")
    file = str(team.folder / "plan.json")
    written = team.run("--plan", "-o", file)
    team.book.sheets[0].enter(3, 0, "a late hare")
    ended = [team.run("--from-plan", file, "--wait")]
    while "All rows of this plan were sent before." not in ended[-1].said:
        assert len(ended) < 9, ended
        ended.append(team.run("--from-plan", file, "--wait"))

    assert (written.code, {one.code for one in ended}) == (0, {0})
    rows = team.rows()
    assert [row["status"] for row in rows[:2]] == ["done", "done"]
    assert rows[2]["status"] in ("", "waiting", "queued")
    assert team.api.state()["tasks_taken"] == 2


def test_a_plan_shows_the_cost_of_rows_that_are_settling(team: GoogleTeam) -> None:
    config = team.configure(settle="30s")
    said = team.run("--plan", config=config)

    words = " ".join(said.said.split())
    assert "2 waiting" in words
    assert "0 requests, 0 credits then, once its rows have not changed for 30 s" in words
    assert ": 2 requests, 8 credits The account has" in words
    assert words.endswith("has ended. Sent from the sheet: prompt.")
    plan = json.loads(team.run("--plan", "--json", config=config).said)
    assert (plan["requests"], plan["credits"]) == (0, 0)
    assert (plan["requests_once_settled"], plan["credits_once_settled"]) == (2, 8)


def test_a_second_store_on_one_sheet_neither_creates_ids_nor_sends(team: GoogleTeam) -> None:
    team.run("--wait")
    team.book.sheets[0].enter(3, 0, "a wolf")
    second = team.run("--wait", config=team.configure("second"))

    assert second.code == 1
    assert "belongs to another store" in second.said
    assert "row_id" not in team.rows()[2]
    assert team.api.state()["tasks_taken"] == 2


def test_a_protected_row_is_reported_and_the_others_are_done(team: GoogleTeam) -> None:
    team.book.sheets[0].protected[7] = Protected(Area(1, 2), {})

    for new in ("1 new", "0 new"):
        ended = team.run("--wait")

        said = " ".join(ended.said.split())
        assert (ended.code, ended.is_plain) == (1, True), said
        assert f"row 2 (row_id, status) cannot be edited by {EMAIL}" in said
        assert f"{new}, " in said
    assert [row.get("status") for row in team.rows()] == [None, "done"]
    assert team.api.state()["tasks_taken"] == 1


def test_the_error_for_an_unshared_sheet_says_what_to_do(team: GoogleTeam) -> None:
    team.google.faults.when(lambda asked: True, Fault.FORBIDDEN)

    said = team.run()

    assert (said.code, said.is_plain) == (3, True)
    assert f"Share the sheet with {EMAIL} as Editor." in " ".join(said.said.split())


def test_the_error_for_a_wrong_tab_lists_the_tabs(team: GoogleTeam) -> None:
    said = team.run(config=team.configure(tab="Nope"))

    assert said.code == 3
    assert 'has no tab "Nope"; there is Sheet1' in " ".join(said.said.split())


def test_two_tabs_of_one_spreadsheet_are_two_sheets(team: GoogleTeam) -> None:
    ideas = team.book.add_sheet("Ideas", 10, 10)
    for place, text in enumerate(("prompt", "a heron")):
        ideas.enter(place, 0, text)

    first = team.run("--wait")
    second = team.run("--wait", config=team.configure("second", tab="Ideas"))

    assert (first.code, second.code) == (0, 0), second.said
    header, row = team.google.table(team.book, "Ideas")
    assert row[header.index("status")] == "done"
    assert team.api.state()["tasks_taken"] == 3
    assert team.run().code == 0
    assert team.api.state()["tasks_taken"] == 3


def test_a_result_that_is_text_is_written_once_and_never_as_a_formula(team: GoogleTeam) -> None:
    rows = [
        ["endpoint", "prompt", "image", "text"],
        ["describe", "", "https://example.com/fox.png", ""],
        ["", "a fox", "", ""],
    ]
    team.book = team.google.new_book("Described", rows)
    team.configure()

    ended = team.run("--wait")
    writes = team.google.writes
    again = team.run()

    assert (ended.code, again.code) == (0, 0), ended.said
    described, fox = team.rows()
    assert "a stand-in picture, a painting" in described["text"]
    assert fox["text"] == ""
    assert not team.book.sheets[0].cell(1, 3).formula
    assert team.google.writes == writes
