"""Results without a usable picture are made again: once, paid, and only if a person wants it."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import Program, until
from tests.fakes.team import Team

TEAM_TABLES = '[rules]\nremake = ["blank", "damaged"]\n'


def runs(team: Team, wait: bool) -> None:
    """Run until every row has ended and its pictures are checked: one run, or many."""
    if wait:
        assert team.finish().is_plain
        return
    statuses: list[str] = []

    def is_at_rest() -> bool:
        assert team.run().is_plain
        now = [f"{row['status']} {row['note']}" for row in team.rows()]
        was, statuses[:] = list(statuses), now
        return was == now and all(one.startswith(("done", "failed")) for one in now)

    until(is_at_rest, "all rows are done")


@pytest.mark.parametrize("wait", [True, False], ids=["run --wait", "run again and again"])
def test_a_blank_result_is_made_again_once_and_paid(team: Team, api: Sandbox, wait: bool) -> None:
    team.write("prompt,files,credits,name,take,parent,endpoint,index")
    api.set(flaw="next 1 blank")
    with team.sheet.open("a") as sheet:
        sheet.write("a fox,,,Fox,,,,\n")
    runs(team, wait)
    fox = team.row("a fox")
    api.set(flaw="next 2 damaged")
    with team.sheet.open("a") as sheet:
        sheet.write("an owl,,,Owl,,,,\n")
    runs(team, wait)
    api.set(flaw="next 1 one_blank")
    with team.sheet.open("a") as sheet:
        sheet.write("a cat,,,Cat,,,,\n")
    runs(team, wait)
    before = api.state()["tasks"]
    said = team.start("status", team.config, "--json", "--row", "Fox").out
    status = json.loads(said.splitlines()[0])
    history = [line["text"] for line in status["history"] if line["kind"] == "sent"]
    receipt = team.start("receipt", team.config)
    again = team.run()
    owl, cat = team.row("an owl"), team.row("a cat")

    # The first was made again and is good; the limit ends the second; one good picture is enough.
    assert before == {"a fox": 2, "an owl": 2, "a cat": 1}
    assert fox["status"] == owl["status"] == cat["status"] == "done"
    assert fox["note"] == "Made again because every picture was blank."
    assert owl["note"].startswith(
        "Made again because every picture was damaged. All 4 pictures are"
    )
    assert cat["note"].startswith("Picture 1 of 4 is blank: ")
    assert len(fox["files"].split("\n")) == 4
    assert api.state()["credits_charged"] == 5 * 4
    assert "because the row was new" in history[0]
    assert "because every picture was blank" in history[1]
    assert "3 refunds to ask for" in receipt.out
    assert (again.code, again.said) == (0, "")
    assert api.state()["tasks"] == before


def test_the_plan_and_the_closing_line_name_what_is_made_again(team: Team, api: Sandbox) -> None:
    team.configure()
    api.set(flaw="next 2 blank")
    team.write("prompt,take", "a fox,", "an owl,")
    team.finish()
    urls = [row["image_urls"] for row in team.rows()]
    team.configure(TEAM_TABLES)
    with team.editing() as rows:
        rows[1]["take"] = "2"  # its first take is not made again: nobody looks at it now
    plan = team.start("run", team.config, "--plan")
    team.configure(TEAM_TABLES + "[budget]\nper_day = 8\n")  # what is spent already
    refused = team.finish()
    kept = [row["image_urls"] for row in team.rows()]
    team.configure(TEAM_TABLES)
    ended = team.start("run", team.config, "--wait", "--json")
    report = json.loads(ended.out.splitlines()[-1])

    assert "2 requests, 8 credits" in plan.said
    assert "row 2: a fox Made again because every picture was blank." in plan.said
    assert plan.said.count("Made again") == 1
    assert refused.is_plain
    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert kept[0] == urls[0]  # its pictures stay until there are better ones
    assert report["made_again"] == 1
    assert api.state()["tasks"] == {"a fox": 2, "an owl": 2}


def test_a_row_that_follows_waits_for_the_picture_that_is_made_again(
    team: Team, api: Sandbox
) -> None:
    api.set(flaw="next 1 blank /imagine")
    team.write(
        "prompt,name,endpoint,parent,index",
        "a fox,Fox,imagine,,",
        ",,upscale-1x,Fox,1",
    )
    team.finish()
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store, store:
        tasks = store.execute(
            "select number, task_id from attempts where endpoint = 'imagine' order by number"
        ).fetchall()
        ((body,),) = store.execute("select body from attempts where endpoint <> 'imagine'")

    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert [number for number, _ in tasks] == [1, 2]
    assert json.loads(body)["parent_task_id"] == tasks[1][1]


def test_kills_at_any_moment_pay_for_one_remake_at_most(tmp_path: Path, api: Sandbox) -> None:
    api.reset()
    # Each answer takes longer than a look at the tasks, so that a start is killed after one task.
    api.set(flaw="1.0 blank", answer_seconds=0.2)
    # With version 2, a submission whose answer was lost is sent again under its key.
    team = Team(tmp_path, api.url, version=2)
    rules = {"remake": ["blank"]}
    team.configured("promptsheet", media="media", tables={"rules": rules}, concurrency=1)
    team.answers_within(2)
    team.write("prompt,take", *(f"a fox number {number}," for number in range(3)))

    def tasks() -> int:
        return sum(api.state()["tasks"].values())

    kills = starts = 0
    while (before := tasks()) < 6:
        starts += 1
        with Program("run", team.config, "--wait") as program:
            program.until(lambda before=before: tasks() > before, "one more task")  # type: ignore[misc]
            program.kill()
            kills += program.end().code == -signal.SIGKILL
    for _ in range(2):
        assert team.finish().is_plain

    print(f"{starts} starts, {kills} killed: {tasks()} tasks")
    assert kills >= 3
    assert set(api.state()["tasks"].values()) == {2}
    assert [row["status"] for row in team.rows()] == ["done"] * 3


def test_a_take_with_feedback_is_made_again_with_it(team: Team, api: Sandbox) -> None:
    team.write("prompt,take,feedback", "a fox,,")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows[0] |= {"take": "2", "feedback": "warmer"}
    api.set(flaw="next 1 blank")

    assert team.finish().code == 0
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox": 1, "a fox. warmer": 2}
    (fox,) = team.rows()
    assert fox["status"] == "done"
