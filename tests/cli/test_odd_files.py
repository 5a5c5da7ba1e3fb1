"""A pipe or a folder in place of one of our files: a clear error, and no endless wait."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Team:
    """A team with one finished and one new row."""
    api.reset()
    team = Team(tmp_path, api.url)
    team.configure()
    team.write("prompt,files", "a fox,")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    return team


def in_place_of(path: Path, kind: str) -> None:
    """Replace the file with a pipe or a folder."""
    path.unlink(missing_ok=True)
    os.mkfifo(path) if kind == "pipe" else path.mkdir()


BESIDE = ".prompts.csv.promptsheet-0123456789abcdef-0123456789abcdef-01234567"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("prompts.csv", 3, "is not a regular file|is a folder"),
        ("prompts.csv.promptsheet", 3, "prompts.csv.promptsheet is damaged: it should say"),
        ("promptsheet.db", 3, "The store .*promptsheet.db"),
        (".~lock.prompts.csv#", 3, "is open in LibreOffice.*delete .~lock.prompts.csv# beside it"),
        (BESIDE, 0, ""),
    ],
)
def test_a_start_ends_with_a_clear_sentence(
    team: Team, api: Sandbox, kind: str, name: str, code: int, words: str
) -> None:
    in_place_of(team.folder / name, kind)

    ended = team.start("run", team.config, "--wait")
    status = team.start("status", team.config)

    assert ended.code == code
    assert re.search(words, ended.said)
    assert status.code in (0, 1, 2, 3)
    if code == 0:
        assert team.said_of("a fox", "an owl") == ["done", "done"]
    else:
        assert api.state()["tasks"].get("an owl", 0) <= 1
        assert api.state()["tasks"]["a fox"] == 1


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_pipe_or_folder_in_place_of_a_picture_is_neither_shown_nor_read(
    team: Team, api: Sandbox, kind: str
) -> None:
    team.finish()
    names = team.row("a fox")["files"].split("\n")
    picture = team.folder / "media" / names[0]
    if kind == "link":
        secret = team.folder / "secret.png"
        shutil.copy(picture, secret)
        picture.unlink()
        picture.symlink_to(secret)
    else:
        in_place_of(picture, kind)

    gallery = team.start("gallery", team.config, "-o", "wall.html")
    repaired = team.start("doctor", team.config, "--repair")

    assert gallery.code == 0
    assert (team.folder / "wall.html").read_text().count("data:image/webp") == 7
    assert "Repaired: 0 rows done, 1 picture saved." in repaired.said
    saved = team.row("a fox")["files"].split("\n")
    assert saved[0] == names[0].replace(".png", "_2.png")
    assert saved[1:] == names[1:]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_the_gallery_replaces_a_link_and_does_not_change_its_target(team: Team) -> None:
    team.sheet.chmod(0o640)
    precious = team.folder / "precious.html"
    precious.write_text("mine")
    (team.folder / "wall.html").symlink_to(precious)

    assert team.start("gallery", team.config, "-o", "wall.html").code == 0

    wall = team.folder / "wall.html"
    assert precious.read_text() == "mine"
    assert not wall.is_symlink()
    assert "<html" in wall.read_text()
    assert f"{wall.stat().st_mode & 0o777:o}" == "640"
