"""`init` for a Google Sheet: a tick for each passed check, a sentence for the first failed one.

Google is the local fake; everything between it and the command line is real, with all libraries.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.cases import each
from tests.fakes.google.account import EMAIL
from tests.fakes.google.faults import Fault
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets, google_sheets
from tests.fakes.program import Ended
from tests.fakes.team import Team
from tests.fakes.terminal import Terminal, terminal

HEADER = ["name", "prompt", "aspect_ratio", "take", "skip"]
OURS = ["row_id", "status", "task_id", "image_urls", "note"]
TICKS = [
    f"The key belongs to {EMAIL}.",
    "Google accepts the key.",
    "Spring is shared with that account.",
    "The tab is Prompts.",
    "The account may edit it.",
]


@dataclass
class Desk:
    """A sheet of the fake Google, and a folder with the key of the account."""

    google: GoogleSheets
    book: Book
    team: Team

    @property
    def key(self) -> Path:
        return self.team.folder / "bot.json"

    def init(self, *words: str, address: str = "") -> Ended:
        where = ("--google", address or self.book.url, "--base-url", self.google.url)
        return self.team.start("init", *where, *words, key=None)

    def titles(self) -> list[str]:
        table = self.google.table(self.book)
        return table[0] if table else []


@pytest.fixture
def desk(tmp_path: Path, api: Sandbox) -> Iterator[Desk]:
    api.reset()
    with google_sheets() as google:
        desk = Desk(google, google.new_book("Spring", tab="Prompts"), Team(tmp_path, api.url))
        desk.key.write_text(json.dumps(google.key))
        desk.key.chmod(0o600)
        yield desk


def ticks(said: Ended) -> list[str]:
    return [line[2:] for line in said.out.splitlines() if line.startswith("✓ ")]


def test_an_empty_tab_gets_a_header_and_runs(desk: Desk, api: Sandbox) -> None:
    said = desk.init()

    assert (said.code, said.err) == (0, "")
    assert ticks(said) == TICKS
    assert "1 row is ready to be sent." in said.out
    assert "    promptsheet run promptsheet.toml --plan\n" in said.out
    assert desk.titles() == HEADER + OURS
    tab = desk.book.sheets[0]
    at = desk.titles().index
    assert tab.cell(1, at("skip")).is_checkbox
    assert tab.cell(500, at("skip")).is_checkbox
    ratios = tab.cell(1, at("aspect_ratio")).rule
    assert ratios is not None
    assert (ratios["condition"]["type"], ratios["strict"]) == ("ONE_OF_LIST", False)
    assert [tab.columns[at(title)].hidden for title in OURS] == [True, *[False] * 4]
    assert tab.frozen_rows == 1
    says = tomllib.loads(desk.team.config.read_text())["sheet"]
    assert says["source"] == f"https://docs.google.com/spreadsheets/d/{desk.book.id}/edit#gid=0"
    assert says["credentials"] == "file:bot.json"
    assert "PRIVATE" not in desk.team.config.read_text() + said.out

    made = desk.team.config.read_text().replace("[sheet]", '[sheet]\nsettle = "0s"')
    made = made.replace("[provider]", f'[provider]\nbase_url = "{api.url}"')
    desk.team.config.write_text(made + '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\n')
    run = desk.team.finish()

    assert run.code == 0, run
    rows = desk.google.table(desk.book)
    assert rows[1][at("status")] == "done"
    assert rows[1][at("skip")] == "FALSE"
    assert api.state()["tasks_taken"] == 1


def test_the_sheet_of_an_endpoint_has_its_columns_and_sample_rows(desk: Desk) -> None:
    assert desk.init("--endpoint", "describe").code == 0

    table = desk.google.table(desk.book)
    head = ["name", "endpoint", "parent", "image", "index", "prompt", "take", "skip"]
    assert table[0] == [*head, *OURS, "text"]
    assert [row[:3] for row in table[1:3]] == [
        ["first", "imagine", ""],
        ["second", "describe", "first"],
    ]


def test_a_tab_with_content_is_left_unchanged(desk: Desk) -> None:
    tab = desk.book.sheets[0]
    tab.enter(0, 0, "prompt")
    tab.enter(1, 0, "a fox")

    said = desk.init("--approval")

    assert said.code == 0
    assert "Spring / Prompts is not empty and was not changed." in said.out
    assert desk.google.table(desk.book) == [["prompt"], ["a fox"]]
    assert not tab.cell(1, 0).rule


def test_the_approved_column_gets_boxes_that_count_only_when_ticked(desk: Desk) -> None:
    said = desk.init("--approval")

    assert "1 row to approve: tick the column approved." in said.out
    at = desk.titles().index("approved")
    box = desk.book.sheets[0].cell(1, at)
    assert box.is_checkbox
    made = desk.team.config.read_text().replace("[sheet]", '[sheet]\nsettle = "0s"')
    desk.team.config.write_text(made)
    assert "0 requests" in desk.team.start("run", "promptsheet.toml", "--plan").said
    desk.book.sheets[0].enter(1, at, True)
    assert "1 request" in desk.team.start("run", "promptsheet.toml", "--plan").said


def test_a_second_init_tries_again_and_changes_nothing(desk: Desk) -> None:
    desk.init()
    before = desk.team.config.read_text(), desk.google.table(desk.book)

    again = desk.team.start("init", "--google", desk.book.url, key=None)

    assert (again.code, ticks(again)) == (0, TICKS)
    assert "promptsheet.toml already exists and was not changed." in again.out
    assert (desk.team.config.read_text(), desk.google.table(desk.book)) == before


def not_shared(desk: Desk) -> None:
    desk.book.editors.clear()


def view_only(desk: Desk) -> None:
    desk.book.editors.clear()
    desk.book.viewers.add(EMAIL)


def not_enabled(desk: Desk) -> None:
    desk.google.faults.when(lambda asked: True, Fault.NOT_ENABLED)


def office_file(desk: Desk) -> None:
    desk.google.faults.when(lambda asked: True, Fault.OFFICE_FILE)


def no_token(desk: Desk) -> None:
    desk.google.faults.when(lambda asked: True, Fault.NO_TOKEN)


def gone(desk: Desk) -> None:
    desk.google.books.clear()


def out_of_reach(desk: Desk) -> None:
    desk.google.faults.when(lambda asked: True, Fault.RESET_BEFORE)


def key_is(text: str) -> Callable[[Desk], object]:
    return lambda desk: desk.key.write_text(text)


@pytest.mark.parametrize(
    ("breaks", "words", "right", "sentence"),
    [
        (lambda desk: desk.key.unlink(), (), 0, "save it there as bot.json, and run this"),
        (
            lambda desk: desk.key.with_name("two.json").write_text(desk.key.read_text()),
            (),
            0,
            "There is more than one key in",
        ),
        (
            key_is("{}"),
            ("--credentials", "bot.json"),
            0,
            "is not the key of a service account. Make one",
        ),
        (
            key_is('{"installed": {}}'),
            ("--credentials", "file:bot.json"),
            0,
            "is the key of an OAuth client, not of a service account. Make one",
        ),
        (
            lambda _: None,
            ("--credentials", "file:no.json"),
            0,
            '"file:no.json" is not set, missing',
        ),
        (lambda _: None, ("--credentials", "env:NO_SUCH_KEY"), 0, "is not set, missing or empty"),
        (no_token, (), 1, f"does not accept the key of {EMAIL}: invalid_grant"),
        (not_shared, (), 2, f"Share the sheet with {EMAIL} as Editor."),
        (
            not_enabled,
            (),
            2,
            "Enable it at https://console.developers.google.com/apis/api/sheets.googleapis.com/"
            "overview?project=123, wait a minute",
        ),
        (gone, (), 2, "does not exist, or"),
        (office_file, (), 2, "choose File > Save as Google Sheets, and use the address of the new"),
        (out_of_reach, (), 2, "The connection to Google broke"),
        (lambda _: None, ("--tab", "Nope"), 3, 'Spring has no tab "Nope"; there is Prompts.'),
        (view_only, (), 4, f"Spring is view-only for {EMAIL}. Share the sheet with"),
    ],
)
def test_the_first_failed_check_has_its_sentence_and_nothing_is_created(
    desk: Desk,
    breaks: Callable[[Desk], object],
    words: tuple[str, ...],
    right: int,
    sentence: str,
) -> None:
    breaks(desk)

    said = desk.init(*words)

    assert said.code in (2, 3)
    assert ticks(said) == TICKS[:right]
    assert sentence in " ".join(said.err.split())
    assert "Traceback" not in said.err
    assert not desk.team.config.exists()
    desk.google.faults.clear()


def test_an_invalid_address_is_reported_and_no_request_is_made(desk: Desk) -> None:
    said = desk.init(address="https://docs.google.com/document/d/abc")

    assert said.code == 2
    assert "is not the address of a Google Sheet. Copy it from the browser" in said.err
    assert desk.google.log == []


def test_the_question_for_a_sheet_accepts_an_address(desk: Desk) -> None:
    desk.init()

    with terminal(desk.team.folder, "init", width=120) as screen:
        screen.answer("Or the address of a Google Sheet", "https://example.com/sheet\n")
        screen.answer("is not the address of a Google Sheet.", f"{desk.book.url}\n")
        screen.answer("Your Apiframe key, not shown (Enter: go on without it): ", "\n")
        assert screen.end() == 0

    assert all(f"✓ {tick}\n" in screen.shown for tick in TICKS)
    assert "promptsheet.toml already exists and was not changed." in screen.shown


def at_a_terminal(desk: Desk, *words: str) -> AbstractContextManager[Terminal]:
    where = ("--google", desk.book.url, "--base-url", desk.google.url)
    return terminal(desk.team.folder, "init", *where, *words, width=120)


def test_a_sheet_that_exists_is_asked_for_the_column_with_its_prompts(desk: Desk) -> None:
    table = [["Motif", "Beschreibung", "Größe"], ["Fox", "a fox in the snow", "16:9"]]
    desk.book = desk.google.new_book("Spring", table, tab="Prompts")
    before = desk.google.table(desk.book)

    with at_a_terminal(desk, "--sandbox") as screen:
        screen.answer("Which one has your prompts: Motif, Beschreibung, Größe: ", "prompt\n")
        screen.answer("Write one of these titles: Motif, Beschreibung, Größe.", "beschreibung\n")
        for question in ("Aspect ratio", "Most ", "approved", "Save"):
            screen.answer(question, "\n")
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == 0

    assert "✓ The account may edit it." in screen.shown
    assert "Spring / Prompts is not empty and was not changed." in screen.shown
    assert "row 2: a fox in the snow" in screen.shown
    assert tomllib.loads(desk.team.config.read_text())["columns"] == {"prompt": "Beschreibung"}
    assert desk.google.table(desk.book) == before


@each(
    ("table", "answers", "sentence"),
    [
        ([["a fox in the snow", "16:9"], ["an owl", "1:1"]], "\n", "looks like a row: "),
        ([["Our plan"], ["prompt"], ["a fox"]], "", "The header is in line 2."),
        ([["prompt", "Prompt"], ["a fox", "an owl"]], "", "Columns A and B have one name"),
        ([["prompt", "status"], ["a fox", "ready"]], "", "Column B, status, already holds text."),
    ],
)
def test_a_sheet_that_must_be_corrected_is_refused_before_the_next_question(
    desk: Desk, table: list[list[str]], answers: str, sentence: str
) -> None:
    desk.book = desk.google.new_book("Spring", table, tab="Prompts")
    before = desk.google.table(desk.book)

    with at_a_terminal(desk) as screen:
        if answers:
            screen.answer("Does it have the titles? [y/N]: ", answers)
        assert screen.end() == 2

    assert sentence in screen.shown
    assert "Your Apiframe key" not in screen.shown
    assert not desk.team.config.exists()
    assert desk.google.table(desk.book) == before
