"""What ends on a known day, and lists of objects, as people meet them: in a sheet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import ROOT
from tests.fakes.team import Team

TODAY = datetime.now(UTC).date()


def ending_on(team: Team, days: int) -> str:
    """Write a provider file in which dall-e-2 ends so many days from now; returns the day."""
    day = str(TODAY + timedelta(days=days))
    text = (ROOT / "configs/providers/apiframe-v2.toml").read_text()
    (team.folder / "providers").mkdir(exist_ok=True)
    changed = text.replace('"dall-e-2" = 2026-05-12', f'"dall-e-2" = {day}')
    assert changed != text
    (team.folder / "providers/apiframe-v2.toml").write_text(changed)
    return day


def test_a_model_that_will_end_is_sent_until_then_with_a_warning(
    api: Sandbox, tmp_path: Path
) -> None:
    team = Team(tmp_path, api.url, version=2)
    day = ending_on(team, 30)
    config = team.configured(tables={"provider": {"endpoint": "image"}})
    team.write("prompt,model", "a fox,dall-e-2")
    said = f"dall-e-2 ends on {day}, and 1 row to send asks for it."

    assert said in " ".join(team.start("run", config, "--plan").said.split())
    assert said in " ".join(team.start("doctor", config).said.split())
    assert team.start("run", config, "--wait").code == 0
    assert team.statuses() == {"done": 1}


@pytest.mark.parametrize("days", [0, -30])
def test_a_model_that_has_ended_is_refused_and_costs_nothing(
    days: int, api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    team = Team(tmp_path, api.url, version=2)
    day = ending_on(team, days)
    config = team.configured(tables={"provider": {"endpoint": "image"}})
    team.write("prompt,model", "a fox,dall-e-2")

    assert team.start("run", config, "--wait").code == 1
    assert f'"dall-e-2" ended on {day}: choose another model' in team.rows()[0]["note"]
    assert api.state()["tasks"] == {}


def test_the_shots_of_a_video_are_sent_and_a_wrong_line_costs_nothing(
    api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    team = Team(tmp_path, api.url, version=2)
    config = team.configured(tables={"provider": {"endpoint": "video"}})
    team.write(
        "prompt,model,duration,multi_prompt",
        'a fox,kling-3.0-omni,8,"5s: it runs\n3s: it stops"',
        "an owl,kling-3.0-omni,8,20s: it flies",
        'a cat,kling-3.0,8,"5s: it runs\n3s: it stops"',
    )

    assert team.start("run", config, "--wait").code == 1
    assert [row["status"] for row in team.rows()] == ["done", "invalid", "done"], team.rows()
    assert "duration in multi_prompt is" in team.rows()[1]["note"]
    assert api.state()["tasks"] == {"a fox": 1, "a cat": 1}
