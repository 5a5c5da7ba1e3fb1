"""Killed while pictures are saved: each is saved once, and no half file has its name.

In a folder, the program ends itself by SIGKILL at one of its own steps: just before it opens,
links, renames or deletes a file of that folder. The store is written between such steps. At a
bucket, the server ends the program before or after it has kept the file.
"""

from __future__ import annotations

import json
import os
import signal
from itertools import count
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox, pictures
from tests.fakes.buckets import BUCKET, google_storage
from tests.fakes.nursery import Child
from tests.fakes.program import KEY, KEY_NAME, Program
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0
SOAK = [pytest.mark.soak, pytest.mark.timeout(3600)]


def run_to_step(team: Team, step: int) -> int:
    """The exit code of a run that ends before this step, if it has so many."""
    words = [str(team.folder / "media"), str(step), "run", str(team.config)]
    process = Child("tests.fakes.dying", words, os.environ | {KEY_NAME: KEY})
    said, _ = process.communicate(60)
    process.close()
    assert "Traceback" not in said, said
    return process.wait()


def drawn(prompt: str) -> list[bytes]:
    return [pictures.draw(prompt, "1:1", 1, n, plain=True) for n in (1, 2, 3, 4)]


NAME = "{campaign}/{name}-{take}-{n}.{ext}"


@pytest.mark.parametrize(
    ("name", "every"),
    [("", 54), (NAME, 54), *(pytest.param(name, 1, marks=SOAK) for name in ("", NAME))],
)
def test_killed_at_any_step_in_the_folder_each_picture_is_saved_once(
    team: Team, api: Sandbox, name: str, every: int
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,name,campaign,files", *(f"a fox number {n},Fox,Spring," for n in range(5)))
    assert team.finish().code == 0
    team.configure(f'[media]\nfile_name = "{name}"\n')
    media, codes = team.folder / "media", []
    for step in (*range(1, 110, every), 0):
        codes.append(run_to_step(team, step))
        for path in media.rglob("*.png"):
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), f"{path} is not whole"

    rows = team.rows()
    saved = {path.relative_to(media).as_posix(): path.read_bytes() for path in media.rglob("*.png")}
    named = [one for row in rows for one in row["files"].split("\n")]
    lines = [json.loads(line) for line in (media / "manifest.jsonl").read_text().splitlines()]
    print(f"{len(codes)} starts, {codes.count(-signal.SIGKILL)} killed: {len(saved)} files")
    assert codes.count(-signal.SIGKILL) >= 3
    assert codes[-1] == 0
    assert api.state()["tasks"] == {row["prompt"]: 1 for row in rows}
    assert sorted(named) == sorted(saved)
    for row in rows:
        assert [saved[one] for one in row["files"].split("\n")] == drawn(row["prompt"])
    assert {one["file"] for one in lines} == set(saved)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=SOAK)])
def test_killed_at_uploads_to_a_bucket_each_picture_is_there_once(
    team: Team, api: Sandbox, step: int
) -> None:
    with google_storage() as store:
        place = {
            "base_url": f"http://127.0.0.1:{store.port}",
            "credentials": "file:place.key",
            "links": "ours",
            "public_url": "https://cdn.example.com",
        }
        (team.folder / "place.key").write_text('"anon"')
        (team.folder / "place.key").chmod(0o600)
        team.configured("promptsheet", media=f"gs://{BUCKET}/spring", tables={"media": place})
        team.write("prompt,files,image_urls")
        kills = 0
        for number in count(1, step):
            for applied in (False, True):
                with team.sheet.open("a") as sheet:
                    sheet.write(f"a fox number {number} {applied},,\n")
                with Program("run", team.config, "--wait") as program:
                    store.kill_at(store.uploads + number, program.kill, applied=applied)
                    ended = program.end()
                    store.kill_at(0, program.kill)
                assert ended.is_plain, ended.said
                kills += ended.code == -9
            if ended.code != -9:
                break

        rows = team.rows()
        print(f"{kills} kills: {len(store.files)} files, {store.uploads} uploads")
        assert kills >= 3
        assert api.state()["tasks"] == {row["prompt"]: 1 for row in rows}
        for row in rows:
            paths = row["files"].split("\n")
            found = [store.files[path.removeprefix(f"gs://{BUCKET}/")] for path in paths]
            assert found == drawn(row["prompt"])
            links = [
                path.replace(f"gs://{BUCKET}/spring", "https://cdn.example.com") for path in paths
            ]
            assert row["image_urls"].split("\n") == links
        assert len(store.files) == 4 * len(rows)
        assert not list(Path(team.folder).glob(".promptsheet-downloads/*.png"))
