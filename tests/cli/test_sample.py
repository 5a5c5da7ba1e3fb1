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
        "on the page, or run promptsheet continue."
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


def test_rows_edited_after_continue_take_no_place_in_the_next_sample(
    campaign: Team, api: Sandbox
) -> None:
    campaign.finish()
    campaign.start("continue", campaign.config)
    campaign.finish()

    with campaign.editing() as rows:
        for row in rows[2:6]:
            row["Prompt"] += " at dawn"
    campaign.run()
    campaign.add_prompts([f"owl {number}" for number in range(5)])
    campaign.finish()

    assert campaign.statuses() == {"done": 7, "edited": 4, "waiting": 2}
    assert sum(tasks(api).values()) == 11


def test_an_edited_row_of_the_sample_keeps_its_place(campaign: Team, api: Sandbox) -> None:
    campaign.finish()

    with campaign.editing() as rows:
        rows[0]["Prompt"], rows[1]["Prompt"] = "a wolf", "a bear"
        del rows[2]
    ends = [campaign.finish() for _ in range(2)]

    assert sum(tasks(api).values()) == 3
    assert campaign.statuses() == {"edited": 2, "waiting": 5}
    assert "The sample is done, and 5 rows wait" in ends[-1].said


def test_rows_sent_while_there_was_no_sample_take_no_places(campaign: Team, api: Sandbox) -> None:
    with_sample = campaign.config.read_text()
    for number in range(3):
        campaign.config.write_text(with_sample.replace("sample = 3", "sample = 0"))
        campaign.finish()
        campaign.add_prompts([f"owl {number}{letter}" for letter in "abcd"])
        campaign.config.write_text(with_sample)
        campaign.finish()
        assert campaign.statuses()["waiting"] == 1
        assert sum(tasks(api).values()) == 8 + 4 * number + 3


def test_a_row_that_the_budget_does_not_cover_takes_no_place_and_says_so(
    team: Team, api: Sandbox
) -> None:
    team.configure(f"{TEAM_TABLES}[budget]\nper = {{ campaign = 8 }}\n")
    spring = (f"fox {number},spring" for number in range(5))
    team.write("prompt,campaign", *spring, *(f"owl {number},autumn" for number in range(3)))

    for _ in range(3):
        ended = team.finish()
        assert sum(tasks(api).values()) == 3
        assert team.said_of(*(f"fox {n}" for n in range(5))) == ["done"] * 2 + ["over budget"] * 3
        assert team.said_of("owl 0", "owl 1", "owl 2") == ["done", "waiting", "waiting"]
        assert "and 2 rows wait" in ended.said


def test_rows_that_wait_for_a_look_do_not_use_up_the_budget(team: Team, api: Sandbox) -> None:
    team.configure(f"{TEAM_TABLES}[budget]\nper_day = 20\n")
    team.write("prompt,take", *(f"{prompt}," for prompt in PROMPTS))
    team.finish()

    with team.editing() as rows:
        rows[2]["take"] = "2"
    team.finish()

    # 12 credits for the sample, 4 for the new take; the other rows have 4 left.
    assert tasks(api) == dict.fromkeys(PROMPTS[:3], 1) | {"fox 2": 2}
    assert team.statuses() == {"done": 3, "waiting": 5}
    team.start("continue", team.config)
    team.finish()
    assert team.statuses() == {"done": 4, "over budget": 4}


def test_a_row_that_the_api_sends_back_does_not_make_room_for_another(
    campaign: Team, api: Sandbox
) -> None:
    api.set(busy="next 4")
    for _ in range(3):
        campaign.run()
    campaign.finish()

    assert tasks(api) == dict.fromkeys(PROMPTS[:3], 1)
    assert campaign.statuses() == {"done": 3, "waiting": 5}


def test_a_row_that_came_back_and_is_deleted_leaves_its_place_to_another(
    campaign: Team, api: Sandbox
) -> None:
    api.set(busy="next 3")
    campaign.run()
    with campaign.editing() as rows:
        del rows[:3]
    campaign.finish()

    assert tasks(api) == dict.fromkeys(PROMPTS[3:6], 1)
    assert campaign.statuses() == {"done": 3, "waiting": 2}


def test_a_row_inserted_above_does_not_make_the_sample_larger(campaign: Team, api: Sandbox) -> None:
    campaign.start("pause", campaign.config)
    campaign.finish()
    with campaign.editing() as rows:
        rows[:0] = [{"Prompt": f"owl {number}"} for number in range(3)]
    campaign.finish()
    campaign.start("resume", campaign.config)
    campaign.finish()

    assert sum(tasks(api).values()) == 3
    assert campaign.statuses() == {"done": 3, "waiting": 8}


@pytest.mark.parametrize("words", [(), ("--wait",)])
def test_a_sample_without_a_result_says_so_once_and_goes_on_when_it_is_corrected(
    team: Team, api: Sandbox, words: tuple[str, ...]
) -> None:
    team.write("prompt", *(f"fox {n} [fail]" for n in range(3)), "an owl", "a cat")
    ends = [team.run(*words) for _ in range(4)]

    said = "The sample is done, and 2 rows wait. None of its 3 rows has a result."
    assert [said in end.said for end in ends].count(True) == (4 if words else 1)
    assert ends[-1].code == 1
    assert said in team.start("status", team.config).said
    with team.editing() as rows:
        for row in rows[:2]:
            row["prompt"] = row["prompt"].removesuffix(" [fail]")
    ended = team.finish()

    assert team.statuses() == {"done": 2, "failed": 1, "waiting": 2}
    assert "The sample is done, and 2 rows wait. 2 of its 3 rows have a result." in ended.said
    team.start("continue", team.config)
    team.finish()
    assert team.statuses() == {"done": 4, "failed": 1}


def test_rows_above_the_rows_that_they_follow_do_not_block_the_sample(
    team: Team, api: Sandbox
) -> None:
    team.write(
        "name,prompt,endpoint,parent,index",
        *(f",,upscale-1x,fox{n},1" for n in range(4)),
        *(f"fox{n},fox {n},,," for n in range(4)),
    )

    ended = team.finish()

    # A row and the one that it follows, and another row.
    assert api.state()["tasks_taken"] == 3
    assert team.statuses() == {"done": 3, "waiting": 5}
    assert "5 rows wait" in ended.said
    team.start("continue", team.config)
    team.finish()
    assert team.statuses() == {"done": 8}


def test_status_says_how_many_rows_wait_for_a_look(campaign: Team) -> None:
    assert "5 rows wait for a look at the sample" in campaign.start("status", campaign.config).said
    campaign.finish()

    said = "The sample is done, and 5 rows wait. Look at its pictures."
    assert said in campaign.start("status", campaign.config).said
    assert said in campaign.start("status", campaign.config, "--json").said
    campaign.start("continue", campaign.config)
    assert "sample" not in campaign.start("status", campaign.config).said


def test_rows_that_no_run_has_read_begin_a_new_sample(campaign: Team, api: Sandbox) -> None:
    campaign.finish()
    campaign.add_prompts([f"owl {number}" for number in range(4)])

    told = campaign.start("continue", campaign.config)
    campaign.finish()

    assert "5 rows that waited" in told.said
    assert campaign.statuses() == {"done": 11, "waiting": 1}
    assert sum(tasks(api).values()) == 11


def test_without_a_waiting_row_continue_says_so(team: Team) -> None:
    team.write("prompt", "a fox")
    team.finish()

    assert "no row waits for a look at a sample" in team.start("continue", team.config).said
