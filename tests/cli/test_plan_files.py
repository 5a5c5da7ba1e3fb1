"""A plan in a file: exactly that plan is run, or nothing. The sandbox counts what was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.core.planning.files import of_text, to_text
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Ended, call
from tests.fakes.team import Team

PLAN = "plan.json"


def planned(team: Team, *words: str) -> Ended:
    """Write a plan."""
    ended = team.run("--plan", "-o", team.folder / PLAN, *words)
    assert ended.code == 0, ended.said
    return ended


def run_plan(team: Team, *words: str) -> Ended:
    """Run the plan until all results are written."""
    return team.run("--from-plan", team.folder / PLAN, "--wait", *words)


def rows_of(team: Team) -> list[dict[str, object]]:
    """The rows of the plan in the file."""
    (sheet,) = json.loads((team.folder / PLAN).read_text())["sheets"]
    rows: list[dict[str, object]] = sheet["rows"]
    return rows


def test_exactly_the_plan_is_sent_once_and_rows_that_were_added_later_are_not(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,name", "a fox,f", "an owl,o", "a cat,c")
    said = planned(team)
    rows = rows_of(team)
    with team.editing() as sheet:
        sheet += [{"prompt": "a late hare", "name": "h"}]
    first = run_plan(team)
    state = api.state()
    second = run_plan(team)

    assert "Written into" in said.out
    assert "3 rows" in said.out
    assert [(one["row"], one["row_id"], one["take"], one["attempt"]) for one in rows] == [
        (2, "", 1, 1),
        (3, "", 1, 1),
        (4, "", 1, 1),
    ]
    assert {one["prompt"] for one in rows} == state["tasks"].keys() == {"a fox", "an owl", "a cat"}
    assert state["credits_charged"] == sum(int(str(one["credits"])) for one in rows) == 12
    assert (first.code, second.code) == (0, 0)
    assert "All rows of this plan were sent before. Nothing more was sent." in second.said
    assert (api.state()["tasks_taken"], api.state()["tasks_repeated"]) == (3, 0)
    assert team.row("a late hare")["status"] in ("", "queued")
    # A usual run sends what the plan left.
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1, "a late hare": 1}


def edited(words: str, **cells: str) -> Callable[[Team], None]:
    """Change some cells of the row with this prompt."""

    def change(team: Team) -> None:
        with team.editing() as rows:
            next(row for row in rows if row["prompt"] == words).update(cells)

    return change


def without_the_owl(team: Team) -> None:
    with team.editing() as rows:
        rows[:] = [row for row in rows if row["prompt"] != "an owl"]


def sorted_backwards(team: Team) -> None:
    with team.editing() as rows:
        rows.reverse()


def configured(old: str, new: str) -> Callable[[Team], None]:
    """Change the configuration."""

    def change(team: Team) -> None:
        text = team.config.read_text()
        assert old in text
        team.config.write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edited("an owl", prompt="two owls"), "Row 3 (an owl) has other cells now."),
        (edited("an owl", aspect_ratio="16:9"), "Row 3 (an owl) has other cells now."),
        (edited("an owl", skip="x"), "Row 3 (an owl) is skipped now: Skipped because"),
        (edited("an owl", take="2"), "Row 3 (an owl) asks for take 2 now, and not for 1."),
        (without_the_owl, "Row 3 (an owl) has other cells now. Row 4 (a cat) is gone."),
        (sorted_backwards, "Row 2 (a fox) has other cells now."),
        (configured("[pace]", '[defaults]\nmode = "turbo"\n[pace]'), "changed: [defaults]."),
        (
            configured("[provider]\n", "[provider]\ncredits = { imagine = 5 }\n"),
            "the provider file apiframe-v1",
        ),
        (configured("[pace]", "[budget]\nper_run = 8\n[pace]"), "Row 4 (a cat) is over budget now"),
    ],
)
def test_nothing_is_sent_if_anything_has_changed_since(
    team: Team, api: Sandbox, change: Callable[[Team], None], why: str
) -> None:
    team.write("prompt,aspect_ratio,skip,take", "a fox,,,", "an owl,,,", "a cat,,,")
    planned(team)
    change(team)
    ended = run_plan(team)

    assert ended.code == 1
    assert "Nothing was sent: the sheet or the configuration has changed" in ended.said
    assert why in ended.said
    assert "Make a new plan with run --plan -o FILE." in ended.said
    assert (api.state()["tasks"], api.state()["credits_charged"]) == ({}, 0)


def test_a_row_with_an_id_is_found_again_wherever_it_is(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox", "an owl", "a cat")
    assert team.run("--limit", "0").code == 0
    planned(team, "--limit", "2")
    sorted_backwards(team)
    ended = run_plan(team)

    assert ended.code == 0, ended.said
    assert all(one["row_id"] for one in rows_of(team))
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_a_plan_that_was_run_in_part_goes_on_and_pays_no_row_twice(
    team: Team, api: Sandbox
) -> None:
    configured("[pace]\n", "[pace]\nin_flight = 2\n")(team)
    team.write("prompt", *(f"a fox {number}" for number in range(5)), "no fox [refuse]")
    planned(team)
    codes = [team.run("--from-plan", team.folder / PLAN).code for _ in range(2)]
    last = run_plan(team)

    assert codes[0] == 0
    assert last.code in (0, 1)
    assert api.state()["tasks"] == {f"a fox {number}": 1 for number in range(5)}
    assert team.statuses() == {"done": 5, "failed": 1}
    again = run_plan(team)
    assert (again.code, api.state()["tasks_taken"]) == (0, 5)


def test_a_row_that_is_retried_is_sent_once_by_its_plan(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    api.set(fail="next 1")
    assert team.finish().code == 1
    assert team.start("retry", team.config).code == 0
    planned(team)
    assert rows_of(team)[0]["attempt"] == 2
    done, again = run_plan(team), run_plan(team)

    assert (done.code, again.code, team.statuses()) == (0, 0, {"done": 1})
    assert api.state()["tasks_taken"] == 2


def test_a_plan_has_whole_chains_and_finished_prompts(team: Team, api: Sandbox) -> None:
    text = team.config.read_text()
    team.config.write_text(f'{text}[prompt]\ntext = "{{product}}, {{red|blue}} paint"\n')
    team.write(
        "product,endpoint,name,parent,index", "a fox,,f,,", ",upscale-1x,,f,1", "an owl,,o,,"
    )
    planned(team)
    rows = rows_of(team)
    ended = run_plan(team)

    assert ended.code == 0, ended.said
    assert [one["endpoint"] for one in rows] == ["imagine", "imagine", "upscale-1x"]
    prompts = [str(one["prompt"]) for one in rows[:2]]
    assert all(re.fullmatch(r"(a fox|an owl), (red|blue) paint", one) for one in prompts)
    tasks = api.state()["tasks"]
    assert {*prompts} <= tasks.keys()
    assert (sum(tasks.values()), api.state()["tasks_repeated"]) == (3, 0)
    # The template is a part of what was agreed on.
    team.config.write_text(team.config.read_text().replace("paint", "ink"))
    with team.editing() as sheet:
        sheet += [{"product": "a cat"}]
    planned(team)
    team.config.write_text(team.config.read_text().replace("ink", "chalk"))
    other = run_plan(team)
    assert other.code == 1
    assert "gets another prompt now." in other.said


def test_a_workbook_has_plans_too(team: Team, api: Sandbox) -> None:
    book = Workbook()
    tab = book.worksheets[0]
    for line in (["prompt"], ["a fox"], ["an owl"]):
        tab.append(line)
    path = team.folder / "team.xlsx"
    book.save(path)
    config = team.configure('[media]\nsave_to = ""\n', name="excel", sheet="team.xlsx")
    plan = team.folder / PLAN
    words = ("run", config, "--from-plan", plan, "--wait")
    assert team.start("run", config, "--plan", "-o", plan).code == 0
    first, again = team.start(*words), team.start(*words)

    assert (first.code, again.code) == (0, 0)
    titles = [cell.value for cell in load_workbook(path).worksheets[0][1]]
    statuses = [row[titles.index("status")].value for row in load_workbook(path).worksheets[0]][1:]
    assert statuses == ["done", "done"]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_wrong_uses_are_refused_and_no_other_file_is_replaced(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    sheet = team.sheet.read_bytes()
    (team.folder / "broken.json").write_text("{")
    (team.folder / "later.json").write_text('{"promptsheet_plan": 2, "sheets": []}')
    over = team.run("--plan", "-o", team.sheet)
    alone = team.run("-o", team.folder / PLAN)
    missing = team.run("--from-plan", team.folder / "none.json")
    broken = team.run("--from-plan", team.folder / "broken.json")
    later = team.run("--from-plan", team.folder / "later.json")
    nowhere = team.run("--plan", "-o", team.folder / "no" / PLAN)
    planned(team)
    both = team.run("--from-plan", team.folder / PLAN, "--limit", "1")

    ended = (over, alone, missing, broken, later, nowhere, both)
    assert [one.code for one in ended] == [2] * 7
    assert "exists, and is not a plan. Name another file." in over.said
    assert "-o writes a plan: use it together with --plan." in alone.said
    assert "Make a plan with run --plan -o" in missing.said
    assert "it is not a plan that run --plan -o wrote" in broken.said
    assert "it is a plan of another version (2)" in later.said
    assert "There is no folder" in nowhere.said
    assert "leave out --plan, --row and --limit" in both.said
    assert (team.sheet.read_bytes(), api.state()["tasks"]) == (sheet, {})
    # A plan replaces an earlier one.
    planned(team)


def test_each_sheet_needs_its_plan(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    team.write("prompt", "an owl", sheet="other.csv")
    other = team.configure('[media]\nsave_to = ""\n', name="other", sheet="other.csv")
    planned(team)
    foreign = team.start("run", other, "--from-plan", team.folder / PLAN, "--wait")
    both = team.start("run", team.config, other, "--plan", "-o", team.folder / PLAN)
    one_of_two = run_plan(team)

    assert foreign.code == 1
    assert "Nothing was sent: the file has no plan for other.csv." in foreign.said
    assert both.code == 0
    assert one_of_two.code == 1
    assert "The plan of other.csv was not run: name its configuration, too." in one_of_two.said
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_plan_in_a_file_holds_no_key_and_survives_the_way_to_disk(team: Team) -> None:
    team.write("prompt", '"a ""fox"", ünïcode and\u2028more"')
    planned(team)
    text = (team.folder / PLAN).read_text("utf-8")

    assert KEY not in text
    plans = of_text(text)
    assert to_text(plans) == text
    assert of_text(to_text(plans)) == plans


def test_a_held_sheet_gets_no_plan_file(team: Team, tmp_path: Path) -> None:
    team.write("prompt", "a fox")
    assert call("pause", team.config).code == 0
    ended = team.run("--plan", "-o", team.folder / PLAN)

    assert "was not written: not every sheet has a plan" in ended.said
    assert not (team.folder / PLAN).exists()
