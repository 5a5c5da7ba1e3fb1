"""The whole program with an Excel workbook, from the command line to the cells."""

from __future__ import annotations

from pathlib import Path

from openpyxl import Workbook, load_workbook

from pipeline.sandbox import Sandbox
from tests.fakes.program import call
from tests.fakes.team import Team

PROMPTS = [f"an owl, number {number}" for number in range(1, 13)]


#: The tests make their own configurations.
TEAM_TABLES = None


def rows_of(path: Path) -> list[dict[str, object]]:
    """The rows as openpyxl reads them, by their titles."""
    header, *rows = load_workbook(path, data_only=True)["Prompts"].values
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def test_every_row_is_done_and_paid_once_also_after_sorting_and_another_run(
    team: Team, api: Sandbox
) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    book.worksheets[0].append(["not", "this tab"])
    tab = book.create_sheet("Prompts")
    tab.append(["Owner", "Prompt", "Seed", "Note to self", "Total"])
    for number, prompt in enumerate(PROMPTS):
        tab.append(["Zoë", prompt, None, "=A1", f"={number}*2"])
    book.save(path)
    config = team.configured(sheet="team.xlsx", tables={"sheet": {"tab": "Prompts"}})

    first = call("run", config, "--wait")
    after = path.read_bytes()
    again = call("run", config, "--wait")

    assert (first.code, again.code) == (0, 0), first.said + again.said
    assert path.read_bytes() == after, "a pass with nothing new writes nothing"
    state = api.state(ids=True)
    assert state["tasks"] == dict.fromkeys(PROMPTS, 1)
    for row in rows_of(path):
        assert row["status"] == "done"
        assert state["ids"][str(row["task_id"])] == row["Prompt"]
        assert str(row["task_id"]) in str(row["image_urls"])
    formulas = load_workbook(path)["Prompts"]
    assert [formulas.cell(number, 4).value for number in range(2, 14)] == ["=A1"] * 12
    assert [formulas.cell(number, 5).value for number in (2, 13)] == ["=0*2", "=11*2"]

    turn_over(path)
    sorted_and_new = call("run", config, "--wait")

    assert sorted_and_new.code == 0, sorted_and_new.said
    state = api.state(ids=True)
    assert state["tasks"] == dict.fromkeys([*PROMPTS, "a new row"], 1)
    rows = rows_of(path)
    assert [row["Prompt"] for row in rows] == ["a new row", *reversed(PROMPTS)]
    for row in rows:
        assert row["status"] == "done"
        assert state["ids"][str(row["task_id"])] == row["Prompt"]


def turn_over(path: Path) -> None:
    """Reverse the rows and add one at the top, as a person does."""
    book = load_workbook(path)
    tab = book["Prompts"]
    header, *rows = list(tab.values)
    tab.delete_rows(1, tab.max_row)
    tab.append(header)
    tab.append(["Zoë", "a new row"])
    for row in reversed(rows):
        tab.append(row)
    book.save(path)


def test_a_formula_without_a_result_waits_and_numbers_are_sent_as_shown(
    team: Team, api: Sandbox
) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    tab = book.worksheets[0]
    tab.title = "Prompts"
    tab.append(["prompt"])
    tab.append(['="a fox "&1'])
    tab.append([42])
    tab["A3"].number_format = "00000"
    tab.append([1234567890123456])
    book.save(path)

    ended = call("run", team.configured(sheet="team.xlsx"), "--wait")

    assert ended.is_plain
    assert api.state()["tasks"] == {"00042": 1, "1234567890123456": 1}
    waiting, *done = rows_of(path)
    assert waiting["status"] == "waiting"
    assert "open the sheet and save it" in str(waiting["note"])
    assert [row["status"] for row in done] == ["done", "done"]


def test_the_error_for_a_header_in_another_tab_names_that_tab(team: Team) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    book.worksheets[0].append(["how to use this"])
    book.create_sheet("Lists").sheet_state = "hidden"
    book.create_sheet("Prompts").append(["prompt"])
    book.save(path)

    ended = call("run", team.configured(sheet="team.xlsx"), "--plan")

    assert ended.code == 2
    other = 'Or set [sheet] tab, or use promptsheet init --tab: there is "Prompts".'
    assert ended.said.endswith(other)


def test_an_open_workbook_gets_its_results_after_it_is_closed(team: Team, api: Sandbox) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    book.worksheets[0].title = "Prompts"
    book.worksheets[0].append(["prompt"])
    book.worksheets[0].append(["a fox"])
    book.save(path)
    config = team.configured(sheet="team.xlsx")
    mark = path.with_name("~$team.xlsx")
    mark.write_bytes(b"\x03Zoe")
    before = path.read_bytes()

    ended = call("run", config, "--wait")

    assert ended.code == 3
    assert "team.xlsx is open in Excel (by Zoe)." in ended.said
    assert path.read_bytes() == before
    mark.unlink()
    assert call("run", config, "--wait").code == 0
    assert [row["status"] for row in rows_of(path)] == ["done"]
    assert api.state()["tasks"] == {"a fox": 1}


def test_init_makes_a_workbook_that_runs_and_keeps_an_existing_one(
    team: Team, api: Sandbox
) -> None:
    path = team.folder / "plan.xlsx"

    made = call("init", path)

    assert made.code == 0, made.said
    assert "plan.xlsx was created, with a sample row." in made.said
    content = path.read_bytes()
    assert "already exists and was not changed" in call("init", path).said
    assert path.read_bytes() == content
    assert rows_of(path)[0]["aspect_ratio"] == "16:9"
    ended = call("run", team.configured(sheet="plan.xlsx"), "--wait")
    assert ended.code == 0, ended.said
    assert list(api.state()["tasks"].values()) == [1]
    assert rows_of(path)[0]["status"] == "done"
    macros = call("init", team.folder / "plan.xlsm", "--config", team.folder / "other.toml")
    assert (macros.code, "Name an .xlsx file." in macros.said) == (2, True)


def test_the_error_for_a_second_tab_says_to_use_another_workbook(team: Team, api: Sandbox) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    book.worksheets[0].title = "Prompts"
    for row in (["prompt"], ["an owl"]):
        book.worksheets[0].append(row)
    tab = book.create_sheet("Ideas")
    for row in (["prompt", "aspect_ratio"], ["a fox", "1:1"]):
        tab.append(row)
    book.save(path)
    first = team.configured("first", sheet="team.xlsx", tables={"sheet": {"tab": "Prompts"}})
    second = team.configured("second", sheet="team.xlsx", tables={"sheet": {"tab": "Ideas"}})
    call("run", first, "--wait")
    before = path.read_bytes()

    other = call("run", second, "--wait")
    again = call("run", first, "--wait")

    assert (other.code, again.code) == (1, 0), again.said
    assert "Save a second one as its own workbook." in other.said
    assert path.read_bytes() == before
    assert api.state()["tasks_taken"] == 1
