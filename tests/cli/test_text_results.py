"""Results that are text, a video or a sound, through the program: in the row, and for people."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from pipeline import notebook
from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

PICTURE = "https://example.com/fox.png"
#: How long a task takes at the API.
TASK_SECONDS = 0


def described(team: Team, text: str = "") -> None:
    """One row for a picture, and one for a description of a picture."""
    team.write(
        "prompt,endpoint,image,text",
        f"a fox,,,{text}",
        f",describe,{PICTURE},",
    )


def test_a_description_is_written_once_into_the_column_text(team: Team, api: Sandbox) -> None:
    described(team)

    first = team.finish()
    before = team.sheet.read_bytes()
    again = team.run()

    assert (first.code, again.code) == (0, 0), first.err
    fox, description = team.rows()
    assert (fox["status"], fox["text"]) == ("done", "")
    assert (description["status"], description["image_urls"]) == ("done", "")
    assert description["text"].count("\n") == 3
    assert "a stand-in picture, a painting" in description["text"]
    assert team.sheet.read_bytes() == before
    assert api.state()["tasks_taken"] == 2


def test_the_text_is_written_again_where_people_changed_it(team: Team) -> None:
    described(team)
    assert team.finish().code == 0
    right = team.rows()[1]["text"]

    with team.editing() as rows:
        rows[1]["text"] = "=HYPERLINK(1)"
    team.run()

    assert team.rows()[1]["text"] == right


def test_a_text_column_that_holds_something_is_never_written(team: Team, api: Sandbox) -> None:
    described(team, "our slogan")

    ended = team.run()

    assert ended.code == 2
    assert "text, already holds text" in ended.out
    assert team.rows()[0]["text"] == "our slogan"
    assert api.state()["tasks_taken"] == 0


def test_the_column_text_is_the_teams_own_if_no_result_is_text(team: Team) -> None:
    team.write("prompt,text", "a fox,our slogan", "an owl,")

    assert team.finish().code == 0
    with team.editing() as rows:
        rows[1]["text"] = "another slogan"
    assert team.run().code == 0

    assert [row["text"] for row in team.rows()] == ["our slogan", "another slogan"]
    assert team.said_of("a fox", "an owl") == ["done", "done"]


def test_status_and_json_show_the_text(team: Team) -> None:
    described(team)

    report = json.loads(team.finish("--json").out)
    text = team.rows()[1]["text"]
    row = team.start("status", team.config, "--row", "3")
    status = json.loads(team.start("status", team.config, "--json", "--row", "3").out)
    team.start("gallery", team.config)
    jobs = notebook.open(team.config).jobs()

    (detail,) = (one for one in report["details"] if one["row"] == 3)
    assert detail["text"] == status["details"][0]["text"] == jobs["text"][1] == text
    assert text.splitlines()[1] in row.out
    page = (team.folder / "gallery.html").read_text("utf-8")
    assert text.splitlines()[1] in page
    assert "delivered no pictures" not in page


def test_an_excel_file_gets_the_text_as_text(team: Team) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    book.worksheets[0].append(["Prompt", "Endpoint", "Text"])
    book.worksheets[0].append(["a song about\nfoxes", "suno-lyrics", None])
    book.save(path)
    config = team.configure('[media]\nsave_to = ""\n', name="excel", sheet="team.xlsx")

    first = team.start("run", config, "--wait")
    after = path.read_bytes()
    again = team.start("run", config)

    assert (first.code, again.code) == (0, 0), first.err
    assert path.read_bytes() == after
    cell = load_workbook(path).worksheets[0].cell(2, 3)
    assert cell.data_type == "s"
    assert cell.value == "[Verse]\nA stand-in song about a song about\nfoxes"


class Players(HTMLParser):
    """The players in a page: tag -> the beginnings of their addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("video", "audio"):
            values = dict(attrs)
            assert "controls" in values
            self.found.append((tag, str(values["src"]).partition(",")[0]))


@pytest.mark.parametrize(
    ("endpoint", "endings", "players"),
    [
        ("luma-imagine", [".mp4"], [("video", "data:video/mp4;base64")]),
        ("udio-generate", [".wav", ".wav"], [("audio", "data:audio/wav;base64")] * 2),
    ],
)
def test_a_video_and_a_sound_are_saved_and_the_gallery_plays_them(
    endpoint: str, endings: list[str], players: list[tuple[str, str]], team: Team
) -> None:
    team.configure('[media]\nsave_to = "media/"\n')
    team.write("prompt,endpoint,files", f"a fox,{endpoint},")

    assert team.finish().code == 0
    team.start("gallery", team.config)

    files = team.row("a fox")["files"].split("\n")
    assert [Path(file).suffix for file in files] == endings
    page = (team.folder / "gallery.html").read_text("utf-8")
    assert Players(page).found == players
    assert all(file in page for file in files)
