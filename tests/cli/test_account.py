"""What `doctor` reports if the account is charged other amounts than the provider file lists."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team


def test_a_difference_between_charged_and_counted_credits_is_reported_until_a_repair(
    tmp_path: Path,
) -> None:
    with sandbox_process(task_seconds=0, plain_pictures="true") as api:
        team = Team(tmp_path, api.url)
        team.configure('[media]\nsave_to = ""\n')
        team.write("prompt", "a fox")

        def checked_after(prompt: str, cost: int) -> str:
            api.set(cost=cost)
            with team.editing() as rows:
                rows.append({"prompt": prompt})
            assert team.finish().code == 0
            return team.start("doctor", team.config).said

        def kept() -> str:
            return team.start("doctor", team.config, "--repair").said

        assert team.finish().code == 0
        first = kept()
        as_listed = checked_after("an owl", cost=4)
        otherwise = checked_after("a cat", cost=9)
        same = kept()
        again = team.start("doctor", team.config).said

        assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1}
        for words in (otherwise, same):
            assert "went down by 13 credits since" in words
            assert "Promptsheet counted 8. If nothing else used the account" in words
        assert [words for words in (first, as_listed, again) if "went down" in words] == []


def test_the_account_is_not_compared_while_a_task_is_running(tmp_path: Path) -> None:
    with sandbox_process(task_seconds=10_000, plain_pictures="true", cost=9) as api:
        team = Team(tmp_path, api.url)
        team.configure('[media]\nsave_to = ""\n')
        team.write("prompt", "a fox")
        team.run()
        under_way = [team.start("doctor", team.config, "--repair").said for _ in range(2)]
        api.finish()
        assert team.run().code == 0
        ended = team.start("doctor", team.config, "--repair").said

        assert [words for words in (*under_way, ended) if "went down" in words] == []
        assert [row["status"] for row in team.rows()] == ["done"]
