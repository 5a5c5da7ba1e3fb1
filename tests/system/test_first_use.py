"""The first day with the program: its questions, the files it creates, and an error for each
mistake.

The mistakes are in the order in which new users make them. Everything runs through the real command
line, some of it at a pseudo-terminal.
"""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from pipeline.config.template import SANDBOX
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

PEOPLES = ["name", "prompt", "aspect_ratio", "take", "skip"]
OURS = ["row_id", "status", "task_id", "image_urls", "note"]


#: The tests make their own configurations.
TEAM_TABLES = None


def header(sheet: Path) -> list[str]:
    """The titles of a sheet, in their order."""
    with sheet.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


# -- init: the questions, the flags --------------------------------------------------------------


def test_pressing_enter_makes_a_sheet_that_runs(team: Team, api: Sandbox) -> None:
    with terminal(team.folder, "init", width=120) as screen:
        question = (
            "Which CSV or Excel file? A missing one is created. Or the address of a Google Sheet"
        )
        screen.answer(f"{question} [prompts.csv]: ", "\n")
        screen.answer("Your first prompt [a lighthouse on a cliff", "\n")
        key = "Your Apiframe key, not shown (Enter: try it with a stand-in, at no cost): "
        screen.answer(key, "\n")
        screen.answer("Aspect ratio for rows that have none, such as 16:9 (Enter: none): ", "\n")
        screen.answer("Most credits per day (a row costs 4) [1000]: ", "\n")
        screen.answer("Must each row be approved before it is sent? [y/N]: ", "\n")
        screen.answer("Save the pictures in the folder media? [Y/n]: ", "\n")
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == 0

    assert "\n    promptsheet init\n" in screen.shown
    assert header(team.sheet) == PEOPLES + OURS
    # The key decides the version of the API, and with it the price.
    assert "a row costs" not in team.config.read_text()
    made = team.config.read_text().replace(SANDBOX, api.url)
    team.config.write_text(made + '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\n')
    assert team.finish().code == 0
    assert [row["status"] for row in team.rows()] == ["done"]
    assert header(team.sheet) == PEOPLES + OURS
    assert len(list((team.folder / "media").glob("*.png"))) == 4


def test_each_answer_is_checked_at_once_and_written_to_the_configuration(team: Team) -> None:
    (team.folder / "plan.ods").touch()
    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV or Excel file?", "plan\n")
        screen.answer("A new one could be called plan.csv.", "plan.ods\n")
        screen.answer("Save it as one of these first.", "autumn\\ plan.tsv \n")
        screen.answer("Your first prompt", "=a fox\n")
        screen.answer("Your Apiframe key", "\n")
        screen.answer("Aspect ratio", "wide\n")
        screen.answer('Error: aspect_ratio is "wide"; it must be two numbers with a colon', "3:4\n")
        screen.answer("Most credits per day", "plenty\n")
        screen.answer("Error: Write a whole number of credits, such as 1000.", "3\n")
        screen.answer("Error: A row costs 4 credits. Allow at least that many per day.", "40\n")
        screen.answer("Must each row be approved", "y\n")
        screen.answer("Save the pictures", "n\n")
        assert screen.end() == 0

    says = tomllib.loads(team.config.read_text())
    assert (says["sheet"], says["defaults"]) == (
        {"source": "autumn plan.tsv"},
        {"aspect_ratio": "3:4"},
    )
    assert (says["budget"], says["rules"], says["media"]) == (
        {"per_run": 40, "per_day": 40},
        {"approval": True},
        {"save_to": ""},
    )
    sheet = (team.folder / "autumn plan.tsv").read_text()
    assert sheet.splitlines()[0].split("\t") == [*PEOPLES[:-1], "approved", "skip", *OURS]
    assert "\t=a fox\t" in sheet
    assert "row 2: =a fox" in screen.shown
    assert "0 requests, 0 credits" in screen.shown


@pytest.mark.parametrize("typed", ["\x03", "\x04"])
def test_leaving_the_questions_creates_no_files(team: Team, typed: str) -> None:
    with terminal(team.folder, "init") as screen:
        screen.answer("Which CSV or Excel file?", "\n")
        screen.answer("Your first prompt", "\n")
        screen.answer("Your Apiframe key", "")
        assert screen.leave(typed) == 130

    assert "Traceback" not in screen.shown
    assert team.traces() == {}


def test_with_an_existing_configuration_no_questions_are_asked(team: Team) -> None:
    team.configure()

    with terminal(team.folder, "init") as screen:
        screen.answer("Which CSV or Excel file?", "\n")
        assert screen.end() == 0

    assert "promptsheet.toml already exists and was not changed." in screen.shown
    assert "Aspect ratio" not in screen.shown


def test_with_a_flag_for_an_answer_no_questions_are_asked(team: Team) -> None:
    with terminal(team.folder, "init", "--per-day", "80") as flags:
        assert flags.end() == 0

    assert "?" not in flags.shown
    assert tomllib.loads(team.config.read_text())["budget"] == {"per_run": 80, "per_day": 80}


def test_there_is_a_flag_for_each_question(team: Team) -> None:
    flags = ("--aspect-ratio", "3:4", "--per-day", "400", "--approval", "--no-save")
    made = team.start("init", *flags, key=None)
    again = team.start("init", "--per-day", "500")

    assert made.code == 0
    says = tomllib.loads(team.config.read_text())
    assert says["defaults"] | says["budget"] | says["rules"] | says["media"] == {
        "aspect_ratio": "3:4",
        "per_run": 400,
        "per_day": 400,
        "approval": True,
        "save_to": "",
    }
    assert (again.code, again.err) == (
        2,
        "promptsheet.toml already exists and was not changed. Edit it, or name another one with "
        "--config.\n",
    )


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ("--aspect-ratio", "wide"),
            2,
            'aspect_ratio is "wide"; it must be two numbers with a colon, such as 16:9',
        ),
        (("--per-day", "2"), 2, "A row costs 4 credits. Allow at least that many per day."),
        (("folder.csv",), 2, "folder.csv is a folder. Name a file in it."),
        (
            ("folder.csv/note.txt/prompts.csv",),
            3,
            "folder.csv/note.txt/promptsheet.toml cannot be created: ",
        ),
    ],
)
def test_init_with_an_error_creates_no_files(
    team: Team, words: tuple[str, ...], code: int, sentence: str
) -> None:
    (team.folder / "folder.csv").mkdir()
    (team.folder / "folder.csv" / "note.txt").write_text("a file, no folder")
    before = team.traces()

    ended = team.start("init", *words)

    assert ended.code == code
    assert ended.err.startswith(sentence)
    assert team.traces() == before


# -- the first runs: common mistakes -------------------------------------------------------------


def test_a_sheet_given_instead_of_the_configuration_gets_a_clear_error(team: Team) -> None:
    team.write("prompt", "a fox")

    ended = team.start("run", "prompts.csv", "--plan")

    assert (ended.code, ended.err) == (
        2,
        "prompts.csv is a sheet. Give its configuration instead, such as promptsheet.toml. "
        "promptsheet init prompts.csv makes one.\n",
    )


def test_a_sheet_with_a_header_and_no_rows_gets_a_clear_sentence(team: Team, api: Sandbox) -> None:
    team.configure()
    team.write("prompt")
    sentence = "prompts.csv has no rows yet. Write a prompt into the column prompt."

    with terminal(team.folder, "run", "promptsheet.toml", key=KEY) as screen:
        assert screen.end() == 0
    plan = team.run("--plan")
    status = team.start("status", team.config)
    quiet = team.run()

    assert sentence in screen.shown
    assert [sentence in one.said for one in (plan, status)] == [True, True]
    assert (quiet.code, quiet.said) == (0, "")
    assert api.state()["tasks_taken"] == 0


def test_rows_that_are_held_back_are_not_reported_as_no_rows(team: Team, api: Sandbox) -> None:
    team.configure()
    team.write("prompt,Prompt", "a fox,a hare")
    sentence = "Columns A and B have one name, prompt or Prompt. Rename all but one of them."

    runs = [
        team.run("--plan"),
        team.start("status", team.config),
        team.start("init", "prompts.csv"),
    ]

    for ended in runs:
        assert sentence in ended.said
        assert "no rows yet" not in ended.said
        assert "No row is ready" not in ended.said
    assert api.state()["tasks_taken"] == 0


def test_a_row_that_waits_for_its_formula_is_not_ready(team: Team) -> None:
    team.write("prompt", "a fox", "#N/A", "#REF!")

    ended = team.start("init", "prompts.csv")

    assert "1 row is ready to be sent." in ended.said


@pytest.mark.parametrize(
    ("mark", "content", "who"),
    [
        (".~lock.prompts.csv#", b"Ann,ann,desk,22.11.2026 14:23,file:///x;", "LibreOffice (by Ann"),
        ("~$prompts.csv", b"\x03Ann" + b" " * 50, "Excel (by Ann)"),
    ],
)
def test_a_sheet_that_is_open_in_a_spreadsheet_program_gets_a_clear_sentence(
    team: Team, api: Sandbox, mark: str, content: bytes, who: str
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt", "a fox")
    before = team.sheet.read_bytes()
    (team.folder / mark).write_bytes(content)

    open_there = team.finish()
    assert team.sheet.read_bytes() == before
    (team.folder / mark).unlink()
    closed = team.finish()

    assert open_there.code == 3
    assert f"prompts.csv is open in {who}" in open_there.said
    assert f"If it is open nowhere, delete {mark} beside it." in open_there.said
    assert closed.code == 0
    assert [row["status"] for row in team.rows()] == ["done"]
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_read_only_folder_gets_a_clear_error(team: Team, api: Sandbox) -> None:
    team.configure()
    team.write("prompt", "a fox")
    (team.folder / "sheets").mkdir()
    team.sheet.rename(team.folder / "sheets" / "prompts.csv")
    config = team.configure(sheet="sheets/prompts.csv")
    (team.folder / "sheets").chmod(0o555)
    try:
        ended = team.start("run", config)
    finally:
        (team.folder / "sheets").chmod(0o755)

    path = team.folder / "sheets" / "prompts.csv"
    assert ended.code == 3
    assert ended.said.startswith(f"The folder of {path} is read-only. Make it writable.")
    assert api.state()["tasks_taken"] == 0


@pytest.mark.parametrize("cap", ["per_run", "per_day"])
def test_a_budget_below_the_price_of_one_row_gets_a_clear_sentence(
    team: Team, api: Sandbox, cap: str
) -> None:
    team.configure(f"[budget]\n{cap} = 3\n")
    team.write("prompt", "a fox")

    ended = team.finish()

    assert ended.code == 0
    (row,) = team.rows()
    assert (row["status"], row["note"]) == (
        "over budget",
        f"This row costs 4 credits, and [budget] {cap} allows 3. Raise {cap} to generate it.",
    )
    assert api.state()["tasks_taken"] == 0


# -- the output ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 120])
def test_no_word_is_broken_across_lines(team: Team, width: int) -> None:
    team.configure()
    team.write("prompt", "a fox")

    with terminal(team.folder, "run", "promptsheet.toml", width=width) as screen:
        assert screen.end() == 2

    lines = screen.shown.splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(screen.shown.split()) == (
        "promptsheet.toml: provider.api_key: the environment variable APIFRAME_API_KEY is not set. "
        "Put your API key there."
    )


def test_no_color_turns_the_colours_off(team: Team) -> None:
    team.configure()
    team.write("prompt", "a fox", "")

    with terminal(team.folder, "run", "promptsheet.toml", "--plan") as colourful:
        assert colourful.end() == 0
    with terminal(team.folder, "run", "promptsheet.toml", "--plan", NO_COLOR="1") as sober:
        assert sober.end() == 0

    assert colourful.shown == sober.shown
    coloured = [f"\x1b[{number}m" for number in range(30, 38)]
    assert not any(sign in sober.raw for sign in coloured)
