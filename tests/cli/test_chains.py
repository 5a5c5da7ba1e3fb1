"""Rows that follow other rows, from the command line to the cells, with the sandbox's own rules.

The sandbox refuses a task that follows one that is not done or that cannot be followed, so a child
that is sent too early or with the wrong task id fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.config import load
from pipeline.core.model import Attempt, JobKey
from pipeline.reports.results import results
from pipeline.sandbox import Sandbox
from pipeline.store.jobs import Jobs
from tests.fakes.program import KEY, KEY_NAME, call
from tests.fakes.team import Team
from tests.gestures.office import called

TITLES = ["prompt", "endpoint", "name", "parent", "index", "take"]
#: Children above their parents, and one row that follows a row by its id is added later.
ROWS = [
    ["", "describe", "words", "best", "", ""],
    ["", "upscale-1x", "best", "FOX", "2", ""],
    ["a fox", "", "fox", "", "", ""],
    ["an owl", "", "", "", "", ""],
]
CONFIG = '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\nper_minute = 0\n'


def written(team: Team) -> None:
    team.write(",".join(TITLES), *(",".join(row) for row in ROWS))


def in_turn(run: Callable[[], object], statuses: Callable[[], list[str]]) -> list[list[str]]:
    """What plain runs say, one after the other as cron starts them, until every row is done."""
    said: list[list[str]] = []
    until = time.monotonic() + 60
    while not said or set(said[-1]) != {"done"}:
        assert time.monotonic() < until, said
        run()
        said.append(statuses())
    return said


def paths(api: Sandbox) -> list[str]:
    """The endpoints and prompts of all tasks at the API."""
    return sorted(
        prompt.partition(" ")[0] if prompt.startswith("/") else prompt
        for prompt, times in api.state()["tasks"].items()
        for _ in range(times)
    )


PAID = ["/describe", "/upscale-1x", "a fox", "an owl"]


def test_plain_runs_make_a_chain_row_by_row(team: Team, api: Sandbox) -> None:
    written(team)

    said = in_turn(team.run, lambda: [row["status"] for row in team.rows()])

    assert said[0][:2] == ["waiting", "waiting"]
    assert paths(api) == PAID
    before = team.traces()
    assert team.run().code == 0
    assert team.sheet.read_bytes() == before["prompts.csv"][0]
    assert paths(api) == PAID


def test_one_waiting_run_makes_a_whole_chain_in_a_workbook(team: Team, api: Sandbox) -> None:
    path = team.folder / "team.xlsx"
    book = Workbook()
    tab = book.worksheets[0]
    tab.append(TITLES)
    for row in ROWS:
        tab.append([cell or None for cell in row])
    book.save(path)
    config = team.configured(sheet="team.xlsx")

    ended = call("run", config, "--wait")

    header, *rows = load_workbook(path).worksheets[0].values
    at = header.index("status")
    assert (ended.code, [row[at] for row in rows]) == (0, ["done"] * 4), ended.said
    assert paths(api) == PAID


def test_a_plan_counts_rows_that_come_after_others_and_their_whole_price(team: Team) -> None:
    written(team)

    text = team.run("--plan").said
    planned = json.loads(team.run("--plan", "--json").out)

    assert "4 requests, 2 of them after another row," in text
    assert (planned["requests"], planned["requests_after_another_row"]) == (2, 2)
    whole = planned["credits"] + planned["credits_after_another_row"]
    assert f"after another row, {whole} credits" in text
    team.finish()
    assert f"{whole} of 10000 credits spent" in team.start("status", team.config).said


def test_a_plan_for_one_row_or_for_a_few_counts_no_others(team: Team) -> None:
    written(team)

    alone = json.loads(team.run("--plan", "--json", "--row", "fox").out)
    few = json.loads(team.run("--plan", "--json", "--limit", "3").out)

    assert (alone["requests"], alone["requests_after_another_row"]) == (1, 0)
    assert (few["requests"], few["requests_after_another_row"]) == (2, 1)


def test_a_row_is_followed_by_its_id_and_sorting_changes_nothing(team: Team, api: Sandbox) -> None:
    written(team)
    team.finish()
    fox = team.row("a fox")["row_id"]
    with team.editing() as rows:
        rows.reverse()
        rows.insert(0, {"endpoint": "variations", "parent": fox, "index": "1"})

    assert team.finish().code == 0

    assert [row["status"] for row in team.rows()] == ["done"] * 5
    assert paths(api) == ["/describe", "/upscale-1x", "/variations", "a fox", "an owl"]


def test_another_name_for_a_parent_changes_no_status_in_the_sheet_or_on_the_page(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(team)
    team.finish()
    with team.editing() as rows:
        for row in rows:
            row["name"] = row["name"].replace("fox", "renamed")
            row["parent"] = row["parent"].replace("FOX", "renamed")
    team.finish()
    renamed = [row["status"] for row in team.rows()]
    monkeypatch.setenv(KEY_NAME, KEY)
    on_the_page = [one.status for one in results(load(team.config))]
    lines = team.sheet.read_text().splitlines()
    team.sheet.write_text("\n".join([lines[0].replace("index", "mine"), *lines[1:]]) + "\n")
    without_a_column = team.finish()

    assert renamed == on_the_page == ["done"] * 4
    assert without_a_column.code == 1, without_a_column.said
    assert [row["status"] for row in team.rows()] == ["done"] * 4
    assert paths(api) == PAID


def test_a_row_that_may_have_been_sent_after_its_parent_is_not_paid_again_once_adopted(
    team: Team, api: Sandbox
) -> None:
    """The store is lost, and so are the child's results in the sheet."""
    written(team)
    team.finish()
    with team.editing() as rows:
        rows[1].update(task_id="", image_urls="", status="", note="")
    for file in team.folder.glob("promptsheet.db*"):
        file.unlink()

    team.start("doctor", team.config, "--adopt")
    team.finish()

    assert team.rows()[1]["status"] == "check needed"
    assert paths(api) == PAID


@pytest.mark.parametrize("step", range(5))
def test_an_adoption_that_breaks_off_pays_nothing_and_can_be_repeated(
    step: int, team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(team)
    team.finish()
    for file in team.folder.glob("promptsheet.db*"):
        file.unlink()
    adopted = iter(range(step))
    whole = Jobs.adopt

    def until_it_breaks(jobs: Jobs, key: JobKey, attempt: Attempt) -> bool:
        if next(adopted, None) is None:
            raise OSError("broken off")
        return whole(jobs, key, attempt)

    with monkeypatch.context() as broken:
        broken.setattr(Jobs, "adopt", until_it_breaks)
        broken.setenv(KEY_NAME, KEY)
        with pytest.raises(OSError, match="broken off") if step < 4 else nullcontext():
            called("doctor", team.config, "--adopt")
    team.finish()
    assert paths(api) == PAID

    team.start("doctor", team.config, "--adopt")
    team.finish()

    assert {row["status"] for row in team.rows()} == {"done"}
    assert paths(api) == PAID


#: Of rows that become ready together, the first to be ready is sent first: no cap divides them.
@pytest.mark.parametrize("cap", [4, 6, 8, 9, 14])
def test_a_plan_says_which_rows_are_over_budget_as_a_run_does(
    cap: int, team: Team, api: Sandbox
) -> None:
    team.configure(f"[budget]\nper_run = {cap}\n")
    team.write(
        "prompt,endpoint,name,parent,index",
        ",describe,,big,",
        ",upscale-1x,big,fox,1",
        "a fox,,fox,,",
        ",upscale-1x,,owl,2",
        "an owl,,owl,,",
    )
    planned = json.loads(team.run("--plan", "--json").out)
    ended = team.finish()

    over = [at for at, row in enumerate(team.rows(), 2) if row["status"] == "over budget"]
    assert planned["rows_over_budget"] == over, ended.said
    sent = planned["requests"] + planned["requests_after_another_row"]
    assert sent == sum(row["status"] == "done" for row in team.rows())
    assert planned["credits"] + planned["credits_after_another_row"] <= cap
