"""The column `image` through the program: files, links, other rows and Google Drive."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from pipeline.sandbox import Sandbox
from tests.fakes.google.account import EMAIL
from tests.fakes.google.faults import Fault
from tests.fakes.google_drive import GoogleDrive, address, google_drive
from tests.fakes.team import Team

TASK_SECONDS = 0
#: Those that the provider file does not list.
PRICES = "credits = { imagine-video = 5, nano-banana = 5, kling-imagine-2-6 = 5 }"
HEADER = "name,prompt,endpoint,model,generation_type,duration,image"


@pytest.fixture
def team(team: Team) -> Team:
    """A team with a picture in its folder `inputs`."""
    (team.folder / "inputs").mkdir()
    Image.new("RGB", (8, 8)).save(team.folder / "inputs" / "brand.png")
    (team.folder / "inputs" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    (team.folder / "inputs" / "large.png").write_bytes(
        (team.folder / "inputs" / "brand.png").read_bytes() + bytes(12_000_001)
    )
    team.configure('[media]\nsave_to = ""\ninputs = "inputs/"\n', name="promptsheet")
    text = team.config.read_text().replace("[provider]\n", f"[provider]\n{PRICES}\n")
    team.config.write_text(text)
    return team


def paid(api: Sandbox) -> int:
    return int(api.state()["tasks_taken"])


@pytest.mark.parametrize("runs", [["--wait"], [""] * 6], ids=["one run", "cron"])
def test_one_column_holds_the_picture_for_every_endpoint(
    team: Team, api: Sandbox, runs: list[str]
) -> None:
    team.config.write_text(f'{team.config.read_text()}[defaults]\nimage = "brand.png"\n')
    team.write(
        HEADER,
        ",it waits,imagine-video,,,,",
        ",it runs,kling-imagine-2-6,,,5,FOX#2",
        "fox,a fox,imagine,,,,",
        ",it flies,imagine-video,,,,brand.png",
        ",in oil,flux-imagine,flux-pro-1.1-ultra,,,fox#3",
        ',in ink,nano-banana,,,,"brand.png, brand.png"',
        ",,describe,,,,fox",
        ",,describe,,,,https://example.com/owl.png",
    )

    plan = team.run("--plan")
    assert "4 of them after another row" not in plan.out
    assert "3 of them after another row" in plan.out
    assert api.state()["requests"].get("/upload", 0) == 0
    for words in runs:
        team.run(*filter(None, [words]))

    rows = team.rows()
    assert [row["status"] for row in rows] == ["done"] * 8, [row["note"] for row in rows]
    assert paid(api) == 8
    # What the person wrote is what is compared: the next run sends nothing.
    before = team.sheet.read_bytes()
    assert team.run().code == 0
    assert (team.sheet.read_bytes(), paid(api)) == (before, 8)


def test_another_name_changes_nothing_and_another_take_is_noticed(team: Team, api: Sandbox) -> None:
    team.write(
        f"{HEADER},take", "fox,a fox,imagine,,,,,1", ",it runs,kling-imagine-2-6,,,5,fox#2,1"
    )
    team.finish()

    with team.editing() as rows:
        rows[0]["name"], rows[1]["image"] = "wolf", "wolf#2"
    team.finish()
    assert [row["status"] for row in team.rows()] == ["done", "done"]

    with team.editing() as rows:
        rows[0]["take"] = "2"
    team.finish()
    fox, child = team.rows()
    assert (fox["status"], child["status"]) == ("done", "edited")
    assert "generated again" in child["note"] or "take 1" in child["note"], child["note"]
    assert paid(api) == 3


def test_the_plan_checks_each_image_and_nothing_is_uploaded(team: Team, api: Sandbox) -> None:
    wrong = {
        "late.png": 'image is "late.png"; there is no such file in inputs',
        "film.mp4": 'image is "film.mp4"; that file is no picture',
        "large.png": 'image is "large.png"; that file is larger than 12 MB',
        "wolf": 'there is no row named "wolf"',
        "http://10.0.0.1/a.png": "10.0.0.1 is in a private network",
        "ftp://example.com/a.png": "write an address that begins with https://",
        "https://drive.google.com/file/d/1AbCdEfGhIjK/view": "there are no credentials for Google",
    }
    team.write(HEADER, *(f",run {n},kling-imagine-2-6,,,5,{text}" for n, text in enumerate(wrong)))

    plan = team.run("--plan", "--json")
    team.run()

    assert '"invalid": 7' in plan.out
    for row, why in zip(team.rows(), wrong.values(), strict=True):
        assert row["status"] == "invalid"
        assert why in row["note"]
        assert row["note"].count(".", 0, -1) <= row["note"].count(".png") + 6
    assert paid(api) == 0
    assert api.state()["requests"].get("/upload", 0) == 0


@pytest.fixture
def google() -> object:
    with google_drive() as google:
        yield google


def test_a_link_to_google_drive_is_downloaded_with_the_credentials(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    content = (team.folder / "inputs" / "brand.png").read_bytes()
    shared = google.files.picture_by_hand("fox.png", content, reader=EMAIL)
    by_link = google.files.picture_by_hand("owl.png", content + b"\0", reader="anyone")
    private = google.files.picture_by_hand("secret.png", content, reader="ben@example.com")
    text = google.files.picture_by_hand("notes.txt", b"no picture", reader=EMAIL)
    (team.folder / "bot.json").write_text(json.dumps(google.key))
    (team.folder / "bot.json").chmod(0o600)
    drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
    team.configure(
        f'[media]\nsave_to = "{address(drive)}"\ncredentials = "file:bot.json"\n'
        f'base_url = "{google.url}"\n'
    )
    links = [f"https://drive.google.com/file/d/{one.id}/view" for one in (shared, by_link)]
    links += [f"https://drive.google.com/open?id={one.id}" for one in (private, text)]
    team.write(HEADER, *(f",run {n},kling-imagine-2-6,,,5,{url}" for n, url in enumerate(links)))

    plan = team.run("--plan")
    assert "4 requests" in plan.out
    assert [one for one in google.log if one.query.get("alt")] == []
    google.faults.when(lambda asked: "alt" in asked.query, Fault.UNAVAILABLE, times=1)
    team.finish()

    rows = team.rows()
    assert [row["status"] for row in rows] == ["done", "done", "failed", "failed"], [
        row["note"] for row in rows
    ]
    assert f"{EMAIL} cannot see that file in Google Drive: share it" in rows[2]["note"]
    assert "is no picture, video or sound" in rows[3]["note"]
    assert paid(api) == 2

    # With a person's own rights, everyone who edits the sheet could send their pictures.
    person = {"type": "authorized_user", "client_id": "i", "client_secret": "s"}
    (team.folder / "bot.json").write_text(json.dumps({**person, "refresh_token": "t"}))
    team.write(HEADER, f",one more,kling-imagine-2-6,,,5,{links[0]}")
    team.finish()
    (row,) = team.rows()
    assert "needs the key of a service account" in row["note"], row
    assert paid(api) == 2
    readers = {one.query["alt"][0] for one in google.log if "alt" in one.query}
    assert readers == {"media"}
    assert "drive.readonly" in "".join(str(one) for one in google.tokens.__dict__.values())
