"""Killed while pictures are saved in Google Drive: each picture is there exactly once.

The fake Google Drive ends the real program by SIGKILL when a request arrives: before it is applied,
or after it was applied and before the answer. A row is added before each start.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox, pictures
from tests.fakes.google.account import EMAIL
from tests.fakes.google.drive_files import File
from tests.fakes.google_drive import Cut, GoogleDrive, address, google_drive
from tests.fakes.google_sheets import Asked
from tests.fakes.program import Ended, Program
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


def configure(team: Team, google: GoogleDrive, folder: File) -> Path:
    key = team.folder / "bot.json"
    key.write_text(json.dumps(google.key))
    key.chmod(0o600)
    place = {"base_url": google.url, "credentials": "file:bot.json"}
    return team.configured(
        "promptsheet", media=address(folder), tables={"media": place}, write_every="100ms"
    )


def run_and_kill(team: Team, google: GoogleDrive, number: int, applied: bool) -> Ended:
    """Start the program and kill it at the request with this number, if it makes that many."""
    before = len(google.log)
    with Program("run", team.config, "--wait") as program:

        def kill(asked: Asked) -> None:
            if asked.number - before == number:
                program.kill()
                raise Cut(reset=True)

        (google.after if applied else google.between)(kill)
        ended = program.end()
        google.after(None)
        google.between(None)
    return ended


@pytest.mark.parametrize(
    "step", [5, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_killed_at_requests_to_google_drive_each_picture_is_saved_exactly_once(
    team: Team, api: Sandbox, step: int
) -> None:
    # A submission may be under way at the moment of a kill: version 2 takes it once, sent again.
    team = Team(team.folder, team.url, version=2)
    team.answers_within(3)
    with google_drive() as google:
        drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        folder = google.files.by_hand("Spring", parent=drive.id, drive=drive.id)
        configure(team, google, folder)
        team.write("prompt,files")
        kills = 0
        for number in count(1, step):
            for applied in (False, True):
                with team.sheet.open("a") as sheet:
                    sheet.write(f"a fox number {kills + 1},\n")
                kills += 1
                ended = run_and_kill(team, google, number, applied)
                assert ended.is_plain, ended.said
            if ended.code != -9:
                break
        asked = sum(one.method == "POST" and one.status == 200 for one in google.log)
        rows = team.rows()

        taken, found = api.state()["tasks"], google.contents(folder)
        print(f"{kills} starts, {asked} uploads answered: {len(found)} files")
        assert taken == {row["prompt"]: 1 for row in rows}
        assert Counter(row["status"] for row in rows) == {"done": len(rows)}
        assert sorted(found.values()) == sorted(
            pictures.draw(row["prompt"], "1:1", 1, n, plain=True)
            for row in rows
            for n in range(1, 5)
        )
        links = [link for row in rows for link in row["files"].split("\n")]
        ids = {one.id for one in google.files.children(folder)}
        assert {link.split("/")[5] for link in links} == ids
        # Both kills at the first request, and at least one at a later one or after all of them.
        assert kills >= 4
