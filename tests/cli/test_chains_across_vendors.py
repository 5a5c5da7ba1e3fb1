"""A picture of one vendor becomes a video or another picture at a second one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

LUMA = """
[providers.luma]
api_key = "env:APIFRAME_API_KEY"
base_url = "{url}"
[media]
save_to = ""
"""
#: Children above their parents: there and back again.
HEADER = "prompt,endpoint,name,parent,index"
ROWS = ("words,describe,,sketch,", "it runs,luma/photon-edit,sketch,FOX,2", "a fox,,fox,,")


def test_the_files_and_the_account_of_a_second_vendor_on_this_machine_can_be_reached(
    api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    (tmp_path / "key").write_text("another")  # One key at one address would be one account.
    with sandbox_process(
        "another", provider="luma", task_seconds=0.1, plain_pictures="true"
    ) as luma:
        team = Team(tmp_path, api.url)
        text = LUMA.format(url=luma.url).replace('""', '"files"')
        team.configure(text.replace("env:APIFRAME_API_KEY", "file:key"))
        team.write(
            "prompt,endpoint,resolution", "a fox,luma/photon,", "an owl,luma/photo,", "a cat,,"
        )
        planned = json.loads(team.run("--plan", "--json").out)
        assert "2 requests, 4 Apiframe credits, 1.5 US cents at Luma" in team.run("--plan").said
        assert [one["amount"] for one in planned["costs"]] == [planned["credits"], 1.5] == [4, 1.5]
        report = json.loads(team.finish("--json").out)
        assert (report["credits"], report["costs"][1]) == (
            4,
            {"account": "Luma", "unit": "US cent", "amount": 1.5, "is_own": False},
        )

        (fox, owl, cat) = team.rows()
        assert (fox["status"], fox["note"], cat["status"]) == ("done", "", "done")
        assert len([*(team.folder / "files").glob("*-*")]) == 5
        assert 'there is no endpoint "luma/photo"; write luma/photon,' in owl["note"]
        said = team.start("status", team.config).said
        assert "4 of 10000 Apiframe credits spent today" in said
        assert "1.5 of 10000 US cents at Luma spent today" in said
        said = team.start("receipt").said
        assert "Total: 4 Apiframe credits. " in said
        assert "Total: 1.5 US cents at Luma. " in said
        assert "2 charges, 2 rows, 0 unmatched, 0 refunds due" in said
        said = team.start("doctor").said
        assert "Apiframe (API version 1) accepts the key" in said
        assert (
            "Luma (Dream Machine: pictures and videos; credits are US cents) accepts the key"
            in said
        )


@pytest.mark.parametrize("is_waiting", [True, False])
def test_rows_follow_one_another_across_vendors_and_each_is_paid_once(
    is_waiting: bool, api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    with sandbox_process(KEY, provider="luma", task_seconds=0.1, plain_pictures="true") as luma:
        team = Team(tmp_path, api.url)
        team.configure(LUMA.format(url=luma.url))
        team.write(HEADER, *(row.replace("words,", ",") for row in ROWS))
        ended = [team.finish() if is_waiting else team.run()]
        while len(ended) < 50 and team.statuses() != {"done": 3}:
            ended.append(team.run())

        assert {one.code for one in ended} == {0}, ended
        assert [row["status"] for row in team.rows()] == ["done"] * 3, team.rows()
        assert luma.state()["tasks"] == {"it runs": 1}
        assert sum(api.state()["tasks"].values()) == 2


def test_a_row_that_needs_a_task_says_that_its_parent_is_at_another_vendor(
    api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    with sandbox_process(KEY, provider="luma", task_seconds=0, plain_pictures="true") as luma:
        team = Team(tmp_path, api.url)
        team.configure(LUMA.format(url=luma.url))
        team.write(HEADER, "a fox,luma/photon,fox,,", ",upscale-1x,,fox,2")
        ended = team.finish()

        assert ended.code == 1
        assert [row["status"] for row in team.rows()] == ["done", "invalid"]
        assert "upscale-1x needs a task of Apiframe" in team.rows()[1]["note"]
        assert api.state()["tasks"] == {}
