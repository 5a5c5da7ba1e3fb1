"""A sample before a large batch: some rows are sent, a person looks, the rest follows."""

from __future__ import annotations

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = '[media]\nsave_to = ""\n[rules]\nsample = 3\n'
PROMPTS = [f"fox {number}" for number in range(8)]


@pytest.fixture
def campaign(team: Team) -> Team:
    team.write_prompts(PROMPTS)
    return team


def tasks(api: Sandbox) -> dict[str, int]:
    found: dict[str, int] = api.state()["tasks"]
    return found


@pytest.mark.parametrize("words", [(), ("--wait",)])
def test_only_the_sample_is_sent_however_often_it_runs(
    campaign: Team, api: Sandbox, words: tuple[str, ...]
) -> None:
    ends = [campaign.run(*words) for _ in range(5)]

    assert campaign.statuses() == {"done": 3, "waiting": 5}
    assert tasks(api) == dict.fromkeys(PROMPTS[:3], 1)
    assert ends[-1].code == 1
    (note,) = {row["note"] for row in campaign.rows() if row["status"] == "waiting"}
    assert note == (
        "Waiting: the first 3 new rows are a sample. Look at their pictures, then press Continue "
        "on the page, or run the command continue."
    )
    said = [end.said for end in ends if "The sample is done, and 5 rows wait" in end.said]
    assert len(said) == (5 if words else 1)  # under cron, a trouble is said once


def test_after_continue_every_row_is_sent_once(campaign: Team, api: Sandbox) -> None:
    campaign.finish()

    told = campaign.start("continue", campaign.config)
    ended = campaign.finish()

    assert "the next run sends 5 rows that waited" in told.said
    assert (told.code, ended.code) == (0, 0)
    assert campaign.statuses() == {"done": 8}
    assert tasks(api) == dict.fromkeys(PROMPTS, 1)


def test_rows_added_later_begin_a_new_sample(campaign: Team, api: Sandbox) -> None:
    campaign.finish()
    campaign.start("continue", campaign.config)
    campaign.finish()

    campaign.add_prompts([f"owl {number}" for number in range(5)])
    campaign.finish()

    assert campaign.statuses() == {"done": 11, "waiting": 2}
    assert sum(tasks(api).values()) == 11


def test_the_rest_waits_also_if_people_sort_the_sheet(campaign: Team, api: Sandbox) -> None:
    campaign.finish()

    with campaign.editing() as rows:
        rows.reverse()
    campaign.finish()

    assert sum(tasks(api).values()) == 3
    assert campaign.statuses() == {"done": 3, "waiting": 5}


def test_a_new_take_of_a_sampled_row_is_sent(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", *(f"{prompt}," for prompt in PROMPTS))
    team.finish()

    with team.editing() as rows:
        rows[0]["take"] = "2"
    team.finish()

    assert tasks(api) == dict.fromkeys(PROMPTS[:3], 1) | {"fox 0": 2}
    assert team.statuses() == {"done": 3, "waiting": 5}


def test_the_plan_says_how_many_rows_wait(campaign: Team, api: Sandbox) -> None:
    plan = campaign.run("--plan")

    assert "the first 3 new rows are a sample" in plan.said
    assert "3 requests, 12 credits" in plan.said
    assert tasks(api) == {}


def test_rows_that_follow_others_count(team: Team, api: Sandbox) -> None:
    team.write(
        "name,prompt,endpoint,parent,index",
        *(f"fox{n},fox {n},,," for n in range(2)),
        *(f",,upscale-1x,fox{n},1" for n in range(2)),
    )
    team.finish()

    assert api.state()["tasks_taken"] == 3
    team.start("continue", team.config)
    team.finish()
    assert team.statuses() == {"done": 4}


def test_without_a_waiting_row_continue_says_so(team: Team) -> None:
    team.write("prompt", "a fox")
    team.finish()

    assert "no row waits for a look at a sample" in team.start("continue", team.config).said
