"""The history of a row: who or what caused each paid request, when, and at what price."""

from __future__ import annotations

import json

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

TASK_SECONDS = 0


def events(team: Team, row: str = "2") -> list[tuple[str, str]]:
    """Kind and text of what happened to the row, without tasks."""
    told = json.loads(team.start("status", team.config, "--row", row, "--json").out)
    return [
        (one["kind"], one["text"].split(", task")[0])
        for one in told["history"]
        if one["kind"] in ("sent", "asked", "failed")
    ]


def test_a_new_row_is_explained_and_a_raised_take_too(team: Team) -> None:
    team.write("prompt,take", "a fox,")
    team.finish()
    first = events(team)
    with team.editing() as rows:
        rows[0]["take"] = "2"
    team.finish()

    by = "by a run without a terminal, as by cron"
    assert first == [("sent", f"imagine, 4 credits, because the row was new, {by}")]
    assert events(team) == [
        ("sent", f"imagine, 4 credits, because take was raised to 2 in the sheet, {by}")
    ]


def test_a_changed_row_and_a_retry_are_told_apart(team: Team, api: Sandbox) -> None:
    api.set(fail="next 2")
    team.write("prompt", "a fox")
    team.finish()
    with team.editing() as rows:
        rows[0]["prompt"] = "a red fox"
    team.finish()
    team.start("retry", team.config)
    team.finish()

    said = [text.split(", by")[0] for _, text in events(team)]
    assert said == [
        "imagine, 4 credits, because the row was new",
        "generation failed",
        "imagine, 4 credits, because the row was changed after it failed",
        "generation failed",
        "with the command retry",
        "imagine, 4 credits, because it was requested again",
    ]
    assert api.state()["tasks"] == {"a fox": 1, "a red fox": 2}
