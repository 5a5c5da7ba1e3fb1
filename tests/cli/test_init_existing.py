"""`init` at a terminal looks at a sheet that exists before it asks about anything else."""

from __future__ import annotations

import tomllib

import openpyxl

from pipeline.core.text import one_line
from tests.fakes.cases import each
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

#: The tests make their own configurations.
TEAM_TABLES = None
WHICH = "No column is called prompt in the first line. Which one has your prompts: "


def test_a_column_of_prompts_with_another_title_is_asked_for_and_sent(team: Team) -> None:
    team.write("Title,Beschreibung,aspect_ratio", "Fox,a fox in the snow,16:9")
    before = team.sheet.read_bytes()

    with terminal(team.folder, "init", "--sandbox", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer(f"{WHICH}Title, Beschreibung: ", "\n")
        screen.answer("Write one of these titles: Title, Beschreibung.", "beschreibung\n")
        for question in ("Aspect ratio", "Most ", "approved", "Save"):
            screen.answer(question, "\n")
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == 0

    assert tomllib.loads(team.config.read_text())["columns"] == {"prompt": "Beschreibung"}
    assert "row 2: a fox in the snow" in screen.shown
    assert team.sheet.read_bytes() == before


def test_a_title_that_is_close_is_suggested(team: Team) -> None:
    team.write("Subject,Text", "fox,a fox")

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer(f"{WHICH}Subject, Text [Text]: ", "\n")
        screen.answer("Your Apiframe key", "")
        assert screen.leave("\x03") == 130

    assert not team.config.exists()


def test_a_file_without_titles_is_refused_unless_its_first_line_has_titles(team: Team) -> None:
    team.write("a fox in the snow,16:9", "an owl at night,1:1")
    before = team.traces()
    looks = 'The first line looks like a row: "a fox in the snow". Does it have the titles? [y/N]: '

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer(looks, "\n")
        assert screen.end() == 2

    assert "write one above it, with the title prompt over the prompts" in one_line(screen.shown)
    assert team.traces() == before

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer(looks, "y\n")
        screen.answer(f"{WHICH}a fox in the snow, 16:9: ", "a fox in the snow\n")
        screen.answer("Your Apiframe key", "")
        assert screen.leave("\x03") == 130


def test_the_prompts_of_a_workbook_may_be_in_another_tab(team: Team) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Things to do"])
    tab = book.create_sheet("Prompts")
    tab.append(["prompt"])
    tab.append(["a fox in the snow"])
    book.save(team.folder / "team.xlsx")

    with terminal(team.folder, "init", "team.xlsx", "--tab", "Prompts", width=120) as screen:
        screen.answer("Your Apiframe key", "\n")
        for question in ("Aspect ratio", "Most ", "approved", "Save"):
            screen.answer(question, "\n")
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == 0

    assert "row 2: a fox in the snow" in screen.shown
    source = tomllib.loads(team.config.read_text())["sheet"]
    assert source == {"source": "team.xlsx", "tab": "Prompts"}


@each(
    ("words", "sentence"),
    [
        (("team.xlsx", "--tab", "Nope"), 'there is no tab "Nope" in it; write one of'),
        (("plan.csv", "--tab", "Prompts"), "Only a workbook and a Google Sheet have tabs."),
        (("new.xlsx", "--tab", "Prompts"), "new.xlsx does not exist, so it has no tab to name."),
        (("--base-url", "http://127.0.0.1:9"), "--credentials and --base-url need --google."),
    ],
)
def test_a_tab_that_cannot_be_used_is_refused(
    team: Team, words: tuple[str, ...], sentence: str
) -> None:
    openpyxl.Workbook().save(team.folder / "team.xlsx")
    (team.folder / "plan.csv").write_text("prompt\na fox\n")
    before = team.traces()

    ended = team.start("init", *words)

    assert ended.code in (2, 3)
    assert sentence in ended.err
    assert team.traces() == before


@each(
    ("lines", "sentence"),
    [
        ([""], "No column is named like something to send"),
        (["Our plan", "prompt", "a fox"], "The header is in line 2."),
        (["prompt,Prompt", "a fox,an owl"], "Columns A and B have one name, prompt or Prompt."),
        (["prompt,status", "a fox,ready"], "Column B, status, already holds text."),
    ],
)
def test_a_sheet_that_must_be_corrected_is_refused_before_the_next_question(
    team: Team, lines: list[str], sentence: str
) -> None:
    team.write(*lines)
    before = team.traces()

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        assert screen.end() == 2

    assert sentence in screen.shown
    assert "Your Apiframe key" not in screen.shown
    assert team.traces() == before
