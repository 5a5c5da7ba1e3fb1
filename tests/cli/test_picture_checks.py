"""What a team sees of pictures that are blank, damaged, of another shape, or there twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.buckets import BUCKET, google_storage
from tests.fakes.program import until
from tests.fakes.team import Team

TEAM_TABLES = ""
FLAWS = {
    "a fox": ("blank", "All 4 pictures are blank: ask Apiframe for a refund, and "),
    "an owl": ("one_blank", "Picture 1 of 4 is blank: ask Apiframe for a refund, and "),
    "a cat": ("damaged", "All 4 pictures are damaged: ask Apiframe for a refund, and "),
    "a dog": ("shape", "pixels, but the row asked for 16:9: check its cells; "),
    "an elk": ("off", ""),
}


def make(team: Team, api: Sandbox, *, wait: bool) -> None:
    """Fill the sheet row by row; each row gets pictures with its flaw."""
    team.write("prompt,name,aspect_ratio,take")
    for prompt, (flaw, _) in FLAWS.items():
        api.set(flaw=f"next 1 {flaw}" if flaw != "off" else flaw)
        with team.sheet.open("a") as sheet:
            sheet.write(f"{prompt},{prompt[-3:]},16:9,\n")
        if wait:
            assert team.finish().is_plain
        else:
            until(
                lambda: team.run().is_plain and team.rows()[-1]["status"] == "done",
                f"{prompt} is done",
            )


@pytest.mark.parametrize("wait", [True, False], ids=["run --wait", "run again and again"])
def test_each_flaw_is_in_the_note_and_in_status_and_the_row_is_done(
    team: Team, api: Sandbox, wait: bool
) -> None:
    make(team, api, wait=wait)
    rows = {row["prompt"]: row for row in team.rows()}
    status = team.start("status", team.config)
    (found,) = (json.loads(team.start("status", team.config, "--json").out.splitlines()[0]),)
    receipt = team.start("receipt", team.config, "--claim", "-", "-o", "all.csv")
    again = team.run()

    assert {row["status"] for row in rows.values()} == {"done"}
    for prompt, (_, words) in FLAWS.items():
        assert words in rows[prompt]["note"]
        assert ("put 2 in the take column" in rows[prompt]["note"]) is bool(words)
    assert rows["an elk"]["note"] == ""
    assert (status.code, found["need_a_person"]) == (0, 0)
    assert "With pictures to look at:" in status.out
    wrong = {one["name"]: one["pictures"] for one in found["details"]}
    assert wrong["owl"] == [{"picture": 1, "look": "blank"}]
    assert [one["look"] for one in wrong["cat"]] == ["damaged"] * 4
    assert {one["asked"] for one in wrong["dog"]} == {"16:9"}
    assert wrong["elk"] == []
    # Of one task of four, the other pictures can be used: only two tasks are claimed.
    assert "2 refunds to ask for" in receipt.out
    assert receipt.out.count("every picture is blank or damaged (ask for it)") == 2
    assert "Every picture of these tasks is blank or damaged" in receipt.out
    assert "1: blank" in (team.folder / "all.csv").read_text("utf-8-sig")
    assert (again.code, again.said) == (0, "")
    assert sum(api.state()["tasks"].values()) == len(FLAWS)


def test_the_manifest_says_what_is_wrong(team: Team, api: Sandbox) -> None:
    api.set(flaw="next 1 one_blank")
    team.write("prompt", "a fox")
    team.finish()
    text = (team.folder / "media" / "manifest.jsonl").read_text()
    lines = {line["number"]: line for line in map(json.loads, text.splitlines())}

    assert [lines[number].get("look", "") for number in (1, 2, 3, 4)] == ["blank", "", "", ""]
    assert {(line["width"], line["height"]) for line in lines.values()} == {(384, 384)}


def test_without_the_check_nothing_is_said(team: Team, api: Sandbox) -> None:
    team.configure("[media]\ncheck = false\n")
    api.set(flaw="next 2 same")
    team.write("prompt", "a fox", "an owl")
    team.finish()

    assert [(row["status"], row["note"]) for row in team.rows()] == [("done", "")] * 2


@pytest.mark.parametrize("labels", ["false", "true"], ids=["as downloaded", "with labels"])
def test_the_same_picture_is_found_in_a_bucket_and_with_labels(
    team: Team, api: Sandbox, labels: str
) -> None:
    with google_storage() as store:
        (team.folder / "place.key").write_text('"anon"')
        (team.folder / "place.key").chmod(0o600)
        team.configure(
            f'[media]\nsave_to = "gs://{BUCKET}/spring"\ncredentials = "file:place.key"\n'
            f'base_url = "http://127.0.0.1:{store.port}"\nalt_text = {labels}\n'
        )
        api.set(flaw="next 3 same")
        team.write("prompt,name,take", "a fox,Fox,")
        team.finish()
        with team.editing() as rows:
            rows.append({"prompt": "an owl", "name": "Owl"})
        team.finish()
        fox, owl = team.rows()
        with team.editing() as rows:
            rows[0]["take"] = "2"
        team.finish()
        later = team.rows()[0]

    row = fox["row_id"]
    assert fox["note"] == ""
    assert f'are the same as those of the row "Fox" ({row})' in owl["note"]
    assert "All 4 pictures are the same as those of take 1" in later["note"]
    assert [one["status"] for one in (fox, owl, later)] == ["done"] * 3


def test_pictures_of_the_asked_size_are_no_trouble(team: Team, api: Sandbox) -> None:
    team.write(
        "prompt,endpoint,model,width,height,aspect_ratio",
        "a fox,flux-imagine,flux-pro,1024,768,",
        "an owl,imagine,,,,9:16",
        "a cat --ar 3:2,imagine,,,,",
    )
    team.finish()

    assert [(row["status"], row["note"]) for row in team.rows()] == [("done", "")] * 3
    files = list(Path(team.folder / "media").glob("*.png"))
    assert len(files) == 9
