"""Saved files on another machine: little memory, no half file, no second question."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import Settings, load
from pipeline.core.api.cell_files import SAVED
from pipeline.core.errors import FileGone, NotRead, PartUnread
from pipeline.open_pictures import PAUSE, Pictures, kind_of, name_of, request_files
from pipeline.page import downloads, thumbnails
from pipeline.provider.downloads.destination import MOST_BYTES, About
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.input_folder import MOST_BYTES as MOST_SENT

PLACE = "s3://pictures/spring"


class Shelf(Folder):
    """A folder in place of a bucket, which counts what is asked and can fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []
        self.fails_after: int | None = None
        self.size: int | None = None

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.fails_after is not None and len(self.asked) > self.fails_after:
            raise NotRead("Pictures cannot be read from s3://pictures now (503).")

    def about(self, path: str) -> About:
        self._note("about")
        about = super().about(path)
        return About(path.removeprefix(f"{PLACE}/"), self.size or about.size)

    def read(self, path: str, start: int, length: int) -> bytes:
        self._note("read")
        return super().read(path, start, length)


@dataclass
class Bench:
    settings: Settings
    shelf: Shelf
    folder: Path

    def put(self, name: str, content: bytes) -> str:
        address = f"{PLACE}/{name}"
        path = self.folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return address


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    config = tmp_path / "promptsheet.toml"
    config.write_text(f'[sheet]\nsource = "prompts.csv"\n[media]\nsave_to = "{PLACE}"\n')
    shelf = Shelf(tmp_path / "bucket")
    monkeypatch.setattr("pipeline.provider.downloads.places.destination_of", lambda settings: shelf)
    return Bench(load(config), shelf, tmp_path / "bucket")


def a_film(size: int) -> bytes:
    return b"\0\0\0\x18ftypmp42" + bytes(size - 12)


def test_a_zip_of_large_files_needs_little_memory(bench: Bench) -> None:
    names = [bench.put(f"film-{number}.mp4", a_film(24_000_000)) for number in range(6)]
    with Pictures(bench.settings) as pictures:
        files = [thumbnails.elsewhere(pictures, name, "") for name in names]
        tracemalloc.start()
        size = sum(len(piece) for piece in downloads.zipped(files, None, pictures))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert size > 6 * 24_000_000
    assert most < 30_000_000


def test_a_place_that_breaks_off_leaves_no_part_of_a_file_in_a_zip(bench: Bench) -> None:
    names = [bench.put(f"film-{number}.mp4", a_film(5_000_000)) for number in range(3)]
    with Pictures(bench.settings) as pictures:
        files = [thumbnails.elsewhere(pictures, names[0], "")]
        content = b"".join(downloads.zipped(files, None, pictures))
        bench.shelf.fails_after = len(bench.shelf.asked) + 4
        files = [thumbnails.elsewhere(pictures, name, "") for name in names[1:2]]
        broken = b"".join(downloads.zipped(files, None, pictures))

    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(io.BytesIO(broken)) as rest:
        assert whole.namelist() == ["film-0.mp4"]
        assert rest.namelist() == ["MISSING.txt"]
        assert b"film-1.mp4: Pictures cannot be read" in rest.read("MISSING.txt")


def test_names_in_a_zip_lead_out_of_no_folder_and_differ(bench: Bench) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(60)
    names = [
        bench.put(name, content + bytes([at]))
        for at, name in enumerate(("a/fox.png", "a\\fox.png", "b/../fox.png", "fox.png"))
    ]
    with Pictures(bench.settings) as pictures:
        files = [thumbnails.elsewhere(pictures, name, "") for name in (*names, names[0])]
        made = b"".join(downloads.zipped(files, None, pictures))

    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        found = archive.namelist()
    assert found == ["a/fox.png", "a/fox_2.png", "b/fox.png", "fox.png"]


def test_a_place_that_does_not_answer_is_asked_once_and_again_after_a_pause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [bench.put(f"{number}.png", b"") for number in range(9)]
    bench.shelf.fails_after = 0
    clock = [1000.0]
    monkeypatch.setattr("pipeline.open_pictures.time.monotonic", lambda: clock[0])
    with Pictures(bench.settings) as pictures:
        for name in names:
            with pytest.raises(NotRead, match=r"503"):
                pictures.preview(name)
        said, asked = pictures.trouble, len(bench.shelf.asked)
        clock[0] += PAUSE
        bench.shelf.fails_after = None
        picture = io.BytesIO()
        Image.new("RGB", (1000, 1000), "teal").save(picture, "PNG")
        made = pictures.preview(bench.put("0.png", picture.getvalue()))

        assert (asked, said) == (1, "Pictures cannot be read from s3://pictures now (503).")
        assert made
        assert Image.open(io.BytesIO(made.read_bytes())).size == (640, 640)
        assert pictures.trouble == ""


def test_a_file_that_is_gone_or_too_large_stops_no_others(bench: Bench) -> None:
    here = bench.put("fox.png", b"\x89PNG\r\n\x1a\n" + bytes(60))
    with Pictures(bench.settings) as pictures:
        with pytest.raises(FileGone):
            pictures.facts(f"{PLACE}/gone.png", "image/png")
        assert pictures.trouble == ""
        assert pictures.facts(here, "image/png").type == "image/png"
        bench.shelf.size = MOST_BYTES + 1
        with pytest.raises(FileGone, match="larger than 200 MB"):
            pictures.whole(bench.put("large.png", b""))


def test_what_is_no_picture_is_read_once(bench: Bench) -> None:
    film = bench.put("film", a_film(1000))
    with Pictures(bench.settings) as pictures:
        assert [pictures.preview(film) for _ in range(3)] == [None, None, None]
    assert bench.shelf.asked == ["about", "read"]


def test_a_type_is_what_the_first_bytes_say_and_a_page_is_never_shown(bench: Bench) -> None:
    page = bench.put("page.png", b"<html><script>alert(1)</script></html>")
    photo = bench.put("photo.png", b"\xff\xd8\xff" + bytes(60))
    with Pictures(bench.settings) as pictures:
        assert pictures.facts(page, "image/png").type == ""
        assert pictures.facts(photo, "image/png").type == "image/jpeg"


def test_names_and_kinds_come_from_addresses() -> None:
    in_drive = "https://drive.google.com/file/d/1AbC/view?usp=drivesdk"
    assert name_of(f"{PLACE}/a/fox-1.png") == "fox-1.png"
    assert name_of(in_drive) == ""
    assert kind_of(in_drive, "https://cdn.example.com/x.MP4?sig=1.png") == "video/mp4"
    assert kind_of(f"{PLACE}/a.webp", "https://x/y.mp4") == "image/webp"
    assert kind_of(in_drive, "https://x/y") == "image/png"


def test_a_picture_to_start_from_is_read_whole_or_not_at_all(bench: Bench) -> None:
    png = b"\x89PNG\r\n\x1a\n"
    fox = bench.put("fox-1.png", png + bytes(20))
    large = bench.put("fox-2.png", png + bytes(MOST_SENT))
    files = request_files(bench.settings)
    assert files

    assert files.problem(f"{SAVED}{fox}", "image") == ""
    assert bench.shelf.asked == []
    content = files.read(f"{SAVED}{fox}")
    assert (content.name, content.type, len(content.data)) == ("fox-1.png", "image/png", 28)
    with pytest.raises(PartUnread, match="that file is larger than 12 MB"):
        files.read(f"{SAVED}{large}")
    bench.shelf.fails_after = 0
    with pytest.raises(PartUnread, match=r"cannot be read from s3://pictures now \(503\)"):
        files.read(f"{SAVED}{fox}")
    # A cell names no file of the place.
    assert files.problem(fox) != ""
