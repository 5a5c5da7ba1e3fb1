"""`init` reports problems of the rows, asks before a second sheet, and explains the sandbox.

Everything runs through the real command line, the questions at a pseudo-terminal.
"""

from __future__ import annotations

import tomllib

import pytest
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from pipeline.config import configs
from pipeline.config.template import SANDBOX
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

#: The tests make their own configurations.
TEAM_TABLES = None


# -- budget and price ----------------------------------------------------------------------------


@pytest.mark.parametrize("per_day", [4, 1000, 50_000])
def test_with_only_a_daily_budget_no_other_limit_is_set(team: Team, per_day: int) -> None:
    assert team.start("init", "--per-day", str(per_day)).code == 0

    assert tomllib.loads(team.config.read_text())["budget"] == {
        "per_run": per_day,
        "per_day": per_day,
    }


def test_the_price_comes_from_the_provider_file_next_to_the_configuration(team: Team) -> None:
    text = (configs() / "providers" / "apiframe-v1.toml").read_text()
    (team.folder / "providers").mkdir()
    (team.folder / "providers" / "apiframe.toml").write_text(
        text.replace("credits = 4", "credits = 7")
    )

    too_small = team.start("init", "--per-day", "6")
    made = team.start("init", "--per-day", "70")

    assert too_small.err == "A row costs 7 credits. Allow at least that many per day.\n"
    assert made.code == 0
    assert "a row costs 7\n" in team.config.read_text()


# -- reports about the rows ----------------------------------------------------------------------


def test_problems_of_a_row_are_reported_instead_of_asking_for_a_prompt(team: Team) -> None:
    team.write("prompt,endpoint", "a fox,imagin", "a hen,imagin", ",imagine", "a cat,imagine")

    said = team.start("init", "prompts.csv").said

    assert "1 row is ready to be sent." in said
    assert "Rows 2, 3: " in said
    assert "imagin" in said
    assert "Write a prompt" not in said


def test_the_reason_is_given_for_rows_that_are_not_ready(team: Team) -> None:
    team.write("prompt,skip", "a fox,later")

    said = team.start("init", "prompts.csv").said

    assert "No row is ready to be sent. Row 2: Skipped because the skip cell is filled in." in said


def test_for_a_sheet_with_only_a_header_init_asks_for_a_prompt(team: Team) -> None:
    team.write("prompt")

    assert "prompts.csv has no rows yet." in team.start("init", "prompts.csv").said


# -- a second sheet ------------------------------------------------------------------------------


def test_without_a_terminal_a_second_sheet_is_created_only_if_named(team: Team) -> None:
    team.write("prompt", "a fox", sheet="ideas.csv")
    before = team.traces()

    unnamed = team.start("init")

    assert (unnamed.code, unnamed.err) == (
        2,
        "ideas.csv already exists, so nothing was created. Run promptsheet init ideas.csv to use "
        "it, or promptsheet init prompts.csv to create a second sheet.\n",
    )
    assert team.traces() == before
    assert team.start("init", "prompts.csv").code == 0


@pytest.mark.parametrize(("answer", "code", "is_made"), [("\n", 2, False), ("y\n", 0, True)])
def test_init_asks_about_a_sheet_with_the_same_name_and_another_type(
    team: Team, answer: str, code: int, is_made: bool
) -> None:
    team.write("prompt", "a fox")

    with terminal(team.folder, "init", "prompts.xlsx", width=120) as screen:
        screen.answer(
            "prompts.csv already exists. Create a second sheet, prompts.xlsx? [y/N]: ", answer
        )
        if is_made:
            for question in ("Your first", "Your Apiframe", "Aspect", "Most", "approved", "Save"):
                screen.answer(question, "\n")
            screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == code

    assert (team.folder / "prompts.xlsx").exists() == is_made
    assert team.config.exists() == is_made


def test_enter_chooses_the_only_sheet_of_the_folder(team: Team) -> None:
    team.write("prompt", "a fox", sheet="ideas.csv")

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Or the address of a Google Sheet [ideas.csv]: ", "\n")
        for question in ("Your Apiframe key", "Aspect ratio", "Most credits", "approved", "Save"):
            screen.answer(question, "\n")
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "n\n")
        assert screen.end() == 0

    assert tomllib.loads(team.config.read_text())["sheet"]["source"] == "ideas.csv"
    assert not team.sheet.exists()
    assert "row 2: a fox" in screen.shown
    assert "Your first prompt" not in screen.shown


def test_a_second_init_uses_the_sheet_of_the_configuration(team: Team) -> None:
    team.start("init", "ideas.tsv")
    team.write("prompt", "a fox", sheet="other.csv")

    again = team.start("init")

    assert again.code == 0
    assert "ideas.tsv already exists and was not changed." in again.said


# -- the sandbox ---------------------------------------------------------------------------------


def test_the_sandbox_is_reached_as_the_closing_text_says(team: Team, api: Sandbox) -> None:
    made = team.start("init", "--sandbox", key=None)

    assert tomllib.loads(team.config.read_text())["provider"]["base_url"] == SANDBOX
    said = made.out.splitlines()
    start, run = (
        next(line.split() for line in said if line.startswith(f"    promptsheet {word}"))
        for word in ("sandbox", "run promptsheet.toml --wait")
    )
    assert start == [
        "promptsheet",
        "sandbox",
        "--port",
        SANDBOX.rpartition(":")[2],
        "--key",
        "test",
    ]
    assert "    export APIFRAME_API_KEY=test" in said
    # Another port, because the one that people use may be taken here.
    config = team.config.read_text().replace(SANDBOX, api.url)
    team.config.write_text(config + '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\n')
    assert team.start(*run[1:], key=KEY).code == 0
    assert [row["status"] for row in team.rows()] == ["done"]


# -- the workbook --------------------------------------------------------------------------------


def test_a_new_workbook_has_a_bold_frozen_header_widths_a_hidden_id_and_lists(team: Team) -> None:
    assert team.start("init", "plan.xlsx", "--approval").code == 0

    tab = load_workbook(team.folder / "plan.xlsx").worksheets[0]
    at = {title: get_column_letter(n) for n, title in enumerate(next(tab.values), start=1)}
    assert tab.freeze_panes == "A2"
    assert all(cell.font.b for cell in tab[1])
    widths = {title: tab.column_dimensions[letter].width for title, letter in at.items()}
    assert widths["prompt"] > widths["image_urls"] > widths["name"] > widths["take"]
    hidden = [title for title, letter in at.items() if tab.column_dimensions[letter].hidden]
    assert hidden == ["row_id"]
    lists = {str(one.sqref)[0]: one for one in tab.data_validations.dataValidation}
    assert lists.keys() == {at[title] for title in ("aspect_ratio", "approved", "skip")}
    assert "16:9" in lists[at["aspect_ratio"]].formula1
    assert not any(one.showErrorMessage for one in lists.values())


def test_results_have_the_style_of_their_columns(team: Team, api: Sandbox) -> None:
    team.start("init", "plan.xlsx")
    team.config.write_text(
        f'[sheet]\nsource = "plan.xlsx"\n[provider]\nbase_url = "{api.url}"\n'
        '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\n[media]\nsave_to = ""\n'
    )
    assert team.finish().code == 0

    tab = load_workbook(team.folder / "plan.xlsx").worksheets[0]
    row = {title.value: cell for title, cell in zip(tab[1], tab[2], strict=True)}
    assert row["status"].value == "done"
    for title in ("row_id", "status", "task_id", "image_urls"):
        assert (row[title].number_format, row[title].alignment.vertical) == ("@", "top")
