"""Permissions of saved files: readable for those who can read the sheet, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.core.model import Claim
from pipeline.plain_files import open_plain, read_plain, share_like
from pipeline.server import event_loop
from pipeline.sheets.files.claim import claim_path, write_claim
from tests.fakes.raw_server import RawServer, answers
from tests.provider.downloads.test_fetching import PICTURE, media_in, save


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:o}"


def saved_beside(sheet: Path) -> tuple[str, str, str]:
    """The modes of a new folder of saved files, of a picture in it and of the sheet's claim."""
    folder = sheet.parent / "media"

    async def run() -> str:
        async with (
            RawServer(answers(PICTURE)) as server,
            media_in(folder, allowed=[server.url], sheet=sheet) as media,
        ):
            return await save(media, f"{server.url}/1.png", "fox")

    name = event_loop.run(run())
    assert write_claim(sheet, Claim("s", "store", 1, "word"), None)
    return mode(folder), mode(folder / name), mode(claim_path(sheet))


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
@pytest.mark.parametrize(
    ("sheet", "folder", "file"),
    [
        (0o600, "700", "600"),
        (0o640, "750", "640"),
        (0o660, "770", "660"),
        (0o644, "755", "644"),
        (0o666, "775", "664"),
        (0o755, "755", "644"),
        (0o400, "700", "600"),
    ],
)
def test_pictures_and_claim_follow_the_mode_of_the_sheet(
    tmp_path: Path, sheet: int, folder: str, file: str, umask: int
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\n")
    path.chmod(sheet)
    before = os.umask(umask)
    try:
        assert saved_beside(path) == (folder, file, file)
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other groups")
@pytest.mark.parametrize(
    ("may_give", "sheet", "file"),
    [(True, 0o640, "640"), (False, 0o640, "600"), (False, 0o664, "644")],
)
def test_a_group_that_cannot_read_the_sheet_cannot_read_the_pictures(
    tmp_path: Path, may_give: bool, sheet: int, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\n")
    os.chown(path, -1, 12345)
    path.chmod(sheet)
    picture = tmp_path / "fox.png"
    picture.touch()

    def refused(*_: object) -> None:
        raise PermissionError

    if not may_give:
        monkeypatch.setattr(os, "chown", refused)
    share_like(picture, path)

    assert mode(picture) == file
    assert (picture.stat().st_gid == 12345) is may_give


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    sheet = tmp_path / "prompts.csv"
    sheet.write_text("prompt\n")
    sheet.chmod(0o600)
    (tmp_path / "media").mkdir(mode=0o755)

    assert saved_beside(sheet) == ("755", "600", "600")


def test_pipes_and_folders_are_never_read_and_links_only_if_allowed(
    tmp_path: Path,
) -> None:
    file, link, pipe = (tmp_path / name for name in ("file", "link", "pipe"))
    file.write_bytes(b"text")
    link.symlink_to(file)
    os.mkfifo(pipe)

    assert read_plain(link) == b"text"
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match=r"plain file|directory"):
            read_plain(path)
    with pytest.raises(OSError, match="symbolic"):
        open_plain(link)
