"""Styles in a tab of the Google Sheet that has the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam

TASK_SECONDS = 0
STYLES = [["name", "text"], ["Studio", "softbox light"], ["Ink", "ink on paper"]]


def tab(book: Book, title: str, *lines: list[str]) -> None:
    """Add a tab with these lines."""
    sheet = book.add_sheet(title)
    for row, line in enumerate(lines):
        for column, text in enumerate(line):
            sheet.enter(row, column, text)


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets(reads=10**6, writes=10**6) as google:
        rows = [["product", "style"], ["a fox", "studio"], ["an owl", "ink"]]
        book = google.new_book("Spring", rows, rows=50)
        tab(book, "Looks", *STYLES)
        yield GoogleTeam(google, book, tmp_path, api)


def configured(team: GoogleTeam, styles: str) -> None:
    config = team.configure(tab=team.book.sheets[0].title)
    prompt = f'[prompt]\ntext = "{{product}}, {{style}}"\nstyles = "{styles}"\n'
    config.write_text(config.read_text() + prompt)


def test_a_tab_of_the_sheet_has_the_styles_and_costs_one_request_for_a_pass(
    team: GoogleTeam, api: Sandbox
) -> None:
    configured(team, "tab:Looks")
    assert team.run("--wait").code == 0
    assert api.state()["tasks"] == {"a fox, softbox light": 1, "an owl, ink on paper": 1}
    reads = team.google.reads
    assert team.run().code == 0
    with_styles = team.google.reads - reads

    team.book.sheets[1].enter(2, 1, "ink in water")
    team.book.sheets[0].enter(3, 0, "a hare")
    team.book.sheets[0].enter(3, 1, "Ink")
    team.run("--wait")

    # The other rows keep their pictures, as after any change of a style.
    assert api.state()["tasks"]["a hare, ink in water"] == 1
    assert sum(api.state()["tasks"].values()) == 3
    assert [row["status"] for row in team.rows()[:3]] == ["done"] * 3
    configured(team, "")
    team.run()
    reads = team.google.reads
    team.run()
    assert with_styles == team.google.reads - reads + 1


def test_a_missing_tab_is_named_and_nothing_is_sent(team: GoogleTeam, api: Sandbox) -> None:
    configured(team, "tab:Styles")

    ended = team.run()

    assert ended.code != 0
    assert "[prompt] styles: " in ended.said
    assert "Styles" in ended.said
    assert "Looks" in ended.said
    assert api.state()["tasks"] == {}


def test_a_tab_without_styles_says_what_to_write(team: GoogleTeam, api: Sandbox) -> None:
    tab(team.book, "Empty", ["name", "text"])
    configured(team, "tab:Empty")

    assert "[prompt] styles: the tab Empty has no styles. Write names" in team.run().said
    assert api.state()["tasks"] == {}
