"""One row that asks for several pictures, as a team uses it."""

from __future__ import annotations

import json

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = '[media]\nsave_to = "media"\n'
RESULTS = ("task_id", "image_urls")
SHEET = (
    "prompt,name,ratios,count,credits,image_1,files",
    'a fox,fox,"1:1, 9:16",2,,,',
    "an owl,owl,,,,,",
    "a cat,cat,,3,,,",
)


def sent(api: Sandbox) -> dict[str, int]:
    """Prompt -> how many tasks there are of it, at the API."""
    return {prompt.split()[1]: times for prompt, times in api.state()["tasks"].items()}


def test_each_generation_is_paid_once_however_often_it_runs(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)

    plan = team.run("--plan")
    assert "8 requests, 32 credits" in plan.said
    ends = [team.run().code for _ in range(4)]

    assert ends == [0, 0, 0, 0]
    assert sent(api) == {"fox": 4, "owl": 1, "cat": 3}
    assert team.statuses() == {"done": 3}
    fox = team.row("a fox")
    assert len(fox["image_urls"].split()) == 4 * len(team.row("an owl")["image_urls"].split())
    assert fox["credits"] == "16"
    assert len({*fox["files"].split()}) == len(fox["files"].split()) == 16
    assert all((team.folder / "media" / name).is_file() for name in fox["files"].split())


def test_a_longer_list_adds_and_a_higher_take_makes_all_again(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    team.finish()

    with team.editing() as rows:
        rows[0]["ratios"] = "9:16, 4:5, 1:1"
        rows[1]["count"] = "2"
    assert team.finish().code == 0
    assert sent(api) == {"fox": 6, "owl": 2, "cat": 3}

    with team.editing() as rows:
        rows[0]["ratios"] = "1:1"
        rows[2]["count"] = ""
    assert team.finish().code == 0
    assert sent(api) == {"fox": 6, "owl": 2, "cat": 3}
    assert team.said_of("a fox", "a cat") == ["edited", "edited"]
    assert "count or ratios was changed" in team.row("a fox")["note"]


def test_the_budget_sends_as_much_of_a_row_as_it_covers(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    config = team.config.read_text()
    team.config.write_text(config + "[budget]\nper_day = 12\n")

    team.finish()
    assert sent(api) == {"fox": 3}
    assert team.row("a fox")["note"].startswith("3 of 4 are done. 9:16 (2): ")
    assert team.statuses() == {"over budget": 3}

    team.config.write_text(config)
    team.finish()
    assert sent(api) == {"fox": 4, "owl": 1, "cat": 3}
    assert team.statuses() == {"done": 3}


def test_status_names_the_generations_of_a_row(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    team.finish()

    told = json.loads(team.start("status", team.config, "--json", "--row", "fox").said)

    (row,) = told["details"]
    assert (row["status"], row["credits"], len(row["task_id"].split())) == ("done", 16, 4)
    generations = {event["generation"] for event in told["history"]}
    assert generations == {"1:1", "1:1 (2)", "9:16", "9:16 (2)"}


def without_store(team: Team) -> None:
    for file in team.folder.glob("promptsheet.db*"):
        file.unlink()


def test_after_a_lost_store_each_generation_has_its_pictures(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    team.finish()
    before = [(row["task_id"], row["image_urls"]) for row in team.rows()]
    without_store(team)

    adopted = team.start("doctor", team.config, "--adopt")
    assert "Rows taken over: 3 with pictures, 0 with" in adopted.said
    with team.editing() as rows:
        rows[0]["ratios"] = "9:16, 1:1, 4:5"
    assert team.finish().code == 0

    # Only what is new was sent, and every address stands in the order of the list.
    assert sent(api) == {"fox": 6, "owl": 1, "cat": 3}
    assert team.statuses() == {"done": 3}
    assert [(row["task_id"], row["image_urls"]) for row in team.rows()][1:] == before[1:]
    fox = team.row("a fox")
    assert {*before[0][1].split()} < {*fox["image_urls"].split()}
    assert fox["task_id"].split()[:2] == before[0][0].split()[2:]


def test_tasks_of_a_row_that_did_not_all_succeed_are_asked_about_once_it_is_adopted(
    team: Team, api: Sandbox
) -> None:
    team.write(*SHEET)
    team.finish()
    urls = team.row("a cat")["image_urls"]
    with team.editing() as rows:
        # One of three failed, and the other two have pictures enough for three.
        rows[2]["status"] = "failed"
        rows[2]["image_urls"] = "\n".join(urls.split()[:-3])
    without_store(team)

    team.start("doctor", team.config, "--adopt")
    team.finish()

    assert sent(api) == {"fox": 4, "owl": 1, "cat": 3}
    assert team.row("a cat")["image_urls"] == urls
    assert team.said_of("a cat") == ["done"]


def test_results_are_kept_if_it_is_not_certain_which_ratio_they_are_of(
    team: Team, api: Sandbox
) -> None:
    team.write(*SHEET)
    team.finish()
    with team.editing() as rows:
        rows[0]["task_id"] = rows[0]["task_id"].partition("\n")[2]
    before = team.row("a fox")
    without_store(team)

    team.start("doctor", team.config, "--adopt")
    team.finish()

    fox = team.row("a fox")
    assert sent(api) == {"fox": 4, "owl": 1, "cat": 3}
    assert [fox[name] for name in RESULTS] == [before[name] for name in RESULTS]
    assert fox["status"] == "edited"
    assert "its cells do not say which results" in fox["note"]
