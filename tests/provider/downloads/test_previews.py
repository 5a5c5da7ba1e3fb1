"""Previews: small, few enough, readable by the right people, and never in the way."""

from __future__ import annotations

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import Image

from pipeline.core.pictures.saved_files import Fetched, Kept
from pipeline.provider.downloads.fetching import Fetcher
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.downloads.media import Media
from pipeline.provider.downloads.previews import SHELVES, SIDE, Previews
from pipeline.server import event_loop


def a_picture(mode: str = "RGB", side: int = 900, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    noise = Image.effect_noise((side, side), 40)
    picture = noise.convert(mode)
    if mode == "RGBA":
        picture.putalpha(noise)
    picture.save(content, kind)
    return content.getvalue()


def test_a_preview_is_small_and_keeps_shape_and_transparency(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews")
    wide = io.BytesIO()
    Image.new("RGB", (2000, 500), "teal").save(wide, "PNG")
    tried = {
        "wide": wide.getvalue(),
        "clear": a_picture("RGBA"),
        "tiny": a_picture(side=40),
        "photo": a_picture(kind="JPEG"),
    }
    made = {
        name: previews.make(f"s3://b/{name}.png", io.BytesIO(content))
        for name, content in tried.items()
    }
    seen = {name: Image.open(io.BytesIO(path.read_bytes())) for name, path in made.items() if path}

    assert {name: (one.format, one.size) for name, one in seen.items()} == {
        "wide": ("JPEG", (SIDE, SIDE // 4)),
        "clear": ("WEBP", (SIDE, SIDE)),
        "tiny": ("JPEG", (40, 40)),
        "photo": ("JPEG", (SIDE, SIDE)),
    }
    assert seen["clear"].has_transparency_data
    assert previews.find("s3://b/wide.png") == made["wide"]
    assert previews.find("s3://b/other.png") is None


def test_what_is_no_picture_has_no_preview(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews")
    for content in (b"", b"\0\0\0\x18ftypmp42" + bytes(99), b"<svg/>", a_picture()[:-2000]):
        assert previews.make("s3://b/film.mp4", io.BytesIO(content)) is None
    assert not (tmp_path / "previews").exists()


def test_those_who_can_read_the_sheet_can_read_its_previews_and_no_others(tmp_path: Path) -> None:
    sheet = tmp_path / "prompts.csv"
    sheet.touch()
    sheet.chmod(0o640)
    path = Previews(tmp_path / "previews", sheet=sheet).make("s3://b/a", io.BytesIO(a_picture()))

    assert path
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_previews_never_take_more_room_than_allowed_and_the_used_ones_stay(tmp_path: Path) -> None:
    folder, content = tmp_path / "previews", a_picture(side=60)
    one = Previews(tmp_path / "one").make("s3://b/0", io.BytesIO(content))
    assert one
    size = one.stat().st_size
    most = 3 * size * SHELVES
    # Addresses of one shelf: each write looks at no other.
    names = (f"s3://b/{number}" for number in range(10**6))
    is_same = (name for name in names if Previews(folder)._path(name).parent.name == "00")
    same = list(islice(is_same, 30))
    for at, name in enumerate(same[:3]):
        made = Previews(folder, most_bytes=most).make(name, io.BytesIO(content))
        assert made
        os.utime(made, (10 + at, 10 + at))
    assert Previews(folder).find(same[0])  # it is shown, so it is no longer the oldest

    def make(name: str) -> None:
        Previews(folder, most_bytes=most).make(name, io.BytesIO(content))

    make(same[3])
    kept = [name for name in same if Previews(folder).find(name)]
    with ThreadPoolExecutor(8) as threads:  # several processes
        list(threads.map(make, same[4:]))
    left = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]

    assert kept == [same[0], same[2], same[3]]
    assert 0 < sum(left) <= 3 * size


def test_a_picture_is_saved_also_where_no_preview_can_be(tmp_path: Path) -> None:
    (tmp_path / "previews").write_text("a file where the folder should be")
    part = tmp_path / "a.part"
    part.write_bytes(a_picture())
    file = Fetched(part, "png", part.stat().st_size, "0" * 64)
    media = Media(
        Fetcher(tmp_path), Folder(tmp_path / "media"), previews=Previews(tmp_path / "previews")
    )

    kept = event_loop.run(media.keep(file, "fox"))

    assert kept == Kept("fox.png", str(tmp_path / "media/fox.png"))
    assert (tmp_path / "media/fox.png").is_file()


def test_a_crash_leaves_no_preview_that_is_shown(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews")
    made = previews.make("s3://b/a", io.BytesIO(a_picture()))
    assert made
    made.write_bytes(b"")

    assert previews.find("s3://b/a") is None
    assert previews.make("s3://b/a", io.BytesIO(a_picture())) == made
    assert previews.find("s3://b/a") == made
