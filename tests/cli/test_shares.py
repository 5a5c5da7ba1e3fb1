"""A budget for each value of a column, as a team uses it."""

from __future__ import annotations

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = '[media]\nsave_to = ""\n[budget]\nper = { campaign = 8 }\n'
SHEET = (
    "prompt,Campaign",
    *(f"fox {number},{'Spring' if number % 2 else 'spring  '}" for number in range(4)),
    *(f"owl {number},Autumn" for number in range(3)),
    "a cat,",
)


def campaigns(api: Sandbox) -> dict[str, int]:
    """How many tasks there are of each animal."""
    found: dict[str, int] = {}
    for prompt, times in api.state()["tasks"].items():
        animal = prompt.removeprefix("a ").split()[0]
        found[animal] = found.get(animal, 0) + times
    return found


def test_no_campaign_costs_more_than_its_budget_and_each_gets_all_of_it(
    team: Team, api: Sandbox
) -> None:
    team.write(*SHEET)

    ends = [team.run().code for _ in range(3)]
    team.finish()

    assert ends == [0, 0, 0]
    assert campaigns(api) == {"fox": 2, "owl": 2, "cat": 1}
    assert team.statuses() == {"done": 5, "over budget": 3}
    assert 'the budget of campaign "spring" ([budget] per)' in team.row("fox 2")["note"]
    assert 'campaign "autumn"' in team.row("owl 2")["note"]


def test_a_row_that_changes_its_campaign_is_sent(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    team.finish()

    with team.editing() as rows:
        rows[2]["Campaign"] = "Winter"
    team.finish()

    assert team.said_of("fox 2") == ["done"]
    assert campaigns(api) == {"fox": 3, "owl": 2, "cat": 1}


def test_a_higher_budget_sends_the_rest(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)
    team.finish()

    team.config.write_text(team.config.read_text().replace("campaign = 8", "campaign = 80"))
    assert team.finish().code == 0

    assert team.statuses() == {"done": 8}
    assert campaigns(api) == {"fox": 4, "owl": 3, "cat": 1}


def test_the_plan_says_what_each_budget_covers(team: Team, api: Sandbox) -> None:
    team.write(*SHEET)

    plan = team.run("--plan")

    assert "5 requests, 20 credits" in plan.said
    assert campaigns(api) == {}


def test_a_column_that_is_missing_is_named(team: Team, api: Sandbox) -> None:
    team.write("prompt,campain", "a fox,Spring", "an owl,Spring", "a cat,Spring")

    ended = team.finish()

    assert "[budget] per names the column campaign, and the sheet has none" in ended.said
    assert 'Did you mean "campain"?' in ended.said
    assert campaigns(api) == {"fox": 1, "an": 1}


@pytest.mark.parametrize("words", [("run", "--wait"), ("run", "--plan"), ("doctor",)])
def test_a_column_of_file_names_that_is_missing_is_named(
    team: Team, words: tuple[str, ...]
) -> None:
    team.configure('[media]\nfile_name = "{campagne}/{endpoint}-{row_id}-{n}"\n')
    team.write("prompt,Campaign", "a fox,Spring")

    said = team.start(words[0], team.config, *words[1:]).said

    assert "[media] file_name names the column campagne, and the sheet has none" in said
    assert 'Did you mean "Campaign"?' in said
    assert "column endpoint" not in said
