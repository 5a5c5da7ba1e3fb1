"""Google Drive at the command line: consent, a run that saves there, and what `doctor` says."""

from __future__ import annotations

import json
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pipeline.config import load
from pipeline.core.errors import NoPlace
from pipeline.provider.downloads.places import checked
from pipeline.sandbox import Sandbox
from pipeline.server import event_loop
from tests.fakes.google.account import EMAIL
from tests.fakes.google.drive_files import File
from tests.fakes.google.faults import Fault
from tests.fakes.google_drive import GoogleDrive, address, google_drive
from tests.fakes.program import Ended, Program
from tests.fakes.team import Team

TASK_SECONDS = 0
ANNA = "anna@example.com"


@pytest.fixture
def google() -> Iterator[GoogleDrive]:
    with google_drive() as google:
        yield google


def write(team: Team, name: str, said: object) -> None:
    path = team.folder / name
    path.write_text(json.dumps(said))
    path.chmod(0o600)


def consent(team: Team, google: GoogleDrive, agree: bool = True) -> Ended:
    """`init --drive`, and a person who opens the printed address and answers."""
    google.consents = ANNA if agree else ""
    words = ["init", "--drive", "client.json", "--base-url", google.url]
    with Program(*words, folder=team.folder) as program:
        said = ""
        while not (found := re.search(r"^https://accounts.google.com(\S+)$", said, re.MULTILINE)):
            line = program.process.stdout.readline()
            assert line, said
            said += line
        assert requests.get(google.url + found[1], timeout=10).status_code == 200
        ended = program.end()
    return Ended(ended.code, said + ended.out)


def configure(team: Team, google: GoogleDrive, folder: str, **more: str) -> None:
    place = {"base_url": google.url, "credentials": "file:drive.json", **more}
    team.configured("promptsheet", media=folder, tables={"media": place})


def root(google: GoogleDrive) -> File:
    (found,) = (one for one in google.files.all.values() if one.is_folder)
    return found


def test_with_a_persons_consent_pictures_are_saved_in_a_folder_of_theirs(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    write(team, "client.json", google.client)

    first = consent(team, google)
    second = consent(team, google)
    lines = re.search(r"\[media\]\nsave_to = .*\ncredentials = .*\nbase_url = .*\n", second.out)
    assert lines, second.out
    team.configure(lines[0])
    team.write("prompt,files", "a fox,")
    ended = team.finish()
    doctor = team.start("doctor", team.config)

    assert (first.code, second.code, ended.code) == (0, 0, 0), second.said
    assert f"{ANNA} gave consent." in first.out
    assert [one.owner for one in google.files.children(root(google))] == [ANNA] * 4
    assert len(team.row("a fox")["files"].split("\n")) == 4
    assert "7 days after it was given" in doctor.said
    secret = team.folder / "drive.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert json.loads(secret.read_text())["refresh_token"] not in first.said + doctor.said


def test_a_person_who_does_not_agree_changes_nothing(team: Team, google: GoogleDrive) -> None:
    write(team, "client.json", google.client)

    ended = consent(team, google, agree=False)

    assert ended.code == 3
    assert "Google gave no consent (access_denied). Run this again, and agree." in ended.said
    assert ended.is_plain
    assert not (team.folder / "drive.json").exists()
    assert not google.files.all


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "There is no file client.json."),
        ("{}", "client.json is not the key of an OAuth client of a desktop app."),
        ("no JSON", "client.json is not the key of an OAuth client of a desktop app."),
        ('{"web": {}}', "client.json is not the key of an OAuth client of a desktop app."),
        ('{"installed": {}}', "client.json is not the key of an OAuth client of a desktop app."),
        ('{"installed": 3}', "client.json is not the key of an OAuth client of a desktop app."),
    ],
)
def test_a_wrong_client_file_is_refused_with_where_to_get_one(
    team: Team, content: str | None, why: str
) -> None:
    if content is not None:
        (team.folder / "client.json").write_text(content)

    ended = team.start("init", "--drive", "client.json")

    assert ended.code == 2
    assert f"{why} Make one in the Google Cloud console" in ended.said


def test_doctor_says_that_a_service_account_needs_a_shared_drive(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    write(team, "drive.json", google.key)
    own = google.files.by_hand("Mine", owner=ANNA, writer=EMAIL)
    configure(team, google, address(own))
    team.write("prompt,files", "a fox,")

    doctor = team.start("doctor", team.config)

    assert doctor.code == 1
    assert f"! {EMAIL} is a service account, which has no storage in Google Drive" in doctor.said
    assert len(google.asked("GET", "/drive/")) == 1


def test_a_folder_that_is_unshared_for_a_while_costs_no_picture(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    write(team, "drive.json", google.key)
    drive = google.files.shared_drive("Campaigns", reader=EMAIL)
    configure(team, google, address(drive))
    team.write("prompt,files", "a fox,", "an owl,")

    refused = team.finish()
    drive.shared[EMAIL] = "fileOrganizer"
    later = team.run()
    doctor = team.start("doctor", team.config)

    assert (refused.code, later.code, doctor.code) == (3, 0, 0)
    assert refused.said.count("may not save files in the folder") == 1
    assert f"Add {EMAIL} to the shared drive as Content manager." in refused.said
    assert f"Pictures can be saved in {address(drive)}." in doctor.said
    assert sum(google.paths(drive).values()) == 8
    assert sum(api.state()["tasks"].values()) == 2


def test_a_busy_google_drive_delays_pictures_and_nothing_else(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    write(team, "drive.json", google.key)
    drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
    configure(team, google, address(drive))
    team.write("prompt,files", "a fox,")
    google.faults.when(lambda asked: asked.method == "POST", Fault.BUSY)

    team.finish()
    google.faults.clear()
    row = team.row("a fox")
    repaired = team.start("doctor", team.config, "--repair")

    assert len(row["image_urls"].split("\n")) == 4
    assert "4 pictures saved" in repaired.said
    assert sum(google.paths(drive).values()) == 4


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (
            "https://drive.google.com/file/d/1AbCdEfGhIjKl/view",
            "is not the address of a folder. Open the folder in the browser, and copy its address",
        ),
        ("https://drive.google.com/drive/my-drive", "is not the address of a folder."),
    ],
)
def test_an_address_that_is_no_folder_is_refused(team: Team, place: str, why: str) -> None:
    team.configure(f'[media]\nsave_to = "{place}"\n')
    team.write("prompt", "a fox")

    ended = team.run()

    assert ended.code == 2
    assert why in ended.said


@pytest.mark.parametrize(
    "place",
    [
        "https://drive.google.com/drive/folders/{}",
        "https://drive.google.com/drive/u/1/folders/{}?usp=sharing",
        "https://drive.google.com/drive/folders/{}?resourcekey=0-x#top",
        " https://drive.google.com/drive/mobile/folders/{}/ ",
    ],
)
def test_an_address_from_the_browser_is_understood(
    team: Team, api: Sandbox, google: GoogleDrive, place: str
) -> None:
    write(team, "drive.json", google.key)
    drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
    configure(team, google, place.format(drive.id))
    team.write("prompt,files", "a fox,")

    assert "Pictures can be saved in" in team.start("doctor", team.config).said


def test_a_run_that_is_interrupted_does_not_wait_for_google(
    team: Team, api: Sandbox, google: GoogleDrive
) -> None:
    write(team, "drive.json", google.key)
    drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
    configure(team, google, address(drive))
    team.write("prompt,files", "a fox,")
    google.faults.when(lambda asked: asked.path.startswith("/upload/"), Fault.HANG_AFTER)

    with Program("run", team.config, "--wait") as program:
        program.until(lambda: google.asked("POST", "/upload/"), "an upload hangs")
        program.signal(signal.SIGINT)
        ended = program.end(within=20)
    google.faults.clear()
    later = team.run()

    assert ended.is_plain
    assert later.code == 0
    assert google.paths(drive) == dict.fromkeys(google.paths(drive), 1)
    assert sum(google.paths(drive).values()) == 4


def test_the_key_of_the_google_sheet_is_enough(tmp_path: Path, google: GoogleDrive) -> None:
    key = tmp_path / "bot.json"
    key.write_text(json.dumps(google.key))
    own = google.files.by_hand("Mine", owner=ANNA, writer=EMAIL)
    config = tmp_path / "promptsheet.toml"
    config.write_text(
        f"""\
[sheet]
source = "https://docs.google.com/spreadsheets/d/1AbC/edit"
credentials = "file:bot.json"
[media]
save_to = "{address(own)}"
base_url = "{google.url}"
"""
    )

    with pytest.raises(NoPlace, match=EMAIL):
        event_loop.run(checked(load(config)))
