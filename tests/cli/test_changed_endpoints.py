"""Rows whose endpoint changes: in their cells, or in the provider file."""

from __future__ import annotations

from pipeline.sandbox import Sandbox
from tests.fakes.program import ROOT
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


def test_rows_of_an_endpoint_that_was_renamed_stay_as_they_are_and_get_their_results(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,endpoint,model", "an owl,flux-imagine,flux-pro", "a cat,,")
    assert team.finish().code == 0
    api.set(task_seconds=3600)
    with team.editing() as rows:
        rows.append({"prompt": "a fox", "endpoint": "flux-imagine", "model": "flux-dev"})
    team.run()
    file = team.folder / "providers" / "apiframe-v1.toml"
    file.parent.mkdir()
    text = (ROOT / "configs/providers/apiframe-v1.toml").read_text("utf-8")
    file.write_text(text.replace("[endpoints.flux-imagine", "[endpoints.flux"), "utf-8")

    team.run()
    assert team.said_of("an owl", "a cat", "a fox") == ["done", "done", "in progress"]
    api.finish()
    api.set(task_seconds=0)
    team.finish()

    assert team.said_of("an owl", "a cat", "a fox") == ["done"] * 3
    assert team.row("a fox")["image_urls"].startswith("http")
    assert api.state()["tasks"] == dict.fromkeys(("an owl", "a cat", "a fox"), 1)


def test_another_endpoint_in_the_cell_of_a_done_row_pays_nothing_and_changes_no_other_row(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,endpoint,model", "an owl,,", "a cat,,", "a hen,,")
    assert team.finish().code == 0
    with team.editing() as rows:
        # The column `model` becomes an input with the first row that names such an endpoint.
        rows.append({"prompt": "a fox", "endpoint": "flux-imagine", "model": "flux-dev"})
        rows[0]["endpoint"], rows[0]["model"] = "flux-imagine", "flux-pro"
    team.finish()

    assert team.said_of("an owl", "a cat", "a hen", "a fox") == ["edited", "done", "done", "done"]
    with team.editing() as rows:
        rows[0]["endpoint"], rows[0]["model"] = "", ""
    team.finish()
    assert team.said_of("an owl", "a cat", "a hen", "a fox") == ["done"] * 4
    assert api.state()["tasks"] == dict.fromkeys(("an owl", "a cat", "a hen", "a fox"), 1)
