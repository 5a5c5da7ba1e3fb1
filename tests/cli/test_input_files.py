"""Files as inputs of rows, through the program: from the folder `[media] inputs`, or from links."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline.sandbox import Sandbox
from tests.fakes.program import ROOT, Program, until
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


@pytest.fixture
def team(team: Team) -> Team:
    """A team with a picture in its folder `inputs`."""
    (team.folder / "inputs").mkdir()
    Image.new("RGB", (8, 8)).save(team.folder / "inputs" / "mask.png")
    team.configure('[media]\nsave_to = ""\ninputs = "inputs/"\n')
    return team


def with_picture(team: Team, *names: str) -> None:
    """A row for each of these files, which a model gets as base64."""
    team.write(
        "prompt,endpoint,model,image_prompt",
        *(f"fox {at},flux-imagine,flux-pro,{name}" for at, name in enumerate(names)),
    )


def paid(api: Sandbox) -> int:
    return int(api.state()["tasks_taken"])


def test_a_file_and_a_link_are_sent_with_their_rows_and_paid_once(team: Team, api: Sandbox) -> None:
    team.write("prompt", "an owl")
    assert team.finish().code == 0
    link = team.row("an owl")["image_urls"].split("\n")[0]
    config = team.configure(
        '[media]\nsave_to = ""\ninputs = "inputs/"\n[store]\nurl = "sqlite:///other.db"\n',
        name="files",
        sheet="files.csv",
    )
    rows = "\n".join(f"fox,flux-imagine,flux-pro,{text}" for text in ("mask.png", link))
    (team.folder / "files.csv").write_text(f"prompt,endpoint,model,image_prompt\n{rows}\n")

    first = team.start("run", config, "--wait")
    again = team.start("run", config)

    assert (first.code, again.code) == (0, 0), first.said
    assert [row["status"] for row in team.rows("files.csv")] == ["done", "done"]
    assert paid(api) == 3


def test_a_missing_file_makes_the_row_invalid_until_it_is_there(team: Team, api: Sandbox) -> None:
    with_picture(team, "late.png", "mask.png")

    for _ in range(3):
        team.finish()
    late, there = team.rows()
    assert (late["status"], there["status"]) == ("invalid", "done")
    assert late["note"] == (
        'Not sent, nothing paid: image_prompt is "late.png"; there is no such file in inputs.'
    )
    assert paid(api) == 1

    Image.new("RGB", (8, 8)).save(team.folder / "inputs" / "late.png")
    assert team.finish().code == 0

    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert paid(api) == 2


def test_nothing_outside_the_folder_and_no_other_file_is_ever_sent(
    team: Team, api: Sandbox
) -> None:
    inputs = team.folder / "inputs"
    Image.new("RGB", (8, 8)).save(team.folder / "outside.png")
    (team.folder / "other").mkdir()
    Image.new("RGB", (8, 8)).save(team.folder / "other" / "inside.png")
    (inputs / "link.png").symlink_to(team.folder / "outside.png")
    (inputs / "way").symlink_to(team.folder / "other")
    os.mkfifo(inputs / "pipe.png")
    (inputs / "secret.png").write_text("an API key")
    (inputs / "empty.png").write_bytes(b"")
    whole = (inputs / "mask.png").read_bytes()
    (inputs / "large.png").write_bytes(whole + bytes(12_000_001))
    (inputs / ".hidden.png").write_bytes(whole)
    with_picture(
        team,
        *("../outside.png", str(team.folder / "outside.png"), "link.png", "way/inside.png"),
        *("pipe.png", "secret.png", "empty.png", "large.png", ".hidden.png", "other\\x.png", "."),
    )

    team.finish()

    assert {row["status"] for row in team.rows()} == {"invalid"}
    assert paid(api) == 0


def test_without_a_folder_the_name_of_a_file_is_refused_and_the_note_says_what_to_do(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    with_picture(team, "mask.png")

    team.finish()

    assert "set [media] inputs to a folder" in team.rows()[0]["note"]
    assert paid(api) == 0


def test_a_file_is_uploaded_where_the_api_wants_an_address(team: Team, api: Sandbox) -> None:
    Image.new("RGB", (9, 9)).save(team.folder / "inputs" / "owl.png")
    team.write(
        "prompt,endpoint,image,images",
        ",describe,mask.png,",
        ',blend,,"mask.png, owl.png"',
        ',blend,,"mask.png\nhttps://example.com/owl.png"',
    )

    ended = team.finish()

    assert ended.code == 0, [row["note"] for row in team.rows()]
    assert [row["status"] for row in team.rows()] == ["done"] * 3
    assert paid(api) == 3


def test_a_refused_upload_costs_nothing_and_the_row_says_why(team: Team, api: Sandbox) -> None:
    # The API takes no videos here.
    (team.folder / "inputs" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    team.write("prompt,endpoint,images", ',blend,"mask.png, film.mp4"', "a fox,,")

    team.finish()
    film, fox = team.rows()
    assert (film["status"], fox["status"]) == ("failed", "done")
    assert film["note"].startswith("Not sent, nothing paid: Apiframe did not take film.mp4")
    assert paid(api) == 1

    with team.editing() as rows:
        rows[0]["images"] = "mask.png, mask.png"
    assert team.finish().code == 0
    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert paid(api) == 2


def test_a_link_into_a_private_network_is_never_followed(team: Team, api: Sandbox) -> None:
    with_picture(team, "http://10.0.0.1/mask.png")

    team.finish()

    (row,) = team.rows()
    assert row["status"] == "invalid"
    assert "10.0.0.1 is in a private network, which the API cannot reach" in row["note"]
    assert paid(api) == 0


def test_a_plan_names_a_missing_file(team: Team) -> None:
    with_picture(team, "late.png")

    plan = team.run("--plan", "--json")

    assert '"invalid": 1' in plan.out
    assert not Path(team.folder / "promptsheet.db").exists()


@pytest.mark.parametrize("runs", [["--wait"], ["", "", "", ""]], ids=["one run", "several runs"])
def test_a_lost_submission_with_a_file_is_paid_once(
    tmp_path: Path, api: Sandbox, runs: list[str]
) -> None:
    api.reset()
    team = Team(tmp_path, api.url, 2)
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    Image.new("RGB", (8, 8)).save(inputs / "fox.png")
    config = team.configured(tables={"media": {"save_to": "", "inputs": "inputs/"}})
    team.write("prompt,endpoint,model,input_images", "a fox,seedream,seedream-4.5,fox.png")
    api.set(lost="next 1 rst")

    for words in runs:
        team.start("run", config, *filter(None, [words]))

    (row,) = team.rows()
    assert row["status"] == "done", row["note"]
    state = api.state()
    assert (state["tasks_taken"], state["idempotent_replays"]) == (1, 1)


def lost_by_a_kill(team: Team, api: Sandbox, config: Path) -> None:
    """Kill the program after the API has taken the row, and before it answers."""
    api.set(lost="1 trickle")
    with Program("run", config, folder=team.folder, environment=dict(os.environ)) as program:
        program.until(lambda: paid(api) == 1, "the API has taken the row")
        program.kill()


def lost_by_the_network(team: Team, api: Sandbox, config: Path) -> None:
    """Break each connection after the API has taken the row, until the run gives up."""
    api.set(lost="1 rst")
    team.start("run", config)


@pytest.mark.parametrize("lost", [lost_by_a_kill, lost_by_the_network])
def test_a_later_run_sends_a_row_again_with_the_address_that_its_file_got_first(
    tmp_path: Path, api: Sandbox, lost: Callable[[Team, Sandbox, Path], None]
) -> None:
    api.reset()
    team = Team(tmp_path, api.url, 2)
    (tmp_path / "inputs").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "inputs" / "fox.png")
    config = team.configured(tables={"media": {"save_to": "", "inputs": "inputs/"}})
    text = (ROOT / "configs/providers/apiframe-v2.toml").read_text("utf-8")
    quick = text.replace("[endpoints.seedream]\n", "[endpoints.seedream]\ndeadline = 2\n")
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "apiframe-v2.toml").write_text(quick, "utf-8")
    team.write("prompt,endpoint,model,input_images", "a fox,seedream,seedream-4.5,fox.png")
    lost(team, api, config)
    uploads = api.state()["requests"]["/v2/uploads"]
    # The file in the folder is another one now: what was sent has its address already.
    Image.new("RGB", (9, 9)).save(tmp_path / "inputs" / "fox.png")
    api.set(lost="0")

    until(
        lambda: team.start("run", config, "--wait") and team.row("a fox")["status"] == "done",
        "the row is done",
        every=0.5,
    )

    state = api.state()
    assert state["tasks_taken"] == 1
    assert state["idempotent_replays"] >= 1
    assert state["requests"]["/v2/uploads"] == uploads == 1
