"""What `doctor` reports about prices and limits: by endpoint, by model, and by the API's own list.

Everything runs through the real command line against the real sandbox, which counts the credits.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.program import KEY, ROOT
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team


def team_at(folder: Path, url: str) -> Team:
    """A team with a key of version 2."""
    team = Team(folder, url, version=2)
    team.configured("promptsheet")
    return team


def price(team: Team, prices: str) -> None:
    """Set `[provider] credits`."""
    lines = [one for one in team.config.read_text().splitlines() if not one.startswith("credits")]
    lines.insert(lines.index("[provider]") + 1, f"credits = {{ {prices} }}")
    team.config.write_text("\n".join(lines) + "\n")


def findings(team: Team) -> str:
    ended = team.start("doctor")
    assert ended.code == 0, ended.said
    return ended.said


def test_a_price_that_differs_from_the_charges_is_named_until_it_is_corrected(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true", surcharge=4) as api:
        team = team_at(tmp_path, api.url)
        team.write("prompt,endpoint", "a fox,imagine", "an owl,imagine", "a song,suno")
        assert team.finish().code == 0
        otherwise = findings(team)
        price(team, '"imagine" = 20, "suno" = 15')
        corrected = findings(team)
        with team.editing() as rows:
            rows += [{"prompt": "a cat", "endpoint": "imagine"}]
        assert team.finish().code == 0
        afterwards = findings(team)
        api.set(surcharge=0)
        with team.editing() as rows:
            rows += [{"prompt": "a hen", "endpoint": "imagine"}]
        assert team.finish().code == 0
        cheaper = findings(team)

        state = api.state()

    assert re.search(
        r"Apiframe charged 20 credits for imagine \(midjourney\), and 16 are listed: 2 tasks since "
        r"\d{4}-\d\d-\d\d\. The budget reserves less than it costs until a task ends\. How to "
        r'correct it: set \[provider\] credits = { "imagine" = 20 } in the configuration\.',
        otherwise,
    )
    assert "charged 15 credits for suno (suno), and 11 are listed: 1 task since" in otherwise
    assert "credits for" not in corrected
    assert "credits for" not in afterwards
    assert "charged 16 credits for imagine (midjourney), and 20 are listed: 1 task" in cheaper
    assert "The budget reserves more than it costs" in cheaper
    assert (state["tasks_taken"], state["tasks_repeated"]) == (5, 0)


def test_a_refund_of_a_failed_task_is_not_another_price(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url)
        api.set(fail="next 1")
        team.write("prompt", "a fox")
        team.finish()

        assert [row["status"] for row in team.rows()] == ["failed"]
        assert "charged" not in team.start("doctor").said


def test_a_price_of_the_list_that_is_higher_than_the_charge_names_the_model(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url)
        team.write("prompt,endpoint,duration", "the sea,kling,5", "the moon,kling,10")
        assert team.finish().code == 0
        otherwise = findings(team)
        price(team, '"kling" = 80')
        corrected = findings(team)

    assert "charged 40 to 80 credits for kling (kling-3.0), and " in otherwise
    assert "are listed: 2 tasks since" in otherwise
    assert (
        'If no row of yours costs more, set [provider] credits = { "kling-3.0" = 80 }' in otherwise
    )
    assert "credits for" not in corrected


def test_a_price_of_the_providers_own_list_that_differs_is_named(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url)
        team.write("prompt")
        alike = findings(team)
        text = (ROOT / "configs/providers/apiframe-v2.toml").read_text()
        (tmp_path / "providers").mkdir()
        own = tmp_path / "providers" / "apiframe-v2.toml"
        own.write_text(text.replace("credits = 16\n", "credits = 12\n"))
        differs = findings(team)

    assert "price list" not in alike
    assert (
        "The price list of Apiframe says up to 16 credits for midjourney, and the provider file 12 "
        '(imagine). If that is right, set [provider] credits = { "imagine" = 16 } in the '
        "configuration." in differs
    )


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (3, "The account may have 3 tasks at once, so [pace] in_flight = 50 is capped at 3."),
        (1, "The account may have 1 task at once, so [pace] in_flight = 50 is capped at 1."),
        (80, "The account may have 80 tasks at once; [pace] in_flight = 50 is not capped by that."),
        (0, ""),
    ],
)
def test_the_number_of_tasks_that_the_account_allows_is_named(
    tmp_path: Path, allowed: int, said: str
) -> None:
    with sandbox_process(KEY, max_concurrent_jobs=allowed) as api:
        team = team_at(tmp_path, api.url)
        team.write("prompt")
        found = findings(team)

    assert said in found
    assert said or "at once" not in found


def test_without_a_key_the_assumed_api_is_named(tmp_path: Path) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.configure()
    team.write("prompt")

    assert "Without it, Apiframe (API version 1) is assumed." in team.start("doctor", key=None).said


def test_the_credits_that_are_left_have_no_empty_fraction(tmp_path: Path) -> None:
    with sandbox_process(KEY, provider="bfl", credits=999_997) as vendor:
        team = Team(tmp_path, vendor.url)
        assert team.start("init", "--endpoint", "bfl/flux-pro", key=None).code == 0
        text = team.config.read_text().replace("BFL_API_KEY", "APIFRAME_API_KEY")
        team.config.write_text(text.replace("[provider]", f'[provider]\nbase_url = "{team.url}"'))

        assert "accepts the key; 999997 credits are left." in findings(team)
